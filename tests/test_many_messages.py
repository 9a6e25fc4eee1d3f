"""How PostgreSQL answers somebody who is in 1,000 chats of 1,000 messages each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import access
from django_bpo_chat.models import Chat, Membership, Mention, Message
from tests.many_rows import analyze, indexes_made_afterwards, insert, plan
from tests.person import Person
from tests.statements import WITH_ROWS

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.django_db,
    pytest.mark.usefixtures("vacuumed"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Its plans tell"),
]

CHATS, MESSAGES = 1_000, 1_000
OTHER_CHATS = 200_000
TURNING, SOLID_STATE = 4, 1.1
"""What the planner is told of disks: by default, and where it knows better."""

URI = f"chat{7:018}"

NUMBER = "substr(uri, 5)::integer"
TEXT = f"format('thing%%s dozen%%s', {NUMBER} * {MESSAGES} + n, mod({NUMBER} + n, 100))"
"""A thing is in one message, a dozen in one of a hundred."""


@pytest.fixture
def large_site(wali: Person, mabel: Person, otis: Person) -> None:
    """Wali shares his chats with mabel, who has written all that is in them; the others are hers and otis's."""
    given = {"wali": wali.user.pk, "mabel": mabel.user.pk, "otis": otis.user.pk}
    with indexes_made_afterwards(Message):
        insert(
            Chat,
            f"generate_series(1, {CHATS + OTHER_CHATS}) n",
            uri="'chat' || lpad(n::text, 18, '0')",
            version=f"{MESSAGES + 1}",
            last_seq=f"{MESSAGES}",
            member_count="2",
            active_at="now() - n * interval '1 minute'",
        )
        insert(
            Membership,
            "bpo_chat_chat,"
            f" unnest(ARRAY[%(mabel)s, CASE WHEN {NUMBER} <= {CHATS} THEN %(wali)s ELSE %(otis)s END]) person",
            given,
            chat_id="id",
            user_id="person",
        )
        insert(
            Message,
            f"(SELECT id, n, {TEXT} FROM bpo_chat_chat, generate_series(1, {MESSAGES}) n"
            f" WHERE {NUMBER} <= {CHATS} ORDER BY n) sent (id, n, said)",
            given,
            chat_id="id",
            seq="n",
            version="n + 1",
            author_id="%(mabel)s",
            text="said",
            vector="to_tsvector('simple', said)",
            created_at="now()",
        )
    insert(Mention, "bpo_chat_message WHERE mod(seq, 100) = 0", given, chat_id="chat_id", seq="seq", user_id="%(wali)s")
    analyze()


@contextmanager
def disk(random_page_cost: float) -> Iterator[None]:
    """The planner takes reading here and there to cost so many times what reading in order does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL random_page_cost = {random_page_cost}")
        yield
        transaction.set_rollback(True)


# Who is asking, in one statement; which rows, in the others.
CALLS: dict[str, tuple[int, Callable[[Person], Any]]] = {
    "the chats": (4, lambda wali: wali.chats()),
    "200 chats": (4, lambda wali: wali.chats(limit=200)),
    "two pages of chats": (8, lambda wali: wali.get(wali.chats(limit=3)["next"]).done()),
    "one chat": (4, lambda wali: wali.chat(URI)),
    "its last messages": (3, lambda wali: wali.messages(URI)),
    "messages before one": (3, lambda wali: wali.messages(URI, before=500)),
    "messages after one": (3, lambda wali: wali.messages(URI, after=500)),
    "messages around one": (3, lambda wali: wali.messages(URI, around=500, limit=200)),
    "the last changes": (4, lambda wali: wali.changes(URI, MESSAGES - 10)),
    "all changes": (4, lambda wali: wali.changes(URI, 0)),
    "a message": (5, lambda wali: wali.send(URI)),
    "a mark": (4, lambda wali: wali.mark_read(URI, 500)),
    "where a socket stands": (1, lambda wali: access.latest_chats(wali.user, 201)),
}
RARE = {"words": f"thing{7 * MESSAGES + 7}"}
SEARCHES: list[tuple[dict[str, Any], int]] = [
    (RARE, 1),
    ({"words": "dozen7", "limit": 200}, 200),
    ({"words": "dozen7", "chat": URI}, MESSAGES // 100),
    ({"words": f"dozen14 thing{7 * MESSAGES + 7}"}, 1),
    ({"words": "nothing"}, 0),
]


def test_indexes_answer_it(subtests: pytest.Subtests, large_site: None, wali: Person) -> None:
    wali.get("users/me/").done()  # logged in
    assert is_scan("SELECT * FROM bpo_chat_message WHERE text = 'x'")
    assert is_scan("SELECT * FROM bpo_chat_chat ORDER BY active_at LIMIT 50")
    for name, (expected, call) in CALLS.items():
        with subtests.test(name), disk(SOLID_STATE):
            asked = statements(call, wali)
            assert len(asked) == expected
            assert not [sql for sql in asked if is_scan(sql)]
        with subtests.test(name, disk="that turns"), disk(TURNING):
            assert not [sql for sql in statements(call, wali) if is_scan(sql, "membership|mention|message")]
    for query, number in SEARCHES:
        with subtests.test(**query), disk(SOLID_STATE):
            check_search(wali, query, number)
    with subtests.test(**RARE, disk="that turns"), disk(TURNING):
        check_search(wali, RARE, 1)


def check_search(person: Person, query: Mapping[str, Any], number: int) -> None:
    """It finds so many messages, by the index of words."""
    asked = statements(lambda person: check_number(person.search(**query), number), person)
    assert not [sql for sql in asked if is_scan(sql)]
    [sql] = [each for each in asked if "QUERYTREE" in each]
    assert "on bpo_message_vector" in plan(sql)


def check_number(page: Any, number: int) -> None:
    assert len(page["results"]) == number


def statements(call: Callable[[Person], Any], person: Person) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        call(person)
    return [query["sql"] for query in queries if query["sql"].startswith(WITH_ROWS)]


def is_scan(sql: str, tables: str = "chat|membership|mention|message") -> bool:
    """Whether PostgreSQL would look through all rows of one of these to answer this, in whatever order."""
    looked_through = (
        rf"Seq Scan on bpo_chat_({tables})\b"
        rf"|using bpo_chat_(changed|({tables})_pkey) .*\n *Filter:"
    )
    return re.search(looked_through, plan(sql)) is not None
