"""The people of the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.person import Person, Visitor

Meet = Callable[..., Sequence[Person]]


@pytest.fixture
def meet(db: None) -> Meet:
    """Make people of these names: ``wali, mabel = meet("wali", "mabel")``."""
    return lambda *usernames: [Person(username) for username in usernames]


@pytest.fixture
def crowd(meet: Meet) -> Callable[[int], Sequence[Person]]:
    """Make a number of people: ``crowd(60)``."""
    return lambda number: meet(*(f"person{n}" for n in range(number)))


@pytest.fixture
def wali(db: None) -> Person:
    return Person("wali")


@pytest.fixture
def mabel(db: None) -> Person:
    return Person("mabel")


@pytest.fixture
def otis(db: None) -> Person:
    return Person("otis")


@pytest.fixture
def visitor(db: None) -> Visitor:
    return Visitor()
