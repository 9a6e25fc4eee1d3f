"""The sockets of a process, and all that they are told.

An event reaches the hub once, whatever the number of sockets. The hub knows the members of the chat, finds those who
are connected here and writes the one frame to each. Per chat it delivers in version order: what is old is dropped, a
hole is filled from the database, once for all members, and a sweep finds what no event has told of.
"""

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.utils import timezone
from django.utils.functional import cached_property

from .. import access, events, wire
from ..conf import chat_settings
from ..events import Envelope
from ..exceptions import CloseCode, Unavailable
from ..models import Chat, Membership
from ..users import User
from . import bus
from .auth import active_users
from .backlog import Backlog
from .database import DatabaseThreads
from .pace import Pace
from .presence import Presence
from .receipts import Receipts
from .rooms import Room, Rooms
from .shutdown import EndSignals
from .sockets import Socket
from .timeouts import within

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

HOLE_SECONDS = 0.2
"""How long the predecessor of an event may still be on its way."""

OVERLAP = timedelta(minutes=1)
"""A change is seen when it commits but carries the time of its lock; sweeps look back as far as a transaction lasts."""

USERS_AT_ONCE = 500

RECONNECTS_PER_SECOND = 500
"""So many clients come back to another process without being a burden to it."""

RECHECK_SECONDS = 0.2
LOG_OUT_SECONDS = 60
"""How long a site may take to end a session after it has said so."""

DJANGOS_CACHES = frozenset({"_perm_cache", "_user_perm_cache", "_group_perm_cache", "_prefetched_objects_cache"})
CACHED_PROPERTIES = (functools.cached_property, cached_property)

_hubs: dict[asyncio.AbstractEventLoop, "Hub"] = {}


def running_hub() -> "Hub":
    """The hub of this event loop; the first socket starts it."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(loop)
        _hubs[loop].start()
    return _hubs[loop]


class Hub:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.outbox = bus.Outbox(loop, bus.process())
        self.database = DatabaseThreads(chat_settings.database_threads)
        self._reads = DatabaseThreads(1)  # its own: clients whose work waits for a lock do not keep it from reading
        self._sockets: dict[str, set[Socket]] = {}
        self.backlog = Backlog()
        self.presence = Presence(loop, self._sockets.keys(), self._reads)
        self._rooms = Rooms()
        self._to_load: list[Room] = []
        self._receipts = Receipts(loop, self._tell_others)
        self._typing_said, self._typing_told = Pace(), Pace()
        self._logged_out: set[str] = set()
        self._to_recheck: set[str] = set()
        self._watching_to_recheck: set[str] = set()
        self._deleted: set[str] = set()
        self._deletions = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep_now = asyncio.Event()
        self._swept_to: datetime | None = None
        self._end_signals = EndSignals(loop, self._send_away)
        self._is_ending = False

    # Life

    def start(self) -> None:
        """Run until the event loop ends, in a context of its own: not the one of the first socket's request."""
        bus.register(self)
        self._end_signals.heed()
        listener = bus.Listener(self, self._sweep_now.set)
        self.spawn(self._keep_sweeping())
        self.spawn(listener.run())
        self.spawn(self.presence.run())
        self.spawn(self._end_with_the_loop())

    def spawn(self, work: Any) -> None:
        task = Context().run(self.loop.create_task, work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_with_the_loop(self) -> None:
        try:
            await self.loop.create_future()  # servers cancel what is left when they stop
        finally:
            bus.unregister(self)
            self._end_signals.ignore()
            _hubs.pop(self.loop, None)
            self.database.close()
            self._reads.close()
            self.presence.close()

    def _send_away(self) -> None:
        """The process is about to end: its clients shall come back to another one, and not all in the same moment."""
        self._is_ending = True
        sockets = list(self._all_sockets())
        longest = max(1, len(sockets) / RECONNECTS_PER_SECOND)
        for socket in sockets:
            after = round(random.uniform(0, longest), 1)
            socket.close(CloseCode.UNAVAILABLE, wire.frame("reconnect", {"after": after}))

    # Sockets

    def add(self, socket: Socket) -> None:
        if self._is_ending:
            socket.close(CloseCode.UNAVAILABLE)
            return
        if socket.login.is_session and socket.login.name in self._logged_out:
            socket.close(CloseCode.NOT_AUTHENTICATED)
            return
        sockets = self._sockets.setdefault(_key(socket), set())
        if len(sockets) >= chat_settings.sockets_per_user:
            socket.close(CloseCode.TOO_MANY)
            return
        sockets.add(socket)
        if len(sockets) == 1:
            self.presence.came(_key(socket))

    def remove(self, socket: Socket) -> None:
        self.presence.forget(socket)
        sockets = self._sockets.get(_key(socket), set())
        if sockets == {socket}:
            del self._sockets[_key(socket)]
            self.presence.left(_key(socket))
        sockets.discard(socket)
        if not self._sockets:
            self._rooms, self._swept_to = Rooms(), None  # while nobody is here, events pass by unseen

    def _all_sockets(self) -> Iterator[Socket]:
        return (socket for sockets in list(self._sockets.values()) for socket in list(sockets))

    # Events

    def take(self, envelope: Envelope) -> None:
        """An event from this process or another one. Called in the hub's loop."""
        if envelope.get("v") != events.ENVELOPE_VERSION:
            return
        try:
            match envelope["kind"]:
                case "changes" | "ephemeral" | "typing":
                    self._take_chat_event(envelope)
                case "personal":
                    for socket in self._of_user(envelope["user"]):
                        socket.deliver(envelope["frame"], ephemeral=True)
                case "online":
                    self.presence.heard(envelope["user"])
                case "user":
                    if envelope.get("is_deleted"):
                        self._forget(envelope["user"])
                    self._recheck_soon(envelope["user"], watches=envelope.get("sees_others", False))
                case "logout":
                    self._close_login(envelope["login"])
        except Exception:  # one event must not end the listening to all others
            logger.exception("An event could not be delivered")

    def _take_chat_event(self, envelope: Envelope) -> None:
        if not self._sockets:
            return
        room = self._rooms.get(envelope["chat"])
        if room is None:
            room = self._rooms.add(envelope["chat"])
            self._load(room)
        if room.is_loaded:
            self._take_loaded(room, envelope)
        else:
            room.wait(envelope)

    def _take_loaded(self, room: Room, envelope: Envelope) -> None:
        match envelope["kind"]:
            case "changes":
                self._take_changes(room, envelope)
            case "typing":
                self._tell_who_types(room, envelope)
            case "ephemeral":
                self._take_read_mark(room, envelope)

    def _take_changes(self, room: Room, envelope: Envelope) -> None:
        """Old: drop. Next: deliver, and what has waited for it. Later: wait a moment for what is between."""
        if not room.is_placed:
            room.place(envelope["since"])
        if envelope["version"] <= room.version:
            return
        if envelope["since"] > room.version:
            room.wait(envelope)
            self._repair(room, after=HOLE_SECONDS)
            return
        self._deliver(room, envelope)
        while (following := room.next_waiting()) is not None:
            self._deliver(room, following)

    def _deliver(self, room: Room, envelope: Envelope) -> None:
        """Tell the members before and after the change; whoever is out learns that and nothing else."""
        room.advance(envelope)
        self._tell_leavers(envelope)
        self._recheck_watches(room, {user for user, *_ in envelope["left"]})
        hidden_frame = None
        returned = _may_have_returned(envelope)
        for first_seq, socket in self._members_here(room):
            if socket.left.get(envelope["chat"], 0) >= envelope["version"]:
                continue
            if _may_see(first_seq, envelope) and _key(socket) not in returned:
                socket.deliver(envelope["frame"])
            else:
                hidden_frame = hidden_frame or _hidden_frame(envelope)
                socket.deliver(hidden_frame)

    def _tell_leavers(self, envelope: Envelope) -> None:
        """Once: nothing of the chat may follow what tells a client that it is out."""
        uri = envelope["chat"]
        room = self._rooms.get(uri)
        for user, version, frame in envelope["left"]:
            if room is not None and room.version <= version:  # it is the sweep that tells, ahead of the events
                room.members.pop(user, None)
            for socket in self._of_user(user):
                if socket.left.get(uri, 0) < version:
                    socket.left[uri] = version
                    socket.deliver(frame)

    def _tell_members(self, room: Room, frame: str, *, ephemeral: bool = False, but: str | None = None) -> None:
        """All but this user."""
        for _, socket in self._members_here(room):
            if _key(socket) != but:
                socket.deliver(frame, ephemeral=ephemeral)

    def _members_here(self, room: Room) -> Iterator[tuple[int, Socket]]:
        """The connected members, with the first seq they may see, whichever of the two sets is the smaller."""
        if len(room.members) <= len(self._sockets):
            users = [(user, self._sockets[user]) for user in room.members if user in self._sockets]
        else:
            users = [(user, sockets) for user, sockets in self._sockets.items() if user in room.members]
        return ((room.members[user], socket) for user, sockets in users for socket in tuple(sockets))

    def _of_user(self, user: str) -> tuple[Socket, ...]:
        return tuple(self._sockets.get(user, ()))

    def _close_login(self, login: str) -> None:
        """The news of a log-out comes before the session has ended, so those who come back by it now are refused."""
        self._logged_out.add(login)
        self.loop.call_later(LOG_OUT_SECONDS, self._logged_out.discard, login)
        for socket in self._all_sockets():
            if socket.login.name == login:
                socket.close(CloseCode.NOT_AUTHENTICATED)

    # Read marks

    def _take_read_mark(self, room: Room, envelope: Envelope) -> None:
        """The reader's own clients show it at once: they may move it back in the next moment."""
        if envelope["reader"] in room.members:
            for socket in self._of_user(envelope["reader"]):
                socket.deliver(envelope["frame"], ephemeral=True)
            self._receipts.take(envelope)

    def _tell_others(self, envelope: Envelope) -> None:
        room = self._rooms.get(envelope["chat"])
        if room is not None and envelope["reader"] in room.members:
            self._tell_members(room, envelope["frame"], ephemeral=True, but=envelope["reader"])

    # Typing

    def holds_member(self, chat: str, user: User) -> bool:
        """Whether somebody is known here to be a member; of a chat that is not held, nothing is known."""
        room = self._rooms.get(chat)
        return room is not None and events.user_key(user.pk) in room.members

    def announce_typing(self, chat: str, typist: User) -> None:
        """Tell the hubs of all processes that a member is typing, unless it is too early to say so again."""
        room = self._rooms.get(chat)
        is_told = room is None or _tells_who_types(room)
        if is_told and self._typing_said.allows((events.user_key(typist.pk), chat), self.loop.time()):
            events.typing(chat, typist)

    def _tell_who_types(self, room: Room, envelope: Envelope) -> None:
        """Whoever types in two processes is told of no more often than others."""
        typist = envelope["user"]
        is_told = typist in room.members and _tells_who_types(room)
        if is_told and self._typing_told.allows((typist, room.uri), self.loop.time()):
            self._tell_members(room, envelope["frame"], ephemeral=True, but=typist)

    # Members

    def _load(self, room: Room) -> None:
        """Find out who the members are; all chats that ask in the same moment are one query."""
        if not self._to_load:
            self.spawn(self._load_members())
        self._to_load.append(room)

    async def _load_members(self) -> None:
        await asyncio.sleep(0)
        rooms, self._to_load = self._to_load, []
        try:
            stored = await self._read_members(_stored_rooms, [room.uri for room in rooms])
        except Exception:
            logger.warning("The members of a chat could not be loaded", exc_info=True)
            for room in rooms:
                self._rooms.drop(room)
            self._sweep_now.set()
            return
        for room in rooms:
            version, members = stored.get(room.uri, (room.known, {}))  # nobody is in any more
            for envelope in room.begin(version, members):
                self._take_loaded(room, envelope)
            if room.is_behind:
                self._repair(room, after=HOLE_SECONDS)

    async def _read_members(self, read: Callable[..., Result], *args: Any) -> Result:
        """What ``read`` returns; again, where it may have found somebody who has been deleted meanwhile."""
        while True:
            deletions = self._deletions
            result = await self._reads.run(read, *args)
            if self._deletions == deletions:
                return result

    def _forget(self, user: str) -> None:
        """Their primary key, where it is a name, may soon be somebody else's. All who are deleted in the same moment
        are looked for together."""
        self._deletions += 1
        if not self._deleted:
            self.loop.call_soon(self._drop_rooms_of_deleted)
        self._deleted.add(user)

    def _drop_rooms_of_deleted(self) -> None:
        """To be loaded anew. Taking out the keys alone would be wrong where their next owners have come in already."""
        deleted, self._deleted = self._deleted, set()
        self._rooms.drop_those_of(deleted)

    # Holes

    def _repair(self, room: Room, *, after: float = 0) -> None:
        if not room.is_repairing:
            room.is_repairing = True
            self.spawn(self._fill_hole(room, after))

    async def _fill_hole(self, room: Room, after: float) -> None:
        """Read what is missing, if it has not come meanwhile, and send it on: one read for the whole process."""
        try:
            await asyncio.sleep(after)
            while room.is_behind:
                envelope, members = await self._read_members(_missing_changes, room.uri, room.version)
                if envelope["version"] <= envelope["since"]:  # the chat is gone, or from an older backup
                    self._rooms.drop(room)
                    return
                if envelope["since"] == room.version:  # else the missing ones have come meanwhile
                    room.members = members
                    self._take_changes(room, envelope)
        except Exception:
            logger.warning("A hole could not be filled yet", exc_info=True)
            self._rooms.drop(room)
            self._sweep_now.set()
        finally:
            room.is_repairing = False

    # Sweep

    async def _keep_sweeping(self) -> None:
        while True:
            pause = chat_settings.sweep_seconds * random.uniform(0.8, 1.2)
            with suppress(asyncio.TimeoutError):
                await within(pause, self._sweep_now.wait())
            self._sweep_now.clear()
            if self._sockets:
                try:
                    await self._sweep()
                except Exception:
                    logger.warning("The sweep failed", exc_info=True)
                    await asyncio.sleep(1)

    async def _sweep(self) -> None:
        """Compare what was delivered with what is stored, and who is connected with who still may be."""
        newest, changed, farewells = await self._reads.run(_changed_lately, self._swept_to)
        for envelope in farewells:
            self._tell_leavers(envelope)
        not_held = []
        for uri, version in changed:
            room = self._rooms.get(uri)
            if room is None or (room.is_loaded and not room.is_placed):
                not_held.append(uri)
            elif room.is_loaded and room.version < version:
                room.known = max(room.known, version)
                self._repair(room)
        if not_held:
            await self._nudge(not_held)
        users = [next(iter(sockets)).login.user.pk for sockets in self._sockets.values()]
        for start in range(0, len(users), USERS_AT_ONCE):
            await self._recheck_logins(users[start : start + USERS_AT_ONCE])
            await self._recheck_members(users[start : start + USERS_AT_ONCE])
        self._swept_to = newest
        await self.presence.recheck_some()

    async def _nudge(self, uris: list[str]) -> None:
        """Tell the members of chats that have no place here yet where these stand; whoever is behind resumes."""
        stored = await self._read_members(_stored_rooms, uris)
        for uri, (version, members) in stored.items():
            room = self._rooms.get(uri)
            if room is None:
                room = self._rooms.add(uri)
                room.begin(version, members)
            if room.is_loaded and not room.is_placed:
                room.members, room.loaded = members, version
                room.place(version)
                self._tell_members(room, wire.frame("changes", wire.nothing_visible(uri, version, version)))

    def _recheck_watches(self, room: Room, leavers: set[str]) -> None:
        """Those who are out and those who stay may have seen each other by this chat alone, unless it was too large."""
        if len(room.members) > chat_settings.presence_members:
            return
        for leaver in leavers:
            stayed = self.presence.watchers(leaver) & room.members.keys()
            for user in {leaver, *stayed} & self._sockets.keys():
                self._begin_to_recheck()
                self._watching_to_recheck.add(user)

    def _recheck_soon(self, user: str, *, watches: bool) -> None:
        """In one query with all who change in the same moment: some sites save a user with each request. ``watches``
        says whether to look again whom they may see, too."""
        if user in self._sockets:
            self._begin_to_recheck()
            self._to_recheck.add(user)
            if watches:
                self._watching_to_recheck.add(user)
                for socket in self._of_user(user):
                    socket.distrust()

    def _begin_to_recheck(self) -> None:
        if not (self._to_recheck or self._watching_to_recheck):
            self.spawn(self._recheck_changed())

    async def _recheck_changed(self) -> None:
        await asyncio.sleep(RECHECK_SECONDS)
        users, self._to_recheck = self._to_recheck, set()
        watching, self._watching_to_recheck = self._watching_to_recheck, set()
        user_ids = [socket.login.user.pk for user in users for socket in self._of_user(user)[:1]]
        with suppress(Unavailable):  # then the sweep does it
            for start in range(0, len(user_ids), USERS_AT_ONCE):
                await self._recheck_logins(user_ids[start : start + USERS_AT_ONCE])
            await self.presence.recheck([socket for user in watching for socket in self._of_user(user)])

    async def _recheck_logins(self, user_ids: list[Any]) -> None:
        """Close the sockets of users who are gone, deactivated, or have another password than at their log-in."""
        users = await self._reads.run(active_users, user_ids)
        for user_id in user_ids:
            user, stamps = users.get(user_id, (None, ()))
            for socket in self._of_user(events.user_key(user_id)):
                if user is None or socket.login.stamp not in stamps:
                    socket.close(CloseCode.NOT_AUTHENTICATED)
                else:
                    socket.login = replace(socket.login, user=_refreshed(socket.login.user, user))

    async def _recheck_members(self, user_ids: list[Any]) -> None:
        """Forget members who have gone without a word."""
        versions = {room: room.version for room in self._rooms if room.is_loaded}
        present = await self._reads.run(_memberships, user_ids)
        asked = {events.user_key(user_id) for user_id in user_ids}
        for room, version in versions.items():
            if room.version == version:  # else somebody may have come since
                for key in asked & room.members.keys():
                    if (key, room.uri) not in present:
                        del room.members[key]


def _may_see(first_seq: int, changes: Envelope) -> bool:
    return changes["lowest_seq"] is None or first_seq <= changes["lowest_seq"]


def _may_have_returned(changes: Envelope) -> set[str]:
    """Who may have been out and be in again by several changes that come together: their clients shall resume, and so
    hear whether they have to begin anew."""
    is_one = changes["since"] == changes["version"] - 1
    return set() if is_one else {user for user, _first_seq in changes["joined"]}


def _tells_who_types(room: Room) -> bool:
    return len(room.members) <= chat_settings.presence_members


def _hidden_frame(changes: Envelope) -> str:
    """What a member is told of changes of which they may not see all: of one message nothing, of several only the
    version where they end, so that they resume and get their share."""
    version = changes["version"]
    is_one = changes["since"] == version - 1 and changes["lowest_seq"] == changes.get("highest_seq")
    since = changes["since"] if is_one else version
    return wire.frame("changes", wire.nothing_visible(changes["chat"], since, version))


def _key(socket: Socket) -> str:
    return events.user_key(socket.login.user.pk)


# What follows asks the database, in its threads.


def _stored_rooms(uris: list[str]) -> dict[str, tuple[int, dict[str, int]]]:
    stored: dict[str, tuple[int, dict[str, int]]] = {}
    for uri, version, user_id, first_seq in Membership.objects.routes(uris):
        stored.setdefault(uri, (version, {}))[1][events.user_key(user_id)] = first_seq
    return stored


def _missing_changes(uri: str, since: int) -> tuple[Envelope, dict[str, int]]:
    """A page of what is missing, and who may see it: the members now.

    Rows are states: that somebody has been out and is in again, and sees less than before, is not on a page that ends
    before their return.
    """
    chat = Chat.objects.select_related("owner").filter(uri=uri).first() or Chat(uri=uri, version=0)
    envelope = events.changes_envelope(access.changes_of(chat, since=since))
    _, members = _stored_rooms([uri]).get(uri, (0, {}))
    return envelope, members


def _changed_lately(swept_to: datetime | None) -> tuple[datetime | None, list[tuple[str, int]], list[Envelope]]:
    """The time of the newest change, the chats changed since the last sweep, and the farewells of who left them."""
    newest = Chat.objects.newest_change()
    since = (swept_to or newest or timezone.now()) - OVERLAP
    changed = list(Chat.objects.changed_since(since).values_list("uri", "version"))
    left = access.memberships_with_users().left_since(since).select_related("chat")
    return newest, changed, [farewell for row in left if (farewell := _farewell(row))]


def _farewell(row: Membership) -> Envelope | None:
    """None where it cannot be made: a site's card that fails for one user must not end the sweep for all."""
    try:
        return events.changes_envelope(wire.Changes.of_member(row))
    except Exception:
        logger.warning("Somebody who is out of a chat could not be told so", exc_info=True)
        return None


def _refreshed(user: User, stored: User) -> User:
    """The user as a site's class has found them, with whatever it has noted on them, and with what is stored now; what
    was only kept there to be at hand may be so no more."""
    refreshed = copy(user)
    values = vars(refreshed)
    for name in [each for each in values if _is_cached(refreshed, each)]:
        del values[name]
    values.update(vars(stored))
    return refreshed


def _is_cached(user: User, name: str) -> bool:
    return name in DJANGOS_CACHES or isinstance(getattr(type(user), name, None), CACHED_PROPERTIES)


def _memberships(user_ids: list[Any]) -> set[tuple[str, str]]:
    """The ``(user, chat uri)`` pairs of who is in."""
    pairs = Membership.objects.present().filter(user__in=user_ids).values_list("user", "chat__uri")
    return {(events.user_key(user_id), uri) for user_id, uri in pairs}
