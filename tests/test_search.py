"""Looking for messages by their words."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from django_bpo_chat import search
from django_bpo_chat.models import Message
from tests.fixtures import Configure
from tests.person import Person

pytestmark = [pytest.mark.users, pytest.mark.django_db]

IS_POSTGRES = connection.vendor == "postgresql"
only_postgres = pytest.mark.skipif(not IS_POSTGRES, reason="Needs PostgreSQL's full text search")
only_elsewhere = pytest.mark.skipif(IS_POSTGRES, reason="Not of PostgreSQL")


def texts(person: Person, words: str, **query: Any) -> list[str]:
    return [result["message"]["message"] for result in person.search(words, **query)["results"]]


def highlighted(result: Any) -> list[str]:
    return [result["snippet"][start:end] for start, end in result["highlights"]]


# What is found


def test_a_result_is_the_message_its_chat_and_where_the_words_are(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "Nothing to find")
    sent = mabel.send(uri, "Who brings strawberries and cream?")
    mabel.react(uri, 2, "🍓")
    page = wali.search("strawberries")
    [result] = page.pop("results")
    assert page == {"next": None, "previous": None}
    assert result == {
        "chat": uri,
        "message": wali.messages(uri)["results"][-1],
        "snippet": sent["message"],
        "highlights": [[11, 23]],
    }
    assert result["message"]["reactions"] == [{"emoji": "🍓", "usernames": [mabel.username]}]


def test_all_words_have_to_match_in_any_order_and_case(wali: Person) -> None:
    uri = wali.start()
    for text in ("Cream and strawberries", "Strawberries only", "cream only", "STRAWBERRIES WITH CREAM"):
        wali.send(uri, text)
    assert sorted(texts(wali, "strawberries cream")) == ["Cream and strawberries", "STRAWBERRIES WITH CREAM"]


def test_one_looks_in_all_chats_of_ones_own_or_in_one(wali: Person, mabel: Person) -> None:
    group, direct, other = wali.start(), wali.start_direct(mabel), wali.start()
    for uri in (group, direct, other):
        wali.send(uri, f"Hello {uri}")
    wali.prefer(other, muted=True, archived=True)
    assert {result["chat"] for result in wali.search("hello")["results"]} == {group, direct, other}
    assert texts(wali, "hello", chat=direct) == [f"Hello {direct}"]
    assert texts(mabel, "hello") == [f"Hello {direct}"]


def test_a_chat_of_others_answers_as_it_always_does(wali: Person, mabel: Person) -> None:
    uri, closed = wali.start(), wali.start()
    wali.edit_chat(closed, joinable=False)
    for chat in (uri, closed, "A" * 22, "nonsense", ""):
        refused = mabel.get("search/", q="hello", chat=chat)
        elsewhere = mabel.get(f"chats/{chat or 'none'}/messages/")
        assert (refused.status, refused.json) == (elsewhere.status, elsewhere.json)
    assert mabel.get("search/", q="hello", chat=uri).json["code"] == "not_a_member"


def test_strangers_are_refused(visitor: Any) -> None:
    assert visitor.get("search/", q="hello").status == 401


def leave(wali: Person, mabel: Person, uri: str) -> None:
    mabel.leave(uri)


def remove(wali: Person, mabel: Person, uri: str) -> None:
    wali.remove(uri, mabel)


def ban(wali: Person, mabel: Person, uri: str) -> None:
    wali.ban(uri, mabel)


@pytest.mark.parametrize("end", [leave, remove, ban])
def test_who_is_out_finds_nothing_any_more(
    wali: Person, mabel: Person, end: Callable[[Person, Person, str], None]
) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "Hello")
    assert texts(mabel, "hello") == ["Hello"]
    end(wali, mabel, uri)
    assert texts(mabel, "hello") == []
    assert texts(wali, "hello") == ["Hello"]


def test_what_was_said_before_one_joined_is_not_found_where_history_begins_with_joining(
    wali: Person, mabel: Person
) -> None:
    uri = wali.start()
    wali.edit_chat(uri, history="since_join")
    wali.send(uri, "Hello before")
    mabel.join(uri)
    wali.send(uri, "Hello after")
    wali.edit(uri, 1, "Hello before, edited")
    assert texts(mabel, "hello") == texts(mabel, "hello", chat=uri) == ["Hello after"]


def test_an_edited_text_is_found_by_its_new_words_only(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "Strawberries")
    wali.edit(uri, 1, "Cherries")
    assert texts(wali, "cherries") == ["Cherries"]
    assert texts(wali, "strawberries") == []


def test_a_tombstone_is_never_found_and_keeps_no_word(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "Strawberries")
    wali.erase(uri, 1)
    assert texts(wali, "strawberries") == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT vector FROM bpo_chat_message")
        assert cursor.fetchall() == [(None,)]


def test_a_message_whose_author_is_gone_is_found(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Hello")
    mabel.user.delete()
    [result] = wali.search("hello")["results"]
    assert result["message"]["user"] == {"username": None}


def test_what_ends_while_a_search_is_answered_is_left_out(
    monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    stays, deleted, left = wali.start(mabel), wali.start(mabel), wali.start(mabel)
    for uri in (stays, deleted, left):
        wali.send(uri, "Hello")

    def results_a_moment_later(*arguments: Any) -> Any:
        wali.erase(deleted, 1)
        wali.remove(left, mabel)
        return results(*arguments)

    results = search.results
    monkeypatch.setattr(search, "results", results_a_moment_later)
    assert [result["chat"] for result in mabel.search("hello")["results"]] == [stays]


# In which order


@only_postgres
def test_what_says_more_of_the_words_comes_first_and_then_the_newest(wali: Person) -> None:
    uri, other = wali.start(), wali.start()
    wali.send(uri, "Tea, tea and tea")
    wali.send(uri, "Tea")
    wali.send(other, "Tea, of which much could be said, if there were the time, and somebody who listens")
    wali.send(uri, "Coffee")
    wali.send(uri, "tea?")
    assert [text[:5] for text in texts(wali, "tea")] == ["Tea, ", "tea?", "Tea, ", "Tea"]
    assert texts(wali, "tea")[0] == "Tea, tea and tea"


@only_elsewhere
def test_the_newest_comes_first(wali: Person) -> None:
    uri, other = wali.start(), wali.start()
    wali.send(uri, "Tea, tea and tea")
    wali.send(other, "Teapot")
    wali.send(uri, "Instead")
    assert texts(wali, "tea") == ["Instead", "Teapot", "Tea, tea and tea"]


def test_pages_repeat_nothing_and_leave_nothing_out(wali: Person) -> None:
    chats = [wali.start() for _ in range(3)]
    for n in range(20):
        wali.send(chats[n % 3], " ".join(["tea"] * (n % 4 + 1)) + f" {n}")
    whole = texts(wali, "tea")
    assert len(set(whole)) == 20
    pages, link = [], "search/?q=tea&limit=3"
    while link:
        page = wali.get(link).done()
        pages.append([result["message"]["message"] for result in page["results"]])
        back, link = page["previous"], page["next"]
        wali.send(chats[0], "tea, which is new")  # it comes before all pages, or between two
    found = [text for page in pages for text in page if "new" not in text]
    assert found == whole
    assert [result["message"]["message"] for result in wali.get(back).done()["results"]] == pages[-2]


def test_a_limit_is_one(wali: Person) -> None:
    uri = wali.start()
    for _ in range(3):
        wali.send(uri, "tea")
    assert len(texts(wali, "tea", limit=2)) == 2
    assert len(texts(wali, "tea", limit=10**9)) == 3
    for limit in ("0", "-1", "x"):
        assert wali.get("search/", q="tea", limit=limit).json.keys() == {"limit"}


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WzAsIDFd", "WzAsMSwyLDNd", "WzAsOTk5OTk5OTk5OTk5OTk5OTk5OTksMV0"])
def test_a_forged_cursor_is_refused(wali: Person, cursor: str) -> None:
    assert wali.get("search/", q="tea", cursor=cursor).json == {"cursor": ["Invalid cursor."]}


# Snippets and highlights


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("Un café, s'il vous plaît", "café", ["café"]),
        ("e\u0301t\u00e9 à la plage", "plage", ["plage"]),
        ("👩🏽\u200d🚀🍓 who brings strawberries 🍓🍓?", "strawberries", ["strawberries"]),
        ("𝔘𝔫𝔦 and tea", "tea", ["tea"]),
        ("مرحبا بالعالم يا صديقي", "بالعالم", ["بالعالم"]),
        ("\u202bשלום עולם\u202c, said Mabel", "שלום", ["שלום"]),
        ("Tea <b>and</b> <i>tea</i> <img src=x onerror=alert(1)>", "tea", ["Tea", "tea"]),
        ("\u2067אבא\u2069 ושלום\u200f, \u200eABBA\ufeff", "abba ושלום", ["ושלום", "ABBA"]),
        ("tea-time, tea", "tea", ["tea", "tea"]),
        ("first\n\n\tline and\r\nsecond line", "line second", ["line", "second", "line"]),
    ],
)
def test_highlights_are_places_in_the_snippet(wali: Person, text: str, words: str, expected: list[str]) -> None:
    uri = wali.start()
    wali.send(uri, text)
    [result] = wali.search(words)["results"]
    assert result["snippet"] == result["message"]["message"] == text
    assert highlighted(result) == expected


def test_a_snippet_of_a_long_text_is_what_is_around_the_first_place(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "before " * 300 + "tea, and tea " + "behind " * 200)
    [result] = wali.search("tea")["results"]
    assert result["snippet"] == "before " * 5 + "tea, and tea " + "behind " * 15 + "behind"
    assert highlighted(result) == ["tea", "tea"]


@pytest.mark.parametrize("text", ["x" * 3000 + " tea", "tea " + "x" * 3000, "é" * 1000 + " tea " + "🍓" * 1000])
def test_a_snippet_is_short_also_without_spaces(wali: Person, text: str) -> None:
    uri = wali.start()
    wali.send(uri, text)
    [result] = wali.search("tea")["results"]
    assert len(result["snippet"]) <= 160
    assert result["snippet"] in text
    assert highlighted(result) == ["tea"]


def test_a_very_long_word_is_cut(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "tea" + "x" * 1500)
    for result in wali.search("tea" + "x" * 190)["results"]:  # a part of a word is nothing to PostgreSQL
        assert len(result["snippet"]) == 160
    wali.send(uri, "y" * 200 + " tea")
    [result] = wali.search("y" * 200)["results"]
    assert (result["snippet"], result["highlights"]) == ("y" * 160, [[0, 160]])


# What can be asked


@pytest.mark.parametrize("words", ["", "   ", "x" * 201, "a\0b", "\0"])
def test_a_search_is_1_to_200_characters(wali: Person, words: str) -> None:
    refused = wali.get("search/", q=words)
    assert (refused.status, refused.json.keys()) == (400, {"q"})


def test_a_search_is_for_something(wali: Person) -> None:
    assert wali.get("search/").json == {"q": ["This field is required."]}


def test_white_space_around_the_words_does_not_count(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "x" * 200)
    assert len(texts(wali, f"  {'x' * 200}\n")) == 1


HOSTILE = [
    *("'", "''", "\\", "\\'", '"', '""', "%", "_", "%%", "&", "|", "!", "<->", ":*", "()", "((", "a:*", "!a"),
    *("-a", "-", "- a", "--a", "a -- b"),
    *("a & b", "a | b", "a <-> b", "'; DROP TABLE bpo_chat_message; --", "$$", "%s", "%(a)s", "{}", "a'b\\c\"d"),
    *("or", "OR or", "-or", '"a', "- -", "\ufeff", "\u200b", "🍓", "\ufffd", "..", "<b>", "&amp;", "x" * 200),
    *(" ".join("abcdefghij" * 10), "-" * 200, '"' * 200, "(" * 200, "https://example.com/a?b=%20", "a@email.com"),
]


def test_whatever_is_asked_is_answered(subtests: pytest.Subtests, wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "Nothing")
    alphabet, dice = "-\"'!&|()<>:*\\ ábc.%_/@\u0301\u200f🍓é", random.Random(4)
    random_words = ["".join(dice.choices(alphabet, k=dice.randint(1, 200))) for _ in range(100)]
    for words in [*HOSTILE, *random_words]:
        with subtests.test(words), transaction.atomic():
            answer = wali.get("search/", q=words)
            if words.strip():
                assert answer.done()["results"] == []


@only_elsewhere
@pytest.mark.parametrize("sign", ["%", "_", "\\", "'", "<b>", "🍓", "!!!"])
def test_signs_are_found_where_texts_are_matched_plainly(wali: Person, sign: str) -> None:
    uri = wali.start()
    wali.send(uri, f"This is {sign} here")
    wali.send(uri, "This is not")
    [result] = wali.search(sign)["results"]
    assert highlighted(result) == [sign]


@only_postgres
def test_phrases_alternatives_and_exceptions(wali: Person) -> None:
    uri = wali.start()
    for text in ("black tea", "tea, black", "green tea", "coffee"):
        wali.send(uri, text)
    assert texts(wali, '"black tea"') == ["black tea"]
    assert sorted(texts(wali, "green or coffee")) == ["coffee", "green tea"]
    assert texts(wali, "tea -black") == ["green tea"]
    assert texts(wali, "-black") == texts(wali, "coffee or -black") == []


# The vector


@only_postgres
def test_the_configuration_of_the_site_counts(configure: Configure, wali: Person) -> None:
    configure(SEARCH_CONFIGURATION="english")
    uri = wali.start()
    wali.send(uri, "He was running for the strawberry")
    [result] = wali.search("runs strawberries")["results"]
    assert highlighted(result) == ["running", "strawberry"]
    assert texts(wali, "the") == []


@only_postgres
def test_another_configuration_counts_from_a_reindexing_on(configure: Configure, wali: Person) -> None:
    uri = wali.start()
    for text in ("running", "deleted", "runner's"):
        wali.send(uri, text)
    wali.erase(uri, 2)
    configure(SEARCH_CONFIGURATION="pg_catalog.english")
    assert texts(wali, "runs") == []
    call_command("chat_reindex", verbosity=0)
    assert texts(wali, "runs") == ["running"]
    assert Message.objects.filter(vector=None).count() == 1


def test_messages_from_before_there_were_vectors_hurt_nobody(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "Hello")
    Message.objects.update(vector=None)
    assert texts(wali, "hello") == ([] if IS_POSTGRES else ["Hello"])
    assert wali.edit(uri, 1, "Hello again")["message"] == "Hello again"
    assert texts(wali, "hello") == ["Hello again"]


@only_postgres
def test_reindexing_goes_on_where_it_was_interrupted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wali: Person
) -> None:
    monkeypatch.setattr("django_bpo_chat.management.commands.chat_reindex.BATCH", 2)
    uri = wali.start()
    for _ in range(5):
        wali.send(uri, "Hello")
    Message.objects.update(vector=None)
    keys = sorted(Message.objects.values_list("pk", flat=True))
    call_command("chat_reindex", after=keys[0])
    assert len(texts(wali, "hello")) == 4
    lines = capsys.readouterr().out.splitlines()
    assert [f"the id {keys[2]}" in lines[0], f"the id {keys[4]}" in lines[1], len(lines)] == [True, True, 3]
    call_command("chat_reindex", verbosity=0)
    assert len(texts(wali, "hello")) == 5


@only_elsewhere
def test_without_postgres_there_is_nothing_to_reindex(capsys: pytest.CaptureFixture[str], wali: Person) -> None:
    wali.send(wali.start(), "Hello")
    call_command("chat_reindex")
    assert "PostgreSQL" in capsys.readouterr().out
    assert texts(wali, "hello") == ["Hello"]


def test_no_vector_is_read_with_messages(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "Hello")
    assert Message.objects.get().get_deferred_fields() == {"vector"}
