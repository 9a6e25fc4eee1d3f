"""A club's site: newcomers say their full name, only members in good standing chat, the office answers, a ledger tells
of all that happens, and a meter counts what leaves for the sockets."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.dispatch import Signal
from rest_framework import serializers
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from django_bpo_chat import adapter, operations, signals
from django_bpo_chat.accounts.serializers import LogInInput, SignUpInput
from django_bpo_chat.events import Envelope
from django_bpo_chat.live import bus
from django_bpo_chat.models import Chat, Membership, Message, Report
from django_bpo_chat.serializers import EditMessageInput, PatchChatInput, SendMessageInput, StartChatInput
from django_bpo_chat.users import User, handle

SUSPENDED = "Suspended"
"""As the first name of somebody who has not paid."""


class ClubSignUp(SignUpInput):
    full_name = serializers.CharField(max_length=100)


class ClubLogIn(LogInInput):
    """Whose address is one of the club's need not say so."""

    def validate_email(self, email: str) -> str:
        return email if "@" in email else f"{email}@example.com"


class Calm(serializers.Serializer[Any]):
    """Nobody shouts."""

    def validate_message(self, text: str) -> str:
        if text.isupper() and not self.context["user"].is_staff:
            raise serializers.ValidationError("Please do not shout.")
        return text


class CalmMessage(Calm, SendMessageInput):
    pass


class CalmEdit(Calm, EditMessageInput):
    pass


class NamedChat(StartChatInput):
    """What is no personal chat has a title."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "username" not in attrs and not attrs.get("title"):
            raise serializers.ValidationError({"title": "What is it about?"})
        return super().validate(attrs)


class Invitation(PatchChatInput):
    """By what way people come in."""

    via = serializers.ChoiceField(["web", "poster"], default="web")


class Adapter(adapter.Adapter):
    def new_user(self, username: str, email: str, **extra: Any) -> User:
        first_name, _, last_name = extra.pop("full_name").partition(" ")
        return super().new_user(username, email, first_name=first_name, last_name=last_name, **extra)

    def card(self, user: User) -> dict[str, Any]:
        return {"name": f"{user.first_name} {user.last_name}".strip()}

    def people(self, actor: User) -> QuerySet[User]:
        """The whole club."""
        return get_user_model()._default_manager.exclude(first_name=SUSPENDED)


class InGoodStanding(IsAuthenticated):
    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and getattr(request.user, "first_name", "") != SUSPENDED


class Pages(PageNumberPagination):
    page_size = 2


class Slowly(SimpleRateThrottle):
    rate = "3/min"
    scope = "club"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return self.get_ident(request) if request.method == "POST" else None


def answer(message: Message, chat: Chat, actor: User, **_: Any) -> None:
    """In its own chats the office answers whoever writes, when nobody is there: a receiver of ``message_sent``."""
    office = chat.owner
    if chat.title == "Office" and office and actor != office:
        text = f"{handle(actor)}, we have got your {message.seq}."
        operations.send_message(actor=office, chat=chat.uri, text=text)


# The ledger

ledger = logging.getLogger("club.ledger")


def note(actor: User | None, what: str) -> None:
    ledger.info("%s %s", "The site" if actor is None else handle(actor), what)


def note_start(chat: Chat, actor: User, members: Collection[Membership], **_: Any) -> None:
    note(actor, f"started {chat.title} with {len(members)}")


def note_change(chat: Chat, actor: User | None, fields: Collection[str], **_: Any) -> None:
    note(actor, f"changed {', '.join(sorted(fields))} of {chat.title}")


def note_arrival(chat: Chat, actor: User | None, membership: Membership, **_: Any) -> None:
    note(actor, f"brought {handle(membership.user)} into {chat.title}")


def note_departure(chat: Chat, actor: User | None, membership: Membership, **_: Any) -> None:
    note(actor, f"took {handle(membership.user)} out of {chat.title}")


def note_correction(chat: Chat, actor: User, message: Message, **_: Any) -> None:
    note(actor, f"corrected {message.seq} in {chat.title}")


def note_deletion(chat: Chat, actor: User | None, message: Message, **_: Any) -> None:
    note(actor, f"deleted {message.seq} from {chat.title}")


def note_report(chat: Chat, actor: User, report: Report, **_: Any) -> None:
    note(actor, f"reported {report.message.seq} in {chat.title}")


RECEIVERS: dict[Signal, Callable[..., None]] = {
    signals.message_sent: answer,
    signals.chat_started: note_start,
    signals.chat_edited: note_change,
    signals.member_joined: note_arrival,
    signals.member_left: note_departure,
    signals.message_edited: note_correction,
    signals.message_deleted: note_deletion,
    signals.message_reported: note_report,
}


# The meter

metered: Counter[str] = Counter()
"""How many events of each kind this process has sent to its sockets, for the club's graphs."""


def publish(envelope: Envelope) -> None:
    metered[envelope["kind"]] += 1
    bus.publish(envelope)
