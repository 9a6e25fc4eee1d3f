"""A site deployed as the page says: gunicorn and uvicorn behind nginx, on PostgreSQL and Redis."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.servers import ExampleProcess, api_answers, example_environment
from tests.services import Postgres, Service, Valkey
from tests.test_docs import DOCS, INTEGRATION, README, Project, blocks

from .test_habits import Someone, chat_live, chat_over_http

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="The page is about PostgreSQL."),
]

PAGE = DOCS / "deployment.md"


class FromThePage(ExampleProcess):
    """A server, started by the line of the page that begins with its name."""

    def __init__(self, name: str, project: Project, environment: Mapping[str, str]) -> None:
        super().__init__(**environment)
        [*_, line] = [
            line for block in blocks(PAGE, "sh") for line in block.text.splitlines() if line.startswith(f"{name} ")
        ]
        self.cwd = project.cwd
        self._line = re.sub(r"800\d", str(self.port), line)

    def command(self) -> list[str | Path]:
        return [sys.executable, "-m", *shlex.split(self._line)]

    def ready(self) -> bool:
        return api_answers(self.port)


class Nginx(ExampleProcess):
    """As the page has it, but for a line that somebody has forgotten."""

    def __init__(self, rest: Service, sockets: Service, *, forgotten: str = "") -> None:
        super().__init__()
        self.cwd = self.directory
        [block] = blocks(PAGE, "nginx")
        assert forgotten in block.text
        site = block.text.replace(forgotten, "").replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        for promised, server in (("8000", rest), ("8001", sockets)):
            site = site.replace(f"127.0.0.1:{promised}", f"127.0.0.1:{server.port}")
        folders = "".join(
            f"{kind}_temp_path {self.directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.directory / "nginx.conf").write_text(
            f"daemon off; pid {self.directory}/pid; events {{}} http {{ access_log off; {folders} {site} }}"
        )

    def command(self) -> list[str | Path]:
        # As root it would work as another user, who may not look into this folder.
        as_root: list[str | Path] = ["-g", "user root;"] if os.geteuid() == 0 else []
        return ["nginx", "-e", "stderr", "-p", self.directory, "-c", self.directory / "nginx.conf", *as_root]

    def ready(self) -> bool:
        return api_answers(self.port)


@pytest.fixture
def environment(postgres: Postgres, valkey: Valkey) -> Iterator[dict[str, str]]:
    """What the settings of the page look for, with a database of that name."""
    administer(postgres, "createuser", "mysite")
    administer(postgres, "createdb", "--owner=mysite", "mysite")
    try:
        yield example_environment(
            DATABASE_HOST="127.0.0.1", DATABASE_PORT=str(postgres.port), DATABASE_PASSWORD="", REDIS_URL=valkey.url
        )
    finally:
        administer(postgres, "dropdb", "--force", "mysite")
        administer(postgres, "dropuser", "mysite")


def administer(postgres: Postgres, program: str, *arguments: str) -> None:
    server = ("--host=127.0.0.1", f"--port={postgres.port}", "--username=postgres")
    subprocess.run([postgres.bin / program, *server, *arguments], check=True)


@pytest.fixture
def project() -> Iterator[Project]:
    """With the settings of the page."""
    made = Project()
    made.run("django-admin startproject mysite")
    made.run("cd mysite")
    made.follow(blocks(README, "python", below=INTEGRATION))
    made.follow(blocks(PAGE, "python", below="Several processes"))
    assert made.cwd is not None
    settings = made.cwd / "mysite" / "settings.py"
    settings.write_text("import os\n" + settings.read_text())
    yield made
    made.close()


def manage(project: Project, environment: Mapping[str, str], line: str) -> str:
    command = [sys.executable, "manage.py", *shlex.split(line)]
    return subprocess.run(
        command, cwd=project.cwd, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def test_the_page(project: Project, environment: Mapping[str, str]) -> None:
    if shutil.which("nginx") is None:
        if "CI" in os.environ:
            pytest.fail("nginx is missing.")
        pytest.skip("nginx is missing.")
    project.follow(blocks(PAGE, "python", below="The proxy"))
    manage(project, environment, "migrate --verbosity 0")
    manage(project, environment, "check --fail-level WARNING")
    with (
        FromThePage("gunicorn", project, environment) as rest,
        FromThePage("uvicorn", project, environment) as sockets,
        Nginx(rest, sockets) as nginx,
    ):
        chat(nginx)
        all_is_well(project, environment, nginx)
        with Nginx(rest, sockets, forgotten="proxy_set_header Upgrade $http_upgrade;") as forgetful:
            the_socket_is_out_of_order(project, environment, forgetful)
        visitors_are_told_apart(nginx)


def all_is_well(project: Project, environment: Mapping[str, str], nginx: Nginx) -> None:
    told = the_doctor_says(project, environment, nginx)
    assert {line.split()[0] for line in told} == {"ok"}
    assert "ok       rest: It knows whom a token names." in told
    assert told[-1].startswith("ok       socket: It lets in whom a token names")


def the_socket_is_out_of_order(project: Project, environment: Mapping[str, str], nginx: Nginx) -> None:
    *others, error, remedy = the_doctor_says(project, environment, nginx)
    assert {line.split()[0] for line in others} == {"ok"}
    assert error == "error    socket: The handshake is answered 404, not 101."
    assert "proxy_set_header Upgrade $http_upgrade;" in remedy


def the_doctor_says(project: Project, environment: Mapping[str, str], nginx: Nginx) -> list[str]:
    """Of all but the settings, which checks of their own are about."""
    [block] = blocks(PAGE, "sh", below="The doctor")
    line = block.text.replace("http://chat.example.com", nginx.http).removeprefix("python ")
    done = subprocess.run(
        [sys.executable, *shlex.split(line)],
        cwd=project.cwd,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    print(done.stdout)
    told = done.stdout.splitlines()
    assert done.returncode == any(each.startswith("error") for each in told)
    return told[next(place for place, each in enumerate(told) if each.startswith("ok       versions")) :]


def visitors_are_told_apart(nginx: Nginx) -> None:
    """Who asks too often is slowed down, whatever they say of where they are, and nobody else is."""

    def log_in(address: str, **headers: str) -> int:
        with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as client:
            return client.post(f"{nginx.http}/api/v1/users/login/", json={}, headers=headers).status_code

    assert [log_in("127.0.0.1") for _ in range(31)][-1] == 429
    assert [log_in("127.0.0.1", **{"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(3)] == [429] * 3
    assert log_in("127.0.0.5", **{"X-Forwarded-For": "127.0.0.1"}) == 400


def test_the_pool(project: Project, environment: Mapping[str, str]) -> None:
    pytest.importorskip("psycopg_pool")
    project.follow(blocks(PAGE, "python", below="Connections to PostgreSQL"))
    manage(project, environment, "migrate --verbosity 0")
    manage(project, environment, "check --fail-level WARNING")
    script = "from django.db import connection; print(connection.pool.max_size)"
    assert manage(project, environment, f"shell --no-imports -c {shlex.quote(script)}") == "20\n"
    with FromThePage("uvicorn", project, environment) as server:
        chat(server)


def chat(server: ExampleProcess) -> None:
    wali, mabel = (Someone(server, name, password="lemonade at noon") for name in ("wali", "mabel"))
    with closing(wali.http), closing(mabel.http):
        chat_live(server, wali, mabel, chat_over_http(wali, mabel))
