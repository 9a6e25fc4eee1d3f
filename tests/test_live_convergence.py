"""Whatever the bus loses, doubles and reorders: in the end, each view of a chat is its history."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.db.models.signals import post_save

from django_bpo_chat.models import Membership, Message
from tests.clients import Frame, ViewingClient, history, open_socket
from tests.fixtures import Configure, Meet
from tests.layers import Publisher, lossy_layer
from tests.parallel import at_once
from tests.person import Answer, Person
from tests.servers import LiveServer

OPERATIONS = 40
"""How many each person does."""


@pytest.fixture
def servers(settings: LazySettings, configure: Configure, transactional_db: None) -> Iterator[Sequence[LiveServer]]:
    """Two servers that hear of what happens over one bad channel layer and in no other way."""
    from config.asgi import application

    configure(BUS="tests.layers.publish_over_the_layer", SWEEP_SECONDS=0.5)
    layer = {"seed": 5, "lost": 0.2, "doubled": 0.2, "delay": 0.05}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.layers.LossyLayer", "CONFIG": layer}}
    with Publisher(), LiveServer(application) as one, LiveServer(application) as other:
        yield [one, other]


@dataclass
class Actor:
    """Somebody who does at random what they may do, through both doors; what is refused is refused."""

    person: Person
    chats: Sequence[str]
    others: Sequence[Person]
    dice: random.Random
    clients: Sequence[ViewingClient]
    sent: list[str] = field(default_factory=list)

    def act(self) -> None:
        for number in range(OPERATIONS):
            uri = self.dice.choice(self.chats)
            rare = [self.erase, self.read, self.react, self.come_or_go, self.manage]
            act = self.dice.choice([*[self.send_by_http, self.send_by_socket, self.edit] * 2, *rare])
            act(uri, f"{self.person.username} {number}")
            self.dice.choice(self.clients).keep_up()

    def send_by_http(self, uri: str, name: str) -> None:
        answer = self.person.post(f"chats/{uri}/messages/", {"message": name, "client_id": name})
        self._sent(name, answer.status == 201, answer.status)

    def send_by_socket(self, uri: str, name: str) -> None:
        client = self.dice.choice(self.clients)
        answer = client.socket.ask("message.send", id=name, chat=uri, message=name, client_id=name)
        self._sent(name, answer["type"] == "ok", answer.get("code"))

    def _sent(self, name: str, is_stored: bool, refusal: Any) -> None:
        if is_stored:
            self.sent.append(name)
        else:
            assert refusal in {403, 404, "not_a_member", "not_found"}, refusal

    def edit(self, uri: str, name: str) -> None:
        self._expect(self.person.patch(f"chats/{uri}/messages/{self.dice.randint(1, 30)}/", {"message": name}).status)

    def erase(self, uri: str, name: str) -> None:
        self._expect(self.person.delete(f"chats/{uri}/messages/{self.dice.randint(1, 30)}/").status)

    def read(self, uri: str, name: str) -> None:
        answer = self.dice.choice(self.clients).socket.ask("read", chat=uri, seq=self.dice.randint(1, 30))
        assert answer["type"] == "ok" or answer["code"] in {"not_a_member", "not_found"}, answer

    def react(self, uri: str, name: str) -> None:
        path = f"chats/{uri}/messages/{self.dice.randint(1, 10)}/reactions/{quote('👍')}/"
        self._expect(self.person.ask(self.dice.choice(["PUT", "PUT", "DELETE"]), path).status)

    def come_or_go(self, uri: str, name: str) -> None:
        if self.dice.random() < 0.4:
            self._expect(self.person.delete(f"chats/{uri}/members/{self.person.username}/").status)
        else:
            self._expect(self.person.patch(f"chats/{uri}/", {}).status)

    def manage(self, uri: str, name: str) -> None:
        other = self.dice.choice(self.others).username
        history = self.dice.choice(["full", "since_join"])
        acts: list[Callable[[], Answer]] = [
            lambda: self.person.patch(f"chats/{uri}/", {"title": name, "history": history}),
            lambda: self.person.delete(f"chats/{uri}/members/{other}/"),
            lambda: self.person.patch(f"chats/{uri}/", {"username": other}),
            lambda: self.person.put(f"chats/{uri}/bans/{other}/"),
            lambda: self.person.delete(f"chats/{uri}/bans/{other}/"),
            lambda: self.person.patch(f"chats/{uri}/members/{other}/", {"role": "admin"}),
        ]
        self._expect(self.dice.choice(acts)().status)

    def _expect(self, status: int) -> None:
        assert status in {200, 204, 400, 403, 404}, status


class Attendance:
    """Who was in which chat at which version, as the rows tell when they are saved."""

    def __init__(self) -> None:
        # All are in from the beginning, and may see everything.
        self._first_seqs: dict[tuple[str, Any], dict[int, float]] = defaultdict(lambda: {1: 1})

    def note(self, instance: Membership, **_: Any) -> None:
        first_seq = instance.first_seq if instance.is_present else inf
        self._first_seqs[instance.chat.uri, instance.user_id][instance.version] = first_seq

    def first_seq(self, person: Person, uri: str, version: int) -> float:
        """The first message that the person might see at that version; infinitely far away where they were out."""
        first_seqs = self._first_seqs[uri, person.user.pk]
        return first_seqs[max(each for each in first_seqs if each <= version)]


@pytest.fixture
def attendance() -> Iterator[Attendance]:
    attendance = Attendance()
    post_save.connect(attendance.note, sender=Membership)
    yield attendance
    post_save.disconnect(attendance.note, sender=Membership)


def check_that_nothing_was_overheard(frames: Sequence[Frame], person: Person, attendance: Attendance) -> None:
    """Whoever is out hears that they are, and then nothing until their return."""
    newest: dict[str, int] = defaultdict(int)
    out: set[str] = set()
    returning: set[str] = set()
    for frame in frames:
        if frame["type"] == "read":
            assert frame["chat"] not in out, frame
        elif frame["type"] == "changes" and "id" not in frame:
            uri, version = frame["chat"], frame["version"]
            own = [row for row in frame["members"] if row["username"] == person.username]
            if any(row["left"] for row in own):
                assert (frame["messages"], frame["members"], frame["details"]) == ([], own, None)
                if version > newest[uri]:  # else it is of a time before their return
                    out.add(uri)
                continue
            first_seq = attendance.first_seq(person, uri, version)
            assert all(message["seq"] >= first_seq or first_seq == inf for message in frame["messages"]), frame
            # A page may end before the return of somebody who was in again when it was read. The next one has that.
            assert first_seq < inf or uri not in returning, frame
            returning.discard(uri)
            if first_seq == inf:
                returning.add(uri)
            out.discard(uri)
            newest[uri] = max(version, newest[uri])
    assert not returning


def check_that_the_view_is_the_history(client: ViewingClient, person: Person, uri: str) -> None:
    view, chat, messages = client.chats[uri], person.chat(uri), history(person, uri)
    # A member who was out and in again without having heard of it may hold older messages than REST shows them now.
    first = min(messages, default=inf)
    assert {seq: message for seq, message in sorted(view.messages.items()) if seq >= first} == messages
    assert [*messages] == [*range(min(messages, default=0), len(messages) + min(messages, default=0))]
    assert {name: row for name, row in view.members.items() if not row["left"]} == {
        row["username"]: row for row in chat["members"]
    }
    assert view.details == {name: chat[name] for name in ("title", "owner", "joinable", "history")}


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_every_view_becomes_the_history(
    servers: Sequence[LiveServer], meet: Meet, attendance: Attendance, seed: int
) -> None:
    people = meet("wali", "mabel", "otis", "ines")
    wali, mabel, otis, ines = people
    chats = [wali.start(mabel, otis, ines), mabel.start(wali, otis, ines), ines.start(*people[:3])]

    with ExitStack() as sockets:

        def listen(person: Person, server: LiveServer) -> ViewingClient:
            socket = sockets.enter_context(open_socket(server.ws, headers=person.headers))
            socket.introduce()
            return ViewingClient(person, socket)

        actors = [
            Actor(
                person,
                chats,
                others=[other for other in people if other is not person],
                dice=random.Random(f"{seed} {person.username}"),
                clients=[listen(person, server) for server in servers],
            )
            for person in people
        ]
        for uri in chats:
            wali.send(uri, "Here we go")
        for actor in actors:
            for client in actor.clients:
                client.catch_up()

        at_once(*(actor.act for actor in actors))

        for actor in actors:
            for client in actor.clients:
                client.catch_up()
                client.keep_up()
                for uri in client.chats:
                    check_that_the_view_is_the_history(client, actor.person, uri)
                check_that_nothing_was_overheard(client.frames, actor.person, attendance)

    sent = Message.objects.exclude(client_id="").values_list("client_id", flat=True)
    assert Counter(sent) == Counter(name for actor in actors for name in actor.sent)
    counts = lossy_layer().counts
    assert min(counts.values()) > 0, counts
