"""The only place from which anything is announced: to the bus and to the site, after commit, and never at the request's
expense."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import router, transaction
from django.db.models import Model
from django.dispatch import Signal

from . import wire
from .conf import chat_settings
from .models import Chat, Membership
from .users import User, handle

logger = logging.getLogger(__name__)

ENVELOPE_VERSION = 1
"""Processes of two releases run side by side during a deploy; they pass over envelopes that they do not know."""


Envelope = dict[str, Any]
"""An event on the bus: ``v``, ``kind``, and what that kind needs."""


witnesses: list[Callable[[Envelope], None]] = []
"""What sees each event right before the bus takes it: the recordings of tests."""


def user_key(user_id: Any) -> str:
    """A user's primary key as the bus carries it, whatever its type."""
    return str(user_id)


def changes_envelope(changes: wire.Changes) -> Envelope:
    """A ``changes`` frame, encoded once for the whole cluster, and who is told of it.

    ``joined`` are the present members among the changed rows with the first seq they may see; ``left`` are those
    who are out, each with the version of that and the frame that tells them so and nothing else.
    """
    return {
        "v": ENVELOPE_VERSION,
        "kind": "changes",
        "chat": changes.chat.uri,
        "since": changes.since,
        "version": changes.version,
        "frame": wire.frame("changes", wire.changes(changes)),
        "lowest_seq": min((row.seq for row in changes.messages), default=None),
        "highest_seq": max((row.seq for row in changes.messages), default=None),
        "joined": [(user_key(row.user_id), row.first_seq) for row in changes.members if row.is_present],
        "left": [
            (user_key(row.user_id), row.version, _farewell(changes, row))
            for row in changes.members
            if not row.is_present
        ],
    }


def _farewell(changes: wire.Changes, row: Membership) -> str:
    own_row = wire.Changes(chat=changes.chat, since=changes.since, version=row.version, members=[row])
    return wire.frame("changes", wire.changes(own_row))


def chat_changed(changes: wire.Changes) -> None:
    """Tell every member of a durable change."""
    _publish(changes_envelope(changes))


def marked_read(chat: Chat, reader: User, seq: int, *, to_others: bool) -> None:
    """Tell the members, or only the reader's own clients, how far somebody has read; may be lost."""
    frame = wire.frame("read", {"chat": chat.uri, "username": handle(reader), "seq": seq})
    if to_others:
        read = {"kind": "ephemeral", "chat": chat.uri, "reader": user_key(reader.pk), "frame": frame}
        _publish({"v": ENVELOPE_VERSION, **read})
    else:
        _tell_one(reader.pk, frame)


def preferences_changed(member: Membership) -> None:
    """Tell a member's own clients how they want to see a chat; may be lost."""
    _tell_one(member.user_id, wire.frame("me", {"chat": member.chat.uri, **wire.preferences(member)}))


def _tell_one(user_id: Any, frame: str) -> None:
    _publish({"v": ENVELOPE_VERSION, "kind": "personal", "user": user_key(user_id), "frame": frame})


def typing_envelope(chat: str, typist: User) -> Envelope:
    frame = wire.frame("typing", {"chat": chat, "username": handle(typist)})
    return {"v": ENVELOPE_VERSION, "kind": "typing", "chat": chat, "user": user_key(typist.pk), "frame": frame}


def typing(chat: str, typist: User) -> None:
    """Tell the other members that somebody is typing. It is stored nowhere, so it waits for no commit and asks no
    database; an event loop may call this."""
    envelope = typing_envelope(chat, typist)
    _at_once(lambda: _hand_over(envelope))


def came_online(user: str) -> None:
    """Have those who watch this user see it at once, in every process. Nobody has done anything in a chat, so it is no
    business of those who record what is announced."""
    envelope = {"v": ENVELOPE_VERSION, "kind": "online", "user": user}
    _at_once(lambda: chat_settings.bus(envelope))


def user_changed(user_id: Any) -> None:
    """Have each process look again whether the sockets of this user may stay open."""
    _publish({"v": ENVELOPE_VERSION, "kind": "user", "user": user_key(user_id)})


def block_changed(*user_ids: Any) -> None:
    """Have each process look again what the sockets of these users may do, and whom they may see online."""
    for user_id in user_ids:
        _publish({"v": ENVELOPE_VERSION, "kind": "user", "user": user_key(user_id), "sees_others": True})


def user_deleted(user_id: Any) -> None:
    """Likewise; and whoever gets this primary key next has none of their chats."""
    _publish({"v": ENVELOPE_VERSION, "kind": "user", "user": user_key(user_id), "is_deleted": True})


def logged_out(login: str) -> None:
    """Close the sockets of one log-in."""
    _publish({"v": ENVELOPE_VERSION, "kind": "logout", "login": login})


def send_signal(signal: Signal, sender: type[Model], **arguments: Any) -> None:
    """Tell the site's own code."""
    after_commit(lambda: signal.send_robust(sender=sender, **arguments))


def _publish(envelope: Envelope) -> None:
    after_commit(lambda: _hand_over(envelope))


def _hand_over(envelope: Envelope) -> None:
    for witness in witnesses:
        witness(envelope)
    chat_settings.bus(envelope)


def _at_once(announce: Callable[[], object]) -> None:
    try:
        announce()
    except Exception:
        logger.exception("An event could not be handed to the bus")


def after_commit(announce: Callable[[], object]) -> None:
    """In the order of the calls, and whether or not those before have failed."""
    database = transaction.get_connection(router.db_for_write(Chat))
    if database.get_autocommit() or (database.in_atomic_block and database.commit_on_exit):
        transaction.on_commit(announce, using=database.alias, robust=True)
    # Else the host ends its transaction without Django, so nobody knows when: the sweep finds what it has changed.
