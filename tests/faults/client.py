"""A client as the contract wants it: it reconnects, resumes, and keeps a view of its chats by the one rule."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, MutableSequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from tests.clients import Frame, View

if TYPE_CHECKING:
    from typing_extensions import Self

PASSWORD = "lemonade at noon"
SUBPROTOCOL = Subprotocol("bpo-chat.v1")
ANSWER_SECONDS = 10
"""What has no answer by then counts as not answered."""

RECONNECT_SECONDS = 0.3


class Site(Protocol):
    """Where a client finds the chat: a server, or what stands before some."""

    @property
    def http(self) -> str: ...
    @property
    def ws(self) -> str: ...


class Client:
    """Somebody with an account, who asks one server over HTTP and has a socket to the same or another one."""

    def __init__(self, username: str, access: str, *, http: Site, ws: Site, refresh: str = "") -> None:
        self.username = username
        self.access = access
        self.refresh = refresh
        self.headers: Mapping[str, str] = {"Authorization": f"Bearer {access}"}
        self.http = httpx.AsyncClient(base_url=f"{http.http}/api/v1/", headers=self.headers, timeout=ANSWER_SECONDS)
        self.ws = ws.ws
        self.views: dict[str, View] = {}
        self.frames: MutableSequence[Frame] = []
        self.close_codes: list[int | None] = []
        self.ready_at: list[float] = []
        self._told_to_wait: float = RECONNECT_SECONDS
        self.closed_at: list[float] = []
        self.ready = asyncio.Event()
        self._socket: ClientConnection
        self._told = 0
        self._answers: dict[Any, asyncio.Future[Frame | None]] = {}
        self._resuming: set[str] = set()
        self._resume_again: set[str] = set()

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._following.cancel()
        await self.http.aclose()
        with suppress(asyncio.CancelledError):
            await self._following  # raises whatever has ended it before

    async def until_ready(self, *, within: float = ANSWER_SECONDS) -> None:
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait({ready, self._following}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._following.done():
            self._following.result()
        assert self.ready.is_set(), f"{self.username} is not let in; closed with {self.close_codes}"

    # Asking

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer to something that has to work."""
        answer = await self.http.request(method, path, json=body)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def tell(self, **frame: Any) -> Frame | None:
        """Say a frame that is answered, and return the answer: None where none came before the connection ended."""
        self._told += 1
        number, answer = self._told, asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._say(id=number, **frame)
            return await asyncio.wait_for(answer, ANSWER_SECONDS)
        except (ConnectionClosed, asyncio.TimeoutError):
            return None
        finally:
            del self._answers[number]

    async def _say(self, **frame: Any) -> None:
        await self._socket.send(json.dumps(frame))

    # Following

    async def _follow(self) -> None:
        while True:
            with suppress(OSError, WebSocketException, asyncio.TimeoutError, httpx.HTTPError):
                async with self._connected():
                    async for text in self._socket:
                        await self._take(json.loads(text))
            pause, self._told_to_wait = self._told_to_wait, RECONNECT_SECONDS
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        self._socket = await connect(
            self.ws,
            additional_headers=self.headers,
            subprotocols=[SUBPROTOCOL],
            open_timeout=ANSWER_SECONDS,
            close_timeout=1,
            proxy=None,
        )
        try:
            await self._say(type="hello")
            yield
        finally:
            self.ready.clear()
            self._resuming.clear()
            self._resume_again.clear()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result(None)
            await self._socket.close()
            self.close_codes.append(self._socket.close_code)
            self.closed_at.append(time.time())

    async def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        match frame["type"]:
            case "ready":
                await self._compare(frame["chats"])
                self.ready.set()
                self.ready_at.append(time.time())
            case "changes":
                await self._take_changes(frame)
            case "reset":
                await self._fetch(frame["chat"])
                await self._resumed(frame["chat"])
            case "reconnect":
                self._told_to_wait = frame["after"]
            case "ping":
                await self._say(type="pong")
            case "ok" | "error" if frame.get("id") in self._answers:
                self._answers[frame["id"]].set_result(frame)
            case "error" if frame.get("id") in self._resuming:
                await self._not_resumed(frame)

    async def _compare(self, chats: list[Frame]) -> None:
        for uri in self.views.keys() - {chat["uri"] for chat in chats}:
            del self.views[uri]
        for chat in chats:
            if chat["uri"] not in self.views:
                await self._fetch(chat["uri"])
            elif self.views[chat["uri"]].version != chat["version"]:
                await self._resume(chat["uri"])

    async def _take_changes(self, frame: Frame) -> None:
        """The contract's one rule, for live frames and for the pages of a resume alike."""
        uri, view = frame["chat"], self.views.get(frame["chat"])
        if view is not None and frame["version"] <= view.version:
            pass
        elif any(row["left"] and row["username"] == self.username for row in frame["members"]):
            self.views.pop(uri, None)
        elif view is None:
            await self._fetch(uri)
        elif frame["since"] > view.version:
            await self._resume(uri)
        else:
            view.merge(frame)
        if "id" in frame and not frame["more"]:
            await self._resumed(uri)

    async def _fetch(self, uri: str) -> None:
        """Read the whole chat over HTTP. Where that fails the connection ends, and the next one begins with it."""
        self.views.pop(uri, None)
        view, more = View(), True
        while more:
            answer = await self.http.get(f"chats/{uri}/changes/", params={"since": view.version})
            if answer.status_code in {403, 404}:
                return
            changes = answer.raise_for_status().json()
            view.merge(changes)
            more = changes["more"]
        self.views[uri] = view

    async def _resume(self, uri: str) -> None:
        """One at a time: what is missed meanwhile may be more than its last page brings, and is asked for after it."""
        if uri in self._resuming:
            self._resume_again.add(uri)
        else:
            self._resuming.add(uri)
            await self._say(type="resume", id=uri, chat=uri, since=self.views[uri].version)

    async def _resumed(self, uri: str) -> None:
        self._resuming.discard(uri)
        if uri in self._resume_again and uri in self.views:
            self._resume_again.discard(uri)
            await self._resume(uri)

    async def _not_resumed(self, error: Frame) -> None:
        uri = error["id"]
        self._resuming.discard(uri)
        if error["code"] == "unavailable":
            await asyncio.sleep(RECONNECT_SECONDS)
            await self._resume(uri)
        else:
            assert error["code"] in {"not_a_member", "not_found"}, error
            self.views.pop(uri, None)


async def sign_up(username: str, *, http: Site, ws: Site | None = None) -> Client:
    """A new account, and its client; the socket goes to the server of the requests unless another is named."""
    body = {"username": username, "email": f"{username}@email.com", "password": PASSWORD, "password2": PASSWORD}
    async with httpx.AsyncClient(timeout=30) as visitor:
        answer = await visitor.post(f"{http.http}/api/v1/users/signup/", json=body)
    assert answer.status_code == 201, answer.text
    tokens = answer.json()
    return Client(username, tokens["access"], refresh=tokens["refresh"], http=http, ws=ws or http)
