"""How PostgreSQL finds messages where one person has very many, and others as many again."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import operations
from tests.person import Person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Other databases look through the texts"),
]

CHATS, MESSAGES = 2_000, 60
"""Of wali every other chat, of mabel the others; and the messages of each."""

FILL = f"""
    INSERT INTO bpo_chat_chat (uri, kind, title, joinable, history, version, details_version, last_seq, member_count)
    SELECT 'chat' || lpad(n::text, 18, '0'), 'group', '', true, 'full', {MESSAGES + 1}, 1, {MESSAGES}, 1
    FROM generate_series(1, {CHATS}) n;

    INSERT INTO bpo_chat_membership (chat_id, user_id, role, version, first_seq, read_seq, muted, pinned, archived)
    SELECT id, CASE WHEN mod(substr(uri, 5)::integer, 2) = 0 THEN %(wali)s ELSE %(mabel)s END,
        'member', 1, 1, 0, false, false, false
    FROM bpo_chat_chat;

    INSERT INTO bpo_chat_message
        (chat_id, seq, version, author_id, text, vector, mentions, is_reacted_to, client_id, created_at)
    SELECT chat_id, seq, seq + 1, %(wali)s, text, to_tsvector('simple', text), '[]', false, '', now()
    FROM (
        SELECT id AS chat_id, seq, format('thing%%s dozen%%s hand%%s', id * 100 + seq, mod(id + seq, 100), mod(seq, 5))
            AS text
        FROM generate_series(1, {MESSAGES}) seq CROSS JOIN bpo_chat_chat ORDER BY seq
    ) sent;

    ANALYZE;
"""
"""A thing is in one message, a dozen in one of a hundred, a hand in one of five."""


def uri(number: int) -> str:
    return f"chat{number:018}"


@pytest.fixture
def large_site(wali: Person, mabel: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"wali": wali.user.pk, "mabel": mabel.user.pk})


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
