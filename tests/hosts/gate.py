"""A site with ideas of its own about who comes in: its authentication and permission classes, serializers and cards."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request

from django_bpo_chat.adapter import Adapter
from django_bpo_chat.exceptions import NotAllowed, NotFound
from django_bpo_chat.serializers import SendMessageInput
from django_bpo_chat.tokens import BearerAuthentication
from django_bpo_chat.users import User

MAY_SEND = "bpo_chat.add_message"


def may_send(user: Any) -> bool:
    """By the user's own property, where a test has given them one."""
    return bool(user.may_send if hasattr(user, "may_send") else user.has_perm(MAY_SEND))


class TokenInCookie(BearerAuthentication):
    """The cookie, or else the header."""

    def authenticate(self, request: Request) -> Any:
        token = request.COOKIES.get("jwt")
        if token is None:
            return super().authenticate(request)
        validated = self.get_validated_token(token.encode())
        return self.get_user(validated), validated


class SecondFactor(SessionAuthentication):
    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found and not request._request.session.get("has_second_factor"):
            raise drf.AuthenticationFailed
        return found


class Failing(BaseAuthentication):
    def authenticate(self, request: Request) -> Any:
        raise ConnectionError("The directory is away.")

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class NamedByProxy(BaseAuthentication):
    """A proxy in front has logged them in, by a cookie of its own."""

    def authenticate(self, request: Request) -> Any:
        key = request.headers.get("X-Forwarded-User")
        return None if key is None else (get_user_model().objects.get(pk=key), None)


class ChallengingProxy(NamedByProxy):
    """As a class that would have its site answer 401, and not 403."""

    def authenticate_header(self, request: Request) -> str:
        return "Proxy"


class TokenOrProxy(BearerAuthentication):
    """Apps show tokens; for whoever shows none, it is the proxy that knows."""

    def authenticate(self, request: Request) -> Any:
        return super().authenticate(request) or NamedByProxy().authenticate(request)


class TokenOrGuest(BearerAuthentication):
    """Whoever shows no token that is good is the guest."""

    guest: str = ""

    def authenticate(self, request: Request) -> Any:
        with suppress(drf.APIException):
            if found := super().authenticate(request):
                return found
        return get_user_model().objects.get(pk=self.guest), None


class LenientProxy(TokenOrProxy):
    """Takes what scripts say when they have no token for none at all."""

    def authenticate(self, request: Request) -> Any:
        token = request.headers.get("Authorization", "").removeprefix("Bearer").strip()
        with suppress(drf.APIException):
            return super().authenticate(request)
        return NamedByProxy().authenticate(request) if token in {"", "null"} else None


class SloppyToken(BearerAuthentication):
    def authenticate(self, request: Request) -> Any:
        assert request.META.get("HTTP_AUTHORIZATION") != "Bearer none", "nothing that this class has ever seen"
        return super().authenticate(request)


class InTheNorth(BasePermission):
    """By a part of the prefix at which the chat is mounted."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(view.kwargs["tenant"] == "north")


class TokenOfTenant(BaseAuthentication):
    """None of simplejwt's classes; and a token counts with the name of a tenant beside it."""

    def authenticate(self, request: Request) -> Any:
        return BearerAuthentication().authenticate(request) if request.headers.get("X-Tenant") == "north" else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Tenant(BearerAuthentication):
    """Notes on the user what the token says beside."""

    def get_user(self, validated_token: Any) -> Any:
        user: Any = super().get_user(validated_token)
        user.tenant = "north"
        return user


class Curious(BearerAuthentication):
    """Looks at what they may do before anybody else does."""

    def get_user(self, validated_token: Any) -> Any:
        user: Any = super().get_user(validated_token)
        may_send(user)
        return user


class OfATenant(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user.tenant == "north")


class MaySend(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.method in SAFE_METHODS or may_send(request.user))


class NotesTenant(BasePermission):
    """Tells the site's other code what it has found out."""

    def has_permission(self, request: Any, view: Any) -> bool:
        request.user.tenant = "north"
        return True


class ReadOnly(IsAuthenticated):
    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and (request.method in SAFE_METHODS or view.kwargs == {})


class NotInOneChat(BasePermission):
    closed: str = ""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(view.kwargs.get("uri") != self.closed)


class NoBearers(BasePermission):
    """As classes that look at the scopes of tokens, and only where it is a token that was shown."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return not isinstance(request.successful_authenticator, BearerAuthentication)


class WithSecondFactor(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.session.get("has_second_factor"))


class ShownByHeader(BasePermission):
    """The token that counts is the one in the header; and the view's arguments are where REST framework has them."""

    def has_permission(self, request: Any, view: Any) -> bool:
        assert request.parser_context["kwargs"] == view.kwargs
        return bool(request.headers["Authorization"] == f"Bearer {request.auth}")


class Remembering(BasePermission):
    """It keeps on the request what it has found out about the user."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not hasattr(request, "is_suspended"):
            request.is_suspended = get_user_model().objects.get(pk=request.user.pk).first_name == "Suspended"
        return not bool(request.is_suspended)


class Raising(BasePermission):
    error: type[Exception] | None = None

    def has_permission(self, request: Request, view: Any) -> bool:
        if self.error is not None:
            raise self.error
        return True


class NotPaid(NotAllowed):
    """A refusal of the site's own."""


class Away(drf.APIException):
    status_code = 503


REFUSALS = {
    NotPaid: ("not_allowed", 4403),
    NotFound: ("not_found", 4403),
    Away: ("unavailable", 4503),
    drf.Throttled: ("unavailable", 4503),
    PermissionDenied: ("not_allowed", 4403),
    Http404: ("not_allowed", 4403),
    drf.PermissionDenied: ("not_allowed", 4403),
    drf.NotAuthenticated: ("not_authenticated", 4401),
    ZeroDivisionError: ("unavailable", 4503),
}
"""What such a class may raise, and what is told over a socket: in an error frame, and when it closes."""


class AskingMessage(SendMessageInput):
    def validate_message(self, text: str) -> str:
        if get_user_model().objects.filter(username=text).exists():
            raise serializers.ValidationError("Nobody is called by name.")
        return text


class StrictMessage(SendMessageInput):
    def validate(self, attrs: Any) -> Any:
        if unknown := self.initial_data.keys() - self.fields.keys():
            raise serializers.ValidationError(f"What is {unknown}?")
        return attrs


class GroupsAdapter(Adapter):
    """The groups of a user are in other rows, which it asks for each time."""

    def card(self, user: User) -> dict[str, Any]:
        return {"groups": [group.name for group in user.groups.all()]}


class MaySendAdapter(Adapter):
    def clean_message(self, actor: Any, chat: Any, text: str) -> str:
        if not actor.has_perm(MAY_SEND):
            raise NotAllowed
        return text


class TenantAdapter(Adapter):
    def clean_message(self, actor: Any, chat: Any, text: str) -> str:
        return f"{text} from the {actor.tenant}"
