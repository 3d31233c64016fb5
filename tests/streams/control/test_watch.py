"""Watching: what lands, what is late, what is held, and what a person is shown of it."""

from __future__ import annotations

from typing import Any

from streams.control.watch import RESENDS


def test_a_late_chunk_is_named_and_its_job_sent_again_once_nothing_is_waiting(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.work(land=lambda ordinal: ordinal != 1)
    lab.run()
    assert lab.state().state == "interpreting"
    lab.backlog.waiting = 1
    for _ in range(60):
        lab.step()
    assert "1 of 3 chunks are late, the first is 1" in lab.state().reason
    assert len(lab.jobs()) == 1
    lab.backlog.waiting = 0
    lab.step()
    for _ in range(10):
        lab.step()
    assert len(lab.jobs()) == 2
    assert lab.jobs()[0] == lab.jobs()[1]
    lab.work()
    lab.run()
    assert lab.state().state == "published"
    assert lab.count("calls") == lab.calls


def test_a_job_that_nobody_has_is_sent_again_but_not_for_ever(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    for _ in range(40):
        lab.clock.at += 100_000.0
        lab.step()
    assert len(lab.jobs()) == 1 + RESENDS
    assert "no ingest worker has taken the job" in lab.state().reason


def test_a_job_whose_backlog_nobody_knows_is_not_sent_again(lab: Any) -> None:
    from streams.broker import BrokerAway

    def unknown(lane: object) -> int:
        raise BrokerAway("no answer")

    lab.announce(lab.file("a"))
    lab.run()
    lab.backlog.unread = unknown
    for _ in range(60):
        lab.step()
    assert len(lab.jobs()) == 1


def test_progress_is_shown_at_most_twice_a_second_and_the_last_state_always(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    job = lab.jobs()[-1]
    before = len(lab.broker.log("sample.state"))
    start = lab.clock.at
    for n in range(100):
        lab.clock.at += 0.02
        lab.control.watch.receipt(_ingest_receipt(job, n))
        lab.control.show()
    sent = len(lab.broker.log("sample.state")) - before
    assert sent <= (lab.clock.at - start) / 0.5 + 1
    lab.clock.at += 1.0
    lab.control.show()
    assert lab.state().stages[0].done == 100 * 50


def _ingest_receipt(job: Any, ordinal: int) -> Any:
    from schemas.events import Receipt

    return Receipt(
        job.submission_id,
        job.revision_id,
        f"c{ordinal}",
        ordinal,
        "ingest",
        "done",
        50,
        1,
        (ordinal + 1) / 200,
        "w",
        "",
        "",
        1_700_000_000_000,
    )


def test_a_quarantined_chunk_holds_the_sample_until_it_is_replayed(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    job = lab.jobs()[-1]
    lab.work(land=lambda ordinal: ordinal != 0)
    quarantine_chunk(lab, job, 0)
    lab.run()
    assert lab.state().state == "incomplete"
    assert "chunk 0 (annotate): Boom: no such transcript" in lab.state().reason
    assert lab.results() == []
    lab.start()  # memory is gone, the table is not
    lab.run()
    assert lab.state().state == "incomplete"
    lab.work()  # the chunk was replayed and lands
    lab.run()
    assert lab.state().state == "published"
    assert lab.interpreted()[0].complete


def quarantine_chunk(lab: Any, job: Any, ordinal: int) -> None:
    from schemas import identity
    from schemas.events import Receipt

    plan = lab.records.plan(job.plan_id)
    chunk_id = identity.chunk_id(job.submission_id, 1, plan.cutting.key(), "1", ordinal)
    lab.send(
        "receipts",
        Receipt(
            job.submission_id, job.revision_id, chunk_id, ordinal, "annotate", "quarantined", 0, 1, -1.0, "w", "",
            "Boom: no such transcript", 1_700_000_000_000,
        ),
    )  # fmt: skip


def test_an_acknowledged_sample_is_published_incomplete_and_its_counts_add_up(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    job = lab.jobs()[-1]
    lab.work(land=lambda ordinal: ordinal != 0)
    quarantine_chunk(lab, job, 0)
    lab.run()
    lab.command("acknowledge", reason="known artefact")
    lab.run()
    [told] = lab.interpreted()
    assert not told.complete
    assert told.landed == lab.calls // 2
    assert told.variants_in == told.landed + sum(told.quarantined.values())
    assert told.quarantined["bad_ref"] == lab.faults
    assert lab.state().state == "published"
    assert "acknowledged by tester: known artefact" in lab.state().reason


def test_a_chunk_that_was_acknowledged_as_missing_is_not_replayed_into_what_is_published(lab: Any) -> None:
    from streams import quarantine
    from streams.broker import Message
    from streams.cli.quarantine import published
    from streams.outcomes import Quarantine

    lab.announce(lab.file("a"))
    lab.run()
    job = lab.jobs()[-1]
    lab.work(land=lambda ordinal: ordinal != 0)
    quarantine_chunk(lab, job, 0)
    lab.run()
    headers = [("submission_id", job.submission_id.encode()), ("revision_id", job.revision_id.encode())]
    chunk = Message("chunks.raw", 0, 0, b"c", b"chunk", headers)
    event = Message("run.events", 0, 1, b"e", b"an event that was no event", [])
    for message in (chunk, event):
        lab.broker.append(quarantine.quarantined(message, Quarantine("Boom", "why"), stage="s", worker="w", attempt=1, code=1))
    entries = list(quarantine.listed(lab.broker.reader()))
    assert published(lab.client, entries) == {}, "while the sample is held, everything may be replayed"
    lab.command("acknowledge")
    lab.run()
    [(offset, said)] = published(lab.client, entries).items()
    assert offset == entries[0].place.offset
    assert "published incomplete, as acknowledged by tester" in said
    assert f"`riverseq replay {lab.sample_id('S1')}`" in said


def test_rows_that_differ_from_the_manifest_are_never_published(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    job = lab.jobs()[-1]
    promised = lab.work(manifest=False)
    from dataclasses import replace

    wrong = replace(promised.samples[0], hash_sum=(promised.samples[0].hash_sum + 1) % 2**63)
    chunks = (replace(promised.chunks[0], hash_sum=(promised.chunks[0].hash_sum + 1) % 2**63), *promised.chunks[1:])
    lab.send("run.events", replace(promised, samples=(wrong,), chunks=chunks))
    for _ in range(30):
        lab.step()
    assert lab.state().state == "incomplete"
    assert "differs from the manifest" in lab.state().reason
    assert lab.results() == []
    assert lab.count("publication") == 0
    assert lab.records.revisions(job.submission_id)[0].status == "open"


def test_a_job_that_ends_in_quarantine_fails_its_sample_with_the_reason(lab: Any) -> None:
    """What no stage foresaw: without it the sample would wait, and its job be sent again, until patience ends."""
    from streams import quarantine
    from streams.outcomes import Quarantine

    lab.announce(lab.file("a"))
    lab.run()
    [sent] = lab.broker.log("work")
    told = quarantine.receipt(sent, Quarantine("TooLarge", "a chunk of 5 MB"), stage="ingest", worker="w", now=lab.clock.now())
    assert told is not None
    lab.broker.append(told)
    lab.run()
    assert (lab.state().state, lab.state().reason) == ("failed", "TooLarge: a chunk of 5 MB")
    lab.command("replay")  # once the cause is mended
    lab.run()
    lab.work()
    lab.run()
    assert lab.state().state == "published"


def test_unreadable_and_stray_receipts_are_ignored(lab: Any) -> None:
    from streams.broker import Output

    lab.announce(lab.file("a"))
    lab.run()
    lab.broker.append(Output("receipts", b"k", b"nonsense"))
    lab.send("receipts", _ingest_receipt(lab.jobs()[-1], 0).__class__("x", "y", "", -1, "ingest", "failed", 0, 0, -1.0, "w", "", "z", 1))
    lab.run()
    assert lab.state().state == "queued"
