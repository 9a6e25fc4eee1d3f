"""What others do reaches those who may see it: at once, in order, once; and those who may not, not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.test import Client
from django.utils import timezone as django_timezone
from django.utils.translation import gettext_lazy
from websockets.client import ClientProtocol
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.uri import parse_uri

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.live import bus, hub
from django_bpo_chat.live.auth import Handshake, Login
from django_bpo_chat.live.sockets import MAX_QUEUED_FRAMES
from django_bpo_chat.models import Ban, Chat, Membership
from django_bpo_chat.testing import Event
from tests.clients import SECONDS, ChatSocket, Closed, Connect, Dial, Frame, ViewingClient, history
from tests.fixtures import Configure
from tests.layers import keeping_events
from tests.parallel import at_once
from tests.person import Bearer, Person
from tests.servers import LiveServer
from tests.socket_queries import counting_socket_queries

pytest_plugins = ["tests.sockets"]

User = get_user_model()


def texts(frames: Sequence[Frame]) -> list[str]:
    return [message["message"] for frame in frames for message in frame.get("messages", ())]


def own_rows(frame: Frame, person: Person) -> list[Frame]:
    return [member for member in frame.get("members", ()) if member["username"] == person.username]


# What others do


def test_what_happens_in_a_chat_is_heard_as_rest_tells_it(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel)
    hears = connect(mabel)
    acts: list[Callable[[], Any]] = [
        lambda: wali.send(uri, "Hello world", client_id="c1"),
        lambda: mabel.send(uri, "Hello wali"),
        lambda: wali.edit(uri, 1, "Hello you"),
        lambda: wali.erase(uri, 2),
        lambda: wali.edit_chat(uri, title="Greetings", joinable=True),
        lambda: otis.join(uri),
        lambda: wali.remove(uri, otis),
        lambda: wali.add(uri, otis),
        lambda: otis.leave(uri),
        lambda: wali.send(uri, f"Hello @{mabel.username}", reply_to=1),
        lambda: wali.react(uri, 1, "👍"),
        lambda: mabel.react(uri, 1, "🎉"),
        lambda: wali.take_back(uri, 1, "👍"),
        lambda: wali.change_role(uri, mabel, "admin"),
        lambda: wali.ban(uri, otis),
        lambda: mabel.unban(uri, otis),
        lambda: mabel.invite(uri),
        lambda: wali.change_role(uri, mabel, "owner"),
        lambda: mabel.change_role(uri, wali, "owner"),
        lambda: wali.edit_chat(uri, history="since_join"),
        lambda: wali.leave(uri),
    ]
    for version, act in enumerate(acts, start=2):
        act()
        frame = hears.hear()
        assert frame == {"type": "changes", **mabel.changes(uri, since=version - 1)}
        assert (frame["since"], frame["version"]) == (version - 1, version)
    assert hears.heard() == []


def test_what_changes_nothing_is_not_heard(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    hears = connect(mabel)
    wali.send(uri, "Hello world", client_id="c1")
    assert hears.hear()["version"] == 2

    wali.send(uri, "Hello world", client_id="c1")
    wali.edit(uri, 1, "Hello world")
    wali.edit_chat(uri, joinable=True, title="")
    mabel.join(uri)
    wali.add(uri, mabel)
    assert mabel.patch(f"chats/{uri}/messages/1/", {"message": "Mine"}).status == 403
    with transaction.atomic():
        operations.send_message(actor=wali.user, chat=uri, text="Never mind")
        transaction.set_rollback(True)
    wali.erase(uri, 1)
    wali.erase(uri, 1)

    assert [frame["version"] for frame in hears.heard()] == [3]


class Carding(Adapter):
    """Shows of everybody what a test has put here."""

    shown: ClassVar[Any] = None

    def card(self, user: Any) -> dict[str, Any]:
        if isinstance(self.shown, Exception):
            raise self.shown
        return {"shown": self.shown}


@pytest.fixture
def show(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Have everybody's card hold this, or fail with it: ``show("red")``."""
    configure(ADAPTER=f"{__name__}.Carding")
    return lambda value: monkeypatch.setattr(Carding, "shown", value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (datetime(2026, 5, 4, 3, 2, 1, 7, timezone(timedelta(hours=2))), "2026-05-04T01:02:01.000007Z"),
        (date(2026, 5, 4), "2026-05-04"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (gettext_lazy("Email address"), "Email address"),
        ({"a": ["\u00fc\u2028", None, 1.5]}, {"a": ["\u00fc\u2028", None, 1.5]}),
        ("half \ud83d of it", "half \ufffd of it"),
    ],
    ids=["datetime", "date", "UUID", "Decimal", "lazy text", "JSON", "lone surrogate"],
)
def test_a_card_reads_the_same_at_both_doors(
    connect: Connect, show: Callable[[Any], None], wali: Person, mabel: Person, value: Any, read: Any
) -> None:
    show(value)
    uri = wali.start(mabel)
    hears = connect(mabel)
    sent = wali.send(uri)
    assert sent["user"] == {"shown": read, "username": wali.username}
    assert hears.hear()["messages"] == wali.messages(uri)["results"] == [sent]
    assert hears.ask("message.send", chat=uri, message="Hello")["message"]["user"]["shown"] == read


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
@pytest.mark.django_db(transaction=True)
def test_a_card_that_is_no_json_is_a_defect_that_nobody_is_sent(
    show: Callable[[Any], None], chat_events: list[Event], wali: Person, value: Any
) -> None:
    uri = wali.start()
    wali.send(uri)
    show(value)
    for act in (lambda: wali.send(uri), lambda: wali.messages(uri)):
        with pytest.raises((ValueError, TypeError)):
            act()
    show("red")
    assert wali.chat(uri)["version"] == len(chat_events) == 2


@pytest.mark.users
def test_whoever_is_added_or_joins_hears_of_the_chat_and_from_then_on(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    walis, mabels, otises = connect(wali), connect(mabel), connect(otis)

    uri = wali.start(mabel)
    started = walis.hear()
    assert started == mabels.hear() == {"type": "changes", **wali.changes(uri, since=0)}
    assert [member["username"] for member in started["members"]] == [wali.username, mabel.username]
    assert started["details"]["owner"] == wali.username

    wali.send(uri, "Before otis")
    otis.join(uri)
    wali.send(uri, "After otis")
    assert texts([otises.hear(), otises.hear()]) == ["After otis"]
    assert walis.heard() == mabels.heard()

    personal = otis.start_direct(mabel)
    assert otises.hear() == mabels.hear() == {"type": "changes", **mabel.changes(personal, since=0)}
    assert walis.heard() == []


def test_strangers_hear_nothing(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    stranger, member = connect(otis), connect(mabel)
    wali.send(uri)
    wali.edit_chat(uri, title="Ours")
    wali.mark_read(uri, 1)
    mabel.mark_read(uri, 1)
    wali.remove(uri, mabel)
    assert len([member.hear() for _ in range(4)]) == 4
    assert stranger.heard() == []


def test_two_tabs_of_one_user_hear_the_same(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    one, other = connect(wali), connect(wali)
    assert one.ask("message.send", chat=uri, message="From one")["type"] == "ok"
    mabel.send(uri, "From mabel")
    assert texts([other.hear(), other.hear()]) == texts([one.hear(), one.hear()]) == ["From one", "From mabel"]
    assert one.heard() == other.heard() == []


def test_what_happens_while_a_socket_gets_ready_is_in_ready_or_comes_after(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    sockets = [connect(mabel)]
    at_once(
        lambda: [wali.send(uri) for _ in range(25)],
        lambda: sockets.extend(connect(mabel) for _ in range(5)),
    )
    for hears in sockets:
        [chat] = hears.ready["chats"]
        version = chat["version"]
        while version < 26:
            frame = hears.hear()
            assert frame["since"] <= version
            version = max(version, frame["version"])
        # What it has in ``ready`` already, it may hear once more.
        assert all(frame["version"] <= version for frame in hears.heard())


def test_a_burst_is_heard_in_order(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    walis, hears = connect(wali), connect(mabel)
    for n in range(220):
        walis.say("message.send", id=n, chat=uri, message=f"{n}")
    frames = [hears.hear() for _ in range(220)]
    assert texts(frames) == [f"{n}" for n in range(220)]
    assert [frame["version"] for frame in frames] == list(range(2, 222))
    assert hears.heard() == []


# Out


@pytest.mark.users
def test_whoever_is_out_is_told_once_and_hears_no_more(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    walis, mabels, otises = connect(wali), connect(mabel), connect(otis)
    version = 1
    ways: list[Callable[[], None]] = [
        lambda: wali.remove(uri, mabel),
        lambda: mabel.leave(uri),
        lambda: wali.ban(uri, mabel),
    ]
    for out in ways:
        out()
        version += 1
        farewell = mabels.hear()
        assert farewell == walis.hear() == otises.hear() == {"type": "changes", **wali.changes(uri, since=version - 1)}
        [row] = farewell["members"]
        assert (row["username"], row["left"], row["version"]) == (mabel.username, True, version)

        seq = wali.send(uri, "Without mabel")["seq"]
        wali.edit_chat(uri, title=f"Without mabel {version}")
        otis.mark_read(uri, seq)
        version += 2
        assert [walis.hear()["type"] for _ in range(3)] == [otises.hear()["type"] for _ in range(3)]
        assert mabels.heard() == []
        if Ban.objects.exists():
            assert mabels.ask("resume", chat=uri, since=0)["code"] == "not_found"
            wali.unban(uri, mabel)
            version += 1
            assert walis.hear() == otises.hear() == {"type": "changes", **wali.changes(uri, version - 1)}
            assert mabels.heard() == []
        assert mabels.ask("resume", chat=uri, since=0)["code"] == "not_a_member"

        mabel.join(uri)
        version += 1
        assert mabels.hear() == walis.hear() == otises.hear() == {"type": "changes", **mabel.changes(uri, version - 1)}
    wali.send(uri, "With mabel")
    assert texts([mabels.hear()]) == ["With mabel"]


@pytest.mark.users
def test_an_owner_who_leaves_is_told_no_more_than_that(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    wali.leave(uri)
    heard = mabels.hear()
    assert {member["username"]: member["role"] for member in heard["members"]}[mabel.username] == "owner"
    assert heard["details"]["owner"] == mabel.username
    farewell = walis.hear()
    assert [member["username"] for member in farewell["members"]] == [wali.username]
    assert (farewell["messages"], farewell["details"], farewell["version"]) == ([], None, 2)


def test_the_last_one_out_is_told_so(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    hears = connect(wali)
    wali.leave(uri)
    assert [member["left"] for member in hears.hear()["members"]] == [True]
    wali.join(uri)
    assert [member["left"] for member in hears.hear()["members"]] == [False]


def test_sends_that_race_with_a_removal_are_before_it_or_unheard(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    mabels, otises = connect(mabel), connect(otis)
    otis.send(uri, "At first")
    assert texts([mabels.hear(), otises.hear()]) == ["At first"] * 2

    def send() -> None:
        for n in range(20):
            otis.send(uri, f"{n}")

    def remove() -> None:
        for n in range(5):
            wali.send(uri, f"{n}")
        wali.remove(uri, mabel)

    at_once(send, send, remove)

    last = wali.chat(uri)["version"]
    assert [otises.hear()["version"] for _ in range(2, last)] == list(range(3, last + 1))
    *before, farewell = mabels.heard()
    assert [row["left"] for row in own_rows(farewell, mabel)] == [True]
    assert [frame["version"] for frame in before] == list(range(3, farewell["version"]))
    assert not any(own_rows(frame, mabel) for frame in before)


def test_a_resume_that_races_with_a_removal_says_nothing_after_the_farewell(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    with transaction.atomic():
        for n in range(50):
            operations.send_message(actor=wali.user, chat=uri, text=f"{n}")
    for _ in range(5):
        mabels = connect(mabel)
        for n in range(20):
            mabels.say("resume", id=n, chat=uri, since=0)
        wali.remove(uri, mabel)
        frames: list[Frame] = []
        while not (frames and frames[-1].get("id") == 19):
            frames.append(mabels.hear())
        frames += mabels.heard()
        [place] = [place for place, frame in enumerate(frames) if any(row["left"] for row in own_rows(frame, mabel))]
        assert {frame["type"] for frame in frames[place + 1 :]} <= {"error"}
        mabel.join(uri)


# What one may not see


def test_what_is_from_before_ones_time_is_an_empty_change(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(otis)
    wali.edit_chat(uri, history="since_join")
    wali.send(uri, "Secret")
    wali.send(uri, "Also secret")
    mabel.join(uri)
    mabels, otises = connect(mabel), connect(otis)

    wali.edit(uri, 1, "More secret")
    otis.react(uri, 1, "👍")
    wali.erase(uri, 2)
    for version in [6, 7, 8]:
        nothing = {"since": version - 1, "version": version, "messages": [], "members": [], "details": None}
        assert mabels.hear() == {"type": "changes", "chat": uri, **nothing, "more": False}
    assert mabels.resume(uri, since=5)[-1]["messages"] == []
    assert texts([otises.hear() for _ in range(3)]) == ["More secret", "More secret", ""]

    wali.send(uri, "Public", reply_to=1)
    wali.edit(uri, 3, "For everybody")
    for version in [9, 10]:
        frame = mabels.hear()
        assert frame == otises.hear() == {**frame, "since": version - 1, "version": version}
        assert [message["seq"] for message in frame["messages"]] == [3]


def test_whoever_comes_back_sees_as_much_as_a_newcomer(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.edit_chat(uri, history="since_join")
    wali.send(uri, "Seen")
    mabels = connect(mabel)
    mabel.leave(uri)
    wali.send(uri, "Missed")
    mabel.join(uri)
    assert [row["left"] for frame in (mabels.hear(), mabels.hear()) for row in frame["members"]] == [True, False]
    wali.edit(uri, 1, "Seen once")
    wali.edit(uri, 2, "Missed for ever")
    assert [(frame["messages"], frame["version"]) for frame in (mabels.hear(), mabels.hear())] == [([], 7), ([], 8)]
    assert [frame["messages"] for frame in mabels.resume(uri, since=0)] == [[]]


# Who has read


@pytest.mark.users
def test_members_hear_how_far_others_have_read(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    for _ in range(3):
        wali.send(uri)
    walis, mabels, other_mabels = connect(wali), connect(mabel), connect(mabel)

    mabel.mark_read(uri, 2)
    read = {"type": "read", "chat": uri, "username": mabel.username, "seq": 2}
    assert walis.hear() == mabels.hear() == other_mabels.hear() == read

    mabel.mark_read(uri, 2)
    mabel.mark_read(uri, 1)
    mabels.ask("read", chat=uri, seq=99)
    assert [{**read, "seq": 3}] == mabels.heard() == other_mabels.heard() == [walis.hear()]


@pytest.mark.users
def test_of_many_marks_in_a_moment_others_hear_the_first_and_the_last(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    for _ in range(20):
        wali.send(uri)
    walis, mabels = connect(wali), connect(mabel)
    for seq in range(1, 20):
        mabels.ask("read", chat=uri, seq=seq)
    otis.mark_read(uri, 7)
    assert [frame["seq"] for frame in mabels.heard() if frame["username"] == mabel.username] == [*range(1, 20)]

    heard: list[tuple[str, int]] = []
    while not {(mabel.username, 19), (otis.username, 7)}.issubset(heard):
        frame = walis.hear()
        heard.append((frame["username"], frame["seq"]))
    seqs = [seq for name, seq in heard if name == mabel.username]
    assert seqs == sorted(seqs)
    assert seqs[0] == 1
    assert len(seqs) < 19

    # Whoever is out by then has nothing more to tell.
    mabels.ask("read", chat=uri, seq=20)
    mabel.leave(uri)
    assert walis.hear()["type"] == "changes"
    time.sleep(1.2)
    assert walis.heard() == []


def test_a_read_mark_is_no_change_of_the_chat(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    walis = connect(wali)
    mabel.mark_read(uri, 1)
    wali.send(uri)
    assert [walis.hear()["type"], walis.hear()["type"]] == ["read", "changes"]
    assert wali.chat(uri)["version"] == 3


def test_large_chats_do_not_tell_who_has_read(
    configure: Configure, connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(READ_RECEIPT_MEMBERS=2)
    small, large = wali.start(mabel), wali.start(mabel, otis)
    walis = connect(wali)
    for uri in (large, small):
        wali.send(uri)
        assert walis.hear()["type"] == "changes"
        assert mabel.mark_read(uri, 1) == {"seq": 1, "unread_count": 0}
    assert [(frame["type"], frame["chat"]) for frame in walis.heard()] == [("read", small)]


# One's own view


def test_ones_own_clients_hear_of_ones_own_view_and_nobody_else(
    configure: Configure, connect: Connect, wali: Person, mabel: Person
) -> None:
    configure(READ_RECEIPT_MEMBERS=1)
    uri = wali.start(mabel)
    wali.send(uri)
    walis, *mabels = connect(wali), connect(mabel), connect(mabel)
    mabel.mark_read(uri, 1)
    mabel.mark_unread(uri, 0)
    mabel.mark_unread(uri, 0)
    mabel.prefer(uri, muted=True)
    read = {"type": "read", "chat": uri, "username": mabel.username}
    view = {"type": "me", "chat": uri, "muted": True, "pinned": False, "archived": False}
    for hears in mabels:
        assert hears.heard() == [{**read, "seq": 1}, {**read, "seq": 0}, view]
    assert walis.heard() == []


# Log-ins that end


@pytest.mark.users
def test_logging_out_closes_the_sockets_of_that_log_in(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    phone, laptop = mabel.log_in(), mabel.log_in()
    refreshed = mabel.post("users/refresh/", {"refresh": phone["refresh"]}).done()
    phones = [connect(mabel, phone["access"]), connect(mabel, refreshed["access"])]
    laptops = connect(mabel, laptop["access"])

    mabel.post("users/logout/", {"refresh": refreshed["refresh"]}).done()
    wali.send(uri)

    assert [socket.hear_close() for socket in phones] == [4401, 4401]
    assert texts([laptops.hear()]) == ["Hello world"]


@pytest.mark.users
def test_an_access_token_lives_to_its_expiry_at_both_doors(connect: Connect, mabel: Person) -> None:
    phone = mabel.log_in()
    mabel.post("users/logout/", {"refresh": phone["refresh"]}).done()
    assert Bearer(phone["access"]).get("chats/").status == 200
    assert connect(mabel, phone["access"]).heard() == []


@pytest.mark.users
def test_logging_out_of_the_site_closes_the_sockets_of_that_session(
    live: LiveServer, dial: Dial, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    browsers = [Client(), Client()]
    sockets = []
    for browser in browsers:
        browser.force_login(mabel.user)
        sockets.append(dial(headers={"Cookie": f"sessionid={browser.session.session_key}", "Origin": live.http}))
        sockets[-1].introduce()

    browsers[0].logout()
    wali.send(uri)

    assert sockets[0].hear_close() == 4401
    assert texts([sockets[1].hear()]) == ["Hello world"]


def test_whoever_comes_back_while_the_site_still_ends_the_session_is_refused(
    live: LiveServer, dial: Dial, wali: Person, mabel: Person
) -> None:
    """Django says that somebody has logged out before it ends the session; another receiver may take its time."""
    browser = Client()
    browser.force_login(mabel.user)
    headers = {"Cookie": f"sessionid={browser.session.session_key}", "Origin": live.http}
    sockets = [dial(headers=headers)]
    sockets[0].introduce()

    def come_back(**_: Any) -> None:
        assert sockets[0].hear_close() == 4401
        sockets.append(dial(headers=headers))
        assert sockets[1].refusal() == 4401

    user_logged_out.connect(come_back)
    try:
        browser.logout()
    finally:
        user_logged_out.disconnect(come_back)
    assert len(sockets) == 2


def delete(person: Person) -> None:
    person.user.delete()


@pytest.mark.users
@pytest.mark.parametrize("end", [Person.deactivate, Person.change_password, delete])
def test_an_account_that_ends_closes_its_sockets_at_once(
    live: LiveServer, connect: Connect, dial: Dial, wali: Person, mabel: Person, end: Callable[[Person], None]
) -> None:
    uri = wali.start(mabel)
    browser = Client()
    browser.force_login(mabel.user)
    by_session = dial(headers={"Cookie": f"sessionid={browser.session.session_key}", "Origin": live.http})
    by_session.introduce()
    walis, mabels = connect(wali), [connect(mabel), connect(mabel), by_session]

    end(mabel)

    assert [socket.hear_close() for socket in mabels] == [4401] * 3
    wali.send(uri)
    assert texts([walis.hear()]) == ["Hello world"]


@pytest.mark.users
@pytest.mark.parametrize("end", [Person.deactivate, Person.change_password, delete])
def test_an_account_that_ends_while_a_socket_gets_ready_closes_it(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    dial: Dial,
    wali: Person,
    end: Callable[[Person], None],
) -> None:
    """After the login, and before this process would hear of it."""
    configure(SWEEP_SECONDS=3600)
    socket, access = dial(), wali.access
    check_permissions = Handshake.check_permissions

    def check_and_end(handshake: Handshake, login: Login, *request: Any) -> Any:
        permitted = check_permissions(handshake, login, *request)
        end(wali)
        return permitted

    monkeypatch.setattr(Handshake, "check_permissions", check_and_end)
    assert socket.refusal(token=access) == 4401


@pytest.mark.users
@pytest.mark.usefixtures("no_sweeps")
@pytest.mark.parametrize("is_connected", [True, False], ids=["connected", "away"])
def test_whoever_gets_the_primary_key_of_a_deleted_account_hears_nothing_of_its_chats(
    connect: Connect, wali: Person, mabel: Person, is_connected: bool
) -> None:
    """As where it is a username, which is free again."""
    uri, key = wali.start(mabel), mabel.user.pk
    walis = connect(wali)
    mabels = [connect(mabel)] if is_connected else []
    wali.send(uri, "For mabel")
    assert [texts([hears.hear()]) for hears in (walis, *mabels)] == [["For mabel"]] * (1 + is_connected)
    delete(mabel)
    assert [hears.hear_close() for hears in mabels] == [4401] * is_connected

    otis = Person("otis", pk=key)
    otises = connect(otis)
    wali.send(uri, "Not for otis")
    assert texts([walis.hear()]) == ["Not for otis"]
    assert otises.heard() == []
    wali.add(uri, otis)
    wali.send(uri, "For otis")
    for hears in (walis, otises):
        assert texts([hears.hear(), hears.hear()]) == ["For otis"]


@pytest.mark.users
@pytest.mark.usefixtures("no_sweeps")
@pytest.mark.parametrize("is_lost", [False, True], ids=["loaded", "repaired"])
def test_members_who_are_deleted_while_they_are_read_are_none(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, wali: Person, mabel: Person, is_lost: bool
) -> None:
    uri, key = wali.start(mabel), mabel.user.pk
    walis = connect(wali)
    if is_lost:
        wali.send(uri, "Hello")
        assert texts([walis.hear()]) == ["Hello"]
    has_read, go_on = threading.Event(), threading.Event()
    stored_rooms = hub._stored_rooms

    def read_slowly(uris: list[str]) -> Any:
        found = stored_rooms(uris)
        has_read.set()
        assert go_on.wait(SECONDS)
        return found

    monkeypatch.setattr(hub, "_stored_rooms", read_slowly)
    if is_lost:
        with keeping_events():
            wali.send(uri, "Lost")
    wali.send(uri, "Not for otis")
    assert has_read.wait(SECONDS)
    delete(mabel)
    otises = connect(Person("otis", pk=key))
    go_on.set()
    while "Not for otis" not in texts([walis.hear()]):
        pass
    assert otises.heard() == []


@pytest.mark.users
def test_what_else_happens_to_an_account_closes_nothing(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabels = connect(mabel)
    mabel.log_in()
    mabel.user.is_staff = True
    mabel.user.save()
    wali.change_password()
    operations.send_message(actor=wali.user, chat=uri, text="Still there?")
    assert texts([mabels.hear()]) == ["Still there?"]
    assert mabels.heard() == []


# Clients that do not read


class StalledClient:
    """Says hello, and reads what it is told after ``ready`` at the very end."""

    def __init__(self, live: LiveServer, person: Person) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        self._socket.settimeout(SECONDS)
        address = urlsplit(live.ws)
        self._socket.connect((address.hostname, address.port))
        self._protocol = ClientProtocol(parse_uri(live.ws))
        handshake = self._protocol.connect()
        handshake.headers.update(person.headers)
        self._protocol.send_request(handshake)
        self._flush()
        self._read_one()
        self._protocol.send_text(b'{"type":"hello"}')
        self._flush()
        self._read_one()

    def _read_one(self) -> None:
        """Not a byte further than to the end of the handshake or of one frame."""
        while not self._protocol.events_received():
            self._protocol.receive_data(self._socket.recv(1))

    def read_all(self) -> tuple[Sequence[Frame], int | None]:
        """What it has been told, and the code that ended it."""
        while self._protocol.close_rcvd is None and (data := self._socket.recv(2**20)):
            self._protocol.receive_data(data)
        events = [event for event in self._protocol.events_received() if isinstance(event, WebSocketFrame)]
        frames = [json.loads(bytes(event.data)) for event in events if event.opcode is Opcode.TEXT]
        return frames, self._protocol.close_rcvd.code if self._protocol.close_rcvd else None

    def close(self) -> None:
        self._socket.close()

    def _flush(self) -> None:
        self._socket.sendall(b"".join(self._protocol.data_to_send()))


def test_a_client_that_does_not_read_is_sent_away_and_nobody_else_waits(
    live: LiveServer, connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    # Connections take over what is set for their listener: few bytes are on their way unread.
    live._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
    walis, otises = connect(wali), connect(otis)
    texts_sent = [*["\U0001f353" * 4000] * 40, *(f"{n}" for n in range(300))]

    with closing(StalledClient(live, mabel)) as stalled:
        for text in texts_sent:
            walis.say("message.send", id=1, chat=uri, message=text)
        assert texts([otises.hear() for _ in texts_sent]) == texts_sent

        frames, code = stalled.read_all()

    assert code == 4408
    # It has had what was on its way to it; nothing was kept until it would read.
    heard = texts(frames)
    assert heard == texts_sent[: len(heard)]
    assert len(heard) < 40


# Losses


def test_however_often_the_layer_has_failed_it_is_tried_again_soon() -> None:
    assert 5 < bus.pause(10_000) < 15


@pytest.fixture
def quick_sweeps(configure: Configure) -> None:
    configure(SWEEP_SECONDS=0.3, BUS="tests.layers.publish")


@pytest.fixture
def no_sweeps(configure: Configure) -> None:
    configure(SWEEP_SECONDS=3600, BUS="tests.layers.publish")


@pytest.mark.users
@pytest.mark.usefixtures("quick_sweeps")
def test_a_sweep_finds_accounts_that_ended_without_a_word(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    sockets = [connect(person) for person in (wali, mabel, otis)]
    User.objects.filter(pk=mabel.user.pk).update(is_active=False)
    with keeping_events():
        otis.change_password()
    assert [socket.hear_close() for socket in sockets[1:]] == [4401, 4401]
    assert sockets[0].heard() == []


@pytest.mark.times
@pytest.mark.usefixtures("quick_sweeps")
def test_a_sweep_finds_changes_that_nobody_told_of(connect: Connect, wali: Person, mabel: Person) -> None:
    held, not_held = wali.start(mabel), wali.start(mabel)
    view = ViewingClient(mabel, connect(mabel))
    wali.send(held)
    view.catch_up()
    with keeping_events():
        for uri in (held, not_held):
            wali.send(uri, "Lost")
            wali.edit(uri, 1, "Lost too")
        new = wali.start(mabel)
        wali.send(new)
    view.catch_up()
    assert {uri: view.chats[uri].messages for uri in (held, not_held, new)} == {
        uri: history(mabel, uri) for uri in (held, not_held, new)
    }
    assert [frame["type"] for frame in view.frames] == ["changes"] * len(view.frames)


@pytest.mark.parametrize("before", ["full", "since_join"])
@pytest.mark.parametrize("after", ["full", "since_join"])
def test_whoever_was_out_and_in_again_while_away_holds_what_they_may_see_now(
    connect: Connect, wali: Person, mabel: Person, before: str, after: str
) -> None:
    uri = wali.start()
    wali.send(uri, "0")
    wali.edit_chat(uri, history=before)
    wali.add(uri, mabel)
    wali.send(uri, "1")
    client = ViewingClient(mabel, connect(mabel))
    client.socket.close()
    wali.remove(uri, mabel)
    wali.edit_chat(uri, history=after)
    wali.erase(uri, 2)
    wali.send(uri, "2")
    wali.add(uri, mabel)
    wali.send(uri, "3")
    client.connect(connect(mabel))
    client.catch_up()
    assert client.chats[uri].messages == history(mabel, uri)


@pytest.mark.usefixtures("no_sweeps")
def test_whoever_was_out_and_in_again_unheard_holds_what_they_may_see_now(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    client = ViewingClient(mabel, connect(mabel))
    wali.send(uri, "1")
    client.catch_up()
    with keeping_events():
        wali.remove(uri, mabel)
        wali.edit_chat(uri, history="since_join")
        wali.add(uri, mabel)
    wali.send(uri, "2")
    client.catch_up()
    assert client.chats[uri].messages == history(mabel, uri)
    assert [row["message"] for row in client.chats[uri].messages.values()] == ["2"]


@pytest.mark.usefixtures("quick_sweeps")
def test_news_of_hundreds_of_chats_at_once_are_no_reason_to_send_a_client_away(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uris = [operations.start_direct(actor=wali.user, username=mabel.username)[0].uri]
    uris += [
        operations.start_group(actor=wali.user, members=[mabel.username]).uri for _ in range(MAX_QUEUED_FRAMES + 44)
    ]
    mabels = connect(mabel)
    with keeping_events(), transaction.atomic():
        for uri in uris:
            operations.send_message(actor=wali.user, chat=uri, text="Lost")
    news = {mabels.hear()["chat"] for _ in uris}
    assert news == set(uris)


@pytest.mark.times
@pytest.mark.usefixtures("quick_sweeps")
@pytest.mark.parametrize("is_held", [True, False], ids=["held", "not held"])
@pytest.mark.parametrize("goes_on", [True, False], ids=["goes on", "silent"])
def test_a_removal_that_nobody_told_of_is_told_by_the_sweep(
    connect: Connect, wali: Person, mabel: Person, is_held: bool, goes_on: bool
) -> None:
    uri = wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    if is_held:
        wali.send(uri)
        assert [walis.hear()["version"], mabels.hear()["version"]] == [2, 2]
    with keeping_events():
        wali.remove(uri, mabel)
        removed_at = wali.chat(uri)["version"]
    if goes_on:
        wali.send(uri, "Without mabel")
    while not own_rows(farewell := mabels.hear(), mabel):
        assert (farewell["messages"], farewell["members"]) == ([], [])
    assert [(row["left"], row["version"]) for row in farewell["members"]] == [(True, removed_at)]
    assert (farewell["messages"], farewell["details"]) == ([], None)
    assert mabels.ask("resume", chat=uri, since=0)["code"] == "not_a_member"


@pytest.mark.usefixtures("quick_sweeps")
def test_a_card_that_fails_does_not_end_the_sweeps(
    connect: Connect, show: Callable[[Any], None], caplog: pytest.LogCaptureFixture, wali: Person, mabel: Person
) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    with keeping_events():
        wali.remove(uri, mabel)
        wali.send(other)
    show(RuntimeError("A defect of the site."))
    get_user_model().objects.filter(pk=mabel.user.pk).update(is_active=False)
    with pytest.raises(Closed) as closed:
        list(iter(mabels.hear, None))
    assert closed.value.code == 4401
    assert walis.hear()["chat"] in {uri, other}
    assert "A defect of the site." in caplog.text


@pytest.mark.usefixtures("quick_sweeps")
def test_a_read_mark_does_not_hide_a_message_that_nobody_told_of(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabels = connect(mabel)
    with keeping_events():
        wali.send(uri, "Lost")
    wali.mark_read(uri, 1)
    while (frame := mabels.hear())["type"] != "changes":
        pass
    assert (frame["chat"], frame["version"]) == (uri, 2)


@pytest.mark.usefixtures("no_sweeps")
def test_a_read_mark_does_not_hide_a_removal_that_nobody_told_of(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    wali.send(uri, "Read this")
    mabels, otises = connect(mabel), connect(otis)
    otis.mark_read(uri, 1)
    assert otises.hear()["type"] == mabels.hear()["type"] == "read"
    with keeping_events():
        wali.remove(uri, mabel)
    wali.send(uri, "Without mabel")
    while "Without mabel" not in texts([otises.hear()]):
        pass
    assert texts(mabels.heard()) == []


@pytest.mark.usefixtures("no_sweeps")
def test_hundreds_of_events_in_the_wrong_order_are_put_right(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    view = ViewingClient(mabel, connect(mabel))
    wali.send(uri, "0")
    view.catch_up()
    with keeping_events() as kept:
        for n in range(1, 601):
            operations.send_message(actor=wali.user, chat=uri, text=f"{n}")
    for envelope in reversed(kept):
        bus.publish(envelope)
    view.catch_up()
    assert view.chats[uri].messages == history(mabel, uri)
    assert texts(view.frames) == [f"{n}" for n in range(601)]


@pytest.mark.usefixtures("no_sweeps")
def test_hundreds_of_events_for_a_chat_that_the_hub_has_yet_to_look_up_are_all_heard(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    view = ViewingClient(mabel, connect(mabel))
    with keeping_events() as kept:
        for n in range(600):
            operations.send_message(actor=wali.user, chat=uri, text=f"{n}")
    for envelope in kept:
        bus.publish(envelope)
    view.catch_up()
    assert view.chats[uri].messages == history(mabel, uri)


@pytest.mark.usefixtures("no_sweeps")
def test_a_late_message_is_heard_after_a_read_mark(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    walis = connect(wali)
    with keeping_events() as kept:
        wali.send(uri, "Late")
    mabel.mark_read(uri, 1)
    assert walis.hear()["type"] == "read"
    bus.publish(kept[0])
    assert texts([walis.hear()]) == ["Late"]


@pytest.mark.times
@pytest.mark.usefixtures("quick_sweeps")
def test_a_time_from_the_future_does_not_blind_the_sweep(connect: Connect, wali: Person, mabel: Person) -> None:
    Chat.objects.filter(uri=wali.start()).update(changed_at=django_timezone.now() + timedelta(days=9))
    uri = wali.start(mabel)
    mabels = connect(mabel)
    with keeping_events():
        wali.send(uri, "Lost")
    assert mabels.hear()["version"] == 2


@pytest.mark.users
@pytest.mark.usefixtures("quick_sweeps")
def test_a_member_whose_row_went_without_a_word_hears_no_more_after_a_sweep(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    mabels = connect(mabel)
    wali.send(uri)
    assert texts([mabels.hear()]) == ["Hello world"]
    Membership.objects.filter(chat__uri=uri, user=mabel.user).delete()
    with keeping_events():
        wali.send(other)
    assert mabels.hear()["chat"] == other  # so a sweep has begun
    with keeping_events():
        wali.send(other)
    while mabels.hear()["version"] < 3:  # and another one, after the end of the first
        pass
    wali.send(uri, "Not for mabel")
    assert mabels.heard() == []


def test_whoever_comes_back_can_resume_from_long_ago(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(210):
        operations.send_message(actor=wali.user, chat=uri, text="Hello")
    mabels = connect(mabel)
    mabel.leave(uri)
    mabel.join(uri)
    pages = mabels.resume(uri, 0)
    assert [page["type"] for page in pages] == ["changes"] * 2
    assert len([message for page in pages for message in page["messages"]]) == 210


def restore_backup(uri: str, seq: int) -> None:
    """The chat as it was when its last message was this one; nobody had joined or left since its beginning."""
    chat = Chat.objects.get(uri=uri)
    chat.messages.filter(seq__gt=seq).delete()
    chat.last_seq, chat.version = seq, seq + 1
    chat.save()
    chat.memberships.update(version=1, left_at=None, read_seq=0)


@pytest.mark.usefixtures("no_sweeps")
def test_a_resume_after_a_restored_backup_does_not_wait_for_the_version_at_which_one_left(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    mabels = connect(mabel)
    for _ in range(5):
        wali.send(uri)
    mabel.leave(uri)
    while not own_rows(mabels.hear(), mabel):
        pass
    restore_backup(uri, 2)
    [page] = mabels.resume(uri, 0)
    assert (page["version"], len(page["messages"])) == (3, 2)


@pytest.mark.usefixtures("no_sweeps")
def test_a_hole_is_filled_as_soon_as_it_is_noticed(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabels = connect(mabel)
    wali.send(uri, "First")
    with keeping_events():
        wali.send(uri, "Lost")
        wali.send(uri, "Lost too")
    wali.send(uri, "Last")
    frames: list[Frame] = []
    while not frames or frames[-1]["version"] < 5:
        frames.append(mabels.hear())
    assert texts(frames) == ["First", "Lost", "Lost too", "Last"]
    assert [frame["since"] for frame in frames] == [1, *(frame["version"] for frame in frames[:-1])]
    wali.send(uri, "And on")
    assert mabels.hear()["since"] == 5


@pytest.mark.usefixtures("no_sweeps")
def test_events_that_overtake_one_another_are_put_in_order(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabels = connect(mabel)
    wali.send(uri, "0")
    assert texts([mabels.hear()]) == ["0"]
    with keeping_events() as kept:
        for n in range(1, 6):
            wali.send(uri, f"{n}")
    for place in [1, 0, 4, 4, 3, 2, 0, 1]:
        bus.publish(kept[place])
    frames = [mabels.hear() for _ in range(5)]
    assert texts(frames) == ["1", "2", "3", "4", "5"]
    assert [frame["since"] for frame in frames] == [2, 3, 4, 5, 6]
    assert mabels.heard() == []


@pytest.mark.usefixtures("no_sweeps")
def test_what_many_have_missed_is_read_once_whatever_their_number(
    connect: Connect, crowd: Callable[[int], Sequence[Person]], wali: Person, mabel: Person
) -> None:
    people = crowd(8)
    uri = wali.start(*people)
    since = wali.chat(uri)["version"]
    sent = [wali.send(uri) for _ in range(3)]
    with counting_socket_queries() as counts:
        sockets = [connect(person) for person in [wali, *people]]
        counts.clear()
        for number, socket in enumerate(sockets):
            socket.say("resume", id=number, chat=uri, since=since)
        for number, socket in enumerate(sockets):
            page = socket.hear()
            assert (page["id"], page["since"], page["version"], page["more"]) == (number, since, since + 3, False)
            assert page["messages"] == sent
    read = [times for sql, times in counts.items() if 'FROM "bpo_chat_message"' in sql]
    assert read == [1]

    # What is different is read anew: another end, and for whoever joined later and sees less.
    sent.append(wali.send(uri))
    assert [page["messages"] for page in sockets[0].resume(uri, since)] == [sent]
    wali.edit_chat(uri, history="since_join")
    wali.add(uri, mabel)
    assert [page["messages"] for page in connect(mabel).resume(uri, since)] == [[]]


@pytest.mark.usefixtures("no_sweeps")
def test_a_hole_is_read_once_whatever_the_number_of_sockets(
    connect: Connect, crowd: Callable[[int], Sequence[Person]], wali: Person
) -> None:
    people = crowd(8)
    uri = wali.start(*people)
    with counting_socket_queries() as counts:

        def queries_of_a_hole(sockets: Sequence[ChatSocket]) -> int:
            version = wali.chat(uri)["version"]
            wali.send(uri)
            assert {socket.hear()["version"] for socket in sockets} == {version + 1}
            counts.clear()
            with keeping_events():
                wali.send(uri)
            wali.send(uri)
            for socket in sockets:
                while socket.hear()["version"] < version + 3:
                    pass
            return counts.total()

        one = [connect(people[0])]
        alone = queries_of_a_hole(one)
        together = queries_of_a_hole(one + [connect(person) for person in people] + [connect(wali) for _ in range(3)])

    assert alone > 0
    assert together == alone
