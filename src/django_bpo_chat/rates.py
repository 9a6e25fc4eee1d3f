"""How often somebody may do something: counters that let no more through than they should, however many ask at once."""

import logging
import math
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache

from .conf import chat_settings
from .exceptions import Throttled

logger = logging.getLogger(__name__)

UNITS = {"s": 1, "min": 60, "h": 60 * 60, "d": 24 * 60 * 60}

REST_SECONDS = 5
"""For so long a cache that has failed is not asked again: one that hangs would hold up every request."""

_RATE = re.compile(rf"([1-9]\d*)/([1-9]\d*)?({'|'.join(UNITS)})")


@dataclass(frozen=True, slots=True)
class Rate:
    limit: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Window:
    """The present one of all the windows, one behind the other, in which a rate is counted anew."""

    number: int
    seconds: int

    @property
    def end(self) -> int:
        return (self.number + 1) * self.seconds


def parse_rates(text: str) -> list[Rate]:
    """Such as ``"60/min, 10/2s"``; of nothing, none. Raises ``ValueError``."""
    found = [_RATE.fullmatch(each.strip()) for each in text.split(",") if text]
    if None in found:
        raise ValueError(f"{text!r} is no rate")
    return [Rate(int(each[1]), int(each[2] or 1) * UNITS[each[3]]) for each in found if each]


def spend(action: str, who: str) -> None:
    """Count that somebody does this once more, by the site's ``RATES``. Raises ``Throttled``."""
    now = time.time()
    for rate in parse_rates(chat_settings.rate(action) or ""):
        window = Window(int(now // rate.seconds), rate.seconds)
        if _count(f"{action}.{who}", window) > rate.limit:
            raise Throttled(wait=math.ceil(window.end - now))


class LocalCounters:
    """In this process. A cache in its memory would not do: it forgets keys as soon as it has some hundreds."""

    def __init__(self) -> None:
        self._counts: dict[Window, Counter[str]] = {}
        self._lock = threading.Lock()

    def count(self, key: str, window: Window) -> int:
        with self._lock:
            if window not in self._counts:
                now = time.time()
                self._counts = {each: counts for each, counts in self._counts.items() if each.end > now}
            counts = self._counts.setdefault(window, Counter())
            counts[key] += 1
            return counts[key]


class SharedCounters:
    """In the site's cache, for all processes. While it does not work nothing is counted, and nobody is refused."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def count(self, cache: BaseCache, key: str, window: Window) -> int:
        if time.monotonic() < self._rests_until:
            return 0
        try:
            return _incremented(cache, f"bpo_chat.rate.{window.seconds}.{window.number}.{_digest(key)}", window)
        except Exception as error:  # noqa: BLE001  (a cache may raise anything)
            logger.warning("The cache does not count: %r", error)
            self._rests_until = time.monotonic() + REST_SECONDS
            return 0


_local, _shared = LocalCounters(), SharedCounters()


def _count(key: str, window: Window) -> int:
    cache = caches[chat_settings.rate_cache]
    if isinstance(cache, LocMemCache | DummyCache):
        return _local.count(key, window)
    return _shared.count(cache, key, window)


def _incremented(cache: BaseCache, key: str, window: Window) -> int:
    """The number of the window is in the key: where the key goes between two steps, nothing is left that never ends."""
    cache.add(key, 0, timeout=2 * window.seconds)
    try:
        return cache.incr(key)
    except ValueError:  # pushed out by others in this moment
        cache.set(key, 1, timeout=2 * window.seconds)
        return 1


def _digest(key: str) -> str:
    """Safe for any cache, and no address or email for whoever looks into it."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
