"""The only way to get a chat or a message on somebody's behalf. What it refuses does not tell what exists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Case, OuterRef, Prefetch, Q, QuerySet, Subquery, When, prefetch_related_objects
from django.utils.translation import gettext_lazy as _

from . import wire
from .adapter import get_adapter
from .clock import ClockTime
from .conf import chat_settings
from .exceptions import ChatError, Invalid, NotAllowed, NotAMember, NotFound
from .models import (
    Attachment,
    Ban,
    Block,
    Chat,
    Invite,
    Membership,
    MembershipQuerySet,
    Message,
    MessageQuerySet,
    Reaction,
)
from .users import User, active, handle, handle_field, users_with_handles

LISTED_MEMBERS = 50
"""How many members a chat lists; the others are a page of their own."""

MAX_CONTACTS = 50
"""How many people one call adds at most."""

MAX_ROWS = 200
"""The most rows of one answer."""

PAGE_BYTES = wire.MAX_BYTES - 4096
"""The most JSON that the rows of one ``changes`` may be, which leaves room for the details and the frame around."""


def lets_in(actor: User | None, chat: Chat) -> bool:
    """Whether the chat's uri would make ``actor`` a member, as which the site itself cannot come in."""
    return actor is not None and chat.joinable and is_welcome(actor, chat)


def is_welcome(actor: User, chat: Chat) -> bool:
    """Whether ``actor`` may come in, if there is a way."""
    return not is_banned(actor, chat) and get_adapter().may_join(actor, chat)


def is_banned(user: User, chat: Chat) -> bool:
    return Ban.objects.filter(chat=chat, user=user).exists()


def refusal(actor: User | None, chat: Chat | None) -> ChatError:
    """What somebody who is not a member is told: nothing, unless the uri would let them join."""
    return NotAMember() if chat is not None and lets_in(actor, chat) else NotFound()


def membership(actor: User, uri: str) -> Membership:
    """The actor's present membership, with its chat.

    Raises ``NotAMember`` or ``NotFound``.
    """
    return _in_chat(_memberships(actor), actor, uri)


def may_write(member: Membership) -> bool:
    """Not in a personal chat whose other member has blocked this one."""
    chat = member.chat
    return not (chat.is_direct and Block.objects.within(chat).filter(blocked=member.user_id).exists())


def uploader(actor: User, uri: str) -> Membership:
    """The actor's membership, with which they may add files, if the site takes any.

    Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``.
    """
    member = membership(actor, uri)
    if not (chat_settings.attachments_per_message and may_write(member)):
        raise NotAllowed
    return member


def check_may_write(actor: User, uri: str) -> None:
    """Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``."""
    if not may_write(membership(actor, uri)):
        raise NotAllowed


def _in_chat(memberships: "QuerySet[Membership]", actor: User, uri: str) -> Membership:
    """The one of the actor's memberships that is in this chat. Raises ``NotAMember`` or ``NotFound``."""
    chats = Chat.objects.with_uri(uri)
    present = memberships.filter(chat__in=chats).first()
    if present is None:
        raise refusal(actor, chats.first())
    return present


def _memberships(actor: User) -> MembershipQuerySet:
    return Membership.objects.present().of(actor).select_related("chat__owner")


def memberships_with_users() -> MembershipQuerySet:
    """Memberships with all that the wire shows of their users."""
    return Membership.objects.select_related(*_with_cards("user"))


def messages_with_authors() -> MessageQuerySet:
    """Messages with all that the wire shows of them."""
    return Message.objects.select_related(*_with_cards("author"))


def bans_with_users() -> "QuerySet[Ban]":
    return Ban.objects.select_related(*_with_cards("user"), "banned_by")


def blocks_with_users() -> "QuerySet[Block]":
    return Block.objects.select_related(*_with_cards("blocked"))


def with_parts(messages: Iterable[Message]) -> list[Message]:
    """The same messages with their reactions and attachments: one query for either, if any of them has any."""
    found = list(messages)
    prefetch_related_objects(
        [message for message in found if message.is_reacted_to],
        Prefetch("reactions", Reaction.objects.select_related("user").order_by("id"), to_attr="loaded_reactions"),
    )
    prefetch_related_objects(
        [message for message in found if message.has_attachments],
        Prefetch("attachments", Attachment.objects.order_by("place"), to_attr="loaded_attachments"),
    )
    return found


def _with_cards(relation: str) -> list[str]:
    return [relation, *(f"{relation}__{each}" for each in get_adapter().card_related)]


def visible_message(chat: Chat, seq: int, *, first_seq: int) -> Message:
    """Raises ``NotFound`` for what is not there and for what is from before ``first_seq``."""
    if first_seq <= seq <= chat.last_seq:
        for found in with_parts(messages_with_authors().filter(chat=chat, seq=seq)):
            found.chat = chat
            return found
    raise NotFound


# Chats


def chat(actor: User, uri: str) -> wire.ChatView:
    """Raises ``NotAMember`` or ``NotFound``."""
    while True:
        for view in chat_views([_in_chat(chats(actor), actor, uri)]):
            return view


def started_chat(chat: Chat) -> wire.ChatView:
    """What its first member sees of a chat that they have just started; nothing is read, so nothing can go wrong."""
    own = chat.members[0]
    own.unread_count = own.mention_count = 0
    return wire.ChatView(own, chat.members[:LISTED_MEMBERS], last_message=None)


def chats(actor: User) -> "QuerySet[Membership]":
    """The memberships behind the actor's list of chats, ready for :func:`chat_views`; unordered."""
    last_listed = (
        Membership.objects.present().filter(chat=OuterRef("chat")).order_by("id").values("id")[LISTED_MEMBERS - 1 :][:1]
    )
    return (
        _memberships(actor)
        .with_counts()
        .annotate(  # type: ignore[no-redef]  # declared on the model
            last_listed=Case(When(chat__member_count__gt=LISTED_MEMBERS, then=Subquery(last_listed)))
        )
    )


def latest_chats(actor: User, most: int) -> list[Membership]:
    """The actor's memberships, the last active chats first, with nothing but the chat and the counts."""
    memberships = Membership.objects.present().of(actor).select_related("chat")
    return list(memberships.with_counts().order_by("-chat__active_at", "-chat_id")[:most])


def chat_views(memberships: Sequence[Membership]) -> list[wire.ChatView]:
    """The chats of these memberships with their first members and last messages, in two queries for all of them.

    Whoever goes in between does not see what comes after that: their chat is not among them.
    """
    members = _first_members(memberships)
    last_messages = {row.chat_id: row for row in _last_messages(memberships)}
    views = [wire.ChatView(each, members[each.chat_id], last_messages.get(each.chat_id)) for each in memberships]
    ended = _ended([view.membership for view in views if view.is_ahead])
    return [view for view in views if view.membership not in ended]


def _ended(memberships: Sequence[Membership]) -> set[Membership]:
    """Those of which somebody has gone out, also where they are in again."""
    if not memberships:
        return set()
    present = Membership.objects.present().filter(pk__in=[each.pk for each in memberships])
    joined_at = dict(present.values_list("pk", "joined_at"))
    return {each for each in memberships if joined_at.get(each.pk) != each.joined_at}


def _first_members(memberships: Sequence[Membership]) -> dict[int, list[Membership]]:
    chats = {each.chat_id: each.chat for each in memberships}
    whole = [each.chat_id for each in memberships if each.last_listed is None]
    cut = [each for each in memberships if each.last_listed is not None]
    rows = memberships_with_users().present().order_by("id")
    found = rows.filter(chat__in=whole)
    for each in cut:
        found |= rows.filter(chat=each.chat_id, id__lte=each.last_listed)
    members: dict[int, list[Membership]] = {chat_id: [] for chat_id in chats}
    for row in found:
        row.chat = chats[row.chat_id]
        members[row.chat_id].append(row)
    return members


def _last_messages(memberships: Sequence[Membership]) -> Iterable[Message]:
    """Of each chat the last as of its version: a later one may not be this reader's any more."""
    wanted = Q()
    for each in memberships:
        if each.first_seq <= each.chat.last_seq:
            wanted |= Q(chat=each.chat_id, seq=each.chat.last_seq)
    return with_parts(messages_with_authors().filter(wanted)) if wanted else ()


def managed_chat(actor: User, uri: str) -> Chat:
    """A group of which the actor is the owner or an admin. Raises ``NotAllowed``, ``NotAMember`` or ``NotFound``."""
    member = membership(actor, uri)
    if member.chat.is_direct or not member.rank:
        raise NotAllowed
    return member.chat


def bans(actor: User, uri: str) -> "QuerySet[Ban]":
    """Who is kept out of a chat, unordered, for those who manage it. Raises as :func:`managed_chat`."""
    return bans_with_users().filter(chat=managed_chat(actor, uri))


def invites(actor: User, uri: str) -> "QuerySet[Invite]":
    """The invites that let somebody in, unordered, for those who manage the chat. Raises as :func:`managed_chat`."""
    chat = managed_chat(actor, uri)
    return Invite.objects.filter(chat=chat).valid(ClockTime()).select_related("created_by")


def members(actor: User, uri: str) -> "QuerySet[Membership]":
    """The present members of a chat, unordered. Raises ``NotAMember`` or ``NotFound``."""
    chat = membership(actor, uri).chat
    return memberships_with_users().beside(actor).filter(chat=chat).select_related("chat")


def present_member(chat: Chat, username: str) -> Membership:
    """The member of that handle. Raises ``NotFound``."""
    for user in users_with_handles([username]):
        found = Membership.objects.present().of(user).filter(chat=chat).first()
        if found is not None:
            found.chat, found.user = chat, user
            return found
    raise NotFound


# Messages


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages in chat order. ``before`` and ``after`` are where the neighbouring pages begin, if there are any."""

    version: int
    messages: Sequence[Message]
    before: int | None
    after: int | None


def messages(
    actor: User,
    uri: str,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | None = None,
    limit: int = 50,
) -> MessagePage:
    """At most ``limit`` messages next to one seq, the newest without one.

    Since seq has no hole, the page's bounds are arithmetic, and any page costs what the first one costs. Raises
    ``NotAMember`` or ``NotFound``.
    """
    while True:
        member = membership(actor, uri)
        page = _message_page(member, before, after, around, limit)
        # Whoever has gone in between does not see what was changed after that.
        is_ahead = any(row.version > page.version for row in page.messages)
        if not (is_ahead and _ended([member])):
            return page


def _message_page(
    member: Membership, before: int | None, after: int | None, around: int | None, limit: int
) -> MessagePage:
    first, last = member.first_seq, member.chat.last_seq
    if after is not None:
        low = after + 1
    elif before is not None:
        low = min(before, last + 1) - limit
    elif around is not None:
        low = max(min(around - limit // 2, last - limit + 1), first)
    else:
        low = last - limit + 1
    high = min(low + limit - 1, last)
    low, high = min(max(low, first), last + 1), max(high, first - 1)
    rows = messages_with_authors().filter(chat=member.chat_id, seq__range=(low, high)).order_by("seq")
    return MessagePage(
        version=member.chat.version,
        messages=with_parts(rows) if low <= high else [],
        before=low if low > first else None,
        after=high if high < last else None,
    )


def attachment(actor: User, uri: str, key: str) -> Attachment:
    """A file of a message that the actor may see, or one that they have uploaded and not sent yet.

    Raises ``NotAMember`` or ``NotFound``.
    """
    member = membership(actor, uri)
    for found in Attachment.objects.with_key(key).filter(chat=member.chat).select_related("message"):
        if found.is_seen_by(member):
            return found
    raise NotFound


# Changes


def changes(actor: User, uri: str, *, since: int, limit: int = MAX_ROWS) -> wire.Changes:
    """What changed for the actor after the version ``since``; ``more`` says that another page follows.

    Raises ``NotAMember`` or ``NotFound``.
    """
    member = membership(actor, uri)
    return changes_of(member.chat, since=since, first_seq=member.first_seq, limit=limit)


def changes_of(chat: Chat, *, since: int, first_seq: int = 1, limit: int = MAX_ROWS) -> wire.Changes:
    """One page of the rows changed in (since, chat.version].

    The chat, and with it the version, must have been read before: a row that changes in between then has a version
    beyond this page and comes with a later one. A page ends between two versions, never within one.
    """
    rows = _changed_rows(chat, since, chat.version, first_seq, limit + 1)
    end = _page_end(rows, limit)
    if end is None:
        return _page(chat, since, chat.version, rows)
    if end == since or rows[0].version > end:
        end = rows[0].version
        rows = _changed_rows(chat, since, end, first_seq, None)
    return _page(chat, since, end, [row for row in rows if row.version <= end])


def _changed_rows(chat: Chat, since: int, version: int, first_seq: int, most: int | None) -> list[Message | Membership]:
    messages = messages_with_authors().filter(chat=chat, seq__gte=first_seq).changed(since, version)[:most]
    members = memberships_with_users().filter(chat=chat).changed(since, version)[:most]
    rows = [*with_parts(messages), *members]
    for row in rows:
        row.chat = chat
    return sorted(rows, key=lambda row: row.version)


def _page_end(rows: Sequence[Message | Membership], limit: int) -> int | None:
    """The last version that fits on a page whole; None where all rows fit."""
    size = 0
    for place, row in enumerate(rows):
        shape = wire.message(row) if isinstance(row, Message) else wire.member(row)
        size += len(wire.encode(shape).encode()) + 1
        if place == limit or size > PAGE_BYTES:
            return row.version - 1
    return None


def _page(chat: Chat, since: int, version: int, rows: Sequence[Message | Membership]) -> wire.Changes:
    return wire.Changes(
        chat=chat,
        since=since,
        version=version,
        messages=[row for row in rows if isinstance(row, Message)],
        members=[row for row in rows if isinstance(row, Membership)],
        details=since < chat.details_version <= version,
        more=version < chat.version,
    )


# People


def nobody(field: str) -> Invalid:
    """The same words for names that are unknown, inactive or unwilling."""
    return Invalid({field: [_("Nobody of this name can be added.")]})


def acquaintances(actor: User | None, usernames: Iterable[str], *, field: str) -> list[User]:
    """The users of these handles whom the actor may add to chats, as far as these users have not blocked them, which
    :func:`check_willing` says; the actor left out.

    Raises ``Invalid`` for ``field``, in the same words for names that are unknown, inactive or not to be contacted.
    """
    own = handle(actor)
    wanted = [name for name in dict.fromkeys(usernames) if name != own]
    if len(wanted) > MAX_CONTACTS:
        raise Invalid({field: [_("No more than %(most)d people at once.") % {"most": MAX_CONTACTS}]})
    found = {handle(user): user for user in users_with_handles(wanted)} if wanted else {}
    prefetch_related_objects([*found.values()], *get_adapter().card_related)
    if not all(name in found and may_contact(actor, found[name]) for name in wanted):
        raise nobody(field)
    return [found[name] for name in wanted]


def visible_people(actor: User, usernames: Iterable[str]) -> dict[str, User]:
    """Of whom the actor may see whether they are online, by their handles. Whoever is unknown, inactive or not to be
    seen is not among them."""
    found = {handle(user): user for user in users_with_handles(usernames) if user.is_active}
    visible = {user.pk for user in get_adapter().visible_presence(actor, [*found.values()])}
    visible -= set(Block.objects.across(actor, visible))
    return {name: user for name, user in found.items() if user.pk in visible}


def check_willing(actor: User | None, others: Sequence[User], refusal: ChatError) -> None:
    """Raises this refusal where one of them has blocked the actor; the site itself nobody blocks."""
    if actor is not None and others and Block.objects.filter(blocker__in=others, blocked=actor).exists():
        raise refusal


def may_contact(actor: User | None, user: User) -> bool:
    """Whether the actor may know of the user, write to them and add them; the site itself need not be welcome."""
    return user.is_active and (actor is None or get_adapter().may_contact(actor, user))


def somebody(actor: User, username: str) -> User:
    """The user of that handle, if the actor may know of them. Raises ``NotFound``."""
    for user in users_with_handles([username]):
        if may_contact(actor, user) or (user.is_active and Membership.objects.beside(actor).of(user).exists()):
            return user
    raise NotFound


def people(actor: User, beginning: str) -> "QuerySet[User]":
    """Whom the actor may find by what their handle begins with, in whatever case; unordered."""
    blocked = Block.objects.filter(blocker=actor).values("blocked")
    blockers = Block.objects.filter(blocked=actor).values("blocker")
    found = active(get_adapter().people(actor)).exclude(pk=actor.pk).exclude(pk__in=blocked).exclude(pk__in=blockers)
    if get_adapter().card_related:
        found = found.select_related(*get_adapter().card_related)
    return found.filter(**{f"{handle_field()}__istartswith": beginning}) if beginning else found


def blocks(actor: User) -> "QuerySet[Block]":
    """Whom the actor blocks, unordered."""
    return blocks_with_users().filter(blocker=actor)
