"""The chat in Django's admin: everything is shown, and what is done is done by operations, as the site itself.

The tables may have millions of rows. So nothing is counted, ordered or searched but by an index.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename
from django.core.paginator import Paginator
from django.db import router, transaction
from django.db.models import Model, Q
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from . import operations
from .exceptions import DATABASE_AWAY, ChatError, NotFound, Unavailable
from .models import Ban, Block, Chat, Invite, Membership, Message, Report
from .users import User, handle, users_with_handles

LISTED_ROWS = 1000
"""How many rows a list has at most, all its pages together, and so how many an action is applied to."""

NAMED_ROWS = 10
"""How many of the rows that an action was refused for are named."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for type checkers only
    """Counts no further than lists go, in their order, so that the same index answers."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list[:LISTED_ROWS]
        return int(rows.count())


class RowsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for type checkers only
    """Rows to look at. Whoever may change them may act on them, which never is to save or to delete a row as such."""

    list_per_page = 50
    ordering: ClassVar[Any] = ("-id",)
    paginator = BoundedPaginator
    search_fields = ("chat__uri",)  # what is found, get_search_results() says
    show_full_result_count = False
    sortable_by = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields or ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return self.is_permitted(request, "change")

    def is_permitted(self, request: HttpRequest, action: str, model: type[Model] | None = None) -> bool:
        """For this model, or another one."""
        options = self.opts if model is None else model._meta
        return request.user.has_perm(f"{options.app_label}.{get_permission_codename(action, options)}")

    # Searching

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Whole uris and whole handles, as they are written: these an index finds."""
        uri, _space, rest = search_term.strip().partition(" ")
        chat = Chat.objects.with_uri(uri).first()
        if chat is not None:
            queryset = self.in_chat(queryset, chat, rest.strip())
        elif uri:
            queryset = self.of_people(queryset, users_with_handles([search_term.strip()]))
        return queryset, False

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        """The rows of this chat, or, if there is more in the search box, those that it names."""
        raise NotImplementedError

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        raise NotImplementedError

    # Acting

    def chosen(self, queryset: Any) -> list[Any]:
        """No more rows than are listed, and by uri: in a request that is one transaction the locks add up."""
        return sorted(queryset[:LISTED_ROWS], key=lambda row: row.chat.uri)

    def act(self, request: HttpRequest, rows: Sequence[Any], operation: Callable[[Any], bool], done: str) -> None:
        """Each row by itself, together with its line in the log; what is refused is told, and the rest is done.

        ``operation`` says whether it has changed anything. Where a row was done already, there is nothing to tell.
        """
        succeeded, refused = 0, defaultdict[str, list[str]](list)
        for row in rows:
            try:
                succeeded += self._act_on(request, row, operation, done)
            except ChatError as error:
                refused[str(error)].append(str(row))
        self._report(request, succeeded, refused, done)

    def _act_on(self, request: HttpRequest, row: Any, operation: Callable[[Any], bool], done: str) -> bool:
        """Raises ``ChatError``, among them ``Unavailable``, but where the whole request is one transaction: that one
        has failed."""
        database = transaction.get_connection(router.db_for_write(self.model))
        is_whole = database.in_atomic_block
        try:
            with transaction.atomic(using=database.alias):
                changed = operation(row)
                if changed:
                    self.log_change(request, row, done)
                return changed
        except DATABASE_AWAY:
            if is_whole:
                raise
            raise Unavailable from None

    def _report(self, request: HttpRequest, succeeded: int, refused: dict[str, list[str]], done: str) -> None:
        if succeeded:
            self.message_user(request, f"{done}: {succeeded}", messages.SUCCESS)
        for reason, names in refused.items():
            named = ", ".join(names[:NAMED_ROWS]) + (", …" if len(names) > NAMED_ROWS else "")
            self.message_user(request, f"{reason} {len(names)}: {named}", messages.ERROR)

    # Showing

    def chat_link(self, chat: Chat) -> str:
        return self.link(str(chat), Chat, "change", quote(chat.pk))

    def person_link(self, user: User | None) -> str | None:
        """Somebody's handle, whatever the user model shows elsewhere."""
        return None if user is None else self.link(handle(user), type(user), "change", quote(user.pk))

    def link(self, text: str, model: type[Model], page: str, *arguments: str, **query: str) -> str:
        """To one of the admin's pages of this model; the mere text where the site has none."""
        if not self.admin_site.is_registered(model):
            return text
        name = f"{self.admin_site.name}:{model._meta.app_label}_{model._meta.model_name}_{page}"
        return format_html('<a href="{}">{}</a>', reverse(name, args=arguments, query=query), text)


class RowsOfAccountsAdmin(RowsAdmin):
    """Rows that go along with an account."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only along with the account: where that is deleted, Django asks here too."""
        return self.is_permitted(request, "delete") and not self._is_on_own_page(request)

    def _is_on_own_page(self, request: HttpRequest) -> bool:
        page = request.resolver_match.url_name if request.resolver_match else None
        return (page or "").startswith(f"{self.opts.app_label}_{self.opts.model_name}_")


@admin.register(Chat)
class ChatAdmin(RowsAdmin):
    """The title, the joinable flag and the history of a group may be edited."""

    editable_fields = ("title", "joinable", "history")
    fields = (
        "uri",
        "kind",
        *editable_fields,
        "owner_handle",
        "members_link",
        "messages_link",
        "created_at",
        "changed_at",
    )
    list_display = ("uri", "kind", "title", "owner_handle", "member_count", "last_seq", "changed_at")
    list_select_related = ("owner",)
    ordering = ("-changed_at", "-id")
    search_fields = ("uri",)
    search_help_text = _("The uri of a chat, or the handle of a member. Without it the last changed chats are listed.")

    @admin.display(description=_("owner"))
    def owner_handle(self, chat: Chat) -> str | None:
        return self.person_link(chat.owner)

    @admin.display(description=_("members"))
    def members_link(self, chat: Chat) -> str:
        return self.link(str(chat.member_count), Membership, "changelist", q=chat.uri)

    @admin.display(description=_("messages"))
    def messages_link(self, chat: Chat) -> str:
        return self.link(str(chat.last_seq), Message, "changelist", q=chat.uri)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in self.fields if name not in self.editable_fields]

    def has_change_permission(self, request: HttpRequest, obj: Chat | None = None) -> bool:
        """There is nothing to change in a personal chat."""
        return self.is_permitted(request, "change") and not (obj is not None and obj.is_direct)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Together with what the form has shown: a stale one changes nothing back that others have changed."""
        return super().formfield_for_dbfield(db_field, request, show_hidden_initial=True, **kwargs)

    def save_model(self, request: HttpRequest, obj: Chat, form: "ModelForm[Chat]", change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        operations.edit_chat(actor=None, chat=obj.uri, **values)

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        return queryset.none() if rest else queryset.filter(pk=chat.pk)

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        memberships = Membership.objects.present().filter(user__in=people)
        return queryset.filter(pk__in=memberships.values("chat"))


@admin.register(Membership)
class MembershipAdmin(RowsOfAccountsAdmin):
    """Present members may be removed; those who have left are listed too."""

    actions = ("remove",)
    fields = ("user_handle", "chat_page", "standing", "joined_at", "left_at", "first_seq", "read_seq")
    list_display = ("user_handle", "chat_page", "standing", "joined_at", "left_at")
    list_select_related = ("chat", "user")
    search_help_text = _("The uri of a chat, or a handle, or both. Without it the newest memberships are listed.")

    @admin.display(description=_("user"))
    def user_handle(self, membership: Membership) -> str | None:
        return self.person_link(membership.user)

    @admin.display(description=_("chat"))
    def chat_page(self, membership: Membership) -> str:
        return self.chat_link(membership.chat)

    @admin.display(description=_("role"))
    def standing(self, membership: Membership) -> str:
        return _t("owner") if membership.is_owner else membership.get_role_display()

    @admin.action(description=_("Remove from the chat"), permissions=["act"])
    def remove(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), _remove, _t("Removed from the chat"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        found = queryset.filter(chat=chat).order_by("-version", "-id")
        return found.filter(user__in=users_with_handles([rest])) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(user__in=people)


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
        self.act(request, rows, _delete, _t("Deleted, a tombstone is left"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        found = queryset.filter(chat=chat).order_by("-seq")
        return found.filter(seq=_number(rest)) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        """By time, for which there is an index: by id, PostgreSQL may look for theirs among everybody's."""
        return queryset.filter(author__in=people).order_by("-created_at", "-id")


@admin.register(Ban)
class BanAdmin(RowsOfAccountsAdmin):
    """Who is kept out. A ban may be lifted; it goes along with the account."""

    actions = ("lift",)
    fields = ("user_handle", "chat_page", "banned_by_handle", "banned_at")
    list_display = fields
    list_select_related = ("chat", "user", "banned_by")
    search_help_text = _("The uri of a chat, or a handle, or both. Without it the newest bans are listed.")

    @admin.display(description=_("user"))
    def user_handle(self, ban: Ban) -> str | None:
        return self.person_link(ban.user)

    @admin.display(description=_("chat"))
    def chat_page(self, ban: Ban) -> str:
        return self.chat_link(ban.chat)

    @admin.display(description=_("banned by"))
    def banned_by_handle(self, ban: Ban) -> str | None:
        return self.person_link(ban.banned_by)

    @admin.action(description=_("Lift the ban"), permissions=["act"])
    def lift(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), _lift, _t("Bans lifted"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        found = queryset.filter(chat=chat)
        return found.filter(user__in=users_with_handles([rest])) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(user__in=people)


@admin.register(Invite)
class InviteAdmin(RowsAdmin):
    """Links into chats. Their tokens are not shown, since whoever has one comes in."""

    actions = ("revoke",)
    fields = ("chat_page", "created_by_handle", "created_at", "expires_at", "max_uses", "uses")
    list_display = fields
    list_select_related = ("chat", "created_by")
    search_help_text = _("The uri of a chat, or the handle of who made them. Without it the newest invites are listed.")

    @admin.display(description=_("chat"))
    def chat_page(self, invite: Invite) -> str:
        return self.chat_link(invite.chat)

    @admin.display(description=_("created by"))
    def created_by_handle(self, invite: Invite) -> str | None:
        return self.person_link(invite.created_by)

    @admin.action(description=_("Revoke"), permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), _revoke, _t("Revoked"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        return queryset.none() if rest else queryset.filter(chat=chat)

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(created_by__in=people)


@admin.register(Report)
class ReportAdmin(RowsAdmin):
    """The moderators' queue: what is open comes first, the newest of it at the top, and then what is resolved."""

    actions = ("resolve", "delete", "ban")
    fields = (
        *("chat_page", "message_page", "author_handle", "text", "reporter_handle", "reason"),
        *("created_at", "resolved_at", "resolved_by_handle"),
    )
    list_display = (
        *("message_page", "beginning", "author_handle", "reporter_handle", "beginning_of_reason"),
        *("created_at", "is_open"),
    )
    list_select_related = ("message__chat", "message__author", "reporter", "resolved_by")
    ordering = ("-is_open", "-id")
    search_help_text = _(
        "The uri of a chat, also with a message's number behind it, or the handle of an author. Without it the open"
        " reports are listed first."
    )

    @admin.display(description=_("chat"))
    def chat_page(self, report: Report) -> str:
        return self.chat_link(report.chat)

    @admin.display(description=_("message"))
    def message_page(self, report: Report) -> str:
        return self.link(str(report.message), Message, "change", quote(report.message_id))

    @admin.display(description=_("author"))
    def author_handle(self, report: Report) -> str | None:
        return self.person_link(report.message.author)

    @admin.display(description=_("text"))
    def text(self, report: Report) -> str:
        return report.message.text

    @admin.display(description=_("text"))
    def beginning(self, report: Report) -> str:
        return Truncator(report.message.text).chars(80)

    @admin.display(description=_("reason"))
    def beginning_of_reason(self, report: Report) -> str:
        return Truncator(report.reason).chars(80)

    @admin.display(description=_("reported by"))
    def reporter_handle(self, report: Report) -> str | None:
        return self.person_link(report.reporter)

    @admin.display(description=_("resolved by"))
    def resolved_by_handle(self, report: Report) -> str | None:
        return self.person_link(report.resolved_by)

    def has_delete_messages_permission(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request) and self.is_permitted(request, "change", Message)

    def has_ban_permission(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request) and self.is_permitted(request, "change", Ban)

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
        return found.filter(message__seq=_number(rest)) if rest else found

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(message__author__in=people)


@admin.register(Block)
class BlockAdmin(RowsOfAccountsAdmin):
    """Who blocks whom, which is for them to say: it is shown and goes along with an account."""

    fields = ("blocker_handle", "blocked_handle", "created_at")
    list_display = fields
    list_select_related = ("blocker", "blocked")
    search_fields = ("blocker",)
    search_help_text = _("The handle of either. Without it the newest blocks are listed.")

    @admin.display(description=_("blocked by"))
    def blocker_handle(self, block: Block) -> str | None:
        return self.person_link(block.blocker)

    @admin.display(description=_("blocked"))
    def blocked_handle(self, block: Block) -> str | None:
        return self.person_link(block.blocked)

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        return queryset.none()

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(Q(blocker__in=people) | Q(blocked__in=people))


def _resolve(moderator: Any, report: Report) -> bool:
    return operations.resolve_report(report=report, resolved_by=moderator)


def _delete_reported(moderator: Any, report: Report) -> bool:
    """With the message all that was reported of it is settled."""
    deleted = _delete(report.message)
    still_open = list(Report.objects.open().filter(message=report.message))
    return any([deleted, *(_resolve(moderator, each) for each in still_open)])


def _ban_reported(moderator: Any, report: Report) -> bool:
    author = report.message.author
    if author is None:
        raise NotFound
    banned = operations.ban_user(actor=None, chat=report.chat.uri, username=handle(author))
    return any([banned, _resolve(moderator, report)])


def _lift(ban: Ban) -> bool:
    operations.unban_user(actor=None, chat=ban.chat.uri, username=handle(ban.user))
    return True


def _revoke(invite: Invite) -> bool:
    operations.revoke_invite(actor=None, chat=invite.chat.uri, token=invite.token)
    return True


def _remove(membership: Membership) -> bool:
    operations.remove_member(actor=None, chat=membership.chat.uri, username=handle(membership.user))
    return True


def _delete(message: Message) -> bool:
    _tombstone, deleted = operations.delete_message(actor=None, chat=message.chat.uri, seq=message.seq)
    return deleted


def _number(text: str) -> int:
    """The seq in ``5`` or ``#5``; 0, which none has, for anything else."""
    digits = text.removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0
