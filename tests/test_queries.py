"""What each endpoint asks of the database, whatever the number of members, messages and chats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_bpo_chat import operations
from tests.person import Answer, Person

STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
"""What works with rows. Which statements open and end a transaction differs between databases."""


class Site:
    """A chat of wali's with so many members and messages, and so many chats that he shares with mabel.

    He has banned and blocked half as many others as are members, and made as many invites.
    """

    def __init__(self, *, members: int, messages: int, chats: int) -> None:
        self.wali, self.mabel = Person("wali"), Person("mabel")
        for _ in range(chats):
            self.shared = operations.start_group(actor=self.wali.user, members=["mabel"]).uri
            operations.send_message(actor=self.mabel.user, chat=self.shared, text="Hello")

        names = [f"other{n}" for n in range(members - 1)]
        self._open_accounts(names)
        self.personal = operations.start_direct(actor=self.wali.user, username="other0")[0].uri
        self.uri = operations.start_group(actor=self.wali.user, members=names[:50]).uri
        for name in names[50:]:
            operations.add_member(actor=self.wali.user, chat=self.uri, username=name)
        for n in range(messages):
            operations.send_message(actor=self.wali.user, chat=self.uri, text=f"Hello {n}")
        for seq in range(1, messages, 4):
            operations.delete_message(actor=self.wali.user, chat=self.uri, seq=seq)
        self._shut_out([f"stranger{n}" for n in range(members // 2)])

    def _open_accounts(self, names: Sequence[str]) -> None:
        user_model = get_user_model()
        user_model.objects.bulk_create(user_model(username=name, email=f"{name}@email.com") for name in names)

    def _shut_out(self, names: Sequence[str]) -> None:
        self._open_accounts(names)
        for name in names:
            operations.ban_user(actor=self.wali.user, chat=self.uri, username=name)
            operations.block_user(actor=self.wali.user, username=name)
            operations.create_invite(actor=self.wali.user, chat=self.uri)

    def path(self, rest: str = "") -> str:
        return f"chats/{self.uri}/{rest}"


# One statement of each is the bearer's: who is it?
CALLS: dict[str, tuple[int, Callable[[Site], Answer]]] = {
    "me": (1, lambda site: site.wali.get("users/me/")),
    "send": (5, lambda site: site.wali.post(site.path("messages/"), {"message": "Hello"})),
    "send with a client_id": (
        6,
        lambda site: site.wali.post(site.path("messages/"), {"message": "Hello", "client_id": "a"}),
    ),
    "messages": (3, lambda site: site.wali.get(site.path("messages/"))),
    "messages around one": (3, lambda site: site.wali.get(site.path("messages/"), around=3)),
    "edit": (5, lambda site: site.wali.patch(site.path("messages/3/"), {"message": "Edited"})),
    "delete": (5, lambda site: site.wali.delete(site.path("messages/3/"))),
    "chats": (4, lambda site: site.wali.get("chats/", limit=200)),
    "one chat": (4, lambda site: site.wali.get(site.path())),
    "members": (3, lambda site: site.wali.get(site.path("members/"), limit=200)),
    "changes": (4, lambda site: site.wali.get(site.path("changes/"))),
    "search": (3, lambda site: site.wali.get("search/", q="hello", limit=200)),
    "search one chat": (4, lambda site: site.mabel.get("search/", q="hello", chat=site.shared)),
    "search for nothing": (2, lambda site: site.wali.get("search/", q="goodbye")),
    "join": (11, lambda site: site.mabel.patch(site.path(), {})),
    "join again": (6, lambda site: site.wali.patch(site.path(), {})),
    "add": (14, lambda site: site.wali.patch(site.path(), {"username": "mabel"})),
    "edit the chat": (7, lambda site: site.wali.patch(site.path(), {"title": "Picnic"})),
    "remove": (8, lambda site: site.wali.delete(site.path("members/other0/"))),
    "leave": (7, lambda site: site.wali.delete(site.path("members/wali/"))),
    "mark read": (4, lambda site: site.wali.put(site.path("read/"), {"seq": 10**6})),
    "reply": (5, lambda site: site.wali.post(site.path("messages/"), {"message": "Hello", "reply_to": 2})),
    "mention": (8, lambda site: site.wali.post(site.path("messages/"), {"message": "Hello @other0"})),
    "react": (6, lambda site: site.wali.put(site.path("messages/3/reactions/%F0%9F%91%8D/"))),
    "change a role": (6, lambda site: site.wali.patch(site.path("members/other0/"), {"role": "admin"})),
    "hand over": (9, lambda site: site.wali.patch(site.path("members/other0/"), {"role": "owner"})),
    "ban": (10, lambda site: site.wali.put(site.path("bans/other0/"))),
    "bans": (3, lambda site: site.wali.get(site.path("bans/"), limit=200)),
    "invite": (5, lambda site: site.wali.post(site.path("invites/"), {})),
    "invites": (3, lambda site: site.wali.get(site.path("invites/"), limit=200)),
    "mark unread": (4, lambda site: site.wali.put(site.path("unread/"), {"seq": 1})),
    "mute": (4, lambda site: site.wali.patch(site.path("me/"), {"muted": True})),
    "send in a personal chat": (
        6,
        lambda site: site.wali.post(f"chats/{site.personal}/messages/", {"message": "Hello"}),
    ),
    "block": (5, lambda site: site.wali.put("blocks/other0/")),
    "block somebody without a personal chat": (6, lambda site: site.wali.put("blocks/mabel/")),
    "blocks": (2, lambda site: site.wali.get("blocks/", limit=200)),
    "people": (2, lambda site: site.wali.get("people/", q="o", limit=200)),
    "report": (7, lambda site: site.wali.post(f"chats/{site.shared}/messages/1/report/", {"reason": "Spam"})),
    "start a group": (6, lambda site: site.wali.post("chats/", {"members": ["mabel"]})),
    "start a personal chat": (7, lambda site: site.wali.post("chats/", {"username": "mabel"})),
}


@pytest.mark.parametrize(
    "size",
    [{"members": 2, "messages": 5, "chats": 1}, {"members": 60, "messages": 120, "chats": 60}],
    ids=["small", "large"],
)
@pytest.mark.django_db
def test_each_call_costs_the_same_on_a_small_and_on_a_large_site(
    subtests: pytest.Subtests, size: dict[str, int]
) -> None:
    site = Site(**size)
    # Logging in is not what is measured.
    for person in (site.wali, site.mabel):
        person.get("users/me/").done()
    for name, (expected, call) in CALLS.items():
        with subtests.test(name), transaction.atomic():
            with CaptureQueriesContext(connection) as queries:
                call(site).done()
            transaction.set_rollback(True)
            asked = [query["sql"] for query in queries if query["sql"].startswith(STATEMENTS)]
            assert len(asked) == expected, "\n".join(asked)
