"""What the tests of the promises have done and seen, as Markdown. A plugin of pytest, with the options of these tests.

It is printed when they have run, and written to the file that ``--report`` names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .checker import Journal

PROMISES = (
    "201 means durable",
    "a retry is safe for ever",
    "order has no hole",
    "HTTP works without the bus",
    "no silent hole in a live view",
    "resume after a long absence",
    "a stalled reader hurts nobody",
    "removed means removed",
    "rolling restart",
    "the database goes away",
)
CHECKER = "the checker"
"""No promise of the package; but the others are worth what it is worth."""

COLUMNS = ("test", "fault", "asked", "ok", "unknown", "failed", "complete after", "seen", "took", "result")
PROPERTY = "findings"

Scale = Callable[[int, int], int]


class Findings:
    """What one test has to tell."""

    def __init__(self, promise: str) -> None:
        assert promise in {*PROMISES, CHECKER}, promise
        self.told = {"promise": promise}

    def inject(self, fault: str) -> None:
        """Name the fault, and how often or for how long it is there."""
        self.told["fault"] = fault

    def count(self, *journals: Journal) -> None:
        """How many messages were asked to be sent, and what became of that."""
        asks = [ask for journal in journals for ask in journal.asks]
        outcomes = Counter(ask.outcome for ask in asks)
        self.told |= {"asked": f"{len(asks)}"}
        self.told |= {outcome: f"{outcomes[outcome]}" for outcome in ("ok", "unknown", "failed")}

    def complete(self, seconds: float) -> None:
        """How long the views took to become complete."""
        self.told["complete after"] = f"{seconds:.1f} s"

    def see(self, text: str) -> None:
        """Anything else that was measured."""
        self.told["seen"] = "; ".join(filter(None, [self.told.get("seen"), text]))


class Report:
    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, dict[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties).get(PROPERTY)
        if isinstance(told, dict) and "fault" in told and (report.when == "call" or not report.passed):
            _, _, test = report.nodeid.rpartition("::")
            row = {"test": test.removeprefix("test_"), "took": f"{report.duration:.1f} s", "result": report.outcome}
            self._rows[report.nodeid] = {**told, **row}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._rows:
            return
        text = self.markdown()
        terminalreporter.section("Promises")
        terminalreporter.write_line(text)
        if self._path is not None:
            self._path.write_text(text)

    def markdown(self) -> str:
        return "\n".join(line for promise in PROMISES for line in self._section(promise))

    def _section(self, promise: str) -> Iterator[str]:
        rows = [row for row in self._rows.values() if row["promise"] == promise]
        if rows:
            columns = [column for column in COLUMNS if any(column in row for row in rows)]
            yield f"## {promise[0].upper()}{promise[1:]}\n"
            yield _line(columns)
            yield _line(["---"] * len(columns))
            for row in rows:
                yield _line([row.get(column, "") for column in columns])
            yield ""


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--seed", type=int, default=1, help="What the dice of the faults begin with.")
    group.addoption("--long", action="store_true", help="Inject as many faults as the design names, under more load.")
    group.addoption("--report", type=Path, help="Where to write what the tests of the promises have seen.")


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")  # of pytest-xdist, whose controller hears all
    if not is_worker:
        config.pluginmanager.register(Report(config.getoption("report")))
