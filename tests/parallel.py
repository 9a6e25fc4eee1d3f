"""Real threads, each with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")


def at_once(*calls: Callable[[], Result]) -> Sequence[Result]:
    """Start all calls at the same moment, and return their results in the order of the calls."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result:
        start.wait()
        return with_own_connection(call)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def with_own_connection(call: Callable[[], Result]) -> Result:
    """Make the call in this thread, and close the connections that it has opened."""
    try:
        return call()
    finally:
        connections.close_all()
