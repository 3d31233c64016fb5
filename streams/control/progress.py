"""How far a revision is: one value object per open revision, told of receipts, the manifest and the ledger.

The ledger is the truth about what landed, the manifest about what must land. Receipts only say when to look again, how much of the file is
read, which worker and provider was at it, and what failed. Nothing here does I/O or reads a clock: `now` is seconds of a monotonic clock.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.events import ChunkCount, Receipt, SampleManifest, StageProgress
from streams.control.records import Landed, Quarantined

RATE_WINDOW = 20.0
"""Seconds over which a rate is measured: long enough to span several chunks, short enough to follow a stall."""


class Phase(enum.StrEnum):
    """`SampleState.state`."""

    QUEUED = "queued"
    INGESTING = "ingesting"
    INTERPRETING = "interpreting"
    VERIFYING = "verifying"
    PUBLISHED = "published"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    DELETED = "deleted"


FINAL = frozenset({Phase.PUBLISHED, Phase.FAILED, Phase.REJECTED, Phase.CANCELLED, Phase.DELETED})
"""Phases that nothing but a person's new request leaves."""


class Rate:
    """Items a second over the last `RATE_WINDOW` seconds of a count that only grows."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def note(self, now: float, total: int) -> None:
        """The count stands at `total` now."""
        if self._points and self._points[-1][1] == total:
            return
        self._points.append((now, total))
        while len(self._points) > 2 and now - self._points[1][0] > RATE_WINDOW:
            self._points.popleft()

    def value(self, now: float) -> float:
        """Zero before two points, and falling towards zero while nothing comes."""
        if len(self._points) < 2:
            return 0.0
        (first, low), (last, high) = self._points[0], self._points[-1]
        span = max(last - first, now - first if now - last > RATE_WINDOW / 4 else 0.0)
        return (high - low) / span if span > 0 else 0.0


@dataclass(frozen=True)
class Stuck:
    """Why nothing moves: the stage that owes work, since when (seconds of the same clock), and what it owes."""

    stage: str
    since: float
    reason: str


@dataclass
class Progress:
    """State of one open revision. Methods that take a `now` return True where something changed that a person would see."""

    submission_id: str
    revision_id: str
    started: float
    opened_at: int  # ms since 1970 UTC: receipts of failures from before belong to an earlier attempt
    promised: dict[int, ChunkCount] | None = None
    emitted: dict[int, int] = field(default_factory=dict)  # ordinal → rows
    landed: dict[int, int] = field(default_factory=dict)  # ordinal → rows
    hinted: set[int] = field(default_factory=set)  # landed as receipts say, not yet seen in the ledger
    held: dict[int, Quarantined] = field(default_factory=dict)  # quarantined chunks by ordinal
    fraction: float = 0.0  # of the source file read
    job_ended: bool = False
    failure: str = ""
    unverified: tuple[str, ...] = ()  # differences of the last read-back
    provider: str = ""
    moved: float = 0.0
    resent: int = 0
    _emit_rate: Rate = field(default_factory=Rate)
    _land_rate: Rate = field(default_factory=Rate)

    def __post_init__(self) -> None:
        self.moved = max(self.moved, self.started)

    # --- what is told ------------------------------------------------------------------------------------------------

    def on_receipt(self, receipt: Receipt, now: float) -> bool:
        """Take a hint. Repeated and reordered receipts are harmless; one of another revision is ignored."""
        if receipt.revision_id != self.revision_id:
            return False
        before = (len(self.emitted), len(self.hinted), len(self.held), self.failure, self.job_ended, self.fraction)
        if not receipt.chunk_id:
            self._on_job(receipt)
        elif receipt.outcome == "quarantined":
            if receipt.ordinal not in self.landed:
                self.held[receipt.ordinal] = Quarantined(receipt.chunk_id, receipt.ordinal, receipt.stage, receipt.reason, receipt.time)
        elif receipt.stage == "ingest" and receipt.outcome == "done":
            self.emitted[receipt.ordinal] = receipt.rows
        elif receipt.stage == "land" and receipt.outcome == "done" and receipt.ordinal not in self.landed:
            self.hinted.add(receipt.ordinal)
        self.fraction = max(self.fraction, min(receipt.fraction, 1.0))
        self.provider = receipt.provider or self.provider
        changed = before != (len(self.emitted), len(self.hinted), len(self.held), self.failure, self.job_ended, self.fraction)
        if changed:
            self._move(now)
        return changed

    def _on_job(self, receipt: Receipt) -> None:
        if receipt.outcome in {"failed", "quarantined"} and receipt.time >= self.opened_at:
            self.failure = receipt.reason or "ingest failed and gave no reason"
        elif receipt.outcome in {"done", "cancelled"}:
            self.job_ended = True

    def on_manifest(self, manifest: SampleManifest, now: float) -> bool:
        """Learn what must land."""
        changed = self.promised is None
        self.promised = {chunk.ordinal: chunk for chunk in manifest.chunks}
        self.job_ended, self.fraction = True, 1.0
        if changed:
            self._move(now)
        return changed

    def on_ledger(self, rows: Iterable[Landed], now: float) -> bool:
        """Learn what landed. A landed chunk is no longer held in quarantine: it was replayed."""
        before = len(self.landed)
        for row in rows:
            self.landed[row.ordinal] = row.rows
            self.held.pop(row.ordinal, None)
            self.hinted.discard(row.ordinal)
            self.provider = row.provider or self.provider
        if len(self.landed) != before:
            self._move(now)
            return True
        return False

    def on_quarantined(self, chunks: Iterable[Quarantined]) -> None:
        """Learn from the table which chunks are held, after a restart."""
        for chunk in chunks:
            if chunk.ordinal not in self.landed:
                self.held[chunk.ordinal] = chunk

    def on_sent(self, now: float) -> None:
        """The job was sent only now: patience begins anew."""
        self.moved = now

    def on_resent(self, now: float) -> None:
        """The job was sent again: whatever was wrong gets a fresh span of patience."""
        self.resent += 1
        self.moved = now

    def _move(self, now: float) -> None:
        self.moved = now
        self._emit_rate.note(now, self.rows_emitted)
        self._land_rate.note(now, self.rows_landed)

    # --- what follows ------------------------------------------------------------------------------------------------

    @property
    def rows_emitted(self) -> int:
        return sum(self.emitted.values())

    @property
    def rows_landed(self) -> int:
        return sum(self.landed.values())

    @property
    def missing(self) -> tuple[int, ...]:
        """Promised chunks that neither landed nor are quarantined; empty while nothing is promised."""
        return tuple(ordinal for ordinal in sorted(self.promised or ()) if ordinal not in self.landed and ordinal not in self.held)

    @property
    def phase(self) -> Phase:
        """The phase, publication apart. VERIFYING is due a read-back."""
        if self.failure:
            return Phase.FAILED
        if self.promised is not None:
            if self.missing:
                return Phase.INTERPRETING
            return Phase.INCOMPLETE if self.held or self.unverified else Phase.VERIFYING
        return Phase.INGESTING if self.emitted or self.landed or self.fraction > 0 or self.held else Phase.QUEUED

    def stuck(self, now: float, patience: float) -> Stuck | None:
        """Why nothing has moved for `patience` seconds; None while things move or nothing is owed."""
        if now - self.moved < patience:
            return None
        waited = f"nothing moved for {now - self.moved:.0f} s"
        if self.phase is Phase.QUEUED:
            return Stuck("ingest", self.moved, f"{waited}: no ingest worker has taken the job")
        if self.promised is None:
            if waiting := sorted(set(self.emitted) - set(self.landed) - set(self.held)):
                return Stuck("interpret", self.moved, f"{waited}: {len(waiting)} emitted chunks have not landed, the first is {waiting[0]}")
            return Stuck("ingest", self.moved, f"{waited}: the file is read to {self.fraction:.0%} and no manifest came")
        if missing := self.missing:
            return Stuck(
                "interpret", self.moved, f"{waited}: {len(missing)} of {len(self.promised)} chunks are late, the first is {missing[0]}"
            )
        return None

    def reason(self, now: float, patience: float) -> str:
        """One line for a person: what failed, is held, differs or is stuck; empty where all is well."""
        if self.failure:
            return self.failure
        if self.held:
            first = self.held[min(self.held)]
            return f"{len(self.held)} chunks in quarantine; chunk {first.ordinal} ({first.stage}): {first.reason}"
        if self.unverified:
            return f"what landed differs from the manifest: {'; '.join(self.unverified[:3])}"
        stuck = self.stuck(now, patience)
        return f"{stuck.stage}: {stuck.reason}" if stuck else ""

    @property
    def rows_total(self) -> int:
        """Rows of all chunks: as promised, else projected from the part of the file that is read, else -1."""
        if self.promised is not None:
            return sum(chunk_rows(chunk) for chunk in self.promised.values())
        return round(self.rows_emitted / self.fraction) if self.fraction >= 0.01 and self.emitted else -1

    def stages(self, now: float) -> tuple[StageProgress, ...]:
        """Rows read and rows landed, of how many, and how fast."""
        emitted = self.rows_total if self.promised is not None else self.rows_emitted
        return (
            StageProgress("ingest", emitted, self.rows_total, 0.0 if self.job_ended else round(self._emit_rate.value(now), 1)),
            StageProgress("interpret", self.rows_landed, self.rows_total, round(self._land_rate.value(now), 1)),
        )

    def remaining(self, now: float) -> float:
        """Seconds until all has landed at the present rate; -1 where nothing can be said yet."""
        rate, total = self._land_rate.value(now), self.rows_total
        if total < 0 or rate <= 0:
            return -1.0
        return max(total - self.rows_landed, 0) / rate


def chunk_rows(chunk: ChunkCount) -> int:
    """Rows that a promised chunk has in the ledger: its alleles, or its faults."""
    return chunk.alleles
