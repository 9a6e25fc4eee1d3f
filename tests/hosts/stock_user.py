"""Django's own user model, whose email column is neither required nor unique."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "people"]
AUTH_USER_MODEL = "auth.User"
