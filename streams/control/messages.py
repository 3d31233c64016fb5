"""What a published sample sends to `results`: each result under its id, and that the sample stands anew. The same every time."""

from __future__ import annotations

from processors.land.publication import PublicationRow
from schemas import identity
from schemas.events import Finding, Reclassified, SampleInterpreted
from streams import wire
from streams.broker import Output
from streams.topics import RESULTS

BATCH = 2_000
"""Results sent between two waits for delivery: bounds what is held in memory."""


def result(row: PublicationRow, event: Finding | Reclassified | SampleInterpreted) -> Output:
    """The message of one result of a published sample."""
    headers = [("id", event.id.encode()), ("traceparent", identity.traceparent(row.revision_id).encode())]
    return Output(RESULTS.name, row.sample_id.encode(), wire.encode(event), headers)


def interpreted(row: PublicationRow, findings: int, *, base: str = "", reclassified: int = 0) -> SampleInterpreted:
    """That a sample is published; `base` is the revision on which a delta stands, empty for a whole one."""
    return SampleInterpreted(
        id=identity.result_id(row.revision_id, row.sample_id, 0, "SampleInterpreted"),
        sample_id=row.sample_id,
        submission_id=row.submission_id,
        revision_id=row.revision_id,
        revision=row.number,
        plan_id=row.plan_id,
        build=row.build,
        variants_in=row.variants_in,
        landed=row.landed,
        quarantined=dict(row.quarantined),
        findings=findings,
        complete=row.complete,
        time=row.published_at,
        base=base,
        reclassified=reclassified,
    )
