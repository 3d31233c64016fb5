"""Values of sites files that several sources read: frequencies and counts, checked, with the record named that breaks the rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.allele_parts import Rows
from processors.knowledge.lookup import Spelling
from processors.knowledge.sources.info import numbers
from processors.knowledge.sources.refused import RecordRefused
from processors.knowledge.sources.sites import Sites, Written, select_alleles

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


def frequencies(written: Written, spans: I32, name: str, path: Path, number: str = "A") -> F32:
    """A frequency of each allele, NaN where missing. Raises RecordRefused for what is none."""
    value = numbers(written.text, spans, written.alt if number == "A" else None)
    refuse(written, spans, name, path, ~np.isnan(value) & ~((value >= 0) & (value <= 1)), "is no frequency")
    return value.astype(np.float32)


def counts(written: Written, spans: I32, name: str, path: Path, number: str = "A") -> I64:
    """A count of each allele, -1 where missing. Raises RecordRefused for what is none."""
    value = numbers(written.text, spans, written.alt if number == "A" else None)
    missing = np.isnan(value)
    bad = ~missing & ~((value >= 0) & (value < float(1 << 32) - 1) & (np.floor(value) == value))
    refuse(written, spans, name, path, bad, "is no count")
    return np.where(missing, -1, np.where(bad, 0, value)).astype(np.int64)


def refuse(written: Written, spans: I32, name: str, path: Path, bad: npt.NDArray[np.bool_], problem: str) -> None:
    """Raises RecordRefused for the first row that is `bad`."""
    if not bool(bad.any()):
        return
    first = int(np.flatnonzero(bad)[0])
    said = written.text[spans[first, 0] : spans[first, 1]].tobytes().decode(errors="replace")
    raise RecordRefused(path, int(written.record[first]), f": {name}={said} {problem}")


def kept_rows(block: Sites, keep: I64, columns: Mapping[str, Any]) -> Rows:
    """Rows of some of a block's alleles; `columns` hold values of all of them."""
    every = len(keep) == len(block.ids)
    alleles = block.alleles if every else select_alleles(block.alleles, keep)
    spelled = Spelling(alleles.ref_offsets, alleles.ref_bytes, alleles.alt_offsets, alleles.alt_bytes)
    return Rows(
        block.ids if every else block.ids[keep], spelled, {name: values if every else values[keep] for name, values in columns.items()}
    )
