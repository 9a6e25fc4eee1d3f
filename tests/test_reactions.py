"""Reactions to messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from emoji import EMOJI_DATA

from django_bpo_chat.models import Reaction
from tests.fixtures import Configure
from tests.parallel import at_once
from tests.person import Answer, Person

pytestmark = pytest.mark.users


def react(person: Person, uri: str, seq: Any, emoji: str) -> Answer:
    return person.put(f"chats/{uri}/messages/{seq}/reactions/{quote(emoji, safe='')}/")


def test_reactions_are_part_of_the_message(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    since = wali.chat(uri)["version"]
    mabel.react(uri, 1, "👍")
    wali.react(uri, 1, "🎉")
    message = wali.react(uri, 1, "👍")
    assert message["reactions"] == [
        {"emoji": "👍", "usernames": [mabel.username, wali.username]},
        {"emoji": "🎉", "usernames": [wali.username]},
    ]
    assert message["version"] == wali.chat(uri)["version"] == since + 3
    assert mabel.messages(uri)["results"] == [message]
    assert mabel.chat(uri)["last_message"] == message
    assert mabel.changes(uri, since)["messages"] == [message]


def test_reactions_are_taken_back(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    wali.react(uri, 1, "👍")
    mabel.react(uri, 1, "👍")
    assert mabel.take_back(uri, 1, "👍")["reactions"] == [{"emoji": "👍", "usernames": [wali.username]}]
    message = wali.take_back(uri, 1, "👍")
    assert message["reactions"] == []
    assert mabel.messages(uri)["results"] == [message]


def test_again_changes_nothing(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    wali.react(uri, 1, "👍")
    before = wali.chat(uri)
    wali.react(uri, 1, "👍")
    assert wali.chat(uri) == before
    wali.take_back(uri, 1, "🎉")
    assert wali.chat(uri) == before


def test_every_emoji_of_unicodes_list_will_do(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    for emoji in ("👍🏽", "🇩🇪", "1️⃣", "#️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🧑🏻‍❤️‍💋‍🧑🏼", max(EMOJI_DATA, key=len)):
        message = wali.react(uri, 1, emoji)
        assert message["reactions"] == [{"emoji": emoji, "usernames": [wali.username]}]
        assert wali.take_back(uri, 1, emoji)["reactions"] == []


def test_an_emoji_is_one_however_it_is_typed(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    wali.react(uri, 1, "\u2764")
    message = mabel.react(uri, 1, "\u2764\ufe0f")
    assert message["reactions"] == [{"emoji": "\u2764\ufe0f", "usernames": [wali.username, mabel.username]}]


def test_what_is_no_emoji_is_refused(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    for text in ("a", "1", "#", "👍👍", "👍a", "🏽", "\ufe0f", "🇩", ":+1:", " ", "\0", "👍" * 1000, "<b>"):
        answer = react(wali, uri, 1, text)
        assert answer.status == 400
        assert answer.json.keys() == {"emoji"}, text
    assert wali.messages(uri)["results"][0]["reactions"] == []


def test_a_message_has_at_most_20_kinds(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    emoji = [each for each in EMOJI_DATA if len(each) == 1 and EMOJI_DATA[each]["status"] == 2][:21]
    for each in emoji[:20]:
        wali.react(uri, 1, each)
    assert react(wali, uri, 1, emoji[20]).json.keys() == {"emoji"}
    assert len(mabel.react(uri, 1, emoji[0])["reactions"]) == 20


def test_a_message_has_as_many_reactions_as_the_site_says(
    configure: Configure, wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    configure(REACTIONS_PER_MESSAGE=3)
    people = crowd(4)
    uri = wali.start(*people)
    wali.send(uri)
    for person in people[:3]:
        person.react(uri, 1, "👍")
    assert react(people[3], uri, 1, "👍").json.keys() == {"emoji"}
    people[0].react(uri, 1, "👍")
    people[0].take_back(uri, 1, "👍")
    people[3].react(uri, 1, "👍")


def test_nothing_is_left_on_a_tombstone(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    mabel.react(uri, 1, "👍")
    assert wali.erase(uri, 1)["reactions"] == []
    assert Reaction.objects.count() == 0
    for answer in (react(mabel, uri, 1, "👍"), mabel.delete(f"chats/{uri}/messages/1/reactions/{quote('👍')}/")):
        assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_only_what_one_sees_can_be_reacted_to(wali: Person, mabel: Person, otis: Person) -> None:
    uri, elsewhere = wali.start(), otis.start()
    wali.send(uri)
    wali.edit_chat(uri, history="since_join")
    mabel.join(uri)
    for seq in ("1", "0", "2", "x", "1" * 30):
        assert react(mabel, uri, seq, "👍").json["code"] == "not_found", seq
    assert react(otis, uri, 1, "👍").json["code"] == "not_a_member"
    assert react(mabel, elsewhere, 1, "👍").json["code"] == "not_a_member"


def test_an_edit_keeps_the_reactions(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri, client_id="a")
    reactions = mabel.react(uri, 1, "👍")["reactions"]
    assert wali.edit(uri, 1, "Edited")["reactions"] == reactions
    assert wali.send(uri, "Edited", client_id="a")["reactions"] == reactions


def test_a_message_and_its_reactions_fit_into_a_frame(
    monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "x")
    monkeypatch.setattr("django_bpo_chat.access.PAGE_BYTES", 1000)
    mabel.react(uri, 1, "👍")
    refused = wali.patch(f"chats/{uri}/messages/1/", {"message": "x" * 900})
    assert (refused.status, refused.json.keys()) == (400, {"message"})
    wali.edit(uri, 1, "x" * 100)
    wali.send(uri, "x" * 900)
    assert react(mabel, uri, 2, "👍").json.keys() == {"emoji"}


def test_reactions_end_with_the_account(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    wali.react(uri, 1, "👍")
    mabel.react(uri, 1, "👍")
    mabel.user.delete()
    assert wali.messages(uri)["results"][0]["reactions"] == [{"emoji": "👍", "usernames": [wali.username]}]


def test_a_page_of_messages_costs_one_query_for_all_reactions(
    wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    people = crowd(3)
    uri = wali.start(*people)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            wali.messages(uri)
        return len(captured)

    wali.send(uri)
    without = queries()
    wali.react(uri, 1, "👍")
    with_one = queries()
    for seq in range(2, 10):
        wali.send(uri)
        for person in people:
            person.react(uri, seq, "🎉")
    assert (with_one, queries()) == (without + 1, without + 1)


@pytest.mark.django_db(transaction=True)
def test_8_who_react_at_once_are_all_there(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(8)
    uri = wali.start(*people)
    wali.send(uri)
    answers = at_once(*[lambda person=person: react(person, uri, 1, "👍") for person in people])
    assert [answer.status for answer in answers] == [200] * 8
    [reaction] = wali.messages(uri)["results"][0]["reactions"]
    assert sorted(reaction["usernames"]) == sorted(person.username for person in people)
