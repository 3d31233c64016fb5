"""The control plane without its shell: told of events, receipts and the passing of time, by whoever reads the topics."""

from __future__ import annotations

from collections import Counter
from typing import Any

from schemas.events import Command, CompletionEvent, Receipt, SampleManifest
from streams import wire
from streams.backlog import Backlog
from streams.broker import Message
from streams.control import states
from streams.control.commands import Commands
from streams.control.consent import Consent
from streams.control.delta.reconciler import Reconciler
from streams.control.desk import Desk
from streams.control.gate import Refused, Surroundings
from streams.control.intake import Intake, Outcome
from streams.control.plans import ActiveSet
from streams.control.progress import Phase
from streams.control.projection import interval
from streams.control.publication import Publisher
from streams.control.rebuild import restore
from streams.control.records import Position
from streams.control.releases import Releases
from streams.control.watch import Watch
from streams.logs import logger
from streams.metrics import Metrics
from streams.outcomes import Quarantine
from streams.quarantine import quarantined
from streams.wire import WireError

CODE = 1
"""Version of intake's rules, in the header of what it refuses."""


class Control:
    """All parts on one desk. Every method may be called again after an error; none loses what it was told before it returned."""

    def __init__(
        self, desk: Desk, around: Surroundings, active: ActiveSet, key_of_people: bytes, backlog: Backlog, *, metrics: Metrics, worker: str
    ) -> None:
        self.desk = desk
        self.consent = Consent(desk, opt_in=around.opt_in)
        self.releases = Releases(desk, active, commercial=around.commercial)
        self.intake = Intake(desk, around, active, key_of_people, self.consent)
        self.watch = Watch(desk, self.intake, backlog)
        self.publisher = Publisher(desk, active, metrics)
        self.reconciler = Reconciler(desk, active, self.publisher, metrics)
        self.releases.reconciler = self.reconciler
        self.reconciler.lane_of = self.releases.lane_of
        self.publisher.behind = self.reconciler.poke
        self.commands = Commands(desk, self.intake, self.publisher, active, self.releases, self.consent)
        self._metrics = metrics
        self._worker = worker

    def restore(self) -> int:
        """Take up every open revision from ClickHouse, announce what is published; returns how many are in flight."""
        self.consent.settle()
        return restore(self.desk, self.intake, self.watch, self.publisher)

    def event(self, message: Message, cluster: str) -> str:
        """One message of `run.events`; returns what became of it. Raises StoreError, BrokerError."""
        position = Position(cluster, message.number, message.offset)
        try:
            event: Any = wire.decode(message.value, CompletionEvent, Command, SampleManifest)
        except WireError as error:
            kind, outcome = "unknown", self._unreadable(message, position, error)
        else:
            kind, outcome = type(event).__name__, self._readable(event, message, position)
        self._metrics.events.labels(kind, outcome.partition(" ")[0].rstrip(":")).inc()
        logger().info("event", kind=kind, outcome=outcome, offset=message.offset)
        return outcome

    def _readable(self, event: CompletionEvent | Command | SampleManifest, message: Message, position: Position) -> str:
        if isinstance(event, CompletionEvent):
            return self.intake.take(event, position, lambda refusal: self._keep(message, "Refused", str(refusal))).value
        if isinstance(event, Command):
            return self.commands.take(event, position)
        return "kept" if self.watch.manifest(event) else "ignored"

    def _unreadable(self, message: Message, position: Position, error: WireError) -> str:
        if self.desk.records.decision_at(position) is None:
            self._keep(message, "WireError", str(error))
            self.intake.note_refusal(position, "", Refused("event", str(error)))
        return Outcome.REJECTED.value

    def _keep(self, message: Message, error: str, detail: str) -> None:
        reason = Quarantine(error, detail)
        self.desk.outbox.send(
            quarantined(message, reason, stage="intake", worker=self._worker, attempt=1, code=CODE, now=self.desk.clock.now())
        )

    def keep_unprocessable(self, message: Message, error: Exception) -> None:
        """Keep an event that intake fails on for no foreseen reason, so that the ones behind it go on. Raises BrokerError."""
        self._keep(message, type(error).__name__, str(error))

    def receipt(self, message: Message) -> None:
        """One message of `receipts`. An unreadable one is only counted: it was a hint. Raises StoreError."""
        try:
            receipt = wire.decode(message.value, Receipt)
        except WireError as error:
            self._metrics.events.labels("Receipt", "unreadable").inc()
            logger().warning("unreadable receipt", offset=message.offset, error=str(error))
            return
        if not self.reconciler.receipt(receipt):
            self.watch.receipt(receipt)

    def look(self) -> int:
        """Read ledgers, verify and publish what is complete; how many were published. Raises StoreError, BrokerError."""
        return sum(self.publisher.verify(flight) for flight in self.watch.look())

    def reconcile(self) -> int:
        """Bring current samples under the plan of their build, as far as can be done now. Raises StoreError, BrokerError."""
        steps = 0
        while self.reconciler.turn():
            steps += 1
        return steps

    def follow_releases(self) -> int:
        """Take up what was activated without a command and write how far the releases are. Raises StoreError, BrokerError."""
        return self.releases.look()

    def announce(self) -> int:
        """Send results that are published and not announced; sweep behind deletions. Raises StoreError, BrokerError."""
        self.commands.sweep()
        return self.publisher.announce_all()

    def show(self) -> int:
        """Send the sample states that are due. Raises BrokerError."""
        desk = self.desk
        with desk.lock:
            phases = Counter(flight.progress.phase for flight in desk.in_flight.values())
            for phase in Phase:
                self._metrics.samples.labels(phase.value).set(phases[phase])
            now = desk.clock.seconds()
            for flight in desk.in_flight.values():
                if flight.changed and flight.show_after <= now:
                    flight.changed, flight.show_after = False, now + interval(len(flight.submission.samples))
                    for state in states.in_flight(desk, flight):
                        desk.projection.put(state)
            return desk.projection.flush(now)
