"""How far a command is, for whoever looks on."""

from collections.abc import Iterable
from time import monotonic

from django.core.management.base import OutputWrapper

SECONDS = 0.2
"""Between two looks at it."""


def shown(work: Iterable[int], stream: OutputWrapper, what: str, total: int | None = None) -> int:
    """Do the work, and return how much that was. A terminal shows meanwhile how far it is."""
    done, told_at = 0, 0.0
    for count in work:
        done += count
        if stream.isatty() and monotonic() - told_at >= SECONDS:
            stream.write(f"\r{_line(done, total, what)}", ending="")
            stream.flush()
            told_at = monotonic()
    if told_at:
        stream.write("\r", ending="")
    return done


def _line(done: int, total: int | None, what: str) -> str:
    if total is None:
        return f"{done:,} {what}"
    return f"{done:,} of {total:,} {what} ({100 * done // max(total, 1)} %)"
