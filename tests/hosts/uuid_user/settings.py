"""People have an email and nothing else; others know them by their primary key, which is not called ``id``."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, SIMPLE_JWT

INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "people"), "tests.hosts.uuid_user"]
AUTH_USER_MODEL = "uuid_user.User"
SIMPLE_JWT = {**SIMPLE_JWT, "USER_ID_FIELD": "uuid"}  # type: ignore[dict-item]  # the others are no texts
