"""Stored files as answers, which no browser takes for more than they are."""

import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import IO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags

from . import files
from .exceptions import NotFound, Unavailable
from .images import PREVIEW_TYPE
from .models import Attachment

logger = logging.getLogger(__name__)

CHUNK = 256 * 1024
"""Bytes that are in memory at once for a server that is asynchronous."""

HEADERS = {
    "Cache-Control": "private, no-cache",  # is asked for again, which may be refused by then
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",
    "X-Content-Type-Options": "nosniff",
}


class Chunks:
    """A file for a server that waits for nobody."""

    def __init__(self, file: IO[bytes]) -> None:
        self._read = sync_to_async(file.read, thread_sensitive=False)
        self.close = file.close  # Django calls it at the end, whatever that is

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._read(CHUNK):
            yield chunk


def file_response(request: HttpRequest, attachment: Attachment, *, preview: bool = False) -> HttpResponseBase:
    """The file, or its preview. Only images that were decoded are shown by browsers; the rest is downloaded.

    Raises ``NotFound`` where there is none in the storage, or no preview; ``Unavailable`` where the storage fails.
    """
    path = attachment.preview_path if preview else attachment.path
    if not path:
        raise NotFound
    etag = f'"{attachment.key}{"-preview" if preview else ""}"'
    response = HttpResponseNotModified() if _has(request, etag) else _whole(request, path)
    is_image = preview or attachment.is_image
    content_type = PREVIEW_TYPE if preview else attachment.content_type
    for name, value in HEADERS.items():
        response[name] = value
    response["ETag"] = etag
    response["Content-Type"] = content_type if is_image else files.UNKNOWN_TYPE
    response["Content-Disposition"] = content_disposition_header(not is_image, attachment.name) or ""
    if not preview and response.status_code == HTTPStatus.OK:
        response["Content-Length"] = str(attachment.size)
    return response


def _has(request: HttpRequest, etag: str) -> bool:
    """Whether the client has it already: RFC 9110, section 13.1.2. Other conditions are for what can be changed."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in {each.removeprefix("W/") for each in known}


def _whole(request: HttpRequest, path: str) -> HttpResponseBase:
    """Raises ``NotFound`` and ``Unavailable``. A storage that fails later can only cut the answer off."""
    with ExitStack() as undone:
        try:
            file = undone.enter_context(files.storage().open(path))
            file.read(0)  # some storages ask for it only now
            is_async = isinstance(request, ASGIRequest)
            response = StreamingHttpResponse(Chunks(file)) if is_async else FileResponse(file)
        except FileNotFoundError:
            logger.error("An attachment is not in its storage: %s", path)
            raise NotFound from None
        except Exception as error:
            logger.exception("The storage of attachments fails")
            raise Unavailable from error
        undone.pop_all()
    return response
