"""A session engine that can be away. For ``SESSION_ENGINE``."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    is_away = False

    def load(self) -> Any:
        if self.is_away:
            raise ConnectionError("The sessions are away.")
        return super().load()
