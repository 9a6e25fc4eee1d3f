"""Moments by the database's clock, which all processes share."""

from datetime import datetime, timezone
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django.utils.timezone import get_default_timezone, is_naive, make_aware, make_naive


class ClockTime(Now):
    """The database's time at this very moment.

    PostgreSQL's ``now()`` stands still within a transaction, and even a statement's time is from before it waited for
    a lock; messages must not be younger than those that follow them.
    """

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="CLOCK_TIMESTAMP()", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        # SQLite compares times as texts, and knows milliseconds only, where Django writes microseconds or, if they
        # are zero, none: six digits that never are zero make every comparison with a parameter true.
        zone = "" if settings.USE_TZ else ", 'localtime'"
        template = f"STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f001', 'NOW'{zone})"
        return self.as_sql(compiler, connection, template=template, **context)


def to_utc(moment: datetime) -> datetime:
    """What a row says, in UTC: with ``USE_TZ = False`` rows tell the time of the site's zone, without saying so."""
    return (make_aware(moment, get_default_timezone()) if is_naive(moment) else moment).astimezone(timezone.utc)


def from_utc(moment: datetime) -> datetime:
    """What rows can be compared with."""
    return moment if settings.USE_TZ else make_naive(moment, get_default_timezone())
