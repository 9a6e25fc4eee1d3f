"""The socket's own rules: who gets in, what is said first, which frames there are, and when it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import LazySettings
from django.db import transaction
from django.test import Client
from django.utils.timezone import now
from rest_framework_simplejwt.tokens import AccessToken

from django_bpo_chat import operations
from django_bpo_chat.live import auth
from django_bpo_chat.models import Chat, Message
from tests import sessions
from tests.clients import ChatSocket, Connect, Dial
from tests.fixtures import Configure
from tests.person import Person
from tests.servers import LiveServer, logged_errors

pytest_plugins = ["tests.sockets"]

KIBIBYTE = 1024


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def session(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def cookie(client: Client, origin: str | None) -> dict[str, str]:
    headers = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    return headers if origin is None else {**headers, "Origin": origin}


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def expiring(token: str, seconds: float) -> str:
    """The same token, with less time to live. JWT counts in whole seconds: it may be one less."""
    copy = AccessToken()
    copy.payload = claims(token)
    copy.set_exp(lifetime=timedelta(seconds=seconds))
    return str(copy)


# Who gets in


@pytest.mark.users
def test_hello_is_answered_by_ready_and_nothing_live_comes_before(dial: Dial, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    socket = dial(headers=mabel.headers)
    wali.send(uri)
    wali.send(uri)

    socket.say("hello")

    chats = [{"uri": uri, "version": 3, "unread_count": 2}]
    ready = {"type": "ready", "user": {"username": mabel.username}, "heartbeat": 25, "chats": chats, "more": False}
    assert socket.heard() == [ready]
    wali.send(uri)
    assert socket.hear()["version"] == 4


@pytest.mark.users
def test_the_first_frame_may_bring_the_token(dial: Dial, wali: Person, mabel: Person) -> None:
    socket = dial()
    socket.introduce(token=wali.access)
    assert socket.ready["user"] == {"username": wali.username}

    with_both = dial(headers=wali.headers)
    with_both.introduce(token=mabel.access)
    assert with_both.ready["user"] == {"username": mabel.username}


def test_fields_that_the_server_does_not_know_are_ignored(dial: Dial, wali: Person) -> None:
    dial(headers=wali.headers).introduce(client="a browser", version=[1, {"2": None}])


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [((), None), (("bpo-chat.v1",), "bpo-chat.v1"), (("chat", "bpo-chat.v1"), "bpo-chat.v1"), (("chat",), None)],
)
def test_the_subprotocol_is_ours_where_it_is_offered(
    dial: Dial, wali: Person, offered: Sequence[str], chosen: str | None
) -> None:
    socket = dial(headers=wali.headers, subprotocols=offered)
    assert socket.subprotocol == chosen
    socket.introduce()


@pytest.mark.users
def test_a_page_of_the_site_gets_in_by_the_session_cookie(
    settings: LazySettings, live: LiveServer, dial: Dial, wali: Person
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://chat.example.com", "https://*.example.org"]
    browser = session(wali)
    for origin in [live.http, "https://chat.example.com", "https://HELP.example.org", "https://a.b.example.org"]:
        socket = dial(headers=cookie(browser, origin))
        socket.introduce()
        assert socket.ready["user"] == {"username": wali.username}


def test_the_cookie_of_another_origin_is_a_strangers(
    settings: LazySettings, live: LiveServer, dial: Dial, wali: Person
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://chat.example.com"]
    browser = session(wali)
    for origin in [
        *(None, "null", "", "http://", "http://[", "http://[::1", "http://a]b", "\u00e9"),
        *("http://elsewhere.com", "http://127.0.0.1", "http://127.0.0.1:1", f"{live.http}.elsewhere.com"),
        *("http://elsewhere.com#127.0.0.1", live.http.removeprefix("http:"), live.http.replace("http", "ftp")),
        *("http://chat.example.com", "https://chat.example.com:8443", "https://a.chat.example.com"),
    ]:
        assert dial(headers=cookie(browser, origin)).refusal() == 4401, origin

        with_token = dial(headers=cookie(browser, origin))
        with_token.introduce(token=wali.access)


def test_a_cookie_that_is_no_session_is_a_strangers(live: LiveServer, dial: Dial, wali: Person) -> None:
    for value in ["sessionid=unknown", "sessionid=", "sessionid", "=;;=,\xff", "session id=x", 'sessionid="', "a"]:
        assert dial(headers={"Cookie": value, "Origin": live.http}).refusal() == 4401, value


@pytest.mark.users
def test_the_session_of_a_deactivated_user_or_an_old_password_is_a_strangers(
    live: LiveServer, dial: Dial, wali: Person, mabel: Person
) -> None:
    browsers = [session(person) for person in (wali, mabel)]
    wali.deactivate()
    mabel.change_password()
    for browser in browsers:
        assert dial(headers=cookie(browser, live.http)).refusal() == 4401


def bad_tokens(person: Person, other: Person) -> dict[str, str]:
    """Tokens that are refused, though each is nearly one of ``person``."""
    good = claims(person.access)
    tokens = {
        "empty": "",
        "garbage": "garbage",
        "not ASCII": "\u00e9",
        "a refresh token": person.log_in()["refresh"],
        "expired": expiring(person.access, -1),
        "unsigned": jwt.encode(good, "", algorithm="none"),
        "signed with another key": jwt.encode(good, "k" * 32, algorithm="HS256"),
        "of nobody": str(AccessToken()),
        "of an old password": other.access,
    }
    other.change_password()
    return tokens


@pytest.mark.users
def test_a_bad_token_is_refused_and_nothing_else_is_tried(
    live: LiveServer, dial: Dial, wali: Person, mabel: Person
) -> None:
    by_cookie = cookie(session(wali), live.http)
    for kind, token in bad_tokens(wali, mabel).items():
        assert dial(headers=by_cookie).refusal(token=token) == 4401, kind

        assert dial(headers={**by_cookie, **bearer(token)}).hear_close() == 4401, kind

        with_good_bearer = dial(headers=wali.headers)
        assert with_good_bearer.refusal(token=token) == 4401, kind


def test_a_token_in_the_url_is_refused_whatever_else_is_shown(dial: Dial, wali: Person) -> None:
    for name in ["token", "Token", "access_token", "access", "jwt", "anything"]:
        assert dial(f"?{name}={wali.access}", headers=wali.headers).hear_close() == 4401, name
    assert dial("?a=b&token=abc").hear_close() == 4401
    dial("?from=page", headers=wali.headers).introduce()


def test_a_malformed_hello_is_an_error_and_the_end(dial: Dial, wali: Person) -> None:
    for token in [5, None, True, ["token"], {"access": wali.access}]:
        socket = dial(headers=wali.headers)
        socket.say("hello", token=token)
        assert socket.hear()["code"] == "invalid", token
        assert socket.hear_close() == 4400, token


def test_another_first_frame_is_the_end(dial: Dial, wali: Person) -> None:
    uri = wali.start()
    for kind in ["message.send", "ready", "websocket.send", "", 5, None, ["hello"], {}]:
        for headers, code in [(wali.headers, 4400), ({}, 4401)]:
            socket = dial(headers=headers)
            socket.say_raw(json.dumps({"type": kind, "id": 1, "chat": uri, "message": "Hello world"}))
            assert socket.hear_close() == code, kind
    assert wali.messages(uri)["results"] == []


def test_whoever_says_no_hello_in_time_is_sent_away(configure: Configure, dial: Dial, wali: Person) -> None:
    configure(HELLO_SECONDS=0.3)
    silent, talker, ready = dial(), dial(), dial(headers=wali.headers)
    ready.introduce()
    talker.say_raw("no hello")  # which does not win any time
    assert talker.hear()["code"] == "parse_error"
    assert talker.hear_close() == 4401
    assert silent.hear_close() == 4401
    assert ready.heard() == []


# Frames


NO_OBJECTS: list[str | bytes] = [
    *("", "hello", '{"type":', "{'type': 'pong'}", '{"type":NaN}', "[" * 30_000),
    *("[]", '["pong"]', '"pong"', "null", "1"),
    *(b"", b"\xff\x00", b'{"type":"pong"}'),
]


def test_the_third_frame_that_is_no_object_is_the_last(dial: Dial, wali: Person) -> None:
    for frame in NO_OBJECTS:
        socket = dial(headers=wali.headers)
        socket.introduce()
        for _ in range(3):
            socket.say_raw(frame)
        for _ in range(3):
            answer = socket.hear()
            assert (answer["type"], answer["code"]) == ("error", "parse_error"), frame
        assert socket.hear_close() == 4400, frame


def test_two_frames_that_are_no_objects_are_forgiven(connect: Connect, wali: Person) -> None:
    socket = connect(wali)
    for frame in NO_OBJECTS[:2]:
        socket.say_raw(frame)
        assert socket.hear()["code"] == "parse_error"
    assert socket.heard() == []


def test_strangers_have_three_frames_too(dial: Dial) -> None:
    socket = dial()
    for _ in range(3):
        socket.say_raw("no JSON")
        assert socket.hear()["code"] == "parse_error"
    assert socket.hear_close() == 4400


def padded(size: int, **fields: Any) -> str:
    """A frame of so many bytes."""
    empty = json.dumps({**fields, "padding": ""})
    return json.dumps({**fields, "padding": "x" * (size - len(empty))})


def test_a_frame_may_have_64_kibibytes(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    send = {"type": "message.send", "chat": uri, "message": "Hello world"}

    socket.say_raw(padded(64 * KIBIBYTE, **send, id="just fits"))
    assert {frame.get("id") for frame in (socket.hear(), socket.hear())} == {"just fits", None}

    for size in [64 * KIBIBYTE + 1, 128 * KIBIBYTE, 1024 * KIBIBYTE]:
        socket.say_raw(padded(size, **send, id="too large"))
        assert socket.hear()["type"] == "error"
    assert socket.hear_close() == 4400
    assert [message["seq"] for message in wali.messages(uri)["results"]] == [1]


def test_frames_of_unknown_types_are_errors_and_nothing_more(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    kinds: list[Any] = [
        *("nothing", "", 5, None, True, [], {}, ["pong"]),
        *("hello", "ready", "ok", "error", "ping", "changes", "reset"),
        *("websocket.send", "websocket.disconnect", "websocket.close", "bpo_chat.events", "chat.message"),
    ]
    for kind in kinds:
        answer = walis.ask(kind, chat=uri, text="Hello", code=4400, since=0, version=9, messages=[], members=[])
        assert (answer["type"], answer["code"]) == ("error", "invalid"), kind
    walis.say_raw('{"chat":"a frame without a type"}')
    assert walis.hear()["code"] == "invalid"
    assert walis.heard() == mabels.heard() == []


def test_answers_carry_the_id_of_what_they_answer(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    for name in ["1", 1, 0, -5, "", "é" * 64, 2**60]:
        assert socket.ask("read", id=name, chat=uri, seq=0)["type"] == "ok"
        assert socket.ask("read", id=name, chat="?", seq=0)["type"] == "error"

    socket.say("read", chat=uri, seq=0)
    assert socket.heard() == []  # no id, no answer; but an error is told
    socket.say("read", chat="?", seq=0)
    [error] = socket.heard()
    assert "id" not in error

    for name in [None, True, 1.5, [], {}, "x" * 65]:
        socket.say("read", id=name, chat=uri, seq=0)
        assert socket.hear()["code"] == "invalid", name


def test_a_message_that_is_sent_is_stored_once_it_is_ok(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    socket = connect(wali)
    answer = socket.ask("message.send", id="m1", chat=uri, message=" Grüße \U0001f353 ", client_id="c1")
    [stored] = mabel.messages(uri)["results"]
    assert (stored["message"], stored["client_id"]) == ("Grüße \U0001f353", "c1")
    assert answer == {"type": "ok", "id": "m1", "message": stored}
    assert socket.hear()["messages"] == [stored]


def test_frames_are_utf_8_and_not_escaped(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    wali.send(uri, "Grüße \U0001f353")
    text = socket.hear_raw()
    assert "Grüße \U0001f353" in text


def test_a_message_to_send_has_to_be_named(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    socket.say("message.send", chat=uri, message="Hello world")
    [answer] = socket.heard()
    assert (answer["type"], answer["code"]) == ("error", "invalid")
    assert wali.messages(uri)["results"] == []


def test_inputs_of_wrong_types_are_errors(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    no_string: list[Any] = [None, 5, [], {}, True]
    no_number: list[Any] = [None, "1", -1, 1.5, [], True]
    wrong: list[tuple[str, str, list[Any]]] = [
        ("message.send", "chat", no_string),
        ("message.send", "message", no_string),
        ("message.send", "client_id", [5, [], "x" * 65, "\n"]),
        ("resume", "chat", no_string),
        ("resume", "since", no_number),
        ("read", "chat", no_string),
        ("read", "seq", no_number),
        ("auth", "token", no_string),
    ]
    for kind, field, values in wrong:
        for value in values:
            answer = socket.ask(kind, **{"chat": uri, "message": "Hello", "since": 0, "seq": 0, field: value})
            assert (answer["type"], answer["code"]) == ("error", "invalid"), (kind, field, value)
            assert isinstance(answer["detail"], str)
        assert socket.ask(kind)["code"] == "invalid"
    assert socket.heard() == []


# Resuming


def test_a_resume_is_answered_by_all_that_was_missed(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "one")
    wali.send(uri, "two")
    wali.edit(uri, 1, "uno")
    wali.edit_chat(uri, title="Numbers")
    socket = connect(mabel)
    for since in range(5):
        answer = socket.ask("resume", id="r", chat=uri, since=since)
        assert answer == {"type": "changes", "id": "r", **mabel.changes(uri, since)}


def test_whoever_has_missed_nothing_is_told_so(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    answer = connect(wali).ask("resume", id="r", chat=uri, since=1)
    nothing = {"since": 1, "version": 1, "messages": [], "members": [], "details": None, "more": False}
    assert answer == {"type": "changes", "id": "r", "chat": uri, **nothing}


def test_a_resume_without_an_id_is_answered_without_one(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    socket.say("resume", chat=uri, since=0)
    assert socket.heard() == [{"type": "changes", **wali.changes(uri, since=0)}]


def fill(uri: str, author: Person, count: int) -> None:
    """Have the author send so many messages in no time: only their rows are written."""
    chat = Chat.objects.get(uri=uri)
    seqs = range(chat.last_seq + 1, chat.last_seq + count + 1)
    Message.objects.bulk_create(
        Message(chat=chat, seq=seq, version=chat.version + n, author=author.user, text=f"{seq}", created_at=now())
        for n, seq in enumerate(seqs, start=1)
    )
    chat.last_seq += count
    chat.version += count
    chat.save()


def test_pages_follow_one_another_until_there_are_no_more(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    fill(uri, wali, 499)
    socket = connect(wali)

    pages = socket.resume(uri, since=0)

    assert len(pages) > 1
    assert [page["more"] for page in pages] == [True] * (len(pages) - 1) + [False]
    assert [page["since"] for page in pages] == [0, *(page["version"] for page in pages[:-1])]
    assert pages[-1]["version"] == 500
    assert [message["seq"] for page in pages for message in page["messages"]] == list(range(1, 500))
    assert socket.heard() == []

    # One more, and it is cheaper to fetch the chat anew.
    wali.send(uri)
    reset = {"type": "reset", "chat": uri, "version": 501}
    assert socket.ask("resume", id="r", chat=uri, since=0) == {**reset, "id": "r"}
    assert socket.resume(uri, since=1)[-1]["version"] == 501


def test_pages_of_large_messages_are_frames_of_64_kibibytes_at_most(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    for _ in range(9):
        operations.send_message(actor=wali.user, chat=uri, text="\U0001f353" * 4000)
    socket = connect(wali)
    socket.say("resume", chat=uri, since=0)
    seqs: list[int] = []
    while len(seqs) < 9:
        text = socket.hear_raw()
        assert len(text.encode()) <= 64 * KIBIBYTE
        seqs += [message["seq"] for message in json.loads(text)["messages"]]
    assert seqs == list(range(1, 10))


def test_whoever_is_ahead_of_the_chat_starts_anew(connect: Connect, wali: Person) -> None:
    uri = wali.start()
    socket = connect(wali)
    for since in [2, 1000, 10**30]:
        reset = {"type": "reset", "id": "r", "chat": uri, "version": 1}
        assert socket.ask("resume", id="r", chat=uri, since=since) == reset


def test_a_resume_is_refused_as_rest_refuses(connect: Connect, wali: Person, mabel: Person) -> None:
    joinable, hidden = wali.start(), wali.start()
    wali.edit_chat(hidden, joinable=False)
    socket = connect(mabel)
    assert socket.ask("resume", chat=joinable, since=0)["code"] == "not_a_member"
    refusals = [socket.ask("resume", id=1, chat=uri, since=0) for uri in (hidden, "A" * 22, "", "/", "x" * 9999)]
    assert refusals == [{"type": "error", "id": 1, "code": "not_found", "detail": "Not found."}] * 5


# Time


def test_those_who_answer_pings_stay_and_those_who_are_silent_go(
    configure: Configure, connect: Connect, wali: Person
) -> None:
    configure(HEARTBEAT_SECONDS=0.1)
    silent, answering = connect(wali), connect(wali)
    assert silent.ready["heartbeat"] == 0.1
    for _ in range(10):
        assert json.loads(answering.hear_raw()) == {"type": "ping"}
        answering.say("pong")
    assert silent.hear_close() == 4408
    assert answering.heard() == []


def test_any_frame_is_a_sign_of_life(configure: Configure, connect: Connect, wali: Person) -> None:
    configure(HEARTBEAT_SECONDS=0.1)
    socket = connect(wali)
    pings = 0
    while pings < 10:
        frame = json.loads(socket.hear_raw())
        if frame == {"type": "ping"}:
            pings += 1
            socket.say("read", chat="?", seq=0)
        else:
            assert frame["code"] == "not_found"


@pytest.mark.users
def test_a_token_that_expires_ends_the_socket_after_a_warning(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    token = expiring(mabel.access, 2)
    socket = connect(mabel, token)
    warning = socket.hear()
    assert warning["type"] == "auth.expiring"
    assert 0 <= warning["seconds"] <= 2

    # What is no fresh token of the same user wins no time, and costs none.
    for other in [wali.access, "garbage", "", mabel.log_in()["refresh"], expiring(mabel.access, -1)]:
        refusal = socket.ask("auth", token=other)
        assert (refusal["type"], refusal["code"]) == ("error", "not_authenticated")
    assert socket.ask("message.send", chat=uri, message="Hello")["message"]["user"] == {"username": mabel.username}
    assert socket.hear()["messages"][0]["message"] == "Hello"

    assert socket.hear_close() == 4401
    assert claims(token)["exp"] <= time.time()


def test_the_warning_comes_a_minute_before(connect: Connect, wali: Person) -> None:
    warning = connect(wali, expiring(wali.access, 62)).hear()
    assert warning["type"] == "auth.expiring"
    assert 58 <= warning["seconds"] <= 60


@pytest.mark.users
def test_a_fresh_token_lets_the_socket_live_on(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    token = expiring(mabel.access, 2)
    renewed, not_renewed = connect(mabel, token), connect(mabel, token)
    assert renewed.hear()["type"] == not_renewed.hear()["type"] == "auth.expiring"

    assert renewed.ask("auth", id="a1", token=mabel.access) == {"type": "ok", "id": "a1"}

    assert not_renewed.hear_close() == 4401
    wali.send(uri)
    assert renewed.hear()["type"] == "changes"


def test_a_session_that_expires_ends_the_socket(live: LiveServer, dial: Dial, wali: Person) -> None:
    browser = session(wali)
    stored = browser.session
    stored.set_expiry(1)
    stored.save()
    socket = dial(headers=cookie(browser, live.http))
    socket.introduce()
    assert socket.hear_close() == 4401


@pytest.mark.times
@pytest.mark.parametrize("left", [timedelta(seconds=2), timedelta(seconds=-1)])
def test_a_session_ends_when_the_site_has_said_also_where_its_engine_goes_on(
    settings: LazySettings, live: LiveServer, dial: Dial, wali: Person, left: timedelta
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    stored = session(wali).session
    stored.set_expiry(now() + left)
    stored.save()
    headers = {"Cookie": f"sessionid={stored.session_key}", "Origin": live.http}
    socket, with_token = dial(headers=headers), dial(headers=headers)
    if left > timedelta():
        socket.introduce()
    else:
        socket.say("hello")
    assert socket.hear_close() == 4401
    with_token.introduce(token=wali.access)


def test_a_log_in_is_not_looked_at_again_and_again(
    monkeypatch: pytest.MonkeyPatch, live: LiveServer, dial: Dial, wali: Person
) -> None:
    monkeypatch.setattr(auth, "TRUSTED_SECONDS", 0)
    looks = []
    login = auth.Handshake.login

    def counted(handshake: auth.Handshake) -> auth.Login | None:
        looks.append(handshake)
        return login(handshake)

    monkeypatch.setattr(auth.Handshake, "login", counted)
    socket = dial(headers=cookie(session(wali), live.http))
    socket.introduce()
    time.sleep(1.5)
    assert len(looks) < 5


def test_a_session_that_cannot_be_looked_at_ends_the_socket(
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    live: LiveServer,
    dial: Dial,
    wali: Person,
) -> None:
    browser = session(wali)
    stored = browser.session
    stored.set_expiry(2)
    stored.save()
    settings.SESSION_ENGINE = "tests.sessions"
    socket = dial(headers=cookie(browser, live.http))
    socket.introduce()
    monkeypatch.setattr(sessions.SessionStore, "is_away", True)
    assert socket.hear_close() == 4503
    assert dial(headers=cookie(browser, live.http)).refusal() == 4503
    assert logged_errors(caplog) == ["What a socket asked for has failed"] * 2


def test_a_session_that_cannot_be_looked_at_does_not_matter_where_a_token_is_said(
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    live: LiveServer,
    dial: Dial,
    wali: Person,
) -> None:
    browser = session(wali)
    settings.SESSION_ENGINE = "tests.sessions"
    monkeypatch.setattr(sessions.SessionStore, "is_away", True)
    dial(headers=cookie(browser, live.http)).introduce(token=wali.access)
    assert dial(headers=cookie(browser, live.http)).refusal(token="garbage") == 4401
    assert logged_errors(caplog) == ["What a socket asked for has failed"] * 2


@pytest.mark.users
def test_a_session_that_ended_before_the_hello_is_a_strangers(live: LiveServer, dial: Dial, wali: Person) -> None:
    browser = session(wali)
    socket = dial(headers=cookie(browser, live.http))
    browser.logout()
    assert socket.refusal() == 4401


def test_a_fresh_token_is_acknowledged_also_without_an_id(connect: Connect, wali: Person) -> None:
    socket = connect(wali)
    socket.say("auth", token=wali.log_in()["access"])
    assert socket.hear() == {"type": "ok"}


# Ready


def test_ready_lists_the_last_active_chats_first_and_says_that_there_are_more(
    connect: Connect, wali: Person, mabel: Person
) -> None:
    with transaction.atomic():
        uris = [operations.start_group(actor=wali.user, members=[mabel.username]).uri for _ in range(201)]
    wali.send(uris[7])
    listed = [uris[7], *(uri for uri in reversed(uris) if uri != uris[7])]

    ready = connect(mabel).ready
    assert [chat["uri"] for chat in ready["chats"]] == listed[:200]
    assert ready["more"]
    assert ready["chats"][0] == {"uri": uris[7], "version": 2, "unread_count": 1}

    mabel.leave(uris[0])
    ready = connect(mabel).ready
    assert [chat["uri"] for chat in ready["chats"]] == [uri for uri in listed if uri != uris[0]]
    assert not ready["more"]


def test_ready_lists_what_is_unread(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(4):
        wali.send(uri)
    wali.erase(uri, 3)
    mabel.mark_read(uri, 1)

    def unread(socket: ChatSocket) -> int:
        [chat] = socket.ready["chats"]
        count: int = chat["unread_count"]
        return count

    assert unread(connect(mabel)) == 2
    assert unread(connect(wali)) == 0
