"""People of the staff, who use the admin, and rows on which they act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from django_bpo_chat.models import Membership, Message
from tests.person import Person


def membership(uri: str, person: Person) -> Membership:
    return Membership.objects.get(chat__uri=uri, user=person.user)


def message(uri: str, seq: int = 1) -> Message:
    return Message.objects.get(chat__uri=uri, seq=seq)


@contextmanager
def hidden(model: type[Model]) -> Iterator[None]:
    """On a site that has taken its rows out of the admin."""
    model_admin = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    try:
        yield
    finally:
        admin.site.register(model, model_admin)


class Moderator:
    """Somebody of the staff, with these permissions, or, without any given, all."""

    def __init__(self, name: str, *permissions: str) -> None:
        self.person = Person(name)
        self.user: Any = self.person.user
        self.user.is_staff = True
        self.user.is_superuser = not permissions
        self.user.save()
        # Others may have permissions of the same name.
        found = Permission.objects.filter(
            codename__in=permissions, content_type__app_label__in=["bpo_chat", get_user_model()._meta.app_label]
        )
        assert len(found) == len(permissions)
        self.user.user_permissions.set(found)
        self.client = Client()
        self.client.force_login(self.user)

    def page(self, model: type[Model], name: str, row: Model | None = None) -> str:
        arguments = [] if row is None else [row.pk]
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=arguments)

    def get(self, model: type[Model], name: str, row: Model | None = None, **query: Any) -> Any:
        return self.client.get(self.page(model, name, row), query)

    def post(self, model: type[Model], name: str, row: Model | None = None, **form: Any) -> Any:
        return self.client.post(self.page(model, name, row), form)

    def edit(self, row: Model, **changed: Any) -> Any:
        """Open the row's page, change some of what its form shows, and save."""
        return self.save(row, self.form(row), **changed)

    def form(self, row: Model) -> dict[str, Any]:
        """All that the form on the row's page shows and hides."""
        form = self.get(type(row), "change", row).context["adminform"].form
        shown = {field.html_name: field.value() for field in form}
        return shown | {field.html_initial_name: field.value() for field in form if field.field.show_hidden_initial}

    def save(self, row: Model, form: dict[str, Any], **changed: Any) -> Any:
        """As a browser does, which sends nothing of a box that is not ticked."""
        kept = {name: value for name, value in {**form, **changed}.items() if value is not False}
        sent = {name: "on" if value is True else value for name, value in kept.items()}
        return self.post(type(row), "change", row, **sent)

    def act(self, action: str, rows: Sequence[Model], **form: Any) -> list[str]:
        """What the admin says to an action on these rows."""
        chosen = {"action": action, "_selected_action": [row.pk for row in rows], "index": 0, **form}
        answer: Any = self.client.post(self.page(type(rows[0]), "changelist"), chosen)
        assert answer.status_code in {200, 302}
        return [str(message) for message in get_messages(answer.wsgi_request)]

    def found(self, model: type[Model], search: str) -> list[Any]:
        answer = self.get(model, "changelist", q=search)
        assert answer.status_code == 200
        return list(answer.context["cl"].result_list)

    def log(self) -> list[tuple[str, str]]:
        """What the admin's log says that this one has done: to what, and what."""
        entries = LogEntry.objects.filter(user=self.user).order_by("id")
        return [(entry.object_repr, entry.get_change_message()) for entry in entries]
