"""The page about hardening, line by line, at a site that follows it."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Mapping

import httpx
import pytest

from tests.test_docs import DOCS, Project, blocks, code, table

from . import test_deployment
from .test_deployment import FromThePage, manage

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="The page is about PostgreSQL."),
]

PAGE = DOCS / "hardening.md"
OF_NEW_PROJECTS = {"bpo_chat.W014", "mail.E001"}
"""Which the page says: two accounts of Django's own user model may have one email, and emails go nowhere."""

environment = test_deployment.environment


@pytest.fixture
def keys(environment: dict[str, str]) -> dict[str, str]:
    """The environment, with keys as the page wants them."""
    return {**environment, "SECRET_KEY": secrets.token_urlsafe(64), "TOKEN_KEY": secrets.token_urlsafe(64)}


deployed = test_deployment.project


@pytest.fixture
def project(deployed: Project) -> Project:
    deployed.follow(blocks(test_deployment.PAGE, "python", below="The proxy"))
    deployed.follow(blocks(PAGE, "python"))
    return deployed


def said(project: Project, environment: Mapping[str, str]) -> set[str]:
    """The numbers of all that the command of the page says."""
    [block] = blocks(PAGE, "sh", below="Settings")
    command = [sys.executable, *block.text.split()[1:]]
    done = subprocess.run(command, cwd=project.cwd, env=environment, check=False, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    print(done.stderr)
    return set(re.findall(r"\((\w+\.[EW]\d{3})\)", done.stderr))


def without(settings: str, line: str) -> str:
    """The settings, where the last line with these words is missing, or all that begins with it."""
    if line == "CACHES":
        return f"{settings}\ndel CACHES\n"
    lines = settings.splitlines()
    del lines[max(place for place, each in enumerate(lines) if line in each)]
    return "\n".join(lines)


def test_each_line_of_the_settings_is_asked_for(
    subtests: pytest.Subtests, project: Project, keys: dict[str, str]
) -> None:
    assert said(project, keys) <= OF_NEW_PROJECTS
    assert project.cwd is not None
    file = project.cwd / "mysite" / "settings.py"
    settings = file.read_text()
    for line, _, number in table(PAGE, "Settings"):
        with subtests.test(line):
            if code(line) == '"SIGNING_KEY"':
                assert code(number) in said(project, {**keys, "TOKEN_KEY": "x" * 20})
                continue
            file.write_text(without(settings, code(line)))
            assert code(number) in said(project, keys)


class Hardened(FromThePage):
    def ready(self) -> bool:
        try:
            return httpx.get(self.http).status_code == 400  # by another name
        except httpx.TransportError:
            return False


def test_visitors_meet_what_the_page_says(project: Project, keys: dict[str, str]) -> None:
    manage(project, keys, "migrate --verbosity 0")
    [block] = blocks(PAGE, "sh", below="What visitors meet")
    expected = [line.rpartition("# ")[2] for line in block.text.splitlines() if re.search(r"  # \d{3}$", line)]
    assert len(expected) == 8
    with Hardened("gunicorn", project, keys) as server:
        # The proxy's part: it speaks TLS, and says so.
        at_the_server = f'curl() {{ command curl --connect-to "::127.0.0.1:{server.port}" "$@"; }}\n'
        said_by_the_proxy = "-H 'X-Forwarded-Proto: https' -H 'X-Forwarded-For: 192.0.2.1' http://chat.example.com"
        script = at_the_server + block.text.replace("https://chat.example.com", said_by_the_proxy)
        printed = subprocess.run(["sh", "-c", script], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert printed.split() == expected
