"""The benchmark's input is what it says it is, and a process's CPU and memory are read as the kernel counts them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from cyvcf2 import VCF

from bench import measure
from bench.data import make_data
from deploy.local.state import ProcessState, Run


def test_a_sample_has_the_records_that_are_counted_and_carries_each(tmp_path: Path) -> None:
    files = make_data(tmp_path, 6_000, 1, 2_000, lambda _text: None, contigs=(900_000, 400_000))
    for name, path in files.samples.items():
        carried = [record.gt_types[0] in (1, 3) for record in VCF(str(path))]
        assert all(carried)
        assert len(carried) == files.records[name]
    assert files.records["whole"] > 5_500
    again = make_data(tmp_path, 6_000, 1, 2_000, lambda _text: None, contigs=(900_000, 400_000))
    assert again == files


def test_cpu_and_peak_memory_of_a_process_are_seen() -> None:
    run = Run(os.getpid(), "", processes={"me": ProcessState(os.getpid())})
    measure.reset_peaks(run)
    low, before = measure.peaks(run)["me"], measure.take(run).cpu["me"]
    block = np.ones(64 * measure.MIB, dtype=np.uint8)
    deadline = time.process_time() + 0.2
    while time.process_time() < deadline:
        block.sum()
    assert measure.peaks(run)["me"] > low + 50
    assert measure.take(run).cpu["me"] - before > 0.1
