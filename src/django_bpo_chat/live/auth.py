"""Who is at the other end of a socket."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.core.handlers.asgi import ASGIRequest
from django.http import parse_cookie
from django.utils.http import is_same_domain
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework_simplejwt.settings import api_settings

from ..exceptions import NotAllowed, NotAuthenticated
from ..http import ChatAPIView
from ..logins import current_stamps, login_of_session, password_stamp, stamp
from ..tokens import LOGIN_CLAIM, BearerAuthentication
from ..users import User

Scope = Mapping[str, Any]

SESSION_SECONDS = 300
"""Until a socket's session is looked at again; what a log-out may take where the bus has lost it."""

TOKEN_PARAMETERS = frozenset({"access", "access_token", "authorization", "jwt", "token"})


@dataclass(frozen=True, slots=True)
class Login:
    """A user who has proved who they are. ``expires_at`` is in seconds since the epoch.

    A login by session is taken for granted for some minutes, then looked at again. ``token`` is what REST framework
    calls ``request.auth``.
    """

    user: User
    name: str | None
    stamp: str
    expires_at: float
    session_key: str | None = None
    token: Any = None


def has_token_in_url(scope: Scope) -> bool:
    """URLs end up in logs and histories: a token there is as good as published."""
    parameters = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    return any(name.lower() in TOKEN_PARAMETERS or value.startswith("eyJ") for name, value in parameters)


def handshake_login(scope: Scope) -> Login | None:
    """Whom the handshake itself proves: by a bearer header, else by the site's session; None for a stranger.

    Asks the database. Raises ``NotAuthenticated`` for a bearer that is not valid: it does not fall back to a cookie.
    """
    token = next(_bearers(scope), None)
    if token is not None:
        return token_login(token)
    key = _cookie(scope, settings.SESSION_COOKIE_NAME) if _is_same_origin(scope) else None
    return session_login(key) if key and "\0" not in key else None


def token_login(token: str) -> Login:
    """Asks the database. Raises ``NotAuthenticated``."""
    authentication = BearerAuthentication()
    try:
        valid = authentication.get_validated_token(token.encode())
        user = authentication.get_user(valid)
    except (APIException, UnicodeError) as error:
        raise NotAuthenticated from error
    return Login(user, valid.get(LOGIN_CLAIM), password_stamp(user), float(valid["exp"]), token=valid)


def session_login(key: str) -> Login | None:
    """Asks the database. None for a session that has ended, or is nobody's."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = _session_user(session)
    if user is None or not user.is_active or stamp(session.get(HASH_SESSION_KEY, "")) not in current_stamps(user):
        return None
    expires_at = min(time.time() + SESSION_SECONDS, session.get_expiry_date().timestamp())
    return Login(user, login_of_session(key), password_stamp(user), expires_at, key)


def _session_user(session: Any) -> User | None:
    """As ``django.contrib.auth.get_user()``, which may also renew the session: a socket cannot set its cookie."""
    backend = session.get(BACKEND_SESSION_KEY)
    if SESSION_KEY not in session or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: User | None = load_backend(backend).get_user(get_user_model()._meta.pk.to_python(session[SESSION_KEY]))
    return user


class Permissions:
    """The site's permission classes, which judge a socket by its handshake as if that were a request for data."""

    def __init__(self, scope: Scope) -> None:
        self._request = Request(ASGIRequest({**scope, "type": "http", "method": "GET"}, BytesIO()))
        self._view = ChatAPIView(request=self._request, kwargs={})

    def check(self, login: Login) -> None:
        """May ask the database. Raises ``NotAllowed``."""
        self._request.user, self._request.auth = login.user, login.token
        if not all(each.has_permission(self._request, self._view) for each in self._view.get_permissions()):
            raise NotAllowed


def _is_same_origin(scope: Scope) -> bool:
    """A page of another site may open a socket with the visitor's cookie; only the ``Origin`` tells."""
    origin, host = (next(_headers(scope, name), "").lower() for name in (b"origin", b"host"))
    try:
        given = urlsplit(origin)
    except ValueError:
        return False
    return _is_host(given, host) or any(_is_trusted(given, each) for each in settings.CSRF_TRUSTED_ORIGINS)


def _is_host(origin: SplitResult, host: str) -> bool:
    return origin.scheme in {"http", "https"} and origin.netloc == host


def _is_trusted(origin: SplitResult, trusted: str) -> bool:
    scheme, _, domain = trusted.lower().partition("://")
    return origin.scheme == scheme and is_same_domain(origin.netloc, domain.lstrip("*"))


def _bearers(scope: Scope) -> Iterator[str]:
    for header in _headers(scope, b"authorization"):
        kind, _, token = header.partition(" ")
        if kind in api_settings.AUTH_HEADER_TYPES:
            yield token.strip()


def _cookie(scope: Scope, name: str) -> str | None:
    for header in _headers(scope, b"cookie"):
        value = parse_cookie(header).get(name)
        if value:
            return value
    return None


def _headers(scope: Scope, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name)
