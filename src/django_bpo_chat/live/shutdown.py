"""The end of a process, of which its sockets shall hear before the server drops them."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class EndSignals:
    """Has ``act`` called in the loop when the process is told to end, and the server's own handler as ever.

    ASGI tells an application of the end only when the connections are gone already.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
        self._loop = loop
        self._act = act
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def heed(self) -> None:
        """Python lets only the main thread, and what no server handles ends the process at once, as before."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._pass_on)

    def ignore(self) -> None:
        """Leave the handlers as they were, unless others have been set meanwhile."""
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._pass_on:
                signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._act)
        self._handlers[number](number, frame)
