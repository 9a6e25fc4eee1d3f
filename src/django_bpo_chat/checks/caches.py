"""The caches by which processes know who is online in others, and count together how often something is done."""

from collections.abc import Iterator
from typing import Any

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Tags
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from ..conf import chat_settings
from .channel_layers import has_shared_layer
from .keys import caches
from .sites import check


@check(Tags.caches, deploy=True)
def check_shared_cache() -> Iterator[CheckMessage]:
    """A site whose processes share nothing else is told of that alone."""
    alias = chat_settings.presence_cache
    if has_shared_layer() and _is_private(caches().get(alias)):
        yield CheckWarning(
            "Processes do not see who is online in others: their cache is not shared.",
            hint=f'Set CACHES = {{"{alias}": {{"BACKEND": "django.core.cache.backends.redis.RedisCache", '
            '"LOCATION": "redis://127.0.0.1:6379/0"}}, or name another cache in BPO_CHAT["PRESENCE_CACHE"].',
            id="bpo_chat.W021",
        )


@check(Tags.caches, deploy=True)
def check_counters() -> Iterator[CheckMessage]:
    alias = chat_settings.rate_cache
    backend = caches().get(alias)
    if has_shared_layer() and _is_private(backend):
        fault = "Each process counts for itself how often something is done: their cache is not shared."
    elif _counts_in_two_steps(backend):
        fault = "Whoever asks many times at once gets past the rates: this cache counts in two steps."
    else:
        return
    yield CheckWarning(
        fault,
        hint=f'Set CACHES = {{"{alias}": {{"BACKEND": "django.core.cache.backends.redis.RedisCache", '
        '"LOCATION": "redis://127.0.0.1:6379/0"}}, or name another cache in BPO_CHAT["RATE_CACHE"].',
        id="bpo_chat.W023",
    )


def _is_private(config: Any) -> bool:
    return _is_a(config, LocMemCache, DummyCache)


def _counts_in_two_steps(config: Any) -> bool:
    """Django's own ``incr()``, which reads and then writes, unless the backend has another one."""
    return _is_a(config, DatabaseCache, FileBasedCache)


def _is_a(config: Any, *backends: type[BaseCache]) -> bool:
    try:
        return issubclass(import_string(config["BACKEND"]), backends)
    except Exception:  # noqa: BLE001  (what is no cache at all, Django says by itself)
        return False
