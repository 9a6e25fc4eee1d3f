"""Read marks and unread counts."""

from __future__ import annotations

import pytest

from tests.person import Person

pytestmark = pytest.mark.users


def unread(person: Person, uri: str) -> int:
    count = person.chat(uri)["unread_count"]
    assert isinstance(count, int)
    [listed] = [chat for chat in person.chats()["results"] if chat["uri"] == uri]
    assert listed["unread_count"] == count
    return count


def test_what_others_send_is_unread(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    for _ in range(3):
        wali.send(uri)
    assert [unread(person, uri) for person in (wali, mabel, otis)] == [0, 3, 3]


def test_sending_moves_ones_own_mark(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(3):
        wali.send(uri)
    mabel.send(uri)
    assert (unread(wali, uri), unread(mabel, uri)) == (1, 0)


def test_a_repeated_sending_moves_no_mark(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Hello", client_id="a")
    wali.send(uri)
    mabel.send(uri, "Hello", client_id="a")
    assert unread(mabel, uri) == 1


def test_reading_moves_the_mark(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(5):
        wali.send(uri)
    answer = mabel.put(f"chats/{uri}/read/", {"seq": 2})
    assert (answer.status, answer.json) == (200, {"seq": 2, "unread_count": 3})
    assert unread(mabel, uri) == 3


def test_the_mark_never_moves_back(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(5):
        wali.send(uri)
    mabel.mark_read(uri, 4)
    for seq in (0, 1, 4):
        assert mabel.mark_read(uri, seq) == {"seq": 4, "unread_count": 1}
    assert unread(mabel, uri) == 1


def test_past_the_end_is_the_end(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    assert mabel.mark_read(uri, 7) == {"seq": 0, "unread_count": 0}
    wali.send(uri)
    wali.send(uri)
    assert mabel.mark_read(uri, 3) == {"seq": 2, "unread_count": 0}
    wali.send(uri)
    assert unread(mabel, uri) == 1
    assert mabel.mark_read(uri, 10**40) == {"seq": 3, "unread_count": 0}


def test_reading_is_no_change_of_the_chat(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    before = wali.chat(uri)
    mabel.mark_read(uri, 1)
    assert wali.chat(uri) == before


def test_deleted_messages_are_not_unread(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(6):
        wali.send(uri)
    mabel.mark_read(uri, 2)
    wali.erase(uri, 1)
    assert unread(mabel, uri) == 4
    wali.erase(uri, 4)
    wali.erase(uri, 4)
    wali.erase(uri, 6)
    assert unread(mabel, uri) == 2
    assert mabel.mark_read(uri, 3) == {"seq": 3, "unread_count": 1}
    assert mabel.mark_read(uri, 4) == {"seq": 4, "unread_count": 1}
    assert mabel.mark_read(uri, 5) == {"seq": 5, "unread_count": 0}


def test_edited_messages_stay_as_read_as_they_were(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    wali.send(uri)
    mabel.mark_read(uri, 1)
    wali.edit(uri, 1, "Edited")
    wali.edit(uri, 2, "Edited")
    assert unread(mabel, uri) == 1


def test_one_chats_deletions_do_not_count_in_another(wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    for chat in (uri, other):
        wali.send(chat)
        wali.send(chat)
    wali.erase(other, 1)
    assert (unread(mabel, uri), unread(mabel, other)) == (2, 1)


def test_for_who_joins_everything_before_is_read(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    for _ in range(3):
        wali.send(uri)
    assert mabel.join(uri)["unread_count"] == 0
    wali.send(uri)
    assert unread(mabel, uri) == 1
    assert mabel.mark_read(uri, 2) == {"seq": 3, "unread_count": 1}


def test_for_who_is_added_everything_before_is_read(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    wali.add(uri, mabel)
    assert unread(mabel, uri) == 0


def test_for_who_comes_back_everything_before_is_read(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    mabel.leave(uri)
    wali.send(uri)
    mabel.join(uri)
    assert unread(mabel, uri) == 0


def test_joining_again_does_not_read_for_one(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    mabel.join(uri)
    assert unread(mabel, uri) == 1


def test_everybody_has_a_mark_of_their_own(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.send(uri)
    mabel.mark_read(uri, 1)
    assert (unread(mabel, uri), unread(otis, uri)) == (0, 1)


def test_inheriting_a_chat_leaves_ones_mark_alone(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    wali.send(uri)
    mabel.mark_read(uri, 1)
    wali.leave(uri)
    assert unread(mabel, uri) == 1
