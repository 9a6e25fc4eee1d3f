"""What the other tests stand on: the services and servers do what they promise."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import redis
from django.contrib.auth import get_user_model
from django.db import connection

from tests.servers import LiveServer, Server
from tests.services import Postgres, Valkey


def query(postgres: Postgres, sql: str) -> str:
    psql = subprocess.run(
        [postgres.bin / "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, postgres.url],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return psql.stdout.strip()


@pytest.mark.django_db
def test_the_database_is_the_one_that_was_asked_for(pytestconfig: pytest.Config) -> None:
    assert connection.vendor == {"sqlite": "sqlite", "postgres": "postgresql"}[pytestconfig.getoption("db")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.processes
def test_postgres_keeps_what_was_committed_before_it_was_killed() -> None:
    with Postgres() as postgres:
        query(postgres, "CREATE TABLE word AS SELECT 'kept' AS text")

        postgres.kill()
        assert not postgres.ready()
        postgres.start()
        assert query(postgres, "SELECT text FROM word") == "kept"

        postgres.restart()
        assert query(postgres, "SELECT text FROM word") == "kept"
    assert not postgres.directory.exists()


@pytest.mark.processes
def test_a_frozen_postgres_answers_once_thawed() -> None:
    with Postgres() as postgres:
        postgres.freeze()
        client = subprocess.Popen([postgres.bin / "psql", "-Atc", "SELECT 1", postgres.url], stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            client.communicate(timeout=0.5)
        postgres.thaw()
        output, _ = client.communicate(timeout=10)
        assert output == b"1\n"


def test_the_shared_redis_answers(redis_url: str) -> None:
    with redis.from_url(redis_url) as client:
        client.set("word", "stored", ex=60)
        assert client.get("word") == b"stored"


@pytest.mark.processes
def test_valkey_comes_back_on_its_address_after_a_kill(valkey: Valkey) -> None:
    with redis.from_url(valkey.url, retry=None) as client:
        client.set("word", "stored")
        valkey.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("word")
        valkey.start()
        assert client.get("word") is None


@pytest.mark.processes
def test_a_frozen_valkey_answers_once_thawed(valkey: Valkey) -> None:
    with redis.from_url(valkey.url, retry=None, socket_timeout=0.5) as client:
        client.set("word", "stored")
        valkey.freeze()
        with pytest.raises(redis.TimeoutError):
            client.get("word")
        valkey.thaw()
        assert client.get("word") == b"stored"


@pytest.mark.processes
def test_a_frozen_service_can_be_closed() -> None:
    with Valkey() as valkey:
        valkey.freeze()
    assert not valkey.ready()


@pytest.mark.processes
def test_a_service_that_does_not_start_says_why() -> None:
    class Misconfigured(Valkey):
        def command(self) -> list[str | Path]:
            return [*super().command(), "--no-such-setting", "1"]

    with pytest.raises(RuntimeError, match="no-such-setting"), Misconfigured():
        pass


def test_the_live_server_sees_the_database_of_the_test(live: LiveServer) -> None:
    user = get_user_model().objects.create_user(username="wali", email="wali@email.com", password="password123")
    credentials = {"email": user.email, "password": "password123"}
    assert httpx.get(f"{live.http}/").status_code == 200
    assert httpx.post(f"{live.http}/api/v1/users/login/", json=credentials).status_code == 200


@pytest.mark.processes
def test_a_server_process_sees_the_database_of_the_test(serve: Callable[..., Server], redis_url: str) -> None:
    user = get_user_model().objects.create_user(username="wali", email="wali@email.com", password="password123")
    credentials = {"email": user.email, "password": "password123"}
    server = serve(REDIS_URL=redis_url)
    assert httpx.post(f"{server.http}/api/v1/users/login/", json=credentials).status_code == 200

    server.kill()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.http)
    server.start()
    server.restart()
    assert httpx.post(f"{server.http}/api/v1/users/login/", json=credentials).status_code == 200


@pytest.mark.processes
def test_a_server_process_on_a_postgres_of_its_own() -> None:
    with Postgres() as postgres:
        server = Server(DATABASE_URL=postgres.url)
        assert "Applying people.0001_initial" in server.manage("migrate")
        with server:
            assert httpx.get(server.http).status_code == 200
