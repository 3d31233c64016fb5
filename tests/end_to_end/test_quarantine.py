"""What a stage cannot process is kept as it came, holds its sample, and goes on by a person's word: replayed, or acknowledged as missing.

The cause is one that an installation can meet and mend: the database refuses the rows of one contig, by a constraint that its admin sets.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.events import Finding, Receipt, SampleInterpreted, SampleState
from streams import quarantine, wire
from streams.broker import Message, Output
from streams.cli.session import Session
from streams.cli.states import current_states

pytestmark = pytest.mark.broker


@pytest.fixture
def refusing(stack: Any) -> Callable[[], Any]:
    """While it lasts, the database takes no call of contig 2."""

    @contextmanager
    def refuse() -> Iterator[None]:
        with stack.client("admin") as admin:
            admin.command("ALTER TABLE calls ADD CONSTRAINT refuses_contig_2 CHECK contig != '2'")
            try:
                yield
            finally:
                admin.command("ALTER TABLE calls DROP CONSTRAINT refuses_contig_2")

    return refuse


def other_person(world: Any, name: str, folder: Path) -> Path:
    """The mother's calls under another name."""
    lines = gzip.decompress(world.people["mother"].read_bytes()).split(b"\n")
    renamed = [line.replace(b"\tmother", b"\t" + name.encode()) if line.startswith(b"#CHROM") else line for line in lines]
    path = folder / f"{name}.vcf"
    path.write_bytes(b"\n".join(renamed))
    return path


def every(stack: Any, topic: str) -> list[Message]:
    with Session(stack.root).reader() as reader:
        bounds = {partition: reader.bounds(partition) for partition in reader.partitions(topic)}
        return list(quarantine.through(reader, bounds))


def held(stack: Any, submission_id: str) -> list[quarantine.Quarantined]:
    with Session(stack.root).reader() as reader:
        return [entry for entry in quarantine.listed(reader) if entry.submission_id == submission_id]


def submission_of(stack: Any, sample: str) -> str:
    with stack.client("admin") as admin:
        [(submission,)] = admin.rows(
            "SELECT submission_id FROM submission WHERE has(sample_ids, {id:String})", {"id": stack.sample_id(sample)}
        )
    return str(submission)


def until_published(stack: Any, sample: str) -> SampleState:
    deadline = time.monotonic() + 60
    while True:
        with Session(stack.root).reader() as reader:
            found = current_states(reader)[stack.sample_id(sample)]
        if found.state == "published":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.3)


def interpreted(stack: Any, sample: str) -> list[SampleInterpreted]:
    """In the order of announcement. Nothing else was announced of a sample that has none."""
    events: list[Any] = [wire.decode(message.value, Finding, SampleInterpreted) for message in every(stack, "results")]
    return [event for event in events if event.sample_id == stack.sample_id(sample) and isinstance(event, SampleInterpreted)]


def test_a_chunk_in_quarantine_holds_its_sample_until_it_is_replayed(
    stack: Any, world: Any, refusing: Callable[[], Any], units: Callable[[Path, str], int], tmp_path: Path
) -> None:
    path = other_person(world, "aunt", tmp_path)
    with refusing():
        state = stack.json("submit", path, "--build", world.build, "--sample", "aunt", "--wait", code=3)
        assert state["state"] == "incomplete"
        assert "in quarantine" in stack.run("status", "aunt", code=3)
        assert stack.rows(f"SELECT count() FROM calls_current WHERE sample_id = '{stack.sample_id('aunt')}'") == [(0,)]
        assert interpreted(stack, "aunt") == []

        submission = submission_of(stack, "aunt")
        listed = [entry for entry in stack.json("quarantine", "list") if entry["submission_id"] == submission]
        entries = held(stack, submission)
        assert [entry["offset"] for entry in listed] == [entry.place.offset for entry in entries]
        assert {entry["contig"] for entry in listed} == {"2"}
        assert all("refuses_contig_2" in entry["detail"] for entry in listed)
        origins = {message.place(): message for message in every(stack, "chunks.raw")}
        for entry in entries:
            original = origins[f"{entry.topic}/{entry.partition}/{entry.offset}"]
            assert (entry.place.value, entry.headers, entry.key) == (original.value, original.headers, original.key)
        receipts = [wire.decode(message.value, Receipt) for message in every(stack, "receipts")]
        told = {r.chunk_id for r in receipts if r.submission_id == submission and r.outcome == "quarantined"}
        assert told == {entry.chunk_id for entry in entries}
        shown = stack.json("quarantine", "show", str(entries[0].place.offset))
        assert shown["headers"]["submission_id"] == submission

    stack.run("quarantine", "replay", *[str(entry.place.offset) for entry in entries])
    published = until_published(stack, "aunt")
    assert published.variants_in == published.landed + published.quarantined == units(world.people["mother"], "mother")
    assert [event.complete for event in interpreted(stack, "aunt")] == [True]


@pytest.mark.soak  # `make test` has the same rules on the in-memory broker: streams/control/test_watch.py
def test_a_sample_acknowledged_without_its_chunk_says_so_and_only_a_new_revision_is_whole(
    stack: Any, world: Any, refusing: Callable[[], Any], units: Callable[[Path, str], int], tmp_path: Path
) -> None:
    path = other_person(world, "uncle", tmp_path)
    key = stack.sample_id("uncle")
    with refusing():
        stack.run("submit", path, "--build", world.build, "--sample", "uncle", "--wait", code=3)
        stack.run("quarantine", "acknowledge", "uncle", "--reason", "contig 2 is not in question")
    state = until_published(stack, "uncle")
    assert state.variants_in == state.landed + state.quarantined == units(world.people["mother"], "mother")
    assert stack.rows(f"SELECT DISTINCT contig FROM calls_current WHERE sample_id = '{key}'") == [("1",)]
    assert stack.rows(f"SELECT complete, reason FROM publication WHERE sample_id = '{key}'") == [(False, "contig 2 is not in question")]
    assert [event.complete for event in interpreted(stack, "uncle")] == [False]

    late = [str(entry.place.offset) for entry in held(stack, submission_of(stack, "uncle"))]
    before = len(every(stack, "chunks.raw"))
    refused = stack.refused("quarantine", "replay", *late)
    assert f"riverseq replay {key}" in refused
    stack.run("quarantine", "replay", "--all")
    assert len(every(stack, "chunks.raw")) == before, "nothing was sent again"

    again = stack.json("replay", "uncle", "--wait")
    assert again["revision"] == 2
    assert again["landed"] > state.landed
    assert [event.complete for event in interpreted(stack, "uncle")] == [False, True]


def test_a_message_damaged_on_its_way_is_kept_and_harms_nobody(stack: Any, world: Any, tmp_path: Path) -> None:
    path = other_person(world, "cousin", tmp_path)
    whole = stack.json("submit", path, "--build", world.build, "--sample", "cousin", "--wait")
    submission = submission_of(stack, "cousin")
    real = next(message for message in every(stack, "chunks.raw") if message.header("submission_id") == submission)
    damaged = bytearray(real.value)
    damaged[len(damaged) // 2] ^= 1
    with Session(stack.root).producer() as producer:
        producer.produce(Output(real.topic, real.key or b"", bytes(damaged), real.headers))
    deadline = time.monotonic() + 30
    while not (entries := held(stack, submission)):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    [entry] = entries
    assert entry.error == "WireError"
    assert "digest" in entry.detail
    assert entry.place.value == bytes(damaged)
    state = until_published(stack, "cousin")
    assert state.landed == whole["landed"]
