"""What the bus loses, doubles and brings too late: every view becomes the history, and shows nothing twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter

import pytest

from tests.servers import Serve
from tests.services import Valkey
from tests.sites import LAST_WORDS, site

from .checker import Journal, NotSeen, arrival, assert_learned_of_removal, check
from .client import Client, sign_up
from .report import Findings, Scale
from .talk import connected, conversation, talking

pytestmark = pytest.mark.faults("no silent hole in a live view")

AT_ONCE = 3
"""Seconds within which the bus brings what no sweep would bring for an hour."""

COMPLETE_SECONDS = 30

FAULT_SECONDS = 6
"""Longer than a process waits for Valkey to take an event."""


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_views_become_complete_after_valkey_was(
    valkey: Valkey, serve: Serve, fault: str, findings: Findings, seed: int
) -> None:
    findings.inject(f"Valkey {fault} for {FAULT_SECONDS} s")
    first, second = serve(REDIS_URL=valkey.url), serve(REDIS_URL=valkey.url)
    begin, end = {"killed": (valkey.kill, valkey.start), "frozen": (valkey.freeze, valkey.thaw)}[fault]

    async def scenario() -> None:
        # Everybody speaks to one process and listens to the other, which learns nothing by itself.
        wali, mabel, otis, ines = await asyncio.gather(
            *(sign_up(name, http=first, ws=second) for name in ("wali", "mabel", "otis", "ines"))
        )
        async with conversation(wali, mabel, otis) as journal, connected(ines):
            await arrival(await journal.send(wali), journal, mabel, within=AT_ONCE)

            begin()
            missed = await journal.send(wali)
            with pytest.raises(NotSeen):
                await arrival(missed, journal, mabel, within=0.5)
            async with talking(journal, [wali, mabel], seed, doors=["http"], pause=0.5):
                await asyncio.sleep(FAULT_SECONDS / 3)
                await ines.request("PATCH", f"chats/{journal.uri}/", {})
                await asyncio.sleep(FAULT_SECONDS / 3)
                await wali.request("DELETE", f"chats/{journal.uri}/members/otis/")
                await asyncio.sleep(FAULT_SECONDS / 3)
            end()

            # Nobody says anything any more, so nobody but the server itself can notice.
            findings.complete(await check(journal, [wali, mabel, ines], within=COMPLETE_SECONDS))
            findings.count(journal)
            assert {ask.outcome for ask in journal.asks} == {"ok"}
            assert_learned_of_removal(otis, journal.uri)
            await until_live_again(journal, wali, mabel)

    asyncio.run(scenario())


async def until_live_again(journal: Journal, sender: Client, other: Client) -> None:
    """Several messages in a row arrive at once, and so not by a sweep."""
    give_up = time.monotonic() + 30
    in_a_row = 0
    while in_a_row < 3:
        assert time.monotonic() < give_up, "what one process publishes still does not reach the other"
        ask = await journal.send(sender)
        try:
            await arrival(ask, journal, other, within=1)
            in_a_row += 1
        except NotSeen:
            in_a_row = 0


def test_a_process_that_dies_between_commit_and_publication(valkey: Valkey, serve: Serve, findings: Findings) -> None:
    findings.inject("kill -9 between the commit of a message and its publication")
    dying, other = (serve(REDIS_URL=valkey.url, **site(name)) for name in ("dying", "quick_sweep"))

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=dying, ws=other), sign_up("mabel", http=other))
        async with conversation(wali, mabel) as journal:
            await arrival(await journal.send(wali), journal, mabel, within=AT_ONCE)

            ask = await journal.send(wali, text=LAST_WORDS)
            assert ask.outcome == "unknown"
            assert dying.process is not None
            assert dying.process.wait(AT_ONCE) == -signal.SIGKILL
            findings.count(journal)
            findings.complete(await check(journal, [mabel], within=10))
            assert ask.texts[0] in {row["message"] for row in mabel.views[journal.uri].messages.values()}
            await check(journal, [mabel, wali], within=1)

    asyncio.run(scenario())


def test_views_become_complete_over_a_layer_that_loses_doubles_and_reorders(
    valkey: Valkey, serve: Serve, findings: Findings, scale: Scale, seed: int
) -> None:
    number = scale(200, 2_000)
    findings.inject("a layer that loses 20 %, doubles 20 %, and brings 20 % too late")
    fates = {"LOST": "0.2", "DOUBLED": "0.2", "LATE": "0.2"}
    servers = [
        serve(REDIS_URL=valkey.url, **site("lossy"), **fates, SEED=f"{seed} {place}") for place in ("here", "there")
    ]

    async def scenario() -> None:
        # Each hears over the layer of what the others ask of the other process.
        clients = await asyncio.gather(
            *(
                sign_up(name, http=servers[place % 2], ws=servers[1 - place % 2])
                for place, name in enumerate(("wali", "mabel", "otis", "ines"))
            )
        )
        async with conversation(*clients) as journal:
            async with talking(journal, clients, seed):
                await journal.until_acknowledged(number, within=120)
            findings.count(journal)
            findings.complete(await check(journal, clients, within=COMPLETE_SECONDS))
        counts = Counter(line for server in servers for line in server.log.read_text().splitlines())
        assert all(counts[fate] for fate in ("lost", "doubled", "late")), counts
        findings.see(", ".join(f"{counts[fate]} events {fate}" for fate in ("lost", "doubled", "late")))

    asyncio.run(scenario())
