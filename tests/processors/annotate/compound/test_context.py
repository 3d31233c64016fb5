"""What chunks know of each other: every gene called once, context rows that are few, bounded and told."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from processors.annotate.compound.stage import call_compounds
from processors.ingest import context, ingest
from schemas.chunks import END_OF_CONTIG, Chunk, decode, encode
from schemas.compounds import CompoundFlag
from schemas.plan import CuttingRule, Plan
from tests.processors.annotate.compound.conftest import Genes, Line, Made
from tests.processors.annotate.compound.test_compound import random_lines


def cut(genes: Genes, path: Path, alleles: int) -> list[Chunk]:
    """Chunks of a file of one sample, through the wire."""
    with ingest(
        path, genome=genes.resources.genome, build="toy", samples=[("s0", "id")], submission_id="s", revision_id="r",
        plan=Plan("toy", (), cutting=CuttingRule(alleles=alleles)), lane="routine", epoch=0, options={},
        boundaries=genes.resources.boundaries, coding_exons=genes.resources.coding_exons,
    ) as reading:  # fmt: skip
        return [decode(encode(emitted.chunk)) for emitted in reading]


def every_base(genes: Genes, gene: Made) -> list[Line]:
    """A phased substitution of every second coding base, and of every tenth intronic one."""
    lines: list[Line] = [(*genes.substitution(gene, at, genes.other(gene, at)), ["0|1"]) for at in range(6, len(gene.places) - 6, 2)]
    coding = set(gene.places)
    for place in range(min(gene.places), max(gene.places), 10):
        if place not in coding:
            base = genes.sequence[place]
            lines.append((place + 1, base, "ACGT"[("ACGT".index(base) + 1) % 4], ["0|1"]))
    return lines


def test_every_place_of_a_contig_is_called_with_one_chunk(genes: Genes) -> None:
    chunks = cut(genes, genes.write(random_lines(genes, random.Random(5), 90, 1), "windows.vcf"), 7)
    windows = [chunk.header.window for chunk in chunks]
    assert len(windows) > 5
    assert (windows[0][0], windows[-1][1]) == (-1, END_OF_CONTIG)
    assert all(one[1] == two[0] for one, two in itertools.pairwise(windows))


def test_context_rows_lie_in_coding_exons_of_genes_not_yet_called(genes: Genes) -> None:
    gene = genes.genes[2]
    chunks = cut(genes, genes.write(every_base(genes, gene), "gene.vcf"), 40)
    assert len(chunks) > 3
    assert chunks[0].context is None
    low, high = min(gene.places) - 1, max(gene.places) + 1
    exons = genes.resources.coding_exons["one"]
    for before, chunk in itertools.pairwise(chunks):
        assert chunk.context is not None
        starts = chunk.context.column("start").to_pylist()
        assert all(low <= start <= high for start in starts)
        assert all(any(a - 1 <= start <= b for a, b in exons) for start in starts)
        assert set(chunk.context.column("record").to_pylist()).isdisjoint(chunk.rows.column("record").to_pylist())
        assert before.header.ordinal < chunk.header.ordinal
    assert [call_compounds(chunk, genes.resources).num_rows > 0 for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_context_beyond_its_bound_is_told_and_so_are_its_compounds(genes: Genes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = genes.write(every_base(genes, genes.genes[2]), "bound.vcf")
    monkeypatch.setattr(context, "CONTEXT_ROWS", 3)
    chunks = cut(genes, path, 40)
    assert [0 if chunk.context is None else chunk.context.num_rows for chunk in chunks[1:]] == [3] * (len(chunks) - 1)
    assert all(chunk.header.complete_from > 0 for chunk in chunks[1:])
    flags = call_compounds(chunks[-1], genes.resources).column("flags").to_pylist()
    assert flags
    assert all(flag & CompoundFlag.INCOMPLETE for flag in flags)


def test_a_row_that_comes_after_its_gene_was_called_is_counted(genes: Genes) -> None:
    lines = [*every_base(genes, genes.genes[2]), *every_base(genes, genes.genes[6])]
    late = (*genes.substitution(genes.genes[2], 5, genes.other(genes.genes[2], 5)), ["0|1"])
    ordered = sorted(lines, key=lambda line: line[0])
    assert {chunk.header.late for chunk in cut(genes, genes.write(ordered, "sorted.vcf", ordered=False), 40)} == {0}
    assert sum(chunk.header.late for chunk in cut(genes, genes.write([*ordered, late], "late.vcf", ordered=False), 40)) == 1
