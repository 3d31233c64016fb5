"""What a stage cannot process is kept as it came, holds its sample, and goes on by a person's word: replayed, or acknowledged as missing.

The cause is one that an installation can meet and mend: the database refuses the rows of one contig, by a constraint that its admin sets.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.events import Receipt
from streams import quarantine, wire
from streams.broker import Message, Output
from streams.cli.session import Session

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


def held(stack: Any, submission_id: str) -> list[dict[str, Any]]:
    return [entry for entry in stack.json("quarantine", "list") if entry["submission_id"] == submission_id]


def submission_of(stack: Any, sample: str) -> str:
    [(submission,)] = stack.rows(f"SELECT submission_id FROM submission_sample WHERE sample_id = '{stack.sample_id(sample)}'")
    return str(submission)


def until(stack: Any, sample: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := stack.json("status", sample))["state"] != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return dict(found)


def results_of(stack: Any, sample: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stack.run("subscribe", "--from", "beginning", "--to-end").splitlines()]
    return [line for line in lines if line["sample_id"] == stack.sample_id(sample)]


def test_a_chunk_in_quarantine_holds_its_sample_until_it_is_replayed(
    stack: Any, world: Any, refusing: Callable[[], Any], units: Callable[[Path, str], int], tmp_path: Path
) -> None:
    path = other_person(world, "aunt", tmp_path)
    with refusing():
        state = stack.json("submit", path, "--build", world.build, "--sample", "aunt", "--wait", code=3)
        assert state["state"] == "incomplete"
        assert "in quarantine" in stack.run("status", "aunt", code=3)
        assert stack.rows(f"SELECT count() FROM calls_current WHERE sample_id = '{stack.sample_id('aunt')}'") == [(0,)]
        assert results_of(stack, "aunt") == []

        submission = submission_of(stack, "aunt")
        entries = held(stack, submission)
        assert {entry["contig"] for entry in entries} == {"2"}
        assert all("refuses_contig_2" in entry["detail"] for entry in entries)
        origins = {f"{message.topic}/{message.number}/{message.offset}": message for message in every(stack, "chunks.raw")}
        kept = {message.offset: message for message in every(stack, "quarantine")}
        for entry in entries:
            original, item = origins[entry["origin"]], quarantine.read(kept[entry["offset"]])
            assert (item.place.value, item.headers, item.key) == (original.value, original.headers, original.key)
        receipts = [wire.decode(message.value, Receipt) for message in every(stack, "receipts")]
        told = {r.chunk_id for r in receipts if r.submission_id == submission and r.outcome == "quarantined"}
        assert told == {entry["chunk_id"] for entry in entries}
        shown = stack.json("quarantine", "show", str(entries[0]["offset"]))
        assert shown["headers"]["submission_id"] == submission

    stack.run("quarantine", "replay", *[str(entry["offset"]) for entry in entries])
    state = until(stack, "aunt", "published")
    assert state["variants_in"] == state["landed"] + state["quarantined"] == units(world.people["mother"], "mother")
    [told_last] = [line for line in results_of(stack, "aunt") if line["type"] == "SampleInterpreted"]
    assert told_last["complete"] is True


def test_a_sample_acknowledged_without_its_chunk_says_so_and_only_a_new_revision_is_whole(
    stack: Any, world: Any, refusing: Callable[[], Any], units: Callable[[Path, str], int], tmp_path: Path
) -> None:
    path = other_person(world, "uncle", tmp_path)
    key = stack.sample_id("uncle")
    with refusing():
        stack.run("submit", path, "--build", world.build, "--sample", "uncle", "--wait", code=3)
        stack.run("quarantine", "acknowledge", "uncle", "--reason", "contig 2 is not in question")
    state = until(stack, "uncle", "published")
    assert state["variants_in"] == state["landed"] + state["quarantined"] == units(world.people["mother"], "mother")
    assert stack.rows(f"SELECT DISTINCT contig FROM calls_current WHERE sample_id = '{key}'") == [("1",)]
    assert stack.rows(f"SELECT complete, reason FROM publication WHERE sample_id = '{key}'") == [(False, "contig 2 is not in question")]
    assert results_of(stack, "uncle")[-1]["complete"] is False

    entries = held(stack, submission_of(stack, "uncle"))
    late = [str(entry["offset"]) for entry in entries]
    before = len(every(stack, "chunks.raw"))
    refused = stack.refused("quarantine", "replay", *late)
    assert f"riverseq replay {key}" in refused
    stack.run("quarantine", "replay", "--all")
    assert len(every(stack, "chunks.raw")) == before, "nothing was sent again"

    again = stack.json("replay", "uncle", "--wait")
    assert again["revision"] == 2
    assert again["landed"] > state["landed"]
    assert results_of(stack, "uncle")[-1]["complete"] is True


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
    assert entry["error"] == "WireError"
    assert "digest" in entry["detail"]
    [item] = [m for m in every(stack, "quarantine") if m.header("submission_id") == submission]
    assert item.value == bytes(damaged)
    state = stack.json("status", "cousin")
    assert (state["state"], state["landed"]) == ("published", whole["landed"])
