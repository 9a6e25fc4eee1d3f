"""Messages that go by age, or with their author."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.clock import ClockTime
from django_bpo_chat.exceptions import NotFound
from django_bpo_chat.models import Attachment, Chat, Mention, Message, Reaction, Report
from django_bpo_chat.operations import retention
from tests.clients import Connect, ViewingClient, history
from tests.fixtures import Configure
from tests.parallel import at_once
from tests.person import Person

pytest_plugins = ["tests.sockets"]

pytestmark = [pytest.mark.users, pytest.mark.usefixtures("own_folder")]

DAYS_30 = timedelta(days=30)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)


def age(uri: str, *, up_to: int, days: int = 31) -> None:
    """Have the messages up to this seq be so old."""
    Message.objects.filter(chat__uri=uri, seq__lte=up_to).update(created_at=ClockTime() - timedelta(days=days))


def prune(**options: Any) -> int:
    return sum(operations.prune_messages(older_than=DAYS_30, **options))


def texts(person: Person, uri: str) -> list[str]:
    return [message["message"] for message in history(person, uri).values()]


def test_what_is_old_is_deleted(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for n in range(1, 6):
        wali.send(uri, f"{n}")
    since = wali.chat(uri)["version"]
    age(uri, up_to=3)
    assert prune() == 3
    assert texts(mabel, uri) == ["", "", "", "4", "5"]
    assert [message["seq"] for message in mabel.changes(uri, since)["messages"]] == [1, 2, 3]
    assert wali.chat(uri)["version"] == since + 1
    assert prune() == 0
    assert wali.chat(uri)["version"] == since + 1


def test_what_is_old_waits_for_what_is_not_where_a_clock_was_set_back(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for n in range(1, 5):
        wali.send(uri, f"{n}")
    age(uri, up_to=3)
    Message.objects.filter(chat__uri=uri, seq=2).update(created_at=ClockTime() - timedelta(days=29))
    assert prune() == 1
    assert texts(mabel, uri) == ["", "2", "3", "4"]
    assert mabel.chat(uri)["unread_count"] == 3
    age(uri, up_to=2)
    assert prune() == 2
    assert texts(mabel, uri) == ["", "", "", "4"]
    assert mabel.chat(uri)["unread_count"] == 1


def test_nothing_of_them_is_left(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    file = wali.send_file(uri)
    wali.send(uri, f"secret @{mabel.username}")
    mabel.react(uri, 2, "👍")
    mabel.report(uri, 2, "secret")
    age(uri, up_to=2)
    assert prune() == 2
    assert not any(each.objects.exists() for each in (Mention, Reaction, Report))
    assert not Message.objects.exclude(text="").exists()
    assert wali.download(uri, file).status == 404
    assert mabel.search("secret")["results"] == []
    assert all(message["deleted"] for message in wali.messages(uri)["results"])


@pytest.mark.usefixtures("small_batches")
def test_in_batches_each_with_a_version(wali: Person) -> None:
    uri = wali.start()
    for n in range(8):
        wali.send(uri, f"{n}")
    wali.erase(uri, 2)
    since = wali.chat(uri)["version"]
    age(uri, up_to=7)
    work = operations.prune_messages(older_than=DAYS_30)
    assert next(work) == 2
    assert texts(wali, uri) == ["", "", "", "3", "4", "5", "6", "7"]
    assert list(operations.prune_messages(older_than=DAYS_30)) == [3, 1, 0]
    assert texts(wali, uri) == ["", "", "", "", "", "", "", "7"]
    assert wali.chat(uri)["version"] == since + 3


@pytest.mark.usefixtures("small_batches")
def test_what_was_deleted_before_is_passed_by(wali: Person) -> None:
    uri = wali.start()
    for n in range(8):
        wali.send(uri, f"{n}")
    for seq in range(1, 7):
        wali.erase(uri, seq)
    age(uri, up_to=7)
    assert prune() == 1
    assert texts(wali, uri) == [""] * 7 + ["7"]


def test_in_all_chats_or_in_one(wali: Person, mabel: Person) -> None:
    uris = [wali.start(), wali.start(mabel), wali.start_direct(mabel)]
    for uri in uris:
        wali.send(uri)
        age(uri, up_to=1)
    assert prune(chat=uris[1]) == 1
    assert [texts(wali, uri) for uri in uris] == [["Hello world"], [""], ["Hello world"]]
    assert prune() == 2
    assert [texts(wali, uri) for uri in uris] == [[""]] * 3
    with pytest.raises(NotFound):
        prune(chat="x" * 22)


def test_how_many_there_are(wali: Person) -> None:
    uris = [wali.start() for _ in range(3)]
    for uri, old in zip(uris, (0, 3, 7), strict=True):
        for _ in range(7):
            wali.send(uri)
        age(uri, up_to=old)
        for seq in (1, 5):
            wali.erase(uri, seq)
    counted = (
        operations.count_old_messages(older_than=DAYS_30),
        operations.count_old_messages(older_than=DAYS_30, chat=uris[1]),
    )
    assert counted == (7, 2), "tombstones are none"
    assert prune() == 7
    assert operations.count_old_messages(older_than=DAYS_30) == 0


def test_counts_of_what_is_unread_stay_right(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for _ in range(6):
        wali.send(uri, f"@{mabel.username}")
    wali.erase(uri, 5)
    mabel.mark_read(uri, 1)
    age(uri, up_to=3)
    prune()
    assert [mabel.chat(uri)[name] for name in ("unread_count", "mention_count")] == [2, 2]
    mabel.mark_unread(uri, 0)
    assert [mabel.chat(uri)[name] for name in ("unread_count", "mention_count")] == [2, 2]
    mabel.mark_read(uri, 4)
    assert mabel.chat(uri)["unread_count"] == 1


def statements(work: Iterator[int]) -> Sequence[str]:
    with CaptureQueriesContext(connection) as captured:
        assert next(work)
    return [query["sql"].split()[0] for query in captured]


def test_a_batch_costs_the_same_however_many_messages_it_has(wali: Person, mabel: Person) -> None:
    counts = []
    for number in (1, 30):
        uri = wali.start(mabel)
        for seq in range(1, number + 1):
            wali.send_file(uri)
            wali.edit(uri, seq, "@mabel")
            mabel.react(uri, seq, "👍")
        age(uri, up_to=number)
        counts.append(len(statements(operations.prune_messages(older_than=DAYS_30, chat=uri))))
    assert counts[0] == counts[1]


# Views


@pytest.mark.usefixtures("small_batches")
def test_open_views_forget_what_is_pruned(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel)
    for n in range(4):
        wali.send(uri, f"{n}")
    wali.edit_chat(uri, history="since_join")
    otis.join(uri)
    for n in range(4, 9):
        wali.send(uri, f"{n}")
    clients = [ViewingClient(person, connect(person)) for person in (mabel, otis)]
    age(uri, up_to=8)
    assert prune() == 8
    for client, person in zip(clients, (mabel, otis), strict=True):
        client.catch_up()
        assert client.chats[uri].messages == history(person, uri)
    assert [message["message"] for message in clients[1].chats[uri].messages.values()] == ["", "", "", "", "8"]


class LongCard(Adapter):
    def card(self, user: Any) -> dict[str, Any]:
        return {"name": "x" * 5000}


def test_a_batch_fits_a_frame_however_much_is_shown_of_people(
    connect: Connect, configure: Configure, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    for _ in range(30):
        wali.send(uri)
    age(uri, up_to=30)
    configure(ADAPTER=f"{__name__}.LongCard")
    client = ViewingClient(mabel, connect(mabel))
    batches = list(operations.prune_messages(older_than=DAYS_30))
    assert sum(batches) == 30
    assert max(batches) < 20
    client.catch_up()
    assert client.chats[uri].messages == history(mabel, uri)
    assert max(len(json.dumps(frame)) for frame in client.frames) < 64 * 1024
    wali.send(uri)
    mabel.send(uri)
    assert sum(operations.delete_messages_of(author=wali.user)) == 1


@pytest.mark.django_db(transaction=True)
def test_beside_people_who_send_edit_and_delete(wali: Person, mabel: Person, small_batches: None) -> None:
    uri = wali.start(mabel)
    for n in range(20):
        wali.send(uri, f"{n}")
    age(uri, up_to=20)
    _token = mabel.access

    def edit() -> None:
        for seq in range(20, 0, -1):
            assert wali.patch(f"chats/{uri}/messages/{seq}/", {"message": "Edited"}).status in {200, 404}

    def erase() -> None:
        for seq in range(2, 20, 3):
            wali.erase(uri, seq)

    def send() -> None:
        for _ in range(10):
            mabel.send(uri, "New")

    def prune_all() -> None:
        prune()

    at_once(edit, erase, send, prune_all, prune_all)
    prune()
    assert texts(wali, uri) == [""] * 20 + ["New"] * 10
    assert wali.changes(uri, 0)["version"] == wali.chat(uri)["version"]


# Authors


@pytest.mark.usefixtures("small_batches")
def test_all_messages_of_somebody_are_deleted(wali: Person, mabel: Person) -> None:
    group, direct, left = wali.start(mabel), wali.start_direct(mabel), wali.start(mabel)
    for uri in (group, direct, left):
        for _ in range(3):
            wali.send(uri, "wali's")
            mabel.send(uri, "mabel's")
    file = mabel.send_file(direct)
    mabel.leave(left)
    assert sum(operations.delete_messages_of(author=mabel.user)) == 10
    for uri in (group, left):
        assert texts(wali, uri) == ["wali's", ""] * 3
    assert texts(wali, direct) == ["wali's", ""] * 3 + [""]
    assert wali.download(direct, file).status == 404
    assert list(operations.delete_messages_of(author=mabel.user)) == []


@pytest.mark.parametrize(("policy", "expected"), [("keep", "Hello world"), ("delete", "")])
def test_what_becomes_of_messages_when_their_author_goes(
    policy: str, expected: str, wali: Person, mabel: Person, configure: Configure
) -> None:
    configure(DELETED_USERS_MESSAGES=policy)
    uri, direct, left = wali.start(mabel), wali.start_direct(mabel), wali.start(mabel)
    for each in (uri, direct, left):
        mabel.send(each)
    mabel.leave(left)
    mabel.user.delete()
    for each in (uri, direct, left):
        [message] = wali.messages(each)["results"]
        assert (message["message"], message["deleted"]) == (expected, not expected)
        assert message["user"] == {"username": None}
    assert wali.chat(uri)["member_count"] == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_of_whoever_writes_until_they_are_gone(
    wali: Person, mabel: Person, configure: Configure
) -> None:
    configure(DELETED_USERS_MESSAGES="delete")
    uris = [wali.start(mabel) for _ in range(3)]
    _token = mabel.access

    def write() -> None:
        for _ in range(10):
            for uri in uris:
                answer = mabel.post(f"chats/{uri}/messages/", {"message": "mabel's"})
                assert answer.status in {201, 401, 403, 404, 503}, answer.content

    at_once(write, write, mabel.user.delete)
    for uri in uris:
        assert set(texts(wali, uri)) <= {""}
        assert wali.chat(uri)["member_count"] == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_go_at_once_do_not_wait_for_each_other_for_ever(
    wali: Person, mabel: Person, otis: Person, configure: Configure
) -> None:
    configure(DELETED_USERS_MESSAGES="delete")
    uris = [wali.start(mabel, otis) for _ in range(6)]
    for uri in uris:
        mabel.send(uri)
        otis.send(uri)
        (mabel if uris.index(uri) % 2 else otis).leave(uri)
    at_once(mabel.user.delete, otis.user.delete)
    assert not Message.objects.exclude(text="").exists()
    assert set(Chat.objects.values_list("member_count", flat=True)) == {1}


# The command


@pytest.fixture
def prune_chat(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command, and return what it says."""

    def prune_chat(*arguments: str) -> str:
        call_command("prune_chat", *arguments)
        return capsys.readouterr().out

    return prune_chat


def test_the_command_prunes_by_age(prune_chat: Callable[..., str], wali: Person, mabel: Person) -> None:
    uris = [wali.start(mabel), wali.start()]
    for uri in uris:
        wali.send_file(uri)
        wali.send(uri)
        wali.erase(uri, 2)
        age(uri, up_to=2)
        wali.send(uri, "New")
    assert (
        prune_chat("--older-than", "30", f"--chat={uris[0]}", "--dry-run")
        == "Messages that are so old: 1\nFiles of no message: 0\n"
    )
    assert prune_chat("--older-than", "30", f"--chat={uris[0]}") == "Messages deleted: 1\nFiles deleted: 1\n"
    assert [texts(wali, uri) for uri in uris] == [["", "", "New"], ["Hello world", "", "New"]]
    assert prune_chat("--older-than", "0.5", "--verbosity", "0") == ""
    assert [texts(wali, uri) for uri in uris] == [["", "", "New"], ["", "", "New"]]


def test_the_command_deletes_all_of_somebody(prune_chat: Callable[..., str], wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    mabel.send(uri)
    assert (
        prune_chat("--author", mabel.username, "--dry-run")
        == f"Messages by {mabel.username}: 1\nFiles of no message: 0\n"
    )
    assert prune_chat("--author", mabel.username) == "Messages deleted: 1\nFiles deleted: 0\n"
    assert texts(wali, uri) == ["Hello world", ""]


def test_the_command_alone_deletes_files_that_nobody_has_sent(prune_chat: Callable[..., str], wali: Person) -> None:
    wali.attach(wali.start())
    Attachment.objects.update(created_at=ClockTime() - timedelta(days=2))
    assert prune_chat("--dry-run") == "Files of no message: 1\n"
    assert prune_chat() == "Files deleted: 1\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--older-than", "soon"], "is no number of days"),
        (["--older-than", "-1"], "is no number of days"),
        (["--older-than", "0"], "is no number of days"),  # a slip would delete everything
        (["--older-than", "nan"], "is no number of days"),
        (["--older-than", "1e300"], "is no number of days"),
        (["--older-than", "9", "--chat", "x"], "There is no chat 'x'"),
        (["--chat", "x"], "--older-than"),
        (["--author", "nobody"], "There is no user 'nobody'"),
        (["--author", "nobody", "--older-than", "9"], "not allowed with"),
        (["--author", "nobody", "--chat", "x"], "--older-than"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], words: str, db: None) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("prune_chat", *arguments)


@pytest.mark.usefixtures("small_batches")
def test_a_terminal_shows_how_far_it_is(wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    uri = wali.start()
    for n in range(7):
        wali.send(uri, f"{n}")
    age(uri, up_to=7)
    monkeypatch.setattr("django_bpo_chat.management.progress.SECONDS", 0)
    terminal = Terminal()
    call_command("prune_chat", "--older-than", "30", stdout=terminal)
    lines = re.split(r"[\r\n]+", terminal.getvalue())
    assert lines[1:4] == [f"{n} of 7 messages ({100 * n // 7} %)" for n in (3, 6, 7)]
