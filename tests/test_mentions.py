"""Naming members in a text."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_bpo_chat.models import Mention
from tests.person import Person, chosen_handles

pytestmark = pytest.mark.users


def mentions(person: Person, uri: str) -> Any:
    count = person.chat(uri)["mention_count"]
    [listed] = [chat for chat in person.chats()["results"] if chat["uri"] == uri]
    assert listed["mention_count"] == count
    return count


def test_whom_a_text_names_is_told_with_the_message(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    text = f"Ask @{otis.username}, @{mabel.username} or @{otis.username}."
    message = wali.send(uri, text)
    assert message["mentions"] == [otis.username, mabel.username]
    assert mabel.messages(uri)["results"] == [message]
    assert mabel.changes(uri, message["version"] - 1)["messages"] == [message]
    assert [mentions(person, uri) for person in (wali, mabel, otis)] == [0, 1, 1]


def test_only_members_are_named(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    mabel.leave(uri)
    assert wali.send(uri, f"@{mabel.username} @{otis.username} @nobody @ @@ @\u200b")["mentions"] == []
    mabel.join(uri)
    assert wali.send(uri, f"@{mabel.username}")["mentions"] == [mabel.username]


@chosen_handles
@pytest.mark.parametrize(
    "text",
    ["@mabel", "@mabel.", "(@mabel)", "Hi @mabel!", "@mabel's", "@mabel,@otis", "@mabel...", "\n@mabel\n", "„@mabel“"],
)
def test_punctuation_does_not_hide_a_name(wali: Person, mabel: Person, text: str) -> None:
    uri = wali.start(mabel)
    assert wali.send(uri, text)["mentions"] == ["mabel"]


@chosen_handles
@pytest.mark.parametrize("text", ["mabel", "me@mabel", "me.@mabel", "@mabela", "@ mabel", "@Mabel", "@mabel@otis"])
def test_what_only_looks_like_a_name_names_nobody(wali: Person, mabel: Person, text: str) -> None:
    uri = wali.start(mabel)
    assert wali.send(uri, text)["mentions"] == []


def test_what_cannot_be_a_name_hides_no_other(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    assert wali.send(uri, f"@{10**30} @x. @{mabel.username}.")["mentions"] == [mabel.username]


@chosen_handles
def test_the_longest_name_counts(wali: Person, meet: Any) -> None:
    short, long = meet("m", "m.")
    uri = wali.start(short, long)
    assert wali.send(uri, "Hello @m.")["mentions"] == ["m."]
    assert wali.send(uri, "Hello @m...")["mentions"] == ["m."]
    assert wali.send(uri, "Hello @m!")["mentions"] == ["m"]


def test_an_edit_names_others(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.send(uri, f"@{mabel.username}")
    assert wali.edit(uri, 1, f"@{otis.username}")["mentions"] == [otis.username]
    assert [mentions(mabel, uri), mentions(otis, uri)] == [0, 1]


def test_a_tombstone_names_nobody(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri, f"@{mabel.username}")
    assert wali.erase(uri, 1)["mentions"] == []
    assert mentions(mabel, uri) == 0
    assert Mention.objects.count() == 0


def test_what_was_read_does_not_count(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(3):
        wali.send(uri, f"@{mabel.username}")
    mabel.mark_read(uri, 2)
    assert mentions(mabel, uri) == 1
    mabel.mark_unread(uri, 1)
    assert mentions(mabel, uri) == 2
    mabel.leave(uri)
    mabel.join(uri)
    assert mentions(mabel, uri) == 0


@pytest.mark.parametrize("text", ["@" + "+" * 3999, "@a" + "." * 3998, "@a. " * 1000, "@." * 2000])
def test_no_text_makes_a_large_query(wali: Person, text: str) -> None:
    uri = wali.start()
    with CaptureQueriesContext(connection) as queries:
        wali.send(uri, text)
    assert max(len(query["sql"]) for query in queries if "INSERT" not in query["sql"]) < 20_000


def test_a_thousand_names_are_no_work(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    message = wali.send(uri, "@a " * 1200 + f"@{mabel.username}")
    assert message["mentions"] == []


def test_who_was_named_may_delete_their_account(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    message = wali.send(uri, f"@{mabel.username}")
    mabel.user.delete()
    assert wali.messages(uri)["results"] == [message]
    assert Mention.objects.count() == 0
