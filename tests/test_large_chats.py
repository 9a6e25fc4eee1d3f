"""What happens in a chat of 5,000 members costs what it costs in a chat of two: the same statements, word for word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from django_bpo_chat import operations
from django_bpo_chat.models import Chat, Membership
from tests.clients import ChatSocket, Connect
from tests.fixtures import Configure, Meet
from tests.person import Person
from tests.socket_queries import counting_socket_queries
from tests.statements import Statement, recorded_statements

pytest_plugins = ["tests.sockets"]

MEMBERS = 5_000


class Site:
    """A chat of wali's with mabel, and one that has thousands of others as well. Both have said something in each."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.wali, self.mabel, self.otis = people
        self.small, self.large = (self.wali.start(self.mabel) for _ in range(2))
        self._fill()
        for uri in (self.small, self.large):
            for person in (self.wali, self.mabel):
                self.sent = person.send(uri)["seq"]
                person.send(uri, reply_to=self.sent)
                self.wali.react(uri, self.sent, "👍")
        self.token = {uri: self.wali.invite(uri) for uri in (self.small, self.large)}

    def _fill(self) -> None:
        chat = Chat.objects.get(uri=self.large)
        user_model = get_user_model()
        others = user_model.objects.bulk_create(
            user_model(username=f"other{n}", email=f"other{n}@email.com") for n in range(MEMBERS - 2)
        )
        Membership.objects.bulk_create(Membership(chat=chat, user=other) for other in others)
        Chat.objects.filter(pk=chat.pk).update(member_count=MEMBERS)


@pytest.fixture
def site(meet: Meet) -> Site:
    return Site(meet("wali", "mabel", "otis"))


# wali owns both chats; his messages have the seqs 1 and 2, mabel's 3 and 4. Answers that list members are not among
# these: a chat lists at most 50, see test_queries.py.
HTTP: dict[str, Callable[[Site, str], Any]] = {
    "send": lambda site, uri: site.wali.send(uri),
    "send with a client_id": lambda site, uri: site.wali.send(uri, client_id="a"),
    "reply": lambda site, uri: site.wali.send(uri, reply_to=3),
    "mention": lambda site, uri: site.wali.send(uri, "Hello @mabel and @otis and @nobody"),
    "edit": lambda site, uri: site.wali.edit(uri, 2, "Edited"),
    "mention in an edit": lambda site, uri: site.wali.edit(uri, 2, "Edited @mabel"),
    "delete": lambda site, uri: site.wali.erase(uri, 1),
    "delete another's": lambda site, uri: site.wali.erase(uri, 4),
    "react": lambda site, uri: site.wali.react(uri, 2, "🎉"),
    "take a reaction back": lambda site, uri: site.wali.take_back(uri, 1, "👍"),
    "mark read": lambda site, uri: site.wali.mark_read(uri, 4),
    "mark unread": lambda site, uri: site.wali.mark_unread(uri, 1),
    "mute": lambda site, uri: site.wali.prefer(uri, muted=True),
    "report": lambda site, uri: site.wali.report(uri, 3),
    "messages": lambda site, uri: site.wali.messages(uri),
    "changes": lambda site, uri: site.wali.changes(uri, 1),
    "search": lambda site, uri: site.wali.search("hello", chat=uri),
    "leave": lambda site, uri: site.mabel.leave(uri),
    "remove": lambda site, uri: site.wali.remove(uri, site.mabel),
    "ban": lambda site, uri: site.wali.ban(uri, site.mabel),
    "change a role": lambda site, uri: site.wali.change_role(uri, site.mabel, "admin"),
    "hand over": lambda site, uri: site.wali.change_role(uri, site.mabel, "owner"),
    "invite": lambda site, uri: site.wali.invite(uri),
}
OPERATIONS: dict[str, Callable[[Site, str], Any]] = {
    "join": lambda site, uri: operations.join_chat(actor=site.otis.user, chat=uri),
    "add": lambda site, uri: operations.add_member(actor=site.wali.user, chat=uri, username="otis"),
    "accept an invite": lambda site, uri: operations.accept_invite(actor=site.otis.user, token=site.token[uri]),
    "edit the chat": lambda site, uri: operations.edit_chat(actor=site.wali.user, chat=uri, title="Picnic"),
}


@pytest.mark.django_db
def test_requests_ask_the_same_of_the_database(subtests: pytest.Subtests, site: Site) -> None:
    for person in (site.wali, site.mabel):
        person.get("users/me/").done()  # logged in
    for name, call in {**HTTP, **OPERATIONS}.items():
        with subtests.test(name):
            small, large = (statements(call, site, uri) for uri in (site.small, site.large))
            assert small
            assert large == small


def statements(call: Callable[[Site, str], Any], site: Site, uri: str) -> list[Statement]:
    with transaction.atomic(), recorded_statements() as asked:
        call(site, uri)
        transaction.set_rollback(True)
    return asked


FRAMES: dict[str, Callable[[Site, ChatSocket, str], Any]] = {
    "message.send": lambda site, socket, uri: socket.ask("message.send", chat=uri, message="Hello"),
    "mention": lambda site, socket, uri: socket.ask("message.send", chat=uri, message="Hello @mabel and @nobody"),
    "reply": lambda site, socket, uri: socket.ask("message.send", chat=uri, message="Hello", reply_to=1),
    "read": lambda site, socket, uri: socket.ask("read", chat=uri, seq=3),
    "typing": lambda site, socket, uri: socket.ask("typing", chat=uri),
    "typing again": lambda site, socket, uri: socket.ask("typing", chat=uri),
    "resume": lambda site, socket, uri: socket.resume(uri, 9),
    # Of these the sockets are told, and that is all they have to do with them.
    "told of a message": lambda site, socket, uri: site.wali.send(uri),
    "told of a deletion": lambda site, socket, uri: site.wali.erase(uri, 1),
    "told of a mark": lambda site, socket, uri: site.wali.mark_read(uri, 99),
    "told of a removal": lambda site, socket, uri: site.wali.remove(uri, site.mabel),
}


@pytest.mark.django_db(transaction=True)
def test_sockets_ask_the_same_of_the_database(
    subtests: pytest.Subtests, configure: Configure, connect: Connect, site: Site
) -> None:
    configure(SWEEP_SECONDS=3600)
    with counting_socket_queries() as counts:
        walis, mabels = connect(site.wali), connect(site.mabel)

        def asked(say: Callable[[Site, ChatSocket, str], Any], uri: str, hear: Callable[[], Any]) -> Counter[str]:
            counts.clear()
            say(site, walis, uri)
            assert hear() is not None
            return Counter(counts)

        # With the first news of a chat, its members are looked up.
        small, large = (asked(FRAMES["message.send"], uri, mabels.hear) for uri in (site.small, site.large))
        assert large == small
        for name, say in FRAMES.items():
            with subtests.test(name):
                small, large = (asked(say, uri, mabels.heard) for uri in (site.small, site.large))
                assert large == small
                assert not (name.startswith("told") and large)
