"""What is shown of people stands in another table, which their ``card`` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.clients import Connect
from tests.person import Answer, Person, only_with
from tests.test_cookbook import COOKBOOK, name_adapter

__all__ = ["name_adapter"]

pytest_plugins = ["tests.sockets"]
pytestmark = [pytest.mark.users, only_with("uuid_user.User")]

Crowd = Callable[[int], Sequence[Person]]


@pytest.fixture
def colorful(name_adapter: Callable[[Path, str], None]) -> None:
    name_adapter(COOKBOOK, "mysite/colors.py")


def paint(people: Sequence[Person], color: str) -> None:
    from tests.hosts.uuid_user.models import Profile

    Profile.objects.bulk_create(Profile(user=person.user, color=color) for person in people)


def test_the_card_is_shown_at_both_doors(colorful: None, connect: Connect, wali: Person, mabel: Person) -> None:
    paint([wali, mabel], "green")
    uri = wali.start(mabel)
    sockets = connect(wali), connect(mabel)
    message = sockets[0].ask("message.send", chat=uri, message="Hello")["message"]
    assert message["user"] == sockets[0].ready["user"] == {"username": wali.username, "color": "green"}
    for socket in sockets:
        assert socket.hear()["messages"] == [message]
    assert [member["color"] for member in wali.chat(uri)["members"]] == ["green", "green"]


@pytest.mark.django_db
def test_cards_cost_the_same_for_many_as_for_few(colorful: None, wali: Person, crowd: Crowd) -> None:
    others = crowd(20)
    paint([wali, *others], "green")
    wali.get("users/me/").done()  # to log in is not what is measured

    def calls(people: Sequence[Person]) -> Iterator[tuple[str, Callable[[], Answer]]]:
        names = [person.username for person in people]
        yield "start", lambda: wali.post("chats/", {"members": names})
        uri = wali.start(*people)
        for person in people:
            person.send(uri)
        yield "chat", lambda: wali.get(f"chats/{uri}/")
        yield "members", lambda: wali.get(f"chats/{uri}/members/")
        yield "messages", lambda: wali.get(f"chats/{uri}/messages/")
        yield "changes", lambda: wali.get(f"chats/{uri}/changes/?since=0")
        yield "send", lambda: wali.post(f"chats/{uri}/messages/", {"message": "Hello"})

    def cost(call: Callable[[], Answer]) -> int:
        with CaptureQueriesContext(connection) as queries:
            call().done()
        return len(queries)

    few, many = ({name: cost(call) for name, call in calls(people)} for people in (others[:2], others))
    assert few == many
