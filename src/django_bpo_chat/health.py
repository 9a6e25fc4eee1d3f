"""Whether the database answers, and how long one waits for that."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar

from django.db import connections, router

from .exceptions import DATABASE_AWAY, Unavailable
from .models import Chat

SECONDS = 2
"""For so long the database may take to answer."""

_askers = threading.BoundedSemaphore(4)
"""Those who wait for the database: while it hangs there are not more and more of them."""

Result = TypeVar("Result")


def check_database() -> None:
    """Raises ``Unavailable`` where the chats' database does not answer in time, and leaves no connection behind."""
    alias = router.db_for_write(Chat)
    try:
        if connections[alias].vendor == "sqlite":  # a file keeps nobody waiting, and one in memory is its thread's
            _ask(alias)
        elif not _askers.acquire(timeout=SECONDS):
            raise Unavailable
        else:
            within(SECONDS, lambda: _ask_and_close(alias))
    except (*DATABASE_AWAY, TimeoutError) as error:
        raise Unavailable from error


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What ``work`` returns, from a thread of its own. Raises ``TimeoutError`` where that takes longer: nothing can end
    the thread then, and nobody waits for it."""
    try:
        return begun(work).result(seconds)
    except FutureTimeout as error:  # before Python 3.11 it is no TimeoutError
        raise TimeoutError from error


def begun(work: Callable[[], Result]) -> "Future[Result]":
    """What ``work`` will have returned, in a thread of its own that does not keep the process from ending."""
    result: Future[Result] = Future()
    threading.Thread(target=_settle, args=[result, work], name="bpo-chat-health", daemon=True).start()
    return result


def _settle(result: "Future[Result]", work: Callable[[], Result]) -> None:
    try:
        result.set_result(work())
    except Exception as error:  # noqa: BLE001  (whoever waits is told)
        result.set_exception(error)


def _ask(alias: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_and_close(alias: str) -> None:
    try:
        _ask(alias)
    finally:
        connections[alias].close()
        _askers.release()
