"""Each site of the documentation is built in an empty folder, by the page's commands and files, and chatted in."""

from __future__ import annotations

import ast
import json
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import httpx
import pytest

from tests.clients import open_socket
from tests.processes import test_browser
from tests.servers import api_answers
from tests.services import Service
from tests.test_docs import DOCS, Block, Project, blocks, file

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.processes

chromium = test_browser.chromium

QUICKSTART = DOCS / "quickstart.md"
PAGES = DOCS / "existing-sites.md"
ALLAUTH = DOCS / "allauth.md"
DJOSER = DOCS / "djoser.md"
USER_MODELS = DOCS / "user-models.md"
TASKS = DOCS / "tasks.md"
TESTING = DOCS / "testing.md"
ADMIN = DOCS / "admin.md"
COOKBOOK = DOCS / "cookbook.md"

PASSWORD = "lemonade at noon"
LANGUAGES = ("sh", "python", "html", "js", "ini")
FILE = re.compile(r"(?:#|//|\{#) (\S+\.\w+)(, at the end)?(?: #\})?\n+")


class Worker(Service):
    """What a page starts beside the server."""

    def __init__(self, site: Site, line: str) -> None:
        super().__init__()
        self._site, self._line = site, line
        self.cwd = site.cwd

    def command(self) -> list[str | Path]:
        return [*shlex.split(self._line)]

    def environment(self) -> Any:
        return self._site.environment()

    def ready(self) -> bool:
        return ".> celery" in self.log.read_text()

    def close(self) -> None:
        print(self.log.read_text())
        super().close()


class Site(Project):
    """A project with pages, scripts and workers too."""

    redis = "redis://127.0.0.1:6379"
    """What stands in for the one that a page names."""

    app = "https://app.example.com"
    """Likewise."""

    def __init__(self) -> None:
        super().__init__()
        self.workers: list[Worker] = []

    def ready(self) -> bool:
        return api_answers(self.port, "chats/")

    def run(self, line: str) -> str:
        if line.startswith("celery ") and line.endswith(" worker"):
            self.workers.append(Worker(self, line))
            self.workers[-1].start()
            return ""
        return super().run(line)

    def write(self, text: str) -> None:
        assert self.cwd is not None
        if text.startswith("def sign_up("):
            text = re.sub(r"def sign_up\(.*?\n\n\n", lambda _: f"{text}\n\n", talk(), flags=re.DOTALL)
        match = FILE.match(text)
        assert match, text
        content = text if text.startswith("{#") else text[match.end() :]
        for documented, actual in {
            "127.0.0.1:8000": f"127.0.0.1:{self.port}",
            "redis://127.0.0.1:6379": self.redis,
            "https://app.example.com": self.app,
            "countdown=300": "countdown=2",
        }.items():
            content = content.replace(documented, actual)
        path = self.cwd / match[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if match[2] else "w") as target:
            target.write("\n" + content)

    def follow(self, instructions: list[Block]) -> list[str]:
        printed = []
        for block in instructions:
            if block.language == "sh":
                printed += [self.run(line) for line in block.text.splitlines()]
            else:
                self.write(block.text)
        return [text for text in printed if text]

    def begin(self, *sections: str) -> None:
        """Do what all these pages ask for first."""
        for section in ("Install", "The settings", "The socket", *sections):
            self.follow(blocks(QUICKSTART, *LANGUAGES, below=section))
        self.write(talk())

    def shell(self, script: str, *options: str) -> str:
        return self.run(shlex.join(["python", "manage.py", "shell", "--no-imports", *options, "-c", script])).strip()

    def check(self) -> None:
        assert "no issues (0 silenced)" in self.run("python manage.py check --fail-level=WARNING")

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        super().close()


def talk() -> str:
    return file(QUICKSTART, "talk.py")


def section(page: Path, heading: str, *languages: str) -> list[Block]:
    return blocks(page, *(languages or LANGUAGES), below=heading)


def promised(page: Path, heading: str) -> str:
    [block] = blocks(page, "text", below=heading)
    return block.text


@pytest.fixture
def site() -> Iterator[Site]:
    with closing(Site()) as made:
        yield made


@pytest.fixture
def client(site: Site) -> Iterator[Callable[..., httpx.Client]]:
    with ExitStack() as clients:
        yield lambda **headers: clients.enter_context(httpx.Client(base_url=site.http, headers=headers, timeout=30))


Clients = Callable[..., httpx.Client]


def done(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json() if response.content else None


# A page of the site


class Window:
    def __init__(self, chromium: Browser, site: Site) -> None:
        self.page: Page = chromium.new_context(base_url=site.http).new_page()
        self.page.set_default_timeout(20_000)

    def log_in(self, username: str, path: str) -> None:
        self.page.goto(path)
        self.page.locator("[name=username]").fill(username)
        self.page.locator("[name=password]").fill(PASSWORD)
        self.page.locator("[name=password]").press("Enter")
        self.page.wait_for_url(path if "://" in path else f"**{path}")

    def write(self, text: str) -> None:
        self.page.locator("[name=message]").fill(text)
        self.page.locator("[name=message]").press("Enter")

    def wait_for(self, text: str) -> None:
        self.page.locator("#messages").get_by_text(text, exact=True).wait_for()

    @property
    def lines(self) -> list[str]:
        return self.page.locator("#messages li").all_text_contents()


LOG_IN_PAGE = """{# pages/templates/registration/login.html #}
<form method="post">
  {% csrf_token %}{{ form }}<input type="hidden" name="next" value="{{ next }}"><button>Log in</button>
</form>
"""


def sign_up_two(site: Site) -> str:
    """Accounts, and the address of a chat in which both are."""
    return site.shell(
        "from django.contrib.auth import get_user_model\n"
        "from django_bpo_chat import operations\n"
        f"wali, mabel = (get_user_model().objects.create_user(n, f'{{n}}@email.com', {PASSWORD!r})"
        " for n in ('wali', 'mabel'))\n"
        "print(operations.start_group(actor=wali, members=['mabel']).uri)"
    )


def say_in_shell(site: Site, uri: str, text: str) -> None:
    site.shell(
        "from django.contrib.auth import get_user_model\n"
        "from django_bpo_chat import operations\n"
        f"operations.send_message(actor=get_user_model().objects.get(username='wali'), chat={uri!r}, text={text!r})"
    )


@pytest.mark.browser
def test_a_page_of_the_site(site: Site, chromium: Browser) -> None:
    site.begin()
    site.follow(section(PAGES, "A page of the site"))
    site.write(LOG_IN_PAGE)
    site.check()
    uri = sign_up_two(site)
    wali, mabel = Window(chromium, site), Window(chromium, site)
    for window, name in ((wali, "wali"), (mabel, "mabel")):
        window.log_in(name, f"/chats/{uri}/")

    wali.write("Lemonade & <b>cake</b>")
    mabel.wait_for("wali: Lemonade & <b>cake</b>")
    mabel.write("Yes, please")
    wali.wait_for("mabel: Yes, please")

    site.kill()
    say_in_shell(site, uri, "Nobody is here")
    site.start()
    for window in (wali, mabel):
        window.wait_for("wali: Nobody is here")
    mabel.write("I am back")
    wali.wait_for("mabel: I am back")
    expected = ["wali: Lemonade & <b>cake</b>", "mabel: Yes, please", "wali: Nobody is here", "mabel: I am back"]
    assert wali.lines == mabel.lines == expected


@pytest.mark.browser
def test_what_log_out_and_a_new_password_do_to_a_page(site: Site, chromium: Browser) -> None:
    site.begin()
    site.follow(section(PAGES, "A page of the site"))
    site.write(LOG_IN_PAGE)
    uri = sign_up_two(site)
    here, elsewhere = Window(chromium, site), Window(chromium, site)
    for window in (here, elsewhere):
        window.log_in("wali", f"/chats/{uri}/")
    here.write("Hello")
    elsewhere.wait_for("wali: Hello")

    form = here.page.context.new_page()
    form.goto("/accounts/password_change/")
    form.locator("[name=old_password]").fill(PASSWORD)
    for again in ("1", "2"):
        form.locator(f"[name=new_password{again}]").fill("tea at four")
    form.locator("[name=new_password2]").press("Enter")
    form.wait_for_url("**/done/")
    elsewhere.page.get_by_text("You are not logged in any more.").wait_for()
    say_in_shell(site, uri, "Still there?")
    here.wait_for("wali: Still there?")

    token = here.page.locator("[name=csrfmiddlewaretoken]").input_value()
    status = here.page.evaluate(
        "token => fetch('/accounts/logout/', {method: 'POST', headers: {'X-CSRFToken': token}}).then(r => r.status)",
        token,
    )
    assert status == 200
    here.page.get_by_text("You are not logged in any more.").wait_for()


class NoPage(BaseHTTPRequestHandler):
    """The page of an application that is nothing but what a test has it do."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None: ...


@pytest.fixture
def app() -> Iterator[str]:
    """The origin of an application on another port, which is another origin of the same site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), NoPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


CLIENT = """
async ({ api, access, credentials }) => {
  const headers = { "Content-Type": "application/json" };
  if (access) headers.Authorization = `Bearer ${access}`;
  else headers["X-CSRFToken"] = (await (await fetch(`${api}/csrf/`, { credentials })).json()).token;
  const options = { method: "POST", headers, credentials, body: "{}" };
  const { uri } = await (await fetch(`${api}/api/v1/chats/`, options)).json();
  const socket = new WebSocket(`${api.replace("http", "ws")}/ws/v1/chat/`, "bpo-chat.v1");
  socket.onopen = () => socket.send(JSON.stringify(access ? { type: "hello", token: access } : { type: "hello" }));
  const ready = await new Promise((heard, refused) => {
    socket.onmessage = ({ data }) => heard(JSON.parse(data));
    socket.onclose = ({ code }) => refused(code);
  });
  return ready.user.username === "wali" && ready.chats.some((chat) => chat.uri === uri);
}
"""


@pytest.mark.browser
def test_a_page_on_another_origin(site: Site, client: Clients, chromium: Browser, app: str) -> None:
    site.app = app
    site.begin("The API")
    *with_token, with_cookie, view = section(PAGES, "A page on another origin")
    site.follow(with_token)
    site.write(
        "# mysite/urls.py, at the end\n\n"
        "from mysite.views import csrf_token\n"
        "urlpatterns.append(path('csrf/', csrf_token))\n"
    )
    site.follow([view, *section(QUICKSTART, "Run it")])
    sign_up_two(site)
    form = {"email": "wali@email.com", "password": PASSWORD}
    access = done(client().post("/api/v1/users/login/", json=form))["access"]
    api = site.http.replace("127.0.0.1", "localhost")
    page = chromium.new_page()
    page.goto(app)
    assert page.evaluate(CLIENT, {"api": api, "access": access, "credentials": "omit"})

    site.follow([with_cookie])
    site.restart()
    site.check()
    site.shell(
        "from django.contrib.auth import get_user_model\n"
        "get_user_model().objects.filter(username='wali').update(is_staff=True)"
    )
    window = Window(chromium, site)
    window.log_in("wali", f"{api}/admin/")
    window.page.goto(app)
    assert window.page.evaluate(CLIENT, {"api": api, "access": "", "credentials": "include"})


# allauth


def test_apps_with_tokens_of_allauth(site: Site, client: Clients) -> None:
    site.begin()
    site.follow(section(ALLAUTH, "The settings"))
    site.check()
    printed = site.follow(section(ALLAUTH, "Apps: a token"))
    assert printed[-1] == promised(ALLAUTH, "Apps: a token")

    app = client()
    session = done(app.post("/_allauth/app/v1/auth/login", json={"email": "wali@email.com", "password": PASSWORD}))
    tokens = session["meta"]
    app.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    with open_socket(site.ws, headers={"Authorization": app.headers["Authorization"]}) as socket:
        socket.introduce()
        refresh = {"refresh_token": tokens["refresh_token"]}
        fresh = done(client().post("/_allauth/app/v1/tokens/refresh", json=refresh))["data"]["access_token"]
        socket.ask("auth", token=fresh)
        app.headers["Authorization"] = f"Bearer {fresh}"
        [chat] = done(app.get("/api/v1/chats/"))["results"]
        assert chat["owner"] == "wali"
        assert app.delete("/_allauth/app/v1/auth/session").status_code == 401
        assert app.get("/api/v1/chats/").status_code == 401
        socket.ask("message.send", chat=chat["uri"], message="This socket lives until its token expires")
    with open_socket(site.ws) as socket:
        assert socket.refusal(token=fresh) == 4401


@pytest.mark.browser
def test_browsers_with_sessions_of_allauth(site: Site, chromium: Browser) -> None:
    site.begin()
    *pages, _ = section(PAGES, "A page of the site")
    *settings, run = section(ALLAUTH, "The settings")
    site.follow([*pages, *settings])
    site.write(
        "# mysite/urls.py, at the end\n\n"
        "from django.contrib.staticfiles.urls import staticfiles_urlpatterns\n"
        "from pages import views\n"
        "urlpatterns += [path('chats/<str:uri>/', views.chat), *staticfiles_urlpatterns()]\n"
    )
    site.follow([run])
    site.check()
    uri = sign_up_two(site)
    [log_in] = section(ALLAUTH, "Browsers: the session", "js")
    windows = {name: Window(chromium, site) for name in ("wali", "mabel")}
    for name, window in windows.items():
        window.page.goto("/admin/login/")
        script = f"async (email) => {{ {log_in.text} return await logIn(email, '{PASSWORD}'); }}"
        assert window.page.evaluate(script, f"{name}@email.com")
        window.page.goto(f"/chats/{uri}/")
    windows["wali"].write("Hello world")
    windows["mabel"].wait_for("wali: Hello world")
    windows["mabel"].write("Hello Wali")
    windows["wali"].wait_for("mabel: Hello Wali")

    token = windows["wali"].page.locator("[name=csrfmiddlewaretoken]").input_value()
    log_out = "token => fetch('/_allauth/browser/v1/auth/session', {method: 'DELETE', headers: {'X-CSRFToken': token}})"
    windows["wali"].page.evaluate(f"async token => {{ await ({log_out})(token); }}", token)
    windows["wali"].page.get_by_text("You are not logged in any more.").wait_for()


def test_apps_with_session_tokens_of_allauth(site: Site, client: Clients) -> None:
    def sign_up(name: str) -> tuple[httpx.Client, str]:
        account = {"username": name, "email": f"{name}@email.com", "password": PASSWORD}
        token = done(client().post("/_allauth/app/v1/auth/signup", json=account))["meta"]["session_token"]
        return client(**{"X-Session-Token": token}), token

    site.begin()
    *settings, run = section(ALLAUTH, "The settings")
    site.follow([*settings, *section(ALLAUTH, "Apps: the session token")])
    own = "allauth.headless.contrib.rest_framework.authentication.XSessionTokenAuthentication"
    assert own in ALLAUTH.read_text()
    site.write(
        f"# mysite/settings.py, at the end\n\nours = BPO_CHAT\nBPO_CHAT = {{'AUTHENTICATION_CLASSES': ['{own}']}}\n"
    )
    site.follow([run])
    otis, token = sign_up("otis")
    done(otis.get("/api/v1/chats/"))
    with open_socket(site.ws, headers={"X-Session-Token": token}) as socket:
        socket.introduce()
    with open_socket(site.ws) as socket:
        assert socket.refusal(token=token) == 4401

    site.write("# mysite/settings.py, at the end\n\nBPO_CHAT = ours\n")
    site.restart()
    site.check()

    (wali, _), (mabel, token) = sign_up("wali"), sign_up("mabel")
    uri = done(wali.post("/api/v1/chats/", json={}))["uri"]
    done(mabel.patch(f"/api/v1/chats/{uri}", json={}))
    with (
        open_socket(site.ws, headers={"X-Session-Token": token}) as by_header,
        open_socket(site.ws) as by_hello,
    ):
        by_header.introduce()
        by_hello.introduce(token=token)
        sent = done(wali.post(f"/api/v1/chats/{uri}/messages/", json={"message": "Hello world"}))
        for socket in (by_header, by_hello):
            assert socket.hear()["messages"] == [sent]
        mabel.delete("/_allauth/app/v1/auth/session")
        for socket in (by_header, by_hello):
            assert socket.hear_close() == 4401
    assert mabel.get("/api/v1/chats/").status_code == 401


def test_the_tests_of_a_site_with_allauth(site: Site) -> None:
    """Its API takes no tokens of simplejwt."""
    site.begin()
    *settings, _ = section(ALLAUTH, "The settings")
    site.follow(settings)
    own = "from django.conf import settings\nprint(settings.BPO_CHAT)"
    before = ast.literal_eval(site.shell(own))
    [database] = [block for block in blocks(TESTING, "python") if '["TEST"]' in block.text]
    site.follow([database])
    site.write(file(TESTING, "mysite/test_settings.py"))
    assert before and ast.literal_eval(site.shell(own, "--settings=mysite.test_settings")) == {**before, "RATES": None}
    [tests, command] = section(TESTING, "With Django's test runner")
    site.follow([tests])
    assert "Ran 3 tests" in site.run(f"{command.text.strip()} 2>&1")
    printed = site.follow(section(TESTING, "With pytest"))
    assert "1 passed" in printed[-1]


# djoser


def test_tokens_of_djoser(site: Site, client: Clients) -> None:
    site.begin()
    site.follow(section(DJOSER, "The settings"))
    site.check()
    printed = site.follow(section(DJOSER, "Two people talk"))
    assert printed[-1] == promised(DJOSER, "Two people talk")

    account = {"username": "wali", "password": PASSWORD}
    tokens = done(client().post("/auth/jwt/create/", json=account))
    fresh = done(client().post("/auth/jwt/refresh/", json={"refresh": tokens["refresh"]}))["access"]
    wali = client(Authorization=f"Bearer {tokens['access']}")
    with open_socket(site.ws) as socket:
        socket.introduce(token=tokens["access"])
        socket.ask("auth", token=fresh)
        change = {"current_password": PASSWORD, "new_password": "tea at four"}
        done(wali.post("/auth/users/set_password/", json=change))
        assert socket.hear_close() == 4401
    assert wali.get("/api/v1/chats/").status_code == 401


# A user model of one's own


def test_people_with_an_email_and_no_username(site: Site, client: Clients) -> None:
    heading = "A site whose people have an email and no username"
    site.begin()
    printed = site.follow(section(USER_MODELS, heading))
    assert printed[-1] == promised(USER_MODELS, heading)
    site.check()
    assert site.run("python manage.py makemigrations --check --dry-run") == "No changes detected\n"

    def form(username: str, email: str) -> dict[str, str]:
        return {"username": username, "email": email, "password": PASSWORD, "password2": PASSWORD}

    anybody = client()
    otis = done(anybody.post("/api/v1/users/signup/", json=form("Otis", "Otis@email.com")))
    assert otis["user"] == {"username": "otis", "email": "otis@email.com"}
    refused = {
        "username": form("two words", "new@email.com"),
        "email": form("new", "WALI@email.com"),
    }
    for field, body in refused.items():
        answer = anybody.post("/api/v1/users/signup/", json=body)
        assert (answer.status_code, list(answer.json())) == (400, [field])

    tokens = done(anybody.post("/api/v1/users/login/", json={"email": "Wali@email.com", "password": PASSWORD}))
    wali = client(Authorization=f"Bearer {tokens['access']}")
    [chat] = done(wali.get("/api/v1/chats/"))["results"]
    assert {member["username"] for member in chat["members"]} == {"wali", "mabel"}
    uri = f"/api/v1/chats/{chat['uri']}"
    with open_socket(site.ws) as socket:
        socket.introduce(token=otis["access"])
        done(wali.patch(uri, json={"username": "otis"}))
        heard = [socket.ready, socket.hear()]
    seen = [wali.get(path).text for path in (uri, f"{uri}/members/", f"{uri}/messages/", f"{uri}/changes/?since=0")]
    assert all("otis" in each or "wali" in each for each in seen)
    assert "@" not in json.dumps([*seen, *heard])

    site.shell(
        "import os\nfrom django.core.management import call_command\n"
        f"os.environ['DJANGO_SUPERUSER_PASSWORD'] = {PASSWORD!r}\n"
        "call_command('createsuperuser', interactive=False, email='ines@email.com', nickname='ines')"
    )


# A card from another table


def test_everybody_has_a_color(site: Site, client: Clients) -> None:
    site.mode = "cards"
    site.begin("The API")
    site.follow(section(COOKBOOK, "Everybody has a color"))
    site.check()
    site.follow(section(QUICKSTART, "Run it"))

    def sign_up(name: str) -> httpx.Client:
        body = {"username": name, "email": f"{name}@email.com", "password": PASSWORD, "password2": PASSWORD}
        return client(Authorization=f"Bearer {done(client().post('/api/v1/users/signup/', json=body))['access']}")

    wali, mabel = sign_up("wali"), sign_up("mabel")
    uri = f"/api/v1/chats/{done(wali.post('/api/v1/chats/', json={}))['uri']}"
    done(mabel.patch(uri, json={}))
    sent = done(wali.post(f"{uri}/messages/", json={"message": "Hello world"}))
    assert sent["user"] == {"username": "wali", "color": "gray"}
    site.shell(
        "from django.contrib.auth import get_user_model\n"
        "from profiles.models import Profile\n"
        "Profile.objects.create(user=get_user_model().objects.get(username='wali'), color='green')"
    )
    with open_socket(site.ws, headers={"Authorization": mabel.headers["Authorization"]}) as socket:
        socket.introduce()
        assert socket.ready["user"] == {"username": "mabel", "color": "gray"}
        done(wali.post(f"{uri}/messages/", json={"message": "Green!"}))
        [message] = socket.hear()["messages"]
    messages = [*done(mabel.get(f"{uri}/messages/"))["results"], message]
    assert [each["user"] for each in messages] == [{"username": "wali", "color": "green"}] * 3
    members = done(mabel.get(f"{uri}/members/"))["results"]
    assert {each["username"]: each["color"] for each in members} == {"wali": "green", "mabel": "gray"}


# An admin of one's own


def test_an_admin_without_messages(site: Site) -> None:
    def shown() -> set[str]:
        printed = site.shell(
            "from django.contrib.auth import get_user_model\n"
            "from django.test import Client\n"
            "staff = Client(SERVER_NAME='localhost')\n"
            "staff.force_login(get_user_model().objects.get())\n"
            "print(staff.get('/admin/').content.decode())"
        )
        return set(re.findall("(Chats|Memberships|Messages)</a>", printed))

    site.begin("The API")
    site.run("python manage.py startapp people")
    site.write("# mysite/settings.py, at the end\n\nINSTALLED_APPS += ['people']\n")
    site.run("python manage.py migrate")
    site.shell("from django.contrib.auth import get_user_model\nget_user_model().objects.create_superuser('ines')")
    assert shown() == {"Chats", "Memberships", "Messages"}
    site.follow(section(ADMIN, "An admin of your own"))
    assert shown() == {"Chats", "Memberships"}
    site.check()


# Background work


def meet_the_robot(site: Site, client: Clients) -> tuple[str, httpx.Client, str]:
    def sign_up(name: str) -> tuple[httpx.Client, str]:
        body = {"username": name, "email": f"{name}@email.com", "password": PASSWORD, "password2": PASSWORD}
        access = done(client().post("/api/v1/users/signup/", json=body))["access"]
        return client(Authorization=f"Bearer {access}"), access

    (wali, access), (mabel, _) = sign_up("wali"), sign_up("mabel")
    uri = f"/api/v1/chats/{done(wali.post('/api/v1/chats/', json={}))['uri']}"
    done(mabel.patch(uri, json={}))
    done(wali.patch(uri, json={"username": "robot"}))
    return access, wali, uri


def answers(wali: httpx.Client, uri: str) -> list[tuple[str, str]]:
    page = done(wali.get(f"{uri}/messages/"))
    return [(message["user"]["username"], message["message"]) for message in page["results"]]


def test_celery(site: Site, client: Clients, redis_url: str) -> None:
    site.redis = redis_url.rpartition("/")[0]
    site.begin("The API")
    emails = site.directory / "emails"
    site.write(
        "# mysite/settings.py, at the end\n\n"
        "backend = 'django.core.mail.backends.filebased.EmailBackend'\n"
        "if 'MAILERS' in globals():\n"
        f"    MAILERS = {{'default': {{'BACKEND': backend, 'OPTIONS': {{'file_path': {str(emails)!r}}}}}}}\n"
        "else:\n"
        f"    EMAIL_BACKEND, EMAIL_FILE_PATH = backend, {str(emails)!r}\n"
    )
    site.follow(section(TASKS, "The bot"))
    site.follow(section(TASKS, "With Celery"))
    site.check()
    access, wali, uri = meet_the_robot(site, client)
    with open_socket(site.ws) as socket:
        socket.introduce(token=access)
        version = done(wali.post(f"{uri}/messages/", json={"message": "robot, hello"}))["version"]
        heard = [*socket.hear_version(version)["messages"], *socket.hear_version(version + 1)["messages"]]
        assert [message["message"] for message in heard][-1] == "You said: hello"
    done(wali.put(f"{uri}/read/", json={"seq": 2}))
    site.run("celery -A mysite call robot.tasks.answer --args=[1]")
    done(wali.post(f"{uri}/messages/", json={"message": "robot, bye"}))
    expected = [("wali", "robot, hello"), ("robot", "You said: hello")]
    expected += [("wali", "robot, bye"), ("robot", "You said: bye")]
    until(lambda: answers(wali, uri) == expected)

    def received(name: str) -> int:
        return sum(each.read_text().count(f"To: {name}@email.com") for each in emails.glob("*"))

    # Mabel has read nothing, and Wali all but the last answer.
    until(lambda: (received("mabel"), received("wali")) == (4, 1))


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 6.0 brought tasks")
def test_tasks_of_django(site: Site, client: Clients) -> None:
    site.begin("The API")
    site.follow(section(TASKS, "The bot"))
    site.follow(section(TASKS, "With Django's own tasks"))
    site.follow(section(QUICKSTART, "Run it"))
    site.check()
    access, wali, uri = meet_the_robot(site, client)
    with open_socket(site.ws) as socket:
        socket.introduce(token=access)
        done(wali.post(f"{uri}/messages/", json={"message": "robot, hello"}))
        heard: list[str] = []
        while len(heard) < 2:
            heard += [message["message"] for message in socket.hear()["messages"]]
    assert sorted(heard) == ["You said: hello", "robot, hello"]
    site.shell("from robot.tasks import answer; answer.enqueue(1)")
    assert answers(wali, uri) == [("wali", "robot, hello"), ("robot", "You said: hello")]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
