"""What a site's own code is told: each change once, after its commit, and never at the change's expense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from django_bpo_chat import operations, signals
from django_bpo_chat.models import Chat
from tests.person import Person

pytestmark = [pytest.mark.users, pytest.mark.django_db(transaction=True)]

SIGNALS = {name: signal for name, signal in vars(signals).items() if isinstance(signal, Signal)}

Heard = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """The signals that are sent meanwhile, by their names, with their arguments."""
    sent: Heard = []

    def listen(signal: Signal, **arguments: Any) -> None:
        [name] = [name for name, each in SIGNALS.items() if each is signal]
        sent.append((name, arguments))

    for signal in SIGNALS.values():
        signal.connect(listen)
    yield sent
    for signal in SIGNALS.values():
        signal.disconnect(listen)


def names(heard: Heard) -> list[str]:
    return [name for name, _ in heard]


def change_everything(wali: Person, mabel: Person, otis: Person) -> str:
    uri = wali.start(mabel)
    otis.join(uri)
    wali.remove(uri, otis)
    wali.add(uri, otis)
    otis.leave(uri)
    wali.edit_chat(uri, title="Picnic", joinable=True)
    mabel.send(uri, "Hello")
    mabel.edit(uri, 1, "Hello you")
    wali.report(uri, 1)
    wali.erase(uri, 1)
    return uri


def test_each_change_is_told_with_who_did_it(heard: Heard, wali: Person, mabel: Person, otis: Person) -> None:
    uri = change_everything(wali, mabel, otis)
    assert [(name, arguments["actor"]) for name, arguments in heard] == [
        ("chat_started", wali.user),
        ("member_joined", otis.user),
        ("member_left", wali.user),
        ("member_joined", wali.user),
        ("member_left", otis.user),
        ("chat_edited", wali.user),
        ("message_sent", mabel.user),
        ("message_edited", mabel.user),
        ("message_reported", wali.user),
        ("message_deleted", wali.user),
    ]
    arguments = [arguments for _, arguments in heard]
    assert {each["chat"].uri for each in arguments} == {uri}
    assert [member.user for member in arguments[0]["members"]] == [wali.user, mabel.user]
    assert {each["membership"].user for each in arguments[1:5]} == {otis.user}
    assert arguments[5]["fields"] == {"title"}
    assert [(each["message"].seq, each["message"].text) for each in arguments[6:] if "message" in each] == [
        (1, "Hello"),
        (1, "Hello you"),
        (1, ""),
    ]
    assert (arguments[8]["report"].message.seq, arguments[8]["report"].reason) == (1, "Spam")
    assert [each["sender"].__name__ for each in arguments] == [
        "Chat",
        *["Membership"] * 4,
        "Chat",
        *["Message"] * 2,
        "Report",
        "Message",
    ]


def test_an_inheritance_is_an_edit_of_the_chat(heard: Heard, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.leave(uri)
    assert names(heard) == ["chat_started", "member_left", "chat_edited"]
    assert heard[2][1]["fields"] == {"owner"}
    assert heard[2][1]["chat"].owner == mabel.user


def test_where_a_deleted_account_was_the_owner_it_is_the_site_that_has_made_another_one(
    heard: Heard, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    mabel.start(wali)
    heard.clear()
    wali.user.delete()
    assert names(heard) == ["chat_edited"]
    arguments = heard[0][1]
    assert (arguments["chat"].uri, arguments["fields"], arguments["actor"]) == (uri, {"owner"}, None)
    assert arguments["chat"].owner == mabel.user


def test_what_changes_nothing_is_not_told(heard: Heard, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    direct = wali.start_direct(mabel)
    wali.send(uri, "Hello", client_id="c1")
    heard.clear()
    wali.send(uri, "Hello", client_id="c1")
    wali.edit(uri, 1, "Hello")
    mabel.join(uri)
    wali.add(uri, mabel)
    wali.edit_chat(uri, title="", joinable=True)
    assert mabel.start_direct(wali) == direct
    wali.mark_read(uri, 1)
    mabel.block(wali)
    mabel.report(uri, 1)
    assert names(heard) == ["message_reported"]
    heard.clear()
    mabel.report(uri, 1)
    assert mabel.patch(f"chats/{uri}/messages/1/", {"message": "Mine"}).status == 403
    with transaction.atomic():
        operations.send_message(actor=wali.user, chat=uri, text="Never mind")
        assert heard == []
        transaction.set_rollback(True)
    assert heard == []


def test_a_receiver_that_fails_hurts_nobody(
    heard: Heard, caplog: pytest.LogCaptureFixture, wali: Person, mabel: Person
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("A defect of the site.")

    uri = wali.start(mabel)
    wali.change_role(uri, mabel, "admin")
    signals.message_sent.connect(fail)
    try:
        assert wali.send(uri)["seq"] == 1
    finally:
        signals.message_sent.disconnect(fail)
    assert names(heard) == ["chat_started", "message_sent"]
    assert "A defect of the site." in caplog.text
    assert Chat.objects.get(uri=uri).last_seq == 1
