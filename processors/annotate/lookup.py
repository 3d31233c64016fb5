"""What every source of a plan says of a chunk's alleles.

Frequencies are taken together: the greatest that any frequency source has; where none has one, ABSENT if a source covers the site and does
not hold the allele, else UNKNOWN if any source is loaded, else NOT_LOADED. The greatest can only make an allele look less rare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from processors.knowledge.lookup import Spelling, spelling_of
from schemas.chunks import LOOKED_UP, NO_SOURCE, NONE, Answer, Chunk, lookup_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.knowledge.source import AlleleSource
    from processors.resources import Resources

_FOUND, _ABSENT, _UNKNOWN, _NOT_LOADED = (np.uint8(Answer[name]) for name in ("FOUND", "ABSENT", "UNKNOWN", "NOT_LOADED"))


def look_up(chunk: Chunk, resources: Resources) -> Chunk:
    """The chunk with LOOKUP_FIELDS appended."""
    rows = chunk.rows
    ids, spelled = rows.column("allele_id").to_numpy(), spelling_of(rows)
    n = len(ids)
    answer, significance = np.full(n, _NOT_LOADED, dtype=np.uint8), np.zeros(n, dtype=np.uint8)
    record = np.full(n, NONE, dtype=np.uint32)
    if resources.clinvar is not None:
        answer, _, record = resources.clinvar.query(ids, spelled)
        significance = resources.clinvar.significance_of(record)
    together = [pa.array(values) for values in (answer, significance, record)]
    fields = lookup_fields([source.pack.digest for source in resources.allele_sources])
    return chunk.append(fields, [*together, *look_up_all(resources.allele_sources, resources.is_frequency, ids, spelled)])


def look_up_all(
    sources: Sequence[AlleleSource], frequencies: Sequence[bool], ids: npt.NDArray[np.uint64], spelled: Spelling
) -> list[pa.Array[Any]]:
    """`frequency_answer`, `frequency`, `frequency_source` and `looked_up` of n alleles. `frequencies`: which sources are of frequencies."""
    n, count = len(ids), len(sources)
    answers, values = np.empty((count, n), dtype=np.uint8), np.empty((count, n), dtype=np.float32)
    found = np.empty((count, n), dtype=np.uint32)
    for number, source in enumerate(sources):
        answers[number], values[number], found[number] = source.query(ids, spelled)
    default = np.array([source.default for source in sources], dtype=np.uint8)
    answer, value, whose = np.empty(n, dtype=np.uint8), np.empty(n, dtype=np.float32), np.empty(n, dtype=np.uint8)
    offsets = np.zeros(n + 1, dtype=np.int32)
    _combine(answers, values, default, np.array(frequencies, dtype=np.bool_), answer, value, whose, offsets)
    kept = int(offsets[-1])
    columns = [np.empty(kept, dtype=field.type.to_pandas_dtype()) for field in LOOKED_UP]
    _gather(answers, values, found, default, offsets, *columns)
    inner = pa.StructArray.from_arrays([pa.array(column) for column in columns], fields=list(LOOKED_UP))
    return [pa.array(answer), pa.array(value), pa.array(whose), pa.ListArray.from_arrays(pa.array(offsets), inner)]


@njit(cache=True, nogil=True)
def _combine(answers, values, default, frequency, answer, value, whose, offsets):  # type: ignore[no-untyped-def]
    """The frequencies together, and where each allele's answers that are no default lie."""
    sources, n = answers.shape
    for i in range(n):
        kept, place = 0, 0
        best, best_value, best_source = _NOT_LOADED, np.float32(np.nan), NO_SOURCE
        for s in range(sources):
            said = answers[s, i]
            kept += said != default[s]
            if frequency[s]:
                if said == _FOUND:
                    if best != _FOUND or values[s, i] > best_value:
                        best, best_value, best_source = _FOUND, values[s, i], place
                elif said < best:
                    best = said
                place += 1
        answer[i], value[i], whose[i] = best, best_value, best_source
        offsets[i + 1] = offsets[i] + kept


@njit(cache=True, nogil=True)
def _gather(answers, values, found, default, offsets, source, answer, value, row):  # type: ignore[no-untyped-def]
    sources, n = answers.shape
    for i in range(n):
        at = offsets[i]
        for s in range(sources):
            if answers[s, i] != default[s]:
                source[at], answer[at], value[at], row[at] = s, answers[s, i], values[s, i], found[s, i]
                at += 1
