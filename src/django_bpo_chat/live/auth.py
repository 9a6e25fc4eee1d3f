"""Who is at the other end of a socket: whoever the site's authentication classes find, asked as for a request."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.asgi import ASGIRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from ..exceptions import NotAllowed, NotAuthenticated
from ..http import ChatAPIView, is_active_user
from ..logins import login_of_session, password_stamp
from ..tokens import LOGIN_CLAIM
from ..users import User
from . import sessions

Scope = Mapping[str, Any]

TRUSTED_SECONDS = 300
"""Until a login without an expiry of its own is looked at again; what a log-out may take where the bus has lost it."""

TOKEN_PARAMETERS = frozenset({"access", "access_token", "authorization", "jwt", "token"})


@dataclass(frozen=True, slots=True)
class Login:
    """A user who has proved who they are, and how: ``token`` is REST framework's ``request.auth``.

    ``expires_at`` is in seconds since the epoch. Where ``look_again`` is given, it is asked then whether the login
    still holds; it may ask the database, and raises ``NotAuthenticated`` where it does not.
    """

    user: User
    name: str | None
    stamp: str
    expires_at: float
    token: Any = None
    look_again: Callable[[], "Login"] | None = None
    is_session: bool = False


def has_token_in_url(scope: Scope) -> bool:
    """URLs end up in logs and histories: a token there is as good as published."""
    parameters = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    return any(name.lower() in TOKEN_PARAMETERS or value.startswith("eyJ") for name, value in parameters)


class Handshake:
    """The request with which a socket begins, as REST framework's classes see requests. All methods may ask the
    database."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._view = ChatAPIView(kwargs={})
        self._request = self._view.request = _request(scope)

    def login(self) -> Login | None:
        """Whom the handshake itself proves; None for a stranger.

        Raises ``NotAuthenticated`` for a token that is not valid: then nothing else is tried.
        """
        for each in self._view.get_authenticators():
            if isinstance(each, SessionAuthentication):
                login = self._session_login()
            else:
                login = _login(each, self._request, self._login_again)
            if login is not None:
                return login
        return None

    def token_login(self, token: str) -> Login:
        """Whom a token proves that came in a frame. Raises ``NotAuthenticated``."""
        for each in self._view.get_authenticators():
            scheme = (each.authenticate_header(self._request) or "").partition(" ")[0]
            if scheme and token.isascii():
                request = _request(self._scope, f"{scheme} {token}")
                with suppress(NotAuthenticated):
                    login = _login(each, request, lambda: self.token_login(token))
                    if login is not None:
                        return login
        raise NotAuthenticated

    def check_permissions(self, login: Login) -> None:
        """Raises ``NotAllowed`` where one of the site's permission classes says no."""
        self._request.user, self._request.auth = login.user, login.token
        if not all(each.has_permission(self._request, self._view) for each in self._view.get_permissions()):
            raise NotAllowed

    def _login_again(self) -> Login:
        login = self.login()
        if login is None:
            raise NotAuthenticated
        return login

    def _session_login(self) -> Login | None:
        session = sessions.session_of(self._scope)
        if session is None:
            return None
        return Login(
            user=session.user,
            name=session.login,
            stamp=password_stamp(session.user),
            expires_at=min(_soon(), session.expires_at),
            look_again=self._login_again,
            is_session=True,
        )


def _login(
    authentication: BaseAuthentication, request: Request, look_again: Callable[[], Login] | None = None
) -> Login | None:
    try:
        found = authentication.authenticate(request)
    except (APIException, UnicodeError) as error:
        raise NotAuthenticated from error
    if found is None:
        return None
    user, token = found
    if not is_active_user(user):
        raise NotAuthenticated
    if isinstance(token, SessionBase):  # shown as a token, by apps that keep no cookies
        return Login(
            user=user,
            name=login_of_session(token.session_key or ""),
            stamp=password_stamp(user),
            expires_at=min(_soon(), token.get_expiry_date().timestamp()),
            token=token,
            look_again=look_again,
            is_session=True,
        )
    claims = token if hasattr(token, "get") else {}
    expires_at = claims.get("exp")
    return Login(
        user=user,
        name=claims.get(LOGIN_CLAIM),
        stamp=password_stamp(user),
        expires_at=_soon() if expires_at is None else float(expires_at),
        token=token,
        look_again=look_again if expires_at is None else None,
    )


def _request(scope: Scope, authorization: str | None = None) -> Request:
    """As if the handshake were a request for data; with another ``Authorization`` header than its own, if given."""
    headers = scope.get("headers", ())
    if authorization is not None:
        headers = [(name, value) for name, value in headers if name.lower() != b"authorization"]
        headers.append((b"authorization", authorization.encode("latin-1")))
    return Request(ASGIRequest({**scope, "type": "http", "method": "GET", "headers": headers}, BytesIO()))


def _soon() -> float:
    return time.time() + TRUSTED_SECONDS
