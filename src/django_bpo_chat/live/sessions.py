"""The site's sessions at a socket: whose they are, and whether it is the site's own page that shows their cookie."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import DisallowedHost
from django.utils.http import is_same_domain
from rest_framework.request import Request

from ..logins import current_stamps, stamp
from ..users import User


def is_same_origin(request: Request) -> bool:
    """Whether it is a page of this site that asks, or one that the site trusts.

    A page of any other site may open a socket with the visitor's cookies, and only the ``Origin`` tells. This is the
    rule of Django's CSRF protection, but for the scheme: behind a proxy a socket does not know its own.
    """
    try:
        origin = urlsplit(request.META.get("HTTP_ORIGIN", "").lower())
    except ValueError:
        return False
    return _is_host(origin, request) or any(_is_trusted(origin, each) for each in settings.CSRF_TRUSTED_ORIGINS)


def _is_host(origin: SplitResult, request: Request) -> bool:
    schemes = {"https"} if settings.SESSION_COOKIE_SECURE else {"http", "https"}
    try:
        return origin.scheme in schemes and origin.netloc == request.get_host().lower()
    except DisallowedHost:
        return False


def _is_trusted(origin: SplitResult, trusted: str) -> bool:
    scheme, _, domain = trusted.lower().partition("://")
    return origin.scheme == scheme and is_same_domain(origin.netloc, domain.lstrip("*"))


def user_of(session: SessionBase) -> User | None:
    """As ``django.contrib.auth.get_user()``, which may also renew the session: a socket cannot set its cookie.

    Asks the database. None where nobody is logged in, or no more.
    """
    backend: Any = session.get(BACKEND_SESSION_KEY)
    if SESSION_KEY not in session or backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: User | None = load_backend(backend).get_user(get_user_model()._meta.pk.to_python(session[SESSION_KEY]))
    if user is None or stamp(session.get(HASH_SESSION_KEY, "")) not in current_stamps(user):
        return None
    return user
