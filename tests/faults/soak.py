"""Very many messages through a layer that loses some, while servers are killed and restarted.

``python -m tests.faults.soak --messages 20000 --out folder`` writes what came of it there, as ``soak.json``,
``soak.md`` and ``soak.svg``, and fails where a message was lost, stored or shown twice, or came out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import psutil

from tests.breakable import migrate
from tests.clients import Frame, View
from tests.servers import Server
from tests.services import Postgres, Valkey
from tests.sites import site

from .client import Client, sign_up
from .plots import Curve, svg
from .talk import connected

CHATS, SENDERS, WATCHERS = 4, 3, 1
"""How many chats there are, how many send in each, and how many more listen."""

SPAN = 10_000_000
"""No sender sends as many: a message's code is the sender's number times this and its own number."""

AGAIN_SECONDS = 0.2
AWAY_SECONDS = 120
"""A server is back by then."""

COMPLETE_SECONDS = 60


class Tally(View):
    """Of a chat in which nothing is edited, the codes of its messages in the order in which they are seen."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = array("q")
        self.out_of_order = 0

    def merge(self, changes: Frame) -> None:
        assert changes["since"] <= self.version < changes["version"]
        for message in changes["messages"]:
            code, seq = int(message["client_id"]), message["seq"]
            if seq > len(self.codes):
                self.out_of_order += seq != len(self.codes) + 1
                self.codes.append(code)
            else:  # what overlaps with what was seen before is the same
                self.out_of_order += self.codes[seq - 1] != code
        self.version = changes["version"]


class LeanClient(Client):
    """Keeps no frames, and goes on from where it is when it is told to start anew."""

    views: dict[str, Tally]  # type: ignore[assignment]

    @classmethod
    def of(cls, client: Client, server: Server) -> LeanClient:
        return cls(client.username, client.access, http=server, ws=server)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frames = deque(maxlen=1)

    async def _fetch(self, uri: str) -> None:
        view, more = self.views.setdefault(uri, Tally()), True
        while more:
            answer = await self.http.get(f"chats/{uri}/changes/", params={"since": view.version})
            changes = answer.raise_for_status().json()
            more = changes["more"]
            if changes["version"] > view.version:
                view.merge(changes)


@dataclass
class Sample:
    second: float
    acknowledged: int
    behind: int
    """By how many messages the slowest view."""

    memory: int
    """In MiB, of the larger server."""


@dataclass
class Outcome:
    messages: int
    seconds: float = 0
    seconds_until_complete: float = 0
    repeated: int = 0
    """How many messages had to be sent more than once."""

    restarts: list[float] = field(default_factory=list)
    events_lost: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    incomplete_views: int = 0
    samples: list[Sample] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.out_of_order or self.incomplete_views)


class Soak:
    def __init__(self, servers: Sequence[Server], messages: int, restarts: int) -> None:
        self._servers = servers
        self._restarts = restarts
        self._per_sender = messages // (CHATS * SENDERS)
        self.outcome = Outcome(self._per_sender * CHATS * SENDERS)
        self._acknowledged: dict[str, set[int]] = {}
        self._clients: dict[str, list[LeanClient]] = {}

    @property
    def acknowledged(self) -> int:
        return sum(map(len, self._acknowledged.values()))

    async def run(self) -> None:
        for number in range(CHATS):
            await self._start_chat(number)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(connected(*self._all_clients()))
            self._started = time.monotonic()
            sampling = asyncio.create_task(self._sample())
            breaking = asyncio.create_task(self._break())
            await asyncio.gather(*self._talks())
            await breaking
            self.outcome.seconds = self._second()
            await self._until_complete()
            sampling.cancel()
            await self._judge()

    def _second(self) -> float:
        return time.monotonic() - self._started

    def _all_clients(self) -> Iterator[LeanClient]:
        return (client for clients in self._clients.values() for client in clients)

    async def _start_chat(self, number: int) -> None:
        names = [f"client{number}{place}" for place in range(SENDERS + WATCHERS)]
        first, *others = await asyncio.gather(*(sign_up(name, http=self._servers[0]) for name in names))
        chat = await first.request("POST", "chats/", {"members": names[1:]})
        await first.http.aclose()
        self._acknowledged[chat["uri"]] = set()
        self._clients[chat["uri"]] = [
            LeanClient.of(client, self._servers[place % 2]) for place, client in enumerate([first, *others])
        ]

    def _talks(self) -> Iterator[Any]:
        for number, (uri, clients) in enumerate(self._clients.items()):
            for place, client in enumerate(clients[:SENDERS]):
                yield self._talk(client, uri, (number * SENDERS + place) * SPAN)

    async def _talk(self, client: Client, uri: str, first: int) -> None:
        for code in range(first, first + self._per_sender):
            tries = 1
            while not await self._is_sent(client, uri, code):
                tries += 1
                await asyncio.sleep(AGAIN_SECONDS)
            self._acknowledged[uri].add(code)
            self.outcome.repeated += tries > 1

    async def _is_sent(self, client: Client, uri: str, code: int) -> bool:
        await client.until_ready(within=AWAY_SECONDS)
        answer = await client.tell(type="message.send", chat=uri, message=f"{code}", client_id=f"{code}")
        return answer is not None and answer["type"] == "ok"

    async def _break(self) -> None:
        """Kill or end the servers in turn, each time when a part of the messages has been acknowledged."""
        faults = cycle([(server, end) for end in (Server.kill, Server.stop) for server in self._servers])
        for number in range(self._restarts):
            part = (number + 1) / (self._restarts + 1)
            await until(partial(self._has_acknowledged, part))
            server, end = next(faults)
            self.outcome.restarts.append(round(self._second(), 1))
            await asyncio.to_thread(end, server)
            await asyncio.to_thread(server.start)

    def _has_acknowledged(self, part: float) -> bool:
        return self.acknowledged >= part * self.outcome.messages

    async def _sample(self) -> None:
        while True:
            memory = max(map(memory_of, self._servers)) // 2**20
            self.outcome.samples.append(Sample(round(self._second(), 1), self.acknowledged, self._behind(), memory))
            await asyncio.sleep(max(1, self._second() / 1000))

    async def _until_complete(self) -> None:
        started = time.monotonic()
        await until(lambda: self._behind() == 0, within=COMPLETE_SECONDS)
        self.outcome.seconds_until_complete = time.monotonic() - started

    def _behind(self) -> int:
        """By how many messages the slowest view is."""
        return max(
            max(0, len(self._acknowledged[uri]) - len(client.views[uri].codes))
            for uri, clients in self._clients.items()
            for client in clients
        )

    async def _judge(self) -> None:
        """Hold what is stored against what was acknowledged, and what each has seen against what is stored."""
        for uri, clients in self._clients.items():
            stored = await read_all(clients[0], uri, self._servers[0])
            times = Counter(stored.codes)
            self.outcome.lost += len(self._acknowledged[uri] - times.keys())
            self.outcome.doubled += sum(each - 1 for each in times.values())
            self.outcome.out_of_order += stored.out_of_order + disorder(stored.codes)
            for client in clients:
                self.outcome.out_of_order += client.views[uri].out_of_order
                self.outcome.incomplete_views += client.views[uri].codes != stored.codes


async def until(is_so: Callable[[], bool], *, within: float = math.inf) -> None:
    """Wait until it is so, or for so many seconds."""
    give_up = time.monotonic() + within
    while not is_so() and time.monotonic() < give_up:  # noqa: ASYNC110  (many things make it so)
        await asyncio.sleep(0.05)


def memory_of(server: Server) -> int:
    """In bytes; 0 while it is away."""
    try:
        return int(psutil.Process(server.process.pid).memory_info().rss) if server.process else 0
    except psutil.NoSuchProcess:
        return 0


async def read_all(client: Client, uri: str, server: Server) -> Tally:
    reader = LeanClient(client.username, client.access, http=server, ws=server)
    await reader._fetch(uri)
    await reader.http.aclose()
    return reader.views[uri]


def disorder(codes: Sequence[int]) -> int:
    """How often somebody's message comes before one that they have sent earlier."""
    newest: dict[int, int] = {}
    found = 0
    for code in codes:
        found += code < newest.get(code // SPAN, 0)
        newest[code // SPAN] = code
    return found


def summary(outcome: Outcome, lost: float) -> str:
    rows = {
        "messages": f"{outcome.messages:,}",
        "took": f"{outcome.seconds:,.0f} s, {outcome.messages / outcome.seconds:.0f} a second",
        "restarts": f"{len(outcome.restarts)}, by kill -9 and SIGTERM in turn",
        "the layer loses": f"{lost:.0%}: {outcome.events_lost:,} events",
        "sent more than once": f"{outcome.repeated:,}",
        "views complete after": f"{outcome.seconds_until_complete:.1f} s",
        "largest server": f"{max(sample.memory for sample in outcome.samples)} MiB",
        "lost": outcome.lost,
        "doubled": outcome.doubled,
        "out of order": outcome.out_of_order,
        "views that are not the history": outcome.incomplete_views,
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items()), ""])


def plot(outcome: Outcome) -> str:
    samples = outcome.samples
    rates = [0.0] + [
        (after.acknowledged - before.acknowledged) / (after.second - before.second)
        for before, after in pairwise(samples)
    ]
    curves = [
        Curve("messages acknowledged", [sample.acknowledged for sample in samples]),
        Curve("a second", rates),
        Curve("messages that the slowest view is behind", [sample.behind for sample in samples]),
        Curve("MiB of the larger server", [sample.memory for sample in samples]),
    ]
    title = f"{outcome.messages:,} messages: {outcome.lost} lost, {outcome.doubled} doubled"
    return svg([sample.second for sample in samples], curves, outcome.restarts, title)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--lost", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    with ExitStack() as stack:
        postgres, valkey = stack.enter_context(Postgres()), stack.enter_context(Valkey())
        migrate(postgres.url)
        servers = [
            Server(
                DATABASE_URL=postgres.url,
                REDIS_URL=valkey.url,
                LOST=f"{options.lost}",
                SEED=f"{options.seed} {place}",
                **site("soak"),
            )
            for place in range(2)
        ]
        for server in servers:
            stack.enter_context(server)
        soak = Soak(servers, options.messages, options.restarts)
        asyncio.run(soak.run())
        soak.outcome.events_lost = sum(server.log.read_text().split().count("lost") for server in servers)
    report(soak.outcome, options.lost, options.out)


def report(outcome: Outcome, lost: float, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_text(json.dumps(asdict(outcome)))
    (folder / "soak.md").write_text(summary(outcome, lost))
    (folder / "soak.svg").write_text(plot(outcome))
    print(summary(outcome, lost))
    if not outcome.is_good:
        raise SystemExit("A promise was broken.")


if __name__ == "__main__":
    main()
