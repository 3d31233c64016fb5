"""The input's records with CSQ: nothing else of them changes, tools read them, and an entry says what a row says."""

from __future__ import annotations

import csv
import gzip
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cyvcf2 import VCF

from processors.output.bgzf import BLOCK, BgzfWriter
from processors.output.vcf import FIELDS
from processors.pipeline import annotate_file

if TYPE_CHECKING:
    from tests.processors.conftest import World

HEADER = [
    "##fileformat=VCFv4.2",
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="count">',
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="of another tool. Format: A|B">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="known">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">',
    "##contig=<ID=chrA,length=120000>",
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS",
]


def written(small_world: World, tmp_path: Path, end: str = "\n") -> tuple[list[str], list[str], list[dict[str, str]]]:
    """(records in, records out, rows of the TSV) of a file with every kind of record."""
    base = small_world.sequence[2_029:2_040]
    other = "ACGT"["ACGT".index(base[1]) - 1]
    records = [
        f"chrA\t2030\tone\t{base[:3]}\t{base[:3]}T,*,{base[0]}\t30\tPASS\tAC=1,2,3\tGT\t1/3",
        f"chrA\t2031\ttwo\t{base[1]}\t{other}\t.\t.\t.\tGT\t0/1",
        f"chrA\t2031\tthree\t{base[1]}\t{other}\t.\t.\tCSQ=x|y,z|w\tGT\t0/1",
        f"chrA\t2031\tfour\t{base[1]}\t{other}\t.\t.\tDB;CSQ=x|y;AC=2\tGT\t0/1",
        f"chrA\t2031\tfive\t{base[1]}\t<DEL>\t.\t.\tDB\tGT\t0/1",
        *(f"chrA\t{p}\tv{k}\t{r}\t{a}\t.\t.\tAC={k}\tGT\t0|1" for k, (p, r, a) in enumerate(small_world.sites)),
    ]
    source = tmp_path / "in.vcf"
    source.write_bytes((end.join([*HEADER, *records]) + end).encode())
    for name in ("out.vcf.gz", "out.tsv"):
        annotate_file(source, tmp_path / name, small_world.resources())
    lines = gzip.decompress((tmp_path / "out.vcf.gz").read_bytes()).decode().splitlines()
    with (tmp_path / "out.tsv").open() as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    return records, lines, rows


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_but_csq_stays_as_it_was_also_with_several_alts(small_world: World, tmp_path: Path, end: str) -> None:
    records, lines, _ = written(small_world, tmp_path, end)
    header = [line for line in lines if line.startswith("#")]
    assert [line for line in header if "ID=CSQ" not in line] == [line for line in HEADER if "ID=CSQ" not in line]
    assert sum("ID=CSQ" in line for line in header) == 1
    out = [line.split("\t") for line in lines if not line.startswith("#")]
    for before, after in zip((record.split("\t") for record in records), out, strict=True):
        assert before[:7] + before[8:] == after[:7] + after[8:]
        kept = [part for part in before[7].split(";") if part != "." and not part.startswith("CSQ=")]
        assert [part for part in after[7].split(";") if not part.startswith("CSQ=")] == kept
        assert sum(part.startswith("CSQ=") for part in after[7].split(";")) == 1


def test_an_entry_says_what_a_row_of_the_table_says(small_world: World, tmp_path: Path) -> None:
    _, lines, rows = written(small_world, tmp_path)
    names = next(line for line in lines if "ID=CSQ" in line).split("Format: ")[1].split('"')[0].split("|")
    assert names == list(FIELDS.values())
    read: list[dict[str, str]] = []
    for line in lines:
        if not line.startswith("#"):
            cells = line.split("\t")
            for entry in cells[7].split("CSQ=")[1].split(";")[0].split(","):
                parts = entry.split("|")
                assert len(parts) == len(names)
                read.append({"id": cells[2], "alts": cells[4], **dict(zip(names, parts, strict=True))})
    assert len(read) == len(rows)
    for found, row in zip(read, rows, strict=True):
        assert found["id"] == row["id"]
        assert found["alts"].split(",")[int(found["ALLELE_NUM"]) - 1] == row["alt"]
        for column in ("consequence", "transcript", "hgvsc", "hgvsp", "exon", "impact", "flags", "codons", "protein_position"):
            value = found[FIELDS[column]].replace("&", ",").replace("%3D", "=").replace("%3B", ";")
            assert (value or ".") == row[column]
        assert (found["PICK"] or "0") == row["pick"]


def test_the_allele_is_written_as_vep_writes_it(small_world: World, tmp_path: Path) -> None:
    _, lines, _ = written(small_world, tmp_path)
    one = next(line for line in lines if "\tone\t" in line).split("\t")
    seen = {entry.split("|")[0] for entry in one[7].split("CSQ=")[1].split(",")}
    # `*` does not share the first base with REF, so nothing is cut
    assert seen == set(one[4].split(","))
    deletion = next(k for k, (_, r, _) in enumerate(small_world.sites) if len(r) > 1)
    line = next(line for line in lines if f"\tv{deletion}\t" in line).split("\t")
    assert {entry.split("|")[0] for entry in line[7].split("CSQ=")[1].split(",")} == {"-"}


def test_htslib_and_bcftools_read_every_record(small_world: World, tmp_path: Path) -> None:
    records, _, rows = written(small_world, tmp_path)
    reader = VCF(str(tmp_path / "out.vcf.gz"))
    assert sum(len(record.INFO["CSQ"].split(",")) for record in reader) == len(rows)
    assert reader.get_header_type("CSQ")["Number"] == "."
    tool = shutil.which("bcftools")
    if tool is None:
        pytest.skip("bcftools is not installed")
    seen = subprocess.run([tool, "view", "-H", str(tmp_path / "out.vcf.gz")], capture_output=True, text=True, check=True)
    assert len(seen.stdout.splitlines()) == len(records)
    assert seen.stderr == ""


def test_blocks_hold_any_bytes_and_end_in_the_marker(tmp_path: Path) -> None:
    import numpy as np

    random = np.random.default_rng(3)
    pieces = [random.integers(0, 256, size, dtype=np.uint8).tobytes() for size in (0, 1, BLOCK, BLOCK + 1, 5 * BLOCK)] + [b"A" * 200_000]
    writer = BgzfWriter(tmp_path / "x.gz")
    for piece in pieces:
        writer.write(piece)
    writer.close()
    raw = (tmp_path / "x.gz").read_bytes()
    assert gzip.decompress(raw) == b"".join(pieces)
    assert raw.endswith(bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"))
