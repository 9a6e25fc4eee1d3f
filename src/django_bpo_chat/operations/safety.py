"""What people do about others: blocks, which are between two of them, and reports, which go to the site's moderators.

None of it is a change of a chat: no version is taken, and no member is told.
"""

from django.db import router, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from .. import access, events, signals
from ..clock import ClockTime
from ..exceptions import Invalid, NotAllowed, NotFound
from ..models import Block, Chat, Message, Report, pair_key
from ..users import User, handle, users_with_handles
from . import texts
from .change import accounts_that_last, hold_accounts, hold_membership


def block_user(*, actor: User, username: str) -> None:
    """Keep the user of that handle from writing in the personal chat with ``actor``, and from bringing ``actor`` into
    new chats. Again changes nothing.

    What they are doing of this at this moment is stored before this returns, or not at all. Raises ``Invalid`` for
    one's own handle, and ``NotFound`` for a name that is unknown or inactive, or of somebody of whom the actor may not
    know.
    """
    if username == handle(actor):
        raise Invalid({"username": [_("Nobody blocks themselves.")]})
    other = access.somebody(actor, username)
    while not _block(actor, other):
        pass  # They have a personal chat since a moment ago: now it can be locked.


def _block(actor: User, other: User) -> bool:
    """False, and nothing is stored, where a personal chat of these two begins in this moment."""
    pair = Chat.objects.filter(pair=pair_key(actor, other))
    with accounts_that_last(actor, [other], NotFound()), transaction.atomic(using=router.db_for_write(Block)):
        # Who writes in their personal chat has written, or waits; so does, by their accounts, who brings one into
        # another. Where there is no such chat, SQLite still has its one writer.
        locked = pair.update(kind=F("kind"))
        hold_accounts([actor, other])
        if not locked and pair.exists():
            return False
        Block.objects.bulk_create([Block(blocker=actor, blocked=other)], ignore_conflicts=True)
        events.block_changed(actor.pk, other.pk)
        return True


def unblock_user(*, actor: User, username: str) -> None:
    """Raises ``NotFound`` where the actor does not block the user of that handle."""
    others = users_with_handles([username])
    if not Block.objects.filter(blocker=actor, blocked__in=others).delete()[0]:
        raise NotFound
    events.block_changed(actor.pk, *(other.pk for other in others))


def report_message(*, actor: User, chat: str, seq: int, reason: str) -> tuple[Report, bool]:
    """Ask the site's moderators to look at somebody else's message, and whether that is new: again changes nothing,
    unless the message has been edited since.

    Raises ``Invalid`` (reason), ``NotAllowed`` for one's own message, ``NotAMember``, or ``NotFound``, also for a
    tombstone.
    """
    reason = texts.clean_reason(reason)
    with accounts_that_last(actor), transaction.atomic(using=router.db_for_write(Report)):
        member = hold_membership(actor, chat)
        # Locked, so that what is deleted or edited in this moment is not reported as it was, and nothing twice.
        Message.objects.filter(chat=member.chat, seq=seq).update(seq=F("seq"))
        message = access.visible_message(member.chat, seq, first_seq=member.first_seq)
        if message.is_deleted:
            raise NotFound
        if message.author_id == actor.pk:
            raise NotAllowed
        text = {"message": message, "message_edited_at": message.edited_at}
        existing = Report.objects.filter(**text, reporter=actor).first()
        if existing is not None:
            return existing, False
        report = Report.objects.create(**text, reporter=actor, reason=reason)
    events.send_signal(signals.message_reported, Report, chat=member.chat, actor=actor, report=report)
    return report, True


def resolve_report(*, report: Report, resolved_by: User | None = None) -> bool:
    """Take a report off the moderators' queue, and whether it was still there. Who may, the caller says."""
    with accounts_that_last(resolved_by):
        still_open = Report.objects.open().filter(pk=report.pk)
        return bool(still_open.update(is_open=False, resolved_at=ClockTime(), resolved_by=resolved_by))
