"""The sockets of a process, and all that they are told.

An event reaches the hub once, whatever the number of sockets. The hub knows the members of the chat, finds those who
are connected here and writes the one frame to each. Per chat it delivers in version order: what is old is dropped, a
hole is filled from the database, once for all members, and a sweep finds what no event has told of.
"""

import asyncio
import logging
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from contextvars import Context
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Max
from django.utils import timezone

from .. import access, events, wire
from ..conf import chat_settings
from ..logins import current_stamps
from ..models import Chat, Membership
from ..users import User
from . import bus
from .database import DatabaseThreads
from .routes import Route, Routes
from .sockets import Socket

logger = logging.getLogger(__name__)

HOLE_SECONDS = 0.2
"""How long the predecessor of an event may still be on its way."""

OVERLAP = timedelta(minutes=1)
"""A change is seen when it commits but carries the time of its lock; sweeps look back as far as a transaction lasts."""

USERS_AT_ONCE = 500

NOT_AUTHENTICATED = 4401

Envelope = Any

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
        self.outbox = bus.Outbox(loop)
        self.database = DatabaseThreads(chat_settings.database_threads)
        self._sockets: dict[str, set[Socket]] = {}
        self._routes = Routes()
        self._to_load: list[Route] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep_now = asyncio.Event()
        self._swept_to: datetime | None = None

    # Life

    def start(self) -> None:
        """Run until the event loop ends, in a context of its own: not the one of the first socket's request."""
        bus.register(self)
        listener = bus.Listener(self, self._sweep_now.set)
        self._spawn(self._keep_sweeping())
        self._spawn(listener.run())
        self._spawn(self._end_with_the_loop())

    def _spawn(self, work: Any) -> None:
        task = Context().run(self.loop.create_task, work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_with_the_loop(self) -> None:
        try:
            await self.loop.create_future()  # servers cancel what is left when they stop
        finally:
            bus.unregister(self)
            _hubs.pop(self.loop, None)
            self.database.close()

    # Sockets

    def add(self, socket: Socket) -> None:
        self._sockets.setdefault(_key(socket), set()).add(socket)

    def remove(self, socket: Socket) -> None:
        sockets = self._sockets.get(_key(socket), set())
        sockets.discard(socket)
        if not sockets:
            self._sockets.pop(_key(socket), None)
        if not self._sockets:
            self._routes, self._swept_to = Routes(), None  # while nobody is here, events pass by unseen

    def _all_sockets(self) -> Iterator[Socket]:
        return (socket for sockets in list(self._sockets.values()) for socket in list(sockets))

    # Events

    def take(self, envelope: Envelope) -> None:
        """An event from this process or another one. Called in the hub's loop."""
        if envelope.get("v") != events.ENVELOPE_VERSION:
            return
        try:
            match envelope["kind"]:
                case "changes" | "ephemeral":
                    self._take_chat_event(envelope)
                case "user":
                    self._spawn(self._recheck([socket.login.user.pk for socket in self._of_user(envelope["user"])][:1]))
                case "logout":
                    self._close_login(envelope["login"])
        except Exception:  # one event must not end the listening to all others
            logger.exception("An event could not be delivered")

    def _take_chat_event(self, envelope: Envelope) -> None:
        if not self._sockets:
            return
        route = self._routes.get(envelope["chat"])
        if route is None:
            route = self._routes.add(envelope["chat"])
            self._load(route)
        if not route.is_loaded:
            route.wait(envelope)
        elif envelope["kind"] == "ephemeral":
            self._tell_members(route, envelope["frame"], ephemeral=True)
        else:
            self._take_changes(route, envelope)

    def _take_changes(self, route: Route, envelope: Envelope) -> None:
        """Old: drop. Next: deliver, and what has waited for it. Later: wait a moment for what is between."""
        if envelope["version"] <= route.version:
            return
        if envelope["since"] > route.version:
            route.wait(envelope)
            self._repair(route, after=HOLE_SECONDS)
            return
        self._deliver(route, envelope)
        while (following := route.next_waiting()) is not None:
            self._deliver(route, following)

    def _deliver(self, route: Route, envelope: Envelope) -> None:
        """Tell the members before and after the change; whoever is out learns that and nothing else."""
        uri, since, version = envelope["chat"], envelope["since"], envelope["version"]
        route.advance(envelope)
        self._tell_leavers(envelope)
        lowest_seq = envelope["lowest_seq"] or inf
        # A page of several versions may have something for a member who may not see all of it: they resume.
        hidden = wire.nothing_visible(uri, since if version == since + 1 else version, version)
        frames = envelope["frame"], _changes_frame(hidden)
        for first_seq, socket in self._members_here(route):
            if socket.left.get(uri, 0) < version:
                socket.deliver(frames[first_seq > lowest_seq])

    def _tell_leavers(self, envelope: Envelope) -> None:
        """Once: nothing of the chat may follow what tells a client that it is out."""
        uri = envelope["chat"]
        route = self._routes.get(uri)
        for user, version, frame in envelope["left"]:
            if route is not None and route.version <= version:  # it is the sweep that tells, ahead of the events
                route.members.pop(user, None)
            for socket in self._of_user(user):
                if socket.left.get(uri, 0) < version:
                    socket.left[uri] = version
                    socket.deliver(frame)

    def _tell_members(self, route: Route, frame: str, *, ephemeral: bool = False) -> None:
        for _, socket in self._members_here(route):
            socket.deliver(frame, ephemeral=ephemeral)

    def _members_here(self, route: Route) -> Iterator[tuple[int, Socket]]:
        """The connected members, with the first seq they may see, whichever of the two sets is the smaller."""
        if len(route.members) <= len(self._sockets):
            users = [(user, self._sockets[user]) for user in route.members if user in self._sockets]
        else:
            users = [(user, sockets) for user, sockets in self._sockets.items() if user in route.members]
        return ((route.members[user], socket) for user, sockets in users for socket in tuple(sockets))

    def _of_user(self, user: str) -> tuple[Socket, ...]:
        return tuple(self._sockets.get(user, ()))

    def _close_login(self, login: str) -> None:
        for socket in self._all_sockets():
            if socket.login.name == login:
                socket.close(NOT_AUTHENTICATED)

    # Members

    def _load(self, route: Route) -> None:
        """Find out who the members are; all chats that ask in the same moment are one query."""
        if not self._to_load:
            self._spawn(self._load_members())
        self._to_load.append(route)

    async def _load_members(self) -> None:
        await asyncio.sleep(0)
        routes, self._to_load = self._to_load, []
        try:
            stored = await self.database.run(_stored_routes, [route.uri for route in routes])
        except Exception:
            logger.warning("The members of a chat could not be loaded", exc_info=True)
            for route in routes:
                self._routes.drop(route)
            self._sweep_now.set()
            return
        for route in routes:
            version, members = stored.get(route.uri, (route.known, {}))  # nobody is in any more
            for envelope in sorted(route.begin(version, members), key=lambda each: each.get("version", 0)):
                self._take_chat_event(envelope)
            if route.is_behind:
                self._repair(route, after=HOLE_SECONDS)

    # Holes

    def _repair(self, route: Route, *, after: float = 0) -> None:
        if not route.is_repairing:
            route.is_repairing = True
            self._spawn(self._fill_hole(route, after))

    async def _fill_hole(self, route: Route, after: float) -> None:
        """Read what is missing, if it has not come meanwhile, and send it on: one read for the whole process."""
        try:
            await asyncio.sleep(after)
            while route.is_behind:
                envelope, members = await self.database.run(_missing_changes, route.uri, route.version)
                if envelope["version"] <= envelope["since"]:  # the chat is gone, or from an older backup
                    self._routes.drop(route)
                    return
                if envelope["since"] == route.version:  # else the missing ones have come meanwhile
                    route.members = members
                    self._take_changes(route, envelope)
        except Exception:
            logger.warning("A hole could not be filled yet", exc_info=True)
            self._routes.drop(route)
            self._sweep_now.set()
        finally:
            route.is_repairing = False

    # Sweep

    async def _keep_sweeping(self) -> None:
        while True:
            pause = chat_settings.sweep_seconds * random.uniform(0.8, 1.2)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._sweep_now.wait(), pause)
            self._sweep_now.clear()
            if self._sockets:
                try:
                    await self._sweep()
                except Exception:
                    logger.warning("The sweep failed", exc_info=True)
                    await asyncio.sleep(1)

    async def _sweep(self) -> None:
        """Compare what was delivered with what is stored, and who is connected with who still may be."""
        changed, farewells = await self.database.run(_changed_lately, self._swept_to)
        for envelope in farewells:
            self._tell_leavers(envelope)
        not_held = []
        for uri, version, changed_at in changed:
            self._swept_to = changed_at if self._swept_to is None else max(self._swept_to, changed_at)
            route = self._routes.get(uri)
            if route is None:
                not_held.append(uri)
            elif route.is_loaded and route.version < version:
                route.known = max(route.known, version)
                self._repair(route)
        if not_held:
            await self._nudge(not_held)
        await self._recheck([next(iter(sockets)).login.user.pk for sockets in self._sockets.values()])

    async def _nudge(self, uris: list[str]) -> None:
        """Tell the members of chats that the hub does not hold where these stand; whoever is behind resumes."""
        stored = await self.database.run(_stored_routes, uris)
        for uri, (version, members) in stored.items():
            if self._routes.get(uri) is None:
                route = self._routes.add(uri)
                route.begin(version, members)
                self._tell_members(route, _changes_frame(wire.nothing_visible(uri, version, version)))

    async def _recheck(self, user_ids: Iterable[Any]) -> None:
        """Close the sockets of users who are gone, deactivated, or have another password than at their log-in."""
        ids = list(user_ids)
        for start in range(0, len(ids), USERS_AT_ONCE):
            some = ids[start : start + USERS_AT_ONCE]
            users = await self.database.run(_active_users, some)
            for user_id in some:
                user, stamps = users.get(user_id, (None, ()))
                for socket in self._of_user(events.user_key(user_id)):
                    if user is None or socket.login.stamp not in stamps:
                        socket.close(NOT_AUTHENTICATED)
                    else:
                        socket.login = replace(socket.login, user=user)


def _key(socket: Socket) -> str:
    return events.user_key(socket.login.user.pk)


def _changes_frame(changes: dict[str, Any]) -> str:
    return wire.encode({"type": "changes", **changes})


# What follows asks the database, in its threads.


def _stored_routes(uris: list[str]) -> dict[str, tuple[int, dict[str, int]]]:
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
    _, members = _stored_routes([uri]).get(uri, (0, {}))
    return envelope, members


def _changed_lately(swept_to: datetime | None) -> tuple[list[tuple[str, int, datetime]], list[Envelope]]:
    """The chats changed since then, and for each of their members who left since then the event of that."""
    newest = swept_to or Chat.objects.aggregate(newest=Max("changed_at"))["newest"] or timezone.now()
    since = newest - OVERLAP
    changed = list(Chat.objects.changed_since(since).values_list("uri", "version", "changed_at"))
    left = Membership.objects.left_since(since).select_related("chat", "user")
    return changed, [events.changes_envelope(wire.Changes.of_member(row)) for row in left]


def _active_users(user_ids: list[Any]) -> dict[Any, tuple[User, set[str]]]:
    users = get_user_model()._default_manager.using(router.db_for_write(get_user_model())).in_bulk(user_ids)
    return {key: (user, current_stamps(user)) for key, user in users.items() if user.is_active}
