"""Receipts: what a stage did with a chunk or a job, as control hears of it: a hint where to look, never the truth."""

from __future__ import annotations

from schemas.events import Receipt
from streams import wire
from streams.broker import Output
from streams.clock import now_ms
from streams.topics import RECEIPTS


def receipt(
    submission_id: str,
    revision_id: str,
    *,
    stage: str,
    outcome: str,
    worker: str,
    chunk_id: str = "",
    ordinal: int = -1,
    rows: int = 0,
    size: int = 0,
    fraction: float = -1.0,
    provider: str = "",
    reason: str = "",
    now: int | None = None,
) -> Output:
    """A receipt on its topic, see `schemas.events.Receipt` for the fields. Without `chunk_id` it is that of a whole job."""
    event = Receipt(
        submission_id=submission_id,
        revision_id=revision_id,
        chunk_id=chunk_id,
        ordinal=ordinal,
        stage=stage,
        outcome=outcome,
        rows=rows,
        size=size,
        fraction=fraction,
        worker=worker,
        provider=provider,
        reason=reason,
        time=now_ms() if now is None else now,
    )
    return Output(RECEIPTS.name, submission_id.encode(), wire.encode(event))
