"""Rebuilding: memory from the tables, and the compacted topics after Kafka was emptied."""

from __future__ import annotations

from typing import Any

from schemas.events import AnnotationPlan
from streams import wire
from streams.control.rebuild import republish
from streams.memory import MemoryBroker


def test_a_restart_in_the_middle_goes_on_from_the_tables(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.work(land=lambda ordinal: ordinal == 0)
    lab.run()
    lab.start()
    lab.run()
    [flight] = lab.control.desk.in_flight.values()
    assert sorted(flight.progress.landed) == [0]
    assert flight.progress.missing == (1, 2)
    assert lab.state().state == "interpreting"


def test_an_emptied_kafka_gets_its_plans_and_states_again(lab: Any) -> None:
    for name, sample in (("a", "S1"), ("b", "S2"), ("c", "S3"), ("d", "S4")):
        lab.announce(lab.file(name, sample))
        lab.run()
        if name == "b":
            lab.fail_job("truncated")
        elif name != "c":
            lab.work()
        lab.run()
    lab.command("delete", "S4")
    lab.run()
    before = {sample: lab.state(sample) for sample in ("S1", "S2")}
    plan_id = lab.jobs()[0].plan_id

    lab.broker = MemoryBroker(seed=8)
    lab.committed = lab.heard = 0
    lab.cluster = "emptied"
    lab.start()
    rebuilt = republish(lab.control.desk)
    assert (rebuilt.plans, rebuilt.samples) == (1, 3)
    assert [wire.decode(m.value, AnnotationPlan).plan_id for m in lab.broker.log("plans")] == [plan_id]
    for sample, state in before.items():
        again = lab.state(sample)
        assert (again.state, again.reason, again.variants_in, again.landed, again.quarantined) == (
            state.state, state.reason, state.variants_in, state.landed, state.quarantined,
        )  # fmt: skip
    assert lab.state("S3").state == "queued"
    assert lab.state("S4") is None

    lab.run()
    for _ in range(60):
        lab.step()
    assert len(lab.jobs()) == 1  # S3's job was nowhere, and is sent again
    lab.work()
    lab.run()
    assert lab.state("S3").state == "published"
