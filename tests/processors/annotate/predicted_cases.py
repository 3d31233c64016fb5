"""Random transcripts on a genome full of short repeats, random events on them, and terms that are roughly theirs."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from processors.annotate import terms as term
from processors.annotate.predicted import predict
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.gff import Gene, GeneModels, Model
from processors.knowledge.transcript_build import pack_models
from processors.knowledge.transcripts import Transcripts
from schemas.chunks import Effect
from tests.processors.annotate.predicted_reference import (
    Event,
    Piece,
    Reading,
    edge_bits,
    in_exons,
    meets_pair,
    mirrored,
    real,
    reverse_complement,
)

STOPS = ("TAA", "TAG", "TGA")


def model(name: str, exons: list[tuple[int, int]], cds: tuple[int, int] | None, strand: int, phase: int = 0) -> Model:
    spans = [(max(a, cds[0]), min(b, cds[1])) for a, b in exons if max(a, cds[0]) < min(b, cds[1])] if cds else []
    biotype = "protein_coding" if cds else "lncRNA"
    return Model(name, "c", strand, Gene(f"G{name}", "S", biotype), biotype, frozenset(), 0, False, exons, spans, phase)


def packed(folder: Path, genome: str, models: list[Model]) -> tuple[Transcripts, Genome]:
    """One contig `c` and transcripts on it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "c.fa").write_text(f">c\n{genome}\n")
    bases = Genome(build_genome(folder / "c.fa", folder / "genome", "test", "1"))
    pack = pack_models(
        GeneModels(models, Counter()), folder / "pack", bases.table, name="t", version="1", source="test", sha256="", genome=bases
    )
    return Transcripts(pack), bases


@dataclass(frozen=True)
class Row:
    """An event on a transcript (row of the pack) with its terms."""

    event: Event
    transcript: int
    terms: frozenset[str]


def predictions(transcripts: Transcripts, genome: Genome, rows: list[Row], contig: int = 0) -> list[tuple[set[str], int]]:
    """What the kernel says of each row: names of `Effect` bits, and the share lost."""
    start = np.array([row.event.start for row in rows], dtype=np.int32)
    end = np.array([row.event.end for row in rows], dtype=np.int32)
    size = np.array([len(row.event.inserted) for row in rows], dtype=np.int64)
    alt_to = np.cumsum(size, dtype=np.int64)
    alt = np.frombuffer(("".join(row.event.inserted for row in rows) + "N").encode(), dtype=np.uint8)
    offsets = np.arange(len(rows) + 1, dtype=np.int32)
    transcript = np.array([row.transcript for row in rows], dtype=np.uint32)
    bits = np.array([term.mask(*row.terms) for row in rows], dtype=np.uint64)
    effect, lost = np.full(len(rows), 0xFFFF, dtype=np.uint32), np.full(len(rows), 0xFFFF, dtype=np.uint16)
    predict(transcripts.layout, genome, contig, start, end, alt, alt_to - size, alt_to, offsets, transcript, bits, effect, lost)
    return [({e.name for e in Effect if e & bit and e.name}, int(share)) for bit, share in zip(effect.tolist(), lost.tolist(), strict=True)]


def piece_of(transcripts: Transcripts, genome: str, row: int, event: Event, base: int = 0) -> tuple[Piece, Event]:
    """A transcript and an event as the reference takes them: forward. `genome` and `event` count from `base` of the contig."""
    layout = transcripts.layout
    low, high = int(layout.exon_offsets[row]), int(layout.exon_offsets[row + 1])
    exons = list(zip((layout.exon_starts[low:high] - base).tolist(), (layout.exon_ends[low:high] - base).tolist(), strict=True))
    cds = (int(layout.cds_start[row]) - base, int(layout.cds_end[row]) - base) if layout.cds_start[row] >= 0 else None
    if layout.strand[row] < 0:
        piece, event = mirrored(genome, exons, cds, event)
    else:
        piece = Piece(genome, tuple(exons), cds)
    status = int(layout.status[row])
    return Piece(piece.genome, piece.exons, piece.cds, int(layout.pad[row]), not status & 1, not status & 2), event


def _repetitive(source: random.Random, length: int) -> list[str]:
    out: list[str] = []
    while len(out) < length:
        if len(out) > 6 and source.random() < 0.2:
            size = source.randint(1, 4)
            out += out[-size:] * source.randint(1, 2)
        else:
            out.append(source.choice("ACGT"))
    return out[:length]


def random_transcript(source: random.Random, margin: int = 150) -> tuple[str, list[tuple[int, int]], tuple[int, int] | None]:
    """(genome, exons, coding sequence) of a forward transcript whose frame is open from its start to its stop."""
    exons, at = [], margin
    for _ in range(source.randint(1, 6)):
        size = source.choice([source.randint(1, 12), source.randint(20, 90), source.randint(60, 200), source.randint(380, 520)])
        exons.append((at, at + size))
        at += size + source.choice([source.randint(1, 13), source.randint(14, 30), source.randint(30, 90), source.randint(30, 90)])
    bases = _repetitive(source, exons[-1][1] + margin)
    places = [i for a, b in exons for i in range(a, b)]
    for (_, low), (high, _) in pairwise(exons):
        if high - low > 13:
            ends = source.choice([("GT", "AG")] * 6 + [("GC", "AG"), ("AT", "AC"), ("GG", "AG")])
            bases[low : low + 2], bases[high - 2 : high] = ends[0], ends[1]
            if source.random() < 0.5:  # a repeat over the border
                unit = source.choice(["CAG", "AG", "TAG", "GCAG", "CCAGCAG"])
                bases[high : high + len(unit)] = unit
                bases[high - len(unit) : high] = unit
            if source.random() < 0.3:
                unit = source.choice(["GT", "GTA", "GTAA"])
                bases[low : low + len(unit)] = unit
                bases[low - len(unit) : low] = unit
    if len(places) < 30 or source.random() < 0.1:
        return "".join(bases), exons, None
    start = source.randint(0, min(len(places) // 3, 80))
    count = max(source.randint(4, (len(places) - start) // 3) for _ in range(2))
    for codon in range(count):
        three = places[start + 3 * codon : start + 3 * codon + 3]
        if codon == 0:
            text = "ATG"
        elif codon == count - 1:
            text = source.choice(STOPS)
        elif "".join(bases[i] for i in three) in STOPS:
            text = source.choice(["TAC", "ATG", "TTA", "CAG"])
        else:
            continue
        for i, base in zip(three, text, strict=True):
            bases[i] = base
    return "".join(bases), exons, (places[start], places[start + 3 * count - 1] + 1)


def random_event(source: random.Random, genome: str, exons: list[tuple[int, int]]) -> Event:
    """Mostly near a border of an exon; what it inserts begins and ends unlike what it replaces."""
    at = source.choice([source.choice(source.choice(exons)) + source.randint(-8, 8), source.randint(exons[0][0] - 5, exons[-1][1] + 5)])
    size = source.choice([0, 1, 1, source.randint(1, 6), source.randint(1, 6), source.randint(1, 30), source.randint(100, 800)])
    if source.random() < 0.1 and len(exons) > 1:  # ends within two exons
        (a, b), (c, d) = sorted(source.sample(exons, 2))
        at, size = source.randint(a, b), 0
        size = source.randint(c, d) - at
    at = max(1, min(at, len(genome) - 2))
    end = min(at + size, len(genome) - 1)
    count = source.choice([0, 0, 1, 3, source.randint(1, 9)])
    if at == end and count == 0:
        count = 1
    if end > at and source.random() < 0.2:
        count = end - at if end - at < 12 else 0
    if at == end and source.random() < 0.6:
        inserted = genome[at : at + count] if source.random() < 0.5 else genome[at - count : at]
        inserted = inserted or "A"
    else:
        inserted = "".join(source.choice("ACGT") for _ in range(count))
    start = at
    while start < end and inserted and inserted[0] == genome[start]:
        start, inserted = start + 1, inserted[1:]
    while start < end and inserted and inserted[-1] == genome[end - 1]:
        end, inserted = end - 1, inserted[:-1]
    return Event(start, end, inserted) if start < end or inserted else Event(at, at + 1, "")


def rough_terms(piece: Piece, event: Event) -> set[str]:
    """Terms that are about right, from strings alone."""
    if event.start <= piece.exons[0][0] and event.end >= piece.exons[-1][1]:
        return {"transcript_ablation"}
    found = set()
    for a, b in filter(real, piece.introns()):
        found |= {"splice_donor_variant"} if meets_pair(event, a) else set()
        found |= {"splice_acceptor_variant"} if meets_pair(event, b - 2) else set()
    if found:
        return found
    if edge_bits(piece, event):
        found.add("splice_region_variant")
    if piece.cds is None or not in_exons(piece, event):
        return found | {"intron_variant"}
    a, b = piece.cdna(event.start), piece.cdna(event.end)
    start, end = piece.cdna(piece.cds[0]), piece.cdna(piece.cds[1])
    if (a < b and (b <= start or a >= end)) or (a == b and not start < a < end):
        return found | {"3_prime_UTR_variant"}
    if a < start + 3 and b > start:
        return found | {"start_lost"}
    reading = Reading(piece, a, b, event.inserted)
    if b > end - 3:
        return found | ({"stop_retained_variant"} if reading.own_stop else {"stop_lost"})
    if reading.moved % 3:
        return found | {"frameshift_variant"}
    if not reading.own_stop:
        return found | {"stop_gained"}
    if reading.moved:
        return found | {"inframe_insertion" if reading.moved > 0 else "inframe_deletion"}
    return found | {"missense_variant"}


def random_rows(source: random.Random, transcripts: int, events: int) -> tuple[str, list[Model], list[Row]]:
    """Transcripts of both strands one behind the other on one genome, and rows of events on each; row numbers are those of the pack."""
    genome, models, rows = "", [], []
    for number in range(transcripts):
        text, exons, cds = random_transcript(source)
        strand = source.choice([1, -1])
        made = [random_event(source, text, exons) for _ in range(events)]
        made = [event for event in made if event.end > exons[0][0] and event.start < exons[-1][1]]
        named = [frozenset(rough_terms(Piece(text, tuple(exons), cds), event)) for event in made]
        n, base = len(text), len(genome)
        if strand < 0:
            text = reverse_complement(text)
            exons = [(n - b, n - a) for a, b in reversed(exons)]
            cds = (n - cds[1], n - cds[0]) if cds else None
            made = [Event(n - e.end, n - e.start, reverse_complement(e.inserted)) for e in made]
        genome += text
        models.append(
            model(f"T{number}", [(a + base, b + base) for a, b in exons], (cds[0] + base, cds[1] + base) if cds else None, strand)
        )
        rows += [Row(Event(e.start + base, e.end + base, e.inserted), number, names) for e, names in zip(made, named, strict=True)]
    return genome, models, rows
