"""What a member may do: roles, and how they are given and handed over."""

from __future__ import annotations

from typing import Any

import pytest

from django_bpo_chat import operations
from tests.parallel import at_once
from tests.person import Answer, Person

pytestmark = pytest.mark.users


def roles(person: Person, uri: str) -> dict[str, str]:
    rows = person.get(f"chats/{uri}/members/").done()["results"]
    return {row["username"]: row["role"] for row in rows}


def change(person: Person, uri: str, username: str, role: Any) -> Answer:
    return person.patch(f"chats/{uri}/members/{username}/", {"role": role})


def test_the_owner_makes_admins_and_plain_members(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    since = mabel.chat(uri)["version"]
    for role in ("admin", "member"):
        answer = change(wali, uri, mabel.username, role)
        assert (answer.status, answer.json["role"]) == (200, role)
        [row] = mabel.changes(uri, since)["members"]
        assert row == answer.json
        assert roles(mabel, uri)[mabel.username] == role
    assert mabel.chat(uri)["version"] == since + 2


def test_the_same_role_again_changes_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.change_role(uri, mabel, "admin")
    before = wali.chat(uri)
    wali.change_role(uri, mabel, "admin")
    wali.change_role(uri, wali, "owner")
    assert wali.chat(uri) == before


def test_the_owner_hands_the_chat_over_and_stays_as_an_admin(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    since = wali.chat(uri)["version"]
    assert wali.change_role(uri, mabel, "owner")["role"] == "owner"
    assert roles(otis, uri) == {wali.username: "admin", mabel.username: "owner", otis.username: "member"}
    changes = otis.changes(uri, since)
    assert changes["version"] == since + 1
    assert {row["username"]: row["role"] for row in changes["members"]} == {
        wali.username: "admin",
        mabel.username: "owner",
    }
    assert changes["details"]["owner"] == mabel.username
    assert change(wali, uri, otis.username, "admin").status == 403


def test_an_owner_cannot_just_step_down(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for role in ("admin", "member"):
        assert change(wali, uri, wali.username, role).json["code"] == "not_allowed"
    assert roles(mabel, uri)[wali.username] == "owner"


def test_only_the_owner_changes_roles(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    before = wali.chat(uri)
    for actor in (mabel, otis):
        for name in (wali.username, mabel.username, otis.username, "nobody"):
            for role in ("admin", "member", "owner"):
                answer = change(actor, uri, name, role)
                assert (answer.status, answer.json["code"]) == (403, "not_allowed"), (actor, name, role)
    assert wali.chat(uri) == before


def test_strangers_learn_nothing(wali: Person, mabel: Person, otis: Person) -> None:
    uri, hidden = wali.start(mabel), wali.start(mabel, title="Hidden")
    wali.edit_chat(hidden, joinable=False)
    for name in (mabel.username, "nobody"):
        assert change(otis, uri, name, "admin").json["code"] == "not_a_member"
        assert change(otis, hidden, name, "admin").is_same_as(change(otis, "A" * 22, name, "admin"))


def test_whoever_is_not_in_has_no_role(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    mabel.leave(uri)
    for name in (mabel.username, otis.username, "nobody"):
        for role in ("admin", "owner"):
            answer = change(wali, uri, name, role)
            assert (answer.status, answer.json["code"]) == (404, "not_found"), name


def test_what_is_no_role_is_refused(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for role in ("", "king", "Admin", None, 1, ["admin"]):
        answer = change(wali, uri, mabel.username, role)
        assert answer.status == 400
        assert answer.json.keys() == {"role"}, role
    assert wali.patch(f"chats/{uri}/members/{mabel.username}/", {}).json.keys() == {"role"}


def test_personal_chats_have_no_roles(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    for name in (wali.username, mabel.username, "nobody"):
        assert change(wali, uri, name, "admin").json["code"] == "not_allowed"


def test_the_site_itself_hands_a_chat_over(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    operations.change_role(actor=None, chat=uri, username=mabel.username, role="owner")
    assert roles(wali, uri) == {wali.username: "admin", mabel.username: "owner"}


@pytest.mark.django_db(transaction=True)
def test_of_two_heirs_at_the_same_moment_one_becomes_the_owner(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    answers = at_once(*[lambda heir=heir: change(wali, uri, heir.username, "owner") for heir in (mabel, otis)])
    assert sorted(answer.status for answer in answers) == [200, 403]
    assert sorted(roles(wali, uri).values()) == ["admin", "member", "owner"]


def test_no_chat_is_handed_to_whose_account_is_not_active(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.deactivate()
    answer = wali.patch(f"chats/{uri}/members/{mabel.username}/", {"role": "owner"})
    assert (answer.status, answer.json["code"]) == (403, "not_allowed")
    assert wali.chat(uri)["owner"] == wali.username
