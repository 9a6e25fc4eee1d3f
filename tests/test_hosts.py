"""What the app costs the other apps of a site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.utils import timezone

from django_bpo_chat import operations
from tests.person import Person


@pytest.mark.django_db
def test_other_models_keep_their_fast_deletes(django_assert_num_queries: Callable[[int], Any]) -> None:
    Session.objects.bulk_create(Session(session_key=f"{n}", expire_date=timezone.now()) for n in range(200))
    with django_assert_num_queries(1):
        Session.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_a_host_may_end_its_transactions_by_itself(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    transaction.set_autocommit(False)
    try:
        mabel.user.last_name = "Moss"
        mabel.user.save()
        operations.send_message(actor=mabel.user, chat=uri, text="Hello")
        transaction.commit()
        assert not connection.run_on_commit
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert [message["message"] for message in wali.messages(uri)["results"]] == ["Hello"]
