"""Windows stopped exactly in a whole stack: what a killed process began, the one started after it finishes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.failpoints import VARIABLE, FailPoint

pytestmark = [pytest.mark.broker, pytest.mark.soak]


@pytest.mark.parametrize(
    ("point", "service"),
    [
        (FailPoint.INGEST_ALL_CHUNKS, "ingest"),  # every chunk is delivered, no manifest
        (FailPoint.LAND_ROWS, "chain"),  # a chunk's rows are written, its ledger is not
        (FailPoint.LAND_LEDGER, "chain"),  # a chunk's rows and ledger are written, nobody is told
        (FailPoint.ANNOUNCING, "control"),  # published, some results are sent, `announced` is not written
    ],
)
def test_a_process_killed_in_a_window_is_made_good(
    point: FailPoint, service: str, start_stack: Callable[..., Any], add_world: Callable[[Any], None], world: Any, tmp_path_factory: Any
) -> None:
    mark: Path = tmp_path_factory.mktemp("window") / "died"
    stack = start_stack([tmp_path_factory.getbasetemp()], {VARIABLE: f"{point}:1:{mark}"})
    add_world(stack)
    state = stack.json("submit", world.people["mother"], "--build", world.build, "--sample", "mother", "--wait")
    assert mark.exists(), f"no process reached {point}"
    assert stack.restarts()[service] >= 1
    assert state["state"] == "published"
    assert state["variants_in"] == state["landed"] + state["quarantined"]
    key = stack.sample_id("mother")
    assert stack.rows(f"SELECT count() FROM calls WHERE sample_id = '{key}'") == [(state["landed"],)]
    found = stack.rows(f"SELECT count() FROM finding_current WHERE sample_id = '{key}'")[0][0]
    lines = [json.loads(line) for line in stack.run("subscribe", "--from", "beginning", "--to-end").splitlines()]
    kinds = Counter(line["type"] for line in {line["id"]: line for line in lines}.values())
    assert kinds == {"Finding": found, "SampleInterpreted": 1}
    stack.run("down")
