"""Sending, editing and deleting messages."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from .. import access, signals
from ..adapter import get_adapter
from ..exceptions import ClientIdReused, Invalid, NotAllowed, NotFound
from ..models import Membership, Message
from ..users import User
from . import texts
from .attachments import attach
from .change import Change, changing, fits_a_frame
from .mentions import mentioned, note_mentions
from .tombstones import bury, forget_mentions


def send_message(
    *,
    actor: User,
    chat: str,
    text: str,
    client_id: str = "",
    reply_to: int | None = None,
    attachments: Sequence[str] = (),
) -> tuple[Message, bool]:
    """Store a message as the chat's next, and whether it is new.

    With a ``client_id`` a repetition is safe for ever: it gives the message of the first time, as it is now.
    ``reply_to`` is the seq of a message of the chat that the actor may see, and ``attachments`` the keys of what the
    actor has uploaded to it, with which the text may be empty. Raises ``Invalid``, ``ClientIdReused``,
    ``NotAllowed`` (blocked by the other one of a personal chat), ``NotAMember`` or ``NotFound``.
    """
    # Before the lock, which is held no longer than it must be.
    text = texts.clean_message(text, may_be_blank=bool(attachments))
    client_id = texts.clean_client_id(client_id)
    with changing(actor, chat, sending=True) as change:
        member = change.require_member()
        sent = _sent_before(member, client_id)
        if sent is not None:
            _check_repetition(member, sent, text, attachments)
            return sent, False
        change.require_writer()
        _check_reply(member, reply_to)
        message = Message(
            chat=change.chat,
            seq=change.chat.last_seq,
            author=member.user,
            text=_allowed_text(member, text),
            has_attachments=bool(attachments),
            reply_to=reply_to,
            client_id=client_id,
            created_at=change.time,
        )
        return _send(change, member, message, attachments), True


def edit_message(*, actor: User, chat: str, seq: int, text: str) -> Message:
    """Change the text of one's own message. Raises ``Invalid``, ``NotAllowed``, ``NotAMember`` or ``NotFound``."""
    text = texts.clean_message(text, may_be_blank=True)
    with changing(actor, chat) as change:
        member = change.require_writer()
        message = access.visible_message(change.chat, seq, first_seq=member.first_seq)
        if message.is_deleted:
            raise NotFound
        if message.author_id != actor.pk:
            raise NotAllowed
        text = _allowed_text(member, texts.clean_message(text, may_be_blank=message.has_attachments))
        if message.text != text:
            message.text, message.edited_at = text, change.time
            forget_mentions([message])
            note_mentions(message, mentioned(change.chat, text))
            if not fits_a_frame(message):
                raise Invalid({"message": [_("This is too long together with its reactions.")]})
            change.save_message(message, "text", "vector", "mentions", "edited_at")
            change.signal(signals.message_edited, Message, message=message)
        return message


def delete_message(*, actor: User | None, chat: str, seq: int) -> tuple[Message, bool]:
    """Leave a tombstone of one's own message, or, as an owner or admin, of anybody's; and whether it is new.

    A tombstone stays as it is. The site itself deletes messages of personal chats too.

    Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``.
    """
    with changing(actor, chat) as change:
        standing = change.require_standing()
        message = access.visible_message(change.chat, seq, first_seq=standing.first_seq)
        if (actor is None or message.author_id != actor.pk) and not standing.rank:
            raise NotAllowed
        if message.is_deleted:
            return message, False
        bury(change, [message])
        return message, True


def _send(change: Change, member: Membership, message: Message, attachments: Sequence[str]) -> Message:
    note_mentions(message, mentioned(change.chat, message.text))
    change.save_message(message)
    if attachments:
        attach(message, member.user, attachments)
        if not fits_a_frame(message):
            raise Invalid({"attachments": [_("These are too many files for one message.")]})
    member.read_seq = message.seq
    member.save(update_fields=["read_seq"])
    change.signal(signals.message_sent, Message, message=message)
    return message


def _check_reply(member: Membership, reply_to: int | None) -> None:
    """Seqs have no hole, so a message that is not there is one out of range. The last seq is that of the new one."""
    if reply_to is not None and not member.first_seq <= reply_to < member.chat.last_seq:
        raise Invalid({"reply_to": [_("There is no such message.")]})


def _sent_before(member: Membership, client_id: str) -> Message | None:
    if not client_id:
        return None
    found = access.messages_with_authors().filter(chat=member.chat, author=member.user, client_id=client_id)
    for sent in access.with_parts(found):
        if sent.seq < member.first_seq:
            sent.is_reacted_to = False  # what others have said to it while one was out is not for the member's eyes
        return sent
    return None


def _check_repetition(member: Membership, sent: Message, text: str, attachments: Sequence[str]) -> None:
    """Judged by what the text was or would be stored as, so that a site's filter does not break repetitions."""
    untouched = not sent.is_deleted and sent.edited_at is None
    same_files = {each.key for each in sent.shown_attachments} == set(attachments)
    if untouched and not (same_files and sent.text in {text, _allowed_text(member, text)}):
        raise ClientIdReused


def _allowed_text(member: Membership, text: str) -> str:
    return get_adapter().clean_message(member.user, member.chat, text) if text else ""
