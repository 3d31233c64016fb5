"""What the text of a structural record says, and where it then lies: symbols, breakends, END, SVLEN, and what can be wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.annotate.structural.kinds import Direction, Kind, Problem, Side
from processors.annotate.structural.places import Places, places_of
from processors.annotate.structural.sites import Sites, sites_of_faults
from processors.annotate.structural.stage import structural_ids
from schemas.assembly import contig_table
from schemas.chunks import FAULT_FIELDS

TABLE = contig_table("test", [("1", 100_000), ("2", 50_000), ("X", 80_000)])


def fault_rows(sites: list[str], alts: list[int] | None = None, reason: str = "symbolic") -> pa.RecordBatch:
    n = len(sites)
    arrays: list[Any] = [
        pa.array(np.arange(n, dtype=np.uint32)),
        pa.array(np.array(alts or [1] * n, dtype=np.uint16)),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int16)), pa.array([reason])),
        pa.array([""] * n),
        pa.array(sites, pa.string()),
        pa.array([[0]] * n, pa.list_(pa.uint32())),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(FAULT_FIELDS))


def site(alt: str, info: str = ".", position: int = 1_000, contig: str = "1") -> str:
    return f"{contig}\t{position}\t.\tN\t{alt}\t.\tPASS\t{info}"


def placed(*sites: str) -> Places:
    return places_of(sites_of_faults(fault_rows(list(sites))), TABLE)


@pytest.mark.parametrize(
    ("alt", "info", "kind", "direction", "span"),
    [
        ("<DEL>", "SVTYPE=DEL;END=1500", Kind.DELETION, Direction.LOSS, (1_000, 1_500)),
        ("<DEL:ME:ALU>", "SVLEN=-300", Kind.DELETION, Direction.LOSS, (1_000, 1_300)),
        ("<DUP>", "SVLEN=300", Kind.DUPLICATION, Direction.GAIN, (1_000, 1_300)),
        ("<DUP:TANDEM>", "END=1010;SVLEN=10", Kind.TANDEM_DUPLICATION, Direction.GAIN, (1_000, 1_010)),
        ("<INS>", "SVLEN=300;END=1000", Kind.INSERTION, Direction.INSERTED, (1_000, 1_000)),
        ("<INS:ME:LINE1>", "SVTYPE=LINE1;SVLEN=6000", Kind.INSERTION, Direction.INSERTED, (1_000, 1_000)),
        ("<INV>", "END=9000", Kind.INVERSION, Direction.NONE, (1_000, 9_000)),
        ("<CNV>", "END=9000", Kind.COPY_NUMBER, Direction.NONE, (1_000, 9_000)),
        ("<CNV>", "END=9000;CN=0", Kind.COPY_NUMBER, Direction.LOSS, (1_000, 9_000)),
        ("<CNV>", "END=9000;CN=2", Kind.COPY_NUMBER, Direction.NONE, (1_000, 9_000)),
        ("<CNV>", "END=9000;CN=3.0", Kind.COPY_NUMBER, Direction.GAIN, (1_000, 9_000)),
        ("<CN0>", "END=9000;SVTYPE=DEL", Kind.COPY_NUMBER, Direction.LOSS, (1_000, 9_000)),
        ("<CN=1>", "END=9000", Kind.COPY_NUMBER, Direction.NONE, (1_000, 9_000)),
        ("<CN2>", "END=9000", Kind.COPY_NUMBER, Direction.GAIN, (1_000, 9_000)),
        ("<ALU>", "SVTYPE=DEL;END=1300", Kind.DELETION, Direction.LOSS, (1_000, 1_300)),
        ("G]2:198]", "SVTYPE=BND;MATEID=b2", Kind.BREAKEND, Direction.BREAK, (1_000, 1_000)),
        ("]2:198]G", "SVTYPE=BND;END=77", Kind.BREAKEND, Direction.BREAK, (999, 999)),
        ("G.", "SVTYPE=BND", Kind.BREAKEND, Direction.BREAK, (1_000, 1_000)),
        (".G", "SVTYPE=BND", Kind.BREAKEND, Direction.BREAK, (999, 999)),
        ("<BND>", "SVTYPE=BND;CHR2=2;END=500", Kind.BREAKEND, Direction.BREAK, (1_000, 1_000)),
    ],
)
def test_each_symbol_has_its_kind_direction_and_span(alt: str, info: str, kind: Kind, direction: Direction, span: tuple[int, int]) -> None:
    places = placed(site(alt, info))
    assert (places.kind[0], places.direction[0], places.problem[0]) == (kind, direction, 0)
    assert (places.start[0], places.end[0]) == span


@pytest.mark.parametrize(
    ("alt", "side", "mate", "mate_side"),
    [
        ("t[2:321[", Side.LEFT, 320, Side.RIGHT),
        ("t]2:321]", Side.LEFT, 321, Side.LEFT),
        ("]2:321]t", Side.RIGHT, 321, Side.LEFT),
        ("[2:321[t", Side.RIGHT, 320, Side.RIGHT),
    ],
)
def test_the_four_breakends_of_the_standard_say_what_is_kept(alt: str, side: Side, mate: int, mate_side: Side) -> None:
    places = placed(site(alt))
    assert (places.side[0], places.mate_contig[0], places.mate_start[0], places.mate_side[0]) == (side, 1, mate, mate_side)


@pytest.mark.parametrize(
    ("text", "problem", "called"),
    [
        (site("<DEL>", "MTD=cortex"), Problem.WITHOUT_END, False),
        (site("<DEL>", "END=900"), Problem.END_BEFORE_START, False),
        (site("<DEL>", "END=100001"), Problem.BEYOND_CONTIG, False),
        (site("<DEL>", "SVLEN=-99999999999999999999"), Problem.WITHOUT_END, False),
        (site("<DEL>", "END=1500;SVLEN=-9"), Problem.LENGTH_CONTRADICTS, True),
        (site("<CPX>", "END=1500;SVTYPE=CPX"), Problem.KIND_UNKNOWN, False),
        (site("<DEL>", "END=1500", contig="7"), Problem.CONTIG_UNKNOWN, False),
        (site("<DEL>", "END=1500", position=200_000), Problem.BEYOND_CONTIG, False),
        (site("G]9:198]"), Problem.MATE_UNKNOWN, True),
        (site("G]<ctg>:198]"), Problem.MATE_UNKNOWN, True),
        (site("G]2:50001]"), Problem.MATE_BEYOND_CONTIG, True),
        (site("G]2:abc]"), Problem.BREAKEND_UNREADABLE, False),
        (site("G]2:1["), Problem.BREAKEND_UNREADABLE, False),
        (site("]2:1]]"), Problem.BREAKEND_UNREADABLE, False),
        (site("<BND>", "SVTYPE=BND"), Problem.MATE_UNKNOWN, True),
        ("1\t1000\t.\tN\t<DEL>\t.", Problem.TEXT_CUT, False),
    ],
)
def test_a_malformed_record_is_typed_and_kept(text: str, problem: Problem, called: bool) -> None:
    places = placed(text)
    assert (places.problem[0], bool(places.called[0]), bool(places.exact[0])) == (problem, called, False)
    assert problem.reason.startswith("structural_")


def test_a_mitochondrion_of_hg19_is_not_taken_for_rcrs() -> None:
    table = contig_table("GRCh37")
    found = places_of(sites_of_faults(fault_rows([site("<DEL>", "END=1500", contig=name) for name in ("chrM", "MT")])), table)
    assert found.problem.tolist() == [Problem.MITOCHONDRION_NOT_RCRS, 0]


def test_placeholders_and_stars_are_no_structural_variants() -> None:
    rows = fault_rows([site(alt) for alt in ("<NON_REF>", "<*>", "*", ".", "<X>", "<DEL>")])
    assert sites_of_faults(rows).row.tolist() == [5]
    assert len(sites_of_faults(fault_rows([site("<DEL>")], reason="bad_ref"))) == 0


def test_each_alt_of_a_record_has_its_own_length() -> None:
    text = site("<DEL>,<DUP>,<CN3>", "SVLEN=-100,250,30;CIPOS=0,0,-5,5,0,0")
    places = places_of(sites_of_faults(fault_rows([text] * 3, [1, 2, 3])), TABLE)
    assert places.end.tolist() == [1_100, 1_250, 1_030]
    assert places.exact.tolist() == [True, False, True]
    assert places.copies.tolist() == [-1, -1, 3]


@pytest.mark.parametrize(
    ("info", "exact"),
    [("END=2000", True), ("END=2000;CIPOS=0,0;CIEND=0,0", True), ("END=2000;IMPRECISE", False), ("END=2000;CIEND=0,9", False)],
)
def test_an_end_within_an_interval_is_not_exact(info: str, exact: bool) -> None:
    assert placed(site("<DEL>", info)).exact.tolist() == [exact]


def test_one_copy_is_a_loss_on_an_autosome_and_nothing_said_on_x() -> None:
    places = placed(*(site("<CNV>", f"END=2000;CN={copies}", contig=contig) for contig in ("1", "X") for copies in (0, 1, 2, 3)))
    loss, gain, none = Direction.LOSS, Direction.GAIN, Direction.NONE
    assert places.direction.tolist() == [loss, loss, none, gain, loss, none, none, gain]


def test_names_tell_alleles_apart() -> None:
    places = placed(
        site("<DEL>", "END=2000"), site("<CN0>", "END=2000"), site("<CNV>", "END=2000"), site("G]2:198]"), site("]2:198]G"), site("G."),
        site("<DEL>"),
    )  # fmt: skip
    assert structural_ids(places, TABLE).to_pylist() == [
        "deletion:1:1001-2000", "copy_number_loss:1:1001-2000", "copy_number:1:1001-2000", "breakend:1:1000>2:198>",
        "breakend:1:999<2:198>", "breakend:1:1000>", "",
    ]  # fmt: skip


words = st.text(st.sampled_from(list("DELUPINSVCNBT0123456789=;:,.<>[]/-\tGAé*")), max_size=30)


@settings(max_examples=300, deadline=None)
@given(words, words, st.integers(1, 3))
def test_no_text_crashes_or_lies_outside_its_contig(alt: str, info: str, number: int) -> None:
    sites: Sites = sites_of_faults(fault_rows([site(alt, info)], [number]))
    places = places_of(sites, TABLE)
    assert len(places) == len(sites)
    for row in np.flatnonzero(places.called):
        assert 0 <= places.start[row] <= places.end[row] <= TABLE.contigs[int(places.contig[row])].length
        assert places.kind[row] != Kind.UNKNOWN
    for row in np.flatnonzero(~places.called):
        assert (places.start[row], places.mate_contig[row]) == (-1, -1)
        assert Problem(int(places.problem[row])) is not Problem.NONE
