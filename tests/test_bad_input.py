"""`BAD_INPUT.md`: every answer that it promises has the test that it names."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_row_names_tests_that_exist() -> None:
    rows = [line for line in (TESTS / "BAD_INPUT.md").read_text().splitlines() if line.startswith("| ") and not line.startswith("| input")]
    assert len(rows) > 30
    for row in rows:
        named = NAMED.findall(row)
        assert named, row
        for path, name in named:
            assert re.search(rf"^(async )?def {name}\(", (TESTS / path).read_text(), re.MULTILINE), f"{path} has no {name}"
