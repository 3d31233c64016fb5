"""Predicted effects: cases worked out by hand on both strands, and the slow reference on random and on real transcripts."""

from __future__ import annotations

import csv
import gzip
import random
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from processors.annotate import terms as term
from processors.annotate.predicted import next_starts
from processors.annotate.predicted_shift import milder
from processors.knowledge.genome import Genome
from processors.knowledge.transcripts import Transcripts
from schemas.chunks import JUNCTION_ESCAPE, Effect
from tests.processors.annotate.predicted_cases import Row, model, packed, piece_of, predictions, random_rows
from tests.processors.annotate.predicted_reference import Event, predicted, reverse_complement

if TYPE_CHECKING:
    from tests.processors.annotate.conftest import VepPacks

NOT_OF_THE_REFERENCE = {"MODEL_DOUBTFUL", "SHIFT_SENSITIVE"}

# cDNA borders of the exons: 200, 500, 951, 1070, 1170; coding from 20 to 1103: 360 residues, Met, Ala, the first of exon 2 Gln, TAA
EXONS = [(100, 300), (400, 700), (800, 1251), (1351, 1470), (1570, 1670)]
CDS = (120, 1603)
DONOR, ACCEPTOR = "splice_donor_variant", "splice_acceptor_variant"


def hand_made() -> str:
    bases = list("T" * 1800)
    coding = "ATG" + "GCT" * 59 + "CAG" + "GCT" * 299 + "TAA"
    text = iter("C" * 20 + coding + "C" * 200)
    for a, b in EXONS:
        for at in range(a, b):
            bases[at] = next(text)
    for (_, low), (high, _) in pairwise(EXONS):
        bases[low : low + 3], bases[high - 3 : high] = "GTA", "CAG"
    return "".join(bases)


GENOME = hand_made()


def stop_at(cdna: int) -> Event:
    """TAA put in before a base of the spliced transcript."""
    for a, b in EXONS:
        if cdna < b - a:
            return Event(a + cdna, a + cdna, "TAA")
        cdna -= b - a
    raise ValueError(cdna)


CASES = [
    # a new stop: where it stands decides
    (stop_at(320), "stop_gained", {"NMD"}, 7223),  # 100 of 360 residues are left
    (stop_at(119), "stop_gained", {"NMD_ESCAPE", "ESCAPE_START_PROXIMAL"}, 9084),  # 33 left, base 99 of the coding sequence
    (stop_at(122), "stop_gained", {"NMD"}, 9056),
    (stop_at(500), "stop_gained", {"NMD_ESCAPE", "ESCAPE_LONG_EXON"}, 5556),
    (stop_at(1022), "stop_gained", {"NMD"}, 723),  # the junction lies 51 bases behind the first base of the stop
    (stop_at(1025), "stop_gained", {"NMD_ESCAPE", "ESCAPE_PENULTIMATE_50"}, 695),
    (stop_at(1073), "stop_gained", {"NMD_ESCAPE", "ESCAPE_LAST_EXON"}, 250),
    (Event(520, 521, ""), "frameshift_variant", {"NONSTOP"}, 7223),  # no stop in this frame up to the end
    (Event(520, 520, "GTTAA"), "frameshift_variant", {"NONSTOP"}, 7223),
    (Event(520, 520, "TGATT"), "frameshift_variant", {"NMD"}, 7223),
    (Event(520, 529, ""), "inframe_deletion", set(), 84),
    (Event(520, 520, "GAA"), "inframe_insertion", set(), 0),
    (Event(520, 521, "C"), "missense_variant", set(), 0),
    (Event(1600, 1601, "C"), "stop_lost", {"NONSTOP"}, 0),
    # the start
    (Event(121, 122, "C"), "start_lost", set(), 10_000),
    # splice sites: exon 2 has 300 bases, exon 3 451, exon 1 the start, exon 5 the stop
    (Event(700, 701, "A"), DONOR, {"SPLICE_IN_FRAME"}, 2778),
    (Event(399, 400, "A"), ACCEPTOR, {"SPLICE_IN_FRAME"}, 2778),
    (Event(1251, 1252, "A"), DONOR, {"SPLICE_OUT_OF_FRAME", "NONSTOP"}, 5556),
    (Event(300, 301, "A"), DONOR, {"SPLICE_START"}, 10_000),
    (Event(1568, 1569, "C"), ACCEPTOR, {"SPLICE_STOP", "NONSTOP"}, 278),
    (Event(701, 702, "C"), DONOR, {"SPLICE_IN_FRAME", "SPLICE_GT_TO_GC"}, 2778),
    (Event(350, 750, ""), f"{ACCEPTOR},{DONOR}", {"SPLICE_IN_FRAME", "EXON_EDGE", "EXON_LAST_BASE"}, 2778),
    (Event(698, 703, ""), DONOR, {"SPLICE_IN_FRAME", "EXON_EDGE", "EXON_LAST_BASE"}, 2778),
    (Event(694, 806, ""), f"{ACCEPTOR},{DONOR}", {"SPLICE_IN_FRAME", "EXON_EDGE", "EXON_LAST_BASE"}, 112),  # the exons are joined
    # CAG before CAG: one of the two goes, and the site reads the same
    (Event(397, 400, ""), ACCEPTOR, {"SPLICE_UNCHANGED", "EXON_EDGE"}, 28),
    (Event(398, 400, "GA"), ACCEPTOR, {"SPLICE_IN_FRAME"}, 2778),
    # edges of exons
    (Event(299, 300, "C"), "missense_variant,splice_region_variant", {"EXON_EDGE", "EXON_LAST_BASE"}, 0),
    (Event(297, 298, "C"), "missense_variant,splice_region_variant", {"EXON_EDGE"}, 0),
    (Event(401, 402, "C"), "missense_variant,splice_region_variant", set(), 0),
    (Event(400, 401, "A"), "missense_variant,splice_region_variant", {"EXON_EDGE"}, 0),
    (Event(0, 1800, ""), "transcript_ablation", set(), 10_000),
]  # fmt: skip


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Transcripts, Genome], tuple[Transcripts, Genome]]:
    """The hand-made transcript and its mirror image."""
    folder, n = tmp_path_factory.mktemp("predicted"), len(GENOME)
    twin = [(n - b, n - a) for a, b in reversed(EXONS)]
    return (
        packed(folder / "forward", GENOME, [model("T", EXONS, CDS, 1)]),
        packed(folder / "reverse", reverse_complement(GENOME), [model("T", twin, (n - CDS[1], n - CDS[0]), -1)]),
    )


@pytest.mark.parametrize(("event", "terms", "wanted", "lost"), CASES)
def test_an_effect_worked_out_by_hand_is_found_on_both_strands(
    both: tuple[tuple[Transcripts, Genome], tuple[Transcripts, Genome]], event: Event, terms: str, wanted: set[str], lost: int
) -> None:
    n = len(GENOME)
    twin = Event(n - event.end, n - event.start, reverse_complement(event.inserted))
    for (transcripts, genome), placed in zip(both, (event, twin), strict=True):
        found, share = predictions(transcripts, genome, [Row(placed, 0, frozenset(terms.split(",")))])[0]
        assert (found - {"SHIFT_SENSITIVE"}, share) == (wanted, lost)


def test_a_lost_start_finds_the_next_methionine_in_frame(tmp_path: Path) -> None:
    genome = GENOME[:153] + "ATG" + GENOME[156:]  # codon 12
    transcripts, bases = packed(tmp_path, genome, [model("T", EXONS, CDS, 1)])
    rows = [Row(Event(121, 122, "C"), 0, frozenset({"start_lost"})), Row(Event(300, 301, "A"), 0, frozenset({DONOR}))]
    near, skipped = predictions(transcripts, bases, rows)
    assert near == ({"NEXT_START"}, 306)  # 11 of 360 residues
    assert skipped == ({"SPLICE_START"}, 10_000)  # codon 12 goes with exon 1
    assert next_starts(transcripts.layout, np.array([0])).tolist() == [12]


def test_a_site_in_a_utr_and_the_kind_of_site_are_told(tmp_path: Path) -> None:
    exons = [(100, 130), *EXONS[1:]]
    genome = GENOME[:130] + "GC" + GENOME[132:400] + "ATG" + GENOME[403:]
    transcripts, bases = packed(tmp_path, genome, [model("T", exons, (400, 1603), 1)])
    found = predictions(transcripts, bases, [Row(Event(130, 131, "A"), 0, frozenset({DONOR}))])
    assert found == [({"SPLICE_UTR", "SPLICE_GC"}, 0)]


def test_a_junction_in_the_utr_counts_and_an_artefact_does_not(tmp_path: Path) -> None:
    """The stop of the last coding exon lies 66 bases before a junction of the 3' UTR."""
    for gap, wanted in ((100, "NMD"), (13, "NMD_ESCAPE")):
        exons = [*EXONS[:-1], (1570, 1640), (1640 + gap, 1760)]
        transcripts, bases = packed(tmp_path / str(gap), GENOME, [model("T", exons, CDS, 1)])
        (found, _) = predictions(transcripts, bases, [Row(Event(1573, 1573, "TAA"), 0, frozenset({"stop_gained"}))])[0]
        assert wanted in found


def test_a_single_exon_escapes(tmp_path: Path) -> None:
    genome = "T" * 50 + "ATG" + "GCT" * 60 + "TAA" + "C" * 50
    transcripts, bases = packed(tmp_path, genome, [model("T", [(40, 280)], (50, 236), 1)])
    found = predictions(transcripts, bases, [Row(Event(170, 170, "TAA"), 0, frozenset({"stop_gained"}))])
    assert found == [({"NMD_ESCAPE", "ESCAPE_SINGLE_EXON"}, 3443)]
    assert Effect.ESCAPE_SINGLE_EXON in JUNCTION_ESCAPE


def test_a_protein_without_a_known_beginning_makes_its_share_doubtful(tmp_path: Path) -> None:
    transcripts, bases = packed(tmp_path, GENOME, [model("T", EXONS, (123, CDS[1]), 1)])
    rows = [Row(Event(520, 520, "TAA"), 0, frozenset({"stop_gained"})), Row(Event(520, 521, "C"), 0, frozenset({"missense_variant"}))]
    assert ["MODEL_DOUBTFUL" in found for found, _ in predictions(transcripts, bases, rows)] == [False, False]
    transcripts, bases = packed(tmp_path / "cut", GENOME, [model("T", EXONS, (124, CDS[1]), 1, phase=2)])
    assert ["MODEL_DOUBTFUL" in found for found, _ in predictions(transcripts, bases, rows)] == [True, False]


def test_terms_at_the_other_place_flag_the_row_on_the_forward_strand_only(
    both: tuple[tuple[Transcripts, Genome], tuple[Transcripts, Genome]],
) -> None:
    n = len(GENOME)
    forward = predictions(*both[0], [Row(Event(397, 400, ""), 0, frozenset({ACCEPTOR}))])[0][0]
    reverse = predictions(*both[1], [Row(Event(n - 400, n - 397, ""), 0, frozenset({ACCEPTOR}))])[0][0]
    assert "SHIFT_SENSITIVE" in forward
    assert "SHIFT_SENSITIVE" not in reverse
    assert "SPLICE_UNCHANGED" in forward & reverse


def test_the_milder_of_two_calls_has_the_less_severe_worst_term() -> None:
    lost, kept = term.mask(ACCEPTOR), term.mask("inframe_deletion", "splice_region_variant")
    pairs = np.array([[lost, kept], [kept, lost], [kept, kept]], dtype=np.uint64)
    assert milder(pairs[:, 0], pairs[:, 1]).tolist() == [kept, kept, kept]


@pytest.mark.parametrize("seed", [11, 12])
def test_the_kernels_agree_with_the_slow_reference_on_random_transcripts(tmp_path: Path, seed: int) -> None:
    genome, models, rows = random_rows(random.Random(seed), 40, 40)
    transcripts, bases = packed(tmp_path, genome, models)
    for row, (found, lost) in zip(rows, predictions(transcripts, bases, rows), strict=True):
        piece, event = piece_of(transcripts, genome, row.transcript, row.event)
        assert (found - NOT_OF_THE_REFERENCE, lost) == predicted(piece, event, set(row.terms)), row


@pytest.mark.real_data
def test_the_kernels_agree_with_the_slow_reference_on_real_transcripts(real_data: Path, vep_packs: VepPacks) -> None:
    """VEP's own terms of a sample of rows where they matter."""
    folder = real_data / "vep_truth"
    genome, transcripts = vep_packs("GRCh38")
    number = {transcripts.name[row]: row for row in range(len(transcripts))}
    matter = {name for name in term.TERMS if term.mask(name) & (term.PROTEIN_EFFECTS | term.SPLICE_DONOR | term.SPLICE_ACCEPTOR)}
    matter -= {"missense_variant", "synonymous_variant"}
    rows: dict[int, list[Row]] = {}
    with gzip.open(folder / "truth.GRCh38.tsv.gz", "rt") as handle:
        for count, line in enumerate(csv.DictReader(handle, delimiter="\t")):
            names = frozenset(line["consequence"].split(","))
            contig = genome.table.resolve(line["chrom"])
            if count % 9 or not names & matter or contig is None or line["transcript"] not in number:
                continue
            start, ref, alt = int(line["pos"]) - 1, line["ref"], line["alt"]
            while ref and alt and ref[0] == alt[0]:
                start, ref, alt = start + 1, ref[1:], alt[1:]
            rows.setdefault(contig, []).append(Row(Event(start, start + len(ref), alt), number[line["transcript"]], names))
    compared = 0
    for contig, chosen in rows.items():
        bases = genome.bases(contig)
        assert bases is not None
        text = bases.tobytes().decode()
        for row, (found, lost) in zip(chosen, predictions(transcripts, genome, chosen, contig), strict=True):
            low = max(int(transcripts.layout.start[row.transcript]) - 1_000, 0)
            high = min(int(transcripts.layout.end[row.transcript]) + 1_000, len(text))
            if row.event.start < low or row.event.end > high:
                continue
            event = Event(row.event.start - low, row.event.end - low, row.event.inserted)
            piece, event = piece_of(transcripts, text[low:high], row.transcript, event, low)
            assert (found - NOT_OF_THE_REFERENCE, lost) == predicted(piece, event, set(row.terms)), row
            compared += 1
    assert compared > 500
