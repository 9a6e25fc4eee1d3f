"""Joining, adding, leaving, removing, and who owns a chat then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import pytest

from tests.fixtures import Configure
from tests.person import Person, chosen_handles
from tests.shy import SHY_MABEL

pytestmark = pytest.mark.users


def members(person: Person, uri: str, **query: Any) -> Any:
    return person.get(f"chats/{uri}/members/", **query).done()


def roles(person: Person, uri: str) -> dict[str, str]:
    return {member["username"]: member["role"] for member in members(person, uri)["results"]}


# Joining


JOINS = pytest.mark.parametrize(
    "join",
    [lambda name: {"username": name}, lambda name: {}, lambda name: b""],
    ids=["username", "empty object", "empty"],
)


@JOINS
def test_the_uri_lets_one_join(wali: Person, mabel: Person, join: Callable[[str], Any]) -> None:
    uri = wali.start()
    before = wali.chat(uri)
    answer = mabel.patch(f"chats/{uri}", join(mabel.username))
    assert answer.status == 200
    assert answer.json == mabel.chat(uri)
    assert answer.json["version"] == before["version"] + 1
    assert answer.json["member_count"] == 2
    assert roles(wali, uri) == {wali.username: "owner", mabel.username: "member"}


@JOINS
def test_joining_again_changes_nothing(wali: Person, mabel: Person, join: Callable[[str], Any]) -> None:
    uri = wali.start()
    mabel.join(uri)
    wali.send(uri)
    before = mabel.chat(uri)
    answer = mabel.patch(f"chats/{uri}/", join(mabel.username))
    assert (answer.status, answer.json) == (200, before)


def test_a_member_may_join_again_though_the_chat_is_not_joinable(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.edit_chat(uri, joinable=False)
    assert mabel.join(uri) == mabel.chat(uri)


def test_the_owner_joins_their_own_chat_without_effect(wali: Person) -> None:
    uri = wali.start()
    before = wali.chat(uri)
    assert wali.patch(f"chats/{uri}", {"username": wali.username}).json == before


# Adding


def test_the_owner_and_admins_add_others(
    wali: Person, mabel: Person, otis: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    [ines] = crowd(1)
    uri = wali.start(mabel)
    wali.edit_chat(uri, joinable=False)
    wali.change_role(uri, mabel, "admin")
    chat = mabel.add(uri, otis)
    assert chat == mabel.chat(uri)
    wali.add(uri, ines)
    assert roles(otis, uri) == {
        wali.username: "owner",
        mabel.username: "admin",
        otis.username: "member",
        ines.username: "member",
    }


def test_adding_a_member_again_changes_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    before = wali.chat(uri)
    assert wali.add(uri, mabel) == before


def test_names_that_are_unknown_inactive_or_unwilling_are_refused_alike(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(ADAPTER=SHY_MABEL)
    otis.deactivate()
    uri = wali.start()
    before = wali.chat(uri)
    names = ["nobody", otis.username, mabel.username, "", wali.username.upper()]
    refusals = [wali.patch(f"chats/{uri}/", {"username": name}) for name in names]
    assert all(refusal.is_same_as(refusals[0]) for refusal in refusals)
    assert refusals[0].status == 400
    assert refusals[0].json.keys() == {"username"}
    assert wali.post("chats/", {"username": "nobody"}).content == refusals[0].content
    assert wali.chat(uri) == before


def test_whoever_may_not_add_learns_nothing_of_names(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    for person, code in [(mabel, "not_allowed"), (otis, "not_a_member")]:
        refusals = [person.patch(f"chats/{uri}/", {"username": name}) for name in [wali.username, "nobody", "x" * 500]]
        assert all(refusal.is_same_as(refusals[0]) for refusal in refusals)
        assert (refusals[0].status, refusals[0].json["code"]) == (403, code)
    assert roles(wali, uri) == {wali.username: "owner", mabel.username: "member"}


# Leaving and removing


def test_who_leaves_is_out(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    before = wali.chat(uri)
    answer = mabel.delete(f"chats/{uri}/members/{mabel.username}/")
    assert (answer.status, answer.content) == (204, b"")
    after = wali.chat(uri)
    assert after["member_count"] == 1
    assert after["version"] == before["version"] + 1
    assert roles(wali, uri) == {wali.username: "owner"}
    assert mabel.get(f"chats/{uri}/messages/").json["code"] == "not_a_member"
    assert mabel.chats()["results"] == []


def test_leaving_twice_is_refused_and_changes_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.leave(uri)
    before = wali.chat(uri)
    assert mabel.delete(f"chats/{uri}/members/{mabel.username}/").json["code"] == "not_a_member"
    assert wali.chat(uri) == before


def test_the_owner_removes_anybody(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    wali.remove(uri, mabel)
    wali.remove(uri, otis)
    assert roles(wali, uri) == {wali.username: "owner"}


def test_an_admin_removes_plain_members_only(
    wali: Person, mabel: Person, otis: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    [ines] = crowd(1)
    uri = wali.start(mabel, otis, ines)
    wali.change_role(uri, mabel, "admin")
    wali.change_role(uri, otis, "admin")
    for name in [wali.username, otis.username]:
        refused = mabel.delete(f"chats/{uri}/members/{name}/")
        assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    mabel.remove(uri, ines)
    assert roles(wali, uri) == {wali.username: "owner", mabel.username: "admin", otis.username: "admin"}


def test_plain_members_remove_nobody_and_learn_nothing_of_names(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    refusals = [mabel.delete(f"chats/{uri}/members/{name}/") for name in [wali.username, otis.username, "nobody"]]
    assert all(refusal.is_same_as(refusals[0]) for refusal in refusals)
    assert (refusals[0].status, refusals[0].json["code"]) == (403, "not_allowed")
    assert len(roles(wali, uri)) == 3


def test_removing_who_is_not_in_is_404_whoever_it_is(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    mabel.leave(uri)
    before = wali.chat(uri)
    names = [mabel.username, otis.username, wali.username.upper(), "nobody", "%00", "x" * 3000]
    refusals = [wali.delete(f"chats/{uri}/members/{name}/") for name in names]
    assert all(refusal.is_same_as(refusals[0]) for refusal in refusals)
    assert (refusals[0].status, refusals[0].json["code"]) == (404, "not_found")
    assert wali.chat(uri) == before


def test_a_name_counts_only_as_it_is_written(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    refused = wali.delete(f"chats/{uri}/members/{mabel.username.upper()}/")
    assert (refused.status, refused.json["code"]) == (404, "not_found")
    assert len(roles(wali, uri)) == 2


def test_a_removed_member_may_come_back_while_the_uri_lets_them(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.change_role(uri, mabel, "admin")
    wali.remove(uri, mabel)
    mabel.join(uri)
    assert roles(wali, uri) == {wali.username: "owner", mabel.username: "member"}
    assert wali.chat(uri)["member_count"] == 2


def test_coming_back_counts_as_joining_now(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    [_, before] = members(wali, uri)["results"]
    mabel.leave(uri)
    mabel.join(uri)
    [_, after] = members(wali, uri)["results"]
    assert after["joined_at"] > before["joined_at"]
    assert after["version"] == wali.chat(uri)["version"]


# Inheritance


def test_whose_account_is_not_active_inherits_last(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    mabel.deactivate()
    wali.leave(uri)
    assert otis.chat(uri)["owner"] == otis.username
    otis.leave(uri)
    wali.join(uri)
    assert wali.chat(uri)["owner"] == mabel.username


def test_the_longest_standing_admin_inherits(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(4)
    uri = wali.start()
    for person in people:
        person.join(uri)
    wali.change_role(uri, people[3], "admin")
    wali.change_role(uri, people[2], "admin")
    before = wali.chat(uri)
    wali.leave(uri)

    chat = people[0].chat(uri)
    assert chat["owner"] == people[2].username
    assert chat["version"] == before["version"] + 1
    assert roles(people[0], uri) == {
        people[0].username: "member",
        people[1].username: "member",
        people[2].username: "owner",
        people[3].username: "admin",
    }


def test_without_admins_the_longest_standing_member_inherits(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start()
    for person in (mabel, otis):
        person.join(uri)
    # Who comes back is the newest.
    mabel.leave(uri)
    mabel.join(uri)
    wali.leave(uri)
    assert roles(mabel, uri) == {mabel.username: "member", otis.username: "owner"}
    otis.leave(uri)
    assert roles(mabel, uri) == {mabel.username: "owner"}


def test_an_heir_may_do_what_an_owner_may(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    wali.leave(uri)
    assert mabel.edit_chat(uri, title="Mine")["owner"] == mabel.username
    mabel.add(uri, otis)
    mabel.remove(uri, otis)


def test_a_former_owner_comes_back_as_a_member(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.leave(uri)
    wali.join(uri)
    assert roles(mabel, uri) == {wali.username: "member", mabel.username: "owner"}
    assert wali.patch(f"chats/{uri}/", {"title": "Mine"}).status == 403


def test_an_inheritance_reaches_those_who_follow_the_changes(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    since = otis.chat(uri)["version"]
    wali.leave(uri)
    changes = otis.changes(uri, since)
    rows = {row["username"]: (row["role"], row["left"]) for row in changes["members"]}
    assert rows[mabel.username] == ("owner", False)
    assert rows[wali.username][1] is True
    assert changes["details"]["owner"] == mabel.username
    assert changes["version"] == since + 1


def test_whoever_enters_an_empty_chat_owns_it(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start()
    wali.leave(uri)
    mabel.join(uri)
    otis.join(uri)
    assert roles(otis, uri) == {mabel.username: "owner", otis.username: "member"}
    assert otis.chat(uri)["owner"] == mabel.username


# The list


@pytest.mark.times
def test_the_list_of_members_is_paged_both_ways(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(6)
    uri = wali.start(*people)
    everybody = [wali.username, *(person.username for person in people)]
    pages = [members(wali, uri, limit=3)]
    while pages[-1]["next"]:
        pages.append(wali.get(pages[-1]["next"]).done())
    names = [[row["username"] for row in page["results"]] for page in pages]
    assert names == [everybody[:3], everybody[3:6], everybody[6:]]
    assert pages[0]["previous"] is None
    back = wali.get(pages[2]["previous"]).done()
    assert back["results"] == pages[1]["results"]
    assert wali.get(back["previous"]).done()["results"] == pages[0]["results"]


def test_the_list_of_members_holds_50_at_a_time(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    uri = wali.start(*crowd(50))
    page = members(wali, uri)
    assert len(page["results"]) == 50
    assert len(wali.get(page["next"]).done()["results"]) == 1
    assert len(members(wali, uri, limit=200)["results"]) == 51


def test_pages_of_members_skip_nobody_while_others_leave(
    wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    people = crowd(4)
    uri = wali.start(*people)
    first = members(wali, uri, limit=2)
    people[0].leave(uri)
    second = wali.get(first["next"]).done()
    assert [row["username"] for row in second["results"]] == [people[1].username, people[2].username]


@chosen_handles
@pytest.mark.parametrize("username", ["o.t@i+s-", "ótís", "me"])
def test_names_may_need_quoting_in_urls(wali: Person, username: str) -> None:
    person = Person(username)
    uri = wali.start(person)
    assert wali.delete(f"chats/{uri}/members/{quote(username)}/").status == 204
