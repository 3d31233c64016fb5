"""A date is asked of which no revision has the knowledge: a study makes one, and the sample stays as it is."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.soak]

DAY = "2015-06-01"


def test_a_study_answers_as_of_a_date_and_changes_nothing_else(stack: Any, world: Any, tmp_path: Path) -> None:
    file = tmp_path / "then.vcf"
    file.write_text(gzip.decompress(world.people["mother"].read_bytes()).decode().replace("FORMAT\tmother\n", "FORMAT\tthen\n", 1))
    state = stack.json("submit", file, "--build", world.build, "--sample", "then", "--wait")
    sample = stack.sample_id("then")
    assert "no pack of 2015-06-01 or before" in stack.refused("replay", "then", "--as-of", DAY)
    named = ("--build", world.build, "--version", "then", "--date", "2015-01-01", "--no-activate")
    stack.run("knowledge", "build", "clinvar", world.clinvar, *named)
    before = stack.json("query", "--sample", "then", "--as-of", DAY)
    assert (before["rows"], before["no_revision_fits"]) == ([], [sample])
    announced = len(stack.run("subscribe", "--from", "beginning", "--to-end").splitlines())

    study = stack.json("replay", "then", "--as-of", DAY, "--wait")
    assert study["published"]
    assert stack.json("replay", "then", "--as-of", DAY, "--wait") == study

    after = stack.json("query", "--sample", "then", "--as-of", DAY)
    assert (after["samples_by_study"], after["no_revision_fits"]) == ([sample], [])
    now = stack.json("query", "--sample", "then")
    assert [row["position"] for row in after["rows"]] == [row["position"] for row in now], "the same ClinVar under another date"
    status = stack.json("status", "then")
    assert (status["state"], status["revision"]) == ("published", state["revision"])
    assert len(stack.run("subscribe", "--from", "beginning", "--to-end").splitlines()) == announced

    row = now[0]
    variant = "-".join(str(row[name]) for name in ("contig", "position", "ref", "alt"))
    told = stack.json("explain", "then", variant, "--as-of", DAY)
    [clinvar] = [one for one in told["sources"] if one["kind"] == "clinvar"]
    assert (clinvar["version"], clinvar["date"]) == ("then", "2015-01-01")
    assert [(one["kind"], one["shown"]) for one in told["history"]] == [("live", False), ("study", True)]
