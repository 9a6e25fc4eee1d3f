"""A user model with a required field that no sign-up asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from tests.fixtures import Configure
from tests.hosts.conftest import LogIn
from tests.person import only_with

pytestmark = [pytest.mark.users, only_with("email_user.User"), pytest.mark.django_db]

SIGN_UP = "/api/v1/users/signup/"
SECRET = "lemonade at noon"
INES = {"username": "ines", "email": "ines@example.com", "password": SECRET, "password2": SECRET}


def test_the_adapter_fills_what_the_site_requires(api: LogIn, chat_user: Callable[..., Any]) -> None:
    assert api().post(SIGN_UP, INES).status_code == 201
    for user in (get_user_model().objects.get(), chat_user("wali")):
        assert (user.nickname, user.full_name) == (user.email.partition("@")[0], "Somebody")


def test_what_the_site_requires_and_nobody_fills_is_named(configure: Configure, api: LogIn) -> None:
    configure(ADAPTER="django_bpo_chat.adapter.Adapter")
    answer = api().post(SIGN_UP, INES)
    assert (answer.status_code, answer.json().keys()) == (400, {"full_name"})
