"""Redis is away, or does not answer: over HTTP everything works all the same, and soon."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.servers import Serve, Server, WsgiServer
from tests.services import Valkey
from tests.sites import site

from .checker import Journal, check
from .client import Client, sign_up
from .report import Findings, Scale
from .talk import conversation

pytestmark = pytest.mark.faults("HTTP works without the bus")

ANSWER_SECONDS = 2
PAUSE = 0.3
"""Between two questions: rates are counted in Redis, too, and here they are on."""


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_each_question_is_answered_in_2_seconds_while_valkey_is_away(
    valkey: Valkey, database: str, serve: Serve, fault: str, findings: Findings, scale: Scale
) -> None:
    rounds = scale(3, 20)
    findings.inject(f"Valkey {fault} while everything is asked {rounds} times of ASGI and of WSGI, with rates")
    begin, end = {"killed": (valkey.kill, valkey.start), "frozen": (valkey.freeze, valkey.thaw)}[fault]
    environment = {"DATABASE_URL": database, "REDIS_URL": valkey.url, "EXAMPLE_THROTTLES": "on", **site("quick_hashes")}

    async def scenario(asgi: Server, wsgi: WsgiServer) -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=asgi), sign_up("mabel", http=wsgi, ws=asgi))
        async with conversation(wali, mabel) as journal:
            for client in (wali, mabel):
                await journal.send(client)
            begin()
            slowest = 0.0
            for _ in range(rounds):
                for client in (wali, mabel):
                    slowest = max(slowest, await ask_everything(client, journal))
            assert {ask.outcome for ask in journal.asks} == {"ok"}
            end()
            findings.count(journal)
            findings.see(f"the slowest answer after {slowest:.2f} s")
            assert slowest < ANSWER_SECONDS
            findings.complete(await check(journal, [wali, mabel]))

    with WsgiServer(**environment) as wsgi:
        asyncio.run(scenario(serve(**environment), wsgi))


async def ask_everything(client: Client, journal: Journal) -> float:
    """Of what members do all day. Returns how many seconds the slowest answer took."""
    ask = await journal.send(client)
    assert ask.row is not None
    seq, chat = ask.row["seq"], f"chats/{journal.uri}/"
    slowest = ask.slowest
    for method, path, body in (
        ("PATCH", f"{chat}messages/{seq}/", {"message": f"{ask.texts[0]} again"}),
        ("GET", f"{chat}messages/", None),
        ("PUT", f"{chat}read/", {"seq": seq}),
        ("GET", "chats/", None),
        ("PATCH", chat, {}),
    ):
        await asyncio.sleep(PAUSE)
        started = time.monotonic()
        await client.request(method, path, body)
        slowest = max(slowest, time.monotonic() - started)
    ask.texts = [f"{ask.texts[0]} again"]
    return slowest
