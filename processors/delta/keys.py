"""Changed keys, in a table, and the alleles on file that hold one: one join a kind of key."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.delta.batch import CALLS, Batch
from processors.interpret.reads import Key
from processors.land.client import Client
from processors.land.rows import constant

U64 = npt.NDArray[np.uint64]
_NOTHING = np.zeros((0, 2), dtype=np.uint64)
AFFECTED = "affected"


@dataclass(frozen=True)
class Keys:
    """Changed keys: of each kind an (n, 2) uint64 array.

    ALLELE and PARTNER: allele_id, 0. RESIDUE: gene (row in the pack's genes), residue (1-based, the first that an allele
    touches on a transcript of the gene). REGION: start and end in linear coordinates of the build, half-open. GENE: gene, 0.
    """

    by: Mapping[Key, U64] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.by.values())


def of_alleles(ids: U64) -> U64:
    """Allele ids as keys."""
    return np.stack([ids, np.zeros(len(ids), dtype=np.uint64)], axis=1) if len(ids) else _NOTHING


def merged(regions: U64) -> U64:
    """Regions, sorted, those that touch joined."""
    if len(regions) == 0:
        return _NOTHING
    rows = regions[np.argsort(regions[:, 0], kind="stable")]
    reach = np.maximum.accumulate(rows[:, 1])
    first = np.concatenate([[True], rows[1:, 0] > reach[:-1]])
    last = np.append(np.flatnonzero(first)[1:] - 1, len(rows) - 1)
    return np.stack([rows[first, 0], reach[last]], axis=1)


def record_keys(client: Client, delta_id: str, what: str, rows: U64, noted: npt.NDArray[np.bool_] | None = None) -> None:
    """Write keys to the scratch table. They are a set: again is harmless."""
    if len(rows) == 0:
        return
    columns: dict[str, pa.Array[Any]] = {
        "delta_id": constant(delta_id, len(rows)),
        "what": constant(what, len(rows)),
        "a": pa.array(np.ascontiguousarray(rows[:, 0])),
        "b": pa.array(np.ascontiguousarray(rows[:, 1])),
        "noted": pa.array(np.zeros(len(rows), dtype=np.bool_) if noted is None else noted),
    }
    # a token of its own each time: scratch that aged away must be written when the same delta comes again
    client.insert("delta_key", pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)), uuid.uuid4().hex)


def record_changed(client: Client, delta_id: str, keys: Keys) -> None:
    """Write all changed keys of a delta."""
    for key, rows in keys.by.items():
        record_keys(client, delta_id, key, merged(rows) if key is Key.REGION else rows)


def holding(keys: Keys) -> str:
    """SQL: ids of alleles on file that hold one of the recorded keys of a delta; parameters are those of its batch."""
    parts = [_SQL[key] for key, rows in keys.by.items() if len(rows)]
    return " UNION ALL ".join(parts) or "SELECT toUInt64(0) AS allele_id WHERE 0"


def held(client: Client, batch: Batch, keys: Keys) -> U64:
    """Ids of the alleles of a batch's samples that hold one of the recorded keys, ascending."""
    sql = f"SELECT DISTINCT allele_id FROM calls WHERE {CALLS} AND allele_id IN ({holding(keys)}) ORDER BY allele_id"
    return np.array([row[0] for row in client.rows(sql, batch.parameters)], dtype=np.uint64)


def _keys(key: Key, columns: str) -> str:
    return f"SELECT {columns} FROM delta_key WHERE delta_id = {{delta:String}} AND what = '{key}'"


_NAMED = "annotation_key = {annotation:String}"
_ANNOTATED = f"annotation WHERE {_NAMED}"
_MINE = f"SELECT sample_id, allele_id FROM calls WHERE {CALLS}"

_SQL = {
    Key.ALLELE: _keys(Key.ALLELE, "a AS allele_id"),
    Key.RESIDUE: f"""SELECT allele_id FROM (
            SELECT allele_id, transcript, residue FROM annotation
            ARRAY JOIN `transcripts.transcript` AS transcript, `transcripts.residue` AS residue
            WHERE {_NAMED} AND residue > 0
        ) WHERE (transcript, toUInt64(residue)) IN (
            SELECT t.transcript, k.residue FROM (SELECT transcript, toUInt64(gene) AS gene FROM transcript WHERE {_NAMED}) AS t
            INNER JOIN ({_keys(Key.RESIDUE, "a AS gene, b AS residue")}) AS k ON k.gene = t.gene
        )""",
    # merged regions do not touch: of those that begin before the allele ends, the last one ends last
    Key.REGION: f"""SELECT allele_id FROM (
            SELECT 1 AS one, allele_id, bitShiftRight(allele_id, 32) AS low, low + toUInt64(max(length(ref))) AS high
            FROM calls WHERE {CALLS} GROUP BY allele_id
        ) AS c ASOF INNER JOIN ({_keys(Key.REGION, "1 AS one, a AS start, b AS end")}) AS r ON r.one = c.one AND c.high > r.start
        WHERE r.end > c.low""",
    Key.GENE: f"""SELECT allele_id FROM {_ANNOTATED} AND (
            toUInt64(gene) IN ({_keys(Key.GENE, "a")})
            OR hasAny(`transcripts.transcript`, (SELECT groupArray(transcript) FROM transcript
                WHERE {_NAMED} AND toUInt64(gene) IN ({_keys(Key.GENE, "a")})))
        )""",
    Key.PARTNER: f"""SELECT c.allele_id AS allele_id FROM ({_MINE}) AS c
        INNER JOIN (SELECT allele_id, any(gene) AS gene FROM {_ANNOTATED} GROUP BY allele_id) AS g ON g.allele_id = c.allele_id
        INNER JOIN (
            SELECT sample_id, gene, groupUniqArray(allele_id) AS changed FROM ({_MINE} AND allele_id IN ({_keys(Key.PARTNER, "a")})) AS p
            INNER JOIN (SELECT allele_id, any(gene) AS gene FROM {_ANNOTATED} GROUP BY allele_id) AS h ON h.allele_id = p.allele_id
            WHERE gene != 4294967295 GROUP BY sample_id, gene
        ) AS o ON o.sample_id = c.sample_id AND o.gene = g.gene
        WHERE o.changed != [c.allele_id]""",
}
