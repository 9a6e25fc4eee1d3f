"""Reading a file from the body of a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from ..exceptions import Invalid, LengthRequired, ParseError
from ..files import check_size

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
        if self._count > 1:
            raise Invalid({FIELD: [_("One file at a time.")]})

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Hands it on to the site's own handlers."""
        check_size(start + len(raw_data))
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


@contextmanager
def read_file(request: Request) -> Iterator["UploadedFile[Any]"]:
    """The file in the body, which is gone when the block ends.

    Raises ``Invalid``, ``LengthRequired``, ``ParseError``, ``TooLarge`` or REST framework's
    ``UnsupportedMediaType``.
    """
    _check_media_type(request)
    _check_length(request)
    uploads = _parsed(request).getlist(FIELD)
    if not uploads:
        raise Invalid({FIELD: [_("No file was submitted.")]})
    with uploads[0] as file:
        yield file


def _check_media_type(request: Request) -> None:
    if request._request.content_type != "multipart/form-data":
        raise UnsupportedMediaType(request._request.META.get("CONTENT_TYPE", ""))


def _check_length(request: Request) -> None:
    """Django's parser takes a body without a length for empty."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        raise LengthRequired
    check_size(int(length[:18]) - MOST_OTHER_BYTES)


def _parsed(request: Request) -> Any:
    handlers = [OneFile(), *request._request.upload_handlers]
    try:
        _fields, files = MultiPartParser(request.META, request._request, handlers, "utf-8").parse()
    except (MultiPartParserError, UnreadablePostError) as error:
        raise ParseError(_("This cannot be read as a form with a file.")) from error
    return files
