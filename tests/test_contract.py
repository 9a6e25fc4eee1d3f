"""What the product's documentation promises, word for word: sample bodies, URLs, and the shapes of the answers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import LazySettings

from tests.fixtures import Configure
from tests.person import FORM, NO_BODY, Bearer, Person, Visitor, file_part, form

CHAT = {
    *("uri", "kind", "title", "owner", "joinable", "history", "members", "member_count"),
    *("version", "last_message", "unread_count", "mention_count", "muted", "pinned", "archived", "created_at"),
}
MEMBER = {"username", "role", "joined_at", "left", "version"}
MESSAGE = {
    *("seq", "version", "user", "message", "created_at", "edited_at"),
    *("deleted", "reply_to", "client_id", "reactions", "mentions", "attachments"),
}
CHANGES = {"chat", "since", "version", "messages", "members", "details", "more"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_the_documented_samples_work_verbatim_and_in_order(visitor: Visitor, mabel: Person) -> None:
    wali = b'{"username":"wali","email":"wali@email.com","password":"password123","password2":"password123"}'
    answers = [visitor.ask("POST", "users/signup/", wali)]

    credentials = b'{"email":"wali@email.com","password":"password123"}'
    answers.append(visitor.ask("POST", "users/login/", credentials))
    wali_logged_in = Bearer(answers[-1].json["access"])
    answers.append(wali_logged_in.ask("POST", "users/refresh/", credentials))
    wali_refreshed = Bearer(answers[-1].json["access"])

    answers.append(mabel.ask("POST", "chats/", b"{}"))
    uri = answers[-1].json["uri"]
    # The documentation spells this one without a slash at the end.
    answers.append(wali_refreshed.ask("PATCH", f"chats/{uri}", b'{"username":"wali"}'))
    answers.append(wali_refreshed.ask("POST", f"chats/{uri}/messages/", b'{"message":"Hello world"}'))
    answers.append(wali_refreshed.ask("GET", f"chats/{uri}/messages/"))

    assert [answer.status for answer in answers] == [201, 200, 200, 201, 200, 201, 200]
    assert [each["message"] for each in answers[-1].json["results"]] == ["Hello world"]


def test_the_usual_refresh_works_too(wali: Person, visitor: Visitor) -> None:
    answer = visitor.post("users/refresh/", {"refresh": wali.log_in()["refresh"]})
    assert answer.status == 200
    assert Bearer(answer.json["access"]).get("users/me/").json == {"username": "wali", "email": "wali@email.com"}


URLS: list[tuple[str, str, Any, int]] = [
    (
        "POST",
        "users/signup",
        {"username": "ines", "email": "i@email.com", "password": "x-1y2z3-", "password2": ""},
        400,
    ),
    ("POST", "users/login", {"email": "wali@email.com", "password": "password123"}, 200),
    ("POST", "users/refresh", {"email": "wali@email.com", "password": "password123"}, 200),
    ("POST", "users/logout", {"refresh": "dead"}, 401),
    ("GET", "users/me", None, 200),
    ("GET", "chats", None, 200),
    ("POST", "chats", {}, 201),
    ("GET", "chats/{uri}", None, 200),
    ("PATCH", "chats/{uri}", {"username": "wali"}, 200),
    ("GET", "chats/{uri}/members", None, 200),
    ("PATCH", "chats/{uri}/members/mabel", {"role": "admin"}, 200),
    ("DELETE", "chats/{uri}/members/wali", None, 204),
    ("GET", "chats/{uri}/bans", None, 200),
    ("PUT", "chats/{uri}/bans/mabel", None, 204),
    ("DELETE", "chats/{uri}/bans/otis", None, 204),
    ("GET", "chats/{uri}/invites", None, 200),
    ("POST", "chats/{uri}/invites", {}, 201),
    ("DELETE", "chats/{uri}/invites/{invite}", None, 204),
    ("POST", "invites/{invite}", None, 200),
    ("PATCH", "chats/{uri}/me", {"muted": True}, 200),
    ("GET", "chats/{uri}/messages", None, 200),
    ("POST", "chats/{uri}/messages", {"message": "Hello world"}, 201),
    ("PATCH", "chats/{uri}/messages/1", {"message": "Hello you"}, 200),
    ("DELETE", "chats/{uri}/messages/1", None, 200),
    ("POST", "chats/{uri}/messages/2/report", {"reason": "Spam"}, 202),
    ("PUT", "chats/{uri}/messages/1/reactions/👍", None, 200),
    ("DELETE", "chats/{uri}/messages/1/reactions/👍", None, 200),
    ("POST", "chats/{uri}/attachments", form(file_part()), 201),
    ("GET", "chats/{uri}/attachments/{file}", None, 200),
    ("PUT", "chats/{uri}/unread", {"seq": 1}, 200),
    ("PUT", "chats/{uri}/read", {"seq": 1}, 200),
    ("GET", "chats/{uri}/changes", None, 200),
    ("GET", "search", None, 400),
    ("GET", "blocks", None, 200),
    ("PUT", "blocks/mabel", None, 204),
    ("DELETE", "blocks/otis", None, 204),
    ("GET", "people", None, 200),
    ("GET", "health", None, 200),
]
"""All there are, without their slashes; what stands in braces is the test's."""


@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
@pytest.mark.parametrize(("method", "path", "body", "status"), URLS, ids=[f"{url[0]} {url[1]}" for url in URLS])
def test_each_url_answers_with_and_without_its_slash(
    wali: Person, mabel: Person, otis: Person, method: str, path: str, body: Any, status: int, slash: str
) -> None:
    uri = wali.start(mabel)
    file = wali.send_file(uri)
    mabel.send(uri)
    wali.ban(uri, otis)
    wali.block(otis)

    path = path.format(uri=uri, file=file["id"], invite=wali.invite(uri)) + slash
    content_type = FORM if isinstance(body, bytes) else "application/json"
    answer = wali.ask(method, path, NO_BODY if body is None else body, content_type=content_type)

    assert answer.status == status, answer.content


@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
@pytest.mark.parametrize("path", sorted({path for _, path, _, _ in URLS}))
def test_no_verb_is_redirected(wali: Person, path: str, slash: str) -> None:
    path = path.format(uri=wali.start(), file="A" * 22, invite="A" * 22) + slash
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]:
        assert wali.ask(method, path, {}).status not in {301, 302, 307, 308}, method


def test_a_new_chat_looks_like_this(wali: Person, mabel: Person) -> None:
    answer = wali.post("chats/", {"title": "Picnic", "members": ["mabel"]})
    chat = answer.json
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert chat.keys() == CHAT
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", chat["uri"])
    [first, second] = chat["members"]
    assert first == {
        "username": "wali",
        "role": "owner",
        "left": False,
        "version": chat["version"],
        "joined_at": first["joined_at"],
    }
    assert (second["username"], second["role"], second["left"]) == ("mabel", "member", False)
    assert second.keys() == MEMBER
    assert {name: chat[name] for name in CHAT - {"uri", "members", "version", "created_at"}} == {
        "kind": "group",
        "title": "Picnic",
        "owner": "wali",
        "joinable": True,
        "history": "full",
        "member_count": 2,
        "last_message": None,
        "unread_count": 0,
        "mention_count": 0,
        "muted": False,
        "pinned": False,
        "archived": False,
    }
    assert chat == wali.chat(chat["uri"])
    assert chat == mabel.chat(chat["uri"])


def test_a_direct_chat_looks_like_this(wali: Person, mabel: Person) -> None:
    chat = wali.post("chats/", {"username": "mabel"}).done()
    assert chat.keys() == CHAT
    assert (chat["kind"], chat["owner"], chat["joinable"], chat["title"]) == ("direct", None, False, "")
    assert {(member["username"], member["role"]) for member in chat["members"]} == {
        ("wali", "member"),
        ("mabel", "member"),
    }


def test_a_message_looks_the_same_wherever_it_appears(wali: Person) -> None:
    uri = wali.start()
    answer = wali.post(f"chats/{uri}/messages/", {"message": " Hello world ", "client_id": "a-1"})
    message = answer.json
    assert answer.status == 201
    assert message.keys() == MESSAGE
    assert {name: message[name] for name in MESSAGE - {"version", "created_at"}} == {
        "seq": 1,
        "user": {"username": "wali"},
        "message": "Hello world",
        "edited_at": None,
        "deleted": False,
        "reply_to": None,
        "client_id": "a-1",
        "reactions": [],
        "mentions": [],
        "attachments": [],
    }
    assert wali.messages(uri)["results"] == [message]
    assert wali.changes(uri, 0)["messages"] == [message]
    assert wali.chat(uri)["last_message"] == message
    assert wali.chats()["results"][0]["last_message"] == message
    assert wali.send(uri, "Hello world", client_id="a-1") == message


def test_a_message_without_client_id_has_none(wali: Person) -> None:
    uri = wali.start()
    assert wali.send(uri)["client_id"] is None
    assert wali.send(uri, client_id=None)["client_id"] is None


def test_edits_and_deletions_show_on_the_message(wali: Person) -> None:
    uri = wali.start()
    sent = wali.send(uri, "Helo")
    edited = wali.edit(uri, 1, "Hello")
    assert edited == {**sent, "message": "Hello", "version": edited["version"], "edited_at": edited["edited_at"]}
    assert edited["version"] > sent["version"]
    assert edited["edited_at"] >= sent["created_at"]

    deleted = wali.erase(uri, 1)
    assert deleted == {**edited, "message": "", "deleted": True, "version": deleted["version"]}
    assert deleted["version"] > edited["version"]


def test_changes_look_like_this(wali: Person, mabel: Person) -> None:
    uri = wali.start(title="Picnic")
    start = wali.chat(uri)
    changes = wali.changes(uri, 0)
    assert changes == {
        "chat": uri,
        "since": 0,
        "version": start["version"],
        "messages": [],
        "members": start["members"],
        "details": {"title": "Picnic", "owner": "wali", "joinable": True, "history": "full"},
        "more": False,
    }
    assert changes.keys() == CHANGES

    mabel.join(uri)
    later = wali.changes(uri, start["version"])
    assert later.keys() == CHANGES
    assert [member["username"] for member in later["members"]] == ["mabel"]
    assert later["members"][0].keys() == MEMBER
    assert later["details"] is None


def test_lists_look_like_this(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    assert wali.get("chats/").json.keys() == {"next", "previous", "results"}
    assert wali.get(f"chats/{uri}/members/").json.keys() == {"next", "previous", "results"}
    messages = wali.get(f"chats/{uri}/messages/").json
    assert messages.keys() == {"version", "next", "previous", "results"}
    assert messages["version"] == wali.chat(uri)["version"]


def test_members_look_the_same_in_the_chat_and_in_their_list(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    assert wali.get(f"chats/{uri}/members/").json["results"] == wali.chat(uri)["members"]


def test_links_lead_to_the_same_api(wali: Person) -> None:
    uri = wali.start()
    for _ in range(2):
        wali.send(uri)
    link = urlsplit(wali.messages(uri, limit=1)["previous"])
    assert (link.scheme, link.netloc, link.path) == ("http", "testserver", f"/api/v1/chats/{uri}/messages/")


@pytest.mark.times
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_times_are_rfc_3339_in_utc_whatever_the_zone_of_the_site(
    settings: LazySettings, wali: Person, zone: str
) -> None:
    settings.TIME_ZONE = zone
    uri = wali.start()
    wali.send(uri)
    wali.edit(uri, 1, "Hello")
    chat = wali.chat(uri)
    times = [
        chat["created_at"],
        chat["members"][0]["joined_at"],
        chat["last_message"]["created_at"],
        chat["last_message"]["edited_at"],
        wali.changes(uri, 0)["messages"][0]["edited_at"],
    ]
    now = datetime.now(timezone.utc)
    for each in times:
        assert INSTANT.fullmatch(each)
        moment = datetime.fromisoformat(each.replace("Z", "+00:00"))
        assert abs(now - moment) < timedelta(minutes=5)


def test_the_site_chooses_which_field_is_the_username_on_the_wire(
    configure: Configure, wali: Person, mabel: Person
) -> None:
    configure(HANDLE_FIELD="email")
    uri = wali.start()
    assert wali.get("users/me/").json["username"] == "wali@email.com"
    assert wali.patch(f"chats/{uri}/", {"username": "mabel"}).status == 400
    chat = wali.patch(f"chats/{uri}/", {"username": "mabel@email.com"}).done()
    assert chat["owner"] == "wali@email.com"
    assert [member["username"] for member in chat["members"]] == ["wali@email.com", "mabel@email.com"]
    assert mabel.send(uri)["user"] == {"username": "mabel@email.com"}
    assert wali.delete(f"chats/{uri}/members/mabel@email.com/").status == 204
