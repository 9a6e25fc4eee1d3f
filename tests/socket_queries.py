"""What the sockets of this process ask of the database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.signals import connection_created


@contextmanager
def counting_socket_queries() -> Iterator[Counter[str]]:
    """Counts the SQL statements of the threads that ask the database for sockets, by the words they begin with."""
    counts: Counter[str] = Counter()
    wrapped = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if threading.current_thread().name.startswith("bpo-chat-database"):
            counts[sql] += 1
        return execute(sql, params, many, context)

    def wrap(connection: Any, **_: Any) -> None:
        if connection not in wrapped:  # a connection of a pool is made anew for each job
            connection.execute_wrappers.append(count)
            wrapped.append(connection)

    connection_created.connect(wrap)
    try:
        yield counts
    finally:
        connection_created.disconnect(wrap)
        for connection in wrapped:
            connection.execute_wrappers.remove(count)
