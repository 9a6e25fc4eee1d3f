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


def who_logs_in(email: str) -> str:
    username: str = Bearer(log_in(email).done()["access"]).get("users/me/").done()["username"]
    return username


def test_of_two_emails_that_differ_in_case_each_is_known_as_it_is_written(wali: Person, mabel: Person) -> None:
    with_email(mabel, "Wali@email.com")
    assert who_logs_in("wali@email.com") == "wali"
    assert who_logs_in("Wali@email.com") == "mabel"
    assert log_in("WALI@email.com").status == 401


def test_an_email_of_two_logs_nobody_in_and_looks_unknown(wali: Person, mabel: Person) -> None:
    mabel.user.set_password("another password")
    mabel.user.save()
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
    body = {"username": "ines", "email": "WALI@email.com", "password": PASSWORD, "password2": PASSWORD}
    answer = Visitor().post("users/signup/", body)
    assert (answer.status, answer.json.keys()) == (400, {"email"})


def test_who_has_no_email_does_not_log_in_with_none(wali: Person) -> None:
    with_email(wali, "")
    assert [log_in(email).status for email in ["", " ", "\u3000"]] == [400, 401, 401]
