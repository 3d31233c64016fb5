"""Names on real variants against the real VEP, and back again. The terms are VEP's own, so that only the names are judged here."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from processors.annotate import terms
from processors.annotate.hgvs.names import Alleles, Kind, names
from processors.annotate.hgvs.parse import Allele, Names, NameUnusable
from processors.annotate.hgvs.parse_protein import parse_protein
from processors.knowledge.genome import Genome
from processors.knowledge.transcripts import Transcripts
from schemas.chunks import NONE

if TYPE_CHECKING:
    from tests.processors.annotate.conftest import VepPacks

pytestmark = pytest.mark.real_data

Row = dict[str, str]
COLUMNS = {Kind.GENOMIC: "hgvsg", Kind.TRANSCRIPT: "hgvsc", Kind.PROTEIN: "hgvsp"}
EVERY = 25
"""One name in so many is parsed back."""


def truth(path: Path, genome: Genome) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    with gzip.open(path, "rt") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            found[genome.table.resolve(row["chrom"]) or 0].append(row)
    return found


def named(genome: Genome, transcripts: Transcripts, contig: int, rows: list[Row]) -> dict[Kind, list[str | None]]:
    """Names of all rows of a contig, in three calls."""
    number = {transcripts.name[row]: row for row in range(len(transcripts))}
    first: dict[str, int] = {}
    alleles: list[Row] = []
    index = np.empty(len(rows), dtype=np.int64)
    for at, row in enumerate(rows):
        if row["id"] not in first:
            first[row["id"]] = len(alleles)
            alleles.append(row)
        index[at] = first[row["id"]]
    start = pa.array([int(row["pos"]) - 1 for row in alleles], pa.int32())
    columns = Alleles.of(contig, start, pa.array([row["ref"] for row in alleles]), pa.array([row["alt"] for row in alleles]))
    lines = np.array([number.get(row["transcript"], NONE) for row in rows], dtype=np.uint32)
    bits = np.array([terms.mask(*row["consequence"].split(",")) for row in rows], dtype=np.uint64)
    found = {kind: names(kind, columns, genome, transcripts, index, lines, bits).to_pylist() for kind in Kind}
    return found | {Kind.GENOMIC: [found[Kind.GENOMIC][at] for at in index]}


@pytest.mark.parametrize("build", ["GRCh37", "GRCh38"])
def test_names_agree_with_vep_and_give_the_allele_back(real_data: Path, vep_packs: VepPacks, build: str) -> None:
    folder = real_data / "vep_truth"
    genome, transcripts = vep_packs(build)
    parser = Names(transcripts, genome)
    rows: Counter[Kind] = Counter()
    same: Counter[Kind] = Counter()
    extra: Counter[Kind] = Counter()
    lost: list[tuple[str, str]] = []
    tried = 0
    for contig, lines in truth(folder / f"truth.{build}.tsv.gz", genome).items():
        for kind, found in named(genome, transcripts, contig, lines).items():
            for at, (row, ours) in enumerate(zip(lines, found, strict=True)):
                theirs = row[COLUMNS[kind]]
                if theirs == ".":
                    extra[kind] += ours is not None
                elif row["note"] == ".":
                    rows[kind] += 1
                    same[kind] += theirs == ours
                if ours is None or at % EVERY or row["note"] != ".":
                    continue
                tried += 1
                if kind == Kind.PROTEIN:
                    parse_protein(ours)
                    continue
                try:
                    back = parser.parse(ours)
                except NameUnusable as error:
                    lost.append((ours, str(error)))
                    continue
                if back != Allele(contig, int(row["pos"]) - 1, row["ref"], row["alt"]):
                    lost.append((ours, str(back)))
    assert tried > 5_000
    assert not lost, lost[:5]
    assert extra.total() == 0, extra
    share = {kind: same[kind] / rows[kind] for kind in Kind}
    assert min(share[Kind.GENOMIC], share[Kind.TRANSCRIPT]) >= 0.9999, share
    assert share[Kind.PROTEIN] >= 0.9995, share
