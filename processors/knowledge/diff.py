"""What a release changes: two packs of one kind, compared by key and not by row number.

Allele-keyed packs are joined on their sorted keys (and, for long alleles, on REF and ALT), and every column is compared by what it means:
another order of rows, codes or conditions, a word that was only renamed, or a second copy of a record is no change. A change is listed
whoever reads the field; the caller takes what it needs with `Changes.of`.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.knowledge.diff_columns import Comparison, comparisons, texts_differ
from processors.knowledge.gene_pack import GeneKey, GenePack, changed_genes
from processors.knowledge.kinds import Keyed, kind_of
from processors.knowledge.lookup import AlleleIndex, Spelling
from processors.knowledge.pack import Pack, PackError
from processors.knowledge.strings import StringTable
from schemas.identity import is_long, spellings

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)


class Change(enum.IntEnum):
    """What became of a key."""

    ADDED = 1
    REMOVED = 2
    CHANGED = 3


def _spelled() -> Spelling:
    return _spelling(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64), [], [])


@dataclass(frozen=True)
class Changes:
    """Changed keys of one kind between the packs with digests `old` and `new` (empty: there is none).

    Alleles, n of them by ascending id: `bits` has bit k for `fields[k]` (all for an added or removed one), `old_row` and `new_row` are -1
    where a pack does not hold the allele; `spelled` gives REF and ALT of all. `genes` are changed genes with their changed columns.
    `regions` (int64[m, 2], linear, half-open, merged) are changed spans; beside alleles they are stretches that one of the packs covers and
    the other does not, where alleles that neither holds get another answer. `everything`: a pack was loaded or taken away, or answers for
    alleles that it does not hold changed as a whole: every allele on file is affected, listed or not.
    """

    kind: str
    keyed: Keyed
    old: str
    new: str
    everything: bool = False
    fields: tuple[str, ...] = ()
    ids: U64 = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    spellings: U32 = field(default_factory=lambda: np.empty(0, dtype=np.uint32))
    change: U8 = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    bits: U32 = field(default_factory=lambda: np.empty(0, dtype=np.uint32))
    old_row: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    new_row: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    spelled: Spelling = field(default_factory=_spelled)
    genes: tuple[tuple[GeneKey, tuple[str, ...]], ...] = ()
    regions: I64 = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ids) + len(self.genes) + (len(self.regions) if self.keyed is Keyed.REGION else 0)

    def __bool__(self) -> bool:
        return self.everything or len(self) > 0 or len(self.regions) > 0

    @property
    def linear(self) -> I64:
        """0-based place of REF's first base in linear coordinates of the build's table."""
        return (self.ids >> np.uint64(32)).astype(np.int64)

    def mask(self, *fields: str) -> np.uint32:
        """Bits of some fields. Raises KeyError for one that the kind does not have."""
        unknown = sorted(set(fields) - set(self.fields))
        if unknown:
            raise KeyError(f"{self.kind} has no field {unknown[0]}; it has {', '.join(self.fields)}")
        return np.uint32(sum(1 << self.fields.index(name) for name in fields))

    def of(self, *fields: str) -> Changes:
        """Only the alleles of which one of these fields changed."""
        return self.take(np.flatnonzero(self.bits & self.mask(*fields)))

    def take(self, rows: I64) -> Changes:
        """Some of the alleles."""
        picked: dict[str, Any] = {
            name: getattr(self, name)[rows] for name in ("ids", "spellings", "change", "bits", "old_row", "new_row")
        }  # fmt: skip
        taken = _taken(self.spelled, rows)
        return replace(self, spelled=taken, **picked)

    def fields_of(self, row: int) -> list[str]:
        """Names of the changed fields of an allele."""
        return [name for number, name in enumerate(self.fields) if int(self.bits[row]) >> number & 1]


def diff(old: Pack | None, new: Pack | None, *, fields: Collection[str] | None = None) -> Changes:
    """What `new` says otherwise than `old`. None: the source is not loaded. `fields`: of alleles in both, compare these alone.

    Raises PackError for packs of two kinds or builds.
    """
    pack = new or old
    if pack is None:
        raise PackError("there is nothing to compare: neither pack is given")
    if old is not None and new is not None and (old.kind, old.build) != (new.kind, new.build):
        raise PackError(f"{old.kind} of {old.build} and {new.kind} of {new.build} are not compared; give two packs of one kind and build")
    known = kind_of(pack.kind)
    keyed = Keyed(pack.extra.get("keyed", known.keyed if known is not None else Keyed.ALLELE))
    base = Changes(pack.kind, keyed, old.digest if old else "", new.digest if new else "", everything=old is None or new is None)
    if old is not None and new is not None and old.digest == new.digest:
        return base
    if keyed is Keyed.GENE:
        return replace(base, genes=_genes(old, new))
    if keyed is Keyed.REGION:
        return replace(base, regions=_region_changes(old, new))
    return _alleles(base, old, new, fields)


def _genes(old: Pack | None, new: Pack | None) -> tuple[tuple[GeneKey, tuple[str, ...]], ...]:
    if old is not None and new is not None:
        return tuple(changed_genes(old, new))
    pack = new or old
    assert pack is not None
    return tuple((key, tuple(pack.extra.get("columns", ()))) for key in GenePack(pack).keys)


def _alleles(base: Changes, old: Pack | None, new: Pack | None, fields: Collection[str] | None) -> Changes:
    if old is None or new is None:
        pack = old or new
        assert pack is not None
        rows = np.arange(len(AlleleIndex(pack).keys), dtype=np.int64)
        nowhere = np.full(len(rows), -1, dtype=np.int64)
        compared = _compared(pack, pack, fields)
        return _listed(base, compared, old, new, nowhere if old is None else rows, nowhere if new is None else rows, None)
    before, after = AlleleIndex(old).keys, AlleleIndex(new).keys
    partner, matched = np.empty(len(before), dtype=np.int64), np.zeros(len(after), dtype=np.bool_)
    _join(before, after, partner, matched)
    both = np.flatnonzero(partner >= 0)
    other = partner[both]
    long = np.flatnonzero(is_long(before[both]))
    if len(long):
        unlike = long[texts_differ(_long_texts(old), _long_rows(old, both[long]), _long_texts(new), _long_rows(new, other[long]))]
        matched[other[unlike]] = False
        partner[both[unlike]] = -1
        both, other = np.delete(both, unlike), np.delete(other, unlike)
    compared = _compared(old, new, fields)
    bits = np.zeros(len(both), dtype=np.uint32)
    for number, one in enumerate(compared):
        bits |= one.differs(both, other).astype(np.uint32) << np.uint32(number)
    changed = np.flatnonzero(bits)
    removed, added = np.flatnonzero(partner < 0), np.flatnonzero(~matched)
    none = np.full(len(removed) + len(added), -1, dtype=np.int64)
    old_row = np.concatenate([both[changed], removed, none[: len(added)]])
    new_row = np.concatenate([other[changed], none[: len(removed)], added])
    base = replace(base, everything=_answers_differ(old, new), regions=_covered_changes(old, new))
    return _listed(base, compared, old, new, old_row, new_row, bits[changed])


def _compared(old: Pack, new: Pack, fields: Collection[str] | None) -> list[Comparison]:
    return [one for one in comparisons(old, new) if fields is None or one.field in fields]


def _listed(
    base: Changes, compared: list[Comparison], old: Pack | None, new: Pack | None, old_row: I64, new_row: I64, changed: U32 | None
) -> Changes:
    """The changes by ascending id; the first `len(changed)` rows are in both packs."""
    n, both = len(old_row), 0 if changed is None else len(changed)
    ids = np.empty(n, dtype=np.uint64)
    for pack, rows in ((new, new_row), (old, old_row)):
        if pack is not None:
            here = rows >= 0
            ids[here] = AlleleIndex(pack).keys[rows[here]]
    bits = np.full(n, (1 << len(compared)) - 1, dtype=np.uint32)
    if changed is not None:
        bits[:both] = changed
    change = np.where(old_row < 0, Change.ADDED, np.where(new_row < 0, Change.REMOVED, Change.CHANGED)).astype(np.uint8)
    order = np.lexsort((change, ids))
    ids, old_row, new_row = ids[order], old_row[order], new_row[order]
    long = np.flatnonzero(is_long(ids))
    texts: list[bytes] = []
    for row in long.tolist():
        pack, place = (new, new_row[row]) if new_row[row] >= 0 else (old, old_row[row])
        assert pack is not None
        table, rows = _long_texts(pack), _long_rows(pack, np.array([place], dtype=np.int64))
        texts.append(table.data[table.offsets[rows[0]] : table.offsets[rows[0] + 1]].tobytes())
    refs, alts = [text.partition(b">")[0] for text in texts], [text.partition(b">")[2] for text in texts]
    spelled = _spelling(ids, long, refs, alts)
    kept = spellings(ids, spelled.ref_offsets, spelled.ref_bytes, spelled.alt_offsets, spelled.alt_bytes)
    return replace(
        base, fields=tuple(one.field for one in compared), ids=ids, spellings=kept, change=change[order], bits=bits[order],
        old_row=old_row, new_row=new_row, spelled=spelled,
    )  # fmt: skip


def _long_texts(pack: Pack) -> StringTable:
    return StringTable(np.asarray(pack.array("long_offsets")), np.asarray(pack.array("long_data")))


def _long_rows(pack: Pack, rows: I64) -> I64:
    return np.asarray(np.searchsorted(np.asarray(pack.array("long_rows")), rows), dtype=np.int64)


def _spelling(ids: U64, long: I64, refs: list[bytes], alts: list[bytes]) -> Spelling:
    """REF and ALT of all alleles: short ones from their ids, long ones as given."""
    ref_lengths = ((ids >> np.uint64(27)) & np.uint64(0xF)).astype(np.int64)
    alt_lengths = ((ids >> np.uint64(23)) & np.uint64(0xF)).astype(np.int64)
    ref_lengths[long], alt_lengths[long] = [len(text) for text in refs], [len(text) for text in alts]
    parts: list[tuple[I32, U8]] = []
    for lengths, texts in ((ref_lengths, refs), (alt_lengths, alts)):
        offsets = np.zeros(len(ids) + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        data = np.zeros(max(int(offsets[-1]), 1), dtype=np.uint8)
        for row, text in zip(long.tolist(), texts, strict=True):
            data[offsets[row] : offsets[row + 1]] = np.frombuffer(text, dtype=np.uint8)
        parts.append((offsets, data))
    (ref_offsets, ref), (alt_offsets, alt) = parts
    _decode(ids, ref_offsets, ref, alt_offsets, alt, _BASES)
    return Spelling(ref_offsets, ref, alt_offsets, alt)


def _taken(spelled: Spelling, rows: I64) -> Spelling:
    parts: list[Any] = []
    for offsets, data in ((spelled.ref_offsets, spelled.ref_bytes), (spelled.alt_offsets, spelled.alt_bytes)):
        lengths = np.diff(offsets)[rows]
        ends = np.zeros(len(rows) + 1, dtype=np.int32)
        np.cumsum(lengths, out=ends[1:])
        place = np.arange(int(ends[-1])) - np.repeat(ends[:-1], lengths) + np.repeat(offsets[:-1][rows], lengths)
        parts += [ends, data[place] if len(place) else np.zeros(1, dtype=np.uint8)]
    return Spelling(*parts)


def _answers_differ(old: Pack, new: Pack) -> bool:
    """Whether alleles that neither pack holds are answered otherwise now."""
    return any(old.extra.get(key) != new.extra.get(key) for key in ("default", "floor"))


def _covered_changes(old: Pack, new: Pack) -> I64:
    return _unlike_spans(*(_covered(pack) for pack in (old, new)))


def _covered(pack: Pack) -> I64:
    if not pack.extra.get("covered_regions"):
        return np.empty((0, 2), dtype=np.int64)
    return np.stack([np.asarray(pack.array("covered_starts")), np.asarray(pack.array("covered_ends"))], axis=1)


def _region_changes(old: Pack | None, new: Pack | None) -> I64:
    """Spans of rows that only one of the packs has; two rows are the same where span and every column agree."""
    said: list[dict[tuple[Any, ...], int]] = [{}, {}]
    from processors.knowledge.source import open_source

    for side, pack in enumerate((old, new)):
        if pack is None:
            continue
        source = open_source(pack)
        spans = zip(source.starts.tolist(), source.ends.tolist(), strict=True)
        for row, (start, end) in enumerate(spans):
            said[side][start, end, repr(sorted(source.details(row).items()))] = row
    unlike = sorted({key[:2] for key in said[0].keys() ^ said[1].keys()})
    return _merged(np.array(unlike, dtype=np.int64).reshape(-1, 2))


def _unlike_spans(old: I64, new: I64) -> I64:
    """What exactly one of two sets of merged spans covers."""
    borders = np.concatenate([old.ravel(), new.ravel()])
    borders, counts = np.unique(borders, return_counts=True)
    # a border that both sets have cancels; between the others, covered by one alone begins and ends in turn
    alone: I64 = borders[counts % 2 == 1]
    return alone.reshape(-1, 2)


def _merged(spans: I64) -> I64:
    if len(spans) == 0:
        return spans
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.flatnonzero(np.concatenate([[True], spans[1:, 0] > reach[:-1]]))
    ends: I64 = reach[np.append(first[1:], len(spans)) - 1]
    return np.stack([spans[first, 0], ends], axis=1)


@njit(cache=True, nogil=True)
def _join(old, new, partner, matched):  # type: ignore[no-untyped-def]
    """Row of each old key among the new ones, -1 for none; both ascend without repeats."""
    j, m = 0, new.shape[0]
    for i in range(old.shape[0]):
        while j < m and new[j] < old[i]:
            j += 1
        if j < m and new[j] == old[i]:
            partner[i] = j
            matched[j] = True
        else:
            partner[i] = -1


@njit(cache=True, nogil=True)
def _decode(ids, ref_offsets, ref, alt_offsets, alt, bases):  # type: ignore[no-untyped-def]
    """Bases of short alleles, see `schemas.identity`."""
    for i in range(ids.shape[0]):
        if ids[i] >> np.uint64(31) & np.uint64(1):
            continue
        r = np.int64(ref_offsets[i + 1] - ref_offsets[i])
        a = np.int64(alt_offsets[i + 1] - alt_offsets[i])
        for k in range(r + a):
            code = (ids[i] >> np.uint64(20 - 2 * k)) & np.uint64(3)
            if k < r:
                ref[ref_offsets[i] + k] = bases[np.int64(code)]
            else:
                alt[alt_offsets[i] + k - r] = bases[np.int64(code)]
