"""Whatever the bus loses, doubles and reorders: in the end, each view of a chat is its history."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.db.models.signals import post_save
from django.utils import timezone

from django_bpo_chat import operations
from django_bpo_chat.models import Membership, Message
from tests.clients import Frame, View, ViewingClient, history, open_socket
from tests.fixtures import Configure, Meet
from tests.layers import Publisher, lossy_layer
from tests.parallel import at_once
from tests.person import NO_BODY, Answer, Person
from tests.servers import LiveServer

OFTEN = 6
"""How many of the usual things each person does, besides every other thing once."""


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
        often = [self.send_by_http, self.send_by_socket, self.edit]
        once = [
            *(self.send_file, self.erase, self.react, self.take_back, self.read, self.unread, self.prefer, self.report),
            *(
                self.come_back,
                self.come_back,
                self.join,
                self.leave,
                self.add,
                self.remove,
                self.ban,
                self.unban,
                self.promote,
                self.hand_over,
            ),
            *(self.edit_title, self.edit_history, self.invite, self.revoke, self.block, self.unblock, self.prune),
        ]
        acts = [*often * OFTEN, *once]
        self.dice.shuffle(acts)
        for number, act in enumerate(acts):
            act(self.dice.choice(self.chats), f"{self.person.username} {number}")
            self.dice.choice(self.clients).keep_up()

    def send_by_http(self, uri: str, name: str) -> None:
        answer = self.person.post(f"chats/{uri}/messages/", {"message": f"Hello {name}", "client_id": name})
        self._sent(name, answer.status == 201, answer.status)

    def send_by_socket(self, uri: str, name: str) -> None:
        client = self.dice.choice(self.clients)
        answer = client.socket.ask("message.send", id=name, chat=uri, message=f"Hello {name}", client_id=name)
        self._sent(name, answer["type"] == "ok", answer.get("code"))

    def send_file(self, uri: str, name: str) -> None:
        upload = self.person.upload(uri)
        self._expect(upload.status)
        if upload.status == 201:
            body = {"message": f"Hello {name}", "attachments": [upload.json["id"]], "client_id": name}
            answer = self.person.post(f"chats/{uri}/messages/", body)
            self._sent(name, answer.status == 201, answer.status)

    def _sent(self, name: str, is_stored: bool, refusal: Any) -> None:
        if is_stored:
            self.sent.append(name)
        else:
            assert refusal in {403, 404, "not_allowed", "not_a_member", "not_found"}, refusal

    def edit(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/messages/{self.dice.randint(1, 30)}/", {"message": f"Hello {name}"})

    def erase(self, uri: str, name: str) -> None:
        self._ask("DELETE", f"chats/{uri}/messages/{self.dice.randint(1, 30)}/")

    def read(self, uri: str, name: str) -> None:
        answer = self.dice.choice(self.clients).socket.ask("read", chat=uri, seq=self.dice.randint(1, 30))
        assert answer["type"] == "ok" or answer["code"] in {"not_a_member", "not_found"}, answer

    def unread(self, uri: str, name: str) -> None:
        self._ask("PUT", f"chats/{uri}/unread/", {"seq": self.dice.randint(1, 30)})

    def prefer(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/me/", {"muted": True})

    def report(self, uri: str, name: str) -> None:
        self._ask("POST", f"chats/{uri}/messages/{self.dice.randint(1, 10)}/report/", {"reason": "Spam"})

    def react(self, uri: str, name: str) -> None:
        self._ask("PUT", f"chats/{uri}/messages/{self.dice.randint(1, 5)}/reactions/{quote('👍')}/")

    def take_back(self, uri: str, name: str) -> None:
        self._ask("DELETE", f"chats/{uri}/messages/{self.dice.randint(1, 5)}/reactions/{quote('👍')}/")

    def join(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/", {})

    def leave(self, uri: str, name: str) -> None:
        self._ask("DELETE", f"chats/{uri}/members/{self.person.username}/")

    def come_back(self, uri: str, name: str) -> None:
        self.leave(uri, name)
        self.join(uri, name)

    def add(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/", {"username": self._other().username})

    def remove(self, uri: str, name: str) -> None:
        self._ask("DELETE", f"chats/{uri}/members/{self._other().username}/")

    def ban(self, uri: str, name: str) -> None:
        self._ask("PUT", f"chats/{uri}/bans/{self._other().username}/")

    def unban(self, uri: str, name: str) -> None:
        self._ask("DELETE", f"chats/{uri}/bans/{self._other().username}/")

    def promote(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/members/{self._other().username}/", {"role": "admin"})

    def hand_over(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/members/{self._other().username}/", {"role": "owner"})

    def edit_title(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/", {"title": name})

    def edit_history(self, uri: str, name: str) -> None:
        self._ask("PATCH", f"chats/{uri}/", {"history": self.dice.choice(["full", "since_join"])})

    def invite(self, uri: str, name: str) -> None:
        self._accept(self._ask("POST", f"chats/{uri}/invites/", {}))

    def revoke(self, uri: str, name: str) -> None:
        invited = self._ask("POST", f"chats/{uri}/invites/", {})
        token = invited.json["token"] if invited.status == 201 else "x" * 22
        self._ask("DELETE", f"chats/{uri}/invites/{token}/")
        self._accept(invited)

    def _accept(self, invited: Answer) -> None:
        token = invited.json["token"] if invited.status == 201 else "x" * 22
        self._expect(self._other().post(f"invites/{token}/").status)

    def block(self, uri: str, name: str) -> None:
        self._ask("PUT", f"blocks/{self._other().username}/")

    def unblock(self, uri: str, name: str) -> None:
        self._ask("DELETE", f"blocks/{self._other().username}/")

    def prune(self, uri: str, name: str) -> None:
        """The site does, of the first message of the chat."""
        first = Message.objects.get(chat__uri=uri, seq=1)
        for _ in operations.prune_messages(older_than=timezone.now() - first.created_at, chat=uri):
            pass

    def _other(self) -> Person:
        return self.dice.choice(self.others)

    def _ask(self, method: str, path: str, body: Any = NO_BODY) -> Answer:
        answer = self.person.ask(method, path, body)
        self._expect(answer.status)
        return answer

    def _expect(self, status: int) -> None:
        assert status in {200, 201, 202, 204, 400, 403, 404}, status


NOT_LIVE = {
    "leave_chat",  # over HTTP whoever leaves removes themselves
    # These are the site's own; of them prune_messages is among the acts.
    *("delete_messages_of", "release_user", "resolve_report"),
    # These change nothing of what anybody sees.
    *("prune_attachments", "count_messages_of", "count_old_messages", "count_unsent_attachments"),
}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The operations that have been asked for."""
    done: set[str] = set()

    def noting(name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        def note(**arguments: Any) -> Any:
            done.add(name)
            return operation(**arguments)

        return note

    for name in operations.__all__:
        monkeypatch.setattr(operations, name, noting(name, getattr(operations, name)))
    return done


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


def check_that_all_views_are_the_history(client: ViewingClient, person: Person, uri: str) -> None:
    """The live one, one of all changes, one of all that a resume brings, and what is found of what is in each text."""
    view, chat, messages = client.chats[uri], person.chat(uri), history(person, uri)
    resumed = View()
    for frame in client.socket.resume(uri, 0):
        resumed.merge(frame)
    fetched = View()
    while fetched.version < chat["version"]:
        fetched.merge(person.changes(uri, fetched.version, limit=20))
    # A member who was out and in again without having heard of it may hold older messages than REST shows them now.
    first = min(messages, default=inf)
    assert {seq: message for seq, message in sorted(view.messages.items()) if seq >= first} == messages
    assert resumed.messages == fetched.messages == messages
    assert [*messages] == [*range(min(messages, default=0), len(messages) + min(messages, default=0))]
    for each in (view, resumed, fetched):
        present = {name: row for name, row in each.members.items() if not row["left"]}
        assert present == {row["username"]: row for row in chat["members"]}
        assert each.details == {name: chat[name] for name in ("title", "owner", "joinable", "history")}
    found = person.search("hello", chat=uri, limit=200)
    assert found["next"] is None
    there = [message for message in messages.values() if not message["deleted"]]
    assert sorted((each["message"] for each in found["results"]), key=itemgetter("seq")) == there


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_every_view_becomes_the_history(
    servers: Sequence[LiveServer], meet: Meet, attendance: Attendance, done: set[str], seed: int
) -> None:
    people = meet("wali", "mabel", "otis", "ines")
    wali, mabel, otis, ines = people
    groups = [wali.start(mabel, otis, ines), mabel.start(wali, otis, ines), ines.start(*people[:3])]
    mabel.edit_chat(groups[1], history="since_join")
    chats = [*groups, wali.start_direct(mabel)]

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
            wali.send(uri, "Hello")
        for actor in actors:
            for client in actor.clients:
                client.catch_up()

        at_once(*(actor.act for actor in actors))

        for actor in actors:
            for client in actor.clients:
                client.catch_up()
                client.keep_up()
                for uri in client.chats:
                    check_that_all_views_are_the_history(client, actor.person, uri)
                check_that_nothing_was_overheard(client.frames, actor.person, attendance)

    sent = Message.objects.exclude(client_id="").values_list("client_id", flat=True)
    assert Counter(sent) == Counter(name for actor in actors for name in actor.sent)
    counts = lossy_layer().counts
    assert min(counts.values()) > 0, counts
    assert done == {*operations.__all__} - NOT_LIVE
