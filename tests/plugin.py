"""The database of the tests, and where they keep files.

A plugin, not part of conftest.py, since both have to be known before Django's settings load.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.services import Postgres

# Being told to end is like Ctrl-C: what was started is stopped. By default nothing would be.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("django").addoption(
        "--db",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="The database to test on. PostgreSQL is TEST_DATABASE_URL where that is set, else a server of our own.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Name both in the environment: for the settings here, in xdist's workers and in server processes.

    The workers do not run this hook, so all share one server.
    """
    options = early_config.known_args_namespace
    if options.help or options.version:
        return
    directory = Path(tempfile.mkdtemp(prefix="bpo-chat-"))
    early_config.add_cleanup(lambda: shutil.rmtree(directory))
    os.environ["MEDIA_ROOT"] = str(directory / "media")
    if options.db == "sqlite":
        url = f"sqlite:///{directory / 'db.sqlite3'}"
    elif not (url := os.environ.get("TEST_DATABASE_URL", "")):
        postgres = Postgres()
        early_config.add_cleanup(postgres.close)
        postgres.start()
        url = postgres.url
    os.environ["DATABASE_URL"] = url
