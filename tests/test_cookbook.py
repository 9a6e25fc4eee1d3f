"""Each recipe of the cookbook, as a site's adapter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.utils import timezone

from tests.fixtures import Configure
from tests.person import Person, only_with
from tests.test_docs import DOCS, file

pytestmark = [only_with("people.User"), pytest.mark.django_db]

COOKBOOK = DOCS / "cookbook.md"

NameAdapter = Callable[[Path, str], None]


@pytest.fixture
def name_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: Configure) -> NameAdapter:
    """Have the adapter in a page's file be the site's."""

    def name(page: Path, path: str) -> None:
        text = file(page, path)
        module = f"documented_{Path(path).stem}"
        (tmp_path / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        [adapter] = re.findall(r"^class (\w+)\(Adapter\)", text, re.MULTILINE)
        configure(ADAPTER=f"{module}.{adapter}")

    return name


def test_pupils_write_to_teachers_only(name_adapter: NameAdapter, wali: Person, mabel: Person, otis: Person) -> None:
    name_adapter(COOKBOOK, "mysite/school.py")
    wali.user.groups.add(Group.objects.create(name="teachers"))
    uri = wali.start(mabel, otis, title="Class 4b")
    mabel.send(uri)
    wali.post("chats/", {"username": "mabel"}).done()
    assert mabel.post("chats/", {"username": "otis"}).json.keys() == {"username"}
    assert mabel.post("chats/", {"title": "Ours"}).status == 403


def test_some_join_by_an_address(name_adapter: NameAdapter, wali: Person, mabel: Person) -> None:
    name_adapter(COOKBOOK, "mysite/doors.py")
    uri = wali.start()
    assert mabel.patch(f"chats/{uri}/", {}).status == 404
    mabel.user.user_permissions.add(Permission.objects.get(codename="add_membership"))
    mabel.join(uri)


@pytest.fixture
def allowance(name_adapter: NameAdapter) -> Iterator[None]:
    """Two chats a day, of which nothing has been counted yet."""
    cache.clear()
    name_adapter(COOKBOOK, "mysite/allowance.py")
    yield
    cache.clear()


@pytest.mark.usefixtures("allowance")
def test_two_chats_a_day(wali: Person, mabel: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (201, 201, 403):
        assert wali.post("chats/", {}).status == status
    mabel.start()
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    assert wali.post("chats/", {}).status == 201


@pytest.mark.usefixtures("allowance")
def test_two_chats_a_day_are_two_personal_ones_too(wali: Person, mabel: Person, otis: Person) -> None:
    others = [mabel, otis, Person("ines")]
    assert [wali.post("chats/", {"username": other.username}).status for other in others] == [201, 201, 403]
    assert wali.post("chats/", {"username": mabel.username}).status == 200


@pytest.mark.usefixtures("allowance")
def test_two_chats_a_day_are_two_also_for_whoever_leaves_them(wali: Person) -> None:
    for _ in range(2):
        wali.leave(wali.start())
    assert wali.post("chats/", {}).status == 403


def test_words_that_nobody_should_read(name_adapter: NameAdapter, wali: Person) -> None:
    name_adapter(COOKBOOK, "mysite/words.py")
    uri = wali.start()
    assert wali.send(uri, "Heck, where is it?")["message"] == "***, where is it?"
    assert wali.edit(uri, 1, "darn")["message"] == "***"
    refused = wali.post(f"chats/{uri}/messages/", {"message": "darn heck darn"})
    assert (refused.status, refused.json) == (400, {"message": ["Please be polite."]})
