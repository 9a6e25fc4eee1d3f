"""How often somebody is told of the same thing."""

from collections import OrderedDict
from collections.abc import Hashable

TYPING_SECONDS = 3
"""The contract's: of each person and chat one ``typing`` in so long. A client shows it for twice as long."""

MOST_REMEMBERED = 10_000
"""Beyond it the oldest is forgotten, and may come too early."""


class Pace:
    """Lets each key pass once in :data:`TYPING_SECONDS`."""

    def __init__(self) -> None:
        self._passed_at: OrderedDict[Hashable, float] = OrderedDict()  # the oldest first

    def __len__(self) -> int:
        return len(self._passed_at)

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether the key may pass now, which it then does."""
        self._forget_until(now - TYPING_SECONDS)
        if key in self._passed_at:
            return False
        if len(self._passed_at) >= MOST_REMEMBERED:
            self._passed_at.popitem(last=False)
        self._passed_at[key] = now
        return True

    def _forget_until(self, moment: float) -> None:
        while self._passed_at and next(iter(self._passed_at.values())) <= moment:
            self._passed_at.popitem(last=False)
