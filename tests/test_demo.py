"""``manage.py demo``: the first thing that anybody runs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers import ExampleProcess, example_environment

pytestmark = pytest.mark.processes


class Demo(ExampleProcess):
    shows = ("password123",)

    def command(self) -> list[str | Path]:
        return [sys.executable, "manage.py", "demo", f"--port={self.port}"]


@pytest.fixture
def demo_database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'demo.sqlite3'}"


def test_the_page_answers_and_the_printed_log_in_works(demo_database: str) -> None:
    with Demo(DATABASE_URL=demo_database) as demo:
        said = demo.log.read_text()
        assert f"{demo.http}/" in said
        for printed in re.findall(r"http://\S+", said):
            assert httpx.get(printed, follow_redirects=True).status_code == 200, printed
        emails = re.findall(r"\S+@\S+", said)
        [password] = re.findall(r"^ *password +(\S+)$", said, re.MULTILINE)

        page = httpx.get(demo.http)
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert assets
        for asset in assets:
            assert httpx.get(demo.http + asset).status_code == 200, asset

        assert len(emails) >= 2
        for email in emails:
            answer = httpx.post(f"{demo.http}/api/v1/users/login/", json={"email": email, "password": password})
            assert answer.status_code == 200, answer.text
            bearer = {"Authorization": f"Bearer {answer.json()['access']}"}
            chats = httpx.get(f"{demo.http}/api/v1/chats/", headers=bearer).json()
            assert chats["results"], "the demo shows nothing"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=lambda signum: signum.name)
def test_it_ends_cleanly(demo_database: str, signum: signal.Signals) -> None:
    with Demo(DATABASE_URL=demo_database) as demo, httpx.Client(base_url=demo.http) as visitor:
        assert visitor.get("/").status_code == 200  # and the connection stays open
        assert demo.interrupt(signum, timeout=10) == 0
        assert "Traceback" not in demo.log.read_text()


def test_it_starts_again_on_what_it_left(demo_database: str) -> None:
    with Demo(DATABASE_URL=demo_database) as demo:
        demo.restart()
        assert httpx.get(demo.http).status_code == 200


def test_a_port_that_is_taken_is_named(demo_database: str) -> None:
    with Demo(DATABASE_URL=demo_database) as demo:
        second = subprocess.run(
            demo.command(),
            cwd=demo.cwd,
            env=example_environment(DATABASE_URL=demo_database),
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 1
    assert str(demo.port) in second.stderr and "--port" in second.stderr
    assert "Traceback" not in second.stderr
