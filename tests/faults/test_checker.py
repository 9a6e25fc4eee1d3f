"""The checker finds each of the defects that it is there for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.clients import View

from .checker import Ask, contradictions, differences
from .report import CHECKER

pytestmark = pytest.mark.faults(CHECKER)

URI = "chat"


def row(seq: int, author: str = "wali", **values: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "user": {"username": author},
        "client_id": f"{author}-{seq}",
        "message": f"{author} says {seq}",
        "created_at": f"2026-01-01T00:00:0{seq}Z",
        **values,
    }


def history_of(*rows: dict[str, Any]) -> View:
    history = View()
    history.version = 10
    history.messages = {each["seq"]: each for each in rows}
    history.members = {"wali": {"username": "wali", "left": False}}
    history.details = {"title": "Picnic"}
    return history


def ask(seq: int, **values: Any) -> Ask:
    return Ask(
        **{"author": "wali", "client_id": f"wali-{seq}", "texts": [f"wali says {seq}"], "outcome": "ok", **values}
    )


@pytest.mark.parametrize(
    ("asks", "rows", "complaint"),
    [
        ([ask(1), ask(2)], [row(1)], "acknowledged, but not stored"),
        ([ask(1, outcome="failed")], [row(1)], "refused, but stored"),
        ([ask(1)], [row(1), row(2, client_id="wali-1")], "stored twice"),
        ([ask(1), ask(3)], [row(1), row(3)], "seq has a hole"),
        ([ask(2)], [row(2)], "seq has a hole"),
        ([ask(1)], [row(1, message="something else")], "stored with another text"),
        ([ask(1, row=row(2))], [row(1)], "acknowledged as another row"),
        ([], [row(1)], "nobody has sent it"),
        ([ask(1)], [row(1, author="mabel", client_id="wali-1")], "acknowledged, but not stored"),
    ],
)
def test_it_finds(asks: Sequence[Ask], rows: Sequence[dict[str, Any]], complaint: str) -> None:
    assert complaint in "\n".join(contradictions(asks, history_of(*rows)))


def test_it_does_not_complain_of_what_may_be() -> None:
    asks = [
        ask(1),
        ask(2, outcome="unknown"),
        ask(4, outcome="unknown"),
        ask(5, outcome="failed"),
        ask(3, texts=["wali says 3", "wali has said 3"], row=row(3)),
    ]
    assert not list(contradictions(asks, history_of(row(1), row(2), row(3, message="wali has said 3"))))


class Somebody:
    """As much of a client as has a view."""

    username = "wali"

    def __init__(self, view: View) -> None:
        self.views = {URI: view}


def lose_message(view: View) -> None:
    del view.messages[1]


def show_old_text(view: View) -> None:
    view.messages[1] = row(1, message="as it was before an edit")


def show_twice(view: View) -> None:
    view.messages[3] = row(3, message=view.messages[1]["message"])


def lose_member(view: View) -> None:
    view.members.clear()


def keep_member(view: View) -> None:
    view.members["otis"] = {"username": "otis", "left": False}


def keep_title(view: View) -> None:
    view.details = {"title": "The old one"}


def lag(view: View) -> None:
    view.version = 9


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lose_message, "messages [1] differ"),
        (show_old_text, "messages [1] differ"),
        (show_twice, "sees twice"),
        (lose_member, "members ['wali'] differ"),
        (keep_member, "members ['otis'] differ"),
        (keep_title, "details ['title'] differ"),
        (lag, "is at version 9 of 10"),
    ],
)
def test_it_sees(spoil: Callable[[View], None], complaint: str) -> None:
    view, history = history_of(row(1), row(2)), history_of(row(1), row(2))
    view.members["ines"] = {"username": "ines", "left": True}
    assert not list(differences(Somebody(view), URI, history))
    spoil(view)
    assert complaint in "\n".join(differences(Somebody(view), URI, history))
