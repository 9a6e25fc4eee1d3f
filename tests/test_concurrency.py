"""Several people at the same moment: real threads and real transactions."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_delete, pre_save

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.exceptions import ChatError, Invalid, NotAMember
from django_bpo_chat.models import Ban, Chat, Membership, Message, Report
from django_bpo_chat.users import email
from tests.fixtures import Configure
from tests.parallel import at_once, with_own_connection
from tests.person import Answer, Person, account
from tests.statements import just_before

pytestmark = pytest.mark.django_db(transaction=True)


def everything(person: Person, uri: str) -> tuple[list[Any], list[Any]]:
    """All messages by seq and all member rows, as the changes from the beginning tell them."""
    messages, members, since, more = [], [], 0, True
    while more:
        page = person.changes(uri, since)
        messages += page["messages"]
        members += page["members"]
        since, more = page["version"], page["more"]
    return sorted(messages, key=lambda message: int(message["seq"])), members


# Reading


@pytest.mark.parametrize(
    ("path", "reads", "status"),
    [
        ("chats/", '"bpo_chat_message"."seq" = ', 200),
        ("chats/{uri}/", '"bpo_chat_message"."seq" = ', 404),
        ("chats/{uri}/messages/", 'FROM "bpo_chat_message"', 404),
        ("chats/{uri}/members/", "LIMIT 51$", 200),
    ],
)
def test_whoever_is_banned_while_they_read_sees_nothing_of_after_that(
    wali: Person, mabel: Person, otis: Person, path: str, reads: str, status: int
) -> None:
    uri = wali.start(mabel)
    wali.send(uri, "One")
    mabel.access  # noqa: B018  (logs in before)

    def ban_and_go_on() -> None:
        wali.ban(uri, mabel)
        wali.edit(uri, 1, "After that")
        wali.add(uri, otis)

    with just_before(reads, lambda: at_once(ban_and_go_on)):
        answer = mabel.get(path.format(uri=uri))
    assert b"After that" not in answer.content
    assert b"otis" not in answer.content
    assert answer.status == status
    assert not answer.json.get("results")


# Sending


def test_8_senders_of_100_messages_each_leave_no_hole(crowd: Callable[[int], Sequence[Person]]) -> None:
    senders = crowd(8)
    uri = senders[0].start(*senders[1:])
    start = senders[0].chat(uri)["version"]

    def send_100(sender: Person) -> Callable[[], None]:
        def run() -> None:
            for n in range(100):
                operations.send_message(actor=sender.user, chat=uri, text=f"{n}")

        return run

    at_once(*map(send_100, senders))

    messages, _ = everything(senders[0], uri)
    assert [message["seq"] for message in messages] == list(range(1, 801))
    assert [message["version"] for message in messages] == list(range(start + 1, start + 801))
    assert [message["created_at"] for message in messages] == sorted(message["created_at"] for message in messages)
    for sender in senders:
        own = [message["message"] for message in messages if message["user"]["username"] == sender.username]
        assert own == [f"{n}" for n in range(100)]
    assert senders[0].chat(uri)["version"] == start + 800


def test_a_reader_who_follows_the_changes_misses_nothing(crowd: Callable[[int], Sequence[Person]]) -> None:
    """Also when some of the sendings are undone by the transactions around them."""
    reader, *senders = crowd(6)
    uri = reader.start(*senders)
    done = threading.Event()

    class Undone(Exception):
        pass

    def send(sender: Person) -> Callable[[], None]:
        def run() -> None:
            for n in range(30):
                try:
                    with transaction.atomic():
                        operations.send_message(actor=sender.user, chat=uri, text=f"{n}")
                        if n % 3 == 2:
                            raise Undone
                except Undone:
                    pass

        return run

    seen: dict[int, Any] = {}

    def follow(version: int) -> None:
        last = False
        while not last:
            last = done.is_set()
            more = True
            while more:
                page = reader.changes(uri, version)
                for message in page["messages"]:
                    assert message["seq"] not in seen
                    seen[message["seq"]] = message
                version, more = page["version"], page["more"]

    start = reader.chat(uri)["version"]
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(with_own_connection, lambda: follow(start))
        try:
            at_once(*map(send, senders))
        finally:
            done.set()
        following.result(60)

    assert sorted(seen) == list(range(1, 101))
    assert [seen[seq] for seq in sorted(seen)] == everything(reader, uri)[0]


def test_10_sendings_of_one_client_id_at_once_are_one_message(wali: Person) -> None:
    uri = wali.start()
    assert wali.access
    body = {"message": "Hello", "client_id": "a"}

    answers = at_once(*[lambda: wali.post(f"chats/{uri}/messages/", body)] * 10)

    assert Counter(answer.status for answer in answers) == {201: 1, 200: 9}
    assert len({answer.content for answer in answers}) == 1
    assert wali.messages(uri)["results"] == [answers[0].json]


def test_one_client_id_with_several_texts_at_once_is_one_message(wali: Person) -> None:
    uri = wali.start()
    assert wali.access

    def send(n: int) -> Callable[[], Answer]:
        return lambda: wali.post(f"chats/{uri}/messages/", {"message": f"Hello {n}", "client_id": "a"})

    answers = at_once(*(send(n) for n in range(6)))

    assert Counter(answer.status for answer in answers) == {201: 1, 409: 5}
    assert wali.messages(uri)["results"] == [answer.json for answer in answers if answer.status == 201]


def test_edits_and_deletions_at_once_each_take_a_version(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    wali.send(uri)
    start = wali.chat(uri)["version"]
    assert mabel.access

    def edit(n: int) -> Callable[[], Answer]:
        return lambda: wali.patch(f"chats/{uri}/messages/1/", {"message": f"Edit {n}"})

    answers = at_once(*map(edit, range(4)), *[lambda: wali.delete(f"chats/{uri}/messages/1/")] * 2)

    [message] = wali.messages(uri)["results"]
    assert (message["deleted"], message["message"]) == (True, "")
    edited = sum(answer.status == 200 for answer in answers[:4])
    assert {answer.status for answer in answers[:4]} <= {200, 404}
    assert [answer.status for answer in answers[4:]] == [200, 200]
    assert message["version"] == wali.chat(uri)["version"] == start + edited + 1


# Personal chats


@pytest.mark.users
def test_a_pair_that_asks_at_once_gets_one_personal_chat(wali: Person, mabel: Person) -> None:
    for person in (wali, mabel):
        assert person.access
    asks = [
        lambda: wali.post("chats/", {"username": mabel.username}),
        lambda: mabel.post("chats/", {"username": wali.username}),
    ]

    answers = at_once(*asks * 4)

    assert Counter(answer.status for answer in answers) == {201: 1, 200: 7}
    assert len({answer.json["uri"] for answer in answers}) == 1
    assert Chat.objects.count() == 1
    assert Membership.objects.count() == 2


@pytest.mark.users
def test_many_pairs_that_ask_at_once_get_a_chat_each(crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(4)

    def ask(one: Person, other: Person) -> Callable[[], str]:
        return lambda: operations.start_direct(actor=one.user, username=other.username)[0].uri

    uris = at_once(*(ask(one, other) for one in people for other in people if one is not other))

    assert Counter(Counter(uris).values()) == {2: 6}
    assert Chat.objects.count() == 6


# Who is in


@pytest.mark.users
def test_nothing_is_stored_of_who_was_removed_while_their_messages_waited(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri, "Before")
    start = wali.chat(uri)["version"]
    about_to_send = threading.Barrier(9)

    def send() -> Message:
        about_to_send.wait(30)
        return operations.send_message(actor=mabel.user, chat=uri, text="Too late")[0]

    with ThreadPoolExecutor(8) as pool:
        with transaction.atomic():
            # From here to the end of this transaction the removal holds the chat's lock.
            operations.remove_member(actor=wali.user, chat=uri, username=mabel.username)
            sendings = [pool.submit(with_own_connection, send) for _ in range(8)]
            about_to_send.wait(30)
            wait_until_waiting(8, sendings)
            assert not any(sending.done() for sending in sendings)
        errors = [sending.exception(30) for sending in sendings]

    assert [type(error) for error in errors] == [NotAMember] * 8
    messages, members = everything(wali, uri)
    assert [message["message"] for message in messages] == ["Before"]
    [removed] = [row for row in members if row["username"] == mabel.username]
    assert removed["left"]
    assert removed["version"] == wali.chat(uri)["version"] == start + 1
    assert wali.send(uri)["seq"] == 2


def wait_until_waiting(number: int, sendings: Sequence[Future[Any]]) -> None:
    """Until so many connections wait for a lock. SQLite does not tell; there, a moment has to do."""
    pause = threading.Event()
    if connection.vendor != "postgresql":
        pause.wait(0.3)
        return
    for _ in range(600):
        with connection.cursor() as cursor:
            # Within a transaction PostgreSQL would show what it has shown before.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() == (number,):
                return
        pause.wait(0.05)
    raise AssertionError(f"not {number} connections wait for a lock: {sendings}")


def test_sending_and_being_removed_at_once_store_nothing_after_the_removal(
    wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    people = crowd(6)
    uri = wali.start(*people)

    def send(person: Person) -> Callable[[], int]:
        def run() -> int:
            for stored in range(50):
                try:
                    operations.send_message(actor=person.user, chat=uri, text=f"{stored}")
                except NotAMember:
                    return stored
            return 50

        return run

    def remove_all() -> int:
        for person in people:
            operations.remove_member(actor=wali.user, chat=uri, username=person.username)
        return 0

    counts = at_once(*map(send, people), remove_all)

    messages, members = everything(wali, uri)
    removed = {row["username"]: row["version"] for row in members if row["left"]}
    assert removed.keys() == {person.username for person in people}
    assert all(message["version"] < removed[message["user"]["username"]] for message in messages)
    assert [message["seq"] for message in messages] == list(range(1, sum(counts) + 1))


def test_joins_at_once_are_counted_once_each(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(6)
    uri = wali.start()
    start = wali.chat(uri)["version"]

    def join(person: Person) -> Callable[[], object]:
        return lambda: operations.join_chat(actor=person.user, chat=uri)

    at_once(*(join(person) for person in people for _ in range(2)))

    chat = wali.chat(uri)
    assert chat["member_count"] == len(chat["members"]) == 7
    assert chat["version"] == start + 6
    assert sorted(member["version"] for member in chat["members"]) == [1, *range(start + 1, start + 7)]


def test_joins_and_leaves_at_once_keep_the_count_and_one_owner(crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(6)
    uri = people[0].start(*people[1:3])

    def come_and_go(person: Person) -> Callable[[], None]:
        def run() -> None:
            order = random.Random(person.username)
            for _ in range(12):
                act = order.choice([operations.join_chat, operations.leave_chat])
                with suppress(NotAMember):
                    act(actor=person.user, chat=uri)
            operations.join_chat(actor=person.user, chat=uri)

        return run

    at_once(*map(come_and_go, people))

    chat = people[0].chat(uri)
    assert chat["member_count"] == len(chat["members"]) == 6
    assert [member["username"] for member in chat["members"] if member["role"] == "owner"] == [chat["owner"]]


def test_everybody_leaving_at_once_leaves_an_empty_chat(crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(6)
    uri = people[0].start(*people[1:])

    def leave(person: Person) -> Callable[[], None]:
        return lambda: operations.leave_chat(actor=person.user, chat=uri)

    at_once(*map(leave, people))

    chat = people[3].join(uri)
    assert (chat["member_count"], chat["owner"]) == (1, people[3].username)


@pytest.mark.users
def test_the_last_two_who_leave_at_once_never_leave_a_chat_without_an_owner(
    wali: Person, mabel: Person, otis: Person
) -> None:
    for _ in range(5):
        uri = wali.start(mabel, otis)

        def leave(person: Person, uri: str = uri) -> Callable[[], None]:
            return lambda: operations.leave_chat(actor=person.user, chat=uri)

        at_once(leave(wali), leave(mabel))
        chat = otis.chat(uri)
        assert (chat["owner"], chat["member_count"]) == (otis.username, 1)


def test_a_chat_that_closes_while_others_join_lets_nobody_in_afterwards(
    wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    people = crowd(6)
    uri = wali.start()

    def join(person: Person) -> Callable[[], bool]:
        def run() -> bool:
            try:
                operations.join_chat(actor=person.user, chat=uri)
            except ChatError:
                return False
            return True

        return run

    def close() -> bool:
        operations.edit_chat(actor=wali.user, chat=uri, joinable=False)
        return True

    *joined, _ = at_once(*map(join, people), close)

    closed = Chat.objects.get(uri=uri).details_version
    chat = wali.chat(uri)
    assert not chat["joinable"]
    assert {member["username"] for member in chat["members"]} == {
        wali.username,
        *(person.username for person, is_in in zip(people, joined, strict=True) if is_in),
    }
    assert all(member["version"] < closed for member in chat["members"])


# Reading


def test_marks_never_move_back_while_messages_arrive(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)

    def send() -> list[int]:
        return [operations.send_message(actor=wali.user, chat=uri, text="Hello")[0].seq for _ in range(60)]

    def answer() -> list[int]:
        for _ in range(15):
            operations.send_message(actor=mabel.user, chat=uri, text="Hello yourself")
        return []

    def read(seed: int) -> Callable[[], list[int]]:
        def run() -> list[int]:
            order = random.Random(seed)
            return [operations.mark_read(actor=mabel.user, chat=uri, seq=order.randrange(80))[0] for _ in range(60)]

        return run

    _, _, *marks = at_once(send, answer, read(1), read(2), read(3))

    for seen in marks:
        assert seen == sorted(seen)
    last = max(max(seen) for seen in marks)
    final = mabel.mark_read(uri, 0)
    assert final["seq"] >= last
    assert final["unread_count"] == 75 - final["seq"]


def test_inheriting_a_chat_does_not_undo_what_the_heir_reads_meanwhile(wali: Person, mabel: Person) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("On SQLite whoever writes is alone")
    uri = wali.start(mabel)
    for _ in range(3):
        wali.send(uri)

    def read_just_before(instance: Membership, **_: Any) -> None:
        """mabel reads in the moment in which the row that makes her the owner is about to be saved."""
        if instance.user_id == mabel.user.pk:
            reader = threading.Thread(
                target=with_own_connection,
                args=[lambda: operations.mark_read(actor=mabel.user, chat=uri, seq=3)],
            )
            reader.start()
            reader.join(10)

    pre_save.connect(read_just_before, sender=Membership)
    try:
        operations.leave_chat(actor=wali.user, chat=uri)
    finally:
        pre_save.disconnect(read_just_before, sender=Membership)

    chat = mabel.chat(uri)
    assert (chat["owner"], chat["unread_count"]) == (mabel.username, 0)


def test_deleting_a_message_while_its_authors_account_is_deleted(wali: Person, mabel: Person) -> None:
    uri = wali.start(mabel)
    mabel.send(uri)
    mabel.leave(uri)

    def delete_account() -> None:
        at_once(lambda: get_user_model().objects.get(pk=mabel.user.pk).delete())

    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    with just_before('^UPDATE "bpo_chat_message"', delete_account):
        tombstone = wali.erase(uri, 1)
    assert tombstone["deleted"]
    assert wali.messages(uri)["results"][0]["user"] == {"username": None}


class LastWords(Adapter):
    """Whoever is asked about somebody finds that their account is deleted right then."""

    def may_contact(self, actor: AbstractBaseUser, user: AbstractBaseUser) -> bool:
        at_once(lambda: account(email(user)).delete())
        return True


def test_adding_somebody_while_their_account_is_deleted(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    uri = wali.start(mabel, otis)
    otis.leave(uri)
    configure(ADAPTER=f"{__name__}.LastWords")
    refusals = [wali.patch(f"chats/{uri}/", {"username": person.username}) for person in (otis, Person("ines"))]
    assert refusals[0].is_same_as(refusals[1])
    assert (refusals[0].status, refusals[0].json.keys()) == (400, {"username"})
    assert wali.chat(uri)["member_count"] == 2


@pytest.mark.parametrize("way", ["start", "add"])
def test_in_a_transaction_of_the_sites_own_an_account_that_goes_is_refused_at_once(
    way: str, wali: Person, mabel: Person
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    uri = wali.start()

    def bring() -> None:
        if way == "start":
            operations.start_group(actor=wali.user, members=[mabel.username])
        else:
            operations.add_member(actor=wali.user, chat=uri, username=mabel.username)

    def delete_account() -> None:
        at_once(lambda: account(mabel.email).delete())

    with transaction.atomic(), just_before("FOR NO KEY UPDATE$", delete_account), pytest.raises(Invalid):
        bring()
    assert wali.chat(uri)["member_count"] == 1


def delete_both(*people: Person, meeting_after: str) -> None:
    """Delete two accounts at once. Each waits, for a while, until the other has come behind such a statement, too."""
    meeting = threading.Barrier(2)

    def wait(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith(meeting_after):
            with suppress(threading.BrokenBarrierError):
                meeting.wait(1)
        return result

    def delete(person: Person) -> None:
        with connection.execute_wrapper(wait):
            account(person.email).delete()

    at_once(*(partial(delete, person) for person in people))


def test_two_who_have_banned_each_other_are_deleted_at_once(wali: Person, mabel: Person) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    walis, mabels = wali.start(), mabel.start()
    wali.ban(walis, mabel)
    mabel.ban(mabels, wali)
    delete_both(wali, mabel, meeting_after='DELETE FROM "bpo_chat_ban"')
    assert not Ban.objects.exists()


def test_two_moderators_who_have_resolved_each_others_reports_are_deleted_at_once(
    wali: Person, mabel: Person, otis: Person
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    uri = otis.start(wali, mabel)
    otis.send(uri)
    for reporter, moderator in ((wali, mabel), (mabel, wali)):
        reporter.report(uri, 1)
        operations.resolve_report(report=Report.objects.get(reporter=reporter.user), resolved_by=moderator.user)
    for person in (wali, mabel):
        person.leave(uri)  # or they would wait for each other at the chat
    delete_both(wali, mabel, meeting_after='UPDATE "bpo_chat_report"')
    assert set(Report.objects.values_list("reporter", "resolved_by")) == {(None, None)}


def test_joining_while_ones_account_is_deleted_counts_nobody_for_ever(wali: Person, mabel: Person) -> None:
    """Between the moment when Django announces a deletion, and the deletion."""
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    uri = wali.start()
    joining: list[Future[Answer]] = []

    def join(**_: Any) -> None:
        pre_delete.disconnect(join, sender=Membership)
        joining.append(pool.submit(with_own_connection, lambda: mabel.patch(f"chats/{uri}/", {})))
        time.sleep(0.5)

    wali.start(mabel)
    with ThreadPoolExecutor(1) as pool:
        pre_delete.connect(join, sender=Membership)
        mabel.user.delete()
        assert joining[0].result().status in {200, 401}
    chat = Chat.objects.get(uri=uri)
    assert chat.member_count == chat.memberships.filter(left_at=None).count() == 1


@pytest.mark.parametrize("messages", ["keep", "delete"])
def test_joining_and_writing_while_ones_account_is_deleted(
    configure: Configure, wali: Person, mabel: Person, messages: str
) -> None:
    """Whoever writes holds the chat and then wants the account; so whoever deletes must not want it the other way."""
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    configure(DELETED_USERS_MESSAGES=messages)
    uri = wali.start()
    wali.start(mabel)
    writes = threading.Event()
    sending: list[Future[Answer]] = []

    def join_and_send() -> Answer:
        mabel.join(uri)
        return mabel.post(f"chats/{uri}/messages/", {"message": "Hello"})

    def hold(**_: Any) -> None:
        writes.set()
        time.sleep(0.5)

    def begin() -> None:
        sending.append(pool.submit(with_own_connection, join_and_send))
        assert writes.wait(10)

    post_save.connect(hold, sender=Message)
    try:
        with ThreadPoolExecutor(1) as pool, just_before("FOR UPDATE$", begin):
            mabel.user.delete()
    finally:
        post_save.disconnect(hold, sender=Message)
    assert sending[0].result().status == 201
    assert Chat.objects.get(uri=uri).member_count == 1
    [message] = wali.messages(uri)["results"]
    assert (message["user"], message["deleted"]) == ({"username": None}, messages == "delete")


def test_an_account_is_deleted_while_somebody_is_added_and_another_one_goes(
    wali: Person, mabel: Person, otis: Person
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    low, high = sorted([otis.start(), otis.start()])
    otis.add(high, wali)
    otis.add(high, mabel)
    otis.add(low, mabel)
    with ThreadPoolExecutor(1) as pool:
        deletions: list[Future[Any]] = []

        def meanwhile() -> None:
            at_once(lambda: otis.add(low, wali))
            deletions.append(pool.submit(with_own_connection, mabel.user.delete))
            time.sleep(0.5)  # for it to hold the one and wait for the other

        with just_before("FOR UPDATE$", meanwhile):
            wali.user.delete()
        deletions[0].result(10)
    assert set(Chat.objects.values_list("member_count", flat=True)) == {1}


@pytest.mark.parametrize("messages", ["keep", "delete"])
def test_a_report_while_the_account_of_the_author_is_deleted(
    configure: Configure, wali: Person, mabel: Person, messages: str
) -> None:
    """The reporter inherits the chat."""
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    configure(DELETED_USERS_MESSAGES=messages)
    uri = wali.start(mabel)
    wali.send(uri)
    reports: list[Future[Answer]] = []
    with ThreadPoolExecutor(1) as pool:

        def report() -> None:
            body = {"reason": "Spam"}
            reports.append(
                pool.submit(with_own_connection, lambda: mabel.post(f"chats/{uri}/messages/1/report/", body))
            )
            time.sleep(0.5)

        mabel.access  # noqa: B018  (logs in before)
        with just_before('^UPDATE "bpo_chat_membership"', report):
            wali.user.delete()
        assert reports[0].result(10).status in {202, 404}
    assert mabel.chat(uri)["owner"] == mabel.username


def test_coming_back_while_ones_account_is_deleted_counts_nobody_for_ever(
    wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    people = crowd(30)
    uri = wali.start(*people)
    for person in people:
        person.leave(uri)

    def come_back(person: Person) -> None:
        with suppress(ChatError):
            operations.join_chat(actor=person.user, chat=uri)

    for person in people:
        at_once(lambda: come_back(person), lambda: account(person.email).delete() and None)  # noqa: B023

    chat = Chat.objects.get(uri=uri)
    assert chat.member_count == chat.memberships.filter(left_at=None).count() == 1


def test_coming_back_to_a_chat_of_nobody_while_ones_account_is_deleted(mabel: Person) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    uri = mabel.start()
    mabel.leave(uri)
    deleting: list[Future[Any]] = []

    def delete_account(**_: Any) -> None:
        post_save.disconnect(delete_account, sender=Membership)
        deleting.append(pool.submit(with_own_connection, lambda: account(mabel.email).delete()))
        time.sleep(0.5)

    with ThreadPoolExecutor(1) as pool:
        post_save.connect(delete_account, sender=Membership)
        operations.join_chat(actor=mabel.user, chat=uri)
        deleting[0].result(10)
    chat = Chat.objects.get(uri=uri)
    assert (chat.member_count, chat.owner, chat.memberships.count()) == (0, None, 0)


def test_accounts_with_many_chats_in_common_are_deleted_at_once(
    monkeypatch: pytest.MonkeyPatch, wali: Person, mabel: Person
) -> None:
    monkeypatch.setattr("django_bpo_chat.operations.members.RELEASED_AT_ONCE", 20)
    for people in ([wali, mabel], [mabel, wali]):
        for _ in range(25):
            operations.start_group(actor=people[0].user, members=[people[1].username])
    at_once(*[person.user.delete for person in (wali, mabel)])
    assert set(Chat.objects.values_list("member_count", "owner")) == {(0, None)}


def test_an_account_is_deleted_while_another_transaction_takes_its_chats_by_uri(wali: Person, mabel: Person) -> None:
    uris = [wali.start(mabel), wali.start(mabel)]
    while uris[0] == min(uris):  # until the older one is not the first one by uri
        mabel.leave(uris.pop(0))
        uris.append(wali.start(mabel))
    first, *others = sorted(uris)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            operations.edit_chat(actor=None, chat=first, title="Picnic")
            deletion = pool.submit(with_own_connection, mabel.user.delete)
            time.sleep(0.5)  # for it to wait
            for uri in others:
                operations.edit_chat(actor=None, chat=uri, title="Picnic")
        deletion.result(10)
    chats = Chat.objects.filter(uri__in=uris)
    assert set(chats.values_list("title", "member_count")) == {("Picnic", 1)}


def test_a_chat_is_changed_and_then_an_account_deleted_while_another_one_is(
    wali: Person, mabel: Person, otis: Person
) -> None:
    uri = wali.start(mabel, otis)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            operations.remove_member(actor=None, chat=uri, username=mabel.username)
            deletion = pool.submit(with_own_connection, otis.user.delete)
            time.sleep(0.5)  # for it to wait
            mabel.user.delete()
        deletion.result(10)
    assert Chat.objects.get(uri=uri).member_count == 1
