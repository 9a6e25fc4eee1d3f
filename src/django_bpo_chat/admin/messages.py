"""What people have said."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from .. import operations
from ..downloads import file_response
from ..exceptions import ChatError, NotFound
from ..models import Attachment, Chat, Message
from ..users import User
from .rows import RowsAdmin, number


@admin.register(Message)
class MessageAdmin(RowsAdmin):
    """Texts and files are read only. A deletion leaves a tombstone, as everywhere."""

    actions = ("delete",)
    fields = ("chat_page", "number", "author_handle", "text", "files", "created_at", "edited_at", "deleted_at")
    list_display = ("name", "author_handle", "beginning", "file_count", "created_at", "edited_at", "deleted_at")
    list_select_related = ("chat", "author")
    search_help_text = _(
        "The uri of a chat, also with a message's number behind it, or the handle of an author. Without it the newest"
        " messages are listed."
    )

    @admin.display(description=_("message"))
    def name(self, message: Message) -> str:
        return str(message)

    @admin.display(description=_("chat"))
    def chat_page(self, message: Message) -> str:
        return self.chat_link(message.chat)

    @admin.display(description=_("number"))
    def number(self, message: Message) -> int:
        return message.seq

    @admin.display(description=_("author"))
    def author_handle(self, message: Message) -> str:
        return self.person_link(message.author)

    @admin.display(description=_("text"))
    def beginning(self, message: Message) -> str:
        return beginning_of(message)

    @admin.display(description=_("files"))
    def files(self, message: Message) -> str:
        return file_links(self, message)

    @admin.display(description=_("files"))
    def file_count(self, message: Message) -> int | None:
        return len(message.attachments.all()) or None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related(with_files("attachments"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._file)
        return [path("<int:pk>/files/<str:key>/", view, name=self.url_name("file")), *super().get_urls()]

    def _file(self, request: HttpRequest, pk: int, key: str) -> HttpResponseBase:
        """A file of a message, for whoever may see the message."""
        message = self.get_object(request, str(pk))
        if not self.has_view_permission(request, message):
            raise PermissionDenied
        try:
            return file_response(request, _attachment(message, key))
        except ChatError as error:
            return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")

    @admin.action(description=_("Delete (leave a tombstone)"), permissions=["act"])
    def delete(self, request: HttpRequest, queryset: Any) -> None:
        rows = [row for row in self.chosen(queryset) if not row.is_deleted]
        self.act(request, rows, delete_message, _t("Deleted, a tombstone is left"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        found = queryset.filter(chat=chat).order_by("-seq")
        return found.filter(seq=number(rest)) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        """By time, for which there is an index: by id, PostgreSQL may look for theirs among everybody's."""
        return queryset.filter(author__in=people).order_by("-created_at", "-id")


def with_files(relation: str) -> "Prefetch[Any]":
    """What is read along with messages, so that their files are shown in their order."""
    return Prefetch(relation, Attachment.objects.order_by("place"))


def beginning_of(message: Message) -> str:
    """Of its text, or else the names of its files."""
    return Truncator(message.text or ", ".join(file.name for file in message.attachments.all())).chars(80)


def file_links(model_admin: RowsAdmin, message: Message) -> str:
    """Each by its name, type and size."""
    links = [
        (_file_link(model_admin, file), file.content_type, filesizeformat(file.size))
        for file in message.attachments.all()
    ]
    return format_html_join(mark_safe("<br>"), "{} ({}, {})", links) or model_admin.get_empty_value_display()


def _file_link(model_admin: RowsAdmin, file: Attachment) -> str:
    return model_admin.link(file.name, Message, "file", str(file.message_id), file.key)


def _attachment(message: Message | None, key: str) -> Attachment:
    """Raises ``NotFound``."""
    found = Attachment.objects.with_key(key).filter(message=message).first() if message is not None else None
    if found is None:
        raise NotFound
    return found


def delete_message(message: Message) -> bool:
    _tombstone, deleted = operations.delete_message(actor=None, chat=message.chat.uri, seq=message.seq)
    return deleted
