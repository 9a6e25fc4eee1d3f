"""Who is typing: the others hear of it at once, not too often, and only while both are members."""

from __future__ import annotations

import time
from typing import Any

import pytest
from rest_framework.permissions import BasePermission

from django_bpo_chat import events
from django_bpo_chat.live import bus, hub, pace, session
from django_bpo_chat.testing import recorded_events
from tests.clients import Connect, Frame
from tests.fixtures import Configure
from tests.layers import keeping_events
from tests.person import Person
from tests.socket_queries import counting_socket_queries

pytest_plugins = ["tests.sockets"]


def typing(uri: str, person: Person) -> Frame:
    return {"type": "typing", "chat": uri, "username": person.username}


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hear of every frame that says that somebody is typing."""
    monkeypatch.setattr(pace, "TYPING_SECONDS", 0)


@pytest.mark.users
def test_the_other_members_hear_who_is_typing(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel, otis)
    walis, other_walis, mabels, otises = connect(wali), connect(wali), connect(mabel), connect(otis)

    assert walis.ask("typing", id="t1", chat=uri) == {"type": "ok", "id": "t1"}
    assert mabels.hear() == typing(uri, wali)

    walis.say("typing", chat=other)
    assert mabels.hear() == otises.hear() == typing(other, wali)

    # Whoever types knows it, wherever they sit; and without an id there is no answer.
    assert walis.heard() == other_walis.heard() == mabels.heard() == otises.heard() == []


def test_it_is_told_once_in_three_seconds_per_person_and_chat(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    assert pace.TYPING_SECONDS == 3
    monkeypatch.setattr(pace, "TYPING_SECONDS", 0.5)
    uri, other = wali.start(mabel), wali.start(mabel)
    walis, second_tab, mabels = connect(wali), connect(wali), connect(mabel)

    for socket in [walis, second_tab] * 5:
        assert socket.ask("typing", chat=uri)["type"] == "ok"
    assert mabels.hear() == typing(uri, wali)

    walis.ask("typing", chat=other)
    mabels.ask("typing", chat=uri)
    assert mabels.hear() == typing(other, wali)
    assert walis.hear() == typing(uri, mabel)
    assert walis.heard() == second_tab.heard()[1:] == mabels.heard() == []

    time.sleep(0.6)
    walis.ask("typing", chat=uri)
    assert mabels.heard() == [typing(uri, wali)]


def test_what_is_said_too_soon_is_told_to_no_process(connect: Connect, wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    walis = connect(wali)
    with recorded_events() as recorded:
        for _ in range(3):
            for chat in (uri, other):
                walis.ask("typing", chat=chat)
    assert [(event.kind, event.chat, event.frame) for event in recorded] == [
        ("typing", chat, typing(chat, wali)) for chat in (uri, other)
    ]


def test_a_person_with_sockets_in_two_processes_is_told_of_as_often_as_one_with_one(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    walis.ask("typing", chat=uri)
    for _ in range(3):  # as from other processes, each of which has not heard it from this person before
        bus.publish(events.typing_envelope(uri, wali.user))
    assert mabels.hear() == typing(uri, wali)
    assert mabels.heard() == []


@pytest.mark.usefixtures("quickly")
def test_typing_asks_the_database_nothing_once_the_chat_is_known(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    with counting_socket_queries() as counts:
        walis, mabels = connect(wali), connect(mabel)
        walis.ask("typing", chat=uri)
        assert mabels.hear() == typing(uri, wali)
        counts.clear()
        for _ in range(20):
            walis.ask("typing", chat=uri)
            assert mabels.hear() == typing(uri, wali)
        assert counts.total() == 0


def test_strangers_are_answered_as_ever_and_nobody_hears_them(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    joinable, hidden = wali.start(mabel), wali.start(mabel)
    wali.edit_chat(hidden, joinable=False)
    mabels, otises = connect(mabel), connect(otis)
    for _ in range(2):  # the second time the chat is held
        assert otises.ask("typing", chat=joinable)["code"] == "not_a_member"
        refusals = [otises.ask("typing", id=1, chat=uri) for uri in (hidden, "A" * 22, "", "/", "x" * 9999)]
        assert refusals == [{"type": "error", "id": 1, "code": "not_found", "detail": "Not found."}] * 5
        for uri in (joinable, hidden):
            wali.send(uri)
            assert mabels.hear()["type"] == "changes"
    otises.say("typing", chat=joinable)
    assert otises.hear()["code"] == "not_a_member"
    assert otises.heard() == mabels.heard() == []


def test_a_frame_without_a_chat_is_an_error(connect: Connect, wali: Person) -> None:
    socket = connect(wali)
    assert socket.ask("typing")["code"] == "invalid"
    for chat in [None, 5, [], {}, True]:
        assert socket.ask("typing", chat=chat)["code"] == "invalid"


@pytest.mark.users
@pytest.mark.usefixtures("quickly")
def test_whoever_is_out_neither_hears_nor_is_heard(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    walis, mabels, otises = connect(wali), connect(mabel), connect(otis)
    walis.ask("typing", chat=uri)
    assert mabels.hear() == otises.hear() == typing(uri, wali)
    mabels.ask("typing", chat=uri)
    assert walis.hear() == otises.hear() == typing(uri, mabel)

    wali.remove(uri, mabel)
    for socket in (walis, mabels, otises):
        assert socket.hear()["type"] == "changes"
    walis.ask("typing", chat=uri)
    assert otises.hear() == typing(uri, wali)
    assert mabels.ask("typing", chat=uri)["code"] == "not_a_member"
    bus.publish(events.typing_envelope(uri, mabel.user))  # said before it was known, told after
    assert walis.heard() == mabels.heard() == otises.heard() == []

    mabel.join(uri)
    assert mabels.hear()["type"] == "changes"
    mabels.ask("typing", chat=uri)
    assert [walis.hear()["type"], walis.hear()] == ["changes", typing(uri, mabel)]


@pytest.mark.usefixtures("quickly")
def test_whoever_has_just_joined_may_type_before_the_hub_has_heard_of_it(
    configure: Configure, connect: Connect, wali: Person, mabel: Person
) -> None:
    configure(BUS="tests.layers.publish", SWEEP_SECONDS=3600)
    uri = wali.start()
    walis, mabels = connect(wali), connect(mabel)
    wali.send(uri)
    assert walis.hear()["version"] == 2
    with keeping_events() as kept:
        mabel.join(uri)
    assert mabels.ask("typing", chat=uri)["type"] == "ok"
    bus.publish(kept[0])
    while walis.hear()["version"] < 3:
        pass
    mabels.ask("typing", chat=uri)
    assert walis.hear() == typing(uri, mabel)


@pytest.mark.usefixtures("quickly")
def test_large_chats_do_not_tell_who_is_typing(
    configure: Configure, connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(PRESENCE_MEMBERS=2)
    small, large = wali.start(mabel), wali.start(mabel, otis)
    walis, mabels, otises = connect(wali), connect(mabel), connect(otis)
    for _ in range(2):
        assert walis.ask("typing", chat=large)["type"] == "ok"
        assert walis.ask("typing", chat=small)["type"] == "ok"
        assert mabels.hear() == typing(small, wali)
    with recorded_events() as recorded:
        walis.ask("typing", chat=large)
    assert recorded == []  # not even other processes are bothered
    otis.leave(large)
    assert mabels.hear()["type"] == "changes"
    walis.ask("typing", chat=large)
    assert mabels.hear() == typing(large, wali)
    assert [frame["type"] for frame in otises.heard()] == ["changes"]


class Readers(BasePermission):
    """Lets everybody read, and those of this name do no more than that."""

    name = "mabel"
    asked: list[str] = []

    def has_permission(self, request: Any, view: Any) -> bool:
        if request.method != "GET":
            self.asked.append(view.kwargs["uri"])
        return bool(request.method == "GET" or request.user.email != f"{self.name}@email.com")


@pytest.mark.users
@pytest.mark.usefixtures("quickly")
def test_typing_is_permitted_to_those_who_may_send(
    configure: Configure, connect: Connect, monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    configure(PERMISSION_CLASSES=[f"{__name__}.Readers"])
    walis, mabels = connect(wali), connect(mabel)
    for _ in range(3):
        assert mabels.ask("typing", chat=uri)["code"] == "not_allowed"
        assert walis.ask("typing", chat=uri)["type"] == "ok"
        assert mabels.hear() == typing(uri, wali)
    assert walis.heard() == []


@pytest.mark.usefixtures("quickly")
def test_the_classes_of_the_site_are_not_asked_each_time(
    configure: Configure, connect: Connect, monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    monkeypatch.setattr(Readers, "name", "nobody")
    monkeypatch.setattr(Readers, "asked", [])
    monkeypatch.setattr(session, "MOST_PERMITTED", 2)
    uris = [wali.start(mabel) for _ in range(3)]
    configure(PERMISSION_CLASSES=[f"{__name__}.Readers"], SWEEP_SECONDS=3600)
    walis, mabels = connect(wali), connect(mabel)

    def type_in(uri: str) -> None:
        walis.ask("typing", chat=uri)
        assert mabels.hear() == typing(uri, wali)

    type_in(uris[0])
    for _ in range(10):
        type_in(uris[0])
    assert 1 <= len(Readers.asked) <= 2  # once to find out that they are a member, once they are known as one

    # What is remembered of one socket has an end.
    for _ in range(3):
        for uri in uris:
            type_in(uri)
    assert len(Readers.asked) > 6

    # A fresh token may be permitted less.
    Readers.asked.clear()
    type_in(uris[2])
    walis.ask("auth", token=wali.log_in()["access"])
    monkeypatch.setattr(Readers, "name", "wali")
    assert walis.ask("typing", chat=uris[2])["code"] == "not_allowed"


def test_an_event_of_a_kind_that_a_release_does_not_know_is_passed_over(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    mabels = connect(mabel)
    bus.publish({"v": events.ENVELOPE_VERSION, "kind": "of the next release", "chat": uri, "frame": "{}"})
    wali.send(uri)
    assert mabels.hear()["type"] == "changes"
    assert mabels.heard() == []


def test_a_bus_that_fails_is_no_matter_of_whoever_types(
    configure: Configure, connect: Connect, caplog: pytest.LogCaptureFixture, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    walis = connect(wali)
    configure(BUS=f"{__name__}.no_bus")
    assert walis.ask("typing", chat=uri)["type"] == "ok"
    assert "There is no bus." in caplog.text
    caplog.get_records("call").clear()


def no_bus(envelope: Any) -> None:
    raise RuntimeError("There is no bus.")


# Memory


def test_what_is_remembered_of_who_has_typed_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MOST_REMEMBERED", 100)
    kept = pace.Pace()
    assert [kept.allows(("wali", str(n)), now=0) for n in range(1000)] == [True] * 1000
    assert len(kept) == 100
    assert not kept.allows(("wali", "999"), now=2)
    assert kept.allows(("mabel", "1"), now=4)
    assert len(kept) == 1


def test_strangers_who_type_in_chats_that_there_are_not_take_no_room(connect: Connect, wali: Person) -> None:
    joinable = Person("mabel").start()
    walis = connect(wali)
    for uri in [joinable, *(f"{n:022}" for n in range(50))]:
        assert walis.ask("typing", chat=uri)["type"] == "error"
    [running] = hub._hubs.values()
    assert list(running._rooms) == []
