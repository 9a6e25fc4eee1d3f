"""While a release starts, processes of the one before still write to its tables, however large these are."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.migrations import AddConstraint, AddField, AddIndex, AlterField, CreateModel, Migration, RemoveField
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import F
from django.utils import timezone

from django_bpo_chat import operations
from django_bpo_chat.clock import ClockTime
from django_bpo_chat.models import Chat, Message
from tests.many_rows import indexes_made_afterwards, insert
from tests.parallel import with_own_connection
from tests.person import Person

APP = "bpo_chat"
MIGRATIONS = sorted(name for app, name in MigrationLoader(None).disk_migrations if app == APP)

on_postgres = pytest.mark.skipif(
    "config.getoption('db') != 'postgres'", reason="SQLite has one writer at a time, a migration among them."
)


def state_before(migration: str) -> ProjectState:
    return MigrationLoader(connection).project_state((APP, migration), at_end=False)


# What others write meanwhile


@pytest.mark.users
@pytest.mark.django_db
@pytest.mark.parametrize("release", MIGRATIONS)
def test_messages_and_members_of_the_releases_before_are_stored(release: str, wali: Person, mabel: Person) -> None:
    """Each with the models as they were when this was the last migration."""
    uri = wali.start()
    models_then = MigrationLoader(connection).project_state((APP, release)).apps
    chat = models_then.get_model(APP, "Chat").objects.get(uri=uri)
    chat.version, chat.last_seq, chat.member_count = chat.version + 1, 1, 2
    chat.save()
    written = {"seq": 1, "version": chat.version, "text": "Hello", "created_at": timezone.now()}
    chat.messages.create(author_id=wali.user.pk, **written)
    chat.memberships.create(user_id=mabel.user.pk, version=chat.version)
    [message] = mabel.messages(uri)["results"]
    assert (message["message"], message["mentions"], message["reactions"], message["attachments"]) == (
        "Hello",
        [],
        [],
        [],
    )
    assert mabel.chat(uri)["muted"] is False


# Locks

TABLE = r'"(?P<table>\w+)"'
BRIEF = [
    r"CREATE TABLE .*",
    rf"ALTER TABLE {TABLE} ADD COLUMN \S+ [a-z ]+(\(\d+\))?( NULL| DEFAULT ([^\s()]+|'[^']*'(::jsonb)?)( NOT)? NULL)",
    rf"ALTER TABLE {TABLE} ADD CONSTRAINT .* NOT VALID",
    rf"ALTER TABLE {TABLE} DROP CONSTRAINT .*",
]
"""Statements that are done at once, whatever the size of the table; and so is all that is done to a new one."""

LONG = [
    rf"CREATE INDEX CONCURRENTLY \S+ ON {TABLE} .*",
    rf"CREATE UNIQUE INDEX CONCURRENTLY \S+ ON {TABLE} .*",
    r"DROP INDEX CONCURRENTLY .*",
    rf"ALTER TABLE {TABLE} VALIDATE CONSTRAINT \S+",
]
"""Those that take their time while others write; but in one transaction with another statement they would keep its
lock."""

ON_NEW_TABLES = [
    rf"ALTER TABLE {TABLE} ADD CONSTRAINT .*",
    rf"CREATE (UNIQUE )?INDEX \S+ ON {TABLE} .*",
    rf"COMMENT ON COLUMN {TABLE}\..*",
]


def keeping_writers_out(migration: Migration, before: ProjectState) -> Sequence[str]:
    """Those of its statements that could do so for as long as they take. All are known that do not; what Python does to
    rows can only be tried."""
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        migration.apply(before.clone(), editor, collect_sql=True)
    statements = [each.rstrip(";") for each in editor.collected_sql if not each.startswith("--")]
    new = {match[1] for each in statements if (match := re.match(r'CREATE TABLE "(\w+)"', each))}
    return [each for each in statements if not _lets_writers_in(each, new, is_atomic=migration.atomic)]


def _lets_writers_in(statement: str, new: set[str], *, is_atomic: bool) -> bool:
    if any((match := re.fullmatch(each, statement)) and match["table"] in new for each in ON_NEW_TABLES):
        return True
    return _is_one_of([*BRIEF, *([] if is_atomic else LONG)], statement)


def _is_one_of(patterns: Sequence[str], statement: str) -> bool:
    return any(re.fullmatch(each, statement) for each in patterns)


@on_postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", MIGRATIONS[1:])
def test_no_migration_keeps_writers_out(name: str) -> None:
    """After the first one, whose tables nobody has written to."""
    migration = MigrationLoader(connection).disk_migrations[APP, name]
    assert keeping_writers_out(migration, state_before(name)) == []


def future(*made: Any, atomic: bool = True) -> Migration:
    """A migration that a later release may have."""
    migration = Migration("future", APP)
    migration.operations, migration.atomic = list(made), atomic
    return migration


def safe() -> dict[str, Migration]:
    """Of each kind that is known to let writers in one, and how it is done."""
    from django.contrib.postgres import operations as postgres  # which cannot be imported without psycopg

    later = models.Q(edited_at=None) | models.Q(edited_at__gte=models.F("created_at"))
    return {
        "a column that may be empty": future(AddField("message", "future_note", models.TextField(null=True))),
        "columns with a default": future(
            AddField("message", "future_is_loud", models.BooleanField(db_default=False)),
            AddField("message", "future_tone", models.CharField(max_length=9, db_default="plain")),
            AddField("message", "future_weight", models.IntegerField(db_default=1)),
            AddField("message", "future_tags", models.JSONField(db_default=[])),
        ),
        "an index": future(
            postgres.AddIndexConcurrently("message", models.Index(fields=["edited_at"], name="future_index")),
            atomic=False,
        ),
        "a constraint": future(
            postgres.AddConstraintNotValid("message", models.CheckConstraint(condition=later, name="future_check")),
            postgres.ValidateConstraint("message", "future_check"),
            atomic=False,
        ),
        "a table": future(
            CreateModel(
                "star",
                [
                    ("id", models.BigAutoField(primary_key=True)),
                    ("message", models.ForeignKey("bpo_chat.message", models.CASCADE)),
                ],
            )
        ),
    }


def unsafe() -> dict[str, Migration]:
    """What looks just as harmless."""
    from django.contrib.postgres import operations as postgres

    check = models.CheckConstraint(condition=models.Q(seq__gte=0), name="future_check")
    return {
        "an index, while nobody writes": future(
            AddIndex("message", models.Index(fields=["edited_at"], name="future_index"))
        ),
        "a constraint, looked at at once": future(AddConstraint("message", check)),
        "and in the transaction that adds it": future(
            postgres.AddConstraintNotValid("message", check), postgres.ValidateConstraint("message", check.name)
        ),
        "a column that the release before leaves out": future(
            AddField("message", "future_is_loud", models.BooleanField(default=False))
        ),
        "a default that is another one in each row": future(
            AddField("message", "future_seen_at", models.DateTimeField(db_default=ClockTime()))
        ),
        "a column with a constraint": future(
            AddField("message", "future_weight", models.PositiveIntegerField(db_default=1))
        ),
        "another type": future(AlterField("message", "text", models.CharField(max_length=4000, blank=True))),
        "a column with an index": future(
            AddField("message", "future_note", models.IntegerField(null=True, db_index=True))
        ),
        "a column with a foreign key": future(
            AddField("message", "future_topic", models.ForeignKey("bpo_chat.chat", models.CASCADE, null=True))
        ),
        "a column less than the release before writes": future(RemoveField("message", "client_id")),
    }


@on_postgres
@pytest.mark.django_db(transaction=True)
def test_what_keeps_writers_out_is_told_from_what_does_not(subtests: pytest.Subtests) -> None:
    present = MigrationLoader(connection).project_state()
    for name, migration in safe().items():
        with subtests.test(name):
            assert keeping_writers_out(migration, present) == []
    for name, migration in unsafe().items():
        with subtests.test(name):
            assert keeping_writers_out(migration, present) != []


# Trying it

MESSAGES = int(os.environ.get("TEST_UPGRADES_MESSAGES", "50000"))
"""The long form has a million."""

SLOWEST_SECONDS = 1
SENT_BEFORE_AND_AFTER = 10


@pytest.fixture
def many_messages(transactional_db: None, wali: Person) -> str:
    """A chat in which wali has said as much as nobody has."""
    uri = wali.start()
    Chat.objects.filter(uri=uri).update(version=MESSAGES + 1, last_seq=MESSAGES)
    with indexes_made_afterwards(Message):
        insert(
            Message,
            f"bpo_chat_chat, generate_series(1, {MESSAGES}) n",
            {"wali": wali.user.pk},
            chat_id="bpo_chat_chat.id",
            seq="n",
            version="n + 1",
            author_id="%(wali)s",
            text="'thing' || n",
            vector="to_tsvector('simple', 'thing' || n)",
            created_at="now()",
        )
    return uri


class Sender(threading.Thread):
    """Sends one message after the other, and notes how many seconds each has taken."""

    def __init__(self, send: Callable[[int], object]) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.errors: list[Exception] = []
        self._send = send
        self._is_over = threading.Event()

    def run(self) -> None:
        with_own_connection(self._send_on)

    def _send_on(self) -> None:
        for number in count():
            if self._is_over.is_set():
                return
            began = time.monotonic()
            try:
                self._send(number)
            except Exception as error:  # noqa: BLE001  (whatever it is, it failed)
                self.errors.append(error)
            self.seconds.append(time.monotonic() - began)

    def stop(self) -> None:
        self._is_over.set()
        self.join()

    def wait_for_more(self) -> None:
        wanted = len(self.seconds) + SENT_BEFORE_AND_AFTER
        while len(self.seconds) < wanted:
            time.sleep(0.01)


def by_this_release(wali: Person, uri: str) -> Callable[[int], object]:
    return lambda number: operations.send_message(actor=wali.user, chat=uri, text=f"{number}")


def by_the_release_of(state: ProjectState, wali: Person, uri: str) -> Callable[[int], object]:
    """With the models as they were then."""
    chats: Any = state.apps.get_model(APP, "Chat").objects.filter(uri=uri)

    def send(number: int) -> None:
        with transaction.atomic():
            chats.update(version=F("version") + 1, last_seq=F("last_seq") + 1)
            chat = chats.get()
            place = {"seq": chat.last_seq, "version": chat.version}
            chat.messages.create(author_id=wali.user.pk, text=f"{number}", created_at=timezone.now(), **place)

    return send


@contextmanager
def sending(send: Callable[[int], object]) -> Iterator[Sender]:
    sender = Sender(send)
    sender.start()
    try:
        sender.wait_for_more()
        yield sender
        sender.wait_for_more()
    finally:
        sender.stop()


def run(migration: Migration, before: ProjectState, step: Callable[..., Any]) -> None:
    with connection.schema_editor(atomic=migration.atomic) as editor:
        step(before.clone(), editor)


@on_postgres
@pytest.mark.thorough
@pytest.mark.timeout(1200)
def test_nobody_waits_for_a_migration(subtests: pytest.Subtests, many_messages: str, wali: Person) -> None:
    loader = MigrationLoader(connection)
    ours = {name: (loader.disk_migrations[APP, name], state_before(name)) for name in MIGRATIONS[1:]}
    for migration, before in reversed(ours.values()):
        run(migration, before, migration.unapply)
    later = {name: (migration, loader.project_state()) for name, migration in safe().items()}
    for name, (migration, before) in {**ours, **later}.items():
        by = by_this_release(wali, many_messages) if name in later else by_the_release_of(before, wali, many_messages)
        with subtests.test(name):
            with sending(by) as sender:
                began = time.monotonic()
                run(migration, before, migration.apply)
                took = time.monotonic() - began
            if name in later:
                run(migration, before, migration.unapply)
            print(f"{name}: {took:.2f} s; {len(sender.seconds)} sent, the slowest in {max(sender.seconds):.2f} s")
            assert sender.errors == []
            assert max(sender.seconds) < SLOWEST_SECONDS
