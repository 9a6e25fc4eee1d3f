"""Events on their way between processes: one copy per process, on any channel layer, or none at all.

The bus may lose, repeat and reorder. The hub notices by the versions, and the rows are the truth.
"""

import asyncio
import atexit
import logging
import os
import random
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol
from uuid import uuid4

from channels.layers import InMemoryChannelLayer, get_channel_layer

from ..conf import chat_settings
from ..events import Envelope
from .timeouts import within

logger = logging.getLogger(__name__)

GROUP = "bpo_chat.hubs"
BATCH = 100
MOST_WAITING = 2_000
SEND_SECONDS = 5
BEAT_SECONDS = 4
"""After about so long a silence a process beats."""

DEAF_SECONDS = 3 * BEAT_SECONDS
"""A listener that has not even heard its own heart beat for so long is rebuilt."""

REJOIN_SECONDS = 3600
"""Channels forgets a group's members after a day by default."""

FLUSH_SECONDS = 2

_BOOT = uuid4().hex


def process() -> str:
    """This process on the bus, so that it passes over what it has sent itself."""
    return f"{_BOOT}.{os.getpid()}"


def shared_layer() -> Any | None:
    """The layer that reaches other processes; None where there is none, or only the one in memory."""
    layer = get_channel_layer(chat_settings.channel_layer)
    return None if isinstance(layer, InMemoryChannelLayer) else layer


class Receiver(Protocol):
    """A hub, as the bus sees it."""

    loop: asyncio.AbstractEventLoop
    outbox: "Outbox"

    def take(self, envelope: Envelope) -> None: ...


_receivers: list[Receiver] = []


def register(receiver: Receiver) -> None:
    _receivers.append(receiver)


def unregister(receiver: Receiver) -> None:
    _receivers.remove(receiver)


def publish(envelope: Envelope) -> None:
    """Hand an event to this process's hubs and to the other processes. Callable from any thread; does not wait."""
    receivers = [each for each in _receivers if not each.loop.is_closed()]
    for receiver in receivers:
        receiver.loop.call_soon_threadsafe(receiver.take, envelope)
    if shared_layer() is not None:
        outbox = receivers[0].outbox if receivers else _thread.outbox()
        outbox.put(envelope)


class Outbox:
    """What waits to be sent to the layer. While one batch is on its way, the next gathers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sender: str = "") -> None:
        self.sender = sender
        self.idle = threading.Event()
        self.idle.set()
        self.working = True
        self._loop = loop
        self._waiting: deque[Envelope] = deque(maxlen=MOST_WAITING)
        self._sender: asyncio.Task[None] | None = None

    def put(self, envelope: Envelope) -> None:
        self.idle.clear()
        self._waiting.append(envelope)
        self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        if self._sender is None:
            self._sender = self._loop.create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                await self.send(batch)
        finally:
            self._sender = None
            self.idle.set()

    async def send(self, batch: list[Envelope]) -> None:
        """Errors end here: what the layer has lost, the sweep of each hub finds."""
        try:
            layer: Any = get_channel_layer(chat_settings.channel_layer)
            message = {"type": "bpo_chat.events", "sender": self.sender, "events": batch}
            await within(SEND_SECONDS, layer.group_send(GROUP, message))
            self.working = True
        except Exception as error:  # noqa: BLE001  (a layer may raise anything)
            if self.working:
                logger.warning("The channel layer does not take events: %r", error)
            self.working = False


class _PublisherLoop(asyncio.SelectorEventLoop):
    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """In the loop's own thread: asyncio's pool of threads for it is closed before what is left can be flushed."""
        return socket.getaddrinfo(host, port, **options)


class _PublisherThread:
    """Sends for processes without a hub: WSGI workers, commands, task queues. Starts with the first event."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outbox: Outbox | None = None

    def outbox(self) -> Outbox:
        with self._lock:
            if self._outbox is None:
                loops: list[_PublisherLoop] = []
                is_made = threading.Event()
                _start_thread(lambda: _run_loop(loops, is_made))
                is_made.wait()
                self._outbox = Outbox(loops[0])
            return self._outbox

    def flush(self) -> None:
        """A command that sends and ends must not take its events along."""
        if self._outbox is not None:
            self._outbox.idle.wait(FLUSH_SECONDS)

    def forget(self) -> None:
        self._lock, self._outbox = threading.Lock(), None


def _run_loop(loops: list[_PublisherLoop], is_made: threading.Event) -> None:
    """In the thread that runs it a loop is also made: what gevent has put into it belongs to a thread. Of gevent's own
    objects, events alone are safe between threads."""
    loops.append(_PublisherLoop())
    is_made.set()
    loops[0].run_forever()


def _start_thread(run: Callable[[], None]) -> None:
    """Under gevent a ``Thread`` shares its thread with all others, and Django would take their requests for async code
    while a loop runs in it."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        sys.modules["gevent"].get_hub().threadpool.spawn(run)
    else:
        threading.Thread(target=run, name="bpo-chat-publisher", daemon=True).start()


_thread = _PublisherThread()


def _forget() -> None:
    """A forked child has neither the thread nor the loops of its parent."""
    _receivers.clear()
    _thread.forget()


atexit.register(_thread.flush)
os.register_at_fork(after_in_child=_forget)


def pause(failures: int) -> float:
    """Seconds until the next attempt, more and more up to about ten."""
    return min(0.5 * 2.0 ** min(failures, 9), 10) * random.uniform(0.8, 1.2)


class Listener:
    """Takes what the layer brings, for as long as the loop runs. ``sweep`` is called when events may be missing."""

    def __init__(self, receiver: Receiver, sweep: Callable[[], None]) -> None:
        self._receiver = receiver
        self._sweep = sweep
        self._failures = 0
        self._heard_at = 0.0

    async def run(self) -> None:
        while (layer := shared_layer()) is not None:
            try:
                await self._listen(layer)
            except Exception as error:  # noqa: BLE001  (likewise)
                self._failures += 1
                logger.warning("Not listening to the channel layer: %r", error)
            await asyncio.sleep(pause(self._failures))

    async def _listen(self, layer: Any) -> None:
        """Join and receive; ends after an hour, to join anew."""
        channel = await within(SEND_SECONDS, layer.new_channel())
        await within(SEND_SECONDS, layer.group_add(GROUP, channel))
        self._sweep()
        self._failures = 0
        self._heard_at = asyncio.get_running_loop().time()
        beating = asyncio.create_task(self._beat())
        loop = asyncio.get_running_loop()
        rejoin_at = loop.time() + REJOIN_SECONDS
        try:
            while loop.time() < rejoin_at:
                message = await within(DEAF_SECONDS, layer.receive(channel))
                self._heard_at = loop.time()
                if message.get("sender") != self._receiver.outbox.sender:
                    for envelope in message.get("events", ()):
                        self._receiver.take(envelope)
        finally:
            beating.cancel()
            with suppress(Exception):
                await within(SEND_SECONDS, layer.group_discard(GROUP, channel))

    async def _beat(self) -> None:
        """Where all is silent, a heartbeat through the layer and back. It is heard by all processes, and one that gets
        through again ends a time when others did not."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT_SECONDS * random.uniform(0.8, 1.2))
            if self._receiver.outbox.working and loop.time() - self._heard_at < BEAT_SECONDS / 2:
                continue
            was_working = self._receiver.outbox.working
            await self._receiver.outbox.send([])
            if self._receiver.outbox.working and not was_working:
                self._sweep()
