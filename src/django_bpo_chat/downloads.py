"""Stored files as answers, which no browser takes for more than they are."""

import logging
from collections.abc import AsyncIterator
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

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
    response = get_conditional_response(request, etag=etag) or _whole(request, _opened(path))
    is_image = preview or attachment.is_image
    content_type = PREVIEW_TYPE if preview else attachment.content_type
    for name, value in HEADERS.items():
        response[name] = value
    response["ETag"] = etag
    response["Content-Type"] = content_type if is_image else files.UNKNOWN_TYPE
    response["Content-Disposition"] = content_disposition_header(not is_image, attachment.name) or ""
    return response


def _opened(path: str) -> IO[bytes]:
    try:
        return files.storage().open(path)
    except FileNotFoundError:
        logger.error("An attachment is not in its storage: %s", path)
        raise NotFound from None
    except Exception as error:
        logger.exception("The storage of attachments fails")
        raise Unavailable from error


def _whole(request: HttpRequest, file: Any) -> HttpResponseBase:
    is_async = isinstance(request, ASGIRequest)
    response = StreamingHttpResponse(Chunks(file)) if is_async else FileResponse(file)
    response["Content-Length"] = str(file.size)
    return response
