"""Accounts: parse, one flow, answer. Nobody's email is shown but the caller's own."""

from typing import Any

from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from ..conf import chat_settings
from ..http import ChatAPIView, client_address, read_json
from ..rates import spend
from ..serializers import validated
from ..users import User, email, handle
from . import flows
from .serializers import RefreshTokenInput


class PublicView(ChatAPIView):
    """For those who have no token yet: a bearer header is not looked at.

    What they send is kept out of Django's error reports.
    """

    def count_request(self, request: Request) -> None:
        spend(self.rates.get(request.method or "", "read"), client_address(request._request))

    def get_authenticators(self) -> list[BaseAuthentication]:
        return []

    def get_permissions(self) -> list[BasePermission]:
        return []

    def parse(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        return validated(serializer_class, read_json(self.request))

    def log_in(self, credentials: Any) -> Response:
        values = validated(chat_settings.serializer("log_in"), credentials)
        token = flows.log_in(self.request._request, email=values["email"], password=values["password"])
        return Response(flows.token_pair(token))


class SignUpView(PublicView):
    rates = {"POST": "sign_up"}

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        user, token = flows.sign_up(**self.parse(chat_settings.serializer("sign_up")))
        return Response({"user": _own_data(user), **flows.token_pair(token)}, status=201)


class LogInView(PublicView):
    rates = {"POST": "log_in_by_address"}

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        return self.log_in(read_json(request))


class RefreshView(PublicView):
    """Takes a refresh token, or the email and the password; where a body has both, the token counts."""

    rates = {"POST": "refresh"}

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        body = read_json(request)
        if isinstance(body, dict) and "refresh" in body:
            return Response(flows.refresh(validated(RefreshTokenInput, body)["refresh"]))
        spend("log_in_by_address", client_address(request._request))
        return self.log_in(body)


class LogOutView(PublicView):
    rates = {"POST": "refresh"}

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        flows.log_out(self.parse(RefreshTokenInput)["refresh"])
        return Response(status=204)


class MeView(ChatAPIView):
    def get(self, request: Request) -> Response:
        return Response(_own_data(self.user))


def _own_data(user: User) -> dict[str, Any]:
    return {"username": handle(user), "email": email(user)}
