"""Two processes that meet in Valkey, and what their sockets are told while it is away."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import ExampleProcess, Server, database_url
from tests.services import Valkey

from .checker import Ask, Journal, check
from .client import Client, sign_up
from .sites import LAST_WORDS, site
from .talk import connected, conversation, talking

pytestmark = pytest.mark.processes

Serve = Callable[..., Server]

AT_ONCE = 3
"""Seconds within which the bus brings what no sweep would bring for an hour."""

FAULT_SECONDS = 6
"""Longer than a process waits for Valkey to take an event."""

WSGI_SERVER = """
import sys
from wsgiref.simple_server import make_server
from config.wsgi import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""

SENDING_COMMAND = """
from django.contrib.auth import get_user_model
from django_bpo_chat import operations
wali = get_user_model().objects.get(username="wali")
operations.send_message(actor=wali, chat={uri!r}, text="wali says 1", client_id="wali-1")
"""


class WsgiServer(ExampleProcess):
    """The example project for HTTP only: a process without an event loop, and so without a hub."""

    def command(self) -> list[str | Path]:
        return [sys.executable, "-c", WSGI_SERVER, str(self.port)]


class NotSeen(AssertionError):
    """A message has not arrived in time."""


async def arrival(ask: Ask, journal: Journal, client: Client, within: float) -> float:
    """Wait until the client sees the message. Returns how many seconds that took."""
    started = time.monotonic()
    while not any(row["client_id"] == ask.client_id for row in client.views[journal.uri].messages.values()):
        if time.monotonic() - started > within:
            raise NotSeen(f"{client.username} does not see {ask}")
        await asyncio.sleep(0.005)
    return time.monotonic() - started


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


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_views_become_complete_after_valkey_was(valkey: Valkey, serve: Serve, fault: str, seed: int) -> None:
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
            seconds = await check(journal, [wali, mabel, ines], within=30)
            slowest = max(ask.slowest for ask in journal.asks)
            assert slowest < 2
            assert {ask.outcome for ask in journal.asks} == {"ok"}
            assert_learned_of_removal(otis, journal.uri)
            await until_live_again(journal, wali, mabel)
        print(f"{len(journal.asks)} sent, the slowest in {slowest:.2f} s; views complete after {seconds:.1f} s")

    asyncio.run(scenario())


def assert_learned_of_removal(client: Client, uri: str) -> None:
    """The client was told that it is out, of nothing that came later, and of nothing else after that."""
    frames = [frame for frame in client.frames if frame["type"] == "changes" and frame["chat"] == uri]
    removals = [row for row in frames[-1]["members"] if row["left"] and row["username"] == client.username]
    assert removals, f"the last that {client.username} heard is {frames[-1]}"
    again = [frame for frame in frames[:-1] if any(row["left"] for row in frame["members"])]
    assert not again, f"{client.username} hears more of a chat after having been removed: {again} and {frames[-1]}"
    newest = max(row["version"] for frame in frames for row in frame["messages"])
    assert newest < removals[0]["version"]
    assert uri not in client.views


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


def test_a_process_that_dies_between_commit_and_publication(valkey: Valkey, serve: Serve) -> None:
    dying, other = (serve(REDIS_URL=valkey.url, **site(name)) for name in ("dying", "quick_sweep"))

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=dying, ws=other), sign_up("mabel", http=other))
        async with conversation(wali, mabel) as journal:
            await arrival(await journal.send(wali), journal, mabel, within=AT_ONCE)

            ask = await journal.send(wali, text=LAST_WORDS)
            assert ask.outcome == "unknown"
            assert dying.process is not None
            assert dying.process.wait(AT_ONCE) == -signal.SIGKILL
            seconds = await check(journal, [mabel], within=10)
            assert ask.texts[0] in {row["message"] for row in mabel.views[journal.uri].messages.values()}
            await check(journal, [mabel, wali], within=1)
        print(f"seen after {seconds:.1f} s")

    asyncio.run(scenario())
