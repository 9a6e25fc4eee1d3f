"""Exports as downloads, which are sent as they are written: none is ever whole, in memory or on a disk."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO, UnsupportedOperation
from typing import IO, Any, ClassVar

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, router, transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _t

from ..exceptions import Text
from .rows import RowsAdmin

Write = Callable[[IO[bytes]], Iterator[int]]


class ExportAdmin(RowsAdmin):
    """Rows of which there is a file: a page says what is in it, and then it is downloaded."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._download)
        transaction.non_atomic_requests(using=router.db_for_write(self.model))(view)
        return [path("export/", view, name=self.url_name("export")), *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whoever exports sees what is in the file on the admin's pages too, but for emails, and the site has these."""
        return all(
            self.admin_site.is_registered(model) and self.is_permitted(request, "view", model)
            for model in self.export_models
        )

    export_models: ClassVar[Sequence[type[Model]]]
    """Of what there are rows in the file."""

    export_about: ClassVar[Text]
    """What is in the file."""

    def export_name(self, row: Any) -> str:
        """Whom or what the file is about."""
        raise NotImplementedError

    def export_count(self, row: Any) -> int:
        """How many messages are in it."""
        raise NotImplementedError

    def export_to(self, row: Any, file: IO[bytes]) -> Iterator[int]:
        """Writes it, and yields now and then."""
        raise NotImplementedError

    def ask_to_export(self, request: HttpRequest, queryset: Any) -> HttpResponseBase | None:
        """The page, for an action."""
        rows = list(queryset[:2])
        if len(rows) != 1:
            self.message_user(request, _t("Choose one row for this."), messages.ERROR)
            return None
        [row] = rows
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": self.title_of(_t("Export")),
            "opts": self.opts,
            "action": self.page_url(self.model, "export"),
            "back": self.page_url(self.model, "changelist"),
            "about": self.export_about,
            "row": row,
            "name": self.export_name(row),
            "number": self.export_count(row),
        }
        return TemplateResponse(request, "admin/bpo_chat/export.html", context)

    def _download(self, request: HttpRequest) -> HttpResponseBase:
        if not (self.has_view_permission(request) and self.has_export_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, request.POST.get("row", ""))
        if row is None:
            self.message_user(request, _t("This row is not there any more."), messages.ERROR)
            return HttpResponseRedirect(self.page_url(self.model, "changelist"))
        self.log_change(request, row, _t("Exported"))
        return _archive_response(request, f"{self.export_name(row)}.zip", lambda file: self.export_to(row, file))


class _Passing(BytesIO):
    """A file of which is kept what has not been taken, so that nobody can go back in it."""

    def tell(self) -> int:
        raise UnsupportedOperation

    def take(self) -> bytes:
        taken = self.getvalue()
        self.seek(0)
        self.truncate(0)
        return taken


def _archive_response(request: HttpRequest, name: str, write: Write) -> HttpResponseBase:
    parts = _parts(write)
    response = StreamingHttpResponse(
        _from_a_thread(parts) if isinstance(request, ASGIRequest) else parts, content_type="application/zip"
    )
    response["Content-Disposition"] = content_disposition_header(True, name) or ""
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _parts(write: Write) -> Iterator[bytes]:
    """Where the export fails, its end is missing, and browsers say so."""
    file = _Passing()
    for _ in write(file):
        yield file.take()
    yield file.take()


async def _from_a_thread(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """For a server that waits for nobody. The thread is one for all of it, since so is the database's connection."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        take = sync_to_async(partial(next, parts, None), thread_sensitive=False, executor=thread)
        end = sync_to_async(partial(_end, parts), thread_sensitive=False, executor=thread)
        try:
            while (part := await take()) is not None:
                yield part
        finally:
            await end()


def _end(parts: Any) -> None:
    parts.close()
    connections.close_all()
