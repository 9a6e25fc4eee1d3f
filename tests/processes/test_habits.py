"""The package at home in sites with other settings and behind other servers: all of it works there."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from tests.clients import open_socket
from tests.person import PASSWORD
from tests.servers import EXAMPLE_PROJECT, ExampleProcess, Server, database_url, example_environment
from tests.services import Valkey
from tests.sites import site
from tests.test_docs import DOCS, file

pytestmark = pytest.mark.processes


class Prefixed(Server):
    """Behind a proxy that strips a prefix, of which it tells the server."""

    def command(self) -> list[str | Path]:
        return [*super().command(), "--root-path=/shop"]


class Daphne(ExampleProcess):
    def command(self) -> list[str | Path]:
        return [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"]


class Gunicorn(ExampleProcess):
    def command(self) -> list[str | Path]:
        threads = ("--worker-class=gthread", "--workers=2", "--threads=8")
        return [sys.executable, "-m", "gunicorn", "config.wsgi", *threads, f"--bind=127.0.0.1:{self.port}"]


class GunicornWithGevent(ExampleProcess):
    def command(self) -> list[str | Path]:
        workers = ("--worker-class=gevent", "--workers=2")
        return [sys.executable, "-m", "gunicorn", "config.wsgi", *workers, f"--bind=127.0.0.1:{self.port}"]


class UWSGI(ExampleProcess):
    stop_signal = signal.SIGINT

    def command(self) -> list[str | Path]:
        program = Path(sys.executable).with_name("uwsgi")
        options = ("--module=config.wsgi", "--master", "--processes=2", "--need-app")
        return [program, *options, f"--http11-socket=127.0.0.1:{self.port}", f"--pythonpath={self.cwd}"]


class Someone:
    """With an account, and logged in."""

    def __init__(self, server: ExampleProcess, username: str, password: str = PASSWORD) -> None:
        self.username = username
        self.http = httpx.Client(base_url=f"{server.http}/api/v1/", timeout=30)
        self.email = f"{username}@email.com"
        form = {"username": username, "email": self.email, "password": password, "password2": password}
        self.call("POST", "users/signup/", form)
        self.tokens = self.call("POST", "users/login", {"email": self.email, "password": password})
        self.http.headers["Authorization"] = f"Bearer {self.tokens['access']}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, path, json=body)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None


def follow(someone: Someone, link: str) -> Any:
    """The page that a link leads to, through whatever proxy there is."""
    address = urlsplit(link)
    return someone.call("GET", f"{address.path[address.path.index('chats/') :]}?{address.query}")


def chat_over_http(wali: Someone, mabel: Someone) -> str:
    """All of it works without a socket. Returns the chat, in which both are, with two messages."""
    chats = [wali.call("POST", "chats/", {"title": f"{n}"})["uri"] for n in range(2)]
    page = wali.call("GET", "chats/?limit=1")
    assert [chat["uri"] for chat in page["results"] + follow(wali, page["next"])["results"]] == chats[::-1]

    uri: str = chats[0]
    version = mabel.call("PATCH", f"chats/{uri}", {"username": mabel.username})["version"]
    for spelling in ("messages", "messages/"):
        wali.call("POST", f"chats/{uri}/{spelling}", {"message": f"To {spelling}"})
    changes = mabel.call("GET", f"chats/{uri}/changes?since={version}")
    assert [message["message"] for message in changes["messages"]] == ["To messages", "To messages/"]
    refused = wali.http.patch(f"chats/{uri}/", json={"title": "x", "username": wali.username})
    assert (refused.status_code, list(refused.json())) == (400, ["non_field_errors"])
    assert wali.http.get(f"chats/{'0' * 22}/").json() == {"detail": "Not found.", "code": "not_found"}
    assert httpx.get(f"{wali.http.base_url}chats/").status_code == 401
    return uri


def chat_live(server: ExampleProcess, wali: Someone, mabel: Someone, uri: str) -> None:
    with open_socket(server.ws) as socket:
        socket.introduce(token=mabel.tokens["access"])
        sent = wali.call("POST", f"chats/{uri}/messages/", {"message": "Live"})
        assert socket.hear_version(sent["version"])["messages"] == [sent]
        assert socket.ask("message.send", chat=uri, message="Back")["message"]["seq"] == sent["seq"] + 1
        assert socket.hear_version(sent["version"] + 1)["messages"]
        mabel.call("POST", "users/logout/", {"refresh": mabel.tokens["refresh"]})
        assert socket.hear_close() == 4401


def chat_without_sockets(wali: Someone, mabel: Someone, uri: str) -> None:
    """Mabel follows, as the documentation does, while Wali writes."""
    namespace: dict[str, Any] = {}
    exec(file(DOCS / "deployment.md", "follow.py").replace("sleep(5)", "sleep(0.05)"), namespace)

    def write() -> None:
        for n in range(30):
            wali.call("POST", f"chats/{uri}/messages/", {"message": f"{n}"})
        wali.call("PATCH", f"chats/{uri}/messages/1/", {"message": "the last change"})

    known: dict[int, str] = {}
    deadline = time.monotonic() + 30
    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(write)
        for changes in namespace["follow"](lambda path: mabel.call("GET", path.removeprefix("/api/v1/")), uri):
            assert not writing.done() or writing.exception() is None
            known |= {message["seq"]: message["message"] for message in changes["messages"]}
            if known.get(1) == "the last change":
                break
            assert time.monotonic() < deadline
    stored = mabel.call("GET", f"chats/{uri}/messages/")["results"]
    assert known == {message["seq"]: message["message"] for message in stored}
    assert len(known) == 32


@pytest.fixture
def start(transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Start a server with these habits, on the test's database."""
    with ExitStack() as servers:

        def start(kind: type[ExampleProcess], habits: str, **environment: str) -> ExampleProcess:
            habitual = site("habits") | {"HABITS": habits}
            server = kind(DATABASE_URL=database_url(), **environment, **habitual)
            return servers.enter_context(server)

        yield start


@pytest.fixture
def sign_up() -> Iterator[Callable[[ExampleProcess, str], Someone]]:
    with ExitStack() as clients:

        def sign_up(server: ExampleProcess, username: str) -> Someone:
            someone = Someone(server, username)
            clients.callback(someone.http.close)
            return someone

        yield sign_up


SignUp = Callable[[ExampleProcess, str], Someone]


@pytest.mark.parametrize(
    ("kind", "habits"),
    [
        (Server, "atomic_requests,deferred"),
        (Server, "no_slashes,rest_framework"),
        (Server, "layer_in_memory,prefix"),
        (Prefixed, "none"),
        (Daphne, "daphne"),
        (Gunicorn, "atomic_requests"),
    ],
)
def test_a_site_with_habits_of_its_own(
    start: Callable[..., Any], sign_up: SignUp, kind: type[ExampleProcess], habits: str
) -> None:
    server = start(kind, habits)
    wali, mabel = sign_up(server, "wali"), sign_up(server, "mabel")
    uri = chat_over_http(wali, mabel)
    if kind is Gunicorn:
        chat_without_sockets(wali, mabel, uri)
    else:
        chat_live(server, wali, mabel, uri)


def copied_database(folder: Path) -> Path:
    """A replica that has heard of everything up to now, and will hear of nothing else."""
    path = folder / "replica.sqlite3"
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return path


only_files = pytest.mark.skipif("config.getoption('db') != 'sqlite'", reason="A copy is easily had of a file only.")


def test_chats_are_not_read_from_a_replica_that_lags(
    start: Callable[..., Any], sign_up: SignUp, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It lags so much that it has not even heard of the tables."""
    empty = {"sqlite": str(tmp_path / "replica.sqlite3"), "postgres": "template1"}
    server = start(Server, "replica", REPLICA=empty[request.config.getoption("db")], ON_REPLICA="bpo_chat")
    wali, mabel = sign_up(server, "wali"), sign_up(server, "mabel")
    chat_live(server, wali, mabel, chat_over_http(wali, mabel))


@only_files
def test_a_token_is_not_judged_by_a_replica_that_lags_but_a_log_in_is(
    start: Callable[..., Any], sign_up: SignUp, tmp_path: Path
) -> None:
    wali = sign_up(start(Server, "none"), "wali")
    replica = copied_database(tmp_path)
    server = start(Server, "replica", REPLICA=str(replica), ON_REPLICA="people")
    with httpx.Client(base_url=server.http) as http:
        headers = {"Authorization": f"Bearer {wali.tokens['access']}"}
        assert http.get("/api/v1/users/me/", headers=headers).status_code == 200
        get_user_model().objects.filter(username="wali").update(is_active=False)
        assert http.get("/api/v1/users/me/", headers=headers).status_code == 401

        form = {"username": "mabel", "email": "mabel@email.com", "password": PASSWORD, "password2": PASSWORD}
        assert http.post("/api/v1/users/signup/", json=form).status_code == 201
        assert http.post("/api/v1/users/login/", json=form).status_code == 401


@only_files
def test_a_log_out_is_not_judged_by_a_replica_that_lags(
    start: Callable[..., Any], sign_up: SignUp, tmp_path: Path
) -> None:
    wali = sign_up(start(Server, "none"), "wali")
    replica = copied_database(tmp_path)
    server = start(Server, "replica,no_rotation", REPLICA=str(replica), ON_REPLICA="token_blacklist")
    with httpx.Client(base_url=server.http) as http:
        token = {"refresh": wali.tokens["refresh"]}
        assert http.post("/api/v1/users/refresh/", json=token).status_code == 200
        assert http.post("/api/v1/users/logout/", json=token).status_code == 204
        assert http.post("/api/v1/users/refresh/", json=token).status_code == 401


@pytest.mark.parametrize("habits", ["core_layer", "layer_of_its_own,one_thread,no_sweep"])
def test_two_processes_on_a_layer(start: Callable[..., Any], sign_up: SignUp, valkey: Valkey, habits: str) -> None:
    first, second = (start(Server, habits, REDIS_URL=valkey.url) for _ in range(2))
    wali, mabel = sign_up(first, "wali"), sign_up(second, "mabel")
    chat_live(second, wali, mabel, chat_over_http(wali, mabel))


@pytest.mark.parametrize("kind", [Gunicorn, GunicornWithGevent, UWSGI])
def test_what_a_wsgi_server_stores_is_heard_at_sockets_elsewhere(
    start: Callable[..., Any], sign_up: SignUp, valkey: Valkey, kind: type[ExampleProcess]
) -> None:
    rest, sockets = (start(each, "no_sweep", REDIS_URL=valkey.url) for each in (kind, Server))
    wali, mabel = sign_up(rest, "wali"), sign_up(rest, "mabel")
    chat_live(sockets, wali, mabel, chat_over_http(wali, mabel))


def test_who_announces_from_a_greenlet_does_not_wait(valkey: Valkey) -> None:
    environment = example_environment(**site("habits"), HABITS="none", REDIS_URL=valkey.url)
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.publishing"],
        env=environment,
        cwd=EXAMPLE_PROJECT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert float(done.stdout) < 1


def test_60_sends_at_once_on_a_stock_sqlite_with_atomic_requests(start: Callable[..., Any], sign_up: SignUp) -> None:
    wali = sign_up(start(Server, "atomic_requests,deferred"), "wali")
    uri = wali.call("POST", "chats/", {})["uri"]

    def send(n: int) -> int:
        return wali.http.post(f"chats/{uri}/messages/", json={"message": f"{n}"}).status_code

    with ThreadPoolExecutor(60) as senders:
        assert Counter(senders.map(send, range(60))) == {201: 60}
    assert wali.call("GET", f"chats/{uri}")["last_message"]["seq"] == 60


def test_20_refreshes_at_once_on_a_stock_sqlite(start: Callable[..., Any], sign_up: SignUp) -> None:
    wali = sign_up(start(Server, "atomic_requests,deferred"), "wali")
    log_in = {"email": wali.email, "password": PASSWORD}
    tokens = [wali.call("POST", "users/login/", log_in)["refresh"] for _ in range(20)]

    def refresh(token: str) -> int:
        return wali.http.post("users/refresh/", json={"refresh": token}).status_code

    with ThreadPoolExecutor(20) as callers:
        assert Counter(callers.map(refresh, tokens)) == {200: 20}
        assert Counter(callers.map(refresh, tokens)) == {401: 20}
