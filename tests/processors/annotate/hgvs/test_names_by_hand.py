"""Names worked out by hand from the rules of the HGVS nomenclature, on a gene of both strands (the drawing is in `lab.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.annotate.hgvs.names import Kind
from processors.annotate.hgvs.parse import Allele, Names
from processors.annotate.hgvs.style import Style
from tests.processors.annotate.hgvs.lab import SEQUENCE, STRICT, Lab, laboratory
from tests.processors.knowledge.toy import turned

C, P, G = Kind.TRANSCRIPT, Kind.PROTEIN, Kind.GENOMIC
VEP = Style()


@pytest.fixture(scope="module")
def plus(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return laboratory(tmp_path_factory.mktemp("plus"))


@pytest.fixture(scope="module")
def minus(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return laboratory(tmp_path_factory.mktemp("minus"), strand="-")


def mirrored(start: int, ref: str, alt: str) -> Allele:
    """The same change on the reverse complement, left-aligned there and anchored."""
    sequence = turned(SEQUENCE)
    anchored = ref[:1] == alt[:1]
    ref, alt, start = (ref[1:], alt[1:], start + 1) if anchored else (ref, alt, start)
    start, ref, alt = len(SEQUENCE) - start - len(ref), turned(ref), turned(alt)
    if not (ref and alt):
        run = ref or alt
        while sequence[start - 1] == run[-1]:
            start, run = start - 1, run[-1] + run[:-1]
        ref, alt = (run, "") if ref else ("", run)
        start, ref, alt = start - 1, sequence[start - 1] + ref, sequence[start - 1] + alt
    return Allele(0, start, ref, alt)


CASES = [
    # (what it shows, start, REF, ALT, terms, c., p.)
    ("substitution", 24, "G", "A", "missense_variant", "c.10G>A", "p.Ala4Thr"),
    ("silent change", 26, "T", "C", "synonymous_variant", "c.12T>C", "p.Ala4="),
    ("stop unchanged", 74, "A", "G", "stop_retained_variant", "c.39A>G", "p.Ter13="),
    ("run of bases: 3'-most of a deletion", 17, "GA", "G", "frameshift_variant", "c.9del", "p.Ala4LeufsTer?"),
    ("run of bases: dup, not ins", 17, "G", "GA", "frameshift_variant", "c.9dup", "p.Ala4SerfsTer14"),
    ("repeat of three", 26, "T", "TCAG", "inframe_insertion", "c.16_18dup", "p.Gln6dup"),
    ("repeat of three", 26, "TCAG", "T", "inframe_deletion", "c.16_18del", "p.Gln6del"),
    ("exon/exon junction: C of exon 1 is not moved to the C of exon 2", 35, "AC", "A", "frameshift_variant", "c.22del", "p.Pro8LeufsTer?"),
    ("dup of the last base of an exon", 35, "A", "AC", "frameshift_variant", "c.22dup", "p.Gly9TrpfsTer9"),
    ("last base of an exon", 36, "C", "T", "missense_variant splice_region_variant", "c.22C>T", "p.Pro8Ser"),
    ("+2T>C (a GC donor)", 38, "T", "C", "splice_donor_variant", "c.22+2T>C", None),
    ("middle of an intron of 21 bases goes with the exon before", 47, "T", "C", "intron_variant", "c.22+11T>C", None),
    ("behind the middle", 48, "T", "C", "intron_variant", "c.23-10T>C", None),
    ("dup of a copy that spans the border", 56, "A", "AGC", "frameshift_variant", "c.23-1_23dup", "p.Gly9LeufsTer?"),
    ("two codons", 23, "AG", "TT", "missense_variant", "c.9_10delinsTT", "p.Lys3_Ala4delinsAsnSer"),
    ("inversion before delins", 23, "AG", "CT", "missense_variant", "c.9_10inv", "p.Lys3_Ala4delinsAsnSer"),
    ("insertion that repeats nothing", 26, "T", "TGGC", "inframe_insertion", "c.12_13insGGC", "p.Ala4_Gln5insGly"),
    ("first codon of the new frame is a stop", 22, "A", "AAT", "frameshift_variant stop_gained", "c.9_10insTA", "p.Ala4Ter"),
    ("deletion inside codons", 24, "GCTC", "G", "protein_altering_variant", "c.11_13del", "p.Ala4_Gln5delinsGlu"),
    ("delins", 24, "GC", "TTTTT", "protein_altering_variant", "c.10_11delinsTTTTT", "p.Ala4delinsPhePhe"),
    ("start lost", 15, "A", "G", "start_lost", "c.1A>G", "p.Met1?"),
    ("insertion just before the start", 14, "C", "CG", "5_prime_UTR_variant", "c.-1_1insG", None),
    ("stop lost, another follows", 72, "T", "C", "stop_lost", "c.37T>C", "p.Ter13GlnextTer2"),
    ("between the last coding base and the UTR", 74, "A", "AC", "3_prime_UTR_variant", "c.39_*1insC", None),
    ("5' UTR", 10, "G", "C", "5_prime_UTR_variant", "c.-5G>C", None),
    ("3' UTR", 85, "A", "C", "3_prime_UTR_variant", "c.*11A>C", None),
    ("whole intron", 36, "C" + SEQUENCE[37:58], "C", "splice_donor_variant", "c.22+1_23-1del", None),
    ("whole exon 2, to the transcript's end", 54, "T" + SEQUENCE[55:86], "T", "splice_acceptor_variant", "c.23-3_*11del", None),
    ("whole CDS", 14, "C" + SEQUENCE[15:75], "C", "start_lost stop_lost", "c.1_39del", "p.?"),
    ("beyond the transcript's end", 83, "TAATT", "T", "3_prime_UTR_variant", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("shows", "start", "ref", "alt", "terms", "c", "p"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_names_follow_the_nomenclature_on_both_strands(
    plus: Lab, minus: Lab, shows: str, start: int, ref: str, alt: str, terms: str, c: str | None, p: str | None
) -> None:
    twin = mirrored(start, ref, alt)
    for lab, at in ((plus, Allele(0, start, ref, alt)), (minus, twin)):
        assert lab.name(C, at.start, at.ref, at.alt, terms=terms) == c, shows
        if shows != "whole CDS":
            assert lab.name(P, at.start, at.ref, at.alt, terms=terms) == p, shows
        if c is not None:
            assert lab.parser.parse(f"T1.1:{c}") == at, shows


@pytest.mark.parametrize(
    ("transcript", "start", "ref", "alt", "terms", "kind", "name"),
    [
        ("T2.1", 72, "T", "C", "stop_lost", P, "p.Ter13GlnextTer?"),
        ("T3.1", 37, "G", "A", "5_prime_UTR_variant", C, "c.-5+1G>A"),
        ("T3.1", 57, "G", "A", "5_prime_UTR_variant", C, "c.-4-1G>A"),
        ("T4.1", 37, "G", "A", "3_prime_UTR_variant", C, "c.*1+1G>A"),
        ("T4.1", 57, "G", "A", "3_prime_UTR_variant", C, "c.*2-1G>A"),
        ("T5.1", 41, "G", "A", "intron_variant", C, "c.22+5G>A"),
        ("N1.1", 37, "G", "A", "intron_variant", C, "n.27+1G>A"),
        ("N1.1", 35, "A", "AC", "non_coding_transcript_exon_variant", C, "n.27dup"),
        ("N1.1", 24, "G", "A", "non_coding_transcript_exon_variant", P, None),
    ],
)
def test_positions_on_other_transcripts(
    plus: Lab, minus: Lab, transcript: str, start: int, ref: str, alt: str, terms: str, kind: Kind, name: str | None
) -> None:
    twin = mirrored(start, ref, alt)
    for lab, at in ((plus, Allele(0, start, ref, alt)), (minus, twin)):
        assert lab.name(kind, at.start, at.ref, at.alt, transcript, terms) == name
        if kind == C:
            assert lab.parser.parse(f"{transcript}:{name}") == at


def test_on_the_contig_the_rule_goes_up_whatever_the_strand(plus: Lab, minus: Lab) -> None:
    assert plus.name(G, 17, "GA", "G") == "g.24del"
    twin = mirrored(17, "GA", "G")
    assert minus.name(G, twin.start, twin.ref, twin.alt) == f"g.{len(SEQUENCE) - 18}del"
    assert plus.name(G, 23, "AG", "CT") == "g.24_25inv"
    assert plus.whole_name(G, 23, "A", "C", "T1.1", "", STRICT) == "A:g.24A>C"


def test_vep_spells_an_intron_behind_the_last_coding_base_as_utr(plus: Lab) -> None:
    assert plus.name(C, 41, "G", "A", "T5.1", style=VEP) == "c.*5G>A"
    assert plus.name(C, 57, "G", "A", "T4.1", style=VEP) == "c.*2-1G>A"


def test_vep_calls_a_frameshift_in_the_stop_a_frameshift_and_the_nomenclature_an_extension(plus: Lab) -> None:
    # TAA GCA TAG CCT AA -> TCA AGC ATA GCC TAA
    at, terms = (72, "T", "TC"), "frameshift_variant stop_lost"
    assert plus.name(P, *at, terms=terms, style=VEP) == "p.Ter13SerfsTer5"
    assert plus.name(P, *at, terms=terms) == "p.Ter13SerextTer4"


def test_an_intronic_indel_that_moves_into_the_coding_sequence_has_a_protein_name_but_in_vep(plus: Lab) -> None:
    assert plus.name(C, 56, "A", "AGC", style=VEP) == "c.23-1_23dup"
    assert plus.name(P, 56, "A", "AGC", terms="splice_acceptor_variant", style=VEP) is None


def test_vep_counts_the_missing_bases_of_a_broken_first_codon_for_substitutions_only(tmp_path: Path) -> None:
    lab = laboratory(tmp_path, cut=True)
    assert lab.name(C, 24, "G", "A", style=VEP) == "c.10G>A"
    assert lab.name(C, 24, "G", "A") == "c.9G>A"
    assert lab.name(C, 23, "AG", "TT", style=VEP) == lab.name(C, 23, "AG", "TT") == "c.8_9delinsTT"
    assert lab.name(P, 24, "G", "A", terms="missense_variant") == "p.Ala4Thr"
    assert lab.parser.parse("T1.1:c.9G>A") == Allele(0, 24, "G", "A")
    assert Names(lab.transcripts, lab.genome).parse("T1.1:c.10G>A") == Allele(0, 24, "G", "A")


def test_a_frame_that_is_open_to_the_end_of_an_incomplete_codon_is_not_claimed(plus: Lab) -> None:
    assert plus.name(P, 36, "C", "T", "T5.1", "incomplete_terminal_codon_variant coding_sequence_variant") == "p.?"


def test_a_laboratory_chooses_its_spelling(plus: Lab) -> None:
    at = (22, "A", "AAT")
    spelled = Style(parentheses=True, star=True)
    assert plus.whole_name(P, *at, "T1.1", "frameshift_variant", spelled) == "P1.1:p.(Ala4*)"
    assert plus.name(P, *at, terms="frameshift_variant", style=Style(one_letter=True, star=True)) == "p.A4*"
    assert (
        plus.name(P, 17, "G", "GA", terms="frameshift_variant", style=Style(one_letter=True, star=True, parentheses=True)) == "p.(A4Sfs*14)"
    )
    assert plus.name(P, 26, "T", "C", style=Style(parentheses=True)) == "p.(Ala4=)"
    assert plus.whole_name(C, 38, "T", "C", "T1.1", "", Style(intronic_accession=True)) == "A(T1.1):c.22+2T>C"
    assert plus.whole_name(C, 36, "C", "T", "T1.1", "", Style(intronic_accession=True)) == "T1.1:c.22C>T"


def test_the_mitochondrion_has_m_names(tmp_path: Path) -> None:
    lab = laboratory(tmp_path, contig="MT")
    assert lab.whole_name(G, 23, "A", "C", "T1.1", "", VEP) == "MT:m.24A>C"
    assert lab.parser.parse("MT:m.24A>C") == Allele(lab.contig, 23, "A", "C")


def test_the_rule_stops_at_unknown_bases_and_what_they_hide_is_not_claimed(tmp_path: Path) -> None:
    lab = laboratory(tmp_path, sequence=SEQUENCE[:20] + "N" + SEQUENCE[21:])
    assert lab.name(C, 17, "GA", "G") == "c.5del"
    assert lab.name(P, 18, "A", "G", terms="missense_variant") == "p.?"
    assert lab.name(P, 24, "G", "A", terms="missense_variant") == "p.Ala4Thr"


def test_an_allele_with_other_letters_has_no_name(plus: Lab) -> None:
    assert [plus.name(kind, 23, "A", "N") for kind in Kind] == [None, None, None]
