"""A server that is told to end, as before a deploy: its clients hear of it, and come back one after the other."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients import ChatSocket, open_socket
from tests.servers import ExampleProcess, Server
from tests.sites import site

from .test_habits import Daphne, Someone

pytestmark = pytest.mark.processes

SOCKETS = 10


class GunicornWithUvicorn(ExampleProcess):
    def command(self) -> list[str | Path]:
        worker = "--worker-class=uvicorn_worker.UvicornWorker"
        return [sys.executable, "-m", "gunicorn", "config.asgi", worker, f"--bind=127.0.0.1:{self.port}"]


class TwoWorkers(Server):
    def command(self) -> list[str | Path]:
        return [*super().command(), "--workers=2"]


def connected(stack: ExitStack, server: ExampleProcess) -> Sequence[ChatSocket]:
    """As many sockets as somebody may have."""
    wali = Someone(server, "wali")
    wali.http.close()
    sockets = [stack.enter_context(open_socket(server.ws)) for _ in range(SOCKETS)]
    for each in sockets:
        each.introduce(token=wali.tokens["access"])
    return sockets


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        (Server, signal.SIGTERM),
        (Server, signal.SIGINT),
        (TwoWorkers, signal.SIGTERM),
        (GunicornWithUvicorn, signal.SIGTERM),
        (Daphne, signal.SIGTERM),
    ],
)
def test_whoever_is_connected_hears_when_to_come_back(
    kind: type[ExampleProcess], end: signal.Signals, database: str
) -> None:
    with kind(DATABASE_URL=database, HABITS="daphne", **site("habits")) as server, ExitStack() as stack:
        sockets = connected(stack, server)
        server.interrupt(end)
        pauses = []
        for each in sockets:
            farewell = each.hear()
            assert farewell["type"] == "reconnect"
            assert each.hear_close() == 4503
            pauses.append(farewell["after"])
        assert all(0 <= each <= 1 for each in pauses)
        assert len(set(pauses)) > 1, "all come back in the same moment"
