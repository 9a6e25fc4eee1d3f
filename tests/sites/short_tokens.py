"""Access tokens that live just long enough to be warned of two seconds after they were made."""

from datetime import timedelta

from config import settings as example
from config.settings import *  # noqa: F403

globals()["SIMPLE_JWT"] = {**example.SIMPLE_JWT, "ACCESS_TOKEN_LIFETIME": timedelta(seconds=62)}
