"""What goes out in place of a message's outputs where it cannot be processed, and when a worker refuses to refuse any more."""

from __future__ import annotations

from streams import quarantine
from streams.broker import Output, TooLarge
from streams.inflight import Entry
from streams.logs import logger
from streams.metrics import Metrics
from streams.outcomes import Quarantine
from streams.quarantine import Guard, QuarantineLimit


class Refusals:
    """Quarantines messages of one stage. `code` is the stage's code version, `worker` this process's name."""

    def __init__(self, stage: str, limit: QuarantineLimit, metrics: Metrics, *, worker: str, code: int) -> None:
        self._stage = stage
        self._guard = Guard(limit)
        self._metrics = metrics
        self._worker = worker
        self._code = code
        self._log = logger(stage=stage)

    def passed(self) -> None:
        """A message was processed."""
        self._guard.passed()

    def count(self, entry: Entry, reason: Quarantine) -> None:
        """One more. Raises QuarantineFull where there are so many that the worker is at fault, not the messages."""
        self._guard.failed(entry.message, reason)

    def outputs(self, entry: Entry, reason: Quarantine) -> list[Output]:
        """The original bytes for `quarantine`, what the stage adds, and a receipt where the message is a chunk."""
        message = entry.message
        entry.ending = "quarantined"
        entry.rows_done = 0
        self._metrics.quarantined.labels(self._stage, reason.error).inc()
        ids = {name: message.header(name) for name in ("chunk_id", "revision_id")}
        self._log.error("quarantined", place=message.place(), error=reason.error, detail=reason.detail[:500], **ids)
        kept = quarantine.quarantined(message, reason, stage=self._stage, worker=self._worker, attempt=entry.attempt, code=self._code)
        told = quarantine.receipt(message, reason, stage=self._stage, worker=self._worker)
        return [kept, *reason.outputs, *([told] if told is not None else [])]

    def too_large(self, entry: Entry, output: Output, error: TooLarge) -> list[Output]:
        """An output that no topic takes would be tried for ever: its cause goes to quarantine. Raises where that is too large too."""
        if entry.ending == "quarantined":
            raise error
        reason = Quarantine("TooLarge", f"output for {output.topic}: {error}")
        self.count(entry, reason)
        return self.outputs(entry, reason)
