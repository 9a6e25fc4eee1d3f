"""What the other checks share: how they are registered, and what they ask of a site."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.checks import CheckMessage, Error, register
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from .keys import TAG, check_keys

Check = Callable[[], Iterable[CheckMessage]]


def check(*tags: str, deploy: bool = False) -> Callable[[Check], Check]:
    """Register a check that reads ``BPO_CHAT``. It is silent until nothing is wrong with the keys themselves."""

    def decorate(function: Check) -> Check:
        @register(TAG, *tags, deploy=deploy)
        def guarded(**_: Any) -> list[CheckMessage]:
            return [] if check_keys() else _made(function)

        return function

    return decorate


def _made(function: Check) -> list[CheckMessage]:
    """What the check finds. One that stumbles over a setting says so, and keeps no other from being made."""
    try:
        return list(function())
    except Exception as error:  # noqa: BLE001  (whatever an odd setting leads to)
        fault = f"{type(error).__name__}: {error}".removesuffix(".")
        return [unusable(f"{function.__name__}() ends with {fault}", "Correct the setting that this is about.")]


def unusable(fault: str, hint: str) -> CheckMessage:
    """About a setting of Django or of another package, where what it holds is of no use to anybody."""
    return Error(f"{fault}.", hint=hint, id="bpo_chat.E021")


def has_django_users() -> bool:
    """Whether the user model offers what Django's own do. A check says so where it does not; the others keep quiet."""
    return issubclass(get_user_model(), AbstractBaseUser)


def mounts(*names: str) -> bool:
    """Whether the site's URLs lead to one of these account views, under whatever namespace, or to a subclass of it."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return False
    # Not imported above: that is for the site's URLs to do, once all apps are ready.
    classes = tuple(import_string(f"django_bpo_chat.accounts.views.{name}") for name in names)
    return any(issubclass(view, classes) for view in _views(get_resolver()))


def _views(resolver: URLResolver) -> Iterator[type]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern)
        elif isinstance(view := getattr(pattern.callback, "view_class", None), type):
            yield view
