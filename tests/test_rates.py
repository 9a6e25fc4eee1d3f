"""How often somebody may do something, at both doors: exactly so often, and not once more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache, caches
from websockets.exceptions import ConnectionClosed

from django_bpo_chat import rates
from django_bpo_chat.conf import DEFAULTS
from django_bpo_chat.exceptions import CloseCode
from tests.clients import Closed, Connect
from tests.fixtures import Configure
from tests.parallel import at_once
from tests.person import Answer, Person, Visitor

pytest_plugins = ["tests.sockets"]

pytestmark = pytest.mark.users

Limit = Callable[..., None]


@pytest.fixture
def limit(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Set some rates, and leave out the others: ``limit(read="5/h")``. Counting begins anew, and not again by itself:
    the hour, or the day, will not be over in a moment."""
    left = 3600 - time.time() % 3600
    if left < 20:
        time.sleep(left)
    monkeypatch.setattr(rates, "_local", rates.LocalCounters())
    monkeypatch.setattr(rates, "_shared", rates.SharedCounters())
    return lambda **given: configure(RATES={**dict.fromkeys(DEFAULTS["RATES"]), **given})


def statuses(ask: Callable[[], Answer], times: int) -> list[int]:
    return [ask().status for _ in range(times)]


def assert_throttled(answer: Answer, *, most_seconds: int) -> None:
    assert (answer.status, answer.json["code"]) == (429, "throttled")
    assert 1 <= int(answer.headers["Retry-After"]) <= most_seconds


CALLS: dict[str, tuple[int, Callable[[Person, str], Answer]]] = {
    "start_chat": (201, lambda person, uri: person.post("chats/", {})),
    "join_chat": (200, lambda person, uri: person.patch(f"chats/{uri}/", {})),
    "send_message": (201, lambda person, uri: person.post(f"chats/{uri}/messages/", {"message": "Hello"})),
    "upload_attachment": (201, lambda person, uri: person.upload(uri)),
    "write": (200, lambda person, uri: person.put(f"chats/{uri}/read/", {"seq": 0})),
    "read": (200, lambda person, uri: person.get(f"chats/{uri}/messages/")),
}


@pytest.mark.parametrize("action", CALLS)
def test_each_act_has_its_rate(action: str, limit: Limit, wali: Person, mabel: Person) -> None:
    status, call = CALLS[action]
    uri, _tokens = wali.start(mabel), (wali.access, mabel.access)
    limit(**{action: "3/h"})
    assert statuses(lambda: call(wali, uri), 3) == [status] * 3
    assert_throttled(call(wali, uri), most_seconds=3600)
    assert call(mabel, uri).status == status


def test_an_invite_counts_as_joining(limit: Limit, wali: Person, mabel: Person) -> None:
    token, _token = wali.invite(wali.start()), mabel.access
    limit(join_chat="2/h")
    assert statuses(lambda: mabel.post(f"invites/{token}/"), 3) == [200, 200, 429]


def test_adding_somebody_is_no_joining(limit: Limit, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    limit(join_chat="1/h")
    assert statuses(lambda: wali.patch(f"chats/{uri}/", {"username": mabel.username}), 2) == [200, 200]


def test_refused_requests_count_too(limit: Limit, wali: Person, visitor: Visitor) -> None:
    _token = wali.access
    limit(read="2/h")
    assert statuses(lambda: wali.get("chats/x/"), 3) == [404, 404, 429]
    assert statuses(lambda: visitor.get("chats/"), 3) == [401, 401, 401]


def test_a_rate_may_have_several_parts(limit: Limit, wali: Person) -> None:
    _token = wali.access
    limit(read="100/d, 2/h")
    assert statuses(lambda: wali.get("chats/"), 3) == [200, 200, 429]
    limit(read="2/h,100/d")
    assert wali.get("chats/").status == 429


def test_a_rate_begins_anew(limit: Limit, wali: Person) -> None:
    _token = wali.access
    limit(read="1/s")
    while statuses(lambda: wali.get("chats/"), 2) != [200, 429]:
        time.sleep(0.1)
    time.sleep(int(wali.get("chats/").headers["Retry-After"]))
    assert wali.get("chats/").status == 200


# Accounts


def attempts(email: str, times: int, **headers: str) -> Sequence[Answer]:
    credentials = {"email": email, "password": "wrong"}
    return [Visitor().ask("POST", "users/login/", credentials, headers=headers) for _ in range(times)]


def test_a_password_is_guessed_so_often(limit: Limit, wali: Person, mabel: Person) -> None:
    limit(log_in="3/h")
    assert [each.status for each in attempts(wali.email, 3)] == [401] * 3
    assert_throttled(attempts(wali.email, 1)[0], most_seconds=3600)
    for name in ("login", "refresh"):
        assert Visitor().post(f"users/{name}/", {"email": wali.email, "password": "password123"}).status == 429
    assert mabel.log_in()


def test_an_email_is_the_same_however_it_is_written(limit: Limit, wali: Person) -> None:
    limit(log_in="3/h")
    spellings = [wali.email, wali.email.upper(), f" {wali.email}", wali.email.replace("e", "\uff45")]
    assert [attempts(each, 1)[0].status for each in spellings] == [401, 401, 401, 429]


def test_what_is_refused_does_not_tell_whose_email_there_is(limit: Limit, wali: Person) -> None:
    limit(log_in="1/h")
    known, unknown = (attempts(email, 2)[1] for email in (wali.email, "nobody@email.com"))
    assert (known.status, known.content) == (unknown.status, unknown.content) == (429, known.content)


def test_no_password_is_hashed_beyond_the_rate(limit: Limit, wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(log_in="1/h", sign_up="1/h")
    hashed: list[str] = []
    from tests import hashers

    encode = hashers.QuickPBKDF2PasswordHasher.encode
    monkeypatch.setattr(
        hashers.QuickPBKDF2PasswordHasher, "encode", lambda *args, **kw: (hashed.append(""), encode(*args, **kw))[1]
    )
    attempts(wali.email, 1)
    assert hashed
    hashed.clear()
    attempts(wali.email, 3)
    assert not hashed


BY_ADDRESS: dict[str, tuple[str, Any]] = {
    "sign_up": ("users/signup/", {}),
    "log_in_by_address": ("users/login/", {"email": "a@b.com", "password": "x"}),
    "refresh": ("users/refresh/", {"refresh": "x"}),
}


@pytest.mark.parametrize("action", BY_ADDRESS)
def test_visitors_are_counted_by_their_address(action: str, limit: Limit, db: None, settings: LazySettings) -> None:
    path, body = BY_ADDRESS[action]
    limit(**{action: "2/h"})
    settings.REST_FRAMEWORK = {"NUM_PROXIES": 1}

    def ask(address: str) -> int:
        return Visitor().ask("POST", path, body, headers={"X-Forwarded-For": address}).status

    assert [ask("192.0.2.1") for _ in range(3)][2] == 429
    assert ask("192.0.2.2") != 429
    # What the visitor has written there is not what the proxy has seen.
    assert ask("192.0.2.3, 192.0.2.1") == 429
    # A visitor has a whole network of these.
    assert [ask(f"2001:db8::{n}") for n in range(3)][2] == 429
    assert ask("2001:db8:0:1::1") != 429
    settings.REST_FRAMEWORK = {}
    assert [ask(f"192.0.2.{n}") for n in range(10, 13)][2] == 429


def test_logging_in_again_by_refresh_counts_as_logging_in(limit: Limit, wali: Person) -> None:
    limit(log_in_by_address="1/h")
    body = {"email": wali.email, "password": "password123"}
    assert [Visitor().post(f"users/{name}/", body).status for name in ("refresh", "login")] == [200, 429]


# Many at once


def many_at_once(person: Person, times: int = 200) -> int:
    answers = at_once(*[lambda: person.get("chats/")] * times)
    assert {answer.status for answer in answers} <= {200, 429}
    return sum(answer.status == 200 for answer in answers)


@pytest.mark.django_db(transaction=True)
def test_of_200_at_once_exactly_5_pass(limit: Limit, wali: Person) -> None:
    _token = wali.access
    limit(read="5/d")
    assert many_at_once(wali) == 5


@pytest.mark.django_db(transaction=True)
def test_of_200_at_once_exactly_5_pass_where_processes_share_a_cache(
    limit: Limit, wali: Person, settings: LazySettings, redis_url: str
) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}}
    cache.clear()
    _token = wali.access
    limit(read="5/d")
    assert many_at_once(wali) == 5
    keys = caches["default"]._cache.get_client().keys("*bpo_chat.rate*")
    assert keys and not any(str(wali.user.pk).encode() == key.rsplit(b".")[-1] for key in keys)


def test_where_the_cache_fails_nobody_is_refused_nor_kept_waiting(
    limit: Limit, wali: Person, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    _token = wali.access
    limit(read="1/h")
    assert statuses(lambda: wali.get("chats/"), 3) == [200] * 3
    assert sum("does not count" in record.getMessage() for record in caplog.records) == 1


def test_counters_in_this_process_are_forgotten_when_their_time_is_over() -> None:
    counters, now = rates.LocalCounters(), int(time.time())
    for number in range(now - 100, now + 2):
        assert counters.count("a", rates.Window(number, 1)) == 1
    assert len(counters._counts) <= 3


# Sockets


def test_both_doors_share_their_rates(limit: Limit, connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    limit(send_message="3/h", read="3/h")
    assert wali.post(f"chats/{uri}/messages/", {"message": "Hello"}).status == 201
    answers = [socket.ask("message.send", chat=uri, message="Hello") for _ in range(3)]
    assert [answer["type"] for answer in answers] == ["ok", "ok", "error"]
    assert answers[2]["code"] == "throttled"
    assert 1 <= answers[2]["retry_after"] <= 3600
    assert wali.post(f"chats/{uri}/messages/", {"message": "Hello"}).status == 429
    assert [socket.ask("resume", chat=uri, since=0)["type"] for _ in range(4)] == ["changes"] * 3 + ["error"]
    assert wali.get("chats/").status == 429


def test_a_socket_that_says_too_much_is_closed(limit: Limit, connect: Connect, wali: Person) -> None:
    limit(frames="20/h")
    socket = connect(wali)
    with suppress(ConnectionClosed):
        for _ in range(1000):
            socket.say("pong")
    assert socket.hear_close() == CloseCode.TOO_MANY


def test_resuming_many_chats_is_not_saying_too_much(limit: Limit, connect: Connect, wali: Person) -> None:
    uri = wali.start()
    limit(frames="5/h", read="30/h")
    socket = connect(wali)
    assert {socket.ask("resume", chat=uri, since=0)["type"] for _ in range(30)} == {"changes"}
    for _ in range(6):
        socket.say("resume", chat=uri, since=0)
    assert [socket.hear()["code"] for _ in range(5)] == ["throttled"] * 5
    assert socket.hear_close() == CloseCode.TOO_MANY


def test_somebody_has_so_many_sockets(configure: Configure, connect: Connect, wali: Person, mabel: Person) -> None:
    configure(SOCKETS_PER_USER=3)
    sockets = [connect(wali) for _ in range(3)]
    with pytest.raises(Closed) as closed:
        connect(wali)
    assert closed.value.code == CloseCode.TOO_MANY
    assert connect(mabel).ready
    sockets[0].close()
    while True:
        try:
            assert connect(wali).ready
            break
        except Closed:
            time.sleep(0.05)
    assert sockets[1].ask("resume", chat="?", since=0)["code"] == "not_found"
