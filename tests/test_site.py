"""The site itself as the actor: the admin, a command, a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import AbstractBaseUser
from django.dispatch import Signal
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny

from django_bpo_chat import operations, signals
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.exceptions import Invalid, NotAllowed, NotAuthenticated, NotFound
from django_bpo_chat.models import Chat
from tests.clients import Connect, Dial
from tests.fixtures import Configure
from tests.person import Person, Visitor

pytest_plugins = ["tests.sockets"]

pytestmark = [pytest.mark.users, pytest.mark.django_db]


def roles(person: Person, uri: str) -> dict[str, str]:
    return {member["username"]: member["role"] for member in person.chat(uri)["members"]}


def only_message(person: Person, uri: str) -> Any:
    [message] = person.messages(uri)["results"]
    return message


# What it may do


def test_the_site_adds_people_to_any_chat(wali: Person, mabel: Person) -> None:
    uri = wali.start(joinable=False)
    added = operations.add_member(actor=None, chat=uri, username=mabel.username)
    assert added.user == mabel.user
    assert roles(wali, uri) == {wali.username: "owner", mabel.username: "member"}


def test_the_site_gives_an_empty_chat_an_owner(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.leave(uri)
    operations.add_member(actor=None, chat=uri, username=mabel.username)
    assert roles(mabel, uri) == {mabel.username: "owner"}


def test_the_site_removes_whoever_it_is(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    wali.change_role(uri, mabel, "admin")
    operations.remove_member(actor=None, chat=uri, username=wali.username)
    assert roles(otis, uri) == {mabel.username: "owner", otis.username: "member"}
    operations.remove_member(actor=None, chat=uri, username=mabel.username)
    operations.remove_member(actor=None, chat=uri, username=otis.username)
    assert Chat.objects.get(uri=uri).member_count == 0


def test_the_site_edits_any_chat(wali: Person) -> None:
    uri = wali.start()
    operations.edit_chat(actor=None, chat=uri, title="Picnic", joinable=False, history="since_join")
    chat = wali.chat(uri)
    assert (chat["title"], chat["joinable"], chat["history"]) == ("Picnic", False, "since_join")
    assert (chat["version"], chat["owner"]) == (2, wali.username)


def test_the_site_deletes_what_anybody_wrote(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Win the lottery")
    tombstone, deleted = operations.delete_message(actor=None, chat=uri, seq=1)
    assert (tombstone.is_deleted, tombstone.author, deleted) == (True, mabel.user, True)
    assert operations.delete_message(actor=None, chat=uri, seq=1) == (tombstone, False)
    assert (only_message(wali, uri)["deleted"], only_message(wali, uri)["message"]) == (True, "")


def test_the_site_deletes_what_a_deleted_user_wrote(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    mabel.user.delete()
    operations.delete_message(actor=None, chat=uri, seq=1)
    assert only_message(wali, uri)["deleted"]


def test_the_site_deletes_messages_of_a_personal_chat_and_nothing_else_of_it(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    mabel.send(uri)
    before = wali.chat(uri)
    operations.delete_message(actor=None, chat=uri, seq=1)
    assert only_message(wali, uri)["deleted"]
    for refused in REFUSED_IN_PERSONAL_CHATS:
        with pytest.raises(NotAllowed):
            refused(uri, mabel)
    after = wali.chat(uri)
    assert (after["version"], after["members"]) == (before["version"] + 1, before["members"])


REFUSED_IN_PERSONAL_CHATS: list[Callable[[str, Person], Any]] = [
    lambda uri, person: operations.add_member(actor=None, chat=uri, username=person.username),
    lambda uri, person: operations.remove_member(actor=None, chat=uri, username=person.username),
    lambda uri, person: operations.edit_chat(actor=None, chat=uri, title="Ours"),
]


def test_what_changes_nothing_takes_no_version(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    operations.delete_message(actor=None, chat=uri, seq=1)
    before = wali.chat(uri)
    operations.delete_message(actor=None, chat=uri, seq=1)
    operations.add_member(actor=None, chat=uri, username=mabel.username)
    operations.edit_chat(actor=None, chat=uri, title="")
    assert wali.chat(uri) == before


@pytest.mark.parametrize("uri", ["", "\0", "A" * 22])
def test_the_site_does_nothing_in_a_chat_that_is_not_there(mabel: Person, uri: str) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: operations.add_member(actor=None, chat=uri, username=mabel.username),
        lambda: operations.remove_member(actor=None, chat=uri, username=mabel.username),
        lambda: operations.edit_chat(actor=None, chat=uri, title="Picnic"),
        lambda: operations.delete_message(actor=None, chat=uri, seq=1),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


@pytest.mark.parametrize("seq", [0, 2, 2**70])
def test_the_site_deletes_no_message_that_is_not_there(wali: Person, seq: int) -> None:
    uri = wali.start()
    wali.send(uri)
    with pytest.raises(NotFound):
        operations.delete_message(actor=None, chat=uri, seq=seq)


def test_the_site_adds_and_removes_nobody_who_is_not_there(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start()
    otis.deactivate()
    for name in ["nobody", otis.username, ""]:
        with pytest.raises(Invalid) as refusal:
            operations.add_member(actor=None, chat=uri, username=name)
        assert refusal.value.fields.keys() == {"username"}
    for name in ["nobody", mabel.username, ""]:
        with pytest.raises(NotFound):
            operations.remove_member(actor=None, chat=uri, username=name)


class Strict(Adapter):
    """Wants to know of everything who does it, and lets nobody do it."""

    def may_join(self, actor: AbstractBaseUser, chat: Chat) -> bool:
        assert actor.is_authenticated
        return False

    def may_contact(self, actor: AbstractBaseUser, user: AbstractBaseUser) -> bool:
        assert actor.is_authenticated
        return False


def test_the_policy_for_people_does_not_bind_the_site(configure: Configure, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    configure(ADAPTER=f"{__name__}.Strict")
    operations.add_member(actor=None, chat=uri, username=mabel.username)
    assert mabel.username in roles(wali, uri)


NEED_A_USER: dict[str, Callable[..., Any]] = {
    "join_chat": lambda uri: operations.join_chat(actor=None, chat=uri),  # type: ignore[arg-type]
    "leave_chat": lambda uri: operations.leave_chat(actor=None, chat=uri),  # type: ignore[arg-type]
    "send_message": lambda uri: operations.send_message(actor=None, chat=uri, text="Hi"),  # type: ignore[arg-type]
    "edit_message": lambda uri: operations.edit_message(actor=None, chat=uri, seq=1, text="Hi"),  # type: ignore[arg-type]
    "mark_read": lambda uri: operations.mark_read(actor=None, chat=uri, seq=1),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", NEED_A_USER)
def test_what_a_person_says_the_site_cannot_say(configure: Configure, wali: Person, name: str) -> None:
    uri = wali.start()
    wali.send(uri)
    before = wali.chat(uri)
    configure(ADAPTER=f"{__name__}.Strict")
    with pytest.raises(NotFound):
        NEED_A_USER[name](uri)
    assert wali.chat(uri) == before


# What others hear of it


@contextmanager
def heard(*names: str) -> Iterator[list[tuple[str, Any]]]:
    """The signals of these names, and who each says has acted."""
    told: list[tuple[str, Any]] = []
    receivers: list[tuple[Signal, Any]] = []
    for name in names:

        def receive(name: str = name, actor: Any = "unknown", **_: Any) -> None:
            told.append((name, actor))

        receivers.append((getattr(signals, name), receive))
    for signal, receive in receivers:
        signal.connect(receive, weak=False)
    try:
        yield told
    finally:
        for signal, receive in receivers:
            signal.disconnect(receive)


@pytest.mark.django_db(transaction=True)
def test_signals_say_that_nobody_in_particular_has_acted(wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    with heard("chat_edited", "member_joined", "member_left", "message_deleted") as told:
        operations.edit_chat(actor=None, chat=uri, title="Picnic")
        operations.add_member(actor=None, chat=uri, username=mabel.username)
        operations.remove_member(actor=None, chat=uri, username=mabel.username)
        operations.delete_message(actor=None, chat=uri, seq=1)
    assert told == [
        ("chat_edited", None),
        ("member_joined", None),
        ("member_left", None),
        ("message_deleted", None),
    ]


def test_members_hear_it_as_they_would_hear_it_of_an_owner(
    connect: Connect, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "Win the lottery")
    hears, otises = connect(mabel), connect(otis)
    acts: list[Callable[[], Any]] = [
        lambda: operations.delete_message(actor=None, chat=uri, seq=1),
        lambda: operations.edit_chat(actor=None, chat=uri, title="Picnic", joinable=False),
        lambda: operations.add_member(actor=None, chat=uri, username=otis.username),
        lambda: operations.remove_member(actor=None, chat=uri, username=otis.username),
        lambda: operations.remove_member(actor=None, chat=uri, username=wali.username),
    ]
    for version, act in enumerate(acts, start=3):
        act()
        frame = hears.hear()
        assert frame == {"type": "changes", **mabel.changes(uri, since=version - 1)}
        assert (frame["since"], frame["version"]) == (version - 1, version)
    joined, left = otises.heard()
    assert [row["left"] for row in (*joined["members"], *left["members"])] == [False, True]


# Nobody becomes the site


class Nobody(BaseAuthentication):
    """Lets everybody through as nobody, as some sites' classes do for keys of machines."""

    def authenticate(self, request: Any) -> tuple[None, str]:
        return None, "a key"

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


def acts(wali: Person, mabel: Person) -> dict[str, Callable[[Visitor, str], Any]]:
    return {
        "start": lambda nobody, uri: nobody.post("chats/", {}),
        "start a personal chat": lambda nobody, uri: nobody.post("chats/", {"username": mabel.username}),
        "list": lambda nobody, uri: nobody.get("chats/"),
        "look": lambda nobody, uri: nobody.get(f"chats/{uri}/"),
        "join": lambda nobody, uri: nobody.patch(f"chats/{uri}/", {}),
        "add": lambda nobody, uri: nobody.patch(f"chats/{uri}/", {"username": mabel.username}),
        "edit the chat": lambda nobody, uri: nobody.patch(f"chats/{uri}/", {"title": "Mine"}),
        "list members": lambda nobody, uri: nobody.get(f"chats/{uri}/members/"),
        "remove": lambda nobody, uri: nobody.delete(f"chats/{uri}/members/{wali.username}/"),
        "remove nobody": lambda nobody, uri: nobody.delete(f"chats/{uri}/members/None/"),
        "send": lambda nobody, uri: nobody.post(f"chats/{uri}/messages/", {"message": "Hi"}),
        "read": lambda nobody, uri: nobody.get(f"chats/{uri}/messages/"),
        "edit": lambda nobody, uri: nobody.patch(f"chats/{uri}/messages/1/", {"message": "Hi"}),
        "delete": lambda nobody, uri: nobody.delete(f"chats/{uri}/messages/1/"),
        "mark read": lambda nobody, uri: nobody.put(f"chats/{uri}/read/", {"seq": 1}),
        "changes": lambda nobody, uri: nobody.get(f"chats/{uri}/changes/"),
        "me": lambda nobody, uri: nobody.get("users/me/"),
    }


@pytest.mark.parametrize("authentication", [[], [f"{__name__}.Nobody"]], ids=["none", "nobody"])
@pytest.mark.parametrize("permissions", [[], [f"{AllowAny.__module__}.AllowAny"]], ids=["none", "any"])
@pytest.mark.parametrize("stranger", [None, "django.contrib.auth.models.AnonymousUser"])
def test_a_site_that_lets_everybody_in_over_http_lets_nobody_act_as_the_site(
    subtests: pytest.Subtests,
    configure: Configure,
    settings: LazySettings,
    wali: Person,
    mabel: Person,
    authentication: list[str],
    permissions: list[str],
    stranger: str | None,
) -> None:
    uri = wali.start()
    wali.send(uri)
    before = (wali.chat(uri), wali.messages(uri))
    given = settings.BPO_CHAT if hasattr(settings, "BPO_CHAT") else {}
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": stranger}
    configure(AUTHENTICATION_CLASSES=authentication, PERMISSION_CLASSES=permissions)
    for name, act in acts(wali, mabel).items():
        with subtests.test(name):
            answer = act(Visitor(), uri)
            assert (answer.status, answer.json["code"]) == (401, NotAuthenticated.code)
    settings.BPO_CHAT = given
    assert (wali.chat(uri), wali.messages(uri)) == before
    assert Chat.objects.count() == 1


def test_a_stranger_hears_nothing_about_a_body(configure: Configure, wali: Person) -> None:
    uri = wali.start()
    configure(PERMISSION_CLASSES=[f"{AllowAny.__module__}.AllowAny"])
    nobody = Visitor()
    for answer in (
        nobody.post("chats/", []),
        nobody.patch(f"chats/{uri}/", {"title": 5}),
        nobody.put(f"chats/{uri}/read/", {}),
    ):
        assert (answer.status, answer.json["code"]) == (401, NotAuthenticated.code)


@pytest.mark.parametrize("authentication", [[], [f"{__name__}.Nobody"]], ids=["none", "nobody"])
def test_a_site_that_lets_everybody_in_at_the_socket_lets_nobody_act_as_the_site(
    configure: Configure, settings: LazySettings, dial: Dial, authentication: list[str]
) -> None:
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
    configure(AUTHENTICATION_CLASSES=authentication, PERMISSION_CLASSES=[])
    for hello in ({}, {"token": "a key"}):
        assert dial(headers={"Authorization": "Bearer key"}).refusal(**hello) == 4401
