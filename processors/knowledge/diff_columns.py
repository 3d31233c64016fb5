"""When a column of two packs differs: numbers by value, codes by what they stand for, texts by what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from numba import njit

from processors.knowledge.allele_columns import ColumnReader
from processors.knowledge.pack import Pack
from processors.knowledge.sources.clinvar import ClinVar
from processors.knowledge.sources.clinvar_columns import CODED
from processors.knowledge.sources.clinvar_details import by_condition, named
from processors.knowledge.sources.clinvar_terms import parse_tally, same_wording
from processors.knowledge.strings import StringTable

I64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """A field, and where it differs between n rows of the old pack and n of the new."""

    field: str
    differs: Callable[[I64, I64], Flags]


def comparisons(old: Pack, new: Pack) -> list[Comparison]:
    """Every field of two packs of alleles, at most 32, in an order that both give."""
    if new.kind == "clinvar":
        return _clinvar(ClinVar(old), ClinVar(new))
    names = list(dict.fromkeys([*new.extra["order"], *old.extra["order"]]))
    readers = [({name: ColumnReader(pack, name) for name in pack.extra["order"]}) for pack in (old, new)]
    found = [Comparison(name, _column(readers[0].get(name), readers[1].get(name))) for name in names]
    if old.extra.get("filtered") or new.extra.get("filtered"):
        found.append(Comparison("filtered", _numbers(*(_failed(pack) for pack in (old, new)))))
    return found


def _failed(pack: Pack) -> npt.NDArray[Any]:
    return np.asarray(pack.array("failed")) if pack.extra.get("filtered") else np.zeros(pack.rows, dtype=np.uint8)


def _column(old: ColumnReader | None, new: ColumnReader | None) -> Callable[[I64, I64], Flags]:
    if old is None or new is None or old.column.dtype != new.column.dtype:
        # a column that only one of them has, or whose values are of another kind, says something else everywhere
        return lambda mine, theirs: np.ones(len(mine), dtype=np.bool_)
    if old.table is not None and new.table is not None:
        before, after = old.table, new.table
        return lambda mine, theirs: texts_differ(before, mine, after, theirs)
    if old.column.dtype == "code":
        lut = np.array([old.words.index(word) if word in old.words else -1 for word in new.words], dtype=np.int64)
        return lambda mine, theirs: np.asarray(old.values[mine].astype(np.int64) != lut[new.values[theirs]], dtype=np.bool_)
    if old.column.dtype == "flags" and old.column.vocabulary != new.column.vocabulary:
        return _flags(old, new)
    return _numbers(old.values, new.values)


def _flags(old: ColumnReader, new: ColumnReader) -> Callable[[I64, I64], Flags]:
    names = list(dict.fromkeys((*old.column.vocabulary, *new.column.vocabulary)))

    def same_bits(reader: ColumnReader, rows: I64) -> npt.NDArray[np.uint64]:
        values, out = reader.values[rows].astype(np.uint64), np.zeros(len(rows), dtype=np.uint64)
        for bit, name in enumerate(reader.column.vocabulary):
            out |= ((values >> np.uint64(bit)) & np.uint64(1)) << np.uint64(names.index(name))
        return out

    return lambda mine, theirs: np.asarray(same_bits(old, mine) != same_bits(new, theirs), dtype=np.bool_)


def _numbers(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> Callable[[I64, I64], Flags]:
    def differs(mine: I64, theirs: I64) -> Flags:
        before, after = old[mine], new[theirs]
        unlike = before != after
        if before.dtype.kind == "f":
            unlike &= ~(np.isnan(before) & np.isnan(after))
        return np.asarray(unlike, dtype=np.bool_)

    return differs


# --- ClinVar ---------------------------------------------------------------------------------------------------------

_MEANINGS: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, str]], Any]]] = {
    "conditions": (("conditions", "condition_ids"), named),
    "per_condition": (("conditions", "codes", "review"), by_condition),
    "review": (("review",), lambda texts: same_wording(texts["review"])),
    "submissions": (("submissions",), lambda texts: parse_tally(texts["submissions"])),
    "gene": (("gene",), lambda texts: frozenset(texts["gene"].split("|"))),
    "consequence": (("consequence",), lambda texts: frozenset(texts["consequence"].split(","))),
    "origin": (("origin",), lambda texts: texts["origin"]),
    "last_evaluated": (("last_evaluated",), lambda texts: texts["last_evaluated"]),
    "submitters": (("submitters",), lambda texts: texts["submitters"]),
}
"""Field → the columns it is made of, and what their texts mean."""


def _clinvar(old: ClinVar, new: ClinVar) -> list[Comparison]:
    numbers = ("significance", "stars", "conflict", "terms", "flagged")
    found = [Comparison(name, _numbers(old.array(name), new.array(name))) for name in numbers]
    found += [Comparison(name, _meaning(old, new, columns, meaning)) for name, (columns, meaning) in _MEANINGS.items()]
    for name in ("record", "allele", "accessions", "scvs"):
        found.append(Comparison(name, _plain(old.plain(name), new.plain(name))))
    return found


def _plain(old: StringTable, new: StringTable) -> Callable[[I64, I64], Flags]:
    return lambda mine, theirs: texts_differ(old, mine, new, theirs)


def _meaning(
    old: ClinVar, new: ClinVar, columns: Sequence[str], meaning: Callable[[Mapping[str, str]], Any]
) -> Callable[[I64, I64], Flags]:
    """Rows whose texts are the same are the same; the distinct pairs of other texts are looked at once each."""
    befores, afters = [old.repeated(name) for name in columns], [new.repeated(name) for name in columns]
    blank = dict.fromkeys(CODED, "") | {"accessions": ""}

    def differs(mine: I64, theirs: I64) -> Flags:
        unlike = np.zeros(len(mine), dtype=np.bool_)
        for before, after in zip(befores, afters, strict=True):
            place = pc.index_in(after.table.arrow(), value_set=before.table.arrow()).fill_null(-1)
            lut = place.to_numpy(zero_copy_only=False).astype(np.int64)
            unlike |= lut[after.codes[theirs]] != before.codes[mine]
        rows = np.flatnonzero(unlike)
        if len(rows) == 0:
            return unlike
        codes = [one.codes[mine[rows]] for one in befores] + [one.codes[theirs[rows]] for one in afters]
        group = np.zeros(len(rows), dtype=np.int64)
        for code in codes:
            _, group = np.unique(group * (int(code.max()) + 1) + code, return_inverse=True)
        _, first = np.unique(group, return_index=True)
        means = np.empty(len(first), dtype=np.bool_)
        for number, row in enumerate(first.tolist()):
            texts = [
                meaning(blank | {name: column.table[int(code[row])] for name, column, code in zip(columns, side, part, strict=True)})
                for side, part in ((befores, codes[: len(columns)]), (afters, codes[len(columns) :]))
            ]
            means[number] = texts[0] != texts[1]
        unlike[rows] = means[group]
        return unlike

    return differs


# --- texts -----------------------------------------------------------------------------------------------------------


def texts_differ(old: StringTable, mine: I64, new: StringTable, theirs: I64) -> Flags:
    """Whether the texts of n rows of two tables differ, byte by byte."""
    out = np.empty(len(mine), dtype=np.bool_)
    _texts_differ(old.offsets, old.data, mine, new.offsets, new.data, theirs, out)
    return out


@njit(cache=True, nogil=True)
def _texts_differ(old_offsets, old_data, mine, new_offsets, new_data, theirs, out):  # type: ignore[no-untyped-def]
    for i in range(mine.shape[0]):
        a, b = old_offsets[mine[i]], new_offsets[theirs[i]]
        length = old_offsets[mine[i] + 1] - a
        unlike = new_offsets[theirs[i] + 1] - b != length
        k = 0
        while not unlike and k < length:
            unlike = old_data[a + k] != new_data[b + k]
            k += 1
        out[i] = unlike
