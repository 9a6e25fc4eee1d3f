"""The censor finds what a log must not tell, and nothing else."""

from __future__ import annotations

import logging

import pytest

from tests.censor import Censor
from tests.clients import Connect
from tests.person import PASSWORD, Person, Visitor
from tests.servers import WebServer

pytest_plugins = ["tests.sockets"]

logger = logging.getLogger("a_site")


def test_what_is_said_over_http_is_a_secret(censor: Censor, wali: Person) -> None:
    wali.send(wali.start(), "Grüße an alle")
    Visitor().post("users/login/", {"email": wali.email, "password": "not the right one"})
    lines = ["Said: Grüße an alle!", "Tried: not the right one", f"Known: {PASSWORD}", f"Shown: {wali.headers}"]
    for line in lines:
        logger.warning(line)
    assert censor.complaints() == [f"a_site: {line}" for line in lines]


def test_what_is_said_at_a_socket_is_a_secret(censor: Censor, connect: Connect, wali: Person) -> None:
    connect(wali).ask("message.send", chat=wali.start(), message="Grüße an alle")
    logger.warning("Said: %s", {"text": "Grüße an alle"})
    assert len(censor.complaints()) == 1


def test_what_an_error_tells_is_told(censor: Censor, wali: Person) -> None:
    try:
        raise ValueError(wali.access)
    except ValueError:
        logger.exception("Something has failed")
    assert len(censor.complaints()) == 1


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_the_package_tells_none_at_any_level(censor: Censor, level: int) -> None:
    logging.getLogger("django_bpo_chat.live.session").log(level, "Heard: %s", PASSWORD)
    assert len(censor.complaints()) == 1


def test_the_logs_of_other_processes_are_read(censor: Censor) -> None:
    censor.hear('{"type": "message.send", "message": "Grüße an alle"}')
    server = _Wrote("one line\nSaid: Grüße an alle\n")
    server.close()
    for log in WebServer.logs:
        censor.read(log)
    WebServer.logs.clear()
    assert censor.complaints() == ["Said: Grüße an alle"]


class _Wrote(WebServer):
    """A server that has come to its end."""

    def __init__(self, log: str) -> None:
        super().__init__()
        self.log.write_text(log)

    def command(self) -> list[str]:
        return []

    def ready(self) -> bool:
        return True


def test_what_is_no_secret_is_none(censor: Censor, wali: Person) -> None:
    uri = wali.start(title="A picnic on Saturday")
    wali.send(uri, "Hello")
    wali.send(uri, "        \n Hello \n")
    logger.warning("        Hello %s of %s, A picnic on Saturday", wali.username, uri)
    assert censor.complaints() == []
