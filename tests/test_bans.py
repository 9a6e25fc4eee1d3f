"""Keeping people out of a group, and letting them in again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from django_bpo_chat import operations
from django_bpo_chat.exceptions import NotFound
from django_bpo_chat.models import Ban, Membership
from tests.fixtures import Configure
from tests.parallel import at_once
from tests.person import Person
from tests.shy import SHY_MABEL

pytestmark = pytest.mark.users


def names(person: Person, uri: str) -> list[str]:
    return [row["username"] for row in person.get(f"chats/{uri}/bans/").done()["results"]]


def test_a_ban_removes_and_keeps_out(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    since = otis.chat(uri)["version"]
    wali.ban(uri, mabel)
    changes = otis.changes(uri, since)
    assert changes["version"] == since + 1
    assert [(row["username"], row["left"]) for row in changes["members"]] == [(mabel.username, True)]
    assert otis.chat(uri)["member_count"] == 2
    assert mabel.chats()["results"] == []
    unknown = mabel.get(f"chats/{'A' * 22}/")
    for answer in [
        mabel.get(f"chats/{uri}/"),
        mabel.patch(f"chats/{uri}/", {}),
        mabel.post(f"chats/{uri}/messages/", {"message": "Hello"}),
        mabel.get(f"chats/{uri}/messages/"),
        mabel.get(f"chats/{uri}/changes/"),
        mabel.put(f"chats/{uri}/read/", {"seq": 1}),
        mabel.delete(f"chats/{uri}/members/{mabel.username}/"),
    ]:
        assert (answer.status, answer.content) == (404, unknown.content)


def test_nobody_brings_in_whoever_is_banned(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    token = wali.invite(uri)
    wali.ban(uri, mabel)
    refusal = wali.patch(f"chats/{uri}/", {"username": mabel.username})
    assert refusal.is_same_as(wali.patch(f"chats/{uri}/", {"username": "nobody"}))
    assert mabel.post(f"invites/{token}/").status == 404
    assert wali.chat(uri)["member_count"] == 1


def test_a_ban_is_lifted(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.ban(uri, mabel)
    wali.unban(uri, mabel)
    assert names(wali, uri) == []
    assert mabel.get(f"chats/{uri}/").json["code"] == "not_a_member"
    mabel.join(uri)
    assert wali.chat(uri)["member_count"] == 2


def test_to_ban_again_changes_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.ban(uri, mabel)
    before = wali.chat(uri)
    wali.ban(uri, mabel)
    assert wali.chat(uri) == before
    assert names(wali, uri) == [mabel.username]


def test_whoever_was_never_in_may_be_banned(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    since = mabel.chat(uri)["version"]
    wali.ban(uri, otis)
    changes = mabel.changes(uri, since)
    assert (changes["messages"], changes["members"], changes["details"]) == ([], [], None)
    assert otis.patch(f"chats/{uri}/", {}).status == 404


def test_whom_one_may_not_know_looks_like_nobody(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(ADAPTER=SHY_MABEL)
    otis.deactivate()
    uri = wali.start()
    nobody = wali.put(f"chats/{uri}/bans/nobody/")
    assert nobody.status == 404
    for person in (mabel, otis):
        assert wali.put(f"chats/{uri}/bans/{person.username}/").is_same_as(nobody)
    for name in (mabel.username, otis.username, "nobody", wali.username):
        assert wali.delete(f"chats/{uri}/bans/{name}/").is_same_as(nobody)
    assert Ban.objects.count() == 0


def test_nobody_bans_an_equal_or_a_superior(
    wali: Person, mabel: Person, otis: Person, meet: Callable[..., Sequence[Person]]
) -> None:
    [ines] = meet("ines")
    uri = wali.start(mabel, otis, ines)
    for admin in (mabel, otis):
        wali.change_role(uri, admin, "admin")
    for actor, target in [(mabel, wali), (mabel, otis), (mabel, mabel), (wali, wali), (ines, otis), (ines, ines)]:
        answer = actor.put(f"chats/{uri}/bans/{target.username}/")
        assert (answer.status, answer.json["code"]) == (403, "not_allowed"), (actor.username, target.username)
    mabel.ban(uri, ines)
    wali.ban(uri, mabel)
    assert names(otis, uri) == [ines.username, mabel.username]


def test_a_former_admin_is_nobodys_equal(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    for admin in (mabel, otis):
        wali.change_role(uri, admin, "admin")
    mabel.leave(uri)
    otis.ban(uri, mabel)
    assert names(wali, uri) == [mabel.username]


def test_only_who_manages_the_chat_sees_the_bans(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    wali.ban(uri, otis)
    [row] = wali.get(f"chats/{uri}/bans/").done()["results"]
    assert row.keys() == {"username", "banned_by", "banned_at"}
    assert row["banned_by"] == wali.username
    assert mabel.get(f"chats/{uri}/bans/").json["code"] == "not_allowed"
    assert mabel.delete(f"chats/{uri}/bans/{otis.username}/").json["code"] == "not_allowed"
    assert otis.get(f"chats/{uri}/bans/").status == 404


def test_the_bans_are_paged(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(5)
    uri = wali.start()
    for person in people:
        wali.ban(uri, person)
    page = wali.get(f"chats/{uri}/bans/", limit=3).done()
    following = wali.get(page["next"]).done()
    found = [row["username"] for row in [*page["results"], *following["results"]]]
    assert found == [person.username for person in people]


def test_personal_chats_have_no_bans(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    assert wali.put(f"chats/{uri}/bans/{mabel.username}/").json["code"] == "not_allowed"
    assert wali.get(f"chats/{uri}/bans/").json["code"] == "not_allowed"


def test_bans_end_with_the_accounts(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    mabel.ban(uri, otis)
    mabel.user.delete()
    [row] = wali.get(f"chats/{uri}/bans/").done()["results"]
    assert (row["username"], row["banned_by"]) == (otis.username, None)
    otis.user.delete()
    assert names(wali, uri) == []


@pytest.mark.django_db(transaction=True)
def test_who_joins_while_they_are_banned_is_out_in_the_end(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    for _ in range(10):
        at_once(lambda: wali.ban(uri, mabel), lambda: mabel.patch(f"chats/{uri}/", {}))
        assert not Membership.objects.present().of(mabel.user).exists()
        with pytest.raises(NotFound):
            operations.join_chat(actor=mabel.user, chat=uri)
        wali.unban(uri, mabel)
