"""Plans and results, read from their topics."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from schemas.events import AnnotationPlan, Finding, Reclassified, SampleInterpreted, SourceChange
from schemas.plan import Component, Plan
from streams import plans, results, topics, wire
from streams.broker import Output
from streams.memory import Clock, MemoryBroker
from streams.outcomes import NotYet
from streams.results import Filter, ResultsError

PLAN = Plan("GRCh38", (Component("genome", "g", "1", "d" * 32), Component("model", "m", "2", "e" * 32)))


def _broker() -> MemoryBroker:
    ticks = itertools.count(1_000)
    return MemoryBroker(topics.catalogue(partitions=2), clock=lambda: next(ticks))


def _publish(broker: MemoryBroker, plan: AnnotationPlan) -> None:
    broker.append(Output("plans", plan.plan_id.encode(), wire.encode(plan)))


# --- plans -----------------------------------------------------------------------------------------------------------


def test_a_plan_reads_back_as_it_was_pinned() -> None:
    broker = _broker()
    _publish(broker, plans.to_event(PLAN))
    store = plans.PlanStore(broker.reader(), clock=Clock(1.0))
    assert store.require(PLAN.plan_id) == PLAN


def test_an_unknown_plan_is_waited_for_and_found_when_it_comes() -> None:
    broker = _broker()
    store = plans.PlanStore(broker.reader(), clock=Clock(1.0))
    with pytest.raises(NotYet, match=f"plan {PLAN.plan_id} is not on the topic plans yet"):
        store.require(PLAN.plan_id)
    _publish(broker, plans.to_event(PLAN))
    assert store.require(PLAN.plan_id) == PLAN


def test_a_plan_whose_content_is_not_what_its_id_says_is_never_used() -> None:
    broker = _broker()
    event = plans.to_event(PLAN)
    forged = AnnotationPlan(event.plan_id, "GRCh37", event.components, event.code, 1, 1, 1)
    _publish(broker, forged)
    broker.append(Output("plans", b"x", b"no avro"))
    broker.append(Output("plans", b"x", b""))
    store = plans.PlanStore(broker.reader(), clock=Clock(1.0))
    assert store.get(PLAN.plan_id) is None
    assert len(store) == 0


# --- results ---------------------------------------------------------------------------------------------------------


def _finding(number: int, gene: str = "APP") -> Finding:
    return Finding(
        f"id{number}", f"sample{number % 2}", "s", "r", 1, "p", "GRCh38", "21", 100 + number, "A", "T", gene, "ENST1", "missense_variant",
        "heterozygous", "", None, "absent", 0.5, "scored", "m", "not_assessed", ("rare", "missense"), 5,
    )  # fmt: skip


DONE = SampleInterpreted("end", "sample0", "s", "r", 1, "p", "GRCh38", 9, 8, {"symbolic": 1}, 6, True, 7)


@pytest.fixture
def filled() -> MemoryBroker:
    broker = _broker()
    for number in range(6):
        broker.append(Output("results", bytes([number % 2]), wire.encode(_finding(number, "APP" if number < 4 else "SOD1"))))
    broker.append(Output("results", b"\x00", wire.encode(DONE)))
    return broker


def _ids(found: Iterator[results.Received]) -> set[str]:
    return {received.result.id for received in found}


def _follow(broker: MemoryBroker, place: str, wanted: str = "") -> set[str]:
    return _ids(results.follow(broker.reader(), place=place, wanted=Filter.parse(wanted), to_end=True))


def test_everything_from_the_beginning(filled: MemoryBroker) -> None:
    assert _follow(filled, "beginning") == {f"id{n}" for n in range(6)} | {"end"}


def test_nothing_from_the_end(filled: MemoryBroker) -> None:
    assert _follow(filled, "end") == set()


def test_from_an_offset_of_every_partition_or_of_one(filled: MemoryBroker) -> None:
    assert _follow(filled, "2") == {"id4", "id5", "end"}
    assert _follow(filled, "0:1") == {"id2", "id4", "end"}
    assert _follow(filled, "0:3,1:2") == {"end", "id5"}
    assert _follow(filled, "99999") == set()


def test_from_a_time(filled: MemoryBroker) -> None:
    times = sorted(message.timestamp for message in filled.log("results"))
    moment = f"1970-01-01T00:{times[4] // 60_000:02}:{times[4] % 60_000 / 1000:06.3f}"
    assert _follow(filled, moment) == {"id4", "id5", "end"}
    assert _follow(filled, moment + "+00:00") == {"id4", "id5", "end"}


@pytest.mark.parametrize("place", ["yesterday", "1:x", "", "-5"])
def test_a_place_that_is_none_says_what_is_one(filled: MemoryBroker, place: str) -> None:
    with pytest.raises(ResultsError, match="beginning, end, OFFSET"):
        results.follow(filled.reader(), place=place)


def test_a_partition_that_does_not_exist_is_named(filled: MemoryBroker) -> None:
    with pytest.raises(ResultsError, match="no partition 7; it has 2"):
        results.follow(filled.reader(), place="7:0")


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ("gene=SOD1", {"id4", "id5"}),
        ("sample_id=sample1, gene=APP", {"id1", "id3"}),
        ("type=SampleInterpreted", {"end"}),
        ("type=Finding,position=101", {"id1"}),
        ("reasons=rare,gene=S*", {"id4", "id5"}),
        ("class=not_assessed,gene=A*", {"id0", "id1", "id2", "id3"}),
        ("complete=true", {"end"}),
        ("clinvar=pathogenic", set()),
    ],
)
def test_a_filter_lets_through_what_it_says(filled: MemoryBroker, wanted: str, ids: set[str]) -> None:
    assert _follow(filled, "beginning", wanted) == ids


def test_reclassifications_are_chosen_by_type_and_tier(filled: MemoryBroker) -> None:
    change = SourceChange("clinvar", "clinvar@1", "2020-01-01", "clinvar@2", "2020-02-01")
    event = Reclassified(
        "r1", "sample0", "s", "r2", 2, "r", "p2", "p", "GRCh38", "21", 100, "A", "T", "heterozygous", "APP", "ENST1", "", "", 1, "clinvar",
        "not_assessed", "not_assessed", "Uncertain_significance", "Pathogenic", "added", ("clinvar:Uncertain_significance>Pathogenic",), (),
        (change,), 6, 6, 6,
    )  # fmt: skip
    filled.append(Output("results", b"\x00", wire.encode(event)))
    filled.append(Output("results", b"\x00", wire.encode(replace(event, id="r2", tier=3))))
    assert _follow(filled, "beginning", "type=Reclassified") == {"r1", "r2"}
    assert _follow(filled, "beginning", "type=Reclassified,tier=1,gene=APP") == {"r1"}
    [shown] = [r.to_json() for r in results.follow(filled.reader(), place="beginning", wanted=Filter.parse("tier=1"), to_end=True)]
    assert list(shown["sources"]) == [dataclasses.asdict(change)]


def test_a_filter_on_no_field_is_refused() -> None:
    with pytest.raises(ResultsError, match="no result has a field geen; there are type, alt"):
        Filter.parse("geen=APP")
    with pytest.raises(ResultsError, match="'APP' is not field=value"):
        Filter.parse("APP")


def test_a_record_of_a_later_version_is_passed_over(filled: MemoryBroker) -> None:
    filled.append(Output("results", b"\x01", b"\x00\x00\x00\x03\xe7later"))
    filled.append(Output("results", b"\x01", wire.encode(_finding(8))))
    assert "id8" in _follow(filled, "beginning")


def test_as_json_a_result_has_its_public_names_and_its_place(filled: MemoryBroker) -> None:
    first = next(results.follow(filled.reader(), place="0:0", to_end=True)).to_json()
    assert (first["type"], first["class"], first["partition"], first["offset"]) == ("Finding", "not_assessed", 0, 0)
    assert "class_" not in first
