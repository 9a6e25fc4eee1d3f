"""What the tests of a site may have of their own: a client of the API."""

from __future__ import annotations

from typing import Protocol

import pytest
from rest_framework.test import APIClient

from django_bpo_chat.testing import access_token
from django_bpo_chat.users import User


class Api(APIClient):
    default_format = "json"


class LogIn(Protocol):
    def __call__(self, user: User | None = None) -> Api: ...


@pytest.fixture
def api() -> LogIn:
    """A client of this user, or of nobody: ``api(wali)``."""

    def log_in(user: User | None = None) -> Api:
        client = Api()
        if user is not None:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(user)}")
        return client

    return log_in
