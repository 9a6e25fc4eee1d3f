"""Services of a test's own, which it may break."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import EXAMPLE_PROJECT, example_environment
from tests.services import Postgres, Valkey


class DurablePostgres(Postgres):
    """Waits for its disk, as in production: so a commit takes its time."""

    def command(self) -> list[str | Path]:
        return [*super().command(), "--fsync=on"]

    def clone(self) -> str:
        """The address of a new database, with all that is in the first one."""
        name = f"clone_{secrets.token_hex(4)}"
        server = ("--host=127.0.0.1", f"--port={self.port}", "--username=postgres")
        subprocess.run([self.bin / "createdb", *server, "--template=postgres", name], check=True)
        return self.url.removesuffix("postgres") + name


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey that the test may break."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture(scope="session")
def postgres() -> Iterator[DurablePostgres]:
    """A PostgreSQL that tests may break, if they repair it."""
    with DurablePostgres() as postgres:
        migrate(postgres.url)
        yield postgres
        postgres.kill()  # nobody needs what it would write down in the end


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "db.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a migrated database for this test alone, of the kind that its parameter or ``--db`` asks for."""
    kind = getattr(request, "param", request.config.getoption("db"))
    if kind == "postgres":
        postgres: DurablePostgres = request.getfixturevalue("postgres")
        return postgres.clone()
    copy = shutil.copy(request.getfixturevalue("sqlite"), tmp_path / "db.sqlite3")
    return f"sqlite:///{copy}"


on_both_databases = pytest.mark.parametrize("database", ["postgres", "sqlite"], indirect=True)


def migrate(database_url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=EXAMPLE_PROJECT, env=example_environment(DATABASE_URL=database_url), check=True)
