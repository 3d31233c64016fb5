"""Frequencies: an absent source is not an absent allele, and a source that cannot tell says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from processors.knowledge.allele_pack import AllelePack
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.lookup import spelling_of
from processors.knowledge.source import Request
from processors.knowledge.sources import frequency
from processors.knowledge.sources.refused import SourceRefused
from schemas.chunks import Answer
from schemas.identity import allele_id

ROWS = (
    "c\t1\t.\tA\tC,G\t.\tPASS\tAC=1;AF=0.25,1e-3",
    "c\t5\t.\tA\tC\t.\tAC0\tAF=0.5",
    "c\t6\t.\tC\tT\t.\t.\tAF=0.01",
    "c\t6\t.\tC\tT\t.\t.\tAF=0.02",
    "c\t7\t.\tG\tT\t.\t.\tAF=.",
)


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    (tmp_path / "g.fa").write_text(">c\n" + "ACGTACGTAC" * 10 + "\n")
    return Genome(build_genome(tmp_path / "g.fa", tmp_path / "packs", "own", "1"))


def loaded(tmp_path: Path, genome: Genome, rows: tuple[str, ...] = ROWS, **options: str) -> AllelePack:
    source = tmp_path / "f.vcf"
    source.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(f"{row}\n" for row in rows))
    return frequency.open_pack(frequency.build(Request("frequency", (source,), tmp_path / "packs", "own", "1", genome, options=options)))


def asked(found: AllelePack, *alleles: tuple[int, str, str]) -> list[tuple[str, float | None]]:
    ids = pa.array(np.array([allele_id(*allele) for allele in alleles], dtype=np.uint64))
    rows = pa.record_batch({"allele_id": ids, "ref": pa.array([a[1] for a in alleles]), "alt": pa.array([a[2] for a in alleles])})
    answers, values, _ = found.query(ids.to_numpy(), spelling_of(rows))
    return [(Answer(int(a)).name, None if np.isnan(v) else round(float(v), 6)) for a, v in zip(answers, values, strict=True)]


def test_each_alt_has_its_own_value_and_what_is_not_listed_is_unknown(tmp_path: Path, genome: Genome) -> None:
    found = loaded(tmp_path, genome)
    assert asked(found, (0, "A", "C"), (0, "A", "G"), (0, "A", "T")) == [("FOUND", 0.25), ("FOUND", 0.001), ("UNKNOWN", None)]


def test_a_filtered_record_is_unknown_and_doubles_give_the_greater_value(tmp_path: Path, genome: Genome) -> None:
    found = loaded(tmp_path, genome)
    assert asked(found, (4, "A", "C"), (5, "C", "T"), (6, "G", "T")) == [("UNKNOWN", None), ("FOUND", 0.02), ("UNKNOWN", None)]
    assert found.pack.extra["counts"] == {"alleles": 6, "duplicate": 1, "no_frequency": 1, "records": 5}


def test_absent_is_claimed_only_inside_covered_regions_without_a_floor(tmp_path: Path, genome: Genome) -> None:
    (tmp_path / "c.bed").write_text("c\t0\t10\nc\t8\t12\n")
    question = ((9, "C", "T"), (12, "G", "T"))
    covered = loaded(tmp_path, genome, covered=str(tmp_path / "c.bed"))
    assert [answer for answer, _ in asked(covered, *question)] == ["ABSENT", "UNKNOWN"]
    floor = loaded(tmp_path, genome, covered=str(tmp_path / "c.bed"), floor="0.0002")
    assert [answer for answer, _ in asked(floor, *question)] == ["UNKNOWN", "UNKNOWN"]


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [("c\t1\t.\tA\tC\t.\t.\tAF=1.5", "AF", "data record 1: AF=1.5"), ("c\t1\t.\tA\tC\t.\t.\tAF=0.1", "MAF", "no allele has INFO/MAF")],
)
def test_a_value_that_is_no_frequency_or_a_missing_field_is_refused(
    tmp_path: Path, genome: Genome, row: str, field: str, words: str
) -> None:
    with pytest.raises(SourceRefused, match=words):
        loaded(tmp_path, genome, (row,), field=field)


def test_a_file_that_lists_alleles_without_values_never_makes_one_look_rare(tmp_path: Path, genome: Genome) -> None:
    with pytest.raises(SourceRefused, match="without a field the floor must be given"):
        loaded(tmp_path, genome, field="")
    found = loaded(tmp_path, genome, ("c\t1\t.\tA\tC\t.\tPASS\t.",), field="", floor="0.0002")
    assert asked(found, (0, "A", "C"), (0, "A", "G")) == [("UNKNOWN", None), ("UNKNOWN", None)]
    assert found.details(0) == {"frequency": None, "at_least": 0.0002, "filtered": False}
