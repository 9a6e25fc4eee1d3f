"""Authentication classes as other packages have them: what they find counts at both doors, and no longer than it is
true."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.http import HttpRequest
from django.test import Client
from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication

from tests.clients import Dial
from tests.fixtures import Configure
from tests.person import Bearer, Person

pytest_plugins = ["tests.sockets"]

pytestmark = [pytest.mark.users, pytest.mark.django_db]


class Tokens(BaseAuthentication):
    def authenticate(self, request: Any) -> tuple[Any, Any] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.user_of(token) if scheme == "Bearer" else None

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"

    def user_of(self, token: str) -> tuple[Any, Any]:
        raise NotImplementedError


class Stateless(Tokens):
    """Believes what the token says, and looks the user up when somebody asks for them."""

    def user_of(self, token: str) -> tuple[Any, Any]:
        return SimpleLazyObject(lambda: get_user_model().objects.get(pk=token)), {"exp": time.time() + 300}


class SessionKeys(Tokens):
    """The token is the key of a session of Django's."""

    def user_of(self, token: str) -> tuple[Any, Any]:
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(token)
        return get_user(request), request.session


def test_a_user_who_is_looked_up_late_is_a_user(configure: Configure, dial: Dial, wali: Person) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{__name__}.Stateless"])
    uri = Bearer(str(wali.user.pk)).post("chats/", {}).done()["uri"]
    socket = dial()
    socket.introduce(token=str(wali.user.pk))
    assert [chat["uri"] for chat in socket.ready["chats"]] == [uri]
    sent = socket.ask("message.send", chat=uri, message="Hello")["message"]
    assert sent["user"] == {"username": wali.username}


@pytest.mark.parametrize(
    "end", [Person.deactivate, lambda person: person.user.delete()], ids=["deactivated", "deleted"]
)
def test_a_user_who_is_looked_up_late_and_is_no_more_is_nobody(
    configure: Configure, dial: Dial, wali: Person, end: Callable[[Person], None]
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{__name__}.Stateless"])
    token = str(wali.user.pk)
    end(wali)
    answer = Bearer(token).get("chats/")
    assert (answer.status, answer.json["code"]) == (401, "not_authenticated")
    for headers, hello in (({}, {"token": token}), ({"Authorization": f"Bearer {token}"}, {})):
        assert dial(headers=headers).refusal(**hello) == 4401


def test_a_session_that_is_shown_as_a_token_ends_its_sockets_at_log_out(
    configure: Configure, dial: Dial, wali: Person
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{__name__}.SessionKeys"])
    browser, other = Client(), Client()
    sockets = []
    for each in (browser, browser, other):
        each.force_login(wali.user)
        sockets.append(dial())
        sockets[-1].introduce(token=each.session.session_key)
    browser.logout()
    assert [socket.hear_close() for socket in sockets[:2]] == [4401, 4401]
    assert not sockets[2].heard()
