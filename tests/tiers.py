"""pytest plugin (`-p tests.tiers`): how many seconds each tier of the tests took, set-up and tear-down included.

`--tiers-to FILE` writes the same, and which files were read, for `tests.run`, which puts several runs together.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

TIERS = ("soak", "broker", "real data", "multi-process", "unit and property")


def tier_of(item: pytest.Item) -> str:
    """The tier of a test: by its marks, else by the fixtures that start processes."""
    if item.get_closest_marker("soak"):
        return "soak"
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("real_data") or "real_data" in fixtures:
        return "real data"
    if item.get_closest_marker("broker") or fixtures & {"kafka", "start_stack"}:
        return "broker"
    if fixtures & {"clickhouse", "server", "engine"} or "deploy" in item.path.parts:
        return "multi-process"
    return "unit and property"


def lines(seconds: Mapping[str, float], tests: Mapping[str, int]) -> Iterator[str]:
    """One line a tier."""
    for tier in TIERS:
        if tier in seconds:
            yield f"tier {tier}: {seconds[tier]:.1f} s, {tests[tier]} tests"


class Tiers:
    """Sums what every phase of every test took."""

    def __init__(self) -> None:
        self._tier: dict[str, str] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._tests: dict[str, int] = defaultdict(int)
        self._files: set[str] = set()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.nodeid.endswith(".py"):
            self._files.add(report.nodeid)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._tier = {item.nodeid: tier_of(item) for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tier = self._tier.get(report.nodeid, TIERS[-1])
        self._seconds[tier] += report.duration
        self._tests[tier] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("seconds of each tier")
        for line in lines(self._seconds, self._tests):
            terminalreporter.write_line(line)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if path := session.config.getoption("--tiers-to"):
            Path(path).write_text(json.dumps({"seconds": self._seconds, "tests": self._tests, "files": sorted(self._files)}))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tiers-to", metavar="FILE", default="", help="write the seconds of each tier and the files read as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Tiers(), "riverseq-tiers")
