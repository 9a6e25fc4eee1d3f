"""A site from before Django knew of time zones: its rows say what the clocks on the wall say."""

from tests.settings import *  # noqa: F403

USE_TZ = False
TIME_ZONE = "America/Chicago"
