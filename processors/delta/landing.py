"""Writing a delta: its revisions, their rows, read back, then the publication that makes them visible and the plans that are carried.

Nothing here reads a clock or draws a number: the same delta again writes the same rows under the same tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from processors.delta.batch import Batch
from processors.delta.outcome import Outcome
from processors.land.client import Client, StoreError
from processors.land.keys import record_token, rows_token
from processors.land.publication import PublicationRow, insert_publications

_WRAP = 2**64
TABLES = ("finding", "superseded", "reclassified")


class NotLanded(StoreError):
    """Rows of a delta that were written are not in the tables; nothing was published."""


def numbers_of(client: Client, revisions: Mapping[str, str], touched: Sequence[PublicationRow]) -> dict[str, int]:
    """Revision → number for touched samples (`revisions`, by sample): the one on record, or the next of its submission.

    A number is given once.

    The caller holds the lock under which numbers are given.
    """
    submissions = sorted({row.submission_id for row in touched})
    sql = "SELECT submission_id, revision_id, number FROM revision FINAL WHERE submission_id IN {ids:Array(String)}"
    known: dict[str, int] = {}
    greatest: Counter[str] = Counter()
    for submission, revision, number in client.rows(sql, {"ids": submissions}):
        known[revision] = int(number)
        greatest[submission] = max(greatest[submission], int(number))
    numbers: dict[str, int] = {}
    for row in sorted(touched, key=lambda row: (row.submission_id, row.number, row.revision_id)):
        revision = revisions[row.sample_id]
        if revision not in numbers:
            if revision not in known:
                greatest[row.submission_id] += 1
            numbers[revision] = known.get(revision, greatest[row.submission_id])
    return numbers


def record_revisions(
    client: Client, batch: Batch, revisions: Mapping[str, str], numbers: Mapping[str, int], touched: Sequence[PublicationRow], at: int
) -> None:
    """Write the revisions and that they are deltas. `at`: ms since 1970 UTC."""
    rows: list[tuple[Any, ...]] = []
    seen: set[str] = set()
    for row in touched:
        revision = revisions[row.sample_id]
        if revision not in seen:
            seen.add(revision)
            rows.append((revision, row.submission_id, batch.new.plan_id, row.revision_id, numbers[revision], "live", row.epoch))
    columns = ("revision_id", "submission_id", "plan_id", "base", "number", "kind", "epoch")
    client.insert_rows("revision", columns, rows, record_token("revision", rows))
    status = [(row[0], "delta", f"{batch.old.plan_id} > {batch.new.plan_id}", at) for row in rows]
    named = ("revision_id", "status", "reason", "changed_at")
    client.insert_rows("revision_status", named, status, record_token("revision_status", [row[:3] for row in status]))


def record_rows(client: Client, batch: Batch, rows_by_table: Mapping[str, pa.Table], *, again: bool = False) -> None:
    """Insert a delta's rows (`rows_of`), one insert a table. `again`: a server knows their tokens without having them, so these are new;
    a row that then stands twice is one, by its identity."""
    for table, rows in rows_by_table.items():
        if rows.num_rows:
            one = rows.combine_chunks().to_batches()[0]
            token = rows_token(batch.delta_id, batch.new.plan_id, table, 0, one)
            client.insert(table, one, f"{token}-{uuid4().hex}" if again else token)


def rows_of(batch: Batch, outcome: Outcome, revisions: Mapping[str, str], touched: Sequence[PublicationRow]) -> dict[str, pa.Table]:
    """The rows of each table, with the revisions to which they belong."""
    bases = {row.sample_id: row.revision_id for row in touched}

    def by_sample(table: pa.Table, values: Mapping[str, str]) -> pa.Array[Any]:
        return pa.array([values[sample] for sample in table.column("sample_id").to_pylist()], pa.string())

    told = outcome.reclassified
    told = told.append_column("revision_id", by_sample(told, revisions)).append_column("base", by_sample(told, bases))
    for name, plan in (("base_plan_id", batch.old), ("plan_id", batch.new)):
        told = told.append_column(name, pa.array([plan.plan_id] * told.num_rows, pa.string()))
    return {
        "finding": outcome.finding.append_column("revision_id", by_sample(outcome.finding, revisions)),
        "superseded": outcome.superseded.append_column("by_revision", by_sample(outcome.superseded, revisions)),
        "reclassified": told,
    }


def read_back(client: Client, batch: Batch, written: Mapping[str, pa.Table], ids: Sequence[str]) -> None:
    """Compare what stands in the tables with what was written: rows and a sum over their keys, by revision and sample.

    `ids`: the revisions. Raises NotLanded.
    """
    for table in TABLES:
        owner = "by_revision" if table == "superseded" else "revision_id"
        place = "toUInt64(0)" if table == "reclassified" else "bitOr(bitShiftLeft(toUInt64(record), 16), toUInt64(alt_index))"
        sql = f"""SELECT {owner}, sample_id, count(), sum(allele_id * (1 + {place})) FROM {table} FINAL
            WHERE {owner} IN {{ids:Array(String)}} GROUP BY {owner}, sample_id"""
        found = {(a, b): (int(n), int(total)) for a, b, n, total in client.rows(sql, {"ids": list(ids)})}
        expected = _sums(written[table], owner, whole=table == "reclassified")
        if found != expected:
            wrong = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
            revision, sample = wrong[0]
            rows = [numbers.get(wrong[0], (0, 0))[0] for numbers in (expected, found)]
            raise NotLanded(
                f"delta {batch.delta_id}: {table} of revision {revision}, sample {sample}: expected {rows[0]} rows, found {rows[1]}; "
                "it is written again"
            )


def _sums(table: pa.Table, owner: str, *, whole: bool) -> dict[tuple[str, str], tuple[int, int]]:
    ids = table.column("allele_id").to_numpy().astype(np.uint64)
    place = np.zeros(len(ids), dtype=np.uint64)
    if not whole:
        place = (table.column("record").to_numpy().astype(np.uint64) << np.uint64(16)) | table.column("alt_index").to_numpy().astype(
            np.uint64
        )
    values = (ids * (place + np.uint64(1))).tolist()
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for key, value in zip(zip(table.column(owner).to_pylist(), table.column("sample_id").to_pylist(), strict=True), values, strict=True):
        count, total = sums.get(key, (0, 0))
        sums[key] = (count + 1, (total + value) % _WRAP)
    return sums


def publish(
    client: Client,
    batch: Batch,
    outcome: Outcome,
    revisions: Mapping[str, str],
    numbers: Mapping[str, int],
    touched: Sequence[PublicationRow],
    at: int,
) -> tuple[PublicationRow, ...]:
    """Publish the touched samples, in one insert, and return the rows. `at`: ms since 1970 UTC."""
    plan = batch.new
    rows = tuple(
        replace(
            base,
            revision_id=revisions[base.sample_id],
            plan_id=plan.plan_id,
            annotation_key=plan.annotation_key,
            lookup_key=plan.lookup_key,
            score_key=plan.score_key,
            number=numbers[revisions[base.sample_id]],
            base=base.revision_id,
            findings=base.findings + outcome.gained.get(base.sample_id, 0),
            published_at=at,
            root=base.root,
        )
        for base in touched
    )
    if rows:
        insert_publications(client, rows, record_token("publication", [(row.revision_id, row.sample_id) for row in rows]))
    return rows


def carry(client: Client, batch: Batch, untouched: Sequence[PublicationRow], at: int) -> None:
    """Write that these samples stand under the new plan as they are. `at`: ms since 1970 UTC."""
    rows = [
        (row.sample_id, row.revision_id, batch.steps.get(row.sample_id, 0) + 1, batch.new.plan_id, batch.delta_id, at) for row in untouched
    ]
    if rows:
        columns = ("sample_id", "revision_id", "step", "plan_id", "delta_id", "carried_at")
        client.insert_rows("carried", columns, rows, record_token("carried", [row[:-1] for row in rows]))


def evidence_missing(client: Client, batch: Batch) -> frozenset[int]:
    """Ids of affected alleles of which the new plan has said nothing yet."""
    sql = """SELECT a FROM delta_key FINAL WHERE delta_id = {delta:String} AND what = 'affected' AND (a, b) NOT IN (
        SELECT allele_id, toUInt64(spelling) FROM evidence WHERE evidence_key = {evidence:String})"""
    return frozenset(int(row[0]) for row in client.rows(sql, batch.parameters))
