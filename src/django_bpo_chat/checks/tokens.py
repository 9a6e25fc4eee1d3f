"""Tokens: whether they can be ended, and whether they can be guessed."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Tags
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from ..conf import chat_settings
from .sites import check, mounts, unusable

BLACKLIST = "rest_framework_simplejwt.token_blacklist"

KEY_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""How long the key has to be for each algorithm that signs by a secret."""


@check(Tags.urls, Tags.security)
def check_log_out() -> Iterator[CheckMessage]:
    if mounts("LogOutView") and not apps.is_installed(BLACKLIST):
        yield CheckWarning(
            "Log-out does not end refresh tokens.",
            hint=f"Add '{BLACKLIST}' to INSTALLED_APPS and migrate.",
            id="bpo_chat.W001",
        )


@check(Tags.security)
def check_signing() -> Iterator[CheckMessage]:
    given = getattr(settings, "SIMPLE_JWT", None) or {}
    if not isinstance(given, dict):
        yield unusable(f"SIMPLE_JWT is {given!r}, which is no dict", 'Write SIMPLE_JWT = {"ALGORITHM": "HS256"}.')
        return
    algorithm, key = given.get("ALGORITHM", ""), given.get("SIGNING_KEY")
    if not isinstance(algorithm, str):
        yield unusable(f"SIMPLE_JWT['ALGORITHM'] is {algorithm!r}", "Leave it out, which makes it 'HS256'.")
    if key and not isinstance(key, str | bytes):
        yield unusable(f"SIMPLE_JWT['SIGNING_KEY'] is {key!r}", "Write it as a text, or leave it out.")


@check(Tags.security, deploy=True)
def check_signing_key() -> Iterator[CheckMessage]:
    algorithm, key = _jwt().ALGORITHM, _jwt().SIGNING_KEY or ""
    needed = KEY_BYTES.get(algorithm) if isinstance(algorithm, str) else None
    if needed is None or not isinstance(key, str | bytes) or not _takes_tokens():
        return
    length = len(key.encode() if isinstance(key, str) else key)
    if length < needed:
        yield CheckWarning(
            f"Tokens are signed by {algorithm} with a key of {length} bytes, of which {needed} are needed.",
            hint="Set SIMPLE_JWT['SIGNING_KEY'] to what "
            '`python -c "import secrets; print(secrets.token_urlsafe(64))"` prints.',
            id="bpo_chat.W012",
        )


@check(Tags.security, deploy=True)
def check_rotation() -> Iterator[CheckMessage]:
    ends_used = _jwt().BLACKLIST_AFTER_ROTATION and apps.is_installed(BLACKLIST)
    if _jwt().ROTATE_REFRESH_TOKENS and not ends_used and mounts("RefreshView"):
        yield CheckWarning(
            "Refresh tokens rotate, but a used one stays as good as the new one.",
            hint=f"Set SIMPLE_JWT['BLACKLIST_AFTER_ROTATION'] = True, with '{BLACKLIST}' in INSTALLED_APPS.",
            id="bpo_chat.W013",
        )


def _jwt() -> Any:
    """Not imported above: it reads ``SECRET_KEY``, without which many a command gets by."""
    return import_string("rest_framework_simplejwt.settings.api_settings")


def _takes_tokens() -> bool:
    jwt_authentication = import_string("rest_framework_simplejwt.authentication.JWTAuthentication")
    return mounts("LogInView", "RefreshView") or any(
        issubclass(each, jwt_authentication) for each in chat_settings.authentication_classes
    )
