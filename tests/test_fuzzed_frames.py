"""Whatever a client says: it is answered by documented frames, or its socket ends as documented, and nobody else
notices. The same as bodies over HTTP.

That each answer is a documented one, the witness says.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from io import BytesIO
from typing import Any

import httpx
import pytest
from django.conf import LazySettings
from django.test import Client
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from django_bpo_chat.conf import DEFAULTS
from django_bpo_chat.exceptions import CloseCode
from django_bpo_chat.live.frames import FRAMES
from tests.clients import ChatSocket, Closed, Connect, Frame
from tests.fixtures import Configure
from tests.person import FORM, Answer, Person, file_part, form
from tests.servers import LiveServer
from tests.test_bad_input import assert_refused
from tests.test_socket import KIBIBYTE, padded

pytest_plugins = ["tests.sockets"]

LIMIT = 64 * KIBIBYTE
URI = "@"
"""Stands for the uri of the chat, which is made later."""

bounds = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

# What is said

INTERNAL = [
    *("websocket.receive", "websocket.send", "websocket.close", "websocket.disconnect", "http.request"),
    *("bpo_chat.events", "changes", "personal", "ephemeral", "typing", "online", "user", "user_deleted", "logged_out"),
    *("chat.message", "ready", "ok", "error", "reset", "ping", "reconnect", "__init__", "_say"),
]
"""What the server, its bus or Channels tell each other."""

FIELDS = [
    *("id", "chat", "message", "client_id", "reply_to", "attachments", "since", "seq", "usernames", "token"),
    *("v", "kind", "frame", "user", "events", "sender", "joined", "left", "code", "text", "bytes", "card", "_state"),
]

texts = st.text() | st.sampled_from(["\ud800", "a\udfffb", "\0", "\u202e", "x" * 5000, URI])
numbers = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([10**30, -(10**400), 2**63, 1e308])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
kinds = st.sampled_from([*FRAMES, "hello"]) | st.sampled_from(INTERNAL) | values
objects = st.builds(
    lambda kind, fields: json.dumps({**fields, "type": kind}, allow_nan=False, default=str),
    kinds,
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=6),
)
ODD = [
    *('{"type":"pong","type":"websocket.close"}', '{"type":"pong","id":1,"id":"\\ud800"}', '{"type":"\\u0000"}'),
    *('{"type":"pong","id":1e999}', '{"type":"read","chat":"@","seq":' + "9" * 4000 + "}", '{"type":"pong"}\n\n'),
    *('{"type":' + "[" * 20 + "]" * 20 + "}", '{"__proto__":{"type":"pong"},"constructor":1}'),
    *('{"type":' + "[" * 40 + "]" * 40 + "}", "[" * 30_000, '{"a":' * 9_000, '{"type":NaN}', "\ufeff{}", "\0", "{}{}"),
    *(padded(LIMIT - 1, type="pong"), padded(LIMIT, type="pong"), padded(LIMIT + 1, type="pong")),
]
frames = objects | st.sampled_from(ODD) | st.text(st.characters(codec="utf-8"), max_size=50) | st.binary(max_size=50)


def is_object(frame: str | bytes) -> bool:
    """By the contract: of 64 KiB and 32 levels at most."""
    if isinstance(frame, bytes) or len(frame.encode()) > LIMIT or "NaN" in frame or "Infinity" in frame:
        return False
    with suppress(ValueError, RecursionError):
        value = json.loads(frame)
        return isinstance(value, dict) and depth(value) <= 32
    return False


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


# At a socket


def answers(socket: ChatSocket) -> tuple[list[Frame], int | None]:
    """All that is said until what was said is done with; or until the end, and its code."""
    with suppress(ConnectionClosed):
        socket.say("resume", id="the end", chat="?", since=0)
    heard: list[Frame] = []
    try:
        while (frame := socket.hear()).get("id") != "the end":
            heard.append(frame)
    except Closed as closed:
        return heard, closed.code
    return heard, None


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_whatever_is_said_is_answered_or_ends_the_socket(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    bystander = connect(mabel)

    @bounds
    @given(said=st.lists(frames, min_size=1, max_size=8))
    @example(said=ODD[:10])
    @example(said=["[]", '"pong"', b"\xff"])
    def check(said: list[str | bytes]) -> None:
        said = [each.replace(f'"{URI}"', f'"{uri}"') if isinstance(each, str) else each for each in said]
        bad = sum(not is_object(each) for each in said)
        socket = connect(wali)
        with suppress(ConnectionClosed):
            for each in said:
                socket.say_raw(each)
        heard, ended = answers(socket)
        assert ended == (CloseCode.BAD_FRAMES if bad >= 3 else None)
        assert sum(frame.get("code") in {"parse_error", "too_large"} for frame in heard) == min(bad, 3)
        assert {frame["type"] for frame in heard} <= {"error", "ok", "changes", "reset", "presence", "read"}
        socket.close()
        assert {frame["type"] for frame in bystander.heard()} <= {"changes", "read", "typing"}

    check()
    assert bystander.ask("message.send", chat=uri, message="Hello")["type"] == "ok"
    newest = mabel.messages(uri, limit=1)["results"][0]
    assert (newest["user"]["username"], newest["message"]) == ("mabel", "Hello")


@pytest.mark.parametrize("kind", INTERNAL)
def test_what_the_server_tells_itself_is_no_frame_of_a_client(
    connect: Connect, wali: Person, mabel: Person, kind: str
) -> None:
    """Not even with all that belongs to it."""
    if kind in FRAMES:
        kind = f"{kind}s"
    uri = wali.start(mabel)
    walis, mabels = connect(wali), connect(mabel)
    envelope = {"v": 1, "kind": "personal", "user": str(mabel.user.pk), "frame": '{"type":"ping"}', "chat": uri}
    more = {"events": [envelope], "sender": "x", "code": 4400, "text": "{}", "bytes": "", "more": False}
    walis.say_raw(json.dumps({**envelope, **more, "type": kind, "id": 1}))
    answer = walis.hear()
    assert (answer["type"], answer["code"]) == ("error", "invalid")
    assert walis.heard() == mabels.heard() == []


def test_a_thousand_frames_a_second_hurt_nobody_else(
    configure: Configure, connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    flooding, other = connect(wali), connect(mabel)
    configure(RATES=DEFAULTS["RATES"])
    flooding, other = connect(wali), connect(mabel)
    with suppress(ConnectionClosed):
        for number in range(1000):
            flooding.say("typing", chat=uri, id=number)
    began = time.monotonic()
    assert other.ask("message.send", chat=uri, message="Hello")["type"] == "ok"
    assert time.monotonic() - began < 5
    with pytest.raises(Closed) as closed:
        list(iter(flooding.hear, None))
    assert closed.value.code == CloseCode.TOO_MANY
    assert connect(wali).ready


def test_of_200_sockets_of_one_user_10_stay(
    configure: Configure, connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    configure(SOCKETS_PER_USER=DEFAULTS["SOCKETS_PER_USER"])
    ready, codes = [], []
    for _ in range(200):
        try:
            ready.append(connect(wali))
        except Closed as closed:
            codes.append(closed.code)
    assert (len(ready), codes) == (10, [CloseCode.TOO_MANY] * 190)
    assert connect(mabel).ask("message.send", chat=uri, message="Hello")["type"] == "ok"
    assert [socket.hear()["type"] for socket in ready] == ["changes"] * 10


# Over HTTP


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_the_same_as_a_body_is_a_message_or_a_clear_4xx(live: LiveServer, wali: Person) -> None:
    """Whole or in chunks of any size."""
    path = f"/api/v1/chats/{wali.start()}/messages/"
    client = httpx.Client(base_url=live.http, headers={**wali.headers, "Content-Type": "application/json"})

    @bounds
    @given(body=frames, size=st.integers(1, 9000))
    def check(body: str | bytes, size: int) -> None:
        raw = body if isinstance(body, bytes) else body.encode()
        whole = client.post(path, content=raw)
        chunked = client.post(path, content=iter([raw[at : at + size] for at in range(0, len(raw), size)]))
        for response in (whole, chunked):
            if response.status_code != 201:
                assert response.status_code in {400, 413}
                answer = Answer(response.status_code, response.headers, response.content)
                assert_refused(answer, response.status_code)
        assert whole.status_code == chunked.status_code

    with client:
        check()


class Endless(BytesIO):
    """A body as long as anybody wants, which knows how much of it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None and 0 <= size < 10**7, "all of it"
        self.taken += size
        return b"x" * size

    def readline(self, size: int | None = -1, /) -> bytes:
        return self.read(size)


@pytest.mark.parametrize("path", ["chats/", "users/login/", "chats/{uri}/messages/", "chats/{uri}/attachments/"])
def test_of_a_body_that_says_it_is_too_large_nothing_is_read(wali: Person, path: str) -> None:
    path = path.format(uri=wali.start())
    content_type = FORM if path.endswith("attachments/") else "application/json"
    body = Endless()
    response = Client(headers=wali.headers).post(
        f"/api/v1/{path}",
        data=b"x",
        content_type=content_type,
        **{"wsgi.input": body, "CONTENT_LENGTH": str(10**9)},
    )
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert body.taken == 0


def test_of_a_file_that_is_too_large_no_more_is_read_than_it_may_have(
    settings: LazySettings, configure: Configure, wali: Person
) -> None:
    """However large the site lets bodies be that are not files."""
    configure(ATTACHMENT_BYTES=100_000)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    uri = wali.start()
    answer = wali.upload(uri, b"x" * 100_001)
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    fields = b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nx\r\n' % n for n in range(2000))
    many = wali.ask("POST", f"chats/{uri}/attachments/", fields + form(file_part()), content_type=FORM)
    assert many.status in {400, 413}


@pytest.mark.thorough
def test_a_form_that_is_cut_or_spoilt_anywhere_is_a_file_or_a_clear_4xx(wali: Person, own_folder: None) -> None:
    uri = wali.start()
    good = form(file_part(b"Hello", "hello.txt"))

    @bounds
    @given(at=st.integers(0, len(good)), spoilt=st.binary(max_size=20), left=st.integers(0, len(good)))
    def check(at: int, spoilt: bytes, left: int) -> None:
        body = good[:at] + spoilt + good[left:]
        answer = wali.ask("POST", f"chats/{uri}/attachments/", body, content_type=FORM)
        if answer.status != 201:
            assert answer.status in {400, 413}
            assert_refused(answer, answer.status)

    check()
