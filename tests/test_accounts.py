"""Sign-up, log-in, refresh, log-out, and what is done to tokens by those who should not have them."""

from __future__ import annotations

import base64
import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import LazySettings, settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.signals import user_login_failed
from django.core.signals import got_request_exception
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.test import Client
from django.utils.timezone import now
from django.views.debug import ExceptionReporter
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from django_bpo_chat import users
from django_bpo_chat.adapter import Adapter, get_adapter
from django_bpo_chat.users import handle, handle_field
from tests.fixtures import Configure
from tests.hashers import QuickPBKDF2PasswordHasher
from tests.parallel import at_once
from tests.person import PASSWORD, Answer, Bearer, Person, Visitor, account, chosen_handles, given_handles

pytestmark = pytest.mark.users

User = get_user_model()
SiteAdapter = type(get_adapter())

INES = {"username": "ines", "email": "ines@email.com", "password": PASSWORD, "password2": PASSWORD}


def log_in(email: str, password: str = PASSWORD, **headers: str) -> Answer:
    return Visitor().ask("POST", "users/login/", {"email": email, "password": password}, headers=headers)


def refresh(token: str) -> Answer:
    return Visitor().post("users/refresh/", {"refresh": token})


def log_out(token: str) -> Answer:
    return Visitor().post("users/logout/", {"refresh": token})


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


# Signing up


def test_signing_up_makes_an_account_and_logs_in(visitor: Visitor) -> None:
    answer = visitor.post("users/signup/", INES)
    assert answer.status == 201
    assert answer.json.keys() == {"user", "access", "refresh"}
    assert answer.json["user"] == {"username": handle(account("ines@email.com")), "email": "ines@email.com"}
    assert Bearer(answer.json["access"]).get("users/me/").json == answer.json["user"]
    assert refresh(answer.json["refresh"]).status == 200
    assert log_in("ines@email.com").status == 200


@chosen_handles
def test_people_are_called_what_they_have_chosen_in_its_normal_form(visitor: Visitor) -> None:
    assert visitor.post("users/signup/", {**INES, "username": " ｉnes "}).done()["user"]["username"] == "ines"


@given_handles
@pytest.mark.parametrize("username", ["mabel", "MABEL", "no spaces", "..", "i" * 151])
def test_where_handles_are_given_a_username_is_taken_and_not_used(
    visitor: Visitor, mabel: Person, username: str
) -> None:
    given = visitor.post("users/signup/", {**INES, "username": username}).done()["user"]["username"]
    assert given == str(account("ines@email.com").pk)


def test_unknown_fields_of_a_sign_up_are_ignored(visitor: Visitor) -> None:
    powers = {"is_staff": True, "is_superuser": True, "is_active": False, "id": 4711, "pk": 4711, "last_login": "x"}
    assert visitor.post("users/signup/", {**INES, **powers}).status == 201
    ines = account("ines@email.com")
    assert (ines.is_staff, ines.is_superuser, ines.is_active) == (False, False, True)
    assert ines.pk != 4711


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("password2", {"password2": "password124"}),
        ("password2", {"password2": ""}),
        ("password", {"password": "", "password2": ""}),
        ("password", {"password": "short", "password2": "short"}),
        ("password", {"password": "ines@email.com", "password2": "ines@email.com"}),
        ("password", {"password": "x1" * 65, "password2": "x1" * 65}),
        ("email", {"email": ""}),
        ("email", {"email": "ines"}),
        ("email", {"email": "ines@email"}),
        ("email", {"email": "i" * 250 + "@email.com"}),
        ("email", {"email": "mabel@email.com"}),
        ("email", {"email": "Mabel@EMAIL.com"}),
        ("email", {"email": "mabel@ｅmail.com"}),
        *(
            pytest.param("username", {"username": username}, marks=chosen_handles)
            for username in ["", "   ", "..", "i" * 151, "no spaces", "mabel", "MABEL", "ｍａｂｅｌ"]
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40],
)
def test_a_sign_up_that_does_not_validate_names_the_field(
    visitor: Visitor, mabel: Person, field: str, change: dict[str, str]
) -> None:
    answer = visitor.post("users/signup/", {**INES, **change})
    assert answer.status == 400
    assert field in answer.json
    assert answer.json.keys() <= {field, "password2"}
    assert all(text and isinstance(text, str) for texts in answer.json.values() for text in texts)
    assert User.objects.count() == 1


@chosen_handles
@pytest.mark.parametrize("username", [".", "..", "/", "ines/otto", "ines／otto"])
def test_nobody_is_called_what_no_address_can_hold(
    monkeypatch: pytest.MonkeyPatch, visitor: Visitor, username: str
) -> None:
    monkeypatch.setattr(User._meta.get_field(handle_field()), "validators", [])
    answer = visitor.post("users/signup/", {**INES, "username": username})
    assert (answer.status, answer.json) == (400, {"username": ["This cannot be a name."]})
    assert visitor.post("users/signup/", {**INES, "username": "ines otto"}).status == 201


@pytest.mark.parametrize("field", INES)
def test_each_field_of_a_sign_up_is_required(visitor: Visitor, field: str) -> None:
    answer = visitor.post("users/signup/", {name: value for name, value in INES.items() if name != field})
    assert answer.status == 400
    assert answer.json.keys() == {field}


def test_the_passwords_of_a_sign_up_are_the_business_of_the_site(settings: LazySettings, visitor: Visitor) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    ]
    answer = visitor.post("users/signup/", INES)
    assert answer.status == 400
    assert answer.json.keys() == {"password"}


def test_a_password_of_128_characters_is_hashed_and_one_of_129_is_not(settings: LazySettings, visitor: Visitor) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    long = "p1" * 64
    assert visitor.post("users/signup/", {**INES, "password": long, "password2": long}).status == 201
    assert log_in("ines@email.com", long).status == 200

    CountingHasher.runs = 0
    longer = f"{long}x"
    assert visitor.post("users/signup/", {**INES, "password": longer, "password2": longer}).status == 400
    assert log_in("ines@email.com", longer).status == 400
    assert CountingHasher.runs == 0


def test_passwords_keep_their_spaces(visitor: Visitor) -> None:
    password = "  pass word 123  "
    assert visitor.post("users/signup/", {**INES, "password": password, "password2": password}).status == 201
    assert log_in("ines@email.com", password).status == 200
    assert log_in("ines@email.com", password.strip()).status == 401


SPELLINGS = ["ines", "Ines", "INES", "iNeS", "ｉnes", "Ｉnes", "ineｓ", "ＩＮＥＳ"]


@pytest.mark.parametrize("field", [pytest.param("username", marks=chosen_handles), "email"])
@pytest.mark.django_db(transaction=True)
def test_of_8_sign_ups_at_once_with_one_name_in_other_spellings_one_succeeds(visitor: Visitor, field: str) -> None:
    def sign_up(n: int, spelling: str) -> Callable[[], Answer]:
        other = {"username": f"ines{n}", "email": f"ines{n}@email.com"}
        same = {"username": spelling, "email": f"ines@{spelling}.com"}
        return lambda: visitor.post("users/signup/", {**INES, **other, field: same[field]})

    answers = at_once(*(sign_up(n, spelling) for n, spelling in enumerate(SPELLINGS)))

    assert Counter(answer.status for answer in answers) == {201: 1, 400: 7}
    assert all(answer.json.keys() == {field} for answer in answers if answer.status == 400)
    assert User.objects.count() == 1


class BrokenAdapter(Adapter):
    def new_user(self, username: str, email: str, **extra: Any) -> Any:
        raise RuntimeError("A defect of the site.")


def test_error_reports_do_not_tell_passwords(configure: Configure, visitor: Visitor) -> None:
    configure(ADAPTER=f"{__name__}.BrokenAdapter")
    reports = []

    def report(request: HttpRequest, **_: Any) -> None:
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())

    got_request_exception.connect(report)
    try:
        with pytest.raises(RuntimeError):
            visitor.post("users/signup/", {**INES, "password": "a secret of hers", "password2": "a secret of hers"})
    finally:
        got_request_exception.disconnect(report)
    assert "A defect of the site." in reports[0]
    assert "a secret of hers" not in reports[0]


class Imprecise(SiteAdapter):
    """Fills one more field."""

    def new_user(self, username: str, email: str, **extra: Any) -> Any:
        return super().new_user(username, email, is_staff="perhaps", **extra)


def test_what_the_adapter_adds_has_to_validate_too(configure: Configure, visitor: Visitor) -> None:
    configure(ADAPTER=f"{__name__}.Imprecise")
    answer = visitor.post("users/signup/", INES)
    assert (answer.status, answer.json.keys()) == (400, {"is_staff"})


class Careless(SiteAdapter):
    """Gives new people the primary key of somebody else."""

    def new_user(self, username: str, email: str, **extra: Any) -> Any:
        return super().new_user(username, email, pk=account("mabel@email.com").pk, **extra)


def test_a_sign_up_never_takes_over_an_account(configure: Configure, visitor: Visitor, mabel: Person) -> None:
    configure(ADAPTER=f"{__name__}.Careless")
    assert visitor.post("users/signup/", INES).status == 400
    assert log_in("mabel@email.com").status == 200


# Logging in


def test_logging_in_gives_both_tokens(wali: Person) -> None:
    answer = log_in("wali@email.com")
    assert answer.status == 200
    assert answer.json.keys() == {"access", "refresh"}


@pytest.mark.parametrize("email", ["Wali@EMAIL.com", " wali@email.com ", "ｗali@email.com"])
def test_an_email_is_known_whatever_its_spelling(wali: Person, email: str) -> None:
    assert log_in(email).status == 200


class CountingHasher(QuickPBKDF2PasswordHasher):
    """Counts how often a password is hashed, which is where the time of a log-in goes."""

    runs = 0

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        CountingHasher.runs += 1
        return super().encode(password, salt, iterations)


def test_an_unknown_email_a_wrong_password_and_an_inactive_account_look_the_same_and_cost_the_same(
    settings: LazySettings, wali: Person, mabel: Person
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    for person in (wali, mabel):
        person.user.set_password(PASSWORD)
        person.user.save()
    User.objects.filter(pk=mabel.user.pk).update(is_active=False)

    answers, runs = [], []
    for email, password in [("nobody@email.com", PASSWORD), ("wali@email.com", "wrong"), ("mabel@email.com", PASSWORD)]:
        CountingHasher.runs = 0
        answers.append(log_in(email, password))
        runs.append(CountingHasher.runs)

    assert answers[0].status == 401
    assert answers[0].json["code"] == "not_authenticated"
    assert answers[0].is_same_as(answers[1])
    assert answers[0].is_same_as(answers[2])
    assert runs == [1, 1, 1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("last_login", [True, False])
def test_an_account_that_is_deleted_while_it_logs_in_is_nobodys(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings, wali: Person, last_login: bool
) -> None:
    monkeypatch.setattr(api_settings, "UPDATE_LAST_LOGIN", last_login)
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.LastLogIn"]
    answer = log_in("wali@email.com")
    assert (answer.status, answer.json["code"]) == (401, "not_authenticated")


class LastLogIn(ModelBackend):
    """Somebody deletes their account right after their password has been checked."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        User.objects.all().delete()
        return user


def test_a_username_is_no_email(wali: Person) -> None:
    assert log_in(wali.username).status == 401


class Directory(BaseBackend):
    """A site's own way to check passwords."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        assert request is not None
        if credentials["password"] != "from the directory":
            return None
        return User.objects.filter(**{User.USERNAME_FIELD: credentials[User.USERNAME_FIELD]}).first()


def test_the_authentication_backends_of_the_site_decide(settings: LazySettings, wali: Person) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Directory"]
    assert log_in("wali@email.com", "from the directory").status == 200
    assert log_in("wali@email.com", PASSWORD).status == 401


def test_djangos_signal_tells_of_a_log_in_that_has_failed(wali: Person) -> None:
    told: list[Any] = []

    def hear(request: HttpRequest, credentials: dict[str, str], **_: Any) -> None:
        told.append((request.path, credentials[User.USERNAME_FIELD], "wrong" in credentials.values()))

    user_login_failed.connect(hear)
    try:
        log_in(wali.email, "wrong")
    finally:
        user_login_failed.disconnect(hear)
    assert told == [("/api/v1/users/login/", wali.user.get_username(), False)]


def test_logging_in_twice_makes_two_log_ins_and_each_token_names_its_own(wali: Person) -> None:
    one, other = wali.log_in(), wali.log_in()
    assert claims(one["access"])["sid"] == claims(one["refresh"])["sid"]
    assert claims(one["access"])["sid"] != claims(other["access"])["sid"]
    refreshed = refresh(one["refresh"]).json
    assert claims(refreshed["access"])["sid"] == claims(refreshed["refresh"])["sid"] == claims(one["access"])["sid"]


def test_an_answer_to_a_log_in_says_nothing_of_the_password(wali: Person) -> None:
    tokens = wali.log_in()
    for token in tokens.values():
        assert wali.user.password not in json.dumps(claims(token))
        assert wali.email not in json.dumps(claims(token))


# Refreshing


def test_a_rotating_token_works_once_and_its_successor_after_it(wali: Person) -> None:
    first = wali.log_in()["refresh"]
    answer = refresh(first)
    assert answer.status == 200
    assert answer.json.keys() == {"access", "refresh"}
    assert Bearer(answer.json["access"]).get("users/me/").status == 200
    assert refresh(first).status == 401
    assert refresh(answer.json["refresh"]).status == 200


def test_without_rotation_a_token_works_again_and_again(monkeypatch: pytest.MonkeyPatch, wali: Person) -> None:
    # simplejwt does not tell those who have imported its settings that a test changes them.
    monkeypatch.setattr(api_settings, "ROTATE_REFRESH_TOKENS", False)
    token = wali.log_in()["refresh"]
    for _ in range(2):
        answer = refresh(token)
        assert answer.status == 200
        assert answer.json.keys() == {"access"}


def test_the_password_refreshes_as_it_logs_in(wali: Person, visitor: Visitor) -> None:
    answer = visitor.post("users/refresh/", {"email": wali.email, "password": PASSWORD})
    assert answer.status == 200
    assert answer.json.keys() == {"access", "refresh"}

    refusals = [
        visitor.post("users/refresh/", {"email": wali.email, "password": "wrong"}),
        visitor.post("users/refresh/", {"email": "nobody@email.com", "password": PASSWORD}),
        log_in(wali.email, "wrong"),
    ]
    assert {refusal.status for refusal in refusals} == {401}
    assert len({refusal.content for refusal in refusals}) == 1


def test_the_refresh_token_wins_over_the_password(wali: Person, mabel: Person, visitor: Visitor) -> None:
    both = {"refresh": mabel.log_in()["refresh"], "email": wali.email, "password": PASSWORD}
    access = visitor.post("users/refresh/", both).done()["access"]
    assert Bearer(access).get("users/me/").json["username"] == mabel.username
    assert visitor.post("users/refresh/", both).status == 401


def test_a_bearer_alone_mints_nothing(wali: Person) -> None:
    for body in [b"", {}, {"email": wali.email}, {"password": PASSWORD}]:
        assert wali.post("users/refresh/", body).status == 400


def test_a_bearer_does_not_stand_in_for_a_wrong_password(wali: Person) -> None:
    assert wali.post("users/refresh/", {"email": wali.email, "password": "wrong"}).status == 401


@pytest.mark.parametrize("bearer", ["Bearer garbage", "Bearer", "Bearer a b c", "Bearer \xff", "Basic eDp5", ""])
def test_nobody_looks_at_the_bearer_of_those_who_are_about_to_get_one(
    wali: Person, visitor: Visitor, bearer: str
) -> None:
    headers = {"Authorization": bearer}
    tokens = log_in(wali.email, **headers).done()
    for path, body in [
        ("users/signup/", INES),
        ("users/refresh/", {"email": wali.email, "password": PASSWORD}),
        ("users/refresh/", {"refresh": tokens["refresh"]}),
        ("users/logout/", {"refresh": wali.log_in()["refresh"]}),
    ]:
        visitor.ask("POST", path, body, headers=headers).done()


@pytest.mark.django_db(transaction=True)
def test_of_8_uses_of_one_rotating_token_at_once_one_succeeds(wali: Person) -> None:
    token = wali.log_in()["refresh"]
    answers = at_once(*[lambda: refresh(token)] * 8)
    assert Counter(answer.status for answer in answers) == {200: 1, 401: 7}
    [winner] = [answer.json for answer in answers if answer.status == 200]
    assert refresh(winner["refresh"]).status == 200


# Logging out


def test_a_log_out_ends_the_refresh_token_and_leaves_the_access_token_to_its_expiry(wali: Person) -> None:
    tokens = wali.log_in()
    answer = log_out(tokens["refresh"])
    assert (answer.status, answer.content) == (204, b"")
    assert refresh(tokens["refresh"]).status == 401
    assert Bearer(tokens["access"]).get("users/me/").status == 200


def test_a_log_out_ends_no_other_log_in(wali: Person) -> None:
    one, other = wali.log_in(), wali.log_in()
    log_out(one["refresh"]).done()
    assert refresh(other["refresh"]).status == 200


def test_a_log_out_with_a_dead_token_is_401(wali: Person) -> None:
    tokens = wali.log_in()
    used = wali.log_in()["refresh"]
    refresh(used).done()
    log_out(tokens["refresh"]).done()
    for dead in [tokens["refresh"], used, tokens["access"], "garbage", "a.b.c"]:
        answer = log_out(dead)
        assert answer.status == 401
        assert answer.json["code"] == "not_authenticated"


# Tokens that are not what they should be


def test_me_shows_the_caller_and_needs_one(wali: Person, visitor: Visitor) -> None:
    assert wali.get("users/me/").json == {"username": wali.username, "email": "wali@email.com"}
    assert visitor.get("users/me/").status == 401


def forge(token: str, *, key: str | None = None, algorithm: str = "HS256", **changes: Any) -> str:
    """The same claims but for the changes (None removes one), signed anew."""
    payload = {name: value for name, value in {**claims(token), **changes}.items() if value is not None}
    return jwt.encode(payload, settings.SECRET_KEY if key is None else key, algorithm)


def unsigned(token: str) -> str:
    return jwt.encode(claims(token), "", "none")


def with_deep_header(token: str) -> str:
    return ".".join([base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("="), *token.split(".")[1:]])


LONG_AGO = now() - timedelta(days=900)

FORGERIES: dict[str, Callable[[str], str]] = {
    "nothing": lambda token: "",
    "garbage": lambda token: "garbage",
    "three parts of garbage": lambda token: "a.b.c",
    "letters beyond ASCII": lambda token: "é.ü.ß",
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "a signature cut short": lambda token: token[:-5],
    "the algorithm none": unsigned,
    "a wrong key": lambda token: forge(token, key="another secret key that is long enough for this"),
    "another algorithm": lambda token: forge(token, algorithm="HS512"),
    "a header of deep JSON": with_deep_header,
    "expired": lambda token: forge(token, exp=LONG_AGO),
    "without an expiry": lambda token: forge(token, exp=None),
    "without a kind": lambda token: forge(token, token_type=None),
    "of an unknown kind": lambda token: forge(token, token_type="sliding"),
    "without an id": lambda token: forge(token, jti=None),
    "without a user": lambda token: forge(token, user_id=None),
    "of a user who never was": lambda token: forge(token, user_id="987654321"),
    "of a user with another kind of key": lambda token: forge(token, user_id="wali"),
    "of a user whose key is a list": lambda token: forge(token, user_id=[1]),
    "of a user whose key is too big": lambda token: forge(token, user_id="9" * 30),
    "of another password": lambda token: forge(token, stamp="0" * 32),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_access_token_is_401_whatever_is_wrong_with_it(
    wali: Person, visitor: Visitor, forgery: Callable[[str], str]
) -> None:
    token = wali.log_in()["access"]
    assert Bearer(forge(token)).get("users/me/").status == 200
    header = f"Bearer {forgery(token)}".encode().decode("latin-1")
    answer = visitor.ask("GET", "users/me/", headers={"Authorization": header})
    assert answer.status == 401
    assert answer.content == visitor.get("users/me/").content
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "forgery",
    [forgery for name, forgery in FORGERIES.items() if name != "nothing"],
    ids=[name for name in FORGERIES if name != "nothing"],
)
def test_a_forged_refresh_token_is_401_whatever_is_wrong_with_it(wali: Person, forgery: Callable[[str], str]) -> None:
    token = wali.log_in()["refresh"]
    for answer in (refresh(forgery(token)), log_out(forgery(token))):
        assert answer.status == 401
        assert answer.json["code"] == "not_authenticated"
    assert refresh(forge(token)).status == 200


def test_no_kind_of_token_does_the_other_kinds_work(wali: Person) -> None:
    tokens = wali.log_in()
    assert Bearer(tokens["refresh"]).get("users/me/").status == 401
    assert refresh(tokens["access"]).status == 401
    assert refresh(tokens["refresh"]).status == 200


def test_a_password_change_ends_all_tokens(wali: Person) -> None:
    tokens = wali.log_in()
    wali.change_password("new password 456")
    assert Bearer(tokens["access"]).get("users/me/").status == 401
    assert refresh(tokens["refresh"]).status == 401
    assert log_in(wali.email).status == 401
    access = log_in(wali.email, "new password 456").done()["access"]
    assert Bearer(access).get("users/me/").status == 200


def test_a_rotated_secret_key_leaves_those_who_are_logged_in_alone(settings: LazySettings, wali: Person) -> None:
    """As for Django's sessions: the password has not changed."""
    access = wali.log_in()["access"]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next secret key, which is long enough as well"
    assert Bearer(access).get("users/me/").status == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert Bearer(access).get("users/me/").status == 401


def delete(person: Person) -> None:
    person.user.delete()


@pytest.mark.parametrize("end", [Person.deactivate, delete])
def test_the_tokens_of_who_is_no_longer_there_are_dead(
    wali: Person, visitor: Visitor, end: Callable[[Person], None]
) -> None:
    tokens = wali.log_in()
    end(wali)
    refused = Bearer(tokens["access"]).get("users/me/")
    assert refused.status == 401
    assert refused.content == visitor.get("users/me/").content
    for answer in (refresh(tokens["refresh"]), log_out(tokens["refresh"]), log_in(wali.email)):
        assert answer.status == 401
        assert answer.json["code"] == "not_authenticated"


# Sessions


def test_a_session_of_the_site_is_as_good_as_a_token(wali: Person) -> None:
    client = Client()
    client.force_login(wali.user)
    assert client.get("/api/v1/users/me/").json()["username"] == wali.username


def test_a_session_writes_nothing_without_its_csrf_token(wali: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(wali.user)
    refused = client.post("/api/v1/chats/", "{}", content_type="application/json")
    assert refused.status_code == 403
    assert refused.json().keys() == {"detail", "code"}
    assert refused.json()["code"] == "not_allowed"

    token = "x" * 32
    client.cookies["csrftoken"] = token
    headers = {"X-CSRFToken": token}
    accepted = client.post("/api/v1/chats/", "{}", content_type="application/json", headers=headers)
    assert accepted.status_code == 201


def test_a_bad_token_never_falls_back_to_the_session(wali: Person) -> None:
    client = Client()
    client.force_login(wali.user)
    assert client.get("/api/v1/users/me/", headers={"Authorization": "Bearer garbage"}).status_code == 401


# Other people's user models and databases


def test_names_may_be_numbers(monkeypatch: pytest.MonkeyPatch, wali: Person) -> None:
    user_model = get_user_model()
    monkeypatch.setattr(user_model, "USERNAME_FIELD", user_model._meta.pk.name)
    unknown, wrong = ({"email": email, "password": "wrong"} for email in ("nobody@email.com", wali.email))
    refusals = [Visitor().post("users/login/", body) for body in (unknown, wrong)]
    assert refusals[0].status == 401
    assert refusals[0].is_same_as(refusals[1])
    assert wali.log_in()


@pytest.mark.django_db(transaction=True)
def test_a_defect_is_not_taken_for_a_wrong_password(wali: Person) -> None:
    """As where a table is missing."""
    table = OutstandingToken._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(OutstandingToken, table, f"{table}_elsewhere")
    try:
        try:
            status = log_in(wali.email).status
        except DatabaseError:
            status = 500
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(OutstandingToken, f"{table}_elsewhere", table)
    assert status == (500 if connection.vendor == "postgresql" else 503)


def test_no_email_is_an_empty_one(wali: Person) -> None:
    wali.user.email = None
    assert users.email(wali.user) == ""
