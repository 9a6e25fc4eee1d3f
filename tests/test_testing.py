"""What the package gives to the tests of a site, used as such a test would."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.test import Client

from django_bpo_chat import operations
from django_bpo_chat.testing import ChatSocket, Closed, Event, access_token, make_user, recorded_events
from django_bpo_chat.users import handle, stored_users
from tests.fixtures import Configure
from tests.servers import example_environment

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


@pytest.mark.django_db(transaction=True)
def test_each_open_recording_records_and_sockets_hear_once(
    chat_user: MakeUser, chat_events: list[Event], chat_socket: Connect
) -> None:
    wali = chat_user("wali")
    uri = operations.start_group(actor=wali).uri
    socket = chat_socket(wali)
    with recorded_events() as outer:
        operations.send_message(actor=wali, chat=uri, text="one")
        with recorded_events() as inner:
            operations.send_message(actor=wali, chat=uri, text="two")
        operations.send_message(actor=wali, chat=uri, text="three")

    def texts(events: list[Event]) -> list[str]:
        return [message["message"] for event in events for message in event.frame.get("messages", [])]

    assert texts(inner) == ["two"]
    assert texts(outer) == texts(chat_events) == ["one", "two", "three"]
    assert [socket.hear()["version"] for _ in range(3)] == [2, 3, 4]


taken: list[Any] = []


def take(envelope: Any) -> None:
    """A site's own bus."""
    taken.append(envelope)


@pytest.mark.django_db(transaction=True)
def test_a_recording_goes_on_where_the_settings_change(
    chat_user: MakeUser, chat_events: list[Event], configure: Configure
) -> None:
    taken.clear()
    configure(BUS=f"{__name__}.take")
    operations.start_group(actor=chat_user("wali"))
    assert [event.kind for event in chat_events] == ["changes"]
    assert [envelope["kind"] for envelope in taken] == ["changes"]


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


def test_who_records_has_a_database_that_commits(chat_user: MakeUser, chat_events: list[Event]) -> None:
    """Where nothing is committed nothing is announced, and a test that something is not would always pass."""
    operations.start_group(actor=chat_user("wali"))
    assert [event.kind for event in chat_events] == ["changes"]


@pytest.mark.parametrize("secure", [False, True])
def test_where_a_site_takes_no_such_token_a_user_has_a_session(
    configure: Configure, settings: LazySettings, chat_user: MakeUser, chat_socket: Connect, secure: bool
) -> None:
    configure(AUTHENTICATION_CLASSES=["rest_framework.authentication.SessionAuthentication"])
    settings.SESSION_COOKIE_SECURE = secure
    wali = chat_user("wali")
    socket = chat_socket(wali, headers={"user-agent": "test"})
    assert socket.ready["user"] == {"username": handle(wali)}
    Session.objects.get().delete()
    with pytest.raises(Closed):
        chat_socket(access_token(wali))


def test_a_site_with_tokens_of_another_kind_says_itself_how_to_log_in(
    configure: Configure, chat_user: MakeUser, chat_socket: Connect
) -> None:
    configure(AUTHENTICATION_CLASSES=["rest_framework.authentication.BasicAuthentication"])
    wali = chat_user("wali", password="lemonade at noon")
    secret = base64.b64encode(f"{wali.get_username()}:lemonade at noon".encode()).decode()
    for socket in (chat_socket(headers={"Authorization": f"Basic {secret}"}), chat_socket(secret)):
        assert socket.ready["user"] == {"username": handle(wali)}


@pytest.mark.django_db(transaction=True)
def test_a_stranger_is_sent_away() -> None:
    with pytest.raises(Closed) as closed, ChatSocket("garbage"):
        pass
    assert closed.value.code == 4401


@pytest.mark.django_db
def test_who_is_not_committed_is_a_stranger_and_the_error_says_so(chat_user: MakeUser) -> None:
    with pytest.raises(Closed, match="plain TestCase") as closed, ChatSocket(chat_user("wali")):
        pass
    assert closed.value.code == 4401
    assert str(pickle.loads(pickle.dumps(closed.value))) == str(closed.value)
    assert str(Closed(4403)) == "4403"


@pytest.mark.django_db(transaction=True)
def test_silence_ends_in_an_error() -> None:
    with ChatSocket(make_user("wali"), timeout=0.5) as socket, pytest.raises(TimeoutError):
        socket.hear()


async def mute(scope: Any, receive: Any, send: Any) -> None:
    """A server that takes a client in, and then says nothing."""
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """A server that closes, and then waits for the client to have gone."""
    await send({"type": "websocket.close", "code": 4403})
    while (await receive())["type"] != "websocket.disconnect":
        pass


@pytest.mark.parametrize(
    ("application", "timeout", "error"), [(mute, 0, TimeoutError), (mute, 0.5, TimeoutError), (refusing, 10, Closed)]
)
def test_a_socket_that_cannot_be_opened_leaves_nothing_behind(
    application: Any, timeout: float, error: type[Exception]
) -> None:
    before = set(threading.enumerate())
    with pytest.raises(error), ChatSocket("token", application=application, timeout=timeout):
        pass
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_server_that_does_not_end_does_not_hold_up_the_tests() -> None:
    script = (
        "import asyncio, django; django.setup()\n"
        "from django_bpo_chat.testing import ChatSocket\n"
        "async def deaf(scope, receive, send): await asyncio.sleep(3600)\n"
        "with ChatSocket(application=deaf, timeout=0.1): pass"
    )
    environment = example_environment(DJANGO_SETTINGS_MODULE="tests.settings", PYTHONPATH=":".join(sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert "TimeoutError: The server has said nothing" in done.stderr


def test_the_plugin_imports_nothing_before_there_are_settings() -> None:
    script = (
        "import sys, django_bpo_chat.pytest_plugin; assert not any(name.startswith('django.') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
