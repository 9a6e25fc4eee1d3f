"""What the package gives to the tests of a site, used as such a test would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from django_bpo_chat import operations
from django_bpo_chat.testing import ChatSocket, Closed, Event, access_token, make_user
from django_bpo_chat.users import handle, stored_users

pytestmark = pytest.mark.users

MakeUser = Callable[..., Any]
Connect = Callable[..., ChatSocket]


def test_a_user_is_made_as_a_sign_up_makes_one(chat_user: MakeUser) -> None:
    wali, mabel = chat_user("wali"), chat_user("mabel", password="lemonade at noon")
    assert not wali.has_usable_password()
    assert mabel.check_password("lemonade at noon")
    assert {handle(user) for user in stored_users()} == {handle(wali), handle(mabel)}
    headers = {"Authorization": f"Bearer {access_token(wali)}"}
    assert Client().get("/api/v1/users/me/", headers=headers).json()["email"] == "wali@example.com"


@pytest.mark.django_db(transaction=True)
def test_what_is_announced_is_recorded_and_heard_as_well(
    chat_user: MakeUser, chat_events: list[Event], chat_socket: Connect
) -> None:
    wali, mabel = chat_user("wali"), chat_user("mabel")
    chat = operations.start_group(actor=wali, title="Picnic", members=[handle(mabel)])
    socket = chat_socket(mabel)
    operations.send_message(actor=wali, chat=chat.uri, text="Hello")
    assert [(event.kind, event.chat) for event in chat_events if event.kind == "changes"] == [("changes", chat.uri)] * 2
    assert chat_events[-1].frame["messages"][0]["message"] == "Hello"
    assert socket.hear() == chat_events[-1].frame


def test_a_socket_speaks_and_hears(chat_user: MakeUser, chat_socket: Connect) -> None:
    wali, mabel = chat_user("wali"), chat_user("mabel")
    uri = operations.start_group(actor=wali, members=[handle(mabel)]).uri
    walis, mabels = chat_socket(wali), chat_socket(mabel)
    assert walis.ready["chats"] == [{"uri": uri, "version": 1, "unread_count": 0}]
    answer = walis.ask("message.send", chat=uri, message="Hello")
    assert answer["message"]["seq"] == 1
    assert walis.hear()["messages"] == mabels.hear()["messages"] == [answer["message"]]
    wali.delete()
    with pytest.raises(Closed) as closed:
        list(iter(walis.hear, None))
    assert closed.value.code == 4401
    assert mabels.ask("read", chat=uri, seq=1)["unread_count"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_stranger_is_sent_away() -> None:
    with pytest.raises(Closed) as closed, ChatSocket("garbage"):
        pass
    assert closed.value.code == 4401


@pytest.mark.django_db(transaction=True)
def test_silence_ends_in_an_error() -> None:
    with ChatSocket(access_token(make_user("wali")), timeout=0.5) as socket, pytest.raises(TimeoutError):
        socket.hear()


def test_the_plugin_imports_nothing_before_there_are_settings() -> None:
    script = (
        "import sys, django_bpo_chat.pytest_plugin; assert not any(name.startswith('django.') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
