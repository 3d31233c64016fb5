"""Plans: which versions interpret a sample admitted now, and how a worker learns of a plan before the first job that names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processors.knowledge.pack import active_builds
from processors.land.store import RevisionRow, SubmissionRow
from schemas.events import Job
from schemas.plan import Plan
from streams import wire
from streams.broker import Output
from streams.control.desk import Desk
from streams.plans import to_event
from streams.topics import PLANS, WORK, lane_topic


@dataclass(frozen=True)
class ActiveSet:
    """What every build uses now, read anew each time: an activation takes effect with the next admitted sample."""

    packs: Path
    plan_for: Callable[[Path, str], Plan]
    note_names: Callable[[Path, Plan], None]  # writes the names behind the plan's numbers, so that SQL can show them

    def builds(self) -> list[str]:
        """Builds that have a genome."""
        return active_builds(self.packs)

    def assigned(self, build: str) -> Plan:
        """The plan that a sample admitted now gets. Raises PackError."""
        return self.plan_for(self.packs, build)


def plan_of_active(packs: Path, build: str) -> Plan:
    """The plan of the packs that a build uses now. Raises PackError."""
    from processors.resources import plan_for

    return plan_for(packs, build)


def send_plan(desk: Desk, plan: Plan) -> None:
    """Publish a plan; the same again is harmless (compacted by plan_id)."""
    desk.outbox.send(Output(PLANS.name, plan.plan_id.encode(), wire.encode(to_event(plan))))


def send_job(desk: Desk, submission: SubmissionRow, revision: RevisionRow) -> None:
    """Send the job of a revision; the same again makes the same chunks. Its headers tell control of one that ends in quarantine."""
    job = Job(
        kind="ingest",
        submission_id=submission.submission_id,
        revision_id=revision.revision_id,
        plan_id=revision.plan_id,
        lane=submission.lane,
        build=submission.build,
        file=submission.file,
        samples=submission.samples,
        epoch=revision.epoch,
        options=dict(submission.options),
    )
    headers = [("submission_id", job.submission_id.encode()), ("revision_id", job.revision_id.encode())]
    desk.outbox.send(Output(lane_topic(WORK, submission.lane), submission.submission_id.encode(), wire.encode(job), headers))
