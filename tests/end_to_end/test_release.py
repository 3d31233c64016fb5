"""A release of knowledge by command: what the dry run says is what happens, to whom it may happen, and a rollback brings all of it back."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.demo.make import DemoFiles

pytestmark = pytest.mark.broker

FINDINGS = """
    SELECT f.sample_id, f.allele_id, f.clinvar, f.class, f.frequency, f.score, arraySort(f.reasons) FROM finding_current AS f
    ORDER BY f.sample_id, f.allele_id, f.record"""


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


def test_a_release_does_what_its_dry_run_says_and_a_rollback_undoes_it(
    start_stack: Callable[..., Any], add_world: Callable[[Any], None], world: DemoFiles, tmp_path: Path
) -> None:
    stack = start_stack([tmp_path.parent.parent])
    add_world(stack)
    people = dict(world.people)
    for name, path in people.items():
        answer = "refused" if name == min(people) else "allowed"
        stack.run("submit", path, "--build", world.build, "--reanalysis", answer, "--wait")
    refused = stack.sample_id(min(people))
    before = stack.rows(FINDINGS)
    stands = stack.rows("SELECT sample_id, revision_id FROM sample_current ORDER BY sample_id")
    order = ("clinvar", later(world, tmp_path / "later.vcf"), "--build", world.build, "--version", "2")

    told = stack.json("knowledge", "release", *order, "--dry-run")
    assert stack.rows("SELECT sample_id, revision_id FROM sample_current ORDER BY sample_id") == stands
    assert (told["samples"], told["opted_out"], told["unreachable"], told["refused"]) == (len(people) - 1, 1, 0, "")
    assert told["touched"] > 0
    assert sum(told["reclassified"].values()) > 0

    done = stack.json("knowledge", "release", "clinvar", "--build", world.build, "--version", "2", "--wait")
    assert (done["state"], done["samples"], done["samples_done"]) == ("done", told["samples"], told["samples"])
    assert done["samples_touched"] == told["touched"]
    assert done["reclassified"] == told["reclassified"]
    assert {key: done["keys"][key] for key in ("added", "removed", "changed")} == {
        key: told["diff"][key] for key in ("added", "removed", "changed")
    }
    assert "1 samples take no part" in done["detail"]
    after = stack.rows(FINDINGS)
    assert after != before
    assert [row for row in after if row[0] == refused] == [row for row in before if row[0] == refused]
    assert stack.json("status", min(people))["reanalysis"] == "refused"

    assert stack.json("knowledge", "rollback", "clinvar", "--build", world.build, "--wait")["direction"] == "rollback"
    assert stack.rows(FINDINGS) == before
    assert [pack["release"] for pack in stack.json("knowledge", "list") if pack["kind"] == "clinvar"] == ["done", "done"]
    assert "nothing to do" in stack.run("knowledge", "release", "clinvar", "--build", world.build, "--version", "1")
