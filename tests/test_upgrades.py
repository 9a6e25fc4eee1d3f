"""While a release starts, processes of the one before still write to its tables."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

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
