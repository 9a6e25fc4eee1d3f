"""What answers and frames look like, as serializers: for the OpenAPI and AsyncAPI documents, and for nothing else.

What leaves is built by :mod:`~django_bpo_chat.wire`; the tests hold the two together. Docstrings and ``help_text`` are
read by those who write clients.
"""

from typing import Any, ClassVar

from rest_framework import serializers

from .models import OWNER, Membership
from .models import Chat as ChatRow
from .serializers import FlagField, NumberField, TextField

Example = dict[str, Any]


class Shape(serializers.Serializer[Any]):
    example: ClassVar[Example]

    has_card = False
    """Whether there is what the site's adapter shows of a user, too."""


HANDLE = "A user's handle."
ADDRESS = "The chat's address: 128 random bits, safe in URLs."
NOBODY = "Null for the site itself, and where the account has been deleted."


class ChatUser(Shape):
    """A user, as others are shown them: the site may show more than the handle."""

    has_card = True
    example = {"username": "mabel"}

    username = TextField(help_text=HANDLE)


class Author(Shape):
    """Who wrote a message."""

    has_card = True
    example = {"username": "wali"}

    username = TextField(allow_null=True, help_text="Null where the account has been deleted.")


class Reaction(Shape):
    """Who reacted to a message with one emoji."""

    example = {"emoji": "👍", "usernames": ["mabel"]}

    emoji = TextField()
    usernames = serializers.ListField(child=TextField(), help_text="In the order in which they came.")


class Attachment(Shape):
    """A file."""

    example = {
        "id": "vT3sQ9wLx2YbN7kRz5MhAA",
        "name": "list.txt",
        "content_type": "text/plain",
        "size": 17,
        "width": None,
        "height": None,
        "preview": False,
    }

    id = TextField(help_text="For a message to name it, and for its address.")
    name = TextField(help_text="What its uploader calls it.")
    content_type = TextField(help_text="What it is, found from its bytes.")
    size = NumberField(help_text="In bytes.")
    width = NumberField(allow_null=True, help_text="In pixels, of an image.")
    height = NumberField(allow_null=True, help_text="In pixels, of an image.")
    preview = FlagField(help_text="Whether there is a small picture of it.")


class Message(Shape):
    """A message, or the tombstone of one that was deleted."""

    example = {
        "seq": 1,
        "version": 6,
        "user": Author.example,
        "message": "Hello world",
        "created_at": "2026-05-04T09:36:00.000000Z",
        "edited_at": None,
        "deleted": False,
        "reply_to": None,
        "client_id": None,
        "reactions": [Reaction.example],
        "mentions": [],
        "attachments": [],
    }

    seq = NumberField(help_text="1, 2, 3… in its chat, without a hole: its place, and its name in URLs.")
    version = NumberField(help_text="The chat's version in which this message last changed.")
    user = Author()
    message = TextField(help_text="The text; empty where `deleted`.")
    created_at = serializers.DateTimeField(help_text="When it was sent.")
    edited_at = serializers.DateTimeField(help_text="When it was last edited.", allow_null=True)
    deleted = FlagField(help_text="Whether it is a tombstone.")
    reply_to = NumberField(help_text="The `seq` of the message that it answers.", allow_null=True)
    client_id = TextField(allow_null=True, help_text="What its sender gave.")
    reactions = Reaction(many=True)
    mentions = serializers.ListField(child=TextField(), help_text="The usernames of the members whom the text names.")
    attachments = Attachment(many=True)


class Member(Shape):
    """Somebody in a chat, or who was in it."""

    has_card = True
    example = {
        "username": "wali",
        "role": "owner",
        "joined_at": "2026-05-04T09:30:00.000000Z",
        "left": False,
        "version": 1,
    }

    username = TextField(help_text=HANDLE)
    role = serializers.ChoiceField(choices=[(OWNER, OWNER), *Membership.Role.choices])
    joined_at = serializers.DateTimeField(help_text="When they joined.")
    left = FlagField(help_text="Whether they are out.")
    version = NumberField(help_text="The chat's version in which this row last changed.")


class Details(Shape):
    """What belongs to the chat itself and is versioned with it."""

    example = {"title": "Picnic", "owner": "wali", "joinable": True, "history": "full"}

    title = TextField(help_text="Up to 200 characters, or empty.")
    owner = TextField(allow_null=True, help_text="Null in a personal chat, and where everybody has left.")
    joinable = FlagField(help_text="Whether the address lets people in.")
    history = serializers.ChoiceField(
        choices=ChatRow.History.choices, help_text="What somebody who joins may see of the time before."
    )


class Preferences(Shape):
    """One's own view of a chat, which nobody else is shown."""

    example = {"muted": False, "pinned": True, "archived": False}

    muted = FlagField()
    pinned = FlagField()
    archived = FlagField()


class Chat(Details, Preferences):
    """A chat, as one of its members sees it."""

    example = {
        "uri": "kPqU0E2lRnmVYzXw5T8cJA",
        "kind": "group",
        **Details.example,
        "members": [Member.example],
        "member_count": 1,
        "version": 6,
        "last_message": Message.example,
        "unread_count": 0,
        "mention_count": 0,
        "muted": False,
        "pinned": False,
        "archived": False,
        "created_at": "2026-05-04T09:30:00.000000Z",
    }

    uri = TextField(help_text=ADDRESS)
    kind = serializers.ChoiceField(choices=ChatRow.Kind.choices, help_text="A direct chat is the personal one of two.")
    members = Member(many=True, help_text="The first 50.")
    member_count = NumberField(help_text="How many members there are.")
    version = NumberField(help_text="Grows with every change of the chat.")
    last_message = Message(allow_null=True)
    unread_count = NumberField(help_text="How many messages are after the caller's read mark, tombstones not counted.")
    mention_count = NumberField(help_text="How many of these mention the caller.")
    created_at = serializers.DateTimeField(help_text="When it was started.")


class Changes(Shape):
    """The present state of what has changed in a chat since a version."""

    example = {
        "chat": "kPqU0E2lRnmVYzXw5T8cJA",
        "since": 5,
        "version": 6,
        "messages": [Message.example],
        "members": [],
        "details": None,
        "more": False,
    }

    chat = TextField(help_text=ADDRESS)
    since = NumberField(help_text="The version from which it leads on.")
    version = NumberField(help_text="The version to which it leads.")
    messages = Message(many=True)
    members = Member(many=True)
    details = Details(allow_null=True, help_text="Null where none of these has changed.")
    more = FlagField(help_text="Whether there is more to be asked for, since this `version`.")


class Reset(Shape):
    """The client is ahead of the chat, as after the restore of a backup: it fetches the chat anew."""

    example = {"reset": True, "version": 6}

    reset = FlagField(help_text="Always true.")
    version = NumberField(help_text="Where the chat stands.")


class MessagePage(Shape):
    """Messages in the order of their chat."""

    example = {"version": 6, "next": None, "previous": None, "results": [Message.example]}

    version = NumberField(help_text="The chat's, when the page was read: from there one follows its changes.")
    next = serializers.URLField(allow_null=True, help_text="Leads to newer messages.")
    previous = serializers.URLField(allow_null=True, help_text="Leads to older messages.")
    results = Message(many=True)


class ReadMark(Shape):
    """How far somebody has read."""

    example = {"seq": 1, "unread_count": 0}

    seq = NumberField(help_text="The last message that counts as read.")
    unread_count = NumberField(help_text="How many are after it.")


class Ban(Shape):
    """Somebody who is kept out of a chat."""

    has_card = True
    example = {"username": "otis", "banned_by": "mabel", "banned_at": "2026-05-04T09:43:00.000000Z"}

    username = TextField(help_text=HANDLE)
    banned_by = TextField(allow_null=True, help_text=NOBODY)
    banned_at = serializers.DateTimeField(help_text="When.")


class Invite(Shape):
    """A link that lets people in."""

    example = {
        "token": "Yw3kTz7cQ5mXo1JrN8vBHg",
        "created_by": "mabel",
        "created_at": "2026-05-04T09:45:00.000000Z",
        "expires_at": "2026-05-05T09:45:00.000000Z",
        "max_uses": 10,
        "uses": 0,
    }

    token = TextField()
    created_by = TextField(allow_null=True, help_text=NOBODY)
    created_at = serializers.DateTimeField(help_text="When it was made.")
    expires_at = serializers.DateTimeField(help_text="Null where it lasts for ever.", allow_null=True)
    max_uses = NumberField(min_value=1, allow_null=True, help_text="Null where any number may come in.")
    uses = NumberField(help_text="How many have come in by it.")


class Block(Shape):
    """Somebody whom the caller blocks."""

    has_card = True
    example = {"username": "otis", "blocked_at": "2026-05-04T09:50:00.000000Z"}

    username = TextField(help_text=HANDLE)
    blocked_at = serializers.DateTimeField(help_text="Since when.")


class SearchResult(Shape):
    """A message that was found, and where its text matches."""

    example = {
        "chat": "kPqU0E2lRnmVYzXw5T8cJA",
        "message": Message.example,
        "snippet": "Hello world",
        "highlights": [[0, 5]],
    }

    chat = TextField(help_text=ADDRESS)
    message = Message()
    snippet = TextField(help_text="A part of the text, as plain text.")
    highlights = serializers.ListField(
        child=serializers.ListField(child=NumberField(), min_length=2, max_length=2),
        help_text="Places in the snippet, each from where it begins to where it has ended, in characters of Unicode.",
    )


class Health(Shape):
    """That requests can be served."""

    example = {"status": "ok"}

    status = TextField(help_text="`ok`.")
