"""Each of the settings hooks, as a club's site uses it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from django_bpo_chat import signals
from tests.clients import Connect, Dial
from tests.fixtures import Configure
from tests.hosts import club
from tests.person import PASSWORD, Bearer, Person, Visitor, only_with

pytest_plugins = ["tests.sockets"]
pytestmark = only_with("people.User")

INES = {"username": "ines", "email": "ines@email.com", "password": PASSWORD, "password2": PASSWORD}


@pytest.fixture(autouse=True)
def no_counts() -> None:
    cache.clear()


@pytest.fixture
def answering_office() -> Iterator[None]:
    signals.message_sent.connect(club.answer)
    yield
    signals.message_sent.disconnect(club.answer)


@pytest.mark.django_db
def test_a_sign_up_may_ask_for_more(configure: Configure) -> None:
    configure(ADAPTER="tests.hosts.club.Adapter", SERIALIZERS={"sign_up": "tests.hosts.club.ClubSignUp"})
    refused = Visitor().post("users/signup/", INES)
    assert (refused.status, list(refused.json)) == (400, ["full_name"])

    access = Visitor().post("users/signup/", {**INES, "full_name": "Ines Ito"}).done()["access"]
    chat = Bearer(access).post("chats/", {}).done()
    assert (chat["owner"], chat["members"][0]["name"]) == ("ines", "Ines Ito")


def test_what_is_shown_of_a_user_is_shown_wherever_they_appear(
    configure: Configure, connect: Connect, wali: Person, mabel: Person
) -> None:
    configure(ADAPTER="tests.hosts.club.Adapter")
    wali.user.first_name = "Wali"
    wali.user.save()
    uri = wali.start(mabel)
    socket = connect(mabel)
    sent = wali.send(uri)
    assert sent["user"] == {"username": "wali", "name": "Wali"}
    assert socket.hear()["messages"] == [sent]
    assert mabel.messages(uri)["results"] == [sent]
    changes = mabel.changes(uri, 0)
    assert changes["messages"] == [sent]
    for members in (
        mabel.chat(uri)["members"],
        mabel.get(f"chats/{uri}/members/").done()["results"],
        changes["members"],
    ):
        assert [(member["username"], member["name"]) for member in members] == [("wali", "Wali"), ("mabel", "")]


def test_a_sites_serializer_reads_messages_at_both_doors(configure: Configure, connect: Connect, wali: Person) -> None:
    configure(SERIALIZERS={"send_message": "tests.hosts.club.CalmMessage"})
    uri = wali.start()
    refused = wali.post(f"chats/{uri}/messages/", {"message": "HEAR ME"})
    assert (refused.status, refused.json) == (400, {"message": ["Please do not shout."]})
    socket = connect(wali)
    answer = socket.ask("message.send", chat=uri, message="HEAR ME")
    assert (answer["code"], answer["fields"]) == ("invalid", {"message": ["Please do not shout."]})
    assert socket.ask("message.send", chat=uri, message="Hear me")["message"]["seq"] == 1

    wali.user.is_staff = True
    wali.user.save()
    assert wali.send(uri, "HEAR ME")["seq"] == 2


@pytest.mark.django_db
def test_what_a_site_asks_beyond_the_contract_changes_nothing_of_it(
    configure: Configure, wali: Person, mabel: Person, otis: Person
) -> None:
    configure(SERIALIZERS={"patch_chat": "tests.hosts.club.Invitation"})
    uri = wali.start()
    assert mabel.patch(f"chats/{uri}", {"username": "mabel", "via": "poster"}).status == 200
    assert wali.patch(f"chats/{uri}", {"username": "otis"}).status == 200
    assert wali.patch(f"chats/{uri}", {"title": "Picnic", "via": "web"}).json["title"] == "Picnic"
    assert wali.patch(f"chats/{uri}", {"titel": "Picnic"}).json.keys() == {"non_field_errors"}
    assert wali.patch(f"chats/{uri}", {"username": "otis", "via": "tv"}).json.keys() == {"via"}


def test_a_permission_holds_at_both_doors(configure: Configure, dial: Dial, wali: Person, mabel: Person) -> None:
    configure(PERMISSION_CLASSES=["tests.hosts.club.InGoodStanding"])
    uri = wali.start(mabel)
    socket = dial(headers=mabel.headers)
    socket.introduce()
    assert socket.ask("message.send", chat=uri, message="Hello")["message"]["seq"] == 1

    mabel.user.first_name = club.SUSPENDED
    mabel.user.save()
    refused = mabel.get("chats/")
    assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    while (answer := socket.ask("message.send", chat=uri, message="Hello"))["type"] == "ok":
        pass  # until this process has heard of it
    assert answer["code"] == "not_allowed"
    assert socket.ask("resume", chat=uri, since=0)["code"] == "not_allowed"
    assert socket.ask("auth", token=mabel.log_in()["access"])["code"] == "not_allowed"

    again = dial(headers=mabel.headers)
    again.say("hello")
    assert again.hear_close() == 4403
    by_token = dial()
    by_token.say("hello", token=mabel.access)
    assert by_token.hear_close() == 4403


@pytest.mark.django_db
def test_a_site_may_page_in_its_own_way(configure: Configure, wali: Person, mabel: Person, otis: Person) -> None:
    configure(PAGINATION_CLASS="tests.hosts.club.Pages")
    uris = [wali.start(mabel, otis) for _ in range(3)]
    first = wali.chats()
    assert (first["count"], [chat["uri"] for chat in first["results"]]) == (3, [uris[2], uris[1]])
    assert [chat["uri"] for chat in wali.get(first["next"]).done()["results"]] == [uris[0]]
    members = wali.get(f"chats/{uris[0]}/members/", page=2).done()
    assert [member["username"] for member in members["results"]] == ["otis"]


@pytest.mark.django_db
def test_a_site_may_slow_its_visitors_down(configure: Configure, wali: Person) -> None:
    wali.headers  # noqa: B018  (a log-in, which would be counted)
    configure(THROTTLE_CLASSES=["tests.hosts.club.Slowly"])
    assert [wali.post("chats/", {}).status for _ in range(4)] == [201, 201, 201, 429]
    refused = Visitor().post("users/login/", {"email": wali.email, "password": PASSWORD})
    assert (refused.status, refused.json["code"]) == (429, "throttled")
    assert 0 < int(refused.headers["Retry-After"]) <= 60


@pytest.mark.django_db(transaction=True)
def test_a_sites_own_code_hears_of_messages_and_may_answer(answering_office: None, wali: Person, mabel: Person) -> None:
    office = Person("office")
    wanted, other = office.start(wali, mabel, title="Office"), office.start(wali, mabel, title="Picnic")
    mabel.send(other, "Lemonade?")
    for _ in range(2):
        mabel.send(wanted, "The printer is on fire", client_id="c1")
    assert [message["message"] for message in wali.messages(wanted)["results"]] == [
        "The printer is on fire",
        "mabel, we have got your 1.",
    ]
    assert len(wali.messages(other)["results"]) == 1
