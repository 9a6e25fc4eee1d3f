"""Accounts from before sign-up kept emails apart: Django's own user model allows two with one email, or with none."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from tests.person import PASSWORD, Answer, Bearer, Person, Visitor, only_with

pytestmark = [pytest.mark.users, only_with("auth.User")]


def with_email(person: Person, email: str) -> None:
    get_user_model().objects.filter(pk=person.user.pk).update(email=email)


def log_in(email: str, password: str = PASSWORD) -> Answer:
    return Visitor().post("users/login/", {"email": email, "password": password})


def sign_up(username: str = "ines", email: str = "ines@email.com") -> Answer:
    body = {"username": username, "email": email, "password": PASSWORD, "password2": PASSWORD}
    return Visitor().post("users/signup/", body)


def who_logs_in(email: str) -> str:
    username: str = Bearer(log_in(email).done()["access"]).get("users/me/").done()["username"]
    return username


def test_of_two_emails_that_differ_in_case_each_is_known_as_it_is_written(wali: Person, mabel: Person) -> None:
    with_email(mabel, "Wali@email.com")
    assert who_logs_in("wali@email.com") == "wali"
    assert who_logs_in("Wali@email.com") == "mabel"
    assert log_in("WALI@email.com").status == 401


COMPOSED, DECOMPOSED, WIDE = "wali@exämple.com", "wali@exa\u0308mple.com", "ｗali@email.com"


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        (DECOMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        (DECOMPOSED, "Ｗali@EXämple.com"),
        (DECOMPOSED.upper(), COMPOSED.upper()),
        (COMPOSED, DECOMPOSED),
        (WIDE, WIDE),
        ("wali@email.com", WIDE),
    ],
    ids=ascii,
)
def test_an_email_is_one_whatever_unicode_form_it_was_stored_in(wali: Person, stored: str, written: str) -> None:
    with_email(wali, stored)
    assert who_logs_in(written) == "wali"
    answer = sign_up(email=written)
    assert (answer.status, answer.json.keys()) == (400, {"email"})


@pytest.mark.parametrize(("stored", "written"), [("ine\u0301s", "inés"), ("ine\u0301s", "INéS"), ("ｉnes", "ｉnes")])
def test_a_name_is_taken_whatever_unicode_form_it_was_stored_in(wali: Person, stored: str, written: str) -> None:
    get_user_model().objects.filter(pk=wali.user.pk).update(username=stored)
    answer = sign_up(username=written)
    assert (answer.status, answer.json.keys()) == (400, {"username"})


def test_of_two_emails_that_differ_in_unicode_form_each_is_known_as_it_is_written(wali: Person, mabel: Person) -> None:
    with_email(wali, COMPOSED)
    with_email(mabel, DECOMPOSED)
    assert who_logs_in(COMPOSED) == "wali"
    assert who_logs_in(DECOMPOSED) == "mabel"
    assert who_logs_in(COMPOSED.replace("w", "ｗ")) == "wali"
    assert log_in(COMPOSED.replace("w", "W")).status == 401


def test_an_email_of_two_logs_nobody_in_and_looks_unknown(wali: Person, mabel: Person) -> None:
    mabel.change_password("another password")
    with_email(mabel, "wali@email.com")
    unknown = log_in("nobody@email.com")
    assert unknown.status == 401
    for password in [PASSWORD, "another password"]:
        assert log_in("wali@email.com", password).is_same_as(unknown)


def test_whoever_is_logged_in_stays_so_when_their_email_becomes_anothers_too(wali: Person, mabel: Person) -> None:
    token = wali.log_in()["refresh"]
    with_email(mabel, "wali@email.com")
    access = Visitor().post("users/refresh/", {"refresh": token}).done()["access"]
    assert Bearer(access).get("users/me/").json["username"] == "wali"


@pytest.mark.parametrize("email", ["wali@email.com", "Wali@email.com"])
def test_nobody_signs_up_with_an_email_that_two_have(wali: Person, mabel: Person, email: str) -> None:
    with_email(mabel, email)
    answer = sign_up(email="WALI@email.com")
    assert (answer.status, answer.json.keys()) == (400, {"email"})


def test_who_has_no_email_does_not_log_in_with_none(wali: Person) -> None:
    with_email(wali, "")
    assert [log_in(email).status for email in ["", " ", "\u3000"]] == [400, 401, 401]
