"""The handshake of a socket as REST framework's classes see requests: a new one for each question to them, since they
may keep on it what they have found."""

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.settings import api_settings as jwt_settings

from ..http import ChatAPIView
from . import sessions

Scope = Mapping[str, Any]
Headers = list[tuple[bytes, bytes]]

TOKEN = re.compile(r"[!-~]+")
"""Something that can be seen, of ASCII, in one piece."""

BODY_HEADERS = frozenset({b"content-length", b"content-type"})
"""A handshake has no body, and Django fails at what some of these say of one."""


def request_of(scope: Scope, headers: Headers, method: str = "GET", chat: str | None = None) -> Request:
    """As a view has it when it begins, the view itself included; for this chat, if it is about one."""
    http_request = ASGIRequest({**scope, "type": "http", "method": method, "headers": headers}, BytesIO())
    _add_session(http_request)
    prefix = scope.get("url_route", {}).get("kwargs", {})
    view, kwargs = ChatAPIView(), {**prefix, **({} if chat is None else {"uri": chat})}
    view.setup(http_request, **kwargs)
    request = view.request = view.initialize_request(http_request, **kwargs)
    view.headers, view.format_kwarg = view.default_response_headers, None
    request.version, request.versioning_scheme = None, None
    return request


def view_of(request: Request) -> ChatAPIView:
    view: ChatAPIView = request.parser_context["view"]
    return view


def trusted_headers(scope: Scope) -> Headers:
    """Without cookies, unless a page of this site shows them."""
    headers = _headers(scope)
    return headers if sessions.is_same_origin(request_of(scope, headers)) else _headers(scope, without=[b"cookie"])


def has_foreign_origin(scope: Scope) -> bool:
    """Whether it is a page of a site that this one does not trust."""
    request = request_of(scope, _headers(scope))
    return "HTTP_ORIGIN" in request.META and not sessions.is_same_origin(request)


def headers_with_token(scope: Scope, authentication: BaseAuthentication, token: str) -> Headers | None:
    """The token where this class looks for one, in the place of the handshake's own; None if it looks nowhere."""
    scheme = (authentication.authenticate_header(request_of(scope, _headers(scope))) or "").partition(" ")[0]
    if not scheme or not TOKEN.fullmatch(token):
        return None
    header = _jwt_header() if isinstance(authentication, JWTAuthentication) else b"authorization"
    return [*headers_without_token(scope), (header, f"{scheme} {token}".encode())]


def headers_without_token(scope: Scope) -> Headers:
    """Nor the cookies. By any of the others a proxy may still say who it is."""
    return _headers(scope, without=[b"cookie", b"authorization", _jwt_header()])


def shows_token(scope: Scope) -> bool:
    """One of simplejwt's in its header, as no script can at a socket; not what browsers and proxies put there too."""
    shown = [value.split() for name, value in _headers(scope) if name.lower() == _jwt_header()]
    types = jwt_settings.AUTH_HEADER_TYPES
    schemes = [each.encode() for each in ([types] if isinstance(types, str) else types)]
    return any(len(parts) == 2 and parts[0] in schemes for parts in shown)


def _jwt_header() -> bytes:
    name: str = jwt_settings.AUTH_HEADER_NAME
    return name.removeprefix("HTTP_").replace("_", "-").lower().encode()


def _headers(scope: Scope, without: Iterable[bytes] = ()) -> Headers:
    left_out = BODY_HEADERS.union(without)
    return [(name, value) for name, value in scope.get("headers", ()) if name.lower() not in left_out]


def _add_session(request: ASGIRequest) -> None:
    """What Django's middleware adds, which sees no sockets. Nothing is looked up until somebody asks."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    session = request.session = import_module(settings.SESSION_ENGINE).SessionStore(None if "\0" in key else key)
    user: Any = SimpleLazyObject(lambda: sessions.user_of(session) or AnonymousUser())
    request.user = user
