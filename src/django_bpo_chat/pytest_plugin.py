"""Fixtures for the tests of a site.

pytest loads this by itself, before there are settings: so it imports nothing of Django yet.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest


@pytest.fixture
def chat_user(db: None) -> Callable[..., Any]:
    """Make a user as a sign-up would: ``chat_user("wali")``. See ``django_bpo_chat.testing.make_user()``."""
    from django_bpo_chat.testing import make_user

    return make_user


@pytest.fixture
def chat_events(transactional_db: None) -> Iterator[list[Any]]:
    """The announcements of this test. See ``django_bpo_chat.testing.recorded_events()``."""
    from django_bpo_chat.testing import recorded_events

    with recorded_events() as events:
        yield events


@pytest.fixture
def chat_socket(transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Connect a user: ``chat_socket(wali)``. See ``django_bpo_chat.testing.ChatSocket``."""
    from django_bpo_chat.testing import ChatSocket

    with ExitStack() as sockets:
        yield lambda *who, **options: sockets.enter_context(ChatSocket(*who, **options))
