"""System checks. Each has a number for ever, and a hint that says the remedy."""

from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.urls import NoReverseMatch, reverse

from .conf import DEFAULTS


@register(Tags.compatibility)
def check_settings(**_: Any) -> list[CheckMessage]:
    """E001: ``BPO_CHAT`` is no dict. E002: it has a key that does not exist."""
    given = getattr(settings, "BPO_CHAT", {})
    if not isinstance(given, dict):
        return [Error("BPO_CHAT must be a dict.", hint="See the settings in the documentation.", id="bpo_chat.E001")]
    return [_unknown(key) for key in given if key not in DEFAULTS]


def _unknown(key: Any) -> CheckMessage:
    similar = get_close_matches(str(key), DEFAULTS, n=1)
    hint = f"Did you mean {similar[0]!r}?" if similar else f"The keys are {', '.join(sorted(DEFAULTS))}."
    return Error(f"BPO_CHAT has no setting {key!r}.", hint=hint, id="bpo_chat.E002")


@register(Tags.urls)
def check_log_out(**_: Any) -> list[CheckMessage]:
    """W001: log-out is mounted, but without simplejwt's blacklist a refresh token cannot be ended."""
    try:
        reverse("bpo_chat_accounts:logout")
    except NoReverseMatch:
        return []
    if apps.is_installed("rest_framework_simplejwt.token_blacklist"):
        return []
    return [
        CheckWarning(
            "Log-out does not end refresh tokens.",
            hint="Add 'rest_framework_simplejwt.token_blacklist' to INSTALLED_APPS and migrate.",
            id="bpo_chat.W001",
        )
    ]
