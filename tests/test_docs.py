"""The documentation is held to the code: its tables are compared with it, and its examples are run."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver, resolve
from rest_framework.serializers import Serializer
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

import django_bpo_chat
from django_bpo_chat import checks, conf, exceptions, http, live, operations, signals, testing
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.live.frames import FRAMES, HelloInput
from django_bpo_chat.models import Chat, Message
from tests import test_signals
from tests.parallel import with_own_connection
from tests.person import Bearer, Person, Visitor
from tests.processes import test_browser
from tests.servers import EXAMPLE_PROJECT, LiveServer, Server, WebServer, api_answers, example_environment
from tests.sites import site
from tests.test_demo import Demo
from tests.test_signals import SIGNALS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]

heard = test_signals.heard

URLS = "django_bpo_chat.urls"
INTEGRATION = "Into your site, in five minutes"


# Markdown


@dataclass(frozen=True)
class Line:
    text: str
    language: str | None
    """Of the code block that the line is in; None in prose."""


def lines(page: Path) -> Iterator[Line]:
    language = None
    for text in page.read_text().splitlines():
        if text.startswith("```"):
            language = text[3:] if language is None else None
        else:
            yield Line(text, language)


def section(page: Path, heading: str) -> list[Line]:
    """The lines below a heading, up to the next one of its level."""
    found: list[Line] = []
    level = ""
    for line in lines(page):
        match = re.fullmatch(r"(#+) (.+)", line.text) if line.language is None else None
        if match and level and len(match[1]) <= len(level):
            return found
        if match and match[2] == heading:
            level = match[1]
        elif level:
            found.append(line)
    assert level, f"{page.name} has no heading {heading!r}"
    return found


def headings(page: Path, level: int) -> list[str]:
    mark = "#" * level + " "
    return [
        line.text.removeprefix(mark) for line in lines(page) if line.language is None and line.text.startswith(mark)
    ]


def table(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head and without marks of code."""
    rows = []
    for line in section(page, heading):
        if line.language is None and line.text.startswith("|"):
            rows.append([cell.strip() for cell in line.text.strip("|").split(" | ")])
        elif rows:
            break
    return rows[2:]


def code(cell: str) -> str:
    """The first code in a cell."""
    match = re.search(r"`([^`]+)`", cell)
    assert match, cell
    return match[1]


@dataclass(frozen=True)
class Block:
    language: str
    text: str


def blocks(page: Path, *languages: str, below: str | None = None) -> list[Block]:
    """The code blocks of a page, or of one section of it, in any of these languages."""
    text = page.read_text()
    if below is not None:
        start = text.index(f"\n## {below}\n")
        end = text.find("\n## ", start + 1)
        text = text[start:end]
    found = [Block(*match.groups()) for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
    return [block for block in found if block.language in languages]


def file(page: Path, name: str) -> str:
    """The code block that is the whole of a file."""
    [text] = [block.text for block in blocks(page, "python") if block.text.startswith(f"# {name}\n")]
    return text


# Which test runs which block

SILENCES = "test_the_remedy_on_the_page_silences_the_check"
IS_CODE = "test_the_remedies_of_the_checks_are_code"

DIAGRAM = "Not run: a diagram."
INSTALLS = "Not run: tox has done it."
DEMO = "Not run: tox has done it, and test_demo.py starts the demo."
NOT_RUN = {DIAGRAM, INSTALLS, DEMO}

RUN_BY: dict[str, dict[str, str]] = {
    "README.md": {
        "Try it": DEMO,
        INTEGRATION: "test_the_integration_of_the_readme",
        "# listen.py": "test_the_python_client_of_the_readme",
        "js": "test_the_browser_client_of_the_readme",
    },
    "admin.md": {"An admin of your own": "test_an_admin_without_messages"},
    "allauth.md": {
        "The settings": "test_apps_with_tokens_of_allauth",
        "Apps: a token": "test_apps_with_tokens_of_allauth",
        "Browsers: the session": "test_browsers_with_sessions_of_allauth",
        "Apps: the session token": "test_apps_with_session_tokens_of_allauth",
    },
    "architecture.md": {"text": DIAGRAM},
    "checks.md": {
        "sh": "test_the_commands_of_the_checks_page",
        **dict.fromkeys(["E001", "E002", "E003", "E004", "E005", "E007", "E021", "E025"], SILENCES),
        **dict.fromkeys(
            ["W001", "W002", "W011", "W012", "W013", "W015", "W016", "W017", "W018", "W020", "W021"], SILENCES
        ),
        **dict.fromkeys(["Checks", "E006", "E008", "E009", "W003", "W014"], IS_CODE),
    },
    "cookbook.md": {
        "# mysite/school.py": "test_pupils_write_to_teachers_only",
        "# mysite/doors.py": "test_some_join_by_an_address",
        "# mysite/allowance.py": "test_two_chats_a_day",
        "# mysite/words.py": "test_words_that_nobody_should_read",
        "Everybody has a color": "test_everybody_has_a_color",
    },
    "deployment.md": {
        "One process": "test_one_process_of_the_deployment_page",
        'pip install "path/to/django-bpo-chat[postgres,redis]" gunicorn': INSTALLS,
        "Several processes": "test_the_page",
        "# follow.py": "test_a_site_with_habits_of_its_own",
        "The proxy": "test_the_page",
        "The doctor": "test_the_page",
        "Health": "test_the_probe_of_the_deployment_page_is_answered",
        "Connections to PostgreSQL": "test_the_pool",
        "After a restore": "test_a_restore_as_the_deployment_page_says",
    },
    "djoser.md": {
        "The settings": "test_tokens_of_djoser",
        "Two people talk": "test_tokens_of_djoser",
    },
    "existing-sites.md": {
        "A page of the site": "test_a_page_of_the_site",
        "A page on another origin": "test_a_page_on_another_origin",
    },
    "hardening.md": {
        "Settings": "test_each_line_of_the_settings_is_asked_for",
        "What visitors meet": "test_visitors_meet_what_the_page_says",
    },
    "lifecycle.md": {
        "sh": "test_the_commands_of_the_lifecycle_page",
        "pycon": "test_the_export_of_the_lifecycle_page",
    },
    "openapi.md": {
        "On your site": "test_the_documents_of_a_site",
        "# mysite/names.py": "test_the_documents_of_a_site",
    },
    "operations.md": {
        "pycon": "test_the_examples_of_the_operations_page",
        "From async code": "test_the_async_code_of_the_operations_page",
    },
    "quickstart.md": dict.fromkeys(["sh", "python", "text"], "test_the_quickstart"),
    "rest.md": {"http": "test_the_examples_of_the_rest_page"},
    "settings.md": {
        "Settings": "test_the_adapter_of_the_settings_page",
        "Settings of others": "test_the_tokens_of_the_settings_page",
        "# mysite/chat.py": "test_the_adapter_of_the_settings_page",
        "# mysite/cards.py": "test_the_card_of_the_settings_page",
        "# mysite/people.py": "test_the_people_of_the_settings_page",
        "# mysite/permissions.py": "test_the_permission_of_the_settings_page",
        "Serializers": "test_the_sign_up_of_the_settings_page",
        "# mysite/receivers.py": "test_the_receiver_of_the_settings_page",
        "# mysite/bus.py": "test_the_bus_of_the_settings_page",
    },
    "socket.md": dict.fromkeys(["text", "http"], "test_the_examples_of_the_socket_page"),
    "tasks.md": {
        "The bot": "test_celery",
        "With Celery": "test_celery",
        "With Django's own tasks": "test_tasks_of_django",
    },
    "testing.md": {
        "Testing": "test_a_site_with_nothing_else_installed_mounts_migrates_and_chats",
        "With Django's test runner": "test_a_site_with_nothing_else_installed_mounts_migrates_and_chats",
        "# mysite/test_settings.py": "test_the_tests_of_a_site_with_allauth",
        "# pytest.ini": "test_the_tests_of_a_site_with_allauth",
        "With pytest": "test_the_fixtures_of_the_testing_page",
    },
    "user-models.md": {
        "A site whose people have an email and no username": "test_people_with_an_email_and_no_username",
    },
}
"""Of each block, by its first line, or else its language, or else the nearest heading above it: the test that runs it,
or why none does. Among other lines, those that install are passed over by all of them."""


def test_every_block_is_run_or_is_known_not_to_be() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    for page in PAGES:
        run_by = RUN_BY.get(page.name, {})
        known_as = set()
        for names in names_of_blocks(page):
            found = [name for name in names if name in run_by]
            assert found, f"{page.name}: nothing is known of {names}"
            known_as.add(found[0])
        assert known_as == run_by.keys(), page.name
        assert set(run_by.values()) <= tests | NOT_RUN, page.name


def names_of_blocks(page: Path) -> Iterator[list[str]]:
    """Of each block of code its first line, its language, and the headings above it, from the nearest on."""
    titles: list[str] = []
    was_code = False
    for line in lines(page):
        if line.language is None and (match := re.fullmatch(r"(#+) (.+)", line.text)):
            titles = [*titles[: len(match[1]) - 1], re.sub(r"^([EW]\d{3}): .*", r"\1", match[2])]
        if line.language and not line.language.startswith("{") and not was_code:
            yield [line.text, line.language, *titles[::-1]]
        was_code = line.language is not None


# Tables


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {
        code(key): ast.literal_eval(code(default))
        for key, default, _ in table(DOCS / "settings.md", "Keys of `BPO_CHAT`")
    }
    assert documented == conf.DEFAULTS


def test_every_adapter_method_is_documented() -> None:
    documented = {code(name) for name, *_ in table(DOCS / "settings.md", "The adapter")}
    methods = inspect.getmembers(Adapter, inspect.isfunction)
    signatures = {f"{name}({', '.join(parameters(method)[1:])})" for name, method in methods}
    attributes = vars(Adapter).keys() - dict(methods)
    assert documented == {name for name in signatures | attributes if name[0] != "_"}


@pytest.mark.django_db(transaction=True)
def test_every_signal_is_documented_with_its_sender_and_what_it_carries(
    heard: test_signals.Heard, wali: Person, mabel: Person, otis: Person
) -> None:
    rows = {code(name): cells for name, *cells in table(DOCS / "settings.md", "Signals")}
    assert rows.keys() == SIGNALS.keys()
    test_signals.change_everything(wali, mabel, otis)
    wali.leave(wali.start(mabel))
    assert {name for name, _ in heard} == SIGNALS.keys()
    for name, arguments in heard:
        sender, carries = rows[name]
        carried, *values = re.findall(r"`(\w+)`", carries)
        assert code(sender) == arguments["sender"].__name__
        assert {carried, "chat", "actor", "sender"} == arguments.keys()
        assert set(arguments.get("fields", ())) <= set(values)


def parameters(function: Callable[..., Any]) -> list[str]:
    found = inspect.signature(function).parameters.values()
    return [f"**{each.name}" if each.kind is each.VAR_KEYWORD else each.name for each in found]


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {code(name): int(status) for name, status, _ in table(DOCS / "settings.md", "Error codes")}
    errors = {error.code: error.status for error in subclasses(exceptions.ChatError)}
    assert documented == errors | {name: status for status, name in http.CODES.items()}


def subclasses(base: type[Any]) -> Iterator[Any]:
    yield base
    for child in base.__subclasses__():
        yield from subclasses(child)


def check_numbers(*sources: Path, before: str) -> list[str]:
    found = {number for each in sources for number in re.findall(rf"{before}([EW]\d{{3}})", each.read_text())}
    return sorted(found)


def test_every_system_check_is_documented_with_a_remedy_and_tested() -> None:
    page, numbers = DOCS / "checks.md", check_numbers(*Path(checks.__path__[0]).glob("*.py"), before="bpo_chat.")
    assert [title.partition(":")[0] for title in headings(page, 3)] == numbers
    assert all(any(line.language for line in section(page, title)) for title in headings(page, 3))
    assert check_numbers(ROOT / "tests" / "test_checks.py", before='"') == numbers


def test_the_remedies_of_the_checks_are_code() -> None:
    for block in blocks(DOCS / "checks.md", "python"):
        compile(block.text, block.text.splitlines()[0], "exec")


@pytest.mark.parametrize(("page", "prefix"), [(README, "/api/v1/"), (DOCS / "rest.md", "")], ids=["README", "rest"])
def test_every_endpoint_is_documented(page: Path, prefix: str) -> None:
    documented = set()
    for _, endpoint, verb, *_ in table(page, "Endpoints"):
        path, _, _ = code(endpoint).removeprefix(prefix).partition("?")
        match = resolve("/" + path.replace("<seq>", "1"), urlconf=URLS)
        documented.add((match.url_name, verb))
    assert documented == set(endpoints(get_resolver(URLS)))


def endpoints(resolver: Any) -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from endpoints(pattern)
        else:
            for verb in ("get", "post", "put", "patch", "delete"):
                if hasattr(pattern.callback.view_class, verb):
                    yield pattern.name, verb.upper()


def test_every_module_is_documented() -> None:
    rows = table(DOCS / "architecture.md", "Where things are")
    documented = [name for modules, _ in rows for name in re.findall(r"`(\w+)`", modules)]
    assert sorted(documented) == sorted(each.name for each in pkgutil.iter_modules(django_bpo_chat.__path__))


def test_every_operation_is_documented_with_its_arguments() -> None:
    page = DOCS / "operations.md"
    assert sorted(headings(page, 3)) == sorted(operations.__all__)
    for name in operations.__all__:
        signature = next(line.text for line in section(page, name) if line.text)
        assert code(signature).replace('"', "'") == f"{name}{without_annotations(getattr(operations, name))}"


def without_annotations(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=signature.empty)


def test_every_public_name_is_there() -> None:
    listed = {code(module): set(re.findall(r"`(\w+)`", names)) for module, names, _ in public_names()}
    for module, names in listed.items():
        assert not [name for name in names if not hasattr(importlib.import_module(module), name)], module
    codes = [each for each in subclasses(exceptions.ChatError) if each.__module__ == exceptions.__name__]
    assert listed["django_bpo_chat.exceptions"] == {each.__name__ for each in codes}
    assert listed["django_bpo_chat.operations"] == set(operations.__all__)
    assert listed["django_bpo_chat.signals"] == set(SIGNALS)
    assert listed["django_bpo_chat.testing"] == set(testing.__all__)


def test_sites_need_public_names_only() -> None:
    """Those of the tests, of the documentation, and whoever says again what is the default."""
    public = {f"{code(module)}.{name}" for module, names, _ in public_names() for name in re.findall(r"`(\w+)`", names)}
    modules = {name.rpartition(".")[0] for name in public}
    sites = [path.read_text() for path in (ROOT / "tests" / "hosts").rglob("*.py")]
    pages = [block.text for page in PAGES for block in blocks(page, "python")]
    used = {name for source in [*sites, *pages, str(conf.DEFAULTS)] for name in names_of_the_package(source)}
    assert used <= public | modules | {"django_bpo_chat"}


def names_of_the_package(source: str) -> Iterator[str]:
    """Those that are imported, and those in strings."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith("django_bpo_chat"):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.Import():
                yield from (alias.name for alias in node.names if alias.name.startswith("django_bpo_chat"))
            case ast.Constant(value=str(text)) if re.fullmatch(r"django_bpo_chat(\.\w+)*", text):
                yield text


def public_names() -> list[list[str]]:
    return table(DOCS / "api.md", "Public names")


def test_every_frame_of_a_client_is_documented_with_its_fields() -> None:
    documented = {}
    for frame, _ in table(DOCS / "socket.md", "The client's frames"):
        name, _, listed = code(frame).strip("}").partition(" {")
        documented[name] = set(listed.split(", ")) - {""}
    taken = {"hello": fields(HelloInput)}
    taken |= {name: fields(frame.input) for name, frame in FRAMES.items()}
    taken["message.send"] |= fields(conf.chat_settings.serializer("send_message"))
    for name, expected in taken.items():
        assert documented.pop(name) in (expected, expected - {"id?"}), name
    assert not documented


def fields(serializer: type[Serializer[Any]]) -> set[str]:
    return {f"{name}{'' if field.required else '?'}" for name, field in serializer().fields.items()}


def test_every_close_code_is_documented() -> None:
    documented = {int(number) for number, *_ in table(DOCS / "socket.md", "Close codes")}
    sources = [Path(exceptions.__file__), *Path(live.__path__[0]).glob("*.py")]
    used = {int(number) for source in sources for number in re.findall(r"\b4[45]\d\d\b", source.read_text())}
    assert documented == used


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        prose = "\n".join(line.text for line in lines(page) if line.language is None)
        for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", prose):
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {path}"
            anchors = {slug(title) for level in range(1, 5) for title in headings(target, level)} if anchor else {""}
            assert anchor in anchors, f"{page.name}: {path}#{anchor}"


def slug(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


# The seven


@pytest.mark.django_db
def test_the_first_bodies_of_the_readme_can_be_sent_as_they_stand() -> None:
    statuses, uri = [], ""
    bearer: dict[str, str] = {}
    for _, endpoint, verb, body in table(README, "Endpoints")[:7]:
        path = code(endpoint).replace("<chat_uri>", uri)
        content = code(body).encode() if body else b""
        answer = Client().generic(verb, path, content, content_type="application/json", headers=bearer)
        statuses.append(answer.status_code)
        if "access" in answer.json():
            bearer = {"Authorization": f"Bearer {answer.json()['access']}"}
        uri = answer.json().get("uri", uri)
    assert statuses == [201, 200, 200, 201, 200, 201, 200]


# Stories


class Story:
    """Plays the exchanges of a page again and compares the answers.

    A uri or a token is another one in each run: it is learned where it comes first, and has to stay the same. A time
    has to be one.
    """

    learned_under = frozenset({"access", "refresh", "uri", "chat", "token", "id"})

    def __init__(self, **learned: str) -> None:
        self._learned = learned

    def adapt(self, text: str) -> str:
        for documented, actual in self._learned.items():
            text = text.replace(documented, actual)
        return text

    def compare(self, documented: Any, actual: Any, name: str = "") -> None:
        assert type(documented) is type(actual), f"{name}: {actual!r}"
        if isinstance(documented, dict):
            assert documented.keys() == actual.keys(), name
            for key, value in documented.items():
                self.compare(value, actual[key], key)
        elif isinstance(documented, list):
            assert len(documented) == len(actual), f"{name}: {actual!r}"
            for value, other in zip(documented, actual, strict=True):
                self.compare(value, other, name)
        elif name in self.learned_under and isinstance(documented, str):
            assert self._learned.setdefault(documented, actual) == actual, name
        elif name.endswith("_at") and isinstance(documented, str):
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", each) for each in (documented, actual))
        else:
            assert without_cursor(
                self.adapt(documented) if isinstance(documented, str) else documented
            ) == without_cursor(actual), name


def without_cursor(value: Any) -> Any:
    return re.sub(r"cursor=[\w-]+", "cursor=…", value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Http:
    """A request or an answer, as it goes over the line."""

    start: str
    headers: Mapping[str, str]
    body: str

    @classmethod
    def parse(cls, text: str) -> Http:
        head, _, body = text.partition("\n\n")
        start, *headers = head.strip().splitlines()
        return cls(start, dict(header.split(": ", 1) for header in headers), body.strip())

    @property
    def is_request(self) -> bool:
        return not self.start.startswith("HTTP/")


@pytest.mark.django_db
def test_the_examples_of_the_rest_page() -> None:
    story, messages = Story(), [Http.parse(block.text) for block in blocks(DOCS / "rest.md", "http")]
    assert len(messages) > 40
    for asked, documented in zip(messages[::2], messages[1::2], strict=True):
        assert asked.is_request
        assert not documented.is_request
        method, path, _ = story.adapt(asked.start).split(" ")
        headers = {name: story.adapt(value) for name, value in asked.headers.items()} | {"Host": "127.0.0.1:8000"}
        body, content_type = story.adapt(asked.body).encode(), headers.pop("Content-Type", "")
        if content_type.startswith("multipart/"):
            body = body.replace(b"\n", b"\r\n")
        answer = Client().generic(method, path, body, content_type=content_type, headers=headers)
        content = answer.getvalue().decode()
        assert f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}" == documented.start, (asked, content)
        assert documented.headers.items() <= dict(answer.headers).items()
        if documented.headers.get("Content-Type") == "application/json":
            story.compare(json.loads(documented.body), json.loads(content))
        else:
            assert documented.body == content


def test_the_examples_of_the_socket_page(live: LiveServer, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    mabel.join(uri)
    story = Story(**{"kPqU0E2lRnmVYzXw5T8cJA": uri, "<wali>": wali.access, "<mabel>": mabel.access})
    with connect(live.ws, subprotocols=[Subprotocol("bpo-chat.v1")]) as socket:
        exchanges = blocks(DOCS / "socket.md", "text", "http")
        assert len(exchanges) > 8
        for block in exchanges:
            if block.language == "http":
                asked = Http.parse(story.adapt(block.text))
                method, path, _ = asked.start.split(" ")
                httpx.request(method, live.http + path, headers=asked.headers, content=asked.body).raise_for_status()
                continue
            for client_frame, server_frames in exchange(block.text):
                if client_frame:
                    socket.send(story.adapt(client_frame))
                heard = {}
                for _ in server_frames:
                    frame = next_frame(socket)
                    heard[frame["type"]] = frame
                for documented in map(json.loads, server_frames):
                    story.compare(documented, heard.pop(documented["type"]))
        socket.ping().wait(5)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)


def exchange(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each frame of the client, or none, and what the server says to it, in any order."""
    spoken = re.findall(r"^(client|server)  (.+(?:\n {8}.+)*)", text, re.MULTILINE)
    said: tuple[str, list[str]] = ("", [])
    for speaker, frame in spoken:
        if speaker == "client":
            if said != ("", []):
                yield said
            said = (frame, [])
        else:
            said[1].append(frame)
    yield said


def next_frame(socket: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(socket.recv(timeout=10))
    return next_frame(socket) if frame["type"] == "ping" else frame


@pytest.mark.django_db
def test_the_examples_of_the_operations_page(wali: Person, mabel: Person, otis: Person) -> None:
    assert examples(DOCS / "operations.md", wali, mabel, otis) > 15


def examples(page: Path, *people: Person) -> int:
    """Run those of a page, in which these people are known by their names; how many there are."""
    source = "".join(block.text for block in blocks(page, "pycon"))
    users = {person.username: person.user for person in people}
    example = doctest.DocTestParser().get_doctest(source, users, page.name, page.name, 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(example, out=report.append).failed == 0, "".join(report)
    return len(example.examples)


@pytest.mark.django_db
def test_the_export_of_the_lifecycle_page(mabel: Person) -> None:
    mabel.start()
    assert examples(DOCS / "lifecycle.md", mabel) > 1


@pytest.mark.django_db
def test_the_commands_of_the_lifecycle_page(
    wali: Person, mabel: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    story = Story(kPqU0E2lRnmVYzXw5T8cJA=uri)
    monkeypatch.chdir(tmp_path)
    for line in "".join(block.text for block in blocks(DOCS / "lifecycle.md", "sh")).splitlines():
        call_command(*shlex.split(story.adapt(line).removeprefix("python manage.py ")))
    assert {path.name for path in tmp_path.iterdir()} == {"mabel.zip", "picnic.zip"}
    assert "Messages deleted: 1" in capsys.readouterr().out


@pytest.mark.django_db
def test_the_async_code_of_the_operations_page(wali: Person) -> None:
    [block] = blocks(DOCS / "operations.md", "python")
    namespace: dict[str, Any] = {
        "operations": operations,
        "wali": wali.user,
        "chat": operations.start_group(actor=wali.user),
    }
    exec(f"async def run():\n{textwrap.indent(block.text, '    ')}\n    return message, created", namespace)
    message, created = async_to_sync(namespace["run"])()
    assert (message.text, created) == ("Hello world", True)


@pytest.mark.django_db
def test_the_card_of_the_settings_page(wali: Person) -> None:
    namespace: dict[str, Any] = {}
    exec(file(DOCS / "settings.md", "mysite/cards.py"), namespace)
    wali.user.first_name = "Wali"
    assert namespace["CardAdapter"]().card(wali.user) == {"name": "Wali"}


@pytest.mark.django_db
def test_the_people_of_the_settings_page(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    (tmp_path / "documented_people.py").write_text(file(DOCS / "settings.md", "mysite/people.py"))
    monkeypatch.syspath_prepend(tmp_path)
    assert wali.get("people/", q="ma").done()["results"] == []
    settings.BPO_CHAT = {"ADAPTER": "documented_people.OpenAdapter"}
    assert wali.get("people/", q="ma").done()["results"] == [{"username": "mabel"}]


def overrides(key: str, documented: str, actual: str) -> dict[str, Any]:
    """The ``BPO_CHAT`` of the settings page that has this key, with another name for a module."""
    [text] = [block.text for block in blocks(DOCS / "settings.md", "python") if f'"{key}"' in block.text]
    namespace: dict[str, Any] = {}
    exec(text.replace(documented, actual), namespace)
    found: dict[str, Any] = namespace["BPO_CHAT"]
    return found


@pytest.mark.django_db
def test_the_tokens_of_the_settings_page(settings: Any, wali: Person) -> None:
    [source] = [block.text for block in blocks(DOCS / "settings.md", "python") if "SIMPLE_JWT = " in block.text]
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    settings.SIMPLE_JWT = namespace["SIMPLE_JWT"]
    used = {"refresh": wali.log_in()["refresh"]}
    fresh = Visitor().post("users/refresh/", used).done()
    assert Visitor().post("users/refresh/", used).status == 401
    Visitor().post("users/refresh/", {"refresh": fresh["refresh"]}).done()


@pytest.mark.django_db
def test_the_permission_of_the_settings_page(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, wali: Person
) -> None:
    (tmp_path / "documented_permissions.py").write_text(file(DOCS / "settings.md", "mysite/permissions.py"))
    monkeypatch.syspath_prepend(tmp_path)
    settings.BPO_CHAT = {"PERMISSION_CLASSES": ["documented_permissions.ReadOnlyForGuests"]}
    assert wali.post("chats/", {}).status == 201
    wali.user.groups.add(Group.objects.create(name="guests"))
    assert wali.post("chats/", {}).status == 403
    assert wali.get("chats/").status == 200


@pytest.mark.django_db
def test_the_sign_up_of_the_settings_page(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "documented_accounts.py").write_text(file(DOCS / "settings.md", "mysite/accounts.py"))
    monkeypatch.syspath_prepend(tmp_path)
    settings.BPO_CHAT = overrides("SERIALIZERS", "mysite.accounts", "documented_accounts")
    form = {"username": "ines", "email": "ines@email.com", "password": "password123", "password2": "password123"}
    assert Visitor().post("users/signup/", form).json == {"first_name": ["This field is required."]}
    Visitor().post("users/signup/", {**form, "first_name": "Ines"}).done()
    assert get_user_model().objects.get(email="ines@email.com").first_name == "Ines"


@pytest.mark.django_db(transaction=True)
def test_the_receiver_of_the_settings_page(wali: Person, mabel: Person) -> None:
    namespace: dict[str, Any] = {}
    exec(file(DOCS / "settings.md", "mysite/receivers.py"), namespace)
    try:
        uri = wali.start()
        mabel.join(uri)
    finally:
        signals.member_joined.disconnect(namespace["welcome"])
    [message] = mabel.messages(uri)["results"]
    assert (message["user"], message["message"]) == ({"username": "wali"}, "Welcome, mabel!")


@pytest.mark.django_db(transaction=True)
def test_the_bus_of_the_settings_page(
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wali: Person,
    chat_socket: Callable[..., testing.ChatSocket],
) -> None:
    (tmp_path / "documented_bus.py").write_text(file(DOCS / "settings.md", "mysite/bus.py"))
    monkeypatch.syspath_prepend(tmp_path)
    settings.BPO_CHAT = {"BUS": "documented_bus.publish"}
    assert run_checks(tags=["bpo_chat"]) == []
    uri = wali.start()
    socket = chat_socket(wali.user)
    caplog.set_level("INFO", logger="documented_bus")
    sent = wali.send(uri)
    assert socket.hear()["messages"] == [sent]
    assert [line.getMessage() for line in caplog.records if line.name == "documented_bus"] == ["chat: changes"]


@pytest.mark.django_db
def test_the_adapter_of_the_settings_page(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, wali: Person
) -> None:
    (tmp_path / "documented_adapter.py").write_text(file(DOCS / "settings.md", "mysite/chat.py"))
    monkeypatch.syspath_prepend(tmp_path)
    uri = wali.start()
    settings.BPO_CHAT = overrides("ADAPTER", "mysite.chat", "documented_adapter")
    assert run_checks(tags=["bpo_chat"]) == []
    assert wali.post("chats/", {}).json["code"] == "not_allowed"
    refused = wali.post(f"chats/{uri}/messages/", {"message": "Win the Lottery"})
    assert (refused.status, refused.json) == (400, {"message": ["This looks like an advertisement."]})
    wali.send(uri, "Hello world")


@pytest.mark.parametrize("every_request", [False, True])
def test_log_out_where_a_session_is_in_its_cookie(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    wali: Person,
    chat_socket: Callable[..., testing.ChatSocket],
    every_request: bool,
) -> None:
    """As the page about existing sites says."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.SESSION_SAVE_EVERY_REQUEST = every_request
    monkeypatch.setattr("django_bpo_chat.live.auth.TRUSTED_SECONDS", 0.5)
    browser, copy = Client(), Client()
    browser.force_login(wali.user)
    key = copy.cookies["sessionid"] = browser.cookies["sessionid"].value
    origin = {"Host": "testserver", "Origin": "http://testserver"}
    socket = chat_socket(headers={**origin, "Cookie": f"sessionid={key}"})
    time.sleep(1.1)  # what is signed in the same second is the same
    assert browser.get("/api/v1/users/me/").status_code == 200
    browser.logout()
    assert copy.get("/api/v1/users/me/").status_code == 200
    if every_request:
        time.sleep(1)  # and it is looked at again
        assert socket.ask("resume", chat="?", since=0)["code"] == "not_found"
    else:
        with pytest.raises(testing.Closed):
            socket.hear()


@pytest.mark.django_db(transaction=True)
def test_a_restore_as_the_deployment_page_says(wali: Person, chat_socket: Callable[..., testing.ChatSocket]) -> None:
    uri = wali.start()
    backup = Chat.objects.values("version", "last_seq").get()
    seen = wali.send(uri)["version"]
    Message.objects.all().delete()
    Chat.objects.update(**backup)
    [block] = blocks(DOCS / "deployment.md", "sh", below="After a restore")
    python, manage, *command = shlex.split(block.text)
    assert (python, manage) == ("python", "manage.py")
    call_command(*command)
    assert wali.send(uri, "Another message")["version"] > seen
    assert chat_socket(wali.user).ask("resume", chat=uri, since=seen)["type"] == "reset"


# Projects


def overheard(script: str) -> list[str]:
    """The command for a client of the pages, which ends with the first frame that is not as documented."""
    return [sys.executable, "-m", "tests.hearsay", script]


def python_path() -> str:
    """Where this package of tests is, and all that is there already."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


class Project(WebServer):
    """A project that somebody makes who does what a page says."""

    def __init__(self) -> None:
        super().__init__()
        self.cwd = self.directory
        self.bin = Path(sys.executable).parent
        self.server = ""

    def command(self) -> list[str | Path]:
        return [*shlex.split(self.server)]

    def environment(self) -> Mapping[str, str]:
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        return example_environment(PATH=path, UVICORN_PORT=str(self.port))

    def ready(self) -> bool:
        return api_answers(self.port)

    def run(self, line: str) -> str:
        """Do what a line for the shell says, and return what is printed."""
        assert self.cwd is not None
        if line.startswith("cd "):
            self.cwd /= line.removeprefix("cd ")
        elif line.startswith("uvicorn "):
            self.server = line
            self.start()
        elif line == "python talk.py":
            return self._run(shlex.join(overheard("talk.py")), PYTHONPATH=python_path())
        elif not line.startswith(("python3 -m venv ", ". .venv/", "pip install ")):  # tox has done it
            return self._run(line)
        return ""

    def _run(self, line: str, **variables: str) -> str:
        environment = {**self.environment(), **variables}
        return subprocess.run(
            line, shell=True, cwd=self.cwd, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def write(self, text: str) -> None:
        """Write the file that the first line names, or add to it."""
        assert self.cwd is not None
        match = re.match(r"# (\S+\.py)(, at the end)?\n\n", text)
        assert match, text
        with (self.cwd / match[1]).open("a" if match[2] else "w") as target:
            target.write("\n" + text[match.end() :].replace("127.0.0.1:8000", f"127.0.0.1:{self.port}"))

    def follow(self, instructions: list[Block]) -> list[str]:
        """Do all that a page says, and return what was printed."""
        printed = []
        for block in instructions:
            if block.language == "python":
                self.write(block.text)
            else:
                printed += [self.run(line) for line in block.text.splitlines()]
        return [text for text in printed if text]


@pytest.fixture
def project() -> Iterator[Project]:
    with closing(Project()) as made:
        yield made


def test_the_fixtures_of_the_testing_page(tmp_path: Path) -> None:
    """They are there without being asked for: the package is a plugin of pytest."""
    test = tmp_path / "test_chat.py"
    test.write_text(file(DOCS / "testing.md", "tests/test_chat.py"))
    printed = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--ds=config.settings", str(test)],
        cwd=tmp_path,
        env=example_environment(DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}", PYTHONPATH=str(EXAMPLE_PROJECT)),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert "1 passed" in printed, printed


@pytest.mark.processes
def test_the_quickstart(project: Project) -> None:
    printed = project.follow(blocks(DOCS / "quickstart.md", "sh", "python"))
    [promised] = [block.text for block in blocks(DOCS / "quickstart.md", "text")]
    assert printed[-1] == promised


@pytest.mark.processes
def test_the_integration_of_the_readme(project: Project) -> None:
    project.run("django-admin startproject mysite")
    project.run("cd mysite")
    project.follow(blocks(README, "sh", "python", below=INTEGRATION))
    project.write(file(DOCS / "quickstart.md", "talk.py"))
    [promised] = [block.text for block in blocks(DOCS / "quickstart.md", "text")]
    assert project.run("python talk.py") == promised


@pytest.mark.processes
def test_one_process_of_the_deployment_page(project: Project) -> None:
    project.run("django-admin startproject mysite")
    project.run("cd mysite")
    project.follow(blocks(README, "python", below=INTEGRATION))
    project.run("python manage.py migrate")
    project.follow(blocks(DOCS / "deployment.md", "sh", below="One process"))
    project.write(file(DOCS / "quickstart.md", "talk.py"))
    [promised] = [block.text for block in blocks(DOCS / "quickstart.md", "text")]
    assert project.run("python talk.py") == promised


@pytest.mark.processes
def test_the_commands_of_the_checks_page(project: Project) -> None:
    project.run("django-admin startproject mysite")
    project.run("cd mysite")
    project.follow(blocks(README, "python", below=INTEGRATION))
    [key] = project.follow(blocks(DOCS / "checks.md", "sh"))
    assert len(key.strip()) >= 64


@pytest.mark.processes
def test_the_documents_of_a_site(project: Project) -> None:
    project.run("django-admin startproject mysite")
    project.run("cd mysite")
    project.follow(blocks(README, "python", below=INTEGRATION))
    written = blocks(DOCS / "openapi.md", "python", "sh")
    settings, urls, names = [block.text for block in written if block.language == "python"]
    project.write(settings)
    urls_file = Path(str(project.cwd)) / "mysite" / "urls.py"
    urls_file.write_text(urls + ITS_OWN_MESSAGES)
    [command] = [line for block in written for line in block.text.splitlines() if line.startswith("python ")]
    with pytest.raises(subprocess.CalledProcessError):  # of two schemas of one name
        project.run(command)
    project.write(names)
    urls_file.write_text(f"from . import names\n{urls_file.read_text()}")
    project.run(command)
    document = (Path(str(project.cwd)) / "openapi.yaml").read_text()
    assert "    Message:" in document
    assert "    ChatMessage:" in document

    urls_file.write_text(urls)
    project.run("python manage.py migrate")
    project.run("uvicorn mysite.asgi:application")
    site = f"{project.http}/api"
    assert "send_message" in httpx.get(f"{site}/schema/").raise_for_status().text
    assert httpx.get(f"{site}/asyncapi/").raise_for_status().json()["asyncapi"] == "3.0.0"
    page = httpx.get(f"{site}/docs/").raise_for_status().text
    scripts = re.findall(r'src="(/[^"]+)"', page)
    assert [httpx.get(project.http + each).status_code for each in scripts] == [200, 200]
    assert "//cdn" not in page


ITS_OWN_MESSAGES = """
from rest_framework import generics, serializers


class Message(serializers.Serializer):
    text = serializers.CharField()


class MessageView(generics.RetrieveAPIView):
    serializer_class = Message


urlpatterns += [path("message/", MessageView.as_view())]
"""


# Clients


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with Demo(DATABASE_URL=f"sqlite:///{tmp_path / 'demo.sqlite3'}") as started:
        yield started


def send_as_mabel(demo: Demo, text: str) -> None:
    """Send it to all of Mabel's chats: one of them is the liveliest of Otis."""
    with httpx.Client(base_url=f"{demo.http}/api/v1/") as mabel:
        form = {"email": "mabel@example.com", "password": "password123"}
        tokens = mabel.post("users/login/", json=form).raise_for_status().json()
        mabel.headers["Authorization"] = f"Bearer {tokens['access']}"
        for chat in mabel.get("chats/").raise_for_status().json()["results"]:
            mabel.post(f"chats/{chat['uri']}/messages/", json={"message": text}).raise_for_status()


@contextmanager
def listening(demo: Demo, folder: Path) -> Iterator[Any]:
    """The client of the README, which has said hello."""
    script = folder / "listen.py"
    script.write_text(file(README, "listen.py").replace("127.0.0.1:8000", f"127.0.0.1:{demo.port}"))
    client = subprocess.Popen(
        overheard(str(script)),
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert client.stdout
        assert client.stdout.readline() == "otis: Hello world\n"
        yield client
    finally:
        client.kill()
        print(client.communicate()[1])


@pytest.mark.processes
def test_the_python_client_of_the_readme(demo: Demo, tmp_path: Path) -> None:
    with listening(demo, tmp_path) as client:
        send_as_mabel(demo, "Hello Otis")
        assert client.stdout.readline() == "mabel: Hello Otis\n"
        client.send_signal(signal.SIGINT)
        assert (client.wait(10), client.stderr.read()) == (0, "")


@pytest.mark.processes
def test_the_python_client_of_the_readme_ends_with_its_token(tmp_path: Path) -> None:
    (tmp_path / "hasty.py").write_text(
        "from datetime import timedelta\n"
        "from config.settings import *\n"
        'SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] = timedelta(seconds=5)\n'
    )
    path = os.pathsep.join([str(tmp_path), python_path()])
    database = f"sqlite:///{tmp_path / 'demo.sqlite3'}"
    with (
        Demo(DATABASE_URL=database, DJANGO_SETTINGS_MODULE="hasty", PYTHONPATH=path) as demo,
        listening(demo, tmp_path) as client,
    ):
        assert (client.wait(20), client.stderr.read()) == (0, "")
        assert "4401" in client.stdout.read()


chromium = test_browser.chromium


@pytest.mark.processes
@pytest.mark.browser
def test_the_browser_client_of_the_readme(demo: Demo, chromium: Browser) -> None:
    [script] = [block.text for block in blocks(README, "js")]
    page = chromium.new_page()
    page.goto(demo.http)
    with page.expect_console_message(lambda message: message.text == "otis: Hello world"):
        page.evaluate(f"async () => {{ {script} }}")
    with page.expect_console_message(lambda message: message.text == "mabel: Hello Otis"):
        send_as_mabel(demo, "Hello Otis")


@pytest.mark.processes
def test_the_reference_client_has_everything_after_the_server_was_killed(
    serve: Callable[..., Server], wali: Person, mabel: Person
) -> None:
    chat_client = load(DOCS / "examples" / "client.py").ChatClient
    uri = wali.start(mabel)
    server = serve()

    async def talk() -> Any:
        clients = [chat_client(server.http, person.email, "password123") for person in (wali, mabel)]
        async with running(*clients):
            writer, reader = clients
            await until(lambda: all(uri in client.chats for client in clients))
            await writer.send(uri, "before")
            await until(lambda: len(reader.chats[uri].messages) == 1)
            await asyncio.to_thread(server.kill)
            await writer.send(uri, "meanwhile")
            await asyncio.to_thread(server.start)
            await until(lambda: len(reader.chats[uri].messages) == 2)
            await reader.send(uri, "after")
            await until(lambda: all(len(client.chats[uri].messages) == 3 for client in clients))
            assert not any(client.outbox for client in clients)
        return [client.chats[uri].messages for client in clients]

    views = asyncio.run(talk())
    # A log-in of their own: the server's hasher is another one than the test's, and renewed the password's hash.
    stored = Bearer(wali.log_in()["access"]).get(f"chats/{uri}/messages/").done()["results"]
    history = {message["seq"]: message for message in stored}
    assert [message["message"] for message in history.values()] == ["before", "meanwhile", "after"]
    assert views == [history, history]


@pytest.mark.processes
def test_the_reference_client_forgets_what_it_may_not_see_any_more(
    serve: Callable[..., Server], wali: Person, mabel: Person
) -> None:
    chat_client = load(DOCS / "examples" / "client.py").ChatClient
    uri = wali.start(mabel)
    wali.send(uri, "before")
    server = serve(**site("quick_hashes"))  # another hasher would renew the password's hash, and end Wali's token

    def come_back() -> None:
        wali.remove(uri, mabel)
        wali.edit_chat(uri, history="since_join")
        wali.erase(uri, 1)
        wali.add(uri, mabel)
        wali.send(uri, "after")

    async def talk() -> Any:
        client = chat_client(server.http, mabel.email, "password123")
        async with running(client):
            await until(lambda: uri in client.chats)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(with_own_connection, come_back)
            await asyncio.to_thread(server.start)
            await until(lambda: uri in client.chats and 2 in client.chats[uri].messages)
            return list(client.chats[uri].messages)

    assert asyncio.run(talk()) == [2]


@pytest.mark.processes
def test_the_reference_client_renews_its_token_and_never_speaks_out_of_turn(
    serve: Callable[..., Server], wali: Person
) -> None:
    chat_client = load(DOCS / "examples" / "client.py").ChatClient
    uri = wali.start()
    server = serve(**site("short_tokens"))
    connections, heard = [], []

    class WatchedClient(chat_client):  # type: ignore[misc, valid-type]
        async def _connection(self) -> Any:
            connections.append(self)
            return await super()._connection()

        async def _take(self, frame: Any) -> None:
            heard.append(frame)
            await super()._take(frame)

    async def talk() -> None:
        client = WatchedClient(server.http, wali.email, "password123")
        async with running(client):
            for n in range(30):
                await client.send(uri, f"{n}")
                await asyncio.sleep(0.1)
            await until(lambda: not client.outbox and {"type": "ok"} in heard)
            assert len(client.chats[uri].messages) == 30
            assert len(connections) == 1

    asyncio.run(talk())


@pytest.mark.processes
def test_the_history_of_the_reference_client_has_no_hole(serve: Callable[..., Server], wali: Person) -> None:
    chat_client = load(DOCS / "examples" / "client.py").ChatClient
    uri = wali.start()
    for n in range(120):
        wali.send(uri, f"{n}")
    server = serve(**site("quick_hashes"))  # another hasher would renew the password's hash, and end Wali's token

    async def read() -> list[int]:
        client = chat_client(server.http, wali.email, "password123")
        async with running(client):
            await until(lambda: uri in client.chats)
            await asyncio.to_thread(with_own_connection, lambda: wali.edit(uri, 3, "three"))
            await client.send(uri, "the last")
            await until(lambda: not client.outbox and 3 in client.chats[uri].messages)
            while await client.load_history(uri):
                pass
        return sorted(client.chats[uri].messages)

    assert asyncio.run(read()) == list(range(1, 122))


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    sys.modules[path.stem] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def running(*clients: Any) -> AsyncIterator[None]:
    """Connected, none of them gives up, and all have closed their connections in the end."""
    tasks = [asyncio.create_task(client.run()) for client in clients]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
