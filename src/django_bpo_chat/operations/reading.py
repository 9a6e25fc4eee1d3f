"""A member's own view of a chat. It is no change of the chat: it takes no version, and no lock but the member's row."""

from django.db.models import F
from django.db.models.functions import Greatest

from .. import access, events
from ..conf import chat_settings
from ..models import Block, Chat, Membership
from ..users import User


def mark_read(*, actor: User, chat: str, seq: int) -> tuple[int, int]:
    """Move the actor's read mark up to ``seq``; it never moves back, and past the end it is the end.

    Returns the mark and the number of messages that are still unread. Raises ``NotAMember`` or ``NotFound``.
    """
    member = access.membership(actor, chat)
    mark = min(seq, member.chat.last_seq)
    moved = Membership.objects.present().filter(pk=member.pk, read_seq__lt=mark).update(read_seq=mark)
    if moved:
        events.marked_read(member.chat, actor, mark, to_others=_shows_marks(member.chat))
    return _marked(member)


def _shows_marks(chat: Chat) -> bool:
    """Neither in a large chat, nor in a personal one in which one has blocked the other."""
    is_small = chat.member_count <= chat_settings.read_receipt_members
    return is_small and not (chat.is_direct and Block.objects.within(chat).exists())


def mark_unread(*, actor: User, chat: str, seq: int) -> tuple[int, int]:
    """Move the actor's read mark back to ``seq``, the last message that counts as read; it never moves forward.

    Nobody else is told. Returns what :func:`mark_read` does. Raises ``NotAMember`` or ``NotFound``.
    """
    member = access.membership(actor, chat)
    before_all = F("first_seq") - 1
    moved = (
        Membership.objects.present()
        .filter(pk=member.pk, read_seq__gt=Greatest(seq, before_all))
        .update(read_seq=Greatest(seq, before_all))
    )
    mark, unread_count = _marked(member)
    if moved:
        events.marked_read(member.chat, actor, mark, to_others=False)
    return mark, unread_count


def edit_preferences(
    *, actor: User, chat: str, muted: bool | None = None, pinned: bool | None = None, archived: bool | None = None
) -> Membership:
    """Change what is given of how the actor wants to see a chat. Raises ``NotAMember`` or ``NotFound``."""
    member = access.membership(actor, chat)
    given = {"muted": muted, "pinned": pinned, "archived": archived}
    values = {name: value for name, value in given.items() if value is not None}
    if values:
        Membership.objects.present().filter(pk=member.pk).update(**values)
        member = _again(member)
        events.preferences_changed(member)
    return member


def _marked(member: Membership) -> tuple[int, int]:
    now = _again(member)
    return now.read_seq, now.unread_count


def _again(member: Membership) -> Membership:
    """As it is now. Raises ``NotAMember`` or ``NotFound`` for whoever goes in this moment."""
    now = Membership.objects.present().with_counts().filter(pk=member.pk).first()
    if now is None:
        raise access.refusal(member.user, member.chat)
    now.chat = member.chat
    return now
