"""What the system checks say of a site's settings."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.core.checks import CheckMessage, run_checks
from django.urls import clear_url_caches


def messages() -> dict[str, CheckMessage]:
    return {message.id: message for message in run_checks() if message.id and message.id.startswith("bpo_chat")}


def test_the_example_project_has_nothing_to_hear() -> None:
    assert messages() == {}


def test_settings_that_are_no_dict_are_an_error(settings: LazySettings) -> None:
    settings.BPO_CHAT = ["SWEEP_SECONDS"]
    assert list(messages()) == ["bpo_chat.E001"]


def test_a_setting_that_does_not_exist_is_an_error_with_a_suggestion(settings: LazySettings) -> None:
    settings.BPO_CHAT = {"SWEEP_SECOND": 3}
    assert messages()["bpo_chat.E002"].hint == "Did you mean 'SWEEP_SECONDS'?"


@pytest.mark.parametrize(("urlconf", "ids"), [("config.urls", ["bpo_chat.W001"]), ("django_bpo_chat.api.urls", [])])
def test_log_out_without_the_blacklist_is_warned_of(settings: LazySettings, urlconf: str, ids: list[str]) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if not app.endswith("token_blacklist")]
    settings.ROOT_URLCONF = urlconf
    clear_url_caches()
    assert list(messages()) == ids
