"""The site's session, as the cookie of a handshake names it. No middleware has looked at it, so that is done here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.http import parse_cookie
from django.utils.http import is_same_domain

from ..logins import current_stamps, login_of_session, stamp
from ..users import User

Scope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SiteSession:
    """Somebody's, who is logged in by it. ``expires_at`` is in seconds since the epoch."""

    user: User
    login: str
    expires_at: float


def session_of(scope: Scope) -> SiteSession | None:
    """Asks the database. None where there is none, or it has ended, or a page of another site shows its cookie."""
    key = _cookie(scope, settings.SESSION_COOKIE_NAME) if _is_same_origin(scope) else None
    if not key or "\0" in key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = _session_user(session)
    if user is None or not user.is_active or stamp(session.get(HASH_SESSION_KEY, "")) not in current_stamps(user):
        return None
    return SiteSession(user, login_of_session(key), session.get_expiry_date().timestamp())


def _session_user(session: Any) -> User | None:
    """As ``django.contrib.auth.get_user()``, which may also renew the session: a socket cannot set its cookie."""
    backend = session.get(BACKEND_SESSION_KEY)
    if SESSION_KEY not in session or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: User | None = load_backend(backend).get_user(get_user_model()._meta.pk.to_python(session[SESSION_KEY]))
    return user


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


def _cookie(scope: Scope, name: str) -> str | None:
    for header in _headers(scope, b"cookie"):
        value = parse_cookie(header).get(name)
        if value:
            return value
    return None


def _headers(scope: Scope, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in scope.get("headers", ()) if key.lower() == name)
