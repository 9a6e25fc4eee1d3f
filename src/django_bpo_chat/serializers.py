"""The input of both doors. They check shapes; what a text may be or who may do what is the operations' business."""

from collections.abc import Iterator, Sized
from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.settings import api_settings

from .access import MAX_ROWS
from .exceptions import Invalid
from .models import CLIENT_ID_LENGTH
from .search import SEARCH_LENGTH

BIGGEST = 2**63 - 1
"""What a database integer holds. Numbers beyond it are in range on the wire and mean "past the end"."""

Data = dict[str, Any]


def validated(input_class: type[serializers.Serializer[Any]], data: Any, user: Any = None) -> Data:
    """The values in ``data``, which ``user`` has sent: a site's serializer finds them in its context.

    Raises ``Invalid``.
    """
    serializer = input_class(data=data, context={"user": user})
    if not serializer.is_valid():
        raise Invalid({_field(name): list(_texts(errors)) for name, errors in serializer.errors.items()})
    values: Data = serializer.validated_data
    return values


def _field(name: str) -> str:
    """A host may call errors of the whole otherwise."""
    return "non_field_errors" if name == api_settings.NON_FIELD_ERRORS_KEY else name


def _texts(errors: Any) -> Iterator[str]:
    """Those of a list's items come in dicts by their place."""
    if isinstance(errors, str):
        yield errors
    else:
        for each in errors.values() if isinstance(errors, dict) else errors:
            yield from _texts(each)


class TextField(serializers.CharField):
    """A JSON string, taken as it is: no numbers, no trimming."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "allow_blank": True, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class NumberField(serializers.IntegerField):
    """A whole JSON number from 0 on; what is too big for the database is as big as can be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 0, **options})

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return min(data, BIGGEST)


class FlagField(serializers.BooleanField):
    """A JSON true or false, not one of the many strings that look like them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class NamesField(serializers.ListField):
    """A list of names. One's own and repeats are ignored later, so it may be longer than what it adds."""

    child = TextField()

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list) or not all(isinstance(name, str) for name in data):
            raise serializers.ValidationError(_("Not a list of names."))
        return list(dict.fromkeys(data))


class QueryNumberField(serializers.IntegerField):
    """Digits in a query string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": 0, "required": False, **options})

    def to_internal_value(self, data: Any) -> int:
        if not (isinstance(data, str) and data.isascii() and data.isdigit()):
            self.fail("invalid")
        number: int = super().to_internal_value(data)
        return min(number, BIGGEST)


# Bodies


class StartChatInput(serializers.Serializer[Any]):
    username = TextField(required=False)
    title = TextField(required=False)
    members = NamesField(required=False)

    def validate(self, attrs: Data) -> Data:
        if "username" in attrs and (attrs.get("title") or attrs.get("members")):
            raise serializers.ValidationError(_("A personal chat has neither a title nor other members."))
        return attrs


class PatchChatInput(serializers.Serializer[Any]):
    """Either a ``username`` to join or add (or nothing at all: oneself), or what to edit."""

    username = TextField(required=False)
    title = TextField(required=False)
    joinable = FlagField(required=False)
    history = TextField(required=False)

    def validate(self, attrs: Data) -> Data:
        given = {"username", "title", "joinable", "history"} & attrs.keys()  # whatever else a site asks for
        if self.initial_data:
            _something(given)
        if "username" in given and len(given) > 1:
            raise serializers.ValidationError(_("Add somebody or edit the chat, not both at once."))
        return attrs


Given = TypeVar("Given", bound=Sized)


def _something(given: Given) -> Given:
    """Raises REST framework's ``ValidationError`` for nothing."""
    if not given:
        raise serializers.ValidationError(_("Nothing of this can be changed."))
    return given


class SendMessageInput(serializers.Serializer[Any]):
    message = TextField()
    client_id = TextField(required=False, allow_null=True, max_length=CLIENT_ID_LENGTH)
    reply_to = NumberField(required=False, allow_null=True)
    attachments = NamesField(required=False, allow_null=True)


class EditMessageInput(serializers.Serializer[Any]):
    message = TextField()


class MarkReadInput(serializers.Serializer[Any]):
    seq = NumberField()


class PreferencesInput(serializers.Serializer[Any]):
    muted = FlagField(required=False)
    pinned = FlagField(required=False)
    archived = FlagField(required=False)

    def validate(self, attrs: Data) -> Data:
        return _something(attrs)


class RoleInput(serializers.Serializer[Any]):
    role = TextField()


class InviteInput(serializers.Serializer[Any]):
    expires_in = NumberField(required=False, allow_null=True)
    max_uses = NumberField(required=False, allow_null=True)


class ReportInput(serializers.Serializer[Any]):
    reason = TextField()


# Query strings


class PageQuery(serializers.Serializer[Any]):
    """``limit`` is at most 200; more is as much as there is."""

    limit = QueryNumberField(default=50, min_value=1)

    def validate_limit(self, limit: int) -> int:
        return min(limit, MAX_ROWS)


class AttachmentQuery(serializers.Serializer[Any]):
    preview = serializers.BooleanField(default=False)


class PeopleQuery(serializers.Serializer[Any]):
    q = TextField(default="", max_length=255)


class MessagesQuery(PageQuery):
    before = QueryNumberField()
    after = QueryNumberField()
    around = QueryNumberField()

    def validate(self, attrs: Data) -> Data:
        if len({"before", "after", "around"} & attrs.keys()) > 1:
            raise serializers.ValidationError(_("Only one of before, after and around."))
        return attrs


class SearchQuery(serializers.Serializer[Any]):
    q = serializers.CharField(max_length=SEARCH_LENGTH)
    chat = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class ChangesQuery(PageQuery):
    since = QueryNumberField(default=0)
    limit = QueryNumberField(default=MAX_ROWS, min_value=1)
