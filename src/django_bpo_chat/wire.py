"""Rows to the dicts of the contract, and dicts to text and back. Plain functions; none of them asks the database.

What the functions read of related rows (a message's author, a member's user) has to be loaded by their caller.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from .adapter import get_adapter
from .clock import to_utc
from .exceptions import ParseError, TooLarge
from .models import Attachment, Ban, Block, Chat, Invite, Membership, Message
from .users import User, handle

MAX_BYTES = 64 * 1024
"""The largest JSON text either door takes, and the largest frame that leaves."""

MAX_DEPTH = 32

SUBPROTOCOL = "bpo-chat.v1"
"""What this is called in the handshake of a socket."""

Dict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """The present state of the rows of a chat whose version is in (since, version]."""

    chat: Chat
    since: int
    version: int
    messages: Sequence[Message] = ()
    members: Sequence[Membership] = ()
    details: bool = False
    more: bool = False

    @classmethod
    def of_member(cls, row: Membership) -> "Changes":
        """The version that changed this member, as far as it is theirs."""
        return cls(chat=row.chat, since=row.version - 1, version=row.version, members=[row])

    @property
    def is_reset(self) -> bool:
        """The client is ahead of the database, as after a restored backup: it has to fetch the chat anew."""
        return self.since > self.version


@dataclass(frozen=True, slots=True)
class ChatView:
    """A chat as one of its members sees it. ``membership`` carries the chat and the ``unread_count``."""

    membership: Membership
    members: Sequence[Membership]
    last_message: Message | None

    @property
    def is_ahead(self) -> bool:
        """Whether some of it was read a moment after the membership, and is newer."""
        rows: list[Membership | Message] = [*self.members, *([self.last_message] if self.last_message else [])]
        return any(row.version > self.membership.chat.version for row in rows)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A message that somebody has looked for, and the part of its text where it is, which starts and ends anywhere.
    ``highlights`` are places in that part."""

    message: Message
    snippet: str
    highlights: Sequence[tuple[int, int]]


class _Encoder(DjangoJSONEncoder):
    """For what a site's card may hold besides JSON; times read as the contract's own."""

    def default(self, o: Any) -> Any:
        return instant(o) if isinstance(o, datetime) else super().default(o)


_encoder = _Encoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def encode(value: Any) -> str:
    """Compact JSON, not escaped beyond what JSON requires, as both doors answer.

    A lone surrogate, which no encoding has, becomes U+FFFD. Raises ``ValueError`` for NaN and infinity, and
    ``TypeError`` for what neither JSON nor Django's encoder takes.
    """
    text = _encoder.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATES.sub("\ufffd", text)
    return text


def frame(kind: str, body: Dict) -> str:
    """A frame as it leaves."""
    return encode({"type": kind, **body})


def with_fields(frame: str, fields: Dict) -> str:
    """The frame with more fields, without encoding it again."""
    return f"{frame[:-1]},{encode(fields)[1:]}"


def decode(text: bytes | str) -> Any:
    """The JSON value in a body or a frame.

    Raises ``TooLarge`` beyond 64 KiB, ``ParseError`` for anything but strict JSON in UTF-8, at most 32 levels deep.
    """
    try:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > MAX_BYTES:
            raise TooLarge
        value = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ParseError from error
    if _is_deeper_than(MAX_DEPTH, value):
        raise ParseError
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_deeper_than(levels: int, value: Any) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            item
            for container in layer
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not layer:
            return False
    return True


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with ``Z``, to the microsecond."""
    if moment is None:
        return None
    return to_utc(moment).isoformat(timespec="microseconds").replace("+00:00", "Z")


def user(user: User | None) -> Dict:
    """Whoever wrote a message, with what the site shows of them; the ``username`` of a deleted user is null."""
    return {**get_adapter().card(user), "username": handle(user)} if user else {"username": None}


def message(row: Message) -> Dict:
    return {
        "seq": row.seq,
        "version": row.version,
        "user": user(row.author),
        "message": row.text,
        "created_at": instant(row.created_at),
        "edited_at": instant(row.edited_at),
        "deleted": row.is_deleted,
        "reply_to": row.reply_to,
        "client_id": row.client_id or None,
        "reactions": reactions(row),
        "mentions": row.mentions,
        "attachments": [attachment(each) for each in row.shown_attachments],
    }


def tombstone(row: Message) -> Dict:
    """What a message will be once it is deleted, but for its version."""
    return {**message(row), "message": "", "deleted": True, "reactions": [], "mentions": [], "attachments": []}


def reactions(row: Message) -> list[Dict]:
    """By emoji, in the order in which they came."""
    usernames: dict[str, list[str]] = {}
    for each in row.shown_reactions:
        usernames.setdefault(each.emoji, []).append(handle(each.user))
    return [{"emoji": emoji, "usernames": names} for emoji, names in usernames.items()]


def attachment(row: Attachment) -> Dict:
    """``preview`` says whether there is one; only what was decoded as an image has a width and a height."""
    return {
        "id": row.key,
        "name": row.name,
        "content_type": row.content_type,
        "size": row.size,
        "width": row.width,
        "height": row.height,
        "preview": bool(row.preview_path),
    }


def search_result(row: SearchResult) -> Dict:
    return {
        "chat": row.message.chat.uri,
        "message": message(row.message),
        "snippet": row.snippet,
        "highlights": [list(each) for each in row.highlights],
    }


def member(row: Membership) -> Dict:
    return {
        **user(row.user),
        "role": row.shown_role,
        "joined_at": instant(row.joined_at),
        "left": not row.is_present,
        "version": row.version,
    }


def details(chat: Chat) -> Dict:
    """What belongs to the chat itself and is versioned with it."""
    return {
        "title": chat.title,
        "owner": handle(chat.owner),
        "joinable": chat.joinable,
        "history": chat.history,
    }


def chat(view: ChatView) -> Dict:
    row = view.membership.chat
    return {
        "uri": row.uri,
        "kind": row.kind,
        **details(row),
        "members": [member(each) for each in view.members],
        "member_count": row.member_count,
        "version": row.version,
        "last_message": message(view.last_message) if view.last_message else None,
        "unread_count": view.membership.unread_count,
        "mention_count": view.membership.mention_count,
        **preferences(view.membership),
        "created_at": instant(row.created_at),
    }


def preferences(row: Membership) -> Dict:
    """A member's own view of a chat, which nobody else is shown."""
    return {"muted": row.muted, "pinned": row.pinned, "archived": row.archived}


def ban(row: Ban) -> Dict:
    return {**user(row.user), "banned_by": handle(row.banned_by), "banned_at": instant(row.banned_at)}


def block(row: Block) -> Dict:
    return {**user(row.blocked), "blocked_at": instant(row.created_at)}


def invite(row: Invite) -> Dict:
    return {
        "token": row.token,
        "created_by": handle(row.created_by),
        "created_at": instant(row.created_at),
        "expires_at": instant(row.expires_at),
        "max_uses": row.max_uses,
        "uses": row.uses,
    }


def changes(part: Changes) -> Dict:
    """The one durable object: of live frames, ``resume``, repair and ``changes/``."""
    return {
        "chat": part.chat.uri,
        "since": part.since,
        "version": part.version,
        "messages": [message(row) for row in part.messages],
        "members": [member(row) for row in part.members],
        "details": details(part.chat) if part.details else None,
        "more": part.more,
    }


def nothing_visible(uri: str, since: int, version: int) -> Dict:
    """A ``changes`` object that moves a member on and tells nothing."""
    return changes(Changes(chat=Chat(uri=uri), since=since, version=version))
