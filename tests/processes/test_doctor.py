"""``manage.py chat_doctor``, at sites that work and at sites of which parts do not."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from django.conf import LazySettings
from redis import Redis

from django_bpo_chat.management import doctor
from tests.servers import EXAMPLE_PROJECT, Server, example_environment
from tests.services import Postgres, Valkey
from tests.sites import site

pytestmark = pytest.mark.processes

on_postgres = pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="This is about PostgreSQL.")

ENDS_WITHIN = 60
"""All parts together, each of which may take as long as it may."""


@dataclass(frozen=True)
class Diagnosis:
    code: int
    text: str
    seconds: float

    def levels(self, part: str) -> list[str]:
        """How each finding about this part is."""
        found = (line.partition(":")[0].split(maxsplit=1) for line in self.text.splitlines() if ":" in line)
        return [words[0] for words in found if words[1:] == [part]]


def examine(environment: dict[str, str], *arguments: str) -> Diagnosis:
    """What the doctor says of the site that runs in such an environment."""
    command = [sys.executable, "-W", "error", "manage.py", "chat_doctor", *arguments]
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=EXAMPLE_PROJECT,
        env=example_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )
    print(done.stdout)
    assert "Traceback" not in done.stdout
    assert "Exception ignored" not in done.stdout, "something was left open"
    return Diagnosis(done.returncode, done.stdout, time.monotonic() - began)


@pytest.fixture
def environment(database: str, valkey: Valkey) -> dict[str, str]:
    return {"DATABASE_URL": database, "REDIS_URL": valkey.url}


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    """One on which wali has signed up."""
    with Server(**environment) as server:
        wali = {"username": "wali", "email": "wali@email.com", "password": "password123", "password2": "password123"}
        httpx.post(f"{server.http}/api/v1/users/signup/", json=wali).raise_for_status()
        yield server


@pytest.mark.parametrize("who", [[], ["--username=wali"]], ids=["stranger", "wali"])
def test_all_parts_of_a_site_that_works_are_ok(
    server: Server, environment: dict[str, str], valkey: Valkey, who: list[str]
) -> None:
    diagnosis = examine(environment, f"--url={server.http}", *who)
    assert diagnosis.code == 0
    levels = {line.split()[0] for line in diagnosis.text.splitlines()}
    assert levels == {"ok"}
    for said in (
        "channel layer: RedisPubSubChannelLayer brings a message to two channels",
        "rate cache: RedisCache counts to 200 for 8 at once",
        "presence cache: RedisCache gives back",
        "rest: It knows whom a token names" if who else "rest: It refuses strangers",
        "socket: It lets in whom a token names" if who else "socket: It refuses strangers",
    ):
        assert said in diagnosis.text
    with Redis(port=valkey.port) as redis:
        assert list(redis.scan_iter("*doctor*")) == []


def test_nothing_is_left_in_a_layer_that_keeps_messages(environment: dict[str, str], valkey: Valkey) -> None:
    command = [sys.executable, "manage.py", "chat_doctor"]
    site_of_it = example_environment(**environment, **site("core_layer"))
    told = subprocess.run(command, cwd=EXAMPLE_PROJECT, env=site_of_it, check=True, stdout=subprocess.PIPE, text=True)
    assert "channel layer: RedisChannelLayer brings a message to two channels" in told.stdout
    with Redis(port=valkey.port) as redis:
        assert list(redis.scan_iter()) == []


def test_what_a_site_does_not_have_is_no_error(database: str) -> None:
    diagnosis = examine({"DATABASE_URL": database})
    assert diagnosis.code == 0
    assert diagnosis.levels("channel layer") == diagnosis.levels("rate cache") == diagnosis.levels("presence cache")
    assert diagnosis.levels("channel layer") == ["ok"]
    assert "bpo_chat.W011" in diagnosis.text


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_without_redis_each_part_that_needs_it_says_so(environment: dict[str, str], valkey: Valkey, fault: str) -> None:
    getattr(valkey, fault)()
    diagnosis = examine(environment)
    assert diagnosis.code == 1
    assert set(diagnosis.levels("database")) == {"ok"}
    for part, remedy in (("channel layer", "CHANNEL_LAYERS"), ("rate cache", "CACHES"), ("presence cache", "CACHES")):
        assert diagnosis.levels(part) == ["error"]
        assert f"See whether its server runs, and look at {remedy}." in diagnosis.text


def test_no_connection_to_a_cache_is_left_to_chance(settings: LazySettings, valkey: Valkey) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": valkey.url}}
    gc.disable()
    try:
        findings = [each for part in doctor.INSIDE if part.name.endswith("cache") for each in part.examine()]
        peers = [each.raddr.port for each in psutil.Process().net_connections() if each.raddr]
    finally:
        gc.enable()
    assert [each.level for each in findings] == ["ok", "ok"]
    assert valkey.port not in peers


@on_postgres
@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_without_the_database_the_other_parts_are_tried_all_the_same(
    environment: dict[str, str], postgres: Postgres, fault: str
) -> None:
    getattr(postgres, fault)()
    try:
        diagnosis = examine(environment, "--url=http://127.0.0.1:9/", "--username=wali")
    finally:
        postgres.thaw() if fault == "freeze" else postgres.start()
    assert diagnosis.code == 1
    assert diagnosis.levels("database") == ["error"]
    assert diagnosis.levels("channel layer") == ["ok"]
    assert "Without a database there is no token for 'wali'." in diagnosis.text


def test_tables_that_are_not_there_yet(tmp_path: Path) -> None:
    diagnosis = examine({"DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}"})
    assert diagnosis.code == 1
    assert "Migrations are not applied: 0001_initial" in diagnosis.text
    assert "Run manage.py migrate." in diagnosis.text


@on_postgres
def test_what_the_server_says_of_connections_counts_and_not_what_the_site_asks_for(database: str) -> None:
    import psycopg2  # which not every environment has

    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        [name] = cursor.fetchone() or [""]
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    connection.close()
    diagnosis = examine({"DATABASE_URL": f"{database}?options=-c%20lock_timeout%3D0"})
    assert diagnosis.code == 1
    assert diagnosis.levels("database") == ["ok", "error", "warning", "ok"]
    assert "Its isolation level is serializable" in diagnosis.text
    assert "Whoever wants a busy chat waits for ever." in diagnosis.text


def test_a_cache_that_counts_in_two_steps_lets_some_through(database: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    diagnosis = examine({"DATABASE_URL": database, "CACHE_FOLDER": str(folder), **site("two_step_cache")})
    assert diagnosis.code == 0
    assert diagnosis.levels("rate cache") == ["warning"]
    assert "lets some through uncounted" in diagnosis.text
    assert diagnosis.levels("presence cache") == ["ok"]
    assert list(folder.iterdir()) == []


def test_a_token_that_is_dead(server: Server, environment: dict[str, str]) -> None:
    diagnosis = examine(environment, f"--url={server.http}", "--token=dead")
    assert diagnosis.code == 1
    assert diagnosis.levels("rest") == ["ok", "error"]
    assert diagnosis.levels("socket") == ["error"]
    assert "Have the proxy pass Authorization on" in diagnosis.text
    assert "Who says hello is closed with 4401." in diagnosis.text


def test_a_server_that_hangs_is_not_waited_for(server: Server, environment: dict[str, str]) -> None:
    server.freeze()
    diagnosis = examine(environment, f"--url={server.http}")
    assert diagnosis.code == 1
    assert diagnosis.levels("rest") == diagnosis.levels("socket") == ["error"]
    assert diagnosis.seconds < 25


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--username=wali"], "Who comes, comes by an --url."),
        (["--url=chat.example.com"], "is not of the form"),
        (["--url=http://127.0.0.1:9/", "--username=nobody"], "There is no user 'nobody'."),
    ],
)
def test_the_command_says_what_is_wrong_with_its_arguments(database: str, arguments: list[str], complaint: str) -> None:
    diagnosis = examine({"DATABASE_URL": database}, *arguments)
    assert diagnosis.code != 0
    assert complaint in diagnosis.text
