"""`replay --as-of`: a study is interpreted with what was known then, and is in nobody's way."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.delta.waiting import busy
from processors.knowledge.as_of import NoPackOfThen, last_day, plan_as_of
from processors.knowledge.pack import Pack, activate, write_pack
from processors.land.asof import AsOf, Shadows
from processors.land.store import RevisionStatus
from schemas.events import Lane
from schemas.plan import Component, Plan
from streams.control.rebuild import state_of
from streams.failpoints import FailPoint, SimulatedCrash

THEN, LATER = "2016-01-04", "2017-01-03"


def pack(root: Path, kind: str, day: str, build: str = "toy", active: bool = False) -> Pack:
    made = write_pack(root, kind=kind, name=kind, version=day, build=build, rows=1, arrays={"a": np.array([1])}, extra={"date": day})
    if active:
        activate(root, made)
    return made


def note_sources(lab: Any) -> None:
    """What stands of the packs in the table `source`, which the stages write where they are real."""
    for digest, kind, day in lab.made:
        lab.client.insert_rows("source", ("digest", "kind", "date", "moving"), [(digest, kind, day, kind == "clinvar")], digest)


@pytest.fixture
def dated(lab: Any) -> Any:
    """A published sample under the ClinVar of LATER; that of THEN is on the machine."""
    packs = lab.folder / "packs"
    made = [pack(packs, "clinvar", THEN), pack(packs, "clinvar", LATER, active=True), pack(packs, "frequency", "2019-01-01", active=True)]
    lab.made = [(one.digest, one.kind, one.version) for one in made]
    note_sources(lab)
    lab.announce(lab.file("a"))
    lab.run()
    lab.work()
    lab.run()
    return lab


def study(lab: Any, as_of: str = "2016-05-01") -> None:
    lab.command("replay", as_of=as_of)
    lab.run()


def outcomes(lab: Any) -> list[str]:
    return [row[0] for row in lab.client.rows("SELECT outcome FROM decision WHERE kind = 'replay' ORDER BY time")]


def as_of(lab: Any, day: str) -> list[Any]:
    sql = Shadows(lab.client, AsOf(date.fromisoformat(day))).sql("SELECT revision_id FROM sample_current")
    return [row[0] for row in lab.client.rows(sql)]


def test_a_study_is_published_seen_as_of_its_date_and_by_nobody_else(dated: Any) -> None:
    live, shown, told = dated.jobs()[0].revision_id, dated.states(), len(dated.results())
    study(dated)
    job = dated.jobs()[-1]
    assert job.revision_id != live
    assert job.lane is Lane.BACKGROUND
    assert dated.records.plan(job.plan_id).component("clinvar").version == THEN
    assert dated.records.plan(job.plan_id).component("frequency").version == "2019-01-01"
    dated.work()
    dated.run()
    kinds = dict(dated.client.rows("SELECT revision_id, kind FROM publication"))
    assert kinds == {live: "live", job.revision_id: "study"}
    assert dated.records.current(dated.sample_id("S1")).revision_id == live
    assert as_of(dated, "2016-05-01") == [job.revision_id]
    assert as_of(dated, "2017-05-01") == [live]
    assert dated.states() == shown, "the board shows nothing of it"
    assert len(dated.results()) == told, "nobody is told"
    assert dated.count("announced") == 1
    state = state_of(dated.control.desk, dated.sample_id("S1"))
    assert state is not None
    assert state.revision_id == live


def test_the_same_study_twice_is_one(dated: Any) -> None:
    study(dated)
    study(dated)
    dated.work()
    dated.run()
    study(dated, "2016-07-01")  # the same packs
    first, second, third = outcomes(dated)
    assert first == second
    assert third == f"{first} is published"
    assert dated.client.value("SELECT count() FROM revision FINAL WHERE kind = 'study'") == 1


def test_an_open_study_is_in_nobodys_way(dated: Any) -> None:
    study(dated)
    assert busy(dated.client) == frozenset()
    dated.command("replay")  # live, under the plan of now
    dated.run()
    live = dated.jobs()[-1]
    assert live.lane is Lane.ROUTINE
    dated.work(live)
    dated.run()
    assert dated.state().state == "published"
    assert dated.records.current(dated.sample_id("S1")).revision_id == live.revision_id
    dated.announce(dated.file("b"))
    dated.run()
    statuses = {revision.kind: revision.status for revision in dated.records.revisions(live.submission_id)}
    assert statuses["study"] is RevisionStatus.OPEN, "a newer submission does not end it"
    dated.work(next(job for job in dated.jobs() if job.lane is Lane.BACKGROUND))
    dated.run()
    assert dated.client.value("SELECT count() FROM publication FINAL WHERE kind = 'study'") == 1


def test_a_study_may_be_asked_while_the_sample_is_in_flight(dated: Any) -> None:
    dated.announce(dated.file("b"))
    dated.run()
    live = dated.jobs()[-1]
    study(dated)
    dated.work()
    dated.run()
    assert dated.state().state == "queued"
    dated.work(live)
    dated.run()
    assert dated.records.current(dated.sample_id("S1")).revision_id == live.revision_id


@pytest.mark.parametrize(
    "point",
    [
        FailPoint.INTAKE_ROWS,
        *(pytest.param(p, marks=pytest.mark.soak) for p in (FailPoint.INTAKE_PLAN, FailPoint.INTAKE_JOB, FailPoint.PUBLISHED)),
    ],
)
def test_a_study_survives_the_death_of_control(dated: Any, point: FailPoint) -> None:
    def to_the_end() -> None:
        study(dated)
        dated.work()
        dated.run()

    dated.start(point)
    with pytest.raises(SimulatedCrash):
        to_the_end()
    dated.start()
    dated.run()
    if not dated.client.value("SELECT count() FROM publication FINAL WHERE kind = 'study'"):
        dated.work()
        dated.run()
    assert dated.client.value("SELECT count() FROM publication FINAL WHERE kind = 'study'") == 1
    assert dated.client.value("SELECT count() FROM revision FINAL WHERE kind = 'study'") == 1
    assert len(dated.interpreted()) == 1


def test_a_cancelled_study_can_be_asked_again(dated: Any) -> None:
    study(dated)
    dated.command("cancel")
    dated.run()
    assert dated.state().state == "published"
    study(dated)
    dated.work()
    dated.run()
    assert dated.client.value("SELECT count() FROM publication FINAL WHERE kind = 'study'") == 1


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2015-01-01", "no pack of 2015-01-01 or before: clinvar (the oldest here is of 2016-01-04)"),
        ("yesterday", "is not a date"),
        ("2077-01-01", "lies ahead"),
    ],
)
def test_a_study_that_cannot_be_made_is_refused_in_words(dated: Any, day: str, said: str) -> None:
    study(dated, day)
    [outcome] = outcomes(dated)
    assert outcome.startswith("refused: ")
    assert said in outcome
    assert dated.client.value("SELECT count() FROM revision FINAL WHERE kind = 'study'") == 0


def test_a_study_of_an_unknown_or_a_deleted_sample_is_refused(dated: Any) -> None:
    dated.command("replay", "nobody", as_of="2016-05-01")
    dated.command("delete")
    study(dated)
    assert [outcome.partition(":")[0] for outcome in outcomes(dated)] == ["refused", "refused"]


def test_the_plan_of_a_date_has_the_newest_packs_that_fit_kind_by_kind(tmp_path: Path) -> None:
    made = {day: pack(tmp_path, "clinvar", day) for day in ("2015-03", "2016", "2016-06-01", "soon")}
    other = pack(tmp_path, "clinvar", "2016-05-05", build="other")
    genes = pack(tmp_path, "dosage", "2014-01-01", build="any")
    late = pack(tmp_path, "revel", "2021-01-01")
    components = [Component(one.kind, one.name, one.version, one.digest) for one in (made["soon"], genes, late)]
    plan = Plan("toy", (Component("genome", "g", "1", "01"), *components))
    found = plan_as_of(plan, tmp_path, date(2016, 12, 30))
    assert {one.kind: one.version for one in found.components} == {
        "genome": "1", "clinvar": "2016-06-01", "dosage": "2014-01-01", "revel": "2021-01-01",
    }  # fmt: skip
    assert plan_as_of(plan, tmp_path, date(2016, 12, 31)).component("clinvar").digest == made["2016"].digest  # type: ignore[union-attr]
    assert plan_as_of(plan, tmp_path, date(2016, 5, 31)).component("clinvar").digest == made["2015-03"].digest  # type: ignore[union-attr]
    with pytest.raises(NoPackOfThen, match="clinvar"):
        plan_as_of(plan, tmp_path, date(2015, 3, 30))
    assert other.digest not in {one.digest for one in found.components}


def test_days_of_partial_dates_are_their_last(tmp_path: Path) -> None:
    assert [last_day(text) for text in ("2016", "2016-02", "2016-02-03")] == [date(2016, 12, 31), date(2016, 2, 29), date(2016, 2, 3)]
    assert {last_day(text) for text in ("", "soon", "2016-13", "2016-02-30", "16-01-01", "0000")} == {None}
