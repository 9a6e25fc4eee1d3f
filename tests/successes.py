"""Which operations have done something, of those that a test asks for at random."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from django_bpo_chat import operations
from django_bpo_chat.operations.change import Change


@contextmanager
def noted_successes() -> Iterator[list[str]]:
    """The names of the operations, one for each time that one has changed something: neither of what is refused nor of
    what was so already. Any number of threads may ask for them."""
    done: list[str] = []
    outcome = threading.local()
    finish = Change.finish

    def note_outcome(change: Change) -> bool:
        is_change = finish(change)
        outcome.is_change = is_change
        return is_change

    def noting(name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            outcome.is_change = True  # of what is no change of a chat there is no other outcome
            result = operation(**arguments)
            if outcome.is_change and not _says_that_it_was_so(result):
                done.append(name)
            return result

        def call_in_batches(**arguments: Any) -> Iterator[int]:
            for number in operation(**arguments):
                if number:
                    done.append(name)
                yield number

        return call_in_batches if inspect.isgeneratorfunction(operation) else call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Change, "finish", note_outcome)
        for name in operations.__all__:
            patch.setattr(operations, name, noting(name, getattr(operations, name)))
        yield done


def _says_that_it_was_so(result: Any) -> bool:
    """What has nothing to do says so by False, alone or behind what it returns."""
    return (result[-1] if isinstance(result, tuple) else result) is False
