"""Where a structural allele lies, how exactly that is known, and what is wrong with it.

A *span* is [start, end) on the contig, 0-based half-open: the bases behind POS up to END, as VCF writes symbols (POS is the base before).
A *break* is a point between two bases, given by the base behind it: a span of no length. An insertion is one, a breakend is two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
from numba import njit

from processors.annotate.structural.alleles import parsed
from processors.annotate.structural.kinds import CALLED, Direction, Kind, Problem, Side
from processors.annotate.structural.sites import Sites, texts
from processors.knowledge.strings import read_only
from schemas.assembly import ContigTable

_HG19_MITOCHONDRION = ("chrM", "M")
"""On GRCh37 these name NC_001807, whose positions are not those of MT."""
_ONE_OR_TWO = ("X", "Y", "MT")


@dataclass(frozen=True)
class Places:
    """n structural alleles. Positions are 0-based; -1: none. `copies` is of one haplotype where `per_haplotype`, else of the sample.

    For a breakend [start, start) is its own break and `mate_start` that of its mate on `mate_contig`. `exact`: both ends are known to
    the base. A row without `called` has a `problem` that leaves no place.
    """

    kind: npt.NDArray[np.uint8]
    direction: npt.NDArray[np.uint8]
    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    side: npt.NDArray[np.uint8]
    mate_contig: npt.NDArray[np.int32]
    mate_start: npt.NDArray[np.int32]
    mate_side: npt.NDArray[np.uint8]
    copies: npt.NDArray[np.int32]
    per_haplotype: npt.NDArray[np.bool_]
    exact: npt.NDArray[np.bool_]
    problem: npt.NDArray[np.uint8]
    mate_id: pa.Array[Any]

    @property
    def called(self) -> npt.NDArray[np.bool_]:
        return np.isin(self.problem, [int(problem) for problem in CALLED])

    def __len__(self) -> int:
        return len(self.kind)

    def slice(self, a: int, b: int) -> Places:
        values: dict[str, Any] = {name: value[a:b] for name, value in self.__dict__.items()}
        return Places(**values)


def places_of(sites: Sites, table: ContigTable) -> Places:
    """Places of structural ALTs on a build."""
    rows = parsed(sites.text, sites.position, sites.alt, sites.info, sites.alt_index - 1)
    symbol = sites.text[np.minimum(sites.alt[:, 0], len(sites.text) - 1)] == ord("<")
    names, contig = _contigs(sites.text, sites.chrom, table)
    _, mate_contig = _contigs(sites.text, np.stack([rows["mate"], rows["mate_end"]], axis=1), table)
    lengths = np.array([*(one.length for one in table.contigs), 0], dtype=np.int64)
    kind = rows["kind"].copy()
    point = (kind == Kind.INSERTION) | (kind == Kind.BREAKEND)
    position, length = rows["position"], rows["length"]
    end = np.where(rows["end"] >= 0, rows["end"], np.where(length >= 0, position + length, -1))
    start = position - np.where((kind == Kind.BREAKEND) & (rows["side"] == Side.RIGHT), 1, 0)
    end = np.where(point, start, end)
    has_mate = (kind == Kind.BREAKEND) & (rows["mate_position"] >= 0)
    mate_start = rows["mate_position"] - np.where(rows["mate_side"] == Side.RIGHT, 1, 0)
    odd = (
        ~point & (rows["end"] >= 0) & (length >= 0)
        # some callers count the base at POS
        & (np.abs(rows["end"] - position - length) > 1)
    )  # fmt: skip
    problem = np.zeros(len(rows), dtype=np.uint8)
    for code, wrong in (
        (Problem.MATE_BEYOND_CONTIG, has_mate & ((mate_start < 0) | (mate_start > lengths[mate_contig]))),
        (Problem.MATE_UNKNOWN, has_mate & (mate_contig < 0)),
        (Problem.LENGTH_CONTRADICTS, odd),
        (Problem.END_BEFORE_START, ~point & (end <= position)),
        (Problem.BEYOND_CONTIG, (start < 0) | (np.maximum(start, end) > lengths[contig])),
        (Problem.WITHOUT_END, ~point & (end < 0)),
        (Problem.MATE_UNKNOWN, (kind == Kind.BREAKEND) & symbol & ~has_mate),
        (Problem.BREAKEND_UNREADABLE, (kind == Kind.BREAKEND) & (rows["side"] == 0) & ~symbol),
        (Problem.KIND_UNKNOWN, kind == Kind.UNKNOWN),
        (Problem.CONTIG_UNKNOWN, contig < 0),
        (Problem.MITOCHONDRION_NOT_RCRS, _other_mitochondrion(names, table)),
        (Problem.TEXT_CUT, sites.cut),
    ):
        problem[wrong] = code
    lost = has_mate & np.isin(problem, (Problem.MATE_UNKNOWN, Problem.MATE_BEYOND_CONTIG))
    has_mate &= ~lost
    called = np.isin(problem, [int(one) for one in CALLED])
    exact = called & ~rows["inexact"] & (problem == 0) & ((kind != Kind.BREAKEND) | (rows["side"] != 0))
    return Places(
        kind=kind,
        direction=_directions(kind, rows["copies"], rows["per_haplotype"], contig, table),
        contig=np.where(contig >= 0, contig, -1).astype(np.int32),
        start=np.where(called, start, -1).astype(np.int32),
        end=np.where(called, end, -1).astype(np.int32),
        side=rows["side"].copy(),
        mate_contig=np.where(has_mate & called, mate_contig, -1).astype(np.int32),
        mate_start=np.where(has_mate & called, mate_start, -1).astype(np.int32),
        mate_side=np.where(has_mate & called, rows["mate_side"], 0).astype(np.uint8),
        copies=rows["copies"].copy(),
        per_haplotype=rows["per_haplotype"].copy(),
        exact=exact,
        problem=problem,
        mate_id=texts(sites.text, rows["mate_id"], rows["mate_id_end"]),
    )


def _directions(kind: Any, copies: Any, per_haplotype: Any, contig: Any, table: ContigTable) -> npt.NDArray[np.uint8]:
    """Direction of each allele. Copies of a sample are compared with the two of an autosome; elsewhere sex decides, which is not known
    here: none at all is a loss and three are a gain wherever it lies.
    """
    result = np.zeros(len(kind), dtype=np.uint8)
    for one, direction in (
        (Kind.DELETION, Direction.LOSS),
        (Kind.DUPLICATION, Direction.GAIN),
        (Kind.TANDEM_DUPLICATION, Direction.GAIN),
        (Kind.INSERTION, Direction.INSERTED),
        (Kind.BREAKEND, Direction.BREAK),
    ):
        result[kind == one] = direction
    sexual = np.array([*(one.name in _ONE_OR_TWO for one in table.contigs), True], dtype=np.bool_)[contig]
    least = np.where(per_haplotype | sexual, 1, 2)
    most = np.where(per_haplotype, 1, 2)
    counted = (kind == Kind.COPY_NUMBER) & (copies >= 0)
    result[counted & (copies < least)] = Direction.LOSS
    result[counted & (copies > most)] = Direction.GAIN
    return result


@njit(cache=True, nogil=True)
def _runs(text, spans, out):  # type: ignore[no-untyped-def]
    """True where a span's text is not that of the span before it."""
    for i in range(spans.shape[0]):
        same = i > 0 and spans[i, 1] - spans[i, 0] == spans[i - 1, 1] - spans[i - 1, 0]
        j = 0
        while same and j < spans[i, 1] - spans[i, 0]:
            same = text[spans[i, 0] + j] == text[spans[i - 1, 0] + j]
            j += 1
        out[i] = not same


def _contigs(text: npt.NDArray[np.uint8], spans: npt.NDArray[np.int32], table: ContigTable) -> tuple[pa.Array[Any], npt.NDArray[np.int64]]:
    """(name, index in the build's table or -1) of each span; equal names come in runs, so one is looked up a run."""
    fresh = np.ones(len(spans), dtype=np.bool_)
    spans = np.ascontiguousarray(spans)
    _runs(read_only(text), spans, fresh)
    first = np.flatnonzero(fresh)
    distinct = texts(text, spans[first, 0], spans[first, 1])
    found = np.array([-1 if (number := table.resolve(name)) is None else number for name in distinct.to_pylist()], dtype=np.int64)
    run = np.cumsum(fresh) - 1
    return distinct.take(pa.array(run)), found[run] if len(found) else np.zeros(0, dtype=np.int64)


def _other_mitochondrion(names: pa.Array[Any], table: ContigTable) -> npt.NDArray[np.bool_]:
    if table.build != "GRCh37":
        return np.zeros(len(names), dtype=np.bool_)
    answer: npt.NDArray[np.bool_] = pa.compute.is_in(names, pa.array(_HG19_MITOCHONDRION)).to_numpy(zero_copy_only=False)
    return answer
