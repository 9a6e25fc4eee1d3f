"""A site's own classes count at the socket as they count over HTTP, and what browsers add by themselves does not."""

from __future__ import annotations

import asyncio
import base64
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from threading import Thread
from typing import Any

import pytest
from channels.routing import URLRouter
from django.conf import LazySettings
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import path
from django.utils import functional
from rest_framework_simplejwt import authentication

from django_bpo_chat.live import auth
from django_bpo_chat.live.database import DatabaseThreads
from django_bpo_chat.live.routing import websocket_urlpatterns
from django_bpo_chat.testing import ChatSocket, Closed
from tests.clients import Connect, Dial
from tests.fixtures import Configure
from tests.hosts import gate
from tests.person import PASSWORD, Person, only_with
from tests.servers import LiveServer, logged_errors

pytest_plugins = ["tests.sockets"]
pytestmark = [pytest.mark.users, pytest.mark.django_db(transaction=True)]

GATE = "tests.hosts.gate"

its_users = only_with("people.User")
"""For what the gate asks of usernames, first names and groups."""

EVIL = "https://evil.example"


def cookies(**values: str) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def session_key(person: Person, **data: Any) -> str:
    client = Client()
    client.force_login(person.user)
    session = client.session
    session.update(data)
    session.save()
    return client.cookies["sessionid"].value


# Whose page it is


@pytest.mark.parametrize("origin", [EVIL, "null", None])
def test_no_cookie_of_any_kind_counts_on_another_sites_page(
    configure: Configure, live: LiveServer, dial: Dial, wali: Person, origin: str | None
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.TokenInCookie"])
    cookie = {"Cookie": cookies(jwt=wali.access)}
    assert dial(headers=cookie | ({"Origin": origin} if origin else {})).refusal() == 4401
    dial(headers={**cookie, "Origin": live.http}).introduce()


@its_users
def test_a_password_that_the_browser_sends_does_not_count_on_another_sites_page(
    configure: Configure, live: LiveServer, dial: Dial, wali: Person
) -> None:
    configure(AUTHENTICATION_CLASSES=["rest_framework.authentication.BasicAuthentication"])
    secret = base64.b64encode(f"{wali.username}:{PASSWORD}".encode()).decode()
    password = {"Authorization": f"Basic {secret}"}
    assert dial(headers={**password, "Origin": EVIL}).refusal() == 4401
    for headers in (password, {**password, "Origin": live.http}):
        dial(headers=headers).introduce()


def test_a_bearer_token_counts_wherever_it_comes_from(dial: Dial, wali: Person) -> None:
    dial(headers={**wali.headers, "Origin": EVIL}).introduce()


def test_what_a_proxy_says_of_the_browser_does_not_count_on_another_sites_page(
    configure: Configure, live: LiveServer, dial: Dial, wali: Person
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.NamedByProxy"])
    said = {"X-Forwarded-User": str(wali.user.pk)}
    assert dial(headers={**said, "Origin": EVIL}).refusal() == 4401
    for headers in (said, {**said, "Origin": live.http}):
        dial(headers=headers).introduce()


def test_a_page_that_the_site_trusts_counts_whatever_the_host(
    settings: LazySettings, live: LiveServer, dial: Dial, wali: Person
) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]
    dial(headers={"Cookie": cookies(sessionid=session_key(wali)), "Origin": "https://app.example.com"}).introduce()


def test_a_site_of_https_does_not_trust_its_pages_of_http(
    settings: LazySettings, live: LiveServer, dial: Dial, wali: Person
) -> None:
    settings.SESSION_COOKIE_SECURE = True
    cookie = {"Cookie": cookies(sessionid=session_key(wali))}
    injected = dial(headers={**cookie, "Origin": live.http})
    assert injected.refusal() == 4401
    dial(headers={**cookie, "Origin": live.http.replace("http", "https")}).introduce()


def test_the_host_is_the_one_that_django_takes(
    settings: LazySettings, live: LiveServer, dial: Dial, wali: Person
) -> None:
    settings.USE_X_FORWARDED_HOST = True
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    headers = {"Cookie": cookies(sessionid=session_key(wali)), "Origin": "https://chat.example.com"}
    dial(headers={**headers, "X-Forwarded-Host": "chat.example.com"}).introduce()
    stranger = dial(headers={**headers, "X-Forwarded-Host": "evil.example", "Origin": EVIL})
    assert stranger.refusal() == 4401


# What proves somebody


def test_a_sites_own_session_authentication_has_the_last_word(
    configure: Configure, live: LiveServer, dial: Dial, wali: Person
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.SecondFactor"])
    half = dial(headers={"Cookie": cookies(sessionid=session_key(wali)), "Origin": live.http})
    assert half.hear_close() == 4401
    whole = session_key(wali, has_second_factor=True)
    dial(headers={"Cookie": cookies(sessionid=whole), "Origin": live.http}).introduce()


def test_nothing_but_the_token_counts_where_a_token_was_said(
    configure: Configure, live: LiveServer, dial: Dial, wali: Person, mabel: Person
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.TokenInCookie"])
    headers = {"Cookie": cookies(jwt=wali.access), "Origin": live.http}
    socket = dial(headers=headers)
    socket.introduce(token=mabel.access)
    assert socket.ready["user"] == {"username": mabel.username}
    assert socket.ask("auth", token=wali.access)["code"] == "not_authenticated"
    assert dial(headers=headers).refusal(token="garbage") == 4401


@pytest.fixture(params=["another site", "the site", "no page"])
def origin(request: pytest.FixtureRequest, live: LiveServer) -> dict[str, str]:
    """The header that says whose page opens the socket."""
    return {"another site": {"Origin": EVIL}, "the site": {"Origin": live.http}, "no page": {}}[request.param]


def test_a_token_proves_nothing_to_a_class_that_finds_somebody_without_one(
    configure: Configure, dial: Dial, wali: Person, mabel: Person, origin: dict[str, str]
) -> None:
    headers = {"X-Forwarded-User": str(wali.user.pk), **origin}
    proxy, bearer = f"{GATE}.ChallengingProxy", "django_bpo_chat.tokens.BearerAuthentication"
    for classes in ([proxy], [proxy, bearer]):
        configure(AUTHENTICATION_CLASSES=classes)
        assert dial(headers=headers).refusal(token="garbage") == 4401
    socket = dial(headers=headers)
    socket.introduce(token=mabel.access)
    assert socket.ready["user"] == {"username": mabel.username}
    assert socket.ask("auth", token="garbage")["code"] == "not_authenticated"


def test_who_shows_a_token_is_whose_it_is_whatever_a_proxy_says(
    configure: Configure, dial: Dial, wali: Person, mabel: Person, origin: dict[str, str]
) -> None:
    headers = {"X-Forwarded-User": str(wali.user.pk), **origin}
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.TokenOrProxy"])
    for person in (mabel, wali):
        socket = dial(headers=headers)
        socket.introduce(token=person.access)
        assert socket.ready["user"] == {"username": person.username}
    assert dial(headers=headers).refusal(token="garbage") == 4401
    without = dial(headers=headers)
    if EVIL in origin.values():
        assert without.refusal() == 4401
    else:
        without.introduce()
        assert without.ready["user"] == {"username": wali.username}


@pytest.mark.parametrize("shown", ["Basic dzp3", "Bearer", "Bearer garbage", "Bearer null", "garbage"])
@pytest.mark.parametrize("name", ["TokenOrProxy", "LenientProxy"])
def test_what_a_proxy_adds_is_no_token_on_another_sites_page(
    configure: Configure, dial: Dial, wali: Person, name: str, shown: str
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.{name}"])
    evil = dial(headers={"X-Forwarded-User": str(wali.user.pk), "Authorization": shown, "Origin": EVIL})
    assert evil.refusal() == 4401


@pytest.mark.parametrize("token", ["", " ", "null", "none", "garbage"])
def test_what_is_said_for_no_token_proves_nothing(
    configure: Configure, dial: Dial, wali: Person, origin: dict[str, str], token: str
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.LenientProxy"])
    assert dial(headers={"X-Forwarded-User": str(wali.user.pk), **origin}).refusal(token=token) == 4401


def test_a_token_counts_where_all_others_are_guests(
    monkeypatch: pytest.MonkeyPatch, configure: Configure, dial: Dial, wali: Person, mabel: Person
) -> None:
    monkeypatch.setattr(gate.TokenOrGuest, "guest", wali.user.pk)
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.TokenOrGuest"])
    socket = dial()
    socket.introduce(token=mabel.access)
    assert socket.ready["user"] == {"username": mabel.username}
    assert dial().refusal(token="garbage") == 4401


def test_a_class_that_fails_at_garbage_takes_tokens(configure: Configure, dial: Dial, wali: Person) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.SloppyToken"])
    dial().introduce(token=wali.access)


def test_permissions_find_the_parts_of_the_sockets_prefix(configure: Configure, wali: Person) -> None:
    configure(PERMISSION_CLASSES=[f"{GATE}.InTheNorth"])
    application = URLRouter([path("<str:tenant>/", URLRouter(websocket_urlpatterns))])
    with ChatSocket(wali.user, application=application, path="/north/ws/v1/chat/") as socket:
        assert socket.ready["type"] == "ready"
    with pytest.raises(Closed, match="4403"), ChatSocket(wali.user, application=application, path="/south/ws/v1/chat/"):
        pass


def test_a_token_counts_together_with_the_headers_that_its_class_wants_beside_it(
    configure: Configure, dial: Dial, wali: Person
) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.TokenOfTenant"])
    dial(headers={"X-Tenant": "north", "Origin": EVIL}).introduce(token=wali.access)
    stranger = dial(headers={"X-Tenant": "south", "Origin": EVIL})
    assert stranger.refusal(token=wali.access) == 4401


def test_tokens_that_the_site_takes_from_a_header_of_its_own(
    monkeypatch: pytest.MonkeyPatch, dial: Dial, wali: Person, mabel: Person
) -> None:
    monkeypatch.setattr(authentication.api_settings, "AUTH_HEADER_NAME", "HTTP_X_ACCESS_TOKEN")
    header = {"X-Access-Token": f"Bearer {wali.access}"}
    dial(headers=header).introduce()
    socket = dial(headers=header)
    socket.introduce(token=mabel.access)
    assert socket.ready["user"] == {"username": mabel.username}
    assert dial(headers=header).refusal(token="garbage") == 4401


@pytest.mark.parametrize(
    "header",
    [
        {"Content-Type": "application/json; charset*=foo''bar"},
        {"Content-Type": "text/html; charset=no-such-charset"},
        {"Origin": "http://[::1"},
        {"Authorization": "Bearer \xff"},
        {"Cookie": "sessionid=\xff; =;;"},
    ],
)
def test_odd_headers_prove_nothing_and_break_nothing(dial: Dial, header: dict[str, str]) -> None:
    assert dial(headers=header).refusal() == 4401


# What they may do


def test_a_permission_sees_what_a_request_would_be(
    configure: Configure, connect: Connect, wali: Person, mabel: Person
) -> None:
    uri = wali.start(mabel)
    configure(PERMISSION_CLASSES=[f"{GATE}.ReadOnly"])
    socket = connect(mabel)
    assert mabel.post(f"chats/{uri}/messages/", {"message": "Hello"}).status == 403
    assert socket.ask("message.send", chat=uri, message="Hello")["code"] == "not_allowed"
    assert socket.ask("read", chat=uri, seq=0)["code"] == "not_allowed"
    assert socket.ask("resume", chat=uri, since=1)["type"] == "changes"


def test_a_permission_sees_which_chat_it_is(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, connect: Connect, wali: Person
) -> None:
    closed, open_ = wali.start(), wali.start()
    monkeypatch.setattr(gate.NotInOneChat, "closed", closed)
    configure(PERMISSION_CLASSES=[f"{GATE}.NotInOneChat"])
    socket = connect(wali)
    assert wali.post(f"chats/{closed}/messages/", {"message": "Hello"}).status == 403
    for kind, fields in (("message.send", {"message": "Hello"}), ("read", {"seq": 0}), ("resume", {"since": 0})):
        assert socket.ask(kind, chat=closed, **fields)["code"] == "not_allowed"
        assert socket.ask(kind, chat=open_, **fields).get("code") is None


def test_a_permission_sees_what_has_proved_who_it_is(
    configure: Configure, live: LiveServer, dial: Dial, wali: Person
) -> None:
    configure(PERMISSION_CLASSES=[f"{GATE}.NoBearers", "rest_framework.permissions.IsAuthenticated"])
    assert wali.get("chats/").status == 403
    bearer = dial(headers=wali.headers)
    assert bearer.refusal() == 4403
    dial(headers={"Cookie": cookies(sessionid=session_key(wali)), "Origin": live.http}).introduce()


def test_a_permission_sees_the_session(configure: Configure, live: LiveServer, dial: Dial, wali: Person) -> None:
    uri = wali.start()
    configure(PERMISSION_CLASSES=[f"{GATE}.WithSecondFactor"])
    half = dial(headers={"Cookie": cookies(sessionid=session_key(wali)), "Origin": live.http})
    assert half.refusal() == 4403
    whole = session_key(wali, has_second_factor=True)
    socket = dial(headers={"Cookie": cookies(sessionid=whole), "Origin": live.http})
    socket.introduce()
    assert socket.ask("message.send", chat=uri, message="Hello")["type"] == "ok"


def test_a_permission_sees_the_token_that_counts(configure: Configure, dial: Dial, wali: Person, mabel: Person) -> None:
    configure(PERMISSION_CLASSES=[f"{GATE}.ShownByHeader"])
    socket = dial(headers=wali.headers)
    socket.introduce(token=mabel.access)
    assert socket.ready["user"] == {"username": mabel.username}
    assert socket.ask("message.send", chat=mabel.start(), message="Hello")["type"] == "ok"
    assert dial(headers=wali.headers).introduce() is None


@its_users
def test_what_a_class_notes_on_the_user_stays(configure: Configure, connect: Connect, wali: Person) -> None:
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.Tenant"], PERMISSION_CLASSES=[f"{GATE}.OfATenant"])
    configure(ADAPTER="tests.hosts.club.Adapter")
    uri = wali.start()
    socket = connect(wali)
    wali.user.first_name = "Wali"
    wali.user.save()
    while (said := socket.ask("message.send", chat=uri, message="Hello"))["message"]["user"]["name"] != "Wali":
        pass  # until this process has heard of it
    assert said["type"] == "ok"


@pytest.mark.parametrize("error", [gate.NotPaid, gate.NotFound])
def test_a_session_that_is_not_permitted_when_it_is_looked_at_again_ends(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    live: LiveServer,
    dial: Dial,
    wali: Person,
    error: type[Exception],
) -> None:
    configure(PERMISSION_CLASSES=[f"{GATE}.Raising"])
    monkeypatch.setattr(auth, "TRUSTED_SECONDS", 1)
    socket = dial(headers={"Cookie": cookies(sessionid=session_key(wali)), "Origin": live.http})
    socket.introduce()
    monkeypatch.setattr(gate.Raising, "error", error)
    assert socket.hear_close() == 4403


@its_users
def test_a_permission_is_asked_anew_each_time(configure: Configure, connect: Connect, wali: Person) -> None:
    configure(PERMISSION_CLASSES=[f"{GATE}.Remembering"])
    uri = wali.start()
    socket = connect(wali)
    assert socket.ask("message.send", chat=uri, message="Hello")["type"] == "ok"
    wali.user.first_name = "Suspended"
    wali.user.save()
    assert socket.ask("message.send", chat=uri, message="Hello")["code"] == "not_allowed"


@pytest.mark.parametrize(
    ("key", "asking"), [("PERMISSION_CLASSES", [f"{GATE}.MaySend"]), ("ADAPTER", f"{GATE}.MaySendAdapter")]
)
def test_a_right_that_is_taken_away_is_gone_with_the_next_frame(
    configure: Configure, connect: Connect, wali: Person, key: str, asking: object
) -> None:
    uri = wali.start()
    configure(**{key: asking})
    socket = connect(wali)
    for grant, answer in ((True, "ok"), (False, "error"), (True, "ok")):
        wali.user.user_permissions.set(Permission.objects.filter(codename="add_message") if grant else [])
        assert socket.ask("message.send", chat=uri, message="Hello")["type"] == answer


@pytest.mark.parametrize("kept", [None, functools.cached_property, functional.cached_property], ids=str)
def test_a_right_that_a_class_has_looked_at_is_gone_with_the_next_look_at_the_user(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, connect: Connect, wali: Person, kept: Any
) -> None:
    if kept is not None:
        may_send = kept(lambda user: user.has_perm(gate.MAY_SEND))
        may_send.__set_name__(type(wali.user), "may_send")
        monkeypatch.setattr(type(wali.user), "may_send", may_send, raising=False)
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.Curious"], PERMISSION_CLASSES=[f"{GATE}.MaySend"], SWEEP_SECONDS=0.3)
    wali.user.user_permissions.set(Permission.objects.filter(codename="add_message"))
    uri = wali.start()
    socket = connect(wali)
    assert socket.ask("message.send", chat=uri, message="Hello")["type"] == "ok"
    wali.user.user_permissions.clear()
    tries = count()
    while socket.ask("message.send", chat=uri, message="Hello")["type"] == "ok":
        assert next(tries) < 100
        time.sleep(0.1)


def test_what_a_permission_notes_on_the_user_the_sites_other_code_finds(
    configure: Configure, connect: Connect, wali: Person
) -> None:
    configure(PERMISSION_CLASSES=[f"{GATE}.NotesTenant"], ADAPTER=f"{GATE}.TenantAdapter")
    uri = wali.start()
    assert wali.send(uri, "Hello")["message"] == "Hello from the north"
    sent = connect(wali).ask("message.send", chat=uri, message="Hello")
    assert sent["message"]["message"] == "Hello from the north"


@pytest.mark.parametrize("error", gate.REFUSALS, ids=lambda error: f"{error.__module__}.{error.__name__}")
def test_what_a_permission_raises_is_told(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    connect: Connect,
    dial: Dial,
    wali: Person,
    error: type[Exception],
) -> None:
    configure(PERMISSION_CLASSES=[f"{GATE}.Raising"])
    uri = wali.start()
    socket = connect(wali)
    monkeypatch.setattr(gate.Raising, "error", error)
    code, close_code = gate.REFUSALS[error]
    answer = socket.ask("message.send", chat=uri, message="Hello")
    assert (answer["type"], answer["code"]) == ("error", code)
    newcomer = dial(headers=wali.headers)
    assert newcomer.refusal() == close_code
    assert bool(logged_errors(caplog)) == (error is ZeroDivisionError)
    monkeypatch.setattr(gate.Raising, "error", None)
    assert socket.ask("message.send", chat=uri, message="Hello")["type"] == "ok"


def test_an_authentication_that_fails_ends_no_socket_that_is_open(
    configure: Configure, caplog: pytest.LogCaptureFixture, connect: Connect, wali: Person
) -> None:
    socket = connect(wali)
    configure(AUTHENTICATION_CLASSES=[f"{GATE}.Failing"])
    assert socket.ask("auth", token=wali.access)["code"] == "unavailable"
    assert logged_errors(caplog) == ["What a socket asked for has failed"]
    assert socket.ask("resume", chat="?", since=0)["code"] == "not_found"


# A site's code that asks the database


@its_users
def test_a_serializer_may_ask_the_database(configure: Configure, connect: Connect, wali: Person) -> None:
    configure(SERIALIZERS={"send_message": f"{GATE}.AskingMessage"})
    uri = wali.start()
    socket = connect(wali)
    refused = socket.ask("message.send", chat=uri, message="wali")
    assert (refused["code"], refused["fields"]) == ("invalid", {"message": ["Nobody is called by name."]})
    assert socket.ask("message.send", chat=uri, message="Hello")["type"] == "ok"


def test_a_serializer_sees_what_it_sees_of_a_request(configure: Configure, connect: Connect, wali: Person) -> None:
    configure(SERIALIZERS={"send_message": f"{GATE}.StrictMessage"})
    uri = wali.start()
    wali.send(uri)
    socket = connect(wali)
    assert socket.ask("message.send", chat=uri, message="Hello")["type"] == "ok"
    assert "color" in str(socket.ask("message.send", chat=uri, message="Hello", color="red")["fields"])


@its_users
def test_a_card_may_ask_the_database(configure: Configure, connect: Connect, wali: Person) -> None:
    configure(ADAPTER=f"{GATE}.GroupsAdapter")
    wali.user.groups.add(Group.objects.create(name="cooks"))
    uri = wali.start()
    socket = connect(wali)
    assert socket.ready["user"] == {"username": "wali", "groups": ["cooks"]}
    assert socket.ask("message.send", chat=uri, message="Hello")["message"]["user"] == socket.ready["user"]


@its_users
def test_a_frame_that_breaks_a_sites_code_is_answered_and_the_socket_lives_on(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    connect: Connect,
    wali: Person,
) -> None:
    uri = wali.start()
    socket = connect(wali)
    with monkeypatch.context() as broken:
        broken.setattr(gate.AskingMessage, "validate_message", lambda self, text: 1 // 0)
        configure(SERIALIZERS={"send_message": f"{GATE}.AskingMessage"})
        assert socket.ask("message.send", chat=uri, message="Hello")["code"] == "unavailable"
    assert logged_errors(caplog) == ["What a socket asked for has failed"]
    assert socket.ask("message.send", chat=uri, message="Hello")["message"]["seq"] == 1


@pytest.mark.parametrize("karma", [float("nan"), {1, 2}], ids=["nan", "set"])
def test_a_card_that_is_no_json_is_a_sites_error_and_no_clients(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    connect: Connect,
    dial: Dial,
    wali: Person,
    karma: object,
) -> None:
    uri = wali.start()
    socket = connect(wali)
    assert socket.ask("message.send", chat=uri, message="Hello", client_id="c1")["type"] == "ok"
    configure(ADAPTER=f"{GATE}.GroupsAdapter")
    monkeypatch.setattr(gate.GroupsAdapter, "card", lambda self, user: {"karma": karma})
    for client_id in ("c1", "c2"):
        answer = socket.ask("message.send", chat=uri, message="Hello", client_id=client_id)
        assert answer["code"] == "unavailable"
    newcomer = dial(headers=wali.headers)
    assert newcomer.refusal() == 4503
    assert len(logged_errors(caplog)) == 3


def test_who_is_there_is_not_told_while_it_cannot_be_said(
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    dial: Dial,
    wali: Person,
) -> None:
    configure(ADAPTER=f"{GATE}.GroupsAdapter")
    monkeypatch.setattr(gate.GroupsAdapter, "card", lambda self, user: 1 // 0)
    assert dial(headers=wali.headers).refusal() == 4503
    assert logged_errors(caplog) == ["What a socket asked for has failed"]


@pytest.mark.parametrize("taken", [0, 2])
def test_a_hub_ends_with_the_interpreter(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    """Which takes no more work from some moment on, as where a test's process ends right after its socket."""
    threads = DatabaseThreads(4)
    submit, submitted = ThreadPoolExecutor.submit, count()

    def submit_some(executor: ThreadPoolExecutor, *job: Any) -> Any:
        if next(submitted) >= taken:
            monkeypatch.setattr("concurrent.futures.thread._shutdown", True)
        return submit(executor, *job)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_some)
    closing = Thread(target=threads.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()


@pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="A file does not hang up.")
def test_a_connection_that_broke_unseen_is_replaced() -> None:
    """As where a receiver of a signal meets it, whose errors are caught."""

    def hang_up() -> None:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async def work() -> list[bool]:
        await threads.run(hang_up)
        return [await threads.run(Group.objects.exists) for _ in range(2)]

    threads = DatabaseThreads(1)
    try:
        assert asyncio.run(work()) == [False, False]
    finally:
        threads.close()
