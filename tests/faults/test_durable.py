"""``kill -9``: what was acknowledged is stored, and every view becomes complete."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.breakable import on_both_databases
from tests.servers import Serve, Server

from .checker import check
from .client import sign_up
from .report import Findings, Scale
from .talk import conversation, talking

pytestmark = pytest.mark.faults("201 means durable")


@on_both_databases
def test_kills_under_load_lose_nothing(serve: Serve, findings: Findings, scale: Scale, seed: int) -> None:
    kills = scale(3, 20)
    findings.inject(f"kill -9 of the server under load, {kills} times")

    async def scenario(server: Server) -> None:
        random = Random(seed)
        clients = await asyncio.gather(*(sign_up(name, http=server) for name in ("wali", "mabel", "otis")))
        async with conversation(*clients) as journal:
            async with talking(journal, clients, seed, voices=3):
                for _ in range(kills):
                    await journal.until_acknowledged(random.randint(20, 60))
                    await asyncio.sleep(random.uniform(0, 0.1))
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                await journal.until_acknowledged(20)
            findings.count(journal)
            assert any(ask.tries > 1 for ask in journal.asks), "no request was under way when the server was killed"
            assert all(len(client.close_codes) >= kills for client in clients), "somebody was not thrown out"
            findings.complete(await check(journal, clients))

    asyncio.run(scenario(serve()))
