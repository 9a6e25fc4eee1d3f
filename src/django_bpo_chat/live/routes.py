"""Who is in a chat and what they have been told: the hub's memory of the chats that it delivers."""

from collections import OrderedDict
from typing import Any

MOST_ROUTES = 20_000

Envelope = Any


class Route:
    """A chat's present members with the first seq each may see, as of ``version``: the last change delivered.

    ``known`` is the highest version that the hub has heard of. While the members are being loaded, ``is_loaded`` is
    false and all events wait; later only those wait that came before their predecessors.
    """

    __slots__ = ("is_loaded", "is_repairing", "known", "members", "uri", "version", "waiting")

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.version = self.known = 0
        self.members: dict[str, int] = {}
        self.waiting: list[Envelope] = []
        self.is_loaded = False
        self.is_repairing = False

    @property
    def is_behind(self) -> bool:
        return self.version < self.known

    def begin(self, version: int, members: dict[str, int]) -> list[Envelope]:
        """The members as of the stored ``version``; returns the events that have waited for them.

        An event is what made the hub load, so the count begins right before the oldest; whatever else there is up to
        the stored version is missing, and is seen to be.
        """
        waiting, self.waiting = self.waiting, []
        self.version = min([version, *(each["since"] for each in waiting if each["kind"] == "changes")])
        self.known = version
        self.members = members
        self.is_loaded = True
        return waiting

    def wait(self, envelope: Envelope) -> None:
        self.known = max(self.known, envelope.get("version", 0))
        self.waiting.append(envelope)

    def next_waiting(self) -> Envelope | None:
        """An event that has waited for its predecessor, which has now come; what is too old is dropped."""
        self.waiting = [each for each in self.waiting if each["version"] > self.version]
        for place, each in enumerate(self.waiting):
            if each["since"] <= self.version:
                return self.waiting.pop(place)
        return None

    def advance(self, envelope: Envelope) -> None:
        """The membership after the event."""
        self.version = envelope["version"]
        for user, *_ in envelope["left"]:
            self.members.pop(user, None)
        self.members.update(dict(envelope["joined"]))


class Routes:
    """The routes of the chats that were last in use."""

    def __init__(self) -> None:
        self._routes: OrderedDict[str, Route] = OrderedDict()

    def get(self, uri: str) -> Route | None:
        route = self._routes.get(uri)
        if route is not None:
            self._routes.move_to_end(uri)
        return route

    def add(self, uri: str) -> Route:
        if len(self._routes) >= MOST_ROUTES:
            self._routes.popitem(last=False)
        route = self._routes[uri] = Route(uri)
        return route

    def drop(self, route: Route) -> None:
        if self._routes.get(route.uri) is route:
            del self._routes[route.uri]
