"""Each of the settings hooks, as a club's site uses it, and tested as such a site would test it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction

from django_bpo_chat import operations
from django_bpo_chat.models import Chat
from django_bpo_chat.testing import ChatSocket, Closed, Event, access_token
from tests.clients import open_socket
from tests.fixtures import Configure
from tests.hosts import club
from tests.hosts.conftest import LogIn
from tests.person import only_with
from tests.servers import LiveServer

pytestmark = [only_with("people.User"), pytest.mark.django_db(transaction=True)]

API = "/api/v1"
CHATS = f"{API}/chats/"
SECRET = "lemonade at noon"
INES = {"username": "ines", "email": "ines@example.com", "password": SECRET, "password2": SECRET}

MakeUser = Callable[..., Any]
Connect = Callable[..., ChatSocket]


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def receivers() -> Iterator[None]:
    for signal, receiver in club.RECEIVERS.items():
        signal.connect(receiver)
    yield
    for signal, receiver in club.RECEIVERS.items():
        signal.disconnect(receiver)


def texts(chat: Chat) -> list[str]:
    return [message.text for message in chat.messages.order_by("seq")]


def test_a_sign_up_may_ask_for_more(configure: Configure, api: LogIn, chat_events: list[Event]) -> None:
    configure(ADAPTER="tests.hosts.club.Adapter", SERIALIZERS={"sign_up": "tests.hosts.club.ClubSignUp"})
    refused = api().post(f"{API}/users/signup/", INES)
    assert (refused.status_code, list(refused.json())) == (400, ["full_name"])

    access = api().post(f"{API}/users/signup/", {**INES, "full_name": "Ines Ito"}).json()["access"]
    chat = api().post(CHATS, {}, headers={"Authorization": f"Bearer {access}"}).json()
    assert (chat["owner"], chat["members"][0]["name"]) == ("ines", "Ines Ito")
    assert [event.chat for event in chat_events if event.kind == "changes"] == [chat["uri"]]


def test_what_is_shown_of_a_user_is_shown_wherever_they_appear(
    configure: Configure, api: LogIn, chat_user: MakeUser, chat_socket: Connect
) -> None:
    configure(ADAPTER="tests.hosts.club.Adapter")
    wali, mabel = chat_user("wali", full_name="Wali Moss"), chat_user("mabel", full_name="Mabel")
    chat = f"{CHATS}{operations.start_group(actor=wali, members=['mabel']).uri}/"
    socket = chat_socket(mabel)
    sent = api(wali).post(f"{chat}messages/", {"message": "Hello"}).json()
    assert sent["user"] == {"username": "wali", "name": "Wali Moss"}
    assert socket.hear()["messages"] == [sent]
    reader = api(mabel)
    assert reader.get(f"{chat}messages/").json()["results"] == [sent]
    changes = reader.get(f"{chat}changes/?since=0").json()
    assert changes["messages"] == [sent]
    for members in (
        reader.get(chat).json()["members"],
        reader.get(f"{chat}members/").json()["results"],
        changes["members"],
    ):
        assert [(each["username"], each["name"]) for each in members] == [("wali", "Wali Moss"), ("mabel", "Mabel")]


def test_a_site_says_who_may_be_found(configure: Configure, api: LogIn, chat_user: MakeUser) -> None:
    configure(ADAPTER="tests.hosts.club.Adapter")
    wali, mabel, otis = (chat_user(name, full_name=name.title()) for name in ("wali", "mabel", "otis"))
    otis.first_name = club.SUSPENDED
    otis.save()
    expected = [{"username": "mabel", "name": "Mabel"}]
    assert api(wali).get(f"{API}/people/?q=MA").json()["results"] == expected
    assert api(wali).get(f"{API}/people/").json()["results"] == expected
    assert api(mabel).put(f"{API}/blocks/wali/").status_code == 204
    assert api(wali).get(f"{API}/people/?q=ma").json()["results"] == []


def test_a_sites_serializer_reads_messages_at_both_doors(
    configure: Configure, api: LogIn, chat_user: MakeUser, chat_socket: Connect
) -> None:
    configure(SERIALIZERS={"send_message": "tests.hosts.club.CalmMessage"})
    wali = chat_user("wali")
    uri = operations.start_group(actor=wali).uri
    refused = api(wali).post(f"{CHATS}{uri}/messages/", {"message": "HEAR ME"})
    assert (refused.status_code, refused.json()) == (400, {"message": ["Please do not shout."]})
    socket = chat_socket(wali)
    answer = socket.ask("message.send", chat=uri, message="HEAR ME")
    assert (answer["code"], answer["fields"]) == ("invalid", {"message": ["Please do not shout."]})
    assert socket.ask("message.send", chat=uri, message="Hear me")["message"]["seq"] == 1

    wali.is_staff = True
    wali.save()
    assert api(wali).post(f"{CHATS}{uri}/messages/", {"message": "HEAR ME"}).json()["seq"] == 2


def test_what_is_not_sent_is_not_written_later_either(configure: Configure, api: LogIn, chat_user: MakeUser) -> None:
    configure(SERIALIZERS={"edit_message": "tests.hosts.club.CalmEdit"})
    wali = chat_user("wali")
    chat = operations.start_group(actor=wali)
    operations.send_message(actor=wali, chat=chat.uri, text="Hear me")
    message = f"{CHATS}{chat.uri}/messages/1/"
    assert api(wali).patch(message, {"message": "HEAR ME"}).json() == {"message": ["Please do not shout."]}
    assert api(wali).patch(message, {"message": "Hear me, please"}).json()["message"] == "Hear me, please"


def test_a_log_in_may_take_less(configure: Configure, api: LogIn, chat_user: MakeUser) -> None:
    configure(SERIALIZERS={"log_in": "tests.hosts.club.ClubLogIn"})
    chat_user("wali", password=SECRET)
    for email in ("wali", "wali@example.com"):
        assert api().post(f"{API}/users/login/", {"email": email, "password": SECRET}).status_code == 200
    assert api().post(f"{API}/users/login/", {"email": "mabel", "password": SECRET}).status_code == 401


def test_a_chat_may_have_to_have_a_title(configure: Configure, api: LogIn, chat_user: MakeUser) -> None:
    configure(SERIALIZERS={"start_chat": "tests.hosts.club.NamedChat"})
    wali, _mabel = chat_user("wali"), chat_user("mabel")
    assert api(wali).post(CHATS, {"members": ["mabel"]}).json() == {"title": ["What is it about?"]}
    assert api(wali).post(CHATS, {"members": ["mabel"], "title": "Picnic"}).status_code == 201
    assert api(wali).post(CHATS, {"username": "mabel"}).status_code == 201
    assert api(wali).post(CHATS, {"username": "mabel", "title": "Picnic"}).json().keys() == {"non_field_errors"}


def test_what_a_site_asks_beyond_the_contract_changes_nothing_of_it(
    configure: Configure, api: LogIn, chat_user: MakeUser
) -> None:
    configure(SERIALIZERS={"patch_chat": "tests.hosts.club.Invitation"})
    wali, mabel, _otis = (chat_user(name) for name in ("wali", "mabel", "otis"))
    chat = f"{CHATS}{operations.start_group(actor=wali).uri}/"
    assert api(mabel).patch(chat, {"username": "mabel", "via": "poster"}).status_code == 200
    owner = api(wali)
    assert owner.patch(chat, {"username": "otis"}).status_code == 200
    assert owner.patch(chat, {"title": "Picnic", "via": "web"}).json()["title"] == "Picnic"
    assert owner.patch(chat, {"titel": "Picnic"}).json().keys() == {"non_field_errors"}
    assert owner.patch(chat, {"username": "otis", "via": "tv"}).json().keys() == {"via"}


def test_a_permission_holds_at_both_doors(
    configure: Configure, api: LogIn, chat_user: MakeUser, chat_socket: Connect
) -> None:
    configure(PERMISSION_CLASSES=["tests.hosts.club.InGoodStanding"])
    wali, mabel = chat_user("wali"), chat_user("mabel")
    uri = operations.start_group(actor=wali, members=["mabel"]).uri
    bearer = {"Authorization": f"Bearer {access_token(mabel)}"}
    with ChatSocket(headers=bearer) as socket:
        assert socket.ask("message.send", chat=uri, message="Hello")["message"]["seq"] == 1

        mabel.first_name = club.SUSPENDED
        mabel.save()
        refused = api(mabel).get(CHATS)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        while (answer := socket.ask("message.send", chat=uri, message="Hello"))["type"] == "ok":
            pass  # until this process has heard of it
        assert answer["code"] == "not_allowed"
        assert socket.ask("resume", chat=uri, since=0)["code"] == "not_allowed"
        assert socket.ask("auth", token=access_token(mabel))["code"] == "not_allowed"

    with pytest.raises(Closed) as by_header, ChatSocket(headers=bearer):
        pass
    with pytest.raises(Closed) as by_token:
        chat_socket(mabel)
    assert by_header.value.code == by_token.value.code == 4403


def test_a_site_may_page_in_its_own_way(configure: Configure, api: LogIn, chat_user: MakeUser) -> None:
    configure(PAGINATION_CLASS="tests.hosts.club.Pages")
    wali, _mabel, _otis = (chat_user(name) for name in ("wali", "mabel", "otis"))
    uris = [operations.start_group(actor=wali, members=["mabel", "otis"]).uri for _ in range(3)]
    client = api(wali)
    first = client.get(CHATS).json()
    assert (first["count"], [chat["uri"] for chat in first["results"]]) == (3, [uris[2], uris[1]])
    assert [chat["uri"] for chat in client.get(first["next"]).json()["results"]] == [uris[0]]
    members = client.get(f"{CHATS}{uris[0]}/members/?page=2").json()
    assert [member["username"] for member in members["results"]] == ["otis"]


def test_a_site_may_slow_its_visitors_down(configure: Configure, api: LogIn, chat_user: MakeUser) -> None:
    configure(THROTTLE_CLASSES=["tests.hosts.club.Slowly"])
    wali = chat_user("wali", password=SECRET)
    assert [api(wali).post(CHATS, {}).status_code for _ in range(4)] == [201, 201, 201, 429]
    refused = api().post(f"{API}/users/login/", {"email": wali.email, "password": SECRET})
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_a_sites_own_code_hears_of_messages_and_may_answer(receivers: None, chat_user: MakeUser) -> None:
    office, _wali, mabel = (chat_user(name) for name in ("office", "wali", "mabel"))
    wanted, other = (
        operations.start_group(actor=office, title=title, members=["wali", "mabel"]) for title in ("Office", "Picnic")
    )
    operations.send_message(actor=mabel, chat=other.uri, text="Lemonade?")
    for _ in range(2):
        operations.send_message(actor=mabel, chat=wanted.uri, text="The printer is on fire", client_id="c1")
    assert texts(wanted) == ["The printer is on fire", "mabel, we have got your 1."]
    assert texts(other) == ["Lemonade?"]


def test_a_sites_own_code_hears_of_everything(
    receivers: None, caplog: pytest.LogCaptureFixture, api: LogIn, chat_user: MakeUser
) -> None:
    caplog.set_level("INFO", logger=club.ledger.name)
    wali, mabel, otis = (chat_user(name) for name in ("wali", "mabel", "otis"))
    owner = api(wali)
    chat = f"{CHATS}{owner.post(CHATS, {'title': 'Picnic', 'members': ['mabel']}).json()['uri']}/"
    owner.patch(chat, {"username": "otis"})
    api(otis).delete(f"{chat}members/otis/")
    owner.patch(chat, {"title": "Tea", "joinable": False})
    api(mabel).post(f"{chat}messages/", {"message": "Hello"})
    api(mabel).patch(f"{chat}messages/1/", {"message": "Hello!"})
    owner.post(f"{chat}messages/1/report/", {"reason": "Shouting"})
    owner.delete(f"{chat}messages/1/")
    wali.delete()
    assert [line.getMessage() for line in caplog.records if line.name == club.ledger.name] == [
        "wali started Picnic with 2",
        "wali brought otis into Picnic",
        "otis took otis out of Picnic",
        "wali changed joinable, title of Tea",
        "mabel corrected 1 in Tea",
        "wali reported 1 in Tea",
        "wali deleted 1 from Tea",
        "The site changed owner of Tea",
    ]


def test_a_site_may_count_what_is_announced(
    configure: Configure, live: LiveServer, api: LogIn, chat_user: MakeUser
) -> None:
    configure(BUS="tests.hosts.club.publish", SWEEP_SECONDS=3600)
    wali, mabel = chat_user("wali"), chat_user("mabel")
    chat = operations.start_group(actor=wali, members=["mabel"])
    with open_socket(live.ws) as socket:
        socket.introduce(token=access_token(mabel))
        club.metered.clear()
        sent = api(wali).post(f"{CHATS}{chat.uri}/messages/", {"message": "Hello"}).json()
        assert socket.hear()["messages"] == [sent]
        with transaction.atomic():
            operations.send_message(actor=wali, chat=chat.uri, text="Never mind")
            transaction.set_rollback(True)
        assert socket.ask("read", chat=chat.uri, seq=1)["type"] == "ok"
        assert socket.hear() == {"type": "read", "chat": chat.uri, "username": "mabel", "seq": 1}
    assert club.metered == {"changes": 1, "ephemeral": 1}
