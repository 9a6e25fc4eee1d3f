"""Who reads every line that is logged, here and by the servers that tests start, and finds the secrets in it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.person import PASSWORD

SECRETS = {"access", "message", "password", "password2", "reason", "refresh", "text", "token"}
"""What bodies and frames call that which no log may tell."""

SHORTEST = 8
"""What is shorter may stand in a line by chance."""

TOKEN = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
"""A JWT, whoever has made it."""

QUIET = "django_bpo_chat"
"""Whose lines of all levels are read, also of those that no site would turn on; of other loggers, what is on."""


class Censor:
    """Secrets are what clients have said since the beginning of the test, and whatever looks like a token."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._lines: list[str] = []
        self._formatter = logging.Formatter("%(name)s: %(message)s")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """To what is said to this process at both doors, and to its loggers."""
        from django_bpo_chat import wire

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "decode", self._decoding(wire.decode))
            patch.setattr(logging.Logger, "callHandlers", self._handling(logging.Logger.callHandlers))
            logging.getLogger(QUIET).setLevel(logging.DEBUG)
            yield
            logging.getLogger(QUIET).setLevel(logging.NOTSET)

    def begin(self) -> None:
        """Forget what was said and logged until now."""
        self._secrets = {PASSWORD}
        self._lines.clear()

    def hear(self, said: str | bytes | None) -> None:
        """What a client says to a server in another process."""
        try:
            self._note(json.loads(said or ""))
        except (ValueError, RecursionError):
            return

    def read(self, log: str) -> None:
        self._lines += log.splitlines()

    def complaints(self) -> list[str]:
        """The lines that tell a secret, each once: they are expected from now on."""
        lines, self._lines = self._lines, []
        secrets = list(self._secrets)
        return [line for line in lines if TOKEN.search(line) or any(secret in line for secret in secrets)]

    def _note(self, said: Any) -> None:
        if isinstance(said, dict):
            texts = {said[name].strip() for name in SECRETS & said.keys() if isinstance(said[name], str)}
            self._secrets |= {line for text in texts for line in text.splitlines() if len(line) >= SHORTEST}

    def _decoding(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        def decoded(text: str | bytes) -> Any:
            value = decode(text)
            self._note(value)
            return value

        return decoded

    def _handling(self, call_handlers: Callable[..., None]) -> Callable[..., None]:
        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            self.read(self._formatter.format(record))
            call_handlers(logger, record)

        return handle
