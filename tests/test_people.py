"""Searching for people: whom one may find, and by what."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.db.models import Model, QuerySet
from django.test.utils import CaptureQueriesContext
from rest_framework.pagination import CursorPagination

from django_bpo_chat import access
from django_bpo_chat.adapter import Adapter
from tests.fixtures import Configure, Meet
from tests.person import Person, chosen_handles, given_handles, only_with

pytestmark = pytest.mark.users


def found(person: Person, beginning: str | None = None) -> list[str]:
    query = {} if beginning is None else {"q": beginning}
    return [row["username"] for row in person.get("people/", **query).done()["results"]]


def names(*people: Person) -> list[str]:
    return sorted(person.username for person in people)


class OpenHouse(Adapter):
    """Everybody may be found."""

    def people(self, actor: AbstractBaseUser) -> QuerySet[Any]:
        return get_user_model()._default_manager.all()


@pytest.fixture
def open_house(configure: Configure) -> None:
    configure(ADAPTER=f"{__name__}.OpenHouse")


def test_one_finds_those_with_whom_one_shares_a_chat(wali: Person, mabel: Person, otis: Person, meet: Meet) -> None:
    ines, olga, luca = meet("ines", "olga", "luca")
    uri = wali.start(mabel, otis)
    mabel.start(wali, luca)
    ines.start_direct(wali)
    olga.start(mabel)
    assert found(wali) == names(mabel, otis, ines, luca)
    otis.leave(uri)
    assert found(wali) == names(mabel, ines, luca)
    assert found(otis) == []
    wali.leave(uri)
    assert found(wali) == names(mabel, ines, luca)


def test_a_search_looks_like_this(wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    answer = wali.get("people/", q=mabel.username[:2])
    assert answer.json == {"next": None, "previous": None, "results": [{"username": mabel.username}]}


def test_names_begin_with_what_is_asked_for(wali: Person, mabel: Person, otis: Person) -> None:
    wali.start(mabel, otis)
    for person in (mabel, otis):
        beginnings = (person.username[:20], person.username, person.username.upper(), person.username[:20].title())
        for beginning in beginnings:
            assert found(wali, beginning) == [person.username], beginning
    for beginning in (mabel.username[1:], f"{mabel.username}x", f" {mabel.username}", "mabel@email.com", "@"):
        assert mabel.username not in found(wali, beginning), beginning
    assert found(wali, "") == names(mabel, otis)


@chosen_handles
def test_what_means_something_to_a_database_means_itself(wali: Person, meet: Meet) -> None:
    people = meet("ma_bel", "ma%bel", "maxbel", "ma\\bel")
    wali.start(*people)
    for person in people[:2]:
        assert found(wali, person.username[:3]) == [person.username]
    assert found(wali, "ma\\") == ["ma\\bel"]
    assert found(wali, "%") == found(wali, "_") == found(wali, "'") == []


def test_odd_beginnings_are_no_defect(wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    nul = wali.get("people/?q=a%00b")
    assert (nul.status, nul.json.keys()) == (400, {"q"})
    too_long = wali.get("people/", q="x" * 256)
    assert (too_long.status, too_long.json.keys()) == (400, {"q"})
    for beginning in (
        "%ED%A0%80",
        "%FF",
        "x" * 255,
        "%F0%9F%91%8D" * 255,
        "9" * 255,
        "1e3x",
        "0x",
        quote("\u202e"),
    ):
        assert wali.get(f"people/?q={beginning}").done()["results"] == [], beginning
    for cursor in ("x", "bm8", "W10"):
        assert wali.get("people/", cursor=cursor).json.keys() == {"cursor"}


@pytest.mark.parametrize("key", ["\0", "\ud800", 5, None, 1.5, [], {}, "x" * 10_000, "9" * 30, -1, True], ids=ascii)
def test_an_invented_cursor_is_no_defect(wali: Person, mabel: Person, key: Any) -> None:
    wali.start(mabel)
    for backwards in (0, 1):
        cursor = base64.urlsafe_b64encode(json.dumps([backwards, key]).encode()).decode().rstrip("=")
        for path in ("people/", "blocks/", "chats/"):
            assert wali.get(path, cursor=cursor).status in {200, 400}, path


def test_nobody_finds_themselves_or_whoever_is_inactive(wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    assert found(wali) == [mabel.username]
    mabel.deactivate()
    assert found(wali) == []


def test_neither_finds_the_other_where_one_blocks_the_other(wali: Person, mabel: Person, otis: Person) -> None:
    wali.start(mabel, otis)
    wali.block(mabel)
    assert (found(wali), found(mabel)) == (names(otis), names(otis))
    assert found(otis) == names(wali, mabel)
    wali.unblock(mabel)
    assert found(mabel) == names(wali, otis)


def test_the_adapter_says_who_may_be_found(open_house: None, wali: Person, mabel: Person, otis: Person) -> None:
    otis.block(wali)
    assert found(wali) == names(mabel)


class ReadsElsewhere:
    """A site's router, with a replica of its users."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return "replica" if model is get_user_model() else None


def test_a_replica_is_not_asked(open_house: None, settings: LazySettings, wali: Person, mabel: Person) -> None:
    settings.DATABASE_ROUTERS = [ReadsElsewhere()]
    assert list(access.people(wali.user, "")) == [mabel.user]


def test_a_card_is_shown_and_never_an_email(wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    answer = wali.get("people/")
    assert answer.json["results"] and mabel.email not in answer.content.decode()


def test_people_are_paged_there_and_back(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(7)
    wali.start(*people)
    seen, page = [], wali.get("people/", limit=3).done()
    while True:
        seen += [row["username"] for row in page["results"]]
        if page["next"] is None:
            break
        page = wali.get(page["next"]).done()
    assert seen == names(*people)
    back = wali.get(page["previous"]).done()
    assert [row["username"] for row in back["results"]] == names(*people)[3:6]


def test_a_page_of_a_search_leads_to_its_next(wali: Person, crowd: Callable[[int], Sequence[Person]]) -> None:
    people = crowd(4)
    wali.start(*people, Person("zoe"))
    beginning = "p" if people[0].username.startswith("p") else ""
    page = wali.get("people/", q=beginning, limit=2).done()
    following = wali.get(page["next"]).done()
    assert len({row["username"] for row in [*page["results"], *following["results"]]}) == 4
    if beginning:
        assert following["next"] is None


class NewestFirst(CursorPagination):
    page_size = 2
    ordering = "-pk"


def test_a_site_may_page_them_in_its_own_way(
    configure: Configure, wali: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    people = crowd(3)
    wali.start(*people)
    for person in people:
        wali.block(person)
    configure(PAGINATION_CLASS=f"{__name__}.NewestFirst", ADAPTER=f"{__name__}.OpenHouse")
    for asking, path in [(wali, "blocks/"), (people[0], "people/")]:
        first = asking.get(path).done()
        second = asking.get(first["next"]).done() if first["next"] else {"results": []}
        listed = {row["username"] for row in first["results"] + second["results"]}
        assert listed == {person.username for person in (people if asking is wali else people[1:])}


@given_handles
def test_keys_are_found_as_they_are_written(wali: Person, mabel: Person) -> None:
    wali.start(mabel)
    assert found(wali, mabel.username[:12]) == [mabel.username]


@only_with("people.User")
def test_numbers_are_handles_too(configure: Configure, meet: Meet) -> None:
    configure(HANDLE_FIELD="id", ADAPTER=f"{__name__}.OpenHouse")
    person, *others = meet(*(f"person{n}" for n in range(12)))
    for each in (person, *others):
        each.username = str(each.user.pk)
    beginning = others[0].username[:1]
    expected = [each.user.pk for each in others if each.username.startswith(beginning)]
    assert [int(name) for name in found(person, beginning)] == expected
    assert found(person, "x") == []
    page = person.get("people/", limit=4).done()
    following = person.get(page["next"]).done()
    rows = [int(row["username"]) for row in [*page["results"], *following["results"]]]
    assert rows == [each.user.pk for each in others[:8]]


def test_a_search_costs_the_same_for_many_as_for_few(
    wali: Person, mabel: Person, crowd: Callable[[int], Sequence[Person]]
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            wali.get("people/", limit=200).done()
        return len(queries)

    wali.start(mabel)
    assert wali.access
    before = asked()
    for person in crowd(20):
        person.start(wali, mabel)
    assert asked() == before
