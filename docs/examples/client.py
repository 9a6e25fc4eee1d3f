"""A client that keeps a complete view of its user's chats, whatever happens to the connection."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import SystemRandom
from typing import Any
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

Data = dict[str, Any]


@dataclass
class Chat:
    """``begins``: the seq from which on all messages are held. Of those before it there may be some."""

    version: int
    details: Data
    begins: int
    members: dict[str, Data] = field(default_factory=dict)
    messages: dict[int, Data] = field(default_factory=dict)

    def upsert(self, rows: dict[Any, Data], key: Any, row: Data) -> None:
        if key not in rows or rows[key]["version"] <= row["version"]:
            rows[key] = row

    def add_messages(self, messages: list[Data]) -> None:
        for message in messages:
            self.upsert(self.messages, message["seq"], message)

    def add_members(self, members: list[Data]) -> None:
        for member in members:
            self.upsert(self.members, member["username"], member)


class ChatClient:
    """``site`` is an address like ``https://chat.example.com``."""

    def __init__(self, site: str, email: str, password: str) -> None:
        self.me = ""
        self.chats: dict[str, Chat] = {}
        self.outbox: dict[str, Data] = {}
        self.rejected: dict[str, Data] = {}
        self._http = httpx.AsyncClient(base_url=f"{site}/api/v1/")
        self._url = f"{site.replace('http', 'ws', 1)}/ws/v1/chat/"
        self._credentials = {"email": email, "password": password}
        self._tokens: Data = {}
        self._socket: ClientConnection | None = None
        self._heartbeat = 25.0
        self._attempts = 0
        self._told_to_wait: float | None = None

    # What a user does

    async def send(self, chat: str, text: str) -> str:
        """Keep the message until the server has answered; the client_id makes sending it again harmless."""
        client_id = uuid4().hex
        self.outbox[client_id] = {"chat": chat, "message": text, "client_id": client_id}
        await self._say(type="message.send", id=client_id, **self.outbox[client_id])
        return client_id

    async def mark_read(self, chat: str, seq: int) -> None:
        await self._say(type="read", chat=chat, seq=seq)

    async def load_history(self, uri: str) -> bool:
        """Add a page of messages before those that are held; False where there are no earlier ones."""
        chat = self.chats[uri]
        page = await self._call("GET", f"chats/{uri}/messages/?before={chat.begins}")
        chat.add_messages(page["results"])
        chat.begins = min([chat.begins, *(message["seq"] for message in page["results"])])
        return page["previous"] is not None

    # The connection

    async def run(self) -> None:
        """Be connected, until cancelled. Ends by itself with an error that trying again does not mend."""
        async with self._http:
            while True:
                code = await self._connection()
                if code in {4400, 4403}:
                    raise ConnectionError(f"The server does not want this client: {code}")
                if code == 4401:
                    self._tokens.pop("access", None)
                await asyncio.sleep(self._pause())
                self._attempts += 1

    def _pause(self) -> float:
        """Seconds: what the server has asked for before it went, or else more with each attempt."""
        told, self._told_to_wait = self._told_to_wait, None
        return told if told is not None else min(30, 0.5 * 2**self._attempts) * SystemRandom().uniform(0.5, 1.5)

    async def _connection(self) -> int | None:
        """One connection, for as long as it lasts. Returns the code with which the server has closed it, if it has."""
        try:
            hello = {"type": "hello", "token": await self._token()}
            async with connect(self._url, subprotocols=["bpo-chat.v1"]) as socket:
                await socket.send(json.dumps(hello))
                while True:
                    # After two heartbeats of silence the network has forgotten this connection.
                    frame = json.loads(await asyncio.wait_for(socket.recv(), 2 * self._heartbeat))
                    self._socket = socket  # from ready on, and not before, anything may be said
                    await self._take(frame)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None
        except httpx.HTTPStatusError as error:
            if error.response.is_client_error and error.response.status_code != 429:
                raise
        except (OSError, asyncio.TimeoutError, WebSocketException, httpx.TransportError):
            pass
        finally:
            self._socket = None
        return None

    async def _say(self, **frame: Any) -> None:
        """Without a connection nothing is said: ``ready`` puts everything right."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(json.dumps(frame))

    async def _take(self, frame: Data) -> None:
        match frame["type"]:
            case "ready":
                await self._catch_up(frame)
                self._attempts = 0
            case "changes":
                await self._apply(frame)
            case "reset":
                self.chats.pop(frame["chat"], None)
                await self._fetch(frame["chat"])
            case "ok":
                self.outbox.pop(frame.get("id"), None)
            case "error":
                await self._refused(frame)
            case "auth.expiring":
                self._tokens.pop("access", None)
                await self._say(type="auth", token=await self._token())
            case "reconnect":
                self._told_to_wait = frame["after"]
            case "ping":
                await self._say(type="pong")

    # The one rule

    async def _apply(self, changes: Data) -> None:
        uri = changes["chat"]
        chat = self.chats.get(uri)
        if chat and changes["version"] <= chat.version:
            return
        own = next((row for row in changes["members"] if row["username"] == self.me), None)
        if own and own["left"]:
            self.chats.pop(uri, None)
        elif chat is None:
            await self._fetch(uri)
        elif changes["since"] > chat.version:
            await self._say(type="resume", id=uri, chat=uri, since=chat.version)
        else:
            chat.add_messages(changes["messages"])
            chat.add_members(changes["members"])
            chat.details |= changes["details"] or {}
            chat.version = changes["version"]

    async def _catch_up(self, ready: Data) -> None:
        """After a connection: drop what the user has left, fetch what is new, resume where versions differ."""
        self.me, self._heartbeat = ready["user"]["username"], ready["heartbeat"]
        versions = {chat["uri"]: chat["version"] for chat in ready["chats"]}
        if ready["more"] or not versions.keys() <= self.chats.keys():
            versions |= await self._fetch_all()
        for uri in self.chats.keys() - versions.keys():
            del self.chats[uri]
        for uri, chat in self.chats.items():
            if chat.version != versions[uri]:
                await self._say(type="resume", id=uri, chat=uri, since=chat.version)
        for client_id, message in list(self.outbox.items()):
            await self._say(type="message.send", id=client_id, **message)

    async def _refused(self, error: Data) -> None:
        name, code = error.get("id"), error["code"]
        if name in self.chats and code in {"not_a_member", "not_found"}:  # a resume: its id is the chat's
            del self.chats[name]
        elif code in {"unavailable", "throttled"} and self._socket is not None:
            await self._socket.close()  # what was asked is asked again after a pause, over the next connection
        elif name in self.outbox:
            self.rejected[name] = self.outbox.pop(name)

    # REST

    async def _fetch_all(self) -> dict[str, int]:
        """Hold all chats; returns the versions of those that were held before, as of now, and of the others."""
        versions: dict[str, int] = {}
        link = "chats/?limit=200"
        while link:
            page = await self._call("GET", link)
            versions |= {data["uri"]: data["version"] for data in page["results"]}
            for data in page["results"]:
                self._hold(data)
            link = page["next"]
        return versions

    async def _fetch(self, uri: str) -> None:
        try:
            self._hold(await self._call("GET", f"chats/{uri}/"))
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in {403, 404}:  # out again in the meantime
                raise

    def _hold(self, data: Data) -> None:
        if data["uri"] in self.chats:
            return
        details = {name: data[name] for name in ("title", "owner", "joinable", "history")}
        last = [data["last_message"]] if data["last_message"] else []
        begins = last[0]["seq"] if last else 1
        chat = self.chats[data["uri"]] = Chat(data["version"], details, begins)
        chat.add_members(data["members"])
        chat.add_messages(last)

    async def _call(self, method: str, path: str) -> Any:
        response = await self._request(method, path)
        if response.status_code == 401:
            self._tokens.pop("access", None)
            response = await self._request(method, path)
        return response.raise_for_status().json()

    async def _request(self, method: str, path: str) -> httpx.Response:
        return await self._http.request(method, path, headers={"Authorization": f"Bearer {await self._token()}"})

    async def _token(self) -> str:
        """An access token: the one at hand, else by the refresh token, else by the password."""
        if "access" not in self._tokens:
            form = {"refresh": self._tokens["refresh"]} if "refresh" in self._tokens else self._credentials
            response = await self._http.post("users/refresh/", json=form)
            if response.status_code == 401 and "refresh" in self._tokens:
                response = await self._http.post("users/refresh/", json=self._credentials)
            self._tokens |= response.raise_for_status().json()
        return str(self._tokens["access"])
