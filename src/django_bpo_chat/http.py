"""What the HTTP views of the package share: who is asking, strict JSON in, the contract's errors out."""

import logging
from collections.abc import Mapping
from inspect import signature
from ipaddress import IPv6Network
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.db import connections, transaction
from django.http import Http404, HttpRequest, QueryDict, UnreadablePostError
from django.utils.datastructures import MultiValueDict
from rest_framework import exceptions as drf
from rest_framework.authentication import BaseAuthentication
from rest_framework.metadata import SimpleMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from . import wire
from .conf import chat_settings
from .exceptions import (
    DATABASE_AWAY,
    ChatError,
    Invalid,
    LengthRequired,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    ParseError,
    Throttled,
    TooLarge,
    Unavailable,
)
from .rates import spend
from .serializers import validated
from .users import User

logger = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="api"'
HEADERS = {"not_authenticated": {"WWW-Authenticate": CHALLENGE}, "unavailable": {"Retry-After": "1"}}
"""What goes with an error of this code. ``Retry-After`` is in seconds."""

FOR_WHO_ASKED = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
"""What goes with every answer that does not say otherwise. It holds what one person may see, or a token: no cache keeps
it, neither the browser's nor one of the site's, such as Django's, which knows no bearers."""

CODES = {
    400: "parse_error",
    401: "not_authenticated",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
    429: "throttled",
}
"""The contract's codes for what REST framework refuses by itself."""


class UnreadRequest(Request):
    """Leaves the body to the views, whoever else looks into it: session authentication does so for a form's field."""

    POST: Any = QueryDict()
    FILES: Any = MultiValueDict()

    @property
    def data(self) -> dict[str, Any]:
        return {}


class WireRenderer(JSONRenderer):
    """Answers what the socket would, to the letter, also where a site's card holds more than JSON."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else wire.encode(data).encode()


class JSONOnly(DefaultContentNegotiation):
    """Goes by the ``Accept`` header, whatever parameter a host has REST framework look at."""

    def filter_renderers(self, renderers: Any, format: Any) -> Any:  # noqa: A002  (REST framework's name)
        return renderers


class Anything(JSONOnly):
    """Answers whatever the ``Accept`` header names: what is stored is of the type that it is."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ChatAPIView(APIView):
    """Base of the package's views.

    It depends on no REST framework default of the host: the API is the same on every site. The operation owns the
    transaction, so ``ATOMIC_REQUESTS`` is off for these views.
    """

    parser_classes = (JSONParser,)  # what ``OPTIONS`` tells; the body is left to the views
    renderer_classes = (WireRenderer,)
    content_negotiation_class = JSONOnly
    metadata_class = SimpleMetadata
    versioning_class = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        for alias in connections:
            transaction.non_atomic_requests(using=alias)(view)
        return view

    @property
    def user(self) -> User:
        """Who is asking. Nobody in particular is nobody here, whatever the site's classes let pass: an operation would
        take None for the site itself. Raises ``NotAuthenticated``."""
        user = self.request.user
        if not isinstance(user, get_user_model()):
            raise NotAuthenticated
        return user

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        return UnreadRequest(
            request,
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [each() for each in chat_settings.authentication_classes]

    def get_permissions(self) -> list[BasePermission]:
        return [each() for each in chat_settings.permission_classes]

    rates: ClassVar[Mapping[str, str]] = {}
    """By method, as which of the site's ``RATES`` a request counts; the others read or write."""

    def check_throttles(self, request: Request) -> None:
        """The site's classes, and then its ``RATES``. Raises ``Throttled``."""
        super().check_throttles(request)
        self.count_request(request)

    def count_request(self, request: Request) -> None:
        by_default = "read" if request.method in SAFE_METHODS else "write"
        spend(self.rates.get(request.method or "", by_default), str(self.user.pk))

    def get_throttles(self) -> list[BaseThrottle]:
        return [each() for each in chat_settings.throttle_classes]

    def get_authenticate_header(self, request: Request) -> str:
        """Without it REST framework turns a 401 into a 403 wherever session authentication comes first."""
        return CHALLENGE

    def parse(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        """The request's body, validated. Raises ``NotAuthenticated``, and what :func:`read_json` and the serializer
        raise."""
        user = self.user  # before anything is said about the body
        return validated(serializer_class, read_json(self.request), user)

    def parse_query(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        """The query string, validated."""
        return validated(serializer_class, self.request.query_params)

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Without the parts of the site's prefix that have no name."""
        return super().dispatch(request, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Django would decode the query string, too, with the charset that the content type of a body names."""
        request._request.encoding = "utf-8"
        super().initial(request, *args, **kwargs)
        self._leave_out_the_prefix()

    def _leave_out_the_prefix(self) -> None:
        """A site may mount the API below parts of its own, a version or a tenant. Its permission classes have seen them
        by now, and the handler, which REST framework calls with what is in this dict, knows nothing of them."""
        handler = getattr(self, (self.request.method or "").lower(), self.http_method_not_allowed)
        known = signature(handler).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            for name in self.kwargs.keys() - known.keys():
                del self.kwargs[name]

    def perform_authentication(self, request: Request) -> None:
        """Raises ``NotAuthenticated`` for a user that a class of the site's has found without looking whether they
        still exist and are active, as those of stateless tokens do."""
        super().perform_authentication(request)
        if request.successful_authenticator is not None and not is_active_user(request.user):
            raise NotAuthenticated

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(*args, **kwargs)
        for name, value in FOR_WHO_ASKED.items():
            response.setdefault(name, value)
        return response

    def get_exception_handler(self) -> Any:
        return error_response

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, DATABASE_AWAY):
            logger.warning("The database is not available: %s", exc)
            exc = Unavailable()
        return super().handle_exception(exc)


def is_active_user(user: Any) -> bool:
    """It may be looked up only now, and be gone."""
    try:
        return isinstance(user, get_user_model()) and user.is_active
    except ObjectDoesNotExist:
        return False


def client_address(request: HttpRequest) -> str:
    """Where the request comes from: the server's idea of it, or, behind as many proxies as REST framework's
    ``NUM_PROXIES`` says, what the outermost of them has seen. Of IPv6 it is the network, in which a visitor may take
    any address."""
    seen = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    proxies = api_settings.NUM_PROXIES
    address = seen[-min(proxies, len(seen))] if proxies else ""
    return _network(address or request.META.get("REMOTE_ADDR") or "")


def _network(address: str) -> str:
    try:
        return str(IPv6Network((address, 64), strict=False))
    except ValueError:
        return address


def read_json(request: Request) -> Any:
    """The JSON value in the body; an empty body is an empty object.

    The body is read here, not by REST framework, which takes a chunked one for empty, and never beyond the limit.
    Raises ``LengthRequired``, ``ParseError``, ``TooLarge`` or REST framework's ``UnsupportedMediaType``.
    """
    raw = _read(request._request)
    if raw or _has_length(request._request):  # what a middleware of the site's has read was a form
        _check_media_type(request)
    return wire.decode(raw) if raw else {}


def _read(request: HttpRequest) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and _is_chunked(request) and isinstance(request, WSGIRequest):
        raise LengthRequired  # Django reads no body without a length from a WSGI server
    if length.isdecimal() and (len(length) > 9 or int(length) > wire.MAX_BYTES):
        raise TooLarge
    try:
        raw = request.read(wire.MAX_BYTES + 1)
    except UnreadablePostError as error:
        raise ParseError from error
    if len(raw) > wire.MAX_BYTES:
        raise TooLarge
    return raw


def _has_length(request: HttpRequest) -> bool:
    return bool(request.META.get("CONTENT_LENGTH", "").strip("0"))


def _is_chunked(request: HttpRequest) -> bool:
    return "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()


def _check_media_type(request: Request) -> None:
    media_type, parameters = request._request.content_type, request._request.content_params or {}
    charset = parameters.get("charset", "utf-8").strip("\"'").lower()
    if media_type != "application/json" or charset not in {"utf-8", "utf8"}:
        raise drf.UnsupportedMediaType(request._request.META.get("CONTENT_TYPE", ""))


def error_response(exc: Exception, _context: dict[str, Any]) -> Response | None:
    """An exception in the contract's shapes; None for one that is nobody's input but a defect.

    REST framework's own handler would also undo the transaction around a test of a site with ``ATOMIC_REQUESTS``.
    """
    if isinstance(exc, Invalid):
        return Response(exc.fields, exc.status)
    if isinstance(exc, SuspiciousOperation):  # as Django calls a query string of thousands of fields
        exc = ChatError()
    if isinstance(exc, Http404):
        exc = NotFound()
    if isinstance(exc, PermissionDenied):
        exc = NotAllowed()
    if isinstance(exc, ChatError):
        wait = {"Retry-After": str(exc.wait)} if isinstance(exc, Throttled) else None
        return Response(_body(exc.code, exc.detail), exc.status, headers=wait or HEADERS.get(exc.code))
    if isinstance(exc, drf.APIException):
        code = CODES.get(exc.status_code, ChatError.code)
        return Response(_body(code, _detail(exc)), exc.status_code, headers=_headers(exc))
    return None


def _detail(exc: drf.APIException) -> Any:
    """Every 401 reads the same: it does not tell what was wrong with a token or whose it was."""
    if isinstance(exc, drf.AuthenticationFailed | drf.NotAuthenticated):
        return NotAuthenticated.detail
    return exc.detail


def _headers(exc: drf.APIException) -> dict[str, str]:
    """Those that REST framework has noted on the exception."""
    noted = {"WWW-Authenticate": getattr(exc, "auth_header", None), "Retry-After": getattr(exc, "wait", None)}
    return {name: str(value) for name, value in noted.items() if value}


def _body(code: str, detail: Any) -> dict[str, str]:
    return {"detail": str(detail), "code": code}


def absolute_url(request: Request, **parameters: Any) -> str:
    """This request's URL with other query parameters; None removes one."""
    query = request._request.GET.copy()
    for name, value in parameters.items():
        query.pop(name, None)
        if value is not None:
            query[name] = str(value)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}" if query else request.path)
