"""Who is online, and which sockets are told of whom.

Somebody is online who has a socket in any process, or had one a moment ago. Each hub sees its own sockets, writes their
users down in the site's cache, and looks there, now and then and for all at once, for those whom its sockets watch.
That somebody has come also goes over the bus, so that it is known at once.
"""

import asyncio
import logging
import random
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from math import inf

from .. import access, events, wire
from ..exceptions import DATABASE_AWAY
from ..users import User
from . import online
from .database import DatabaseThreads
from .online import OnlineKeys
from .sockets import Socket
from .timeouts import within

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1
"""How long whoever begins to watch waits for what the cache knows. What it says later is told as a change."""

MOST_RECHECKED = 500
"""How many watch lists one sweep looks at again; each costs as many queries as one that is new."""

RECHECKED_AT_ONCE = 50
"""After so many, others have their turn to read."""


class Watch:
    """Whom one socket has named, and who of them, by name, may be seen. Until it ``is_told``, it has no answer yet."""

    __slots__ = ("is_told", "names", "socket", "users")

    def __init__(self, socket: Socket, names: Sequence[str]) -> None:
        self.socket = socket
        self.names = names
        self.users: dict[str, str] = {}
        self.is_told = False


class Watched:
    """Somebody whom sockets of this process watch, each by the name that it has said."""

    __slots__ = ("heard_at", "is_online", "names")

    def __init__(self) -> None:
        self.is_online = False
        self.heard_at = -inf
        self.names: dict[Watch, str] = {}


class Presence:
    """``here`` are the users who have sockets in this process, by their keys, as of any moment."""

    def __init__(self, loop: asyncio.AbstractEventLoop, here: Collection[str], reads: DatabaseThreads) -> None:
        self._loop = loop
        self._here = here
        self._reads = reads
        self._keys = OnlineKeys()
        self._gone_at: dict[str, float] = {}  # users whose last socket here has closed a moment ago
        self._watches: dict[Socket, Watch] = {}  # whoever was looked at longest ago comes first
        self._watched: dict[str, Watched] = {}
        self._to_write: set[str] = set()
        self._to_ask: set[str] = set()
        self._hurry = asyncio.Event()
        self._answered = asyncio.Event()

    # Who is here

    def came(self, user: str) -> None:
        """The first socket of this user in this process has opened."""
        self._gone_at.pop(user, None)
        self._write_soon(user)
        self._judge([user], ())
        events.came_online(user)

    def left(self, user: str) -> None:
        """The last one has closed."""
        self._gone_at[user] = self._loop.time()
        self._write_soon(user)

    def heard(self, user: str) -> None:
        """Somebody has come, here or elsewhere. Where processes share no cache, none could tell that they have gone."""
        watched = self._watched.get(user)
        if watched is not None and self._keys.are_shared:
            watched.heard_at = self._loop.time()
            self._judge([user], ())

    # Who watches

    async def watch(self, socket: Socket, names: Sequence[str], users: Mapping[str, str]) -> list[str]:
        """Tell the socket from now on of these users, by these names, and of nobody else. Returns the frames for the
        present state of all ``names``: those who are nobody's look like somebody who is offline."""
        watch = Watch(socket, names)
        self._point(watch, users)  # before the old one ends: what is known of those whom both name is kept
        self.forget(socket)
        if not names:
            return []
        self._watches[socket] = watch
        if not self._to_ask.isdisjoint(users.values()):
            with suppress(asyncio.TimeoutError):
                await within(ANSWER_SECONDS, self._answered.wait())
        watch.is_told = True
        online_names = {name for name, user in watch.users.items() if self._watched[user].is_online}
        return [_frame(name, name in online_names) for name in names]

    def forget(self, socket: Socket) -> None:
        """It watches nobody any more."""
        watch = self._watches.pop(socket, None)
        if watch is not None:
            watch.is_told = False
            self._point(watch, {})

    def watchers(self, user: str) -> set[str]:
        """Who watches this user, by their keys."""
        watched = self._watched.get(user)
        return {events.user_key(watch.socket.login.user.pk) for watch in watched.names} if watched else set()

    async def recheck_some(self) -> None:
        """Look again whom those who watch may see, beginning with whoever was looked at longest ago."""
        await self.recheck(list(islice(self._watches, MOST_RECHECKED)))

    async def recheck(self, sockets: Sequence[Socket]) -> None:
        """Look again whom these may see, of those whom they watch."""
        watches = [self._watches[socket] for socket in sockets if socket in self._watches]
        for start in range(0, len(watches), RECHECKED_AT_ONCE):
            some = watches[start : start + RECHECKED_AT_ONCE]
            found = await self._reads.run(_visible, [(each.socket.login.user, each.names) for each in some])
            for watch, users in zip(some, found, strict=True):
                if self._watches.get(watch.socket) is watch:
                    self._watches[watch.socket] = self._watches.pop(watch.socket)
                    self._point(watch, users)

    def _point(self, watch: Watch, users: Mapping[str, str]) -> None:
        """Have the watch be of these users. Whoever may not be seen any more looks offline."""
        before, watch.users = watch.users, dict(users)
        for name, user in before.items() - users.items():
            watched = self._watched[user]
            del watched.names[watch]
            if watched.is_online:
                _tell(watch, _frame(name, is_online=False))
            if not watched.names:
                del self._watched[user]
        for name, user in users.items() - before.items():
            watched = self._watched.get(user) or self._begin(user)
            watched.names[watch] = name
            if watched.is_online:
                _tell(watch, _frame(name, is_online=True))

    def _begin(self, user: str) -> Watched:
        watched = self._watched[user] = Watched()
        watched.is_online = self._is_near(user)
        if not watched.is_online:
            self._to_ask.add(user)
            self._hurry.set()
        return watched

    # Who is online

    def _is_near(self, user: str) -> bool:
        """Whether it takes no cache to know that somebody is online."""
        heard_at = self._watched[user].heard_at if user in self._watched else -inf
        seen_at = max(heard_at, self._gone_at.get(user, -inf))
        return user in self._here or seen_at > self._loop.time() - online.ONLINE_SECONDS

    def _judge(self, users: Collection[str], found: Collection[str] | None) -> None:
        """Tell of changes, by what is known here and by who was ``found`` in the cache, if that could be asked."""
        for user in users:
            watched = self._watched.get(user)
            if watched is not None:
                is_online = self._is_near(user) or (watched.is_online if found is None else user in found)
                if is_online != watched.is_online:
                    watched.is_online = is_online
                    self._tell_all(watched)

    def _tell_all(self, watched: Watched) -> None:
        frames = {name: _frame(name, watched.is_online) for name in set(watched.names.values())}
        for watch, name in watched.names.items():
            _tell(watch, frames[name])

    # The cache

    async def run(self) -> None:
        """Look into the cache now and then, and at once where somebody has come, gone, or begun to watch."""
        pulse_at = self._loop.time()
        while True:
            with suppress(asyncio.TimeoutError):
                await within(pulse_at - self._loop.time(), self._hurry.wait())
            self._hurry.clear()
            is_pulse = self._loop.time() >= pulse_at
            if is_pulse:
                pulse_at = self._loop.time() + online.PULSE_SECONDS * random.uniform(0.8, 1.2)
                self._take_everybody()
            try:
                await self._exchange(is_pulse)
            except Exception:
                logger.warning("Who is online could not be compared", exc_info=True)

    def close(self) -> None:
        self._keys.close()

    def _write_soon(self, user: str) -> None:
        self._to_write.add(user)
        self._hurry.set()

    def _take_everybody(self) -> None:
        self._to_write.update(self._here)
        self._to_ask.update(self._watched)
        earliest = self._loop.time() - online.ONLINE_SECONDS
        self._gone_at = {user: moment for user, moment in self._gone_at.items() if moment > earliest}

    async def _exchange(self, is_pulse: bool) -> None:
        written, self._to_write = self._to_write, set()
        asked, self._to_ask = self._to_ask, set()
        answered, self._answered = self._answered, asyncio.Event()
        found = await self._keys.exchange(written, asked.difference(self._here), is_probe=is_pulse)
        self._judge(asked, found)
        answered.set()


def _tell(watch: Watch, frame: str) -> None:
    if watch.is_told:
        watch.socket.deliver(frame, ephemeral=True)


def _frame(name: str, is_online: bool) -> str:
    return wire.frame("presence", {"username": name, "online": is_online})


# What follows asks the database, in its threads.


def visible_users(actor: User, names: Sequence[str]) -> dict[str, str]:
    """Of whom the actor may see whether they are online: by their names, the keys of these users."""
    return {name: events.user_key(user.pk) for name, user in access.visible_people(actor, names).items()}


def _visible(watches: Sequence[tuple[User, Sequence[str]]]) -> list[dict[str, str]]:
    return [_visible_to(actor, names) for actor, names in watches]


def _visible_to(actor: User, names: Sequence[str]) -> dict[str, str]:
    """A site's policy that fails for one user shows nobody to that one, and spoils nothing for others."""
    try:
        return visible_users(actor, names)
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.warning("Whom somebody may see could not be found out", exc_info=True)
        return {}
