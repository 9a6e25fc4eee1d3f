"""What a client may say once it is known: for each frame type the shape of its input and what is done with it.

The work is the same operation or read that the HTTP door calls.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from .. import access, operations, wire
from ..conf import chat_settings
from ..models import CLIENT_ID_LENGTH, Membership
from ..serializers import Data, MarkReadInput, NamesField, NumberField, TextField, validated
from ..users import User
from .backlog import Backlog, Page, PageKey
from .presence import visible_users
from .reader import is_frame_id

if TYPE_CHECKING:
    from .session import Session

MOST_VERSIONS_BEHIND = 500
"""Whoever has missed more fetches the chat over REST, which sends less than every change of it."""

MOST_WATCHED = 100
"""The contract's: so many people one socket may watch."""

Result = dict[str, Any]


class IdField(serializers.Field[Any, Any, Any, Any]):
    """The client's name for its own frame, returned in the answer."""

    json_schema: ClassVar = {"type": ["integer", "string"], "maxLength": CLIENT_ID_LENGTH}

    def to_internal_value(self, data: Any) -> Any:
        if not is_frame_id(data):
            raise serializers.ValidationError(_("A number, or a string of up to 64 printable characters."))
        return data


class FrameInput(serializers.Serializer[Any]):
    id = IdField(required=False)


class HelloInput(FrameInput):
    token = TextField(required=False)


class AuthInput(FrameInput):
    token = TextField()


class SendInput(FrameInput):
    id = IdField()
    chat = TextField()

    def to_internal_value(self, data: Any) -> Data:
        """``body`` is the rest of the frame, which the site's serializer reads as it reads the body of a request."""
        body = {name: value for name, value in data.items() if name not in {"type", *self.fields}}
        return {**super().to_internal_value(data), "body": body}


class ResumeInput(FrameInput):
    chat = TextField()
    since = NumberField()


class ReadInput(FrameInput, MarkReadInput):
    chat = TextField()


class TypingInput(FrameInput):
    chat = TextField()


class WatchInput(FrameInput):
    usernames = NamesField()

    def validate_usernames(self, usernames: list[str]) -> list[str]:
        if len(usernames) > MOST_WATCHED:
            raise serializers.ValidationError(_("No more than %(most)d people at once.") % {"most": MOST_WATCHED})
        return usernames


@dataclass(frozen=True, slots=True)
class Act:
    """What a frame does, as a request would do it: its method, and as which of the site's ``RATES`` it counts, besides
    being a frame."""

    method: str
    rate: str | None


SEND, TYPE, MARK, READ = Act("POST", "send_message"), Act("POST", None), Act("PUT", "write"), Act("GET", "read")


async def send_message(session: "Session", values: Data) -> Result:
    return await session.perform(SEND, values["chat"], _send, values)


def _send(actor: User, values: Data) -> Result:
    body = validated(chat_settings.serializer("send_message"), values["body"], actor)
    message, _created = operations.send_message(
        actor=actor,
        chat=values["chat"],
        text=body["message"],
        client_id=body.get("client_id") or "",
        reply_to=body.get("reply_to"),
        attachments=body.get("attachments") or (),
    )
    return {"message": wire.message(message)}


async def mark_read(session: "Session", values: Data) -> Result | None:
    seq, unread_count = await session.perform(MARK, values["chat"], _mark_read, values)
    return {"seq": seq, "unread_count": unread_count} if "id" in values else None


def _mark_read(actor: User, values: Data) -> tuple[int, int]:
    return operations.mark_read(actor=actor, chat=values["chat"], seq=values["seq"])


async def resume(session: "Session", values: Data) -> None:
    """Page after page, at the pace at which the client reads, until it has all that was there when the last was read.

    A page that was read before the user was out must not follow the frame that told them so: it is read again, and
    refused. Whoever has come back since the version that their client knows begins anew: they may see other messages.
    """
    socket, chat, since = session.socket, values["chat"], values["since"]
    more = True
    while more and not socket.closing:
        left_before = socket.left.get(chat, 0)
        page, stored_version = await session.perform(READ, chat, _page, session.backlog, values, since)
        if stored_version < left_before:
            socket.left.pop(chat, None)  # a backup has been restored
        elif stored_version < socket.left.get(chat, 0):
            continue
        more, since = page.more, page.version
        socket.deliver(wire.with_fields(page.frame, {"id": values["id"]}) if "id" in values else page.frame)
        await socket.flushed()


def _page(actor: User, backlog: Backlog, values: Data, since: int) -> tuple[Page, int]:
    """What answers a resume from there on, and the version that the chat had when the actor was seen to be a member."""
    chat = values["chat"]
    member = access.membership(actor, chat)
    version = member.chat.version
    is_near = version - MOST_VERSIONS_BEHIND <= since <= version
    if not is_near or member.has_returned_since(values["since"]):
        return Page(wire.frame("reset", {"chat": chat, "version": version}), version, more=False), version
    key = PageKey(chat, since, version, member.first_seq)
    return backlog.page(key, lambda: _read_page(member, since)), version


def _read_page(member: Membership, since: int) -> Page:
    changes = access.changes_of(member.chat, since=since, first_seq=member.first_seq)
    return Page(wire.frame("changes", wire.changes(changes)), changes.version, changes.more)


async def say_typing(session: "Session", values: Data) -> Result | None:
    await session.announce_typing(values["chat"])
    return {} if "id" in values else None


async def watch_presence(session: "Session", values: Data) -> None:
    """The answer comes before the present state of all who are named, which is before any change of it."""
    socket, names = session.socket, values["usernames"]
    users = await session.perform(READ, None, visible_users, names)
    frames = await session.presence.watch(socket, names, users)
    if "id" in values:
        socket.deliver(wire.frame("ok", {"id": values["id"]}))
    for frame in frames:
        socket.deliver(frame, ephemeral=True)


async def renew(session: "Session", values: Data) -> Result:
    await session.renew(values["token"])
    return {}


async def pong(session: "Session", values: Data) -> None:
    """That a frame came is all there is to know."""


@dataclass(frozen=True, slots=True)
class Frame:
    """``work`` returns what the ``ok`` carries besides the ``id``, or None where it has answered by itself."""

    input: type[FrameInput]
    work: Callable[["Session", Data], Awaitable[Result | None]]


FRAMES = {
    "message.send": Frame(SendInput, send_message),
    "resume": Frame(ResumeInput, resume),
    "read": Frame(ReadInput, mark_read),
    "typing": Frame(TypingInput, say_typing),
    "presence.watch": Frame(WatchInput, watch_presence),
    "auth": Frame(AuthInput, renew),
    "pong": Frame(FrameInput, pong),
}
