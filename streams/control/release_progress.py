"""How far a release is, from the tables alone: which current samples are still under another pack of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from processors.knowledge.pack import PackError, active_builds
from processors.land.releases import ReleaseRow, ReleaseState, ReleaseStatus
from schemas.plan import Plan, differ_in_knowledge_alone
from streams.control.desk import Desk
from streams.control.plans import ActiveSet


class Reconciler(Protocol):
    """What brings current samples under the plan assigned to their build."""

    def poke(self) -> None:
        """Something changed: look now, not at the next tick."""
        ...

    def held(self, build: str) -> tuple[str, ...]:
        """What of a build's re-interpretation needs a person, in words."""
        ...


class Idle:
    """A reconciler that is not there."""

    def poke(self) -> None: ...

    def held(self, build: str) -> tuple[str, ...]:
        del build
        return ()


class Standing:
    """Compares the current samples with what a release wants of them."""

    def __init__(self, desk: Desk, active: ActiveSet) -> None:
        self._desk = desk
        self._records = desk.records.releases
        self._active = active

    def status(self, row: ReleaseRow, status: ReleaseStatus, reconciler: Reconciler) -> ReleaseStatus:
        """How a release stands now, after `status`. Raises StoreError."""
        later = [
            other
            for other, how in self._records.of_kind(row.build, row.kind)
            if how.state is not ReleaseState.REFUSED and (other.requested_at, other.release_id) > (row.requested_at, row.release_id)
        ]
        if later:
            newest = later[-1]
            return replace(status, state=ReleaseState.REPLACED, detail=f"{newest.name}@{newest.version} took its place before it was done")
        plans = {plan.plan_id: plan for plan in self._desk.records.plans()}
        under = [plan for plan in plans.values() if _holds(plan, row)]
        left, stuck, out = self._counts(
            row, plans
        )  # before what was published: a sample that came there since is seen twice, never not at all
        touched = self._records.touched([plan.plan_id for plan in under], row.requested_at)
        total = max(status.samples, left)
        fresh = ReleaseStatus(
            status.state,
            samples=total,
            samples_done=total - left,
            samples_touched=touched.samples,
            alleles=self._records.alleles_of([plan.evidence_key for plan in under]) if left or touched.samples else status.alleles,
            reclassified=touched.reclassified,
        )
        state, detail = self._state(row, left, stuck, reconciler)
        if state is ReleaseState.DONE and self._untold({plan.plan_id for plan in under}):
            state = ReleaseState.RUNNING  # published, and not yet announced
        if out:
            detail = "; ".join(filter(None, (detail, f"{out} samples take no part and stay under their plan")))
        return replace(fresh, state=state, detail=detail)

    def _untold(self, plans: set[str]) -> bool:
        """True while results of a delta under one of these plans are not known to be delivered."""
        return any(found.plan_id in plans and found.root not in ("", found.revision_id) for found in self._desk.records.unannounced())

    def _state(self, row: ReleaseRow, left: int, stuck: int, reconciler: Reconciler) -> tuple[ReleaseState, str]:
        if left == 0:
            return ReleaseState.DONE, ""
        paused = self._records.paused()
        builds = self._builds(row)
        stopped = [f"{build} by {paused[build]}" for build in builds if build in paused]
        if stopped:
            return ReleaseState.PAUSED, f"paused: {', '.join(stopped)}; `riverseq knowledge resume` goes on"
        held = [reason for build in builds for reason in reconciler.held(build)]
        if stuck:
            held.append(f"{stuck} samples were interpreted with another genome, gene models, model or code: `riverseq replay` each")
        if held and (left == stuck or len(held) > bool(stuck)):
            return ReleaseState.HELD, "; ".join(held)
        flying = self._in_flight(builds)
        return (
            ReleaseState.RUNNING,
            f"{flying} samples follow once what is in flight of them has ended (`riverseq status`)" if flying else "",
        )

    def _in_flight(self, builds: list[str]) -> int:
        """Current samples that wait because something newer of them is in flight, or is held and needs a person."""
        deltas, plans = self._desk.records.deltas, {}
        for build in builds:
            with suppress(PackError):
                plans[build] = self._active.assigned(build).plan_id
        busy = deltas.busy() if plans else frozenset()
        waiting = [one.sample_id for one in deltas.waiting(plans) if one.sample_id in busy] if busy else []
        answers = self._records.reanalysis(waiting) if waiting else {}
        return sum(answers.get(sample, True) for sample in waiting)

    def _counts(self, row: ReleaseRow, plans: Mapping[str, Plan]) -> tuple[int, int, int]:
        """(left, of these: that no delta can bring there, that take no part)."""
        left = stuck = out = 0
        for build in self._builds(row):
            try:
                assigned = self._active.assigned(build)
            except PackError:
                assigned = None
            for standing in self._records.standing(build):
                plan = plans.get(standing.plan_id)
                if plan is not None and _holds(plan, row):
                    continue
                if not standing.allowed:
                    out += standing.samples
                    continue
                left += standing.samples
                if plan is None or assigned is None or not differ_in_knowledge_alone(plan, assigned):
                    stuck += standing.samples
        return left, stuck, out

    def _builds(self, row: ReleaseRow) -> list[str]:
        return active_builds(self._active.packs) if row.build == "any" else [row.build]


def _holds(plan: Plan, row: ReleaseRow) -> bool:
    component = plan.component(row.kind)
    return component is not None and component.digest == row.to_digest
