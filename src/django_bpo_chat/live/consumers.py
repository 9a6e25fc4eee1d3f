"""The handshake: who is there, before anything is said."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer

from .. import wire
from ..conf import chat_settings
from ..exceptions import ChatError, CloseCode, Invalid, NotAuthenticated, Unavailable, close_code
from ..serializers import validated
from .auth import Handshake, Login, has_token_in_url
from .frames import FRAMES, Frame, HelloInput
from .hub import Hub, running_hub
from .reader import Dict, Disconnected, Reader, Receive, Refused, error_frame
from .session import Session
from .sockets import Send, Socket
from .timeouts import within


class ChatConsumer(AsyncConsumer):
    """All chats of one user on one socket; the contract's live door.

    It mounts like any Channels consumer and takes neither a channel nor a group: what it is told comes from the hub,
    straight to the server's ``send``.
    """

    frames: ClassVar[Mapping[str, Frame]] = FRAMES

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:  # type: ignore[override]
        self.scope, self.base_send = scope, send  # type: ignore[assignment]
        hub = running_hub()
        reader = Reader(receive, self._say)
        try:
            await self._accept(reader)
            handshake = Handshake(self.scope)
            login = await self._introduction(hub, reader, handshake)
        except Refused as refusal:
            await self.send({"type": "websocket.close", "code": int(refusal.code)})
        except Disconnected:
            pass
        else:
            await Session(hub, Socket(send, login), reader, self.frames, handshake).run()

    async def _accept(self, reader: Reader) -> None:
        """To refuse is to accept and then close: only so does the close code reach the client."""
        await reader.event()
        subprotocol = wire.SUBPROTOCOL if wire.SUBPROTOCOL in self.scope.get("subprotocols", ()) else None
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol})
        if has_token_in_url(self.scope):
            raise Refused(CloseCode.NOT_AUTHENTICATED)

    async def _introduction(self, hub: Hub, reader: Reader, handshake: Handshake) -> Login:
        try:
            login = await self._hello(hub, reader, handshake)
            await hub.database.run(handshake.check_permissions, login)
            return login
        except asyncio.TimeoutError:
            raise Refused(CloseCode.NOT_AUTHENTICATED) from None
        except ChatError as error:
            raise Refused(close_code(error)) from None

    async def _hello(self, hub: Hub, reader: Reader, handshake: Handshake) -> Login:
        """The login that the handshake or the first frame proves."""
        login: Login | None = None
        refusal: ChatError = NotAuthenticated()
        try:
            login = await hub.database.run(handshake.login)
        except Unavailable as error:
            refusal = error  # of which a token in ``hello`` has no need, as of a cookie that nobody can look at
        frame = await within(chat_settings.hello_seconds, reader.frame())
        if frame.get("type") != "hello":
            raise Refused(CloseCode.BAD_FRAMES if login else CloseCode.NOT_AUTHENTICATED)
        try:
            hello = validated(HelloInput, frame)
        except Invalid as error:
            await self._say(error_frame(error, frame))
            raise Refused(CloseCode.BAD_FRAMES) from None
        if "token" in hello:
            return await hub.database.run(handshake.token_login, hello["token"])
        if login is None:
            raise refusal
        return login

    async def _say(self, frame: Dict) -> None:
        await self.send({"type": "websocket.send", "text": wire.encode(frame)})
