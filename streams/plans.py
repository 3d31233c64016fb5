"""Pinned plans in memory, from the compacted topic `plans`: a worker asks for the plan of a chunk, and waits where it is not here yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from schemas.events import AnnotationPlan, PlanComponent
from schemas.plan import Component, CuttingRule, Plan
from streams import wire
from streams.broker import BrokerError, Reader
from streams.logs import logger
from streams.outcomes import DependencyAway, NotYet
from streams.topics import PLANS

PATIENCE = 0.1
"""Seconds between looks at the topic for a plan that is not known."""


def to_event(plan: Plan) -> AnnotationPlan:
    """A plan as it stands on the topic `plans`, under the key `plan.plan_id`."""
    return AnnotationPlan(
        plan_id=plan.plan_id,
        build=plan.build,
        components=tuple(PlanComponent(part.kind, part.name, part.version, part.digest) for part in plan.components),
        code=dict(plan.code),
        cut_alleles=plan.cutting.alleles,
        cut_cells=plan.cutting.cells,
        cut_size=plan.cutting.size,
    )


def from_event(event: AnnotationPlan) -> Plan:
    """The plan of an event. Raises WireError where its content does not have the id it claims."""
    plan = Plan(
        build=event.build,
        components=tuple(Component(part.kind, part.name, part.version, part.digest) for part in event.components),
        code=dict(event.code),
        cutting=CuttingRule(event.cut_alleles, event.cut_cells, event.cut_size),
    )
    if plan.plan_id != event.plan_id:
        raise wire.WireError(f"AnnotationPlan: field plan_id is {event.plan_id}, its content has {plan.plan_id}")
    return plan


class PlanStore:
    """Every plan on the topic. Safe to ask from any thread."""

    def __init__(self, reader: Reader, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes the reader over. Raises BrokerError where the topic does not exist."""
        self._reader = reader
        self._clock = clock
        self._lock = threading.Lock()
        self._plans: dict[str, Plan] = {}
        self._last = float("-inf")
        partitions = reader.partitions(PLANS.name)
        reader.assign({partition: reader.bounds(partition)[0] for partition in partitions})
        self._partitions = partitions

    def get(self, plan_id: str) -> Plan | None:
        """A plan, None where it has not been seen; an unknown id makes the store look at the topic (at most 10 times a second)."""
        plan = self._plans.get(plan_id)
        if plan is None:
            with self._lock:
                if plan_id not in self._plans and self._clock() - self._last >= PATIENCE:
                    self._read()
                    self._last = self._clock()
            plan = self._plans.get(plan_id)
        return plan

    def require(self, plan_id: str) -> Plan:
        """A plan. Raises NotYet (hold the message) where it has not been seen, DependencyAway where Kafka does not answer."""
        try:
            plan = self.get(plan_id)
        except BrokerError as error:
            raise DependencyAway(str(error)) from error
        if plan is None:
            raise NotYet(f"plan {plan_id} is not on the topic {PLANS.name} yet")
        return plan

    def __len__(self) -> int:
        return len(self._plans)

    def close(self) -> None:
        self._reader.close()

    def _read(self) -> None:
        ends = {partition: self._reader.bounds(partition)[1] for partition in self._partitions}
        deadline = time.monotonic() + 5.0
        while any(self._reader.position(partition) < end for partition, end in ends.items()):
            for message in self._reader.consume(500, 0.1):
                if not message.value:
                    continue  # a tombstone: chunks of an old plan may still be on their way, so it is kept
                try:
                    plan = from_event(wire.decode(message.value, AnnotationPlan))
                except wire.WireError as error:
                    logger().error("unreadable plan passed over", place=message.place(), error=str(error))
                    continue
                self._plans[plan.plan_id] = plan
            if time.monotonic() > deadline:
                raise BrokerError(f"topic {PLANS.name} gave nothing for 5 s")
