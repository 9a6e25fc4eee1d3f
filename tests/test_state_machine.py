"""Several people do at random, through both doors, what they may and what they may not: each is answered as a model of
a few rules says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from django_bpo_chat.models import Block, Chat
from django_bpo_chat.testing import access_token
from tests.clients import Connect
from tests.fixtures import Meet
from tests.person import Answer, Person
from tests.test_doors import Door, HttpDoor, SocketDoor

pytest_plugins = ["tests.sockets"]

pytestmark = pytest.mark.thorough

NAMES = ["wali", "mabel", "otis"]
ROLES = ["member", "admin", "owner"]

NOT_A_MEMBER, NOT_FOUND, NOT_ALLOWED, INVALID = "not_a_member", "not_found", "not_allowed", "invalid"


# The model


@dataclass
class Member:
    since: int  # who came in earlier has the lower number
    first_seq: int
    read_seq: int
    rank: int = 0  # as which of ROLES


@dataclass
class Text:
    author: str
    text: str
    deleted: bool = False


@dataclass
class Room:
    """A chat. What somebody may not do, it answers with a code, and what they may with None."""

    is_direct: bool
    joinable: bool = True
    history: str = "full"
    members: dict[str, Member] = field(default_factory=dict)
    banned: set[str] = field(default_factory=set)
    texts: list[Text] = field(default_factory=list)
    arrivals: int = 0

    # What keeps somebody from doing something, if anything does

    def outside(self, who: str) -> str | None:
        if who in self.members:
            return None
        return NOT_FOUND if self.is_direct or not self.joinable or who in self.banned else NOT_A_MEMBER

    def no_manager(self, who: str) -> str | None:
        return self.outside(who) or (NOT_ALLOWED if self.is_direct or not self.members[who].rank else None)

    def not_above(self, who: str, other: str) -> str | None:
        return NOT_ALLOWED if self.members[other].rank >= self.members[who].rank else None

    def unseen(self, who: str, seq: int) -> str | None:
        return None if self.members[who].first_seq <= seq <= len(self.texts) else NOT_FOUND

    # What there is to see

    def seen(self, who: str) -> dict[int, Text]:
        first = self.members[who].first_seq
        return {seq: text for seq, text in enumerate(self.texts, start=1) if seq >= first}

    def unread(self, who: str) -> int:
        mark = self.members[who].read_seq
        return sum(seq > mark and not text.deleted for seq, text in self.seen(who).items())

    # What happens

    def admit(self, who: str) -> None:
        self.arrivals += 1
        first_seq = 1 if self.history == "full" else len(self.texts) + 1
        self.members[who] = Member(self.arrivals, first_seq, len(self.texts), rank=0 if self.members else 2)

    def dismiss(self, who: str) -> None:
        was_owner = self.members.pop(who).rank == 2
        if was_owner and self.members:
            max(self.members.values(), key=lambda member: (member.rank, -member.since)).rank = 2


# The machine


class People(RuleBasedStateMachine):
    who = other = st.sampled_from(NAMES)
    place = st.sampled_from(["group", "group", "direct"])
    door = st.sampled_from(["http", "socket"])
    seq = st.integers(1, 6)

    def __init__(self, people: dict[str, Person], connect: Connect) -> None:
        super().__init__()
        Chat.objects.all().delete()
        Block.objects.all().delete()
        self.people = people
        for person in people.values():
            person.access = access_token(person.user)  # the search for the shortest history outlives any
        self.sockets = SocketDoor(connect)
        self.doors: dict[str, Door] = {"http": HttpDoor(), "socket": self.sockets}
        wali, mabel, otis = people.values()
        self.uris = {"group": wali.start(mabel, otis), "direct": wali.start_direct(mabel)}
        self.rooms = {"group": Room(is_direct=False), "direct": Room(is_direct=True)}
        for name in NAMES:
            self.rooms["group"].admit(name)
        for name in NAMES[:2]:
            self.rooms["direct"].admit(name)
            self.rooms["direct"].members[name].rank = 0
        self.blocks: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        for socket in self.sockets.sockets.values():
            socket.close()

    def ask(self, method: str, who: str, path: str, body: Any = None) -> Answer:
        return self.people[who].ask(method, path.format(**self.uris), {} if body is None else body)

    def silenced(self, who: str, place: str) -> str | None:
        others = set(self.rooms[place].members) - {who} if place == "direct" else ()
        return NOT_ALLOWED if any((other, who) in self.blocks for other in others) else None

    @rule(who=who, place=place, door=door, text=st.sampled_from(["Hello", "<b>Hi</b>", "\u202eolleh 👍"]))
    def send(self, who: str, place: str, door: str, text: str) -> None:
        room = self.rooms[place]
        outcome = self.doors[door].send(self.people[who], self.uris[place], text)
        assert outcome.code == (room.outside(who) or self.silenced(who, place))
        if outcome.code is None:
            room.texts.append(Text(who, text))
            room.members[who].read_seq = len(room.texts)
            assert shown(outcome.result) == (len(room.texts), text, who, False)

    @rule(who=who, place=place, door=door, seq=st.integers(0, 6))
    def read(self, who: str, place: str, door: str, seq: int) -> None:
        room = self.rooms[place]
        outcome = self.doors[door].mark_read(self.people[who], self.uris[place], seq)
        assert outcome.code == room.outside(who)
        if outcome.code is None:
            member = room.members[who]
            member.read_seq = max(member.read_seq, min(seq, len(room.texts)))
            assert outcome.result == {"seq": member.read_seq, "unread_count": room.unread(who)}

    @rule(who=who, place=place, door=door)
    def look(self, who: str, place: str, door: str) -> None:
        room = self.rooms[place]
        outcome = self.doors[door].changes(self.people[who], self.uris[place], 0)
        assert outcome.code == room.outside(who)
        if outcome.code is None:
            found = sorted(shown(message) for message in outcome.result["messages"])
            assert found == [(seq, each.text, each.author, each.deleted) for seq, each in room.seen(who).items()]
            present = {row["username"]: row["role"] for row in outcome.result["members"] if not row["left"]}
            assert present == {name: ROLES[member.rank] for name, member in room.members.items()}

    @rule(who=who, place=place, seq=seq)
    def edit(self, who: str, place: str, seq: int) -> None:
        room = self.rooms[place]
        answer = self.ask("PATCH", who, f"chats/{{{place}}}/messages/{seq}/", {"message": "Anew"})
        assert code(answer) == (
            room.outside(who)
            or self.silenced(who, place)
            or room.unseen(who, seq)
            or (NOT_FOUND if room.texts[seq - 1].deleted else None)
            or (NOT_ALLOWED if room.texts[seq - 1].author != who else None)
        )
        if answer.status == 200:
            room.texts[seq - 1].text = "Anew"
            assert shown(answer.json) == (seq, "Anew", who, False)

    @rule(who=who, place=place, seq=seq)
    def delete(self, who: str, place: str, seq: int) -> None:
        room = self.rooms[place]
        answer = self.ask("DELETE", who, f"chats/{{{place}}}/messages/{seq}/")
        assert code(answer) == (
            room.outside(who)
            or room.unseen(who, seq)
            or (NOT_ALLOWED if room.texts[seq - 1].author != who and not room.members[who].rank else None)
        )
        if answer.status == 200:
            room.texts[seq - 1] = Text(room.texts[seq - 1].author, "", deleted=True)
            assert shown(answer.json) == (seq, "", room.texts[seq - 1].author, True)

    @rule(who=who, place=place)
    def join(self, who: str, place: str) -> None:
        room = self.rooms[place]
        answer = self.ask("PATCH", who, f"chats/{{{place}}}/", {"username": who})
        assert code(answer) == (NOT_FOUND if room.outside(who) == NOT_FOUND else None)
        if answer.status == 200 and who not in room.members:
            room.admit(who)

    @rule(who=who, other=other)
    def add(self, who: str, other: str) -> None:
        room = self.rooms["group"]
        if who == other:
            return
        answer = self.ask("PATCH", who, "chats/{group}/", {"username": other})
        unwilling = other in room.banned or (other, who) in self.blocks
        assert code(answer) == (room.no_manager(who) or (INVALID if other not in room.members and unwilling else None))
        if answer.status == 200 and other not in room.members:
            room.admit(other)

    @rule(who=who, other=other, place=place)
    def remove(self, who: str, other: str, place: str) -> None:
        """Or leave."""
        room = self.rooms[place]
        answer = self.ask("DELETE", who, f"chats/{{{place}}}/members/{other}/")
        if who == other:
            assert code(answer) == (room.outside(who) or (NOT_ALLOWED if room.is_direct else None))
        else:
            absent = NOT_FOUND if other not in room.members else None
            assert code(answer) == (room.no_manager(who) or absent or room.not_above(who, other))
        if answer.status == 204:
            room.dismiss(other)

    @rule(who=who, other=other)
    def ban(self, who: str, other: str) -> None:
        room = self.rooms["group"]
        answer = self.ask("PUT", who, f"chats/{{group}}/bans/{other}/")
        assert code(answer) == (room.no_manager(who) or (room.not_above(who, other) if other in room.members else None))
        if answer.status == 204:
            room.banned.add(other)
            if other in room.members:
                room.dismiss(other)

    @rule(who=who, other=other)
    def unban(self, who: str, other: str) -> None:
        room = self.rooms["group"]
        answer = self.ask("DELETE", who, f"chats/{{group}}/bans/{other}/")
        assert code(answer) == (room.no_manager(who) or (None if other in room.banned else NOT_FOUND))
        room.banned -= {other} if answer.status == 204 else set()

    @rule(who=who, other=other, role=st.sampled_from(ROLES))
    def change_role(self, who: str, other: str, role: str) -> None:
        room = self.rooms["group"]
        answer = self.ask("PATCH", who, f"chats/{{group}}/members/{other}/", {"role": role})
        assert code(answer) == (
            room.no_manager(who)
            or (NOT_ALLOWED if room.members[who].rank < 2 else None)
            or (NOT_FOUND if other not in room.members else None)
            or (NOT_ALLOWED if room.members[other].rank == 2 and role != "owner" else None)
        )
        if answer.status == 200:
            if role == "owner":
                room.members[who].rank = 1
            room.members[other].rank = ROLES.index(role)

    @rule(who=who, joinable=st.booleans(), history=st.sampled_from(["full", "since_join"]), place=place)
    def edit_chat(self, who: str, joinable: bool, history: str, place: str) -> None:
        room = self.rooms[place]
        answer = self.ask("PATCH", who, f"chats/{{{place}}}/", {"joinable": joinable, "history": history})
        assert code(answer) == room.no_manager(who)
        if answer.status == 200:
            room.joinable, room.history = joinable, history

    @rule(who=who, other=other)
    def block(self, who: str, other: str) -> None:
        answer = self.ask("PUT", who, f"blocks/{other}/")
        assert code(answer) == (INVALID if who == other else None)
        if answer.status == 204:
            self.blocks.add((who, other))

    @rule(who=who, other=other)
    def unblock(self, who: str, other: str) -> None:
        answer = self.ask("DELETE", who, f"blocks/{other}/")
        assert code(answer) == (None if (who, other) in self.blocks else NOT_FOUND)
        self.blocks.discard((who, other))

    @rule(who=who)
    def list_chats(self, who: str) -> None:
        found = {chat["uri"]: chat["unread_count"] for chat in self.people[who].chats()["results"]}
        assert found == {self.uris[name]: room.unread(who) for name, room in self.rooms.items() if who in room.members}


def code(answer: Answer) -> str | None:
    """None where it has been done."""
    if answer.status < 300:
        return None
    return str(answer.json.get("code", INVALID if answer.status == 400 else answer.status))


def shown(message: Any) -> tuple[int, str, str, bool]:
    return message["seq"], message["message"], message["user"]["username"], message["deleted"]


@pytest.mark.timeout(600)  # a wrong history is made short for five minutes at most
def test_everybody_is_answered_as_the_model_says(meet: Meet, connect: Connect) -> None:
    people = dict(zip(NAMES, meet(*NAMES), strict=True))
    bounds = settings(
        max_examples=15,
        stateful_step_count=40,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: People(people, connect), settings=bounds)
