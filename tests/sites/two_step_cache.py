"""For tests of a cache that reads a number and then writes the next one."""

import os

from config.settings import *  # noqa: F403

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["CACHE_FOLDER"],
    },
}
