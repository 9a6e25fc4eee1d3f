"""Who is kept out of a chat."""

from .. import access
from ..exceptions import NotAllowed, NotFound
from ..models import Ban, Membership
from ..users import User, users_with_handles
from .change import Change, changing
from .members import expel


def ban_user(*, actor: User | None, chat: str, username: str) -> bool:
    """Keep the user of that handle out of a group, as an owner or admin above them, and remove them if they are in.

    Returns whether that is new; again changes nothing. Whoever has never been in may be banned too, if the actor may
    know of them. Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``.
    """
    with changing(actor, chat) as change:
        standing = change.require_manager()
        user, membership = _target(change, username)
        if membership is not None and membership.is_present:
            if membership.rank >= standing.rank:
                raise NotAllowed
            expel(change, membership)
        change.others.append(user)
        if access.is_banned(user, change.chat):
            return False
        Ban.objects.create(chat=change.chat, user=user, banned_by=actor, banned_at=change.time)
        change.note()
        return True


def unban_user(*, actor: User | None, chat: str, username: str) -> None:
    """Let the user of that handle come in again. Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``."""
    with changing(actor, chat) as change:
        change.require_manager()
        bans = Ban.objects.filter(chat=change.chat, user__in=users_with_handles([username]))
        if not bans.delete()[0]:
            raise NotFound
        change.note()


def _target(change: Change, username: str) -> tuple[User, Membership | None]:
    """The user of that handle and their row in the chat. Raises ``NotFound``, also for whom the actor may not know."""
    for user in users_with_handles([username]):
        membership = Membership.objects.of(user).filter(chat=change.chat).first()
        if membership is not None:
            membership.chat, membership.user = change.chat, user
        if membership is not None or access.may_contact(change.actor, user):
            return user, membership
    raise NotFound
