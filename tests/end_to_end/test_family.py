"""A completion event becomes queryable results, on real Kafka and the real ClickHouse engine, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pysam
import pytest

from tests.end_to_end.neighbours import neighbours_of_a_known_variant

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def published(stack: Any, world: Any) -> dict[str, dict[str, Any]]:
    """The family, submitted and published: name → what `submit --wait --json` said."""
    return {name: stack.json("submit", path, "--build", world.build, "--sample", name, "--wait") for name, path in world.people.items()}


def test_every_variant_of_every_member_is_accounted_for(published: dict[str, dict[str, Any]]) -> None:
    for name, state in published.items():
        assert state["state"] == "published", (name, state)
        assert state["variants_in"] == state["landed"] + state["quarantined"] > 1000
        assert state["quarantined"] > 0  # the demo's files hold a few odd records on purpose


def test_what_the_tables_hold_is_what_was_promised(published: dict[str, dict[str, Any]], stack: Any) -> None:
    landed = dict(stack.rows("SELECT sample_id, count() FROM calls_current GROUP BY sample_id"))
    faults = dict(stack.rows("SELECT sample_id, count() FROM fault_current GROUP BY sample_id"))
    for name, state in published.items():
        key = stack.sample_id(name)
        assert (landed[key], faults[key]) == (state["landed"], state["quarantined"])


def test_status_has_the_keys_that_scripts_read(published: dict[str, dict[str, Any]], stack: Any) -> None:
    state = stack.json("status", "child")
    assert {"sample", "state", "variants_in", "landed", "quarantined", "revision", "plan", "stages"} <= state.keys()
    assert (state["state"], state["revision"]) == ("published", 1)


def test_the_changes_that_cause_disease_are_among_the_findings(published: dict[str, dict[str, Any]], stack: Any, world: Any) -> None:
    stories = json.loads((world.fasta.parent / "stories.json").read_text())
    found = {
        (sample, f"{contig}-{position}-{ref}-{alt}")
        for sample, contig, position, ref, alt in stack.rows("SELECT sample_id, contig, position, ref, alt FROM finding_current")
    }
    carried = [(stack.sample_id(member), story["variant"]) for story in stories for member in story["members"]]
    assert carried
    assert sum(pair in found for pair in carried) >= len(carried) * 0.8


def test_no_finding_claims_a_class_before_evidence_is_assessed(published: dict[str, dict[str, Any]], stack: Any) -> None:
    assert stack.rows("SELECT DISTINCT class FROM finding_current") == [("not_assessed",)]


def test_each_result_is_announced_once_and_the_sample_last(published: dict[str, dict[str, Any]], stack: Any) -> None:
    lines = [json.loads(line) for line in stack.run("subscribe", "--from", "beginning", "--to-end").splitlines()]
    ids = [line["id"] for line in lines]
    assert len(ids) == len(set(ids))
    for name in published:
        mine = [line for line in lines if line["sample_id"] == stack.sample_id(name)]
        in_table = stack.rows(f"SELECT count() FROM finding_current WHERE sample_id = '{stack.sample_id(name)}'")[0][0]
        assert [line["type"] for line in mine] == ["Finding"] * in_table + ["SampleInterpreted"]


def test_the_same_announcement_again_changes_nothing(published: dict[str, dict[str, Any]], stack: Any, world: Any) -> None:
    again = stack.json("submit", world.people["child"], "--build", world.build, "--sample", "child", "--wait")
    assert (again["state"], again["revision"]) == ("published", published["child"]["revision"])
    assert stack.rows("SELECT count() FROM publication WHERE sample_id = '" + stack.sample_id("child") + "'") == [(1,)]


def test_a_deleted_sample_is_gone_and_can_be_submitted_again(
    published: dict[str, dict[str, Any]], stack: Any, world: Any, units: Callable[[Path, str], int]
) -> None:
    key = stack.sample_id("father")
    stack.run("delete", "father", "--yes")
    assert stack.rows(f"SELECT count() FROM calls_current WHERE sample_id = '{key}'") == [(0,)]
    assert stack.rows(f"SELECT count() FROM calls WHERE sample_id = '{key}'") == [(0,)]
    state = stack.json("submit", world.people["father"], "--build", world.build, "--sample", "father", "--wait")
    assert state["state"] == "published"
    assert state["landed"] == published["father"]["landed"]
    assert stack.rows(f"SELECT count() FROM calls_current WHERE sample_id = '{key}'") == [(state["landed"],)]


def test_phased_neighbours_and_a_lost_gene_are_seen_by_sql(stack: Any, world: Any, tmp_path: Path) -> None:
    found = neighbours_of_a_known_variant(world)
    path = tmp_path / "compound.vcf"
    lengths = dict(zip(*_contigs(world.fasta), strict=True))
    records = [
        (found.position, f"{found.ref}\t{found.alt}\t50\tPASS\t.\tGT:PS\t0|1:7"),
        (found.other, f"{found.other_ref}\t{found.other_alt}\t50\tPASS\t.\tGT:PS\t0|1:7"),
        (
            found.gene_start - 1,
            f"{_base(world.fasta, found.contig, found.gene_start - 1)}\t<DEL>\t50\tPASS\tSVTYPE=DEL;END={found.gene_end}\tGT:PS\t0/1:.",
        ),
    ]
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name},length={length}>" for name, length in lengths.items())]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tneighbours")
    lines += [f"{found.contig}\t{position}\t.\t{rest}" for position, rest in sorted(records)]
    path.write_text("\n".join(lines) + "\n")
    state = stack.json("submit", path, "--build", world.build, "--sample", "neighbours", "--wait")
    assert (state["state"], state["landed"], state["quarantined"]) == ("published", 2, 1)
    mine = f"sample_id = '{stack.sample_id('neighbours')}'"

    compounds = stack.rows(
        f"SELECT transcript, kind, phase, phase_set, flags, consequence, hgvsc, hgvsp FROM compound_current WHERE {mine}"
    )
    by_transcript = {row[0]: row for row in compounds}
    _, kind, phase, phase_set, flags, consequence, hgvsc, hgvsp = by_transcript[found.transcript]
    assert (kind, phase, phase_set, consequence) == ("codon", "phased", 7, "stop_gained")
    assert "worse" in flags
    assert hgvsc.startswith(f"{found.transcript}:c.")
    assert hgvsp.endswith(f"{found.residue}Ter)")

    findings = stack.rows(f"SELECT position, transcript, consequence, hgvsc, hgvsp, reasons FROM finding_current WHERE {mine}")
    by_position = {row[0]: row for row in findings}
    _, transcript, consequence, hgvsc, hgvsp, reasons = by_position[found.position]
    assert consequence == "missense_variant"
    assert hgvsc.startswith(f"{transcript}:c.")
    assert ":p.(" in hgvsp
    assert f"compound:{by_transcript[transcript][7]}" in reasons

    ((consequence, genes, reason),) = stack.rows(f"SELECT consequence, genes, class FROM structural_current WHERE {mine}")
    assert consequence.split(",")[0] == "transcript_ablation"
    assert found.gene in genes
    assert reason == "not_assessed"

    shown = stack.json("query", "--variant", f"{found.contig}-{found.position}-{found.ref}-{found.alt}", "--sample", "neighbours")
    assert {row["transcript"] for row in shown} >= {transcript}
    (pick,) = [row for row in shown if row["pick"]]
    assert (pick["sample"], pick["transcript"], pick["hgvsc"], pick["hgvsp"]) == ("neighbours", transcript, hgvsc, hgvsp)


def _contigs(fasta: Path) -> tuple[list[str], list[int]]:
    with pysam.FastaFile(str(fasta)) as file:
        return list(file.references), list(file.lengths)


def _base(fasta: Path, contig: str, position: int) -> str:
    with pysam.FastaFile(str(fasta)) as file:
        return file.fetch(contig, position - 1, position).upper()
