"""What clients say to servers in other processes and hear from them, held against the documents of ``docs/``.

``python -m tests.hearsay script.py`` runs a script, which fails with the first frame that they do not know.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx
import pytest
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.documents import ASYNCAPI, OPENAPI, AsyncAPI, Conversation, OpenAPI, committed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, WebSocket

SHUTTING_DOWN = {1001, 1012}
"""What uvicorn and Daphne themselves say at the end of a process: no word of the package's."""


class Hearsay:
    """Hears what clients in this process hear of those servers of whose port the mode is known, whoever asked.

    What is answered by this process itself, the witness hears.
    """

    def __init__(
        self,
        mode_of: Callable[[int | None], str | None],
        complain: Callable[[str], object],
        overhear: Callable[[str | bytes], object] = bool,
    ) -> None:
        """``overhear`` is told what clients say."""
        self._mode_of = mode_of
        self._complain = complain
        self._overhear = overhear
        self._asyncapi = AsyncAPI(committed(ASYNCAPI))
        self._openapi = OpenAPI(committed(OPENAPI))
        self._conversations: WeakKeyDictionary[Any, Conversation | None] = WeakKeyDictionary()

    @contextmanager
    def listening(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClientConnection, "send", self._saying(ClientConnection.send))
            patch.setattr(ClientConnection, "recv", self._hearing(ClientConnection.recv))
            patch.setattr(AsyncConnection, "send", self._saying(AsyncConnection.send))
            patch.setattr(AsyncConnection, "recv", self._hearing_async(AsyncConnection.recv))
            patch.setattr(httpx.Client, "send", self._asking(httpx.Client.send))
            patch.setattr(httpx.AsyncClient, "send", self._asking_async(httpx.AsyncClient.send))
            yield

    # Sockets of websockets

    def _saying(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def say(connection: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
            if conversation := self._conversation_on(connection):
                self._overhear(data)
                conversation.client_says(data if isinstance(data, str) else None)
            return send(connection, data, *args, **kwargs)

        return say

    def _hearing(self, recv: Callable[..., Any]) -> Callable[..., Any]:
        def hear(connection: Any, *args: Any, **kwargs: Any) -> Any:
            with self._noticing_close(connection):
                data = recv(connection, *args, **kwargs)
            self._hear(self._conversation_on(connection), data)
            return data

        return hear

    def _hearing_async(self, recv: Callable[..., Any]) -> Callable[..., Any]:
        async def hear(connection: Any, *args: Any, **kwargs: Any) -> Any:
            with self._noticing_close(connection):
                data = await recv(connection, *args, **kwargs)
            self._hear(self._conversation_on(connection), data)
            return data

        return hear

    def _conversation_on(self, connection: Any) -> Conversation | None:
        if connection not in self._conversations:
            host = connection.request.headers["Host"]
            self._conversations[connection] = self._conversation_at(f"//{host}")
        return self._conversations[connection]

    def _conversation_at(self, url: str) -> Conversation | None:
        mode = self._mode_of(urlsplit(url).port)
        return Conversation(self._asyncapi, mode) if mode else None

    def _hear(self, conversation: Conversation | None, data: str | bytes) -> None:
        if conversation is None:
            return
        if isinstance(data, str):
            conversation.server_says(data)
        else:
            conversation.complaints.append(f"The server said {data!r}, which is no text")
        self._pass_on(conversation)

    @contextmanager
    def _noticing_close(self, connection: Any) -> Iterator[None]:
        try:
            yield
        except ConnectionClosed as closed:
            conversation = self._conversation_on(connection)
            # Without a word, where the process was killed; and what answers the client's own word means nothing.
            if conversation and closed.rcvd and closed.rcvd_then_sent and closed.rcvd.code not in SHUTTING_DOWN:
                conversation.server_closes(closed.rcvd.code)
                self._pass_on(conversation)
            raise

    def _pass_on(self, conversation: Conversation) -> None:
        while conversation.complaints:
            self._complain(conversation.complaints.pop(0))

    # Sockets of browsers

    def watch(self, browser: Browser) -> None:
        """Hear the sockets of all pages from now on. Of how they are closed a browser tells nothing."""

        def watch_context(context: BrowserContext) -> None:
            context.on("page", watch_page)

        def watch_page(page: Page) -> None:
            page.on("websocket", watch_socket)

        def watch_socket(socket: WebSocket) -> None:
            if conversation := self._conversation_at(socket.url):
                socket.on("framesent", lambda data: conversation.client_says(data if isinstance(data, str) else None))
                socket.on("framereceived", lambda data: self._hear(conversation, data))

        browser.on("context", watch_context)

    # HTTP

    def _asking(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def ask(client: Any, request: httpx.Request, *, stream: bool = False, **kwargs: Any) -> httpx.Response:
            response: httpx.Response = send(client, request, stream=stream, **kwargs)
            if not stream:
                self._hear_answer(response)
            return response

        return ask

    def _asking_async(self, send: Callable[..., Any]) -> Callable[..., Any]:
        async def ask(client: Any, request: httpx.Request, *, stream: bool = False, **kwargs: Any) -> httpx.Response:
            response: httpx.Response = await send(client, request, stream=stream, **kwargs)
            if not stream:
                self._hear_answer(response)
            return response

        return ask

    def _hear_answer(self, response: httpx.Response) -> None:
        request = response.request
        mode, verbs = self._mode_of(request.url.port), self._openapi.verbs_at(request.url.path)
        if mode is None or verbs is None or request.method in {"OPTIONS", "HEAD"}:
            return
        is_json = request.headers.get("Content-Type") == "application/json"
        if is_json:  # a form is sent in pieces, of which nothing is left
            self._overhear(request.content)
        operation = verbs.get(request.method.lower(), {}).get("operationId")
        complaints = self._openapi.complaints_about_answer(
            operation, response.status_code, response.headers, response.content, mode
        )
        if operation and response.is_success and is_json:
            complaints += self._openapi.complaints_about_body(operation, json.loads(request.content))
        for each in complaints:
            self._complain(f"{request.method} {request.url.path} {response.status_code}: {each}")


def fail(complaint: str) -> None:
    raise AssertionError(complaint)


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    with Hearsay(lambda port: "strict", fail).listening():
        runpy.run_path(sys.argv[0], run_name="__main__")
