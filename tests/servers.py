"""The example project, and any ASGI application, served by uvicorn."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import httpx
import pytest
import uvicorn

from tests.services import Service

if TYPE_CHECKING:
    from typing_extensions import Self

EXAMPLE_PROJECT = Path(__file__).parent.parent / "example_project"

LOOKS_AGAIN_SECONDS = 0.005
ENDS_WITHIN_SECONDS = 5


def database_url() -> str:
    """Return the address of the database that this test uses, for a process that shall use it too."""
    from django.db import connection

    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, password, host = (quote(settings[key], safe="") for key in ("USER", "PASSWORD", "HOST"))
    return f"postgres://{user}:{password}@{host}:{settings['PORT']}/{settings['NAME']}"


def example_environment(**variables: str) -> dict[str, str]:
    """Return the environment for a process of the example project, free of what the tests set for themselves."""
    ours = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return {**inherited, "EXAMPLE_THROTTLES": "off", **variables}


def api_answers(port: int, path: str = "users/me/") -> bool:
    """Whether there is a site whose API asks who wants to know."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/v1/{path}").status_code == 401
    except httpx.TransportError:
        return False


class WebServer(Service):
    """A process that answers HTTP. What it wrote is shown when the test fails."""

    logs: ClassVar[list[str]] = []
    """What those wrote that have ended since the test began, but for what they show on purpose."""

    shows: ClassVar[Sequence[str]] = ()

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/v1/chat/"

    def close(self) -> None:
        log = self.log.read_text() if self.log.exists() else "no server was started"
        print(log)  # pytest captures this, and prints it for a test that failed
        for each in self.shows:
            log = log.replace(each, "")
        self.logs.append(log)
        super().close()


class ExampleProcess(WebServer):
    """One of the example project."""

    cwd = EXAMPLE_PROJECT

    def __init__(self, **environment: str) -> None:
        super().__init__()
        self._environment = example_environment(**environment)

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def ready(self) -> bool:
        try:
            return httpx.get(self.http, timeout=5).is_success
        except httpx.TransportError:
            return False


class Server(ExampleProcess):
    """The example project under uvicorn, as in production, on a database that has been migrated."""

    def command(self) -> list[str | Path]:
        return [
            *(sys.executable, "-m", "uvicorn", "config.asgi:application"),
            *("--host=127.0.0.1", f"--port={self.port}", "--timeout-graceful-shutdown=5"),
        ]

    def manage(self, *arguments: str) -> str:
        """Run a management command on this server's database, and return its output."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.cwd,
            env=self.environment(),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


Serve = Callable[..., Server]

WSGI_SERVER = """
import sys
from wsgiref.simple_server import make_server
from config.wsgi import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""


class WsgiServer(ExampleProcess):
    """The example project for HTTP only: a process without an event loop, and so without a hub."""

    def command(self) -> list[str | Path]:
        return [sys.executable, "-c", WSGI_SERVER, str(self.port)]


class QuickServer(uvicorn.Server):
    """Ends as soon as it can. Uvicorn's own looks ten times a second whether it may, for which hundreds of tests would
    wait."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:  # noqa: ASYNC110  (another thread says so)
            await asyncio.sleep(LOOKS_AGAIN_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        give_up = time.monotonic() + ENDS_WITHIN_SECONDS
        while self.server_state.connections or self.server_state.tasks:
            assert time.monotonic() < give_up, "uvicorn did not end"
            await asyncio.sleep(LOOKS_AGAIN_SECONDS)


class LiveServer:
    """An ASGI application under uvicorn, in a thread: on the database and with the settings of the test itself."""

    def __init__(self, application: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = QuickServer(uvicorn.Config(application, lifespan="off", log_config=None))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="uvicorn")
        host, port = self._socket.getsockname()
        self.http = f"http://{host}:{port}"
        self.ws = f"ws://{host}:{port}/ws/v1/chat/"

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "uvicorn did not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        assert not self._thread.is_alive(), "uvicorn did not end"


def logged_errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the server has logged as errors in this test; it is expected from now on."""
    logged = [each.getMessage() for each in caplog.get_records("call") if each.levelno >= logging.ERROR]
    caplog.get_records("call").clear()
    return logged
