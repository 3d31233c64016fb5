"""What the README shows works as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.events import SampleInterpreted
from streams.broker import Output
from streams.cli.app import build_app
from streams.confluent import ConfluentProducer
from streams.topics import RESULTS, create_topics
from streams.wire import encode

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.broker
def test_the_consumer_in_the_readme_reads_results(kafka: str, tmp_path: Path) -> None:
    program = tmp_path / "consumer.py"
    program.write_text(blocks("python")[0])
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 22
    create_topics(kafka)
    event = SampleInterpreted(
        "a" * 32, "b" * 32, "c" * 32, "d" * 32, 1, "e" * 32, "GRCh38", 12, 10, {"symbolic": 2}, 3, True, 1_700_000_000_000
    )
    producer = ConfluentProducer(kafka, name="readme")
    producer.produce(Output(RESULTS.name, event.sample_id.encode(), encode(event)))
    assert producer.flush(10.0) == 0
    consumer = subprocess.Popen([sys.executable, str(program), kafka, str(ROOT / "schemas" / "events")], stdout=subprocess.PIPE, text=True)
    try:
        assert consumer.stdout is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            row = json.loads(consumer.stdout.readline())
            if row["id"] == event.id:
                break
        assert row["type"] == "SampleInterpreted"
        assert (row["variants_in"], row["landed"], row["quarantined"]) == (12, 10, {"symbolic": 2})
    finally:
        consumer.kill()
        consumer.wait()


def test_every_riverseq_line_of_the_readme_is_a_command_with_options_that_exist() -> None:
    import typer.main

    group = typer.main.get_command(build_app())
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("riverseq ")]
    assert len(lines) > 12
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        command = group
        while words and hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--state", "--help"}
        for word in words:
            if word.startswith("-"):
                assert word.partition("=")[0] in options, line


def test_make_targets_that_the_readme_names_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"venv", "demo", "test", "bench", "soak", "lint", "clean"} <= targets
    assert set(re.findall(r"make ([a-z]+)", README)) <= targets
