"""Links that let people into a group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.exceptions import Invalid
from django_bpo_chat.models import Chat, Invite
from tests.fixtures import Configure
from tests.parallel import at_once
from tests.person import Answer, Person, Visitor

pytestmark = pytest.mark.users


def closed(owner: Person, *members: Person) -> str:
    uri = owner.start(*members)
    owner.edit_chat(uri, joinable=False)
    return uri


def invites(person: Person, uri: str) -> list[Any]:
    found: list[Any] = person.get(f"chats/{uri}/invites/").done()["results"]
    return found


def expire(token: str) -> None:
    Invite.objects.filter(token=token).update(expires_at=datetime.fromisoformat("2026-01-01T00:00:00+00:00"))


def test_an_invite_lets_people_in_where_the_uri_does_not(wali: Person, mabel: Person, otis: Person) -> None:
    uri = closed(wali)
    token = wali.invite(uri)
    assert mabel.patch(f"chats/{uri}/", {}).status == 404
    assert mabel.accept(token) == mabel.chat(uri)
    otis.accept(token)
    assert wali.chat(uri)["member_count"] == 3
    assert [each["uses"] for each in invites(wali, uri)] == [2]


def test_an_invite_looks_like_this(wali: Person) -> None:
    uri = wali.start()
    answer = wali.post(f"chats/{uri}/invites/", {"expires_in": 3600, "max_uses": 5})
    assert answer.status == 201
    invite = answer.json
    created_at, expires_at = (datetime.fromisoformat(invite[f"{name}_at"][:-1]) for name in ("created", "expires"))
    assert expires_at - created_at == timedelta(hours=1)
    assert len(invite.pop("token")) == 22
    assert {key: value for key, value in invite.items() if not key.endswith("_at")} == {
        "created_by": wali.username,
        "max_uses": 5,
        "uses": 0,
    }
    unlimited = wali.post(f"chats/{uri}/invites/", {"expires_in": None}).done()
    assert (unlimited["expires_at"], unlimited["max_uses"]) == (None, None)


def test_whoever_is_in_uses_nothing_up(wali: Person, mabel: Person, otis: Person) -> None:
    uri = closed(wali)
    token = wali.invite(uri, max_uses=1)
    mabel.accept(token)
    before = mabel.chat(uri)
    assert mabel.accept(token) == before
    assert wali.accept(token) == wali.chat(uri)
    assert otis.post(f"invites/{token}/").status == 404
    assert wali.chat(uri)["member_count"] == 2


def test_every_invite_that_lets_nobody_in_looks_the_same(wali: Person, mabel: Person, otis: Person) -> None:
    uri = closed(wali, otis)
    expired, used_up, revoked = (wali.invite(uri, max_uses=1) for _ in range(3))
    unknown = mabel.post(f"invites/{'A' * 22}/")
    assert unknown.status == 404
    expire(expired)
    Invite.objects.filter(token=used_up).update(uses=1)
    wali.delete(f"chats/{uri}/invites/{revoked}/").done()
    for token in (expired, used_up, revoked, "no-token", "%00"):
        assert mabel.post(f"invites/{token}/").is_same_as(unknown), token
    assert otis.accept(expired) == otis.accept(used_up) == otis.chat(uri)  # who is in
    assert otis.post(f"invites/{revoked}/").is_same_as(unknown)


def test_what_is_spent_is_not_listed_and_goes_with_the_next(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    expired, used_up, good = wali.invite(uri), wali.invite(uri, max_uses=1), wali.invite(uri)
    expire(expired)
    mabel.accept(used_up)
    assert [each["token"] for each in invites(wali, uri)] == [good]
    wali.invite(uri)
    assert Invite.objects.count() == 2


def test_only_who_manages_a_group_has_to_do_with_its_invites(wali: Person, mabel: Person, otis: Person) -> None:
    uri, direct = closed(wali, mabel), wali.start_direct(mabel)
    token = wali.invite(uri)

    def calls(person: Person, chat: str) -> list[Answer]:
        path = f"chats/{chat}/invites/"
        return [person.post(path, {}), person.get(path), person.delete(f"{path}{token}/")]

    assert [answer.json["code"] for answer in calls(mabel, uri)] == ["not_allowed"] * 3
    assert [answer.json["code"] for answer in calls(wali, direct)] == ["not_allowed"] * 3
    assert [answer.json["code"] for answer in calls(otis, uri)] == ["not_found"] * 3
    wali.change_role(uri, mabel, "admin")
    assert [answer.status for answer in calls(mabel, uri)] == [201, 200, 204]


def test_another_chats_invite_is_not_there(wali: Person, mabel: Person) -> None:
    uri, other = wali.start(), mabel.start()
    token = mabel.invite(other)
    assert wali.delete(f"chats/{uri}/invites/{token}/").status == 404
    assert wali.delete(f"chats/{uri}/invites/no-token/").status == 404
    assert Invite.objects.count() == 1


def test_what_cannot_be_meant_is_refused(wali: Person) -> None:
    uri = wali.start()
    for field in ("expires_in", "max_uses"):
        for value in (0, -1, "1", 1.5, True, [1], 10**9, 10**30):
            answer = wali.post(f"chats/{uri}/invites/", {field: value})
            assert answer.status == 400
            assert answer.json.keys() == {field}, value
        for number in (0, -1, 10**9):
            with pytest.raises(Invalid):
                operations.create_invite(actor=wali.user, chat=uri, **{field: number})
    assert Invite.objects.count() == 0
    longest = {"expires_in": 10 * 365 * 24 * 3600, "max_uses": 1_000_000}
    assert wali.post(f"chats/{uri}/invites/", longest).done()["max_uses"] == 1_000_000


def test_newcomers_see_what_the_chat_lets_them(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.send(uri, "Before")
    wali.edit_chat(uri, history="since_join")
    mabel.accept(wali.invite(uri))
    assert mabel.messages(uri)["results"] == []


def test_no_log_has_a_token(caplog: pytest.LogCaptureFixture, wali: Person, mabel: Person) -> None:
    """Whoever has it comes in. Django logs the paths of what is refused."""
    uri = wali.start()
    wali.ban(uri, mabel)
    token = wali.invite(uri)
    answers = [
        Visitor().post(f"invites/{token}/"),
        mabel.post(f"invites/{token}/"),
        mabel.get(f"invites/{token}/"),
        mabel.delete(f"chats/{uri}/invites/{token}/"),
    ]
    assert [answer.status for answer in answers] == [401, 404, 405, 404]
    assert token not in caplog.text


class MembersOnly(Adapter):
    def may_join(self, actor: AbstractBaseUser, chat: Chat) -> bool:
        return False


def test_the_site_has_the_last_word(configure: Configure, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    token = wali.invite(uri)
    configure(ADAPTER=f"{__name__}.MembersOnly")
    assert mabel.post(f"invites/{token}/").status == 404


def test_invites_outlive_who_made_them(wali: Person, mabel: Person, otis: Person) -> None:
    uri = closed(wali, mabel)
    wali.change_role(uri, mabel, "admin")
    token = mabel.invite(uri)
    mabel.user.delete()
    assert [each["created_by"] for each in invites(wali, uri)] == [None]
    otis.accept(token)


@pytest.mark.django_db(transaction=True)
def test_of_8_at_once_3_get_through_where_3_may(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(8)
    uri = closed(wali)
    token = wali.invite(uri, max_uses=3)
    answers = at_once(*[lambda person=person: person.post(f"invites/{token}/") for person in people])
    assert sorted(answer.status for answer in answers) == [200] * 3 + [404] * 5
    assert wali.chat(uri)["member_count"] == 4


@pytest.mark.parametrize("act", ["remove", "ban"])
def test_whoever_is_put_out_does_not_come_in_by_an_invite_of_their_own(
    act: str, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    own, others = mabel.invite(uri), wali.invite(uri)
    wali.edit_chat(uri, joinable=False)
    getattr(wali, act)(uri, mabel)
    assert mabel.post(f"invites/{own}/").status == 404
    assert mabel.post(f"invites/{others}/").status == (200 if act == "remove" else 404)
    assert wali.get(f"chats/{uri}/invites/").json["results"][0]["token"] == others
