"""The table of the contract names all that there is, and nothing else; so do the documents and pages beside it."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.urls import ResolverMatch, get_resolver, resolve

from django_bpo_chat import admin, events, exceptions, http, live, management, operations
from django_bpo_chat.exceptions import CloseCode
from django_bpo_chat.live import frames
from tests.documents import ASYNCAPI, OPENAPI, AsyncAPI, committed
from tests.test_contract import URLS
from tests.test_docs import DOCS, Http, blocks, code, endpoints, headings, lines, subclasses, table
from tests.test_docs import URLS as URLCONF

CONTRACT, THREATS, REST, SOCKET, SETTINGS = (
    DOCS / f"{page}.md" for page in ("contract", "threats", "rest", "socket", "settings")
)
TESTS = Path(__file__).parent

CALLS, SAID, HEARD = "HTTP calls", "Frames of clients", "Frames of the server"
CLOSE_CODES, ERROR_CODES = "Close codes", "Error codes"
OTHERS, COMMANDS = "Operations without a call", "Commands"
RULES = ["Accounts and log-ins", "People in chats", "Messages", "Versions", "Requests", "Sockets"]
ATTACKS = [
    *("Tokens", "Accounts", "Strangers and members", "Input", "Sockets", "Other sites and caches"),
    *("Web pages and files", "Logs"),
]
TABLES = [*RULES, CALLS, SAID, HEARD, CLOSE_CODES, ERROR_CODES, OTHERS, COMMANDS]


# The table


def rows(heading: str, page: Path = CONTRACT) -> list[list[str]]:
    return table(page, heading)


def codes(cell: str) -> list[str]:
    """All the code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def column(heading: str) -> list[str]:
    """What the rows are about."""
    return sorted(cells[0].strip("`") for cells in rows(heading))


def calls() -> list[tuple[str, str]]:
    """The verb and the path of each call."""
    return sorted((verb, path) for verb, _, path in (call.partition(" ") for call in column(CALLS)))


def test_each_table_is_read() -> None:
    assert headings(CONTRACT, 2) == ["Rules", *TABLES[len(RULES) :]]
    assert headings(CONTRACT, 3) == RULES
    assert all(len(set(column(heading))) == len(column(heading)) > 0 for heading in TABLES)
    assert headings(THREATS, 3) == ATTACKS
    heads = [line.text for line in lines(CONTRACT) if re.fullmatch(r"\|[ |-]+\|", line.text)]
    assert len(heads) == len(TABLES)


# HTTP


def found(path: str) -> ResolverMatch:
    return resolve("/" + path, urlconf=URLCONF)


def names(calls: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The name of the URL and the verb of each call."""
    return sorted((str(found(path).url_name), verb) for verb, path in calls)


def routes() -> list[tuple[str, str]]:
    """The same of what can be asked."""
    return sorted(endpoints(get_resolver(URLCONF)))


def test_each_call_is_in_the_table() -> None:
    assert names(calls()) == routes()


def test_each_call_is_in_the_openapi_document() -> None:
    documented = [
        (verb.upper(), path.removeprefix("/api/v1/").strip("/"))
        for path, verbs in committed(OPENAPI)["paths"].items()
        for verb in verbs
    ]
    spelled = {"<chat_uri>": "{uri}", "<id>": "{key}", "<": "{", ">": "}"}
    assert sorted(documented) == sorted((verb, respelled(path.strip("/"), spelled)) for verb, path in calls())


def respelled(text: str, spelled: Mapping[str, str]) -> str:
    for each, other in spelled.items():
        text = text.replace(each, other)
    return text


def test_each_call_is_on_the_rest_page() -> None:
    documented = [(verb, code(path)) for _, path, verb in table(REST, "Endpoints")]
    assert sorted(documented) == calls()


def test_each_path_has_an_example_on_the_rest_page() -> None:
    messages = [Http.parse(block.text) for block in blocks(REST, "http")]
    targets = [message.start.split(" ")[1] for message in messages if message.is_request]
    shown = {found(target.removeprefix("/api/v1/").partition("?")[0]).url_name for target in targets}
    assert shown == {name for name, _ in routes()}


def test_each_call_is_tried_with_and_without_its_slash() -> None:
    assert names([(verb, path) for verb, path, *_ in URLS]) == routes()


# Operations and doors


def operations_in(*sources: Any) -> set[str]:
    """What is called in these paths, modules or functions."""
    texts = [each.read_text() if isinstance(each, Path) else inspect.getsource(each) for each in sources]
    return set(re.findall(r"\boperations\.(\w+)", "".join(texts)))


COMMAND_FILES = {
    path.stem: path for path in Path(management.__path__[0], "commands").glob("*.py") if path.stem != "__init__"
}


def doors() -> Mapping[str, set[str]]:
    """By what else than a call an operation is offered, and which ones by each of them."""
    return {
        **{frame.strip("`"): set(codes(operation)) for frame, operation, *_ in rows(SAID)},
        **{command: operations_in(path) for command, path in COMMAND_FILES.items()},
        "admin": operations_in(*Path(admin.__path__[0]).glob("*.py")),
    }


def stated(cell: str) -> set[str]:
    """The doors that a cell names."""
    return set(codes(cell)) | ({"admin"} & set(cell.split(", ")))


def test_each_call_is_the_operation_that_its_view_calls() -> None:
    for call, cell, *_ in rows(CALLS):
        verb, path = code(call).split(" ")
        view = found(path).func.view_class  # type: ignore[attr-defined]
        assert set(codes(cell)) == operations_in(getattr(view, verb.lower())), call
        assert (cell == "reads") == (verb == "GET"), call


def operations_of(heading: str) -> set[str]:
    """Those of all rows of a table."""
    return {operation for _, cell, *_ in rows(heading) for operation in codes(cell)}


def test_the_frames_are_the_operations_that_they_call() -> None:
    assert operations_of(SAID) == operations_in(frames)


def test_each_operation_has_a_call_or_a_row_of_its_own() -> None:
    called, others = operations_of(CALLS), set(column(OTHERS))
    assert called.isdisjoint(others)
    assert called | others == set(operations.__all__)


def test_the_other_doors_are_those_that_offer_the_same() -> None:
    for row, cell, others, *_ in [*rows(CALLS), *rows(COMMANDS)]:
        assert_doors(others, offering=set(codes(cell)), besides=code(row))
    for operation, others, _ in rows(OTHERS):
        assert_doors(others, offering={code(operation)})


def assert_doors(cell: str, *, offering: set[str], besides: str = "") -> None:
    """That these are all, or, where only something is read, that they are some."""
    if offering:
        assert stated(cell) == {door for door, offered in doors().items() if offered & offering} - {besides}, cell
    else:
        assert stated(cell) <= doors().keys(), cell


def test_each_command_is_in_the_table_with_its_operations() -> None:
    assert column(COMMANDS) == sorted(COMMAND_FILES)
    for command, cell, *_ in rows(COMMANDS):
        assert set(codes(cell)) == operations_in(COMMAND_FILES[code(command)]), command


# Frames


@pytest.fixture(scope="module")
def asyncapi() -> AsyncAPI:
    return AsyncAPI(committed(ASYNCAPI))


def types(frames: str) -> set[str]:
    """Those of the frames that a cell shows: `ok {id}` is an `ok`."""
    return {frame.partition(" ")[0] for frame in codes(frames)}


def test_each_frame_of_a_client_is_in_the_table(asyncapi: AsyncAPI) -> None:
    documented = [code(frame).partition(" ")[0] for frame, *_ in table(SOCKET, "The client's frames")]
    assert column(SAID) == sorted(["hello", *frames.FRAMES]) == sorted(asyncapi.said) == sorted(documented)


def test_each_answer_is_in_the_table(asyncapi: AsyncAPI) -> None:
    answers = {code(frame): types(answer) for frame, _, answer, _ in rows(SAID)}
    documented = {
        code(frame).partition(" ")[0]: types(answer) for frame, answer in table(SOCKET, "The client's frames")
    }
    described = {
        frame: {asyncapi.messages[reply]["name"] for reply in asyncapi.replies[key]} - {"error"}
        for frame, key in asyncapi.said.items()
    }
    assert answers == documented == described


def test_each_frame_of_the_server_is_in_the_table(asyncapi: AsyncAPI) -> None:
    sources = [
        Path(events.__file__),
        *(path for path in Path(live.__path__[0]).glob("*.py") if path.stem != "asyncapi"),
    ]
    said = re.compile(r'(?:frame\(|\{"type": ?)"((?!websocket)[a-z.]+)"')
    used = {frame for path in sources for frame in said.findall(path.read_text())}
    assert set(column(HEARD)) == used == asyncapi.heard.keys()


def coming(how: str) -> set[str]:
    return {code(frame) for frame, comes, _ in rows(HEARD) if how in comes.split(", ")}


def test_what_the_server_says_by_itself_is_in_the_table(asyncapi: AsyncAPI) -> None:
    documented = {code(frame).partition(" ")[0] for frame, _ in table(SOCKET, "The server's frames")}
    told = [each["messages"] for each in asyncapi.document["operations"].values() if each["action"] == "send"]
    described = {asyncapi.messages[each["$ref"].rpartition("/")[2]]["name"] for messages in told for each in messages}
    assert coming("by itself") == documented == described


def test_what_the_server_answers_is_in_the_table() -> None:
    assert coming("as an answer") == {"error"}.union(*(types(answer) for _, _, answer, _ in rows(SAID)))


# Codes


def test_each_close_code_is_in_the_table(asyncapi: AsyncAPI) -> None:
    documented = [number for number, *_ in table(SOCKET, "Close codes")]
    assert column(CLOSE_CODES) == [str(int(each)) for each in CloseCode] == sorted(documented)
    assert column(CLOSE_CODES) == sorted(asyncapi.close_codes)


def test_each_error_code_is_in_the_table() -> None:
    errors = {(each.code, each.status) for each in subclasses(exceptions.ChatError)}
    errors |= {(name, status) for status, name in http.CODES.items()}
    documented = [(code(name), int(status)) for name, status, _ in table(SETTINGS, "Error codes")]
    assert sorted((code(name), int(status)) for name, status, _ in rows(ERROR_CODES)) == sorted(documented)
    assert set(documented) == errors


def test_each_error_code_is_in_the_openapi_document() -> None:
    described = set(re.findall(r"^ +code: (\w+)$", OPENAPI.read_text(), re.MULTILINE))
    # It answers verbs that a URL does not know, and these are not described.
    assert described == set(column(ERROR_CODES)) - {"method_not_allowed"}


# Tests


@functools.cache
def sources_of_tests(path: Path) -> Mapping[str, str]:
    """The source of each test of a file."""
    source = path.read_text()
    functions = [each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {each.name: ast.unparse(each) for each in functions if each.name.startswith("test_")}


def source_of(test: str) -> str:
    """Nothing, where there is no such test."""
    file, _, name = test.partition("::")
    path = TESTS / file
    return sources_of_tests(path).get(name, "") if path.is_file() else ""


@pytest.mark.parametrize(
    ("page", "heading"), [*((CONTRACT, each) for each in TABLES), *((THREATS, each) for each in ATTACKS)]
)
def test_each_row_has_tests(page: Path, heading: str) -> None:
    found = rows(heading, page)
    assert found
    for cells in found:
        assert 1 <= len(codes(cells[-1])) <= 3, cells[0]
        assert all(source_of(test) for test in codes(cells[-1])), cells


@pytest.mark.parametrize("page", [CONTRACT, THREATS])
def test_each_test_that_the_page_names_is_there(page: Path) -> None:
    prose = "\n".join(line.text for line in lines(page))
    assert [test for test in re.findall(r"[\w/]+\.py::\w+", prose) if not source_of(test)] == []


def test_the_tests_of_a_code_look_for_it() -> None:
    for name, _, tests in rows(ERROR_CODES):
        assert all(code(name) in source_of(test) for test in codes(tests)), name
    for number, tests in rows(CLOSE_CODES):
        spelled = number, f"CloseCode.{CloseCode(int(number)).name}"
        assert all(any(each in source_of(test) for each in spelled) for test in codes(tests)), number
