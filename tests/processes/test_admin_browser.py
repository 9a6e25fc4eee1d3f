"""The admin's pages for long work in Chromium, under a strict Content-Security-Policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse

from django_bpo_chat.admin import work
from django_bpo_chat.models import Chat, Message
from django_bpo_chat.operations import retention
from tests.moderator import Moderator
from tests.parallel import at_once
from tests.person import Person
from tests.processes.test_browser import SECONDS, chromium
from tests.test_retention import age

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("config.getoption('db') != 'sqlite'", reason="Once is enough: see --db=sqlite"),
]


def strict(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Content-Security-Policy", "default-src 'self'")
        return response

    return answer


@pytest.fixture
def uri(settings: LazySettings, monkeypatch: pytest.MonkeyPatch, db: None) -> str:
    """A chat with 12 old messages and a new one, on a site on which each step deletes three of them."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.strict"]
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(work, "STEP_SECONDS", 0)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright has a loop in this thread
    wali = Person("wali")
    made = wali.start(title="Picnic")
    for n in range(13):
        wali.send(made, f"{n}")
    age(made, up_to=12)
    return str(made)


def opened(chromium: Browser, url: str, moderator: Moderator, **options: Any) -> Page:
    """The list of chats, before somebody who is logged in."""
    context = chromium.new_context(**options)
    cookie = moderator.client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": url}])
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.goto(url + moderator.page(Chat, "changelist"))
    return page


def plan(page: Page) -> None:
    """Choose the chat, and say how old."""
    page.locator("input[name=_selected_action]").check()
    page.locator("select[name=action]").select_option("prune")
    page.locator("button[name=index]").click()
    page.locator("input[name=days]").fill("30")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("12 messages at most").wait_for()


def live_messages() -> int:
    return Message.objects.filter(deleted_at=None).count()


def test_the_page_works_until_it_is_done(chromium: Browser, live_server: LiveServer, uri: str) -> None:
    page = opened(chromium, live_server.url, Moderator("ines"))
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("response", lambda got: complaints.append(got.url) if "/static/" in got.url and not got.ok else None)
    plan(page)
    page.get_by_role("button", name="Prune").click()
    page.locator("[data-stage=done]").wait_for()
    assert page.locator("progress").get_attribute("value") == "1"
    assert page.locator("#bpo-chat-work strong").inner_text() == "12"
    assert live_messages() == 1
    assert not complaints


def test_without_scripts_there_is_a_button(chromium: Browser, live_server: LiveServer, uri: str) -> None:
    page = opened(chromium, live_server.url, Moderator("ines"), java_script_enabled=False)
    page.locator("input[name=_selected_action]").check()
    plan(page)
    page.get_by_role("button", name="Prune").click()
    for left in (10, 7, 4, 1):
        page.locator("[data-stage=working]").wait_for()
        assert live_messages() == left
        with page.expect_navigation():
            page.get_by_role("button", name="Go on").click()
    page.locator("[data-stage=done]").wait_for()
    assert live_messages() == 1


def test_where_the_site_is_not_reached_the_page_waits(chromium: Browser, live_server: LiveServer, uri: str) -> None:
    page = opened(chromium, live_server.url, Moderator("ines"))
    plan(page)
    steps = 0

    def fail_once(route: Any) -> None:
        nonlocal steps
        steps += 1
        route.abort() if steps == 2 else route.continue_()

    page.route("**/prune/", fail_once)
    page.get_by_role("button", name="Prune").click()
    page.get_by_text("The site cannot be reached.").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.locator("[data-stage=done]").wait_for()
    assert live_messages() == 1


def test_whoever_is_logged_out_meanwhile_is_asked_who_they_are(
    chromium: Browser, live_server: LiveServer, uri: str
) -> None:
    page = opened(chromium, live_server.url, Moderator("ines"))
    plan(page)

    steps = 0

    def log_out(route: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 2:
            at_once(Session.objects.all().delete)
        route.continue_()

    page.route("**/prune/", log_out)
    page.get_by_role("button", name="Prune").click()
    page.locator("input[name=password]").wait_for()
    assert 1 < live_messages() < 13
