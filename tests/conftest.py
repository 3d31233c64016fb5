"""Fixtures that every part of the tests shares: where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the shared real data; a test that needs it is skipped, with the reason, on a machine without it."""
    folder = Path(os.environ.get("RIVERSEQ_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "README.md").exists():
        pytest.skip(f"no real data at {folder}: set RIVERSEQ_TEST_DATA")
    return folder
