"""Buses that lose, double and reorder events, as every bus may."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from channels.layers import BaseChannelLayer, get_channel_layer

from django_bpo_chat.live import bus

_kept: list[Any] | None = None


def publish(envelope: Any) -> None:
    """A bus like the package's own, but for what ``keeping_events()`` keeps. For ``BPO_CHAT["BUS"]``."""
    if _kept is None:
        bus.publish(envelope)
    else:
        _kept.append(envelope)


@contextmanager
def keeping_events() -> Iterator[list[Any]]:
    """What is announced meanwhile reaches nobody, unless the test publishes it."""
    global _kept  # noqa: PLW0603
    kept: list[Any] = []
    _kept = kept
    try:
        yield kept
    finally:
        _kept = None


class LossyLayer(BaseChannelLayer):
    """Groups for the event loops of one process, as if each were a process of its own, on a bad network.

    Of the messages on their way to a channel it loses a share, sends another share twice, and delays each a little, so
    that they overtake one another.
    """

    extensions = ["groups"]

    def __init__(self, *, seed: int, lost: float, doubled: float, delay: float, **options: Any) -> None:
        super().__init__(**options)
        self.counts = {"lost": 0, "doubled": 0, "overtaken": 0}
        self._lost = lost
        self._doubled = doubled
        self._delay = delay
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._sent = 0
        self._queues: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Queue[tuple[int, Any]]]] = {}
        self._groups: dict[str, set[str]] = {}
        self._newest: dict[str, int] = {}

    async def new_channel(self, prefix: str = "specific") -> str:
        channel = f"{prefix}!{uuid4().hex}"
        with self._lock:
            self._queues[channel] = asyncio.get_running_loop(), asyncio.Queue()
        return channel

    async def receive(self, channel: str) -> Any:
        number, message = await self._queues[channel][1].get()
        with self._lock:
            self.counts["overtaken"] += number < self._newest.get(channel, 0)
            self._newest[channel] = max(number, self._newest.get(channel, 0))
        return message

    async def send(self, channel: str, message: Any) -> None:
        with self._lock:
            self._sent += 1
            copies = self._copies()
            delays = [self._random.uniform(0, self._delay) for _ in range(copies)]
            number = self._sent
            loop, queue = self._queues[channel]
        for delay in delays:
            # An event loop that has ended has forgotten its channels.
            if not loop.is_closed():
                loop.call_soon_threadsafe(loop.call_later, delay, queue.put_nowait, (number, message))

    def _copies(self) -> int:
        fate = self._random.random()
        if fate < self._lost:
            self.counts["lost"] += 1
            return 0
        if fate < self._lost + self._doubled:
            self.counts["doubled"] += 1
            return 2
        return 1

    async def group_add(self, group: str, channel: str) -> None:
        with self._lock:
            self._groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        with self._lock:
            self._groups[group].discard(channel)

    async def group_send(self, group: str, message: Any) -> None:
        with self._lock:
            channels = sorted(self._groups.get(group, ()))
        for channel in channels:
            await self.send(channel, message)


class Publisher:
    """Publishes like a process that has no sockets: over the layer, and no other way."""

    current: Publisher | None = None

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="publisher")
        self._outbox = bus.Outbox(self._loop)

    def __enter__(self) -> Publisher:
        self._thread.start()
        Publisher.current = self
        return self

    def __exit__(self, *exc_info: object) -> None:
        Publisher.current = None
        self._outbox.idle.wait(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def put(self, envelope: Any) -> None:
        self._outbox.put(envelope)


def publish_over_the_layer(envelope: Any) -> None:
    """A bus for tests with a ``Publisher``: the hubs of this process hear of nothing but by the layer."""
    assert Publisher.current, "There is no publisher."
    Publisher.current.put(envelope)


def lossy_layer() -> LossyLayer:
    layer = get_channel_layer()
    assert isinstance(layer, LossyLayer)
    return layer
