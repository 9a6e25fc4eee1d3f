"""The sockets of the tests. A plugin of the modules that need them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.clients import ChatSocket, Connect, Dial, open_socket
from tests.person import Person
from tests.servers import LiveServer, logged_errors


@pytest.fixture
def dial(live: LiveServer, caplog: pytest.LogCaptureFixture) -> Iterator[Dial]:
    """Open a socket that has not said anything yet: ``dial(headers=…)``. The server logs no error meanwhile."""
    with ExitStack() as sockets:
        yield lambda query="", **options: sockets.enter_context(open_socket(live.ws + query, **options))
    assert logged_errors(caplog) == []


@pytest.fixture
def connect(dial: Dial) -> Connect:
    """Open a socket of this person that is ready, by their own access token or another one: ``connect(wali)``."""

    def connect(person: Person, access: str | None = None) -> ChatSocket:
        connected = dial(headers={"Authorization": f"Bearer {access or person.access}"})
        connected.introduce()
        return connected

    return connect
