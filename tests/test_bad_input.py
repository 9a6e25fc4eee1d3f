"""Whatever a client sends, the answer is a clear 4xx with a stable code, and nothing is half written."""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import Client
from django.test.client import BOUNDARY, encode_multipart
from rest_framework.settings import api_settings

from django_bpo_chat.models import Chat, Message
from tests.middleware import READS_FORMS
from tests.parallel import with_own_connection
from tests.person import PASSWORD, Answer, Bearer, OnPage, Person, Visitor
from tests.servers import LiveServer
from tests.test_contract import URLS

CODES = {
    400: {"invalid", "parse_error"},
    401: {"not_authenticated"},
    403: {"not_a_member", "not_allowed"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    406: {"not_acceptable"},
    409: {"client_id_reused"},
    411: {"length_required"},
    413: {"too_large"},
    415: {"unsupported_media_type"},
    429: {"throttled"},
    503: {"unavailable"},
}


def assert_refused(answer: Answer, status: int, code: str | None = None) -> None:
    """Like this, in one of the two shapes that an error has."""
    assert answer.status == status, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json
    assert isinstance(body, dict)
    if "code" in body:
        assert body.keys() == {"detail", "code"}
        assert isinstance(body["detail"], str)
        assert body["code"] in CODES[status]
    else:
        assert status == 400
        assert body
        for texts in body.values():
            assert isinstance(texts, list)
            assert texts
            assert all(isinstance(text, str) for text in texts), body
    if code is not None:
        assert body.get("code") == code
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.fixture
def uri(wali: Person, mabel: Person) -> str:
    """wali's chat with mabel and one message."""
    uri = wali.start(mabel)
    wali.send(uri)
    return uri


# method, path, a body that works
BODIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "signup": (
        "POST",
        "users/signup/",
        {"username": "ines", "email": "ines@email.com", "password": PASSWORD, "password2": PASSWORD},
    ),
    "login": ("POST", "users/login/", {"email": "wali@email.com", "password": PASSWORD}),
    "refresh by password": ("POST", "users/refresh/", {"email": "wali@email.com", "password": PASSWORD}),
    "refresh": ("POST", "users/refresh/", {"refresh": "a.b.c"}),
    "logout": ("POST", "users/logout/", {"refresh": "a.b.c"}),
    "start a group": ("POST", "chats/", {"title": "Picnic", "members": ["mabel"]}),
    "start a personal chat": ("POST", "chats/", {"username": "mabel"}),
    "join": ("PATCH", "chats/{uri}/", {"username": "wali"}),
    "edit a chat": ("PATCH", "chats/{uri}/", {"title": "Picnic", "joinable": True, "history": "full"}),
    "send": ("POST", "chats/{uri}/messages/", {"message": "Hello", "client_id": "a"}),
    "edit": ("PATCH", "chats/{uri}/messages/1/", {"message": "Hello"}),
    "read": ("PUT", "chats/{uri}/read/", {"seq": 1}),
    "mark as unread": ("PUT", "chats/{uri}/unread/", {"seq": 1}),
    "change a role": ("PATCH", "chats/{uri}/members/mabel/", {"role": "admin"}),
    "invite": ("POST", "chats/{uri}/invites/", {"expires_in": 60, "max_uses": 1}),
    "pin": ("PATCH", "chats/{uri}/me/", {"muted": False, "pinned": True, "archived": False}),
    "report": ("POST", "chats/{uri}/messages/2/report/", {"reason": "Spam"}),
}
each_body = pytest.mark.parametrize("name", BODIES)


def ask(person: Person, uri: str, name: str, body: Any, **options: Any) -> Answer:
    method, path, _ = BODIES[name]
    return person.ask(method, path.format(uri=uri), body, **options)


def state(uri: str) -> Any:
    return (
        get_user_model().objects.count(),
        Chat.objects.count(),
        Chat.objects.filter(uri=uri).values_list("version", "last_seq", "member_count", "title").get(),
        list(Message.objects.order_by("pk").values_list("seq", "text", "version")),
    )


@contextmanager
def nothing_stored(uri: str) -> Iterator[None]:
    before = state(uri)
    yield
    assert state(uri) == before


# Bodies as a whole


def test_no_body_is_forgotten() -> None:
    taken = {(method, path) for method, path, body, _ in URLS if isinstance(body, dict)}
    assert {(method, path.strip("/")) for method, path, _ in BODIES.values()} == taken


@each_body
def test_a_body_that_is_no_object_is_400(subtests: pytest.Subtests, wali: Person, uri: str, name: str) -> None:
    with nothing_stored(uri):
        for body in [b"[]", b"null", b"1", b"1.5", b"true", b'"text"', b"[{}]", b'[{"message":"x"}]']:
            with subtests.test(body.decode()):
                assert_refused(ask(wali, uri, name, body), 400)


NOT_JSON = {
    "cut off": b'{"message":',
    "an open string": b'{"message":"Hello}',
    "single quotes": b"{'message':'Hello'}",
    "more after the end": b'{"message":"Hello"} {}',
    "a trailing comma": b'{"message":"Hello",}',
    "a form": b"message=Hello",
    "NaN": b'{"message":"Hello","seq":NaN}',
    "Infinity": b'{"message":"Hello","seq":-Infinity}',
    "a raw line break in a string": b'{"message":"a\nb"}',
    "a raw NUL in a string": b'{"message":"a\0b"}',
    "NULs": b"\0" * 10,
    "a byte order mark": b'\xef\xbb\xbf{"message":"Hello"}',
    "bytes that are not UTF-8": b'{"message":"\xff\xfe"}',
    "latin-1": '{"message":"é"}'.encode("latin-1"),
    "UTF-16": '{"message":"Hello"}'.encode("utf-16"),
    "a surrogate in UTF-8": b'{"message":"\xed\xa0\x80"}',
    "40 levels": b'{"message":"Hello","more":' + b"[" * 40 + b"]" * 40 + b"}",
    "30,000 levels": b"[" * 30_000 + b"]" * 30_000,
    "30,000 levels of objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "30,000 open brackets": b"[" * 30_000,
    "a number of 5,000 digits": b'{"message":"Hello","seq":' + b"9" * 5000 + b"}",
}


@each_body
def test_a_body_that_cannot_be_read_is_a_parse_error(
    subtests: pytest.Subtests, wali: Person, uri: str, name: str
) -> None:
    with nothing_stored(uri):
        for what, body in NOT_JSON.items():
            with subtests.test(what):
                assert_refused(ask(wali, uri, name, body), 400, "parse_error")


def test_32_levels_are_not_too_deep(wali: Person, uri: str) -> None:
    nested: Any = 1
    for _ in range(31):
        nested = [nested]
    assert ask(wali, uri, "send", {"message": "Hello", "more": nested}).status == 201


@each_body
def test_a_body_over_64_kib_is_413(subtests: pytest.Subtests, wali: Person, uri: str, name: str) -> None:
    body = json.dumps({**BODIES[name][2], "more": ""}).encode()
    with nothing_stored(uri):
        for size in [64 * 1024 + 1, 65 * 1024, 1024 * 1024]:
            filled = body[:-2] + b"x" * (size - len(body)) + body[-2:]
            for large in (filled, b"\xff" * size):
                with subtests.test(size=size, starts=large[:2]):
                    assert len(large) == size
                    assert_refused(ask(wali, uri, name, large), 413, "too_large")


def test_a_body_of_64_kib_is_read(wali: Person, uri: str) -> None:
    body = b'{"message":"Hello","more":"%s"}'
    body %= b"x" * (64 * 1024 - len(body) + 2)
    assert len(body) == 64 * 1024
    assert ask(wali, uri, "send", body).status == 201


CONTENT_TYPES = [
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "application/jsonp",
    "json",
    "multipart/form-data",
    f"multipart/form-data; boundary={BOUNDARY}",
    "application/json; charset=utf-16",
    "application/json; charset=utf-16le",
    "application/json; charset=latin-1",
    "application/json; charset=iso-8859-1",
    "application/json; charset=ascii",
    "application/json; charset=punycode",
    "application/json; charset=idna",
    "application/json; charset=utf-7",
    "application/json; charset=utf-8-sig",
    "application/json; charset=rot13",
    "application/json; charset=base64",
    "application/json; charset=zlib",
    "application/json; charset=unicode_escape",
    "application/json; charset=undefined",
    "application/json; charset=nonsense",
    "application/json; charset=",
]


@each_body
def test_a_content_type_that_is_not_json_in_utf_8_is_415(
    subtests: pytest.Subtests, wali: Person, uri: str, name: str
) -> None:
    with nothing_stored(uri):
        for content_type in CONTENT_TYPES:
            with subtests.test(content_type):
                answer = ask(wali, uri, name, BODIES[name][2], content_type=content_type)
                assert_refused(answer, 415, "unsupported_media_type")


def test_json_in_utf_8_may_be_called_so_in_several_ways(subtests: pytest.Subtests, wali: Person, uri: str) -> None:
    for content_type in [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset=utf8",
        "application/json; version=1",
    ]:
        with subtests.test(content_type):
            assert ask(wali, uri, "send", {"message": "Hello"}, content_type=content_type).status == 201


@pytest.mark.parametrize("path", ["chats/", "chats/{uri}/messages/", "chats/{uri}/changes/"])
def test_the_content_type_of_a_request_without_a_body_does_no_harm(
    subtests: pytest.Subtests, wali: Person, uri: str, path: str
) -> None:
    client = Client()
    for content_type in CONTENT_TYPES:
        # With some charsets Django itself fails at a query string, before any view of any site is asked.
        fails_in_django = content_type.endswith(("idna", "punycode", "rot13", "base64", "zlib", "undefined"))
        for query in [""] if fails_in_django else ["limit=5", "limit=%C3%A9", "cursor=a-", ""]:
            with subtests.test(content_type, query=query):
                response = client.get(
                    f"/api/v1/{path.format(uri=uri)}?{query}", headers=wali.headers, CONTENT_TYPE=content_type
                )
                answer = Answer(response.status_code, response.headers, response.content)
                if answer.status != 200:
                    assert_refused(answer, 400)


def test_the_body_is_read_the_same_way_for_a_page_of_the_site(wali: Person) -> None:
    """Session authentication looks for a form with a CSRF token in it."""
    page = Client(enforce_csrf_checks=True)
    page.force_login(wali.user)
    page.cookies["csrftoken"] = token = "t" * 32

    def post(body: bytes) -> Answer:
        response = page.post("/api/v1/chats/", body, "application/json", headers={"X-CSRFToken": token})
        return Answer(response.status_code, response.headers, response.content)

    assert post(b'{"title":"By session"}').status == 201
    assert_refused(post(b"[" * 20_000), 400, "parse_error")
    assert_refused(post(b'{"title":' + b"[" * 5_000 + b"]" * 5_000 + b"}"), 400, "parse_error")
    assert_refused(post(b'"' + b"x" * 3_000_000 + b'"'), 413, "too_large")
    page.cookies.pop("csrftoken")
    assert_refused(post(b"{}"), 403, "not_allowed")


def test_a_list_of_thousands_of_names_is_refused_in_a_few_words(wali: Person) -> None:
    answer = wali.post("chats/", {"members": [1] * 20_000})
    assert_refused(answer, 400)
    assert len(answer.content) < 200


# What is wrong in one field

NUL, SURROGATE = "a\0b", "a\ud800b"
NO_TEXT: list[Any] = [None, 1, 1.5, True, [], {}, ["x"], {"x": "y"}, NUL, SURROGATE]
NO_FLAG: list[Any] = [None, 0, 1, "true", "", [], {}, "\ud800"]
NO_NUMBER: list[Any] = [None, -1, -(10**30), 1.5, "1", "", "x", True, [], {}, [1]]
NO_COUNT: list[Any] = [*(each for each in NO_NUMBER if each is not None), 0, 10**9, 10**30]
NO_LIST: list[Any] = [None, 1, True, "mabel", {}, {"0": "mabel"}]
NO_NAMES: list[Any] = [[None], [1], [True], [["mabel"]], [{}], [NUL], [SURROGATE], [""], ["mabel", None], ["x" * 5000]]
WRONG: dict[tuple[str, str], list[Any]] = {
    ("signup", "username"): [*NO_TEXT, "", "\u200b"],
    ("signup", "email"): [*NO_TEXT, ""],
    ("signup", "password"): [*NO_TEXT, ""],
    ("signup", "password2"): [*NO_TEXT, ""],
    ("login", "email"): [*NO_TEXT, ""],
    ("login", "password"): [*NO_TEXT, "", "x" * 129, "x" * 60_000],
    ("refresh by password", "email"): [*NO_TEXT, ""],
    ("refresh by password", "password"): [*NO_TEXT, "", "x" * 129],
    ("refresh", "refresh"): [*NO_TEXT, ""],
    ("logout", "refresh"): [*NO_TEXT, ""],
    ("start a group", "title"): [*NO_TEXT, "x" * 201],
    ("start a group", "members"): [*NO_LIST, *NO_NAMES],
    ("start a personal chat", "username"): [*NO_TEXT, "", "x" * 60_000],
    ("join", "username"): [*NO_TEXT, "", "x" * 60_000],
    ("edit a chat", "title"): [*NO_TEXT, "x" * 201],
    ("edit a chat", "joinable"): NO_FLAG,
    ("edit a chat", "history"): [*NO_TEXT, "", "FULL", 10**300, "x" * 60_000],
    ("send", "message"): [*NO_TEXT, ""],
    ("send", "client_id"): [each for each in NO_TEXT if each is not None] + ["x" * 65],
    ("edit", "message"): [*NO_TEXT, ""],
    ("read", "seq"): NO_NUMBER,
    ("mark as unread", "seq"): NO_NUMBER,
    ("change a role", "role"): [*NO_TEXT, "", "ADMIN", "x" * 60_000],
    ("invite", "expires_in"): NO_COUNT,
    ("invite", "max_uses"): NO_COUNT,
    ("pin", "muted"): NO_FLAG,
    ("pin", "pinned"): NO_FLAG,
    ("pin", "archived"): NO_FLAG,
    ("report", "reason"): [*NO_TEXT, "", "\u200b", "x" * 1001],
}


@pytest.mark.parametrize(("name", "field"), WRONG)
def test_a_field_that_is_wrong_is_named(
    subtests: pytest.Subtests, wali: Person, uri: str, name: str, field: str
) -> None:
    with nothing_stored(uri):
        for value in WRONG[name, field]:
            with subtests.test(ascii(value)[:40]):
                answer = ask(wali, uri, name, {**BODIES[name][2], field: value})
                assert_refused(answer, 400)
                assert field in answer.json


@pytest.mark.parametrize("name", ["signup", "login", "logout", "send", "edit", "read"])
def test_a_field_that_is_missing_is_named(wali: Person, uri: str, name: str) -> None:
    with nothing_stored(uri):
        for body in (b"", {}, {"more": 1}):
            answer = ask(wali, uri, name, body)
            assert_refused(answer, 400)
            assert answer.json.keys() <= BODIES[name][2].keys()


INVISIBLE = [
    *(" ", "\n\t\r\n", "\u00a0", "\u3000", "\u2028\u2029", "\x00", "\x01\x1f\x7f", "\u0085"),
    *("\u200b", "\u200c\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u061c", "\u180e"),
    *("\u2800", "\u3164", "\uffa0", "\u115f\u1160", "\u17b4\u17b5", "\ufe0f", "\U000e0100", "\U000e0020\U000e007f"),
    *("\u202e\u202c", "\u2066\u2069", " \u200b \u2800 \u3164 ", "\u200b" * 4001),
]


@pytest.mark.parametrize("name", ["send", "edit"])
def test_text_that_shows_nothing_is_empty(subtests: pytest.Subtests, wali: Person, uri: str, name: str) -> None:
    with nothing_stored(uri):
        for text in INVISIBLE:
            with subtests.test(ascii(text)[:40]):
                answer = ask(wali, uri, name, {"message": text})
                assert_refused(answer, 400)
                assert answer.json.keys() == {"message"}


VISIBLE = [
    "👩‍👩‍👧‍👦 👍🏽 🏴‍☠️ 🇪🇺 ❤️",
    "שלום \u202eabc\u202c \u2067עברית\u2069 \u200f!",
    "می\u200cخواهم क्\u200dष",
    "e\u0301 é ﬁ Ⅳ ｗ",
    "a\u2028b\u2029c\u0085d\x0be\x1bf\x7fg",
    "\ufffe\uffff\U0010ffff\ufffd",
    "<b>&amp;</b> \"'\\ </script> {{ x }} %s \\u0041",
    "ﷺﷺﷺ Z̷͇̓a̸̢͝l̶̖͂g̵̱̈́ȏ̶̜",
    "x\u200by",
    "-",
]


def test_text_that_shows_something_survives_byte_for_byte(
    subtests: pytest.Subtests, wali: Person, mabel: Person, uri: str
) -> None:
    for seq, text in enumerate(VISIBLE, start=2):
        with subtests.test(ascii(text)):
            body = json.dumps({"message": text}, ensure_ascii=False).encode()
            answer = wali.ask("POST", f"chats/{uri}/messages/", body)
            assert (answer.status, answer.json["message"]) == (201, text)
            assert mabel.messages(uri)["results"][-1]["message"] == text
            assert mabel.changes(uri, 0)["messages"][-1]["message"] == text
            assert Message.objects.get(chat__uri=uri, seq=seq).text.encode() == text.encode()
            assert wali.edit_chat(uri, title=text)["title"] == text


def test_a_huge_number_in_a_body_is_past_the_end(subtests: pytest.Subtests, wali: Person, uri: str) -> None:
    for seq in [2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**30, 10**4000]:
        with subtests.test(digits=len(str(seq))):
            answer = wali.ask("PUT", f"chats/{uri}/read/", b'{"seq":%d}' % seq)
            assert (answer.status, answer.json) == (200, {"seq": 1, "unread_count": 0})


def test_a_number_that_is_not_whole_is_400(subtests: pytest.Subtests, wali: Person, uri: str) -> None:
    for number in [b"1e400", b"-1e400", b"1e-400", b"1E2", b"0.0", b"-0.5"]:
        with subtests.test(number.decode()):
            assert_refused(wali.ask("PUT", f"chats/{uri}/read/", b'{"seq":' + number + b"}"), 400)


# Query strings

LISTS = {
    "chats/": {"limit"},
    "chats/{uri}/members/": {"limit"},
    "chats/{uri}/messages/": {"limit", "before", "after", "around"},
    "chats/{uri}/changes/": {"limit", "since"},
    "chats/{uri}/bans/": {"limit"},
    "chats/{uri}/invites/": {"limit"},
    "blocks/": {"limit"},
    "people/": {"limit"},
}
PARAMETERS = [(path, name) for path, names in LISTS.items() for name in sorted(names)]
WRONG_NUMBERS = [
    "-1",
    "x",
    "1.5",
    "1e3",
    "0x1",
    "null",
    "[]",
    "%00",
    "1%00",
    "%FF",
    "%ED%A0%80",
    "1,2",
    "--1",
    "%D9%A3x",
]


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_a_query_that_is_no_number_is_400(
    subtests: pytest.Subtests, wali: Person, uri: str, path: str, name: str
) -> None:
    for value in WRONG_NUMBERS:
        with subtests.test(value):
            answer = wali.get(f"{path.format(uri=uri)}?{name}={value}")
            assert_refused(answer, 400)
            assert answer.json.keys() == {name}


@pytest.mark.parametrize("path", LISTS)
def test_a_limit_of_nothing_is_400(wali: Person, uri: str, path: str) -> None:
    answer = wali.get(path.format(uri=uri), limit=0)
    assert_refused(answer, 400)
    assert answer.json.keys() == {"limit"}


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_a_huge_number_in_a_query_is_no_defect(
    subtests: pytest.Subtests, wali: Person, uri: str, path: str, name: str
) -> None:
    for digits in [18, 19, 20, 40, 900, 5000]:
        with subtests.test(digits=digits):
            answer = wali.get(path.format(uri=uri), **{name: "9" * digits})
            if digits <= 40:
                assert answer.status == 200
            if answer.status != 200:
                assert_refused(answer, 400)


@pytest.mark.parametrize("path", LISTS)
def test_odd_query_strings_are_passed_over(subtests: pytest.Subtests, wali: Person, uri: str, path: str) -> None:
    for query in ["limit=", "limit=5&limit=x&limit=2", "&&=&", "%", "more=1", "format=", "a[b]=c", "?", "%00=%00"]:
        with subtests.test(query):
            assert wali.get(f"{path.format(uri=uri)}?{query}").status == 200


@pytest.mark.parametrize("path", LISTS)
def test_a_query_string_of_too_many_fields_is_400(wali: Person, uri: str, path: str) -> None:
    assert_refused(wali.get(f"{path.format(uri=uri)}?{'a=1&' * 2000}"), 400)


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


FORGED_CURSORS = {
    "nothing": "",
    "garbage": "garbage",
    "no base64": "***",
    "letters beyond ASCII": "%C3%A9",
    "NUL": "%00",
    "a surrogate": "%ED%A0%80",
    "no JSON": encoded(b"\xff\x00"),
    "a number": encoded(1),
    "an object": encoded({"a": 1}),
    "a text": encoded("abc"),
    "nothing in it": encoded([]),
    "too little in it": encoded([0]),
    "too much in it": encoded([0, 1, 2, 3, 4]),
    "texts in it": encoded([0, "1", "2"]),
    "nulls in it": encoded([0, None, None]),
    "flags in it": encoded([0, True, True]),
    "lists in it": encoded([0, [1], [2]]),
    "fractions in it": encoded([0, 1.5, 2.5]),
    "negative numbers in it": encoded([0, -1, -1]),
    "numbers too big in it": encoded([0, 2**63, 2**63]),
    "far too big": encoded([0, 10**4000, 10**4000]),
    "NaN in it": encoded(b"[0,NaN,NaN]"),
    "deep JSON": encoded(b"[" * 50_000),
    "a date": "2020-01-01+00:00:00",
    "a cursor of REST framework": base64.b64encode(b"p=2020-01-01").decode(),
    "an offset of REST framework": base64.b64encode(b"o=99999999999999999999&p=x").decode(),
}


@pytest.mark.parametrize("path", [path for path, names in LISTS.items() if names == {"limit"} and path != "people/"])
def test_a_forged_cursor_is_400(subtests: pytest.Subtests, wali: Person, uri: str, path: str) -> None:
    for what, cursor in FORGED_CURSORS.items():
        with subtests.test(what):
            answer = wali.get(f"{path.format(uri=uri)}?cursor={cursor}")
            assert_refused(answer, 400)
            assert answer.json.keys() == {"cursor"}


@pytest.mark.parametrize("backwards", [0, 1])
def test_a_cursor_of_invented_numbers_is_no_defect(
    subtests: pytest.Subtests, wali: Person, uri: str, backwards: int
) -> None:
    for number in [0, 1, 2**31, 2**52, 10**17, 2**62, 2**63 - 1]:
        for path, key in [("chats/", [number, number]), (f"chats/{uri}/members/", [number])]:
            with subtests.test(path, number=number):
                answer = wali.get(path, cursor=encoded([backwards, *key]))
                if answer.status != 200:
                    assert_refused(answer, 400)
                    continue
                for link in (answer.json["next"], answer.json["previous"]):
                    assert link is None or wali.get(link).status == 200


def test_one_lists_cursor_does_not_fit_the_other(wali: Person, uri: str) -> None:
    for _ in range(2):
        wali.start()
    [cursor] = httpx.URL(wali.chats(limit=1)["next"]).params.get_list("cursor")
    assert_refused(wali.get(f"chats/{uri}/members/", cursor=cursor), 400)


# Paths, verbs, headers

NAMES = {"{uri}", "{invite}", "{file}", "wali", "mabel", "otis", "1", "2", "👍"}
"""What stands in a path for a chat, a person and so on."""
NOT_NAMES = [
    *("%00", "a%00b", "%ED%A0%80", "%FF", "%2F", "..", "%0A", "%20", "%E2%80%8B", "%F3%A0%81%81", "x" * 9000),
]


@pytest.mark.parametrize(("method", "path", "body"), [url[:3] for url in URLS if NAMES & {*url[1].split("/")}])
def test_whatever_stands_in_a_path_is_no_defect(
    subtests: pytest.Subtests, wali: Person, uri: str, method: str, path: str, body: Any
) -> None:
    parts = path.split("/")
    for place, part in enumerate(parts):
        for odd in NOT_NAMES if part in NAMES else ():
            with subtests.test(part, odd=odd[:20]):
                asked = "/".join([*parts[:place], odd, *parts[place + 1 :]]).format(uri=uri, invite="x", file="x")
                assert 400 <= wali.ask(method, asked + "/", {} if body is None else body).status < 500


def test_a_path_with_something_else_than_a_number_is_404(subtests: pytest.Subtests, wali: Person, uri: str) -> None:
    with nothing_stored(uri):
        for seq in ["x", "-1", "1.5", "%00", "%D9%A1", "0x1", "1%20", "01", "1%0A", "0"]:
            with subtests.test(seq):
                assert_refused(wali.patch(f"chats/{uri}/messages/{seq}/", {"message": "Hello"}), 404, "not_found")
                assert_refused(wali.delete(f"chats/{uri}/messages/{seq}/"), 404, "not_found")
                assert_refused(wali.put(f"chats/{uri}/messages/{seq}/reactions/%F0%9F%91%8D/"), 404, "not_found")


VERBS: dict[str, set[str]] = defaultdict(set)
for _method, _path, *_ in URLS:
    VERBS[re.sub("wali|otis", "mabel", _path)].add(_method)


@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
@pytest.mark.parametrize("path", VERBS)
def test_a_verb_that_a_url_does_not_know_is_405(wali: Person, uri: str, path: str, slash: str) -> None:
    with nothing_stored(uri):
        for verb in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - VERBS[path]:
            answer = wali.ask(verb, path.format(uri=uri, invite="x", file="x") + slash, {"message": "Hello"})
            assert_refused(answer, 405, "method_not_allowed")
            assert VERBS[path] <= set(answer.headers["Allow"].split(", "))


@each_body
def test_whoever_wants_anything_but_json_gets_406_and_nothing_happens(wali: Person, uri: str, name: str) -> None:
    with nothing_stored(uri):
        for accept in ["text/html", "application/xml;q=0.5, text/*", "image/png", "/"]:
            answer = ask(wali, uri, name, BODIES[name][2], headers={"Accept": accept})
            assert_refused(answer, 406, "not_acceptable")


@pytest.mark.parametrize("accept", ["application/json", "application/*", "*/*", "text/html, */*;q=0.1"])
def test_browsers_and_scripts_get_json_without_asking(wali: Person, accept: str) -> None:
    answer = wali.ask("GET", "chats/", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_a_format_in_the_query_is_passed_over(wali: Person, uri: str) -> None:
    for answer in (wali.get("chats/", format="xml"), wali.ask("POST", "chats/", {}, format="xml")):
        assert answer.status in {200, 201}
        assert answer.headers["Content-Type"] == "application/json"


def test_the_names_of_a_host_for_errors_of_the_whole_do_not_count(
    monkeypatch: pytest.MonkeyPatch, wali: Person, uri: str
) -> None:
    monkeypatch.setattr(api_settings, "NON_FIELD_ERRORS_KEY", "host")
    answer = wali.patch(f"chats/{uri}/", {"username": "wali", "title": "x"})
    assert (answer.status, list(answer.json)) == (400, ["non_field_errors"])


UNAUTHENTICATED = {
    "nobody": lambda: Visitor().get("users/me/"),
    "a bad bearer": lambda: Bearer("garbage").get("chats/"),
    "a wrong password": lambda: Visitor().post("users/login/", {"email": "wali@email.com", "password": "wrong"}),
    "a wrong password at refresh": lambda: Visitor().post(
        "users/refresh/", {"email": "wali@email.com", "password": "x"}
    ),
    "a dead refresh token": lambda: Visitor().post("users/refresh/", {"refresh": "dead"}),
    "a dead token at log-out": lambda: Visitor().post("users/logout/", {"refresh": "dead"}),
}


@pytest.mark.parametrize("attempt", UNAUTHENTICATED.values(), ids=UNAUTHENTICATED)
def test_every_401_is_not_authenticated_and_names_the_scheme(wali: Person, attempt: Callable[[], Answer]) -> None:
    assert_refused(attempt(), 401, "not_authenticated")


def test_a_session_that_posts_a_form_gets_415(wali: Person, uri: str) -> None:
    """Checking a session's CSRF token would read a form before anybody else can."""
    for answer in forms_sent(OnPage(wali.user), uri):
        assert_refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("has_session", [True, False])
def test_a_form_that_a_middleware_has_read_gets_415(
    wali: Person, uri: str, settings: LazySettings, has_session: bool
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, READS_FORMS]
    for answer in forms_sent(OnPage(wali.user) if has_session else wali, uri):
        assert_refused(answer, 415, "unsupported_media_type")


def forms_sent(person: Visitor, uri: str) -> Iterator[Answer]:
    """What answers each kind of form, also where all that JSON would have to name may be left out."""
    fields = {"message": "Hello", "csrfmiddlewaretoken": OnPage.csrf_token}
    forms = [
        (encode_multipart(BOUNDARY, fields), f"multipart/form-data; boundary={BOUNDARY}"),
        (urlencode(fields).encode(), "application/x-www-form-urlencoded"),
    ]
    with nothing_stored(uri):
        for path in ["chats/", f"chats/{uri}/messages/", f"chats/{uri}/invites/"]:
            for body, content_type in forms:
                yield person.ask("POST", path, body, content_type=content_type)


def test_a_session_that_posts_a_broken_form_gets_a_clear_answer(wali: Person, uri: str) -> None:
    person = OnPage(wali.user)
    with nothing_stored(uri):
        for body, content_type in [
            (b"x", "multipart/form-data"),
            (b"x", "multipart/form-data; boundary=\xff"),
            (b"a=1&" * 2000, "application/x-www-form-urlencoded"),
        ]:
            answer = person.ask("POST", "chats/", body, content_type=content_type)
            assert answer.status in {400, 415}
            assert_refused(answer, answer.status)


# Chunked bodies


@pytest.fixture
def asgi(live: LiveServer, wali: Person) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{live.http}/api/v1/", headers=wali.headers) as client:
        yield client


def chunked(body: bytes) -> dict[str, Any]:
    """A generator makes httpx send chunks without a length."""
    size = max(1, len(body) // 3)
    return {
        "content": iter([body[start : start + size] for start in range(0, len(body), size)]),
        "headers": {"Content-Type": "application/json"},
    }


def test_a_chunked_body_is_read(asgi: httpx.Client, wali: Person) -> None:
    uri = wali.start()
    response = asgi.post(f"chats/{uri}/messages/", **chunked('{"message":"Grüße in Stücken"}'.encode()))
    assert response.request.headers["Transfer-Encoding"] == "chunked"
    assert response.status_code == 201
    assert response.json()["message"] == "Grüße in Stücken"


def test_a_chunked_body_is_bounded_and_checked_like_any_other(asgi: httpx.Client, wali: Person) -> None:
    uri = wali.start()
    for body, status, code in [
        (b'{"message":"' + b"x" * 1024 * 1024 + b'"}', 413, "too_large"),
        (b'{"message":"Hello"', 400, "parse_error"),
    ]:
        response = asgi.post(f"chats/{uri}/messages/", **chunked(body))
        assert_refused(Answer(response.status_code, response.headers, response.content), status, code)
    assert wali.messages(uri)["results"] == []


def test_a_chunked_body_that_a_wsgi_server_cannot_read_is_411(live_server: Any, wali: Person) -> None:
    uri = wali.start()
    with httpx.Client(base_url=f"{live_server.url}/api/v1/", headers=wali.headers) as client:
        response = client.post(f"chats/{uri}/messages/", **chunked(b'{"message":"Hello"}'))
        assert_refused(Answer(response.status_code, response.headers, response.content), 411, "length_required")
    assert wali.messages(uri)["results"] == []


def test_a_length_of_thousands_of_digits_is_too_large(wali: Person) -> None:
    client = Client(headers=wali.headers)
    response = client.post("/api/v1/chats/", b"{}", "application/json", CONTENT_LENGTH="9" * 5000)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 30])
def test_a_length_that_is_none_gets_no_5xx(live: LiveServer, wali: Person, length: str) -> None:
    host = httpx.URL(live.http)
    raw = http.client.HTTPConnection(host.host, host.port, timeout=10)
    raw.putrequest("POST", "/api/v1/chats/")
    for name, value in {**wali.headers, "Content-Type": "application/json", "Content-Length": length}.items():
        raw.putheader(name, value)
    raw.endheaders()
    with raw.getresponse() as response:
        assert 400 <= response.status < 500
    raw.close()


# The database


@contextmanager
def held_by_somebody_else(uri: str) -> Iterator[None]:
    """Another connection holds the chat's lock; on SQLite, the one lock there is."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Chat.objects.filter(uri=uri).update(title="Held")
            held.set()
            release.wait(30)
            transaction.set_rollback(True)

    holder = threading.Thread(target=with_own_connection, args=[hold])
    holder.start()
    try:
        assert held.wait(30)
        yield
    finally:
        release.set()
        holder.join()


@contextmanager
def little_patience() -> Iterator[None]:
    """This thread's connection waits for a lock no longer than a twentieth of a second."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA busy_timeout = 50")
        else:
            cursor.execute("SET lock_timeout = '50ms'")
    try:
        yield
    finally:
        if connection.vendor == "postgresql":
            # A pool would hand the setting on with the connection.
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
        connection.close()


def assert_unavailable(answer: Answer) -> None:
    assert_refused(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_cannot_be_had_in_time_is_503_and_safe_to_repeat(wali: Person, uri: str) -> None:
    body = {"message": "Hello again", "client_id": "a"}
    with little_patience():
        with held_by_somebody_else(uri), nothing_stored(uri):
            assert_unavailable(wali.post(f"chats/{uri}/messages/", body))
            assert_unavailable(wali.patch(f"chats/{uri}/", {"title": "Picnic"}))
            assert wali.get(f"chats/{uri}/messages/").status == 200
        answer = wali.post(f"chats/{uri}/messages/", body)
    assert (answer.status, answer.json["seq"]) == (201, 2)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_is_503_until_it_is_back(wali: Person, uri: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is a file, and does not go away")
    assert wali.get("chats/").status == 200
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()

    def terminate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    killer = threading.Thread(target=with_own_connection, args=[terminate])
    killer.start()
    killer.join()
    assert_unavailable(wali.post(f"chats/{uri}/messages/", {"message": "Hello"}))
    # Django ends a broken connection with the request; its test client leaves that to the test.
    connection.close()
    assert wali.send(uri)["seq"] == 2
