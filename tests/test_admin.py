"""Moderation in Django's admin: what is shown, to whom, and what can be done."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_bpo_chat import operations
from django_bpo_chat.admin import LISTED_ROWS
from django_bpo_chat.models import Ban, Block, Chat, Invite, Membership, Message, Report
from tests.clients import Connect
from tests.moderator import Moderator, hidden, membership, message
from tests.person import HANDLES_ARE_GIVEN, Person
from tests.servers import example_environment

pytest_plugins = ["tests.sockets"]

pytestmark = [pytest.mark.users, pytest.mark.django_db]

ROWS = [Chat, Membership, Message]
user_model = get_user_model()


# What is shown


@pytest.mark.parametrize("model", ROWS)
def test_each_row_is_on_a_list_and_has_a_page_that_shows_people_by_their_handles(
    ines: Moderator, wali: Person, model: type[Model]
) -> None:
    uri = wali.start(title="<b>Picnic</b>")
    wali.send(uri, "<i>Hello</i>")
    [row] = model._default_manager.all()
    for page in (ines.get(model, "changelist"), ines.get(model, "change", row)):
        text = page.content.decode()
        assert page.status_code == 200
        assert wali.username in text
        assert wali.email not in text
        assert "<b>Picnic" not in text and "<i>Hello" not in text


@pytest.mark.parametrize("model", [*ROWS, Ban, Invite, Report, Block])
def test_the_first_column_of_a_list_opens_the_row(
    ines: Moderator, wali: Person, mabel: Person, otis: Person, model: type[Model]
) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    wali.report(uri, 1)
    wali.ban(uri, otis)
    wali.block(otis)
    wali.invite(uri)
    text = ines.get(model, "changelist").content.decode()
    rows = list(model._default_manager.all())
    assert rows
    for row in rows:
        [cell] = re.findall(rf'<th [^>]*><a href="{ines.page(model, "change", row)}">(.*?)</a></th>', text)
        assert cell and "<a" not in cell
        assert ines.get(model, "change", row).status_code == 200


@pytest.mark.parametrize("model", ROWS)
def test_labels_are_words_and_what_is_not_there_is_a_dash(
    ines: Moderator, wali: Person, mabel: Person, model: type[Model]
) -> None:
    uri = wali.start_direct(mabel)
    mabel.send(uri)
    mabel.user.delete()
    [row] = model._default_manager.all()
    listed, page = ines.get(model, "changelist").content.decode(), ines.get(model, "change", row).content.decode()
    labels = re.findall(r"<(?:label|span)>([^<]+)", page + listed)
    assert len(labels) > 8 and not re.search(r"\b(Uri|[Ss]eq)\b", " ".join(labels))
    assert not re.search(r">\s*None\s*<", page + listed)


def test_what_a_deleted_user_wrote_is_shown(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Hello world")
    mabel.user.delete()
    for page in (ines.get(Message, "changelist"), ines.get(Message, "change", message(uri))):
        assert "Hello world" in page.content.decode()


def test_a_messages_page_shows_the_whole_text_and_the_list_its_beginning(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    wali.send(uri, "first " + "x" * 200 + " last")
    listed, page = ines.get(Message, "changelist"), ines.get(Message, "change", message(uri))
    assert "first" in listed.content.decode() and "last" not in listed.content.decode().split("</thead>")[1]
    assert "x" * 200 + " last" in page.content.decode()


def test_a_chats_page_leads_to_its_members_and_messages(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    text = ines.get(Chat, "change", Chat.objects.get(uri=uri)).content.decode()
    for model in (Membership, Message):
        assert f"{ines.page(model, 'changelist')}?q={uri}" in text


def test_a_site_may_show_no_messages(ines: Moderator, wali: Person) -> None:
    chat = Chat.objects.get(uri=wali.start())
    with hidden(Message):
        assert ines.get(Chat, "change", chat).status_code == 200


# Who may


@pytest.mark.parametrize("model", ROWS)
def test_nobody_adds_deletes_or_writes_rows(ines: Moderator, wali: Person, mabel: Person, model: type[Model]) -> None:
    uri = wali.start_direct(mabel)
    wali.send(uri)
    row = model._default_manager.all()[0]
    before = (wali.chat(uri), wali.messages(uri))
    refused = [
        ines.get(model, "add"),
        ines.post(model, "add", title="Mine", text="Mine"),
        ines.post(model, "change", row, title="Mine", joinable="on", history="since_join", text="Mine"),
        ines.get(model, "delete", row),
        ines.post(model, "delete", row, post="yes"),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    ines.act("delete_selected", [row], post="yes")
    assert (wali.chat(uri), wali.messages(uri)) == before
    assert "delete_selected" not in ines.get(model, "changelist").content.decode()


@pytest.mark.parametrize("model", ROWS)
def test_the_staff_sees_and_does_nothing_without_a_permission(wali: Person, model: type[Model]) -> None:
    wali.send(wali.start())
    otto = Moderator("otto", "view_" + {Chat: "message", Membership: "chat", Message: "membership"}[model])
    [row] = model._default_manager.all()
    assert otto.get(model, "changelist").status_code == 403
    assert otto.get(model, "change", row).status_code == 403


def test_who_may_view_sees_and_does_nothing(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    viewed = ("chat", "membership", "message", "ban", "block", "report")
    viewer = Moderator("otto", *(f"view_{each}" for each in viewed))
    chat = Chat.objects.get(uri=uri)
    before = (wali.chat(uri), wali.messages(uri))
    for model in ROWS:
        page = viewer.get(model, "changelist")
        assert page.status_code == 200
        assert re.findall(r'<option value="(\w+)"', page.content.decode()) == ([] if model is Message else ["export"])
    assert viewer.get(Chat, "change", chat).status_code == 200
    assert viewer.post(Chat, "change", chat, title="Mine", history="full").status_code == 403
    viewer.act("remove", [membership(uri, mabel)])
    viewer.act("delete", [message(uri)])
    assert (wali.chat(uri), wali.messages(uri)) == before
    assert viewer.log() == []


def test_who_may_change_acts(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    otto = Moderator("otto", "change_chat", "change_membership", "change_message")
    otto.edit(Chat.objects.get(uri=uri), title="Picnic", joinable=False)
    otto.act("remove", [membership(uri, mabel)])
    otto.act("delete", [message(uri)])
    chat = wali.chat(uri)
    assert (chat["title"], chat["joinable"], chat["member_count"]) == ("Picnic", False, 1)
    assert chat["last_message"]["deleted"]
    assert len(otto.log()) == 3


@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        (("change_membership",), {"remove"}),
        (("view_membership", "change_ban"), set()),
        (("change_membership", "change_ban"), {"remove", "ban"}),
    ],
)
def test_who_may_change_memberships_and_bans_bans_members(
    wali: Person, mabel: Person, permissions: tuple[str, ...], may: set[str]
) -> None:
    uri = wali.start(mabel)
    otto = Moderator("otto", *permissions)
    page = otto.get(Membership, "changelist").content.decode()
    assert set(re.findall(r'<option value="(\w+)"', page)) == may
    otto.act("ban", [membership(uri, mabel)])
    assert Ban.objects.exists() == ("ban" in may)


# Chats


def test_an_edit_is_an_operation_and_in_the_log(ines: Moderator, wali: Person) -> None:
    uri = wali.start(title="Picnic")
    chat = Chat.objects.get(uri=uri)
    before = wali.chat(uri)
    assert ines.edit(chat, title=" Picnic on Saturday ", history="since_join").status_code == 302
    changes = wali.changes(uri, since=before["version"])
    assert (changes["version"], changes["details"]["title"]) == (before["version"] + 1, "Picnic on Saturday")
    assert wali.chat(uri)["history"] == "since_join"
    assert ines.log() == [("Picnic on Saturday", "Changed Title and History.")]


def test_an_edit_that_changes_nothing_takes_no_version(ines: Moderator, wali: Person) -> None:
    uri = wali.start(title="Picnic")
    before = wali.chat(uri)
    assert ines.edit(Chat.objects.get(uri=uri)).status_code == 302
    assert wali.chat(uri) == before


def test_a_form_that_has_been_open_for_a_while_changes_nothing_back(ines: Moderator, wali: Person) -> None:
    uri = wali.start(title="Picnic")
    chat = Chat.objects.get(uri=uri)
    form = ines.form(chat)
    assert all(f'name="{name}"' in ines.get(Chat, "change", chat).content.decode() for name in form)
    wali.edit_chat(uri, title="Picnic on Saturday", history="since_join")
    assert ines.save(chat, form, joinable=False).status_code == 302
    now = wali.chat(uri)
    assert (now["title"], now["history"], now["joinable"]) == ("Picnic on Saturday", "since_join", False)
    [(_, said)] = ines.log()
    assert said == "Changed Joinable."


@pytest.mark.parametrize(
    "wrong", [{"title": "x" * 201}, {"title": "a\0b"}, {"history": "none"}, {"history": ""}], ids=repr
)
def test_an_edit_that_does_not_validate_is_shown_again(ines: Moderator, wali: Person, wrong: dict[str, str]) -> None:
    uri = wali.start(title="Picnic")
    before = wali.chat(uri)
    answer = ines.edit(Chat.objects.get(uri=uri), **wrong)
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == wrong.keys()
    assert wali.chat(uri) == before


def test_a_form_does_not_change_what_it_does_not_show(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    before = wali.chat(uri)
    ines.edit(Chat.objects.get(uri=uri), kind="direct", owner=mabel.user.pk, uri="x")
    assert wali.chat(uri) == before


# Memberships


def test_members_are_removed_and_the_log_says_by_whom(
    ines: Moderator, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    before = wali.chat(uri)
    chosen = [membership(uri, mabel), membership(uri, wali)]
    assert ines.act("remove", chosen) == ["Removed from the chat: 2"]
    chat = otis.chat(uri)
    assert (chat["member_count"], chat["owner"]) == (1, otis.username)
    assert chat["version"] == before["version"] + 2
    assert sorted(ines.log()) == sorted((str(row), "Removed from the chat") for row in chosen)


def test_members_and_who_has_left_are_banned_and_the_log_says_by_whom(
    ines: Moderator, wali: Person, mabel: Person, otis: Person
) -> None:
    uri, personal = wali.start(mabel, otis), wali.start_direct(mabel)
    mabel.leave(uri)
    chosen = [membership(uri, wali), membership(uri, mabel)]
    refused = membership(personal, mabel)
    done, told = ines.act("ban", [refused, *chosen])
    assert done == "Banned from the chat: 2"
    assert told == f"Not done: {mabel.username} in {personal}. This is not possible in a personal chat."
    assert [person.patch(f"chats/{uri}/", {}).status for person in (wali, mabel)] == [404, 404]
    chat = otis.chat(uri)
    assert (chat["member_count"], chat["owner"]) == (1, otis.username)
    assert {(ban.user, ban.banned_by) for ban in Ban.objects.all()} == {(wali.user, None), (mabel.user, None)}
    assert sorted(ines.log()) == sorted((str(row), "Banned from the chat") for row in chosen)
    assert Moderator("olga").act("ban", chosen) == ["There was nothing left to do."]


@pytest.mark.parametrize("atomic", [False, True], ids=["each", "ATOMIC_REQUESTS"])
def test_what_is_refused_is_told_and_the_rest_is_done(
    monkeypatch: pytest.MonkeyPatch, ines: Moderator, wali: Person, mabel: Person, otis: Person, atomic: bool
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    uri, personal = wali.start(mabel, otis), wali.start_direct(mabel)
    otis.leave(uri)
    refused = [membership(personal, wali), membership(personal, mabel)]
    done, *others = ines.act("remove", [*refused, membership(uri, otis), membership(uri, mabel)])
    assert done == "Removed from the chat: 1"
    assert f"Not done: {otis.username} in {uri}. This is not there any more." in others
    refusal = "This is not possible in a personal chat."
    assert set(others) & {
        f"Not done: {one.username} in {personal}, {other.username} in {personal}. {refusal}"
        for one, other in ((wali, mabel), (mabel, wali))
    }
    assert wali.chat(personal)["member_count"] == 2
    assert [row["username"] for row in wali.chat(uri)["members"]] == [wali.username]
    assert ines.log() == [(str(membership(uri, mabel)), "Removed from the chat")]


class Waiting:
    """``remove_member``, which once waits for a chat for too long."""

    def __init__(self) -> None:
        self.remove_member = operations.remove_member
        self.called = 0

    def __call__(self, **arguments: Any) -> None:
        self.called += 1
        if self.called == 2:
            raise OperationalError("canceling statement due to lock timeout")
        self.remove_member(**arguments)


@pytest.mark.django_db(transaction=True)
def test_a_chat_that_is_not_to_be_had_is_told_and_the_rest_is_done(
    monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    ines = Moderator("ines")
    first, second, third = (membership(uri, mabel) for uri in sorted(wali.start(mabel) for _ in range(3)))
    monkeypatch.setattr(operations, "remove_member", Waiting())
    assert ines.act("remove", [first, second, third]) == [
        "Removed from the chat: 2",
        f"Not done: {mabel.username} in {second.chat}. Not available at the moment. Try again.",
    ]
    assert list(Membership.objects.present().of(mabel.user)) == [second]
    assert [name for name, _ in ines.log()] == [str(first), str(third)]


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_one_transaction_is_undone_where_a_chat_is_not_to_be_had(
    monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    ines = Moderator("ines")
    chosen = [membership(wali.start(mabel), mabel) for _ in range(3)]
    monkeypatch.setattr(operations, "remove_member", Waiting())
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with pytest.raises(OperationalError):
        ines.act("remove", chosen)
    assert Membership.objects.present().of(mabel.user).count() == 3
    assert ines.log() == []


def test_sockets_hear_what_is_done_in_the_admin(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    ines = Moderator("ines")
    uri = wali.start(mabel, otis)
    wali.send(uri)
    hears = connect(mabel)
    acts: list[Callable[[], Any]] = [
        lambda: ines.act("delete", [message(uri)]),
        lambda: ines.act("remove", [membership(uri, otis)]),
        lambda: ines.edit(Chat.objects.get(uri=uri), title="Picnic"),
    ]
    for version, act in enumerate(acts, start=3):
        act()
        assert hears.hear() == {"type": "changes", **mabel.changes(uri, since=version - 1)}
    assert mabel.chat(uri)["version"] == 5


# Messages


def test_messages_are_deleted_and_the_log_says_by_whom_and_not_what_they_said(
    ines: Moderator, wali: Person, mabel: Person
) -> None:
    uri, personal = wali.start(mabel, title="Picnic"), wali.start_direct(mabel)
    mabel.send(uri, "Win the lottery")
    mabel.send(personal, "Win the lottery")
    wali.send(uri, "No, thanks")
    chosen = [message(uri), message(personal)]
    assert ines.act("delete", chosen) == ["Deleted, a tombstone is left: 2"]
    assert [each["deleted"] for each in wali.messages(uri)["results"]] == [True, False]
    assert [each["message"] for each in wali.messages(personal)["results"]] == [""]
    assert sorted(ines.log()) == sorted((str(row), "Deleted, a tombstone is left") for row in chosen)
    assert not LogEntry.objects.filter(object_repr__contains="lottery").exists()


def test_a_tombstone_is_not_deleted_again(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    wali.erase(uri, 1)
    before = wali.chat(uri)
    assert ines.act("delete", [message(uri)]) == ["There was nothing left to do."]
    assert (wali.chat(uri), ines.log()) == (before, [])


def test_what_its_author_has_deleted_a_moment_before_is_neither_counted_nor_in_the_log(
    monkeypatch: pytest.MonkeyPatch, ines: Moderator, wali: Person
) -> None:
    uri = wali.start()
    for _ in range(2):
        wali.send(uri)
    delete_message = operations.delete_message

    def delete_after_the_author(*, seq: int, **arguments: Any) -> Any:
        if seq == 1:
            delete_message(actor=wali.user, chat=uri, seq=1)
        return delete_message(seq=seq, **arguments)

    monkeypatch.setattr(operations, "delete_message", delete_after_the_author)
    assert ines.act("delete", [message(uri, 1), message(uri, 2)]) == ["Deleted, a tombstone is left: 1"]
    assert [name for name, _ in ines.log()] == [str(message(uri, 2))]


# Bans and invites


def test_bans_are_shown_and_lifted(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    wali.ban(uri, mabel)
    [ban] = Ban.objects.all()
    for page in (ines.get(Ban, "changelist"), ines.get(Ban, "change", ban)):
        text = page.content.decode()
        assert mabel.username in text and wali.username in text and mabel.email not in text
    assert [ines.found(Ban, search) for search in (uri, mabel.username, f"{uri} {mabel.username}")] == [[ban]] * 3
    assert [ines.found(Ban, search) for search in ("A" * 22, "nobody", f"{uri} nobody")] == [[]] * 3
    assert ines.act("lift", [ban]) == ["Bans lifted: 1"]
    assert ines.log() == [(str(ban), "Bans lifted")]
    mabel.join(uri)


def test_invites_are_shown_without_their_tokens_and_revoked(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start()
    token = wali.invite(uri, max_uses=7)
    [invite] = Invite.objects.all()
    for page in (ines.get(Invite, "changelist"), ines.get(Invite, "change", invite)):
        text = page.content.decode()
        assert wali.username in text and "7" in text and token not in text
    assert [ines.found(Invite, search) for search in (uri, wali.username)] == [[invite]] * 2
    assert [ines.found(Invite, search) for search in ("A" * 22, "nobody", f"{uri} 1", token)] == [[]] * 4
    assert ines.act("revoke", [invite]) == ["Revoked: 1"]
    assert ines.log() == [(str(invite), "Revoked")]
    assert mabel.post(f"invites/{token}/").status == 404


@pytest.mark.parametrize(("model", "action"), [(Ban, "lift"), (Invite, "revoke")])
def test_bans_and_invites_are_for_those_who_may(wali: Person, mabel: Person, model: type[Model], action: str) -> None:
    uri = wali.start()
    wali.ban(uri, mabel)
    wali.invite(uri)
    [row] = model._default_manager.all()
    name = model._meta.model_name
    for number, permission in enumerate(("view_chat", f"view_{name}", f"change_{name}")):
        otto = Moderator(f"otto{number}", permission)
        assert otto.get(model, "changelist").status_code == (403 if permission == "view_chat" else 200)
        assert [otto.get(model, page, *rows).status_code for page, *rows in [("add",), ("delete", row)]] == [403, 403]
        if permission != "view_chat":
            otto.act(action, [row])
        assert model._default_manager.exists() == (permission != f"change_{name}")


# Searching


registered = pytest.mark.skipif(not admin.site.is_registered(user_model), reason="This site's users are not there")


@registered
@pytest.mark.parametrize("many", [False, True], ids=["one", "several"])
def test_users_are_deleted_as_on_any_site(ines: Moderator, wali: Person, mabel: Person, many: bool) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "Hello world")
    mabel.leave(uri)  # a row that is left behind
    mabel.join(uri)
    other = mabel.start(wali)
    wali.leave(other)
    if many:
        ines.act("delete_selected", [wali.user], post="yes")
    else:
        assert ines.get(user_model, "delete", wali.user).status_code == 200
        ines.post(user_model, "delete", wali.user, post="yes")
    assert not user_model._default_manager.filter(pk=wali.user.pk).exists()
    chat = mabel.chat(uri)
    assert (chat["owner"], chat["member_count"]) == (mabel.username, 1)
    assert chat["last_message"]["message"] == "Hello world"


@registered
def test_whoever_deletes_users_needs_the_permission_for_memberships(wali: Person) -> None:
    wali.leave(wali.start())  # what is left goes along with the account
    wali.start()
    model = user_model._meta.model_name
    without = Moderator("otto", f"delete_{model}", f"view_{model}")
    assert without.post(user_model, "delete", wali.user, post="yes").status_code == 403
    with_it = Moderator("olga", f"delete_{model}", f"view_{model}", "delete_membership", "view_membership")
    assert with_it.post(Membership, "delete", Membership.objects.all()[0], post="yes").status_code == 403
    assert with_it.post(user_model, "delete", wali.user, post="yes").status_code == 302
    assert not user_model._default_manager.filter(pk=wali.user.pk).exists()


@registered
def test_the_page_that_deletes_a_user_asks_no_more_for_many_memberships(ines: Moderator, wali: Person) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert ines.get(user_model, "delete", wali.user).status_code == 200
        return len(queries)

    wali.start()
    before = asked()
    for _ in range(10):
        wali.start()
    assert asked() == before


# Searching


def test_a_search_finds_what_is_named_exactly(ines: Moderator, wali: Person, mabel: Person, otis: Person) -> None:
    uri, other = wali.start(mabel), mabel.start(otis)
    mabel.send(uri, "one")
    wali.send(uri, "two")
    mabel.send(other, "three")
    wali.leave(uri)
    chats = {chat.uri: chat for chat in Chat.objects.all()}
    assert ines.found(Chat, f" {uri} ") == [chats[uri]]
    assert set(ines.found(Chat, mabel.username)) == {chats[uri], chats[other]}
    assert ines.found(Chat, wali.username) == []
    assert ines.found(Membership, uri) == [membership(uri, mabel), membership(uri, wali)]
    assert set(ines.found(Membership, mabel.username)) == {membership(uri, mabel), membership(other, mabel)}
    assert ines.found(Membership, f"{uri} {mabel.username}") == [membership(uri, mabel)]
    assert ines.found(Message, uri) == [message(uri, 2), message(uri, 1)]
    assert ines.found(Message, f"{uri} 1") == ines.found(Message, f"{uri} #1") == [message(uri, 1)]
    assert ines.found(Message, mabel.username) == [message(other), message(uri)]


@pytest.mark.parametrize("model", ROWS)
def test_a_search_for_anything_else_finds_nothing(ines: Moderator, wali: Person, model: type[Model]) -> None:
    uri = wali.start(title="Picnic")
    wali.send(uri, "Hello")
    nothing = ["Picnic", "Hello", uri[:-1], uri.swapcase(), "A" * 22, f"{uri} x", f"{uri} ²", f"{uri} {'9' * 30}", "%"]
    if not HANDLES_ARE_GIVEN:
        nothing += [wali.username[:-1], wali.username.upper()]
    for search in nothing:
        assert ines.found(model, search) == [], search
    assert ines.get(model, "changelist", q="a\0b").status_code == 200


def test_an_action_on_all_rows_is_one_on_all_that_are_listed(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    chat = Chat.objects.get(uri=uri)
    number = LISTED_ROWS + 5
    Chat.objects.filter(pk=chat.pk).update(last_seq=number, version=number + 1)
    Message.objects.bulk_create(
        Message(chat=chat, seq=n, version=n + 1, author=wali.user, text="Hi", created_at=timezone.now())
        for n in range(1, number + 1)
    )
    said = ines.act("delete", [message(uri, number)], select_across=1)
    assert said == [f"Deleted, a tombstone is left: {LISTED_ROWS}"]
    left = Message.objects.filter(deleted_at=None).order_by("seq")
    assert [row.seq for row in left] == [1, 2, 3, 4, 5]


# Sites without it


@pytest.mark.processes
def test_a_site_without_the_admin_goes_on_without_it(tmp_path: Path) -> None:
    (tmp_path / "no_admin.py").write_text(
        "from tests.settings import *\n"
        "INSTALLED_APPS = [app for app in INSTALLED_APPS if app != 'django.contrib.admin']\n"
        "ROOT_URLCONF = 'django_bpo_chat.urls'\n"
    )
    code = "import django, sys; django.setup(); from django.core.management import call_command; call_command('check')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + "; print('django_bpo_chat.admin' in sys.modules)"],
        env=example_environment(DJANGO_SETTINGS_MODULE="no_admin", PYTHONPATH=":".join([str(tmp_path), *sys.path])),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"
