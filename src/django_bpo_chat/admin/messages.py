"""What people have said."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from .. import operations
from ..models import Chat, Message
from ..users import User
from .rows import RowsAdmin, number


@admin.register(Message)
class MessageAdmin(RowsAdmin):
    """Texts are read only. A deletion leaves a tombstone, as everywhere."""

    actions = ("delete",)
    fields = ("chat_page", "seq", "author_handle", "text", "created_at", "edited_at", "deleted_at")
    list_display = ("name", "author_handle", "beginning", "created_at", "edited_at", "deleted_at")
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

    @admin.display(description=_("author"))
    def author_handle(self, message: Message) -> str | None:
        return self.person_link(message.author)

    @admin.display(description=_("text"))
    def beginning(self, message: Message) -> str:
        return Truncator(message.text).chars(80)

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


def delete_message(message: Message) -> bool:
    _tombstone, deleted = operations.delete_message(actor=None, chat=message.chat.uri, seq=message.seq)
    return deleted
