"""Who is at the other end of a socket: whoever the site's authentication classes find, asked as for a request."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.settings import api_settings as jwt_settings

from ..exceptions import NotAllowed, NotAuthenticated
from ..http import ChatAPIView, is_active_user
from ..logins import login_of_session, password_stamp
from ..tokens import LOGIN_CLAIM
from ..users import User
from . import sessions

Scope = Mapping[str, Any]
Headers = list[tuple[bytes, bytes]]

TRUSTED_SECONDS = 300
"""Until a login without an expiry of its own is looked at again; what a log-out may take where the bus has lost it."""

TOKEN_PARAMETERS = frozenset({"access", "access_token", "authorization", "jwt", "token"})

BODY_HEADERS = frozenset({b"content-length", b"content-type"})
"""A handshake has no body, and Django fails at what some of these say of one."""

BROWSERS_OWN_SCHEMES = frozenset({b"basic", b"digest", b"negotiate", b"ntlm"})
"""Of ``Authorization``: what a browser sends by itself, whoever's page it shows, as it does cookies."""


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
    authentication: BaseAuthentication
    token: Any = None
    look_again: Callable[[], "Login"] | None = None
    is_session: bool = False


def has_token_in_url(scope: Scope) -> bool:
    """URLs end up in logs and histories: a token there is as good as published."""
    parameters = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    return any(name.lower() in TOKEN_PARAMETERS or value.startswith("eyJ") for name, value in parameters)


class Handshake:
    """The request with which a socket begins, as REST framework's classes see requests.

    They are asked with a new request each time, since they may keep on it what they have found. All methods may ask
    the database.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def login(self) -> Login | None:
        """Whom the handshake itself proves; None for a stranger.

        Raises ``NotAuthenticated`` for a token that is not valid: then nothing else is tried.
        """
        request = self._get(self._trusted_headers())
        for each in _authentications():
            if isinstance(each, SessionAuthentication):
                login = _session_login(each, request, self._login_again)
            else:
                login = _login(each, request, self._login_again)
            if login is not None:
                return login
        return None

    def token_login(self, token: str) -> Login:
        """Whom a token proves that came in a frame, and nothing else. Raises ``NotAuthenticated``."""
        for each in _authentications():
            headers = self._headers_with_token(each, token)
            if headers is not None:
                with suppress(NotAuthenticated):
                    login = _login(each, self._get(headers), lambda: self.token_login(token))
                    if login is not None:
                        return login
        raise NotAuthenticated

    def check_permissions(self, login: Login, method: str = "GET", chat: str | None = None) -> None:
        """Ask the site's permission classes, as of a request with this method for this chat.

        Raises ``NotAllowed``, or what an authentication class that they ask may mean, ``NotAuthenticated``.
        """
        request = AuthenticatedRequest(self._http_request(method, self._trusted_headers()), login)
        view = ChatAPIView(request=request, args=(), kwargs={} if chat is None else {"uri": chat})
        try:
            permitted = all(each.has_permission(request, view) for each in view.get_permissions())
        except (drf.NotAuthenticated, drf.AuthenticationFailed) as error:
            raise NotAuthenticated from error
        except (drf.APIException, PermissionDenied, Http404) as error:
            raise NotAllowed from error
        if not permitted:
            raise NotAllowed

    def _login_again(self) -> Login:
        login = self.login()
        if login is None:
            raise NotAuthenticated
        return login

    def _http_request(self, method: str, headers: Headers) -> ASGIRequest:
        return ASGIRequest({**self._scope, "type": "http", "method": method, "headers": headers}, BytesIO())

    def _get(self, headers: Headers) -> Request:
        return Request(self._http_request("GET", headers))

    def _headers(self, without: Iterable[bytes] = ()) -> Headers:
        left_out = BODY_HEADERS.union(without)
        return [(name, value) for name, value in self._scope.get("headers", ()) if name.lower() not in left_out]

    def _trusted_headers(self) -> Headers:
        """Without what a browser adds by itself, where it shows the page of another site."""
        headers = self._headers()
        request = self._get(headers)
        if sessions.is_same_origin(request):
            return headers
        is_foreign = "HTTP_ORIGIN" in request.META
        return [
            (name, value)
            for name, value in headers
            if name.lower() != b"cookie" and not (is_foreign and _is_browsers_own(name, value))
        ]

    def _headers_with_token(self, authentication: BaseAuthentication, token: str) -> Headers | None:
        """The token where this class looks for one, in the place of all else that proves anything; None if nowhere."""
        scheme = (authentication.authenticate_header(self._get(self._headers())) or "").partition(" ")[0]
        if not scheme or not token.isascii():
            return None
        jwt_header = jwt_settings.AUTH_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").lower().encode()
        header = jwt_header if isinstance(authentication, JWTAuthentication) else b"authorization"
        others = self._headers(without=[b"cookie", b"authorization", jwt_header])
        return [*others, (header, f"{scheme} {token}".encode())]


class AuthenticatedRequest(Request):
    """As REST framework has it after its authentication."""

    def __init__(self, request: ASGIRequest, login: Login) -> None:
        super().__init__(request)
        self.user, self.auth, self._login = login.user, login.token, login

    @property
    def successful_authenticator(self) -> BaseAuthentication:
        return self._login.authentication


def _is_browsers_own(name: bytes, value: bytes) -> bool:
    return name.lower() == b"authorization" and value.partition(b" ")[0].lower() in BROWSERS_OWN_SCHEMES


def _authentications() -> list[BaseAuthentication]:
    return ChatAPIView().get_authenticators()


def _session_login(
    authentication: SessionAuthentication, request: Request, look_again: Callable[[], Login]
) -> Login | None:
    """No middleware has looked at the cookie; what one would set is set here."""
    found = sessions.session_of(request)
    if found is None:
        return None
    session, user = found
    request._request.session, request._request.user = session, user
    return _login(authentication, request, look_again, session)


def _login(
    authentication: BaseAuthentication,
    request: Request,
    look_again: Callable[[], Login],
    session: SessionBase | None = None,
) -> Login | None:
    try:
        found = authentication.authenticate(request)
    except (drf.APIException, PermissionDenied, Http404, UnicodeError) as error:
        raise NotAuthenticated from error
    if found is None:
        return None
    user, token = found
    if not is_active_user(user):
        raise NotAuthenticated
    if isinstance(token, SessionBase):  # shown as a token, by apps that keep no cookies
        session = token
    claims = token if hasattr(token, "get") else {}
    expires_at = claims.get("exp") if session is None else None
    login = Login(
        user=user,
        name=claims.get(LOGIN_CLAIM),
        stamp=password_stamp(user),
        expires_at=time.time() + TRUSTED_SECONDS if expires_at is None else float(expires_at),
        authentication=authentication,
        token=token,
        look_again=look_again if expires_at is None else None,
    )
    return login if session is None else _of_session(login, session)


def _of_session(login: Login, session: SessionBase) -> Login:
    expires_at = min(login.expires_at, session.get_expiry_date().timestamp())
    return replace(login, name=login_of_session(session.session_key or ""), expires_at=expires_at, is_session=True)
