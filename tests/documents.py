"""The OpenAPI and AsyncAPI documents of ``docs/``, and who holds every answer and every frame against them.

``python -m tests.documents`` writes them anew.
"""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.template.response import SimpleTemplateResponse
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.protocols import Validator

Dict = dict[str, Any]

DOCS = Path(__file__).parent.parent / "docs"
OPENAPI, ASYNCAPI = DOCS / "openapi.yaml", DOCS / "asyncapi.yaml"


# The documents


def generated_openapi() -> Dict:
    from drf_spectacular.generators import SchemaGenerator

    generator: Any = SchemaGenerator
    return plain(generator().get_schema(request=None, public=True))


def generated_asyncapi() -> Dict:
    from django_bpo_chat.live.asyncapi import document

    return plain(document())


def plain(document: Any) -> Dict:
    """As whoever fetches it has it."""
    return yaml.safe_load(rendered(document))  # type: ignore[no-any-return]


def rendered(document: Any) -> bytes:
    from drf_spectacular.renderers import OpenApiYamlRenderer

    renderer: Any = OpenApiYamlRenderer()
    return renderer.render(document, renderer_context={})  # type: ignore[no-any-return]


@functools.cache
def committed(path: Path) -> Dict:
    return yaml.safe_load(path.read_text())  # type: ignore[no-any-return]


def write() -> None:
    for path, document in {OPENAPI: generated_openapi(), ASYNCAPI: generated_asyncapi()}.items():
        path.write_bytes(rendered(document))


# What is in them


def strict(schema: Any, cards: bool) -> Any:
    """The schema without room for what it does not name, but for what a site's cards add."""
    if isinstance(schema, list):
        return [strict(each, cards) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(each, cards) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and not (cards and schema.get("additionalProperties") == {}):
        closed["additionalProperties"] = False
    return closed


class Contract:
    """A document whose schemas can be asked whether a value is one of theirs."""

    validator: type[Validator]

    def __init__(self, document: Dict) -> None:
        self.document = document
        self._schemas = {
            "loose": document["components"]["schemas"],
            "strict": strict(document["components"]["schemas"], cards=False),
            "cards": strict(document["components"]["schemas"], cards=True),
        }
        self._validators: dict[tuple[str, str], Validator] = {}

    def complaints(self, schema: Dict, value: Any, mode: str) -> list[str]:
        """What is wrong with the value, if anything."""
        return [
            f"{error.json_path}: {error.message[:300]}" for error in self._validator(schema, mode).iter_errors(value)
        ]

    def _validator(self, schema: Dict, mode: str) -> Validator:
        key = json.dumps(schema), mode
        if key not in self._validators:
            wanted = schema if mode == "loose" else strict(schema, cards=mode == "cards")
            whole = {"components": {"schemas": self._schemas[mode]}, "allOf": [wanted]}
            kind: Any = self.validator
            self._validators[key] = kind(whole, format_checker=kind.FORMAT_CHECKER)
        return self._validators[key]


class OpenAPI(Contract):
    validator = Draft202012Validator

    def __init__(self, document: Dict) -> None:
        super().__init__(document)
        self.operations: dict[str, Dict] = {
            operation["operationId"]: operation for verbs in document["paths"].values() for operation in verbs.values()
        }
        self._paths: list[tuple[re.Pattern[str], Dict]] = [
            (as_pattern(path), verbs) for path, verbs in document["paths"].items()
        ]

    def verbs_at(self, path: str) -> Dict | None:
        """The operations of the path, however a site spells its end."""
        return next((verbs for pattern, verbs in self._paths if pattern.fullmatch(path)), None)

    def response(self, operation: str, status: int) -> Dict | None:
        found: Dict | None = self.operations[operation]["responses"].get(str(status))
        if found is not None and "$ref" in found:
            found = self.document["components"]["responses"][found["$ref"].rpartition("/")[2]]
        return found

    def complaints_about_answer(
        self, operation: str | None, status: int, headers: Any, content: bytes, mode: str
    ) -> list[str]:
        """What is wrong with the answer to this operation, or to a verb that is none."""
        if operation is None:
            complaints = self.complaints({"$ref": "#/components/schemas/Refusal"}, json.loads(content), "strict")
            return complaints + ([] if status >= 400 else ["this verb is not documented"])
        documented = self.response(operation, status)
        if documented is None:
            return [f"the status {status} is not documented: {content!r}"]
        required = {name for name, header in documented.get("headers", {}).items() if header["required"]}
        missing = [f"the header {name} is missing" for name in required if name not in headers]
        if "content" not in documented:
            return missing + ([f"{content!r} is not documented"] if content else [])
        return missing + self._complaints_about_body(documented["content"], headers, content, mode)

    def _complaints_about_body(self, documented: Dict, headers: Any, content: bytes, mode: str) -> list[str]:
        if headers.get("Content-Type") not in documented:
            return [f"the content type {headers.get('Content-Type')} is not documented"]
        media = documented[headers["Content-Type"]]
        if media["schema"].get("format") == "binary":
            return []
        value = json.loads(content)
        complaints = self.complaints(media["schema"], value, mode)
        codes = {example["value"].get("code") for example in media.get("examples", {}).values()}
        if isinstance(value, dict) and "detail" in value and value.get("code") not in codes:
            complaints.append(f"the code {value.get('code')} is not among {codes}")
        return complaints

    def complaints_about_body(self, operation: str, value: Any) -> list[str]:
        """Whether a body that was taken is one by the document."""
        documented = self.operations[operation].get("requestBody")
        return (
            self.complaints(documented["content"]["application/json"]["schema"], value, "loose") if documented else []
        )


def as_pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "?")


class AsyncAPI(Contract):
    validator = Draft7Validator

    def __init__(self, document: Dict) -> None:
        super().__init__(document)
        self.messages: Dict = document["components"]["messages"]
        self.close_codes = document["channels"]["chat"]["x-close-codes"]
        self.replies: dict[str, list[str]] = {}
        self.heard: defaultdict[str, list[str]] = defaultdict(list)
        for operation in document["operations"].values():
            if operation["action"] == "receive":
                [said] = keys(operation["messages"])
                self.replies[said] = keys(operation["reply"]["messages"])
        for key in self.messages.keys() - self.replies.keys():
            self.heard[self.messages[key]["name"]].append(key)
        self.said = {self.messages[key]["name"]: key for key in self.replies}

    def is_message(self, key: str, frame: Dict, mode: str) -> bool:
        return not self.complaints(self.messages[key]["payload"], frame, mode)


def keys(references: list[dict[str, str]]) -> list[str]:
    return [each["$ref"].rpartition("/")[2] for each in references]


class Conversation:
    """What is said on one connection, and what of it the document does not know."""

    def __init__(self, contract: AsyncAPI, mode: str) -> None:
        self.complaints: list[str] = []
        self._contract = contract
        self._mode = mode
        self._asked: defaultdict[str, list[Dict]] = defaultdict(list)

    def client_says(self, text: str | None) -> None:
        try:
            frame = json.loads(text or "")
        except (ValueError, RecursionError):
            return
        if isinstance(frame, dict):
            self._asked["hello" if frame.get("type") == "hello" else repr(frame.get("id"))].append(frame)

    def server_says(self, text: str) -> None:
        frame = json.loads(text)
        kind = frame["type"]
        documented = self._contract.heard[kind]
        if not any(self._contract.is_message(key, frame, self._mode) for key in documented):
            wrong = [
                self._contract.complaints(self._contract.messages[key]["payload"], frame, self._mode)
                for key in documented
            ]
            self.complaints.append(f"The server said {frame}: {wrong}")
        elif kind == "ready" or ("id" in frame and kind != "error"):
            asked = self._asked["hello" if kind == "ready" else repr(frame["id"])]
            if not any(self._is_answered_by(question, frame) for question in asked):
                self.complaints.append(f"{frame} answers none of {asked}")

    def _is_answered_by(self, question: Dict, frame: Dict) -> bool:
        """Whether both are what the document says of a question and its answer."""
        said = self._contract.said.get(question["type"])
        return (
            said is not None
            and self._contract.is_message(said, question, "loose")
            and any(self._contract.is_message(key, frame, self._mode) for key in self._contract.replies[said])
        )

    def server_closes(self, code: int) -> None:
        if str(code) not in self._contract.close_codes:
            self.complaints.append(f"The server closed with {code}")


# The witness


class Witness:
    """Hears every answer of the package's views and every frame of its sockets in this process, whoever asked."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._asyncapi = AsyncAPI(committed(ASYNCAPI))
        self._openapi: dict[Any, OpenAPI] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        from django_bpo_chat import http
        from django_bpo_chat.accounts import views as accounts
        from django_bpo_chat.live.consumers import ChatConsumer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http.ChatAPIView, "finalize_response", self._finalizing(http.ChatAPIView.finalize_response))
            patch.setattr(http, "read_json", self._reading(http.read_json))
            patch.setattr(accounts, "read_json", http.read_json)
            patch.setattr(ChatConsumer, "__call__", self._talking(ChatConsumer.__call__))
            yield

    def _finalizing(self, finalize: Callable[..., Any]) -> Callable[..., Any]:
        def finalize_response(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            response = finalize(view, request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse):
                response.add_post_render_callback(lambda rendered: self._hear(view, request, rendered))
            else:  # a file, or that there is no need of one
                self._hear(view, request, response)
            return response

        return finalize_response

    def _reading(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def read_json(request: Any) -> Any:
            request.json_that_was_read = read(request)
            return request.json_that_was_read

        return read_json

    def _hear(self, view: Any, request: Any, response: Any) -> None:
        contract, method = self._contract(), request.method
        if method in {"OPTIONS", "HEAD"}:  # REST framework's own answer, and that of GET without its body
            return
        described = type(view).schema._operations.get(method)
        answer = response.status_code, response.headers, b"" if response.streaming else response.content
        complaints = contract.complaints_about_answer(described and described.id, *answer, mode())
        if described and response.status_code < 300 and hasattr(request, "json_that_was_read"):
            complaints += contract.complaints_about_body(described.id, request.json_that_was_read)
        self.complaints += [f"{method} {request.path} {response.status_code}: {each}" for each in complaints]

    def _contract(self) -> OpenAPI:
        """What is committed, or, where a site pages otherwise, what is generated there."""
        from django_bpo_chat.conf import DEFAULTS, chat_settings

        paging = chat_settings._get("PAGINATION_CLASS")
        if paging not in self._openapi:
            is_default = paging == DEFAULTS["PAGINATION_CLASS"]
            self._openapi[paging] = OpenAPI(committed(OPENAPI) if is_default else generated_openapi())
        return self._openapi[paging]

    def _talking(self, talk: Callable[..., Any]) -> Callable[..., Any]:
        from django_bpo_chat.live.consumers import ChatConsumer

        async def call(consumer: Any, scope: Any, receive: Any, send: Any) -> None:
            if consumer.frames is not ChatConsumer.frames:
                await talk(consumer, scope, receive, send)
                return
            conversation = Conversation(self._asyncapi, mode())

            async def hear() -> Any:
                event = await receive()
                if event["type"] == "websocket.receive":
                    conversation.client_says(event.get("text"))
                return event

            async def tell(event: Any) -> None:
                if event["type"] == "websocket.send":
                    conversation.server_says(event["text"])
                elif event["type"] == "websocket.close":
                    conversation.server_closes(event["code"])
                await send(event)

            try:
                await talk(consumer, scope, hear, tell)
            finally:
                self.complaints += conversation.complaints

        return call


def mode() -> str:
    """Whether the site shows more of its users than their handles."""
    from django_bpo_chat.adapter import Adapter, get_adapter

    return "strict" if type(get_adapter()).card is Adapter.card else "cards"


if __name__ == "__main__":
    import django

    django.setup()
    write()
