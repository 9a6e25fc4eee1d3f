"""The example's page in Chromium, served by ``manage.py demo``."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.hearsay import Hearsay
from tests.test_demo import Demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.skipif("config.getoption('db') != 'sqlite'", reason="Once is enough: see --db=sqlite"),
]

SECONDS = 10
"""How long a page may take for what it has to show."""

CHROMIUM_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # which does not work for root, and so in most containers
]


@pytest.fixture
def chromium(hearsay: Hearsay) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None and "CI" not in os.environ:
        pytest.skip("Chromium is not installed")
    assert path, "CI has to have Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        hearsay.watch(browser)
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """A window of a browser that shares nothing with the other one, with the example's page in it."""

    def __init__(self, chromium: Browser, url: str) -> None:
        self.page = chromium.new_context().new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.goto(url)

    def log_in(self, name: str) -> None:
        form = self.page.locator("form#login")
        form.locator("input[name=email]").fill(f"{name}@example.com")
        form.locator("input[name=password]").fill("password123")
        form.locator("button[type=submit]").click()

    def open(self, chat: str) -> None:
        self.page.locator("#chats a", has_text=chat).click()
        self.page.locator("#messages li").first.wait_for()
        self.page.evaluate("window.isStillTheSamePage = true")

    def write(self, text: str) -> None:
        self.page.locator("form#composer textarea").fill(text)
        self.page.locator("form#composer textarea").press("Enter")

    def wait_for(self, text: str) -> None:
        self.page.locator("#messages").get_by_text(text, exact=True).wait_for()

    def count(self, text: str) -> int:
        return self.page.locator("#messages").get_by_text(text, exact=True).count()

    @property
    def is_still_the_same_page(self) -> bool:
        return bool(self.page.evaluate("window.isStillTheSamePage === true"))


def test_a_text_typed_in_one_window_appears_in_the_other(chromium: Browser, tmp_path: Path) -> None:
    with Demo(DATABASE_URL=f"sqlite:///{tmp_path / 'demo.sqlite3'}") as demo:
        mabel, otis = Window(chromium, demo.http), Window(chromium, demo.http)
        mabel.log_in("mabel")
        otis.log_in("otis")
        mabel.open("Picnic on Saturday")
        otis.open("Picnic on Saturday")

        texts = {"Shall I bring the big blanket?": (mabel, otis), "Yes & <b>cake</b>, please 🍓": (otis, mabel)}
        for text, (writer, reader) in texts.items():
            writer.write(text)
            reader.wait_for(text)
            writer.wait_for(text)
        for window in (mabel, otis):
            assert {text: window.count(text) for text in texts} == dict.fromkeys(texts, 1)
            assert window.is_still_the_same_page
            assert not window.complaints


def test_a_message_with_nothing_but_files_shows_their_names(chromium: Browser, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'demo.sqlite3'}"
    with Demo(DATABASE_URL=database, MEDIA_ROOT=str(tmp_path / "media")) as demo:
        mabel = Window(chromium, demo.http)
        mabel.log_in("mabel")
        mabel.open("Picnic on Saturday")
        send_files(demo, mabel.page.url.partition("#")[2], "<b>list.txt", "train.txt")
        shown = "📎 <b>list.txt, train.txt"
        mabel.wait_for(shown)
        mabel.page.locator("#chats .preview").get_by_text(f"otis: {shown}", exact=True).wait_for()
        assert not mabel.complaints


def send_files(demo: Demo, uri: str, *names: str) -> None:
    """As Otis, without a text."""
    with httpx.Client(base_url=f"{demo.http}/api/v1/") as otis:
        form = {"email": "otis@example.com", "password": "password123"}
        tokens = otis.post("users/login/", json=form).raise_for_status().json()
        otis.headers["Authorization"] = f"Bearer {tokens['access']}"
        sent = [otis.post(f"chats/{uri}/attachments/", files={"file": (name, b"Lemonade")}) for name in names]
        body = {"message": "", "attachments": [each.raise_for_status().json()["id"] for each in sent]}
        otis.post(f"chats/{uri}/messages/", json=body).raise_for_status()


HOSTILE = [
    "<script>document.title = 'Taken'</script>",
    "<img src=x onerror=\"document.title = 'Taken'\">",
    "<svg onload=\"document.title = 'Taken'\">",
    "javascript:document.title='Taken'",
    "<a href=\"javascript:document.title='Taken'\">Look</a>",
    "</li></ol><form action=https://elsewhere.example><input name=password></form>",
    "{{constructor.constructor('alert(1)')()}} &lt;b&gt; \u202eolleh",
]


def test_names_titles_and_texts_are_shown_as_they_are_written(chromium: Browser, tmp_path: Path) -> None:
    database = tmp_path / "demo.sqlite3"
    with Demo(DATABASE_URL=f"sqlite:///{database}") as demo:
        name, title = f"{HOSTILE[1]} Mabel", f"{HOSTILE[0]} Picnic"
        # As on a site that lets people call themselves what they like.
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE people_user SET username = ? WHERE email = 'mabel@example.com'", [name])
            connection.execute("UPDATE bpo_chat_chat SET title = ? WHERE title = 'Picnic on Saturday'", [title])
        mabel, otis = Window(chromium, demo.http), Window(chromium, demo.http)
        for window, person in ((mabel, "mabel"), (otis, "otis")):
            window.log_in(person)
            window.open(title)
        for text in HOSTILE:
            mabel.write(text)
            otis.wait_for(text)
        for window in (mabel, otis):
            shown = window.page.locator("#messages").inner_text()
            assert all(text in shown for text in HOSTILE)
            assert name in window.page.locator("body").inner_text()
            assert window.page.title() != "Taken"
            assert window.page.locator("#messages, #chats").locator("script, img, svg, form").count() == 0
            assert window.page.locator("a[href^=javascript]").count() == 0
            assert not window.complaints


def test_the_page_runs_nothing_that_is_not_the_sites(chromium: Browser, tmp_path: Path) -> None:
    """A Content-Security-Policy would hold, should a text ever get where it does not belong."""
    with Demo(DATABASE_URL=f"sqlite:///{tmp_path / 'demo.sqlite3'}") as demo:
        window = Window(chromium, demo.http)
        window.page.evaluate(
            """(html) => {
                const script = document.createElement("script");
                script.textContent = "document.title = 'Taken'";
                document.body.append(script);
                document.body.insertAdjacentHTML("beforeend", html);
            }""",
            f"{HOSTILE[1]}{HOSTILE[2]}<div id=trap>{HOSTILE[4]}</div>",
        )
        window.page.locator("#trap a").click()
        window.page.wait_for_timeout(300)
        assert window.page.title() != "Taken"
        assert any("Content Security Policy" in complaint for complaint in window.complaints)


def test_the_api_is_shown_and_can_be_tried(chromium: Browser, tmp_path: Path) -> None:
    with Demo(DATABASE_URL=f"sqlite:///{tmp_path / 'demo.sqlite3'}") as demo:
        window = Window(chromium, f"{demo.http}/api/v1/docs/")
        log_in = window.page.locator("#operations-Accounts-log_in")
        log_in.click()
        log_in.locator(".try-out__btn").click()
        log_in.locator("textarea").fill('{"email": "otis@example.com", "password": "password123"}')
        log_in.locator(".execute").click()
        log_in.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
        assert window.page.locator(".opblock").count() > 30
        assert not window.complaints
