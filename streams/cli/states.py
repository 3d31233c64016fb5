"""Reading `sample.state`: what every sample is at, and every change from now on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.events import SampleState
from streams import quarantine, wire
from streams.broker import Message, Partition, Reader
from streams.topics import SAMPLE_STATE

FINAL = frozenset({"published", "failed", "rejected", "cancelled", "deleted"})
"""States that only a new request of a person leaves."""
HELD = "incomplete"
"""Nothing moves until a person replays or acknowledges what is in quarantine."""


def current_states(reader: Reader) -> dict[str, SampleState]:
    """Newest state of every sample, by sample_id; deleted samples are gone."""
    states: dict[str, SampleState] = {}
    for message in quarantine.through(reader, _bounds(reader)):
        _take(states, message)
    return states


def ends(reader: Reader) -> dict[Partition, int]:
    """Where the topic ends now: what comes later is new."""
    return {partition: end for partition, (_, end) in _bounds(reader).items()}


def changes(reader: Reader, since: Mapping[Partition, int], idle: float = 0.25) -> Iterator[SampleState | None]:
    """States as they come, for ever; None after `idle` seconds without one."""
    reader.assign(since)
    while True:
        messages = reader.consume(500, idle)
        if not messages:
            yield None
        for message in messages:
            if message.value:
                yield wire.decode(message.value, SampleState)


def describe(state: SampleState, name: str) -> dict[str, Any]:
    """The object that `status SAMPLE --json` prints; its keys are a contract."""
    return {
        "sample": name,
        "state": state.state,
        "variants_in": state.variants_in,
        "landed": state.landed,
        "quarantined": state.quarantined,
        "revision": state.revision,
        "plan": state.plan_id,
        "stages": [{"name": s.name, "done": s.done, "total": s.total, "rate": s.rate} for s in state.stages],
    }


def _bounds(reader: Reader) -> dict[Partition, tuple[int, int]]:
    return {partition: reader.bounds(partition) for partition in reader.partitions(SAMPLE_STATE.name)}


def _take(states: dict[str, SampleState], message: Message) -> None:
    if message.value:
        state = wire.decode(message.value, SampleState)
        states[state.sample_id] = state
    elif message.key is not None:
        states.pop(message.key.decode(errors="replace"), None)
