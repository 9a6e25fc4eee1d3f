"""One connection: the handshake, ``hello`` and ``ready``, then a frame at a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer
from django.db import InterfaceError, OperationalError

from .. import access, wire
from ..conf import chat_settings
from ..exceptions import ChatError, Invalid, NotAuthenticated, ParseError, Unavailable
from . import auth
from .frames import FRAMES, Frame, HelloInput, parse
from .hub import running_hub
from .sockets import Send, Socket

logger = logging.getLogger(__name__)

SUBPROTOCOL = "bpo-chat.v1"
LISTED_CHATS = 200
MOST_BAD_FRAMES = 3
MISSED_HEARTBEATS = 3
EXPIRY_WARNING_SECONDS = 60

BAD_FRAMES = 4400
NOT_AUTHENTICATED = 4401
NOT_READING = 4408


class Refused(Exception):
    """The connection ends with this close code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


class Disconnected(Exception):
    """The client has gone."""


class ChatConsumer(AsyncConsumer):
    """All chats of one user on one socket; the contract's live door.

    It mounts like any Channels consumer and takes neither a channel nor a group: what it is told comes from the hub,
    straight to the server's ``send``.
    """

    frames: ClassVar[dict[str, Frame]] = FRAMES

    socket: Socket | None = None

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._hub = running_hub()
        self._bad_frames = 0
        try:
            await self._accept()
            await self._converse(await self._introduction())
        except Refused as refusal:
            await self._send({"type": "websocket.close", "code": refusal.code})
        except Disconnected:
            pass

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run ``work`` in a thread that may ask the database. Raises ``Unavailable`` where that cannot be reached."""
        try:
            return await self._hub.database.run(work, *args, **kwargs)
        except (InterfaceError, OperationalError) as error:
            logger.warning("The database is not available", exc_info=error)
            raise Unavailable from error

    # Who is it?

    async def _accept(self) -> None:
        """To refuse is to accept and then close: only so does the close code reach the client."""
        await self._receive()
        offered = self.scope.get("subprotocols", ())
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
        if auth.has_token_in_url(self.scope):
            raise Refused(NOT_AUTHENTICATED)

    async def _introduction(self) -> auth.Login:
        try:
            return await asyncio.wait_for(self._hello(), chat_settings.hello_seconds)
        except asyncio.TimeoutError:
            raise Refused(NOT_AUTHENTICATED) from None
        except NotAuthenticated:
            raise Refused(NOT_AUTHENTICATED) from None
        except Unavailable as error:
            raise Refused(error.close_code) from None

    async def _hello(self) -> auth.Login:
        """The login that the handshake or the first frame proves."""
        login = await self.run(auth.handshake_login, self.scope)
        frame = await self._next_frame()
        if frame.get("type") != "hello":
            raise Refused(BAD_FRAMES if login else NOT_AUTHENTICATED)
        try:
            hello = parse(HelloInput, frame)
        except Invalid as error:
            await self._say(_error(error, frame))
            raise Refused(BAD_FRAMES) from None
        if "token" in hello:
            login = await self.run(auth.token_login, hello["token"])
        if login is None:
            raise Refused(NOT_AUTHENTICATED)
        return login

    # Talk

    async def _converse(self, login: auth.Login) -> None:
        """From the registration on nothing is missed: events wait in the socket until ``ready`` has been said."""
        self.socket = Socket(self._send, login)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._hub.add(self.socket)
        try:
            try:
                self.socket.open(wire.encode(await self._ready(login)))
                self._start_timers()
                while True:
                    await self._answer(await self._next_frame())
            except Unavailable as error:
                self.socket.close(error.close_code)
            except Refused as refusal:
                self.socket.close(refusal.code)
            await self._until_gone()
        except asyncio.CancelledError:
            if not self.socket.closing:  # else it is the socket that gives up on its client
                raise
        finally:
            self._hub.remove(self.socket)
            for timer in self._timers.values():
                timer.cancel()
            self.socket.dispose()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    async def _ready(self, login: auth.Login) -> dict[str, Any]:
        memberships = await self.run(access.latest_chats, login.user, LISTED_CHATS + 1)
        return {
            "type": "ready",
            "user": wire.user(login.user),
            "heartbeat": chat_settings.heartbeat_seconds,
            "chats": [
                {"uri": each.chat.uri, "version": each.chat.version, "unread_count": each.unread_count}
                for each in memberships[:LISTED_CHATS]
            ],
            "more": len(memberships) > LISTED_CHATS,
        }

    async def _answer(self, frame: dict[str, Any]) -> None:
        if self.socket.closing:
            return
        kind = frame.get("type")
        try:
            if not isinstance(kind, str) or kind not in self.frames:
                raise Invalid({"type": ["There is no such frame."]})
            values = self.frames[kind].parse(frame)
            result = await self.frames[kind].work(self, values)
        except ChatError as error:
            await self._say(_error(error, frame))
        else:
            if result is not None and "id" in values:
                await self._say({"type": "ok", "id": values["id"], **result})

    async def _next_frame(self) -> dict[str, Any]:
        """The next JSON object. The third frame that is none ends the connection."""
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                raise Disconnected
            self._heard_at = self._hub.loop.time()
            try:
                frame = wire.decode(event.get("text") or "")
                if not isinstance(frame, dict):
                    raise ParseError
                return frame
            except ChatError as error:
                self._bad_frames += 1
                await self._say(_error(error, {}))
                if self._bad_frames == MOST_BAD_FRAMES:
                    raise Refused(BAD_FRAMES) from None

    async def _say(self, frame: dict[str, Any]) -> None:
        text = wire.encode(frame)
        if self.socket is not None:
            self.socket.deliver(text)
        else:
            await self._send({"type": "websocket.send", "text": text})

    # Time

    def _start_timers(self) -> None:
        self._heard_at = self._hub.loop.time()
        self._schedule("ping", chat_settings.heartbeat_seconds, self._ping)
        self._watch_expiry()

    def _schedule(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._hub.loop.call_later(seconds, callback)

    def _ping(self) -> None:
        interval = chat_settings.heartbeat_seconds
        if self._hub.loop.time() - self._heard_at > MISSED_HEARTBEATS * interval:
            self.socket.close(NOT_READING)
            return
        self.socket.deliver('{"type":"ping"}', ephemeral=True)
        self._schedule("ping", interval, self._ping)

    def _watch_expiry(self) -> None:
        left = self.socket.login.expires_at - time.time()
        self._schedule("warn", left - EXPIRY_WARNING_SECONDS, self._warn_of_expiry)
        self._schedule("expire", left, lambda: self.socket.close(NOT_AUTHENTICATED))

    def _warn_of_expiry(self) -> None:
        left = max(0, round(self.socket.login.expires_at - time.time()))
        self.socket.deliver(wire.encode({"type": "auth.expiring", "seconds": left}))

    async def renew(self, token: str) -> None:
        """Take a fresh token of the same user; a failure leaves the old one in force."""
        login = await self.run(auth.token_login, token)
        if login.user.pk != self.socket.login.user.pk:
            raise NotAuthenticated
        self.socket.login = login
        self._watch_expiry()


def _error(error: ChatError, frame: dict[str, Any]) -> dict[str, Any]:
    """The ``id`` is returned where it can be one, so that the client knows what has failed."""
    named = {"id": frame["id"]} if type(frame.get("id")) in (str, int) else {}
    fields = {"fields": error.fields} if isinstance(error, Invalid) else {}
    return {"type": "error", **named, "code": error.code, "detail": str(error.detail), **fields}
