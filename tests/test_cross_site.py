"""The page of another site neither acts in the name of who is logged in here, nor sees what they are answered. And no
cache shows it to anybody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from django_bpo_chat.models import Chat, Message
from tests.person import API, FORM, PASSWORD, Answer, Person, Visitor
from tests.test_contract import URLS

TOKEN = "t" * 32
EVIL = "https://elsewhere.example"

UNSAFE = [url[:3] for url in URLS if url[0] != "GET" and not url[1].startswith("users/")]
"""What a session can do."""


class Browser:
    """Somebody who is logged in to the site, with its cookies."""

    def __init__(self, person: Person) -> None:
        self._client = Client(enforce_csrf_checks=True)
        self._client.force_login(person.user)
        self._client.cookies["csrftoken"] = TOKEN

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        content_type = FORM if isinstance(body, bytes) else "application/json"
        sent = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        response = self._client.generic(method, f"{API}{path}/", sent, content_type=content_type, headers=headers)
        return Answer(response.status_code, response.headers, response.getvalue())


@pytest.fixture
def browser(wali: Person) -> Browser:
    return Browser(wali)


@pytest.fixture
def names(wali: Person, mabel: Person, otis: Person) -> Mapping[str, str]:
    """Of what is in the paths of all calls."""
    uri = wali.start(mabel)
    file = wali.send_file(uri)
    mabel.send(uri)
    wali.ban(uri, otis)
    wali.block(otis)
    return {"uri": uri, "file": file["id"], "invite": wali.invite(uri)}


def state(uri: str) -> Any:
    return Chat.objects.get(uri=uri).version, Chat.objects.count(), list(Message.objects.values_list("seq", "text"))


# What they do


@pytest.mark.parametrize(("method", "path", "body"), UNSAFE, ids=[f"{url[0]} {url[1]}" for url in UNSAFE])
def test_a_session_does_nothing_without_its_csrf_token(
    browser: Browser, names: Mapping[str, str], method: str, path: str, body: Any
) -> None:
    before = state(names["uri"])
    path = path.format(**names)
    for headers in ({}, {"X-CSRFToken": "u" * 32}, {"X-CSRFToken": ""}):
        answer = browser.ask(method, path, body, **headers)
        assert (answer.status, answer.json["code"]) == (403, "not_allowed"), headers
    assert state(names["uri"]) == before
    assert browser.ask(method, path, body, **{"X-CSRFToken": TOKEN}).status < 300


@pytest.mark.parametrize("origin", [EVIL, "null", "http://testserver:8443", "https://testserver", "http://"])
def test_a_csrf_token_does_not_count_on_another_sites_page(browser: Browser, origin: str) -> None:
    answer = browser.ask("POST", "chats", {}, **{"X-CSRFToken": TOKEN, "Origin": origin})
    assert (answer.status, answer.json["code"]) == (403, "not_allowed")
    assert not Chat.objects.exists()


def test_it_counts_on_a_page_that_the_site_trusts(settings: LazySettings, browser: Browser) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://friend.example"]
    for origin in ("http://testserver", "https://friend.example"):
        assert browser.ask("POST", "chats", {}, **{"X-CSRFToken": TOKEN, "Origin": origin}).status == 201


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", FORM])
def test_no_form_logs_anybody_in_or_signs_anybody_up(wali: Person, content_type: str) -> None:
    """A page of any site may post these without being asked, and so log its visitors in as somebody else."""
    body = b'{"email":"%s","password":"%s"}' % (wali.email.encode(), PASSWORD.encode())
    for path in ("users/login/", "users/refresh/", "users/signup/", "users/logout/"):
        assert Visitor().ask("POST", path, body, content_type=content_type).status == 415, path


# What they see

ANSWERS: dict[str, tuple[int, str, str, Any]] = {
    "a page of chats": (200, "GET", "chats/", None),
    "tokens": (200, "POST", "users/login/", {"email": "wali@email.com", "password": PASSWORD}),
    "a new chat": (201, "POST", "chats/", {}),
    "nothing": (204, "PUT", "blocks/mabel/", None),
    "a file": (200, "GET", "chats/{uri}/attachments/{file}/", None),
    "a field that is wrong": (400, "POST", "chats/{uri}/messages/", {"message": ""}),
    "a chat that is not there": (404, "GET", "chats/x/", None),
    "a verb that is not there": (405, "DELETE", "chats/", None),
    "a body that is too large": (413, "POST", "chats/", {"title": "x" * 70_000}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_another_sites_page_reads_no_answer(
    wali: Person, names: Mapping[str, str], answer: tuple[int, str, str, Any]
) -> None:
    status, method, path, body = answer
    path = path.format(**names)
    asked = wali.ask(method, path, {} if body is None else body, headers={"Origin": EVIL})
    assert asked.status == status
    preflight = Visitor().ask("OPTIONS", path, headers={"Origin": EVIL, "Access-Control-Request-Method": method})
    for each in (asked, preflight):
        assert not [name for name in each.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_is_answered_is_for_no_cache_and_for_nothing_but_what_it_says(
    wali: Person, names: Mapping[str, str], answer: tuple[int, str, str, Any]
) -> None:
    status, method, path, body = answer
    asked = wali.ask(method, path.format(**names), {} if body is None else body)
    assert asked.status == status
    kept = "no-cache" if "Content-Disposition" in asked.headers else "no-store"  # a file is asked for again
    assert asked.headers["Cache-Control"] == f"private, {kept}"
    assert asked.headers["X-Content-Type-Options"] == "nosniff"


def test_a_stranger_is_answered_likewise(visitor: Visitor) -> None:
    answer = visitor.get("users/me/")
    assert (answer.status, answer.headers["Cache-Control"]) == (401, "private, no-store")


def test_a_site_that_caches_its_pages_shows_nobody_what_another_was_answered(
    settings: LazySettings, wali: Person, mabel: Person
) -> None:
    """Both have asked for the same address, and Django's cache knows nothing of bearers."""
    parts = [f"django.middleware.cache.{name}CacheMiddleware" for name in ("Update", "FetchFrom")]
    settings.MIDDLEWARE = [parts[0], "django.middleware.common.CommonMiddleware", parts[1]]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "pages"}}
    assert [person.get("users/me/").json["username"] for person in (wali, mabel)] == ["wali", "mabel"]


def test_a_site_may_say_otherwise(settings: LazySettings, wali: Person) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.KeptForAMinute"]
    assert wali.get("users/me/").headers["Cache-Control"] == "private, max-age=60"


def KeptForAMinute(get_response: Any) -> Any:  # noqa: N802  (a middleware, as Django knows them)
    def answer(request: Any) -> Any:
        response = get_response(request)
        response["Cache-Control"] = "private, max-age=60"
        return response

    return answer
