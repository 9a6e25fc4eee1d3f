"""What people may do in their chats at a given moment: of what they try at random, hardly anything would succeed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from typing import Any, NamedTuple

from django_bpo_chat.models import OWNER_RANK, Ban, Block, Chat, Membership, Message, Reaction
from tests.person import Person

PREPARATIONS = {
    "add": "remove",
    "invite": "remove",
    "join": "leave",
    "revoke": "remove",
    "take_back": "react",
    "unban": "ban",
    "unblock": "block",
}
"""What may have to be done first."""


@dataclass(frozen=True)
class Deed:
    """By whom and where something is done; and to whom, or to which message, as far as it is about that."""

    actor: Person
    chat: str
    other: Person
    seq: int


class Live(NamedTuple):
    """A message that is no tombstone."""

    pk: int
    chat: int
    uri: str
    seq: int
    author: Any


class Deeds:
    """Those that would change something at this moment. Each method is an act.

    Whatever an act is not about is as in the deed that is given. The order is the same on each database, and what is
    stored is read only as far as the act depends on it.
    """

    def __init__(self, people: Iterable[Person], deed: Deed) -> None:
        self._people = {person.user.pk: person for person in people}
        self._given = deed

    def of(self, act: str) -> Sequence[Deed]:
        """None also for what takes no choice."""
        return list(getattr(self, act, tuple)())

    # What every member does.

    def look(self) -> Iterator[Deed]:
        return map(self._deed, self._members)

    prefer = look

    def read(self) -> Iterator[Deed]:
        for member in self._members:
            if member.read_seq < member.chat.last_seq:
                yield self._deed(member, seq=member.chat.last_seq)

    def unread(self) -> Iterator[Deed]:
        for member in self._members:
            if member.read_seq >= member.first_seq:
                yield self._deed(member, seq=member.read_seq - 1)

    def send(self) -> Iterator[Deed]:
        return map(self._deed, self._writers)

    send_file = send

    def edit(self) -> Iterator[Deed]:
        for member, message in self._seen_by(self._writers):
            if message.author == member.user_id:
                yield self._deed(member, seq=message.seq)

    def delete(self) -> Iterator[Deed]:
        for member, message in self._seen_by(self._members):
            if message.author == member.user_id or member.rank:
                yield self._deed(member, seq=message.seq)

    def report(self) -> Iterator[Deed]:
        for member, message in self._seen_by(self._members):
            if message.author != member.user_id:
                yield self._deed(member, seq=message.seq)

    def react(self) -> Iterator[Deed]:
        for member, message in self._seen_by(self._writers):
            if (message.pk, member.user_id) not in self._reactions:
                yield self._deed(member, seq=message.seq)

    def take_back(self) -> Iterator[Deed]:
        for member, message in self._seen_by(self._members):
            if (message.pk, member.user_id) in self._reactions:
                yield self._deed(member, seq=message.seq)

    def leave(self) -> Iterator[Deed]:
        return (self._deed(member) for member in self._members if not member.chat.is_direct)

    def come_back(self) -> Iterator[Deed]:
        return (self._deed(member) for member in self._members if member.chat.joinable)

    def join(self) -> Iterator[Deed]:
        for chat in Chat.objects.filter(joinable=True).order_by("pk"):
            for user in self._outsiders(chat):
                yield replace(self._given, actor=self._people[user], chat=chat.uri)

    # What owners and admins do.

    def edit_title(self) -> Iterator[Deed]:
        return map(self._deed, self._managers)

    def edit_joinable(self) -> Iterator[Deed]:
        """By an even number for what is not to be joined."""
        return (self._deed(manager, seq=int(not manager.chat.joinable)) for manager in self._managers)

    def edit_history(self) -> Iterator[Deed]:
        """By an even number for what is to be seen by newcomers."""
        return (self._deed(manager, seq=int(manager.chat.history == Chat.History.FULL)) for manager in self._managers)

    def invite(self) -> Iterator[Deed]:
        for manager in self._managers:
            for user in self._outsiders(manager.chat):
                yield self._deed(manager, user)

    revoke = invite

    def add(self) -> Iterator[Deed]:
        return (deed for deed in self.invite() if (deed.other.user.pk, deed.actor.user.pk) not in self._blocks)

    def remove(self) -> Iterator[Deed]:
        for manager in self._managers:
            for member in self._others(manager):
                if member.rank < manager.rank:
                    yield self._deed(manager, member.user_id)

    ban = remove

    def unban(self) -> Iterator[Deed]:
        for manager in self._managers:
            for user in self._people:
                if (manager.chat_id, user) in self._bans:
                    yield self._deed(manager, user)

    def promote(self) -> Iterator[Deed]:
        for owner in self._owners:
            for member in self._others(owner):
                if not member.rank:
                    yield self._deed(owner, member.user_id)

    def hand_over(self) -> Iterator[Deed]:
        for owner in self._owners:
            for member in self._others(owner):
                yield self._deed(owner, member.user_id)

    change_role = hand_over

    # What people do about each other.

    def start(self) -> Iterator[Deed]:
        """With all of these people."""
        for user, person in self._people.items():
            if not any((other, user) in self._blocks for other in self._people):
                yield replace(self._given, actor=person)

    def start_direct(self) -> Iterator[Deed]:
        direct = [member for member in self._members if member.chat.is_direct]
        existing = {(member.user_id, other.user_id) for member in direct for other in self._others(member)}
        for user, other in permutations(self._people, 2):
            if (other, user) not in self._blocks and (user, other) not in existing:
                yield replace(self._given, actor=self._people[user], other=self._people[other])

    def block(self) -> Iterator[Deed]:
        """Of those who have a chat together."""
        for member in self._members:
            for other in self._others(member):
                if (member.user_id, other.user_id) not in self._blocks:
                    yield self._deed(member, other.user_id)

    def unblock(self) -> Iterator[Deed]:
        for user, other in permutations(self._people, 2):
            if (user, other) in self._blocks:
                yield replace(self._given, actor=self._people[user], other=self._people[other])

    # What the site does.

    def prune(self) -> Iterator[Deed]:
        """Up to each chat's oldest message."""
        for messages in self._live.values():
            yield replace(self._given, chat=messages[0].uri, seq=messages[0].seq)

    def delete_all(self) -> Iterator[Deed]:
        """Of each author."""
        authors = {message.author for messages in self._live.values() for message in messages}
        return (replace(self._given, actor=person) for user, person in self._people.items() if user in authors)

    # What is stored.

    @cached_property
    def _members(self) -> Sequence[Membership]:
        present = Membership.objects.present().filter(user__in=self._people)
        return list(present.select_related("chat").order_by("pk"))

    @cached_property
    def _members_by_chat(self) -> Mapping[int, Sequence[Membership]]:
        members = defaultdict(list)
        for member in self._members:
            members[member.chat_id].append(member)
        return members

    @property
    def _managers(self) -> Iterator[Membership]:
        return (member for member in self._members if member.rank)

    @property
    def _owners(self) -> Iterator[Membership]:
        return (member for member in self._members if member.rank == OWNER_RANK)

    @property
    def _writers(self) -> Iterator[Membership]:
        for member in self._members:
            others = self._others(member) if member.chat.is_direct else ()
            if not any((other.user_id, member.user_id) in self._blocks for other in others):
                yield member

    def _others(self, member: Membership) -> Iterator[Membership]:
        return (other for other in self._members_by_chat[member.chat_id] if other is not member)

    def _outsiders(self, chat: Chat) -> Iterator[Any]:
        """Those who are welcome."""
        present = {member.user_id for member in self._members_by_chat[chat.pk]}
        return (user for user in self._people if user not in present and (chat.pk, user) not in self._bans)

    def _seen_by(self, members: Iterable[Membership]) -> Iterator[tuple[Membership, Live]]:
        for member in members:
            for message in self._live.get(member.chat_id, ()):
                if message.seq >= member.first_seq:
                    yield member, message

    @cached_property
    def _live(self) -> Mapping[int, Sequence[Live]]:
        rows = Message.objects.filter(deleted_at=None, author__in=self._people).order_by("chat", "seq")
        live = defaultdict(list)
        for row in rows.values_list("pk", "chat", "chat__uri", "seq", "author"):
            live[row[1]].append(Live(*row))
        return live

    @cached_property
    def _reactions(self) -> set[tuple[int, Any]]:
        return set(Reaction.objects.values_list("message", "user"))

    @cached_property
    def _bans(self) -> set[tuple[int, Any]]:
        return set(Ban.objects.values_list("chat", "user"))

    @cached_property
    def _blocks(self) -> set[tuple[Any, Any]]:
        return set(Block.objects.values_list("blocker", "blocked"))

    def _deed(self, member: Membership, other: Any = None, seq: int | None = None) -> Deed:
        return Deed(
            actor=self._people[member.user_id],
            chat=member.chat.uri,
            other=self._given.other if other is None else self._people[other],
            seq=self._given.seq if seq is None else seq,
        )
