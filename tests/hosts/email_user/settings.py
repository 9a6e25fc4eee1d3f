"""People log in with their email everywhere, and are known to others by a nickname."""

from tests.settings import *  # noqa: F403
from tests.settings import BPO_CHAT, INSTALLED_APPS

INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "people"), "tests.hosts.email_user"]
AUTH_USER_MODEL = "email_user.User"
BPO_CHAT = {
    **BPO_CHAT,
    "ADAPTER": "tests.hosts.email_user.adapter.Adapter",
    "HANDLE_FIELD": "nickname",
}
