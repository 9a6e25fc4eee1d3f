"""Where the files are kept that people attach to messages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags
from django.core.checks import Warning as CheckWarning
from django.core.files.storage import FileSystemStorage, storages

from ..conf import chat_settings
from .sites import check

NO_URL = {"", "/"}
"""Django puts the site's prefix before the one that is not set."""


@check(Tags.files, deploy=True)
def check_private_storage() -> Iterator[CheckMessage]:
    """A site that takes no files needs none. What storages other than Django's folders show, nobody here knows."""
    if chat_settings.attachments_per_message and _is_public(storages[chat_settings.attachment_storage]):
        yield CheckWarning(
            "Files that people attach to messages are kept among the site's public files.",
            hint='Give them a storage of their own: beside what is in STORAGES, which has to have "default" and '
            '"staticfiles", add "attachments": {"BACKEND": "django.core.files.storage.FileSystemStorage", '
            '"OPTIONS": {"location": BASE_DIR / "attachments"}}, and name it in BPO_CHAT["ATTACHMENT_STORAGE"].',
            id="bpo_chat.W022",
        )


def _is_public(storage: Any) -> bool:
    """Among what the site shows at a URL; or in the folder of the server itself, where no other one is named."""
    if not isinstance(storage, FileSystemStorage):
        return False
    location = Path(storage.location)
    if not settings.MEDIA_ROOT:
        return location == Path.cwd()
    return settings.MEDIA_URL not in NO_URL and location.is_relative_to(Path(settings.MEDIA_ROOT).absolute())
