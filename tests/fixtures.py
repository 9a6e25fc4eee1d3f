"""The people of the tests, and their site's settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from django.conf import LazySettings

from tests.moderator import Moderator
from tests.person import Person, Visitor

Configure = Callable[..., None]
Meet = Callable[..., Sequence[Person]]


@pytest.fixture
def configure(settings: LazySettings) -> Configure:
    """Change some keys of the site's ``BPO_CHAT``, and leave it the others: ``configure(SWEEP_SECONDS=1)``."""

    def configure(**changes: object) -> None:
        settings.BPO_CHAT = {**getattr(settings, "BPO_CHAT", {}), **changes}

    return configure


@pytest.fixture
def own_folder(tmp_path: Path, settings: LazySettings) -> None:
    """The files that people send are the test's alone."""
    settings.MEDIA_ROOT = tmp_path / "media"


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
def ines(db: None) -> Moderator:
    """Of the staff, and may do everything in the admin."""
    return Moderator("ines")


@pytest.fixture
def visitor(db: None) -> Visitor:
    return Visitor()
