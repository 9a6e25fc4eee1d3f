"""Finding messages by their words: by PostgreSQL's full text search where there is one, by plain matching elsewhere."""

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate

from django.db import connections, router
from django.db.models import F, IntegerField, Value

from . import access, wire
from .fulltext import POSTGRESQL, CanBeLookedUp, Marked, Matches, Relevance, Vector, Words
from .models import Message, MessageQuerySet
from .users import User

SEARCH_LENGTH = 200
"""The most characters that somebody looks for."""

SNIPPET_LENGTH = 160
LEAD = 40
"""The most characters of a snippet before its first highlight, which show what it is about."""

Span = tuple[int, int]


def matches(actor: User, words: str, *, chat: str | None = None) -> MessageQuerySet:
    """The messages with these words in all chats of the actor, or in one: unordered, each with its ``relevance``, for
    :func:`results`.

    Each match is ranked, however many there are: what costs is to visit them, which the newest are not found without.
    Raises ``NotAMember`` or ``NotFound`` for that one chat.
    """
    messages = Message.objects.filter(deleted_at=None).seen_by(actor)
    if chat is not None:
        messages = messages.filter(chat=access.membership(actor, chat).chat_id)
    return _method(words).find(messages).only("id")


def results(actor: User, found: Sequence[Message], words: str) -> list[wire.SearchResult]:
    """What is shown of these matches, in their order; in three queries at most. What was deleted meanwhile, or is not
    the actor's to see any more, is left out."""
    method = _method(words)
    messages = access.messages_with_authors().seen_by(actor).select_related("chat")
    chosen = messages.filter(pk__in=[each.pk for each in found], deleted_at=None)
    loaded = {each.pk: each for each in access.with_parts(method.mark(chosen) if found else ())}
    shown = [loaded[each.pk] for each in found if each.pk in loaded]
    return [_result(each, method.highlights(each)) for each in shown]


def has_vectors() -> bool:
    """Whether messages are found by their vectors."""
    return connections[router.db_for_write(Message)].vendor == POSTGRESQL


def reindex(*, after: int, most: int) -> list[int]:
    """Write the vectors of the next messages behind this primary key anew, and return their keys in order."""
    keys = list(Message.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:most])
    Message.objects.filter(pk__in=keys, deleted_at=None).update(vector=Vector(F("text")))
    return keys


class _Method(ABC):
    """How words are found, and where they are in a text."""

    @abstractmethod
    def find(self, messages: MessageQuerySet) -> MessageQuerySet:
        """Those with the words, each with its ``relevance``."""

    def mark(self, messages: MessageQuerySet) -> MessageQuerySet:
        """The same, with what :meth:`highlights` needs."""
        return messages

    @abstractmethod
    def highlights(self, message: Message) -> list[Span]:
        """Where the words are in the whole text."""


class _FullText(_Method):
    def __init__(self, words: str) -> None:
        self._words = Words(words)
        # Nobody can have written it into a text. It starts with a letter, since PostgreSQL would take it for a number.
        self._mark = f"m{secrets.token_hex(8)}"

    def find(self, messages: MessageQuerySet) -> MessageQuerySet:
        found = messages.filter(CanBeLookedUp(self._words), Matches("vector", self._words))
        return found.annotate(relevance=Relevance("vector", self._words))  # type: ignore[no-redef]

    def mark(self, messages: MessageQuerySet) -> MessageQuerySet:
        return messages.annotate(marked=Marked("text", self._words, self._mark))  # type: ignore[no-redef]

    def highlights(self, message: Message) -> list[Span]:
        parts = message.marked.split(self._mark)
        if sum(map(len, parts)) != len(message.text):  # a word was left out
            return _one_after_another(parts[1::2], message.text)
        ends = list(accumulate(map(len, parts)))
        return [(ends[place - 1], ends[place]) for place in range(1, len(parts), 2)]  # those between two marks


class _PlainText(_Method):
    """Every word anywhere in the text, the newest message first."""

    def __init__(self, words: str) -> None:
        self._words = words.replace('"', " ").split()

    def find(self, messages: MessageQuerySet) -> MessageQuerySet:
        for word in self._words:
            messages = messages.filter(text__icontains=word)
        found = messages if self._words else messages.none()
        return found.annotate(relevance=Value(0, IntegerField()))  # type: ignore[no-redef]

    def highlights(self, message: Message) -> list[Span]:
        longest_first = sorted(self._words, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        return [match.span() for match in pattern.finditer(message.text)]


def _method(words: str) -> _Method:
    return _FullText(words) if has_vectors() else _PlainText(words)


def _one_after_another(words: Sequence[str], text: str) -> list[Span]:
    spans, end = [], 0
    for word in words:
        start = text.find(word, end)
        end = start + len(word)
        spans.append((start, end))
    return spans


def _result(message: Message, highlights: Sequence[Span]) -> wire.SearchResult:
    """The snippet begins shortly before the first highlight, and both of its ends are between words if they can be."""
    text, (first, behind) = message.text, highlights[0] if highlights else (0, 0)
    start = _start(text, first)
    end = _end(text, start, behind)
    shown = [(max(low, start) - start, min(high, end) - start) for low, high in highlights if low < end]
    return wire.SearchResult(message, text[start:end], shown)


def _start(text: str, first: int) -> int:
    if first <= LEAD:
        return 0
    start = first - LEAD
    space = re.search(r"\s+", text[start:first])
    return start + space.end() if space else start


def _end(text: str, start: int, behind: int) -> int:
    end = start + SNIPPET_LENGTH
    if end >= len(text):
        return len(text)
    # Not before the end of the first highlight, behind which there may be no space for long.
    space = re.search(r"\s+\S*\Z", text[min(behind, end) : end + 1])
    return min(behind, end) + space.start() if space else end
