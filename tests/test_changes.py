"""What changed since a version: complete, in order, in whole versions, and the present state of each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from django_bpo_chat import operations
from tests.person import Person

pytestmark = pytest.mark.users


def pages(person: Person, uri: str, since: int, **query: Any) -> list[Any]:
    """All pages, each asked for from the version of the one before."""
    found = [person.changes(uri, since, **query)]
    while found[-1]["more"]:
        assert found[-1]["version"] > found[-1]["since"]
        found.append(person.changes(uri, found[-1]["version"], **query))
    return found


def test_nothing_changed_since_now(wali: Person) -> None:
    uri = wali.start()
    version = wali.chat(uri)["version"]
    assert wali.changes(uri, version) == {
        "chat": uri,
        "since": version,
        "version": version,
        "messages": [],
        "members": [],
        "details": None,
        "more": False,
    }


def test_without_since_it_is_everything(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    assert wali.get(f"chats/{uri}/changes/").json == wali.changes(uri, 0)


def test_each_change_is_a_version(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start()
    versions = [wali.chat(uri)["version"]]
    acts: list[Callable[[], object]] = [
        lambda: mabel.join(uri),
        lambda: wali.add(uri, otis),
        lambda: mabel.send(uri),
        lambda: mabel.edit(uri, 1, "Edited"),
        lambda: wali.erase(uri, 1),
        lambda: wali.edit_chat(uri, title="Picnic", joinable=False, history="since_join"),
        lambda: wali.remove(uri, otis),
        lambda: wali.leave(uri),
    ]
    for act in acts:
        act()
        versions.append(mabel.chat(uri)["version"])
        changes = mabel.changes(uri, versions[-2])
        assert changes["since"] == versions[-2]
        assert changes["version"] == versions[-1] == versions[-2] + 1
        rows = [*changes["messages"], *changes["members"]]
        assert rows or changes["details"]
        assert all(row["version"] == versions[-1] for row in rows)


def test_the_rows_say_what_happened(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    start = wali.chat(uri)["version"]
    wali.send(uri, "Hello")
    wali.edit_chat(uri, title="Picnic")
    mabel.leave(uri)
    changes = wali.changes(uri, start)
    assert [message["message"] for message in changes["messages"]] == ["Hello"]
    [row] = changes["members"]
    assert (row["username"], row["left"], row["role"]) == (mabel.username, True, "member")
    assert changes["details"] == {"title": "Picnic", "owner": wali.username, "joinable": True, "history": "full"}
    assert wali.changes(uri, start + 1)["messages"] == []
    assert wali.changes(uri, start + 2)["details"] is None


def test_it_is_state_and_no_log(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    start = wali.chat(uri)["version"]
    wali.send(uri, "Hello")
    for n in range(10):
        edited = wali.edit(uri, 1, f"Hello {n}")
    for _ in range(3):
        mabel.leave(uri)
        mabel.join(uri)
    changes = wali.changes(uri, start)
    assert changes["messages"] == [edited]
    assert [(row["username"], row["left"]) for row in changes["members"]] == [(mabel.username, False)]
    assert changes["version"] == start + 17


def test_a_deleted_text_never_comes_back(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "A secret")
    wali.edit(uri, 1, "A bigger secret")
    tombstone = wali.erase(uri, 1)
    for since in range(tombstone["version"]):
        assert wali.changes(uri, since)["messages"] == [tombstone]


def test_rows_come_in_version_order(wali: Person) -> None:
    uri = wali.start()
    for _ in range(4):
        wali.send(uri)
    wali.edit(uri, 3, "Edited")
    wali.edit(uri, 1, "Edited")
    changes = wali.changes(uri, 0)
    assert [message["seq"] for message in changes["messages"]] == [2, 4, 3, 1]


@pytest.mark.parametrize("ahead", [1, 10**6, 2**63 - 1, 2**63, 10**40], ids=str)
def test_who_is_ahead_of_the_chat_starts_anew(wali: Person, ahead: int) -> None:
    uri = wali.start()
    version = wali.chat(uri)["version"]
    answer = wali.get(f"chats/{uri}/changes/", since=version + ahead)
    assert (answer.status, answer.json) == (200, {"reset": True, "version": version})


def test_pages_of_one_row_lead_to_the_end(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    start = wali.chat(uri)["version"]
    wali.send(uri)
    mabel.join(uri)
    wali.send(uri)
    wali.edit_chat(uri, title="Picnic")
    wali.edit(uri, 1, "Edited")
    everything = wali.changes(uri, start)

    found = pages(wali, uri, start, limit=1)

    rows = [[*page["messages"], *page["members"]] for page in found]
    assert all(len(each) <= 1 for each in rows)
    assert [row for each in rows for row in each] == sorted(
        [*everything["messages"], *everything["members"]], key=lambda row: int(row["version"])
    )
    assert [page["details"] for page in found if page["details"]] == [everything["details"]]
    assert [page["since"] for page in found] == [start, *(page["version"] for page in found[:-1])]
    assert found[-1]["version"] == everything["version"]


@pytest.mark.parametrize("limit", [2, 3, 5, 199, 200, 201, 10**40], ids=str)
def test_pages_of_any_size_hold_the_same(wali: Person, mabel: Person, limit: int) -> None:
    uri = wali.start()
    for n in range(5):
        wali.send(uri)
        (mabel.leave if n % 2 else mabel.join)(uri)
    everything = wali.changes(uri, 0)
    found = pages(wali, uri, 0, limit=limit)
    assert [message for page in found for message in page["messages"]] == everything["messages"]
    assert [row for page in found for row in page["members"]] == everything["members"]
    for page in found:
        assert len(page["messages"]) + len(page["members"]) <= limit


def test_a_page_has_200_rows(wali: Person) -> None:
    uri = wali.start()
    start = wali.chat(uri)["version"]
    for _ in range(201):
        operations.send_message(actor=wali.user, chat=uri, text="Hello")
    for query in ({}, {"limit": 200}, {"limit": 1000}):
        found = pages(wali, uri, start, **query)
        assert [len(page["messages"]) for page in found] == [200, 1]


def test_a_page_never_splits_a_version(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(5)
    uri = wali.start(*people)
    operations.send_message(actor=wali.user, chat=uri, text="Hello")
    people[0].leave(uri)
    versions = Counter(row["version"] for page in pages(wali, uri, 0) for row in page["members"])
    assert versions[1] == 5

    for limit in (1, 3, 5):
        first, *rest = pages(wali, uri, 0, limit=limit)
        assert [row["version"] for row in first["members"]] == [1] * 5
        assert first["version"] < rest[0]["messages"][0]["version"]
        assert not any(row["version"] == 1 for page in rest for row in page["members"])


def test_the_versions_of_two_rows_stay_together_on_a_page(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    start = otis.chat(uri)["version"]
    otis.send(uri)
    wali.leave(uri)  # his row and the heir's
    otis.send(uri)
    found = pages(otis, uri, start, limit=2)
    assert [([m["seq"] for m in page["messages"]], len(page["members"])) for page in found] == [
        ([1], 0),
        ([], 2),
        ([2], 0),
    ]


@pytest.mark.parametrize(
    "text", ["🍓" * 4000, "\x01" * 3999 + "x", '"\\' * 2000, "x" * 4000], ids=["emoji", "control", "quotes", "plain"]
)
def test_a_page_has_at_most_64_kib(wali: Person, text: str) -> None:
    uri = wali.start()
    start = wali.chat(uri)["version"]
    for _ in range(18):
        operations.send_message(actor=wali.user, chat=uri, text=text)
    seqs: list[int] = []
    since, more = start, True
    while more:
        answer = wali.get(f"chats/{uri}/changes/", since=since)
        assert len(answer.content) <= 64 * 1024
        page = answer.json
        assert page["messages"]
        seqs += [message["seq"] for message in page["messages"]]
        since, more = page["version"], page["more"]
    assert seqs == list(range(1, 19))


def test_who_joined_later_follows_without_seeing_what_is_not_theirs(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.send(uri, "A secret")
    wali.edit_chat(uri, history="since_join")
    joined = mabel.join(uri)["version"]
    wali.edit(uri, 1, "Another secret")
    changes = mabel.changes(uri, joined)
    assert (changes["messages"], changes["members"], changes["details"]) == ([], [], None)
    assert changes["version"] == wali.chat(uri)["version"]

    wali.send(uri, "Welcome")
    wali.erase(uri, 1)
    found = pages(mabel, uri, joined, limit=1)
    assert [message["message"] for page in found for message in page["messages"]] == ["Welcome"]
    assert found[-1]["version"] == wali.chat(uri)["version"]


def test_who_is_out_gets_no_changes(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    version = mabel.chat(uri)["version"]
    wali.remove(uri, mabel)
    wali.send(uri)
    refused = mabel.get(f"chats/{uri}/changes/", since=version)
    assert (refused.status, refused.json["code"]) == (403, "not_a_member")


def test_a_role_shows_in_the_changes(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.change_role(uri, mabel, "admin")
    assert {row["username"]: row["role"] for row in wali.changes(uri, 0)["members"]} == {
        wali.username: "owner",
        mabel.username: "admin",
    }


def test_the_changes_of_one_chat_are_of_that_chat(wali: Person, mabel: Person) -> None:
    uri, other = wali.start(), wali.start(mabel)
    wali.send(other)
    changes = wali.changes(uri, 0)
    assert changes["chat"] == uri
    assert changes["messages"] == []
    assert [row["username"] for row in changes["members"]] == [wali.username]
