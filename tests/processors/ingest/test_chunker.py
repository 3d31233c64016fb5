"""Chunks: cut once by the rule, numbered, the same after every crash; the manifest says exactly what they hold."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.ingest import NORMALISER_VERSION, ingest
from processors.ingest.errors import StageVersionMismatch, UnknownOption
from schemas import identity
from schemas.chunks import ChunkKind, Flag
from schemas.events import SampleManifest
from schemas.plan import CuttingRule, Plan

BASES = "ACGT"
# known bases of contig one, as (1-based position, base)
PLACES = [(n + 1, base) for n, base in enumerate("ACGTACGTTTTTTGCACACACAGGATCC")]


def _line(number: int, calls: str = "0/1:30:14,16", alt: str = "") -> str:
    position, base = PLACES[number % len(PLACES)]
    other = alt or BASES[(BASES.index(base) + 1 + number % 3) % 4]
    return f"one {position} . {base} {other} . {'PASS' if number % 3 else 'q10'} . GT:DP:AD {calls}"


def _mixed(count: int) -> list[str]:
    """Substitutions, indels, several ALTs, faults and nonsense, on two contigs, for two samples."""
    lines = []
    for n in range(count):
        if n % 11 == 5:
            lines.append(f"one {PLACES[n % 20][0]} . {PLACES[n % 20][1]} *,{PLACES[n % 20][1]}CA . . . GT 1/2 0/0")
        elif n % 13 == 7:
            lines.append(_line(n, "0/1 0/7"))
        elif n % 17 == 3:
            lines.append(f"one 18 . ACA A . . . GT:AD 0/1:3,4 {'1/1' if n % 2 else '1'}")
        else:
            lines.append(_line(n, "0/1:30:14,16 0/0" if n % 2 else "1|1:9:0,9 ./1"))
    lines += [f"two {5 + 3 * (n % 3)} . C T . . . GT 0/1 1/1" for n in range(count // 4)]
    return lines


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _canonical(outcome: Any) -> str:
    heads = [chunk.header for chunk in outcome.chunks]
    return _digest([[(h.ordinal, h.chunk_id, h.kind, h.contig) for h in heads], [chunk.rows.to_pylist() for chunk in outcome.chunks]])


def test_chunks_of_a_known_file_are_frozen(run: Any, write_vcf: Any) -> None:
    """Output changed? Then raise STAGE_CODE["ingest"] and these values together."""
    outcome = run(write_vcf(_mixed(60), samples=("a", "b")), cutting=CuttingRule(20, 131_072, 3_145_728))
    assert (NORMALISER_VERSION, _canonical(outcome)) == (2, "7e256981c15b3c2c89f6e17460381608c2be9e53a91c79310b82929b9c1ba4f4")
    assert [sample.hash_sum for sample in outcome.manifest.samples] == [-4954818907409576737, 8683607594552659313]
    assert outcome.chunks[0].header.chunk_id == identity.chunk_id("s" * 32, 2, "20/131072/3145728", "one", 0)


@pytest.mark.parametrize("block", [100, 1_000, 4_096, 1 << 20])
def test_how_the_file_is_read_changes_no_byte(run: Any, write_vcf: Any, block: int) -> None:
    path = write_vcf(_mixed(3_000), samples=("a", "b"))
    rule = CuttingRule(alleles=100)
    assert run(path, cutting=rule, block=block).raw == run(path, cutting=rule).raw


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alleles=st.integers(1, 400), cells=st.integers(1, 500), size=st.integers(50, 40_000))
def test_cutting_changes_no_row(run: Any, write_vcf: Any, alleles: int, cells: int, size: int) -> None:
    path = write_vcf(_mixed(150), samples=("a", "b"))
    whole, cut = run(path), run(path, cutting=CuttingRule(alleles=alleles, cells=cells, size=size))
    same = _digest([{**row, "ordinal": 0} for row in cut.rows]) == _digest([{**row, "ordinal": 0} for row in whole.rows])
    assert same
    assert cut.reasons() == whole.reasons()
    assert [s.hash_sum for s in cut.manifest.samples] == [s.hash_sum for s in whole.manifest.samples]
    for chunk in cut.chunks:
        if chunk.header.kind is ChunkKind.ALLELES and chunk.rows.num_rows > 1:
            assert chunk.rows.num_rows <= alleles
            assert sum(len(calls) for calls in chunk.rows.column("calls").to_pylist()) <= cells


def test_the_manifest_says_what_the_chunks_hold(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf(_mixed(400), samples=("a", "b")), cutting=CuttingRule(alleles=50))
    manifest: SampleManifest = outcome.manifest
    assert [count.ordinal for count in manifest.chunks] == list(range(len(outcome.chunks)))
    sums = Counter[int]()
    landed = Counter[int]()
    for count, chunk in zip(manifest.chunks, outcome.chunks, strict=True):
        header = chunk.header
        assert (count.chunk_id, count.kind, count.contig) == (header.chunk_id, header.kind, header.contig)
        assert count.alleles == chunk.rows.num_rows
        if header.kind is ChunkKind.FAULTS:
            assert header.contig == ""
            assert count.calls == sum(len(row["samples"]) for row in chunk.rows.to_pylist())
            continue
        rows = [(row, call) for row in chunk.rows.to_pylist() for call in row["calls"]]
        columns = {name: np.array([row[name] for row, _ in rows], dtype=np.uint64) for name in ("allele_id", "record", "alt_index")}
        columns |= {name: np.array([call[name] for _, call in rows]) for name in identity.CALL_HASH_COLUMNS[3:]}
        hashes = identity.call_hashes(columns)
        assert count.calls == len(rows)
        assert count.hash_sum % 2**64 == identity.sum_mod64(hashes)
        for (_, call), value in zip(rows, hashes, strict=True):
            sums[call["sample"]] += int(value)
            landed[call["sample"]] += 1
    for number, sample in enumerate(manifest.samples):
        assert sample.hash_sum % 2**64 == sums[number] % 2**64
        assert sample.landed == landed[number]
        assert sample.variants_in == sample.landed + sum(sample.quarantined.values())


def test_allele_ids_are_those_of_the_rows(run: Any, write_vcf: Any, toy: Any) -> None:
    outcome = run(write_vcf(_mixed(100), samples=("a", "b")))
    offsets = {contig.name: contig.offset for contig in toy.table.contigs}
    for row in outcome.rows:
        assert row["allele_id"] == identity.allele_id(offsets[row["contig"]] + row["start"], row["ref"], row["alt"])


def test_the_same_allele_twice_lands_twice_and_is_flagged(run: Any, write_vcf: Any) -> None:
    lines = ["one 18 . ACA A . . . GT 0/1", "one 20 . ACA A . . . GT 0/1", "one 23 . G T . . . GT 0/1", "one 23 . G T . . . GT 1/1"]
    outcome = run(write_vcf(lines), cutting=CuttingRule(alleles=1))
    assert [bool(row["flags"] & Flag.REPEAT) for row in outcome.rows] == [False, True, False, True]
    assert outcome.manifest.samples[0].landed == 4


def test_split_and_trimmed_alleles_say_so(run: Any, write_vcf: Any) -> None:
    (first, second) = run(write_vcf(["one 1 . ACG ACT,A . . . GT 1/2"])).rows
    assert (first["start"], first["ref"], first["alt"]) == (2, "G", "T")
    assert Flag(first["flags"]) == Flag.SPLIT | Flag.TRIMMED
    assert Flag(second["flags"]) == Flag.SPLIT


def test_a_wide_file_is_cut_by_cells(run: Any, write_vcf: Any) -> None:
    names = [f"p{n}" for n in range(50)]
    path = write_vcf([_line(n, " ".join(["0/1"] * 50)) for n in range(20)], samples=names)
    outcome = run(path, cutting=CuttingRule(cells=150))
    assert [chunk.rows.num_rows for chunk in outcome.chunks] == [3] * 6 + [2]


def test_a_cut_moves_out_of_a_coding_span_when_a_place_is_near(run: Any, write_vcf: Any) -> None:
    path = write_vcf([f"one {p} . {b} {BASES[(BASES.index(b) + 1) % 4]} . . . GT 0/1" for p, b in PLACES])
    rule = CuttingRule(alleles=12)

    def sizes(spans: dict[str, np.ndarray[Any, Any]] | None) -> list[int]:
        return [chunk.rows.num_rows for chunk in run(path, cutting=rule, boundaries=spans).chunks]

    assert sizes(None) == [12, 12, 4]
    assert sizes({"one": np.array([[10, 14]])}) == [10, 12, 6]
    assert sizes({"one": np.array([[8, 12], [12, 20]])}) == [12, 12, 4]  # between two spans is no span
    assert sizes({"one": np.array([[0, 28]])}) == [12, 12, 4]  # nothing near: the rule stands
    assert sizes({"two": np.array([[0, 20]])}) == [12, 12, 4]


def test_one_of_two_samples_can_be_read_alone(run: Any, write_vcf: Any) -> None:
    path = write_vcf(["one 1 . A C . . . GT 0/1 0/0", "one 2 . C T . . . GT x 1/1"], samples=("a", "b"))
    outcome = run(path, samples=[("b", "id-b")])
    assert outcome.alleles() == [("one", 2, "C", "T")]
    assert outcome.chunks[0].header.samples == ("id-b",)
    assert outcome.manifest.uncarried == 1


def test_calls_of_a_cohort_are_sparse(run: Any, write_vcf: Any) -> None:
    (row,) = run(write_vcf(["one 1 . A C . . . GT 0/0 0/1 ./. 1/1"], samples=tuple("abcd"))).rows
    assert [call["sample"] for call in row["calls"]] == [1, 3]


def test_fault_chunks_are_bounded_and_in_order(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf([_line(n, alt="*" if n % 2 else "") for n in range(40_000)]))
    kinds = [(chunk.header.kind, chunk.rows.num_rows) for chunk in outcome.chunks]
    assert max(rows for kind, rows in kinds if kind is ChunkKind.FAULTS) == 8_192
    assert sum(rows for kind, rows in kinds if kind is ChunkKind.FAULTS) == 20_000
    assert [row["record"] for row in outcome.faults] == sorted(row["record"] for row in outcome.faults)


def test_a_file_of_nothing_but_reference_gives_a_manifest_without_chunks(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf(["one 1 . A C . . . GT 0/0"]))
    assert outcome.chunks == []
    assert (outcome.manifest.records, outcome.manifest.chunks) == (1, ())


def test_progress_only_grows(run: Any, write_vcf: Any) -> None:
    fractions = run(write_vcf([_line(n) for n in range(60_000)]), cutting=CuttingRule(alleles=5_000), block=200_000).fractions
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.9
    assert fractions[-1] == 1.0


def test_a_plan_of_another_stage_version_is_not_run(toy: Any, write_vcf: Any) -> None:
    common: dict[str, Any] = {"genome": toy, "build": "toy", "samples": [("kid", "id")], "submission_id": "s", "revision_id": "r",
              "lane": "routine", "epoch": 0}  # fmt: skip
    path = write_vcf([_line(0)])
    with pytest.raises(StageVersionMismatch):
        ingest(path, plan=Plan("toy", (), code={"ingest": 99}), options={}, **common)
    with pytest.raises(UnknownOption, match="min_depth"):
        ingest(path, plan=Plan("toy", ()), options={"min_depth": "3"}, **common)
    with pytest.raises(ValueError, match="declared build hg38"):
        ingest(path, plan=Plan("toy", ()), options={}, **{**common, "build": "hg38"})


def test_there_is_no_manifest_before_the_end(toy: Any, write_vcf: Any) -> None:
    reading = ingest(
        write_vcf([_line(0)]), genome=toy, build="toy", samples=[("kid", "id")], submission_id="s", revision_id="r", plan=Plan("toy", ()),
        lane="routine", epoch=0, options={},
    )  # fmt: skip
    with reading, pytest.raises(RuntimeError, match="only after"):
        reading.manifest()
