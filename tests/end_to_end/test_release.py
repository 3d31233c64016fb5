"""A release of knowledge by command: what the dry run says is what happens, to whom it may happen, and a rollback brings all of it back."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.demo.make import DemoFiles
from processors.land import releases
from streams.cli.release_view import status_json
from streams.failpoints import VARIABLE, FailPoint

pytestmark = pytest.mark.broker

FINDINGS = """
    SELECT f.sample_id, f.allele_id, f.clinvar, f.class, f.frequency, f.score, arraySort(f.reasons) FROM finding_current AS f
    ORDER BY f.sample_id, f.allele_id, f.record"""
VARIANTS = """
    SELECT sample_id, allele_id, record, clinvar, clinvar_answer, frequency, frequency_answer, score FROM variant
    ORDER BY sample_id, allele_id, record"""
RECLASSIFIED = ("sample_id", "contig", "position", "ref", "alt", "tier", "old_class", "new_class", "old_clinvar", "new_clinvar", "finding")
STANDS = "SELECT sample_id, revision_id FROM sample_current ORDER BY sample_id"
THIRD = 3
"""The delta in which control kills itself: a release and its rollback are two."""


def later(world: DemoFiles, target: Path) -> Path:
    """The world's ClinVar a year later: every second record reads otherwise, every fifth is gone."""
    lines = gzip.decompress(world.clinvar.read_bytes()).decode().splitlines(keepends=True)
    head, rows = [line for line in lines if line.startswith("#")], [line for line in lines if not line.startswith("#")]
    other = {"Pathogenic": "Uncertain_significance", "Benign": "Pathogenic"}
    changed = [
        re.sub(r"CLNSIG=(\w+)", lambda found: f"CLNSIG={other.get(found[1], 'Benign')}", row) if number % 2 else row
        for number, row in enumerate(rows)
        if number % 5
    ]
    target.write_text("".join(head + changed))
    return target


class Told:
    """What a stack's `results` say of reclassifications, by revision."""

    def __init__(self, stack: Any) -> None:
        lines = [
            json.loads(line)
            for line in stack.run("subscribe", "--from", "beginning", "--to-end", "--filter", "type=Reclassified").splitlines()
        ]
        self.by_id: dict[str, dict[str, Any]] = {}
        for line in lines:
            known = self.by_id.setdefault(line["id"], line)
            assert {**known, "offset": 0, "partition": 0} == {**line, "offset": 0, "partition": 0}, "one id, two contents"

    def of(self, revisions: set[str]) -> Counter[tuple[Any, ...]]:
        """(what RECLASSIFIED names) of every event of some revisions → how many ids say so."""
        return Counter(tuple(line[name] for name in RECLASSIFIED) for line in self.by_id.values() if line["revision_id"] in revisions)


def recorded(stack: Any, revisions: set[str]) -> Counter[tuple[Any, ...]]:
    """The rows of `reclassified` that some revisions have to tell."""
    ids = ", ".join(f"'{revision}'" for revision in sorted(revisions))
    told = f"revision_id IN ({ids}) AND (tier >= 1 OR finding = 'removed')"
    return Counter(stack.rows(f"SELECT {', '.join(RECLASSIFIED).replace('position', 'start + 1')} FROM reclassified FINAL WHERE {told}"))


def wait_until(stack: Any, state: str, seconds: float = 120) -> dict[str, Any]:
    """The newest release once it is in a state, as `knowledge status --json` has it; asked without the start of a command."""
    deadline = time.monotonic() + seconds
    while True:
        with stack.client() as client:
            newest = status_json(*releases.releases(client, kind="clinvar")[-1])
        if newest["state"] == state:
            return newest
        assert time.monotonic() < deadline, newest
        time.sleep(0.3)


def test_a_release_does_what_its_dry_run_says_a_rollback_undoes_it_and_a_death_changes_nothing(
    start_stack: Callable[..., Any], add_world: Callable[[Any], None], world: DemoFiles, tmp_path: Path
) -> None:
    mark = tmp_path / "died"
    stack = start_stack([tmp_path.parent.parent], {VARIABLE: f"{FailPoint.DELTA_ROWS}:{THIRD}:{mark}"})
    add_world(stack)
    first, *others = sorted(world.people)
    stack.run("submit", world.people[first], "--build", world.build, "--reanalysis", "refused", "--wait")
    stack.run("submit", *(world.people[name] for name in others), "--build", world.build, "--reanalysis", "allowed", "--wait")
    refused = stack.sample_id(first)
    before, calls, stands = stack.rows(FINDINGS), stack.rows(VARIANTS), stack.rows(STANDS)
    at = ("--build", world.build)
    file = later(world, tmp_path / "later.vcf")

    told = stack.json("knowledge", "release", "clinvar", file, *at, "--version", "2", "--date", "2018-01-31", "--dry-run")
    assert stack.rows(STANDS) == stands
    assert (told["samples"], told["opted_out"], told["unreachable"], told["refused"]) == (len(others), 1, 0, "")
    assert told["touched"] > 0
    assert sum(told["reclassified"].values()) > 0

    done = stack.json("knowledge", "release", "clinvar", *at, "--version", "2", "--wait")
    assert (done["state"], done["samples"], done["samples_done"]) == ("done", told["samples"], told["samples"])
    assert (done["samples_touched"], done["reclassified"]) == (told["touched"], told["reclassified"])
    assert {key: done["keys"][key] for key in ("added", "removed", "changed")} == {
        key: told["diff"][key] for key in ("added", "removed", "changed")
    }
    assert "1 samples take no part" in done["detail"]
    after, after_calls, moved = stack.rows(FINDINGS), stack.rows(VARIANTS), dict(stack.rows(STANDS))
    assert after != before
    assert [row for row in after if row[0] == refused] == [row for row in before if row[0] == refused]
    assert moved[refused] == dict(stands)[refused]
    assert stack.json("status", first)["reanalysis"] == "refused"

    older = ("knowledge", "release", "clinvar", file, *at, "--version", "0", "--date", "2017-01-31")
    assert "older than the active" in stack.refused(*older, code=3)
    assert stack.rows(FINDINGS) == after

    assert stack.json("knowledge", "rollback", "clinvar", *at, "--wait")["direction"] == "rollback"
    assert stack.rows(FINDINGS) == before
    assert stack.rows(VARIANTS) == calls
    back = dict(stack.rows(STANDS))

    stack.run("knowledge", "pause", *at)
    stack.run("knowledge", "release", "clinvar", *at, "--version", "2")
    assert wait_until(stack, "paused")["samples_done"] == 0
    assert stack.rows(FINDINGS) == before
    assert not mark.exists()
    stack.run("knowledge", "resume", *at)  # control is killed where the rows are written and not published
    assert wait_until(stack, "done")["reclassified"] == done["reclassified"]
    assert mark.exists()
    assert stack.restarts()["control"] >= 1
    assert stack.rows(FINDINGS) == after
    assert stack.rows(VARIANTS) == after_calls
    again = dict(stack.rows(STANDS))

    events = Told(stack)
    steps = [{steps[sample] for sample in steps if sample != refused} for steps in (moved, back, again)]
    assert len(set.union(*steps)) == sum(map(len, steps))
    for revisions in steps:
        assert events.of(revisions) == recorded(stack, revisions)
        assert set(events.of(revisions).values()) == {1}
    assert events.of(steps[0]) == events.of(steps[2])
    tiers = Counter(str(event[5]) for event in events.of(steps[0]).elements() if event[5])
    assert tiers == done["reclassified"]
    assert not any(event["sample_id"] == refused for event in events.by_id.values())
    assert "nothing to do" in stack.run("knowledge", "release", "clinvar", *at, "--version", "2")
