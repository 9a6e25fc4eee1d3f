"""Rows by the million, which PostgreSQL makes by itself, and how it would look for something among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import NOT_PROVIDED, Model


def insert(model: type[Model], rows: str, parameters: Mapping[str, Any] | None = None, /, **columns: str) -> None:
    """Insert what ``SELECT … FROM rows`` gives: each of the columns by an expression, the others by their defaults."""
    values = dict(parameters or {})
    for field in model._meta.concrete_fields:
        name = str(field.column)
        if name not in columns and not (field.primary_key or field.null or field.db_default is not NOT_PROVIDED):
            columns[name] = f"%(default_{name})s"
            values[f"default_{name}"] = field.get_db_prep_save(field.get_default(), connection)
    names, expressions = ", ".join(columns), ", ".join(columns.values())
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {model._meta.db_table} ({names}) SELECT {expressions} FROM {rows}", values)


@contextmanager
def indexes_made_afterwards(model: type[Model]) -> Iterator[None]:
    """A million rows are indexed in seconds where it is done at once. Until the test's end no foreign key of theirs is
    checked, since rows that wait for that could not be indexed."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass", [table])
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass)",
            [table, table],
        )
        indexes = dict(cursor.fetchall())
        for name in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for definition in indexes.values():
            cursor.execute(definition)


def analyze() -> None:
    """Have the planner know what is there, as it does after a while by itself."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plan(sql: str) -> str:
    """What PostgreSQL would do to answer this."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())
