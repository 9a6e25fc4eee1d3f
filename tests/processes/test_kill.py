"""``kill -9``: what was acknowledged is stored, and every view becomes complete."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.servers import Server

from .checker import check
from .client import sign_up
from .talk import conversation, talking

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("seed", [1])
def test_five_kills_under_load_lose_nothing(database: str, seed: int) -> None:
    async def scenario(server: Server) -> None:
        random = Random(seed)
        clients = await asyncio.gather(*(sign_up(name, http=server) for name in ("wali", "mabel", "otis")))
        async with conversation(*clients) as journal:
            async with talking(journal, clients, seed, voices=3):
                for _ in range(5):
                    await journal.until_acknowledged(random.randint(20, 60))
                    await asyncio.sleep(random.uniform(0, 0.1))
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                await journal.until_acknowledged(20)
            assert any(ask.tries > 1 for ask in journal.asks), "no request was under way when the server was killed"
            assert all(len(client.close_codes) >= 5 for client in clients), "somebody was not thrown out"
            seconds = await check(journal, clients)
        outcomes = {outcome: sum(ask.outcome == outcome for ask in journal.asks) for outcome in ("ok", "unknown")}
        print(f"{outcomes}, views complete after {seconds:.1f} s")

    with Server(DATABASE_URL=database) as server:
        asyncio.run(scenario(server))
