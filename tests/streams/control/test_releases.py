"""Releases of knowledge as control takes them: activated once, refused in words, followed by the tables, whatever dies in between."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.knowledge.pack import Pack, activate, active_packs, write_pack
from processors.land.releases import ReleaseState, ReleaseStatus, release_id
from schemas import identity
from schemas.events import Command, KnowledgeRelease
from streams import wire
from streams.control.control import Control
from streams.control.gate import Surroundings
from streams.failpoints import FailPoint, SimulatedCrash
from streams.metrics import Metrics
from streams.topics import KNOWLEDGE_RELEASES, RUN_EVENTS

STEPS = [FailPoint.RELEASE_ROW, FailPoint.RELEASE_ACTIVE, FailPoint.RELEASE_TOLD, FailPoint.RELEASE_RUNNING]


def pack_of(lab: Any, version: str, date: str = "", *, kind: str = "clinvar", build: str = "toy", licence: str = "open") -> Pack:
    return write_pack(
        lab.folder / "packs",
        kind=kind,
        name=kind,
        version=version,
        build=build,
        arrays={"a": np.array([1])},
        rows=1,
        extra={"date": date, "licence": licence, "installation": lab.id},
    )


def ask(lab: Any, what: str, pack: Pack | None = None, /, **arguments: str) -> Command:
    chosen = {"build": pack.build, "kind": pack.kind, "digest": pack.digest} if pack else {}
    command = Command(uuid.uuid4().hex, lab.clock.now(), what, "", "tester", "because", {**chosen, **arguments})
    lab.send(RUN_EVENTS.name, command)
    return command


def outcome(lab: Any, command: Command) -> str:
    [(found,)] = lab.client.rows("SELECT DISTINCT outcome FROM decision WHERE event_id = {id:String}", {"id": command.id})
    return str(found)


def told(lab: Any) -> dict[str, KnowledgeRelease]:
    """What the compacted topic holds."""
    return {m.key.decode(): wire.decode(m.value, KnowledgeRelease) for m in lab.broker.log(KNOWLEDGE_RELEASES.name)}


def stands(lab: Any, command: Command) -> ReleaseStatus:
    for _ in range(4):
        lab.clock.at += 1.0
        lab.control.follow_releases()
    found = lab.records.releases.release(release_id(command.id))
    assert found is not None
    return found[1]  # type: ignore[no-any-return]


def active(lab: Any) -> str:
    return active_packs(lab.folder / "packs", "toy")["clinvar"].version


def published(lab: Any, name: str = "a", *samples: str) -> None:
    lab.announce(lab.file(name, *samples))
    lab.run()
    lab.work()
    lab.run()


def carry(lab: Any, *samples: str) -> None:
    """What a reconciler does for samples that a new plan does not change."""
    plan = lab.control.intake._active.assigned("toy")
    lab.records.record_plan(plan)
    rows = [(lab.sample_id(s), lab.records.current(lab.sample_id(s)).revision_id, plan.plan_id, 1, lab.clock.now()) for s in samples]
    lab.client.insert_rows(
        "carried", ("sample_id", "revision_id", "plan_id", "step", "carried_at"), rows, identity.digest(lab.id, str(rows))
    )


def test_a_release_activates_its_pack_and_tells_the_topic(lab: Any) -> None:
    first, second = pack_of(lab, "2016-01", "2016-01-04"), pack_of(lab, "2016-08", "2016-08-02")
    one = ask(lab, "release", first)
    lab.run()
    assert active(lab) == "2016-01"
    two = ask(lab, "release", second, added="3", removed="1", changed="2", against=first.digest)
    lab.run()
    assert active(lab) == "2016-08"
    states = told(lab)
    old, new = states["toy/clinvar/clinvar@2016-01"], states["toy/clinvar/clinvar@2016-08"]
    assert (old.state, new.state) == ("retired", "active")
    assert (new.digest, new.replaces, new.date, new.added, new.removed, new.changed) == (
        second.digest, first.digest, "2016-08-02", 3, 1, 2,
    )  # fmt: skip
    assert (old.added, old.digest) == (-1, first.digest)
    assert stands(lab, one).state is ReleaseState.DONE
    assert stands(lab, two).state is ReleaseState.DONE


def test_counts_of_a_diff_against_another_pack_are_not_taken_for_this_one(lab: Any) -> None:
    activate(lab.folder / "packs", pack_of(lab, "2016-01", "2016-01-04"))
    ask(lab, "release", pack_of(lab, "2016-08", "2016-08-02"), added="3", removed="1", changed="2", against="0" * 32)
    lab.run()
    assert told(lab)["toy/clinvar/clinvar@2016-08"].added == -1


@pytest.mark.parametrize("point", STEPS)
def test_control_dies_in_a_release_and_it_is_done_once(lab: Any, point: FailPoint) -> None:
    first, second = pack_of(lab, "1", "2016-01-04"), pack_of(lab, "2", "2016-08-02")
    ask(lab, "release", first)
    lab.run()
    command = ask(lab, "release", second)
    lab.start(point)
    with pytest.raises(SimulatedCrash):
        lab.run()
    lab.start()
    lab.run()
    assert active(lab) == "2"
    assert lab.count("release") == 2
    assert told(lab)["toy/clinvar/clinvar@2"].state == "active"
    assert told(lab)["toy/clinvar/clinvar@1"].state == "retired"
    assert outcome(lab, command).startswith("released clinvar clinvar@2 for toy")
    assert stands(lab, command).state is ReleaseState.DONE


def test_a_pack_that_is_removed_before_it_is_active_ends_its_release(lab: Any) -> None:
    pack = pack_of(lab, "1")
    command = ask(lab, "release", pack)
    lab.start(FailPoint.RELEASE_ROW)
    with pytest.raises(SimulatedCrash):
        lab.run()
    shutil.rmtree(pack.path)
    lab.start()
    lab.run()
    assert outcome(lab, command).startswith(f"refused: no pack {pack.digest[:12]}")
    assert stands(lab, command).state is ReleaseState.REFUSED


@pytest.mark.parametrize("point", STEPS[:3])
def test_a_release_whose_event_is_gone_is_finished_by_the_timer(lab: Any, point: FailPoint) -> None:
    command = ask(lab, "release", pack_of(lab, "1"))
    lab.start(point)
    with pytest.raises(SimulatedCrash):
        lab.run()
    lab.start()
    lab.committed = len(lab.broker.log(RUN_EVENTS.name))
    assert stands(lab, command).state is ReleaseState.DONE
    assert active(lab) == "1"
    assert lab.count("release") == 1


def test_the_same_command_twice_is_one_release(lab: Any) -> None:
    command = ask(lab, "release", pack_of(lab, "1"))
    lab.send(RUN_EVENTS.name, command)
    lab.run()
    lab.committed = 0
    lab.start()
    lab.run()
    assert lab.count("release") == 1
    assert outcome(lab, command).startswith("released")


def test_an_old_release_that_is_delivered_again_does_not_take_its_pack_back(lab: Any) -> None:
    ask(lab, "release", pack_of(lab, "1", "2016-01-04"))
    ask(lab, "release", pack_of(lab, "2", "2016-08-02"))
    lab.run()
    lab.committed = 0
    lab.start()
    lab.run()
    assert active(lab) == "2"


def test_a_release_older_than_the_active_one_is_refused_unless_it_is_meant(lab: Any) -> None:
    older, newer = pack_of(lab, "1", "2016-01-04"), pack_of(lab, "2", "2016-08-02")
    ask(lab, "release", newer)
    refused = ask(lab, "release", older)
    lab.run()
    assert active(lab) == "2"
    assert "older than the active clinvar@2 of 2016-08-02" in outcome(lab, refused)
    assert told(lab)["toy/clinvar/clinvar@1"].state == "refused"
    assert stands(lab, refused).state is ReleaseState.REFUSED
    meant = ask(lab, "release", older, older_is_fine="yes")
    lab.run()
    assert active(lab) == "1"
    assert stands(lab, meant).state is ReleaseState.DONE


@pytest.mark.parametrize(
    ("active_date", "date", "taken"),
    [("9", "10", True), ("2016-08-02", "2016-08", True), ("2016-08-02", "2016-07", False), ("", "2016-01-04", True), ("x", "a", True)],
)
def test_only_dates_make_a_release_older(lab: Any, active_date: str, date: str, taken: bool) -> None:
    ask(lab, "release", pack_of(lab, "1", active_date))
    ask(lab, "release", pack_of(lab, "2", date))
    lab.run()
    assert active(lab) == ("2" if taken else "1")


def test_a_rollback_goes_back_and_the_topic_says_so(lab: Any) -> None:
    older, newer = pack_of(lab, "1", "2016-01-04"), pack_of(lab, "2", "2016-08-02")
    ask(lab, "release", older)
    ask(lab, "release", newer)
    ask(lab, "rollback", older, against=newer.digest)
    lab.run()
    assert active(lab) == "1"
    assert (told(lab)["toy/clinvar/clinvar@1"].state, told(lab)["toy/clinvar/clinvar@1"].direction) == ("active", "rollback")
    assert told(lab)["toy/clinvar/clinvar@2"].state == "retired"


def test_a_rollback_of_what_is_no_longer_active_is_refused(lab: Any) -> None:
    one, two, three = (pack_of(lab, f"{n}", f"2016-0{n}-01") for n in (1, 2, 3))
    for pack in (one, two, three):
        ask(lab, "release", pack)
    late = ask(lab, "rollback", one, against=two.digest)
    lab.run()
    assert active(lab) == "3"
    assert "another pack became active meanwhile (clinvar@3)" in outcome(lab, late)


def test_the_active_pack_again_is_nothing_to_do(lab: Any) -> None:
    pack = pack_of(lab, "1")
    ask(lab, "release", pack)
    again = ask(lab, "release", pack)
    lab.run()
    assert outcome(lab, again).startswith("nothing: clinvar@1 is the active ClinVar of toy")
    assert lab.count("release") == 1


def test_a_release_of_nothing_that_is_here_is_refused_with_the_argument_named(lab: Any) -> None:
    right = {"build": "toy", "kind": "clinvar", "digest": "0" * 32}
    refused = [
        ({**right, "build": ""}, "arguments.build: missing"),
        ({**right, "build": "GRCh99"}, "arguments.build: 'GRCh99' has no genome here"),
        ({**right, "kind": "horoscope"}, "arguments.kind: there is no kind of knowledge 'horoscope'"),
        (right, "arguments.digest: no pack 000000000000"),
        ({**right, "digest": "*"}, "arguments.digest: '*' is no digest"),
        ({**right, "digest": "?", "lane": "x"}, "arguments.digest"),
        ({}, "arguments.build: missing"),
    ]
    commands = [(ask(lab, "release", None, **arguments), said) for arguments, said in refused]
    lab.run()
    for command, said in commands:
        assert outcome(lab, command).startswith(f"refused: {said}")
    assert lab.count("release") == 0


def test_a_pack_of_another_build_or_kind_is_refused(lab: Any) -> None:
    elsewhere = ask(lab, "release", pack_of(lab, "1", build="GRCh99"), build="toy")
    otherwise = ask(lab, "release", pack_of(lab, "1", kind="frequency"), kind="clinvar")
    lab.run()
    assert "is made for GRCh99, not for toy" in outcome(lab, elsewhere)
    assert "is a pack of frequency, not of clinvar" in outcome(lab, otherwise)
    assert "clinvar" not in active_packs(lab.folder / "packs", "toy")


def commercial(lab: Any) -> None:
    around = Surroundings((lab.folder,), lambda: ["toy"], lambda path: lab.samples_of[path], commercial=True)
    lab.control = Control(
        lab.control.desk, around, lab.control.intake._active, b"key of the test installation", lab.backlog, metrics=Metrics(), worker="test"
    )


def test_a_commercial_installation_refuses_what_it_may_not_use(lab: Any) -> None:
    commercial(lab)
    licences = [("non_commercial", False), ("unknown", False), ("open", True), ("commercial", True)]
    for licence, taken in licences:
        command = ask(lab, "release", pack_of(lab, licence, licence=licence))
        lab.run()
        active = active_packs(lab.folder / "packs", "toy").get("clinvar")
        assert (active is not None and active.version == licence) is taken
        assert outcome(lab, command).startswith("released" if taken else f"refused: clinvar@{licence} has the licence class {licence}")


def test_a_release_runs_until_the_last_current_sample_is_under_its_pack(lab: Any) -> None:
    ask(lab, "release", pack_of(lab, "1", "2016-01-04"))
    lab.run()
    published(lab, "a", "S1")
    published(lab, "b", "S2")
    command = ask(lab, "release", pack_of(lab, "2", "2016-08-02"))
    lab.run()
    assert outcome(lab, command).endswith("2 samples on file follow")
    running = stands(lab, command)
    assert (running.state, running.samples, running.samples_done) == (ReleaseState.RUNNING, 2, 0)
    carry(lab, "S1")
    half = stands(lab, command)
    assert (half.state, half.samples, half.samples_done) == (ReleaseState.RUNNING, 2, 1)
    carry(lab, "S2")
    done = stands(lab, command)
    assert (done.state, done.samples_done, done.samples_touched) == (ReleaseState.DONE, 2, 0)


def test_a_sample_in_flight_during_a_release_is_published_under_its_plan_and_then_counts(lab: Any) -> None:
    ask(lab, "release", pack_of(lab, "1", "2016-01-04"))
    lab.run()
    published(lab, "a", "S1")
    lab.announce(lab.file("b", "S2"))
    lab.run()
    command = ask(lab, "release", pack_of(lab, "2", "2016-08-02"))
    lab.run()
    assert stands(lab, command).samples == 1
    lab.work()
    lab.run()
    assert (stands(lab, command).samples, stands(lab, command).samples_done) == (2, 0)


def test_a_sample_deleted_meanwhile_no_longer_counts(lab: Any) -> None:
    ask(lab, "release", pack_of(lab, "1", "2016-01-04"))
    lab.run()
    published(lab, "a", "S1")
    command = ask(lab, "release", pack_of(lab, "2", "2016-08-02"))
    lab.run()
    lab.command("delete", "S1")
    lab.run()
    assert stands(lab, command).state is ReleaseState.DONE


def test_a_release_that_waits_for_what_is_in_flight_says_so(lab: Any) -> None:
    published(lab, "a", "S1")
    lab.announce(lab.file("b", "S1"))
    command = ask(lab, "release", pack_of(lab, "1"))
    lab.run()
    running = stands(lab, command)
    assert (running.state, "1 samples follow once what is in flight" in running.detail) == (ReleaseState.RUNNING, True)
    lab.work()
    lab.run()
    assert "in flight" not in stands(lab, command).detail


def test_two_releases_at_once_go_in_the_order_of_the_topic_and_say_so(lab: Any) -> None:
    ask(lab, "release", pack_of(lab, "1", "2016-01-04"))
    lab.run()
    published(lab, "a", "S1")
    one = ask(lab, "release", pack_of(lab, "2", "2016-08-02"))
    two = ask(lab, "release", pack_of(lab, "3", "2017-01-04"))
    lab.run()
    assert active(lab) == "3"
    assert "clinvar clinvar@2 of this build still run" in outcome(lab, two)
    assert stands(lab, one).state is ReleaseState.REPLACED
    assert stands(lab, two).state is ReleaseState.RUNNING
    carry(lab, "S1")
    assert stands(lab, two).state is ReleaseState.DONE


def test_releases_of_two_kinds_are_both_done_when_both_are_there(lab: Any) -> None:
    published(lab, "a", "S1")
    one = ask(lab, "release", pack_of(lab, "1"))
    two = ask(lab, "release", pack_of(lab, "1", kind="frequency"))
    lab.run()
    assert stands(lab, one).state is stands(lab, two).state is ReleaseState.RUNNING
    carry(lab, "S1")
    assert stands(lab, one).state is stands(lab, two).state is ReleaseState.DONE


def test_a_paused_build_says_who_paused_it_and_goes_on_when_resumed(lab: Any) -> None:
    published(lab, "a", "S1")
    ask(lab, "pause", build="toy")
    command = ask(lab, "release", pack_of(lab, "1"))
    lab.run()
    paused = stands(lab, command)
    assert (paused.state, "toy by tester: because" in paused.detail) == (ReleaseState.PAUSED, True)
    assert set(lab.records.releases.paused()) == {"toy"}
    ask(lab, "resume")
    lab.run()
    assert lab.records.releases.paused() == {}
    assert stands(lab, command).state is ReleaseState.RUNNING
    wrong = ask(lab, "pause", build="GRCh99")
    lab.run()
    assert "arguments.build: 'GRCh99' has no genome here" in outcome(lab, wrong)


def test_the_most_urgent_release_under_way_gives_the_lane(lab: Any) -> None:
    published(lab, "a", "S1")
    plan = lab.control.intake._active.assigned("toy")
    ask(lab, "release", pack_of(lab, "1"), lane="routine")
    lab.run()
    assert lab.control.reconciler.lane_of(plan, lab.control.intake._active.assigned("toy")) == "routine"
    ask(lab, "release", pack_of(lab, "1", kind="frequency"), lane="urgent")
    lab.run()
    assert lab.control.reconciler.lane_of(plan, lab.control.intake._active.assigned("toy")) == "urgent"
    assert lab.control.reconciler.lane_of(plan, plan) == "background"


def test_an_emptied_topic_is_told_again_from_the_tables(lab: Any) -> None:
    one, two = pack_of(lab, "1", "2016-01-04"), pack_of(lab, "2", "2016-08-02")
    for pack in (one, two, one):
        ask(lab, "release", pack)
    lab.run()
    before, told_before = told(lab), len(lab.broker.log(KNOWLEDGE_RELEASES.name))
    assert lab.control.releases.republish() == 3
    assert len(lab.broker.log(KNOWLEDGE_RELEASES.name)) > told_before
    assert told(lab) == before


class Stuck:
    """A reconciler that needs a person."""

    def __init__(self) -> None:
        self.poked = 0

    def poke(self) -> None:
        self.poked += 1

    def held(self, build: str) -> tuple[str, ...]:
        return (f"chunk c1 of {build} is in quarantine",)


def test_a_release_whose_delta_is_held_says_why(lab: Any) -> None:
    published(lab, "a", "S1")
    stuck = Stuck()
    lab.control.releases.reconciler = stuck
    command = ask(lab, "release", pack_of(lab, "1"))
    lab.run()
    held = stands(lab, command)
    assert (held.state, held.detail) == (ReleaseState.HELD, "chunk c1 of toy is in quarantine")
    assert stuck.poked > 0


def test_samples_that_no_delta_can_bring_there_are_told(lab: Any) -> None:
    published(lab, "a", "S1")
    lab.add_pack("genome", "toy2")
    command = ask(lab, "release", pack_of(lab, "1"))
    lab.run()
    held = stands(lab, command)
    assert (held.state, "1 samples were interpreted with another genome" in held.detail) == (ReleaseState.HELD, True)


def test_what_was_activated_while_nothing_ran_becomes_a_release(lab: Any) -> None:
    published(lab, "a", "S1")
    pack = pack_of(lab, "1")
    activate(lab.folder / "packs", pack)
    for _ in range(2):
        lab.start()
        lab.clock.at += 5.0
        lab.control.follow_releases()
    [(row, status)] = lab.records.releases.all()
    assert (row.to_digest, row.reason, status.state) == (pack.digest, "activated without a command", ReleaseState.RUNNING)
    assert told(lab)["toy/clinvar/clinvar@1"].state == "active"


# --- consent ---------------------------------------------------------------------------------------------------------


def test_an_opted_out_sample_stays_under_its_plan_and_holds_no_release_up(lab: Any) -> None:
    lab.announce(lab.file("a", "S1"), reanalysis="refused")
    lab.announce(lab.file("b", "S2"))
    lab.run()
    for job in lab.jobs():
        lab.work(job)
    lab.run()
    command = ask(lab, "release", pack_of(lab, "1"))
    lab.run()
    carry(lab, "S2")
    done = stands(lab, command)
    assert (done.state, done.samples, done.samples_done) == (ReleaseState.DONE, 1, 1)
    assert "1 samples take no part" in done.detail


def test_consent_is_changed_later_and_the_newest_decision_counts(lab: Any) -> None:
    published(lab, "a", "S1")
    mine = lab.sample_id("S1")
    assert lab.records.releases.reanalysis([mine]) == {}
    for answer, allowed in (("refused", False), ("allowed", True)):
        lab.send(RUN_EVENTS.name, Command(uuid.uuid4().hex, lab.clock.now(), "reanalysis", "S1", "tester", "a letter", {"answer": answer}))
        lab.run()
        assert lab.records.releases.reanalysis([mine]) == {mine: allowed}


def test_consent_of_nobody_or_of_no_answer_is_refused(lab: Any) -> None:
    published(lab, "a", "S1")
    for sample, answer, said in (("S9", "refused", "no such sample"), ("S1", "perhaps", "arguments.answer: 'perhaps'")):
        command = Command(uuid.uuid4().hex, lab.clock.now(), "reanalysis", sample, "tester", "", {"answer": answer})
        lab.send(RUN_EVENTS.name, command)
        lab.run()
        assert outcome(lab, command).startswith(f"refused: {said}")


def test_a_refusal_survives_deaths_at_intake(lab: Any) -> None:
    lab.announce(lab.file("a", "S1"), reanalysis="refused")
    for point in (FailPoint.INTAKE_ACCEPTED, FailPoint.INTAKE_SUBMISSION, FailPoint.INTAKE_ROWS):
        lab.start(point)
        with pytest.raises(SimulatedCrash):
            lab.run()
    lab.start()
    lab.run()
    assert lab.records.releases.reanalysis([lab.sample_id("S1")]) == {lab.sample_id("S1"): False}


def test_an_announcement_that_says_something_else_is_rejected(lab: Any) -> None:
    lab.announce(lab.file("a", "S1"), samples=("S1",), reanalysis="perhaps")
    lab.run()
    assert lab.state().state == "rejected"
    assert "reanalysis: 'perhaps' is neither allowed nor refused" in lab.state().reason


def test_the_same_calls_with_another_answer_change_the_consent_and_nothing_else(lab: Any) -> None:
    file = lab.file("a", "S1")
    lab.announce(file)
    lab.run()
    lab.work()
    lab.run()
    lab.announce(file, reanalysis="refused")
    lab.run()
    assert lab.count("submission") == 1
    assert lab.records.releases.reanalysis([lab.sample_id("S1")]) == {lab.sample_id("S1"): False}


def test_an_installation_that_asks_first_refuses_for_those_who_said_nothing(lab: Any, tmp_path: Path) -> None:
    published(lab, "a", "S1")
    around = Surroundings((tmp_path.resolve(),), lambda: ["toy"], lambda path: lab.samples_of[path], opt_in=True)
    lab.control = Control(
        lab.control.desk, around, lab.control.intake._active, b"key of the test installation", lab.backlog, metrics=Metrics(), worker="test"
    )
    lab.announce(lab.file("b", "S2"))
    lab.announce(lab.file("c", "S3"), reanalysis="allowed")
    lab.run()
    ids = [lab.sample_id(sample) for sample in ("S1", "S2", "S3")]
    assert lab.records.releases.reanalysis(ids) == dict(zip(ids, (False, False, True), strict=True))
