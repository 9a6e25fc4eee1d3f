"""Starting and editing chats."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, router, transaction

from .. import access, events, signals, wire
from ..adapter import get_adapter
from ..exceptions import ChatError, NotAllowed
from ..models import Chat, Membership, pair_key
from ..users import User
from . import texts
from .change import accounts_that_last, changing, hold_accounts


def start_group(*, actor: User, title: str = "", members: Sequence[str] = ()) -> Chat:
    """A new group chat, owned by ``actor``, with the users of the handles ``members`` in it.

    Raises ``Invalid`` (title, a name that cannot be added) or ``NotAllowed`` (the adapter's word).
    """
    _check_may_start(actor)
    others = access.acquaintances(actor, members, field="members")
    unwilling = access.nobody("members")
    return _create(actor, others, unwilling, field="members", title=texts.clean_title(title), owner=actor)


def start_direct(*, actor: User, username: str) -> tuple[Chat, bool]:
    """The personal chat of ``actor`` and the user of that handle, and whether it is new.

    There is one for each pair, for ever, also when both ask at the same moment. One's own handle means nobody else:
    an ordinary chat. Raises ``Invalid``, or ``NotAllowed``, also where the other one has blocked ``actor``.
    """
    others = access.acquaintances(actor, [username], field="username")
    if not others:
        return start_group(actor=actor), True
    pair = pair_key(actor, others[0])
    existing = Chat.objects.filter(pair=pair).first()
    if existing is not None:
        access.check_willing(actor, others, NotAllowed())
        return existing, False
    _check_may_start(actor)
    values = {"kind": Chat.Kind.DIRECT, "pair": pair, "joinable": False}
    try:
        return _create(actor, others, NotAllowed(), field="username", **values), True
    except IntegrityError:  # the other one was a moment faster
        existing = Chat.objects.filter(pair=pair).first()
        if existing is None:  # and their account is deleted since
            raise access.nobody("username") from None
        return existing, False


def edit_chat(
    *,
    actor: User | None,
    chat: str,
    title: str | None = None,
    joinable: bool | None = None,
    history: str | None = None,
) -> Chat:
    """Change what is given, as the owner or an admin.

    ``history`` is ``"full"`` or ``"since_join"`` and is true of those who join from now on. Raises ``Invalid``,
    ``NotAllowed``, ``NotAMember`` or ``NotFound``.
    """
    with changing(actor, chat) as change:
        change.require_manager()
        if title is not None:
            change.set_details(title=texts.clean_title(title))
        if joinable is not None:
            change.set_details(joinable=joinable)
        if history is not None:
            change.set_details(history=texts.clean_history(history))
        return change.chat


def _check_may_start(actor: User) -> None:
    if not get_adapter().may_start_chat(actor):
        raise NotAllowed


def _create(actor: User, others: Sequence[User], unwilling: ChatError, *, field: str, **values: Any) -> Chat:
    """The chat and its members are its version 1. Raises ``unwilling`` where one of them has blocked the actor."""
    users = [actor, *others]
    with accounts_that_last(actor, others, access.nobody(field)), transaction.atomic(using=router.db_for_write(Chat)):
        chat = Chat.objects.create(member_count=len(users), **values)
        hold_accounts(users)
        access.check_willing(actor, others, unwilling)
        chat.members = Membership.objects.bulk_create(
            Membership(chat=chat, user=user, version=chat.version) for user in users
        )
        events.chat_changed(wire.Changes(chat=chat, since=0, version=chat.version, members=chat.members, details=True))
        events.send_signal(signals.chat_started, Chat, chat=chat, actor=actor, members=chat.members)
        return chat
