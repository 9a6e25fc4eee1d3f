"""The answer is lost after the commit: to send the same again, also ten times at once, stores nothing more."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from tests.breakable import on_both_databases
from tests.servers import Serve
from tests.services import Valkey

from .checker import Ask, Door, Journal, check, read_history
from .client import Client, sign_up
from .proxies import Proxy
from .report import Findings, Scale
from .talk import conversation

pytestmark = pytest.mark.faults("a retry is safe for ever")

AT_ONCE = 10


async def stored(journal: Journal, client: Client, ask: Ask) -> list[int]:
    """The seqs of what is stored of this ask."""
    history = await read_history(client, journal.uri)
    return [seq for seq, row in history.messages.items() if row["client_id"] == ask.client_id]


async def outcomes(client: Client, journal: Journal, body: dict[str, str]) -> Counter[str]:
    """What becomes of asking for the same ten times at once."""

    async def ask() -> str:
        try:
            answer = await client.http.post(f"chats/{journal.uri}/messages/", json=body)
        except httpx.TransportError:
            return "lost"
        return f"{answer.status_code} {answer.json().get('seq')}"

    return Counter(await asyncio.gather(*(ask() for _ in range(AT_ONCE))))


@on_both_databases
@pytest.mark.parametrize("door", ["http", "socket"])
def test_a_message_whose_answer_was_lost_is_sent_again(
    serve: Serve, door: Door, findings: Findings, scale: Scale
) -> None:
    times = scale(10, 100)
    findings.inject(f"the connection is cut when the answer begins, {times} times, over {door}")

    async def scenario() -> None:
        server = serve()
        async with Proxy(server) as proxy:
            # Only what is asked goes through the proxy: it shall lose the answer, and nothing else in its place.
            http, ws = (proxy, server) if door == "http" else (server, proxy)
            wali, mabel = await asyncio.gather(sign_up("wali", http=http, ws=ws), sign_up("mabel", http=server))
            async with conversation(wali, mabel) as journal:
                for _ in range(times):
                    await wali.until_ready()
                    await check(journal, [wali])  # and so nothing but the answer is to come
                    proxy.cuts = 1
                    ask = await journal.send(wali, door)
                    assert (ask.outcome, proxy.cuts) == ("unknown", 0)
                    [seq] = await stored(journal, mabel, ask)
                    await journal.repeat(wali, ask)
                    assert ask.row is not None and ask.row["seq"] == seq
                findings.count(journal)
                findings.complete(await check(journal, [mabel, wali]))

    asyncio.run(scenario())


@on_both_databases
def test_ten_repetitions_at_once_over_two_processes_are_the_same_message(
    serve: Serve, valkey: Valkey, findings: Findings, scale: Scale
) -> None:
    times = scale(3, 30)
    findings.inject(f"{AT_ONCE} at once lose their answers and are sent again at once to two processes, {times} times")

    async def scenario() -> None:
        servers = [serve(REDIS_URL=valkey.url) for _ in range(2)]
        async with Proxy(*servers) as proxy:
            wali, mabel = await asyncio.gather(
                sign_up("wali", http=proxy, ws=servers[0]), sign_up("mabel", http=servers[0])
            )
            async with conversation(mabel, wali) as journal:
                for number in range(times):
                    body = {"message": f"wali says {number + 1}", "client_id": f"wali-{number + 1}"}
                    proxy.cuts = AT_ONCE
                    assert await outcomes(wali, journal, body) == {"lost": AT_ONCE}
                    assert proxy.cuts == 0
                    answers = await outcomes(wali, journal, body)
                    ask = Ask("wali", body["client_id"], [body["message"]], "ok")
                    journal.asks.append(ask)
                    [seq] = await stored(journal, mabel, ask)
                    assert answers == {f"200 {seq}": AT_ONCE}
                findings.count(journal)
                findings.complete(await check(journal, [mabel, wali]))

    asyncio.run(scenario())
