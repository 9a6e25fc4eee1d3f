"""Reporting messages to the moderators, and what these do about it."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.exceptions import NotAMember, NotAuthenticated
from django_bpo_chat.models import Ban, Block, Chat, Message, Report
from tests.many_rows import analyze, insert
from tests.moderator import Moderator
from tests.parallel import at_once, with_own_connection
from tests.person import Answer, Person
from tests.statements import just_before

pytestmark = [pytest.mark.users, pytest.mark.django_db]


def report(person: Person, uri: str, seq: Any = 1, reason: Any = "Spam") -> Answer:
    return person.post(f"chats/{uri}/messages/{seq}/report/", {"reason": reason})


def the(uri: str, person: Person | None = None) -> Report:
    """The report of this chat, or of this person in it."""
    reports = Report.objects.filter(message__chat__uri=uri)
    return reports.get() if person is None else reports.get(reporter=person.user)


def listed(moderator: Moderator) -> list[Report]:
    return list(moderator.get(Report, "changelist").context["cl"].result_list)


# Reporting


def test_a_report_is_accepted_and_waits_for_the_moderators(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Win the lottery")
    answer = report(wali, uri, reason="  This is\nan advertisement. ")
    assert (answer.status, answer.json) == (202, {})
    row = the(uri)
    assert (row.message.seq, row.reporter, row.reason) == (1, wali.user, "This is\nan advertisement.")
    assert (row.is_open, row.resolved_at, row.resolved_by) == (True, None, None)


def test_nobody_in_the_chat_learns_of_it(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    before = [(person.chat(uri), person.messages(uri)) for person in (wali, mabel)]
    wali.report(uri, 1)
    assert [(person.chat(uri), person.messages(uri)) for person in (wali, mabel)] == before


def test_to_report_again_changes_nothing(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)
    mabel.send(uri)
    wali.report(uri, 1, "First")
    assert report(wali, uri, reason="Second").status == 202
    assert the(uri).reason == "First"
    otis.report(uri, 1, "Third")
    assert Report.objects.count() == 2


def test_each_text_of_a_message_is_reported_once(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    wali.report(uri, 1, "First")
    ines.act("resolve", [the(uri)])
    mabel.react(uri, 1, "👍")
    wali.report(uri, 1, "Nothing new")
    assert the(uri).reason == "First"
    mabel.edit(uri, 1, "Win the lottery")
    for reason in ("Second", "Nothing new"):
        wali.report(uri, 1, reason)
    assert [(row.reason, row.is_open) for row in listed(ines)] == [("Second", True), ("First", False)]


def test_whoever_resolves_a_report_on_an_old_page_leaves_that_of_the_newer_text(
    ines: Moderator, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    mabel.send(uri)
    wali.report(uri, 1, "First")
    otis.report(uri, 1)
    on_the_page = listed(ines)
    mabel.edit(uri, 1, "Win the lottery")
    wali.report(uri, 1, "Second")
    assert ines.act("resolve", on_the_page) == ["Resolved: 2"]
    otis.report(uri, 1, "Third")
    assert [row.reason for row in listed(ines) if row.is_open] == ["Third", "Second"]


def test_what_is_reported_and_resolved_while_somebody_edits_is_the_text_from_before(
    wali: Person, mabel: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)

    def meanwhile(adapter: Adapter, actor: Any, chat: Chat, text: str) -> str:
        wali.report(uri, 1, "First")
        operations.resolve_report(report=the(uri))
        return text

    with monkeypatch.context() as patch:
        patch.setattr(Adapter, "clean_message", meanwhile)
        mabel.edit(uri, 1, "Win the lottery")
    wali.report(uri, 1, "Second")
    assert Report.objects.open().get().reason == "Second"


@pytest.mark.django_db(transaction=True)
def test_what_is_reported_while_an_edit_commits_is_the_text_from_afterwards(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    edited, reported = threading.Event(), threading.Event()

    def edit() -> None:
        with transaction.atomic():
            operations.edit_message(actor=mabel.user, chat=uri, seq=1, text="Win the lottery")
            edited.set()
            assert not reported.wait(0.5)

    def send_report() -> None:
        assert edited.wait(10)
        wali.report(uri, 1, "First")
        reported.set()

    at_once(edit, send_report)
    wali.report(uri, 1, "Nothing new")
    assert the(uri).message_edited_at == the(uri).message.edited_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("moment", "status"), [('^UPDATE "bpo_chat_membership"', 404), ('^UPDATE "bpo_chat_message"', 202)]
)
def test_whoever_is_banned_reports_before_that_or_not_at_all(
    wali: Person, mabel: Person, moment: str, status: int
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    uri = wali.start(mabel)
    wali.send(uri)
    mabel.access  # noqa: B018  (logs in before)
    banned: list[bool] = []
    with ThreadPoolExecutor(1) as pool:

        def ban() -> None:
            """Now, or else as soon as the report is stored."""
            done, _ = wait([pool.submit(with_own_connection, lambda: wali.ban(uri, mabel))], timeout=0.5)
            banned.append(bool(done))

        with just_before(moment, ban):
            assert report(mabel, uri).status == status
    assert banned == [status == 404]
    assert Report.objects.count() == (status == 202)
    assert Ban.objects.count() == 1


def test_only_messages_of_others_that_one_sees_are_reported(wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    wali.edit_chat(uri, history="since_join")
    mabel.join(uri)
    wali.send(uri)
    wali.erase(uri, 2)
    mabel.send(uri)
    for seq in (0, 1, 2, 4, "x", "9" * 30, "%00"):
        assert report(mabel, uri, seq).json["code"] == "not_found", seq
    assert report(mabel, uri, 3).json["code"] == "not_allowed"
    assert report(otis, uri, 3).json["code"] == "not_a_member"
    wali.edit_chat(uri, joinable=False)
    assert report(otis, uri, 3).json["code"] == "not_found"
    assert report(otis, "A" * 22, 3).json["code"] == "not_found"
    assert Report.objects.count() == 0
    wali.report(uri, 3)


def test_a_reason_is_a_text(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    for reason in (None, "", " \n", "\u200b\u2800", 5, ["Spam"], "x" * 1001, "a\0b", "a\ud800b"):
        answer = report(wali, uri, reason=reason)
        assert (answer.status, answer.json.keys()) == (400, {"reason"}), reason
    assert wali.post(f"chats/{uri}/messages/1/report/", {}).json.keys() == {"reason"}
    assert Report.objects.count() == 0
    wali.report(uri, 1, " " + "x" * 1000)


def test_whoever_is_blocked_reports_what_they_read(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)
    wali.send(uri)
    wali.block(mabel)
    mabel.report(uri, 1)


def test_a_report_outlives_accounts(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    wali.report(uri, 1)
    wali.user.delete()
    mabel.user.delete()
    row = the(uri)
    assert (row.reporter, row.message.author, row.is_open) == (None, None, True)


@pytest.mark.django_db(transaction=True)
def test_of_8_at_once_there_is_one_report(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    assert wali.access
    answers = at_once(*[lambda: report(wali, uri)] * 8)
    assert [answer.status for answer in answers] == [202] * 8
    assert Report.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_account_that_is_deleted_meanwhile_reports_nothing(mabel: Person) -> None:
    uri = mabel.start()
    mabel.send(uri)
    for _ in range(5):
        gone = Person("gone")
        operations.join_chat(actor=gone.user, chat=uri)
        at_once(
            lambda gone=gone: refused(gone.user, uri),  # type: ignore[misc]
            lambda gone=gone: get_user_model()._default_manager.get(pk=gone.user.pk).delete() and None,  # type: ignore[misc]
        )
        assert not Report.objects.exclude(reporter=None).exists()


def refused(actor: Any, uri: str) -> None:
    with suppress(NotAuthenticated, NotAMember):
        operations.report_message(actor=actor, chat=uri, seq=1, reason="Spam")


# The queue


def test_open_reports_come_first_and_the_newest_of_them(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for seq in range(1, 5):
        mabel.send(uri)
        wali.report(uri, seq)
    first, second, third, fourth = Report.objects.order_by("id")
    assert ines.act("resolve", [fourth, second]) == ["Resolved: 2"]
    assert listed(ines) == [third, first, fourth, second]


def test_a_report_is_shown_with_all_that_it_takes_to_judge(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel, title="<b>Picnic</b>")
    mabel.send(uri, "<i>first</i> " + "x" * 200 + " last")
    wali.report(uri, 1, "<u>Spam</u>")
    lists, page = (ines.get(Report, *of).content.decode() for of in [("changelist",), ("change", the(uri))])
    for text in (lists, page):
        for shown in (wali.username, mabel.username, "&lt;u&gt;Spam", "&lt;i&gt;first", "&lt;b&gt;Picnic"):
            assert shown in text
        for hidden in (wali.email, mabel.email, "<u>Spam", "<i>first", "<b>Picnic"):
            assert hidden not in text
    assert " last" in page and " last" not in lists.split("</thead>")[1]


def test_the_list_says_what_is_open_and_who_has_resolved_the_rest(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for seq in range(1, 4):
        mabel.send(uri)
        wali.report(uri, seq)
    olga = Moderator("olga")
    first, second, _third = Report.objects.order_by("id")
    ines.act("resolve", [first])
    olga.act("resolve", [second])
    olga.user.delete()
    states = re.findall(r'<td class="field-state">(.*?)</td>', ines.get(Report, "changelist").content.decode())
    assert [re.sub(r"<.*?>", "", state) for state in states] == [
        "open",
        "resolved",
        f"resolved by {ines.person.username}",
    ]


def test_a_report_says_what_has_become_of_the_message_since_then(
    ines: Moderator, wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    mabel.send(uri, "Win the lottery")
    wali.report(uri, 1)
    mabel.edit(uri, 1, "Win a car")
    otis.report(uri, 1)

    def shown() -> list[str]:
        pages = [ines.get(Report, "change", the(uri, person)).content.decode() for person in (otis, wali)]
        text = ines.get(Report, "changelist").content.decode()
        listed = re.findall(r'<td class="field-since_then">(.*?)</td>', text)
        assert all(f'<div class="readonly">{each}</div>' in page for each, page in zip(listed, pages, strict=True))
        return listed

    assert shown() == ["-", "edited"]
    mabel.erase(uri, 1)
    assert shown() == ["deleted", "deleted"]


def test_a_search_finds_reports_by_chat_and_by_who_wrote(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri, other = wali.start(mabel), wali.start(mabel)
    for chat in (uri, other):
        mabel.send(chat)
        wali.send(chat)
    wali.report(uri, 1)
    mabel.report(other, 2)
    assert ines.found(Report, uri) == ines.found(Report, mabel.username) == [the(uri)]
    assert ines.found(Report, f"{uri} 1") == [the(uri)]
    assert ines.found(Report, f"{uri} 2") == ines.found(Report, "nobody") == ines.found(Report, "Spam") == []


def test_a_report_is_resolved_once_and_the_log_says_by_whom(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Win the lottery")
    wali.report(uri, 1, "Advertisement")
    assert ines.act("resolve", [the(uri)]) == ["Resolved: 1"]
    row = the(uri)
    assert (row.is_open, row.resolved_by) == (False, ines.user)
    assert row.resolved_at is not None
    assert Moderator("olga").act("resolve", [row]) == ["There was nothing left to do."]
    assert the(uri).resolved_by == ines.user
    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.get_change_message()) == (ines.user, "Resolved")
    assert "lottery" not in entry.object_repr and "Advertisement" not in entry.object_repr
    ines.user.delete()
    row = the(uri)
    assert (row.is_open, row.resolved_by) == (False, None)


def test_a_reported_message_is_deleted_and_all_reports_of_it_are_resolved(
    ines: Moderator, wali: Person, mabel: Person, otis: Person
) -> None:
    uri, direct = wali.start(mabel, otis), mabel.start_direct(wali)
    for chat in (uri, direct):
        mabel.send(chat, "Win the lottery")
        wali.report(chat, 1)
    otis.report(uri, 1)
    mabel.send(uri)
    wali.report(uri, 2)
    of_wali = Report.objects.get(message__chat__uri=uri, message__seq=1, reporter=wali.user)
    assert ines.act("delete", [the(direct), of_wali])
    assert [message["deleted"] for message in wali.messages(uri)["results"]] == [True, False]
    assert wali.messages(direct)["results"][0]["deleted"]
    [still_open] = Report.objects.filter(is_open=True)
    assert still_open.message.seq == 2
    assert set(Report.objects.exclude(pk=still_open.pk).values_list("resolved_by", flat=True)) == {ines.user.pk}


def test_what_its_author_has_deleted_is_resolved_by_a_deletion(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Win the lottery")
    wali.report(uri, 1)
    mabel.erase(uri, 1)
    assert "lottery" not in ines.get(Report, "change", the(uri)).content.decode()
    assert ines.act("delete", [the(uri)]) == ["Deleted, a tombstone is left: 1"]
    assert not the(uri).is_open
    assert Moderator("olga").act("delete", [the(uri)]) == ["There was nothing left to do."]


def test_the_author_of_a_reported_message_is_banned(ines: Moderator, wali: Person, mabel: Person, otis: Person) -> None:
    uri = mabel.start(wali, otis)  # also where they are the owner
    mabel.send(uri)
    otis.send(uri)
    wali.report(uri, 1)
    otis.leave(uri)
    assert ines.act("ban", [the(uri)]) == ["Banned from the chat: 1"]
    assert not the(uri).is_open
    assert mabel.patch(f"chats/{uri}/", {}).status == 404
    assert wali.chat(uri)["owner"] == wali.username
    [ban] = Ban.objects.all()
    assert (ban.user, ban.banned_by) == (mabel.user, None)
    assert Moderator("olga").act("ban", [the(uri)]) == ["There was nothing left to do."]


def test_a_ban_that_cannot_be_is_told_and_resolves_nothing(
    ines: Moderator, wali: Person, mabel: Person, otis: Person
) -> None:
    direct, group, uri = wali.start_direct(mabel), wali.start(otis), wali.start(mabel)
    mabel.send(direct)
    mabel.send(uri)
    otis.send(group)
    for chat in (direct, group, uri):
        wali.report(chat, 1)
    otis.user.delete()
    done, *refused = ines.act("ban", [the(direct), the(group), the(uri)])
    assert done == "Banned from the chat: 1"
    assert sorted(refused) == sorted(
        [
            f"Not done: {group} #1. This is not there any more.",
            f"Not done: {direct} #1. This is not possible in a personal chat.",
        ]
    )
    assert [the(chat).is_open for chat in (direct, group, uri)] == [True, True, False]


def test_reports_are_for_those_who_may(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    wali.report(uri, 1)
    acts = ("resolve", "delete", "ban")
    permissions = [
        (("view_message", "change_message", "change_ban"), None),
        (("view_report",), set()),
        (("change_report",), {"resolve"}),
        (("change_report", "change_message"), {"resolve", "delete"}),
        (("change_report", "change_ban"), {"resolve", "ban"}),
        (("view_report", "change_message", "change_ban"), set()),
    ]
    for number, (names, may) in enumerate(permissions):
        otto = Moderator(f"otto{number}", *names)
        page = otto.get(Report, "changelist")
        assert page.status_code == (403 if may is None else 200)
        assert otto.get(Report, "add").status_code == 403
        assert otto.post(Report, "delete", the(uri), post="yes").status_code == 403
        for act in acts:
            assert (f'value="{act}"' in page.content.decode()) == (act in (may or ())), (names, act)
            if may is not None and act not in may:
                otto.act(act, [the(uri)])
    assert the(uri).is_open
    assert not wali.messages(uri)["results"][0]["deleted"]
    assert not Ban.objects.exists()


def test_blocks_are_shown_and_go_along_with_an_account(ines: Moderator, wali: Person, mabel: Person) -> None:
    wali.block(mabel)
    [block] = Block.objects.all()
    for page in (ines.get(Block, "changelist"), ines.get(Block, "change", block)):
        text = page.content.decode()
        assert wali.username in text and mabel.username in text and wali.email not in text
    assert ines.found(Block, wali.username) == ines.found(Block, mabel.username) == [block]
    assert ines.found(Block, "nobody") == ines.found(Block, wali.start()) == []
    assert 'name="action"' not in ines.get(Block, "changelist").content.decode()
    assert [ines.get(Block, page, *rows).status_code for page, *rows in [("add",), ("delete", block)]] == [403, 403]
    assert Moderator("otto", "view_report").get(Block, "changelist").status_code == 403


def test_the_pages_ask_no_more_for_many_rows(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)

    def asked(model: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert ines.get(model, "changelist").status_code == 200
        return len(queries)

    def add(number: int) -> None:
        for _ in range(number):
            seq = mabel.send(uri)["seq"]
            wali.report(uri, seq)
        for n in range(number):
            wali.block(Person(f"person{number}{n}"))

    add(1)
    before = [asked(model) for model in (Report, Block)]
    add(9)
    assert [asked(model) for model in (Report, Block)] == before


@pytest.mark.usefixtures("vacuumed")
@pytest.mark.skipif(connection.vendor != "postgresql", reason="Its plans tell")
def test_the_queue_is_read_by_its_index(ines: Moderator, wali: Person, mabel: Person) -> None:
    chat = Chat.objects.get(uri=wali.start(mabel))
    number = 20_000
    Chat.objects.filter(pk=chat.pk).update(last_seq=number, version=number + 1)
    given = {"chat": chat.pk, "wali": wali.user.pk, "mabel": mabel.user.pk}
    insert(
        Message,
        f"generate_series(1, {number}) n",
        given,
        chat_id="%(chat)s",
        seq="n",
        version="n + 1",
        author_id="%(mabel)s",
        text="'Hi'",
        created_at="now()",
    )
    insert(
        Report,
        "bpo_chat_message",
        given,
        message_id="id",
        reporter_id="%(wali)s",
        reason="'Spam'",
        is_open="mod(seq, 100) = 0",
        resolved_at="CASE WHEN mod(seq, 100) = 0 THEN NULL ELSE now() END",
    )
    analyze()
    with connection.cursor() as cursor:
        with CaptureQueriesContext(connection) as queries:
            assert listed(ines)[0].is_open
        asked = [query["sql"] for query in queries if 'FROM "bpo_chat_report"' in query["sql"]]
        assert len(asked) == 2
        for sql in asked:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Backward using bpo_report_queue" in plan, plan
            assert "Sort" not in plan, plan
