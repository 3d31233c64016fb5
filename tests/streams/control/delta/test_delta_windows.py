"""Each window that a delta opens: control dies exactly there, or something else happens meanwhile, and everything is there once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas import identity
from schemas.events import SampleInterpreted
from streams.failpoints import FailPoint, SimulatedCrash

P, B, U = "Pathogenic", "Benign", "Uncertain_significance"
POINTS = [point for point in FailPoint if point.startswith("delta.")] + [FailPoint.ANNOUNCING, FailPoint.ANNOUNCED]


def begin(lab: Any) -> None:
    """Two touched samples and one that is not, under a first release."""
    a, b, c, *rest = lab.sites
    lab.clinvar("1", {a: U, b: P})
    lab.submit("kid", [a, b, *rest[:6]])
    lab.submit("mum", [a, c, *rest[3:9]])
    lab.submit("dad", rest[:9])
    lab.run()


def release(lab: Any) -> None:
    a, b, c, *_ = lab.sites
    lab.clinvar("2", {a: P, b: B, c: P})


def check(lab: Any) -> None:
    """Each sample stands where it should, once, and was told of once."""
    assert lab.behind() == 0
    a, b, c, *_rest = lab.sites
    assert [number for number, _, _ in lab.publications("kid")] == [1, 2]
    assert [number for number, _, _ in lab.publications("mum")] == [1, 2]
    assert [number for number, _, _ in lab.publications("dad")] == [1]
    steps = lab.client.rows("SELECT step FROM carried FINAL WHERE sample_id = {id:String}", {"id": lab.samples["dad"]})
    assert steps == [(1,)]
    revisions = lab.client.rows("SELECT submission_id, number FROM revision FINAL")
    assert len(set(revisions)) == len(revisions) == 5
    told = lab.reclassified()
    assert {(lab.samples["kid"], a[0]), (lab.samples["kid"], b[0]), (lab.samples["mum"], a[0]), (lab.samples["mum"], c[0])} == {
        (event.sample_id, event.position) for event in told
    }
    assert len({event.id for event in told}) == 4
    assert all(event == next(other for other in told if other.id == event.id) for event in told)
    current = {row[0] for row in lab.client.rows("SELECT revision_id FROM sample_current")}
    interpreted = {event.id for event in lab.results() if isinstance(event, SampleInterpreted) and event.base}
    ids = {identity.result_id(event.revision_id, event.sample_id, 0, "SampleInterpreted") for event in told}
    assert interpreted == ids
    assert {event.revision_id for event in told} <= current
    assert lab.client.value("SELECT count() FROM publication FINAL WHERE revision_id NOT IN (SELECT revision_id FROM announced)") == 0


QUICK = {FailPoint.DELTA_ROWS}
"""Each window by itself is for `make soak`, but for these; `make test` opens all of them in one delta."""


@pytest.mark.parametrize("point", [pytest.param(point, marks=[] if point in QUICK else pytest.mark.soak) for point in POINTS])
def test_control_dies_in_a_delta_and_every_row_is_there_once(lab: Any, point: FailPoint) -> None:
    begin(lab)
    lab.start(point)
    release(lab)
    with pytest.raises(SimulatedCrash):
        lab.run()
    lab.start()
    lab.run()
    check(lab)
    a, b, c, *rest = lab.sites
    seen = lab.seen(["kid", "mum", "dad"])
    assert seen == lab.scratch({"kid": [a, b, *rest[:6]], "mum": [a, c, *rest[3:9]], "dad": rest[:9]})


def test_control_dies_in_every_window_of_a_delta_in_turn_and_every_row_is_there_once(lab: Any) -> None:
    begin(lab)
    for number, point in enumerate(POINTS):
        lab.start(point)
        if number == 0:
            release(lab)
        with pytest.raises(SimulatedCrash):
            lab.run()
    lab.start()
    lab.run()
    check(lab)


def until_sent(lab: Any) -> None:
    """Up to where the chunks of a delta are sent and none is worked on."""
    release(lab)
    assert lab.control.reconciler.turn()


def test_a_sample_deleted_meanwhile_is_left_out_and_leaves_nothing(lab: Any) -> None:
    begin(lab)
    until_sent(lab)
    lab.command("delete", "kid")
    lab.run()
    gone = {"id": lab.samples["kid"]}
    for table in ("finding", "reclassified", "superseded", "carried"):
        assert lab.client.value(f"SELECT count() FROM {table} WHERE sample_id = {{id:String}} AND 1", gone) == 0, table
    assert {event.sample_id for event in lab.reclassified()} == {lab.samples["mum"]}
    assert lab.behind() == 0


@pytest.mark.soak
def test_a_sample_deleted_after_its_delta_leaves_nothing(lab: Any) -> None:
    begin(lab)
    release(lab)
    lab.run()
    lab.command("delete", "kid")
    lab.run()
    for table in ("finding", "reclassified", "superseded"):
        assert lab.client.value(f"SELECT count() FROM {table} WHERE sample_id = {{id:String}}", {"id": lab.samples["kid"]}) == 0, table


def test_a_sample_resubmitted_meanwhile_is_interpreted_whole(lab: Any) -> None:
    begin(lab)
    until_sent(lab)
    lab.submit("kid", [lab.sites[0], *lab.sites[9:15]])
    lab.run()
    assert lab.behind() == 0
    ordinals = lab.client.rows(
        "SELECT ordinal, number FROM publication FINAL WHERE sample_id = {id:String} ORDER BY ordinal, number", {"id": lab.samples["kid"]}
    )
    assert ordinals[-1] == (2, 1)
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": [lab.sites[0], *lab.sites[9:15]]})


def test_a_sample_replayed_meanwhile_gets_no_number_twice(lab: Any) -> None:
    begin(lab)
    until_sent(lab)
    lab.command("replay", "kid")
    lab.run()
    numbers = [number for number, _, _ in lab.publications("kid")]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 2
    assert lab.behind() == 0
    a, b, _, *rest = lab.sites
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": [a, b, *rest[:6]]})


@pytest.mark.soak
def test_a_replay_stands_on_the_deltas_of_before(lab: Any) -> None:
    begin(lab)
    release(lab)
    lab.run()
    lab.command("replay", "kid")
    lab.run()
    published = lab.publications("kid")
    assert [number for number, _, _ in published] == [1, 2, 3]
    assert published[2][2] != published[0][2]  # a root of its own
    a, b, _, *rest = lab.sites
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": [a, b, *rest[:6]]})


def test_a_second_release_during_the_first_is_where_all_end(lab: Any) -> None:
    begin(lab)
    until_sent(lab)
    a, b, c, *rest = lab.sites
    lab.clinvar("3", {a: B, c: "Likely_pathogenic"})
    lab.run()
    assert lab.behind() == 0
    seen = lab.seen(["kid", "mum"])
    assert seen == lab.scratch({"kid": [a, b, *rest[:6]], "mum": [a, c, *rest[3:9]]})


def test_a_release_while_a_sample_is_in_flight_reaches_it_after_its_publication(lab: Any) -> None:
    a, *rest = lab.sites
    lab.clinvar("1", {a: U})
    lab.submit("kid", [a, *rest[:5]])
    lab.control.restore()
    for message in lab._new("run.events"):
        lab.control.event(message, lab.id)
        lab.read[message.topic] = message.offset + 1
    lab.clinvar("2", {a: P})
    lab.run()
    assert [number for number, _, _ in lab.publications("kid")] == [1, 2]
    assert [event.position for event in lab.reclassified()] == [a[0]]


def test_a_poisoned_delta_chunk_holds_the_delta_with_the_reason_and_goes_on_once_replayed(lab: Any) -> None:
    begin(lab)
    lab.refuse = {0}
    release(lab)
    lab.run()
    assert "poisoned" in lab.control.reconciler.held("toy")[0]
    assert [number for number, _, _ in lab.publications("kid")] == [1]
    lab.start()
    lab.run()
    assert "poisoned" in lab.control.reconciler.held("toy")[0]  # also after a restart
    lab.refuse = set()
    for message in lab.broker.log("chunks.raw.background"):
        lab._chunk(message)
    lab.run()
    assert lab.control.reconciler.held("toy") == ()
    check(lab)


@pytest.mark.soak
def test_a_delta_whose_chunks_went_astray_sends_them_again(lab: Any) -> None:
    begin(lab)
    until_sent(lab)
    for message in lab.broker.log("chunks.raw.background"):
        lab.read["chunks.raw.background" + str(message.number)] = message.offset + 1  # lost
    for _ in range(40):
        lab.step()
    check(lab)


@pytest.mark.soak
def test_a_paused_build_waits_and_goes_on(lab: Any) -> None:
    begin(lab)
    lab.command("pause", build="toy")
    lab.run()
    release(lab)
    lab.run()
    assert lab.behind() == 3
    lab.command("resume", build="toy")
    lab.run()
    check(lab)


@pytest.mark.soak
def test_a_case_that_takes_no_part_stays_under_its_plan_until_it_does(lab: Any) -> None:
    begin(lab)
    lab.command("reanalysis", "kid", answer="refused")
    lab.run()
    release(lab)
    lab.run()
    assert [number for number, _, _ in lab.publications("kid")] == [1]
    assert {event.sample_id for event in lab.reclassified()} == {lab.samples["mum"]}
    lab.command("reanalysis", "kid", answer="allowed")
    lab.run()
    check(lab)


@pytest.mark.soak
def test_samples_that_come_in_many_batches_send_each_allele_once(lab: Any) -> None:
    a, b, *rest = lab.sites
    lab.size = 2
    lab.start()
    lab.clinvar("1", {a: U})
    for name in ("s1", "s2", "s3", "s4", "s5"):
        lab.submit(name, [a, b, *rest[:3]])
    lab.run()
    lab.clinvar("2", {a: P})
    lab.run()
    assert lab.behind() == 0
    assert len(lab.broker.log("chunks.raw.background")) == 1
    assert len(lab.reclassified()) == 5


def test_a_pause_holds_a_delta_that_is_under_way(lab: Any) -> None:
    begin(lab)
    until_sent(lab)
    lab.command("pause", build="toy")
    lab.run()
    assert lab.behind() == 3
    assert [number for number, _, _ in lab.publications("kid")] == [1]
    lab.command("resume", build="toy")
    lab.run()
    check(lab)


def test_keys_that_aged_away_during_a_pause_are_written_again(lab: Any) -> None:
    begin(lab)
    until_sent(lab)
    lab.command("pause", build="toy")
    lab.run()
    lab.client.command("TRUNCATE TABLE delta_key")  # as after a day
    lab.command("resume", build="toy")
    lab.run()
    check(lab)


@pytest.mark.soak
def test_rows_whose_token_a_server_knows_without_having_them_are_written_again(lab: Any, monkeypatch: Any) -> None:
    begin(lab)
    insert = type(lab.client).insert
    swallowed: set[str] = set()

    def swallowing(self: Any, table: str, rows: Any, token: str, *more: Any) -> Any:
        if table == "reclassified" and (not swallowed or token in swallowed):
            swallowed.add(token)
            return None
        return insert(self, table, rows, token, *more)

    monkeypatch.setattr(type(lab.client), "insert", swallowing)
    release(lab)
    lab.run()
    assert swallowed
    check(lab)


@pytest.mark.soak
def test_a_source_that_is_taken_out_of_use_is_asked_no_more(lab: Any) -> None:
    begin(lab)
    lab.frequency("1", dict.fromkeys(lab.sites[:7], 0.5))
    lab.run()
    path = lab.packs / "active.json"
    for kind, answer in (("frequency", "frequency_answer"), ("clinvar", "clinvar_answer")):
        active = json.loads(path.read_text())
        del active["toy"][kind]
        path.write_text(json.dumps(active))
        lab.run()
        assert lab.behind() == 0
        assert lab.client.rows(f"SELECT DISTINCT {answer} FROM variant") == [("not_loaded",)]
    a, b, c, *rest = lab.sites
    seen = lab.seen(["kid", "mum", "dad"])
    assert seen == lab.scratch({"kid": [a, b, *rest[:6]], "mum": [a, c, *rest[3:9]], "dad": rest[:9]})


@pytest.mark.soak
def test_a_source_of_alleles_that_no_rule_reads_is_carried_with_its_values(lab: Any) -> None:
    begin(lab)
    lab._pack("dbsnp", "1", [f"1\t{p}\trs{n}\t{r}\t{a}\t.\t.\tRS={n}" for n, (p, r, a) in enumerate(lab.sites[:5], 100)], True)
    lab.run()
    assert lab.behind() == 0
    assert lab.broker.log("chunks.raw.background") == []
    assert {len(lab.publications(name)) for name in ("kid", "mum", "dad")} == {1}
    found = lab.client.rows("SELECT uniqExact(allele_id) FROM knowledge WHERE kind = 'dbsnp' AND answer = 'found'")
    assert found == [(5,)]
