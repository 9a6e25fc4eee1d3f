"""A conversation with a client that is known: ``ready``, then a frame at a time, for as long as its login lasts."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.utils.translation import gettext_lazy as _

from .. import access, wire
from ..conf import chat_settings
from ..exceptions import ChatError, CloseCode, Invalid, NotAuthenticated, Throttled, Unavailable, close_code
from ..rates import parse_rates, spend
from ..serializers import validated
from ..users import User
from .auth import Handshake, Login, active_users
from .frames import TYPE, Act, Frame
from .hub import Hub
from .pace import Allowance
from .reader import Dict, Disconnected, Reader, Refused, error_frame
from .sockets import Socket

logger = logging.getLogger(__name__)

LISTED_CHATS = 200
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

MISSED_HEARTBEATS = 3
EXPIRY_WARNING_SECONDS = 60

SHORTEST_TRUST_SECONDS = 1
"""A login is looked at again no sooner, whatever the site says of its end: one socket must not keep a thread busy."""

MOST_PERMITTED = 100
"""In how many chats a socket may be remembered to be permitted to type."""


class Session:
    """Between its registration with the hub and its end, what a socket is told has no gap."""

    def __init__(
        self, hub: Hub, socket: Socket, reader: Reader, frames: Mapping[str, Frame], handshake: Handshake
    ) -> None:
        self.socket = socket
        self.presence = hub.presence
        self.backlog = hub.backlog
        self._database = hub.database
        self._handshake = handshake
        self._hub = hub
        self._reader = reader
        self._frames = frames
        self._heard_at = hub.loop.time()
        self._allowance = Allowance(parse_rates(chat_settings.rate("frames") or ""))
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._typing_permitted: dict[str, Login] = {}  # by chat, the login as it was when the site was asked

    async def run(self) -> None:
        """Talk until the client goes or is refused."""
        self._hub.add(self.socket)
        self._reader.say = self._say
        try:
            await self._talk()
        except Disconnected:
            pass
        except asyncio.CancelledError:
            if not self.socket.closing:  # else it is the socket that gives up on its client
                raise
        finally:
            self._hub.remove(self.socket)
            self._stop_timers()
            self.socket.dispose()

    @property
    def user(self) -> User:
        """A copy, for one use: what is cached on it is not looked up again."""
        return copy(self.socket.login.user)

    async def perform(
        self,
        act: Act,
        chat: str | None,
        work: Callable[Concatenate[User, Arguments], Result],
        /,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """What ``work`` returns, done by the user in a database thread, if the site permits them a request of this
        kind. Raises ``Throttled`` where it was one too many."""
        login = self.socket.login

        def permitted_work() -> Result:
            actor = self._handshake.check_permissions(login, act.method, chat)
            if act.rate is not None:
                spend(act.rate, str(actor.pk))
            return work(actor, *args, **kwargs)

        return await self._database.run(permitted_work)

    async def announce_typing(self, chat: str) -> None:
        """As a member who may send, which neither the database nor the site's classes are asked each time: the hub
        knows the members, and what the classes have said holds until the login is looked at again.

        Raises ``NotAMember``, ``NotFound``, ``NotAllowed`` or ``Unavailable``.
        """
        login = self.socket.login
        is_held = self._hub.holds_member(chat, login.user)
        if not is_held or self._typing_permitted.get(chat) is not login:
            await self.perform(TYPE, chat, access.check_may_write, chat)
            self._remember_permitted(chat, login)
        self._hub.announce_typing(chat, login.user)

    def _remember_permitted(self, chat: str, login: Login) -> None:
        if len(self._typing_permitted) >= MOST_PERMITTED:
            self._typing_permitted.clear()
        self._typing_permitted[chat] = login

    async def renew(self, token: str) -> None:
        """Take a fresh token of the same user; a failure leaves the old one in force. Raises ``NotAuthenticated``."""
        login = await self._database.run(self._permitted, partial(self._handshake.token_login, token))
        if login.user.pk != self.socket.login.user.pk:
            raise NotAuthenticated
        self.socket.login = login
        # A token that is short of life already when it comes is warned of once more, halfway: a client that renews at
        # once whenever it is warned would never rest.
        left = login.expires_at - time.time()
        self._watch_expiry()
        self._schedule("warn", max(left - EXPIRY_WARNING_SECONDS, left / 2), self._warn_of_expiry)

    async def _talk(self) -> None:
        try:
            self.socket.open(await self._ready())
            self._start_timers()
            while True:
                frame = await self._reader.frame()
                self._heard_at = self._hub.loop.time()
                if frame.get("type") != "resume":  # of which a client that comes back may have very many to say at once
                    self._count_frame()
                if not self.socket.closing:
                    await self._answer(frame)
        except ChatError as error:
            self.socket.close(close_code(error))
        except Refused as refusal:
            await self.socket.flushed()  # what was wrong is said before the end
            self.socket.close(refusal.code)
        while True:
            await self._reader.event()

    def _count_frame(self) -> None:
        if not self._allowance.spend(self._hub.loop.time()):
            raise Refused(CloseCode.TOO_MANY)

    async def _ready(self) -> str:
        """Registered now, the end of a session, an account or a password is heard of; one from before is seen."""
        await self._confirm()
        return await self._database.run(_ready, self.socket.login)

    async def _answer(self, frame: Dict) -> None:
        try:
            kind = self._frame(frame)
            values = validated(kind.input, frame, self.user)
            result = await kind.work(self, values)
            if result is not None:
                named = {"id": values["id"]} if "id" in values else {}
                await self._say({"type": "ok", **named, **result})
        except ChatError as error:
            if isinstance(error, Throttled):
                self._count_frame()
            await self._say(error_frame(error, frame))
        except (TypeError, ValueError):  # a site's card that is no JSON
            logger.exception("A frame could not be answered")
            await self._say(error_frame(Unavailable(), frame))

    def _frame(self, frame: Dict) -> Frame:
        kind: Any = frame.get("type")
        if not isinstance(kind, str) or kind not in self._frames:
            raise Invalid({"type": [_("There is no such frame.")]})
        return self._frames[kind]

    async def _say(self, frame: Dict) -> None:
        self.socket.deliver(wire.encode(frame))

    # Time

    def _start_timers(self) -> None:
        self._schedule("ping", chat_settings.heartbeat_seconds, self._ping)
        self._watch_expiry()

    def _schedule(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._hub.loop.call_later(seconds, callback)

    def _stop_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def _ping(self) -> None:
        interval = chat_settings.heartbeat_seconds
        if self._hub.loop.time() - self._heard_at > MISSED_HEARTBEATS * interval:
            self.socket.close(CloseCode.TOO_SLOW)
            return
        self.socket.deliver('{"type":"ping"}', ephemeral=True)
        self._schedule("ping", interval, self._ping)

    def _watch_expiry(self) -> None:
        left = self.socket.login.expires_at - time.time()
        if self.socket.login.look_again is not None:
            left = max(left, SHORTEST_TRUST_SECONDS)
            self._schedule("expire", left, lambda: self._hub.spawn(self._prolong()))
            return
        self._schedule("warn", left - EXPIRY_WARNING_SECONDS, self._warn_of_expiry)
        self._schedule("expire", left, lambda: self.socket.close(CloseCode.NOT_AUTHENTICATED))

    def _warn_of_expiry(self) -> None:
        left = max(0, round(self.socket.login.expires_at - time.time()))
        self.socket.deliver(wire.frame("auth.expiring", {"seconds": left}))

    async def _prolong(self) -> None:
        """A site's session lasts as long as the site says, whatever was foreseen when the socket was opened."""
        try:
            await self._confirm()
        except ChatError as error:
            self.socket.close(close_code(error))
        else:
            if not self.socket.closing:
                self._watch_expiry()

    def _permitted(self, log_in: Callable[[], Login]) -> Login:
        login = log_in()
        self._handshake.check_permissions(login)
        return login

    async def _confirm(self) -> None:
        """Raises ``NotAuthenticated`` where the login was by what is no more, such as a session; or ``NotAllowed``,
        or ``Unavailable``."""
        if self.socket.login.look_again is not None:
            login = await self._database.run(self._permitted, self.socket.login.look_again)
            if login.user.pk != self.socket.login.user.pk:
                raise NotAuthenticated
            self.socket.login = login


def _ready(login: Login) -> str:
    user = copy(login.user)
    _, stamps = active_users([user.pk]).get(user.pk, (None, ()))
    if login.stamp not in stamps:
        raise NotAuthenticated
    memberships = access.latest_chats(user, LISTED_CHATS + 1)
    chats = [
        {"uri": each.chat.uri, "version": each.chat.version, "unread_count": each.unread_count}
        for each in memberships[:LISTED_CHATS]
    ]
    more = len(memberships) > LISTED_CHATS
    heartbeat = chat_settings.heartbeat_seconds
    return wire.frame("ready", {"user": wire.user(user), "heartbeat": heartbeat, "chats": chats, "more": more})
