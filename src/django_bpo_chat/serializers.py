"""The input of both doors. They check shapes; what a text may be or who may do what is the operations' business."""

from collections.abc import Iterator, Sized
from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.settings import api_settings

from .access import MAX_ROWS
from .exceptions import Invalid
from .models import CLIENT_ID_LENGTH
from .operations.invites import LONGEST_SECONDS, MOST_USES
from .search import SEARCH_LENGTH
from .users import handle

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
    username = TextField(required=False, help_text="With whom the personal chat is; nothing else is said then.")
    title = TextField(required=False, help_text="Up to 200 characters.")
    members = NamesField(required=False, help_text="Up to 50 usernames, one's own and repeats not counted.")

    def validate(self, attrs: Data) -> Data:
        if "username" in attrs and attrs["username"] == handle(self.context.get("user")):
            del attrs["username"]  # nobody else: an ordinary chat
        if "username" in attrs and (attrs.get("title") or attrs.get("members")):
            raise serializers.ValidationError(_("A personal chat has neither a title nor other members."))
        return attrs


class PatchChatInput(serializers.Serializer[Any]):
    """Either a `username` to join or add (or nothing at all: oneself), or what to edit."""

    username = TextField(required=False)
    title = TextField(required=False, help_text="Up to 200 characters.")
    joinable = FlagField(required=False, help_text="Whether the address lets people in.")
    history = TextField(required=False, help_text="`full` or `since_join`: what who joins from now on may see.")

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
        raise serializers.ValidationError(_("Nothing is given that can be changed."))
    return given


TEXT = "1 to 4,000 characters after the white space around it is gone; empty at most where there are files."


class SendMessageInput(serializers.Serializer[Any]):
    message = TextField(default="", help_text=TEXT)
    client_id = TextField(
        required=False,
        allow_null=True,
        max_length=CLIENT_ID_LENGTH,
        help_text="Printable characters, another one for each message: what is sent again is stored once.",
    )
    reply_to = NumberField(required=False, allow_null=True, help_text="The `seq` of a message of this chat.")
    attachments = NamesField(required=False, allow_null=True, help_text="Files by their `id`, at most ten by default.")


class EditMessageInput(serializers.Serializer[Any]):
    message = TextField(help_text=TEXT)


class MarkReadInput(serializers.Serializer[Any]):
    seq = NumberField(help_text="The last message that counts as read.")


class PreferencesInput(serializers.Serializer[Any]):
    muted = FlagField(required=False)
    pinned = FlagField(required=False)
    archived = FlagField(required=False)

    def validate(self, attrs: Data) -> Data:
        return _something(attrs)


class RoleInput(serializers.Serializer[Any]):
    role = TextField(help_text="`admin`, `member` or `owner`.")


class InviteInput(serializers.Serializer[Any]):
    expires_in = NumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LONGEST_SECONDS,
        help_text="In seconds, up to ten years; without it, never.",
    )
    max_uses = NumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST_USES,
        help_text="How many may come in; without it, any number.",
    )


class ReportInput(serializers.Serializer[Any]):
    reason = TextField(help_text="Up to 1,000 characters.")


# Query strings


class PageQuery(serializers.Serializer[Any]):
    limit = QueryNumberField(default=50, min_value=1, help_text="At most 200; more is as much as there is.")

    def validate_limit(self, limit: int) -> int:
        return min(limit, MAX_ROWS)


class AttachmentQuery(serializers.Serializer[Any]):
    preview = serializers.BooleanField(default=False, help_text="Whether it is to be the small picture of it.")


class PeopleQuery(serializers.Serializer[Any]):
    q = TextField(default="", max_length=255, help_text="How their usernames begin.")


class MessagesQuery(PageQuery):
    before = QueryNumberField(help_text="Those right before this `seq`.")
    after = QueryNumberField(help_text="Those right after this `seq`.")
    around = QueryNumberField(help_text="Those on both sides of this `seq`, and itself.")

    def validate(self, attrs: Data) -> Data:
        if len({"before", "after", "around"} & attrs.keys()) > 1:
            raise serializers.ValidationError(_("Only one of before, after and around."))
        return attrs


class SearchQuery(serializers.Serializer[Any]):
    q = serializers.CharField(max_length=SEARCH_LENGTH, help_text="Words, all of which have to match.")
    chat = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="The one chat to look in."
    )


class ChangesQuery(PageQuery):
    since = QueryNumberField(default=0, help_text="The version up to which the client knows everything.")
    limit = QueryNumberField(default=MAX_ROWS, min_value=1, help_text="How many rows at most.")
