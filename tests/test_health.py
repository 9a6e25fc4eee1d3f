"""Whether requests can be served, as load balancers ask."""

from __future__ import annotations

import threading
import time

import pytest
import yaml
from django.conf import LazySettings
from django.db import connection

from django_bpo_chat import health
from tests.fixtures import Configure
from tests.person import Visitor
from tests.test_docs import DOCS, blocks

on_postgres = pytest.mark.skipif("config.getoption('db') != 'postgres'", reason="SQLite keeps nobody waiting.")


@pytest.mark.django_db
def test_who_can_serve_says_so_and_nothing_else(visitor: Visitor) -> None:
    answer = visitor.get("health/")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert visitor.ask("HEAD", "health/").status == 200


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{"Authorization": "Bearer dead"}, {"Accept": "text/html"}, {"Accept": "?"}])
def test_it_matters_neither_who_asks_nor_what_they_accept(visitor: Visitor, headers: dict[str, str]) -> None:
    assert visitor.ask("GET", "health/", headers=headers).status == 200


@pytest.mark.django_db
def test_one_may_ask_as_often_as_one_likes(configure: Configure, settings: LazySettings, visitor: Visitor) -> None:
    throttle = "rest_framework.throttling.AnonRateThrottle"
    settings.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"anon": "1/day"}}
    configure(RATES={"read": "1/h"}, THROTTLE_CLASSES=[throttle])
    assert [visitor.get("health/").status for _ in range(3)] == [200] * 3


@on_postgres
@pytest.mark.django_db(transaction=True)
def test_no_connection_is_left_behind(visitor: Visitor) -> None:
    def others() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    before = others()
    for _ in range(20):
        assert visitor.get("health/").status == 200
    deadline = time.monotonic() + 10
    while others() > before:  # PostgreSQL takes a moment to see them off
        assert time.monotonic() < deadline
        time.sleep(0.05)


@on_postgres
@pytest.mark.django_db(transaction=True)
def test_while_an_answer_is_awaited_nobody_asks_again_but_once_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch, visitor: Visitor
) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.1)
    monkeypatch.setattr(health, "GIVEN_UP_SECONDS", 0.5)
    asked, answers = [], threading.Event()

    def hang(alias: str) -> None:
        asked.append(alias)
        answers.wait(10)

    with monkeypatch.context() as patch:
        patch.setattr(health, "_ask", hang)
        assert [visitor.get("health/").status for _ in range(3)] == [503] * 3
        assert len(asked) == 1
    time.sleep(0.5)
    assert visitor.get("health/").status == 200
    answers.set()


@on_postgres
@pytest.mark.django_db(transaction=True)
def test_where_no_thread_is_to_be_had_it_is_told_and_forgotten(
    monkeypatch: pytest.MonkeyPatch, visitor: Visitor
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    for _ in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            assert visitor.get("health/").status == 503
    assert visitor.get("health/").status == 200


@pytest.mark.django_db
def test_the_probe_of_the_deployment_page_is_answered(settings: LazySettings, visitor: Visitor) -> None:
    [block] = blocks(DOCS / "deployment.md", "yaml")
    probe = yaml.safe_load(block.text)["readinessProbe"]["httpGet"]
    headers = {header["name"]: header["value"] for header in probe["httpHeaders"]}
    settings.ALLOWED_HOSTS = [headers["Host"]]
    assert visitor.ask("GET", probe["path"], headers=headers).status == 200
    assert visitor.get(probe["path"]).status == 400, "the header is needed"
