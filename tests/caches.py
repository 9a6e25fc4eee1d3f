"""Caches that several processes share, and that fail as theirs do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, ClassVar

from django.core.cache.backends.base import BaseCache


class SharedCache(BaseCache):
    """Is for the hubs of one process what Redis is for several processes."""

    calls: ClassVar[Counter[str]] = Counter()
    threads: ClassVar[set[str]] = set()
    error: ClassVar[Exception | None] = None
    hangs: ClassVar[threading.Event | None] = None  # until it is set
    _entries: ClassVar[dict[str, float]] = {}

    def __init__(self, _: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    @classmethod
    def reset(cls) -> None:
        cls.calls.clear()
        cls.threads.clear()
        cls._entries.clear()
        cls.error = cls.hangs = None

    @classmethod
    def lose_everything(cls) -> None:
        cls._entries.clear()

    def set_many(self, data: Any, timeout: Any = None, version: Any = None) -> list[str]:
        self._call("set_many")
        self._entries.update(dict.fromkeys(data, time.monotonic() + timeout))
        return []

    def get_many(self, keys: Any, version: Any = None) -> dict[str, int]:
        self._call("get_many")
        return {key: 1 for key in keys if self._entries.get(key, 0) > time.monotonic()}

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        self.threads.add(threading.current_thread().name)
        if self.hangs is not None:
            self.hangs.wait(30)
        if self.error is not None:
            raise self.error
