"""Blocking people: what they cannot do any more, and that nothing tells them so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, connection, transaction

from django_bpo_chat import operations
from django_bpo_chat.adapter import Adapter
from django_bpo_chat.exceptions import NotAllowed, NotAuthenticated, NotFound
from django_bpo_chat.models import Block, Chat, Message
from tests.clients import Connect
from tests.fixtures import Configure
from tests.parallel import at_once, with_own_connection
from tests.person import Answer, Person
from tests.shy import SHY_MABEL
from tests.statements import just_before

pytest_plugins = ["tests.sockets"]

pytestmark = pytest.mark.users


def names(person: Person) -> list[str]:
    return [row["username"] for row in person.get("blocks/").done()["results"]]


def uris(person: Person) -> set[str]:
    return {chat["uri"] for chat in person.chats()["results"]}


def writes(person: Person, uri: str) -> list[Answer]:
    """All by which somebody adds something to a chat whose first message is theirs and whose second is not."""
    return [
        person.post(f"chats/{uri}/messages/", {"message": "Hello"}),
        person.post(f"chats/{uri}/messages/", {"message": "Hello", "reply_to": 1, "client_id": "new"}),
        person.patch(f"chats/{uri}/messages/1/", {"message": "Hello again"}),
        person.put(f"chats/{uri}/messages/2/reactions/%F0%9F%91%8D/"),
    ]


def personal(mabel: Person, wali: Person) -> str:
    """A personal chat in which both have written, mabel first."""
    uri = mabel.start_direct(wali)
    mabel.send(uri, client_id="first")
    wali.send(uri)
    return uri


# The list


def test_one_sees_whom_one_blocks_and_nobody_elses(wali: Person, mabel: Person, otis: Person) -> None:
    wali.block(mabel)
    wali.block(otis)
    mabel.block(wali)
    assert [names(person) for person in (wali, mabel, otis)] == [[mabel.username, otis.username], [wali.username], []]
    assert wali.get("blocks/").json["results"][0].keys() == {"username", "blocked_at"}
    wali.unblock(mabel)
    assert names(wali) == [otis.username]
    assert names(mabel) == [wali.username]


def test_the_list_is_paged(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(5)
    for person in people:
        wali.block(person)
    page = wali.get("blocks/", limit=3).done()
    following = wali.get(page["next"]).done()
    found = [row["username"] for row in [*page["results"], *following["results"]]]
    assert found == [person.username for person in people]
    assert following["next"] is None


def test_to_block_again_changes_nothing(wali: Person, mabel: Person) -> None:
    wali.block(mabel)
    before = wali.get("blocks/").json
    wali.block(mabel)
    assert wali.get("blocks/").json == before


def test_whom_one_has_not_blocked_is_not_unblocked(wali: Person, mabel: Person) -> None:
    mabel.block(wali)
    for name in (mabel.username, wali.username, "nobody", "%00"):
        assert wali.delete(f"blocks/{name}/").json["code"] == "not_found", name
    assert Block.objects.count() == 1


def test_nobody_blocks_themselves(wali: Person) -> None:
    answer = wali.put(f"blocks/{wali.username}/")
    assert (answer.status, answer.json.keys()) == (400, {"username"})
    with pytest.raises(IntegrityError), transaction.atomic():
        Block.objects.create(blocker=wali.user, blocked=wali.user)


def test_whom_one_may_not_know_looks_like_nobody(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(ADAPTER=SHY_MABEL)
    otis.deactivate()
    nobody = wali.put("blocks/nobody/")
    assert (nobody.status, nobody.json["code"]) == (404, "not_found")
    for name in (mabel.username, otis.username, "%00", "x" * 1000):
        assert wali.put(f"blocks/{name}/").is_same_as(nobody), name
    assert Block.objects.count() == 0
    mabel.start(wali)  # now he sees her there
    wali.block(mabel)


def test_whoever_has_become_inactive_is_unblocked_all_the_same(wali: Person, mabel: Person) -> None:
    wali.block(mabel)
    mabel.deactivate()
    assert names(wali) == [mabel.username]
    wali.unblock(mabel)


def test_whoever_is_blocked_blocks_too_and_is_told_nothing_by_that(wali: Person, mabel: Person) -> None:
    wali.block(mabel)
    mabel.block(wali)
    assert names(mabel) == [wali.username]


# What follows


def test_whom_one_blocks_cannot_write_in_the_personal_chat(wali: Person, mabel: Person) -> None:
    uri = personal(mabel, wali)
    before = wali.chat(uri), wali.messages(uri)
    wali.block(mabel)
    for answer in writes(mabel, uri):
        assert (answer.status, answer.json) == (403, {"detail": "You may not do this.", "code": "not_allowed"})
    assert (wali.chat(uri), wali.messages(uri)) == before
    wali.unblock(mabel)
    assert [answer.status for answer in writes(mabel, uri)] == [201, 201, 200, 200]


def test_whoever_is_blocked_still_reads_and_takes_back_what_they_have_said(wali: Person, mabel: Person) -> None:
    uri = personal(mabel, wali)
    mabel.react(uri, 2, "👍")
    wali.block(mabel)
    assert len(mabel.messages(uri)["results"]) == 2
    assert mabel.mark_read(uri, 2) == {"seq": 2, "unread_count": 0}
    assert mabel.take_back(uri, 2, "👍")["reactions"] == []
    assert mabel.erase(uri, 1)["deleted"]
    assert mabel.prefer(uri, muted=True)["muted"]


def test_a_retry_of_what_was_stored_before_is_answered_as_ever(wali: Person, mabel: Person) -> None:
    uri = personal(mabel, wali)
    wali.block(mabel)
    repeated = mabel.post(f"chats/{uri}/messages/", {"message": "Hello world", "client_id": "first"})
    assert (repeated.status, repeated.json["seq"]) == (200, 1)


def test_whoever_blocks_still_reads_and_writes(wali: Person, mabel: Person) -> None:
    uri = personal(wali, mabel)
    wali.block(mabel)
    assert [answer.status for answer in writes(wali, uri)] == [201, 201, 200, 200]
    assert mabel.chat(uri)["last_message"]["seq"] == 4


def test_no_new_personal_chat_and_no_group_with_whom_blocks_one(wali: Person, mabel: Person, otis: Person) -> None:
    group = mabel.start(otis)
    wali.block(mabel)
    refused = mabel.post("chats/", {"username": wali.username})
    assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    for others in ([], [otis.username]):
        refused = mabel.post("chats/", {"members": [*others, wali.username]})
        assert refused.status == 400
        assert refused.is_same_as(mabel.post("chats/", {"members": [*others, "nobody"]}))
    refused = mabel.patch(f"chats/{group}/", {"username": wali.username})
    assert refused.is_same_as(mabel.patch(f"chats/{group}/", {"username": "nobody"}))
    assert wali.chats()["results"] == []
    otis.start(wali)
    wali.unblock(mabel)
    mabel.add(group, wali)
    mabel.start_direct(wali)


def test_whoever_blocks_may_begin(wali: Person, mabel: Person) -> None:
    wali.block(mabel)
    uri = wali.start_direct(mabel)
    wali.send(uri)
    assert mabel.post(f"chats/{uri}/messages/", {"message": "Hello"}).status == 403
    assert mabel.chat(uri)["unread_count"] == 1


def test_whoever_blocks_may_add_the_other_to_a_group(wali: Person, mabel: Person) -> None:
    wali.block(mabel)
    group, other = wali.start(mabel), wali.start()
    assert wali.add(other, mabel)["member_count"] == 2
    assert mabel.send(group)["seq"] == mabel.send(other)["seq"] == 1


def test_the_personal_chat_that_there_is_is_not_opened_either(wali: Person, mabel: Person) -> None:
    uri = personal(mabel, wali)
    wali.block(mabel)
    refused = mabel.post("chats/", {"username": wali.username})
    assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    assert wali.start_direct(mabel) == uri
    assert mabel.chat(uri)["last_message"]["seq"] == 2
    assert uris(mabel) == {uri}


def test_in_groups_nothing_changes(wali: Person, mabel: Person, otis: Person) -> None:
    uri = mabel.start(wali, otis)
    mabel.send(uri)
    wali.send(uri)
    wali.block(mabel)
    assert [answer.status for answer in writes(mabel, uri)] == [201, 201, 200, 200]
    assert mabel.add(uri, wali)["member_count"] == 3  # who is in already stays in
    mabel.ban(uri, wali)
    mabel.unban(uri, wali)
    wali.join(uri)


def test_whoever_blocks_is_banned_from_a_group_that_they_were_never_in(wali: Person, mabel: Person) -> None:
    uri = mabel.start()
    wali.block(mabel)
    mabel.ban(uri, wali)


def test_the_site_adds_whom_it_wants(wali: Person, mabel: Person) -> None:
    uri = mabel.start()
    wali.block(mabel)
    operations.add_member(actor=None, chat=uri, username=wali.username)
    assert wali.chat(uri)["member_count"] == 2


def test_a_block_is_no_change_of_a_chat(wali: Person, mabel: Person) -> None:
    uri = personal(mabel, wali)
    before = [person.chat(uri) for person in (wali, mabel)]
    changed_at = Chat.objects.get(uri=uri).changed_at
    wali.block(mabel)
    wali.unblock(mabel)
    wali.block(mabel)
    assert [person.chat(uri) for person in (wali, mabel)] == before
    assert Chat.objects.get(uri=uri).changed_at == changed_at


def test_blocks_end_with_either_account(wali: Person, mabel: Person, otis: Person) -> None:
    wali.block(mabel)
    otis.block(wali)
    otis.block(mabel)
    mabel.user.delete()
    assert (names(wali), names(otis)) == ([], [wali.username])
    otis.user.delete()
    assert Block.objects.count() == 0


# On open sockets


def test_on_open_sockets_too_and_at_once(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = personal(mabel, wali)
    walis, mabels = connect(wali), connect(mabel)
    wali.block(mabel)
    refused = mabels.ask("message.send", chat=uri, message="Hello")
    assert (refused["type"], refused["code"]) == ("error", "not_allowed")
    assert mabels.ask("resume", chat=uri, since=0)["type"] == "changes"
    assert mabels.ask("read", chat=uri, seq=2)["type"] == "ok"
    sent = wali.send(uri)
    assert walis.hear()["messages"] == [sent]  # and nothing before
    assert next(frame for frame in iter(mabels.hear, None) if frame["type"] == "changes")["messages"] == [sent]
    wali.unblock(mabel)
    assert mabels.ask("message.send", chat=uri, message="Hello")["type"] == "ok"


def test_whoever_is_blocked_is_not_seen_typing(connect: Connect, wali: Person, mabel: Person) -> None:
    uri = personal(mabel, wali)
    mabels, walis = connect(mabel), connect(wali)
    assert walis.ask("typing", chat=uri)["type"] == "ok"
    assert mabels.hear() == {"type": "typing", "chat": uri, "username": wali.username}
    mabel.block(wali)
    deadline = time.monotonic() + 5
    while walis.ask("typing", chat=uri)["type"] == "ok":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert walis.ask("typing", chat=uri)["code"] == "not_allowed"
    assert mabels.ask("typing", chat=uri)["type"] == "ok"
    assert [frame["type"] for frame in walis.heard()] == ["typing"]
    assert mabels.heard() == []


def test_neither_sees_the_other_online(connect: Connect, wali: Person, mabel: Person, otis: Person) -> None:
    wali.start(mabel, otis)
    sockets = {person.username: connect(person) for person in (wali, mabel, otis)}

    def online(person: Person) -> set[str]:
        socket = sockets[person.username]
        socket.ask("presence.watch", usernames=[*sockets])
        return {frame["username"] for frame in (socket.hear() for _ in sockets) if frame["online"]} - {person.username}

    assert [online(person) for person in (wali, mabel)] == [
        {mabel.username, otis.username},
        {wali.username, otis.username},
    ]
    mabel.block(wali)
    gone, came = ({"type": "presence", "online": is_online} for is_online in (False, True))
    assert sockets[wali.username].hear() == {**gone, "username": mabel.username}
    assert sockets[mabel.username].hear() == {**gone, "username": wali.username}
    assert [online(person) for person in (wali, mabel)] == [{otis.username}] * 2
    mabel.unblock(wali)
    assert sockets[wali.username].hear() == {**came, "username": mabel.username}
    assert sockets[mabel.username].hear() == {**came, "username": wali.username}


def test_neither_sees_how_far_the_other_has_read(connect: Connect, wali: Person, mabel: Person) -> None:
    uri, group = personal(mabel, wali), mabel.start(wali)
    for _ in range(2):
        wali.send(uri)
        wali.send(group)
        mabel.send(uri)
        mabel.send(group)
    for person in (wali, mabel):
        for chat in (uri, group):
            person.mark_unread(chat, 0)
    sockets = {wali: connect(mabel), mabel: connect(wali)}

    def shown(reader: Person) -> tuple[str, int]:
        """The next that the other one hears of how far this one has read."""
        while (frame := sockets[reader].hear()).get("username") != reader.username:
            pass
        return frame["chat"], frame["seq"]

    for person in (wali, mabel):
        person.mark_read(uri, 1)
        assert shown(person) == (uri, 1)
        person.mark_read(group, 1)
        assert shown(person) == (group, 1)
    wali.block(mabel)
    for person in (wali, mabel):
        person.mark_read(uri, 2)
        person.mark_read(group, 2)
        assert shown(person) == (group, 2)
    wali.unblock(mabel)
    for person in (wali, mabel):
        person.mark_read(uri, 3)
        assert shown(person) == (uri, 3)


# At the same moment


@pytest.mark.django_db(transaction=True)
def test_of_8_at_once_there_is_one_block(wali: Person, mabel: Person) -> None:
    wali.start_direct(mabel)
    assert wali.access
    for _ in range(3):
        answers = at_once(*[lambda: wali.put(f"blocks/{mabel.username}/")] * 8)
        assert [answer.status for answer in answers] == [204] * 8
        assert Block.objects.count() == 1
        wali.unblock(mabel)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("have_a_chat", [True, False])
def test_two_block_each_other_at_once(have_a_chat: bool, wali: Person, mabel: Person) -> None:
    if have_a_chat:
        wali.start_direct(mabel)
    for person in (wali, mabel):
        assert person.access
    for _ in range(10):
        answers = at_once(lambda: wali.put(f"blocks/{mabel.username}/"), lambda: mabel.put(f"blocks/{wali.username}/"))
        assert [answer.status for answer in answers] == [204, 204]
        wali.unblock(mabel)
        mabel.unblock(wali)


@pytest.mark.django_db(transaction=True)
def test_nothing_gets_through_once_the_block_is_answered(wali: Person, mabel: Person) -> None:
    uri = wali.start_direct(mabel)

    def block() -> int:
        operations.block_user(actor=wali.user, username=mabel.username)
        return Message.objects.count()

    def send() -> int:
        try:
            while True:
                operations.send_message(actor=mabel.user, chat=uri, text="Hello")
                time.sleep(0.003)  # on SQLite whoever waits is not the next: the block might come very late
        except NotAllowed:
            return -1

    for _ in range(3):
        there, *_sent = at_once(block, *[send] * 3)
        assert Message.objects.count() == there
        wali.unblock(mabel)


class SlowAdapter(Adapter):
    """Judges a text until a block has been answered, or does not come to that."""

    judging = threading.Event()
    answered = threading.Event()

    def clean_message(self, actor: AbstractBaseUser, chat: Chat, text: str) -> str:
        self.judging.set()
        return "too late" if self.answered.wait(1) else text


@pytest.mark.django_db(transaction=True)
def test_a_block_is_answered_after_whoever_had_the_chat_first(
    configure: Configure, wali: Person, mabel: Person
) -> None:
    configure(ADAPTER=f"{__name__}.SlowAdapter")
    uri = wali.start_direct(mabel)

    def send() -> None:
        operations.send_message(actor=mabel.user, chat=uri, text="in time")

    def block() -> None:
        SlowAdapter.judging.wait(10)
        operations.block_user(actor=wali.user, username=mabel.username)
        SlowAdapter.answered.set()

    at_once(send, block)
    assert wali.chat(uri)["last_message"]["message"] == "in time"


def ways_in(mabel: Person, wali: Person, otis: Person) -> dict[str, Callable[[], Answer]]:
    """All by which mabel brings wali into a chat: the last two were in that one before."""
    left, own = otis.start(mabel), mabel.start(wali)
    otis.change_role(left, mabel, "admin")
    wali.leave(own)
    return {
        "new group": lambda: mabel.post("chats/", {"members": [otis.username, wali.username]}),
        "new personal chat": lambda: mabel.post("chats/", {"username": wali.username}),
        "for the first time": lambda: mabel.patch(f"chats/{left}/", {"username": wali.username}),
        "again": lambda: mabel.patch(f"chats/{own}/", {"username": wali.username}),
    }


WAYS_IN = ("new group", "new personal chat", "for the first time", "again")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS_IN)
def test_nobody_is_brought_into_a_chat_once_the_block_is_answered(
    way: str, wali: Person, mabel: Person, otis: Person
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    bring = ways_in(mabel, wali, otis)[way]
    before = uris(wali)

    def block() -> None:
        at_once(lambda: operations.block_user(actor=wali.user, username=mabel.username))

    with just_before("FOR NO KEY UPDATE$", block):
        answer = bring()
    assert answer.status in (400, 403), answer
    assert uris(wali) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS_IN)
def test_a_block_is_answered_after_whoever_brings_one_into_a_chat(
    way: str, wali: Person, mabel: Person, otis: Person
) -> None:
    bring = ways_in(mabel, wali, otis)[way]
    before = uris(wali)
    with ThreadPoolExecutor(1) as pool:
        blocks: list[Future[Any]] = []

        def block() -> set[str]:
            operations.block_user(actor=wali.user, username=mabel.username)
            return uris(wali)

        def begin_to_block() -> None:
            blocks.append(pool.submit(with_own_connection, block))
            wait(blocks, 0.5)

        with just_before('FROM "bpo_chat_block"', begin_to_block):
            assert bring().status in (200, 201)
        assert len(blocks[0].result(10)) == len(before) + 1


@pytest.mark.django_db(transaction=True)
def test_a_personal_chat_that_begins_while_one_blocks_is_blocked(wali: Person, mabel: Person) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("Has one writer at a time.")
    begun: list[str] = []
    with just_before("FOR NO KEY UPDATE$", lambda: begun.extend(at_once(lambda: mabel.start_direct(wali)))):
        operations.block_user(actor=wali.user, username=mabel.username)
    assert mabel.post(f"chats/{begun[0]}/messages/", {"message": "Hello"}).status == 403


@pytest.mark.django_db(transaction=True)
def test_an_account_that_is_deleted_meanwhile_is_nobodys(wali: Person, mabel: Person) -> None:
    user_model = get_user_model()
    for _ in range(5):
        gone = Person("gone")
        outcomes = at_once(
            lambda gone=gone: blocked(wali.user, gone.username),  # type: ignore[misc]
            lambda gone=gone: blocked(gone.user, mabel.username),  # type: ignore[misc]
            lambda gone=gone: user_model._default_manager.get(pk=gone.user.pk).delete() and None,  # type: ignore[misc]
        )
        assert outcomes[0] in (None, NotFound)
        assert outcomes[1] in (None, NotAuthenticated)
        assert Block.objects.count() == 0


def blocked(actor: Any, username: str) -> type[Exception] | None:
    try:
        operations.block_user(actor=actor, username=username)
    except (NotFound, NotAuthenticated) as error:
        return type(error)
    return None
