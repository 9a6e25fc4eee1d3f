from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers import Serve, Server
from tests.sites import site

from .report import PROPERTY, Findings, Scale

LONG_SECONDS = 900


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the long form, what takes longer than other tests may does not hang."""
    if config.getoption("long"):
        for item in items:
            if item.get_closest_marker("faults"):
                item.add_marker(pytest.mark.timeout(LONG_SECONDS))


@pytest.fixture(autouse=True)
def findings(request: pytest.FixtureRequest) -> Findings:
    """What this test adds to the report."""
    marker = request.node.get_closest_marker("faults")
    findings = Findings(marker.args[0])
    request.node.user_properties.append((PROPERTY, findings.told))
    return findings


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    chosen: int = pytestconfig.getoption("seed")
    return chosen


@pytest.fixture
def scale(pytestconfig: pytest.Config) -> Scale:
    """How much of it: ``scale(3, 20)`` is 3, and 20 in the long form."""
    return lambda short, long: long if pytestconfig.getoption("long") else short


@pytest.fixture
def serve(database: str) -> Iterator[Serve]:
    """Start the example project in a process of its own, on this test's database: ``serve(REDIS_URL=…)``."""
    with ExitStack() as servers:
        yield lambda **environment: servers.enter_context(
            Server(**{"DATABASE_URL": database, **site("quick_hashes"), **environment})
        )
