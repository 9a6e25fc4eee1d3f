"""The one shape of an operation: lock the chat and take its next version, then check and write, announce, commit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, IntegrityError, router, transaction
from django.db.models import F, Model
from django.dispatch import Signal

from .. import access, events, signals, wire
from ..clock import ClockTime
from ..exceptions import DATABASE_AWAY, ChatError, NotAllowed, NotAuthenticated
from ..models import OWNER_RANK, Chat, Membership, Message
from ..users import User, rows_of_users, stored_users


@dataclass(frozen=True, slots=True)
class Site:
    """What the site itself is in every chat: above every :attr:`Membership.rank`, and there since the first message."""

    rank: int = OWNER_RANK + 1
    first_seq: int = 1


class Change:
    """A chat under its lock, and the rows that the operation has changed in it so far.

    An ``actor`` of None is the site itself.
    """

    def __init__(self, actor: User | None, chat: Chat, membership: Membership | None) -> None:
        self.actor = actor
        self.chat = chat
        self.others: list[User] = []
        self.changed_messages: list[Message] = []
        self.changed_members: list[Membership] = []
        self._membership = membership
        self._details: set[str] = set()
        self._counters: set[str] = set()
        self._is_noted = False
        self._signals: list[tuple[Signal, type[Model], dict[str, Any]]] = []
        self._afterwards: list[Callable[[], object]] = []

    @property
    def version(self) -> int:
        return self.chat.version

    @property
    def time(self) -> datetime:
        """The database's time under the lock, so that times follow versions."""
        return self.chat.changed_at

    @property
    def present_member(self) -> Membership | None:
        """The actor's membership, if they are in."""
        return self._membership if self._membership and self._membership.is_present else None

    def require_member(self) -> Membership:
        """The actor's membership. Raises ``NotAMember`` or ``NotFound``."""
        if self.present_member is None:
            raise access.refusal(self.actor, self.chat)
        return self.present_member

    def require_writer(self) -> Membership:
        """Likewise, for what adds something. Raises ``NotAllowed`` where the other one of a personal chat has blocked
        the actor."""
        member = self.require_member()
        if not access.may_write(member):
            raise NotAllowed
        return member

    def require_group_member(self) -> Membership:
        """Likewise, for what a direct chat does not have. Raises ``NotAllowed`` there."""
        member = self.require_member()
        if self.chat.is_direct:
            raise NotAllowed
        return member

    def require_standing(self) -> Membership | Site:
        """What the actor is in this chat, where the site itself may act too. Raises ``NotAMember`` or ``NotFound``."""
        return Site() if self.actor is None else self.require_member()

    def require_owner(self) -> Membership | Site:
        """Likewise, for what takes the owner of a group. Raises ``NotAllowed`` otherwise."""
        standing = self.require_manager()
        if standing.rank < OWNER_RANK:
            raise NotAllowed
        return standing

    def require_manager(self) -> Membership | Site:
        """Likewise, for what takes an owner or an admin of a group. Raises ``NotAllowed`` otherwise."""
        standing = self.require_standing()
        if self.chat.is_direct or not standing.rank:
            raise NotAllowed
        return standing

    def save_message(self, message: Message, *fields: str) -> None:
        """Save only these fields, since an author's account may be deleted meanwhile; a new row is saved whole."""
        message.version = self.version
        message.save(update_fields=[*fields, "version"] if message.pk else None)
        self.changed_messages.append(message)

    def save_messages(self, messages: Sequence[Message], **values: Any) -> None:
        """Give all of these the same values, in one statement."""
        values["version"] = self.version
        Message.objects.filter(pk__in=[message.pk for message in messages]).update(**values)
        for message in messages:
            vars(message).update(values)
        self.changed_messages.extend(messages)

    def save_member(self, membership: Membership, *fields: str) -> None:
        """Save only these fields, since read marks move without the chat's lock; a new row is saved whole."""
        membership.version = self.version
        self.others.append(membership.user)
        membership.save(update_fields=[*fields, "version"] if membership.pk else None)
        self.changed_members.append(membership)

    def hold_account(self, user: User) -> None:
        """Raises as :func:`accounts_that_last` does."""
        self.others.append(user)
        hold_accounts([user])

    def set_details(self, **values: Any) -> None:
        """Change what belongs to the chat itself; values that are the present ones change nothing."""
        for name, value in values.items():
            if getattr(self.chat, name) != value:
                setattr(self.chat, name, value)
                self._details.add(name)

    def count_members(self, difference: int) -> None:
        self.chat.member_count += difference
        self._counters.add("member_count")

    def prune_to(self, seq: int) -> None:
        """All messages up to this one are tombstones."""
        self.chat.pruned_seq = seq
        self._counters.add("pruned_seq")
        self.note()

    def note(self) -> None:
        """Something has changed that no member is shown, such as a ban: their ``changes`` are empty."""
        self._is_noted = True

    def signal(self, signal: Signal, sender: type[Model], **arguments: Any) -> None:
        """Tell the site's own code as well, once the members have been told."""
        self._signals.append((signal, sender, arguments))

    def afterwards(self, act: Callable[[], object]) -> None:
        """Do this once everybody has been told: it may take long."""
        self._afterwards.append(act)

    def finish(self) -> bool:
        """Save the chat and announce the change; False where nothing has changed."""
        if not (self.changed_messages or self.changed_members or self._details or self._is_noted):
            return False
        if self._details:
            self.signal(signals.chat_edited, Chat, fields=frozenset(self._details))
            self.chat.details_version = self.version
            self._details.add("details_version")
        if self._details or self._counters:
            self.chat.save(update_fields=self._details | self._counters)
        self._announce()
        return True

    def _announce(self) -> None:
        events.chat_changed(
            wire.Changes(
                chat=self.chat,
                since=self.version - 1,
                version=self.version,
                messages=self.changed_messages,
                members=sorted(self.changed_members, key=lambda row: row.pk),  # as they are read
                details=bool(self._details),
            )
        )
        for signal, sender, arguments in self._signals:
            events.send_signal(signal, sender, chat=self.chat, actor=self.actor, **arguments)
        for act in self._afterwards:
            events.after_commit(act)


def fits_a_frame(message: Message) -> bool:
    """Very long names among the reactions may make it too large to be told."""
    return len(wire.encode(wire.message(message)).encode()) <= access.PAGE_BYTES


@contextmanager
def changing(actor: User | None, uri: str, *, sending: bool = False) -> Iterator[Change]:
    """The chat, locked, in a transaction that commits when the block ends and has changed something.

    The first statement does nothing but lock and count. Whatever is judged is read after it, so that it is true until
    the commit: a check within the locking statement would see the rows from before the wait. An exception, or a block
    that changes nothing, rolls back and takes no version. ``sending`` takes the next seq as well.

    Raises ``NotFound`` for an unknown uri, and what :func:`accounts_that_last` raises.
    """
    database = router.db_for_write(Chat)
    others: list[User] = []
    with accounts_that_last(actor, others), transaction.atomic(using=database):
        locked = Chat.objects.with_uri(uri).update(
            version=F("version") + 1,
            changed_at=ClockTime(),
            **({"last_seq": F("last_seq") + 1, "active_at": ClockTime()} if sending else {}),
        )
        if not locked:
            raise access.refusal(actor, None)
        change = _under_lock(actor, uri)
        change.others = others
        yield change
        if not change.finish():
            transaction.set_rollback(True, using=database)
            change.chat.version -= 1  # what is returned says what is stored


@contextmanager
def accounts_that_last(
    actor: User | None, others: Sequence[User] = (), nobody: ChatError | None = None
) -> Iterator[None]:
    """Around a transaction that names these accounts, of which any may be deleted before it commits.

    Raises ``NotAuthenticated`` where the actor is gone, and, where another is, what a name of nobody gets: by default
    the ``Invalid`` for a ``username``.
    """
    try:
        yield
    except DatabaseError as error:  # a foreign key, or an update of a row that has gone
        if isinstance(error, DATABASE_AWAY):
            raise
        named = [user for user in (actor, *others) if user is not None]
        stored = stored_users().in_bulk([user.pk for user in named])
        gone = [user for user in named if user.pk not in stored]
        if actor in gone:
            raise NotAuthenticated from None
        if gone:
            raise nobody or access.nobody("username") from None
        raise


def hold_accounts(users: Sequence[User]) -> None:
    """Keep these accounts from being deleted, and from blocking anybody, until the transaction ends. Raises
    ``IntegrityError`` where one is gone, as foreign keys do, but those not before the end."""
    rows = rows_of_users().select_for_update(no_key=True).filter(pk__in=[user.pk for user in users])
    # In order, so that two that hold several do not wait for each other.
    if len(rows.order_by("pk").values_list("pk")) < len(users):
        raise IntegrityError("An account is gone.")


def hold_membership(actor: User, uri: str) -> Membership:
    """The actor's membership, which nobody ends before the transaction does, for what is no change of the chat. Raises
    ``NotAMember`` or ``NotFound``."""
    Membership.objects.present().of(actor).filter(chat__in=Chat.objects.with_uri(uri)).update(read_seq=F("read_seq"))
    return access.membership(actor, uri)


def _under_lock(actor: User | None, uri: str) -> Change:
    membership = _membership(actor, uri)
    if membership is None:
        return Change(actor, Chat.objects.select_related("owner").get(uri=uri), None)
    return Change(actor, membership.chat, membership)


def _membership(actor: User | None, uri: str) -> Membership | None:
    if actor is None:
        return None
    membership = Membership.objects.of(actor).filter(chat__uri=uri).select_related("chat__owner").first()
    if membership is not None:
        membership.user = actor
    return membership
