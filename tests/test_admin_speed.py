"""What the admin's lists ask of the database where there are very many rows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from django_bpo_chat.adapter import get_adapter
from django_bpo_chat.admin import LISTED_ROWS
from django_bpo_chat.models import Chat, Membership, Message
from django_bpo_chat.users import handle
from tests.many_rows import analyze, insert
from tests.moderator import Moderator

user_model = get_user_model()

CHATS, MEMBERS, MESSAGES = 200, 250, 250
QUIET_CHATS = 30_000
pytestmark = [
    pytest.mark.usefixtures("vacuumed"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Its plans tell"),
]
PER_PAGE = 50
PAGES = LISTED_ROWS // PER_PAGE


@pytest.fixture
def large_site(db: None) -> str:
    """50,000 messages and memberships, in few of the chats; one of their uris. Of the people one wrote a tenth, all
    long ago."""
    people = [get_adapter().new_user(f"other{n}", f"other{n}@email.com") for n in range(MEMBERS)]
    for person in people:
        person.set_unusable_password()
    keys = [person.pk for person in user_model._default_manager.bulk_create(people)]
    given = {"writer": keys[0], "people": keys}
    insert(
        Chat,
        f"generate_series(1, {CHATS}) n",
        given,
        uri="'chat' || lpad(n::text, 18, '0')",
        owner_id="%(writer)s",
        version=f"{MESSAGES + 1}",
        last_seq=f"{MESSAGES}",
        member_count=f"{MEMBERS}",
    )
    insert(
        Membership,
        "unnest(%(people)s) person CROSS JOIN bpo_chat_chat chat",
        given,
        chat_id="chat.id",
        user_id="person",
    )
    insert(
        Message,
        f"(SELECT id, row_number() OVER (ORDER BY id) place FROM bpo_chat_chat) chat, generate_series(1, {MESSAGES}) n",
        given,
        chat_id="id",
        seq="n",
        version="n + 1",
        author_id=f"CASE WHEN place <= {CHATS} / 10 THEN %(writer)s ELSE (%(people)s)[1 + mod(n, {MEMBERS})] END",
        text="'Hello'",
        vector="to_tsvector('simple', 'Hello')",
        created_at=f"now() + (place * {MESSAGES} + n) * interval '1 second'",
    )
    insert(
        Chat,
        f"generate_series(1, {QUIET_CHATS}) n",
        uri="'quiet' || lpad(n::text, 17, '0')",
        title="'Quiet ' || n",
        changed_at="now() - n * interval '1 minute'",
    )
    analyze()
    return f"chat{7:018}"


def test_lists_of_a_large_site_are_read_by_indexes(subtests: pytest.Subtests, large_site: str) -> None:
    ines = Moderator("ines")
    assert is_scan("SELECT COUNT(*) FROM bpo_chat_message WHERE text = 'x'")
    assert is_scan("SELECT * FROM bpo_chat_chat ORDER BY title LIMIT 50")
    assert is_scan("SELECT * FROM bpo_chat_membership ORDER BY joined_at LIMIT 50")
    assert is_scan("SELECT * FROM bpo_chat_message WHERE author_id IS NOT NULL AND text = 'x' ORDER BY id LIMIT 9")
    members = Membership.objects.filter(chat__uri=large_site).order_by("id")
    prolific, someone = (handle(member.user) for member in members[:2])
    # Who is asking, in two; how many rows, and which; before these, whose or of which chat; and messages' files.
    views: list[tuple[dict[str, str], int]] = [
        ({}, 4),
        ({"p": "4"}, 4),
        ({"p": f"{PAGES}"}, 4),
        ({"q": someone}, 5),
        ({"q": prolific}, 5),
        ({"q": large_site}, 5),
        ({"q": f"{large_site} 5"}, 6),
        ({"q": f"{large_site} {someone}"}, 6),
    ]
    for model in (Chat, Membership, Message):
        for query, number in views:
            if model is Chat and "p" in query:
                continue
            with subtests.test(model=model, query=query):
                asked, found = visit(ines, model, **query)
                assert len(asked) <= number + (model is Message), asked
                assert not [sql for sql in asked if is_scan(sql)]
                assert found.result_count <= LISTED_ROWS
    # They end somewhere.
    _, found = visit(ines, Message, p=str(PAGES))
    assert (found.result_count, found.paginator.num_pages) == (LISTED_ROWS, PAGES)
    newest = Message.objects.order_by("-pk")[LISTED_ROWS - PER_PAGE : LISTED_ROWS]
    assert list(found.result_list) == list(newest)
    assert ines.get(Message, "changelist", p=PAGES + 1).status_code == 302


def visit(moderator: Moderator, model: type[Model], **query: str) -> tuple[list[str], Any]:
    """The statements of a list's page, and the list."""
    with CaptureQueriesContext(connection) as queries:
        answer = moderator.get(model, "changelist", **query)
    assert answer.status_code == 200
    return [query["sql"] for query in queries], answer.context["cl"]


def is_scan(sql: str) -> bool:
    """Whether PostgreSQL would look through all rows of one of our tables to answer this, in whatever order."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    looked_through = (
        r"Seq Scan on bpo_chat_(chat|membership|message)\b"
        r"|using bpo_chat_(changed|(chat|membership|message)_pkey) .*\n *Filter:"
    )
    return re.search(looked_through, plan) is not None
