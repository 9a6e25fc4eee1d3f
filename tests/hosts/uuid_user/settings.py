"""People have an email and nothing else; others know them by their primary key."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "people"), "tests.hosts.uuid_user"]
AUTH_USER_MODEL = "uuid_user.User"
