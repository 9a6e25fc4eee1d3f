"""Who is at the other end of a socket: whoever the site's authentication classes find, asked as for a request."""

import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from rest_framework import exceptions as drf
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from ..exceptions import DATABASE_AWAY, ChatError, NotAllowed, NotAuthenticated, Unavailable
from ..http import ChatAPIView, is_active_user
from ..logins import current_stamps, login_of_session, password_stamp
from ..tokens import LOGIN_CLAIM
from ..users import User, stored_users
from .requests import (
    Headers,
    Scope,
    has_foreign_origin,
    headers_with_token,
    headers_without_token,
    request_of,
    shows_token,
    trusted_headers,
    view_of,
)

GARBAGE = "none"
"""What no class can take for a token."""

TRUSTED_SECONDS = 300
"""Until a login without an expiry of its own is looked at again; what a log-out may take where the bus has lost it."""

TOKEN_PARAMETERS = frozenset({"access", "access_token", "authorization", "jwt", "token"})

REFUSALS = (drf.APIException, PermissionDenied, Http404, UnicodeError)
"""What authentication and permission classes may raise to say no."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user who has proved who they are, and how: ``token`` is REST framework's ``request.auth``, and ``headers`` are
    those of the request that did it.

    ``expires_at`` is in seconds since the epoch. Where ``look_again`` is given, it is asked then whether the login
    still holds; it may ask the database, and raises ``NotAuthenticated`` where it does not.
    """

    user: User
    name: str | None
    stamp: str
    expires_at: float
    authentication: BaseAuthentication
    headers: Headers
    token: Any = None
    look_again: Callable[[], "Login"] | None = None
    is_session: bool = False


def active_users(user_ids: list[Any]) -> dict[Any, tuple[User, set[str]]]:
    """Those of these users who are active, with the stamps that are good."""
    users = stored_users().in_bulk(user_ids)
    return {key: (user, current_stamps(user)) for key, user in users.items() if user.is_active}


def has_token_in_url(scope: Scope) -> bool:
    """URLs end up in logs and histories: a token there is as good as published."""
    parameters = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    return any(name.lower() in TOKEN_PARAMETERS or value.startswith("eyJ") for name, value in parameters)


class Handshake:
    """The request with which a socket begins. All methods may ask the database."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def login(self) -> Login | None:
        """Whom the handshake itself proves; None for a stranger.

        Raises ``NotAuthenticated`` for a token that is not valid: then nothing else is tried. Raises ``Unavailable``.
        """
        headers, is_foreign = trusted_headers(self._scope), has_foreign_origin(self._scope)
        for each in self._authentications(is_foreign):
            login = self._login(each, headers, self._login_again)
            if login is not None and not (is_foreign and self._goes_by_something_else(login)):
                return login
        return None

    def token_login(self, token: str) -> Login:
        """Whom a token proves that came in a frame. Raises ``NotAuthenticated`` or ``Unavailable``."""
        for each in ChatAPIView().get_authenticators():
            login = self._token_login(each, token)
            if login is not None and not self._goes_by_something_else(login):
                return login
        raise NotAuthenticated

    def check_permissions(self, login: Login, method: str = "GET", chat: str | None = None) -> User:
        """The user, whom the site's permission classes permit a request with this method for this chat.

        It is a copy: what they and whoever acts for the user keep on it, such as Django the user's permissions, lasts
        as long as with a request.

        Raises ``NotAllowed``, ``Unavailable``, or what one of the classes may mean, ``NotAuthenticated``.
        """
        request = request_of(self._scope, login.headers, method, chat)
        user = request.user = copy(login.user)
        request.auth = login.token
        request._authenticator = login.authentication  # type: ignore[attr-defined]  # noqa: SLF001  (as REST framework does)
        view = view_of(request)
        try:
            permitted = all(each.has_permission(request, view) for each in view.get_permissions())
        except REFUSALS as error:
            raise _meaning(error, NotAllowed) from error
        if not permitted:
            raise NotAllowed
        return user

    def _authentications(self, is_foreign: bool) -> list[BaseAuthentication]:
        """With the origin of another site only those by tokens that are shown, which no page can: whatever else the
        handshake shows, the browser may have added it by itself, or a proxy that knows the browser."""
        every = ChatAPIView().get_authenticators()
        if not is_foreign:
            return every
        return [each for each in every if isinstance(each, JWTAuthentication) and shows_token(self._scope)]

    def _token_login(self, authentication: BaseAuthentication, token: str) -> Login | None:
        """Raises ``Unavailable``."""
        headers = headers_with_token(self._scope, authentication, token)
        if headers is None:
            return None
        with suppress(NotAuthenticated):
            return self._login(authentication, headers, lambda: self.token_login(token))
        return None

    def _goes_by_something_else(self, login: Login) -> bool:
        """Whether the class finds the same person by any token, or by none: as by the header of a proxy. Then the token
        proves nothing, and the browser may be on the page of another site."""
        garbage = headers_with_token(self._scope, login.authentication, GARBAGE)
        others = [headers_without_token(self._scope), *([garbage] if garbage else [])]
        return any(self._finds(login.authentication, headers) == (login.user.pk, login.token) for headers in others)

    def _finds(self, authentication: BaseAuthentication, headers: Headers) -> tuple[Any, Any] | None:
        """The primary key of whom the class finds by these, and what it has gone by; None where it fails at them.

        Raises ``Unavailable`` where that is for a passing reason.
        """
        try:
            user, token = authentication.authenticate(request_of(self._scope, headers)) or (None, None)
            return None if user is None else (user.pk, token)  # who may be looked up only now
        except DATABASE_AWAY as error:
            raise Unavailable from error
        except REFUSALS as error:
            if isinstance(_meaning(error, NotAuthenticated), Unavailable):
                raise Unavailable from error
            return None
        except Exception:  # noqa: BLE001  (it may be made for real tokens only)
            return None

    def _login_again(self) -> Login:
        login = self.login()
        if login is None:
            raise NotAuthenticated
        return login

    def _login(
        self, authentication: BaseAuthentication, headers: Headers, look_again: Callable[[], Login]
    ) -> Login | None:
        request = request_of(self._scope, headers)
        try:
            found = authentication.authenticate(request)
        except REFUSALS as error:
            raise _meaning(error, NotAuthenticated) from error
        if found is None:
            return None
        user, token = found
        if not is_active_user(user):
            raise NotAuthenticated
        session = _session(authentication, request, token)
        claims = token if session is None and hasattr(token, "get") else {}
        expires_at = claims.get("exp")
        login = Login(
            user=user,
            name=claims.get(LOGIN_CLAIM),
            stamp=password_stamp(user),
            expires_at=time.time() + TRUSTED_SECONDS if expires_at is None else float(expires_at),
            authentication=authentication,
            headers=headers,
            token=token,
            look_again=look_again if expires_at is None else None,
        )
        return login if session is None else _of_session(login, session)


def _session(authentication: BaseAuthentication, request: Request, token: Any) -> SessionBase | None:
    """The session of Django's that the user was found by, if it was one."""
    if isinstance(token, SessionBase):  # shown as a token, by apps that keep no cookies
        return token
    found: HttpRequest = request._request
    is_session = isinstance(authentication, SessionAuthentication) and found.user.is_authenticated
    return found.session if is_session else None


def _of_session(login: Login, session: SessionBase) -> Login | None:
    """None where its time is over, which not every engine of sessions minds."""
    ends_at = session.get_expiry_date().timestamp()
    if ends_at <= time.time():
        return None
    expires_at = min(login.expires_at, ends_at)
    return replace(login, name=login_of_session(session.session_key or ""), expires_at=expires_at, is_session=True)


def _meaning(error: Exception, refusal: type[ChatError]) -> ChatError:
    """What a site's class says by an exception. Too often, or a defect, is no refusal: it may be tried again."""
    if isinstance(error, drf.APIException) and (error.status_code == 429 or error.status_code >= 500):
        return Unavailable()
    if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
        return NotAuthenticated()
    return refusal()
