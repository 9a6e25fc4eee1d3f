"""Rows by the thousand, which the database makes by itself."""

from __future__ import annotations

from collections.abc import Mapping
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


def analyze() -> None:
    """Have the planner know what is there, as it does after a while by itself."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
