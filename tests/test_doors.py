"""What both doors offer, they offer alike: each test runs over HTTP and over a socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from tests.clients import ChatSocket, Connect
from tests.person import Answer, Person

pytest_plugins = ["tests.sockets"]

pytestmark = pytest.mark.users


@dataclass
class Outcome:
    """``result`` is what has been done; ``code`` and ``detail`` say why it has been refused."""

    result: Any = None
    code: str | None = None
    detail: str | None = None


class Door(Protocol):
    def send(self, person: Person, uri: str, text: Any, **fields: Any) -> Outcome: ...

    def mark_read(self, person: Person, uri: str, seq: Any) -> Outcome: ...

    def changes(self, person: Person, uri: str, since: Any) -> Outcome: ...


class HttpDoor:
    def send(self, person: Person, uri: str, text: Any, **fields: Any) -> Outcome:
        return self._outcome(person.post(f"chats/{uri}/messages/", {"message": text, **fields}))

    def mark_read(self, person: Person, uri: str, seq: Any) -> Outcome:
        return self._outcome(person.put(f"chats/{uri}/read/", {"seq": seq}))

    def changes(self, person: Person, uri: str, since: Any) -> Outcome:
        return self._outcome(person.get(f"chats/{uri}/changes/", since=since))

    def _outcome(self, answer: Answer) -> Outcome:
        if answer.status < 300:
            return Outcome(answer.json)
        if "code" in answer.json:
            return Outcome(code=answer.json["code"], detail=answer.json["detail"])
        # A body that does not validate: what is wrong, by field.
        return Outcome(code="invalid", detail=" ".join(text for texts in answer.json.values() for text in texts))


@dataclass
class SocketDoor:
    connect: Connect
    sockets: dict[str, ChatSocket] = field(default_factory=dict)

    def send(self, person: Person, uri: str, text: Any, **fields: Any) -> Outcome:
        outcome = self._ask(person, "message.send", chat=uri, message=text, **fields)
        return Outcome(outcome.result["message"]) if outcome.result else outcome

    def mark_read(self, person: Person, uri: str, seq: Any) -> Outcome:
        return self._ask(person, "read", chat=uri, seq=seq)

    def changes(self, person: Person, uri: str, since: Any) -> Outcome:
        return self._ask(person, "resume", chat=uri, since=since)

    def _ask(self, person: Person, kind: str, **fields: Any) -> Outcome:
        if person.username not in self.sockets:
            self.sockets[person.username] = self.connect(person)
        answer = self.sockets[person.username].ask(kind, **fields)
        if answer.pop("type") == "error":
            return Outcome(code=answer["code"], detail=answer["detail"])
        del answer["id"]
        return Outcome(answer)


@pytest.fixture(params=["http", "socket"])
def door(request: pytest.FixtureRequest, transactional_db: None) -> Door:
    return HttpDoor() if request.param == "http" else SocketDoor(request.getfixturevalue("connect"))


def test_members_send(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    texts = [" Hello\n\nworld ", "<b>&amp;</b>", "\u202eolleh \U0001f468\u200d\U0001f469\u200d\U0001f467", "x" * 4000]
    outcomes = [door.send(mabel, uri, text) for text in texts]
    assert [outcome.result for outcome in outcomes] == wali.messages(uri)["results"]
    assert [outcome.result["message"] for outcome in outcomes] == [text.strip() for text in texts]
    assert [outcome.result["seq"] for outcome in outcomes] == [1, 2, 3, 4]
    assert {outcome.result["user"]["username"] for outcome in outcomes} == {mabel.username}


def test_a_repeated_client_id_gives_the_same_message(door: Door, wali: Person) -> None:
    uri = wali.start()
    first = door.send(wali, uri, "Hello world", client_id="c1")
    assert first.result["client_id"] == "c1"
    assert door.send(wali, uri, "Hello world", client_id="c1") == first
    assert door.send(wali, uri, " Hello world ", client_id="c1") == first

    wali.edit(uri, 1, "Hello you")
    [edited] = wali.messages(uri)["results"]
    assert door.send(wali, uri, "Hello world", client_id="c1").result == edited
    wali.erase(uri, 1)
    [erased] = wali.messages(uri)["results"]
    assert door.send(wali, uri, "Hello world", client_id="c1").result == erased


def test_a_client_id_is_the_authors_own_and_the_chats(door: Door, wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    names = [(wali, uri), (mabel, uri), (wali, other)]
    outcomes = [door.send(person, chat, "Hello world", client_id="c1") for person, chat in names]
    assert [outcome.result["seq"] for outcome in outcomes] == [1, 2, 1]


def test_another_text_with_the_same_client_id_is_refused(door: Door, wali: Person) -> None:
    uri = wali.start()
    door.send(wali, uri, "Hello world", client_id="c1")
    refused = Outcome(code="client_id_reused", detail="You have sent another text with this client_id.")
    assert door.send(wali, uri, "Hello you", client_id="c1") == refused
    assert [message["message"] for message in wali.messages(uri)["results"]] == ["Hello world"]


def test_a_client_id_of_null_is_none(door: Door, wali: Person) -> None:
    uri = wali.start()
    outcomes = [door.send(wali, uri, "Hello world", client_id=None) for _ in range(2)]
    assert [(outcome.result["seq"], outcome.result["client_id"]) for outcome in outcomes] == [(1, None), (2, None)]


NO_TEXTS: list[tuple[dict[str, Any], str | None]] = [
    ({"text": ""}, "This field may not be blank."),
    ({"text": " \n\t\u2003"}, "This field may not be blank."),
    ({"text": "\u200b\u2060\ufeff"}, "This field may not be blank."),
    ({"text": "\u2800 \u3164"}, "This field may not be blank."),
    ({"text": "x" * 4001}, "Ensure this field has no more than 4000 characters."),
    ({"text": "a\0b"}, None),
    ({"text": "a\ud800b"}, None),
    ({"text": None}, "This field may not be null."),
    ({"text": 5}, "Not a valid string."),
    ({"text": ["Hello"]}, "Not a valid string."),
    ({"text": "Hello", "client_id": "x" * 65}, "Ensure this field has no more than 64 characters."),
    ({"text": "Hello", "client_id": "a\nb"}, "Only printable characters are allowed."),
    ({"text": "Hello", "client_id": 5}, "Not a valid string."),
]


def test_what_is_no_text_is_not_sent(door: Door, wali: Person) -> None:
    uri = wali.start()
    for fields, detail in NO_TEXTS:
        outcome = door.send(wali, uri, **fields)
        assert outcome.code == "invalid", fields
        assert outcome.detail == detail or (detail is None and outcome.detail), fields
    assert wali.chat(uri)["version"] == 1


def refusals(door: Door, person: Person, uri: str) -> list[Outcome]:
    return [door.send(person, uri, "Hello world"), door.mark_read(person, uri, 1), door.changes(person, uri, 0)]


NOT_A_MEMBER = Outcome(code="not_a_member", detail="You are not a member of this chat.")
NOT_FOUND = Outcome(code="not_found", detail="Not found.")


def test_strangers_do_nothing_and_learn_nothing(door: Door, wali: Person, mabel: Person, otis: Person) -> None:
    assert refusals(door, otis, wali.start(mabel)) == [NOT_A_MEMBER] * 3

    closed = wali.start(mabel)
    wali.edit_chat(closed, joinable=False)
    for hidden in [closed, wali.start_direct(mabel), "A" * 22, "no-uri"]:
        assert refusals(door, otis, hidden) == [NOT_FOUND] * 3, hidden


def test_whoever_has_left_is_a_stranger(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    door.send(mabel, uri, "Hello world")
    mabel.leave(uri)
    assert refusals(door, mabel, uri) == [NOT_A_MEMBER] * 3
    wali.edit_chat(uri, joinable=False)
    assert refusals(door, mabel, uri) == [NOT_FOUND] * 3
    assert len(wali.messages(uri)["results"]) == 1


def test_whoever_is_blocked_does_not_write_to_who_blocks_them(door: Door, wali: Person, mabel: Person) -> None:
    uri, group = wali.start_direct(mabel), wali.start(mabel)
    first = door.send(mabel, uri, "Hello", client_id="a")
    wali.block(mabel)
    refused = Outcome(code="not_allowed", detail="You may not do this.")
    assert door.send(mabel, uri, "Hello") == refused
    assert door.send(mabel, uri, "Hello", client_id="b", reply_to=1) == refused
    assert door.send(mabel, uri, "Hello", client_id="a") == first
    assert door.mark_read(mabel, uri, 1).result == {"seq": 1, "unread_count": 0}
    assert door.changes(mabel, uri, 0).result["messages"] == [first.result]
    assert door.send(mabel, group, "Hello").result["seq"] == 1
    assert door.send(wali, uri, "Hello").result["seq"] == 2
    wali.unblock(mabel)
    assert door.send(mabel, uri, "Hello").result["seq"] == 3


def test_a_reply_names_the_message_that_it_answers(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for expected in (None, 1, 1, 3):
        assert door.send(mabel, uri, "Hello", reply_to=expected).result["reply_to"] == expected
    assert [message["reply_to"] for message in wali.messages(uri)["results"]] == [None, 1, 1, 3]
    wali.erase(uri, 1)
    assert door.send(mabel, uri, "Hello", reply_to=1).result["reply_to"] == 1


def test_only_messages_that_one_sees_are_answered(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    wali.edit_chat(uri, history="since_join")
    mabel.join(uri)
    wali.send(uri)
    for reply_to in (0, 1, 3, 4, 10**30, -1, "2", True, [2]):
        outcome = door.send(mabel, uri, "Hello", reply_to=reply_to)
        assert outcome.code == "invalid", reply_to
    assert wali.chat(uri)["last_message"]["seq"] == 2
    assert door.send(mabel, uri, "Hello", reply_to=2).result["reply_to"] == 2


def test_a_repetition_is_the_reply_of_the_first_time(door: Door, wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    first = door.send(wali, uri, "Hello", client_id="a", reply_to=1)
    assert door.send(wali, uri, "Hello", client_id="a", reply_to=7).result == first.result


def test_files_are_sent_with_a_message(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    first, second = mabel.attach(uri, b"Hello"), mabel.attach(uri, b"World")
    sent = door.send(mabel, uri, "Look", attachments=[second["id"], first["id"], second["id"]])
    assert sent.result["attachments"] == [second, first]
    alone = mabel.attach(uri)
    assert door.send(mabel, uri, "", attachments=[alone["id"]]).result["attachments"] == [alone]
    assert door.send(mabel, uri, "Hello", attachments=[]).result["attachments"] == []
    assert door.send(mabel, uri, "Hello", attachments=None).result["attachments"] == []
    assert wali.messages(uri)["results"][0] == sent.result
    assert [wali.download(uri, file).content for file in (first, second)] == [b"Hello", b"World"]


def test_only_ones_own_files_of_this_chat_are_sent_and_only_once(door: Door, wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    own, sent = mabel.attach(uri), mabel.send_file(uri)
    walis, elsewhere = [wali.attach(uri), wali.send_file(uri)], mabel.attach(other)
    refused = Outcome(code="invalid", detail="There is no such file, or it has been sent.")
    for file in (*walis, elsewhere, sent, {"id": "A" * 22}):
        assert door.send(mabel, uri, "Look", attachments=[own["id"], file["id"]]) == refused, file
    assert wali.chat(uri)["last_message"]["seq"] == 2
    assert door.send(mabel, uri, "Look", attachments=[own["id"]]).result["attachments"] == [own]
    assert door.send(mabel, uri, "Look", attachments=[own["id"]]) == refused


def test_a_repetition_has_the_files_of_the_first_time(door: Door, wali: Person) -> None:
    uri = wali.start()
    file = wali.attach(uri)
    first = door.send(wali, uri, "", client_id="a", attachments=[file["id"]])
    assert door.send(wali, uri, "", client_id="a", attachments=[file["id"]]) == first
    other = door.send(wali, uri, "", client_id="a", attachments=[wali.attach(uri)["id"]])
    assert other.code == "client_id_reused"


def test_what_is_no_list_of_files_is_refused(door: Door, wali: Person) -> None:
    uri = wali.start()
    for attachments in ("x", {"a": 1}, 1, [1], [None], [["a"]], True):
        outcome = door.send(wali, uri, "Look", attachments=attachments)
        assert outcome.code == "invalid", attachments
        assert outcome.detail
    assert wali.chat(uri)["version"] == 1


def test_members_mark_what_they_have_read(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(3):
        wali.send(uri)
    assert door.mark_read(mabel, uri, 2).result == {"seq": 2, "unread_count": 1}
    assert door.mark_read(mabel, uri, 1).result == {"seq": 2, "unread_count": 1}
    assert door.mark_read(mabel, uri, 0).result == {"seq": 2, "unread_count": 1}
    assert door.mark_read(mabel, uri, 10**30).result == {"seq": 3, "unread_count": 0}
    assert mabel.chat(uri)["unread_count"] == 0


def test_what_is_no_seq_is_not_marked(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    for seq in [None, "1", -1, 1.5, True, [1]]:
        outcome = door.mark_read(mabel, uri, seq)
        assert outcome.code == "invalid", seq
        assert outcome.detail
    assert mabel.chat(uri)["unread_count"] == 1


def test_the_changes_are_the_same_whichever_door_one_asks_at(door: Door, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "First")
    wali.send(uri, "Second")
    wali.erase(uri, 1)
    changes = door.changes(mabel, uri, 2).result
    assert (changes["since"], changes["version"], changes["more"]) == (2, 4, False)
    assert changes["messages"] == sorted(mabel.messages(uri)["results"], key=lambda message: message["version"])
    assert (changes["members"], changes["details"]) == ([], None)


def test_whoever_is_ahead_of_the_chat_is_told_to_start_anew(door: Door, wali: Person) -> None:
    reset = door.changes(wali, wali.start(), 7).result
    assert {name: reset[name] for name in reset if name not in {"reset", "chat"}} == {"version": 1}
