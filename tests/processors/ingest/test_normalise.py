"""Trimming and left-alignment: the same haplotype before and after, unique, idempotent, equal to a plain implementation of the paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.ingest.faults import Fault
from processors.ingest.normalise import normalise
from processors.knowledge.genome import Genome
from schemas.chunks import Flag

Allele = tuple[int, str, str]

# repeats make shifts likely; N and both ends of the contig lie within reach
GENOME = st.lists(
    st.tuples(st.text("ACGT", min_size=1, max_size=4), st.integers(1, 6)) | st.tuples(st.just("N"), st.integers(1, 3)),
    min_size=3,
    max_size=12,
).map(lambda parts: "".join(unit * times for unit, times in parts))


class _Sequence(Genome):
    """A genome of one contig without a pack on disk."""

    def __init__(self, bases: str) -> None:
        self.sequence = np.frombuffer(bases.encode(), dtype=np.uint8)
        self.sequence_offsets = np.zeros(1, dtype=np.int64)
        self.lengths = np.array([len(bases)], dtype=np.int64)


def _normalise(genome: Genome, alleles: list[Allele]) -> list[tuple[int, str, str, Flag, Fault]]:
    text, refs, alts = b"", [], []
    for _, ref, alt in alleles:
        refs.append((len(text), len(text) + len(ref)))
        text += ref.encode()
        alts.append((len(text), len(text) + len(alt)))
        text += alt.encode()
    out = normalise(
        genome,
        np.frombuffer(text, dtype=np.uint8),
        np.zeros(len(alleles), dtype=np.int32),
        np.array([start for start, _, _ in alleles], dtype=np.int32),
        np.array(refs, dtype=np.int32).reshape(-1, 2),
        np.array(alts, dtype=np.int32).reshape(-1, 2),
    )
    result = []
    for row in range(len(alleles)):
        ref = out.ref_bytes[out.ref_offsets[row] : out.ref_offsets[row + 1]].tobytes().decode()
        alt = out.alt_bytes[out.alt_offsets[row] : out.alt_offsets[row + 1]].tobytes().decode()
        result.append((int(out.starts[row]), ref, alt, Flag(int(out.flags[row])), Fault(int(out.faults[row]))))
    return result


def _plain(genome: str, start: int, ref: str, alt: str) -> Allele:
    """Algorithm 1 of Tan 2015, letter by letter; an unknown base or the contig's start ends the shift."""
    while ref[-1] == alt[-1]:
        shorter_ref, shorter_alt = ref[:-1], alt[:-1]
        if not shorter_ref or not shorter_alt:
            if start == 0 or genome[start - 1] == "N":
                break
            start -= 1
            shorter_ref, shorter_alt = genome[start] + shorter_ref, genome[start] + shorter_alt
        ref, alt = shorter_ref, shorter_alt
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        start, ref, alt = start + 1, ref[1:], alt[1:]
    return start, ref, alt


@st.composite
def _cases(draw: st.DrawFn) -> tuple[str, Allele]:
    genome = draw(GENOME)
    start = draw(st.integers(0, len(genome) - 1))
    length = draw(st.integers(1, min(8, len(genome) - start)))
    ref = genome[start : start + length].replace("N", draw(st.sampled_from("ACGT")))
    kind = draw(st.sampled_from(["cut", "copy", "any"]))
    if kind == "cut":
        alt = ref[: draw(st.integers(1, length))]
    elif kind == "copy":
        alt = ref + genome[start : start + draw(st.integers(1, 6))].replace("N", "A")
    else:
        alt = draw(st.text("ACGT", min_size=1, max_size=8))
    if alt == ref:
        alt += "A"
    return genome, (start, ref, alt)


def _haplotype(genome: str, start: int, ref: str, alt: str) -> str:
    return genome[:start] + alt + genome[start + len(ref) :]


@settings(max_examples=400, deadline=None)
@given(_cases())
def test_an_allele_comes_out_as_the_paper_says(case: tuple[str, Allele]) -> None:
    genome, allele = case
    ((start, ref, alt, _, fault),) = _normalise(_Sequence(genome), [allele])
    assert fault is Fault.NONE
    assert (start, ref, alt) == _plain(genome, *allele)


@settings(max_examples=200, deadline=None)
@given(_cases())
def test_the_haplotype_is_the_same_before_and_after(case: tuple[str, Allele]) -> None:
    genome, allele = case
    start, ref, _ = allele
    # where the record knows a base that the reference does not, the record is believed
    believed = genome[:start] + ref + genome[start + len(ref) :]
    ((new_start, new_ref, new_alt, _, _),) = _normalise(_Sequence(genome), [allele])
    assert _haplotype(believed, *allele) == _haplotype(believed, new_start, new_ref, new_alt)
    assert believed[new_start : new_start + len(new_ref)] == new_ref
    assert "N" not in new_ref + new_alt


@settings(max_examples=200, deadline=None)
@given(_cases())
def test_normalising_twice_changes_nothing(case: tuple[str, Allele]) -> None:
    genome, allele = case
    ((start, ref, alt, _, _),) = _normalise(_Sequence(genome), [allele])
    ((again, ref2, alt2, flags, _),) = _normalise(_Sequence(genome), [(start, ref, alt)])
    assert (again, ref2, alt2) == (start, ref, alt)
    assert not flags & (Flag.SHIFTED | Flag.TRIMMED)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_batch_gives_what_its_alleles_give_alone(data: st.DataObject) -> None:
    genome, first = data.draw(_cases())
    others = [first, (0, genome[0].replace("N", "A"), "ACGTA"), first]
    sequence = _Sequence(genome)
    assert _normalise(sequence, others) == [_normalise(sequence, [allele])[0] for allele in others]


@pytest.mark.parametrize(
    ("genome", "allele", "expected", "flags"),
    [
        ("GACACACT", (6, "CT", "CACT"), (0, "G", "GAC"), Flag.SHIFTED | Flag.TRIMMED),
        ("GACACACT", (3, "ACA", "A"), (0, "GAC", "G"), Flag.SHIFTED),
        ("ACACACT", (2, "ACA", "A"), (0, "ACA", "A"), Flag.SHIFTED),  # at the contig's start: anchored behind
        ("NNACACACT", (6, "ACT", "T"), (2, "ACA", "A"), Flag.SHIFTED | Flag.SHIFT_STOPPED),
        ("NNNN", (1, "AA", "A"), (1, "AA", "A"), Flag.REF_UNKNOWN | Flag.SHIFT_STOPPED),
        ("NNNN", (1, "ACC", "AC"), (1, "AC", "A"), Flag.REF_UNKNOWN | Flag.TRIMMED),
        ("ACGTACGT", (2, "gtac", "gcac"), (3, "T", "C"), Flag.TRIMMED),
    ],
)
def test_hand_made_alleles(genome: str, allele: Allele, expected: Allele, flags: Flag) -> None:
    ((start, ref, alt, noted, fault),) = _normalise(_Sequence(genome), [allele])
    assert (start, ref, alt, noted, fault) == (*expected, flags, Fault.NONE)


def test_ref_that_contradicts_known_bases_is_a_fault_and_unknown_bases_are_not() -> None:
    genome = _Sequence("ACGTNNGT")
    outcome = _normalise(genome, [(0, "AG", "A"), (3, "TA", "T"), (6, "GTA", "G"), (2, "G", "C")])
    assert [fault for *_, fault in outcome] == [Fault.BAD_REF, Fault.NONE, Fault.OUTSIDE_CONTIG, Fault.NONE]


def test_a_contig_without_sequence_is_trimmed_and_flagged() -> None:
    genome = _Sequence("ACGTACGTACGT")
    genome.sequence_offsets = np.full(1, -1, dtype=np.int64)
    ((start, ref, alt, flags, fault),) = _normalise(genome, [(4, "GATT", "GAT")])
    assert (start, ref, alt, fault) == (5, "AT", "A", Fault.NONE)
    assert flags == Flag.REF_UNKNOWN | Flag.TRIMMED
