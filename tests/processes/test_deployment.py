"""A site deployed as the page says: gunicorn and uvicorn behind nginx, on PostgreSQL and Redis."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.servers import ExampleProcess, example_environment
from tests.services import Postgres, Service, Valkey
from tests.test_docs import DOCS, INTEGRATION, README, Project, blocks

from .test_habits import Someone, chat_live, chat_over_http

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="The page is about PostgreSQL."),
]

PAGE = DOCS / "deployment.md"


class FromThePage(Service):
    """A server, started by the line of the page that begins with its name."""

    def __init__(self, name: str, project: Project, environment: Mapping[str, str]) -> None:
        super().__init__()
        [*_, line] = [
            line for block in blocks(PAGE, "sh") for line in block.text.splitlines() if line.startswith(f"{name} ")
        ]
        self.cwd = project.cwd
        self._line = re.sub(r"800\d", str(self.port), line)
        self._environment = environment

    def command(self) -> list[str | Path]:
        return [sys.executable, "-m", *shlex.split(self._line)]

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def ready(self) -> bool:
        return answers(self.port)


class Nginx(ExampleProcess):
    def __init__(self, rest: Service, sockets: Service) -> None:
        super().__init__()
        self.cwd = self.directory
        [block] = blocks(PAGE, "nginx")
        site = block.text.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
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
        return answers(self.port)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/v1/users/me/").status_code == 401
    except httpx.TransportError:
        return False


@pytest.fixture
def nginx(postgres: Postgres, valkey: Valkey) -> Iterator[Nginx]:
    if shutil.which("nginx") is None:
        if "CI" in os.environ:
            pytest.fail("nginx is missing.")
        pytest.skip("nginx is missing.")
    administer(postgres, "createuser", "mysite")
    administer(postgres, "createdb", "--owner=mysite", "mysite")
    try:
        with ExitStack() as servers:
            yield servers.enter_context(deployed(servers, postgres, valkey))
    finally:
        administer(postgres, "dropdb", "--force", "mysite")
        administer(postgres, "dropuser", "mysite")


def administer(postgres: Postgres, program: str, *arguments: str) -> None:
    server = ("--host=127.0.0.1", f"--port={postgres.port}", "--username=postgres")
    subprocess.run([postgres.bin / program, *server, *arguments], check=True)


def deployed(servers: ExitStack, postgres: Postgres, valkey: Valkey) -> Nginx:
    project = Project()
    servers.callback(project.close)
    environment = example_environment(
        DATABASE_HOST="127.0.0.1", DATABASE_PORT=str(postgres.port), DATABASE_PASSWORD="", REDIS_URL=valkey.url
    )
    project.run("django-admin startproject mysite")
    project.run("cd mysite")
    project.follow(blocks(README, "python", below=INTEGRATION))
    project.follow(blocks(PAGE, "python", below="Several processes"))
    assert project.cwd is not None
    settings = project.cwd / "mysite" / "settings.py"
    settings.write_text("import os\n" + settings.read_text())
    for line in ("migrate --verbosity 0", "check --fail-level WARNING"):
        command = [sys.executable, "manage.py", *shlex.split(line)]
        subprocess.run(command, cwd=project.cwd, env=environment, check=True)
    rest, sockets = (servers.enter_context(FromThePage(name, project, environment)) for name in ("gunicorn", "uvicorn"))
    return Nginx(rest, sockets)


def test_the_page(nginx: Nginx) -> None:
    wali, mabel = (Someone(nginx, name, password="lemonade at noon") for name in ("wali", "mabel"))
    with closing(wali.http), closing(mabel.http):
        chat_live(nginx, wali, mabel, chat_over_http(wali, mabel))
