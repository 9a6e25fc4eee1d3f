"""Any old view of a chat, plus the changes since, is the chat as it is: after any history, on pages of any size."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any, NamedTuple

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from django_bpo_chat import operations
from django_bpo_chat.exceptions import ChatError, NotFound
from django_bpo_chat.models import Membership, Message
from django_bpo_chat.testing import access_token
from django_bpo_chat.users import handle
from tests.deeds import PREPARATIONS, Deed, Deeds
from tests.fixtures import Meet
from tests.person import Person
from tests.successes import noted_successes

DETAILS = ("title", "owner", "joinable", "history")


@dataclass
class View:
    """What a client holds of one chat. It is fetched once, and from then on follows the changes."""

    person: Person
    uri: str
    version: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)
    messages: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def fetched(cls, person: Person, uri: str) -> View:
        chat = person.chat(uri)
        view = cls(person, uri, chat["version"], {name: chat[name] for name in DETAILS})
        page = person.get(f"chats/{uri}/members/", limit=200).done()
        view.members = {row["username"]: row for row in page["results"]}
        assert len(view.members) == chat["member_count"]
        page = person.messages(uri, limit=200)
        view.messages = {row["seq"]: row for row in page["results"]}
        return view

    def caught_up(self, limit: int) -> View:
        """This view, or a new one where the person has been out meanwhile and is in again."""
        more = True
        while more:
            page = self.person.changes(self.uri, self.version, limit=limit)
            assert page["version"] > self.version or not page["more"]
            if self.is_void_by(page):
                return View.fetched(self.person, self.uri)
            self.apply(page)
            more = page["more"]
        return self

    def is_void_by(self, changes: Any) -> bool:
        """By the person's own row, if there was one."""
        own = self.members.get(self.person.username)
        return own is not None and any(
            row["joined_at"] != own["joined_at"] for row in changes["members"] if row["username"] == own["username"]
        )

    def apply(self, changes: Any) -> None:
        """The client's one rule."""
        if changes["version"] <= self.version:
            return
        assert changes["since"] <= self.version
        for row in changes["messages"]:
            self.messages[row["seq"]] = row
        for row in changes["members"]:
            self.members[row["username"]] = row
        self.details = changes["details"] or self.details
        self.version = changes["version"]

    def shown(self) -> dict[str, Any]:
        """What the client's user sees: it does not show who is out."""
        return {
            "version": self.version,
            "details": self.details,
            "members": {name: row for name, row in self.members.items() if not row["left"]},
            "messages": self.messages,
        }


class Step(NamedTuple):
    """Somebody tries something, of which not every number matters."""

    act: str
    mood: str
    actor: int
    other: int
    number: int

    @property
    def choice(self) -> int:
        """One number of all."""
        return (self.actor * 4 + self.other) * 12 + self.number


class World:
    """Some people, their chats, and the views that some of them have opened."""

    def __init__(self, people: Sequence[Person], done: Sequence[str], acts: Counter[str]) -> None:
        self.people = people
        self.done = done
        self.acts = acts
        self.chats: list[str] = []
        self.views: list[View] = []
        self.said = 0
        self.first_seqs: dict[tuple[str, str], int] = {}
        self.blocks: set[tuple[str, str]] = set()
        self.personal: dict[str, set[str]] = {}

    def do(self, step: Step) -> None:
        """What the step says, or, by somebody sensible, one of the things that make sense now."""
        chat = self.chats[step.number % len(self.chats)]
        deed = Deed(self.people[step.actor], chat, self.people[step.other], step.number)
        if step.mood == "reckless":
            self.attempt(step.act, deed)
            return
        if step.act in PREPARATIONS and not Deeds(self.people, deed).of(step.act):
            self.do(step._replace(act=PREPARATIONS[step.act]))
        if deeds := Deeds(self.people, deed).of(step.act):
            self.attempt(step.act, deeds[step.choice % len(deeds)])

    def attempt(self, act: str, deed: Deed) -> None:
        """What is refused changes nothing, which the views will tell; what has changed something is counted."""
        before = len(self.done)
        with suppress(ChatError, Message.DoesNotExist):
            getattr(self, act)(deed.actor, deed.other, deed.chat, deed.seq)
            self.acts[act] += act == "look" or len(self.done) > before
        self.note_arrivals()

    def note_arrivals(self) -> None:
        """From which message on somebody may see a chat is settled when they come in."""
        present = Membership.objects.present().select_related("chat", "user")
        arrived = {(handle(row.user), row.chat.uri): row.chat for row in present}
        self.first_seqs = {
            who: self.first_seqs.get(who) or (1 if chat.history == "full" else chat.last_seq + 1)
            for who, chat in arrived.items()
        }

    def start(self, actor: Person, other: Person, chat: str, number: int) -> None:
        """Everybody is in it and has said something: the first four messages are theirs."""
        names = [person.username for person in self.people]
        self.chats.append(operations.start_group(actor=actor.user, members=names).uri)
        for person in self.people:
            self.send(person, other, self.chats[-1], 1)
        self.note_arrivals()

    def start_direct(self, actor: Person, other: Person, chat: str, number: int) -> None:
        uri = operations.start_direct(actor=actor.user, username=other.username)[0].uri
        if uri not in self.chats:
            assert (other.username, actor.username) not in self.blocks
            self.chats.append(uri)
            self.personal[uri] = {actor.username, other.username}
            self.note_arrivals()

    def hello(self) -> str:
        """Something that has not been said before."""
        self.said += 1
        return f"Hello {self.said}"

    def send(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.send_message(
            actor=actor.user,
            chat=chat,
            text=self.hello() + f" @{other.username}" * (number % 2),
            client_id=f"{number}" if number % 3 == 0 else "",
            reply_to=number // 2 or None,
        )
        self.check_may_write(actor, chat)

    def send_file(self, actor: Person, other: Person, chat: str, number: int) -> None:
        file = ContentFile(b"Hello", name="hello.txt")
        attachment = operations.upload_attachment(actor=actor.user, chat=chat, file=file)
        text = "Hello" * (number % 2)
        operations.send_message(actor=actor.user, chat=chat, text=text, attachments=[attachment.key])
        self.check_may_write(actor, chat)

    def prune(self, actor: Person, other: Person, chat: str, number: int) -> None:
        """A message, and what is older."""
        youngest = Message.objects.get(chat__uri=chat, seq=number)
        for _ in operations.prune_messages(older_than=timezone.now() - youngest.created_at, chat=chat):
            pass

    def delete_all(self, actor: Person, other: Person, chat: str, number: int) -> None:
        for _ in operations.delete_messages_of(author=actor.user):
            pass

    def edit(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.edit_message(actor=actor.user, chat=chat, seq=number, text=f"{self.hello()} @{other.username}")
        self.check_may_write(actor, chat)

    def delete(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.delete_message(actor=actor.user, chat=chat, seq=number)

    def react(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.add_reaction(actor=actor.user, chat=chat, seq=number, emoji="👍🎉"[number % 2])
        self.check_may_write(actor, chat)

    def take_back(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.remove_reaction(actor=actor.user, chat=chat, seq=number, emoji="👍🎉"[number % 2])

    def join(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.join_chat(actor=actor.user, chat=chat)

    def add(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.add_member(actor=actor.user, chat=chat, username=other.username)

    def leave(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.leave_chat(actor=actor.user, chat=chat)

    def come_back(self, actor: Person, other: Person, chat: str, number: int) -> None:
        self.leave(actor, other, chat, number)
        self.note_arrivals()
        self.join(actor, other, chat, number)
        self.look(actor, other, chat, number)

    def remove(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.remove_member(actor=actor.user, chat=chat, username=other.username)

    def ban(self, actor: Person, other: Person, chat: str, number: int) -> None:
        """Somebody who then tries to come in."""
        operations.ban_user(actor=actor.user, chat=chat, username=other.username)
        with pytest.raises(NotFound):
            operations.join_chat(actor=other.user, chat=chat)

    def unban(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.unban_user(actor=actor.user, chat=chat, username=other.username)

    def block(self, actor: Person, other: Person, chat: str, number: int) -> None:
        """The other one of a personal chat, else anybody, who then tries to write."""
        pair = [person for person in self.people if person.username in self.personal.get(chat, ())]
        blocked = next((person for person in pair if person is not actor), other)
        operations.block_user(actor=actor.user, username=blocked.username)
        self.blocks.add((actor.username, blocked.username))
        with suppress(ChatError):
            self.send(blocked, actor, chat, number)

    def unblock(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.unblock_user(actor=actor.user, username=other.username)
        self.blocks.remove((actor.username, other.username))

    def check_may_write(self, actor: Person, chat: str) -> None:
        others = self.personal.get(chat, set()) - {actor.username}
        assert not any((other, actor.username) in self.blocks for other in others)

    def invite(self, actor: Person, other: Person, chat: str, number: int) -> None:
        token = operations.create_invite(actor=actor.user, chat=chat, max_uses=1).token
        operations.accept_invite(actor=other.user, token=token)

    def revoke(self, actor: Person, other: Person, chat: str, number: int) -> None:
        token = operations.create_invite(actor=actor.user, chat=chat).token
        operations.revoke_invite(actor=actor.user, chat=chat, token=token)
        with pytest.raises(NotFound):
            operations.accept_invite(actor=other.user, token=token)

    def change_role(self, actor: Person, other: Person, chat: str, number: int) -> None:
        role = ["member", "admin", "owner"][number % 3]
        operations.change_role(actor=actor.user, chat=chat, username=other.username, role=role)

    def edit_title(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.edit_chat(actor=actor.user, chat=chat, title=f"Title {number % 3}")

    def edit_joinable(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.edit_chat(actor=actor.user, chat=chat, joinable=bool(number % 2))

    def edit_history(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.edit_chat(actor=actor.user, chat=chat, history=["full", "since_join"][number % 2])

    def read(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.mark_read(actor=actor.user, chat=chat, seq=number)

    def unread(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.mark_unread(actor=actor.user, chat=chat, seq=number)

    def prefer(self, actor: Person, other: Person, chat: str, number: int) -> None:
        operations.edit_preferences(actor=actor.user, chat=chat, muted=bool(number % 2), pinned=bool(number % 3))

    def report(self, actor: Person, other: Person, chat: str, number: int) -> None:
        report, _ = operations.report_message(actor=actor.user, chat=chat, seq=number, reason="Spam")
        operations.resolve_report(report=report)

    def look(self, actor: Person, other: Person, chat: str, number: int) -> None:
        if actor.get(f"chats/{chat}/").status != 200:
            raise NotFound
        self.views.append(View.fetched(actor, chat))

    def views_of_members(self) -> list[View]:
        """Those of the others are of no use."""
        return [view for view in self.views if (view.person.username, view.uri) in self.first_seqs]


def check_the_counts(person: Person) -> None:
    """Of all chats: what is unread is what stands beyond the mark, in the history that this person is shown."""
    for chat in person.chats()["results"]:
        mark = Membership.objects.of(person.user).get(chat__uri=chat["uri"]).read_seq
        history = person.messages(chat["uri"], limit=200)["results"]
        unread = [message for message in history if message["seq"] > mark and not message["deleted"]]
        assert chat["unread_count"] == len(unread)
        assert chat["mention_count"] == sum(person.username in message["mentions"] for message in unread)


def check_what_is_seen(person: Person, first_seqs: Mapping[tuple[str, str], int]) -> None:
    """In the history, and by searching for what is in each text, from the first message on that they may see."""
    seen = {
        (chat["uri"], message["seq"]): message
        for chat in person.chats()["results"]
        for message in person.messages(chat["uri"], limit=200)["results"]
    }
    assert seen.keys() == {
        (message.chat.uri, message.seq)
        for message in Message.objects.select_related("chat")
        if message.seq >= first_seqs.get((person.username, message.chat.uri), inf)
    }
    assert found(person, "hello") == {
        place: message for place, message in seen.items() if "Hello" in message["message"]
    }
    assert all(
        "Hello" in message["message"] or message["deleted"] or message["attachments"] for message in seen.values()
    )


def found(person: Person, words: str) -> dict[tuple[str, int], Any]:
    page = person.search(words, limit=200)
    results = {(each["chat"], each["message"]["seq"]): each["message"] for each in page["results"]}
    assert page["next"] is None
    assert len(results) == len(page["results"])
    return results


# What makes a history interesting comes more often.
ACTS = [
    *("send",) * 4,
    *("look", "come_back") * 2,
    *("edit", "delete", "react", "join", "add", "leave", "remove", "change_role", "block") * 2,
    *("take_back", "ban", "unban", "unblock", "invite", "revoke", "read", "unread", "send_file", "prune", "delete_all"),
    *("edit_title", "edit_joinable", "edit_history", "start", "start_direct", "prefer", "report"),
]
NOT_FOLLOWED = {
    # The end of an account is no change of a chat: who holds one where it was is not told.
    "release_user",
    # These change nothing of what anybody sees.
    *("prune_attachments", "count_messages_of", "count_old_messages", "count_unsent_attachments"),
}
MOODS = ["idle", *("reckless",) * 2, *("sensible",) * 13]
"""Most try what makes sense, or hardly anything would be done. The shortest history is one of idleness."""


def history_of(dice: Random, ways: Sequence[tuple[str, int, int, int]]) -> list[Step]:
    """Each of the acts, but for those who are idle: so none is missing in all histories."""
    acts = dice.sample(ACTS, len(ACTS))
    return [Step(act, *way) for act, way in zip(acts, ways, strict=True) if way[0] != "idle"]


ways = st.tuples(st.sampled_from(MOODS), st.integers(0, 3), st.integers(0, 3), st.integers(0, 11))
histories = st.builds(
    history_of,
    st.randoms(use_true_random=True),  # whose order is not searched for a simpler one
    st.lists(ways, min_size=len(ACTS), max_size=len(ACTS)),
)


@pytest.mark.thorough
@pytest.mark.timeout(600)  # a wrong history is made short for five minutes at most
def test_an_old_view_and_the_changes_since_are_a_fresh_view(meet: Meet) -> None:
    people = meet("wali", "mabel", "otis", "ines")
    acts: Counter[str] = Counter()

    @given(history=histories, limit=st.sampled_from([200, 3, 2, 1]))
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    def check(history: list[Step], limit: int) -> None:
        for person in people:
            person.access = access_token(person.user)  # the search for the shortest wrong history outlives any
        with transaction.atomic():
            world = World(people, done, acts)
            world.start(people[0], people[1], "", 0)
            world.start(people[1], people[0], "", 0)
            operations.edit_chat(actor=None, chat=world.chats[1], history="since_join")
            world.start_direct(people[0], people[1], "", 0)
            for person in people:
                world.look(person, person, world.chats[0], 0)
            for step in history:
                world.do(step)
            fresh = {}
            for view in world.views_of_members():
                key = view.person.username, view.uri
                if key not in fresh:
                    fresh[key] = View.fetched(view.person, view.uri).shown()
                    assert View(view.person, view.uri).caught_up(limit).shown() == fresh[key]
                assert view.caught_up(limit).shown() == fresh[key]
            for person in people:
                check_the_counts(person)
                check_what_is_seen(person, world.first_seqs)
            transaction.set_rollback(True)

    with noted_successes() as done:
        check()
    assert {*ACTS} - {*+acts} == set(), "These acts have never succeeded."
    assert {*operations.__all__} - {*done} == NOT_FOLLOWED, "These operations have never changed anything."


def test_no_operation_is_forgotten() -> None:
    acts = "".join(inspect.getsource(getattr(World, act)) for act in set(ACTS))
    assert {*re.findall(r"operations\.(\w+)\(", acts), *NOT_FOLLOWED} == {*operations.__all__}
