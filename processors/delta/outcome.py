"""What a delta changes for each sample: findings that come, go or read otherwise, and classifications that changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.delta.batch import CALLS, CHAIN, Batch
from processors.delta.changed import Affected
from processors.delta.keys import AFFECTED
from processors.interpret.stage import NOT_ASSESSED
from processors.interpret.tiers import Basis, acmg_classes, clinvar_classes, tier_of
from processors.knowledge.sources.clinvar_terms import LABELS, STARS_UNKNOWN, Significance
from processors.land.client import Client, StoreError

_TEXTS = (
    "gene", "transcript", "consequence", "impact", "hgvsc", "hgvsp", "clinvar", "frequency_answer", "score_answer", "model", "class",
)  # fmt: skip
_NUMBERS = ("frequency", "score")
SAID = (*_TEXTS, *_NUMBERS, "reasons")
"""Columns of a finding that say something of the allele."""
ROUNDING = 1e-6
"""Difference of two scores of one model that is no difference: another device, or another batch."""

_AFFECTED = (
    f"SELECT a AS allele_id, toUInt32(b) AS spelling, noted FROM delta_key FINAL WHERE delta_id = {{delta:String}} AND what = '{AFFECTED}'"
)
_IDS = f"SELECT a FROM delta_key WHERE delta_id = {{delta:String}} AND what = '{AFFECTED}'"
_SAME = " AND ".join(
    [f"f.{name} = e.{name}" for name in _TEXTS]
    + ["ifNull(f.frequency, -1) = ifNull(e.frequency, -1)", f"abs(ifNull(f.score, -1) - ifNull(e.score, -1)) <= {ROUNDING}"]
    + ["f.reasons = e.reasons"]
)
_SQL = f"""
    SELECT
        c.sample_id AS sample_id, c.submission_id AS submission_id, c.allele_id AS allele_id, c.spelling AS spelling,
        c.record AS record, c.alt_index AS alt_index, c.chunk AS chunk, c.epoch AS epoch, c.contig AS contig, c.start AS start,
        c.ref AS ref, c.alt AS alt,
        multiIf(c.ploidy = 1, 'hemizygous', bitCount(c.haplotypes) = c.ploidy, 'homozygous', 'heterozygous') AS zygosity,
        e.evidence_key != '' AS told, e.kept AS kept, {", ".join(f"e.{name} AS {name}" for name in SAID)},
        f.revision_id AS old_revision, f.class AS old_class, f.first_seen AS old_first_seen, {_SAME} AS same
    FROM (SELECT * FROM calls FINAL WHERE {CALLS} AND haplotypes != 0 AND allele_id IN ({_IDS})) AS c
    INNER JOIN ({_AFFECTED}) AS a ON a.allele_id = c.allele_id AND a.spelling = c.spelling
    LEFT ANY JOIN (SELECT * FROM evidence WHERE evidence_key = {{evidence:String}} AND allele_id IN ({_IDS})) AS e
        ON e.allele_id = c.allele_id AND e.spelling = c.spelling
    LEFT ANY JOIN (
        SELECT f.* REPLACE (if(f.first_seen = 0, r.published_at, f.first_seen) AS first_seen)
        FROM (
            SELECT * FROM finding FINAL
            WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM ({CHAIN})) AND allele_id IN ({_IDS})
                AND (revision_id, sample_id, allele_id, record, alt_index) NOT IN (
                    SELECT revision_id, sample_id, allele_id, record, alt_index FROM superseded
                    WHERE (by_revision, sample_id) IN (SELECT revision_id, sample_id FROM ({CHAIN}))
                )
        ) AS f
        INNER JOIN ({CHAIN}) AS r ON r.revision_id = f.revision_id AND r.sample_id = f.sample_id
    ) AS f ON f.sample_id = c.sample_id AND f.allele_id = c.allele_id AND f.spelling = c.spelling
        AND f.record = c.record AND f.alt_index = c.alt_index
    WHERE told = 0 OR a.noted OR e.kept OR f.revision_id != ''
    ORDER BY sample_id, allele_id, spelling, record, alt_index"""


class EvidenceMissing(StoreError):
    """Affected alleles whose evidence is not in the table: their chunks must be sent again."""


@dataclass(frozen=True)
class Outcome:
    """Rows for the tables `finding`, `superseded` and `reclassified`, without those that name a delta's revision; all by sample.

    `touched` samples carry an affected allele; `gained` findings by sample may be negative.
    """

    finding: pa.Table
    superseded: pa.Table
    reclassified: pa.Table
    touched: frozenset[str]
    gained: Mapping[str, int]

    def without(self, samples: frozenset[str]) -> Outcome:
        """The rows of the other samples."""
        if not samples:
            return self
        finding, superseded, told = (_without(table, samples) for table in (self.finding, self.superseded, self.reclassified))
        return Outcome(finding, superseded, told, self.touched - samples, {s: n for s, n in self.gained.items() if s not in samples})


def outcome(client: Client, batch: Batch, affected: Affected) -> Outcome:
    """Compare what the new plan says of the affected alleles with each sample's current findings. Raises EvidenceMissing."""
    rows = client.arrow(_SQL, batch.parameters).combine_chunks()
    told, kept, had, same = (_bits(rows, name) for name in ("told", "kept", "had", "same"))
    if not told.all():
        raise EvidenceMissing(f"delta {batch.delta_id}: {int((~told).sum())} calls hold alleles of which no evidence landed")
    added, removed, changed = kept & ~had, had & ~kept, kept & had & ~same
    fresh, gone = np.flatnonzero(added | changed), np.flatnonzero(removed | changed)
    carriers = {
        row[0] for row in client.rows(f"SELECT DISTINCT sample_id FROM calls WHERE {CALLS} AND allele_id IN ({_IDS})", batch.parameters)
    }
    samples = np.array(rows.column("sample_id").to_pylist(), dtype=object)
    gained: dict[str, int] = dict.fromkeys(sorted(carriers), 0)
    for sample in samples[added]:
        gained[sample] += 1
    for sample in samples[removed]:
        gained[sample] -= 1
    return Outcome(
        _findings(rows, fresh, changed),
        _superseded(rows, gone),
        _reclassified(rows, affected, added, removed, changed, kept),
        frozenset(carriers),
        gained,
    )


def _bits(rows: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    if name == "had":
        return np.array([text != "" for text in rows.column("old_revision").to_pylist()], dtype=np.bool_)
    return np.asarray(rows.column(name).to_numpy(), dtype=np.bool_)


_PLACE = ("sample_id", "submission_id", "allele_id", "spelling", "record", "alt_index", "chunk", "epoch", "contig", "start", "ref", "alt")


def _findings(rows: pa.Table, fresh: npt.NDArray[Any], changed: npt.NDArray[np.bool_]) -> pa.Table:
    """First seen stays; 0 stands for the time at which the row's own revision is published."""
    seen = np.where(changed, rows.column("old_first_seen").to_numpy(), 0)[fresh]
    chosen = rows.select([*_PLACE, "zygosity", *SAID]).take(pa.array(fresh))
    return chosen.append_column("first_seen", pa.array(seen, pa.int64()))


def _superseded(rows: pa.Table, gone: npt.NDArray[Any]) -> pa.Table:
    chosen = rows.select(["old_revision", "sample_id", "allele_id", "record", "alt_index"]).take(pa.array(gone))
    return chosen.rename_columns(["revision_id", "sample_id", "allele_id", "record", "alt_index"])


def _reclassified(
    rows: pa.Table,
    affected: Affected,
    added: npt.NDArray[np.bool_],
    removed: npt.NDArray[np.bool_],
    changed: npt.NDArray[np.bool_],
    kept: npt.NDArray[np.bool_],
) -> pa.Table:
    """One row a sample and allele whose classification changed, or that became a finding or ceased to be one."""
    at = _alleles_of(rows, affected)
    old_class = [text or NOT_ASSESSED for text in rows.column("old_class").to_pylist()]
    new_class = rows.column("class").to_pylist()
    old, new = affected.before, affected.after
    before_class, after_class = acmg_classes(old_class), acmg_classes(new_class)
    classes = np.array([one != other for one, other in zip(old_class, new_class, strict=True)], dtype=np.bool_)
    reclassified = affected.reclassified[at]
    tiers = tier_of(
        before_class, after_class, clinvar_classes(old.significance[at], old.loaded),
        clinvar_classes(new.significance[at], new.loaded), old.stars[at], new.stars[at],
    )  # fmt: skip
    spoken = reclassified | classes | (tiers.tier > 0)
    wanted = spoken | added | removed
    chosen = _once(rows, np.flatnonzero(wanted))
    told: list[dict[str, Any]] = []
    seen = rows.column("old_first_seen").to_pylist()
    for row in chosen.tolist():
        k = int(at[row])
        before, after = Significance(int(old.significance[k])), Significance(int(new.significance[k]))
        finding = "added" if added[row] else "removed" if removed[row] else "changed" if changed[row] else "kept" if kept[row] else "none"
        tier, basis = int(tiers.tier[row]), Basis(int(tiers.basis[row])).name.lower() if spoken[row] else "finding"
        changes = []
        if old_class[row] != new_class[row]:
            changes.append(f"class:{old_class[row]}>{new_class[row]}")
        if before != after:
            changes.append(f"clinvar:{LABELS[before]}>{LABELS[after]}")
        if old.stars[k] != new.stars[k]:
            changes.append(f"stars:{_stars(int(old.stars[k]))}>{_stars(int(new.stars[k]))}")
        if finding in ("added", "removed"):
            changes.append(f"finding:{finding}")
        told.append(
            {
                "tier": tier, "basis": basis, "old_class": old_class[row], "new_class": new_class[row], "old_clinvar": LABELS[before],
                "new_clinvar": LABELS[after], "changes": changes, "finding": finding,
                "first_seen": 0 if finding in ("added", "none") else seen[row], "evidence_changed": 0,
            }
        )  # fmt: skip
    names = [name for name in _PLACE if name not in ("record", "alt_index", "chunk", "epoch")]
    table = rows.select([*names, "zygosity", "gene", "transcript", "hgvsc", "hgvsp"]).take(pa.array(chosen))
    extra = pa.Table.from_pylist(told, schema=_TOLD)
    for name in extra.column_names:
        table = table.append_column(name, extra.column(name))
    return table


def _alleles_of(rows: pa.Table, affected: Affected) -> npt.NDArray[np.int64]:
    """Of each row the affected allele (row of `affected.alleles`, which come by allele_id and spelling)."""
    ids, spellings = affected.alleles.ids, affected.alleles.spelling
    mine, spelled = rows.column("allele_id").to_numpy(), rows.column("spelling").to_numpy()
    at: npt.NDArray[np.int64] = np.searchsorted(ids, mine).astype(np.int64)
    wrong = np.flatnonzero(spellings[at] != spelled)
    while len(wrong):  # several spellings of one id, which stand together
        at[wrong] += 1
        wrong = wrong[spellings[at[wrong]] != spelled[wrong]]
    return at


def _once(rows: pa.Table, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Some rows, in order, without repetitions of a sample's allele, which stand together."""
    columns = [rows.column(name).to_numpy()[chosen] for name in ("allele_id", "spelling")]
    columns.append(np.array(rows.column("sample_id").to_pylist(), dtype=object)[chosen])
    fresh = np.zeros(len(chosen), dtype=np.bool_)
    fresh[:1] = True
    for column in columns:
        fresh[1:] |= np.asarray(column[1:] != column[:-1], dtype=np.bool_)
    kept: npt.NDArray[np.int64] = chosen[fresh]
    return kept


_TOLD = pa.schema(
    [
        ("tier", pa.uint8()), ("basis", pa.string()), ("old_class", pa.string()), ("new_class", pa.string()), ("old_clinvar", pa.string()),
        ("new_clinvar", pa.string()), ("changes", pa.list_(pa.string())), ("finding", pa.string()), ("first_seen", pa.int64()),
        ("evidence_changed", pa.int64()),
    ]
)  # fmt: skip


def _stars(number: int) -> str:
    return "unknown" if number == STARS_UNKNOWN else str(number)


def _without(table: pa.Table, samples: frozenset[str]) -> pa.Table:
    keep = [sample not in samples for sample in table.column("sample_id").to_pylist()]
    return table.filter(pa.array(keep, pa.bool_()))
