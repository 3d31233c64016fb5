"""`annotate` on a file: the file's own letters, a row for every ALT, a contract of columns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from processors.knowledge.sources.refused import SourceRefused
from processors.output.table import COLUMNS
from processors.pipeline import OutputRefused, annotate_file, resources_from_files
from schemas.assembly import contig_table

if TYPE_CHECKING:
    from tests.processors.conftest import World


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_alt_has_rows_in_the_files_order_and_letters(small_world: World, tmp_path: Path) -> None:
    base = small_world.sequence[1_999:2_010]
    source = small_world.vcf(
        "odd.vcf",
        [
            f"chrA\t2000\tone\t{base[:3].lower()}\t{base[:3]}T,*,{base[0]}\t.\t.\t.",
            "chrZ\t5\ttwo\tA\tC\t.\t.\t.",
            f"A\t2003\tthree\t{base[3]}\t<DEL>\t.\t.\t.",
            f"A\t2003\tfour\t{base[3]}\t{'ACGT'['ACGT'.index(base[3]) - 1]}\t.\t.\t.",
        ],
    )
    done = annotate_file(source, tmp_path / "out.tsv", small_world.resources())
    found = rows_of(tmp_path / "out.tsv")
    assert (done.records, done.alleles, done.rows) == (4, 6, len(found))
    assert done.faults == {"star_allele": 1, "unknown_contig": 1, "symbolic": 1}
    assert [row["id"] for row in found] == sorted([row["id"] for row in found], key=["one", "two", "three", "four"].index)
    assert {row["ref"] for row in found if row["id"] == "one"} == {base[:3].lower()}
    assert {row["alt"] for row in found if row["id"] == "one"} == {f"{base[:3]}T", "*", base[0]}
    assert [row["flags"] for row in found if row["alt"] == "*"] == ["star_allele"]
    assert tuple(found[0])[: len(COLUMNS)] == COLUMNS
    for name, alt in {(row["id"], row["alt"]) for row in found}:
        picks = [row["pick"] for row in found if (row["id"], row["alt"]) == (name, alt)]
        assert picks.count("1") == (0 if name in ("two", "three") or alt == "*" else 1)


def test_parquet_holds_what_tsv_holds(small_world: World, tmp_path: Path) -> None:
    source = small_world.vcf("plain.vcf", [f"A\t{p}\tv{k}\t{r}\t{a}\t.\t.\t." for k, (p, r, a) in enumerate(small_world.sites)])
    seen: list[float] = []
    for name in ("out.tsv", "out.parquet"):
        annotate_file(source, tmp_path / name, small_world.resources(), progress=lambda done: seen.append(done.fraction))
    assert rows_of(tmp_path / "out.tsv") == pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert 0 < seen[0] <= 1
    assert {row["frequency_answer"] for row in rows_of(tmp_path / "out.tsv")} == {"found", "unknown"}


def test_a_refused_file_leaves_no_output(small_world: World, tmp_path: Path) -> None:
    letters = small_world.sequence
    wrong = [f"A\t{p}\t.\t{'ACGT'['ACGT'.index(letters[p - 1]) - 1]}\t{letters[p - 1]}\t.\t.\t." for p in range(10, 20)]
    source = small_world.vcf("wrong.vcf", wrong)
    with pytest.raises(SourceRefused, match="contradicts small in 10 of 10"):
        annotate_file(source, tmp_path / "out.tsv", small_world.resources())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputRefused, match=r"\.tsv"):
        annotate_file(source, tmp_path / "out.bed", small_world.resources())


@pytest.mark.real_data
def test_no_awkward_record_is_skipped_or_crashes(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "vep_truth"
    resources = resources_from_files(
        real_data / "chr21_GRCh38/chr21.GRCh38.known.fa.gz", folder / "genes.GRCh38.gff3.gz", "hg38", tmp_path / "packs", provider="cpu"
    )
    assert len(resources.genome.table.contigs) == len(contig_table("GRCh38").contigs)
    done = annotate_file(folder / "rawsplit.open.GRCh38.vcf.gz", tmp_path / "raw.tsv", resources)
    found = rows_of(tmp_path / "raw.tsv")
    assert done.records == 733
    assert len({(row["id"], row["pos"], row["ref"], row["alt"]) for row in found}) == done.alleles
    assert sum(done.faults.values()) == len(
        {(r["id"], r["alt"]) for r in found if r["pick"] == "0" and r["transcript"] == "." and r["consequence"] == "."}
    )
