"""Some sockets stop reading: they are sent away, and nobody else hears of anything later than before."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.breakable import DurablePostgres
from tests.servers import Server
from tests.sites import site

from .client import Client, sign_up
from .report import Findings, Scale

pytestmark = pytest.mark.faults("a stalled reader hurts nobody")

SMALL_BUFFERS_SERVER = """
import socket, sys, uvicorn
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=2048)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
uvicorn.Server(uvicorn.Config("config.asgi:application", access_log=False)).run(sockets=[listener])
"""

TEXT = "\U0001f353" * 3_900
"""Of 16 KiB: a stalled socket is overfull after some 70 of them."""

MESSAGES = 100
PAUSE = 0.05
CALM_SECONDS = 0.5
SLOWER = 1.2
TICK_SECONDS = 0.02
TRIES = 4
"""The machine may have other work in one moment and not in the next, which a percentile shows; stalled sockets would
make others wait each time."""

MOST_GROWTH = 64 * 2**20
TOO_SLOW = 4408


class SmallBuffersServer(Server):
    """The kernel keeps little of what its clients do not read, so that it is soon the server's turn."""

    mode = None

    def command(self) -> list[str | Path]:
        return [sys.executable, "-c", SMALL_BUFFERS_SERVER, str(self.port)]

    @property
    def memory(self) -> int:
        """In bytes, of what is resident."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)


class Listener:
    """A socket that notes when it has heard of each version."""

    def __init__(self, connection: ClientConnection) -> None:
        self.heard_at: dict[int, float] = {}
        self._connection = connection

    async def listen(self) -> None:
        async for text in self._connection:
            frame: Any = json.loads(text)
            if frame["type"] == "changes":
                self.heard_at[frame["version"]] = time.monotonic()
            elif frame["type"] == "ping":
                await self._connection.send('{"type":"pong"}')


@asynccontextmanager
async def open_sockets(client: Client, number: int, **options: Any) -> AsyncIterator[list[ClientConnection]]:
    """Sockets that have heard ``ready``."""

    async def open_one() -> ClientConnection:
        connection = await stack.enter_async_context(
            connect(
                client.ws,
                additional_headers=client.headers,
                compression=None,
                proxy=None,
                ping_interval=None,
                close_timeout=1,
                **options,
            )
        )
        await connection.send('{"type":"hello"}')
        await connection.recv()
        return connection

    async with AsyncExitStack() as stack:
        yield [await open_one() for _ in range(number)]


async def close_code(stalled: ClientConnection) -> int | None:
    """Read on, to the end; None where it does not come."""
    with suppress(ConnectionClosed, asyncio.TimeoutError):
        while True:
            await asyncio.wait_for(stalled.recv(), 10)
    return stalled.close_code


def percentile(seconds: Sequence[float], share: float = 0.99) -> float:
    return sorted(seconds)[int(share * (len(seconds) - 1))]


def test_the_others_hear_everything_and_no_later(postgres: DurablePostgres, findings: Findings, scale: Scale) -> None:
    number = scale(100, 400)
    stalled_number = number // 100
    findings.inject(f"{stalled_number} of {number} sockets do not read for {MESSAGES} messages")

    async def scenario(server: SmallBuffersServer) -> None:
        wali = await sign_up("wali", http=server)
        chat = await wali.request("POST", "chats/", {})
        sent_at: dict[int, float] = {}

        async def send_all() -> list[int]:
            """Returns the versions."""
            await asyncio.sleep(CALM_SECONDS)
            versions = []
            for _ in range(MESSAGES):
                at = time.monotonic()
                path, body = f"chats/{chat['uri']}/messages/", {"message": f"{len(sent_at)} {TEXT}"}
                versions.append((await wali.request("POST", path, body))["version"])
                sent_at[versions[-1]] = at
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(CALM_SECONDS)
            return versions

        def late(versions: Sequence[int]) -> float:
            """The 99th percentile of how late they were heard of."""
            return percentile([each.heard_at[version] - sent_at[version] for each in listeners for version in versions])

        async with open_sockets(wali, number - stalled_number) as connections:
            listeners = [Listener(connection) for connection in connections]
            listening = [asyncio.create_task(listener.listen()) for listener in listeners]
            before = server.memory
            for _ in range(TRIES):
                calm = late(await send_all())
                async with open_sockets(wali, stalled_number, max_queue=1) as stalled:
                    with_stalled = late(await send_all())
                    assert [await close_code(each) for each in stalled] == [TOO_SLOW] * stalled_number
                findings.see(f"p99 {calm * 1000:.0f} ms without and {with_stalled * 1000:.0f} ms with them")
                if with_stalled <= SLOWER * calm + TICK_SECONDS:
                    break
            growth = server.memory - before
            for each in listening:
                each.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
        await wali.http.aclose()
        findings.see(f"{growth / 2**20:.0f} MiB more memory; all closed with {TOO_SLOW}")
        assert all(list(each.heard_at) == sorted(sent_at) for each in listeners), "somebody has not heard everything"
        assert with_stalled <= SLOWER * calm + TICK_SECONDS, f"slower in each of {TRIES} tries"
        assert growth <= MOST_GROWTH

    with SmallBuffersServer(DATABASE_URL=postgres.clone(), **site("quick_hashes")) as server:
        asyncio.run(scenario(server))
