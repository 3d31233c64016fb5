"""Keys and tokens of landing: what a row belongs to, and what makes two inserts the same insert."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa

from schemas import identity
from schemas.plan import Plan

ROWS_VERSION = 1
"""Version of the rows' layout; it enters every token, so that a later layout is never taken for a repetition."""


def call_set(submission_id: str, plan: Plan) -> str:
    """Key of a submission's calls as one version of ingest cut them.

    Calls do not depend on knowledge, models or rules: revisions whose plans read the file alike share their calls, and revisions whose
    plans do not keep theirs apart, so that what is published stays as it was while a new revision lands.
    """
    return identity.digest("calls", submission_id, plan.code["ingest"], plan.cutting.key())


def rows_token(unit: str, key: str, table: str, epoch: int, stable: pa.RecordBatch) -> str:
    """Token of one insert of many rows. `key` is what the rows belong to (revision, call set, once-only store).

    `stable` holds the columns that are the same whoever lands the unit: not the worker's name, nor a time.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, stable.schema) as writer:
        writer.write_batch(stable)
    # SHA-256 has instructions of its own in today's processors: twice as fast as BLAKE2b over these megabytes
    return identity.insert_token(unit, key, table, ROWS_VERSION, epoch, hashlib.sha256(sink.getvalue()).hexdigest())


def record_token(table: str, *identity_of_row: Any) -> str:
    """Token of one control row: the table and what names the row, without times."""
    return identity.digest("record", table, ROWS_VERSION, json.dumps(identity_of_row, sort_keys=True, separators=(",", ":")))
