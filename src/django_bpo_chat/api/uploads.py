"""Reading a file from the body of a request."""

import html
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from ..exceptions import Invalid, LengthRequired, ParseError
from ..files import check_size
from ..operations.texts import clean_file_name

FIELD = "file"

MOST_OTHER_BYTES = 64 * 1024
"""Of what stands around the file in the body."""


class OneFile(FileUploadHandler):
    """Ends the reading as soon as there is more than one file, or more of it than there may be."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._count += 1
        _check_count(self._count)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Hands it on to the site's own handlers."""
        check_size(start + len(raw_data))
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


class Form(MultiPartParser):
    """Keeps the file's name to itself. Django's would lose what joins letters and emoji, and its temporary files have
    the name's suffix, which may be longer than a file's name can be."""

    file_name = ""

    def sanitize_file_name(self, file_name: str) -> str:
        self.file_name = html.unescape(file_name)
        return "file"


@contextmanager
def read_file(request: Request) -> Iterator["UploadedFile[Any]"]:
    """The file in the body, which is gone when the block ends.

    Raises ``Invalid``, ``LengthRequired``, ``ParseError``, ``TooLarge`` or REST framework's
    ``UnsupportedMediaType``.
    """
    _check_media_type(request)
    _check_length(request)
    files = _read_before(request) if hasattr(request._request, "_files") else _parsed(request)
    with ExitStack() as closing:
        for each in chain.from_iterable(each for _field, each in files.lists()):
            closing.enter_context(each)
        uploads = files.getlist(FIELD)
        if not uploads:
            raise Invalid({FIELD: [_("No file was submitted.")]})
        yield uploads[0]


def _check_media_type(request: Request) -> None:
    if request._request.content_type != "multipart/form-data":
        raise UnsupportedMediaType(request._request.META.get("CONTENT_TYPE", ""))


def _check_length(request: Request) -> None:
    """Django's parser takes a body without a length for empty."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        raise LengthRequired
    check_size(int(length[:18]) - MOST_OTHER_BYTES)


def _check_count(files: int) -> None:
    if files > 1:
        raise Invalid({FIELD: [_("One file at a time.")]})


def _read_before(request: Request) -> "MultiValueDict[str, UploadedFile[Any]]":
    """What Django has read because a middleware of the site's has asked for ``request.POST``."""
    files = request._request.FILES
    uploads = [*chain.from_iterable(each for _field, each in files.lists())]
    _check_count(len(uploads))
    for each in uploads:
        check_size(each.size or 0)
    return files


def _parsed(request: Request) -> "MultiValueDict[str, UploadedFile[Any]]":
    handlers = [OneFile(), *request._request.upload_handlers]
    try:
        form = Form(request.META, request._request, handlers, "utf-8")
        _fields, files = form.parse()
    except Exception as error:
        for handler in handlers:
            handler.upload_interrupted()  # else their files stay open for as long as the error is known
        if isinstance(error, (MultiPartParserError, UnreadablePostError)):
            raise ParseError(_("This cannot be read as a form with a file.")) from error
        raise
    for file in files.getlist(FIELD):
        file.name = clean_file_name(form.file_name)
    return files
