"""What an operation can refuse. Each error has a stable code and an HTTP status.

The codes are the contract's; a client may rely on them, so a new one is a change of the API.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum

from django.db import InterfaceError, InternalError, OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise

DATABASE_AWAY = (InterfaceError, InternalError, OperationalError)
"""What Django raises where the database cannot be reached or a lock not be had; ``InternalError`` comes from what has
become a standby."""


class CloseCode(IntEnum):
    """Why a socket ends. They read like HTTP."""

    BAD_FRAMES = 4400
    NOT_AUTHENTICATED = 4401
    NOT_ALLOWED = 4403
    TOO_SLOW = 4408
    TOO_MANY = 4429
    UNAVAILABLE = 4503


class ChatError(Exception):
    """Base of every refusal."""

    code = "invalid"
    status = 400
    detail: Text = _("Invalid input.")

    def __init__(self, detail: Text | None = None) -> None:
        if detail is not None:
            self.detail = detail
        super().__init__(self.detail)


class Invalid(ChatError):
    """The input does not validate.

    ``fields`` maps each field's name to what is wrong with it; errors of the whole are under ``non_field_errors``.
    """

    def __init__(self, fields: Mapping[str, Sequence[Text]]) -> None:
        self.fields = {name: [str(text) for text in texts] for name, texts in fields.items()}
        super().__init__(" ".join(text for texts in self.fields.values() for text in texts))


class ParseError(ChatError):
    code = "parse_error"
    detail = _("This cannot be read as JSON.")


class NotAuthenticated(ChatError):
    code = "not_authenticated"
    status = 401
    detail = _("Authentication credentials were missing, wrong or out of date.")


class NotAllowed(ChatError):
    code = "not_allowed"
    status = 403
    detail = _("You may not do this.")


class NotAMember(ChatError):
    code = "not_a_member"
    status = 403
    detail = _("You are not a member of this chat.")


class NotFound(ChatError):
    code = "not_found"
    status = 404
    detail = _("Not found.")


class ClientIdReused(ChatError):
    code = "client_id_reused"
    status = 409
    detail = _("You have sent another text with this client_id.")


class TooLarge(ChatError):
    code = "too_large"
    status = 413
    detail = _("This is larger than 64 KiB.")


class LengthRequired(ChatError):
    code = "length_required"
    status = 411
    detail = _("A body without a Content-Length cannot be read here.")


class Throttled(ChatError):
    """Too often. ``wait`` is the number of seconds after which it may be tried again."""

    code = "throttled"
    status = 429
    detail = _("This was too often. Try again later.")

    def __init__(self, *, wait: int) -> None:
        self.wait = wait
        super().__init__()


class Unavailable(ChatError):
    """The database could not be reached, or its lock not be had in time. Nothing was stored: safe to repeat."""

    code = "unavailable"
    status = 503
    detail = _("Not available at the moment. Try again.")


def close_code(error: ChatError) -> CloseCode:
    """What a socket is closed with, to which this is said as a whole."""
    return next((code for kind, code in _CLOSE_CODES.items() if isinstance(error, kind)), CloseCode.NOT_ALLOWED)


_CLOSE_CODES: dict[type[ChatError], CloseCode] = {
    NotAuthenticated: CloseCode.NOT_AUTHENTICATED,
    NotAllowed: CloseCode.NOT_ALLOWED,
    Throttled: CloseCode.TOO_MANY,
    Unavailable: CloseCode.UNAVAILABLE,
}
