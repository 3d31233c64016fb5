"""Four real releases of ClinVar, one after another, over real samples: each view ends where a run under the last one begins."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import activate
from processors.knowledge.transcript_build import build_transcripts
from processors.score.models import bundled_model_pack

pytestmark = pytest.mark.real_data

CONTIGS = {"22": 51_304_566}
MANY = {"22": 51_304_566, "21": 48_129_895, "19": 59_128_983, "17": 81_195_210, "13": 115_169_878}
"""Lengths of contigs of GRCh37."""
RELEASES = ("2016-01-04", "2016-08-31", "2017-01-04", "2017-04-04")
PFEIFFER, NIST = "samples/manuel.Pfeiffer_exome.GRCh37.vcf.gz", "samples/NA12878.NIST2.19_indels.wholegenome.GRCh37.vcf.gz"


def lines_of(path: Path, contigs: Iterable[str]) -> tuple[list[str], list[str]]:
    """(header lines, data lines of some contigs)."""
    return _lines(path, frozenset(contigs))


@cache
def _lines(path: Path, wanted: frozenset[str]) -> tuple[list[str], list[str]]:
    with gzip.open(path, "rt") as text:
        every = list(text)
    return [line for line in every if line.startswith("#")], [line for line in every if line.split("\t", 1)[0] in wanted]


def packs_of(folder: Path, real_data: Path, contigs: dict[str, int]) -> Path:
    """Reference (exons of some genes, N between), gene models and model, active."""
    fasta, genes = folder / "part.fa", folder / "genes.gtf"
    with gzip.open(real_data / "panel/cellbase_genes.exonic_reference.GRCh37.fa.gz", "rt") as text:
        blocks = [block.partition("\n") for block in text.read().split(">")[1:]]
    with fasta.open("wb") as out:
        for contig, length in contigs.items():
            bases = np.full(length, ord("N"), dtype=np.uint8)
            for name, _, sequence in blocks:
                where, _, span = name.partition(":")
                if where == contig:
                    start = int(span.split("-")[0]) - 1
                    letters = np.frombuffer(sequence.replace("\n", "").encode(), dtype=np.uint8)
                    bases[start : start + len(letters)] = letters
            out.write(f">{contig}\n".encode() + bases.tobytes() + b"\n")
    with gzip.open(real_data / "panel/cellbase_genes.GRCh37.gtf.gz", "rt") as text:
        genes.write_text("".join(line for line in text if line.startswith("#") or line.split("\t", 1)[0] in contigs))
    packs = folder / "reference"
    genome = build_genome(fasta, packs, "GRCh37", "part")
    opened = Genome(genome)
    for pack in (
        genome,
        build_transcripts(genes, packs, opened.table, name="genes", version="1", genome=opened),
        bundled_model_pack(packs),
    ):
        activate(packs, pack)
    return packs


def carrier(folder: Path, real_data: Path, contigs: Iterable[str]) -> Path:
    """A call set that carries every allele of the first and of the last release."""
    rows: dict[tuple[str, int, str, str], None] = {}
    for release in (RELEASES[0], RELEASES[-1]):
        for line in lines_of(real_data / f"grch37/clinvar_{release}.GRCh37.vcf.gz", contigs)[1]:
            contig, position, _, ref, alts = line.split("\t", 5)[:5]
            rows |= {(contig, int(position), ref, alt): None for alt in alts.split(",")}
    path = folder / "every.vcf"
    head = "##fileformat=VCFv4.2\n" + "".join(f"##contig=<ID={contig}>\n" for contig in contigs)
    head += '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    head += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tevery\n"
    order = {contig: number for number, contig in enumerate(contigs)}
    body = [f"{c}\t{p}\t.\t{r}\t{a}\t.\tPASS\t.\tGT\t0/1\n" for c, p, r, a in sorted(rows, key=lambda row: (order[row[0]], row[1:]))]
    path.write_text(head + "".join(body))
    return path


def renamed(source: Path, target: Path, contigs: Iterable[str], name: str) -> Path:
    """The records of some contigs, under another sample name."""
    if source.suffix == ".gz":
        header, rows = lines_of(source, contigs)
    else:
        every = source.read_text().splitlines(keepends=True)
        header, rows = [line for line in every if line.startswith("#")], [line for line in every if not line.startswith("#")]
    columns = header[-1].rstrip("\n").split("\t")
    target.write_text("".join(header[:-1]) + "\t".join([*columns[:9], name]) + "\n" + "".join(rows))
    return target


def run(make: Callable[..., Any], folder: Path, real_data: Path, contigs: dict[str, int]) -> Any:
    """Release one by one, and compare with the same files submitted under the last."""
    lab = make(folder, packs_of(folder, real_data, contigs), "GRCh37")
    files = {"pfeiffer": real_data / PFEIFFER, "nist": real_data / NIST, "every": carrier(folder, real_data, contigs)}

    def submit(suffix: str) -> None:
        for name, source in files.items():
            text = f"{name}{suffix}-{lab.id[:8]}"
            lab.announce(renamed(source, folder / f"{text}.vcf", contigs, text), {f"{name}{suffix}": text})

    def release(date: str) -> None:
        header, rows = lines_of(real_data / f"grch37/clinvar_{date}.GRCh37.vcf.gz", contigs)
        path = folder / f"clinvar-{date}.vcf"
        path.write_text("".join(header) + "".join(rows))
        lab.release("clinvar", path, date, date)

    release(RELEASES[0])
    submit("")
    lab.run()
    for date in RELEASES[1:]:
        release(date)
        lab.run()
        assert lab.behind() == 0
    seen = lab.seen(list(files))
    submit("'")
    lab.run()
    return lab, seen, lab.seen([f"{name}'" for name in files])


def differences(seen: dict[str, Sequence[Any]], fresh: dict[str, Sequence[Any]]) -> dict[str, int]:
    return {view: len(set(rows) ^ set(fresh[view])) for view, rows in seen.items()}


def test_four_releases_one_by_one_end_where_a_run_under_the_last_ends(
    make_lab: Callable[..., Any], tmp_path: Path, real_data: Path
) -> None:
    lab, seen, fresh = run(make_lab, tmp_path.resolve(), real_data, CONTIGS)
    assert differences(seen, fresh) == dict.fromkeys(seen, 0)
    assert seen == fresh
    assert len(seen["variant"]) > 5_000
    assert len(seen["finding_current"]) > 500
    assert lab.revision("every")[0] == 4
    assert {event.tier for event in lab.reclassified()} >= {1, 2}


@pytest.mark.soak
def test_four_releases_over_many_contigs_end_where_a_run_under_the_last_ends(
    make_lab: Callable[..., Any], tmp_path: Path, real_data: Path
) -> None:
    _, seen, fresh = run(make_lab, tmp_path.resolve(), real_data, MANY)
    assert differences(seen, fresh) == dict.fromkeys(seen, 0)
