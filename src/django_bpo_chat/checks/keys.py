"""The keys of ``BPO_CHAT``: which there are, what values they take, and what their dotted paths lead to."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import FieldDoesNotExist
from django.utils.module_loading import import_string

from ..conf import DEFAULTS
from ..rates import parse_rates

TAG = "bpo_chat"
TOKENS = "rest_framework.authtoken"

LISTED = ("Membership", "Ban", "Invite", "Block")
"""The models whose rows are paged, besides the site's users."""


def _nothing(_: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Kind:
    """What something has to be: in words, and as a question. What it takes may still have a ``fault``, in words too."""

    words: str
    takes: Callable[[Any], bool]
    fault: Callable[[Any], str] = _nothing


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_whole(value) and value > 0


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    """Of something in PostgreSQL, with or without its schema."""
    return _is_text(value) and re.fullmatch(r"(\w+\.)?\w+", value) is not None


def _is_rate(value: Any) -> bool:
    try:
        return value is None or (_is_text(value) and bool(parse_rates(value)))
    except ValueError:
        return False


def _are_texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(map(_is_text, values))


def channel_layers() -> dict[str, Any]:
    """``CHANNEL_LAYERS``; empty where it is no dict, of which another check tells."""
    layers = getattr(settings, "CHANNEL_LAYERS", None)
    return layers if isinstance(layers, dict) else {}


def _is_layer(alias: Any) -> bool:
    return _is_text(alias) and (alias == DEFAULTS["CHANNEL_LAYER"] or alias in channel_layers())


def caches() -> dict[str, Any]:
    """Likewise ``CACHES``."""
    configured = getattr(settings, "CACHES", None)
    return configured if isinstance(configured, dict) else {}


def _is_cache(alias: Any) -> bool:
    return _is_text(alias) and (alias == DEFAULTS["PRESENCE_CACHE"] or alias in caches())


def storages() -> dict[str, Any]:
    """Likewise ``STORAGES``."""
    configured = getattr(settings, "STORAGES", None)
    return configured if isinstance(configured, dict) else {}


def _is_storage(alias: Any) -> bool:
    return _is_text(alias) and (alias == DEFAULTS["ATTACHMENT_STORAGE"] or alias in storages())


PATH = Kind("a dotted path", _is_text)
PATHS = Kind("a list of dotted paths", _are_texts)
SECONDS = Kind("a number of seconds above 0", lambda value: _is_number(value) and value > 0)
RATE = Kind("a rate such as '60/min' or '60/min, 10/2s', by s, min, h or d, or None", _is_rate)
COUNT = Kind("a whole number from 0 on", lambda value: _is_whole(value) and value >= 0)

VALUES: dict[str, Kind] = {
    "ADAPTER": PATH,
    "ATTACHMENT_BYTES": COUNT,
    "ATTACHMENT_STORAGE": Kind("the name of one of STORAGES", _is_storage),
    "ATTACHMENTS_PER_MESSAGE": COUNT,
    "AUTHENTICATION_CLASSES": PATHS,
    "BUS": PATH,
    "CHANNEL_LAYER": Kind("the name of one of CHANNEL_LAYERS", _is_layer),
    "DATABASE_THREADS": Kind("a whole number above 0", _is_positive),
    "DELETED_USERS_MESSAGES": Kind('"keep" or "delete"', lambda value: value in ("keep", "delete")),
    "HANDLE_FIELD": Kind("the name of a field, or None", lambda value: value is None or _is_text(value)),
    "HEARTBEAT_SECONDS": SECONDS,
    "HELLO_SECONDS": SECONDS,
    "IMAGE_PIXELS": COUNT,
    "PAGINATION_CLASS": PATH,
    "PERMISSION_CLASSES": PATHS,
    "PRESENCE_CACHE": Kind("the name of one of CACHES", _is_cache),
    "PRESENCE_MEMBERS": COUNT,
    "RATE_CACHE": Kind("the name of one of CACHES", _is_cache),
    "RATES": Kind("a dict of rates, or None", lambda value: value is None or isinstance(value, dict)),
    "REACTIONS_PER_MESSAGE": COUNT,
    "READ_RECEIPT_MEMBERS": COUNT,
    "SEARCH_CONFIGURATION": Kind("the name of a text search configuration of PostgreSQL", _is_name),
    "SERIALIZERS": Kind("a dict of dotted paths", lambda value: isinstance(value, dict)),
    "SOCKETS_PER_USER": Kind("a whole number above 0", _is_positive),
    "SWEEP_SECONDS": SECONDS,
    "THROTTLE_CLASSES": PATHS,
}


def _subclass_of(path: str, fault: Callable[[Any], str] = _nothing, words: str = "") -> Kind:
    """Of a class that is imported when the question is asked: what REST framework imports must not be loaded yet."""
    return Kind(
        f"a subclass of {path}{words}",
        lambda found: isinstance(found, type) and issubclass(found, import_string(path)),
        fault,
    )


def _unordered(pagination: Any) -> str:
    """What keeps REST framework's pages by cursor from working: it orders by attributes of the rows themselves."""
    cursor_pagination = import_string("rest_framework.pagination.CursorPagination")
    if not issubclass(pagination, cursor_pagination) or pagination.get_ordering is not cursor_pagination.get_ordering:
        return ""
    ordering = [pagination.ordering] if isinstance(pagination.ordering, str) else pagination.ordering or [None]
    listed = [*(apps.get_model(f"bpo_chat.{name}") for name in LISTED), get_user_model()]
    fields = {"pk"}.union(set.intersection(*({field.name for field in model._meta.fields} for model in listed)))
    return "" if all(str(each).lstrip("-") in fields for each in ordering) else f"orders by {pagination.ordering!r}"


def _forgetful(default: str) -> Callable[[Any], str]:
    """Of a serializer that leaves out what the default one requires, which the views then miss; one with a ``validate``
    of its own may fill it in."""

    def fault(serializer: Any) -> str:
        original = import_string(default)
        if serializer.validate is not original.validate:
            return ""
        given = _filled(serializer)
        missing = sorted(_filled(original) - given)
        return f"does not require {' and '.join(map(repr, missing))}" if missing else ""

    return fault


def _filled(serializer: Any) -> set[str]:
    """The fields that are always among what has been validated."""
    empty = import_string("rest_framework.fields.empty")
    declared = serializer._declared_fields.items()  # noqa: SLF001  (what an instance has may depend on who asks)
    return {name for name, field in declared if field.required or field.default is not empty}


def _is_permission(found: Any) -> bool:
    """A class, or several that are combined by ``&``, ``|`` and ``~``."""
    return isinstance(found, import_string("rest_framework.permissions.OperationHolderMixin"))


def _on_a_queryset(permission: Any) -> str:
    """What REST framework's permissions on models ask of a view, and the package's do not have."""
    operands = [getattr(permission, name) for name in ("op1_class", "op2_class") if hasattr(permission, name)]
    if operands:
        return next(filter(None, map(_on_a_queryset, operands)), "")
    on_models = import_string("rest_framework.permissions.DjangoModelPermissions")
    asks = issubclass(permission, on_models) and all(
        getattr(permission, name) is getattr(on_models, name) for name in ("has_permission", "_queryset")
    )
    return "asks for the queryset of a view, and the package's have none" if asks else ""


def _without_its_tokens(authentication: Any) -> str:
    """What REST framework's tokens are stored by, unless the class has another way."""
    by_token = import_string("rest_framework.authentication.TokenAuthentication")
    asks = issubclass(authentication, by_token) and all(
        getattr(authentication, name) is getattr(by_token, name)
        for name in ("authenticate_credentials", "get_model", "model")
    )
    return f"needs {TOKENS!r} in INSTALLED_APPS" if asks and not apps.is_installed(TOKENS) else ""


def _unrelated(adapter: Any) -> str:
    """What keeps users from being loaded with what their cards read."""
    names = adapter().card_related
    if not isinstance(names, list | tuple):
        return f"has a card_related of {names!r}, which is no list"
    wrong = [name for name in names if not _is_relation(name)]
    return f"has a card_related of {wrong[0]!r}, which leads from a user to no single row" if wrong else ""


def _is_relation(name: str) -> bool:
    model: Any = get_user_model()
    for part in name.split("__"):
        try:
            field = model._meta.get_field(part)
        except FieldDoesNotExist:
            return False
        if not (field.many_to_one or field.one_to_one):
            return False
        model = field.related_model
    return True


def _without_rate(throttle: Any) -> str:
    """What REST framework would say of a throttle with each request."""
    if issubclass(throttle, import_string("rest_framework.throttling.SimpleRateThrottle")):
        try:
            throttle()
        except Exception as error:  # noqa: BLE001  (a rate may be anything)
            return f"does not work: {error}"
    return ""


TARGETS: dict[str, Kind] = {
    "ADAPTER": _subclass_of(
        "django_bpo_chat.adapter.Adapter",
        _unrelated,
        ", whose card_related is a list of the user model's relations to single rows",
    ),
    "AUTHENTICATION_CLASSES": _subclass_of(
        "rest_framework.authentication.BaseAuthentication",
        _without_its_tokens,
        f", and TokenAuthentication only with {TOKENS!r} in INSTALLED_APPS",
    ),
    "BUS": Kind("a function that takes an event", callable),
    "PAGINATION_CLASS": _subclass_of(
        "rest_framework.pagination.BasePagination",
        _unordered,
        ", and CursorPagination only with an ordering by what all rows of all lists have, such as '-pk'",
    ),
    "PERMISSION_CLASSES": Kind(
        "a subclass of rest_framework.permissions.BasePermission, and none on the model of a view",
        _is_permission,
        _on_a_queryset,
    ),
    "THROTTLE_CLASSES": _subclass_of(
        "rest_framework.throttling.BaseThrottle",
        _without_rate,
        ", with a rate for its scope in REST_FRAMEWORK['DEFAULT_THROTTLE_RATES']",
    ),
}


@register(TAG, Tags.compatibility)
def check_keys(**_: Any) -> list[CheckMessage]:
    given = getattr(settings, "BPO_CHAT", {})
    if isinstance(given, dict):
        return list(_problems(given))
    return [
        Error(
            f"BPO_CHAT is {given!r}, which is no dict.",
            hint='Write BPO_CHAT = {"SWEEP_SECONDS": 20}, or whichever keys it shall have.',
            id="bpo_chat.E001",
        )
    ]


def _problems(given: dict[Any, Any]) -> Iterator[CheckMessage]:
    for key, value in given.items():
        if key not in DEFAULTS:
            yield _unknown("BPO_CHAT", key, DEFAULTS)
        elif not VALUES[key].takes(value):
            yield _wrong_value(f'BPO_CHAT["{key}"]', value, VALUES[key].words, DEFAULTS[key])
        elif key == "SERIALIZERS":
            yield from _wrong_serializers(value)
        elif key == "RATES":
            yield from _wrong_rates(value or {})
        elif key in TARGETS:
            paths = [value] if VALUES[key] is PATH else value
            yield from (error for path in paths for error in _wrong_target(key, path, TARGETS[key]))


def _wrong_serializers(given: dict[Any, Any]) -> Iterator[CheckMessage]:
    defaults = DEFAULTS["SERIALIZERS"]
    for name, path in given.items():
        if name not in defaults:
            yield _unknown('BPO_CHAT["SERIALIZERS"]', name, defaults)
        elif not PATH.takes(path):
            yield _wrong_value(f'BPO_CHAT["SERIALIZERS"]["{name}"]', path, PATH.words, defaults[name])
        else:
            yield from _wrong_target("SERIALIZERS", path, _serializer_like(defaults[name]))


def _wrong_rates(given: dict[Any, Any]) -> Iterator[CheckMessage]:
    defaults = DEFAULTS["RATES"]
    for action, rate in given.items():
        if action not in defaults:
            yield _unknown('BPO_CHAT["RATES"]', action, defaults)
        elif not _is_rate(rate):
            yield _wrong_value(f'BPO_CHAT["RATES"]["{action}"]', rate, RATE.words, defaults[action])


def _serializer_like(default: str) -> Kind:
    return _subclass_of(default, _forgetful(default), " that keeps its required fields")


def _unknown(place: str, key: Any, keys: Iterable[str]) -> CheckMessage:
    similar = get_close_matches(str(key), keys, n=1)
    hint = f"Did you mean {similar[0]!r}?" if similar else f"The keys are {', '.join(sorted(keys))}."
    return Error(f"{place} has no key {key!r}.", hint=hint, id="bpo_chat.E002")


def _wrong_value(place: str, value: Any, words: str, default: Any) -> CheckMessage:
    hint = f"It has to be {words}. The default is {default!r}."
    return Error(f"{place} is {value!r}.", hint=hint, id="bpo_chat.E003")


def _wrong_target(key: str, path: str, wanted: Kind) -> Iterator[CheckMessage]:
    try:
        found = import_string(path)
        fault = wanted.fault(found) if wanted.takes(found) else "is something else"
    except Exception as error:  # noqa: BLE001  (a module may raise anything while it is imported)
        fault = f"cannot be imported: {error}"
    if fault:
        yield Error(
            f'{path!r} in BPO_CHAT["{key}"] {fault.removesuffix(".")}.',
            hint=f"Name {wanted.words}, as 'package.module.Name'.",
            id="bpo_chat.E004",
        )
