"""Databases: where the chats are kept, and how that database is set up."""

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import Warning as CheckWarning
from django.db import connections, router
from django.utils.module_loading import import_string

from ..models import Chat
from .sites import check, unusable

SUPPORTED = {"postgresql", "sqlite"}
"""By vendor, which backends of other packages that build on Django's keep."""

STRICT = re.compile(r"repeatable.?.?read|serializable", re.IGNORECASE)
"""The isolation levels at which whoever has waited for a lock gets an error; the space may be escaped."""


@check(Tags.models)
def check_routers() -> Iterator[CheckMessage]:
    models = [get_user_model(), *apps.get_app_config("bpo_chat").get_models()]
    aliases = {str(router.db_for_write(model)) for model in models}
    for alias in sorted(aliases - set(connections)):
        fault = f"DATABASE_ROUTERS write to {alias!r}, which is not in DATABASES"
        yield unusable(fault, "Add that database, or have the routers name another one.")
    if len(aliases) > 1:
        yield Error(
            f"The chats and their users are in several databases: {', '.join(sorted(aliases))}.",
            hint="Foreign keys do not reach from one database to another: have DATABASE_ROUTERS send "
            f"'bpo_chat' where {get_user_model()._meta.label} is.",
            id="bpo_chat.E006",
        )


@check(Tags.compatibility)
def check_vendor() -> Iterator[CheckMessage]:
    vendor = _vendor(_database())
    if vendor and vendor not in SUPPORTED:
        yield Error(
            f"The chats' database is of the kind {vendor!r}, which is not supported.",
            hint="Nobody has tried whether chats keep their promises there, and on MySQL a message that is sent again "
            'may be stored twice. Use "ENGINE": "django.db.backends.postgresql", or "django.db.backends.sqlite3".',
            id="bpo_chat.E023",
        )


@check(Tags.compatibility)
def check_isolation() -> Iterator[CheckMessage]:
    database = _database()
    if _vendor(database) == "postgresql" and STRICT.match(level := _isolation_level(_options(database))):
        yield Error(
            f"The chats' database is used at the isolation level {level}.",
            hint="Whoever has waited for a chat would get an error. Remove the level from the OPTIONS in "
            "DATABASES, which leaves READ COMMITTED.",
            id="bpo_chat.E007",
        )


@check(Tags.compatibility, deploy=True)
def check_sqlite() -> Iterator[CheckMessage]:
    database = _database()
    if _vendor(database) == "sqlite" and _mode(database) not in {"IMMEDIATE", "EXCLUSIVE"}:
        yield CheckWarning(
            'On SQLite, a transaction that reads before it writes may fail at once with "database is locked".',
            hint='Add to the database: "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": '
            '"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.',
            id="bpo_chat.W015",
        )


@check(Tags.compatibility, deploy=True)
def check_postgres() -> Iterator[CheckMessage]:
    database = _database()
    if _vendor(database) != "postgresql":
        return
    options = _options(database)
    if database.settings_dict["CONN_MAX_AGE"] != 0 and not options.get("pool"):
        yield CheckWarning(
            "Under ASGI, CONN_MAX_AGE leaves a connection to PostgreSQL behind in every thread.",
            hint='Set CONN_MAX_AGE = 0, and "OPTIONS": {"pool": {"max_size": 20, "timeout": 2}} '
            "with psycopg[binary,pool]. Where all processes are WSGI, silence this check.",
            id="bpo_chat.W016",
        )
    if not re.search(r"\b(lock|statement)_timeout\s*=\s*'?0*[1-9]", _flags(options)):
        yield CheckWarning(
            "PostgreSQL has requests wait for a busy chat for ever.",
            hint='Add to the database: "OPTIONS": {"options": "-c lock_timeout=5000"}. '
            "Where the role or the server sets a limit, silence this check.",
            id="bpo_chat.W017",
        )


@check(Tags.compatibility, deploy=True)
def check_local_time() -> Iterator[CheckMessage]:
    if not settings.USE_TZ and settings.TIME_ZONE and _changes_clocks(settings.TIME_ZONE):
        yield CheckWarning(
            f"With USE_TZ = False the database tells the time of {settings.TIME_ZONE}, where one hour a year comes "
            "twice.",
            hint="During that hour what no process was told of is found late, and pages of the list of chats may skip "
            'some. Set USE_TZ = True, or TIME_ZONE = "UTC".',
            id="bpo_chat.W020",
        )


def _changes_clocks(zone: str) -> bool:
    months = (datetime(datetime.now(timezone.utc).year, month, 1, tzinfo=ZoneInfo(zone)) for month in range(1, 13))
    return len({month.utcoffset() for month in months}) > 1


def _database() -> Any:
    """Where the chats are written; None where that is not in ``DATABASES``. Nothing is asked of it."""
    alias = router.db_for_write(Chat)
    return connections[alias] if alias in set(connections) else None


def _vendor(database: Any) -> str:
    return database.vendor if database else ""


def _options(database: Any) -> dict[str, Any]:
    return database.settings_dict["OPTIONS"] or {}


def _flags(options: dict[str, Any]) -> str:
    return str(options.get("options", ""))


def _mode(database: Any) -> str:
    return str(_options(database).get("transaction_mode", "DEFERRED")).upper()


def _isolation_level(options: dict[str, Any]) -> str:
    """The name of the level; the number stands for another one in each psycopg, and Django knows for which."""
    if "isolation_level" in options:
        levels = import_string("django.db.backends.postgresql.psycopg_any.IsolationLevel")
        return next((each.name for each in levels if each == options["isolation_level"]), "")
    match = re.search(r"default_transaction_isolation\s*=\s*'?([\w\\ ]+)", _flags(options))
    return match[1].strip() if match else ""
