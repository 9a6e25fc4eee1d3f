"""Whether the database answers, and how long one waits for that."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TypeVar

from django.db import connections, router

from .exceptions import DATABASE_AWAY, Unavailable
from .models import Chat

SECONDS = 2
"""For so long the database may take to answer."""

GIVEN_UP_SECONDS = 30
"""A question that has hung for so long is asked anew: its connection may be dead where the database is not."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Question:
    answer: "Future[None]"
    asked_at: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.asked_at

    @property
    def is_open(self) -> bool:
        return not self.answer.done() and self.age < GIVEN_UP_SECONDS


_lock = threading.Lock()
_questions: dict[str, _Question] = {}
"""By database, the last one. Whoever wants to know meanwhile waits for the same answer, so that nobody's requests take
more than one connection, or, while the database hangs, more and more threads."""


def check_database() -> None:
    """Raises ``Unavailable`` where the chats' database does not answer in time, and leaves no connection behind."""
    alias = router.db_for_write(Chat)
    try:
        if connections[alias].vendor == "sqlite":  # a file keeps nobody waiting, and one in memory is its thread's
            _ask(alias)
        else:
            question = _question(alias)
            _result(question.answer, max(0, SECONDS - question.age))
    except (*DATABASE_AWAY, TimeoutError, RuntimeError) as error:  # the last where no thread is to be had
        raise Unavailable from error


def _question(alias: str) -> _Question:
    with _lock:
        last = _questions.get(alias)
        if last is None or not last.is_open:
            last = _questions[alias] = _Question(begun(lambda: _ask_and_close(alias)), time.monotonic())
        return last


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What ``work`` returns, from a thread of its own. Raises ``TimeoutError`` where that takes longer: nothing can end
    the thread then, and nobody waits for it."""
    return _result(begun(work), seconds)


def _result(future: "Future[Result]", seconds: float) -> Result:
    try:
        return future.result(seconds)
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
