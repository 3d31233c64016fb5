"""pytest plugin (`-p tests.tiers`): how many seconds each tier of the tests took, set-up and tear-down included."""

from __future__ import annotations

from collections import defaultdict

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


class Tiers:
    """Sums what every phase of every test took."""

    def __init__(self) -> None:
        self._tier: dict[str, str] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._tests: dict[str, int] = defaultdict(int)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._tier = {item.nodeid: tier_of(item) for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tier = self._tier.get(report.nodeid, TIERS[-1])
        self._seconds[tier] += report.duration
        self._tests[tier] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("seconds of each tier")
        for tier in TIERS:
            if tier in self._seconds:
                terminalreporter.write_line(f"tier {tier}: {self._seconds[tier]:.1f} s, {self._tests[tier]} tests")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Tiers(), "riverseq-tiers")
