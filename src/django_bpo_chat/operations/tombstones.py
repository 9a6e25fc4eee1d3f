"""What is left of messages that are deleted: their place, and nothing of what was said, or said to it."""

from collections.abc import Sequence

from .. import signals
from ..models import Mention, Message, Reaction
from .attachments import detach
from .change import Change


def bury(change: Change, messages: Sequence[Message]) -> None:
    """Leave tombstones of these messages of the chat. The number of statements does not depend on theirs.

    In the order in which Django deletes the rows of an account, so that the two do not wait for each other.
    """
    attachments = [each for message in messages for each in message.shown_attachments]
    forget_mentions(messages)
    if any(message.is_reacted_to for message in messages):
        Reaction.objects.filter(message__in=messages).delete()
    change.save_messages(
        messages, text="", vector=None, mentions=[], is_reacted_to=False, has_attachments=False, deleted_at=change.time
    )
    detach(change, attachments)
    for message in messages:
        change.signal(signals.message_deleted, Message, message=message)


def forget_mentions(messages: Sequence[Message]) -> None:
    """Of one chat."""
    mentioning = [message for message in messages if message.mentions]
    if mentioning:
        Mention.objects.filter(chat=mentioning[0].chat, seq__in=[message.seq for message in mentioning]).delete()
    for message in mentioning:
        message.mentions = []
