"""A disk below its reserve: new samples wait and say why, those under way end, and what waits begins by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.control.room import DiskReserve


@dataclass
class Disk:
    """A disk that is as full as the test says."""

    full: bool = True

    def lack(self) -> str:
        return "waiting for room: the test's disk is full" if self.full else ""


@pytest.fixture
def disk(lab: Any) -> Disk:
    lab.control.desk.room = disk = Disk()
    return disk


def test_a_sample_waits_for_room_and_begins_by_itself(lab: Any, disk: Disk) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    assert (lab.state().state, lab.state().reason) == ("queued", "waiting for room: the test's disk is full")
    assert lab.count("submission") == 1, "accepted and on record"
    for _ in range(20):
        lab.clock.at += 1000.0
        lab.step()
    assert lab.jobs() == [], "no patience runs out while it waits"
    disk.full = False
    lab.step()
    assert len(lab.jobs()) == 1
    lab.clock.at += 1.0
    lab.step()
    assert lab.state().reason == "", "patience begins when the job is sent"
    lab.work()
    lab.run()
    assert lab.state().state == "published"


def test_a_sample_under_way_ends_while_another_waits_in_front_of_its_manifest(lab: Any, disk: Disk) -> None:
    disk.full = False
    lab.announce(lab.file("a", "S1"))
    lab.run()
    job = lab.jobs()[-1]
    disk.full = True
    lab.announce(lab.file("b", "S2"))
    lab.work(job)  # its manifest stands behind the second announcement
    lab.run()
    assert lab.state("S1").state == "published"
    assert lab.state("S2").state == "queued"
    assert lab.jobs() == [job]


def test_what_waits_still_waits_after_a_restart(lab: Any, disk: Disk) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.start()
    lab.control.desk.room = disk
    lab.run()
    for _ in range(60):
        lab.step()
    assert lab.jobs() == []
    assert "waiting for room" in lab.state().reason
    disk.full = False
    lab.step()
    assert len(lab.jobs()) == 1


def test_a_late_job_is_not_sent_again_onto_a_full_disk(lab: Any, disk: Disk) -> None:
    disk.full = False
    lab.announce(lab.file("a"))
    lab.run()
    disk.full = True
    for _ in range(60):
        lab.step()
    assert len(lab.jobs()) == 1
    assert "waiting for room" in lab.state().reason
    disk.full = False
    lab.step()
    assert len(lab.jobs()) == 2


def test_a_waiting_sample_can_be_cancelled(lab: Any, disk: Disk) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.command("cancel")
    lab.run()
    disk.full = False
    lab.step()
    assert lab.state().state == "cancelled"
    assert lab.jobs() == []


def test_the_reserve_is_that_of_the_disk_of_the_state_folder_though_it_does_not_exist_yet(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    assert DiskReserve(folder, 0).lack() == ""
    said = DiskReserve(folder, 2**60).lack()
    assert str(folder) in said
    assert "RIVERSEQ_DISK_RESERVE" in said


def test_the_control_process_keeps_the_reserve_of_its_settings(engine: Any, tmp_path: Path) -> None:
    from streams.control.assemble import assemble
    from streams.failpoints import Harmless
    from streams.memory import MemoryBroker
    from streams.metrics import Metrics
    from streams.settings import Settings

    settings = Settings(
        state=tmp_path, kafka="127.0.0.1:1", clickhouse=engine.dsn("writer").rsplit("/", 1)[0], installation_key="00", disk_reserve=2**60
    )
    control = assemble(settings, MemoryBroker(seed=1).producer(), metrics=Metrics(), points=Harmless(), worker="test")
    assert str(tmp_path) in control.desk.room.lack()
