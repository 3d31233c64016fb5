"""What must hold for any allele: projections invert, a mirrored world says the same, and neither spelling nor batching changes a word.

A world is a random contig with transcripts on both strands; alleles go the product's own way, from a VCF to a table. Names are in the
nomenclature's style: VEP's reads another sequence behind the stop on the minus strand, so it is no mirror of itself.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processors import records
from processors.annotate.hgvs.style import Style
from processors.annotate.project import anchor_of, cdna_of, contig_of
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.gff import Gene, GeneModels, Model
from processors.knowledge.pack import activate
from processors.knowledge.transcript_build import pack_models
from processors.pipeline import Choices, annotate_file
from processors.resources import Resources, plan_for

LENGTH = 4_000
COMPLEMENT = str.maketrans("ACGT", "TGCA")
SAME = (
    "consequence", "impact", "exon", "intron", "hgvsc", "hgvsp", "cdna_position", "cds_position", "protein_position", "amino_acids",
    "codons", "distance",
)  # fmt: skip
# exons, coding span, strand: one with short introns, one that begins in the middle of another's exon, one single exon, one without CDS
TRANSCRIPTS = (
    ([(500, 640), (700, 820), (905, 1000), (1400, 1600)], (560, 1500), 1),
    ([(600, 720), (900, 1101), (1300, 1420)], (630, 1390), -1),
    ([(2000, 2420)], (2060, 2360), -1),
    ([(2300, 2350), (2500, 2700)], None, 1),
    ([(2900, 3000), (3100, 3130), (3200, 3400)], (2950, 3350), 1),
)
ALTS = st.text("ACGT", max_size=6)
EVENTS = st.lists(
    st.tuples(
        st.integers(450, LENGTH - 450), st.one_of(st.just(1), st.integers(0, 40)), st.one_of(ALTS, st.just("copy"), st.just("inverse"))
    ),
    min_size=1,
    max_size=60,
)
QUICK = settings(max_examples=12, deadline=None)


@dataclass(frozen=True)
class Event:
    """Bases [start, end) of the contig become `alt`."""

    start: int
    end: int
    alt: str


@dataclass(frozen=True)
class World:
    """A contig `c` and its transcripts, loaded."""

    folder: Path
    sequence: str
    resources: Resources

    def rows(self, spellings: list[tuple[str, int, str, str]]) -> dict[tuple[str, str], dict[str, str]]:
        """Rows of alleles (name, 0-based position, REF, ALT) by name and transcript."""
        source, target = self.folder / "in.vcf", self.folder / "out.tsv"
        lines = [f"c\t{at + 1}\t{name}\t{ref}\t{alt}\t.\t.\t." for name, at, ref, alt in spellings]
        head = ["##fileformat=VCFv4.3", f"##contig=<ID=c,length={LENGTH}>", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
        source.write_text("\n".join([*head, *lines]) + "\n")
        annotate_file(source, target, self.resources, choices=Choices(style=Style(vep=False)))
        with target.open() as handle:
            found = list(csv.DictReader(handle, delimiter="\t"))
        assert all(row["consequence"] != "." for row in found)
        result = {(row["id"], row["transcript"]): row for row in found}
        assert len(result) == len(found)
        return result

    def spelled(self, name: str, event: Event, left: int = 1, right: int = 0) -> tuple[str, int, str, str]:
        """An event as a VCF writes it, with bases around it."""
        before, after = self.sequence[event.start - left : event.start], self.sequence[event.end : event.end + right]
        return name, event.start - left, before + self.sequence[event.start : event.end] + after, before + event.alt + after


def reverse(sequence: str) -> str:
    return sequence.translate(COMPLEMENT)[::-1]


def contig() -> str:
    """Half random, half short repeats, so that indels can move; every coding sequence begins with ATG and ends with a stop."""
    draw = random.Random(5)
    parts: list[str] = []
    while sum(map(len, parts)) < LENGTH:
        parts.append("".join(draw.choices("ACGT", k=20)) + "".join(draw.choices("ACGT", k=draw.randint(1, 3))) * draw.randint(1, 6))
    bases = list("".join(parts)[:LENGTH])
    for _, cds, strand in TRANSCRIPTS:
        if cds:
            first, last = ("ATG", "TAA") if strand > 0 else (reverse("TAA"), reverse("ATG"))
            bases[cds[0] : cds[0] + 3], bases[cds[1] - 3 : cds[1]] = first, last
    return "".join(bases)


def models(mirrored: bool) -> list[Model]:
    found = []
    for number, (exons, cds, strand) in enumerate(TRANSCRIPTS):
        spans = [(max(a, cds[0]), min(b, cds[1])) for a, b in exons if max(a, cds[0]) < min(b, cds[1])] if cds else []
        name, kind = f"T{number}", "protein_coding" if cds else "lncRNA"
        placed = exons
        if mirrored:
            placed, spans = ([(LENGTH - b, LENGTH - a) for a, b in reversed(parts)] for parts in (exons, spans))
        sign = -strand if mirrored else strand
        found.append(Model(name, "c", sign, Gene(f"G{number}", "S", kind), kind, frozenset(), 0, False, placed, spans, 0))
    return found


@cache
def world(mirrored: bool = False) -> World:
    folder = Path(mkdtemp(prefix="properties-"))
    sequence = reverse(contig()) if mirrored else contig()
    (folder / "c.fa").write_text(f">c\n{sequence}\n")
    packs = folder / "packs"
    built = build_genome(folder / "c.fa", packs, "mirror", "1")
    genome = Genome(built)
    source = GeneModels(models(mirrored), Counter())
    for pack in (built, pack_models(source, packs, genome.table, name="t", version="1", source="t", sha256="", genome=genome)):
        activate(packs, pack)
    return World(folder, sequence, Resources.load(plan_for(packs, "mirror"), packs, "cpu"))


def events_of(drawn: list[tuple[int, int, str]]) -> list[Event]:
    """Events that change something."""
    sequence, found = contig(), []
    for start, size, what in drawn:
        ref = sequence[start : start + size]
        alt = sequence[start - 3 : start] if what == "copy" else reverse(ref) if what == "inverse" else what
        if alt != ref:
            found.append(Event(start, start + size, alt))
    return found


def stretched(event: Event) -> bool:
    """A substitution of several bases: VEP lets the last of its stretches that differ, from the contig's left, say the splice region."""
    return min(len(event.alt), event.end - event.start) > 1


def movable(event: Event) -> bool:
    """An insertion or deletion that says the same one base to the left or right, once common ends are off."""
    sequence = contig()
    ref, alt, start = sequence[event.start : event.end], event.alt, event.start
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    moved = ref or alt
    return not (ref and alt) and (sequence[start - 1] == moved[-1] or sequence[start + len(ref)] == moved[0])


@given(EVENTS)
@example([(818, 2, "AAA")])
@example([(1368, 25, "inverse")])
@QUICK
def test_an_allele_and_its_twin_in_the_mirrored_world_read_the_same(drawn: list[tuple[int, int, str]]) -> None:
    events = events_of(drawn)
    ours = world().rows([world().spelled(f"v{k}", event) for k, event in enumerate(events)])
    twins = [Event(LENGTH - event.end, LENGTH - event.start, reverse(event.alt)) for event in events]
    mirrored = world(True).rows([world(True).spelled(f"v{k}", event) for k, event in enumerate(twins)])
    for k, event in enumerate(events):
        # terms and codons are told at the leftmost place, which is another one in the mirror; the 3' rule of names knows no side
        columns = ("hgvsc",) if movable(event) else SAME[2:] if stretched(event) else SAME
        left, right = ({key: row for key, row in rows.items() if key[0] == f"v{k}"} for rows in (ours, mirrored))
        within = [key for key, row in left.items() if columns[0] != "hgvsc" or row["hgvsc"] != "."]
        assert movable(event) or left.keys() == right.keys()
        for key in within:
            assert [left[key][name] for name in columns] == [right[key][name] for name in columns], (key, event)


@given(EVENTS, st.integers(1, 12), st.integers(0, 12))
@QUICK
def test_any_spelling_of_an_allele_gives_the_same_rows(drawn: list[tuple[int, int, str]], left: int, right: int) -> None:
    events = events_of(drawn)
    shortest = world().rows([world().spelled(f"v{k}", event) for k, event in enumerate(events)])
    padded = world().rows([world().spelled(f"v{k}", event, left, right) for k, event in enumerate(events)])
    own = {"pos", "ref", "alt"}
    for rows in (shortest, padded):
        for row in rows.values():
            for name in own:
                del row[name]
    assert padded == shortest


@given(drawn=EVENTS, size=st.integers(1, 20), order=st.randoms(use_true_random=False))
@QUICK
def test_rows_depend_on_neither_chunk_borders_nor_the_order_of_records(
    drawn: list[tuple[int, int, str]], size: int, order: random.Random
) -> None:
    spellings = [world().spelled(f"v{k}", event) for k, event in enumerate(events_of(drawn))]
    whole = world().rows(spellings)
    order.shuffle(spellings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "CHUNK_ALLELES", size)
        assert world().rows(spellings) == whole


@given(st.integers(0, len(TRANSCRIPTS) - 1), st.integers(0, LENGTH - 1))
@settings(max_examples=300, deadline=None)
def test_projection_to_the_transcript_and_back_is_the_same_base(row: int, position: int) -> None:
    layout = world().resources.transcripts.layout
    cdna = cdna_of(layout, row, position)
    inside = any(a <= position < b for a, b in zip(*_exons(row), strict=True))
    assert (cdna >= 0) == inside
    if inside:
        assert contig_of(layout, row, cdna) == position
    if layout.start[row] <= position < layout.end[row]:
        anchor, offset = anchor_of(layout, row, position)
        assert contig_of(layout, row, anchor) + offset * int(layout.strand[row]) == position
        assert (offset == 0) == inside


@given(st.integers(0, len(TRANSCRIPTS) - 1), st.integers(-5, 800))
@settings(max_examples=300, deadline=None)
def test_every_base_of_a_transcript_has_one_place_on_the_contig(row: int, cdna: int) -> None:
    layout = world().resources.transcripts.layout
    position = contig_of(layout, row, cdna)
    assert (position >= 0) == (0 <= cdna < layout.length[row])
    if position >= 0:
        assert cdna_of(layout, row, position) == cdna
        assert layout.bases.size == 0 or layout.cds_start[row] < 0 or _base(row, position) == layout.bases[layout.base_offsets[row] + cdna]


def _exons(row: int) -> tuple[list[int], list[int]]:
    layout = world().resources.transcripts.layout
    low, high = layout.exon_offsets[row], layout.exon_offsets[row + 1]
    return layout.exon_starts[low:high].tolist(), layout.exon_ends[low:high].tolist()


def _base(row: int, position: int) -> int:
    base = contig()[position]
    return ord(base if world().resources.transcripts.layout.strand[row] > 0 else base.translate(COMPLEMENT))
