"""What delta revisions send: changed findings, reclassifications, and that the sample stands anew; together for many samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from processors.land.publication import PublicationRow
from schemas.events import Finding, Reclassified
from streams.broker import Output
from streams.control import states
from streams.control.desk import Desk
from streams.control.messages import BATCH, interpreted, result
from streams.failpoints import FailPoint


def is_delta(row: PublicationRow) -> bool:
    """Whether a publication stands on another, full revision."""
    return row.root not in ("", row.revision_id)


def announce(desk: Desk, rows: Sequence[PublicationRow], sent: Callable[[int], None]) -> None:
    """Send what published delta revisions say, then write that it was done. `sent` is told how many results went out.

    A sample's deltas go one after another. What a newer submission of a sample has overtaken is not told: its findings were sent whole.
    Raises StoreError, BrokerError; again, the same messages go out with the same ids.
    """
    left = sorted(rows, key=lambda row: (row.published_at, row.number, row.sample_id))
    while left:
        seen: set[str] = set()
        now = [row for row in left if not (row.sample_id in seen or seen.add(row.sample_id))]  # type: ignore[func-returns-value]
        left = [row for row in left if row not in now]
        _announce(desk, now, sent)


def _announce(desk: Desk, rows: Sequence[PublicationRow], sent: Callable[[int], None]) -> None:
    records = desk.records
    current = records.deltas.currents(row.sample_id for row in rows)
    shown = [row for row in rows if row.sample_id in current and row.ordinal >= current[row.sample_id][0]]
    messages = iter(_messages(desk, shown))
    while batch := list(islice(messages, BATCH)):
        desk.outbox.send(*batch)
        sent(len(batch))
        desk.points.reach(FailPoint.ANNOUNCING)
    _show(desk, [row for row in shown if (row.ordinal, row.number) >= current[row.sample_id]])
    desk.points.reach(FailPoint.ANNOUNCED)
    records.deltas.record_announced([row.revision_id for row in rows], desk.clock.now())


def _messages(desk: Desk, rows: Sequence[PublicationRow]) -> Iterator[Output]:
    if not rows:
        return
    records = desk.records
    plans = {plan.plan_id: plan for plan in records.plans()}
    findings: dict[str, list[Finding]] = {}
    for row, finding in records.deltas.findings(rows):
        findings.setdefault(row.sample_id, []).append(finding)
    told: dict[str, list[Reclassified]] = {}
    for row, event in records.deltas.reclassified(rows, plans):
        told.setdefault(row.sample_id, []).append(event)
    for row in rows:
        mine = [*findings.get(row.sample_id, ()), *told.get(row.sample_id, ())]
        anew = interpreted(row, row.findings, base=row.base, reclassified=len(told.get(row.sample_id, ())))
        yield from (result(row, event) for event in (*mine, anew))


def _show(desk: Desk, rows: Sequence[PublicationRow]) -> None:
    """The samples' states, where no newer submission is under way."""
    if not rows:
        return
    submissions, revisions = desk.records.deltas.standing(rows)
    with desk.lock:
        newest = {submission_id: set(desk.shown_of(submission)) for submission_id, submission in submissions.items()}
        for row in rows:
            if row.sample_id in newest.get(row.submission_id, ()) and row.revision_id in revisions:
                desk.projection.put(states.published(submissions[row.submission_id], revisions[row.revision_id], row), now=True)
