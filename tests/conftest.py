from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection

from tests.censor import Censor
from tests.documents import Witness
from tests.hearsay import Hearsay
from tests.servers import LiveServer, Server, WebServer, database_url
from tests.services import Service, Valkey

pytest_plugins = ["tests.fixtures", "tests.breakable"]


@pytest.fixture(scope="session")
def witness() -> Iterator[Witness]:
    witness = Witness()
    with witness.listening():
        yield witness


@pytest.fixture(scope="session")
def censor() -> Iterator[Censor]:
    censor = Censor()
    with censor.listening():
        yield censor


@pytest.fixture(scope="session")
def hearsay(witness: Witness, censor: Censor) -> Iterator[Hearsay]:
    """Of the servers that tests start as processes."""
    hearsay = Hearsay(Service.mode_at, witness.complaints.append, censor.hear)
    with hearsay.listening():
        yield hearsay


@pytest.fixture(autouse=True)
def all_that_is_answered_is_documented(witness: Witness, hearsay: Hearsay) -> Iterator[None]:
    """Over HTTP and over sockets, by whatever process, whatever a test is about."""
    witness.complaints.clear()
    yield
    assert witness.complaints == []


@pytest.fixture(autouse=True)
def no_log_tells_a_secret(censor: Censor) -> Iterator[None]:
    """A token, a password or the text of a message: of this process, or of a server that ends with the test."""
    censor.begin()
    WebServer.logs.clear()
    yield
    for log in WebServer.logs:
        censor.read(log)
    assert censor.complaints() == []


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey for tests that only use it. Those that break it start a ``Valkey`` of their own."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
    else:
        with Valkey() as valkey:
            yield valkey.url


@pytest.fixture(scope="module")
def vacuumed(django_db_setup: None, django_db_blocker: Any) -> None:
    """What tests before have taken back is gone from the tables: between dead rows no index would be worth it."""
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM")


@pytest.fixture
def live(transactional_db: None) -> Iterator[LiveServer]:
    """The example project's ASGI application, served from a thread on the test's database."""
    from config.asgi import application

    with LiveServer(application) as server:
        yield server


@pytest.fixture
def serve(transactional_db: None) -> Iterator[Callable[..., Server]]:
    """Start the example project in a process of its own, on the test's database: ``serve(REDIS_URL=…)``."""
    with ExitStack() as servers:
        yield lambda **environment: servers.enter_context(Server(DATABASE_URL=database_url(), **environment))
