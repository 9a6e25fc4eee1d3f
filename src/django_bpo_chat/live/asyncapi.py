"""The AsyncAPI 3 document of the socket: what a client may say, what answers it, and what the server says by itself.

What comes in is described by the serializers that read it, the site's own among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from rest_framework import serializers

from ..conf import chat_settings
from ..exceptions import CloseCode
from ..json_schema import Dict, Schemas
from ..serializers import FlagField, NumberField, TextField
from ..shapes import ADDRESS, HANDLE, Changes, ChatUser, Message, Preferences, ReadMark, Shape
from ..wire import SUBPROTOCOL
from .frames import FRAMES, HelloInput, IdField

MEDIA_TYPE = "application/vnd.aai.asyncapi+json;version=3.0.0"

URI = "kPqU0E2lRnmVYzXw5T8cJA"


# What the server says


class ChatState(Shape):
    """Where a chat stands."""

    example = {"uri": URI, "version": 2, "unread_count": 0}

    uri = TextField(help_text=ADDRESS)
    version = NumberField(help_text="Compared with the client's own it tells whether something was missed.")
    unread_count = NumberField()


class Ready(Shape):
    """The answer to `hello`."""

    example = {"type": "ready", "user": ChatUser.example, "heartbeat": 25, "chats": [ChatState.example], "more": False}

    user = ChatUser()
    heartbeat = serializers.FloatField(help_text="Seconds between two `ping` frames.")
    chats = ChatState(many=True, help_text="The last active first, at most 200.")
    more = FlagField(help_text="Whether there are more chats than these, to be had over REST.")


class Answer(Shape):
    id = IdField(required=False, help_text="That of the frame which this answers.")


class Ok(Answer):
    """It is done."""

    example = {"type": "ok", "id": 5}


class Sent(Answer):
    """The message is stored."""

    example = {"type": "ok", "id": 1, "message": Message.example}

    message = Message()


class Marked(Answer, ReadMark):
    """How far the user has read."""

    example = {"type": "ok", "id": 4, **ReadMark.example}


class Error(Answer):
    """What was said is refused."""

    example = {"type": "error", "id": 9, "code": "not_found", "detail": "Not found."}

    code = TextField(help_text="For programs: one of those of the REST API.")
    detail = TextField(help_text="For people. It may change, and be translated.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=TextField()), required=False, help_text="What is wrong with each field."
    )
    retry_after = NumberField(required=False, help_text="After how many seconds it may be said again.")


class Changed(Answer, Changes):
    """Something changed in a chat of the user's, or had changed: the only frame that matters."""

    example = {"type": "changes", **Changes.example}


class Behind(Answer):
    """What is between is not sent: fetch the chat over REST."""

    example = {"type": "reset", "id": 3, "chat": URI, "version": 3}

    chat = TextField(help_text=ADDRESS)
    version = NumberField(help_text="Where the chat stands.")


class Read(Shape):
    """A member has read up to `seq`."""

    example = {"type": "read", "chat": URI, "username": "mabel", "seq": 1}

    chat = TextField(help_text=ADDRESS)
    username = TextField(help_text=HANDLE)
    seq = NumberField()


class View(Preferences):
    """The user has another view of a chat, chosen elsewhere."""

    example = {"type": "me", "chat": URI, **Preferences.example}

    chat = TextField(help_text=ADDRESS)


class Typing(Shape):
    """Another member is typing."""

    example = {"type": "typing", "chat": URI, "username": "mabel"}

    chat = TextField(help_text=ADDRESS)
    username = TextField(help_text=HANDLE)


class Presence(Shape):
    """Somebody whom this socket watches has come or gone."""

    example = {"type": "presence", "username": "mabel", "online": True}

    username = TextField(help_text=HANDLE)
    online = FlagField()


class Expiring(Shape):
    """The token expires, and the socket with it, unless the client renews it."""

    example = {"type": "auth.expiring", "seconds": 60}

    seconds = NumberField()


class Reconnect(Shape):
    """The server is about to end: connect again after so many seconds, which differ from client to client."""

    example = {"type": "reconnect", "after": 0.7}

    after = serializers.FloatField(help_text="Seconds.")


class Ping(Shape):
    """Answer with `pong`."""

    example = {"type": "ping"}


HEARD: Mapping[str, type[Shape]] = {
    "ready": Ready,
    "ok": Ok,
    "sent": Sent,
    "marked": Marked,
    "error": Error,
    "changes": Changed,
    "reset": Behind,
    "read": Read,
    "me": View,
    "typing": Typing,
    "presence": Presence,
    "expiring": Expiring,
    "reconnect": Reconnect,
    "ping": Ping,
}
"""What the server says. The type of each is that of its example."""

UNASKED = ("changes", "read", "me", "typing", "presence", "expiring", "reconnect", "ping")
"""What it says by itself."""


# What the client says


@dataclass(frozen=True, slots=True)
class Said:
    """``answers`` are keys of :data:`HEARD`; whatever is said may be answered with an error besides."""

    key: str
    summary: str
    example: Dict
    answers: tuple[str, ...]


SAID: Mapping[str, Said] = {
    "hello": Said("hello", "Comes first, within 10 seconds.", {"token": "eyJhbGciOiJIUzI1NiJ9.e30.access"}, ("ready",)),
    "message.send": Said(
        "send_message",
        "Send a message.",
        {"id": 1, "chat": URI, "message": "Hello world", "client_id": "8b1f2c"},
        ("sent",),
    ),
    "resume": Said(
        "resume",
        "Ask for all that has changed since a version, in as many frames as it takes.",
        {"id": 2, "chat": URI, "since": 2},
        ("changes", "reset"),
    ),
    "read": Said("mark_read", "Mark as read.", {"id": 4, "chat": URI, "seq": 1}, ("marked",)),
    "typing": Said("say_typing", "Tell the others that one is typing.", {"chat": URI}, ("ok",)),
    "presence.watch": Said(
        "watch_presence",
        "Hear of it when one of these comes or goes: at most 100, in the place of those from before.",
        {"id": 6, "usernames": ["mabel"]},
        ("ok", "presence"),
    ),
    "auth": Said(
        "renew", "Show a fresh token of the same user.", {"id": 7, "token": "eyJhbGciOiJIUzI1NiJ9.e30.access"}, ("ok",)
    ),
    "pong": Said("pong", "The answer to `ping`.", {}, ()),
}

CLOSE_CODES: Mapping[CloseCode, str] = {
    CloseCode.BAD_FRAMES: "Frames that are not understood: do not try again.",
    CloseCode.NOT_AUTHENTICATED: "Not authenticated, or not any more: get a token, connect.",
    CloseCode.NOT_ALLOWED: "The site does not allow it: do not try again.",
    CloseCode.TOO_SLOW: "Too slow to read, or silent for too long: connect, resume.",
    CloseCode.TOO_MANY: "Too many frames, or sockets of one user: connect after a minute, resume.",
    CloseCode.UNAVAILABLE: "Of no use now: connect later.",
}

DESCRIPTION = (
    "One WebSocket per client carries what happens in all chats of a user. Frames are text, each one JSON object of at "
    "most 64 KiB with a `type`. A client ignores types and fields that it does not know.\n\n"
    "The client speaks first, with `hello`. Who is there, the handshake shows by a bearer token or by the site's "
    "session cookie, or else `hello` by a token. Never put a token into the URL."
)

CHANNEL = {"$ref": "#/channels/chat"}


def document() -> Dict:
    """The whole document, as it is on this site."""
    schemas = Schemas()
    messages = {key: _heard(schemas, shape) for key, shape in HEARD.items()}
    messages |= {said.key: _said(schemas, kind, said) for kind, said in SAID.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Chat", "version": "1", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {"chat": _channel(messages)},
        "operations": {**_answering(), **_telling()},
        "components": {
            "messages": messages,
            "schemas": schemas.components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "session": {"type": "httpApiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
            },
        },
    }


@require_safe
def asyncapi(_request: HttpRequest) -> JsonResponse:
    """A view of the document."""
    return JsonResponse(document(), content_type=MEDIA_TYPE)


def _heard(schemas: Schemas, shape: type[Shape]) -> Dict:
    kind = shape.example["type"]
    return {"name": kind, "summary": shape.__doc__, "payload": _payload(kind, schemas.of(shape()))}


def _said(schemas: Schemas, kind: str, said: Said) -> Dict:
    """The site's serializer reads a message from the frame as it does from the body of a request."""
    read_by = [HelloInput if kind == "hello" else FRAMES[kind].input]
    if kind == "message.send":
        read_by.append(chat_settings.serializer("send_message"))
    payload = _payload(kind, *(schemas.of(each()) for each in read_by))
    return {"name": kind, "summary": said.summary, "payload": payload | {"examples": [{"type": kind, **said.example}]}}


def _payload(kind: str, *schemas: Dict) -> Dict:
    """A frame of this type with the fields of all of these."""
    merged: Dict = {"type": "object", "properties": {"type": {"const": kind}}, "required": ["type"]}
    for schema in schemas:
        merged = {
            **schema,
            **merged,
            "properties": merged["properties"] | schema["properties"],
            "required": merged["required"] + schema["required"],
        }
    return merged


def _channel(messages: Dict) -> Dict:
    headers = {
        "Authorization": {"type": "string", "description": "`Bearer <access token>`; browsers cannot set it."},
        "Cookie": {"type": "string", "description": "With the site's session."},
        "Origin": {"type": "string", "description": "For the cookie to count: the site's own, or one that it trusts."},
        "Sec-WebSocket-Protocol": {"type": "string", "description": f"`{SUBPROTOCOL}`"},
    }
    return {
        "address": "/ws/v1/chat/",
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
        "bindings": {"ws": {"method": "GET", "headers": {"type": "object", "properties": headers}}},
        "x-subprotocol": SUBPROTOCOL,
        "x-close-codes": {str(int(code)): meaning for code, meaning in CLOSE_CODES.items()},
    }


def _answering() -> Dict:
    """What the server does with each frame of a client."""
    return {
        said.key: {
            "action": "receive",
            "channel": CHANNEL,
            "summary": said.summary,
            "messages": _messages(said.key),
            "reply": {"channel": CHANNEL, "messages": _messages(*said.answers, "error")},
            **({"security": SECURITY} if kind == "hello" else {}),
        }
        for kind, said in SAID.items()
    }


SECURITY = [{"$ref": "#/components/securitySchemes/bearer"}, {"$ref": "#/components/securitySchemes/session"}]


def _telling() -> Dict:
    """What the server says by itself."""
    return {
        f"tell_{key}": {"action": "send", "channel": CHANNEL, "summary": HEARD[key].__doc__, "messages": _messages(key)}
        for key in UNASKED
    }


def _messages(*keys: str) -> list[Dict]:
    return [{"$ref": f"#/channels/chat/messages/{key}"} for key in keys]
