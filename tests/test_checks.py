"""What the system checks say of a site's settings: something in the bad one, and nothing in the good one."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.conf import settings as django_settings
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, run_checks
from django.db import connections, models
from django.db.utils import ConnectionHandler
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import DjangoModelPermissions, IsAdminUser, IsAuthenticated
from rest_framework.throttling import SimpleRateThrottle
from rest_framework_simplejwt import settings as simplejwt

from django_bpo_chat.accounts.serializers import SignUpInput
from django_bpo_chat.accounts.urls import urlpatterns as account_urls
from django_bpo_chat.accounts.views import LogOutView, SignUpView
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.conf import DEFAULTS
from django_bpo_chat.models import Chat
from django_bpo_chat.serializers import SendMessageInput
from django_bpo_chat.users import handle_field
from tests.fixtures import Configure
from tests.test_docs import DOCS, INTEGRATION, README, Project, blocks, headings, project, section

__all__ = ["project"]

CHECKS = DOCS / "checks.md"

BLACKLIST = "rest_framework_simplejwt.token_blacklist"
CHATS_ALONE = "django_bpo_chat.api.urls"
EVERYTHING = "django_bpo_chat.urls"
PUBSUB = {
    "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "CONFIG": {"hosts": ["redis://127.0.0.1:6379/0"]},
}
REDIS_CACHE = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://127.0.0.1:6379/0",
}


Odd = Callable[[str], None]
Other = Callable[..., None]


def heard(deploy: bool = False) -> list[CheckMessage]:
    every = run_checks(tags=["bpo_chat"], include_deployment_checks=deploy)
    assert all(message.hint for message in every)
    return every


def ids(deploy: bool = False) -> list[str]:
    return sorted(str(message.id).removeprefix("bpo_chat.") for message in heard(deploy))


def warned_of(number: str) -> bool:
    """Whether the checks for deployment name this one, whatever else they name."""
    return number in ids(deploy=True)


def test_the_example_project_has_nothing_to_hear() -> None:
    assert ids() == []


def test_the_example_project_lacks_a_channel_layer_and_a_cache_for_a_deployment_in_several_processes(
    settings: LazySettings,
) -> None:
    assert ids(deploy=True) == ["W011"]
    settings.CHANNEL_LAYERS = {"default": PUBSUB}
    assert ids(deploy=True) == ["W021", "W023"]
    settings.CACHES = {"default": REDIS_CACHE}
    assert ids(deploy=True) == []


# Keys


def test_e001_settings_that_are_no_dict(settings: LazySettings) -> None:
    settings.BPO_CHAT = ["SWEEP_SECONDS"]
    assert ids(deploy=True) == ["E001"]


def test_e002_a_key_that_does_not_exist_and_the_one_that_was_meant(settings: LazySettings) -> None:
    settings.BPO_CHAT = {"SWEEP_SECOND": 3}
    assert ids() == ["E002"]
    assert heard()[0].hint == "Did you mean 'SWEEP_SECONDS'?"


def test_e002_a_serializer_that_does_not_exist_and_the_one_that_was_meant(settings: LazySettings) -> None:
    settings.BPO_CHAT = {"SERIALIZERS": {"signup": "django_bpo_chat.accounts.serializers.SignUpInput"}}
    assert ids() == ["E002"]
    assert heard()[0].hint == "Did you mean 'sign_up'?"


def test_e002_a_rate_of_what_does_not_exist_and_what_was_meant(settings: LazySettings) -> None:
    settings.BPO_CHAT = {"RATES": {"login": "5/min"}}
    assert ids() == ["E002"]
    assert heard()[0].hint == "Did you mean 'log_in'?"


def test_e002_a_key_like_no_other(settings: LazySettings) -> None:
    settings.BPO_CHAT = {17: 3}
    assert ids() == ["E002"]
    assert "SWEEP_SECONDS" in str(heard()[0].hint)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ADAPTER", Adapter),
        ("ADAPTER", None),
        ("AUTHENTICATION_CLASSES", "rest_framework.authentication.SessionAuthentication"),
        ("AUTHENTICATION_CLASSES", [None]),
        ("BUS", print),
        ("CHANNEL_LAYER", "chats"),
        ("CHANNEL_LAYER", ["default"]),
        ("DATABASE_THREADS", 0),
        ("DATABASE_THREADS", 1.5),
        ("DATABASE_THREADS", True),
        ("HANDLE_FIELD", 1),
        ("HEARTBEAT_SECONDS", 0),
        ("HEARTBEAT_SECONDS", "25"),
        ("HELLO_SECONDS", None),
        ("PAGINATION_CLASS", None),
        ("PERMISSION_CLASSES", IsAuthenticated),
        ("PRESENCE_CACHE", "chats"),
        ("PRESENCE_CACHE", ["default"]),
        ("PRESENCE_CACHE", None),
        ("PRESENCE_MEMBERS", -1),
        ("PRESENCE_MEMBERS", None),
        ("RATE_CACHE", "none"),
        ("RATES", "5/min"),
        *(
            ("RATES", {"read": rate})
            for rate in (5, "5", "0/min", "5/week", "5/0s", "5/min;6/h", "", b"5/min", "-5/min")
        ),
        ("READ_RECEIPT_MEMBERS", -1),
        ("SEARCH_CONFIGURATION", "no name"),
        ("SERIALIZERS", ["django_bpo_chat.serializers.StartChatInput"]),
        ("SERIALIZERS", {"start_chat": None}),
        ("SOCKETS_PER_USER", 0),
        ("SWEEP_SECONDS", float("inf")),
        ("SWEEP_SECONDS", -1),
        ("THROTTLE_CLASSES", None),
    ],
)
def test_e003_a_value_that_a_key_does_not_take(settings: LazySettings, key: str, value: Any) -> None:
    settings.BPO_CHAT = {key: value}
    assert ids(deploy=True) == ["E003"]
    assert key in heard()[0].msg


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("AUTHENTICATION_CLASSES", ("rest_framework.authentication.SessionAuthentication",)),
        ("CHANNEL_LAYER", "chats"),
        ("DATABASE_THREADS", 1),
        ("HEARTBEAT_SECONDS", 0.5),
        ("HELLO_SECONDS", 10**400),
        ("PRESENCE_CACHE", "default"),
        ("PRESENCE_MEMBERS", 0),
        ("RATES", None),
        ("RATES", {"read": None, "write": "5/s", "frames": "10/2s, 5/min,1/d", "sign_up": "1/90min"}),
        ("READ_RECEIPT_MEMBERS", 0),
        ("SEARCH_CONFIGURATION", "pg_catalog.english"),
        ("SERIALIZERS", {}),
        ("THROTTLE_CLASSES", []),
    ],
)
def test_a_value_that_a_key_takes(settings: LazySettings, key: str, value: Any) -> None:
    settings.CHANNEL_LAYERS = {"chats": PUBSUB}
    settings.BPO_CHAT = {key: value}
    assert ids() == []


COMPOSED = IsAuthenticated & ~IsAdminUser
NOTHING_YET: dict[str, Any] = {}


def bus(envelope: Any) -> None:
    """Takes an event."""


class Shy(Adapter):
    pass


class FillingAdapter(Adapter):
    def new_user(self, username: str, email: str, **extra: Any) -> Any:
        return super().new_user(username, email, full_name="Somebody", **extra)


class SignUp(SignUpInput):
    full_name = serializers.CharField()


class WithoutMessage(SendMessageInput):
    message = None


class WithOptionalMessage(SendMessageInput):
    message = serializers.CharField(required=False)


class WithDefaultMessage(SendMessageInput):
    message = serializers.CharField(default="Hello")


class WithoutPassword2(SignUpInput):
    password2 = None

    def validate(self, attrs: Any) -> Any:
        return attrs


class OnModels(DjangoModelPermissions):
    authenticated_users_only = False


class OnAModel(DjangoModelPermissions):
    def _queryset(self, view: Any) -> Any:
        return Chat.objects.all()


ON_MODELS_SOMETIMES = IsAdminUser | (IsAuthenticated & ~OnModels)


class ByOwnTokens(TokenAuthentication):
    model = Chat


class ByChosenTokens(TokenAuthentication):
    def get_model(self) -> Any:
        return Chat


class BySecret(TokenAuthentication):
    def authenticate_credentials(self, key: str) -> Any:
        raise AuthenticationFailed


class ByCreation(CursorPagination):
    page_size = 2


class ByJoining(CursorPagination):
    """Members have that, and nobody else."""

    page_size = 2
    ordering = "-joined_at"


class ById(CursorPagination):
    page_size = 2
    ordering = "-id"


class ByChoice(CursorPagination):
    page_size = 2

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        return ("id",)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ADAPTER", "mysite.chat.ChatAdapter"),
        ("ADAPTER", "nowhere"),
        ("ADAPTER", ""),
        ("ADAPTER", f"{__name__}.Unknown"),
        ("ADAPTER", f"{__name__}.SignUp"),
        ("ADAPTER", f"{__name__}.bus"),
        ("AUTHENTICATION_CLASSES", ["rest_framework.permissions.IsAuthenticated"]),
        ("AUTHENTICATION_CLASSES", ["rest_framework.authentication.TokenAuthentication"]),
        ("BUS", f"{__name__}.NOTHING_YET"),
        ("PAGINATION_CLASS", f"{__name__}.Shy"),
        ("PAGINATION_CLASS", "rest_framework.pagination.CursorPagination"),
        ("PAGINATION_CLASS", f"{__name__}.ByCreation"),
        ("PAGINATION_CLASS", f"{__name__}.ByJoining"),
        ("PERMISSION_CLASSES", ["rest_framework.authentication.SessionAuthentication"]),
        ("PERMISSION_CLASSES", ["rest_framework.permissions.DjangoModelPermissions"]),
        ("PERMISSION_CLASSES", ["rest_framework.permissions.DjangoModelPermissionsOrAnonReadOnly"]),
        ("PERMISSION_CLASSES", ["rest_framework.permissions.DjangoObjectPermissions"]),
        ("PERMISSION_CLASSES", [f"{__name__}.OnModels"]),
        ("PERMISSION_CLASSES", [f"{__name__}.ON_MODELS_SOMETIMES"]),
        ("SERIALIZERS", {"sign_up": "django_bpo_chat.accounts.serializers.LogInInput"}),
        ("SERIALIZERS", {"sign_up": "mysite.accounts.SignUp"}),
        ("SERIALIZERS", {"send_message": f"{__name__}.WithoutMessage"}),
        ("SERIALIZERS", {"send_message": f"{__name__}.WithOptionalMessage"}),
        ("THROTTLE_CLASSES", ["rest_framework.permissions.IsAuthenticated"]),
        ("THROTTLE_CLASSES", [f"{__name__}.Burst"]),
        ("ADAPTER", f"{__name__}.OfNothing"),
        ("ADAPTER", f"{__name__}.OfManyRows"),
        ("ADAPTER", f"{__name__}.OfLetters"),
    ],
)
def test_e004_a_dotted_path_that_leads_nowhere_or_to_something_else(
    settings: LazySettings, key: str, value: Any
) -> None:
    settings.BPO_CHAT = {key: value}
    assert ids(deploy=True) == ["E004"]


class Burst(SimpleRateThrottle):
    """Its rate is in no setting."""

    scope = "burst"


class OfNothing(Adapter):
    card_related = ["profile"]


class OfManyRows(Adapter):
    card_related = ["groups"]


class OfLetters(Adapter):
    card_related = "profile"


def test_e004_names_what_a_card_cannot_read(settings: LazySettings) -> None:
    settings.BPO_CHAT = {"ADAPTER": f"{__name__}.OfNothing"}
    [error] = heard()
    assert "'profile'" in error.msg and "card_related" in error.msg


def test_e004_names_what_a_serializer_and_a_pagination_class_lack(settings: LazySettings) -> None:
    settings.BPO_CHAT = {
        "PAGINATION_CLASS": f"{__name__}.ByCreation",
        "SERIALIZERS": {"send_message": f"{__name__}.WithoutMessage"},
    }
    pagination, serializer = heard()
    assert "orders by '-created'" in pagination.msg and "'-pk'" in str(pagination.hint)
    assert "does not require 'message'" in serializer.msg


def test_e004_tokens_of_rest_framework_without_the_app_that_keeps_them(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BPO_CHAT = {"AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]}
    [error] = heard()
    assert "'rest_framework.authtoken'" in error.msg
    # Not in INSTALLED_APPS: its models have been imported without that, and stay abstract.
    monkeypatch.setattr(apps, "is_installed", lambda name: True)
    assert ids() == []


def test_e004_a_module_that_fails_while_it_is_imported(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_done.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    settings.BPO_CHAT = {"ADAPTER": "half_done.Adapter"}
    assert ids(deploy=True) == ["E004"]
    assert "division by zero" in heard()[0].msg


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ADAPTER", f"{__name__}.Shy"),
        ("AUTHENTICATION_CLASSES", ["rest_framework.authentication.BasicAuthentication"]),
        ("AUTHENTICATION_CLASSES", [f"{__name__}.{name}" for name in ("ByOwnTokens", "ByChosenTokens", "BySecret")]),
        ("BUS", f"{__name__}.bus"),
        ("PAGINATION_CLASS", "rest_framework.pagination.LimitOffsetPagination"),
        ("PAGINATION_CLASS", f"{__name__}.ById"),
        ("PAGINATION_CLASS", f"{__name__}.ByChoice"),
        ("PERMISSION_CLASSES", [f"{__name__}.COMPOSED", "rest_framework.permissions.IsAdminUser"]),
        ("PERMISSION_CLASSES", [f"{__name__}.OnAModel"]),
        ("SERIALIZERS", {"sign_up": f"{__name__}.SignUp"}),
        ("SERIALIZERS", {"sign_up": f"{__name__}.WithoutPassword2"}),
        ("SERIALIZERS", {"send_message": f"{__name__}.WithDefaultMessage"}),
        ("THROTTLE_CLASSES", ["rest_framework.throttling.UserRateThrottle"]),
    ],
)
def test_a_dotted_path_to_what_the_key_is_for(settings: LazySettings, key: str, value: Any) -> None:
    settings.BPO_CHAT = {key: value}
    assert ids() == []


# Users


# User models


@pytest.fixture
def odd(settings: LazySettings) -> Odd:
    """Make this model of ``odd_users`` the site's user model: ``odd("User")``."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.hosts.odd_users"]

    def use(name: str) -> None:
        settings.AUTH_USER_MODEL = f"odd_users.{name}"

    return use


def test_a_user_model_with_a_unique_name_and_a_unique_email(odd: Odd) -> None:
    odd("User")
    assert ids(deploy=True) == ["W011"]


@pytest.mark.parametrize("field", ["nickname", "full_name", "callsign", "friend", "groups", "following"])
def test_e005_a_handle_that_is_no_unique_field_of_everybody(odd: Odd, configure: Configure, field: str) -> None:
    odd("User")
    configure(HANDLE_FIELD=field)
    assert ids() == ["E005"]


def test_e005_a_handle_that_does_not_exist(configure: Configure) -> None:
    configure(HANDLE_FIELD="nickname")
    [error] = heard()
    assert "people.User.nickname does not exist" in error.msg


@pytest.mark.parametrize("field", ["username", "id", "number", "motto"])
def test_a_handle_that_is_a_unique_field(odd: Odd, configure: Configure, field: str) -> None:
    odd("User")
    configure(HANDLE_FIELD=field)
    assert ids() == []


def test_e005_a_username_field_that_is_not_unique(odd: Odd) -> None:
    odd("NamesakesUser")
    assert ids() == ["E005"]


def test_e008_accounts_with_a_user_model_without_an_email(odd: Odd, settings: LazySettings) -> None:
    odd("NoEmailUser")
    assert ids(deploy=True) == ["E008", "W011"]
    settings.ROOT_URLCONF = CHATS_ALONE
    assert ids(deploy=True) == ["W011"]


def test_e009_a_user_model_that_is_none_of_djangos(odd: Odd) -> None:
    odd("PlainUser")
    assert ids(deploy=True) == ["E009", "W011"]


def test_w002_an_email_for_a_handle(odd: Odd, configure: Configure) -> None:
    odd("User")
    configure(HANDLE_FIELD="email")
    assert ids() == ["W002"]


@pytest.mark.parametrize(("model", "field"), [("AddressUser", "address"), ("AddressNameUser", "username")])
def test_an_email_of_whatever_name_is_a_handle_only_where_it_is_asked_for(
    odd: Odd, configure: Configure, settings: LazySettings, model: str, field: str
) -> None:
    odd(model)
    settings.ROOT_URLCONF = CHATS_ALONE
    assert (handle_field(), ids()) == ("id", [])
    configure(HANDLE_FIELD=field)
    assert (handle_field(), ids()) == (field, ["W002"])


def test_w002_an_email_for_a_primary_key(odd: Odd, settings: LazySettings) -> None:
    odd("EmailKeyUser")
    settings.SIMPLE_JWT = {"USER_ID_FIELD": "email"}
    assert ids() == ["W002"]


def test_w003_required_fields_that_no_sign_up_fills(odd: Odd, configure: Configure, settings: LazySettings) -> None:
    odd("MemberUser")
    assert ids() == ["W003"]
    assert heard()[0].msg.endswith(": full_name, born.")
    configure(SERIALIZERS={"sign_up": f"{__name__}.SignUp"})
    assert ids() == []
    configure(SERIALIZERS={}, ADAPTER=f"{__name__}.FillingAdapter")
    assert ids() == []
    configure(ADAPTER=f"{__name__}.Shy")
    assert ids() == ["W003"]
    settings.ROOT_URLCONF = CHATS_ALONE
    assert ids() == []


@pytest.mark.parametrize(
    ("model", "is_named"),
    [
        ("User", False),
        ("SharedEmailUser", True),
        ("EmailAndTeamUser", True),
        ("ActiveEmailUser", True),
        ("LowerEmailUser", False),
        ("FilledEmailUser", False),
    ],
)
def test_w014_a_database_that_allows_two_accounts_with_one_email(
    odd: Odd, settings: LazySettings, model: str, is_named: bool
) -> None:
    odd(model)
    assert warned_of("W014") == is_named
    settings.ROOT_URLCONF = CHATS_ALONE
    assert not warned_of("W014")


# URLs and tokens


MOUNTED = {
    "as documented": EVERYTHING,
    "in a namespace": (path("api/", include((account_urls, "accounts"), namespace="ours")),),
    "a subclass, decorated": (path("out/", csrf_exempt(type("OurLogOut", (LogOutView,), {}).as_view())),),
}


@pytest.mark.parametrize("urls", MOUNTED.values(), ids=MOUNTED)
def test_w001_log_out_without_the_blacklist(settings: LazySettings, urls: Any) -> None:
    settings.ROOT_URLCONF = urls
    assert ids() == []
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != BLACKLIST]
    assert ids() == ["W001"]


def test_a_site_without_log_out_needs_no_blacklist(settings: LazySettings) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != BLACKLIST]
    settings.ROOT_URLCONF = CHATS_ALONE
    assert ids() == []


def test_a_site_without_urls_has_no_accounts(settings: LazySettings) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != BLACKLIST]
    del settings.ROOT_URLCONF
    assert ids(deploy=True) == ["W011"]


def test_e025_tokens_that_nobody_takes(configure: Configure, settings: LazySettings) -> None:
    settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.SlidingToken"]}
    assert ids() == ["E025"]
    for classes in (["SlidingToken", "AccessToken"], ["UntypedToken"]):
        taken = [f"rest_framework_simplejwt.tokens.{name}" for name in classes]
        settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": taken}
        assert ids() == []
    settings.SIMPLE_JWT = {"AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.SlidingToken"]}
    configure(AUTHENTICATION_CLASSES=["rest_framework.authentication.SessionAuthentication"])
    assert ids() == []
    configure(AUTHENTICATION_CLASSES=["django_bpo_chat.tokens.BearerAuthentication"])
    settings.ROOT_URLCONF = CHATS_ALONE
    assert ids() == []


def test_e022_the_column_of_a_relation_is_what_the_hint_names(odd: Odd, settings: LazySettings) -> None:
    odd("KeyOfAnotherUser")
    settings.SIMPLE_JWT = {}
    [error] = heard()
    assert '"USER_ID_FIELD": "human_id"' in str(error.hint)
    settings.SIMPLE_JWT = {"USER_ID_FIELD": "human_id"}
    assert ids() == []


class ByProperty(Adapter):
    @property
    def card_related(self) -> list[str]:  # type: ignore[override]
        return []


class Often(SimpleRateThrottle):
    scope = "often"
    rate = "5 per minute"


def test_e004_says_what_is_wrong_with_a_rate(settings: LazySettings) -> None:
    settings.BPO_CHAT = {"ADAPTER": f"{__name__}.ByProperty", "THROTTLE_CLASSES": [f"{__name__}.Often"]}
    [error] = heard()
    assert "does not work" in error.msg


def test_e024_a_user_model_whose_manager_simplejwt_does_not_find(odd: Odd, settings: LazySettings) -> None:
    odd("PeopleUser")
    assert ids() == ["E024"]
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != BLACKLIST]
    assert ids() == ["W001"]
    settings.ROOT_URLCONF = CHATS_ALONE
    assert ids() == []


@pytest.mark.parametrize("field", ["uuid", "nickname", "full_name", "friend", "following"])
def test_e022_tokens_that_name_people_by_no_unique_field(odd: Odd, settings: LazySettings, field: str) -> None:
    odd("User")
    settings.SIMPLE_JWT = {"USER_ID_FIELD": field}
    assert ids() == ["E022"]


@pytest.mark.parametrize("field", ["id", "pk", "username", "friend_id"])
def test_tokens_that_name_people_by_a_unique_field(odd: Odd, settings: LazySettings, field: str) -> None:
    odd("User")
    settings.SIMPLE_JWT = {"USER_ID_FIELD": field}
    assert ids() == []


def test_e022_a_primary_key_of_another_name_than_tokens_ask_for(odd: Odd, settings: LazySettings) -> None:
    odd("UuidKeyUser")
    settings.SIMPLE_JWT = {}
    assert ids() == ["E022"]
    site: dict[str, Any] = {}
    exec(remedy("E022"), site)
    settings.SIMPLE_JWT = site["SIMPLE_JWT"]
    assert ids() == []


def test_a_site_that_takes_no_tokens_names_nobody_in_them(
    odd: Odd, configure: Configure, settings: LazySettings
) -> None:
    odd("UuidKeyUser")
    settings.SIMPLE_JWT = {}
    settings.ROOT_URLCONF = CHATS_ALONE
    assert ids() == ["E022"]
    configure(AUTHENTICATION_CLASSES=["rest_framework.authentication.SessionAuthentication"])
    assert ids() == []
    settings.ROOT_URLCONF = (path("up/", SignUpView.as_view()), path("out/", LogOutView.as_view()))
    assert ids() == ["E022"]


@pytest.mark.parametrize(
    ("algorithm", "key", "is_named"),
    [
        ("HS256", "k" * 31, True),
        ("HS256", b"k" * 32, False),
        ("HS256", "é" * 16, False),
        ("HS512", "k" * 63, True),
        ("HS512", "k" * 64, False),
        ("RS256", "", False),
    ],
)
def test_w012_a_key_that_is_too_short_to_sign_with(
    settings: LazySettings, algorithm: str, key: str | bytes, is_named: bool
) -> None:
    settings.SIMPLE_JWT = {"ALGORITHM": algorithm, "SIGNING_KEY": key}
    assert warned_of("W012") == is_named


def test_a_site_that_takes_no_tokens_needs_no_key_for_them(configure: Configure, settings: LazySettings) -> None:
    settings.SIMPLE_JWT = {"SIGNING_KEY": "short"}
    settings.ROOT_URLCONF = CHATS_ALONE
    assert warned_of("W012")
    configure(AUTHENTICATION_CLASSES=["rest_framework.authentication.SessionAuthentication"])
    assert not warned_of("W012")


def test_w013_refresh_tokens_that_rotate_and_stay_good(settings: LazySettings) -> None:
    settings.SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True}
    assert warned_of("W013")
    settings.SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
    assert not warned_of("W013")
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != BLACKLIST]
    assert warned_of("W013")
    settings.ROOT_URLCONF = CHATS_ALONE
    assert not warned_of("W013")


def test_refresh_tokens_that_do_not_rotate_are_not_warned_of(settings: LazySettings) -> None:
    settings.SIMPLE_JWT = {}
    assert not warned_of("W013")


# Databases


POSTGRES = "django.db.backends.postgresql"
SQLITE = "django.db.backends.sqlite3"


def postgres(**options: Any) -> dict[str, Any]:
    return {"default": {"ENGINE": POSTGRES, "NAME": "mysite", **options}}


@dataclass(frozen=True)
class Router:
    """Sends the models of these apps to the database ``other``, and leaves the rest where it is."""

    apps: frozenset[str]

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        return "other" if model._meta.app_label in self.apps else None


@pytest.fixture
def other(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Other]:
    """Keep the chats and the users in another database, to which nobody connects: ``other(ENGINE=SQLITE)``."""

    def forget() -> None:
        with suppress(AttributeError):
            del connections["other"]

    def use(apps: Sequence[str] = ("bpo_chat", "people"), **database: Any) -> None:
        forget()
        monkeypatch.setitem(connections.settings, "other", ConnectionHandler({"default": database}).settings["default"])
        settings.DATABASE_ROUTERS = [Router(frozenset(apps))]

    yield use
    forget()


def test_e006_chats_and_users_in_two_databases(other: Other) -> None:
    other(["bpo_chat"], ENGINE=SQLITE)
    assert ids() == ["E006"]
    other(["bpo_chat", "people"], ENGINE=SQLITE)
    assert ids() == []


def level(name: str) -> int:
    """As the psycopg that is installed writes it."""
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    return int(IsolationLevel[name])


STRICT = ["REPEATABLE_READ", "SERIALIZABLE"]


@pytest.mark.parametrize("name", STRICT)
def test_e007_an_isolation_level_at_which_waiting_is_an_error(other: Other, name: str) -> None:
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    for spelling in (IsolationLevel[name], level(name)):
        other(ENGINE=POSTGRES, OPTIONS={"isolation_level": spelling})
        assert ids() == ["E007"]


@pytest.mark.parametrize("name", ["repeatable\\ read", "serializable", "'serializable'"])
def test_e007_an_isolation_level_among_the_options_of_the_server(other: Other, name: str) -> None:
    other(ENGINE=POSTGRES, OPTIONS={"options": f"-c default_transaction_isolation={name} -c lock_timeout=5s"})
    assert ids() == ["E007"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"isolation_level": None},
        {"isolation_level": 99},
        {"isolation_level": "READ_COMMITTED"},
        {"options": "-c lock_timeout=5s"},
        {"options": "-c default_transaction_isolation='read committed'"},
    ],
)
def test_other_isolation_levels_are_fine_here(other: Other, options: Any) -> None:
    if options.get("isolation_level") == "READ_COMMITTED":
        options = {"isolation_level": level("READ_COMMITTED")}
    other(ENGINE=POSTGRES, OPTIONS=options)
    assert ids() == []


@pytest.mark.parametrize("vendor", ["mysql", "oracle", "microsoft"])
def test_e023_a_database_that_is_not_supported(other: Other, monkeypatch: pytest.MonkeyPatch, vendor: str) -> None:
    other(ENGINE=SQLITE)
    monkeypatch.setattr(connections["other"], "vendor", vendor)  # as its backend has it, which needs a driver
    assert ids() == ["E023"]


@pytest.mark.parametrize(
    ("options", "is_named"),
    [
        ({}, True),
        ({"transaction_mode": "DEFERRED"}, True),
        ({"transaction_mode": "IMMEDIATE"}, False),
        ({"transaction_mode": "exclusive"}, False),
    ],
)
def test_w015_sqlite_with_deferred_transactions(other: Other, options: Any, is_named: bool) -> None:
    other(ENGINE=SQLITE, OPTIONS=options)
    assert warned_of("W015") == is_named
    assert not warned_of("W016") and not warned_of("W017")


@pytest.mark.parametrize(
    ("use_tz", "zone", "is_named"),
    [
        (False, "America/Chicago", True),
        (False, "Africa/Casablanca", True),
        (False, "Asia/Kathmandu", False),
        (False, "UTC", False),
        (True, "America/Chicago", False),
    ],
)
def test_w020_an_hour_that_comes_twice(settings: LazySettings, use_tz: bool, zone: str, is_named: bool) -> None:
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
    assert warned_of("W020") == is_named


@pytest.mark.parametrize(
    ("database", "is_named"),
    [
        ({"CONN_MAX_AGE": 60}, True),
        ({"CONN_MAX_AGE": None}, True),
        ({"CONN_MAX_AGE": 0}, False),
        ({}, False),
        ({"CONN_MAX_AGE": 60, "OPTIONS": {"pool": {"max_size": 20}}}, False),
    ],
)
def test_w016_connections_that_are_left_behind_in_every_thread(other: Other, database: Any, is_named: bool) -> None:
    other(ENGINE=POSTGRES, **database)
    assert warned_of("W016") == is_named
    assert not warned_of("W015")


@pytest.mark.parametrize(
    ("options", "is_named"),
    [
        ("", True),
        ("-c search_path=chat", True),
        ("-c lock_timeout=0", True),
        ("-c lock_timeout=5000", False),
        ("-c search_path=chat -c lock_timeout=5s", False),
        ("--statement_timeout=30000", False),
    ],
)
def test_w017_waiting_for_ever(other: Other, options: str, is_named: bool) -> None:
    other(ENGINE=POSTGRES, OPTIONS={"options": options})
    assert warned_of("W017") == is_named


# Channel layers and servers


@pytest.mark.parametrize(
    "backend", [None, "mysite.layers.Layer", "channels_redis.pubsub.NoLayer", "channels_redis", "half_done.Layer"]
)
def test_e010_a_channel_layer_that_cannot_be_imported(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str | None
) -> None:
    (tmp_path / "half_done.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    settings.CACHES = {"default": REDIS_CACHE}
    assert ids(deploy=True) == ["E010"]


IN_MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}


@pytest.mark.parametrize("layers", [None, {}, {"default": {}}, {"default": IN_MEMORY}, {"other": PUBSUB}])
def test_w011_processes_that_do_not_hear_each_other(settings: LazySettings, layers: Any) -> None:
    settings.CHANNEL_LAYERS = layers
    assert ids(deploy=True) == ["W011"]


def test_w011_looks_at_the_layer_of_the_chats(configure: Configure, settings: LazySettings) -> None:
    settings.CHANNEL_LAYERS = {"default": IN_MEMORY, "chats": PUBSUB}
    assert warned_of("W011")
    configure(CHANNEL_LAYER="chats")
    assert not warned_of("W011")


class OwnLocMemCache(LocMemCache):
    pass


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache", f"{__name__}.OwnLocMemCache"])
def test_w021_processes_that_do_not_see_who_is_online_in_others(
    configure: Configure, settings: LazySettings, backend: str
) -> None:
    backend = backend if "test" in backend else f"django.core.cache.backends.{backend}"
    settings.CACHES = {"default": {"BACKEND": backend}, "shared": REDIS_CACHE}
    assert not warned_of("W021")  # W011 says more
    settings.CHANNEL_LAYERS = {"default": PUBSUB}
    assert warned_of("W021")
    configure(PRESENCE_CACHE="shared")
    assert not warned_of("W021")


@pytest.mark.parametrize("backend", ["db.DatabaseCache", "filebased.FileBasedCache", "redis.RedisCache"])
def test_a_cache_that_processes_share_is_fine(settings: LazySettings, backend: str) -> None:
    settings.CHANNEL_LAYERS = {"default": PUBSUB}
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "chat"}}
    assert not warned_of("W021")


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_w023_caches_that_processes_do_not_share(settings: LazySettings, backend: str, configure: Configure) -> None:
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}, "shared": REDIS_CACHE}
    assert not warned_of("W023")  # one process counts by itself
    settings.CHANNEL_LAYERS = {"default": PUBSUB}
    assert warned_of("W023")
    configure(RATE_CACHE="shared")
    assert not warned_of("W023")


@pytest.mark.parametrize("backend", ["db.DatabaseCache", "filebased.FileBasedCache"])
def test_w023_caches_that_count_in_two_steps(settings: LazySettings, backend: str) -> None:
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "chat"}}
    assert warned_of("W023")


@pytest.mark.parametrize(("urls", "warned"), [(EVERYTHING, True), (CHATS_ALONE, False)])
def test_w024_proxies_of_which_nobody_says_how_many(settings: LazySettings, urls: str, warned: bool) -> None:
    settings.ROOT_URLCONF = urls
    settings.REST_FRAMEWORK = {}
    assert warned_of("W024") is warned
    settings.REST_FRAMEWORK = {"NUM_PROXIES": 0}
    assert not warned_of("W024")


FILES = {"BACKEND": "django.core.files.storage.FileSystemStorage"}


@pytest.mark.parametrize(
    ("storage", "others", "is_public"),
    [
        (FILES, {}, True),
        (FILES, {"MEDIA_URL": "media/"}, True),
        (FILES, {"MEDIA_ROOT": "/srv/media"}, False),
        (FILES, {"MEDIA_ROOT": "/srv/media", "MEDIA_URL": "media/"}, True),
        ({**FILES, "OPTIONS": {"location": "/srv/media/chat"}}, {"MEDIA_ROOT": "/srv/media", "MEDIA_URL": "m/"}, True),
        ({**FILES, "OPTIONS": {"location": "/srv/chat"}}, {"MEDIA_ROOT": "/srv/media", "MEDIA_URL": "media/"}, False),
        ({**FILES, "OPTIONS": {"location": "/srv/chat"}}, {}, False),
        ({**FILES, "OPTIONS": {"location": Path("attachments").absolute()}}, {}, False),
        ({"BACKEND": "django.core.files.storage.InMemoryStorage"}, {}, False),
        (FILES, {"BPO_CHAT": {"ATTACHMENTS_PER_MESSAGE": 0}}, False),
    ],
)
def test_w022_files_that_the_world_may_see(
    settings: LazySettings, storage: Any, others: dict[str, Any], is_public: bool
) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": storage}
    for name, value in {"MEDIA_ROOT": "", "MEDIA_URL": "", **others}.items():
        setattr(settings, name, value)
    assert bool(warned_of("W022")) is is_public


Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have this version of a package look installed: ``install("redis", "8.0.0")``."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, version: str) -> None:
        for metadata in tmp_path.glob(f"{name}-*"):
            shutil.rmtree(metadata)
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        importlib.invalidate_caches()

    return install


REDIS = "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(
    ("hosts", "is_named"),
    [
        (None, True),
        ([REDIS], True),
        ([("127.0.0.1", 6379)], True),
        ([{"address": REDIS, "socket_timeout": 30}, REDIS], True),
        ([{"address": REDIS, "socket_timeout": 30}], False),
        ([f"{REDIS}?socket_timeout=30"], False),
    ],
)
def test_w018_a_redis_layer_that_hangs_up_when_nobody_speaks(
    settings: LazySettings, install: Install, hosts: Any, is_named: bool
) -> None:
    core = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": hosts}}
    settings.CHANNEL_LAYERS = {"default": core}
    install("redis", "8.0.0")
    assert warned_of("W018") == is_named
    install("redis", "7.4.0")
    assert not warned_of("W018")


def test_the_other_redis_layer_is_patient(settings: LazySettings, install: Install) -> None:
    install("redis", "8.0.0")
    settings.CHANNEL_LAYERS = {"default": PUBSUB}
    settings.CACHES = {"default": REDIS_CACHE}
    assert ids(deploy=True) == []


@pytest.mark.parametrize(
    ("server", "version", "is_named"),
    [
        ("daphne", "4.1", True),
        ("daphne", "4.2.1", True),
        ("daphne", "4.2.2", False),
        ("daphne", "5.0", False),
        ("uvicorn", "0.9.1", True),
        ("uvicorn", "0.52.4", True),
        ("uvicorn", "0.53.0", False),
        ("uvicorn", "1.0.0rc1", False),
    ],
)
def test_w019_a_server_that_is_too_old(install: Install, server: str, version: str, is_named: bool) -> None:
    install(server, version)
    assert warned_of("W019") == is_named


# Odd settings


CORE = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS]}}


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("SIMPLE_JWT", {"ALGORITHM": None}, "SIMPLE_JWT['ALGORITHM'] is None"),
        ("SIMPLE_JWT", {"SIGNING_KEY": 7}, "SIMPLE_JWT['SIGNING_KEY'] is 7"),
        ("CHANNEL_LAYERS", [PUBSUB], "CHANNEL_LAYERS is ["),
        ("CHANNEL_LAYERS", {"default": [PUBSUB]}, 'CHANNEL_LAYERS["default"] is ['),
        ("CHANNEL_LAYERS", {"default": {**PUBSUB, "CONFIG": [REDIS]}}, '["CONFIG"] is ['),
        ("CHANNEL_LAYERS", {"default": {**PUBSUB, "CONFIG": {"hosts": 7}}}, '["CONFIG"]["hosts"] is 7'),
        ("DATABASE_ROUTERS", [Router(frozenset(["bpo_chat", "people"]))], "DATABASE_ROUTERS write to 'other'"),
    ],
)
def test_e021_a_setting_of_another_package_that_is_of_no_use(
    settings: LazySettings, name: str, value: Any, named: str
) -> None:
    setattr(settings, name, value)
    [error] = [each for each in heard() if each.id == "bpo_chat.E021"]
    assert named in error.msg
    assert [each for each in heard(deploy=True) if each.id == "bpo_chat.E021"] == [error]


def test_e021_simple_jwt_that_is_no_dict(settings: LazySettings) -> None:
    settings.SIMPLE_JWT = ["HS256"]
    assert ids() == ["E021"]
    assert heard()[0].msg == "SIMPLE_JWT is ['HS256'], which is no dict."


def test_w012_a_key_that_is_none(settings: LazySettings) -> None:
    settings.SIMPLE_JWT = {"SIGNING_KEY": None}
    assert warned_of("W012")


ODD = [None, 0, 7, "", "x", b"", [], ["x"], {}, {"x": "x"}, object()]

# Not among them is that without which no check is ever asked, such as INSTALLED_APPS and AUTH_USER_MODEL.
READ = [
    ("BPO_CHAT",),
    *(("BPO_CHAT", key) for key in DEFAULTS),
    *(("BPO_CHAT", "SERIALIZERS", name) for name in DEFAULTS["SERIALIZERS"]),
    ("CACHES",),
    ("CACHES", "default"),
    ("CACHES", "default", "BACKEND"),
    ("CHANNEL_LAYERS",),
    ("CHANNEL_LAYERS", "default"),
    ("CHANNEL_LAYERS", "default", "BACKEND"),
    ("CHANNEL_LAYERS", "default", "CONFIG"),
    ("CHANNEL_LAYERS", "default", "CONFIG", "hosts"),
    ("ROOT_URLCONF",),
    ("SIMPLE_JWT", "ALGORITHM"),
    ("SIMPLE_JWT", "BLACKLIST_AFTER_ROTATION"),
    ("SIMPLE_JWT", "ROTATE_REFRESH_TOKENS"),
    ("SIMPLE_JWT", "SIGNING_KEY"),
    ("SIMPLE_JWT", "USER_ID_FIELD"),
    ("TIME_ZONE",),
    ("USE_TZ",),
]


def odd_setting(path: Sequence[str], value: Any) -> Any:
    """The value, in as many dicts as the path has keys."""
    usual = {"default": {"BACKEND": CORE["BACKEND"]}} if path[0] == "CHANNEL_LAYERS" else {}
    for key in reversed(path[1:]):
        value = {**usual.get(key, {}), key: value}
    return value


@pytest.mark.parametrize("path", READ, ids=".".join)
def test_no_odd_setting_breaks_a_check(install: Install, monkeypatch: pytest.MonkeyPatch, path: Sequence[str]) -> None:
    install("redis", "8.0.0")
    for value in ODD:
        with monkeypatch.context() as patch:
            if path[0] == "TIME_ZONE":
                patch.setattr(django_settings, "USE_TZ", False)
            # Without its signal: what listens to that need not take the value.
            patch.setattr(django_settings, path[0], odd_setting(path, value), raising=False)
            if path[0] == "SIMPLE_JWT":
                patch.setattr(simplejwt, "api_settings", SimpleNamespace(**{**simplejwt.DEFAULTS, path[1]: value}))
            heard(deploy=True)


@pytest.mark.parametrize("key", ["CONN_MAX_AGE", "OPTIONS"])
@pytest.mark.parametrize("engine", [SQLITE, POSTGRES])
def test_no_odd_database_breaks_a_check(other: Other, engine: str, key: str) -> None:
    for value in ODD:
        other(ENGINE=engine, **{key: value})
        heard(deploy=True)


# Remedies


@pytest.mark.parametrize(
    ("number", "bad"),
    [
        ("E001", {"BPO_CHAT": []}),
        ("E002", {"BPO_CHAT": {"HEARTBEAT_SECOND": 20}}),
        ("E003", {"BPO_CHAT": {"SWEEP_SECONDS": "20"}}),
        ("E004", {"BPO_CHAT": {"ADAPTER": "mysite.chat.ChatAdapter"}}),
        ("E005", {"BPO_CHAT": {"HANDLE_FIELD": "last_name"}}),
        (
            "E007",
            {"DATABASES": postgres(OPTIONS={"options": "-c default_transaction_isolation=serializable"})},
        ),
        ("E021", {"CHANNEL_LAYERS": [PUBSUB]}),
        ("E021", {"SIMPLE_JWT": {"ALGORITHM": None}}),
        ("E025", {"SIMPLE_JWT": {"AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.SlidingToken"]}}),
        ("E023", {"DATABASES": {"default": {"ENGINE": "django.db.backends.dummy"}}}),
        ("W001", {}),
        ("W002", {"BPO_CHAT": {"HANDLE_FIELD": "email"}}),
        ("W011", {"CHANNEL_LAYERS": {}}),
        ("W012", {"SIMPLE_JWT": {"SIGNING_KEY": "short"}}),
        ("W013", {"SIMPLE_JWT": {"ROTATE_REFRESH_TOKENS": True}}),
        ("W015", {}),
        ("W016", {"DATABASES": postgres(CONN_MAX_AGE=60)}),
        ("W017", {"DATABASES": postgres()}),
        ("W018", {"CHANNEL_LAYERS": {"default": CORE}}),
        ("W020", {"USE_TZ": False, "TIME_ZONE": "America/Chicago"}),
        ("W021", {"CHANNEL_LAYERS": {"default": PUBSUB}}),
        ("W023", {"CHANNEL_LAYERS": {"default": PUBSUB}}),
        ("W024", {"REST_FRAMEWORK": {}}),
        ("W022", {"MEDIA_ROOT": "", "BASE_DIR": Path.cwd()}),
    ],
)
def test_the_remedy_on_the_page_silences_the_check(
    settings: LazySettings, other: Other, install: Install, monkeypatch: pytest.MonkeyPatch, number: str, bad: Any
) -> None:
    install("redis", "8.0.0")
    monkeypatch.setenv("JWT_SIGNING_KEY", "k" * 86)
    site = {
        "INSTALLED_APPS": [app for app in settings.INSTALLED_APPS if app != BLACKLIST],
        "DATABASES": {"default": {"ENGINE": SQLITE}},
        **bad,
    }

    def apply() -> None:
        other(**site["DATABASES"]["default"])
        for name in site.keys() - {"DATABASES"}:
            if name.isupper():
                setattr(settings, name, site[name])

    apply()
    assert warned_of(number)
    exec(remedy(number), site)
    apply()
    assert not warned_of(number)


def remedy(number: str) -> str:
    [title] = [each for each in headings(CHECKS, 3) if each.startswith(number)]
    return "\n".join(line.text for line in section(CHECKS, title) if line.language == "python")


# A new project


def check(project: Project, *options: str) -> tuple[int, list[str]]:
    """The exit code, and the checks that are named."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--tag=bpo_chat", *options],
        cwd=project.cwd,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, sorted(re.findall(r"bpo_chat\.([EW]\d{3})", done.stdout + done.stderr))


@pytest.mark.processes
def test_a_new_project_with_the_lines_of_the_readme_is_silent_until_it_is_deployed(project: Project) -> None:
    project.run("django-admin startproject mysite")
    project.run("cd mysite")
    project.follow(blocks(README, "python", below=INTEGRATION))
    assert project.run("python manage.py check") == "System check identified no issues (0 silenced).\n"
    assert check(project, "--deploy", "--fail-level=WARNING") == (1, ["W011", "W014", "W015", "W022", "W024"])

    project.write('# mysite/settings.py, at the end\n\nSECRET_KEY = "too short to sign with"')
    assert check(project, "--deploy") == (0, ["W011", "W012", "W014", "W015", "W022", "W024"])
