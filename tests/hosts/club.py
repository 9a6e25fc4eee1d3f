"""A club's site: newcomers say their full name, only members in good standing chat, and the office answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from django_bpo_chat import adapter, operations
from django_bpo_chat.accounts.serializers import SignUpInput
from django_bpo_chat.models import Chat, Message
from django_bpo_chat.serializers import PatchChatInput, SendMessageInput
from django_bpo_chat.users import User, handle

SUSPENDED = "Suspended"
"""As the first name of somebody who has not paid."""


class ClubSignUp(SignUpInput):
    full_name = serializers.CharField(max_length=100)


class CalmMessage(SendMessageInput):
    """Nobody shouts."""

    def validate_message(self, text: str) -> str:
        if text.isupper() and not self.context["user"].is_staff:
            raise serializers.ValidationError("Please do not shout.")
        return text


class Invitation(PatchChatInput):
    """By what way people come in."""

    via = serializers.ChoiceField(["web", "poster"], default="web")


class Adapter(adapter.Adapter):
    def new_user(self, username: str, email: str, **extra: Any) -> User:
        first_name, _, last_name = extra.pop("full_name").partition(" ")
        return super().new_user(username, email, first_name=first_name, last_name=last_name, **extra)

    def card(self, user: User) -> dict[str, Any]:
        return {"name": f"{user.first_name} {user.last_name}".strip()}


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
