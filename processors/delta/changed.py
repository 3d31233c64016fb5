"""What a new pack says otherwise than the old one: of keys (ClinVar, whose rows stand whole in ClickHouse), or of the alleles on file.

A release of ClinVar changes few rows of many: they are found in the packs, and looked for among the calls. Any other source of alleles is
asked, old pack and new, about the alleles on file: their answers also tell what lies below a floor or outside covered regions, which no
comparison of rows does. What rules read by other keys than the allele is added by `derived`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.delta.batch import CALLS, Batch
from processors.delta.derived import derived, keyed_by
from processors.delta.keys import AFFECTED, Keys, held, holding, of_alleles, record_changed, record_keys
from processors.interpret.reads import Key, keys_read
from processors.knowledge.kinds import Keyed, kind_of
from processors.knowledge.lookup import Spelling
from processors.knowledge.pack import find_pack
from processors.knowledge.source import Looked, open_source
from processors.knowledge.sources.clinvar import ClinVar
from processors.knowledge.sources.clinvar_terms import STARS_UNKNOWN
from processors.knowledge.strings import string_buffers
from processors.land.client import Client
from processors.land.keys import rows_token
from processors.land.rows import constant
from schemas.chunks import NONE, Answer
from schemas.identity import is_long
from schemas.plan import Plan, changed_kinds

U64 = npt.NDArray[np.uint64]
CLINVAR = "clinvar"
_NONE = np.empty(0, dtype=np.uint64)


@dataclass(frozen=True)
class OnFile:
    """Distinct alleles of a batch's samples, by allele_id: allele_id, spelling, contig, start, ref, alt."""

    rows: pa.Table

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @property
    def ids(self) -> U64:
        return np.asarray(self.rows.column("allele_id").to_numpy(), dtype=np.uint64)

    @property
    def spelling(self) -> npt.NDArray[np.uint32]:
        return np.asarray(self.rows.column("spelling").to_numpy(), dtype=np.uint32)

    @property
    def spelled(self) -> Spelling:
        ref, alt = (self.rows.column(name).combine_chunks() for name in ("ref", "alt"))
        return Spelling(*string_buffers(_one(ref)), *string_buffers(_one(alt)))

    def take(self, chosen: npt.NDArray[Any]) -> OnFile:
        return OnFile(self.rows.take(pa.array(chosen)))


@dataclass(frozen=True)
class ClinVarSays:
    """Per allele: `Significance` and stars (255: unknown or none) under a plan; whether the plan has ClinVar."""

    loaded: bool
    significance: npt.NDArray[np.uint8]
    stars: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Affected:
    """The alleles on file that a delta reaches, what ClinVar said and says of them, and how many keys changed."""

    alleles: OnFile
    before: ClinVarSays
    after: ClinVarSays
    keys: Mapping[str, int]  # kind → changed alleles (of a release of ClinVar, else on file); `KIND by KEY` → other changed keys

    @property
    def reclassified(self) -> npt.NDArray[np.bool_]:
        """Alleles whose classification in ClinVar changed."""
        return np.asarray(self.before.significance != self.after.significance, dtype=np.bool_)

    @property
    def noted(self) -> npt.NDArray[np.bool_]:
        """Alleles whose classification or stars in ClinVar changed."""
        return np.asarray(self.reclassified | (self.before.stars != self.after.stars), dtype=np.bool_)


def affected(client: Client, batch: Batch, packs: Path) -> Affected:
    """Find and record (table `delta_key`) what a batch's release reaches, and land the new values of other sources than ClinVar.

    Raises PackError where a pack of either plan is not on this machine.
    """
    kinds = changed_kinds(batch.old, batch.new)
    old, new = (_sources(plan, kinds, packs) for plan in (batch.old, batch.new))
    own: dict[str, U64] = {}
    if CLINVAR in kinds:
        own[CLINVAR] = changed_ids(old.get(CLINVAR), new.get(CLINVAR))
    others = sorted(kind for kind in (old.keys() | new.keys()) if kind != CLINVAR)
    file = on_file(client, batch) if others else None
    for kind in others:
        assert file is not None
        before, after = (_ask(found.get(kind), file) for found in (old, new))
        own[kind] = file.ids[(before.answer != after.answer) | ~_same(before.value, after.value)]
        if kind in new:
            _land_values(client, batch.new, kind, new[kind].default, file, after)
    more = derived(batch, packs, kinds, own)
    keys = Keys({**more.keys.by, Key.ALLELE: of_alleles(own.get(CLINVAR, _NONE))})
    record_changed(client, batch.delta_id, keys)
    if more.everything or file is None:
        file = on_file(client, batch, None if more.everything else keys) if file is None else file
        differs = np.ones(len(file), dtype=np.bool_)
    else:
        read = [ids for kind, ids in own.items() if Key.ALLELE in keys_read(kind)]  # what no rule reads changes values and no result
        differs = np.isin(file.ids, np.concatenate([*read, held(client, batch, more.keys) if len(more.keys) else _NONE]))
    counts = {**{kind: len(ids) for kind, ids in own.items()}, **more.counts, **dict.fromkeys(more.everything, len(file))}
    chosen = file.take(np.flatnonzero(differs))
    packs_of = tuple(_clinvar(plan, packs) for plan in (batch.old, batch.new))
    said = tuple(clinvar_says(source, chosen) for source in packs_of)
    result = Affected(chosen, said[0], said[1], counts)
    _record(client, batch, result)
    return result


def keep_recorded(client: Client, batch: Batch, affected: Affected) -> None:
    """Write the affected alleles of a delta again where they aged away (`delta_key`) while it was paused or held."""
    sql = "SELECT uniqExact(a, b) FROM delta_key WHERE delta_id = {delta:String} AND what = {what:String}"
    if client.value(sql, {"delta": batch.delta_id, "what": AFFECTED}) != len(affected.alleles):
        _record(client, batch, affected)


def _record(client: Client, batch: Batch, affected: Affected) -> None:
    rows = np.stack([affected.alleles.ids, affected.alleles.spelling.astype(np.uint64)], axis=1)
    record_keys(client, batch.delta_id, AFFECTED, rows, affected.noted)


def on_file(client: Client, batch: Batch, keys: Keys | None = None) -> OnFile:
    """Distinct alleles of a batch's samples; those that hold a recorded key, or all of them."""
    holds = f"AND allele_id IN ({holding(keys)})" if keys is not None else ""
    sql = f"""SELECT allele_id, spelling, any(c.contig) AS contig, any(c.start) AS start, any(c.ref) AS ref, any(c.alt) AS alt
        FROM calls AS c WHERE {CALLS} {holds} GROUP BY allele_id, spelling ORDER BY allele_id, spelling"""
    return OnFile(client.arrow(sql, batch.parameters).combine_chunks())


def changed_ids(old: ClinVar | None, new: ClinVar | None) -> U64:
    """Ids of alleles of which two ClinVar packs do not say the same, ascending. None: the plan has no ClinVar.

    Compared are the three columns that rules and tiers read. `knowledge.diff` compares all of them by their meaning, for people; that takes
    seconds where this takes milliseconds.
    """
    if old is None or new is None:
        given = old or new
        return np.asarray(given.index.keys, dtype=np.uint64) if given is not None else np.empty(0, dtype=np.uint64)
    before, after = old.index.keys, new.index.keys
    place = np.searchsorted(after, before)
    here = np.minimum(place, max(len(after) - 1, 0))
    both = (place < len(after)) & (after[here] == before if len(after) else np.zeros(len(before), dtype=np.bool_))
    mine, theirs = np.flatnonzero(both), here[both]
    same = np.ones(len(mine), dtype=np.bool_)
    for name in ("significance", "stars", "terms"):
        same &= getattr(old, name)[mine] == getattr(new, name)[theirs]
    long = is_long(before[mine])  # the texts behind equal hashes may differ; asking the packs about the alleles on file tells
    left = before[mine[~same | long]]
    removed = before[~both]
    added = after[~np.isin(after, before, assume_unique=True)]
    found = np.sort(np.concatenate([left, removed, added]).astype(np.uint64))  # sorting: 20 times as fast as the hash set of np.unique
    return found[np.append(True, found[1:] != found[:-1])] if len(found) else found


def clinvar_says(source: ClinVar | None, alleles: OnFile) -> ClinVarSays:
    """What ClinVar says of alleles."""
    n = len(alleles)
    stars = np.full(n, STARS_UNKNOWN, dtype=np.uint8)
    if source is None or n == 0:
        return ClinVarSays(source is not None, np.zeros(n, dtype=np.uint8), stars)
    row = source.query(alleles.ids, alleles.spelled).row
    hit = row != NONE
    stars[hit] = source.stars[row[hit]]
    return ClinVarSays(True, source.significance_of(row), stars)


def _sources(plan: Plan, kinds: frozenset[str], packs: Path) -> dict[str, Any]:
    """Kind → source of the plan's changed kinds that are keyed by allele."""
    found = {}
    for component in plan.components:
        if component.kind not in kinds or kind_of(component.kind) is None:
            continue
        pack = find_pack(packs, component.digest)
        if keyed_by(pack) is Keyed.ALLELE:
            found[component.kind] = open_source(pack)
    return found


def _clinvar(plan: Plan, packs: Path) -> ClinVar | None:
    component = plan.component(CLINVAR)
    return None if component is None else ClinVar(find_pack(packs, component.digest))


def _ask(source: Any, file: OnFile) -> Looked:
    n = len(file)
    if source is None:
        return Looked(np.full(n, Answer.NOT_LOADED, np.uint8), np.full(n, np.nan, np.float32), np.full(n, NONE, np.uint32))
    found: Looked = source.query(file.ids, file.spelled)
    return found


def _same(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)), dtype=np.bool_)


def _land_values(client: Client, plan: Plan, kind: str, default: Answer, file: OnFile, said: Looked) -> None:
    """The rows of `knowledge_value` of alleles on file under a source that is new, where its answer is not its default."""
    component = plan.component(kind)
    chosen = np.flatnonzero(said.answer != default)
    if component is None or len(chosen) == 0:
        return
    columns: dict[str, pa.Array[Any]] = {
        "source": constant(component.digest, len(chosen)),
        "allele_id": pa.array(file.ids[chosen]),
        "spelling": pa.array(file.spelling[chosen]),
        "answer": pa.array(said.answer[chosen]),
        "value": pa.array(said.value[chosen]),
        "row": pa.array(said.row[chosen]),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    client.insert("knowledge_value", batch, rows_token(component.digest, component.digest, "knowledge_value", 0, batch))


def _one(column: Any) -> Any:
    """A column of one chunk as an array of strings."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column.cast(pa.string())
