"""Work in the admin that takes longer than a request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from django_bpo_chat import operations
from django_bpo_chat.admin import ChatAdmin
from django_bpo_chat.admin import work as admin_work
from django_bpo_chat.models import Chat, Membership
from django_bpo_chat.operations import retention
from tests.clients import history
from tests.moderator import Moderator, membership
from tests.parallel import with_own_connection
from tests.person import Person
from tests.statements import just_before
from tests.test_retention import age

pytestmark = [pytest.mark.users, pytest.mark.django_db]


@pytest.fixture
def steps_of_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(admin_work, "STEP_SECONDS", 1e-9)


def the(uri: str) -> Chat:
    return Chat.objects.get(uri=uri)


def old_chat(person: Person, *others: Person, messages: int = 3) -> str:
    uri = person.start(*others)
    for n in range(messages):
        person.send(uri, f"{n}")
    age(uri, up_to=messages)
    return uri


def is_live(person: Person, uri: str) -> list[bool]:
    return [not message["deleted"] for message in history(person, uri).values()]


class Page:
    """One of the pages of the work, as somebody sees it who has no scripts."""

    def __init__(self, client: Client, answer: Any) -> None:
        assert answer.status_code == 200
        self.client = client
        self.text = answer.content.decode()
        self.context = answer.context

    @property
    def stage(self) -> str:
        return str(self.context["stage"])

    @property
    def counted(self) -> int:
        return int(self.context["progress"].total)

    @property
    def done(self) -> int:
        return int(self.context["progress"].done)

    def answer(self, **more: Any) -> Any:
        """To the page's form."""
        [action] = re.findall(r'<form method="post" action="([^"]+)"', self.text)
        return self.client.post(action, {"progress": self.context["signed"], **more})

    def send(self, **more: Any) -> Page:
        return Page(self.client, self.answer(**more))

    def until_it_stops(self) -> Iterator[Page]:
        page = self
        for _ in range(20):
            page = page.send()
            yield page
            if page.stage != "working":
                return
        raise AssertionError("It does not end")


def opened(moderator: Moderator, action: str, *rows: Model) -> Page:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], "index": 0}
    return Page(moderator.client, moderator.client.post(moderator.page(type(rows[0]), "changelist"), chosen))


# What it does


def test_old_messages_of_chosen_chats_are_deleted(ines: Moderator, wali: Person) -> None:
    uris = [old_chat(wali, messages=4) for _ in range(3)]
    for uri in uris:
        wali.erase(uri, 4)
    wali.send(uris[0], "New")
    asked = opened(ines, "prune", the(uris[0]), the(uris[1]))
    assert asked.stage == "ask"
    assert all(uri in asked.text for uri in uris[:2]) and uris[2] not in asked.text
    plan = asked.send(days="30")
    assert (plan.stage, plan.counted) == ("plan", 6)
    assert all(uri in plan.text for uri in uris[:2]) and uris[2] not in plan.text
    assert "30 days" in plan.text and "6 messages" in plan.text
    assert is_live(wali, uris[0]) == [True, True, True, False, True], "nothing is done before it was asked"
    done = plan.send()
    assert (done.stage, done.done) == ("done", 6)
    assert [is_live(wali, uri) for uri in uris] == [[False] * 4 + [True], [False] * 4, [True] * 3 + [False]]
    assert sorted(ines.log()) == sorted((uri, "Messages older than 30 days deleted") for uri in uris[:2])


def test_all_messages_of_the_people_of_chosen_memberships_are_deleted(
    ines: Moderator, wali: Person, mabel: Person, otis: Person
) -> None:
    group, direct = wali.start(mabel, otis), wali.start_direct(mabel)
    for uri, person in [(group, wali), (group, mabel), (direct, mabel), (group, otis)]:
        person.send(uri)
    wali.leave(group)
    chosen = [membership(group, wali), membership(group, mabel), membership(direct, mabel)]
    plan = opened(ines, "delete_messages", *chosen)
    assert (plan.stage, plan.counted) == ("plan", 3), "each person counts once"
    assert wali.username in plan.text and otis.username not in plan.text
    done = plan.send()
    assert (done.stage, done.done) == ("done", 3)
    assert is_live(otis, group) == [False, False, True]
    assert is_live(wali, direct) == [False]
    assert sorted(ines.log()) == sorted((str(row), "All messages of this person deleted") for row in chosen)


@pytest.mark.usefixtures("steps_of_one_batch")
def test_each_request_does_a_little_and_says_how_far_it_is(ines: Moderator, wali: Person) -> None:
    uris = [old_chat(wali, messages=7), old_chat(wali, messages=2)]
    plan = opened(ines, "prune", *[the(uri) for uri in uris]).send(days=30)
    pages = list(plan.until_it_stops())
    assert [page.stage for page in pages[:-1]] == ["working"] * (len(pages) - 1)
    assert pages[-1].stage == "done"
    assert [page.done for page in pages] == sorted(page.done for page in pages)
    assert len({page.done for page in pages}) == 4, "3, 3 and 1, and 2"
    shares = [float(re.findall(r'<progress [^>]*max="1" value="([^"]+)"', page.text)[0]) for page in pages]
    assert shares == sorted(shares) and shares[-1] == 1
    assert pages[-1].done == plan.counted == 9
    assert sorted(name for name, _ in ines.log()) == sorted(uris), "one line for each"


@pytest.mark.usefixtures("steps_of_one_batch")
def test_it_may_be_left_and_begun_again(ines: Moderator, wali: Person) -> None:
    uri = old_chat(wali, messages=7)
    opened(ines, "prune", the(uri)).send(days=30).send()
    assert is_live(wali, uri) == [False] * 3 + [True] * 4
    plan = opened(ines, "prune", the(uri)).send(days=30)
    assert plan.counted == 4
    assert [*plan.until_it_stops()][-1].done == 4
    assert is_live(wali, uri) == [False] * 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("config.getoption('db') != 'sqlite'", reason="Only there transactions are of several kinds.")
def test_where_reading_does_not_lock_others_may_write_before(
    ines: Moderator, wali: Person, mabel: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django's default on SQLite, which refuses a transaction that has read before somebody else wrote."""
    uri = old_chat(wali)
    elsewhere = mabel.start()
    plan = opened(ines, "prune", the(uri)).send(days=30)
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", "DEFERRED")
    connection.close()
    with ThreadPoolExecutor(1) as pool:

        def send() -> None:
            """Now, or else as soon as the database is free."""
            wait([pool.submit(with_own_connection, lambda: mabel.send(elsewhere))], timeout=0.5)

        with just_before('^UPDATE "bpo_chat_chat" SET "version"', send):
            stage = plan.send().stage
    connection.close()
    assert stage == "done"
    assert is_live(wali, uri) == [False] * 3
    assert mabel.chat(elsewhere)["last_message"]["seq"] == 1


@pytest.mark.usefixtures("steps_of_one_batch")
def test_a_page_that_is_sent_twice_does_no_harm(ines: Moderator, wali: Person) -> None:
    uri = old_chat(wali, messages=7)
    plan = opened(ines, "prune", the(uri)).send(days=30)
    for _ in range(3):
        last = plan.send()
    [*last.until_it_stops()]
    assert is_live(wali, uri) == [False] * 7
    assert len(ines.log()) == 1


def test_where_there_is_nothing_to_do_nothing_is_asked(ines: Moderator, wali: Person) -> None:
    uri = wali.start()
    wali.send(uri)
    wali.erase(uri, 1)
    plans = [opened(ines, "prune", the(uri)).send(days=1), opened(ines, "delete_messages", membership(uri, wali))]
    assert [(plan.stage, plan.counted) for plan in plans] == [("plan", 0)] * 2
    assert not any('name="progress"' in plan.text for plan in plans)


# Who may


ACTIONS = [("prune", "view_chat"), ("delete_messages", "view_membership")]


def row_for(action: str, person: Person) -> Model:
    uri = old_chat(person)
    return the(uri) if action == "prune" else membership(uri, person)


@pytest.mark.parametrize(("action", "view"), ACTIONS)
def test_whoever_may_change_messages_and_see_the_rows(wali: Person, action: str, view: str) -> None:
    row = row_for(action, wali)
    otto = Moderator("otto", view, "change_message")
    page = opened(otto, action, row)
    for permission in ("change_message", view):
        withheld = otto.user.user_permissions.get(codename=permission)
        otto.user.user_permissions.remove(withheld)
        assert page.answer(days=30).status_code == 403, permission
        otto.user.user_permissions.add(withheld)
    plan = page.send(days=30) if page.stage == "ask" else page
    otto.user.user_permissions.clear()
    assert plan.answer().status_code == 403
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(("action", "view"), ACTIONS)
def test_others_are_offered_nothing(wali: Person, action: str, view: str) -> None:
    row = row_for(action, wali)
    name = "chat" if action == "prune" else "membership"
    otto = Moderator("otto", view, f"change_{name}")
    assert f'value="{action}"' not in otto.get(type(row), "changelist").content.decode()
    assert set(otto.act(action, [row])) <= {"No action selected."}
    assert otto.post(type(row), action, progress="").status_code == 403


def test_a_page_is_of_whom_it_was_made_for_and_of_no_other_work(ines: Moderator, wali: Person) -> None:
    uri = old_chat(wali)
    signed = opened(ines, "prune", the(uri)).send(days=30).context["signed"]
    olga = Moderator("olga")
    assert olga.post(Chat, "prune", progress=signed).status_code == 302
    assert ines.post(Membership, "delete_messages", progress=signed).status_code == 302
    assert is_live(wali, uri) == [True] * 3


def test_a_form_of_another_site_does_nothing(ines: Moderator, wali: Person) -> None:
    uri = old_chat(wali)
    plan = opened(ines, "prune", the(uri)).send(days=30)
    plan.client = Client(enforce_csrf_checks=True)
    plan.client.force_login(ines.user)
    assert plan.answer().status_code == 403
    assert is_live(wali, uri) == [True] * 3


# What comes in


@pytest.mark.parametrize("days", ["", "0", "-1", "1.5", "x", "\0", "9" * 30, "365001", "nan", "１" * 9])
def test_what_are_no_days_is_told(ines: Moderator, wali: Person, days: str) -> None:
    page = opened(ines, "prune", the(old_chat(wali))).send(days=days)
    assert page.stage == "ask"
    assert page.context["form"].errors.keys() == {"days"}
    assert page.send(days="365000").stage == "plan"


@pytest.mark.parametrize("progress", ["", "x", "\0", "eyJyb3dzIjpbIjEiXX0:1tXYZ:AAAA", "é:é:é"])
def test_what_no_page_has_sent_is_told(ines: Moderator, progress: str) -> None:
    answer = ines.client.post(ines.page(Chat, "prune"), {"progress": progress, "days": 30}, follow=True)
    assert "This page is out of date" in answer.content.decode()
    assert ines.client.get(ines.page(Chat, "prune")).status_code == 302


def test_a_page_of_yesterday_does_nothing(ines: Moderator, wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = old_chat(wali)
    plan = opened(ines, "prune", the(uri)).send(days=30)
    monkeypatch.setattr(admin_work, "MAX_AGE", -admin_work.MAX_AGE)
    assert plan.answer().status_code == 302
    assert is_live(wali, uri) == [True] * 3


def test_too_many_rows_are_told(ines: Moderator, wali: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_work, "MOST_ROWS", 2)
    rows = [the(old_chat(wali, messages=0)) for _ in range(3)]
    assert ines.act("prune", rows) == ["Choose no more than 2 rows for this."]
    assert opened(ines, "prune", *rows[:2]).stage == "ask"


def test_rows_that_are_gone_are_told_and_the_rest_is_done(ines: Moderator, wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    for person in (wali, mabel):
        person.send(uri)
    gone = membership(uri, wali)
    plan = opened(ines, "delete_messages", gone, membership(uri, mabel))
    key = gone.pk
    wali.user.delete()
    done = plan.send()
    assert (done.stage, done.done) == ("done", 1)
    assert f"#{key}: Not found." in done.text


@pytest.mark.parametrize("atomic", [False, True], ids=["each", "ATOMIC_REQUESTS"])
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_told_and_what_was_done_is_done(
    monkeypatch: pytest.MonkeyPatch, wali: Person, atomic: bool
) -> None:
    ines = Moderator("ines")
    uri = old_chat(wali, messages=7)
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    plan = opened(ines, "prune", the(uri)).send(days=30)
    prune, within_a_transaction = operations.prune_messages, []

    def prune_once(**which: Any) -> Iterator[int]:
        yield next(prune(**which))
        within_a_transaction.append(connection.in_atomic_block)
        raise OperationalError("canceling statement due to lock timeout")

    with monkeypatch.context() as away:
        away.setattr(operations, "prune_messages", prune_once)
        stopped = plan.send()
    assert (stopped.stage, stopped.done) == ("stopped", 3)
    assert within_a_transaction == [False], "each batch commits by itself"
    assert "Not available at the moment." in stopped.text
    assert is_live(wali, uri) == [False] * 3 + [True] * 4
    assert stopped.send().done == 7
    assert len(ines.log()) == 1


def test_a_database_that_is_away_while_it_counts_is_told(
    monkeypatch: pytest.MonkeyPatch, ines: Moderator, wali: Person
) -> None:
    asked = opened(ines, "prune", the(old_chat(wali)))

    def fail(**which: Any) -> int:
        raise OperationalError

    with monkeypatch.context() as away:
        away.setattr(operations, "count_old_messages", fail)
        again = asked.send(days=30)
    assert again.stage == "ask" and "Not available at the moment." in again.text
    assert again.send(days=30).stage == "plan"


# Sites of their own


def test_another_admin_site_has_the_pages_too(ines: Moderator, wali: Person, settings: Any) -> None:
    mine = admin.AdminSite("mine")
    mine.register(Chat, ChatAdmin)
    uri = old_chat(wali)
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("office/", mine.urls)]})
    chosen = {"action": "prune", "_selected_action": [the(uri).pk], "index": 0}
    page = Page(ines.client, ines.client.post("/office/bpo_chat/chat/", chosen))
    assert 'action="/office/bpo_chat/chat/prune/"' in page.text
    assert page.send(days=30).send().done == 3


def test_a_step_asks_no_more_for_more_messages(ines: Moderator, wali: Person) -> None:
    def asked(number: int) -> int:
        plan = opened(ines, "prune", the(old_chat(wali, messages=number))).send(days=30)
        with CaptureQueriesContext(connection) as queries:
            assert plan.send().done == number
        return len(queries)

    assert asked(1) == asked(20)


def test_to_count_takes_one_query_for_each_person(ines: Moderator, wali: Person, mabel: Person, otis: Person) -> None:
    uri = wali.start(mabel, otis)

    def asked(*people: Person) -> int:
        rows = [membership(uri, person) for person in people]
        with CaptureQueriesContext(connection) as queries:
            assert opened(ines, "delete_messages", *rows).stage == "plan"
        return len(queries)

    assert asked(wali, mabel, otis) == asked(wali) + 2
