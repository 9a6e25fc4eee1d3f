"""Settings for server processes that shall not be quite as in production."""

import os
from pathlib import Path

from django.db.models import Model

LAST_WORDS = "These are my last words"


def site(name: str) -> dict[str, str]:
    """The environment that has the example project run with the settings of this name."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {"DJANGO_SETTINGS_MODULE": f"{__name__}.{name}", "PYTHONPATH": path}


class PrimaryForWriting:
    """Has one app read from the replica, whatever comes of it."""

    def db_for_read(self, model: type[Model], **hints: object) -> str:
        return "replica" if model._meta.app_label == os.environ["ON_REPLICA"] else "default"

    def db_for_write(self, model: type[Model], **hints: object) -> str:
        return "default"

    def allow_relation(self, one: Model, other: Model, **hints: object) -> bool:
        return True
