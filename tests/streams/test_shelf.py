"""The shelf of loaded plans: each loaded once, a few kept, and a fault of this machine makes a message wait."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processors.resources import Resources
from processors.score.session import has_device
from schemas.plan import CuttingRule
from streams import topics
from streams.memory import MemoryBroker
from streams.outcomes import NotYet
from streams.plans import PlanStore
from streams.shelf import KEPT, Shelf


@pytest.fixture
def broker(interpreted: Any) -> MemoryBroker:
    broker = MemoryBroker(topics.catalogue())
    interpreted.announce(broker)
    return broker


def test_resources_are_those_of_the_plan_and_stay_open(interpreted: Any, broker: MemoryBroker) -> None:
    shelf = Shelf(PlanStore(broker.reader()), interpreted.packs, "cpu")
    found = shelf.resources(interpreted.plan.plan_id)
    assert found.plan == interpreted.plan
    assert found.genome.table.contigs[0].name == "1"
    assert found.provider == "CPUExecutionProvider"
    assert shelf.resources(interpreted.plan.plan_id) is found


def test_threads_that_ask_at_once_share_one_loading(interpreted: Any, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, load, together = [], Resources.load, threading.Barrier(4)

    def counted(*arguments: Any) -> Resources:
        loaded.append(arguments)
        return load(*arguments)

    def ask(_: int) -> Resources:
        together.wait(60.0)
        return shelf.resources(interpreted.plan.plan_id)

    monkeypatch.setattr(Resources, "load", counted)
    shelf = Shelf(PlanStore(broker.reader()), interpreted.packs, "cpu")
    with ThreadPoolExecutor(4) as threads:
        assert len({id(found) for found in threads.map(ask, range(4))}) == 1
    assert len(loaded) == 1


def test_the_plans_asked_for_last_stay_open(interpreted: Any, broker: MemoryBroker) -> None:
    others = [replace(interpreted.plan, cutting=CuttingRule(alleles=100 + number)) for number in range(KEPT)]
    for plan in others:
        interpreted.announce(broker, plan)
    shelf = Shelf(PlanStore(broker.reader()), interpreted.packs, "cpu")
    first, second = (shelf.resources(plan.plan_id) for plan in (interpreted.plan, others[0]))
    for plan in others[1:-1]:
        shelf.resources(plan.plan_id)
    assert shelf.resources(interpreted.plan.plan_id) is first  # asked for again: now the newest
    shelf.resources(others[-1].plan_id)
    assert shelf.resources(interpreted.plan.plan_id) is first
    assert shelf.resources(others[0].plan_id) is not second, "the one nobody asked for longest was closed"


def test_a_plan_that_is_not_here_yet_makes_the_message_wait(interpreted: Any) -> None:
    shelf = Shelf(PlanStore(MemoryBroker(topics.catalogue()).reader()), interpreted.packs, "cpu")
    with pytest.raises(NotYet) as raised:
        shelf.resources("0" * 32)
    assert "plan 000" in str(raised.value.outcome)


def test_a_missing_pack_makes_the_message_wait_until_it_is_there(interpreted: Any, broker: MemoryBroker, tmp_path: Path) -> None:
    shelf = Shelf(PlanStore(broker.reader()), tmp_path / "packs", "cpu")
    with pytest.raises(NotYet) as raised:
        shelf.resources(interpreted.plan.plan_id)
    assert "no pack" in str(raised.value.outcome)
    shutil.copytree(interpreted.packs, tmp_path / "packs")
    assert shelf.resources(interpreted.plan.plan_id).plan == interpreted.plan


@pytest.mark.skipif(has_device(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_never_blames_the_message(interpreted: Any, broker: MemoryBroker) -> None:
    shelf = Shelf(PlanStore(broker.reader()), interpreted.packs, "cuda")
    with pytest.raises(NotYet) as raised:
        shelf.resources(interpreted.plan.plan_id)
    assert "CUDA is required" in str(raised.value.outcome)
