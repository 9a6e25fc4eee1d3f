"""How often somebody is told of the same thing."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from ..rates import Rate

TYPING_SECONDS = 3
"""The contract's: of each person and chat one ``typing`` in so long. A client shows it for twice as long."""

MOST_REMEMBERED = 10_000
"""Beyond it the oldest is forgotten, and may come too early."""


class Allowance:
    """So many times in each window of a rate; the windows begin where they begin for this one."""

    def __init__(self, rates: Sequence[Rate]) -> None:
        self._rates = rates
        self._spent = [(0.0, 0)] * len(rates)  # when the window of each began, and how often since

    def spend(self, now: float) -> bool:
        """Whether this once more was allowed."""
        self._spent = [
            (began, count + 1) if now < began + rate.seconds else (now, 1)
            for rate, (began, count) in zip(self._rates, self._spent, strict=True)
        ]
        return all(count <= rate.limit for rate, (_, count) in zip(self._rates, self._spent, strict=True))


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
