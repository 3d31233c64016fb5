"""Publication: the pointer that makes a revision visible, written only after its rows were read back; and the outbox behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from processors.land import store
from processors.land.client import Client, StoreError
from processors.land.keys import call_set, record_token
from processors.land.readback import Verification, verify
from schemas import identity
from schemas.events import Finding


class NotVerified(StoreError):
    """What stands in the tables is not what the manifest promised, so nothing was published. The message lists the differences."""


@dataclass(frozen=True)
class PublicationRow:
    """One sample of a published revision. `landed` and `quarantined` are what was read back; times in ms since 1970 UTC."""

    revision_id: str
    sample_id: str
    submission_id: str
    call_set: str
    plan_id: str
    build: str
    annotation_key: str
    lookup_key: str
    score_key: str
    ordinal: int
    number: int
    base: str
    kind: str
    epoch: int
    complete: bool
    variants_in: int
    landed: int
    quarantined: Mapping[str, int] = field(hash=False)
    findings: int
    actor: str
    reason: str
    published_at: int
    root: str = ""
    """The full revision on which this one stands; itself where it is one."""


_COLUMNS = tuple(field.name for field in fields(PublicationRow))
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM publication FINAL"


def publish(
    client: Client,
    submission_id: str,
    revision_id: str,
    *,
    at: int,
    without: frozenset[int] = frozenset(),
    actor: str = "",
    reason: str = "",
    verification: Verification | None = None,
) -> tuple[PublicationRow, ...]:
    """Publish every sample of a revision that is not deleted, in one insert, and return the rows. Again harmless: the first rows stay.

    The rows are read back first, unless a `verification` made just now is given. `without` names chunks that a person acknowledged as
    missing: the rest must be as promised, and the publication says that it is not complete. Raises NotVerified, UnknownRevision.
    """
    done = publications(client, revision_id)
    if done:
        return done
    checked = verification or verify(client, submission_id, revision_id)
    if checked.revision_id != revision_id or not checked.ok_without(without):
        shown = "; ".join(str(difference) for difference in checked.differences[:10])
        raise NotVerified(f"revision {revision_id}: {len(checked.differences)} differences between manifest and tables: {shown}")
    revision, submission = store.revision(client, revision_id), store.submission(client, submission_id)
    plan = store.plan(client, revision.plan_id) if revision else None
    if revision is None or submission is None or plan is None:
        raise NotVerified(f"revision {revision_id}: its submission or plan is not in {client.database}")
    rows = tuple(
        PublicationRow(
            revision_id, sample, submission_id, call_set(submission_id, plan), plan.plan_id, plan.build, plan.annotation_key,
            plan.lookup_key, plan.score_key, submission.ordinal, revision.number, revision.base, revision.kind, revision.epoch,
            not without and checked.ok, found.variants_in, found.landed, found.quarantined, found.findings,
            actor, reason, at, revision_id,
        )
        for sample, found in sorted(checked.samples.items())
    )  # fmt: skip
    if rows:
        insert_publications(client, rows, record_token("publication", revision_id))
    return rows


def insert_publications(client: Client, rows: Sequence[PublicationRow], token: str) -> None:
    """Write publications in one insert: all of them are seen, or none."""
    client.insert_rows("publication", _COLUMNS, [[_plain(getattr(row, name)) for name in _COLUMNS] for row in rows], token)


def publications(client: Client, revision_id: str) -> tuple[PublicationRow, ...]:
    """The published samples of a revision; none where it is not published."""
    return _rows(client, "WHERE revision_id = {id:String} ORDER BY sample_id", {"id": revision_id})


def publications_of(client: Client, pairs: Sequence[tuple[str, str]]) -> tuple[PublicationRow, ...]:
    """The publications of (sample, revision) pairs, by sample."""
    where = """WHERE (sample_id, revision_id) IN (
        SELECT member, base FROM (SELECT {samples:Array(String)} AS members, {bases:Array(String)} AS revisions)
        ARRAY JOIN members AS member, revisions AS base
    ) ORDER BY sample_id"""
    return _rows(client, where, {"samples": [pair[0] for pair in pairs], "bases": [pair[1] for pair in pairs]})


def current(client: Client, sample_id: str) -> PublicationRow | None:
    """What readers see of a sample: its greatest live revision of its greatest published submission."""
    where = """WHERE sample_id = {id:String}
        AND (sample_id, revision_id) IN (SELECT sample_id, revision_id FROM sample_current WHERE sample_id = {id:String})"""
    found = _rows(client, where, {"id": sample_id})
    return found[0] if found else None


def unannounced(client: Client) -> tuple[PublicationRow, ...]:
    """Samples of live published revisions whose results are not known to be delivered, oldest first. Deleted samples are left out."""
    where = """WHERE kind = 'live' AND revision_id NOT IN (SELECT revision_id FROM announced)
        AND (sample_id, epoch) NOT IN (
            SELECT p.sample_id, p.epoch FROM publication AS p
            INNER JOIN (SELECT sample_id, max(epoch) AS epoch FROM sample_epoch GROUP BY sample_id) AS e ON e.sample_id = p.sample_id
            WHERE e.epoch > p.epoch
        )
        ORDER BY published_at, revision_id, sample_id"""
    return _rows(client, where, {})


def record_announced(client: Client, revision_id: str, at: int) -> None:
    """Write that every result of a revision was delivered."""
    client.insert_rows("announced", ("revision_id", "announced_at"), [(revision_id, at)], record_token("announced", revision_id))


def findings_of(client: Client, row: PublicationRow, time: int) -> Iterator[Finding]:
    """The Finding events of one published sample by place, see `findings_of_many`."""
    for _, finding in findings_of_many(client, [row], time):
        yield finding


def findings_of_many(client: Client, rows: Sequence[PublicationRow], time: int = -1) -> Iterator[tuple[PublicationRow, Finding]]:
    """The Finding events that published samples' revisions hold, by sample and place, with ids that are the same whenever they are made.

    Of a delta revision these are the changed ones. An allele that the file repeats is one finding: that of its first record. Reasons name
    the compounds of which it is a part, on the finding's transcript, as the view `finding_current` does.
    `time`: -1 for that of publication.
    """
    sql = """SELECT sample_id, contig, start, ref, alt, allele_id, gene, transcript, consequence, impact, hgvsc, hgvsp, zygosity, clinvar,
            frequency, frequency_answer, score, score_answer, model, class, first_seen, evidence_changed,
            arrayConcat(f.reasons, c.named) AS reasons
        FROM (SELECT * FROM finding FINAL WHERE revision_id IN {revisions:Array(String)} AND sample_id IN {samples:Array(String)}) AS f
        LEFT ANY JOIN (
            SELECT sample_id, allele_id, record, alt_index, transcript, arraySort(groupUniqArray(concat(
                multiIf(has(flags, 'worse'), 'compound:', has(flags, 'milder'), 'compound_milder:', 'compound_same:'), hgvsp))) AS named
            FROM compound FINAL
            ARRAY JOIN parts.allele_id AS allele_id, parts.record AS record, parts.alt_index AS alt_index
            WHERE revision_id IN {roots:Array(String)} AND sample_id IN {samples:Array(String)} AND terms != 0
            GROUP BY sample_id, allele_id, record, alt_index, transcript
        ) AS c USING (sample_id, allele_id, record, alt_index, transcript)
        ORDER BY sample_id, allele_id, record, alt_index LIMIT 1 BY sample_id, allele_id"""
    by_sample = {row.sample_id: row for row in rows}
    if len(by_sample) != len(rows):
        raise ValueError("a sample's revisions are announced one after another")
    parameters = {
        "revisions": sorted({row.revision_id for row in rows}),
        "roots": sorted({row.root or row.revision_id for row in rows}),
        "samples": sorted(by_sample),
    }
    for found in client.records(sql, parameters):
        row = by_sample[found["sample_id"]]
        values = {name: value for name, value in found.items() if name not in _NOT_SENT}
        yield (
            row,
            Finding(
                id=identity.result_id(row.revision_id, row.sample_id, found["allele_id"], "Finding"),
                sample_id=row.sample_id,
                submission_id=row.submission_id,
                revision_id=row.revision_id,
                revision=row.number,
                plan_id=row.plan_id,
                build=row.build,
                position=found["start"] + 1,
                class_=found["class"],
                reasons=tuple(found["reasons"]),
                first_seen=found["first_seen"] or row.published_at,
                evidence_changed=found["evidence_changed"] or row.published_at,
                time=row.published_at if time < 0 else time,
                **values,
            ),
        )


_NOT_SENT = ("sample_id", "start", "allele_id", "class", "reasons", "first_seen", "evidence_changed")


def _rows(client: Client, where: str, parameters: Mapping[str, Any]) -> tuple[PublicationRow, ...]:
    return tuple(
        PublicationRow(**{**row, "quarantined": dict(row["quarantined"])}) for row in client.records(f"{_ALL} {where}", parameters)
    )


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
