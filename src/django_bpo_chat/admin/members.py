"""Who is in which chat, and who is kept out."""

from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from .. import exports, operations
from ..models import Ban, Block, Chat, Membership, Message, Report
from ..users import User, handle, users_with_handles
from .exports import ExportAdmin
from .rows import RowsOfAccountsAdmin
from .work import Work, WorkAdmin


class DeleteMessages(Work):
    """Deletes all that some people have said, wherever that was."""

    name = "delete_messages"
    title = _("Delete all messages")
    related = ("user",)

    @property
    def plan(self) -> str:
        return _t(
            "All messages of these people will be deleted, in all chats, personal ones included, and for good."
            " Tombstones are left of them."
        )

    @property
    def done(self) -> str:
        return _t("All messages of this person deleted")

    def about(self, row: Membership) -> str:
        return handle(row.user)

    def count(self, rows: Sequence[Membership]) -> int:
        return sum(operations.count_messages_of(author=author) for author in {row.user for row in rows})

    def batches(self, row: Membership) -> Iterator[int]:
        return operations.delete_messages_of(author=row.user)


@admin.register(Membership)
class MembershipAdmin(WorkAdmin, ExportAdmin, RowsOfAccountsAdmin):
    """Present members may be removed; those who have left are listed too, and may be banned as well. What they have
    said may be deleted."""

    actions = ("remove", "ban", "delete_messages", "export")
    export_models = (Chat, Membership, Message, Block, Report)
    export_about = _("All that this person has said and chosen, in all chats, personal ones included, and their email.")
    works = (DeleteMessages,)
    fields = ("user_handle", "chat_page", "standing", "joined_at", "left_at", "sees_from", "has_read")
    list_display = ("name", "chat_page", "standing", "joined_at", "left_at")
    list_select_related = ("chat", "user")
    search_help_text = _("The uri of a chat, or a handle, or both. Without it the newest memberships are listed.")

    @admin.display(description=_("user"))
    def name(self, membership: Membership) -> str:
        return handle(membership.user)

    def told_name(self, row: Membership) -> str:
        return _member_in_chat(row)

    @admin.display(description=_("user"))
    def user_handle(self, membership: Membership) -> str:
        return self.person_link(membership.user)

    @admin.display(description=_("chat"))
    def chat_page(self, membership: Membership) -> str:
        return self.chat_link(membership.chat)

    @admin.display(description=_("role"))
    def standing(self, membership: Membership) -> str:
        return _t("owner") if membership.is_owner else membership.get_role_display()

    @admin.display(description=_("sees from message"))
    def sees_from(self, membership: Membership) -> int:
        return membership.first_seq

    @admin.display(description=_("has read up to message"))
    def has_read(self, membership: Membership) -> int:
        return membership.read_seq

    @admin.action(description=_("Remove from the chat"), permissions=["act"])
    def remove(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), _remove, _t("Removed from the chat"))

    @admin.action(description=_("Ban from the chat"), permissions=["ban"])
    def ban(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), _ban, _t("Banned from the chat"))

    def has_delete_messages_permission(self, request: HttpRequest) -> bool:
        return self.is_permitted(request, "change", Message)

    @admin.action(description=_("Delete all messages…"), permissions=["delete_messages"])
    def delete_messages(self, request: HttpRequest, queryset: Any) -> HttpResponseBase | None:
        return self.begin(request, queryset, DeleteMessages)

    @admin.action(description=_("Export…"), permissions=["export"])
    def export(self, request: HttpRequest, queryset: Any) -> HttpResponseBase | None:
        return self.ask_to_export(request, queryset)

    def export_name(self, row: Membership) -> str:
        return handle(row.user)

    def export_count(self, row: Membership) -> int:
        return operations.count_messages_of(author=row.user)

    def export_to(self, row: Membership, file: IO[bytes]) -> Iterator[int]:
        return exports.export_user(user=row.user, file=file)

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        found = queryset.filter(chat=chat).order_by("-version", "-id")
        return found.filter(user__in=users_with_handles([rest])) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(user__in=people)


@admin.register(Ban)
class BanAdmin(RowsOfAccountsAdmin):
    """Who is kept out. A ban may be lifted; it goes along with the account."""

    actions = ("lift",)
    fields = ("user_handle", "chat_page", "banned_by_handle", "banned_at")
    list_display = ("name", *fields[1:])
    list_select_related = ("chat", "user", "banned_by")
    search_help_text = _("The uri of a chat, or a handle, or both. Without it the newest bans are listed.")

    @admin.display(description=_("user"))
    def name(self, ban: Ban) -> str:
        return handle(ban.user)

    def told_name(self, row: Ban) -> str:
        return _member_in_chat(row)

    @admin.display(description=_("user"))
    def user_handle(self, ban: Ban) -> str:
        return self.person_link(ban.user)

    @admin.display(description=_("chat"))
    def chat_page(self, ban: Ban) -> str:
        return self.chat_link(ban.chat)

    @admin.display(description=_("banned by"))
    def banned_by_handle(self, ban: Ban) -> str:
        return self.person_link(ban.banned_by)

    @admin.action(description=_("Lift the ban"), permissions=["act"])
    def lift(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), _lift, _t("Bans lifted"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        found = queryset.filter(chat=chat)
        return found.filter(user__in=users_with_handles([rest])) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(user__in=people)


def _member_in_chat(row: Membership | Ban) -> str:
    return _t("%(user)s in %(chat)s") % {"user": handle(row.user), "chat": row.chat}


def _ban(membership: Membership) -> bool:
    return operations.ban_user(actor=None, chat=membership.chat.uri, username=handle(membership.user))


def _remove(membership: Membership) -> bool:
    operations.remove_member(actor=None, chat=membership.chat.uri, username=handle(membership.user))
    return True


def _lift(ban: Ban) -> bool:
    operations.unban_user(actor=None, chat=ban.chat.uri, username=handle(ban.user))
    return True
