"""A user model with a required field that no sign-up asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures import Configure
from tests.person import PASSWORD, Visitor, account, only_with

pytestmark = [pytest.mark.users, only_with("email_user.User")]

INES = {"username": "ines", "email": "ines@email.com", "password": PASSWORD, "password2": PASSWORD}


def test_the_adapter_fills_what_the_site_requires(visitor: Visitor) -> None:
    visitor.post("users/signup/", INES).done()
    ines: Any = account("ines@email.com")
    assert (ines.nickname, ines.full_name) == ("ines", "Somebody")


def test_what_the_site_requires_and_nobody_fills_is_named(configure: Configure, visitor: Visitor) -> None:
    configure(ADAPTER="django_bpo_chat.adapter.Adapter")
    answer = visitor.post("users/signup/", INES)
    assert (answer.status, answer.json.keys()) == (400, {"full_name"})
