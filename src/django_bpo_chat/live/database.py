"""Threads for the database work of sockets.

They keep their connections, where ``database_sync_to_async`` closes them around every job and shares its one thread
with the rest of the site.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier, BrokenBarrierError
from typing import ParamSpec, TypeVar

from django.db import connections

from ..exceptions import DATABASE_AWAY, ChatError, Unavailable

logger = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class DatabaseThreads:
    def __init__(self, count: int) -> None:
        self._count = count
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="bpo-chat-database")

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """What ``work`` returns, from one of the threads. Raises its ``ChatError``, or ``Unavailable``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(_run, partial(work, *args, **kwargs)))

    def close(self, *, wait: bool = True) -> None:
        """Let each thread close its connections, and end. What hangs is not waited for, where that is to be."""
        everyone = Barrier(self._count)
        try:
            for _ in range(self._count):
                self._executor.submit(_close_connections, everyone)
        except RuntimeError:  # the interpreter is about to end, and takes no more work
            everyone.abort()
        self._executor.shutdown(wait=wait)


def _run(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except ChatError:
        raise
    except DATABASE_AWAY as error:
        logger.warning("The database is not available: %s", error)
        connections.close_all()  # the next job begins with a new one
        raise Unavailable from error
    except Exception as error:  # a site's own classes may raise anything, and one client's trouble is not all others'
        logger.exception("What a socket asked for has failed")
        raise Unavailable from error
    finally:
        _tidy_up()


def _tidy_up() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["OPTIONS"].get("pool"):
            connection.close()  # it is everybody's, and soon had again
        elif connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def _close_connections(everyone: Barrier) -> None:
    with suppress(BrokenBarrierError):
        everyone.wait()  # so that no thread takes two of these jobs
    connections.close_all()
