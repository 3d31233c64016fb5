"""Releases: a pack becomes the one that a build uses, and the current samples follow.

A command is admitted or refused, written down, its pack activated, the topic told. What then happens to the samples is the reconciler's
work, which compares tables and needs no word of a release; `follow` compares the same tables to say how far it is. Every step may be done
again after a death: what is written first decides. A pack that was activated without a command is taken up as a release by `adopt`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from processors.knowledge.kinds import kind_of
from processors.knowledge.pack import Pack, PackError, activate, active_builds, active_packs, find_pack
from processors.land.releases import OPEN, ReleaseRow, ReleaseState, ReleaseStatus, release_id
from schemas import identity
from schemas.events import Command, KnowledgeRelease, Lane
from schemas.plan import Plan
from streams import wire
from streams.broker import Output
from streams.control.desk import Desk
from streams.control.plans import ActiveSet
from streams.control.release_progress import Idle, Reconciler, Standing
from streams.control.release_request import FORWARD, ROLLBACK, NothingToDo, ReleaseRefused, named, objection, read
from streams.failpoints import FailPoint
from streams.logs import logger
from streams.topics import KNOWLEDGE_RELEASES

FOLLOW_EVERY = 0.5
"""Seconds between two looks at how far the releases are."""
ADOPT_EVERY = 2.0
"""Seconds between two looks at what was activated without a command."""


class Releases:
    """Takes release commands, in the order of `run.events`, and follows the releases."""

    def __init__(self, desk: Desk, active: ActiveSet, *, commercial: bool = False, reconciler: Reconciler | None = None) -> None:
        self.reconciler: Reconciler = reconciler or Idle()
        self._desk = desk
        self._records = desk.records.releases
        self._active = active
        self._standing = Standing(desk, active)
        self._commercial = commercial
        self._one = threading.RLock()  # a command and the timer meet at active.json
        self._follow_after = self._adopt_after = 0.0
        self._seen: Mapping[tuple[str, str], str] | None = None

    # --- commands ----------------------------------------------------------------------------------------------------

    def take(self, command: Command) -> str:
        """Do a release or a rollback; returns what came of it. Raises ReleaseRefused, StoreError, BrokerError."""
        with self._one:
            key = release_id(command.id)
            known = self._records.release(key)
            if known is None:
                known = self._admit(command, key)
            row, status = known
            if status.state is ReleaseState.REFUSED:
                self._tell(row, ReleaseState.REFUSED, status.detail)
                raise ReleaseRefused(status.detail)
            return self._activate(row, status)

    def pause(self, command: Command, paused: bool) -> str:
        """Stop or continue the re-interpretation of one build, or of every build. Raises ReleaseRefused, StoreError."""
        named = command.arguments.get("build", "")
        known = active_builds(self._active.packs)
        if named and named not in known:
            raise ReleaseRefused(f"arguments.build: {named!r} has no genome here (known: {', '.join(known) or 'none'})")
        builds = [named] if named else known
        for build in builds:
            self._records.record_pause(build, paused, actor=command.actor, reason=command.reason, at=self._desk.clock.now())
        self.reconciler.poke()
        return f"{'paused' if paused else 'resumed'} {', '.join(builds)}"

    def lane_of(self, old: Plan, new: Plan) -> Lane:
        """Lane of the alleles that flow from one plan to another: the most urgent that a release under way asks for."""
        del old
        digests = {component.digest for component in new.components}
        asked = {row.lane for row, status in self._records.all() if status.state in OPEN and row.to_digest in digests}
        return next((lane for lane in Lane if lane.value in asked), Lane.BACKGROUND)

    def _admit(self, command: Command, key: str) -> tuple[ReleaseRow, ReleaseStatus]:
        """Write an admitted or a refused release. Raises ReleaseRefused where the command names no pack that could be written down."""
        wish = read(command, self._active.packs)
        try:
            before = active_packs(self._active.packs, wish.pack.build).get(wish.kind.name)
        except PackError as error:
            raise ReleaseRefused(f"an active pack is not whole: {error}") from error
        if before is not None and before.digest == wish.pack.digest:
            raise NothingToDo(f"{named(wish.pack)} is the active {wish.kind.title} of {wish.pack.build}; nothing to do")
        counted = wish.counts if before is not None and before.digest == wish.against else (-1, -1, -1)
        row = ReleaseRow(
            key, wish.pack.build, wish.kind.name, before.digest if before else "", wish.pack.digest, wish.pack.name, wish.pack.version,
            str(wish.pack.extra.get("date", "")), wish.direction, wish.lane, command.actor, command.reason, *counted,
            self._desk.clock.now(),
        )  # fmt: skip
        problem = objection(wish, before, commercial=self._commercial)
        state = ReleaseState.REFUSED if problem else ReleaseState.REQUESTED
        status = ReleaseStatus(state, problem, changed_at=self._desk.clock.now())
        self._records.record(row, status)
        self._desk.points.reach(FailPoint.RELEASE_ROW)
        return row, status

    # --- steps -------------------------------------------------------------------------------------------------------

    def _activate(self, row: ReleaseRow, status: ReleaseStatus) -> str:
        """From an admitted release to samples that follow. Again harmless, also where a later release was done since."""
        if status.state is ReleaseState.REQUESTED:
            try:
                pack = find_pack(self._active.packs, row.to_digest)
            except PackError as error:  # removed since it was admitted
                gone = ReleaseStatus(ReleaseState.REFUSED, str(error), changed_at=self._desk.clock.now())
                self._records.record_status(row.release_id, gone)
                raise ReleaseRefused(gone.detail) from error
            activate(self._active.packs, pack)
            self._desk.points.reach(FailPoint.RELEASE_ACTIVE)
            self._tell(row, ReleaseState.RUNNING)
            self._desk.points.reach(FailPoint.RELEASE_TOLD)
            status = self._standing.status(row, ReleaseStatus(ReleaseState.RUNNING), self.reconciler)
            status = replace(status, changed_at=self._desk.clock.now())
            self._records.record_status(row.release_id, status)
            self._desk.points.reach(FailPoint.RELEASE_RUNNING)
            self._seen = None
            self.reconciler.poke()
        earlier = self._under_way(row)
        behind = f"; {earlier} of this build still run, their samples go straight to what is active now" if earlier else ""
        verb = "rolled back to" if row.direction == ROLLBACK else "released"
        follow = "sample on file follows" if status.samples == 1 else "samples on file follow"
        return f"{verb} {row.kind} {row.name}@{row.version} for {row.build}: {status.samples} {follow}{behind}"

    def _under_way(self, row: ReleaseRow) -> str:
        others = [  # of the same samples
            other
            for other, status in self._records.all()
            if status.state in OPEN and _shares(other, row) and other.release_id != row.release_id
        ]  # fmt: skip
        return ", ".join(f"{other.kind} {other.name}@{other.version}" for other in others if other.requested_at <= row.requested_at)

    def _tell(self, row: ReleaseRow, state: ReleaseState, reason: str = "") -> None:
        """Publish what became of a version, and that the one before is retired. Raises BrokerError."""
        outputs = []
        if state is not ReleaseState.REFUSED and row.from_digest:
            before = self._pack(row.from_digest)
            if before is not None and (before.name, before.version) != (row.name, row.version):
                outputs.append(self._message(row, before, "retired", reason=f"replaced by {row.name}@{row.version}"))
        pack = self._pack(row.to_digest)
        if pack is None:
            return
        outputs.append(self._message(row, pack, "refused" if state is ReleaseState.REFUSED else "active", reason=reason or row.reason))
        self._desk.outbox.send(*outputs)

    def _pack(self, digest: str) -> Pack | None:
        """None where it was removed from disk since; the topic then keeps what it knows of it."""
        try:
            return find_pack(self._active.packs, digest)
        except PackError:
            return None

    def republish(self) -> int:
        """Tell the topic of every release again, oldest first, as it was told; how many. Raises StoreError, BrokerError."""
        told = 0
        for row, status in self._records.all():
            if status.state is ReleaseState.REQUESTED:
                continue  # its command is under way
            self._tell(row, status.state, status.detail if status.state is ReleaseState.REFUSED else "")
            told += 1
        return told

    def _message(self, row: ReleaseRow, pack: Pack, state: str, *, reason: str) -> Output:
        own = pack.digest == row.to_digest
        event = KnowledgeRelease(
            release_id=row.release_id,
            build=row.build,
            kind=row.kind,
            name=pack.name,
            version=pack.version,
            digest=pack.digest,
            date=str(pack.extra.get("date", "")),
            licence=str(pack.extra.get("licence", "")),
            uri=f"{pack.kind}/{pack.path.name}",
            rows=pack.rows,
            state=state,
            direction=row.direction,
            replaces=row.from_digest if own else "",
            added=row.added if own else -1,
            removed=row.removed if own else -1,
            changed=row.changed if own else -1,
            actor=row.actor,
            reason=reason,
            time=row.requested_at,
        )
        key = f"{row.build}/{row.kind}/{pack.name}@{pack.version}"
        return Output(KNOWLEDGE_RELEASES.name, key.encode(), wire.encode(event))

    # --- what was activated without a command ------------------------------------------------------------------------

    def adopt(self) -> int:
        """Write a release for every active pack of knowledge that none led to: built while nothing ran. Raises StoreError, BrokerError."""
        with self._one:
            active = self._active_digests()
            if active == self._seen:
                return 0
            adopted = sum(self._adopt(build, kind, digest) for (build, kind), digest in active.items())
            self._seen = active
        if adopted:
            self.reconciler.poke()
        return adopted

    def _adopt(self, build: str, kind: str, digest: str) -> bool:
        past = [(row, status) for row, status in self._records.of_kind(build, kind) if status.state is not ReleaseState.REFUSED]
        if any(status.state is ReleaseState.REQUESTED for _, status in past):
            return False  # its command is under way, or comes again
        if past and past[-1][0].to_digest == digest:
            return False
        pack = find_pack(self._active.packs, digest)
        now = self._desk.clock.now()
        row = ReleaseRow(
            identity.digest("adopted", build, kind, digest, len(past)), build, kind, past[-1][0].to_digest if past else "", digest,
            pack.name,
            pack.version, str(pack.extra.get("date", "")), FORWARD, Lane.BACKGROUND.value, "control", "activated without a command",
            -1, -1, -1, now,
        )  # fmt: skip
        self._tell(row, ReleaseState.RUNNING)
        status = self._standing.status(row, ReleaseStatus(ReleaseState.RUNNING, changed_at=now), self.reconciler)
        self._records.record(row, replace(status, changed_at=now))
        logger().info("release", kind=kind, name=pack.name, version=pack.version, build=build, how="activated without a command")
        return True

    def _active_digests(self) -> dict[tuple[str, str], str]:
        """(build, kind) → digest of every active pack of knowledge; what serves every build stands under `any`."""
        found: dict[tuple[str, str], str] = {}
        for build in active_builds(self._active.packs):
            try:
                packs = active_packs(self._active.packs, build)
            except PackError as error:  # the plan of the build says so too, to whoever asks for it
                logger().warning("active packs are not whole", build=build, reason=str(error))
                continue
            found |= {(pack.build, kind): pack.digest for kind, pack in packs.items() if kind_of(kind) is not None}
        return found

    # --- how far they are --------------------------------------------------------------------------------------------

    def look(self) -> int:
        """Adopt and follow where it is time to; how many statuses changed. Raises StoreError, BrokerError."""
        seconds = self._desk.clock.seconds()
        if seconds >= self._adopt_after:
            self._adopt_after = seconds + ADOPT_EVERY
            self.adopt()
        if seconds < self._follow_after:
            return 0
        self._follow_after = seconds + FOLLOW_EVERY
        with self._one:
            return sum(self._follow(row, status) for row, status in self._records.all() if status.state in OPEN)

    def _follow(self, row: ReleaseRow, status: ReleaseStatus) -> bool:
        """Write how a release stands where that changed."""
        if status.state is ReleaseState.REQUESTED:
            with suppress(ReleaseRefused):
                self._activate(row, status)
            return True
        fresh = replace(self._standing.status(row, status, self.reconciler), changed_at=status.changed_at)
        if fresh == status:
            return False
        self._records.record_status(row.release_id, replace(fresh, changed_at=self._desk.clock.now()))
        if fresh.state is not status.state:
            logger().info("release", kind=row.kind, name=row.name, version=row.version, state=fresh.state.value, detail=fresh.detail)
        return True


def _shares(one: ReleaseRow, other: ReleaseRow) -> bool:
    """True where two releases concern the same samples."""
    return one.build == other.build or "any" in (one.build, other.build)
