"""Many send at once, some are rolled back, and one process dies: whoever follows the changes misses nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from subprocess import PIPE

import pytest

from tests.breakable import on_both_databases
from tests.clients import Frame
from tests.servers import EXAMPLE_PROJECT, Serve, Server
from tests.services import Valkey

from .checker import Ask, Journal, check, read_history
from .client import Client, sign_up
from .report import Findings, Scale
from .talk import connected

pytestmark = pytest.mark.faults("order has no hole")

PROCESSES, SENDERS = 5, 10
"""How many there are, and how many send at once in each."""


@on_both_databases
def test_a_reader_who_follows_the_changes_sees_all_of_50_senders(
    serve: Serve, valkey: Valkey, findings: Findings, scale: Scale, seed: int
) -> None:
    number = scale(6, 40)
    findings.inject(
        f"{PROCESSES * SENDERS} senders in {PROCESSES} processes at once; a third is rolled back, and a process killed"
    )

    async def scenario(server: Server) -> None:
        names = [[f"sender{process}{place}" for place in range(SENDERS)] for process in range(PROCESSES)]
        reader = await sign_up("reader", http=server)
        await asyncio.gather(*(sign_up(name, http=server) for process in names for name in process))
        chat = await reader.request("POST", "chats/", {"members": [name for process in names for name in process]})
        journal = Journal(chat["uri"])
        async with connected(reader):
            dies, *others = [Senders(server, journal, number, seed, process) for process in names]
            async with following(reader, chat) as seen:
                sending = [asyncio.create_task(each.run()) for each in (dies, *others)]
                await dies.until_told(SENDERS * number // 3)
                dies.kill()
                await asyncio.gather(*sending)
            findings.count(journal)
            findings.complete(await check(journal, [reader]))
            history = await read_history(reader, journal.uri)
        assert seen == [history.messages[seq] for seq in sorted(history.messages)]
        outcomes = {ask.outcome for ask in journal.asks}
        assert outcomes == {"ok", "failed", "unknown"}, "nobody was rolled back, or killed"

    asyncio.run(scenario(serve(REDIS_URL=valkey.url)))


class Senders:
    """A process of senders, and what it tells."""

    def __init__(self, server: Server, journal: Journal, number: int, seed: int, usernames: Sequence[str]) -> None:
        self._server = server
        self._arguments = (journal.uri, f"{number}", f"{seed}", *usernames)
        self._asks = {
            f"{name}-{n}": Ask(name, f"{name}-{n}", [f"{name} says {n}"]) for name in usernames for n in range(number)
        }
        journal.asks += self._asks.values()
        self._told = asyncio.Semaphore(0)

    async def run(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.senders", *self._arguments),
            cwd=EXAMPLE_PROJECT,
            env=self._server.environment(),
            stdout=PIPE,
        )
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._asks[told["client_id"]].outcome = told["outcome"]
            self._told.release()
        await self._process.wait()

    async def until_told(self, number: int) -> None:
        for _ in range(number):
            await asyncio.wait_for(self._told.acquire(), 60)

    def kill(self) -> None:
        self._process.kill()


@asynccontextmanager
async def following(reader: Client, chat: Frame) -> AsyncIterator[list[Frame]]:
    """The messages that somebody reads who asks again and again what has changed, in the order in which they come."""
    seen: list[Frame] = []
    enough = asyncio.Event()

    async def follow(version: int) -> None:
        is_last = False
        while not is_last:
            is_last = enough.is_set()
            more = True
            while more:
                page = await reader.request("GET", f"chats/{chat['uri']}/changes/?since={version}")
                seen.extend(page["messages"])
                version, more = page["version"], page["more"]

    task = asyncio.create_task(follow(chat["version"]))
    try:
        yield seen
    finally:
        enough.set()
        await task
