"""Starting, finding, listing and editing chats, and what those see of them who are not in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.db.models.signals import pre_delete
from rest_framework.pagination import CursorPagination

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.models import Chat, Membership
from django_bpo_chat.users import email, handle_field
from tests.fixtures import Configure
from tests.person import Answer, Person, Visitor, account, chosen_handles
from tests.shy import SHY_MABEL

pytestmark = pytest.mark.users

UNKNOWN = "0" * 22


def usernames(chat: Any) -> list[str]:
    return [member["username"] for member in chat["members"]]


# Starting a group chat


def test_an_empty_body_starts_a_group_chat_of_ones_own(wali: Person) -> None:
    for body in [{}, b"", {"title": ""}, {"members": []}]:
        answer = wali.post("chats/", body)
        assert answer.status == 201
        assert (answer.json["kind"], answer.json["owner"], answer.json["title"]) == ("group", wali.username, "")
        assert usernames(answer.json) == [wali.username]


def test_no_two_chats_have_one_uri(wali: Person) -> None:
    assert len({wali.start() for _ in range(20)}) == 20


def test_a_chat_starts_with_the_members_that_were_named(wali: Person, mabel: Person, otis: Person) -> None:
    names = [mabel.username, wali.username, otis.username, mabel.username]
    chat = wali.post("chats/", {"title": "Picnic", "members": names}).done()
    assert usernames(chat) == [wali.username, mabel.username, otis.username]
    assert chat["member_count"] == 3
    assert mabel.chat(chat["uri"])["title"] == otis.chat(chat["uri"])["title"] == "Picnic"


def test_a_chat_starts_with_at_most_50_others(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    names = [person.username for person in crowd(51)]
    answer = wali.post("chats/", {"members": names})
    assert answer.status == 400
    assert answer.json.keys() == {"members"}
    assert wali.chats()["results"] == []

    chat = wali.post("chats/", {"members": names[:50]}).done()
    assert chat["member_count"] == 51


def test_ones_own_username_means_nobody_else(wali: Person, mabel: Person) -> None:
    chat = wali.post("chats/", {"username": wali.username}).done()
    assert (chat["kind"], chat["member_count"]) == ("group", 1)
    chat = wali.post("chats/", {"username": wali.username, "title": "Notes", "members": [mabel.username]}).done()
    assert (chat["kind"], chat["title"], chat["member_count"]) == ("group", "Notes", 2)


def test_ones_own_name_and_repeats_do_not_count_towards_the_50(
    wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    names = [person.username for person in crowd(49)]
    assert wali.post("chats/", {"members": [wali.username, *names, names[0]]}).status == 201


def test_a_chat_starts_with_nobody_who_cannot_be_added(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(ADAPTER=SHY_MABEL)
    otis.deactivate()
    names = ["nobody", otis.username, mabel.username, "", mabel.username.upper()]
    refusals = [wali.post("chats/", {"members": [name]}) for name in names]
    assert {refusal.status for refusal in refusals} == {400}
    assert {refusal.content for refusal in refusals} == {refusals[0].content}
    assert refusals[0].json.keys() == {"members"}
    assert wali.chats()["results"] == []


def test_a_title_is_trimmed_and_has_at_most_200_characters(wali: Person) -> None:
    assert wali.post("chats/", {"title": "  Picnic\n"}).json["title"] == "Picnic"
    assert wali.post("chats/", {"title": "🍓" * 200}).json["title"] == "🍓" * 200
    refused = wali.post("chats/", {"title": "🍓" * 201})
    assert refused.status == 400
    assert refused.json.keys() == {"title"}


def test_fields_that_a_client_cannot_set_are_ignored(wali: Person) -> None:
    chat = wali.post("chats/", {"uri": "mine", "owner": "mabel", "version": 9, "kind": "direct", "color": "red"}).done()
    assert (chat["owner"], chat["kind"], chat["version"]) == (wali.username, "group", 1)
    assert chat["uri"] != "mine"


class OnlyStaffStarts(Adapter):
    def may_start_chat(self, actor: AbstractBaseUser) -> bool:
        return getattr(actor, "is_staff", False)


def test_the_site_may_say_who_starts_chats(configure: Configure, wali: Person, mabel: Person) -> None:
    uri = mabel.start_direct(wali)
    configure(ADAPTER=f"{__name__}.OnlyStaffStarts")
    assert wali.post("chats/", {}).json["code"] == "not_allowed"
    assert wali.post("chats/", {}).status == 403
    # A personal chat that is there already is not started.
    assert wali.start_direct(mabel) == uri


# Personal chats


def test_a_pair_has_one_personal_chat_for_ever(wali: Person, mabel: Person) -> None:
    first = wali.post("chats/", {"username": mabel.username})
    assert first.status == 201
    for person, other in [(wali, mabel.username), (mabel, wali.username)]:
        again = person.post("chats/", {"username": other})
        assert again.status == 200
        assert again.json == first.json
    assert Chat.objects.count() == 1


def test_every_pair_has_a_personal_chat_of_its_own(wali: Person, mabel: Person, otis: Person) -> None:
    assert len({wali.start_direct(mabel), wali.start_direct(otis), otis.start_direct(mabel)}) == 3


def test_a_personal_chat_with_oneself_is_an_ordinary_chat(wali: Person) -> None:
    first, second = (wali.post("chats/", {"username": wali.username}) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json["uri"] != second.json["uri"]
    assert (first.json["kind"], first.json["owner"], usernames(first.json)) == ("group", wali.username, [wali.username])


def test_nobody_gets_a_personal_chat_with_whom_they_may_not_write_to(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(ADAPTER=SHY_MABEL)
    otis.deactivate()
    refusals = [wali.post("chats/", {"username": name}) for name in ["nobody", otis.username, mabel.username, ""]]
    assert {refusal.status for refusal in refusals} == {400}
    assert {refusal.content for refusal in refusals} == {refusals[0].content}
    assert refusals[0].json.keys() == {"username"}


def test_the_two_write_to_each_other(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    wali.send(uri, "Hello mabel")
    mabel.send(uri, "Hello wali")
    assert [each["message"] for each in wali.messages(uri)["results"]] == ["Hello mabel", "Hello wali"]


def test_nothing_about_a_personal_chat_can_be_changed(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start_direct(mabel)
    wali.send(uri)
    before = wali.chat(uri)
    for body in [
        {"username": otis.username},
        {"username": "nobody"},
        {"username": mabel.username},
        {"title": "Us"},
        {"title": ""},
        {"joinable": True},
        {"history": "since_join"},
    ]:
        refused = wali.patch(f"chats/{uri}/", body)
        assert (refused.status, refused.json["code"]) == (403, "not_allowed"), body
    for name in [wali.username, mabel.username, otis.username]:
        refused = wali.delete(f"chats/{uri}/members/{name}/")
        assert (refused.status, refused.json["code"]) == (403, "not_allowed"), name
    assert wali.chat(uri) == before


def test_joining_ones_personal_chat_changes_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    before = mabel.chat(uri)
    assert mabel.join(uri) == before
    assert mabel.patch(f"chats/{uri}/", {"username": mabel.username}).json == before


def test_a_personal_chat_is_hidden_from_everybody_else(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start_direct(mabel)
    wali.send(uri)
    assert_hidden(otis, uri, mabel)


# Who is not in


def chat_requests(person: Visitor, uri: str, member: Person) -> list[Answer]:
    """Everything that can be asked of one chat, and of somebody who is in it."""
    return [
        person.get(f"chats/{uri}/"),
        person.patch(f"chats/{uri}/", {"title": "Mine"}),
        person.patch(f"chats/{uri}/", {"username": member.username}),
        person.patch(f"chats/{uri}/", {"username": "nobody"}),
        person.get(f"chats/{uri}/members/"),
        person.delete(f"chats/{uri}/members/{member.username}/"),
        person.delete(f"chats/{uri}/members/nobody/"),
        person.get(f"chats/{uri}/messages/"),
        person.post(f"chats/{uri}/messages/", {"message": "Hello", "client_id": "a"}),
        person.patch(f"chats/{uri}/messages/1/", {"message": "Hello"}),
        person.delete(f"chats/{uri}/messages/1/"),
        person.put(f"chats/{uri}/read/", {"seq": 1}),
        person.get(f"chats/{uri}/changes/"),
        person.get(f"chats/{uri}/changes/", since=10**9),
    ]


def assert_hidden(otis: Person, uri: str, member: Person) -> None:
    """Whatever otis asks of it, the chat looks like one that never was; nor can he join or leave."""

    def answers_of(uri: str) -> list[Answer]:
        joins = [otis.patch(f"chats/{uri}/", body) for body in [{}, {"username": otis.username}]]
        return [*joins, otis.delete(f"chats/{uri}/members/{otis.username}/"), *chat_requests(otis, uri, member)]

    for answer, other in zip(answers_of(uri), answers_of(UNKNOWN), strict=True):
        assert answer.is_same_as(other)
        assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_a_chat_that_its_uri_lets_join_says_so_and_shows_nothing_else(
    wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, title="Picnic")
    wali.send(uri)
    version = wali.chat(uri)["version"]
    for answer in chat_requests(otis, uri, mabel):
        assert (answer.status, answer.json["code"]) == (403, "not_a_member")
        assert answer.json.keys() == {"detail", "code"}
    assert wali.chat(uri)["version"] == version


def test_a_chat_that_is_not_joinable_looks_like_one_that_never_was(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    wali.edit_chat(uri, joinable=False)
    version = wali.chat(uri)["version"]
    assert_hidden(otis, uri, mabel)
    assert wali.chat(uri)["version"] == version


class NoOtis(Adapter):
    def may_join(self, actor: AbstractBaseUser, chat: Chat) -> bool:
        return email(actor) != "otis@email.com"


def test_a_chat_that_the_site_does_not_let_one_join_looks_like_one_that_never_was(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(ADAPTER=f"{__name__}.NoOtis")
    uri = wali.start()
    wali.send(uri)
    mabel.join(uri)
    assert_hidden(otis, uri, mabel)


def test_who_has_left_is_refused_like_a_stranger(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.send(uri)
    otis.leave(uri)
    assert {(answer.status, answer.json["code"]) for answer in chat_requests(otis, uri, mabel)} == {
        (403, "not_a_member")
    }
    wali.edit_chat(uri, joinable=False)
    assert_hidden(otis, uri, mabel)
    assert otis.chats()["results"] == []


def test_nobody_gets_anything_without_an_account(wali: Person, visitor: Visitor) -> None:
    uri = wali.start()
    wali.send(uri)
    answers = [
        *chat_requests(visitor, uri, wali),
        *chat_requests(visitor, UNKNOWN, wali),
        visitor.patch(f"chats/{uri}/", {}),
        visitor.get("chats/"),
        visitor.post("chats/", {}),
        visitor.get("users/me/"),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)


@pytest.mark.parametrize(
    "uri", ["x", "%00" * 22, "%20" * 22, "é" * 22, "%FF" * 22, "0" * 23, "a" * 5000, "..%2F..", "'"]
)
def test_what_cannot_be_a_uri_is_as_unknown_as_any(wali: Person, mabel: Person, uri: str) -> None:
    for answer, other in zip(chat_requests(wali, uri, mabel), chat_requests(wali, UNKNOWN, mabel), strict=True):
        assert answer.status == 404
        if "%2F" not in uri:
            assert answer.is_same_as(other)


# Editing


def test_the_owner_and_admins_edit_a_chat(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.change_role(uri, mabel, "admin")
    edits: list[tuple[Person, dict[str, Any]]] = [
        (wali, {"title": " Picnic "}),
        (mabel, {"title": "Book club", "joinable": False}),
        (wali, {"history": "since_join", "joinable": True}),
        (mabel, {"history": "full", "title": ""}),
    ]
    for person, details in edits:
        before = person.chat(uri)
        after = person.edit_chat(uri, **details)
        expected = {name: value.strip() if isinstance(value, str) else value for name, value in details.items()}
        assert after == {**before, **expected, "version": before["version"] + 1}
        assert after == person.chat(uri)


def test_plain_members_do_not_edit(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel, title="Picnic")
    before = wali.chat(uri)
    for body in [{"title": "Mine"}, {"joinable": False}, {"history": "since_join"}, {"title": "Picnic"}]:
        refused = mabel.patch(f"chats/{uri}/", body)
        assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    assert wali.chat(uri) == before


def test_an_edit_joins_nobody(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    assert mabel.patch(f"chats/{uri}/", {"title": "Mine"}).status == 403
    assert usernames(wali.chat(uri)) == [wali.username]


def test_an_edit_that_changes_nothing_takes_no_version(wali: Person) -> None:
    uri = wali.start(title="Picnic")
    before = wali.chat(uri)
    assert wali.edit_chat(uri, title="Picnic", joinable=True, history="full") == before


@pytest.mark.parametrize(
    "body",
    [
        {"username": "wali", "title": "Picnic"},
        {"username": "mabel", "joinable": False},
        {"color": "red"},
        {"uri": "mine", "owner": "mabel", "kind": "direct"},
        {"title": "x" * 201},
        {"history": "none"},
        {"history": ""},
    ],
    ids=str,
)
def test_an_edit_that_makes_no_sense_is_400(wali: Person, mabel: Person, body: Any) -> None:
    uri = wali.start(title="Picnic")
    before = wali.chat(uri)
    assert wali.patch(f"chats/{uri}/", body).status == 400
    assert wali.chat(uri) == before


def test_unknown_keys_beside_known_ones_are_ignored(wali: Person) -> None:
    uri = wali.start()
    assert wali.edit_chat(uri, title="Picnic", color="red")["title"] == "Picnic"


# The list


def test_the_list_holds_ones_own_chats_as_they_are(wali: Person, mabel: Person, otis: Person) -> None:
    mine, direct, theirs = wali.start(title="Mine"), mabel.start_direct(wali), mabel.start(otis)
    mabel.send(direct)
    listed = {chat["uri"]: chat for chat in wali.chats()["results"]}
    assert listed == {mine: wali.chat(mine), direct: wali.chat(direct)}
    assert theirs not in listed


def uris(page: Any) -> list[str]:
    return [chat["uri"] for chat in page["results"]]


def test_the_chat_that_was_written_to_last_comes_first(wali: Person, mabel: Person) -> None:
    first, second, third = (wali.start(mabel) for _ in range(3))
    assert uris(wali.chats()) == [third, second, first]
    mabel.send(first)
    assert uris(wali.chats()) == [first, third, second]
    wali.send(second)
    assert uris(wali.chats()) == uris(mabel.chats()) == [second, first, third]


def test_what_is_no_message_does_not_lift_a_chat(wali: Person, mabel: Person) -> None:
    quiet, busy = wali.start(), wali.start()
    wali.send(quiet, client_id="a")
    wali.send(busy)
    wali.edit(quiet, 1, "Edited")
    wali.mark_read(quiet, 1)
    wali.post(f"chats/{quiet}/messages/", {"message": "Edited", "client_id": "a"})
    assert uris(wali.chats()) == [busy, quiet]


@pytest.mark.times
def test_the_list_is_paged_by_cursor_both_ways(wali: Person) -> None:
    everything = [wali.start() for _ in range(7)][::-1]
    pages = [wali.chats(limit=3)]
    while pages[-1]["next"]:
        pages.append(wali.get(pages[-1]["next"]).done())
    assert [uris(page) for page in pages] == [everything[:3], everything[3:6], everything[6:]]
    assert pages[0]["previous"] is None

    back = [pages[-1]]
    while back[-1]["previous"]:
        back.append(wali.get(back[-1]["previous"]).done())
    assert [uris(page) for page in back] == [everything[6:], everything[3:6], everything[:3]]
    assert wali.get(back[-1]["next"]).done()["results"] == pages[1]["results"]


@pytest.mark.times
def test_pages_skip_and_repeat_nothing_while_chats_move(wali: Person) -> None:
    everything = [wali.start() for _ in range(6)][::-1]
    first = wali.chats(limit=3)
    wali.send(everything[4])
    wali.leave(everything[0])
    second = wali.get(first["next"]).done()
    assert uris(first) == everything[:3]
    assert uris(second) == [everything[3], everything[5]]
    assert second["next"] is None


@pytest.mark.times
@pytest.mark.parametrize("name", ["PageNumberPagination", "LimitOffsetPagination"])
def test_a_pagination_class_without_a_page_size_leaves_lists_whole(
    configure: Configure, wali: Person, mabel: Person, name: str
) -> None:
    ours = [wali.start(mabel) for _ in range(2)]
    pages = wali.chats(), wali.get(f"chats/{ours[0]}/members/").done()
    configure(PAGINATION_CLASS=f"rest_framework.pagination.{name}")
    assert wali.chats() == pages[0]["results"]
    assert wali.get(f"chats/{ours[0]}/members/").done() == pages[1]["results"]


class NewestFirst(CursorPagination):
    page_size = 2
    ordering = "-id"


def test_lists_may_be_paged_by_cursors_of_rest_framework(configure: Configure, wali: Person, mabel: Person) -> None:
    ours = [wali.start(mabel) for _ in range(3)]
    configure(PAGINATION_CLASS=f"{__name__}.NewestFirst")
    first = wali.chats()
    second = wali.get(first["next"]).done()
    assert [chat["uri"] for chat in first["results"] + second["results"]] == ours[::-1]
    assert usernames({"members": wali.get(f"chats/{ours[0]}/members/").done()["results"]}) == [
        mabel.username,
        wali.username,
    ]


def test_a_page_has_50_chats_and_at_most_200(wali: Person) -> None:
    for _ in range(51):
        wali.start()
    assert len(wali.chats()["results"]) == 50
    assert len(wali.chats(limit=10_000)["results"]) == 51


def test_a_chat_lists_its_first_50_members_and_counts_all(
    wali: Person, mabel: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    people = crowd(50)
    uri = wali.start(*people)
    small = wali.start(mabel)
    mabel.join(uri)
    expected = [wali.username, *(person.username for person in people[:49])]
    for chat in [wali.chat(uri), mabel.chat(uri), wali.chats()["results"][1], mabel.chats()["results"][1]]:
        assert chat["uri"] == uri
        assert chat["member_count"] == 52
        assert usernames(chat) == expected
    assert usernames(wali.chat(small)) == [wali.username, mabel.username]

    people[0].leave(uri)
    assert usernames(wali.chat(uri)) == [wali.username, *(person.username for person in people[1:])]


def test_the_last_message_stays_when_it_is_a_tombstone(wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "First")
    wali.send(uri, "Second")
    tombstone = wali.erase(uri, 2)
    assert wali.chat(uri)["last_message"] == wali.chats()["results"][0]["last_message"] == tombstone


def test_a_last_message_from_before_ones_time_is_not_shown(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.send(uri, "A secret")
    wali.edit_chat(uri, history="since_join")
    assert mabel.join(uri)["last_message"] is None
    assert mabel.chats()["results"][0]["last_message"] is None
    said = wali.send(uri, "Welcome")
    assert mabel.chat(uri)["last_message"] == said


# Accounts that go


def test_a_chat_outlives_the_accounts_of_its_members(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    mabel.send(uri, "Goodbye")
    version = wali.chat(uri)["version"]
    mabel.user.delete()

    assert wali.chat(uri)["version"] == version
    assert [(each["user"], each["message"]) for each in wali.messages(uri)["results"]] == [
        ({"username": None}, "Goodbye")
    ]
    assert usernames(wali.chat(uri)) == [wali.username, otis.username]
    assert wali.changes(uri, 0)["messages"] == wali.messages(uri)["results"]
    assert wali.send(uri)["seq"] == 2


def test_members_are_counted_without_deleted_accounts(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    mabel.user.delete()
    assert wali.chat(uri)["member_count"] == 2


def test_whoever_gets_the_key_of_a_deleted_account_gets_none_of_its_chats(wali: Person, mabel: Person) -> None:
    """As where the key is a name."""
    former, key = wali.start_direct(mabel), mabel.user.pk
    mabel.user.delete()
    mabel.user.pk = key
    mabel.user.save(force_insert=True)
    current = wali.start_direct(mabel)
    assert current != former
    assert mabel.start_direct(wali) == current
    mabel.send(current)
    assert [len(wali.messages(uri)["results"]) for uri in (former, current)] == [0, 1]
    assert mabel.get(f"chats/{former}/").status == 404


def test_a_personal_chat_outlives_one_of_the_two(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    mabel.send(uri, "Goodbye")
    mabel.user.delete()
    assert wali.messages(uri)["results"][0]["user"] == {"username": None}
    assert usernames(wali.chat(uri)) == [wali.username]


def test_nobody_takes_a_chat_over_whose_owner_deleted_their_account(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    wali.user.delete()
    otis.join(uri)
    assert otis.chat(uri)["owner"] != otis.username
    assert otis.delete(f"chats/{uri}/members/{mabel.username}/").status == 403


def test_a_chat_whose_owner_deleted_their_account_is_not_without_one(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.user.delete()
    assert mabel.chat(uri)["owner"] == mabel.username


def test_releasing_an_account_twice_counts_it_out_once(wali: Person, mabel: Person) -> None:
    """As where Django announces the deletion of a row of a model with parents: for each of its tables."""
    uri = wali.start(mabel)
    for _ in range(2):
        operations.release_user(user=wali.user)
    assert (mabel.chat(uri)["owner"], mabel.chat(uri)["member_count"]) == (mabel.username, 1)
    for _ in range(2):
        operations.release_user(user=mabel.user)
    mabel.user.delete()
    assert Chat.objects.get(uri=uri).member_count == 0


def test_an_account_is_released_from_all_of_its_chats_or_from_none(wali: Person, mabel: Person) -> None:
    uris = sorted([wali.start(mabel), wali.start(mabel)])

    def refuse(instance: Membership, **_: Any) -> None:
        if instance.chat.uri == uris[1]:
            raise RuntimeError("A site's own receiver.")

    pre_delete.connect(refuse, sender=Membership)
    try:
        with pytest.raises(RuntimeError):
            operations.release_user(user=wali.user)
    finally:
        pre_delete.disconnect(refuse, sender=Membership)
    for uri in uris:
        assert (wali.chat(uri)["owner"], wali.chat(uri)["member_count"]) == (wali.username, 2)


class OtisGoes(Adapter):
    """Somebody deletes their account right after it has been looked at."""

    goes = "otis@email.com"

    def may_contact(self, actor: AbstractBaseUser, user: AbstractBaseUser) -> bool:
        account(self.goes).delete()
        return True


class WaliGoes(OtisGoes):
    goes = "wali@email.com"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["group", "direct"])
@pytest.mark.parametrize(("adapter", "status"), [(OtisGoes, 400), (WaliGoes, 401)])
def test_an_account_that_goes_while_a_chat_starts_is_nobodys(
    configure: Configure, wali: Person, otis: Person, kind: str, adapter: type[Adapter], status: int
) -> None:
    configure(ADAPTER=f"{__name__}.{adapter.__name__}")
    body = {"members": [otis.username]} if kind == "group" else {"username": otis.username}
    assert wali.post("chats/", body).status == status
    assert not Chat.objects.exists()


@chosen_handles
def test_renaming_an_account_is_no_change_of_a_chat(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    version = wali.chat(uri)["version"]
    setattr(mabel.user, handle_field(), "mabel2")
    mabel.user.save()
    chat = wali.chat(uri)
    assert chat["version"] == version
    assert usernames(chat) == [wali.username, "mabel2"]
    assert chat["last_message"]["user"] == {"username": "mabel2"}
