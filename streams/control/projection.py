"""`sample.state`: what board, `status` and `--wait` show, at most two messages a second for a sample, the last one always.

A projection, never the truth: losing a message loses nothing that a rebuild does not bring back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schemas.events import SampleState
from streams import wire
from streams.broker import Output
from streams.control.outgoing import Outbox
from streams.topics import SAMPLE_STATE

INTERVAL = 0.5
"""Seconds between two states of one sample."""
CROWD = 50
"""Samples of one submission above which the interval grows in proportion: a file of 1,000 samples must not send 2,000 a second."""


def interval(samples: int) -> float:
    """Seconds between two states of each sample of a submission of that many samples."""
    return INTERVAL * max(1.0, samples / CROWD)


@dataclass
class _Slot:
    pending: SampleState | None = None
    sent: SampleState | None = None
    due: float = 0.0


class Projection:
    """Coalesces states per sample. The caller guards it with the desk's lock; sending happens in `flush`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._slots: dict[str, _Slot] = {}

    def put(self, state: SampleState, *, now: bool = False) -> None:
        """Queue a state; `now` for one that must not wait (the end of a phase)."""
        slot = self._slots.setdefault(state.sample_id, _Slot())
        if slot.pending is None and slot.sent is not None and replace(slot.sent, updated_at=0) == replace(state, updated_at=0):
            return
        slot.pending = state
        if now:
            slot.due = 0.0

    def latest(self, sample_id: str) -> SampleState | None:
        """The newest state that is not a refusal, None where there is none."""
        slot = self._slots.get(sample_id)
        state = (slot.pending or slot.sent) if slot else None
        return state if state is not None and state.state != "rejected" else None

    def flush(self, seconds: float) -> int:
        """Send what is due at `seconds` of the clock. Raises BrokerError."""
        ready = [slot for slot in self._slots.values() if slot.pending is not None and slot.due <= seconds]
        if not ready:
            return 0
        states = [slot.pending for slot in ready if slot.pending is not None]
        self._outbox.send(*[_output(state) for state in states])
        for slot, state in zip(ready, states, strict=True):
            slot.sent = state
            slot.due = seconds + INTERVAL
            if slot.pending is state:
                slot.pending = None
        return len(states)

    def send(self, state: SampleState) -> None:
        """Send a state at once, whatever is queued. Raises BrokerError."""
        self.put(state, now=True)
        self._outbox.send(_output(state))
        slot = self._slots[state.sample_id]
        slot.sent, slot.pending = state, None

    def forget(self, sample_id: str) -> None:
        """Send a deleted sample's tombstone. Raises BrokerError."""
        self._outbox.send(Output(SAMPLE_STATE.name, sample_id.encode(), b""))
        self._slots.pop(sample_id, None)


def _output(state: SampleState) -> Output:
    return Output(SAMPLE_STATE.name, state.sample_id.encode(), wire.encode(state))
