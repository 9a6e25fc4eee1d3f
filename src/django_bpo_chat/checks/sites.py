"""What the other checks share: how they are registered, and what they ask of a site."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.checks import CheckMessage, register
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from .keys import TAG, check_keys

Check = Callable[[], Iterable[CheckMessage]]


def check(*tags: str, deploy: bool = False) -> Callable[[Check], Check]:
    """Register a check that reads ``BPO_CHAT``. It is silent until nothing is wrong with the keys themselves."""

    def decorate(function: Check) -> Check:
        @register(TAG, *tags, deploy=deploy)
        def guarded(**_: Any) -> list[CheckMessage]:
            return [] if check_keys() else list(function())

        return function

    return decorate


def has_django_users() -> bool:
    """Whether the user model offers what Django's own do. A check says so where it does not; the others keep quiet."""
    return issubclass(get_user_model(), AbstractBaseUser)


def mounts(*names: str) -> bool:
    """Whether the site's URLs lead to one of these account views, under whatever namespace, or to a subclass of it."""
    if not hasattr(settings, "ROOT_URLCONF"):
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
