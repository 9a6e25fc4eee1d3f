"""What clients asked and were told, held against what is stored and what they see."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import httpx

from tests.clients import Frame as Row
from tests.clients import View

from .client import Client

Outcome = Literal["ok", "failed", "unknown"]
Door = Literal["http", "socket"]


@dataclass
class Ask:
    """A message that somebody wanted to send, and what became of that.

    *ok*: the server has said that it is stored, as ``row``. *failed*: that it is not. *unknown*: it has not said
    anything, or that it was not available; then the message may be stored or not, until a repetition tells.
    """

    author: str
    client_id: str
    texts: list[str]
    """What its text may be now; several where the answer to an edit is not known."""

    outcome: Outcome = "unknown"
    row: Row | None = None
    tries: int = 0
    slowest: float = 0
    """Seconds from the question to the answer, or to the end of the connection."""


class Journal:
    """Everything that the clients ask of one chat."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.asks: list[Ask] = []
        self._progress = asyncio.Condition()

    @property
    def acknowledged(self) -> list[Ask]:
        return [ask for ask in self.asks if ask.outcome == "ok"]

    async def send(self, client: Client, door: Door = "http", text: str = "") -> Ask:
        """Send a text, which nobody else sends unless it is given."""
        number = len(self.asks) + 1
        ask = Ask(client.username, f"{client.username}-{number}", [text or f"{client.username} says {number}"])
        self.asks.append(ask)
        return await self.repeat(client, ask, door)

    async def repeat(self, client: Client, ask: Ask, door: Door = "http") -> Ask:
        """Ask once more, by the same ``client_id``."""
        ask.tries += 1
        started = time.monotonic()
        body = {"message": ask.texts[0], "client_id": ask.client_id}
        if door == "http" or not client.ready.is_set():
            outcome, row = await ask_over_http(client, "POST", f"chats/{self.uri}/messages/", body)
        else:
            answer = await client.tell(type="message.send", chat=self.uri, **body)
            outcome, row = read_answer(answer)
        ask.slowest = max(ask.slowest, time.monotonic() - started)
        ask.outcome, ask.row = outcome, row
        async with self._progress:
            self._progress.notify_all()
        return ask

    async def edit(self, client: Client, ask: Ask) -> None:
        """Change the text of a message that is stored."""
        assert ask.row is not None
        text = f"{ask.texts[0]}, or rather does not"
        path = f"chats/{self.uri}/messages/{ask.row['seq']}/"
        outcome, _ = await ask_over_http(client, "PATCH", path, {"message": text})
        ask.texts = {"ok": [text], "failed": ask.texts, "unknown": [*ask.texts, text]}[outcome]

    async def until_acknowledged(self, more: int, *, within: float = 30) -> None:
        """Wait until so many more messages have been acknowledged than now."""
        wanted = len(self.acknowledged) + more
        async with self._progress:
            await asyncio.wait_for(self._progress.wait_for(lambda: len(self.acknowledged) >= wanted), within)


async def ask_over_http(client: Client, method: str, path: str, body: Any) -> tuple[Outcome, Row | None]:
    try:
        answer = await client.http.request(method, path, json=body)
    except httpx.TransportError:
        return "unknown", None
    if answer.status_code == 503:
        assert answer.headers["Retry-After"].isdecimal()
        assert answer.json()["code"] == "unavailable"
        return "unknown", None
    assert answer.status_code < 500, f"{answer.status_code} {answer.text}"
    return ("ok", answer.json()) if answer.is_success else ("failed", None)


def read_answer(answer: Row | None) -> tuple[Outcome, Row | None]:
    if answer is None or answer.get("code") == "unavailable":
        return "unknown", None
    return ("ok", answer["message"]) if answer["type"] == "ok" else ("failed", None)


async def check(journal: Journal, clients: Sequence[Client], *, within: float = 30) -> float:
    """Hold the journal against the stored history, and each client's view against it too.

    The views have a while to become complete. Returns how many seconds they took.
    """
    started = time.monotonic()
    history = await read_history(clients[0], journal.uri)
    assert not (problems := list(contradictions(journal.asks, history))), "\n".join(problems)
    await until_complete(clients, journal.uri, history, within=within)
    return time.monotonic() - started


async def until_complete(clients: Sequence[Client], uri: str, history: View, *, within: float) -> None:
    """Wait until each of them sees what is stored, and nothing else."""
    give_up = time.monotonic() + within
    while problems := [each for client in clients for each in differences(client, uri, history)]:
        assert time.monotonic() < give_up, "\n".join(problems)
        await asyncio.sleep(0.05)


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


async def read_history(client: Client, uri: str) -> View:
    """The chat as the REST API tells it. Nobody may be changing it."""
    chat = await client.request("GET", f"chats/{uri}/")
    messages = await read_pages(client, f"chats/{uri}/messages/?after=0&limit=200")
    members = await read_pages(client, f"chats/{uri}/members/")
    assert chat["version"] == (await client.request("GET", f"chats/{uri}/"))["version"], "the chat is still changing"
    assert len({row["seq"] for row in messages}) == len(messages), "the history repeats itself"
    history = View()
    history.version = chat["version"]
    history.messages = {row["seq"]: row for row in messages}
    history.members = {row["username"]: row for row in members}
    history.details = {name: chat[name] for name in ("title", "owner", "joinable", "history")}
    return history


async def read_pages(client: Client, link: str | None) -> list[Row]:
    rows: list[Row] = []
    while link:
        page = await client.request("GET", link)
        rows += page["results"]
        link = page["next"]
    return rows


def contradictions(asks: Iterable[Ask], history: View) -> Iterable[str]:
    """Where what is stored is not what the server has said."""
    if sorted(history.messages) != list(range(1, len(history.messages) + 1)):
        yield f"seq has a hole: {sorted(history.messages)}"
    stored: dict[tuple[str, str], Row | None] = {}
    for row in history.messages.values():
        key = (row["user"]["username"], row["client_id"])
        if key in stored:
            yield f"stored twice: {row}"
        stored[key] = row
    for ask in asks:
        yield from contradiction(ask, stored.pop((ask.author, ask.client_id), None))
    for left in stored.values():
        yield f"stored, but nobody has sent it: {left}"


def contradiction(ask: Ask, row: Row | None) -> Iterable[str]:
    if row is None:
        if ask.outcome == "ok":
            yield f"acknowledged, but not stored: {ask}"
    elif ask.outcome == "failed":
        yield f"refused, but stored: {ask}"
    elif row["message"] not in ask.texts:
        yield f"stored with another text: {row} for {ask}"
    elif ask.row and (row["seq"], row["created_at"]) != (ask.row["seq"], ask.row["created_at"]):
        yield f"acknowledged as another row: {row} for {ask}"


class Viewer(Protocol):
    @property
    def username(self) -> str: ...
    @property
    def views(self) -> Mapping[str, View]: ...


def differences(client: Viewer, uri: str, history: View) -> Iterable[str]:
    """Where what the client sees is not the history."""
    view = client.views.get(uri, View())
    present = {username: row for username, row in view.members.items() if not row["left"]}
    compared: Sequence[tuple[str, Mapping[Any, Any], Mapping[Any, Any]]] = [
        ("messages", view.messages, history.messages),
        ("members", present, history.members),
        ("details", view.details, history.details),
    ]
    for name, seen, stored in compared:
        different = [key for key in [*seen, *(stored.keys() - seen.keys())] if seen.get(key) != stored.get(key)]
        if different:
            yield f"{client.username}, at version {view.version} of {history.version}: {name} {different} differ"
    if view.version != history.version:
        yield f"{client.username} is at version {view.version} of {history.version}"
    repeated = [text for text, times in Counter(row["message"] for row in view.messages.values()).items() if times > 1]
    if repeated:
        yield f"{client.username} sees twice: {repeated}"


def assert_learned_of_removal(client: Client, uri: str) -> None:
    """The client was told that it is out, of nothing that came later, and of nothing else after that."""
    frames = [frame for frame in client.frames if frame["type"] == "changes" and frame["chat"] == uri]
    removals = own_removals(client, frames[-1])
    assert removals, f"the last that {client.username} heard is {frames[-1]}"
    again = [frame for frame in frames[:-1] if own_removals(client, frame)]
    assert not again, f"{client.username} hears more of a chat after having been removed: {again} and {frames[-1]}"
    newest = max(row["version"] for frame in frames for row in frame["messages"])
    assert newest < removals[0]["version"]
    assert uri not in client.views


def own_removals(client: Client, frame: Row) -> list[Row]:
    return [row for row in frame["members"] if row["left"] and row["username"] == client.username]
