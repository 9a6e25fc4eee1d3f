"""Reacting to messages."""

from django.utils.translation import gettext_lazy as _

from .. import access
from ..conf import chat_settings
from ..exceptions import Invalid, NotFound
from ..models import Membership, Message, Reaction
from ..users import User
from . import texts
from .change import Change, changing, fits_a_frame

MOST_KINDS = 20
"""How many different emoji a message may have."""


def add_reaction(*, actor: User, chat: str, seq: int, emoji: str) -> Message:
    """React to a message with an emoji of Unicode's list; again changes nothing.

    Raises ``Invalid`` (no emoji, or the message has as many as it may), ``NotAllowed`` (blocked by the other one of a
    personal chat), ``NotAMember`` or ``NotFound``.
    """
    emoji = texts.clean_emoji(emoji)
    with changing(actor, chat) as change:
        message = _message(change.require_writer(), seq)
        if _own(message, actor, emoji) is None:
            _check_room(message, emoji)
            reaction = Reaction.objects.create(message=message, user=actor, emoji=emoji)
            _save(change, message, [*message.shown_reactions, reaction])
        return message


def remove_reaction(*, actor: User, chat: str, seq: int, emoji: str) -> Message:
    """Take back a reaction; where there is none nothing changes. Raises ``Invalid``, ``NotAMember`` or ``NotFound``."""
    emoji = texts.clean_emoji(emoji)
    with changing(actor, chat) as change:
        message = _message(change.require_member(), seq)
        own = _own(message, actor, emoji)
        if own is not None:
            own.delete()
            _save(change, message, [each for each in message.shown_reactions if each is not own])
        return message


def _message(member: Membership, seq: int) -> Message:
    message = access.visible_message(member.chat, seq, first_seq=member.first_seq)
    if message.is_deleted:
        raise NotFound
    return message


def _own(message: Message, actor: User, emoji: str) -> Reaction | None:
    own = (each for each in message.shown_reactions if (each.user_id, each.emoji) == (actor.pk, emoji))
    return next(own, None)


def _check_room(message: Message, emoji: str) -> None:
    kinds = {each.emoji for each in message.shown_reactions}
    is_full = len(message.shown_reactions) >= chat_settings.reactions_per_message
    if is_full or (emoji not in kinds and len(kinds) >= MOST_KINDS):
        raise Invalid({"emoji": [_("This message has as many reactions as it may.")]})


def _save(change: Change, message: Message, reactions: list[Reaction]) -> None:
    message.loaded_reactions = reactions
    message.is_reacted_to = bool(reactions)
    if not fits_a_frame(message):
        raise Invalid({"emoji": [_("This message has as many reactions as it may.")]})
    change.save_message(message, "is_reacted_to")
