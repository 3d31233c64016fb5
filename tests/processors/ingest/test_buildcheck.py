"""The declared build against the file: contradictions are refused with their count and three examples, before the first chunk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.ingest import ingest
from processors.ingest.contigs import ContigResolver
from processors.ingest.errors import BuildContradiction
from processors.ingest.faults import Fault
from processors.ingest.source import HeaderContig
from processors.knowledge.genome import Genome, build_genome
from schemas.assembly import contig_table
from schemas.plan import CuttingRule, Plan

KNOWN = "ACGTACGTTTTTTGCACACACAGGATCC"


@pytest.fixture(scope="module")
def grch38(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    """GRCh38 without sequence but for a small extra contig."""
    folder = tmp_path_factory.mktemp("grch38")
    (folder / "x.fa").write_text(">chrUn_small\nACGTACGT\n")
    return Genome(build_genome(folder / "x.fa", folder / "packs", "hg38", "1"))


def test_contig_lengths_of_another_build(run: Any, write_vcf: Any, grch38: Genome) -> None:
    header = "".join(
        f"##contig=<ID=chr{n},length={length},assembly=b37>\n" for n, length in ((1, 249250621), (2, 243199373), (21, 48129895))
    )
    path = write_vcf(["chr21 9411318 . C T . . . GT 0/1"], contigs=header)
    with pytest.raises(BuildContradiction) as caught:
        run(path, genome=grch38)
    assert "3 contigs of its header contradict GRCh38" in str(caught.value)
    assert str(caught.value).count("bases, in GRCh38") == 3
    assert "GRCh37" in str(caught.value)


def test_accessions_of_another_build(run: Any, write_vcf: Any, grch38: Genome) -> None:
    path = write_vcf(["NC_000021.8 9411318 . C T . . . GT 0/1"], contigs="##contig=<ID=NC_000021.8>\n")
    with pytest.raises(BuildContradiction, match=r"NC_000021\.8 is of GRCh37"):
        run(path, genome=grch38)


def test_names_that_no_contig_has(run: Any, write_vcf: Any) -> None:
    with pytest.raises(BuildContradiction, match="none of 3 records lies on a contig of toy: eins, zwei"):
        run(write_vcf(["eins 1 . A C . . . GT 0/1", "eins 2 . A C . . . GT 0/1", "zwei 1 . A C . . . GT 0/1"], contigs=""))


def test_a_few_unknown_contigs_are_faults(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf(["one 1 . A C . . . GT 0/1", "GL000207.1 1 . A C . . . GT 0/1", "GL000207.1 2 . A C . . . GT 0/1"]))
    assert outcome.manifest.samples[0].quarantined == {"unknown_contig": 2}


def _right(position: int) -> str:
    base = KNOWN[position - 1]
    return f"one {position} . {base} {'ACGT'[('ACGT'.index(base) + 1) % 4]} . . . GT 0/1"


def test_refs_of_another_build_are_refused_before_the_first_chunk(toy: Genome, write_vcf: Any) -> None:
    path = write_vcf([f"one {p} . {'ACGT'[('ACGT'.index(KNOWN[p - 1]) + 1) % 4]} {KNOWN[p - 1]} . . . GT 0/1" for p in range(1, 9)] * 30)
    reading = ingest(
        path, genome=toy, build="toy", samples=[("kid", "id")], submission_id="s", revision_id="r", plan=Plan("toy", ()), lane="routine",
        epoch=0, options={},
    )  # fmt: skip
    with pytest.raises(BuildContradiction) as caught:
        next(iter(reading))
    message = str(caught.value)
    assert "240 of 240 checkable REFs contradict toy" in message
    assert message.count(", the reference has ") == 3
    assert "one:1 REF C, the reference has A" in message


def _bad(position: int) -> str:
    base = KNOWN[position - 1]
    return f"one {position} . {'ACGT'[('ACGT'.index(base) + 1) % 4]} {base} . . . GT 0/1"


@pytest.mark.parametrize(
    ("bad", "good", "refused"), [(9, 300, False), (10, 300, True), (10, 1500, False), (2, 0, False), (3, 2, True), (3, 3, False)]
)
def test_the_rule_for_refs(run: Any, write_vcf: Any, bad: int, good: int, refused: bool) -> None:
    path = write_vcf([_right(1 + n % 28) for n in range(good)] + [_bad(1 + n % 28) for n in range(bad)])
    if refused:
        with pytest.raises(BuildContradiction):
            run(path)
    else:
        assert run(path).manifest.samples[0].quarantined == {"bad_ref": bad}


def test_refs_that_contradict_late_in_the_file_withhold_the_manifest(toy: Genome, write_vcf: Any) -> None:
    path = write_vcf([_right(1 + n % 28) for n in range(40_000)] + [_bad(1 + n % 28) for n in range(800)])
    reading = ingest(
        path, genome=toy, build="toy", samples=[("kid", "id")], submission_id="s", revision_id="r",
        plan=Plan("toy", (), cutting=CuttingRule(alleles=5_000)), lane="routine", epoch=0, options={}, block=200_000,
    )  # fmt: skip
    given: list[float] = []
    with pytest.raises(BuildContradiction):
        given.extend(emitted.fraction for emitted in reading)
    assert len(given) > 0
    with pytest.raises(RuntimeError):
        reading.manifest()


def test_contigs_are_known_by_any_of_their_names(run: Any, write_vcf: Any, grch38: Genome) -> None:
    for name in ("21", "chr21", "NC_000021.9"):
        outcome = run(write_vcf([f"{name} 25000000 . C T . . . GT 0/1"], contigs=f"##contig=<ID={name}>\n"), genome=grch38)
        assert outcome.alleles() == [("21", 25000000, "C", "T")]
        assert outcome.rows[0]["flags"] == 16


@pytest.mark.parametrize(
    ("build", "name", "length", "expected"),
    [
        ("GRCh37", "MT", 16569, 24),
        ("GRCh37", "MT", None, 24),
        ("GRCh37", "chrM", 16569, 24),
        ("GRCh37", "chrM", 16571, Fault.MITOCHONDRION_NOT_RCRS),
        ("GRCh37", "chrM", None, Fault.MITOCHONDRION_NOT_RCRS),
        ("GRCh38", "chrM", None, 24),
        ("GRCh38", "chrM", 16571, Fault.MITOCHONDRION_NOT_RCRS),
        ("GRCh37", "NC_000021.8", None, 20),
        ("GRCh37", "NC_000021.9", None, Fault.UNKNOWN_CONTIG),
        ("GRCh37", "chrX", None, 22),
    ],
)
def test_the_mitochondrion_is_only_rcrs(build: str, name: str, length: int | None, expected: int | Fault) -> None:
    assert ContigResolver(contig_table(build), [HeaderContig(name, length)]).resolve(name) == expected


def test_records_of_hg19s_mitochondrion_are_faults_and_the_rest_lands(run: Any, write_vcf: Any, tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(">extra\nACGTACGT\n")
    genome = Genome(build_genome(tmp_path / "x.fa", tmp_path / "packs", "GRCh37", "1"))
    header = "##contig=<ID=chr1,length=249250621>\n##contig=<ID=chrM,length=16571>\n"
    outcome = run(write_vcf(["chrM 100 . A C . . . GT 0/1", "chr1 100 . A C . . . GT 0/1"], contigs=header), genome=genome)
    assert outcome.reasons() == [(0, 1, "mitochondrion_not_rcrs")]
    assert outcome.alleles() == [("1", 100, "A", "C")]
    assert np.all(genome.sequence_offsets[:25] == -1)
