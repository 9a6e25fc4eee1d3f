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


# Moving back


def test_a_message_is_marked_as_unread(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(5):
        wali.send(uri)
    mabel.mark_read(uri, 5)
    assert mabel.mark_unread(uri, 3) == {"seq": 3, "unread_count": 2}
    assert unread(mabel, uri) == 2
    assert mabel.mark_unread(uri, 0) == {"seq": 0, "unread_count": 5}
    assert mabel.mark_read(uri, 4) == {"seq": 4, "unread_count": 1}


def test_moving_back_never_moves_forward(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(5):
        wali.send(uri)
    mabel.mark_read(uri, 2)
    for seq in (2, 3, 10**30):
        assert mabel.mark_unread(uri, seq) == {"seq": 2, "unread_count": 3}


def test_what_one_may_not_see_never_becomes_unread(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    for _ in range(3):
        wali.send(uri)
    wali.edit_chat(uri, history="since_join")
    mabel.join(uri)
    wali.send(uri)
    mabel.mark_read(uri, 4)
    assert mabel.mark_unread(uri, 0) == {"seq": 3, "unread_count": 1}


def test_strangers_move_no_mark_back(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    assert mabel.put(f"chats/{uri}/unread/", {"seq": 0}).json["code"] == "not_a_member"
    for seq in (None, "1", -1, 1.5, True):
        answer = wali.put(f"chats/{uri}/unread/", {"seq": seq})
        assert (answer.status, answer.json.keys()) == (400, {"seq"}), seq


# One's own view


def test_how_one_wants_to_see_a_chat_is_nobody_elses_business(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    before = wali.chat(uri)
    assert mabel.prefer(uri, muted=True) == {"muted": True, "pinned": False, "archived": False}
    assert mabel.prefer(uri, pinned=True, archived=True) == {"muted": True, "pinned": True, "archived": True}
    assert mabel.prefer(uri, muted=False) == {"muted": False, "pinned": True, "archived": True}
    assert [mabel.chat(uri)[name] for name in ("muted", "pinned", "archived")] == [False, True, True]
    assert wali.chat(uri) == before


def test_only_members_have_a_view(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    assert mabel.patch(f"chats/{uri}/me/", {"muted": True}).json["code"] == "not_a_member"
    for body in ({}, {"color": "red"}, {"muted": "true"}, {"muted": 1}, {"muted": None}, [], None):
        assert wali.patch(f"chats/{uri}/me/", body).status == 400, body


def test_whoever_comes_back_finds_the_view_of_a_newcomer(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.prefer(uri, muted=True, pinned=True, archived=True)
    mabel.leave(uri)
    mabel.join(uri)
    assert not any(mabel.chat(uri)[name] for name in ("muted", "pinned", "archived"))
