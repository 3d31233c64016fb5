"""SpliceAI, how an allele changes splice sites: import, query, meta.

Read are the precomputed VCFs (SNVs, indels; raw or masked): `SpliceAI=ALT|SYMBOL|DS_AG|DS_AL|DS_DG|DS_DL|DP_AG|DP_AL|DP_DG|DP_DL`, one
entry a gene. Source: Jaganathan 2019, Cell 176:535; free for non-commercial use. A delta score is 0 to 1 (gain or loss of an acceptor or
donor), a position is bases from the variant. Of several genes the entry with the greatest delta score is kept, with its gene; how many
there were stands in `genes`. The main value is the greatest of the four.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numba import njit

from processors.ingest.scan import float_value
from processors.knowledge.allele_pack import AllelePack, Column, Recipe, Rows, open_allele_pack
from processors.knowledge.pack import Pack
from processors.knowledge.parallel import build_from_sites
from processors.knowledge.sites_text import gather
from processors.knowledge.source import Request
from processors.knowledge.sources.info import find_values
from processors.knowledge.sources.refused import RecordRefused
from processors.knowledge.sources.site_values import kept_rows
from processors.knowledge.sources.sites import Sites
from schemas.chunks import Answer

_KEY = "SpliceAI"
_CHANGES = {"ag": "acceptor gain", "al": "acceptor loss", "dg": "donor gain", "dl": "donor loss"}
COLUMNS = (
    Column("score", "f4", "SpliceAI, greatest delta score", decimals=4),
    *(Column(f"ds_{name}", "f4", f"delta score, {title}", decimals=4) for name, title in _CHANGES.items()),
    *(Column(f"dp_{name}", "i4", f"position, {title}", "bases from the variant") for name, title in _CHANGES.items()),
    Column("gene", "code", "gene of the scores"),
    Column("genes", "u1", "genes with scores"),
)
_MISSING_PLACE = -(1 << 31)
_MOST_PLACE = 10_000
_PROBLEMS = ("", "is no score", "lies outside 0 to 1", "has not 10 fields", "has a position that is none")


@dataclass(frozen=True)
class _Parse:
    """Rows of a block of sites."""

    key: str = _KEY

    def __call__(self, block: Sites, tally: Counter[str], path: Path) -> Rows:
        written = block.written
        spans = find_values(written.text, written.info, (self.key,))[0]
        count = len(block.ids)
        scores = np.full((4, count), np.nan, dtype=np.float32)
        places = np.full((4, count), _MISSING_PLACE, dtype=np.int32)
        gene = np.zeros((count, 2), dtype=np.int32)
        genes = np.zeros(count, dtype=np.int64)
        row, problem = _read(written.text, spans, written.alt_text, scores, places, gene, genes)
        if problem:
            said = written.text[spans[row, 0] : spans[row, 1]].tobytes().decode(errors="replace")[:80]
            raise RecordRefused(path, int(written.record[row]), f": {self.key}={said} {_PROBLEMS[problem]}")
        none = np.isnan(scores).all(axis=0)
        tally["no_value"] += int(none.sum())
        keep = np.flatnonzero(~none)
        offsets, data = gather(written.text, gene[keep])
        symbols = pa.StringArray.from_buffers(len(keep), pa.py_buffer(offsets), pa.py_buffer(data)).to_pylist()
        every = np.full(count, "", dtype=object)
        every[keep] = symbols
        greatest = np.where(none, np.float32(np.nan), np.nanmax(np.where(np.isnan(scores), np.float32(-1), scores), axis=0))
        values = {"score": greatest, "gene": every, "genes": genes}
        values |= {f"ds_{name}": scores[at] for at, name in enumerate(_CHANGES)}
        values |= {f"dp_{name}": places[at] for at, name in enumerate(_CHANGES)}
        return kept_rows(block, keep, values)


def build(request: Request) -> Pack:
    """Compile SpliceAI's VCFs (SNVs and indels may be given together). Raises SourceRefused."""
    recipe = Recipe(COLUMNS, "score", Answer.UNKNOWN, preference=("-score",), duplicates="the greatest score")
    return build_from_sites(request, _Parse(), recipe)


def open_pack(pack: Pack) -> AllelePack:
    """The source of a pack; an allele that it does not hold is UNKNOWN: no score is not a low score."""
    return open_allele_pack(pack)


@njit(cache=True, nogil=True)
def _place(text, a, b):  # type: ignore[no-untyped-def]
    """(valid, whole number with sign; _MISSING_PLACE for `.` or nothing)."""
    if a == b or (b - a == 1 and text[a] == 46):
        return True, _MISSING_PLACE
    negative = text[a] == 45
    value = 0
    for at in range(a + 1 if negative else a, b):
        if not 48 <= text[at] <= 57 or value > _MOST_PLACE:
            return False, 0
        value = value * 10 + text[at] - 48
    return b > a + negative and value <= _MOST_PLACE, -value if negative else value


@njit(cache=True, nogil=True)
def _read(text, spans, alts, scores, places, gene, genes):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """Of each allele's entries the one with the greatest score. (row, number of its problem), problem 0 where all is well."""
    fields = np.empty((11, 2), dtype=np.int32)
    found = np.empty(4, dtype=np.float32)
    where = np.empty(4, dtype=np.int32)
    for i in range(spans.shape[0]):
        a, end = spans[i, 0], spans[i, 1]
        best = np.float32(-1)
        while a >= 0 and a < end:
            stop = a
            while stop < end and text[stop] != 44:
                stop += 1
            count, begin = 0, a
            for at in range(a, stop + 1):
                if at == stop or text[at] == 124:
                    if count < 11:
                        fields[count, 0], fields[count, 1] = begin, at
                    count += 1
                    begin = at + 1
            if count == 1 and (stop == a or (stop - a == 1 and text[a] == 46)):
                a = stop + 1
                continue
            if count != 10:
                return i, 3
            a = stop + 1
            same = fields[0, 1] - fields[0, 0] == alts[i, 1] - alts[i, 0]
            j = 0
            while same and j < alts[i, 1] - alts[i, 0]:
                same = (text[fields[0, 0] + j] ^ text[alts[i, 0] + j]) & 0xDF == 0
                j += 1
            if not same:
                continue
            greatest = np.float32(-1)
            for k in range(4):
                found[k] = np.float32(np.nan)
                c, d = fields[2 + k, 0], fields[2 + k, 1]
                if d > c:
                    valid, value = float_value(text, c, d)
                    if not valid:
                        return i, 1
                    if value < 0 or value > 1:
                        return i, 2
                    found[k] = value
                    if value > greatest:
                        greatest = np.float32(value)
                fine, place = _place(text, fields[6 + k, 0], fields[6 + k, 1])
                if not fine:
                    return i, 4
                where[k] = place
            if greatest < 0:
                continue
            genes[i] = min(genes[i] + 1, 254)
            if greatest > best:
                best = greatest
                gene[i, 0], gene[i, 1] = fields[1, 0], fields[1, 1]
                for k in range(4):
                    scores[k, i] = found[k]
                    places[k, i] = where[k]
    return -1, 0
