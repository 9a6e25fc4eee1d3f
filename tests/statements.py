"""What a piece of code asks of the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

WITH_ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
"""How statements begin that work with rows. Which ones open and end a transaction differs between databases."""

Statement = tuple[str, int]


@contextmanager
def recorded_statements() -> Iterator[list[Statement]]:
    """The statements of this thread that work with rows, without their parameters, and how many rows each has found or
    changed; -1 where the database does not say, as SQLite of what is read."""
    asked: list[Statement] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith(WITH_ROWS):
            asked.append((sql, context["cursor"].rowcount))
        return result

    with connection.execute_wrapper(record):
        yield asked


@contextmanager
def just_before(pattern: str, call: Callable[[], object]) -> Iterator[None]:
    """Make the call, once, before this thread's first statement that matches this. It has to come to that."""
    calls = [call]

    def interrupt(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if calls and re.search(pattern, sql):
            calls.pop()()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(interrupt):
        yield
    assert not calls, f"no statement matched {pattern}"
