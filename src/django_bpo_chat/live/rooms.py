"""Who is in a chat and what they have been told: the hub's memory of the chats that it delivers."""

from collections import OrderedDict
from collections.abc import Iterator

from ..events import Envelope

MOST_ROOMS = 20_000
MOST_WAITING = 200


class Room:
    """A chat's present members with the first seq each may see, as of ``version``: the last change delivered.

    ``known`` is the highest version that the hub has heard of, ``loaded`` the one as of which the members were read.
    While they are being read, ``is_loaded`` is false and all events wait; later only those changes wait that came
    before their predecessors. Until a change has been delivered, or the members told where the chat stands, it has no
    place in the versions: ``is_placed`` is false.
    """

    __slots__ = (
        "is_loaded",
        "is_placed",
        "is_repairing",
        "known",
        "loaded",
        "members",
        "uri",
        "version",
        "waiting",
        "waiting_ephemeral",
    )

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.version = self.known = self.loaded = 0
        self.members: dict[str, int] = {}
        self.waiting: list[Envelope] = []
        self.waiting_ephemeral: list[Envelope] = []
        self.is_loaded = False
        self.is_placed = False
        self.is_repairing = False

    @property
    def is_behind(self) -> bool:
        return self.version < self.known

    def begin(self, version: int, members: dict[str, int]) -> list[Envelope]:
        """The members as of the stored ``version``; returns the events that have waited for them, in order.

        The count begins right before the oldest of these; whatever else there is up to the stored version is missing,
        and is seen to be.
        """
        changes = sorted(self.waiting, key=lambda each: each["version"])
        events = [*self.waiting_ephemeral, *changes]
        self.waiting, self.waiting_ephemeral = [], []
        self.members = members
        self.loaded = version
        self.is_loaded = True
        if changes:
            self.known = max(self.known, version)
            self.place(changes[0]["since"])
        return events

    def place(self, version: int) -> None:
        """Up to this version the members have been told, or will find out by themselves; but whoever has left since
        they were loaded is still among them."""
        self.version = min(version, self.loaded)
        self.known = max(self.known, self.version)
        self.is_placed = True

    def wait(self, event: Envelope) -> None:
        """Those beyond a number are let go: a change is known then to be missing, and is read."""
        is_change = event["kind"] == "changes"
        queue = self.waiting if is_change else self.waiting_ephemeral
        if len(queue) < MOST_WAITING:
            queue.append(event)
        if is_change:
            self.known = max(self.known, event["version"])

    def next_waiting(self) -> Envelope | None:
        """Changes that have waited for their predecessor, which has now come; what is too old is dropped."""
        self.waiting = [each for each in self.waiting if each["version"] > self.version]
        for place, each in enumerate(self.waiting):
            if each["since"] <= self.version:
                return self.waiting.pop(place)
        return None

    def advance(self, changes: Envelope) -> None:
        """The membership after these changes."""
        self.version = changes["version"]
        for user, *_ in changes["left"]:
            self.members.pop(user, None)
        self.members.update(dict(changes["joined"]))


class Rooms:
    """The chats that were last in use."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[str, Room] = OrderedDict()

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def get(self, uri: str) -> Room | None:
        room = self._rooms.get(uri)
        if room is not None:
            self._rooms.move_to_end(uri)
        return room

    def add(self, uri: str) -> Room:
        if len(self._rooms) >= MOST_ROOMS:
            self._rooms.popitem(last=False)
        room = self._rooms[uri] = Room(uri)
        return room

    def drop(self, room: Room) -> None:
        if self._rooms.get(room.uri) is room:
            del self._rooms[room.uri]

    def drop_those_of(self, users: set[str]) -> None:
        for room in self:
            if not room.members.keys().isdisjoint(users):
                self.drop(room)
