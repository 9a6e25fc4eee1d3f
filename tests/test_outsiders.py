"""Whoever is out of a chat is out of all of it: each call and each frame, at once, also on a socket that was open."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from django_bpo_chat.api import urls
from django_bpo_chat.live.frames import FRAMES
from django_bpo_chat.live.pace import TYPING_SECONDS
from tests.clients import ChatSocket, Connect
from tests.person import FORM, NO_BODY, Answer, Person, Visitor, file_part, form

pytest_plugins = ["tests.sockets"]

pytestmark = pytest.mark.users

UNKNOWN = "x" * 22
"""The uri of no chat."""


@dataclass(frozen=True)
class Call:
    """Something that a member could ask of a chat, in which wali has sent the first message with a file, and mabel the
    second one. What stands in braces is the place's."""

    method: str
    path: str
    body: Any = NO_BODY
    content_type: str = "application/json"

    def ask(self, person: Visitor, uri: str, **names: str) -> Answer:
        path = f"chats/{uri}/{self.path.format(**names)}"
        return person.ask(self.method, path, self.body, content_type=self.content_type)


CALLS: Mapping[tuple[str, str], Call] = {
    ("chat", "get"): Call("GET", ""),
    ("chat", "patch"): Call("PATCH", "", {"title": "Mine"}),
    ("members", "get"): Call("GET", "members/"),
    ("member", "patch"): Call("PATCH", "members/{wali}/", {"role": "member"}),
    ("member", "delete"): Call("DELETE", "members/{wali}/"),
    ("bans", "get"): Call("GET", "bans/"),
    ("ban", "put"): Call("PUT", "bans/{wali}/"),
    ("ban", "delete"): Call("DELETE", "bans/{mabel}/"),
    ("invites", "get"): Call("GET", "invites/"),
    ("invites", "post"): Call("POST", "invites/", {}),
    ("invite", "delete"): Call("DELETE", "invites/{invite}/"),
    ("preferences", "patch"): Call("PATCH", "me/", {"muted": True}),
    ("messages", "get"): Call("GET", "messages/"),
    ("messages", "post"): Call("POST", "messages/", {"message": "Hello"}),
    ("message", "patch"): Call("PATCH", "messages/2/", {"message": "Hello"}),
    ("message", "delete"): Call("DELETE", "messages/2/"),
    ("report", "post"): Call("POST", "messages/1/report/", {"reason": "Spam"}),
    ("reaction", "put"): Call("PUT", "messages/1/reactions/👍/"),
    ("reaction", "delete"): Call("DELETE", "messages/1/reactions/👍/"),
    ("attachments", "post"): Call("POST", "attachments/", form(file_part()), FORM),
    ("attachment", "get"): Call("GET", "attachments/{file}/"),
    ("unread", "put"): Call("PUT", "unread/", {"seq": 1}),
    ("read", "put"): Call("PUT", "read/", {"seq": 2}),
    ("changes", "get"): Call("GET", "changes/"),
}

ADDITIONS = {("messages", "post"), ("message", "patch"), ("reaction", "put"), ("attachments", "post")}
"""What a block keeps somebody from, in the personal chat."""

OF_GROUPS = {("chat", "patch")} | {name for name in CALLS if name[0] in {"member", "bans", "ban", "invites", "invite"}}
"""What a personal chat does not have."""


def test_no_call_is_forgotten() -> None:
    with_chat = [pattern for pattern in urls.urlpatterns if "uri" in pattern.pattern.regex.groupindex]
    verbs = {
        (pattern.name, verb)
        for pattern in with_chat
        for verb in ("get", "post", "put", "patch", "delete")
        if hasattr(pattern.callback.view_class, verb)
    }
    assert verbs == CALLS.keys()


class Place:
    """A chat of wali and mabel, with what all calls need to find."""

    def __init__(self, uri: str, wali: Person, mabel: Person) -> None:
        self.uri, self.wali = uri, wali
        file = wali.send_file(uri)
        mabel.send(uri)
        mabel.react(uri, 1, "👍")
        self.names = {"wali": wali.username, "mabel": mabel.username, "file": file["id"], "invite": UNKNOWN}

    def ask(self, call: Call, person: Visitor, uri: str | None = None) -> Answer:
        return call.ask(person, uri or self.uri, **self.names)

    def state(self) -> Any:
        """All that its owner sees of it."""
        return self.wali.chat(self.uri), self.wali.messages(self.uri), self.wali.changes(self.uri, 0)


@pytest.fixture
def group(wali: Person, mabel: Person) -> Place:
    place = Place(wali.start(mabel), wali, mabel)
    place.names["invite"] = wali.invite(place.uri)
    return place


def leave(place: Place, mabel: Person) -> None:
    mabel.leave(place.uri)


def be_removed(place: Place, mabel: Person) -> None:
    place.wali.remove(place.uri, mabel)


def be_removed_for_good(place: Place, mabel: Person) -> None:
    place.wali.remove(place.uri, mabel)
    place.wali.edit_chat(place.uri, joinable=False)


def be_banned(place: Place, mabel: Person) -> None:
    place.wali.ban(place.uri, mabel)


Exit = Callable[[Place, Person], None]


@pytest.mark.parametrize("go", [leave, be_removed])
def test_whoever_is_out_is_no_member_at_any_call(go: Exit, group: Place, mabel: Person) -> None:
    go(group, mabel)
    before = group.state()
    for name, call in CALLS.items():
        answer = group.ask(call, mabel)
        assert (answer.status, answer.json["code"]) == (403, "not_a_member"), name
    assert group.state() == before


@pytest.mark.parametrize("go", [be_removed_for_good, be_banned])
def test_whoever_may_not_come_back_finds_no_chat_at_any_call(go: Exit, group: Place, mabel: Person) -> None:
    go(group, mabel)
    before = group.state()
    for name, call in {**CALLS, "join": Call("PATCH", "", {})}.items():
        assert group.ask(call, mabel).is_same_as(group.ask(call, mabel, UNKNOWN)), name
        assert group.ask(call, mabel).status == 404, name
    assert group.state() == before


def test_a_stranger_finds_no_personal_chat_at_any_call(wali: Person, mabel: Person, otis: Person) -> None:
    place = Place(wali.start_direct(mabel), wali, mabel)
    before = place.state()
    for name, call in {**CALLS, "join": Call("PATCH", "", {})}.items():
        assert place.ask(call, otis).is_same_as(place.ask(call, otis, UNKNOWN)), name
        assert place.ask(call, otis).status == 404, name
    assert place.state() == before


def test_numbers_and_files_of_another_chat_name_nothing_here(group: Place, wali: Person, mabel: Person) -> None:
    """Not even to somebody who is in both."""
    here = wali.start(mabel)
    for _ in range(2):
        wali.send(group.uri)
    file, invite = wali.attach(group.uri)["id"], wali.invite(group.uri)
    before = wali.chat(here), group.state()
    reply = {"message": "Hello", "reply_to": 3}
    assert wali.post(f"chats/{here}/messages/", reply).json == {"reply_to": ["There is no such message."]}
    unsent = {"message": "Hello", "attachments": [file]}
    assert wali.post(f"chats/{here}/messages/", unsent).status == 400
    for method, path, body in [
        ("PATCH", "messages/{}/", {"message": "Hello"}),
        ("DELETE", "messages/{}/", NO_BODY),
        ("PUT", "messages/{}/reactions/👍/", NO_BODY),
        ("DELETE", "messages/{}/reactions/👍/", NO_BODY),
        ("POST", "messages/{}/report/", {"reason": "Spam"}),
    ]:
        there, nowhere = (mabel.ask(method, f"chats/{here}/{path.format(seq)}", body) for seq in (3, 10**6))
        assert there.is_same_as(nowhere), path
        assert there.status == 404, path
    for name in (file, group.names["file"]):
        there, nowhere = (wali.get(f"chats/{here}/attachments/{each}/") for each in (name, UNKNOWN))
        assert there.status == 404
        assert there.is_same_as(nowhere)
    assert wali.delete(f"chats/{here}/invites/{invite}/").status == 404
    assert (wali.chat(here), group.state()) == before


def test_a_visitor_is_asked_to_log_in_at_any_call(group: Place, visitor: Visitor) -> None:
    for name, call in CALLS.items():
        assert group.ask(call, visitor).is_same_as(group.ask(call, visitor, UNKNOWN)), name
        assert group.ask(call, visitor).status == 401, name


def test_whom_one_blocks_adds_nothing_to_the_personal_chat(wali: Person, mabel: Person) -> None:
    place = Place(wali.start_direct(mabel), wali, mabel)
    wali.block(mabel)
    before = place.state()
    for name, call in CALLS.items():
        if name in ADDITIONS | OF_GROUPS:
            answer = place.ask(call, mabel)
            assert (answer.status, answer.json["code"]) == (403, "not_allowed"), name
    assert place.state() == before
    for name, call in CALLS.items():
        if name not in ADDITIONS | OF_GROUPS:
            assert place.ask(call, mabel).status in {200, 202}, name


def frames(uri: str) -> Mapping[str, Mapping[str, Any]]:
    return {
        "message.send": {"chat": uri, "message": "Hello"},
        "resume": {"chat": uri, "since": 0},
        "read": {"chat": uri, "seq": 2},
        "typing": {"chat": uri},
    }


def refusals(socket: ChatSocket, uri: str) -> set[tuple[Any, Any]]:
    answers = [socket.ask(kind, **fields) for kind, fields in frames(uri).items()]
    return {(answer["type"], answer.get("code")) for answer in answers}


def test_no_frame_is_forgotten() -> None:
    assert frames("").keys() == {name for name, frame in FRAMES.items() if "chat" in frame.input().fields}


@pytest.mark.parametrize(
    ("go", "code"),
    [
        (leave, "not_a_member"),
        (be_removed, "not_a_member"),
        (be_removed_for_good, "not_found"),
        (be_banned, "not_found"),
    ],
)
def test_at_once_on_a_socket_that_is_open(go: Exit, code: str, connect: Connect, wali: Person, mabel: Person) -> None:
    group = Place(wali.start(mabel), wali, mabel)
    socket = connect(mabel)
    assert refusals(socket, group.uri) == {("ok", None), ("changes", None)}
    go(group, mabel)
    assert refusals(socket, group.uri) == {("error", code)}
    wali.send(group.uri, "Nobody else hears this")
    wali.react(group.uri, 2, "🎉")
    wali.edit_chat(group.uri, title="Without her")
    heard = [frame for frame in socket.heard() if frame["type"] == "changes"]
    own_rows = [row for frame in heard for row in frame["members"] if row["username"] == mabel.username]
    assert [row["left"] for row in own_rows][-1:] == [True]
    assert "Nobody else" not in str(heard)
    assert "Without her" not in str(heard)


def test_at_once_for_whom_one_blocks(connect: Connect, wali: Person, mabel: Person) -> None:
    place = Place(wali.start_direct(mabel), wali, mabel)
    socket = connect(mabel)
    assert refusals(socket, place.uri) == {("ok", None), ("changes", None)}
    time.sleep(TYPING_SECONDS)  # so that a frame that is let through is not dropped for coming too early
    wali.block(mabel)
    for kind, fields in frames(place.uri).items():
        answer = socket.ask(kind, **fields)
        expected = "not_allowed" if kind in {"message.send", "typing"} else None
        assert answer.get("code") == expected, kind
