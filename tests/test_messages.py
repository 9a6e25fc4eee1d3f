"""Sending, reading, editing and deleting messages."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.test.utils import isolate_apps

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.exceptions import Invalid
from django_bpo_chat.models import Chat, Message
from tests.fixtures import Configure
from tests.person import Person, only_with


def seqs(page: Any) -> list[int]:
    return [message["seq"] for message in page["results"]]


def seqs_behind(person: Person, link: str | None) -> list[int] | None:
    return None if link is None else seqs(person.get(link).done())


# Sending


def test_messages_are_numbered_from_1_without_a_hole(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    other = wali.start()
    sent = [person.send(uri)["seq"] for person in (wali, mabel, wali)]
    # Refusals use no number up.
    wali.post(f"chats/{uri}/messages/", {"message": ""})
    wali.send(other)
    wali.send(uri, "a", client_id="a")
    wali.send(uri, "a", client_id="a")
    wali.post(f"chats/{uri}/messages/", {"message": "b", "client_id": "a"})
    sent.append(mabel.send(uri)["seq"])
    assert sent == [1, 2, 3, 5]
    assert seqs(wali.messages(uri)) == [1, 2, 3, 4, 5]


def test_each_message_is_the_next_version_of_its_chat(wali: Person) -> None:
    uri = wali.start()
    start = wali.chat(uri)["version"]
    assert [wali.send(uri)["version"] for _ in range(3)] == [start + 1, start + 2, start + 3]
    assert wali.chat(uri)["version"] == start + 3


def test_what_is_refused_takes_no_version(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri, client_id="a")
    version = wali.chat(uri)["version"]
    wali.send(uri, client_id="a")
    for refused in [
        wali.post(f"chats/{uri}/messages/", {"message": ""}),
        wali.post(f"chats/{uri}/messages/", {"message": "b", "client_id": "a"}),
        mabel.patch(f"chats/{uri}/messages/1/", {"message": "b"}),
        mabel.delete(f"chats/{uri}/messages/1/"),
        wali.delete(f"chats/{uri}/messages/2/"),
    ]:
        assert refused.status in {400, 403, 404, 409}
    assert wali.chat(uri)["version"] == version
    assert wali.send(uri)["version"] == version + 1


def test_a_text_is_trimmed_outside_and_untouched_inside(wali: Person) -> None:
    uri = wali.start()
    inside = "a  b\n\n\tc \u200b \r\n d\u0000".rstrip("\u0000")
    assert wali.send(uri, f" \n\t\u3000{inside}\u00a0\r\n")["message"] == inside
    assert wali.messages(uri)["results"][0]["message"] == inside


@pytest.mark.parametrize("letter", ["x", "é", "🍓"])
def test_a_text_has_up_to_4000_characters(wali: Person, letter: str) -> None:
    uri = wali.start()
    text = letter * 4000
    assert wali.send(uri, f"  {text}  ")["message"] == text
    refused = wali.post(f"chats/{uri}/messages/", {"message": text + letter})
    assert refused.status == 400
    assert refused.json.keys() == {"message"}
    assert wali.messages(uri)["results"][0]["message"] == text


class Polite(Adapter):
    def clean_message(self, actor: AbstractBaseUser, chat: Chat, text: str) -> str:
        if "rude" in text:
            raise Invalid({"message": ["Be polite."]})
        return text.replace("teh", "the")


def test_the_site_may_correct_and_refuse_texts(configure: Configure, wali: Person) -> None:
    configure(ADAPTER=f"{__name__}.Polite")
    uri = wali.start()
    assert wali.send(uri, "teh end", client_id="a")["message"] == "the end"
    assert wali.send(uri, "teh end", client_id="a")["seq"] == 1
    assert wali.edit(uri, 1, "teh start")["message"] == "the start"
    for refused in [
        wali.post(f"chats/{uri}/messages/", {"message": "rude"}),
        wali.patch(f"chats/{uri}/messages/1/", {"message": "rude"}),
    ]:
        assert (refused.status, refused.json) == (400, {"message": ["Be polite."]})


# Once and only once


def test_the_same_client_id_again_is_the_same_message(wali: Person) -> None:
    uri = wali.start()
    first = wali.post(f"chats/{uri}/messages/", {"message": "Hello", "client_id": "a"})
    again = wali.post(f"chats/{uri}/messages/", {"message": " Hello\n", "client_id": "a"})
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    assert seqs(wali.messages(uri)) == [1]


def test_a_client_id_is_not_for_two_texts(wali: Person) -> None:
    uri = wali.start()
    first = wali.send(uri, "Hello", client_id="a")
    refused = wali.post(f"chats/{uri}/messages/", {"message": "Goodbye", "client_id": "a"})
    assert (refused.status, refused.json["code"]) == (409, "client_id_reused")
    assert refused.json.keys() == {"detail", "code"}
    assert wali.messages(uri)["results"] == [first]


def test_a_client_id_gives_the_message_as_it_is_now(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "Hello", client_id="a")
    edited = wali.edit(uri, 1, "Hello you")
    for text in ["Hello", "Hello you", "Goodbye"]:
        answer = wali.post(f"chats/{uri}/messages/", {"message": text, "client_id": "a"})
        assert (answer.status, answer.json) == (200, edited)
    deleted = wali.erase(uri, 1)
    for text in ["Hello", "Goodbye"]:
        answer = wali.post(f"chats/{uri}/messages/", {"message": text, "client_id": "a"})
        assert (answer.status, answer.json) == (200, deleted)
    assert seqs(wali.messages(uri)) == [1]


def test_a_client_id_is_one_authors_in_one_chat(wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start()
    assert [
        person.post(f"chats/{chat}/messages/", {"message": text, "client_id": "a"}).status
        for person, chat, text in [(wali, uri, "one"), (mabel, uri, "two"), (wali, other, "three")]
    ] == [201, 201, 201]


def test_client_ids_that_differ_in_case_or_space_are_different(wali: Person) -> None:
    uri = wali.start()
    ids = ["a", "A", " a", "a ", "ａ", "á", "a\u0301"]
    assert [wali.send(uri, client_id=each)["client_id"] for each in ids] == ids
    assert len(seqs(wali.messages(uri))) == len(ids)


def test_without_a_client_id_every_message_is_new(wali: Person) -> None:
    uri = wali.start()
    bodies: list[dict[str, Any]] = [{}, {"client_id": None}, {"client_id": ""}]
    for body in bodies:
        for _ in range(2):
            assert wali.post(f"chats/{uri}/messages/", {"message": "Hello", **body}).status == 201
    assert len(seqs(wali.messages(uri))) == 6


@pytest.mark.parametrize("client_id", ["x" * 64, "🍓" * 64, "a b", '"\\/<>&', "0"])
def test_a_client_id_may_be_up_to_64_printable_characters(wali: Person, client_id: str) -> None:
    uri = wali.start()
    assert wali.send(uri, client_id=client_id)["client_id"] == client_id
    assert wali.send(uri, client_id=client_id)["seq"] == 1


@pytest.mark.parametrize(
    "client_id", ["x" * 65, "a\nb", "a\tb", "\x7f", "\u200b", "\u202e", "\u00a0", "a\u2028"], ids=ascii
)
def test_a_client_id_that_is_longer_or_not_printable_is_refused(wali: Person, client_id: str) -> None:
    uri = wali.start()
    refused = wali.post(f"chats/{uri}/messages/", {"message": "Hello", "client_id": client_id})
    assert refused.status == 400
    assert refused.json.keys() == {"client_id"}
    assert seqs(wali.messages(uri)) == []


def test_a_repetition_by_who_is_out_tells_them_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Hello", client_id="a")
    wali.remove(uri, mabel)
    refused = mabel.post(f"chats/{uri}/messages/", {"message": "Hello", "client_id": "a"})
    assert (refused.status, refused.json["code"]) == (403, "not_a_member")


# Editing


def test_a_page_is_read_although_a_row_is_ahead_of_its_chat(wali: Person) -> None:
    """As after a restore of some tables, or from a site's own rows."""
    uri = wali.start()
    wali.send(uri)
    Message.objects.update(version=1000)
    assert [row["version"] for row in wali.messages(uri)["results"]] == [1000]


def test_authors_edit_their_messages(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Helo")
    version = wali.chat(uri)["version"]
    edited = mabel.edit(uri, 1, "  Hello\n")
    assert edited["message"] == "Hello"
    assert edited["version"] == version + 1
    assert wali.messages(uri)["results"] == [edited]


@only_with("people.User")
@isolate_apps("people")
def test_authors_are_who_they_are_whatever_model_they_come_from(wali: Person, mabel: Person) -> None:
    """As where a site's backend returns the rows of a subclass, which Django takes for unequal."""

    class Employee(get_user_model()):  # type: ignore[misc]
        class Meta:
            app_label = "people"

    employee = Employee(id=mabel.user.pk, user_ptr_id=mabel.user.pk, username=mabel.user.username)
    assert employee != mabel.user
    uri = wali.start(mabel)
    mabel.send(uri)
    assert operations.edit_message(actor=employee, chat=uri, seq=1, text="Edited").text == "Edited"
    assert operations.delete_message(actor=employee, chat=uri, seq=1)[1]


def test_the_same_text_is_no_edit(wali: Person) -> None:
    uri = wali.start()
    sent = wali.send(uri, "Hello")
    assert wali.edit(uri, 1, " Hello ") == sent
    assert wali.chat(uri)["version"] == sent["version"]


def test_nobody_edits_what_others_wrote(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    sent = otis.send(uri)
    for person in (wali, mabel):
        refused = person.patch(f"chats/{uri}/messages/1/", {"message": "Mine"})
        assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    assert otis.messages(uri)["results"] == [sent]


def test_a_tombstone_is_not_edited(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    deleted = wali.erase(uri, 1)
    for person in (wali, mabel):
        refused = person.patch(f"chats/{uri}/messages/1/", {"message": "Back"})
        assert (refused.status, refused.json["code"]) == (404, "not_found")
    assert wali.messages(uri)["results"] == [deleted]


@pytest.mark.parametrize("text", ["", "  ", "x" * 4001], ids=["empty", "blank", "long"])
def test_an_edit_obeys_the_rules_of_texts(wali: Person, text: str) -> None:
    uri = wali.start()
    sent = wali.send(uri)
    refused = wali.patch(f"chats/{uri}/messages/1/", {"message": text})
    assert refused.status == 400
    assert refused.json.keys() == {"message"}
    assert wali.messages(uri)["results"] == [sent]


# Deleting


def test_a_deletion_leaves_a_tombstone(wali: Person) -> None:
    uri = wali.start()
    for text in ["one", "two", "three"]:
        wali.send(uri, text)
    answer = wali.delete(f"chats/{uri}/messages/2/")
    assert answer.status == 200
    assert (answer.json["deleted"], answer.json["message"], answer.json["seq"]) == (True, "", 2)
    assert seqs(wali.messages(uri)) == [1, 2, 3]
    assert wali.messages(uri)["results"][1] == answer.json
    assert wali.send(uri)["seq"] == 4


def test_deleting_again_changes_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    deleted = mabel.erase(uri, 1)
    for person in (mabel, wali):
        again = person.delete(f"chats/{uri}/messages/1/")
        assert (again.status, again.json) == (200, deleted)
    assert wali.chat(uri)["version"] == deleted["version"]


def test_a_deleted_text_is_gone(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "A secret")
    wali.erase(uri, 1)
    for path in ["chats/", f"chats/{uri}/", f"chats/{uri}/messages/", f"chats/{uri}/changes/"]:
        assert b"A secret" not in wali.get(path).content


def test_the_owner_and_admins_delete_what_anybody_wrote(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    for person in (wali, otis, otis):
        person.send(uri)
    mabel.erase(uri, 1)
    mabel.erase(uri, 2)
    assert wali.erase(uri, 3)["user"] == {"username": "otis"}
    assert all(message["deleted"] for message in wali.messages(uri)["results"])


def test_plain_members_delete_nothing_of_others(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    sent = wali.send(uri)
    refused = mabel.delete(f"chats/{uri}/messages/1/")
    assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    assert wali.messages(uri)["results"] == [sent]


def test_nobody_deletes_what_the_other_wrote_in_a_personal_chat(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    wali.send(uri)
    assert mabel.delete(f"chats/{uri}/messages/1/").json["code"] == "not_allowed"
    assert wali.erase(uri, 1)["deleted"]


@pytest.mark.parametrize(
    "seq", ["0", "2", "9" * 18, "9" * 19, "9" * 20, "9" * 5000], ids=lambda seq: f"{len(seq)} digits {seq[0]}"
)
def test_a_number_that_names_no_message_is_404(wali: Person, seq: str) -> None:
    uri = wali.start()
    wali.send(uri)
    wali.send(wali.start())
    for refused in [
        wali.patch(f"chats/{uri}/messages/{seq}/", {"message": "Hello"}),
        wali.delete(f"chats/{uri}/messages/{seq}/"),
    ]:
        assert (refused.status, refused.json["code"]) == (404, "not_found")


def test_the_messages_of_another_chat_are_out_of_reach(wali: Person, mabel: Person) -> None:
    uri, other = wali.start(), mabel.start()
    for _ in range(2):
        mabel.send(other)
    wali.send(uri)
    assert wali.patch(f"chats/{uri}/messages/2/", {"message": "Mine"}).status == 404
    assert wali.delete(f"chats/{uri}/messages/2/").status == 404
    assert mabel.messages(other)["results"][1]["message"] == "Hello world"


# Reading, page by page


@pytest.fixture
def uri(wali: Person) -> str:
    """A chat with messages 1 to 10."""
    uri = wali.start()
    for n in range(10):
        operations.send_message(actor=wali.user, chat=uri, text=f"Hello {n}")
    return uri


def test_an_empty_chat_is_an_empty_page(wali: Person) -> None:
    uri = wali.start()
    version = wali.chat(uri)["version"]
    for query in [{}, {"before": 1}, {"after": 0}, {"after": 7}, {"around": 1}, {"around": 7}]:
        assert wali.messages(uri, **query) == {"version": version, "next": None, "previous": None, "results": []}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, range(1, 11)),
        ({"limit": 3}, [8, 9, 10]),
        ({"limit": 10}, range(1, 11)),
        ({"limit": 3, "before": 11}, [8, 9, 10]),
        ({"limit": 3, "before": 8}, [5, 6, 7]),
        ({"limit": 3, "before": 3}, [1, 2]),
        ({"limit": 3, "before": 1}, []),
        ({"limit": 3, "before": 0}, []),
        ({"limit": 3, "before": 10**9}, [8, 9, 10]),
        ({"limit": 3, "before": 10**40}, [8, 9, 10]),
        ({"limit": 3, "after": 0}, [1, 2, 3]),
        ({"limit": 3, "after": 3}, [4, 5, 6]),
        ({"limit": 3, "after": 8}, [9, 10]),
        ({"limit": 3, "after": 10}, []),
        ({"limit": 3, "after": 10**9}, []),
        ({"limit": 3, "after": 10**40}, []),
        ({"limit": 1, "around": 5}, [5]),
        ({"limit": 200, "around": 5}, range(1, 11)),
        ({"limit": 3, "around": 5}, [4, 5, 6]),
        ({"limit": 3, "around": 10}, [8, 9, 10]),
        ({"limit": 3, "around": 10**40}, [8, 9, 10]),
    ],
    ids=str,
)
def test_a_page_holds_what_was_asked_for_in_chat_order(
    wali: Person, uri: str, query: dict[str, int], expected: Any
) -> None:
    assert seqs(wali.messages(uri, **query)) == list(expected)


@pytest.mark.parametrize("around", range(1, 11))
def test_a_page_around_a_message_holds_it_and_its_neighbours(wali: Person, uri: str, around: int) -> None:
    page = wali.messages(uri, around=around, limit=5)
    found = seqs(page)
    assert around in found
    assert found == list(range(found[0], found[-1] + 1))
    assert len(found) <= 5
    for neighbour in (around - 1, around + 1):
        assert neighbour in found or not 1 <= neighbour <= 10
    assert seqs_behind(wali, page["previous"]) == (
        None if found[0] == 1 else list(range(max(1, found[0] - 5), found[0]))
    )
    assert seqs_behind(wali, page["next"]) == (
        None if found[-1] == 10 else list(range(found[-1] + 1, min(10, found[-1] + 5) + 1))
    )


def test_previous_leads_to_the_beginning_and_next_back_to_the_end(wali: Person, uri: str) -> None:
    pages = [wali.messages(uri, limit=4)]
    assert pages[0]["next"] is None
    while pages[-1]["previous"]:
        pages.append(wali.get(pages[-1]["previous"]).done())
    assert [seqs(page) for page in pages] == [[7, 8, 9, 10], [3, 4, 5, 6], [1, 2]]

    forth = [pages[-1]]
    while forth[-1]["next"]:
        forth.append(wali.get(forth[-1]["next"]).done())
    assert [seqs(page) for page in forth] == [[1, 2], [3, 4, 5, 6], [7, 8, 9, 10]]


def test_a_page_past_an_end_leads_back(wali: Person, uri: str) -> None:
    beyond = wali.messages(uri, after=10, limit=3)
    assert beyond["next"] is None
    assert seqs_behind(wali, beyond["previous"]) == [8, 9, 10]
    before = wali.messages(uri, before=1, limit=3)
    assert before["previous"] is None
    assert seqs_behind(wali, before["next"]) == [1, 2, 3]


def test_a_page_tells_the_version_that_it_shows(wali: Person, uri: str) -> None:
    page = wali.messages(uri, limit=1)
    assert page["version"] == wali.chat(uri)["version"]
    assert wali.changes(uri, page["version"])["messages"] == []


def test_a_page_has_50_messages_and_at_most_200(wali: Person) -> None:
    uri = wali.start()
    for _ in range(205):
        operations.send_message(actor=wali.user, chat=uri, text="Hello")
    assert seqs(wali.messages(uri)) == list(range(156, 206))
    assert seqs(wali.messages(uri, limit=200)) == list(range(6, 206))
    assert seqs(wali.messages(uri, limit=201)) == list(range(6, 206))
    assert seqs(wali.messages(uri, limit=10**40)) == list(range(6, 206))


def test_only_one_of_before_after_and_around_makes_sense(wali: Person, uri: str) -> None:
    assert wali.get(f"chats/{uri}/messages/", before=5, after=2).status == 400


# History from joining on


def test_who_joins_sees_everything_by_default(wali: Person, mabel: Person, uri: str) -> None:
    mabel.join(uri)
    assert mabel.messages(uri)["results"] == wali.messages(uri)["results"]
    assert mabel.changes(uri, 0)["messages"] == wali.messages(uri)["results"]


@pytest.mark.parametrize("enter", ["join", "add"])
def test_who_joins_later_sees_nothing_of_before(wali: Person, mabel: Person, uri: str, enter: str) -> None:
    wali.edit_chat(uri, history="since_join")
    if enter == "join":
        mabel.join(uri)
    else:
        wali.add(uri, mabel)
    assert mabel.messages(uri)["results"] == []
    for n in range(4):
        wali.send(uri, f"Later {n}")
    wali.edit(uri, 10, "Edited")
    wali.erase(uri, 9)
    wali.edit(uri, 12, "Edited as well")

    for query in [{}, {"before": 20}, {"after": 0}, {"after": 10}, {"around": 12}, {"around": 3}]:
        page = mabel.messages(uri, **query)
        assert seqs(page) == [11, 12, 13, 14], query
        assert page["previous"] is page["next"] is None
    assert seqs(mabel.messages(uri, limit=2)) == [13, 14]
    for query in [{"before": 11}, {"before": 3}, {"before": 0}]:
        page = mabel.messages(uri, **query)
        assert (seqs(page), page["previous"]) == ([], None)
        assert seqs_behind(mabel, page["next"]) == [11, 12, 13, 14]
    assert {message["seq"] for message in mabel.changes(uri, 0)["messages"]} == {11, 12, 13, 14}


def test_messages_of_before_cannot_be_told_from_none(wali: Person, mabel: Person, uri: str) -> None:
    wali.edit_chat(uri, history="since_join")
    mabel.join(uri)
    wali.change_role(uri, mabel, "admin")
    for seq in (1, 10):
        for hidden, unknown in [
            (
                mabel.patch(f"chats/{uri}/messages/{seq}/", {"message": "Mine"}),
                mabel.patch(f"chats/{uri}/messages/99/", {"message": "Mine"}),
            ),
            (mabel.delete(f"chats/{uri}/messages/{seq}/"), mabel.delete(f"chats/{uri}/messages/99/")),
        ]:
            assert hidden.status == 404
            assert hidden.is_same_as(unknown)
    assert not any(message["deleted"] for message in wali.messages(uri)["results"])


def test_a_change_of_the_history_is_true_of_those_who_join_from_now_on(
    wali: Person, mabel: Person, otis: Person, uri: str
) -> None:
    mabel.join(uri)
    wali.edit_chat(uri, history="since_join")
    assert len(seqs(mabel.messages(uri))) == 10
    otis.join(uri)
    wali.edit_chat(uri, history="full")
    assert seqs(otis.messages(uri)) == []
    assert len(seqs(wali.messages(uri))) == 10


def test_a_repetition_of_what_was_before_ones_time_shows_nothing_that_others_have_said(
    wali: Person, mabel: Person, uri: str
) -> None:
    wali.edit_chat(uri, history="since_join")
    mabel.join(uri)
    seq = mabel.send(uri, "Mine", client_id="a")["seq"]
    wali.remove(uri, mabel)
    wali.react(uri, seq, "👍")
    wali.add(uri, mabel)
    answer = mabel.post(f"chats/{uri}/messages/", {"message": "Mine", "client_id": "a"})
    assert (answer.status, answer.json["seq"], answer.json["reactions"]) == (200, seq, [])
    assert len(wali.messages(uri)["results"][-1]["reactions"]) == 1


def test_who_comes_back_sees_what_a_newcomer_sees(wali: Person, mabel: Person, uri: str) -> None:
    mabel.join(uri)
    mabel.leave(uri)
    wali.edit_chat(uri, history="since_join")
    mabel.join(uri)
    assert seqs(mabel.messages(uri)) == []
    wali.edit_chat(uri, history="full")
    mabel.leave(uri)
    mabel.join(uri)
    assert len(seqs(mabel.messages(uri))) == 10
