"""Chats, and links into them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import IO, Any

from django import forms
from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from .. import exports, operations
from ..models import Ban, Chat, Invite, Membership, Message
from ..users import User
from .exports import ExportAdmin
from .rows import RowsAdmin
from .work import Work, WorkAdmin

MOST_DAYS = 365_000


class PruneForm(forms.Form):
    days = forms.IntegerField(
        label=_("Older than, in days"), min_value=1, max_value=MOST_DAYS, help_text=_("What was sent before that goes.")
    )


class Prune(Work):
    """Deletes what is old, of some chats."""

    name = "prune"
    title = _("Prune")
    form_class = PruneForm

    @property
    def plan(self) -> str:
        return _t(
            "All messages of these chats that were sent more than %(days)d days ago will be deleted, for good."
            " Tombstones are left of them."
        ) % {"days": self.options["days"]}

    @property
    def done(self) -> str:
        return _t("Messages older than %(days)d days deleted") % {"days": self.options["days"]}

    def about(self, row: Chat) -> str:
        return str(row)

    def count(self, rows: Sequence[Chat]) -> int:
        return sum(operations.count_old_messages(older_than=self._age, chat=row.uri) for row in rows)

    def batches(self, row: Chat) -> Iterator[int]:
        return operations.prune_messages(older_than=self._age, chat=row.uri)

    @property
    def _age(self) -> timedelta:
        return timedelta(days=self.options["days"])


@admin.register(Chat)
class ChatAdmin(WorkAdmin, ExportAdmin):
    """The title, the joinable flag and the history of a group may be edited; what is old may be deleted."""

    actions = ("prune", "export")
    export_models = (Chat, Membership, Message, Ban)
    export_about = _("All that is stored of this chat: its members, bans, messages and files.")
    works = (Prune,)
    editable_fields = ("title", "joinable", "history")
    fields = (
        "address",
        "kind",
        *editable_fields,
        "owner_handle",
        "members_link",
        "messages_link",
        "created_at",
        "changed_at",
    )
    list_display = ("address", "kind", "title", "owner_handle", "members_link", "messages_link", "changed_at")
    list_select_related = ("owner",)
    ordering = ("-changed_at", "-id")
    search_fields = ("uri",)
    search_help_text = _("The uri of a chat, or the handle of a member. Without it the last changed chats are listed.")

    @admin.display(description=_("URI"))
    def address(self, chat: Chat) -> str:
        return chat.uri

    @admin.display(description=_("owner"))
    def owner_handle(self, chat: Chat) -> str:
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

    def has_prune_permission(self, request: HttpRequest) -> bool:
        return self.is_permitted(request, "change", Message)

    @admin.action(description=_("Prune…"), permissions=["prune"])
    def prune(self, request: HttpRequest, queryset: Any) -> HttpResponseBase | None:
        return self.begin(request, queryset, Prune)

    @admin.action(description=_("Export…"), permissions=["export"])
    def export(self, request: HttpRequest, queryset: Any) -> HttpResponseBase | None:
        return self.ask_to_export(request, queryset)

    def export_name(self, row: Chat) -> str:
        return str(row)

    def export_count(self, row: Chat) -> int:
        return row.last_seq

    def export_to(self, row: Chat, file: IO[bytes]) -> Iterator[int]:
        return exports.export_chat(chat=row.uri, file=file)

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        return queryset.none() if rest else queryset.filter(pk=chat.pk)

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        memberships = Membership.objects.present().filter(user__in=people)
        return queryset.filter(pk__in=memberships.values("chat"))


@admin.register(Invite)
class InviteAdmin(RowsAdmin):
    """Links into chats. Their tokens are not shown, since whoever has one comes in."""

    actions = ("revoke",)
    fields = ("chat_page", "created_by_handle", "created_at", "expires_at", "max_uses", "uses")
    list_display = ("name", *fields[1:])
    list_select_related = ("chat", "created_by")
    search_help_text = _("The uri of a chat, or the handle of who made them. Without it the newest invites are listed.")

    @admin.display(description=_("chat"))
    def name(self, invite: Invite) -> str:
        return str(invite.chat)

    @admin.display(description=_("chat"))
    def chat_page(self, invite: Invite) -> str:
        return self.chat_link(invite.chat)

    @admin.display(description=_("created by"))
    def created_by_handle(self, invite: Invite) -> str:
        return self.person_link(invite.created_by)

    @admin.action(description=_("Revoke"), permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        self.act(request, self.chosen(queryset), _revoke, _t("Revoked"))

    def in_chat(self, queryset: Any, chat: Chat, rest: str) -> Any:
        return queryset.none() if rest else queryset.filter(chat=chat)

    def of_people(self, queryset: Any, people: Iterable[User]) -> Any:
        return queryset.filter(created_by__in=people)


def _revoke(invite: Invite) -> bool:
    operations.revoke_invite(actor=None, chat=invite.chat.uri, token=invite.token)
    return True
