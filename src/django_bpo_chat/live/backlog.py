"""What clients have missed: read once for all who come back in the same moment, as after a restart."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

KEPT_SECONDS = 5
"""Names and cards have no version, so a page is not kept for longer."""

MOST_KEPT = 64
"""Pages, of 64 KiB at most."""


@dataclass(frozen=True, slots=True)
class Page:
    """A ``changes`` frame that is the same for whoever asks for it, and the version where it ends."""

    frame: str
    version: int
    more: bool


@dataclass(frozen=True, slots=True)
class PageKey:
    """What a page depends on. As long as the chat has the same version, its rows are the same."""

    chat: str
    since: int
    chat_version: int
    first_seq: int


@dataclass(frozen=True, slots=True)
class _Reading:
    page: Future[Page] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)


class Backlog:
    """The pages of the last moments, for all database threads."""

    def __init__(self) -> None:
        self._readings: OrderedDict[PageKey, _Reading] = OrderedDict()  # the oldest first
        self._lock = threading.Lock()

    def page(self, key: PageKey, read: Callable[[], Page]) -> Page:
        """What ``read`` returns, or returned a moment ago, or will return in another thread. Raises what it raises."""
        reading, is_new = self._reading(key)
        if is_new:
            self._read(key, reading, read)
        return reading.page.result()

    def _reading(self, key: PageKey) -> tuple[_Reading, bool]:
        with self._lock:
            self._forget_until(time.monotonic() - KEPT_SECONDS)
            is_new = key not in self._readings
            return self._readings.setdefault(key, _Reading()), is_new

    def _forget_until(self, moment: float) -> None:
        while self._readings and next(iter(self._readings.values())).began <= moment:
            self._readings.popitem(last=False)
        while len(self._readings) >= MOST_KEPT:
            self._readings.popitem(last=False)

    def _read(self, key: PageKey, reading: _Reading, read: Callable[[], Page]) -> None:
        try:
            reading.page.set_result(read())
        except BaseException as error:  # noqa: BLE001  (raised where the page is waited for)
            with self._lock:
                self._readings.pop(key, None)  # whoever asks from now on tries again
            reading.page.set_exception(error)
