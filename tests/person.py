"""People who use the API: each with an HTTP client, and an account where they have one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from django_bpo_chat.adapter import get_adapter
from django_bpo_chat.users import User, handle, handle_field

API = "/api/v1/"
PASSWORD = "password123"
NO_BODY = object()

HANDLES_ARE_GIVEN = handle_field() == get_user_model()._meta.pk.name
"""Whether this site's people are known by their primary keys, so that none chooses how they are called."""

chosen_handles = pytest.mark.skipif(HANDLES_ARE_GIVEN, reason="Nobody chooses a handle here")
given_handles = pytest.mark.skipif(not HANDLES_ARE_GIVEN, reason="People choose their handles here")


FORM = "multipart/form-data; boundary=b"
"""The content type of what :func:`form` makes."""


def form(*parts: bytes) -> bytes:
    return (
        b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts if part) + b"--b--\r\n"
    )


def file_part(content: bytes = b"Hello", name: str = "hello.txt", *, field: str = "file", header: bytes = b"") -> bytes:
    """A part of a form, as browsers write it: they escape what would end the name."""
    for each, escaped in {"\r": "%0D", "\n": "%0A", '"': "%22"}.items():
        name = name.replace(each, escaped)
    return f'name="{field}"; filename="{name}"\r\n'.encode() + header + b"\r\n" + content


def only_with(user_model: str) -> pytest.MarkDecorator:
    """For tests of what is so on the site with this user model and on no other."""
    return pytest.mark.skipif(user_model != settings.AUTH_USER_MODEL, reason=f"Needs the site of {user_model}")


def account(email: str) -> User:
    """The user with this email."""
    user_model = get_user_model()
    return user_model._default_manager.get(**{user_model.get_email_field_name(): email})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    def done(self) -> Any:
        """The body of an answer to something that has to work."""
        assert 200 <= self.status < 300, f"{self.status} {self.content.decode()}"
        return self.json if self.content else None

    def is_same_as(self, other: Answer) -> bool:
        """Whether nobody can tell the two apart, by status, headers or bytes."""
        return (self.status, dict(self.headers), self.content) == (other.status, dict(other.headers), other.content)


class Visitor:
    """Somebody without an account. Paths are below ``/api/v1/``, unless they start with a slash or are links."""

    def ask(
        self,
        method: str,
        path: str,
        body: Any = NO_BODY,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """Send the body as JSON, or, where it is bytes, as it is."""
        body = b"" if body is NO_BODY else body
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = self.client().generic(
            method,
            path if path.startswith(("/", "http://")) else API + path,
            data,
            content_type=content_type,
            headers={**self.headers, **(headers or {})},
            query_params=query or None,
        )
        return Answer(response.status_code, response.headers, response.getvalue())

    def upload(self, uri: str, content: bytes = b"Hello", name: str = "hello.txt", more: bytes = b"") -> Answer:
        """Send a file to the chat, in a form, with more parts behind it."""
        body = form(file_part(content, name), more)
        return self.ask("POST", f"chats/{uri}/attachments/", body, content_type=FORM)

    def client(self) -> Client:
        # A new one for each request: then any number of threads may ask in the name of one person.
        return Client()

    @property
    def headers(self) -> dict[str, str]:
        return {}

    def get(self, path: str, **query: Any) -> Answer:
        return self.ask("GET", path, **query)

    def post(self, path: str, body: Any = NO_BODY) -> Answer:
        return self.ask("POST", path, body)

    def patch(self, path: str, body: Any = NO_BODY) -> Answer:
        return self.ask("PATCH", path, body)

    def put(self, path: str, body: Any = NO_BODY) -> Answer:
        return self.ask("PUT", path, body)

    def delete(self, path: str) -> Answer:
        return self.ask("DELETE", path)


class OnPage(Visitor):
    """Somebody on a page of the site's, with its session and the token against CSRF."""

    csrf_token = "x" * 32

    def __init__(self, user: User) -> None:
        self.user = user

    def client(self) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.user)
        client.cookies["csrftoken"] = self.csrf_token
        return client

    @property
    def headers(self) -> dict[str, str]:
        return {"X-CSRFToken": self.csrf_token}


class Bearer(Visitor):
    """Somebody who shows an access token."""

    def __init__(self, access: str) -> None:
        self._access = access

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access}"}


class Person(Visitor):
    """Somebody with an account, who logs in before they ask for the first time.

    What the verbs below do has to work; they return what it made. What may be refused is asked with
    ``get()``, ``post()`` and so on.
    """

    def __init__(self, name: str, **fields: Any) -> None:
        self.email = f"{name}@email.com"
        self.user = get_adapter().new_user(name, self.email, **fields)
        self.user.set_password(PASSWORD)
        self.user.save()
        self.username = handle(self.user)

    def log_in(self) -> dict[str, str]:
        """A new log-in: its access and its refresh token."""
        tokens: dict[str, str] = Visitor().post("users/login/", {"email": self.email, "password": PASSWORD}).done()
        return tokens

    @cached_property
    def access(self) -> str:
        return self.log_in()["access"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    def deactivate(self) -> None:
        self.user.is_active = False
        self.user.save()

    def change_password(self, password: str = "another password") -> None:
        self.user.set_password(password)
        self.user.save(update_fields=["password"])

    def start(self, *members: Person, **body: Any) -> str:
        """A new group chat with these members; its uri."""
        chat = self.post("chats/", {"members": [member.username for member in members], **body}).done()
        return str(chat["uri"])

    def start_direct(self, other: Person) -> str:
        return str(self.post("chats/", {"username": other.username}).done()["uri"])

    def join(self, uri: str) -> Any:
        return self.patch(f"chats/{uri}/", {}).done()

    def add(self, uri: str, other: Person) -> Any:
        return self.patch(f"chats/{uri}/", {"username": other.username}).done()

    def leave(self, uri: str) -> None:
        self.remove(uri, self)

    def remove(self, uri: str, other: Person) -> None:
        self.delete(f"chats/{uri}/members/{other.username}/").done()

    def edit_chat(self, uri: str, **details: Any) -> Any:
        return self.patch(f"chats/{uri}/", details).done()

    def chat(self, uri: str) -> Any:
        return self.get(f"chats/{uri}/").done()

    def chats(self, **query: Any) -> Any:
        return self.get("chats/", **query).done()

    def send(self, uri: str, text: str = "Hello world", **body: Any) -> Any:
        return self.post(f"chats/{uri}/messages/", {"message": text, **body}).done()

    def attach(self, uri: str, content: bytes = b"Hello", name: str = "hello.txt") -> Any:
        """A file for a message to come."""
        return self.upload(uri, content, name).done()

    def send_file(self, uri: str, content: bytes = b"Hello", name: str = "hello.txt") -> Any:
        """A message with this file; the file."""
        sent = self.send(uri, attachments=[self.attach(uri, content, name)["id"]])
        return sent["attachments"][0]

    def download(self, uri: str, file: Any, **query: Any) -> Answer:
        return self.get(f"chats/{uri}/attachments/{file['id']}/", **query)

    def edit(self, uri: str, seq: int, text: str) -> Any:
        return self.patch(f"chats/{uri}/messages/{seq}/", {"message": text}).done()

    def erase(self, uri: str, seq: int) -> Any:
        return self.delete(f"chats/{uri}/messages/{seq}/").done()

    def messages(self, uri: str, **query: Any) -> Any:
        return self.get(f"chats/{uri}/messages/", **query).done()

    def react(self, uri: str, seq: int, emoji: str) -> Any:
        return self.put(f"chats/{uri}/messages/{seq}/reactions/{quote(emoji)}/").done()

    def take_back(self, uri: str, seq: int, emoji: str) -> Any:
        return self.delete(f"chats/{uri}/messages/{seq}/reactions/{quote(emoji)}/").done()

    def change_role(self, uri: str, other: Person, role: str) -> Any:
        return self.patch(f"chats/{uri}/members/{other.username}/", {"role": role}).done()

    def ban(self, uri: str, other: Person) -> None:
        self.put(f"chats/{uri}/bans/{other.username}/").done()

    def unban(self, uri: str, other: Person) -> None:
        self.delete(f"chats/{uri}/bans/{other.username}/").done()

    def block(self, other: Person) -> None:
        self.put(f"blocks/{other.username}/").done()

    def unblock(self, other: Person) -> None:
        self.delete(f"blocks/{other.username}/").done()

    def report(self, uri: str, seq: int, reason: str = "Spam") -> None:
        self.post(f"chats/{uri}/messages/{seq}/report/", {"reason": reason}).done()

    def invite(self, uri: str, **body: Any) -> str:
        """The token of a new invite."""
        return str(self.post(f"chats/{uri}/invites/", body).done()["token"])

    def accept(self, token: str) -> Any:
        return self.post(f"invites/{token}/").done()

    def prefer(self, uri: str, **preferences: bool) -> Any:
        return self.patch(f"chats/{uri}/me/", preferences).done()

    def mark_unread(self, uri: str, seq: int) -> Any:
        return self.put(f"chats/{uri}/unread/", {"seq": seq}).done()

    def mark_read(self, uri: str, seq: int) -> Any:
        return self.put(f"chats/{uri}/read/", {"seq": seq}).done()

    def search(self, words: str, **query: Any) -> Any:
        return self.get("search/", q=words, **query).done()

    def changes(self, uri: str, since: int, **query: Any) -> Any:
        return self.get(f"chats/{uri}/changes/", since=since, **query).done()
