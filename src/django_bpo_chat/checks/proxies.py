"""Where requests come from, by which visitors without an account are counted."""

from collections.abc import Iterator

from django.core.checks import CheckMessage, Tags
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from .sites import check, mounts


@check(Tags.security, deploy=True)
def check_proxies() -> Iterator[CheckMessage]:
    api_settings = import_string("rest_framework.settings.api_settings")
    if api_settings.NUM_PROXIES is None and mounts("SignUpView", "LogInView", "RefreshView"):
        yield CheckWarning(
            "Behind a proxy all visitors look like one, and are soon refused together.",
            hint='Say how many proxies are in front: REST_FRAMEWORK = {"NUM_PROXIES": 1}, or 0 if there is none.',
            id="bpo_chat.W024",
        )
