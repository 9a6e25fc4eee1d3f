"""Links that make whoever has one a member."""

from datetime import timedelta

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from .. import access
from ..exceptions import Invalid, NotFound
from ..models import Invite, Membership
from ..users import User
from .change import changing
from .members import admit

LONGEST_SECONDS = 10 * 365 * 24 * 60 * 60
MOST_USES = 1_000_000


def create_invite(
    *, actor: User | None, chat: str, expires_in: int | None = None, max_uses: int | None = None
) -> Invite:
    """A new link into a group, joinable or not, as the owner or an admin.

    It lasts ``expires_in`` seconds, and for ``max_uses`` people; None is for ever, and for any number. Raises
    ``Invalid``, ``NotAllowed``, ``NotAMember`` or ``NotFound``.
    """
    _check_range("expires_in", expires_in, LONGEST_SECONDS)
    _check_range("max_uses", max_uses, MOST_USES)
    with changing(actor, chat) as change:
        change.require_manager()
        change.note()
        Invite.objects.filter(chat=change.chat).spent(change.time).delete()
        return Invite.objects.create(
            chat=change.chat,
            created_by=actor,
            created_at=change.time,
            expires_at=None if expires_in is None else change.time + timedelta(seconds=expires_in),
            max_uses=max_uses,
        )


def revoke_invite(*, actor: User | None, chat: str, token: str) -> None:
    """From now on the link lets nobody in. Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``."""
    with changing(actor, chat) as change:
        change.require_manager()
        if not Invite.objects.with_token(token).filter(chat=change.chat).delete()[0]:
            raise NotFound
        change.note()


def accept_invite(*, actor: User, token: str) -> Membership:
    """Make ``actor`` a member; for a member nothing changes, and the link is not used up by that.

    Raises ``NotFound`` for a link that is unknown, revoked, expired or used up, and where the actor is not welcome.
    """
    invite = Invite.objects.with_token(token).select_related("chat").first()
    if invite is None:
        raise NotFound
    with changing(actor, invite.chat.uri) as change:
        if change.present_member:
            return change.present_member
        valid = Invite.objects.filter(pk=invite.pk).valid(change.time)
        if not (valid.exists() and access.is_welcome(actor, change.chat)):
            raise NotFound
        valid.update(uses=F("uses") + 1)
        return admit(change, actor)


def _check_range(field: str, number: int | None, most: int) -> None:
    if number is not None and not 1 <= number <= most:
        raise Invalid({field: [_("Ensure this value is between 1 and %(most)d.") % {"most": most}]})
