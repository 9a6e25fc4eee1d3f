"""Whatever the bus loses, doubles and reorders: in the end, each view of a chat is its history."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import inf
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.db.models import F
from django.db.models.signals import post_save
from django.utils import timezone

from django_bpo_chat import operations
from django_bpo_chat.models import Membership, Message
from tests.clients import Frame, View, ViewingClient, history, open_socket
from tests.deeds import PREPARATIONS, Deed, Deeds
from tests.fixtures import Configure, Meet
from tests.layers import Publisher, lossy_layer
from tests.parallel import at_once
from tests.person import NO_BODY, Answer, Person
from tests.servers import LiveServer
from tests.successes import noted_successes

OFTEN = 6
"""How many of the usual things each person does, besides every other thing once."""

TRIES = 3
"""How often somebody tries what makes sense, where others have been faster."""


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
    """Somebody who does at random what they may do, through both doors; what is refused is refused.

    Where it takes an owner, an admin or the site, they have the one do it who is.
    """

    person: Person
    place: int
    chats: Sequence[str]
    others: Sequence[Person]
    guest: Person
    dice: random.Random
    clients: Sequence[ViewingClient]
    sent: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def act(self) -> None:
        # One of the four tries each thing without looking, so that much is refused.
        acts = [(act, number % 4 != self.place) for number, act in enumerate([*USUAL * OFTEN, *UNUSUAL])]
        acts.append((SITES[self.place], True))
        self.dice.shuffle(acts)
        for number, (act, has_sense) in enumerate(acts):
            name = f"{self.person.username} {number}"
            if has_sense:
                self._do_what_makes_sense(act, name)
            else:
                self._do(act, self._any_deed(), name)
            self.dice.choice(self.clients).keep_up()

    def _do_what_makes_sense(self, act: str, name: str) -> None:
        for _ in range(TRIES):
            deeds = self._deeds(act)
            if not deeds and act in PREPARATIONS:
                self._do_what_makes_sense(PREPARATIONS[act], name)
                deeds = self._deeds(act)
            if self._do(act, self.dice.choice(deeds or [self._any_deed()]), name):
                return

    def _deeds(self, act: str) -> Sequence[Deed]:
        people = [self.person, *self.others]
        deeds = Deeds(people, self._any_deed()).of(act)
        return [deed for deed in deeds if deed.actor is self.person] or ([] if act in OWN else deeds)

    def _any_deed(self) -> Deed:
        return Deed(self.person, self.dice.choice(self.chats), self.dice.choice(self.others), self.dice.randint(1, 30))

    def _do(self, act: str, deed: Deed, name: str) -> bool:
        """Whether it succeeds."""
        succeeds: bool = getattr(self, act)(deed, name)
        self.done[act] += succeeds
        return succeeds

    def send_by_http(self, deed: Deed, name: str) -> bool:
        return self._send(deed, {"message": f"Hello {name}", "client_id": name})

    def send_by_socket(self, deed: Deed, name: str) -> bool:
        client = self.dice.choice(self.clients)
        answer = client.socket.ask("message.send", id=name, chat=deed.chat, message=f"Hello {name}", client_id=name)
        return self._sent(name, answer["type"] == "ok", answer.get("code"))

    def send_file(self, deed: Deed, name: str) -> bool:
        upload = self.person.upload(deed.chat)
        return self._succeeds(upload) and self._send(
            deed, {"message": f"Hello {name}", "attachments": [upload.json["id"]], "client_id": name}
        )

    def _send(self, deed: Deed, body: Any) -> bool:
        answer = self.person.post(f"chats/{deed.chat}/messages/", body)
        return self._sent(body["client_id"], answer.status == 201, answer.status)

    def _sent(self, name: str, is_stored: bool, refusal: Any) -> bool:
        if is_stored:
            self.sent.append(name)
        else:
            assert refusal in {403, 404, "not_allowed", "not_a_member", "not_found"}, refusal
        return is_stored

    def edit(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PATCH", f"chats/{deed.chat}/messages/{deed.seq}/", {"message": f"Hello {name}"})

    def delete(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "DELETE", f"chats/{deed.chat}/messages/{deed.seq}/")

    def read(self, deed: Deed, name: str) -> bool:
        answer = self.dice.choice(self.clients).socket.ask("read", chat=deed.chat, seq=deed.seq)
        assert answer["type"] == "ok" or answer["code"] in {"not_a_member", "not_found"}, answer
        return bool(answer["type"] == "ok")

    def unread(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PUT", f"chats/{deed.chat}/unread/", {"seq": deed.seq})

    def prefer(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PATCH", f"chats/{deed.chat}/me/", {"muted": True})

    def report(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "POST", f"chats/{deed.chat}/messages/{deed.seq}/report/", {"reason": "Spam"})

    def react(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PUT", f"chats/{deed.chat}/messages/{deed.seq}/reactions/{quote('👍')}/")

    def take_back(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "DELETE", f"chats/{deed.chat}/messages/{deed.seq}/reactions/{quote('👍')}/")

    def join(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PATCH", f"chats/{deed.chat}/", {})

    def leave(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "DELETE", f"chats/{deed.chat}/members/{deed.actor.username}/")

    def come_back(self, deed: Deed, name: str) -> bool:
        has_left = self.leave(deed, name)
        return self.join(deed, name) and has_left

    def add(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PATCH", f"chats/{deed.chat}/", {"username": deed.other.username})

    def remove(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "DELETE", f"chats/{deed.chat}/members/{deed.other.username}/")

    def ban(self, deed: Deed, name: str) -> bool:
        """Somebody who then tries to come in."""
        is_banned = self._ask(deed, "PUT", f"chats/{deed.chat}/bans/{deed.other.username}/")
        self.join(replace(deed, actor=deed.other), name)
        return is_banned

    def unban(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "DELETE", f"chats/{deed.chat}/bans/{deed.other.username}/")

    def promote(self, deed: Deed, name: str) -> bool:
        return self._change_role(deed, "admin")

    def hand_over(self, deed: Deed, name: str) -> bool:
        return self._change_role(deed, "owner")

    def _change_role(self, deed: Deed, role: str) -> bool:
        return self._ask(deed, "PATCH", f"chats/{deed.chat}/members/{deed.other.username}/", {"role": role})

    def edit_title(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PATCH", f"chats/{deed.chat}/", {"title": name})

    def edit_history(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PATCH", f"chats/{deed.chat}/", {"history": ["full", "since_join"][deed.seq % 2]})

    def invite(self, deed: Deed, name: str) -> bool:
        return self._accept(deed, self._new_invite(deed))

    def revoke(self, deed: Deed, name: str) -> bool:
        token = self._new_invite(deed)
        is_revoked = self._ask(deed, "DELETE", f"chats/{deed.chat}/invites/{token}/")
        return is_revoked and not self._accept(deed, token)

    def _new_invite(self, deed: Deed) -> str:
        """Its token, or none that there is."""
        answer = deed.actor.post(f"chats/{deed.chat}/invites/", {})
        return str(answer.json["token"]) if self._succeeds(answer) else "x" * 22

    def _accept(self, deed: Deed, token: str) -> bool:
        return self._succeeds(deed.other.post(f"invites/{token}/"))

    def block(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "PUT", f"blocks/{deed.other.username}/")

    def unblock(self, deed: Deed, name: str) -> bool:
        return self._ask(deed, "DELETE", f"blocks/{deed.other.username}/")

    def prune(self, deed: Deed, name: str) -> bool:
        """The site does."""
        youngest = Message.objects.filter(chat__uri=deed.chat, seq=deed.seq).first()
        if youngest is None:
            return False
        age = timezone.now() - youngest.created_at
        return any(list(operations.prune_messages(older_than=age, chat=deed.chat)))

    def delete_all(self, deed: Deed, name: str) -> bool:
        """The site does."""
        return any(list(operations.delete_messages_of(author=deed.actor.user)))

    def end_account(self, deed: Deed, name: str) -> bool:
        """The site does: the guest's, whose chat is somebody else's from then on."""
        return bool(self.guest.user.delete()[0])

    def _ask(self, deed: Deed, method: str, path: str, body: Any = NO_BODY) -> bool:
        return self._succeeds(deed.actor.ask(method, path, body))

    def _succeeds(self, answer: Answer) -> bool:
        assert answer.status in {200, 201, 202, 204, 400, 403, 404}, answer.status
        return answer.status < 300


USUAL = ["send_by_http", "send_by_socket", "edit"]
UNUSUAL = [
    *("send_file", "delete", "react", "take_back", "read", "unread", "prefer", "report", "block", "unblock"),
    *("come_back", "come_back", "join", "leave", "add", "remove", "ban", "unban", "promote", "hand_over"),
    *("edit_title", "edit_history", "invite", "revoke"),
]
SITES = ["delete_all", "end_account", "prune", "prune"]
"""What the site does meanwhile, once with each of the four: little, so that something is left in the end."""
OWN = {"send_by_http", "send_by_socket", "send_file", "read"}
"""What goes through one's own sockets, or is counted as one's own."""

NOT_LIVE = {
    # The chats are there from the beginning.
    *("start_group", "start_direct"),
    "leave_chat",  # over HTTP whoever leaves removes themselves
    # These change nothing of what anybody sees.
    *("resolve_report", "prune_attachments", "count_messages_of", "count_old_messages", "count_unsent_attachments"),
}


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

    def lowest_first_seq(self, person: Person, uri: str, since: int) -> float:
        """Of the times when they were in again after that version; infinitely far away where there is none."""
        first_seqs = self._first_seqs[uri, person.user.pk]
        return min((first_seq for version, first_seq in first_seqs.items() if version > since), default=inf)


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
            # What is told to one's own clients only goes its own way, and may be overtaken.
            assert frame["chat"] not in out or frame["username"] == person.username, frame
        elif frame["type"] == "changes" and "id" not in frame:
            uri, version = frame["chat"], frame["version"]
            own = [row for row in frame["members"] if row["username"] == person.username]
            if any(row["left"] for row in own):
                assert (frame["messages"], frame["members"], frame["details"]) == ([], own, None)
                if version > newest[uri]:  # else it is of a time before their return
                    out.add(uri)
                continue
            first_seq = attendance.first_seq(person, uri, version)
            # Who was in again when the members were read hears also of what was before their return, but no more of it
            # than they might see then. The return itself is to come.
            if first_seq == inf:
                returning.add(uri)
                first_seq = attendance.lowest_first_seq(person, uri, since=version)
            else:
                returning.discard(uri)
            assert all(message["seq"] >= first_seq for message in frame["messages"]), frame
            out.discard(uri)
            newest[uri] = max(version, newest[uri])
    assert not returning


def check_that_all_views_are_the_history(
    client: ViewingClient, person: Person, uri: str, attendance: Attendance, gone: Container[str]
) -> None:
    """The live one, one of all changes, one of all that a resume brings, and what is found of what is in each text."""
    view, chat, messages = client.chats[uri], person.chat(uri), history(person, uri)
    resumed = View()
    for frame in client.socket.resume(uri, 0):
        resumed.merge(frame)
    fetched = View()
    while fetched.version < chat["version"]:
        fetched.merge(person.changes(uri, fetched.version, limit=20))
    assert view.messages == resumed.messages == fetched.messages == messages
    assert [*messages] == [*range(min(messages, default=0), len(messages) + min(messages, default=0))]
    for each in (view, resumed, fetched):
        # The end of an account is no change of a chat: who holds one where it was is not told.
        present = {name: row for name, row in each.members.items() if not row["left"] and name not in gone}
        assert present == {row["username"]: row for row in chat["members"]}
        assert each.details == {name: chat[name] for name in ("title", "owner", "joinable", "history")}
    found = person.search("hello", chat=uri, limit=200)
    assert found["next"] is None
    there = [message for message in messages.values() if not message["deleted"]]
    assert sorted((each["message"] for each in found["results"]), key=itemgetter("seq")) == there


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_every_view_becomes_the_history(
    servers: Sequence[LiveServer], meet: Meet, attendance: Attendance, seed: int
) -> None:
    *people, guest = meet("wali", "mabel", "otis", "ines", "guest")
    wali, mabel, otis, ines = people
    groups = [wali.start(mabel, otis, ines), mabel.start(wali, otis, ines), guest.start(*people)]
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
                place,
                chats,
                others=[other for other in people if other is not person],
                guest=guest,
                dice=random.Random(f"{seed} {person.username}"),
                clients=[listen(person, server) for server in servers],
            )
            for place, person in enumerate(people)
        ]
        for uri in chats:
            wali.send(uri, "Hello")
        for actor in actors:
            for client in actor.clients:
                client.catch_up()

        with noted_successes() as done:
            at_once(*(actor.act for actor in actors))

        for actor in actors:
            for client in actor.clients:
                client.catch_up()
                client.keep_up()
                for uri in client.chats:
                    check_that_all_views_are_the_history(client, actor.person, uri, attendance, {guest.username})
                check_that_nothing_was_overheard(client.frames, actor.person, attendance)

    sent = Message.objects.exclude(client_id="").values_list("client_id", flat=True)
    assert Counter(sent) == Counter(name for actor in actors for name in actor.sent)
    assert not Membership.objects.present().filter(chat__bans__user=F("user")).exists()
    counts = lossy_layer().counts
    assert min(counts.values()) > 0, counts
    check_that_everything_was_done({act for actor in actors for act in +actor.done}, {*done})


def check_that_everything_was_done(acts: set[str], changes: set[str]) -> None:
    """At least once, and not merely tried; each operation has changed something."""
    assert {*USUAL, *UNUSUAL, *SITES} - acts == set(), "These acts have never succeeded."
    assert {*operations.__all__} - changes == NOT_LIVE, "These operations have never changed anything."
