"""How PostgreSQL finds messages where one person has very many, and others as many again."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import operations
from django_bpo_chat.models import Chat, Membership, Message
from tests.many_rows import analyze, insert
from tests.person import Person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("vacuumed"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Other databases look through the texts"),
]

CHATS, MESSAGES = 2_000, 60
"""Of wali every other chat, of mabel the others; and the messages of each."""

TEXT = "format('thing%%s dozen%%s hand%%s', id * 100 + n, mod(id + n, 100), mod(n, 5))"
"""A thing is in one message, a dozen in one of a hundred, a hand in one of five."""


def uri(number: int) -> str:
    return f"chat{number:018}"


@pytest.fixture
def large_site(wali: Person, mabel: Person) -> None:
    given = {"wali": wali.user.pk, "mabel": mabel.user.pk}
    insert(
        Chat,
        f"generate_series(1, {CHATS}) n",
        uri="'chat' || lpad(n::text, 18, '0')",
        version=f"{MESSAGES + 1}",
        last_seq=f"{MESSAGES}",
        member_count="1",
    )
    insert(
        Membership,
        "bpo_chat_chat",
        given,
        chat_id="id",
        user_id="CASE WHEN mod(substr(uri, 5)::integer, 2) = 0 THEN %(wali)s ELSE %(mabel)s END",
    )
    insert(
        Message,
        f"(SELECT id, n, {TEXT} FROM generate_series(1, {MESSAGES}) n, bpo_chat_chat ORDER BY n) sent (id, n, said)",
        given,
        chat_id="id",
        seq="n",
        version="n + 1",
        author_id="%(wali)s",
        text="said",
        vector="to_tsvector('simple', said)",
        created_at="now()",
    )
    analyze()


def test_an_index_answers_every_search(subtests: pytest.Subtests, large_site: None, wali: Person, otis: Person) -> None:
    assert is_scan("SELECT id FROM bpo_chat_message WHERE text LIKE '%hand3%'")
    operations.add_member(actor=None, chat=uri(1), username=otis.username)
    thing = wali.messages(uri(2))["results"][0]["message"].split()[0]
    searches: list[tuple[Person, dict[str, str], int]] = [
        (wali, {"q": thing}, 1),
        (wali, {"q": "dozen7"}, 50),
        (wali, {"q": "hand3"}, 50),
        (wali, {"q": "dozen7 -hand4"}, 50),
        (wali, {"q": '"dozen7 hand2"', "limit": "1"}, 1),
        (wali, {"q": "hand3", "chat": uri(2)}, MESSAGES // 5),
        (otis, {"q": "hand3"}, MESSAGES // 5),
        (otis, {"q": thing}, 0),
        (wali, {"q": "nothing"}, 0),
    ]
    for person, asked, number in searches:
        person.get("users/me/").done()  # logged in
        with subtests.test(person=person.username, **asked), CaptureQueriesContext(connection) as queries:
            assert len(person.get("search/", **asked).done()["results"]) == number
            [sql] = [query["sql"] for query in queries if "QUERYTREE" in query["sql"]]
            assert not is_scan(sql)


def is_scan(sql: str) -> bool:
    """Whether PostgreSQL would look through all messages to answer this, in whatever order."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    return re.search(r"Seq Scan on bpo_chat_message\b|using bpo_chat_message_pkey .*\n *Filter:", plan) is not None
