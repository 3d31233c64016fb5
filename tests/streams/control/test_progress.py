"""The state machine of one revision: what it says after every order of receipts, manifest and ledger rows."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ChunkCount, Receipt, SampleManifest
from streams.control.progress import Phase, Progress, Rate
from streams.control.records import Landed, Quarantined


def manifest(chunks: int, rows: int = 100) -> SampleManifest:
    counts = tuple(ChunkCount(n, f"c{n}", "alleles", "21", rows, rows, n) for n in range(chunks))
    return SampleManifest("s", "r", "p", "d", chunks * rows, 0, 0, counts, ())


def receipt(ordinal: int, stage: str, outcome: str = "done", **over: object) -> Receipt:
    values: dict[str, object] = {
        "submission_id": "s", "revision_id": "r", "chunk_id": f"c{ordinal}", "ordinal": ordinal, "stage": stage, "outcome": outcome,
        "rows": 100, "size": 10, "fraction": -1.0, "worker": "w", "provider": "", "reason": "", "time": 1000,
    }  # fmt: skip
    return Receipt(**{**values, **over})  # type: ignore[arg-type]


def phase(progress: Progress) -> Phase:
    """The phase now: asked anew each time, which a type checker would not believe of an attribute."""
    return progress.phase


def fresh() -> Progress:
    return Progress("s", "r", started=0.0, opened_at=500)


def test_a_revision_goes_from_queued_to_verifying() -> None:
    progress = fresh()
    assert phase(progress) is Phase.QUEUED
    progress.on_receipt(receipt(0, "ingest", fraction=0.5), 1.0)
    assert phase(progress) is Phase.INGESTING
    progress.on_manifest(manifest(2), 2.0)
    assert phase(progress) is Phase.INTERPRETING
    assert progress.missing == (0, 1)
    progress.on_ledger([Landed(0, "c0", 100), Landed(1, "c1", 100)], 3.0)
    assert phase(progress) is Phase.VERIFYING


def test_a_landing_receipt_is_a_hint_and_never_completes_a_revision() -> None:
    progress = fresh()
    progress.on_manifest(manifest(1), 1.0)
    progress.on_receipt(receipt(0, "land"), 2.0)
    assert phase(progress) is Phase.INTERPRETING
    assert progress.missing == (0,)


def test_a_quarantined_chunk_makes_the_revision_incomplete_until_it_lands() -> None:
    progress = fresh()
    progress.on_manifest(manifest(2), 1.0)
    progress.on_receipt(receipt(1, "annotate", "quarantined", reason="Boom: bad"), 2.0)
    progress.on_ledger([Landed(0, "c0", 100)], 3.0)
    assert phase(progress) is Phase.INCOMPLETE
    assert "chunk 1 (annotate): Boom: bad" in progress.reason(3.0, 30.0)
    progress.on_ledger([Landed(1, "c1", 100)], 4.0)
    assert phase(progress) is Phase.VERIFYING
    assert progress.reason(4.0, 30.0) == ""


def test_a_quarantine_receipt_that_comes_after_the_chunk_landed_is_ignored() -> None:
    progress = fresh()
    progress.on_manifest(manifest(1), 1.0)
    progress.on_ledger([Landed(0, "c0", 100)], 2.0)
    progress.on_receipt(receipt(0, "annotate", "quarantined"), 3.0)
    progress.on_quarantined([Quarantined("c0", 0, "annotate", "late", 1)])
    assert phase(progress) is Phase.VERIFYING


def test_a_failed_job_fails_the_revision_unless_the_failure_is_of_an_earlier_attempt() -> None:
    progress = fresh()
    progress.on_receipt(receipt(-1, "ingest", "failed", chunk_id="", reason="truncated", time=499), 1.0)
    assert phase(progress) is Phase.QUEUED
    progress.on_receipt(receipt(-1, "ingest", "failed", chunk_id="", reason="truncated", time=500), 1.0)
    assert phase(progress) is Phase.FAILED
    assert progress.reason(1.0, 30.0) == "truncated"


def test_receipts_of_another_revision_change_nothing() -> None:
    progress = fresh()
    assert not progress.on_receipt(receipt(0, "ingest", revision_id="other"), 1.0)
    assert phase(progress) is Phase.QUEUED


def test_stuck_names_the_stage_that_owes_work() -> None:
    progress = fresh()
    assert progress.stuck(10.0, 30.0) is None
    stuck = progress.stuck(31.0, 30.0)
    assert stuck is not None
    assert stuck.stage == "ingest"
    assert "no ingest worker has taken the job" in stuck.reason

    progress.on_receipt(receipt(0, "ingest", fraction=0.4), 40.0)
    progress.on_ledger([Landed(0, "c0", 100)], 41.0)
    stuck = progress.stuck(80.0, 30.0)
    assert stuck is not None
    assert "read to 40% and no manifest came" in stuck.reason

    progress.on_manifest(manifest(3), 81.0)
    assert progress.stuck(82.0, 30.0) is None
    stuck = progress.stuck(120.0, 30.0)
    assert stuck is not None
    assert stuck.stage == "interpret"
    assert "2 of 3 chunks are late, the first is 1" in stuck.reason

    progress.on_ledger([Landed(1, "c1", 100), Landed(2, "c2", 100)], 121.0)
    assert progress.stuck(500.0, 30.0) is None


def test_remaining_time_follows_the_rate_of_landing() -> None:
    progress = fresh()
    progress.on_manifest(manifest(10), 0.0)
    assert progress.remaining(0.0) == -1.0
    for n in range(5):
        progress.on_ledger([Landed(n, f"c{n}", 100)], float(n + 1))
    assert 4.0 <= progress.remaining(5.0) <= 8.0
    ingest, interpret = progress.stages(5.0)
    assert (ingest.done, ingest.total) == (1000, 1000)
    assert (interpret.done, interpret.total) == (500, 1000)
    assert 60 <= interpret.rate <= 130


def test_the_total_is_projected_from_the_part_of_the_file_that_is_read() -> None:
    progress = fresh()
    assert progress.rows_total == -1
    progress.on_receipt(receipt(0, "ingest", fraction=0.25), 1.0)
    assert progress.rows_total == 400


def test_a_rate_falls_to_nothing_when_nothing_comes() -> None:
    rate = Rate()
    rate.note(0.0, 0)
    rate.note(1.0, 100)
    assert rate.value(1.0) == 100.0
    assert rate.value(100.0) == 1.0


@given(st.integers(1, 12), st.randoms(use_true_random=False), st.sets(st.integers(0, 11)))
def test_any_order_with_repeats_ends_in_the_same_phase(chunks: int, shuffler: random.Random, bad: set[int]) -> None:
    progress = fresh()
    quarantined = {n for n in bad if n < chunks}
    told: list[object] = [manifest(chunks)] * 2
    for n in range(chunks):
        told += [receipt(n, "ingest")] * 2
        told += [receipt(n, "annotate", "quarantined")] * 2 if n in quarantined else [Landed(n, f"c{n}", 100), receipt(n, "land")] * 2
    shuffler.shuffle(told)
    for now, what in enumerate(told):
        if isinstance(what, SampleManifest):
            progress.on_manifest(what, float(now))
        elif isinstance(what, Receipt):
            progress.on_receipt(what, float(now))
        elif isinstance(what, Landed):
            progress.on_ledger([what], float(now))
    assert progress.phase is (Phase.INCOMPLETE if quarantined else Phase.VERIFYING)
    assert progress.missing == ()
    assert set(progress.held) == quarantined
