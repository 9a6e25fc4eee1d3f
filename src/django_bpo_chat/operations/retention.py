"""Messages that are kept for so long, or for as long as their author: then tombstones are left of them.

There may be very many. So the functions are iterators that work in batches, each a transaction and a version of its
own, and yield how many messages they have deleted in each. They may be left, and begun again, at any time.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import accumulate, groupby, takewhile

from .. import access, wire
from ..exceptions import NotFound
from ..models import Chat, ChatQuerySet, Membership, Message, MessageQuerySet, Report, lock_order
from ..users import User
from .change import Change, changing
from .tombstones import bury

BATCH = 50
"""Messages. The tombstones of a batch are one version, which is told in one frame."""

CHATS_AT_ONCE = 500


def prune_messages(*, older_than: timedelta, chat: str | None = None) -> Iterator[int]:
    """Delete all messages that are so old, in all chats or in one, and what was reported of them.

    Raises ``NotFound`` for an unknown chat.
    """
    for each in _chats(older_than, chat):
        with suppress(NotFound):  # it is gone meanwhile
            yield from _prune_chat(each.uri, older_than)


def count_old_messages(*, older_than: timedelta, chat: str | None = None) -> int:
    """How many messages :func:`prune_messages` would delete; after a clock was set back it may be fewer. Raises
    ``NotFound``."""
    return sum(_count_old(each, older_than) for each in _chats(older_than, chat))


def count_messages_of(*, author: User) -> int:
    """How many messages :func:`delete_messages_of` would delete."""
    return Message.objects.filter(author=author, deleted_at=None).count()


def delete_messages_of(*, author: User) -> Iterator[int]:
    """Delete all messages of somebody, in all chats."""
    live = Message.objects.filter(author=author, deleted_at=None).order_by("created_at", "pk").select_related("chat")
    batch = list(live[:BATCH])
    while batch:
        batch.sort(key=lambda message: message.chat.uri)
        for uri, messages in groupby(batch, key=lambda message: message.chat.uri):
            with suppress(NotFound):
                yield _delete_by(author, uri, [message.seq for message in messages])
        # What was deleted before this batch is not looked through again.
        batch = list(live.filter(created_at__gte=min(message.created_at for message in batch))[:BATCH])


def lock_chats_of(user: User) -> None:
    """Where they are, and where they have written: in order, as whoever locks several chats at once does."""
    present = Membership.objects.present().of(user).values("chat")
    written = Message.objects.filter(author=user, deleted_at=None).values("chat")
    chats = Chat.objects.filter(pk__in=present.union(written))
    list(chats.select_for_update(no_key=True).order_by(lock_order()).values_list("pk"))


def _chats(age: timedelta, uri: str | None) -> Iterator[Chat]:
    """Those with messages that are so old."""
    chats: ChatQuerySet = Chat.objects.with_messages_older_than(age).order_by("pk")
    if uri is not None:
        if not Chat.objects.with_uri(uri).exists():
            raise NotFound
        chats = chats.with_uri(uri)
    some = list(chats[:CHATS_AT_ONCE])
    while some:
        yield from some
        some = list(chats.filter(pk__gt=some[-1].pk)[:CHATS_AT_ONCE])


def _count_old(chat: Chat, age: timedelta) -> int:
    """Times follow seqs, and seqs have no hole: so where they end is found as a word in a dictionary. Of tombstones
    there is an index."""
    messages = Message.objects.filter(chat=chat)
    old = messages.older_than(age)
    seqs = range(chat.pruned_seq + 1, chat.last_seq + 1)
    number = bisect_left(seqs, True, key=lambda seq: not old.filter(seq=seq).exists())
    tombstones = messages.filter(deleted_at__isnull=False, seq__gt=chat.pruned_seq, seq__lte=chat.pruned_seq + number)
    return number - tombstones.count()


def _prune_chat(uri: str, age: timedelta) -> Iterator[int]:
    """What has been pruned is the beginning of the chat, so the next batch is known by its seqs."""
    is_done = False
    while not is_done:
        with changing(None, uri) as change:
            begin = change.chat.pruned_seq + 1
            following = _under_lock(change, Message.objects.filter(seq__range=(begin, begin + BATCH - 1)))
            # After a clock was set back, an old message may stand behind a newer one, and waits for that.
            messages = list(takewhile(lambda message: message.created_at < change.time - age, following))
            if messages:
                change.prune_to(messages[-1].seq)
            deleted = _delete(change, messages)
            Report.objects.filter(message__in=messages).delete()
            is_done = not messages
        yield deleted


def _delete_by(author: User, uri: str, seqs: list[int]) -> int:
    with changing(None, uri) as change:
        return _delete(change, _under_lock(change, Message.objects.filter(seq__in=seqs, author=author)))


def _under_lock(change: Change, messages: MessageQuerySet) -> list[Message]:
    found = access.with_parts((access.messages_with_authors() & messages).filter(chat=change.chat).order_by("seq"))
    for message in found:
        message.chat = change.chat
    return _fitting(found)


def _fitting(messages: list[Message]) -> list[Message]:
    """The first of them whose tombstones are one frame together, at least one: names may be very long."""
    sizes = accumulate(len(wire.encode(wire.tombstone(message)).encode()) + 1 for message in messages)
    return messages[: max(1, sum(size <= access.PAGE_BYTES for size in sizes))]


def _delete(change: Change, messages: Sequence[Message]) -> int:
    live = [message for message in messages if not message.is_deleted]
    if live:
        bury(change, live)
    return len(live)
