"""Keyset pages: any page costs what the first costs, and rows that move between two requests shift nothing."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from ..clock import from_utc, to_utc
from ..exceptions import Invalid
from ..http import absolute_url
from ..serializers import BIGGEST, PageQuery, validated
from ..users import handle, handle_field

CURSOR = "Where a page begins, as the links `next` and `previous` have it."
LIMIT = "How many at most: 50 unless given, and never more than 200."

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Any]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order of rows by fields that together are unique.

    ``fields`` are the lookups to order by, ``key`` gives a row's values for them as integers or texts, ``values`` turns
    such a key back into what the lookups compare with. It raises ``ValueError`` or ``ValidationError`` for one that is
    none: a cursor may be forged.
    """

    fields: tuple[str, ...]
    descending: bool
    key: Callable[[Any], tuple[int | str, ...]]
    values: Callable[[Sequence[Any]], tuple[Any, ...]]

    @property
    def ordering(self) -> tuple[str, ...]:
        return tuple(f"-{field}" if self.descending else field for field in self.fields)

    def page(self, request: Request, rows: "QuerySet[Any]", limit: int) -> Page:
        """The page that the request's ``cursor`` names, else the first. Raises ``Invalid`` for a forged cursor."""
        backwards, key = self._read_cursor(request.query_params.get("cursor"))
        falling = self.descending != backwards
        if key is not None:
            rows = rows.filter(self._beyond(key, "lt" if falling else "gt"))
        found = list(rows.order_by(*(f"-{field}" if falling else field for field in self.fields))[: limit + 1])
        more, found = len(found) > limit, found[:limit]
        if backwards:
            found.reverse()
        return Page(
            rows=found,
            next=self._link(request, False, found[-1]) if found and (more or backwards) else None,
            previous=self._link(request, True, found[0])
            if found and (more if backwards else key is not None)
            else None,
        )

    def _beyond(self, values: Sequence[Any], comparison: str) -> Q:
        beyond, equal = Q(), Q()
        for field, value in zip(self.fields, values, strict=True):
            beyond |= equal & Q(**{f"{field}__{comparison}": value})
            equal &= Q(**{field: value})
        return beyond

    def _link(self, request: Request, backwards: bool, row: Model) -> str:
        cursor = json.dumps([int(backwards), *self.key(row)], separators=(",", ":")).encode()
        return absolute_url(request, cursor=base64.urlsafe_b64encode(cursor).decode().rstrip("="))

    def _read_cursor(self, cursor: str | None) -> tuple[bool, tuple[Any, ...] | None]:
        """Whether it leads backwards, and the values beyond which the page begins."""
        if cursor is None:
            return False, None
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            backwards, *key = json.loads(base64.urlsafe_b64decode(padded))
            if len(key) == len(self.fields):
                return bool(backwards), self.values(key)
        except (ValueError, ValidationError, TypeError, OverflowError, RecursionError, binascii.Error):
            pass
        raise Invalid({"cursor": [_("Invalid cursor.")]})


class KeysetPagination(BasePagination):
    """REST framework's interface to a view's ``keyset``."""

    _page: Page

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        limit = validated(PageQuery, request.query_params)["limit"]
        self._page = view.keyset.page(request, queryset, limit)
        return self._page.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._page.next, "previous": self._page.previous, "results": data})

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        """In OpenAPI 3.0, as REST framework's own classes describe themselves."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {"name": "cursor", "in": "query", "description": CURSOR, "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "description": LIMIT, "schema": {"type": "integer", "minimum": 1}},
        ]


def microseconds(moment: datetime) -> int:
    return (to_utc(moment) - EPOCH) // timedelta(microseconds=1)


def from_microseconds(count: int) -> datetime:
    return from_utc(EPOCH + timedelta(microseconds=count))


def numbers(key: Sequence[Any]) -> tuple[int, ...]:
    """A key of whole numbers that a database takes."""
    if not all(type(part) is int and 0 <= part <= BIGGEST for part in key):
        raise ValueError(key)
    return tuple(key)


def by_handle() -> Keyset:
    """Users by their handles, whatever field of the model these are."""
    return Keyset(fields=(handle_field(),), descending=False, key=lambda user: (handle(user),), values=_handles)


def _handles(key: Sequence[Any]) -> tuple[Any, ...]:
    [text] = key
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(text)
    text.encode()  # so that a lone surrogate raises
    field: Any = get_user_model()._meta.get_field(handle_field())
    return (field.to_python(text),)
