"""What the app costs the other apps of a site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.urls import include, path, re_path
from django.utils import timezone

from django_bpo_chat import operations
from tests.person import Person, Visitor

urlpatterns = [
    path("api/v1/", include("django_bpo_chat.accounts.urls")),
    re_path(r"^api/(?P<version>v\d)/(?P<username>\w+)/", include("django_bpo_chat.urls")),
    re_path(r"^unnamed/(v\d)/", include("django_bpo_chat.urls")),
]


@pytest.mark.django_db
def test_other_models_keep_their_fast_deletes(django_assert_num_queries: Callable[[int], Any]) -> None:
    Session.objects.bulk_create(Session(session_key=f"{n}", expire_date=timezone.now()) for n in range(200))
    with django_assert_num_queries(1):
        Session.objects.all().delete()


@pytest.mark.django_db
def test_a_prefix_may_have_parts_of_its_own(settings: LazySettings, wali: Person, mabel: Person) -> None:
    """As those of REST framework's versions and of a site's tenants, of whatever name."""
    settings.ROOT_URLCONF = __name__
    assert wali.access
    for prefix in ("/api/v1/shop", "/api/v2/wali", "/unnamed/v3"):
        assert wali.get(f"{prefix}/users/me/").done()["username"] == wali.username
        uri = wali.post(f"{prefix}/chats/", {"members": [mabel.username]}).done()["uri"]
        assert wali.post(f"{prefix}/chats/{uri}/messages/", {"message": "Hello"}).status == 201
        assert wali.delete(f"{prefix}/chats/{uri}/members/{mabel.username}/").status == 204
        assert wali.get(f"{prefix}/chats/", limit=1).status == 200


@pytest.mark.django_db
def test_a_refusal_leaves_the_transaction_around_a_test_alone(wali: Person) -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert Visitor().get("chats/").status == 401
        assert wali.put("chats/").status == 405
        assert wali.ask("POST", "chats/", b"a", content_type="text/plain").status == 415
        assert not connection.needs_rollback
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False


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
