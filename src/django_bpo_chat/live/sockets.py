"""One open socket: what it is told, in order, at the pace at which its client reads."""

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from ..exceptions import CloseCode
from .auth import Login
from .timeouts import within

MAX_QUEUED_FRAMES = 256
MAX_QUEUED_BYTES = 1024 * 1024
CLOSE_SECONDS = 30
"""How long a client that does not read may keep the close frame waiting."""

Send = Callable[[dict[str, Any]], Awaitable[None]]

if sys.version_info >= (3, 12):

    def start(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Begin at once: where the server can write right away, the work is done when this returns."""
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)

else:

    def start(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return asyncio.get_running_loop().create_task(work)


def size(frame: str) -> int:
    """In bytes; that a text is ASCII it knows without looking."""
    return len(frame) if frame.isascii() else len(frame.encode())


class Socket:
    """A client's connection, from the moment when it is known whose it is.

    Frames wait in a queue of their own until ``ready`` has been said, and while the server cannot take more; so one
    client that does not read holds up nobody else.
    """

    __slots__ = (
        "__weakref__",
        "_closer",
        "_consumer",
        "_judging",
        "_queue",
        "_queued",
        "_send",
        "_writer",
        "closing",
        "left",
        "login",
        "ready",
    )

    def __init__(self, send: Send, login: Login) -> None:
        self.login = login
        self.ready = False
        self.closing = False
        self.left: dict[str, int] = {}  # chat uri → version at which this user was out
        self._send = send
        self._consumer = asyncio.current_task()
        self._queue: deque[tuple[str, bool]] = deque()
        self._queued = 0
        self._judging: asyncio.Handle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None

    def distrust(self) -> None:
        """What the site has permitted by this login is not remembered any more, but asked again."""
        self.login = replace(self.login)

    def deliver(self, frame: str, *, ephemeral: bool = False) -> None:
        """Write the frame, now or after those that wait; ``ephemeral`` ones are the first to be dropped."""
        if self.closing:
            return
        self._queue.append((frame, ephemeral))
        self._queued += size(frame)
        if self.ready and self._writer is None:
            self._write()
        elif self._is_overfull() and self._judging is None:
            self._judging = asyncio.get_running_loop().call_soon(self._judge)

    def open(self, frame: str) -> None:
        """Say ``ready``, then what has happened since the socket was registered."""
        self._queue.appendleft((frame, False))
        self._queued += size(frame)
        self.ready = True
        if not self.closing:
            self._write()

    async def flushed(self) -> None:
        """Wait until nothing is queued."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    def close(self, code: int, last_words: str = "") -> None:
        """Say nothing more but a last frame, to who has heard ``ready``, and the close code."""
        if not self.closing:
            self.closing = True
            self._queue.clear()
            self._closer = start(self._close(code, last_words if self.ready else ""))

    def _write(self) -> None:
        writer = start(self._write_queue())
        if not writer.done():
            self._writer = writer

    async def _write_queue(self) -> None:
        try:
            while self._queue and not self.closing:
                frame, _ = self._queue.popleft()
                self._queued -= size(frame)
                await self._send({"type": "websocket.send", "text": frame})
        except Exception:  # noqa: BLE001  (each server has its own error for a client that has gone)
            self.closing = True
        finally:
            self._writer = None

    async def _close(self, code: int, last_words: str) -> None:
        try:
            if last_words:
                await within(CLOSE_SECONDS, self._send({"type": "websocket.send", "text": last_words}))
            await within(CLOSE_SECONDS, self._send({"type": "websocket.close", "code": int(code)}))
            await asyncio.sleep(CLOSE_SECONDS)
        except Exception:  # noqa: BLE001  (gone, or not reading: there is nobody to tell)
            pass
        if self._consumer is not None:
            self._consumer.cancel()

    def dispose(self) -> None:
        """The consumer has ended."""
        self.closing = True
        for task in (self._writer, self._closer):
            if task is not None:
                task.cancel()

    def _judge(self) -> None:
        """After the writer has had its turn: a burst does not make a client slow."""
        self._judging = None
        if self._is_overfull():
            self._drop_ephemeral()
        if self._is_overfull():
            self.close(CloseCode.TOO_SLOW)

    def _is_overfull(self) -> bool:
        """Before ``ready`` there is nobody yet to write: then only memory counts."""
        return (self.ready and len(self._queue) > MAX_QUEUED_FRAMES) or self._queued > MAX_QUEUED_BYTES

    def _drop_ephemeral(self) -> None:
        self._queue = deque(each for each in self._queue if not each[1])
        self._queued = sum(size(frame) for frame, _ in self._queue)
