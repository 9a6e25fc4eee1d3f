"""Locks for what no row can be locked for. They last until the transaction ends."""

from django.db import connections

from .models import Chat


def lock_first(database: str) -> None:
    """Be the one who writes to SQLite, where a transaction that has read first and then writes fails at once if another
    one is writing. Other databases wait."""
    if connections[database].vendor != "postgresql":
        Chat.objects.using(database).filter(uri="").update(title="")  # there is none: nothing changes


def queue(name: int, database: str) -> None:
    """Let nobody else pass here who has come for a lock of this name, a number of 64 bits that is the site's own."""
    if connections[database].vendor == "postgresql":
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [name])
    else:
        lock_first(database)
