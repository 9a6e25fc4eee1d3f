"""Read marks on their way to others: of each person and chat one in a second, and in the end the last one."""

import asyncio
from collections.abc import Callable

from ..events import Envelope

READ_SECONDS = 1
"""How long somebody's next mark in a chat waits for one that replaces it: who scrolls reads many messages a second."""


class Receipts:
    """Passes on to ``tell`` what it takes: a mark that follows another too soon later, unless it is replaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[Envelope], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._held: dict[tuple[str, str], Envelope | None] = {}

    def take(self, envelope: Envelope) -> None:
        key = envelope["reader"], envelope["chat"]
        if key in self._held:
            self._held[key] = envelope
        else:
            self._pass(key, envelope)

    def _pass(self, key: tuple[str, str], envelope: Envelope) -> None:
        self._held[key] = None
        self._loop.call_later(READ_SECONDS, self._release, key)
        self._tell(envelope)

    def _release(self, key: tuple[str, str]) -> None:
        envelope = self._held.pop(key)
        if envelope is not None:
            self._pass(key, envelope)
