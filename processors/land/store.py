"""What the control plane keeps in ClickHouse: submissions, plans, revisions, manifests, decisions, epochs. It is rebuilt from these alone.

Every writer may be repeated: a record has one identity, and the same record again changes nothing. Times are milliseconds since 1970 UTC.
Publications are in `processors.land.publication`, chunks that landed in `processors.land.ledger`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from processors.land.client import Client
from processors.land.keys import record_token
from schemas.events import Lane, SampleName, SourceFile
from schemas.plan import Component, CuttingRule, Plan

T = TypeVar("T")

LIVE, STUDY = "live", "study"
"""Kinds of revision. A study, an interpretation as of a date, is never current and sends nothing."""


class RevisionStatus(enum.StrEnum):
    """How a revision stands, publication apart: that is a row of its own."""

    OPEN = "open"
    ABANDONED = "abandoned"  # a newer submission of its samples took its place
    CANCELLED = "cancelled"
    FAILED = "failed"
    DELETED = "deleted"
    DELTA = "delta"  # of a release: written with its rows and published at once, never followed


@dataclass(frozen=True)
class SubmissionRow:
    """One accepted content and the event that announced it; `cluster`, `partition`, `offset` say where the event stands in Kafka."""

    submission_id: str
    event_id: str
    ordinal: int  # counts the accepted contents of each of its samples, from 1
    cluster: str
    partition: int
    offset: int
    build: str
    lane: Lane
    file: SourceFile
    samples: tuple[SampleName, ...]
    options: Mapping[str, str]
    run_id: str
    source: str
    family: str
    hpo: tuple[str, ...]
    panel: str
    event_time: int
    accepted_at: int

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """Pseudonyms of its samples, in the order of the announcement."""
        return tuple(sample.sample_id for sample in self.samples)


@dataclass(frozen=True)
class RevisionRow:
    """One interpretation of a submission under a plan, with its newest status. `number` orders the revisions of a submission from 1."""

    revision_id: str
    submission_id: str
    plan_id: str
    base: str
    number: int
    kind: str  # LIVE, STUDY
    epoch: int
    status: RevisionStatus
    reason: str
    changed_at: int


@dataclass(frozen=True)
class DecisionRow:
    """What a person asked for and what became of it, and every event that led to no submission; append-only."""

    cluster: str
    partition: int
    offset: int
    event_id: str
    kind: str
    sample_id: str
    revision_id: str
    actor: str
    reason: str
    outcome: str
    time: int


# --- submissions -----------------------------------------------------------------------------------------------------

_SUBMISSION = (
    "submission_id", "event_id", "ordinal", "cluster", "partition", "offset", "build", "lane", "uri", "source_digest", "source_size",
    "sample_ids", "names", "options", "run_id", "source", "family", "hpo", "panel", "event_time", "accepted_at",
)  # fmt: skip
_SUBMISSIONS = f"SELECT {', '.join(_SUBMISSION)} FROM submission FINAL"


def record_submission(client: Client, row: SubmissionRow) -> None:
    """Write a submission; before its first job is sent."""
    values = (
        row.submission_id, row.event_id, row.ordinal, row.cluster, row.partition, row.offset, row.build, str(row.lane), row.file.uri,
        row.file.digest, row.file.size, [s.sample_id for s in row.samples], [s.name for s in row.samples], dict(row.options), row.run_id,
        row.source, row.family, list(row.hpo), row.panel, row.event_time, row.accepted_at,
    )  # fmt: skip
    client.insert_rows(
        "submission", _SUBMISSION, [values], record_token("submission", row.submission_id, row.cluster, row.partition, row.offset)
    )


def submission(client: Client, submission_id: str) -> SubmissionRow | None:
    """One submission by its id."""
    return _first(_submissions(client, "WHERE submission_id = {id:String}", {"id": submission_id}))


def submissions_of_ids(client: Client, submission_ids: Sequence[str]) -> list[SubmissionRow]:
    """Submissions by their ids."""
    return _submissions(client, "WHERE submission_id IN {ids:Array(String)} ORDER BY submission_id", {"ids": list(submission_ids)})


def submission_by_event(client: Client, cluster: str, partition: int, offset: int) -> SubmissionRow | None:
    """The submission that the event at a place in Kafka led to."""
    where = "WHERE cluster = {cluster:String} AND partition = {partition:Int32} AND offset = {offset:Int64}"
    return _first(_submissions(client, where, {"cluster": cluster, "partition": partition, "offset": offset}))


def latest_submission(client: Client, sample_id: str) -> SubmissionRow | None:
    """The submission of greatest ordinal that holds a sample, whatever became of it."""
    return _first(
        _submissions(client, "WHERE has(sample_ids, {id:String}) ORDER BY ordinal DESC, accepted_at DESC LIMIT 1", {"id": sample_id})
    )


def submissions(client: Client, sample_id: str) -> list[SubmissionRow]:
    """All submissions that hold a sample, by ordinal."""
    return _submissions(client, "WHERE has(sample_ids, {id:String}) ORDER BY ordinal, accepted_at", {"id": sample_id})


def unopened_submissions(client: Client) -> list[SubmissionRow]:
    """Submissions without a revision, by ordinal."""
    where = "WHERE submission_id NOT IN (SELECT submission_id FROM revision WHERE kind = 'live') ORDER BY accepted_at, submission_id"
    return _submissions(client, where, {})


def greatest_ordinal(client: Client, sample_ids: Sequence[str]) -> int:
    """Greatest ordinal over all submissions of any of these samples, deleted ones included; 0 where there is none."""
    return int(client.value("SELECT max(ordinal) FROM submission WHERE hasAny(sample_ids, {ids:Array(String)})", {"ids": list(sample_ids)}))


def newest_ordinals(client: Client, sample_ids: Sequence[str]) -> dict[str, int]:
    """Greatest ordinal of each of these samples; 0 for one that was never submitted."""
    sql = """SELECT sample, max(ordinal) FROM submission ARRAY JOIN sample_ids AS sample
        WHERE sample IN {ids:Array(String)} GROUP BY sample"""
    found = dict(client.rows(sql, {"ids": list(sample_ids)}))
    return {sample: int(found.get(sample, 0)) for sample in sample_ids}


def samples(client: Client) -> list[str]:
    """Every sample that was submitted and whose newest submission was not deleted, sorted."""
    sql = """
        SELECT sample_id FROM (
            SELECT arrayJoin(sample_ids) AS sample_id, submission_id, ordinal FROM submission FINAL
            ORDER BY ordinal DESC, accepted_at DESC LIMIT 1 BY sample_id
        ) AS newest
        LEFT JOIN (SELECT submission_id, max(epoch) AS epoch FROM revision GROUP BY submission_id) AS r USING (submission_id)
        LEFT JOIN (SELECT sample_id, max(epoch) AS epoch FROM sample_epoch GROUP BY sample_id) AS e USING (sample_id)
        WHERE ifNull(r.epoch, 0) >= ifNull(e.epoch, 0)
        ORDER BY sample_id"""
    return [str(row[0]) for row in client.rows(sql)]


def _submissions(client: Client, where: str, parameters: Mapping[str, Any]) -> list[SubmissionRow]:
    found = []
    for row in client.records(f"{_SUBMISSIONS} {where}", parameters):
        names = tuple(SampleName(name, sample) for name, sample in zip(row["names"], row["sample_ids"], strict=True))
        found.append(
            SubmissionRow(
                **{key: row[key] for key in _SUBMISSION[:7]},
                lane=Lane(row["lane"]),
                file=SourceFile(row["uri"], row["source_digest"], row["source_size"]),
                samples=names,
                options=dict(row["options"]),
                hpo=tuple(row["hpo"]),
                **{key: row[key] for key in ("run_id", "source", "family", "panel", "event_time", "accepted_at")},
            )
        )
    return found


# --- plans -----------------------------------------------------------------------------------------------------------


def record_plan(client: Client, plan: Plan) -> None:
    """Write a plan; before the first revision under it."""
    model = plan.component("model")
    columns = (
        "plan_id", "build", "components", "code", "cut_alleles", "cut_cells", "cut_size", "annotation_key", "lookup_key", "score_key",
        "model",
    )  # fmt: skip
    values = (
        plan.plan_id, plan.build, [asdict(c) for c in plan.components], dict(plan.code), plan.cutting.alleles,
        plan.cutting.cells, plan.cutting.size, plan.annotation_key, plan.lookup_key, plan.score_key, model_name(plan) if model else "",
    )  # fmt: skip
    client.insert_rows("plan", columns, [values], record_token("plan", plan.plan_id))


def model_name(plan: Plan) -> str:
    """`name@version` of a plan's model, empty where it has none."""
    model = plan.component("model")
    return f"{model.name}@{model.version}" if model else ""


def plan(client: Client, plan_id: str) -> Plan | None:
    """One plan by its id."""
    return _first(_plans(client, "WHERE plan_id = {id:String}", {"id": plan_id}))


def plans(client: Client) -> list[Plan]:
    """Every plan, by id."""
    return _plans(client, "ORDER BY plan_id", {})


def _plans(client: Client, where: str, parameters: Mapping[str, Any]) -> list[Plan]:
    sql = f"SELECT build, components, code, cut_alleles, cut_cells, cut_size FROM plan FINAL {where}"
    return [
        Plan(build, tuple(Component(*_fields(c)) for c in components), dict(code), CuttingRule(alleles, cells, size))
        for build, components, code, alleles, cells, size in client.rows(sql, parameters)
    ]


def _fields(component: Any) -> tuple[str, str, str, str]:
    # a named Tuple comes as a dict or as a tuple, depending on the driver's settings
    values = component.values() if isinstance(component, dict) else component
    kind, name, version, digest = values
    return str(kind), str(name), str(version), str(digest)


# --- revisions -------------------------------------------------------------------------------------------------------

_REVISIONS = """
    SELECT revision_id, submission_id, plan_id, base, number, kind, epoch,
        s.status AS status, s.reason AS reason, s.changed_at AS changed_at
    FROM (SELECT * FROM revision FINAL) AS r
    INNER JOIN (
        SELECT revision_id, argMax(status, version) AS status, argMax(reason, version) AS reason, argMax(changed_at, version) AS changed_at
        FROM revision_status GROUP BY revision_id
    ) AS s USING (revision_id)"""


def record_revision(client: Client, row: RevisionRow) -> None:
    """Write a revision and its status; the newest status written counts. Before its first job is sent."""
    columns = ("revision_id", "submission_id", "plan_id", "base", "number", "kind", "epoch")
    values = (row.revision_id, row.submission_id, row.plan_id, row.base, row.number, row.kind, row.epoch)
    client.insert_rows("revision", columns, [values], record_token("revision", *values))
    status = (row.revision_id, str(row.status), row.reason, row.changed_at)
    client.insert_rows(
        "revision_status", ("revision_id", "status", "reason", "changed_at"), [status], record_token("revision_status", *status)
    )


def revision(client: Client, revision_id: str) -> RevisionRow | None:
    """One revision by its id."""
    return _first(_revisions(client, "WHERE revision_id = {id:String}", {"id": revision_id}))


def revisions(client: Client, submission_id: str) -> list[RevisionRow]:
    """All revisions of a submission, by number."""
    return _revisions(client, "WHERE submission_id = {id:String} ORDER BY number, changed_at, revision_id", {"id": submission_id})


def revisions_of_ids(client: Client, revision_ids: Sequence[str]) -> list[RevisionRow]:
    """Revisions by their ids."""
    return _revisions(client, "WHERE revision_id IN {ids:Array(String)} ORDER BY revision_id", {"ids": list(revision_ids)})


def open_revisions(client: Client) -> list[RevisionRow]:
    """Revisions whose status is OPEN and that are not published, oldest first."""
    where = "WHERE status = 'open' AND revision_id NOT IN (SELECT revision_id FROM publication) ORDER BY changed_at, revision_id"
    return _revisions(client, where, {})


def _revisions(client: Client, where: str, parameters: Mapping[str, Any]) -> list[RevisionRow]:
    return [RevisionRow(**{**row, "status": RevisionStatus(row["status"])}) for row in client.records(f"{_REVISIONS} {where}", parameters)]


# --- decisions and epochs --------------------------------------------------------------------------------------------

_DECISION = ("cluster", "partition", "offset", "event_id", "kind", "sample_id", "revision_id", "actor", "reason", "outcome", "time")


def record_decision(client: Client, row: DecisionRow) -> None:
    """Append a decision."""
    values = [getattr(row, name) for name in _DECISION]
    client.insert_rows("decision", _DECISION, [values], record_token("decision", *values[:-1]))


def decision_by_event(client: Client, cluster: str, partition: int, offset: int) -> DecisionRow | None:
    """The first decision that the event at a place in Kafka led to."""
    where = "cluster = {cluster:String} AND partition = {partition:Int32} AND offset = {offset:Int64}"
    return _first(_decisions(client, where, {"cluster": cluster, "partition": partition, "offset": offset}))


def decisions(client: Client, sample_id: str) -> list[DecisionRow]:
    """All decisions about a sample, by time."""
    return _decisions(client, "sample_id = {id:String}", {"id": sample_id})


def _decisions(client: Client, where: str, parameters: Mapping[str, Any]) -> list[DecisionRow]:
    sql = f"SELECT {', '.join(_DECISION)} FROM decision FINAL WHERE {where} ORDER BY time, offset, kind"
    return [DecisionRow(*row) for row in client.rows(sql, parameters)]


def epochs(client: Client, sample_ids: Sequence[str]) -> dict[str, int]:
    """Epoch of each of these samples; 0 for one that was never deleted."""
    sql = "SELECT sample_id, max(epoch) FROM sample_epoch WHERE sample_id IN {ids:Array(String)} GROUP BY sample_id"
    found = dict(client.rows(sql, {"ids": list(sample_ids)}))
    return {sample: int(found.get(sample, 0)) for sample in sample_ids}


def _first(rows: list[T]) -> T | None:
    return rows[0] if rows else None
