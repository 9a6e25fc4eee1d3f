"""Who is online: those who may see it are told when it changes, whatever the number of tabs and processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model

from django_bpo_chat import events
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.live import bus, hub, online, presence
from tests.caches import SharedCache
from tests.clients import ChatSocket, Closed, Connect, Frame, open_socket
from tests.fixtures import Configure, Meet
from tests.layers import keeping_events
from tests.person import Person
from tests.servers import LiveServer
from tests.socket_queries import counting_socket_queries

pytest_plugins = ["tests.sockets"]

User = get_user_model()


def is_online(username: str, is_online: bool) -> Frame:
    return {"type": "presence", "username": username, "online": is_online}


def watch(socket: ChatSocket, *people: Person | str) -> dict[str, bool]:
    """Have the socket watch these, and return who is online of them."""
    names = [each if isinstance(each, str) else each.username for each in people]
    assert socket.ask("presence.watch", id="watch", usernames=names) == {"type": "ok", "id": "watch"}
    frames = [next_told(socket) for _ in names]
    assert [frame["username"] for frame in frames] == names
    return {frame["username"]: frame["online"] for frame in frames}


def told(socket: ChatSocket) -> Sequence[Frame]:
    """What the socket has been told of anybody's presence by now."""
    return [frame for frame in socket.heard() if frame["type"] == "presence"]


def next_told(socket: ChatSocket) -> Frame:
    while (frame := socket.hear())["type"] != "presence":
        pass
    return frame


@pytest.fixture
def shared_cache(settings: LazySettings) -> Iterator[type[SharedCache]]:
    settings.CACHES = {"default": {"BACKEND": "tests.caches.SharedCache"}}
    SharedCache.reset()
    yield SharedCache
    if SharedCache.hangs is not None:
        SharedCache.hangs.set()


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "ONLINE_SECONDS", 1)
    monkeypatch.setattr(online, "PULSE_SECONDS", 0.2)


@pytest.fixture(params=["in memory", "shared"])
def any_cache(request: pytest.FixtureRequest) -> None:
    """Of one process it makes no difference which cache there is."""
    if request.param == "shared":
        request.getfixturevalue("shared_cache")


@pytest.fixture
def sweeping(configure: Configure) -> None:
    configure(SWEEP_SECONDS=0.2)


@pytest.fixture
def connect_to_another(shared_cache: type[SharedCache], transactional_db: None) -> Iterator[Connect]:
    """Open a socket of this person at a server of its own, which shares nothing with the other but bus and cache."""
    from config.asgi import application

    with ExitStack() as stack:
        server = stack.enter_context(LiveServer(application))

        def connect(person: Person, access: str | None = None) -> ChatSocket:
            socket = stack.enter_context(open_socket(server.ws, headers=person.headers))
            socket.introduce()
            return socket

        yield connect


# Coming and going


@pytest.mark.users
@pytest.mark.usefixtures("any_cache")
def test_whoever_watches_is_told_who_is_online_and_when_that_changes(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    wali.start(mabel, otis)
    walis = connect(wali)
    connect(otis)
    assert watch(walis, otis, mabel, wali) == {otis.username: True, mabel.username: False, wali.username: True}
    connect(mabel)
    assert next_told(walis) == is_online(mabel.username, True)
    assert told(walis) == []


@pytest.mark.usefixtures("any_cache")
def test_a_watch_without_an_id_is_answered_by_what_it_asks_for(connect: Connect, wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    walis = connect(wali)
    walis.say("presence.watch", usernames=[mabel.username, mabel.username])
    assert walis.heard() == [is_online(mabel.username, False)]


@pytest.mark.usefixtures("any_cache", "short_times")
def test_whoever_has_been_gone_for_a_while_is_offline_and_comes_back(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    assert watch(walis, mabel) == {mabel.username: True}
    mabels.close()
    closed_at = time.monotonic()
    assert next_told(walis) == is_online(mabel.username, False)
    assert 0.9 < time.monotonic() - closed_at < 3
    connect(mabel)
    assert next_told(walis) == is_online(mabel.username, True)


def test_the_times_are_those_of_the_contract() -> None:
    assert online.ONLINE_SECONDS == 60
    # Two that fail are outlived by what the last one has written.
    assert 2 * online.PULSE_SECONDS * 1.2 < online.ONLINE_SECONDS


@pytest.mark.usefixtures("any_cache", "short_times")
def test_many_tabs_are_one_person_and_a_reload_is_no_going(connect: Connect, wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    walis = connect(wali)
    tabs = [connect(mabel), connect(mabel)]
    assert watch(walis, mabel) == {mabel.username: True}
    tabs.append(connect(mabel))
    tabs.pop(0).close()
    time.sleep(1.5)
    for _ in range(4):
        for tab in tabs:
            tab.close()
        time.sleep(0.4)
        tabs = [connect(mabel)]
    assert told(walis) == []


@pytest.mark.usefixtures("any_cache")
def test_a_new_list_takes_the_place_of_the_old_one_and_an_empty_one_ends_it(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    wali.start(mabel, otis)
    walis, other_walis = connect(wali), connect(wali)
    watch(walis, mabel)
    watch(walis, otis)
    assert walis.ask("presence.watch", usernames=[])["type"] == "ok"
    watch(other_walis, mabel)
    watch(other_walis, otis)
    connect(mabel)
    connect(otis)
    assert next_told(other_walis) == is_online(otis.username, True)
    assert told(walis) == told(other_walis) == []


# Input


def test_a_list_may_have_a_hundred_names(connect: Connect, wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    walis = connect(wali)
    names = [mabel.username, *(f"nobody{n}" for n in range(99))]
    assert watch(walis, *names) == dict.fromkeys(names, False)
    walis.say("presence.watch", usernames=[*names, *names])  # of whom each counts once
    assert len(walis.heard()) == 100

    refusal = walis.ask("presence.watch", usernames=[*names, "one too many"])
    assert (refusal["code"], list(refusal["fields"])) == ("invalid", ["usernames"])
    connect(mabel)  # what was said before it stays in force
    assert next_told(walis) == is_online(mabel.username, True)


def test_what_is_no_list_of_names_is_an_error(connect: Connect, wali: Person) -> None:
    socket = connect(wali)
    assert socket.ask("presence.watch")["code"] == "invalid"
    for names in [None, "mabel", 5, {}, True, [5], [None], [["mabel"]], [{}]]:
        assert socket.ask("presence.watch", usernames=names)["code"] == "invalid", names
    odd = ["", "\0", "half \ud83d of it", "x" * 50_000, "%", "1" * 99]
    socket.say("presence.watch", usernames=odd)
    assert [frame["online"] for frame in socket.heard()] == [False] * len(odd)


# Who may see whom


@pytest.mark.users
@pytest.mark.usefixtures("any_cache", "sweeping")
def test_those_who_are_not_to_be_seen_look_like_those_that_there_are_not(
    configure: Configure, connect: Connect, meet: Meet, wali: Person, mabel: Person
) -> None:
    configure(PRESENCE_MEMBERS=3)
    stranger, left, abandoned, inactive = meet("stranger", "left", "abandoned", "inactive")
    acquaintance, other = meet("acquaintance", "other")
    wali.start(mabel, acquaintance, other)  # too large
    left.leave(wali.start(left))
    wali.leave(wali.start(abandoned))
    wali.start(inactive)
    inactives = connect(inactive)
    inactive.deactivate()
    with pytest.raises(Closed):
        list(iter(inactives.hear, None))

    walis = connect(wali)
    hidden = (stranger, left, abandoned, inactive, acquaintance)
    names = [*(person.username for person in hidden), "nobody", "no body"]
    assert watch(walis, *names) == dict.fromkeys(names, False)
    for person in (stranger, left, abandoned, acquaintance):
        connect(person)
    time.sleep(0.6)  # some sweeps
    assert told(walis) == []
    assert watch(walis, *names) == dict.fromkeys(names, False)


@pytest.mark.users
@pytest.mark.usefixtures("any_cache", "sweeping")
def test_a_watch_ends_when_the_last_shared_chat_is_left_and_begins_with_the_first(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    uris = [wali.start(mabel), wali.start(mabel)]
    walis = connect(wali)
    mabels = connect(mabel)
    assert watch(walis, mabel) == {mabel.username: True}
    for uri in uris:
        assert told(walis) == []
        mabel.leave(uri)
    assert next_told(walis) == is_online(mabel.username, False)
    mabels.close()
    mabels = connect(mabel)
    assert told(walis) == []

    mabel.join(uris[0])
    assert next_told(walis) == is_online(mabel.username, True)


@pytest.mark.users
@pytest.mark.usefixtures("any_cache")
@pytest.mark.parametrize("way", ["leaves", "is removed", "is banned"])
def test_whoever_is_out_and_whoever_stays_see_each_other_no_more_at_once(
    way: str, connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri, shared = wali.start(mabel, otis), mabel.start(otis)
    walis, mabels, otises = connect(wali), connect(mabel), connect(otis)
    assert watch(walis, mabel, otis) == {mabel.username: True, otis.username: True}
    assert watch(mabels, wali, otis) == {wali.username: True, otis.username: True}
    assert watch(otises, mabel) == {mabel.username: True}
    began = time.monotonic()
    match way:
        case "leaves":
            mabel.leave(uri)
        case "is removed":
            wali.remove(uri, mabel)
        case "is banned":
            wali.ban(uri, mabel)
    assert next_told(walis) == is_online(mabel.username, False)
    assert next_told(mabels) == is_online(wali.username, False)
    assert time.monotonic() - began < 2  # the sweep comes after 16
    assert told(walis) == told(mabels) == told(otises) == []
    assert shared in {chat["uri"] for chat in mabel.chats()["results"]}


@pytest.mark.usefixtures("sweeping")
def test_each_list_has_its_turn_to_be_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    monkeypatch.setattr(presence, "MOST_RECHECKED", 1)
    wali.start(mabel, otis)
    walis, otises = connect(wali), connect(otis)
    connect(mabel)
    assert watch(walis, mabel) == watch(otises, mabel) == {"mabel": True}
    configure(ADAPTER=f"{__name__}.Directory")
    assert next_told(walis) == next_told(otises) == is_online("mabel", False)


class Directory(Adapter):
    """Everybody sees everybody but mabel, who sees nobody, by an error."""

    def visible_presence(self, actor: Any, users: Sequence[Any]) -> Iterable[Any]:
        if actor.username == "mabel":
            raise RuntimeError("A defect of the site.")
        return User.objects.exclude(username="mabel")


@pytest.mark.usefixtures("any_cache", "sweeping")
def test_the_adapter_decides_who_sees_whom(
    configure: Configure,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    wali: Person,
    mabel: Person,
    otis: Person,
) -> None:
    uri = wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    assert watch(mabels, wali) == {"wali": True}
    configure(ADAPTER=f"{__name__}.Directory")
    assert next_told(mabels) == is_online("wali", False)  # and the others go on
    connect(otis)
    assert watch(walis, otis, mabel) == {"otis": True, "mabel": False}
    wali.send(uri)
    assert mabels.hear()["type"] == "changes"
    assert "A defect of the site." in caplog.text

    assert mabels.ask("presence.watch", usernames=["wali"])["code"] == "unavailable"
    caplog.get_records("call").clear()


# Processes


def test_whoever_comes_in_another_process_is_told_of_at_once(
    connect_to_another: Connect, connect: Connect, wali: Person, mabel: Person
) -> None:
    wali.start(mabel)
    walis = connect(wali)
    watch(walis, mabel)
    started = time.monotonic()
    mabels = connect_to_another(mabel)
    assert next_told(walis) == is_online("mabel", True)
    assert time.monotonic() - started < 5 < online.PULSE_SECONDS
    assert watch(connect(wali), mabel) == {"mabel": True}
    mabels.close()


def test_whoever_has_left_another_process_a_moment_ago_is_still_online(
    monkeypatch: pytest.MonkeyPatch, connect_to_another: Connect, connect: Connect, wali: Person, mabel: Person
) -> None:
    """What is written down when they come would be over by now, and nothing is written between."""
    monkeypatch.setattr(online, "ONLINE_SECONDS", 3)
    wali.start(mabel)
    walis, mabels = connect(wali), connect_to_another(mabel)
    time.sleep(2)
    mabels.close()
    time.sleep(1.5)
    assert watch(walis, mabel) == {"mabel": True}


def test_many_processes_are_one_person(
    monkeypatch: pytest.MonkeyPatch,
    short_times: None,
    connect_to_another: Connect,
    connect: Connect,
    wali: Person,
    mabel: Person,
) -> None:
    wali.start(mabel)
    walis = connect(wali)
    assert watch(walis, mabel) == {"mabel": False}
    there = connect_to_another(mabel)
    assert next_told(walis) == is_online("mabel", True)
    here = connect(mabel)
    there.close()
    time.sleep(1.5)
    there = connect_to_another(mabel)
    here.close()
    time.sleep(1.5)
    other_walis = connect(wali)
    assert watch(other_walis, mabel) == {"mabel": True}
    assert told(walis) == told(other_walis) == []
    there.close()
    assert next_told(walis) == next_told(other_walis) == is_online("mabel", False)


def test_what_the_bus_has_lost_is_found_in_the_cache(
    configure: Configure, short_times: None, connect_to_another: Connect, connect: Connect, wali: Person, mabel: Person
) -> None:
    configure(BUS="tests.layers.publish")
    wali.start(mabel)
    walis = connect(wali)
    watch(walis, mabel)
    with keeping_events() as kept:
        connect_to_another(mabel)
        assert next_told(walis) == is_online("mabel", True)
    assert {envelope["kind"] for envelope in kept} == {"online"}


@pytest.mark.usefixtures("short_times")
def test_without_a_cache_that_is_shared_each_process_knows_its_own_people(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    wali.start(mabel)
    walis = connect(wali)
    watch(walis, mabel)
    bus.publish({"v": 1, "kind": "online", "user": events.user_key(mabel.user.pk)})  # as another process says it
    assert told(walis) == []
    connect(mabel)
    assert next_told(walis) == is_online("mabel", True)


# Costs


def test_coming_and_going_ask_nothing_of_the_database(
    short_times: None,
    shared_cache: type[SharedCache],
    configure: Configure,
    connect: Connect,
    wali: Person,
    mabel: Person,
) -> None:
    configure(SWEEP_SECONDS=3600)
    wali.start(mabel)
    with counting_socket_queries() as counts:
        walis = connect(wali)
        mabels = connect(mabel)
        watch(walis, mabel)
        counts.clear()
        mabels.close()
        assert next_told(walis) == is_online("mabel", False)
        assert counts.total() == 0
    # Nobody else waits for the cache.
    assert {name.startswith("bpo-chat-database") for name in shared_cache.threads} == {True}
    assert len(shared_cache.threads) == 1


def test_only_the_first_tab_in_a_process_is_announced(configure: Configure, connect: Connect, mabel: Person) -> None:
    configure(BUS="tests.layers.publish")
    with keeping_events() as kept:
        tabs = [connect(mabel) for _ in range(3)]
        tabs.pop().close()
        connect(mabel)
    assert kept == [{"v": 1, "kind": "online", "user": events.user_key(mabel.user.pk)}]


def test_a_list_costs_the_same_whatever_its_length(
    configure: Configure, connect: Connect, crowd: Callable[[int], Sequence[Person]], wali: Person
) -> None:
    configure(SWEEP_SECONDS=3600)
    people = crowd(40)
    for person in people[1:]:
        wali.start(person)
    with counting_socket_queries() as counts:
        walis = connect(wali)

        def queries_of(*watched: Person) -> int:
            counts.clear()
            watch(walis, *watched)
            return counts.total()

        assert queries_of(people[1]) == queries_of(*people) == 3


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_crowd_is_written_down_and_looked_up_at_once(
    shared_cache: type[SharedCache],
    connect_to_another: Connect,
    connect: Connect,
    crowd: Callable[[int], Sequence[Person]],
    wali: Person,
) -> None:
    people = crowd(12)
    wali.start(*people)
    walis = connect(wali)
    [running] = hub._hubs.values()
    watch(walis, *people)
    for person in people[:6]:
        connect(person)
    for person in people[6:]:
        connect_to_another(person)
    until(lambda: len(shared_cache._entries) == 13)
    shared_cache.calls.clear()

    def pulse() -> None:
        running.presence._take_everybody()
        running.presence._hurry.set()

    running.loop.call_soon_threadsafe(pulse)
    until(lambda: bool(shared_cache.calls["get_many"]))
    assert shared_cache.calls == {"set_many": 1, "get_many": 1}


def test_nothing_is_kept_of_those_who_watch_no_more(
    shared_cache: type[SharedCache], short_times: None, connect: Connect, wali: Person, mabel: Person
) -> None:
    wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    [running] = hub._hubs.values()
    known = running.presence
    for start in range(0, 3000, 90):
        watch(walis, mabel, *(f"nobody{start + n}" for n in range(90)))
    assert (len(known._watches), list(known._watched)) == (1, [str(mabel.user.pk)])
    mabels.close()
    assert next_told(walis) == is_online("mabel", False)
    watch(walis, mabel)
    walis.close()
    until(lambda: (known._watches, known._watched, known._gone_at) == ({}, {}, {}))


# A cache that fails


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.get_records("call") if each.name == online.__name__]


def test_a_cache_that_fails_hurts_nothing_and_is_logged_once(
    shared_cache: type[SharedCache],
    short_times: None,
    connect_to_another: Connect,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    wali: Person,
    mabel: Person,
    otis: Person,
) -> None:
    uri = wali.start(mabel, otis)
    walis, otises = connect(wali), connect_to_another(otis)
    assert watch(walis, otis) == {"otis": True}

    shared_cache.error = ConnectionError("The cache is away.")
    time.sleep(1.5)  # longer than anything written down is good for
    assert told(walis) == []
    assert watch(walis, mabel, otis) == {"mabel": False, "otis": True}
    mabels = connect(mabel)
    assert next_told(walis) == is_online("mabel", True)
    assert walis.ask("message.send", chat=uri, message="Hello")["type"] == "ok"
    assert [message for message in warnings_of(caplog) if "The cache is away." in message] == warnings_of(caplog)
    assert 1 <= len(warnings_of(caplog)) <= 2  # of each server one

    shared_cache.error = None
    otises.close()
    assert next_told(walis) == is_online("otis", False)
    mabels.close()
    assert next_told(walis) == is_online("mabel", False)


def test_while_the_cache_is_away_it_is_not_asked_each_time(
    shared_cache: type[SharedCache], connect: Connect, caplog: pytest.LogCaptureFixture, wali: Person, mabel: Person
) -> None:
    wali.start(mabel)
    shared_cache.error = ConnectionError("The cache is away.")
    walis = connect(wali)
    while not warnings_of(caplog):
        time.sleep(0.01)
    shared_cache.calls.clear()
    assert watch(walis, mabel) == {"mabel": False}
    connect(mabel)
    assert next_told(walis) == is_online("mabel", True)
    assert not shared_cache.calls


def test_a_cache_that_hangs_hurts_nothing(
    monkeypatch: pytest.MonkeyPatch,
    shared_cache: type[SharedCache],
    short_times: None,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    wali: Person,
    mabel: Person,
) -> None:
    monkeypatch.setattr(online, "CACHE_SECONDS", 0.5)
    uri = wali.start(mabel)
    shared_cache.hangs = threading.Event()
    walis, mabels = connect(wali), connect(mabel)
    started = time.monotonic()
    assert watch(walis, mabel, "nobody") == {"mabel": True, "nobody": False}
    for _ in range(3):
        walis.ask("message.send", chat=uri, message="Hello")
        assert mabels.hear()["type"] == "changes"
    assert time.monotonic() - started < 2
    time.sleep(2)
    assert len(warnings_of(caplog)) == 1
    shared_cache.hangs.set()
    shared_cache.hangs = None
    mabels.close()
    assert next_told(walis) == is_online("mabel", False)


def test_a_cache_that_has_lost_everything_is_filled_again(
    shared_cache: type[SharedCache],
    connect_to_another: Connect,
    connect: Connect,
    short_times: None,
    wali: Person,
    mabel: Person,
) -> None:
    wali.start(mabel)
    walis = connect(wali)
    connect_to_another(mabel)
    assert watch(walis, mabel) == {"mabel": True}
    time.sleep(1.2)  # since when it is the cache alone that tells
    shared_cache.lose_everything()
    time.sleep(0.6)
    frames = told(walis)
    assert frames in ([], [is_online("mabel", False), is_online("mabel", True)])
