"""Roles that no door gives yet."""

from __future__ import annotations

from django_bpo_chat.models import Membership
from tests.person import Person


def make_admin(uri: str, person: Person) -> None:
    changed = Membership.objects.filter(chat__uri=uri, user=person.user, left_at=None).update(role="admin")
    assert changed == 1
