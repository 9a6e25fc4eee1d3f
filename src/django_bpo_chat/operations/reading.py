"""How far somebody has read. That is no change of the chat: it takes no version, and no lock but the member's row."""

from .. import access, events
from ..conf import chat_settings
from ..exceptions import NotFound
from ..models import Membership
from ..users import User


def mark_read(*, actor: User, chat: str, seq: int) -> tuple[int, int]:
    """Move the actor's read mark up to ``seq``; it never moves back, and past the end it is the end.

    Returns the mark and the number of messages that are still unread. Raises ``NotAMember`` or ``NotFound``.
    """
    member = access.membership(actor, chat)
    mark = min(seq, member.chat.last_seq)
    moved = Membership.objects.present().filter(pk=member.pk, read_seq__lt=mark).update(read_seq=mark)
    if moved and member.chat.member_count <= chat_settings.read_receipt_members:
        events.marked_read(member.chat, actor, mark)
    now = Membership.objects.with_unread_count().filter(pk=member.pk).first()
    if now is None:  # the account is deleted in this moment
        raise NotFound
    return now.read_seq, now.unread_count
