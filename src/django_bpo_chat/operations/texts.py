"""What a text may be. Raises ``Invalid`` with the field's name on the wire."""

import re
import unicodedata
from functools import cache
from pathlib import PurePosixPath

from django.utils.translation import gettext_lazy as _
from emoji import EMOJI_DATA, STATUS

from ..exceptions import Invalid, Text
from ..models import CLIENT_ID_LENGTH, FILE_NAME_LENGTH, OWNER, TITLE_LENGTH, Chat, Membership

MESSAGE_LENGTH = 4000
"""In characters, after trimming."""

REASON_LENGTH = 1000
"""Likewise, of why a message is reported."""

LONGEST_SUFFIX = 20
"""Of a file's name, in characters with the dot."""

# Characters that show nothing though Unicode counts them as letters, symbols or marks: Hangul fillers, the blank
# Braille pattern, Khmer inherent vowels, the combining grapheme joiner and the variation selectors.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5\u034f\u180b\u180c\u180d\u180f") | frozenset(
    map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)

_TURNING = frozenset("\u061c\u200e\u200f") | frozenset(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
"""Unicode's marks, embeddings, overrides and isolates of a direction: UAX #9, section 2."""

_EMOJI_PRESENTATION = "\N{VARIATION SELECTOR-16}"


def clean_message(text: str, *, may_be_blank: bool = False) -> str:
    """The text without the white space around it; inside, every character stays as it is. One that shows nothing is
    empty, where it may be."""
    if may_be_blank and not _shows_anything(text):
        _check_storable("message", text)
        return ""
    return _clean_visible("message", text, MESSAGE_LENGTH)


def clean_reason(reason: str) -> str:
    return _clean_visible("reason", reason, REASON_LENGTH)


def _clean_visible(field: str, text: str, most: int) -> str:
    text = text.strip()
    _check_storable(field, text)
    if not _shows_anything(text):
        raise _invalid(field, _("This field may not be blank."))
    _check_length(field, text, most)
    return text


def clean_file_name(name: str) -> str:
    """The last part of a path, without control characters, ends of lines and what turns the direction of writing, so
    that it reads as what it is; what joins letters and emoji stays. Cut off in its middle where it is too long, so that
    it keeps its suffix."""
    name = re.split(r"[/\\]", name)[-1]
    name = _cut(" ".join("".join(each for each in name if _is_nameable(each)).split()))
    return name if _shows_anything(name.strip(".")) else "file"


def _cut(name: str) -> str:
    if _size(name) <= FILE_NAME_LENGTH:
        return name
    suffix = PurePosixPath(name).suffix
    kept = suffix if len(suffix) <= LONGEST_SUFFIX else ""
    return _beginning(name, FILE_NAME_LENGTH - _size(kept)) + kept


def _size(text: str) -> int:
    """In UTF-8, as file systems count names."""
    return len(text.encode())


def _beginning(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def clean_title(title: str) -> str:
    title = title.strip()
    _check_storable("title", title)
    _check_length("title", title, TITLE_LENGTH)
    return title


def clean_history(history: str) -> str:
    if history not in Chat.History.values:
        raise _invalid("history", _("This is not one of the choices."))
    return history


def clean_role(role: str) -> str:
    if role not in {OWNER, *Membership.Role.values}:
        raise _invalid("role", _("This is not one of the choices."))
    return role


def clean_emoji(emoji: str) -> str:
    """An emoji of Unicode's list, with the variation selectors that the list has, so that it is one however typed."""
    listed = _listed_emoji().get(emoji.replace(_EMOJI_PRESENTATION, ""))
    if listed is None:
        raise _invalid("emoji", _("This is not an emoji."))
    return listed


@cache
def _listed_emoji() -> dict[str, str]:
    listed = (each for each, data in EMOJI_DATA.items() if data["status"] == STATUS["fully_qualified"])
    return {each.replace(_EMOJI_PRESENTATION, ""): each for each in listed}


def clean_client_id(client_id: str) -> str:
    """Printable characters; empty means that the sender gave none."""
    if not client_id.isprintable():
        raise _invalid("client_id", _("Only printable characters are allowed."))
    _check_length("client_id", client_id, CLIENT_ID_LENGTH)
    return client_id


def _is_nameable(character: str) -> bool:
    return character not in _TURNING and unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}


def _shows_anything(text: str) -> bool:
    return any(map(_is_visible, text))


def _is_visible(character: str) -> bool:
    return character not in _INVISIBLE and unicodedata.category(character) not in {"Cc", "Cf", "Zs", "Zl", "Zp"}


def _check_storable(field: str, text: str) -> None:
    """PostgreSQL stores no NUL, and no encoding a lone surrogate."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _invalid(field, _("Null characters and lone surrogates are not allowed."))


def _check_length(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise _invalid(field, _("Ensure this field has no more than %(most)d characters.") % {"most": most})


def _invalid(field: str, text: Text) -> Invalid:
    return Invalid({field: [text]})
