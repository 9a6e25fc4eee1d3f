"""The keys of ``BPO_CHAT``: which there are, what values they take, and what their dotted paths lead to."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.utils.module_loading import import_string

from ..conf import DEFAULTS

TAG = "bpo_chat"


@dataclass(frozen=True, slots=True)
class Kind:
    """What something has to be: in words, and as a question."""

    words: str
    takes: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(map(_is_text, values))


def channel_layers() -> dict[str, Any]:
    return getattr(settings, "CHANNEL_LAYERS", None) or {}


def _is_layer(alias: Any) -> bool:
    return _is_text(alias) and (alias == DEFAULTS["CHANNEL_LAYER"] or alias in channel_layers())


PATH = Kind("a dotted path", _is_text)
PATHS = Kind("a list of dotted paths", _are_texts)
SECONDS = Kind("a number of seconds above 0", lambda value: _is_number(value) and value > 0)

VALUES: dict[str, Kind] = {
    "ADAPTER": PATH,
    "AUTHENTICATION_CLASSES": PATHS,
    "BUS": PATH,
    "CHANNEL_LAYER": Kind("the name of one of CHANNEL_LAYERS", _is_layer),
    "DATABASE_THREADS": Kind("a whole number above 0", lambda value: _is_whole(value) and value > 0),
    "HANDLE_FIELD": Kind("the name of a field, or None", lambda value: value is None or _is_text(value)),
    "HEARTBEAT_SECONDS": SECONDS,
    "HELLO_SECONDS": SECONDS,
    "PAGINATION_CLASS": PATH,
    "PERMISSION_CLASSES": PATHS,
    "READ_RECEIPT_MEMBERS": Kind("a whole number from 0 on", lambda value: _is_whole(value) and value >= 0),
    "SERIALIZERS": Kind("a dict of dotted paths", lambda value: isinstance(value, dict)),
    "SWEEP_SECONDS": SECONDS,
    "THROTTLE_CLASSES": PATHS,
}


def _subclass_of(path: str) -> Kind:
    """Of a class that is imported when the question is asked: what REST framework imports must not be loaded yet."""
    return Kind(
        f"a subclass of {path}", lambda found: isinstance(found, type) and issubclass(found, import_string(path))
    )


def _is_permission(found: Any) -> bool:
    """A class, or several that are combined by ``&``, ``|`` and ``~``."""
    return isinstance(found, import_string("rest_framework.permissions.OperationHolderMixin"))


TARGETS: dict[str, Kind] = {
    "ADAPTER": _subclass_of("django_bpo_chat.adapter.Adapter"),
    "AUTHENTICATION_CLASSES": _subclass_of("rest_framework.authentication.BaseAuthentication"),
    "BUS": Kind("a function that takes an event", callable),
    "PAGINATION_CLASS": _subclass_of("rest_framework.pagination.BasePagination"),
    "PERMISSION_CLASSES": Kind("a subclass of rest_framework.permissions.BasePermission", _is_permission),
    "THROTTLE_CLASSES": _subclass_of("rest_framework.throttling.BaseThrottle"),
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
            yield from _wrong_target("SERIALIZERS", path, _subclass_of(defaults[name]))


def _unknown(place: str, key: Any, keys: Iterable[str]) -> CheckMessage:
    similar = get_close_matches(str(key), keys, n=1)
    hint = f"Did you mean {similar[0]!r}?" if similar else f"The keys are {', '.join(sorted(keys))}."
    return Error(f"{place} has no key {key!r}.", hint=hint, id="bpo_chat.E002")


def _wrong_value(place: str, value: Any, words: str, default: Any) -> CheckMessage:
    hint = f"It has to be {words}. The default is {default!r}."
    return Error(f"{place} is {value!r}.", hint=hint, id="bpo_chat.E003")


def _wrong_target(key: str, path: str, wanted: Kind) -> Iterator[CheckMessage]:
    try:
        fault = "" if wanted.takes(import_string(path)) else "is something else"
    except Exception as error:  # noqa: BLE001  (a module may raise anything while it is imported)
        fault = f"cannot be imported: {error}"
    if fault:
        yield Error(
            f'{path!r} in BPO_CHAT["{key}"] {fault.removesuffix(".")}.',
            hint=f"Name {wanted.words}, as 'package.module.Name'.",
            id="bpo_chat.E004",
        )
