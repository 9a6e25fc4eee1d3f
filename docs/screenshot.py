"""Takes the picture of the chat page. It needs Playwright, Chromium and a running ``manage.py demo``."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "_static" / "chat.png"

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1000, "height": 620}, color_scheme="light")
    page.goto("http://127.0.0.1:8000/")
    page.fill("#login input[name=email]", "mabel@example.com")
    page.fill("#login input[name=password]", "password123")
    page.click("#login button")
    page.click("#chats a >> text=Picnic")
    page.wait_for_selector("#messages li")
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURE)
    browser.close()
