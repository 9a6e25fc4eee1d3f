"""What is shown of people stands in another table, which their ``card`` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import operations
from django_bpo_chat.models import Membership
from django_bpo_chat.testing import ChatSocket
from django_bpo_chat.users import User, handle
from tests.hosts.conftest import LogIn
from tests.person import only_with
from tests.test_cookbook import COOKBOOK, name_adapter

__all__ = ["name_adapter"]

pytestmark = [pytest.mark.users, only_with("uuid_user.User"), pytest.mark.django_db]

CHATS = "/api/v1/chats/"


@pytest.fixture
def colorful(name_adapter: Callable[[Path, str], None]) -> None:
    name_adapter(COOKBOOK, "profiles/chat.py")


@pytest.fixture
def green_user(chat_user: Callable[..., Any]) -> Callable[[str], User]:
    from tests.hosts.uuid_user.models import Profile

    def make(name: str) -> User:
        return Profile.objects.create(user=chat_user(name), color="green").user

    return make


def test_the_card_is_shown_at_both_doors(
    colorful: None, api: LogIn, green_user: Callable[[str], User], chat_socket: Callable[..., ChatSocket]
) -> None:
    wali, mabel = green_user("wali"), green_user("mabel")
    uri = operations.start_group(actor=wali, members=[handle(mabel)]).uri
    sockets = chat_socket(wali), chat_socket(mabel)
    message = sockets[0].ask("message.send", chat=uri, message="Hello")["message"]
    assert message["user"] == sockets[0].ready["user"] == {"username": handle(wali), "color": "green"}
    for socket in sockets:
        assert socket.hear()["messages"] == [message]
    members = api(wali).get(f"{CHATS}{uri}/").json()["members"]
    assert [member["color"] for member in members] == ["green", "green"]


def test_cards_cost_the_same_for_many_as_for_few(colorful: None, api: LogIn, green_user: Callable[[str], User]) -> None:
    wali, *others = (green_user(f"person{n}") for n in range(21))
    for gray in others[::2]:
        gray.profile.delete()
    client = api(wali)

    def calls(people: Sequence[User]) -> Iterator[tuple[str, Callable[[], Any]]]:
        names = [handle(person) for person in people]
        yield "start", lambda: client.post(CHATS, {"members": names})
        uri = operations.start_group(actor=wali, members=names).uri
        for person in people:
            operations.send_message(actor=person, chat=uri, text="Hello")
        chat = f"{CHATS}{uri}/"
        yield "chat", lambda: client.get(chat)
        yield "members", lambda: client.get(f"{chat}members/")
        yield "messages", lambda: client.get(f"{chat}messages/")
        yield "changes", lambda: client.get(f"{chat}changes/?since=0")
        yield "send", lambda: client.post(f"{chat}messages/", {"message": "Hello"})

    def cost(call: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert call().status_code < 300
        return len(queries)

    few, many = ({name: cost(call) for name, call in calls(people)} for people in (others[:2], others))
    assert few == many


def test_whoever_is_a_teacher_no_more_keeps_their_chats(chat_user: Callable[..., Any]) -> None:
    from tests.hosts.uuid_user.models import Teacher

    wali, mabel = chat_user("wali"), chat_user("mabel")
    Teacher(user_ptr=mabel).save_base(raw=True)
    group = operations.start_group(actor=mabel, members=[handle(wali)])
    direct, _ = operations.start_direct(actor=mabel, username=handle(wali))
    Teacher.objects.get().delete(keep_parents=True)
    assert Membership.objects.present().of(mabel).count() == 2
    Teacher(user_ptr=mabel).save_base(raw=True)
    Teacher.objects.get().delete()
    for chat in (group, direct):
        chat.refresh_from_db()
        assert chat.member_count == 1
    assert group.owner == wali
