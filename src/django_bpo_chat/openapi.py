"""How the views describe themselves to drf-spectacular. It is imported only where that is installed.

Each door has a table of its operations, which :func:`describe` hands to its views. What a site may have put in the
place of a default is asked for whenever a document is made: serializers, pagination, authentication.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.utils.module_loading import import_string
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent, append_meta
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.serializers import Serializer

from . import exceptions
from .conf import DEFAULTS, chat_settings
from .exceptions import ChatError
from .http import CODES, ChatAPIView
from .serializers import TextField
from .shapes import ADDRESS, HANDLE, Shape

JSON, FORM = "application/json", "multipart/form-data"
BINARY = {"type": "string", "format": "binary"}

SerializerClass = type[Serializer[Any]]
Dict = dict[str, Any]


# Refusals


@dataclass(frozen=True, slots=True)
class Status:
    """What a refusal of this status says, and the headers that it has: ``True`` for those that it always has."""

    name: str
    description: str
    headers: Mapping[str, bool] = field(default_factory=dict)


STATUSES = {
    400: Status("BadRequest", "What was sent does not validate, or cannot be read."),
    401: Status("NotAuthenticated", "No valid token, session or password.", {"WWW-Authenticate": True}),
    403: Status("Forbidden", "The caller may not do this, or is not a member of the chat and could join it."),
    404: Status("NotFound", "There is no such thing, or the caller may not know of it."),
    406: Status("NotAcceptable", "The client does not accept JSON."),
    409: Status("Conflict", "Another text was sent under this `client_id`."),
    411: Status("LengthRequired", "A body in chunks, behind WSGI, or of an upload."),
    413: Status("TooLarge", "More than 64 KiB, or more than a file may have."),
    415: Status("UnsupportedMediaType", "The content type is not the one of the body here, or its charset not UTF-8."),
    429: Status("Throttled", "Too many requests, by the site's limits.", {"Retry-After": False}),
    503: Status("Unavailable", "The database is away or busy. Repeat it later.", {"Retry-After": True}),
}
"""Those that an operation may be refused with. Another verb than a URL knows is refused with 405."""

HEADERS = {
    "Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to say who asks.", "schema": {"type": "string"}},
}


def _errors() -> Iterator[tuple[int, str, Any]]:
    """The status, the code and the detail of each error there is."""
    for ours in vars(exceptions).values():
        if isinstance(ours, type) and issubclass(ours, ChatError):
            yield ours.status, ours.code, ours.detail
    for theirs in (drf.MethodNotAllowed, drf.NotAcceptable, drf.UnsupportedMediaType, drf.Throttled):
        yield theirs.status_code, CODES[theirs.status_code], theirs.default_detail


class Refusal(Shape):
    """Why something is refused."""

    example = {"detail": "Not found.", "code": "not_found"}

    detail = TextField(help_text="For people. It may change, and be translated.")
    code = serializers.ChoiceField(
        choices=sorted({code: detail for _, code, detail in _errors()}.items()), help_text="For programs. It stays."
    )


INVALID_FIELDS = {
    "type": "object",
    "description": "What is wrong with each field; what concerns no single one is under `non_field_errors`.",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
INVALID_FIELDS_EXAMPLE = {"message": ["This field may not be blank."]}


# Operations


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is a page of these, by this pagination class or else the site's."""

    of: type[Shape]
    pagination_class: type[Any] | None = None


@dataclass(frozen=True, slots=True)
class File:
    """An answer that is a file of one of these types."""

    media_types: tuple[str, ...]


Answer = type[Shape] | tuple[type[Shape], ...] | Page | File | Dict | None
"""A shape, one of several, a page, a file, a schema as it is, or nothing."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one verb of a view does.

    ``body`` names inputs by their class, or by their key in ``BPO_CHAT["SERIALIZERS"]``; of several, either will do.
    ``examples`` are bodies by what they say. ``form`` is the schema of a body that is a form with a file. A ``public``
    one asks nobody who they are, and an ``unconditional`` one nothing at all. ``errors`` are the statuses with which it
    may be refused, besides those that go without saying.
    """

    id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    query: SerializerClass | None = None
    body: tuple[SerializerClass | str, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    form: Dict | None = None
    errors: tuple[int, ...] = ()
    public: bool = False
    unconditional: bool = False

    @property
    def page(self) -> Page | None:
        return next((answer for answer in self.answers.values() if isinstance(answer, Page)), None)

    def refusals(self, names_something: bool) -> list[int]:
        """The statuses with which it may be refused, with or without parameters in its path."""
        if self.unconditional:
            return [503]
        asking = () if self.public else (401, 403)
        looking_up = (404,) if names_something else ()
        reading = (400, 411, 413, 415) if self.body or self.form else ()
        choosing = (400,) if self.query or self.page else ()
        negotiating = () if any(isinstance(each, File) for each in self.answers.values()) else (406,)
        return sorted({*asking, *looking_up, *reading, *choosing, *negotiating, *self.errors, 429, 503})


def describe(operations: Mapping[type[ChatAPIView], Mapping[str, Operation]]) -> None:
    """Tell drf-spectacular what each verb of these views does."""
    for view, verbs in operations.items():
        view.schema = ChatSchema(verbs)


PATH: dict[str, tuple[Dict, str]] = {
    "uri": ({"type": "string"}, ADDRESS),
    "seq": ({"type": "integer", "minimum": 1}, "The message's place in its chat."),
    "username": ({"type": "string"}, HANDLE),
    "emoji": ({"type": "string"}, "An emoji of Unicode's list."),
    "token": ({"type": "string"}, "That of an invite."),
    "key": ({"type": "string"}, "The `id` of a file."),
}
"""The parameters in paths, and what they are."""


class ChatSchema(AutoSchema):
    """Reads the description of a view's operations."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        super().__init__()
        self._operations = operations

    def __get__(self, instance: Any, owner: Any) -> "ChatSchema":
        """A new one for each view: it keeps what it is asked about, and two documents may be made at once."""
        schema = ChatSchema(self._operations)
        schema.view = instance
        return schema

    @property
    def described(self) -> Operation:
        return self._operations[self.method]

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> Dict | None:
        made: Dict = super().get_operation(path, path_regex, path_prefix, method, registry) or {}
        if self.described.page:
            made["parameters"] = made.get("parameters", []) + self._page_parameters()
        if self.described.form or any(_requires_something(each) for each in self._bodies()):
            made["requestBody"]["required"] = True
        refusals = self.described.refusals(names_something=bool(self._path_parameters()))
        made["responses"] |= {str(status): self._refusal(status) for status in refusals}
        return made

    def get_operation_id(self) -> str:
        return self.described.id

    def get_summary(self) -> str:
        return self.described.summary

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's own does not take what this does
        return self.described.description

    def get_tags(self) -> list[str]:
        return [self.described.tag]

    def get_override_parameters(self) -> list[Any]:
        return [*self._path_parameters(), *([self.described.query] if self.described.query else [])]

    def get_request_serializer(self) -> Any:
        """By their reference: drf-spectacular would take the bodies of PATCH for partial ones."""
        if self.described.form:
            return {FORM: OpenApiRequest(self.described.form)}
        refs = [self.resolve_serializer(each, "request").ref for each in self._bodies()]
        return {JSON: OpenApiRequest(refs[0] if len(refs) == 1 else {"anyOf": refs})} if refs else None

    def get_examples(self) -> list[OpenApiExample]:
        """None where the site asks for something else."""
        if any(_is_the_sites(each) for each in self.described.body):
            return []
        return [OpenApiExample(name, body, request_only=True) for name, body in self.described.examples.items()]

    def get_response_serializers(self) -> Any:
        return {
            (status, *answer.media_types) if isinstance(answer, File) else status: OpenApiResponse(
                self._answer(answer), HTTPStatus(status).phrase
            )
            for status, answer in self.described.answers.items()
        }

    def _path_parameters(self) -> list[OpenApiParameter]:
        return [
            OpenApiParameter(name, schema, OpenApiParameter.PATH, required=True, description=description)
            for name, (schema, description) in PATH.items()
            if f"{{{name}}}" in self.path
        ]

    def _bodies(self) -> list[SerializerClass]:
        return [chat_settings.serializer(each) if isinstance(each, str) else each for each in self.described.body]

    def _answer(self, answer: Answer) -> Any:
        if isinstance(answer, Page):
            return self._page(answer)
        if isinstance(answer, File):
            return BINARY
        if isinstance(answer, tuple):
            return {"oneOf": [self.resolve_serializer(each, "response").ref for each in answer]}
        return answer

    def _paginator(self, page: Page) -> Any:
        return (page.pagination_class or chat_settings.pagination_class)()

    def _page_parameters(self) -> list[Dict]:
        page = self.described.page
        return self._paginator(page).get_schema_operation_parameters(self.view) if page else []

    def _page(self, page: Page) -> Dict:
        """As the pagination class says it. It says so for OpenAPI 3.0."""
        row = self.resolve_serializer(page.of, "response")
        rows, paginator = {"type": "array", "items": row.ref}, self._paginator(page)
        if _lists_all_at_once(paginator):
            return rows
        schema: Dict = paginator.get_paginated_response_schema(rows)
        properties = {name: append_meta(each, {}) for name, each in schema["properties"].items()}
        return self._component(self.get_paginated_name(row.name), {**schema, "properties": properties})

    def _component(self, name: str, schema: Dict, kind: str = ResolvedComponent.SCHEMA) -> Dict:
        component = ResolvedComponent(name, kind, schema, object=name)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)
        return component.ref

    def _refusal(self, status: int) -> Dict:
        """A reference to the one description of this status in the document."""
        described = STATUSES[status]
        schema = self.resolve_serializer(Refusal, "response").ref
        errors = {code: {"detail": str(detail), "code": code} for each, code, detail in _errors() if each == status}
        examples: Dict = {code: {"value": error} for code, error in errors.items()}
        if status == HTTPStatus.BAD_REQUEST:
            schema = {"oneOf": [schema, self._component("InvalidFields", INVALID_FIELDS)]}
            examples["fields"] = {"value": INVALID_FIELDS_EXAMPLE}
        response: Dict = {
            "description": described.description,
            "content": {JSON: {"schema": schema, "examples": examples}},
        }
        if described.headers:
            response["headers"] = {
                name: {**HEADERS[name], "required": always} for name, always in described.headers.items()
            }
        return self._component(described.name, response, ResolvedComponent.RESPONSE)


def _lists_all_at_once(paginator: Any) -> bool:
    """As REST framework's own do where there is no page size."""
    return getattr(paginator, "page_size", getattr(paginator, "default_limit", 0)) is None


def _is_the_sites(body: SerializerClass | str) -> bool:
    return isinstance(body, str) and chat_settings.serializer(body) is not import_string(DEFAULTS["SERIALIZERS"][body])


def _requires_something(body: SerializerClass) -> bool:
    return any(each.required for each in body().fields.values())


class ShapeExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Adds to a shape its example, and whether the site may show more of a user."""

    target_class = Shape
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> Dict:
        schema: Dict = auto_schema._map_serializer(  # type: ignore[no-untyped-call]  # noqa: SLF001
            self.target, direction, bypass_extensions=True
        )
        if self.target.has_card:
            schema["additionalProperties"] = {}
        example = self.target.example
        is_3_0 = spectacular_settings.OAS_VERSION.startswith("3.0")
        return schema | ({"example": example} if is_3_0 else {"examples": [example]})


class BearerScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = "django_bpo_chat.tokens.BearerAuthentication"
