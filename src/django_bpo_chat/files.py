"""The bytes that people attach: what they are, and where they are kept."""

import re
import secrets
from dataclasses import dataclass
from typing import Any

import puremagic
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.utils.translation import gettext_lazy as _

from .conf import chat_settings
from .exceptions import TooLarge
from .images import read_picture

UNKNOWN_TYPE = "application/octet-stream"

DIRECTORY = "bpo_chat"
"""Where the files are in their storage."""

_HEAD_BYTES = 4096
"""Enough for all signatures that puremagic knows at a fixed place."""

_BY_NAME_ALONE = 0.1
"""puremagic's confidence in what nothing but the file's name says."""

_TYPE_PATTERN = re.compile(r"[a-z]+/[a-z0-9.+-]+")


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is by its bytes. ``width``, ``height`` and ``preview`` are those of images that browsers show."""

    type: str
    width: int | None = None
    height: int | None = None
    preview: bytes = b""


def read_content(file: "File[Any]", name: str) -> Content:
    """What the file is, by its bytes. The name settles no more than which of the formats it is that begin alike.

    Raises ``images.TooManyPixels``.
    """
    file.seek(0)
    picture = read_picture(file)
    if picture is not None:
        return Content(picture.content_type, picture.width, picture.height, picture.preview)
    file.seek(0)
    return Content(_content_type(file.read(_HEAD_BYTES), name))


def _content_type(head: bytes, name: str) -> str:
    try:
        # It needs the suffix. A file of that name it would read, where there is one: none has a name with a NUL.
        matches = puremagic.magic_string(head, filename=f"\0{name}")
    except (puremagic.PureError, ValueError):
        matches = []
    known = (match.mime_type for match in matches if match.confidence > _BY_NAME_ALONE)
    named = next((each for each in known if _TYPE_PATTERN.fullmatch(each)), None)
    return named or ("text/plain" if _is_text(head) else UNKNOWN_TYPE)


def _is_text(head: bytes) -> bool:
    """In UTF-8, of which the last character may be cut off."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False
        text = head[: error.start].decode()
    return "\0" not in text


def check_size(size: int) -> None:
    """Of a file, or of what has been read of it so far. Raises ``TooLarge``."""
    most = chat_settings.attachment_bytes
    if size > most:
        raise TooLarge(_("A file has no more than %(most)d bytes.") % {"most": most})


def storage() -> Storage:
    return storages[chat_settings.attachment_storage]


def new_path() -> str:
    """Where nobody can guess it, also where the storage shows its files to the world. It says nothing of what is in the
    file, and has nothing in common with the key that members know."""
    name = secrets.token_hex(16)
    return f"{DIRECTORY}/{name[:2]}/{name}"


def store(path: str, content: "File[Any] | bytes") -> str:
    """The path at which the storage has it, which may be another one."""
    file = ContentFile(content) if isinstance(content, bytes) else content
    file.seek(0)
    # What storages that keep a type, such as those on S3, would else take from the uploader's word.
    file.content_type = UNKNOWN_TYPE  # type: ignore[union-attr]  # of uploads alone
    return storage().save(path, file)
