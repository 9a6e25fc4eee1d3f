"""Whoever is out stores nothing and hears nothing any more, whatever was under way, and also where the bus is deaf."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import httpx
import pytest

from tests.breakable import on_both_databases
from tests.servers import Serve, Server
from tests.services import Valkey
from tests.sites import site

from .checker import Journal, assert_learned_of_removal, check, read_history
from .client import PASSWORD, Client, sign_up
from .report import Findings
from .talk import conversation

pytestmark = pytest.mark.faults("removed means removed")

WAITING = 8
ACCESS_SECONDS = 20


# While messages wait


@contextmanager
def locked(database: str, uri: str) -> Iterator[Callable[[int], None]]:
    """Hold the lock of a chat. Gives a function that returns when so many wait for it; SQLite does not tell."""
    if database.startswith("sqlite"):
        with closing(sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield lambda number: time.sleep(0.5)
            connection.execute("ROLLBACK")
        return
    import psycopg2  # which not every environment has

    with closing(psycopg2.connect(database)) as connection, closing(psycopg2.connect(database)) as other:
        other.autocommit = True

        def wait(number: int) -> None:
            give_up = time.monotonic() + 4  # whoever waits for longer than 5 seconds gives up
            with other.cursor() as cursor:
                while True:
                    cursor.execute(
                        "SELECT count(*) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                    if cursor.fetchone() == (number,):
                        return
                    assert time.monotonic() < give_up, f"not {number} wait for the lock"
                    time.sleep(0.02)

        with connection.cursor() as cursor:
            cursor.execute("UPDATE bpo_chat_chat SET version = version WHERE uri = %s", [uri])
            yield wait
        connection.rollback()


@on_both_databases
@pytest.mark.parametrize("act", ["removed", "banned"])
def test_nothing_is_stored_of_who_is_out_while_their_messages_wait(
    database: str, serve: Serve, valkey: Valkey, act: str, findings: Findings
) -> None:
    findings.inject(f"a member is {act} in one process while {WAITING} of their messages wait in another")
    here, there = (serve(REDIS_URL=valkey.url) for _ in range(2))

    async def scenario() -> None:
        wali, mabel = await asyncio.gather(sign_up("wali", http=here), sign_up("mabel", http=there))
        async with conversation(wali, mabel) as journal:
            await journal.send(mabel)
            method, path = {"removed": ("DELETE", "members"), "banned": ("PUT", "bans")}[act]
            with locked(database, journal.uri) as until_waiting:
                removal = asyncio.create_task(wali.request(method, f"chats/{journal.uri}/{path}/mabel/"))
                await asyncio.to_thread(until_waiting, 1)
                sends = [asyncio.create_task(journal.send(mabel)) for _ in range(WAITING)]
                await asyncio.to_thread(until_waiting, 1 + WAITING)
            await asyncio.gather(removal, *sends)
            await journal.send(wali)
            findings.count(journal)
            findings.complete(await check(journal, [wali]))
            history = await read_history(wali, journal.uri)
            await until(lambda: journal.uri not in mabel.views)
            assert_learned_of_removal(mabel, journal.uri)
            removed_at = wali.views[journal.uri].members["mabel"]["version"]
            stored = [row["version"] for row in history.messages.values() if row["user"]["username"] == "mabel"]
            assert all(version < removed_at for version in stored), f"stored at {stored}, and out at {removed_at}"
            if database.startswith("postgres"):  # where they are served in the order in which they came
                assert len(stored) == 1, "somebody who came later was served before the removal"

    asyncio.run(scenario())


async def until(is_so: Callable[[], bool], within: float = 10) -> None:
    give_up = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < give_up, "it does not happen"
        await asyncio.sleep(0.01)


# While a socket is open

CHANGE = """
import time
from django.contrib.auth import get_user_model
user = get_user_model().objects.get(username={username!r})
{change}
user.save()
print(time.time())
"""


class Ends:
    """All the ways in which it may end for somebody, each in this process."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def removed(self, owner: Client, journal: Journal, client: Client) -> float:
        await self._asked("DELETE", f"chats/{journal.uri}/members/{client.username}/", owner)
        return time.time()

    async def banned(self, owner: Client, journal: Journal, client: Client) -> float:
        await self._asked("PUT", f"chats/{journal.uri}/bans/{client.username}/", owner)
        return time.time()

    async def deactivated(self, owner: Client, journal: Journal, client: Client) -> float:
        return await self._changed(client, "user.is_active = False")

    async def given_a_new_password(self, owner: Client, journal: Journal, client: Client) -> float:
        return await self._changed(client, 'user.set_password("another password")')

    async def logged_out(self, owner: Client, journal: Journal, client: Client) -> float:
        await self._asked("POST", "users/logout/", client, {"refresh": client.refresh})
        return time.time()

    async def _asked(self, method: str, path: str, client: Client, body: object = None) -> None:
        async with httpx.AsyncClient(base_url=f"{self._server.http}/api/v1/", headers=client.headers) as http:
            (await http.request(method, path, json=body)).raise_for_status()

    async def _changed(self, client: Client, change: str) -> float:
        command = CHANGE.format(username=client.username, change=change)
        said = await asyncio.to_thread(self._server.manage, "shell", "--no-imports", "--command", command)
        return float(said)


OUT_OF_THE_CHAT = ["removed", "banned"]
ENDED = ["deactivated", "given_a_new_password", "logged_out"]


def ended_after(client: Client, journal: Journal, act: str) -> bool:
    """Whether the client knows by now that it is out of the chat, or that its socket is closed."""
    return journal.uri not in client.views if act in OUT_OF_THE_CHAT else bool(client.close_codes)


async def ending(ends: Ends, act: str, owner: Client, journal: Journal, client: Client, within: float) -> float:
    """Do it, and return how many seconds later the client knows."""
    at = await getattr(ends, act)(owner, journal, client)
    await until(lambda: ended_after(client, journal, act), within=within + 1)
    if act in OUT_OF_THE_CHAT:
        assert_learned_of_removal(client, journal.uri)
        return time.time() - at
    assert client.close_codes[0] == 4401
    return client.closed_at[0] - at


async def log_in(username: str, *, http: Server, ws: Server) -> Client:
    """A client by a log-in of its own, which it uses at another server, too."""
    async with httpx.AsyncClient() as visitor:
        body = {"email": f"{username}@email.com", "password": PASSWORD}
        tokens = (await visitor.post(f"{http.http}/api/v1/users/login/", json=body)).raise_for_status().json()
    return Client(username, tokens["access"], refresh=tokens["refresh"], http=ws, ws=ws)


def test_within_a_second_it_ends_in_the_other_process_too(serve: Serve, valkey: Valkey, findings: Findings) -> None:
    findings.inject("each way to be out, in one process, while a socket is open to another")
    here, there = (serve(REDIS_URL=valkey.url, **site("without_sweep")) for _ in range(2))

    async def scenario() -> None:
        async with people(here, there) as (journal, wali, others):
            for act, client in others.items():
                seconds = await ending(Ends(here), act, wali, journal, client, within=1)
                findings.see(f"{act.replace('_', ' ')}: {max(seconds, 0):.2f} s")
                assert seconds <= 1, act
            heard = {act: len(client.frames) for act, client in others.items()}
            await journal.send(wali)
            await check(journal, [wali])
            for act in (*OUT_OF_THE_CHAT, "deactivated", "given_a_new_password"):
                assert len(others[act].frames) == heard[act], f"who is {act} hears more"
            findings.count(journal)

    asyncio.run(scenario())


def test_within_30_seconds_it_ends_where_the_bus_has_lost_it(serve: Serve, valkey: Valkey, findings: Findings) -> None:
    findings.inject("each way to be out, in a process that tells no other, while a socket is open to another")
    here = serve(REDIS_URL=valkey.url, ACCESS_SECONDS=f"{ACCESS_SECONDS}", **site("mute"))
    there = serve(REDIS_URL=valkey.url)

    async def scenario() -> None:
        async with people(here, there) as (journal, wali, others):
            logged_in_at = time.time()
            endings = {act: ending(Ends(here), act, wali, journal, client, 30) for act, client in others.items()}
            seconds = dict(zip(endings, await asyncio.gather(*endings.values()), strict=True))
            findings.see(", ".join(f"{act.replace('_', ' ')}: {each:.1f} s" for act, each in seconds.items()))
            assert all(each <= 30 for each in seconds.values())
            # Of a log-out no row tells; but the token expires.
            assert others["logged_out"].closed_at[0] <= logged_in_at + ACCESS_SECONDS + 1

    asyncio.run(scenario())


@asynccontextmanager
async def people(here: Server, there: Server) -> AsyncIterator[tuple[Journal, Client, dict[str, Client]]]:
    """A chat of wali and of one for each way to be out. Their sockets are open there."""
    acts = [*OUT_OF_THE_CHAT, *ENDED]
    wali, *members = await asyncio.gather(*(sign_up(name, http=there) for name in ("wali", *acts)))
    others = dict(zip(acts, members, strict=True))
    others["logged_out"] = await log_in("logged_out", http=here, ws=there)
    async with conversation(wali, *others.values()) as journal:
        await journal.send(wali)
        await check(journal, [wali, *others.values()])
        yield journal, wali, others
