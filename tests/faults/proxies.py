"""What stands between clients and servers, and may fail too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

    from tests.servers import Server

CHUNK = 2**16


class Proxy:
    """Hands each connection to one of the servers, in turn: to the next one, where one takes none.

    It can cut connections at the moment at which the server has begun to answer, so that the answer is lost.
    """

    def __init__(self, *servers: Server) -> None:
        self.cuts = 0
        """How many answers are lost from now on."""

        self._servers: Sequence[Server] = servers
        self._turn = cycle(range(len(servers)))
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        host, port = self._listener.sockets[0].getsockname()
        self.http = f"http://{host}:{port}"
        self.ws = f"ws://{host}:{port}/ws/v1/chat/"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._listener.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this
        self._pipes.add(this)
        this.add_done_callback(self._pipes.discard)
        with suppress(OSError, asyncio.CancelledError):
            server, to_server = await self._connection()
            pipes = [
                asyncio.create_task(pipe(client, to_server)),
                asyncio.create_task(pipe(server, to_client, is_cut=self._is_cut)),
            ]
            try:
                await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in pipes:
                    each.cancel()
                to_server.transport.abort()
        to_client.close()

    def _is_cut(self) -> bool:
        is_cut = self.cuts > 0
        self.cuts -= is_cut
        return is_cut

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._servers:
            server = self._servers[next(self._turn)]
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", server.port)
        raise ConnectionRefusedError


async def pipe(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, is_cut: Callable[[], bool] = lambda: False
) -> None:
    """Pass on what comes, until the connection ends or is cut."""
    with suppress(OSError):
        while (data := await source.read(CHUNK)) and not is_cut():
            target.write(data)
            await target.drain()
