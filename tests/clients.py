"""Clients of the live door: one that says and hears single frames, and one that keeps a view of its chats."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_connection
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from tests.person import Person

Frame = dict[str, Any]

SECONDS = 10
"""How long a client waits for what has to come, before it fails its test."""


class Closed(Exception):
    """The server has ended the connection: with this code, or without a word."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(code)


class ChatSocket:
    """One connection, from its handshake on."""

    def __init__(self, connection: ClientConnection) -> None:
        self.ready: Frame = {}
        self._connection = connection
        self._unheard: deque[Frame] = deque()
        self._ids = count(1)

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    def say(self, kind: Any, **fields: Any) -> None:
        self.say_raw(json.dumps({"type": kind, **fields}))

    def say_raw(self, data: str | bytes) -> None:
        self._connection.send(data)

    def introduce(self, **fields: Any) -> None:
        """Say ``hello``, and hear ``ready`` at once."""
        self.say("hello", **fields)
        self.ready = self.hear()
        assert self.ready["type"] == "ready", self.ready

    def refusal(self, **fields: Any) -> int | None:
        """Say ``hello``, and hear the code with which that, or before it the handshake, is refused."""
        with suppress(ConnectionClosed):
            self.say("hello", **fields)
        return self.hear_close()

    def ask(self, kind: Any, **fields: Any) -> Frame:
        """Say something with an id, and hear what answers it. Frames that came before are there to be heard later."""
        name = fields.setdefault("id", next(self._ids))
        self.say(kind, **fields)
        return self._answer_to(name)

    def resume(self, uri: str, since: int) -> Sequence[Frame]:
        """All that answers a ``resume``: pages until one says that there are no more, or something else."""
        name = f"resume {next(self._ids)}"
        frames = [self.ask("resume", id=name, chat=uri, since=since)]
        while frames[-1].get("more"):
            frames.append(self._answer_to(name))
        return frames

    def _answer_to(self, name: Any) -> Frame:
        while (frame := self._next()).get("id") != name:
            self._unheard.append(frame)
        return frame

    def hear(self) -> Frame:
        """The next frame. A ``ping`` is not one: it is answered."""
        return self._unheard.popleft() if self._unheard else self._next()

    def hear_version(self, version: int) -> Frame:
        """The changes that lead to this version, by the one rule of every client: what is older is dropped, and what
        was missed is asked for."""
        while True:
            changes = self.hear()
            if changes["type"] != "changes" or changes["version"] < version:
                continue
            if changes["since"] < version:
                return changes
            self.say("resume", chat=changes["chat"], since=version - 1)

    def heard(self) -> Sequence[Frame]:
        """All that has been said to this client by now and not been heard yet; a question makes sure of that."""
        self.ask("resume", chat="?", since=0)
        frames = list(self._unheard)
        self._unheard.clear()
        return frames

    def hear_close(self) -> int | None:
        """The code with which the server ends the connection. Nothing but a ``ping`` comes before it."""
        assert not self._unheard, self._unheard
        while True:
            try:
                frame = json.loads(self.hear_raw())
            except Closed as closed:
                return closed.code
            assert frame["type"] == "ping", frame

    def hear_raw(self) -> str:
        """The next frame's text, of a ``ping`` too. Raises ``Closed``."""
        try:
            text = self._connection.recv(timeout=SECONDS)
        except ConnectionClosed as closed:
            raise Closed(closed.rcvd.code if closed.rcvd else None) from None
        assert isinstance(text, str), "The server says text only."
        return text

    def close(self) -> None:
        self._connection.close()

    def _next(self) -> Frame:
        while True:
            frame: Frame = json.loads(self.hear_raw())
            if frame["type"] != "ping":
                return frame
            self.say("pong")


@contextmanager
def open_socket(
    url: str, *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
) -> Iterator[ChatSocket]:
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    with open_connection(
        url,
        # A socket of our own: no proxy that the environment names is asked.
        sock=socket.create_connection((address.hostname, address.port)),
        additional_headers=headers,
        subprotocols=[Subprotocol(each) for each in subprotocols] or None,
        compression=None,
        # What is not heard is taken off the line all the same: so a socket can always be closed.
        max_queue=10_000,
        open_timeout=SECONDS,
    ) as connection:
        yield ChatSocket(connection)


class Dial(Protocol):
    def __call__(
        self, query: str = "", *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> ChatSocket: ...


class Connect(Protocol):
    def __call__(self, person: Person, access: str | None = None) -> ChatSocket: ...


def own_row(chat: Frame, username: str) -> Frame | None:
    """What a chat, or its changes, say of this member."""
    return next((row for row in chat["members"] if row["username"] == username), None)


class View:
    """A chat as a client holds it."""

    def __init__(self) -> None:
        self.version = 0
        self.known = 0  # the highest version that was heard of
        self.messages: dict[int, Frame] = {}
        self.members: dict[str, Frame] = {}
        self.details: Frame = {}

    def merge(self, changes: Frame) -> None:
        assert changes["since"] <= self.version < changes["version"]
        self.messages.update({message["seq"]: message for message in changes["messages"]})
        self.members.update({member["username"]: member for member in changes["members"]})
        self.details = changes["details"] or self.details
        self.version = changes["version"]


class ViewingClient:
    """Keeps the view of all chats of its person complete, by the contract's one rule for clients."""

    def __init__(self, person: Person, socket: ChatSocket) -> None:
        self.chats: dict[str, View] = {}
        self.frames: list[Frame] = []
        self._person = person
        self._out: dict[str, int] = {}  # chat → version at which the person was out
        self._resuming: set[str] = set()
        self.connect(socket)

    def connect(self, socket: ChatSocket) -> None:
        """Over this one, from now on."""
        self.socket = socket
        listed = {chat["uri"]: chat["version"] for chat in socket.ready["chats"]}
        for uri in self.chats.keys() - listed.keys():
            del self.chats[uri]
        for uri, version in listed.items():
            if uri not in self.chats:
                self._fetch(uri)
            elif self.chats[uri].version != version:
                self._resume(uri, self.chats[uri])

    def catch_up(self) -> None:
        """Hear on, until the view stands where the history stands."""
        stored = {chat["uri"]: chat["version"] for chat in self._person.chats(limit=200)["results"]}
        while {uri: view.version for uri, view in self.chats.items()} != stored:
            self.take(self.socket.hear())

    def keep_up(self) -> None:
        """Take what has been said by now."""
        for frame in self.socket.heard():
            self.take(frame)

    def take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame["type"] == "changes":
            self._take_changes(frame)
            if frame.get("id") in self._resuming and not frame["more"]:
                self._resumed(frame["chat"])
        elif frame["type"] == "reset":
            self._resuming.discard(frame["chat"])
            self._fetch(frame["chat"])
        elif frame["type"] == "error":
            assert frame["code"] in {"not_a_member", "not_found"}, frame
            self._resuming.discard(frame["id"])
            self.chats.pop(frame["id"], None)

    def _take_changes(self, changes: Frame) -> None:
        uri, version = changes["chat"], changes["version"]
        view, own = self.chats.get(uri), own_row(changes, self._person.username)
        if version <= (view.version if view else self._out.get(uri, 0)):
            return
        if own and own["left"]:
            self.chats.pop(uri, None)
            self._out[uri] = version
        elif view is None:
            self._fetch(uri)
        elif changes["since"] <= view.version:
            view.merge(changes)
        else:
            view.known = max(view.known, version)
            self._resume(uri, view)

    def _fetch(self, uri: str) -> None:
        """Get the chat over REST; nothing, where the person has left meanwhile."""
        self.chats.pop(uri, None)
        chat = self._person.get(f"chats/{uri}/")
        if chat.status in {403, 404}:
            return
        view = self.chats[uri] = View()
        more = True
        while more and self.chats.get(uri) is view:
            page = self._person.get(f"chats/{uri}/changes/", since=view.version)
            if page.status in {403, 404}:
                del self.chats[uri]
                return
            self._take_changes(page.json)
            more = page.json["more"]

    def _resume(self, uri: str, view: View) -> None:
        if uri not in self._resuming:
            self._resuming.add(uri)
            self.socket.say("resume", id=uri, chat=uri, since=view.version)

    def _resumed(self, uri: str) -> None:
        """What was heard of meanwhile may be later than what the last page was read for."""
        self._resuming.discard(uri)
        if (view := self.chats.get(uri)) and view.version < view.known:
            self._resume(uri, view)


def history(person: Person, uri: str) -> dict[int, Frame]:
    """All messages that REST shows to the person, by their seq."""
    messages: dict[int, Frame] = {}
    page = person.messages(uri, after=0, limit=200)
    while True:
        messages.update({message["seq"]: message for message in page["results"]})
        if page["next"] is None:
            return messages
        page = person.get(page["next"]).done()
