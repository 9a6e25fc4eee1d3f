"""PostgreSQL goes away and comes back under a running server."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers import Server
from tests.services import Postgres

from .checker import check
from .client import Client, sign_up
from .talk import connected, conversation, talking

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="A file does not restart: see --db=postgres"),
]

REFUSAL_SECONDS = 5
"""Whoever cannot be served shall know it soon. On a socket it may take longer: one frame waits for another."""


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_the_server_works_again_after_its_database(postgres: Postgres, database: str, end: str, seed: int) -> None:
    async def scenario(server: Server) -> None:
        *clients, newcomer = await asyncio.gather(
            *(sign_up(name, http=server) for name in ("wali", "mabel", "otis", "ines"))
        )
        async with conversation(*clients) as journal:
            async with talking(journal, clients, seed, voices=2):
                await journal.until_acknowledged(30)
                await asyncio.to_thread(postgres.stop if end == "stopped" else postgres.kill)
                try:
                    await assert_unavailable_over_http(clients[0], journal.uri)
                    await assert_unavailable_on_socket(clients[0], journal.uri)
                    await assert_not_let_in(newcomer)
                finally:
                    await asyncio.to_thread(postgres.start)
                await journal.until_acknowledged(30)
            assert any(ask.tries > 1 for ask in journal.asks), "nobody noticed"
            seconds = await check(journal, clients)
        slowest = max(ask.slowest for ask in journal.asks)
        print(f"{len(journal.asks)} sent, the slowest in {slowest:.2f} s; views complete after {seconds:.1f} s")

    with Server(DATABASE_URL=database) as server:
        asyncio.run(scenario(server))
        assert server.process is not None
        assert server.process.poll() is None


def test_connections_that_broke_while_nobody_asked_are_replaced(postgres: Postgres, database: str) -> None:
    async def scenario(server: Server) -> None:
        wali = await sign_up("wali", http=server)
        # More than the server has database threads, so that all have a connection.
        sockets = [Client("wali", wali.access, http=server, ws=server) for _ in range(8)]
        async with conversation(wali) as journal, connected(*sockets):
            await journal.send(wali)

            async def ask_all() -> list[str]:
                frames = (socket.tell(type="read", chat=journal.uri, seq=1) for socket in sockets)
                answers = await asyncio.gather(*frames)
                return ["closed" if answer is None else answer["type"] for answer in answers]

            assert await ask_all() == ["ok"] * 8
            await asyncio.to_thread(postgres.restart)
            for _ in range(5):
                await ask_all()  # each thread may find out once
            for _ in range(3):
                assert await ask_all() == ["ok"] * 8

    with Server(DATABASE_URL=database) as server:
        asyncio.run(scenario(server))


async def assert_unavailable_over_http(client: Client, uri: str) -> None:
    for method, path, body in (
        ("POST", f"chats/{uri}/messages/", {"message": "Is anybody there?"}),
        ("GET", f"chats/{uri}/messages/", None),
        ("GET", "chats/", None),
        ("POST", "users/login/", {"email": "wali@email.com", "password": "password123"}),
    ):
        answer = await asyncio.wait_for(client.http.request(method, path, json=body), REFUSAL_SECONDS)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), f"{method} {path}: {answer.text}"
        assert answer.headers["Retry-After"].isdecimal()


async def assert_unavailable_on_socket(client: Client, uri: str) -> None:
    """A frame is answered by an error, unless the server has closed the socket for the same reason."""
    frame = {"type": "message.send", "chat": uri, "message": "Is anybody there?"}
    if client.ready.is_set() and (answer := await client.tell(**frame)):
        assert (answer["type"], answer["code"]) == ("error", "unavailable")
    else:
        assert client.close_codes[-1:] == [4503], "neither answered nor closed"


async def assert_not_let_in(client: Client) -> None:
    async with client:
        for _ in range(10 * REFUSAL_SECONDS):
            await asyncio.sleep(0.1)
            if client.close_codes:
                break
        assert client.close_codes[:1] == [4503]
