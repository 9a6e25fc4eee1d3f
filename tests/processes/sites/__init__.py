"""Settings for server processes that shall not be quite as in production."""

import os
from pathlib import Path

LAST_WORDS = "These are my last words"


def site(name: str) -> dict[str, str]:
    """The environment that has the example project run with the settings of this name."""
    root = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {"DJANGO_SETTINGS_MODULE": f"{__name__}.{name}", "PYTHONPATH": path}
