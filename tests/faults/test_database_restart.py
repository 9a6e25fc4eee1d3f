"""PostgreSQL goes away and comes back under a running server."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers import Serve, Server
from tests.services import Postgres

from .checker import check
from .client import PASSWORD, Client, sign_up
from .report import Findings, Scale
from .talk import connected, conversation, talking

pytestmark = [
    pytest.mark.faults("the database goes away"),
    pytest.mark.parametrize("database", ["postgres"], indirect=True),  # a file does not restart
]

REFUSAL_SECONDS = 5
"""Whoever cannot be served shall know it soon. On a socket it may take longer: one frame waits for another."""


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_the_server_works_again_after_its_database(
    postgres: Postgres, serve: Serve, end: str, findings: Findings, scale: Scale, seed: int
) -> None:
    times = scale(1, 5)
    findings.inject(f"PostgreSQL {end} and started again, {times} times")

    async def scenario(server: Server) -> None:
        *clients, newcomer = await asyncio.gather(
            *(sign_up(name, http=server) for name in ("wali", "mabel", "otis", "ines"))
        )
        async with conversation(*clients) as journal:
            async with talking(journal, clients, seed, voices=2):
                await journal.until_acknowledged(30)
                for _ in range(times):
                    await asyncio.to_thread(postgres.stop if end == "stopped" else postgres.kill)
                    try:
                        await assert_unavailable_over_http(clients[0], journal.uri)
                        await assert_unavailable_on_socket(clients[0], journal.uri)
                        await assert_not_let_in(newcomer)
                    finally:
                        await asyncio.to_thread(postgres.start)
                    await journal.until_acknowledged(30)
            assert any(ask.tries > 1 for ask in journal.asks), "nobody noticed"
            findings.count(journal)
            findings.complete(await check(journal, clients))
        findings.see(f"the slowest answer after {max(ask.slowest for ask in journal.asks):.1f} s")

    server = serve()
    asyncio.run(scenario(server))
    assert server.process is not None
    assert server.process.poll() is None, "it was started again"


def test_connections_that_broke_while_nobody_asked_are_replaced(
    postgres: Postgres, serve: Serve, findings: Findings
) -> None:
    findings.inject("PostgreSQL restarted while nobody asks")

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

    asyncio.run(scenario(serve()))


async def assert_unavailable_over_http(client: Client, uri: str) -> None:
    for method, path, body in (
        ("POST", f"chats/{uri}/messages/", {"message": "Is anybody there?"}),
        ("GET", f"chats/{uri}/messages/", None),
        ("GET", "chats/", None),
        ("POST", "users/login/", {"email": "wali@email.com", "password": PASSWORD}),
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
