"""What is said of an event on the coding sequence, on a transcript written by hand and on its mirror image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from processors.annotate import terms
from processors.annotate.change import Matter, change_column
from processors.annotate.pick import pick_order
from processors.annotate.regions import ConsequenceCalls, call_consequences
from processors.knowledge.transcripts import Transcripts
from tests.processors.knowledge.toy import gff3, toy, turned

FLANK = "C" * 100
UTR5 = "CCCTCCCTCCCT"
CODONS1 = "ATGGCTTGCAAAGAACTT"  # M A C K E L, at 112
INTRON = "GTAAGC" + "C" * 48 + "TTTCAG"  # at 130
CODONS2 = "GGTTGGTCATAA"  # G W S *, at 190
UTR3 = "CCATAGCCCTGACCCCCCCCCCCCCCCC"  # at 202
CONTIG = FLANK + UTR5 + CODONS1 + INTRON + CODONS2 + UTR3 + FLANK
EXONS, CDS = [(100, 130), (190, 230)], [(112, 130), (190, 202)]
Span = tuple[int, int]
Event = tuple[int, int, str]


def world(root: Path, reverse: bool, cds: list[Span] = CDS, attributes: str = "", sequence: str = CONTIG) -> Transcripts:
    def lines(kind: str, spans: list[Span]) -> list[tuple[str, int, int, str]]:
        turn = [(len(CONTIG) - b, len(CONTIG) - a) for a, b in reversed(spans)] if reverse else spans
        return [(kind, a + 1, b, "0" if kind == "CDS" else ".") for a, b in turn]

    models = gff3("T", *lines("exon", EXONS), *lines("CDS", cds), strand="-" if reverse else "+", attributes=attributes)
    return toy(root, turned(sequence) if reverse else sequence, models)


def columns(events: list[Event], reverse: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    if reverse:
        events = [(len(CONTIG) - end, len(CONTIG) - start, turned(alt)) for start, end, alt in events]
    start, end = (np.array([event[place] for event in events], dtype=np.int32) for place in (0, 1))
    behind = np.cumsum([len(event[2]) for event in events])
    before = behind - [len(event[2]) for event in events]
    return start, end, np.frombuffer("".join(event[2] for event in events).encode(), dtype=np.uint8), before, behind


def called(transcripts: Transcripts, events: list[Event], reverse: bool) -> ConsequenceCalls:
    return call_consequences(transcripts.layout, pick_order(transcripts), None, 0, 5_000, *columns(events, reverse))


def said(transcripts: Transcripts, event: Event, reverse: bool) -> set[str]:
    calls = called(transcripts, [event], reverse)
    return {name.removesuffix("_variant") for name in terms.names_of(int(calls.terms[0]))}


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "mirrored"])
def test_each_term_is_said_where_it_holds_and_no_other(tmp_path: Path, reverse: bool) -> None:
    transcripts = world(tmp_path, reverse)
    wanted: dict[Event, set[str]] = {
        (115, 116, "A"): {"missense"},
        (117, 118, "C"): {"synonymous"},
        (120, 121, "A"): {"stop_gained"},
        (112, 113, "G"): {"start_lost"},
        (113, 113, "TGA"): {"start_retained"},
        (122, 123, ""): {"frameshift"},
        (121, 124, ""): {"inframe_deletion"},
        (121, 121, "GGG"): {"inframe_insertion"},
        (121, 121, "TAA"): {"inframe_insertion", "stop_gained"},
        (118, 124, "GGG"): {"protein_altering"},
        (115, 121, "AATGGA"): {"missense"},
        (199, 200, "C"): {"stop_lost"},
        (201, 202, "G"): {"stop_retained"},
        (199, 202, ""): {"stop_lost", "inframe_deletion"},
        (117, 118, "N"): {"coding_sequence"},
        (125, 140, ""): {"coding_sequence", "intron", "splice_donor", "splice_donor_5th_base"},
        (110, 113, ""): {"5_prime_UTR", "start_lost"},
        (112, 112, "A"): {"5_prime_UTR"},
        (202, 202, "A"): {"3_prime_UTR"},
        # VEP asks for the polypyrimidine tract only where no exon is touched
        (127, 193, ""): {"inframe_deletion", "intron", "splice_acceptor", "splice_donor", "splice_donor_5th_base"},
        (50, 300, ""): {"transcript_ablation"},
    }
    found = {event: said(transcripts, event, reverse) for event in wanted}
    assert found == wanted


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "mirrored"])
def test_the_true_utr_decides_what_stands_where_start_and_stop_stood(tmp_path: Path, reverse: bool) -> None:
    # behind the stop stands CCATAG: five bases less bring ATA to its place, six bases less TAG
    plain = world(tmp_path / "plain", reverse)
    assert said(plain, (199, 204, ""), reverse) == {"stop_lost", "3_prime_UTR"}
    assert said(plain, (199, 205, ""), reverse) == {"stop_retained", "3_prime_UTR"}
    # the A before ATG takes the place of the one that goes: the coding sequence is whole, but one base further down
    before = world(tmp_path / "before", reverse, sequence=CONTIG[:111] + "A" + CONTIG[112:])
    assert said(before, (112, 113, ""), reverse) == {"frameshift", "start_lost", "start_retained"}
    assert said(plain, (112, 113, ""), reverse) == {"frameshift", "start_lost"}


def test_a_last_codon_that_is_not_whole_is_incomplete(tmp_path: Path) -> None:
    transcripts = world(tmp_path, False, cds=[(112, 130), (190, 201)])
    assert said(transcripts, (200, 201, "C"), False) == {"incomplete_terminal_codon", "coding_sequence"}


def test_no_start_is_lost_where_the_file_says_that_it_is_not_there(tmp_path: Path) -> None:
    transcripts = world(tmp_path, False, attributes="tag=cds_start_NF")
    assert said(transcripts, (112, 113, "G"), False) == {"missense"}


def test_a_codon_with_an_unknown_base_is_read_where_its_residue_is_sure(tmp_path: Path) -> None:
    unsure = world(tmp_path / "unsure", False, sequence=CONTIG[:116] + "N" + CONTIG[117:])
    assert said(unsure, (115, 116, "A"), False) == {"coding_sequence"}
    sure = world(tmp_path / "sure", False, sequence=CONTIG[:117] + "N" + CONTIG[118:])
    assert said(sure, (115, 116, "A"), False) == {"missense"}


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "mirrored"])
def test_codes_name_the_first_base_and_residue_touched(tmp_path: Path, reverse: bool) -> None:
    events = [(115, 116, "A"), (150, 151, "A"), (185, 186, "A"), (190, 191, "A"), (121, 124, ""), (90, 120, "")]
    calls = called(world(tmp_path, reverse), events, reverse)
    assert calls.position.tolist() == [16, 30, 31, 31, 22, 1]
    assert calls.offset.tolist() == [0, 21, -5, 0, 0, 0]
    assert calls.residue.tolist() == [2, 0, 0, 7, 4, 1]
    assert bytes(calls.ref_aa[[0, 3]]) == b"AG"
    assert bytes(calls.alt_aa[[0, 3]]) == b"TS"
    assert not calls.ref_aa[[1, 2, 4, 5]].any()


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "mirrored"])
def test_text_is_spelled_as_vep_spells_it(tmp_path: Path, reverse: bool) -> None:
    events = [(115, 116, "A"), (117, 118, "C"), (122, 123, ""), (121, 124, ""), (121, 121, "GGG"), (125, 140, ""), (20, 21, "A")]
    transcripts = world(tmp_path, reverse)
    n = len(events)
    allele, rows = np.arange(n), np.zeros(n, dtype=np.uint32)

    def column(matter: Matter) -> list[str]:
        texts: list[str] = change_column(matter, transcripts.layout, *columns(events, reverse), allele, rows).to_pylist()
        return texts

    assert column(Matter.CODONS) == ["Gct/Act", "gcT/gcC", "aAa/aa", "AAA/-", "-/GGG", "", ""]
    assert column(Matter.AMINO_ACIDS) == ["A/T", "A", "K/X", "K/-", "-/G", "", ""]
    assert column(Matter.CDNA_POSITION) == ["16/70", "18/70", "23/70", "22-24/70", "21-22/70", "26-?/70", ""]
    assert column(Matter.CDS_POSITION) == ["4/30", "6/30", "11/30", "10-12/30", "9-10/30", "14-?/30", ""]
    assert column(Matter.PROTEIN_POSITION) == ["2/9", "2/9", "4/9", "4/9", "3-4/9", "5-?/9", ""]
    assert column(Matter.EXON) == ["1/2"] * 6 + [""]
    assert column(Matter.INTRON) == [""] * 5 + ["1/1", ""]


def test_a_batch_says_of_each_allele_what_it_says_alone(tmp_path: Path) -> None:
    transcripts = world(tmp_path, False)
    draw = np.random.default_rng(7)
    events = [(int(at), int(at) + int(size), "ACGTA"[: int(bases)]) for at, size, bases in draw.integers((95, 0, 1), (235, 9, 5), (200, 3))]
    whole = called(transcripts, events, False)
    for row, event in enumerate(events):
        alone = called(transcripts, [event], False)
        for name in ("terms", "exon", "intron", "position", "offset", "residue", "ref_aa", "alt_aa", "distance"):
            assert getattr(alone, name)[0] == getattr(whole, name)[row], (name, event)
