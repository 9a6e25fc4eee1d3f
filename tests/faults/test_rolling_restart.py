"""Processes are stopped and started one by one while many are connected: nobody loses anything.

Each process tells its clients how long to wait. How far they spread shows in ``busiest()`` of the times at which they
were let in again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from tests.servers import Serve
from tests.services import Valkey

from .checker import check
from .client import sign_up
from .proxies import Proxy
from .report import Findings, Scale
from .talk import conversation, talking

pytestmark = pytest.mark.faults("rolling restart")

SERVERS = 3
TALKERS = 6
BURST_SECONDS = 0.1
CALM_SECONDS = 2
"""Between two restarts."""


def busiest(times: Iterable[float], window: float) -> int:
    """How many of the times are in the fullest window."""
    ordered = sorted(times)
    return max((sum(start <= each < start + window for each in ordered) for start in ordered), default=0)


def test_restarting_one_process_after_another_loses_nothing(
    valkey: Valkey, serve: Serve, findings: Findings, scale: Scale, seed: int
) -> None:
    number = scale(60, 500)
    findings.inject(f"{SERVERS} processes are ended by SIGTERM and started again, one by one, under {number} clients")
    servers = [serve(REDIS_URL=valkey.url) for _ in range(SERVERS)]

    async def scenario() -> None:
        async with Proxy(*servers) as proxy:
            clients = []
            for start in range(0, number, 10):
                names = [f"client{n}" for n in range(start, min(start + 10, number))]
                clients += await asyncio.gather(*(sign_up(name, http=proxy) for name in names))
            talkers = clients[:TALKERS]
            async with conversation(*clients) as journal:
                first_ready_at = {client.username: client.ready_at[0] for client in clients}
                async with talking(journal, talkers, seed, pause=0.2):
                    for server in servers:
                        await journal.until_acknowledged(10)
                        await asyncio.to_thread(server.restart)
                        await asyncio.sleep(CALM_SECONDS)
                    await journal.until_acknowledged(10)
                findings.count(journal)
                findings.complete(await check(journal, clients))
            back_at = [at for client in clients for at in client.ready_at if at > first_ready_at[client.username]]
            codes = {code for client in clients for code in client.close_codes}
            assert len(back_at) >= number, "somebody was never sent away"
            assert 4503 in codes, "nobody was told to come back"
            findings.see(f"{len(back_at)} came back, at most {busiest(back_at, BURST_SECONDS)} within 0.1 s")
            findings.see(f"closed with {', '.join(map(str, sorted(code or 0 for code in codes)))}")

    asyncio.run(scenario())
