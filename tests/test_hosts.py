"""What the app costs the other apps of a site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone


@pytest.mark.django_db
def test_other_models_keep_their_fast_deletes(django_assert_num_queries: Callable[[int], Any]) -> None:
    Session.objects.bulk_create(Session(session_key=f"{n}", expire_date=timezone.now()) for n in range(200))
    with django_assert_num_queries(1):
        Session.objects.all().delete()
