"""The moderators' queue, and who blocks whom."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from .. import operations
from ..exceptions import NotFound
from ..models import Block, Chat, Message, Report
from ..users import User, handle
from .messages import beginning_of, delete_message, file_links, with_files
from .rows import RowsAdmin, RowsOfAccountsAdmin, number


@admin.register(Report)
class ReportAdmin(RowsAdmin):
    """The moderators' queue: what is open comes first, the newest of it at the top, and then what is resolved."""

    actions = ("resolve", "delete", "ban")
    fields = (
        *("chat_page", "message_page", "author_handle", "text", "files", "since_then", "reporter_handle", "reason"),
        *("created_at", "resolved_at", "resolved_by_handle"),
    )
    list_display = (
        *("name", "beginning", "since_then", "author_handle", "reporter_handle", "beginning_of_reason"),
        *("created_at", "state"),
    )
    list_select_related = ("message__chat", "message__author", "reporter", "resolved_by")
    ordering = ("-is_open", "-id")
    search_help_text = _(
        "The uri of a chat, also with a message's number behind it, or the handle of an author. Without it the open"
        " reports are listed first."
    )

    @admin.display(description=_("message"))
    def name(self, report: Report) -> str:
        return str(report.message)

    @admin.display(description=_("chat"))
    def chat_page(self, report: Report) -> str:
        return self.chat_link(report.chat)

    @admin.display(description=_("message"))
    def message_page(self, report: Report) -> str:
        return self.link(str(report.message), Message, "change", quote(report.message_id))

    @admin.display(description=_("author"))
    def author_handle(self, report: Report) -> str:
        return self.person_link(report.message.author)

    @admin.display(description=_("text"))
    def text(self, report: Report) -> str:
        return report.message.text

    @admin.display(description=_("text"))
    def beginning(self, report: Report) -> str:
        return beginning_of(report.message)

    @admin.display(description=_("files"))
    def files(self, report: Report) -> str:
        return file_links(self, report.message)

    @admin.display(description=_("since then"))
    def since_then(self, report: Report) -> str:
        """What has become of the message that was reported, where it is not the one that is shown."""
        message = report.message
        if message.is_deleted:
            return _t("deleted")
        if message.edited_at != report.message_edited_at:
            return _t("edited")
        return self.get_empty_value_display()

    @admin.display(description=_("reason"))
    def beginning_of_reason(self, report: Report) -> str:
        return Truncator(report.reason).chars(80)

    @admin.display(description=_("reported by"))
    def reporter_handle(self, report: Report) -> str:
        return self.person_link(report.reporter)

    @admin.display(description=_("state"))
    def state(self, report: Report) -> str:
        if report.is_open:
            return _t("open")
        if report.resolved_by is None:
            return _t("resolved")
        return format_html(_t("resolved by {}"), self.person_link(report.resolved_by))

    @admin.display(description=_("resolved by"))
    def resolved_by_handle(self, report: Report) -> str:
        return self.person_link(report.resolved_by)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related(with_files("message__attachments"))

    def has_delete_messages_permission(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request) and self.is_permitted(request, "change", Message)

    @admin.action(description=_("Resolve"), permissions=["act"])
    def resolve(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), partial(_resolve, request.user), _t("Resolved"))

    @admin.action(description=_("Delete the message (leave a tombstone)"), permissions=["delete_messages"])
    def delete(self, request: HttpRequest, queryset: Any) -> None:
        done = _t("Deleted, a tombstone is left")
        self.act(request, self.chosen(queryset), partial(_delete_reported, request.user), done)

    @admin.action(description=_("Ban the author from the chat"), permissions=["ban"])
    def ban(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), partial(_ban_reported, request.user), _t("Banned from the chat"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        found = queryset.filter(message__chat=chat)
        return found.filter(message__seq=number(rest)) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(message__author__in=people)


@admin.register(Block)
class BlockAdmin(RowsOfAccountsAdmin):
    """Who blocks whom, which is for them to say: it is shown and goes along with an account."""

    fields = ("blocker_handle", "blocked_handle", "created_at")
    list_display = ("name", *fields[1:])
    list_select_related = ("blocker", "blocked")
    search_fields = ("blocker",)
    search_help_text = _("The handle of either. Without it the newest blocks are listed.")

    @admin.display(description=_("blocked by"))
    def name(self, block: Block) -> str:
        return handle(block.blocker)

    @admin.display(description=_("blocked by"))
    def blocker_handle(self, block: Block) -> str:
        return self.person_link(block.blocker)

    @admin.display(description=_("blocked"))
    def blocked_handle(self, block: Block) -> str:
        return self.person_link(block.blocked)

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        return queryset.none()

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(Q(blocker__in=people) | Q(blocked__in=people))


def _resolve(moderator: Any, report: Report) -> bool:
    return operations.resolve_report(report=report, resolved_by=moderator)


def _delete_reported(moderator: Any, report: Report) -> bool:
    """With the message all that was reported of it is settled."""
    deleted = delete_message(report.message)
    still_open = list(Report.objects.open().filter(message=report.message))
    return any([deleted, *(_resolve(moderator, each) for each in still_open)])


def _ban_reported(moderator: Any, report: Report) -> bool:
    author = report.message.author
    if author is None:
        raise NotFound
    banned = operations.ban_user(actor=None, chat=report.chat.uri, username=handle(author))
    return any([banned, _resolve(moderator, report)])
