"""Full text search as PostgreSQL has it: a column of lexemes, its index, and what is asked of them.

``django.contrib.postgres`` has most of this too, but cannot be imported on a site without psycopg. On other databases
the column is there, and stays empty.
"""

import re
from typing import Any

from django.db.models import BooleanField, Func, Index, IntegerField, Model, TextField, Value
from django.db.models.expressions import Combinable

from .conf import chat_settings

POSTGRESQL = "postgresql"

DEGREES = 1_000_000
"""Of relevance: whole numbers, since those are what the cursor of a page holds."""


UNSEEN = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Spaces without width, and marks of the direction of writing, which to PostgreSQL are letters of the word beside."""

_STRAY_MINUS = re.compile(r'-(?![\w"])')


class VectorField(TextField):  # type: ignore[type-arg]  # it takes none at run time
    """The lexemes of the field ``of``, which the database makes whenever the row is saved; NULL for no text.

    A text changes only together with them: ``update_fields`` has to name both.
    """

    def __init__(self, *, of: str, **options: Any) -> None:
        self.of = of
        # It can be made again, so it is none of what is dumped.
        super().__init__(**{**options, "null": True, "editable": False, "serialize": False})

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        for fixed in ("null", "editable", "serialize"):
            del options[fixed]
        return name, path, arguments, {"of": self.of, **options}

    def db_type(self, connection: Any) -> str:
        return "tsvector" if connection.vendor == POSTGRESQL else "text"

    def pre_save(self, model_instance: Model, add: bool) -> "Vector | None":
        text: str = getattr(model_instance, self.of)
        return Vector(Value(text)) if text else None


class VectorIndex(Index):
    """Which rows have a lexeme, as an index of the kind GIN. Other databases get one of their own, of no rows if its
    condition is that there is a vector."""

    def create_sql(self, model: type[Model], schema_editor: Any, using: str = "", **options: Any) -> Any:
        if schema_editor.connection.vendor != POSTGRESQL:
            return super().create_sql(model, schema_editor, using, **options)
        statement: Any = super().create_sql(model, schema_editor, using=" USING gin", **options)
        # Each row pays for its own lexemes. Otherwise one in thousands pays for all of these, while it holds its chat's
        # lock, and searches look through all that nobody has paid for yet.
        statement.parts["extra"] = " WITH (fastupdate = off)" + statement.parts["extra"]
        return statement


def _configuration() -> Func:
    return Func(Value(chat_settings.search_configuration), template="%(expressions)s::regconfig", arity=1)


class _Seen(Func):
    """A text with spaces for what is ``UNSEEN``: everything else stays in its place."""

    function = "TRANSLATE"

    def __init__(self, text: Combinable | str) -> None:
        super().__init__(text, Value(UNSEEN), Value(" " * len(UNSEEN)))


class Vector(Func):
    """The lexemes of a text; NULL on other databases."""

    function = "TO_TSVECTOR"
    output_field = VectorField(of="")

    def __init__(self, text: Combinable) -> None:
        super().__init__(_configuration(), _Seen(text))

    def as_sql(self, *_: Any, **__: Any) -> Any:
        return "NULL", ()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, **context)


class Words(Func):
    """What somebody looks for, as search engines read it: all of the words, ``"phrases"``, ``or`` and ``-without``."""

    function = "WEBSEARCH_TO_TSQUERY"
    output_field = TextField()

    def __init__(self, words: str) -> None:
        # A minus before anything but a word would say what is not to be there all the same, and 33 of them are an
        # error of PostgreSQL's.
        super().__init__(_configuration(), _Seen(Value(_STRAY_MINUS.sub(" ", words))))


class CanBeLookedUp(Func):
    """Whether an index tells where these :class:`Words` are. It does not for stop words, for punctuation, and for what
    says only what is not to be there."""

    function = "QUERYTREE"
    template = "%(function)s(%(expressions)s) NOT IN ('', 'T')"
    arity = 1
    output_field = BooleanField()


class Matches(Func):
    """Whether a vector has the :class:`Words`."""

    template = "%(expressions)s"
    arg_joiner = " @@ "
    arity = 2
    output_field = BooleanField()


class Relevance(Func):
    """How much of the :class:`Words` a vector has, from 0 to ``DEGREES``. The length of the text does not count: those
    that have a word once are equal."""

    function = "TS_RANK"
    template = f"(%(function)s(%(expressions)s) * {DEGREES})::integer"
    arity = 2
    output_field = IntegerField()


class Marked(Func):
    """A text with a mark before and behind each word that matches the :class:`Words`; without the words that are too
    long for PostgreSQL, of 2,047 bytes and more."""

    function = "TS_HEADLINE"
    output_field = TextField()

    def __init__(self, text: str, words: Words, mark: str) -> None:
        """``mark`` is letters and digits."""
        options = f"HighlightAll=true, StartSel={mark}, StopSel={mark}"
        super().__init__(_configuration(), _Seen(text), words, Value(options))
