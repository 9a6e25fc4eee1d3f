"""The cache, by which processes know who is online in others."""

from collections.abc import Iterator
from typing import Any

from django.core.cache.backends.dummy import DummyCache
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


def _is_private(config: Any) -> bool:
    try:
        return issubclass(import_string(config["BACKEND"]), LocMemCache | DummyCache)
    except Exception:  # noqa: BLE001  (what is no cache at all, Django says by itself)
        return False
