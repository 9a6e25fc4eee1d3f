"""What load balancers are told while the database or Redis is away."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from django_bpo_chat import health
from tests.servers import Server
from tests.services import Postgres, Valkey

pytestmark = pytest.mark.processes

ANSWERS_WITHIN = 2 * health.SECONDS + 3

PROBES = 20


def probe(server: Server) -> tuple[httpx.Response, float]:
    """The answer, and how many seconds it took."""
    began = time.monotonic()
    answer = httpx.get(f"{server.http}/api/v1/health/", timeout=30)
    return answer, time.monotonic() - began


@pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="A file does not go away: see --db=postgres")
@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_without_the_database_it_is_503_and_soon(postgres: Postgres, database: str, fault: str) -> None:
    with Server(DATABASE_URL=database) as server:
        assert probe(server)[0].json() == {"status": "ok"}
        getattr(postgres, fault)()
        try:
            with ThreadPoolExecutor(PROBES) as pool:
                told = list(pool.map(probe, [server] * PROBES))
        finally:
            postgres.thaw() if fault == "freeze" else postgres.start()
        for answer, seconds in told:
            assert seconds < ANSWERS_WITHIN
            assert answer.status_code == 503
            assert answer.json() == {"detail": "Not available at the moment. Try again.", "code": "unavailable"}
            assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("1", "private, no-store")
        deadline = time.monotonic() + 10
        while probe(server)[0].status_code != 200:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_without_redis_requests_are_served_as_ever(valkey: Valkey, database: str, fault: str) -> None:
    with Server(DATABASE_URL=database, REDIS_URL=valkey.url) as server:
        getattr(valkey, fault)()
        answer, seconds = probe(server)
        assert (answer.status_code, seconds < 1) == (200, True)
