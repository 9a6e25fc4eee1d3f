"""The OpenAPI and AsyncAPI documents. That all answers and frames are as they say, conftest.py holds in every test."""

from __future__ import annotations

import ast
import asyncio
import json
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.settings import patched_settings
from rest_framework import serializers
from rest_framework.authentication import BasicAuthentication
from rest_framework.pagination import PageNumberPagination
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from django_bpo_chat import shapes, wire
from django_bpo_chat.exceptions import CloseCode
from django_bpo_chat.live.frames import FRAMES
from django_bpo_chat.serializers import SendMessageInput
from django_bpo_chat.testing import ChatSocket
from tests import documents
from tests.documents import ASYNCAPI, OPENAPI, AsyncAPI, Conversation, Dict, OpenAPI, Witness
from tests.fixtures import Configure
from tests.hearsay import Hearsay
from tests.parallel import at_once
from tests.person import Person, Visitor
from tests.servers import EXAMPLE_PROJECT, example_environment
from tests.test_docs import DOCS, README, code, endpoints, table

HOW = "Write them anew: python -m tests.documents"


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    return OpenAPI(documents.committed(OPENAPI))


@pytest.fixture(scope="module")
def asyncapi() -> AsyncAPI:
    return AsyncAPI(documents.committed(ASYNCAPI))


# The documents


def test_the_openapi_document_is_the_one_that_is_generated() -> None:
    assert documents.generated_openapi() == documents.committed(OPENAPI), HOW


def test_the_asyncapi_document_is_the_one_that_is_generated() -> None:
    assert documents.generated_asyncapi() == documents.committed(ASYNCAPI), HOW


def test_several_documents_are_made_at_once() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        made = at_once(*[documents.generated_openapi] * 2)
    finally:
        sys.setswitchinterval(interval)
    assert all(document == documents.committed(OPENAPI) for document in made)


@pytest.mark.parametrize("version", ["3.0.3", "3.1.1"])
def test_the_openapi_document_is_valid_and_nothing_is_left_to_guesses(version: str) -> None:
    with patched_settings({"OAS_VERSION": version}):
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


def test_the_asyncapi_document_is_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asyncapi3 has fields that are called as methods are
        from asyncapi3.models.asyncapi import AsyncAPI3
    AsyncAPI3.model_validate(documents.committed(ASYNCAPI))


@pytest.mark.parametrize("path", [OPENAPI, ASYNCAPI], ids=["openapi", "asyncapi"])
def test_each_reference_leads_somewhere(path: Any) -> None:
    document = documents.committed(path)
    references = list(references_in(document))
    assert len(references) > 50
    for reference in references:
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def references_in(value: Any) -> Iterator[str]:
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if key == "$ref":
            yield each
        elif isinstance(each, dict | list):
            yield from references_in(each)


def test_each_endpoint_is_an_operation_of_a_name_of_its_own(openapi: OpenAPI) -> None:
    verbs = [verb for path in openapi.document["paths"].values() for verb in path]
    assert len(verbs) == len(openapi.operations) == len(list(endpoints(get_resolver("django_bpo_chat.urls"))))


def test_each_frame_is_a_message(asyncapi: AsyncAPI) -> None:
    assert asyncapi.said.keys() == {"hello", *FRAMES}
    assert asyncapi.close_codes.keys() == {str(int(code)) for code in CloseCode}


def test_the_socket_page_names_the_same_frames(asyncapi: AsyncAPI) -> None:
    told = {code(frame).partition(" ")[0] for frame, _ in table(DOCS / "socket.md", "The server's frames")}
    answers = {"ready", "ok", "error", "reset"}
    assert asyncapi.heard.keys() == told | answers


# Examples


def test_each_example_of_the_openapi_document_is_one(openapi: OpenAPI) -> None:
    components = openapi.document["components"]
    for name, schema in components["schemas"].items():
        for example in schema.get("examples", []):
            assert openapi.complaints({"$ref": f"#/components/schemas/{name}"}, example, "strict") == [], name
    contents = [response["content"] for response in components["responses"].values()]
    contents += [each["requestBody"]["content"] for each in openapi.operations.values() if "requestBody" in each]
    for media in (content["application/json"] for content in contents if "application/json" in content):
        for name, example in media["examples"].items():
            assert openapi.complaints(media["schema"], example["value"], "strict") == [], name


def test_each_body_and_each_answer_has_an_example(openapi: OpenAPI) -> None:
    bodies = {
        name: each["requestBody"]["content"] for name, each in openapi.operations.items() if "requestBody" in each
    }
    assert [name for name, body in bodies.items() if not body.get("application/json", {}).get("examples")] == [
        "upload_attachment"  # whose body is no JSON
    ]
    shown = {name for name, schema in openapi.document["components"]["schemas"].items() if "examples" in schema}
    assert {each.__name__ for each in vars(shapes).values() if is_shape(each)} <= shown


def is_shape(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, shapes.Shape) and value is not shapes.Shape


def test_each_example_of_the_asyncapi_document_is_one(asyncapi: AsyncAPI) -> None:
    for key, message in asyncapi.messages.items():
        [example] = message["payload"]["examples"]
        assert asyncapi.complaints(message["payload"], example, "strict") == [], key


def test_the_bodies_of_the_readme_are_as_the_document_says(openapi: OpenAPI) -> None:
    by_path = {path.strip("/"): verbs for path, verbs in openapi.document["paths"].items()}
    bodies = 0
    for _, endpoint, verb, body in table(README, "Endpoints"):
        path = code(endpoint).partition("?")[0].strip("/")
        for documented, name in {"<chat_uri>": "{uri}", "<id>": "{key}", "<": "{", ">": "}"}.items():
            path = path.replace(documented, name)
        operation = by_path[path][verb.lower()]
        if body == "a form with a `file`":
            assert operation["requestBody"]["content"].keys() == {"multipart/form-data"}
        elif body:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert openapi.complaints(schema, json.loads(code(body)), "strict") == [], body
            bodies += 1
        else:
            assert "requestBody" not in operation
    assert bodies > 10


# A site's own


class Polite(SendMessageInput):
    please = serializers.BooleanField(help_text="Whether one asks nicely.")


class Pages(PageNumberPagination):
    page_size = 2


class ShyAuthentication(BasicAuthentication):
    """What drf-spectacular knows nothing of."""


def schema_of(document: Dict, operation: str, part: str) -> Dict:
    return OpenAPI(document).operations[operation][part]  # type: ignore[no-any-return]


def test_a_serializer_of_the_sites_is_in_both_documents(configure: Configure) -> None:
    configure(SERIALIZERS={"send_message": f"{__name__}.Polite"})
    document = documents.generated_openapi()
    content = schema_of(document, "send_message", "requestBody")["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Polite"}
    assert document["components"]["schemas"]["Polite"]["required"] == ["please"]
    assert "examples" not in content  # which do not say please

    frame = documents.generated_asyncapi()["components"]["messages"]["send_message"]["payload"]
    assert frame["properties"]["please"] == {"type": "boolean", "description": "Whether one asks nicely."}
    assert set(frame["required"]) == {"type", "id", "chat", "please"}


def test_a_pagination_class_of_the_sites_is_in_the_document(configure: Configure) -> None:
    configure(PAGINATION_CLASS=f"{__name__}.Pages")
    document = documents.generated_openapi()
    parameters = {each["name"] for each in schema_of(document, "list_chats", "parameters")}
    page = document["components"]["schemas"]["PaginatedChatList"]
    assert (parameters, page["properties"].keys()) == ({"page"}, {"count", "next", "previous", "results"})
    assert page["properties"]["next"]["type"] == ["string", "null"]
    assert "cursor" in {each["name"] for each in schema_of(document, "search_messages", "parameters")}


def test_authentication_classes_of_the_sites_are_in_the_document(configure: Configure) -> None:
    configure(AUTHENTICATION_CLASSES=["rest_framework.authentication.BasicAuthentication"])
    document = documents.generated_openapi()
    assert schema_of(document, "list_chats", "security") == [{"basicAuth": []}]
    assert document["components"]["securitySchemes"].keys() == {"basicAuth"}
    assert "security" not in OpenAPI(document).operations["log_in"]


def test_a_site_without_drf_spectacular_never_loads_it() -> None:
    script = (
        "import sys, django\n"
        "from django.conf import settings\n"
        "settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if 'spectacular' not in each]\n"
        "django.setup()\n"
        "import django_bpo_chat.urls, django_bpo_chat.live.asyncapi\n"
        "django_bpo_chat.live.asyncapi.document()\n"
        "print([name for name in sys.modules if 'spectacular' in name])\n"
    )
    environment = example_environment(DJANGO_SETTINGS_MODULE="config.settings", PYTHONPATH=python_path())
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert ast.literal_eval(printed) == []


def python_path() -> str:
    return ":".join([*filter(None, [example_environment().get("PYTHONPATH")]), str(EXAMPLE_PROJECT)])


# What is served


@pytest.mark.django_db
def test_the_example_serves_both_documents() -> None:
    openapi = Client().get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert openapi.json() == documents.committed(OPENAPI)
    asyncapi = Client().get("/api/v1/asyncapi/")
    assert asyncapi.headers["Content-Type"] == "application/vnd.aai.asyncapi+json;version=3.0.0"
    assert asyncapi.json() == documents.committed(ASYNCAPI)
    assert Client().post("/api/v1/asyncapi/").status_code == 405


# The witness


@pytest.fixture
def complaints(witness: Witness) -> Iterator[list[str]]:
    """Those that are expected."""
    yield witness.complaints
    assert witness.complaints
    witness.complaints.clear()


@pytest.mark.django_db
def test_what_is_more_than_documented_is_noticed(
    monkeypatch: pytest.MonkeyPatch, complaints: list[str], wali: Person
) -> None:
    say = wire.preferences
    monkeypatch.setattr(wire, "preferences", lambda row: {**say(row), "starred": True})
    wali.prefer(wali.start(), pinned=True)
    assert any("'starred' was unexpected" in each for each in complaints)


@pytest.mark.django_db
def test_what_is_less_than_documented_is_noticed(
    monkeypatch: pytest.MonkeyPatch, complaints: list[str], wali: Person
) -> None:
    monkeypatch.setattr(wire, "preferences", lambda row: {})
    wali.start()
    assert any("'pinned' is a required property" in each for each in complaints)


@pytest.mark.django_db
def test_a_status_that_is_not_documented_is_noticed(
    monkeypatch: pytest.MonkeyPatch, complaints: list[str], wali: Person
) -> None:
    monkeypatch.setattr("django_bpo_chat.exceptions.NotFound.status", 410)
    assert wali.get("chats/unknown/").status == 410
    assert any("the status 410 is not documented" in each for each in complaints)


@pytest.mark.django_db
def test_a_code_of_another_status_is_noticed(
    monkeypatch: pytest.MonkeyPatch, complaints: list[str], wali: Person
) -> None:
    monkeypatch.setattr("django_bpo_chat.exceptions.NotFound.code", "not_allowed")
    assert wali.get("chats/unknown/").status == 404
    assert any("the code not_allowed is not among" in each for each in complaints)


@pytest.mark.django_db
def test_a_header_that_is_missing_is_noticed(monkeypatch: pytest.MonkeyPatch, complaints: list[str]) -> None:
    monkeypatch.setattr("django_bpo_chat.http.ChatAPIView.get_authenticate_header", lambda view, request: "")
    monkeypatch.setattr("django_bpo_chat.http.HEADERS", {})
    visitor = Visitor()
    assert visitor.post("users/login/", {"email": "nobody", "password": "x"}).status == 401
    assert any("the header WWW-Authenticate is missing" in each for each in complaints)


@pytest.mark.django_db
def test_a_body_that_was_taken_and_is_not_documented_is_noticed(
    configure: Configure, complaints: list[str], wali: Person
) -> None:
    configure(SERIALIZERS={"send_message": f"{__name__}.Lax"})
    wali.post(f"chats/{wali.start()}/messages/", {"message": 5}).done()
    assert any("5 is not of type 'string'" in each for each in complaints)


class Lax(SendMessageInput):
    message = serializers.CharField()  # which takes numbers


@pytest.mark.django_db(transaction=True)
def test_a_frame_that_is_not_documented_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
    complaints: list[str],
    wali: Person,
    chat_socket: Callable[..., ChatSocket],
) -> None:
    monkeypatch.setitem(FRAMES, "pong", FRAMES["auth"])
    socket = chat_socket(wali.user)
    assert socket.ask("pong", token=wali.access)["type"] == "ok"
    socket.__exit__()
    assert any("answers none of" in each for each in complaints)


TALKS: dict[str, tuple[list[Dict], Dict]] = {
    "an answer to nothing": ([], {"type": "ok", "id": 1}),
    "the answer to something else": ([{"type": "typing", "id": 1, "chat": "?"}], {"type": "ok", "id": 1, "seq": 5}),
    "an answer to what is not documented": ([{"type": "typing", "id": 1}], {"type": "ok", "id": 1}),
    "a type that is unknown": ([], {"type": "gossip"}),
    "too much": ([], {"type": "ping", "hard": True}),
    "too little": ([], {"type": "presence", "username": "mabel"}),
}


@pytest.mark.parametrize("name", TALKS)
def test_what_is_said_out_of_turn_is_noticed(asyncapi: AsyncAPI, name: str) -> None:
    asked, answer = TALKS[name]
    conversation = Conversation(asyncapi, "strict")
    for frame in asked:
        conversation.client_says(json.dumps(frame))
    conversation.server_says(json.dumps(answer))
    assert len(conversation.complaints) == 1


def test_a_close_code_that_is_not_documented_is_noticed(asyncapi: AsyncAPI) -> None:
    conversation = Conversation(asyncapi, "strict")
    conversation.server_closes(4401)
    assert conversation.complaints == []
    conversation.server_closes(4418)
    assert conversation.complaints == ["The server closed with 4418"]


# What is heard of other processes


API = "http://chat/api/v1/"
Says = Callable[[str | bytes, int], str]


@pytest.fixture
def says() -> Iterator[Says]:
    """Serve sockets that hear something, say this, and close with this code: ``says("{}", 4503)``; their URL."""
    with ExitStack() as servers:

        def says(data: str | bytes, code: int) -> str:
            def talk(connection: ServerConnection) -> None:
                connection.recv()
                connection.send(data)
                connection.close(code)

            server = servers.enter_context(serve(talk, "127.0.0.1", 0))
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            servers.callback(thread.join)
            servers.callback(server.shutdown)
            host, port = server.socket.getsockname()
            return f"ws://{host}:{port}"

        yield says


def line_to(url: str) -> socket.socket:
    """No proxy that the environment names is asked."""
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port))


def hear_all(url: str) -> None:
    with connect(url, sock=line_to(url)) as connection:
        connection.send('{"type": "hello"}')
        with suppress(ConnectionClosed):
            while True:
                connection.recv()


def hear_all_async(url: str) -> None:
    async def hear() -> None:
        async with connect_async(url, sock=line_to(url)) as connection:
            await connection.send('{"type": "hello"}')
            with suppress(ConnectionClosed):
                async for _ in connection:
                    pass

    asyncio.run(hear())


@pytest.mark.parametrize("hear", [hear_all, hear_all_async])
@pytest.mark.parametrize(
    ("data", "code", "expected"),
    [
        ('{"type": "ping"}', 4503, ""),
        ('{"type": "ping"}', 1012, ""),
        ('{"type": "gossip"}', 1012, "The server said {'type': 'gossip'}: []"),
        ('{"type": "ok", "id": 1}', 1012, "{'type': 'ok', 'id': 1} answers none of []"),
        (b'{"type": "ping"}', 1012, 'The server said b\'{"type": "ping"}\', which is no text'),
        ('{"type": "ping"}', 4418, "The server closed with 4418"),
    ],
)
def test_what_clients_hear_is_noticed(
    says: Says, hear: Callable[[str], None], data: str | bytes, code: int, expected: str
) -> None:
    complaints: list[str] = []
    with Hearsay(lambda port: "strict", complaints.append).listening():
        hear(says(data, code))
    assert complaints == [expected] * bool(expected)


def test_what_this_process_says_is_left_to_the_witness(says: Says) -> None:
    complaints: list[str] = []
    with Hearsay(lambda port: None, complaints.append).listening():
        hear_all(says('{"type": "gossip"}', 4418))
    assert complaints == []


@pytest.mark.parametrize(("said", "status"), [("ping", 0), ("gossip", 1)])
def test_a_script_fails_with_what_it_hears(says: Says, tmp_path: Path, said: str, status: int) -> None:
    url, script = urlsplit(says(json.dumps({"type": said}), 1012)), tmp_path / "script.py"
    script.write_text(
        "import socket\n"
        "from websockets.sync.client import connect\n"
        f"line = socket.create_connection(({url.hostname!r}, {url.port}))\n"
        f"with connect({url.geturl()!r}, sock=line) as connection:\n"
        "    connection.send('')\n"
        "    connection.recv()\n"
    )
    command = [sys.executable, "-m", "tests.hearsay", script]
    done = subprocess.run(command, cwd=DOCS.parent, check=False, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, "The server said {'type': 'gossip'}" in done.stderr) == (status, bool(status))


ANSWERS: dict[str, tuple[str, str, int, Any, str]] = {
    "as documented": ("GET", "chats/", 200, {"next": None, "previous": None, "results": []}, ""),
    "without its slash": ("GET", "chats", 200, [], "[] is not of type 'object'"),
    "another status": ("GET", "chats/x/", 410, {}, "the status 410 is not documented"),
    "another verb": ("PUT", "chats/", 200, {}, "this verb is not documented"),
    "another body": ("POST", "users/logout/", 204, None, "'refresh' is a required property"),
    "what is not the package's": ("GET", "schema/", 410, {}, ""),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_clients_are_answered_is_noticed(name: str) -> None:
    method, path, status, answer, expected = ANSWERS[name]
    body = {} if method == "POST" else None

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if answer is None else httpx.Response(status, json=answer)

    async def ask_async() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url=API) as client:
            await client.request(method, path, json=body)

    def ask() -> None:
        with httpx.Client(transport=httpx.MockTransport(respond), base_url=API) as client:
            client.request(method, path, json=body)

    for client_asks in (ask, lambda: asyncio.run(ask_async())):
        complaints: list[str] = []
        with Hearsay(lambda port: "strict", complaints.append).listening():
            client_asks()
        assert any(expected in each for each in complaints) == bool(expected), complaints
