"""Tokens: whether they can be ended, and whether they can be guessed."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from ..conf import chat_settings
from .sites import check, has_django_users, mounts, unusable
from .users import is_unique, user_field

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
    given = _given()
    if not isinstance(given, dict):
        yield unusable(f"SIMPLE_JWT is {given!r}, which is no dict", 'Write SIMPLE_JWT = {"ALGORITHM": "HS256"}.')
        return
    algorithm, key = given.get("ALGORITHM", ""), given.get("SIGNING_KEY")
    if not isinstance(algorithm, str):
        yield unusable(f"SIMPLE_JWT['ALGORITHM'] is {algorithm!r}", "Leave it out, which makes it 'HS256'.")
    if key and not isinstance(key, str | bytes):
        yield unusable(f"SIMPLE_JWT['SIGNING_KEY'] is {key!r}", "Write it as a text, or leave it out.")


@check(Tags.models, Tags.urls)
def check_user_ids() -> Iterator[CheckMessage]:
    if not isinstance(_given(), dict) or not has_django_users() or not _takes_tokens():
        return
    name = _jwt().USER_ID_FIELD
    if not _tells_users_apart(name):
        yield Error(
            f"Tokens name people by {name!r}, which is no unique field of {get_user_model()._meta.label}.",
            hint="Name the primary key, or another unique field: "
            f'SIMPLE_JWT = {{"USER_ID_FIELD": "{get_user_model()._meta.pk.attname}"}}.',
            id="bpo_chat.E022",
        )


@check(Tags.urls, Tags.security)
def check_token_classes() -> Iterator[CheckMessage]:
    if not isinstance(_given(), dict) or not mounts("SignUpView", "LogInView", "RefreshView") or not _reads_tokens():
        return
    if not any(map(_is_taken_for_access, _jwt().AUTH_TOKEN_CLASSES)):
        yield Error(
            "The access tokens that a log-in hands out are none of those that are taken.",
            hint="Leave SIMPLE_JWT['AUTH_TOKEN_CLASSES'] out, or name rest_framework_simplejwt.tokens.AccessToken too.",
            id="bpo_chat.E025",
        )


@check(Tags.models, Tags.urls)
def check_user_manager() -> Iterator[CheckMessage]:
    lists_tokens = apps.is_installed(BLACKLIST) and mounts("SignUpView", "LogInView", "RefreshView", "LogOutView")
    if lists_tokens and not hasattr(get_user_model(), "objects"):
        yield Error(
            f"{get_user_model()._meta.label} has no manager called objects, by which simplejwt finds whose a token is.",
            hint="Add objects = BaseUserManager() to it; the others stay as they are.",
            id="bpo_chat.E024",
        )


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


def _given() -> Any:
    return getattr(settings, "SIMPLE_JWT", None) or {}


def _jwt() -> Any:
    """Not imported above: it reads ``SECRET_KEY``, without which many a command gets by."""
    return import_string("rest_framework_simplejwt.settings.api_settings")


def _is_taken_for_access(token_class: Any) -> bool:
    access, untyped = (import_string(f"rest_framework_simplejwt.tokens.{name}Token") for name in ("Access", "Untyped"))
    is_any = _jwt().TOKEN_TYPE_CLAIM is None or issubclass(token_class, untyped)
    return is_any or token_class.token_type == access.token_type


def _takes_tokens() -> bool:
    return mounts("SignUpView", "LogInView", "RefreshView", "LogOutView") or _reads_tokens()


def _reads_tokens() -> bool:
    jwt_authentication = import_string("rest_framework_simplejwt.authentication.JWTAuthentication")
    return any(issubclass(each, jwt_authentication) for each in chat_settings.authentication_classes)


def _tells_users_apart(name: str) -> bool:
    """A relation does so by its column, and not by its own name, which stands for a row."""
    field = user_field(name)
    return name == "pk" or (field is not None and field.attname == name and is_unique(field))
