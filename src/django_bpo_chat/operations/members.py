"""Who is in a chat."""

from collections.abc import Sequence

from django.db import router, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from .. import access, signals
from ..conf import chat_settings
from ..exceptions import NotAllowed, NotFound
from ..locks import lock_first
from ..models import OWNER, Ban, Chat, Invite, Membership, Message, Report, lock_order
from ..users import User, active, handle, rows_of_users
from . import texts
from .change import Change, changing
from .retention import delete_messages_of, lock_chats_of

RELEASED_AT_ONCE = 500
PREFERENCES = ("muted", "pinned", "archived")


def join_chat(*, actor: User, chat: str) -> Membership:
    """Make ``actor`` a member, if the uri lets them in; for a member nothing changes. Raises ``NotFound``."""
    with changing(actor, chat) as change:
        if change.present_member:
            return change.present_member
        if not access.lets_in(actor, change.chat):
            raise NotFound
        return admit(change, actor)


def add_member(*, actor: User | None, chat: str, username: str) -> Membership:
    """Make the user of that handle a member, as the owner or an admin; for a member nothing changes.

    Raises ``Invalid`` for a name that is unknown, inactive or unwilling, but only to whom may add;
    ``NotAllowed``, ``NotAMember`` or ``NotFound`` to others.
    """
    with changing(actor, chat) as change:
        change.require_manager()
        others = access.acquaintances(actor, [username], field="username")
        if not others:  # the name is the actor's own
            return change.require_member()
        present = Membership.objects.present().of(others[0]).filter(chat=change.chat).first()
        if present is not None:
            return present
        if access.is_banned(others[0], change.chat):
            raise access.nobody("username")
        change.hold_account(others[0])
        access.check_willing(actor, others, access.nobody("username"))
        return admit(change, others[0])


def leave_chat(*, actor: User, chat: str) -> None:
    """Raises ``NotAllowed`` (direct chats), ``NotAMember`` or ``NotFound``."""
    with changing(actor, chat) as change:
        dismiss(change, change.require_group_member())


def remove_member(*, actor: User | None, chat: str, username: str) -> None:
    """Remove the member of that handle: the owner anybody, an admin plain members. One's own handle means to leave.

    Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``.
    """
    with changing(actor, chat) as change:
        if username == handle(actor):
            dismiss(change, change.require_group_member())
        else:
            expel(change, _subordinate(change, username))


def change_role(*, actor: User | None, chat: str, username: str, role: str) -> Membership:
    """Make a member an admin or a plain member, or, with ``"owner"``, hand the chat over to them, as its owner.

    The former owner stays as an admin. Raises ``Invalid`` (role), ``NotAllowed``, ``NotAMember`` or ``NotFound``.
    """
    role = texts.clean_role(role)
    with changing(actor, chat) as change:
        change.require_owner()
        member = access.present_member(change.chat, username)
        if role == OWNER:
            if not member.user.is_active:
                raise NotAllowed
            _hand_over(change, member)
        elif member.is_owner:
            raise NotAllowed  # a chat has an owner
        elif member.role != role:
            member.role = role
            change.save_member(member, "role")
        return member


def release_user(*, user: User) -> None:
    """End all memberships of an account that is about to be deleted, and hand on what it owns.

    Its messages stay, unless the site wants them deleted. That an account ends is no change of a chat, but where the
    owner changes: there the site itself acts.
    """
    database = router.db_for_write(Membership)
    with transaction.atomic(using=database):
        lock_first(database)
        while not _close_account(user, database):
            pass


def _close_account(user: User, database: str) -> bool:
    """From now on, whoever would enter one more chat in the user's name, or write, waits, and finds no account.

    False, and nothing is done and nothing locked, where somebody has done so meanwhile: who holds a chat may wait for
    an account, so who holds an account must not wait for a chat; nor must who holds chats, but in their order.
    """
    with transaction.atomic(using=database):
        _let_go(user)
        # Rows that name two accounts, in one order, whichever of the two is deleted.
        bans = Ban.objects.filter(Q(user=user) | Q(banned_by=user))
        reports = Report.objects.filter(Q(reporter=user) | Q(resolved_by=user))
        for rows in (bans, reports):
            list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk"))
        list(rows_of_users().select_for_update().filter(pk=user.pk).values_list("pk"))
        is_released = _is_released(user)
        transaction.set_rollback(not is_released, using=database)
    return is_released


def _is_released(user: User) -> bool:
    written = _deletes_messages() and Message.objects.filter(author=user, deleted_at=None).exists()
    return not (written or Membership.objects.present().of(user).exists())


def _deletes_messages() -> bool:
    return chat_settings.deleted_users_messages == "delete"


def _let_go(user: User) -> None:
    if _deletes_messages():
        lock_chats_of(user)
    _release_from_all(user)
    # After the heirs' rows: whoever reports a message holds their own row, and then waits for the message.
    if _deletes_messages():
        for _deleted in delete_messages_of(author=user):
            pass


def _release_from_all(user: User) -> None:
    """Some hundreds at a time: there may be thousands, and all stay locked until the account is gone."""
    present = Membership.objects.present().of(user).order_by(lock_order("chat__uri"))
    while chats := list(present.values_list("chat", flat=True)[:RELEASED_AT_ONCE]):
        _release(user, chats)


def _release(user: User, chats: Sequence[int]) -> None:
    locked = Chat.objects.filter(pk__in=chats)
    # In order, so that two that lock several chats at once do not wait for each other. Nor does a chat's key change,
    # for which those who add rows to it without its lock, such as uploads, would wait while a member's row is theirs.
    list(locked.select_for_update(no_key=True).order_by(lock_order()).values_list("pk"))
    present = Membership.objects.present().of(user).filter(chat__in=chats)
    still_in = list(present.values_list("chat", flat=True))
    present.delete()
    Chat.objects.filter(pk__in=still_in).update(member_count=F("member_count") - 1)
    # Should somebody else come to have the same key, this is not their chat.
    locked.filter(kind=Chat.Kind.DIRECT).update(pair=Concat(Value("-"), "uri"))
    for uri in list(locked.filter(owner=user.pk).values_list("uri", flat=True)):
        with changing(None, uri) as change:
            _hand_to_heir(change)


def admit(change: Change, user: User) -> Membership:
    """Whoever comes back gets their old row, and sees what a newcomer sees."""
    chat = change.chat
    membership = Membership.objects.of(user).filter(chat=chat).first() or Membership(chat=chat)
    if membership.pk:
        change.hold_account(user)  # as a foreign key does where the row is new
    membership.chat, membership.user = chat, user
    membership.role = Membership.Role.MEMBER
    membership.joined_at, membership.left_at = change.time, None
    if membership.pk and membership.first_seq != chat.first_seq_for_newcomers:
        membership.returned_version = change.version
    membership.first_seq, membership.read_seq = chat.first_seq_for_newcomers, chat.last_seq
    membership.muted = membership.pinned = membership.archived = False
    change.count_members(+1)
    if chat.owner_id is None:
        change.set_details(owner=user)
    fields = ("role", "joined_at", "left_at", "first_seq", "read_seq", "returned_version", *PREFERENCES)
    change.save_member(membership, *fields)
    change.signal(signals.member_joined, Membership, membership=membership)
    return membership


def _subordinate(change: Change, username: str) -> Membership:
    """The member of that handle, if the actor is above them."""
    standing = change.require_manager()
    member = access.present_member(change.chat, username)
    if member.rank >= standing.rank:
        raise NotAllowed
    return member


def dismiss(change: Change, membership: Membership) -> None:
    membership.left_at = change.time
    was_owner = membership.is_owner
    change.count_members(-1)
    change.save_member(membership, "left_at")
    change.signal(signals.member_left, Membership, membership=membership)
    if was_owner:
        _hand_to_heir(change)


def expel(change: Change, member: Membership) -> None:
    """Out, and not in again by an invite of one's own."""
    Invite.objects.filter(chat=change.chat, created_by=member.user).delete()
    dismiss(change, member)


def _hand_over(change: Change, heir: Membership) -> None:
    if not heir.is_owner:
        former = access.memberships_with_users().present().filter(chat=change.chat, user=change.chat.owner).first()
        change.set_details(owner=heir.user)
        change.save_member(heir)
        if former is not None:
            former.chat, former.role = change.chat, Membership.Role.ADMIN
            change.save_member(former, "role")


def _hand_to_heir(change: Change) -> None:
    """The longest-standing admin, else member, inherits, and whose account is not active only where nobody else is in;
    the last one out leaves the chat to whoever joins next."""
    heirs = access.memberships_with_users().present().filter(chat=change.chat).by_standing()
    heir = heirs.filter(user__in=active(rows_of_users())).first() or heirs.first()
    change.set_details(owner=heir.user if heir else None)
    if heir:
        heir.chat = change.chat
        change.save_member(heir)
