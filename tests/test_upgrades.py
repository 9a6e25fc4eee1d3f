"""While a release starts, processes of the one before still write to its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from django_bpo_chat import operations
from django_bpo_chat.models import Message, Report
from tests.person import Person

pytestmark = pytest.mark.users


def before(migration: str) -> Any:
    """The models as they were when this was the last migration."""
    return MigrationLoader(connection).project_state(("bpo_chat", migration)).apps


@pytest.mark.parametrize("migration", ["0002_index_messages_by_author_and_time", "0005_safety"])
def test_messages_and_members_of_the_release_before_are_stored(migration: str, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    models = before(migration)
    chat = models.get_model("bpo_chat", "Chat").objects.get(uri=uri)
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


@pytest.fixture
def migrate_to(transactional_db: None) -> Iterator[Callable[[str | None], None]]:
    """Have the tables as they were with this migration, until the end of the test."""

    def migrate(name: str | None) -> None:
        executor = MigrationExecutor(connection)
        [last] = executor.loader.graph.leaf_nodes("bpo_chat")
        executor.migrate([("bpo_chat", name) if name else last])

    yield migrate
    migrate(None)


def test_what_older_releases_did_not_have_is_no_obstacle_on_the_way_back(
    migrate_to: Callable[[str | None], None], wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "", attachments=[mabel.attach(uri, name="list.txt")["id"]])
    mabel.send(uri, "Hello")
    wali.report(uri, 2, "First")
    operations.resolve_report(report=Report.objects.get())
    mabel.edit(uri, 2, "Hello you")
    wali.report(uri, 2, "Second")
    migrate_to("0005_safety")
    models = before("0005_safety")
    texts = models.get_model("bpo_chat", "Message").objects.order_by("seq").values_list("text", flat=True)
    assert list(texts) == ["list.txt", "Hello you"]
    [report] = models.get_model("bpo_chat", "Report").objects.all()
    assert report.reason == "Second"


def test_reports_of_the_release_before_are_of_the_text_that_was_there(
    migrate_to: Callable[[str | None], None], wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    for _ in range(3):
        mabel.send(uri)
    mabel.edit(uri, 2, "Edited, then reported")
    for seq in (1, 2, 3):
        wali.report(uri, seq, "First")
    mabel.edit(uri, 3, "Reported, then edited")
    wali.report(uri, 3, "Second")
    migrate_to("0009_reports_again")
    reports = before("0009_reports_again").get_model("bpo_chat", "Report").objects.order_by("message__seq")
    assert list(reports.values_list("message__seq", "reason")) == [(1, "First"), (2, "First"), (3, "Second")]
    reports.filter(message__seq=3).update(created_at=Message.objects.get(seq=3).created_at)
    migrate_to(None)
    for seq in (1, 2, 3):
        wali.report(uri, seq, "Third")
    assert list(Report.objects.order_by("message__seq", "pk").values_list("message__seq", "reason")) == [
        (1, "First"),
        (2, "First"),
        (3, "Second"),
        (3, "Third"),
    ]
