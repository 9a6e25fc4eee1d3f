"""The lossy layer, for very many messages: log-ins that last, and nothing noted for a developer."""

from datetime import timedelta

from config import settings as example

from .lossy import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
globals()["SIMPLE_JWT"] = {**example.SIMPLE_JWT, "ACCESS_TOKEN_LIFETIME": timedelta(days=1)}
