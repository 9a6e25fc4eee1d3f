"""Two processes that meet in Valkey: what happens in one is told in the other."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.checker import Ask, arrival, check
from tests.faults.client import sign_up
from tests.faults.talk import conversation, talking
from tests.servers import Serve, WsgiServer, database_url
from tests.services import Valkey
from tests.sites import site

pytestmark = pytest.mark.processes

AT_ONCE = 3
"""Seconds within which the bus brings what no sweep would bring for an hour."""

SENDING_COMMAND = """
from django.contrib.auth import get_user_model
from django_bpo_chat import operations
wali = get_user_model().objects.get(username="wali")
operations.send_message(actor=wali, chat={uri!r}, text="wali says 1", client_id="wali-1")
"""


def test_a_post_to_one_arrives_on_the_sockets_of_the_other(valkey: Valkey, serve: Serve) -> None:
    first, second = (serve(REDIS_URL=valkey.url, **site("without_sweep")) for _ in range(2))

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(
            sign_up("wali", http=first, ws=second), sign_up("mabel", http=second, ws=first)
        )
        async with conversation(wali, mabel) as journal:
            for sender in (wali, mabel, wali, mabel):
                ask = await journal.send(sender)
                for client in (wali, mabel):
                    await arrival(ask, journal, client, within=AT_ONCE)
            async with talking(journal, [wali, mabel], seed=1, voices=2):
                await journal.until_acknowledged(50)
            seconds = await check(journal, [wali, mabel], within=AT_ONCE)
            # Not because they had to ask for it.
            assert not [
                frame for client in (wali, mabel) for frame in client.frames if "id" in frame and "since" in frame
            ]
        print(f"{len(journal.asks)} messages, views complete after {seconds:.2f} s")

    asyncio.run(scenario())


def test_a_process_for_http_only_reaches_the_sockets(valkey: Valkey, serve: Serve) -> None:
    with_sockets = serve(REDIS_URL=valkey.url, **site("without_sweep"))

    async def scenario(http_only: WsgiServer) -> None:
        wali, mabel = await asyncio.gather(
            sign_up("wali", http=http_only, ws=with_sockets), sign_up("mabel", http=with_sockets)
        )
        async with conversation(wali, mabel) as journal:
            for _ in range(3):
                await arrival(await journal.send(wali), journal, mabel, within=AT_ONCE)
            await check(journal, [wali, mabel], within=AT_ONCE)

    with WsgiServer(DATABASE_URL=database_url(), REDIS_URL=valkey.url) as http_only:
        asyncio.run(scenario(http_only))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_command_that_sends_and_ends_reaches_the_sockets(valkey: Valkey, serve: Serve, host: str) -> None:
    url = valkey.url.replace("127.0.0.1", host)
    assert host in url
    server = serve(REDIS_URL=url, **site("without_sweep"))

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=server), sign_up("mabel", http=server))
        async with conversation(wali, mabel) as journal:
            ask = Ask("wali", "wali-1", ["wali says 1"], outcome="ok")
            journal.asks.append(ask)
            await asyncio.to_thread(server.manage, "shell", "--command", SENDING_COMMAND.format(uri=journal.uri))
            await arrival(ask, journal, mabel, within=AT_ONCE)
            await check(journal, [wali, mabel], within=AT_ONCE)

    asyncio.run(scenario())
