"""Where the text of a structural allele stands: in the kept sites of a chunk of faults, or in the lines of a file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from processors.ingest.columns import placeholder
from processors.ingest.faults import Fault
from processors.knowledge.sites_text import gather
from processors.knowledge.sources.sites import Written
from processors.knowledge.strings import read_only, string_buffers

REASONS = (Fault.SYMBOLIC, Fault.BREAKEND)
"""Faults behind which a structural allele may stand."""


@dataclass(frozen=True)
class Sites:
    """n structural ALTs: int32[n, 2] spans into `text` of CHROM, POS, the ALT and INFO; `row` says which row of the source each is.

    `alt_index` is 1-based. `cut`: the kept text ends before INFO, or does not reach the ALT.
    """

    text: npt.NDArray[np.uint8]
    row: npt.NDArray[np.int64]
    alt_index: npt.NDArray[np.int32]
    chrom: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    alt: npt.NDArray[np.int32]
    info: npt.NDArray[np.int32]
    cut: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)

    def slice(self, a: int, b: int) -> Sites:
        values: dict[str, Any] = {name: value[a:b] for name, value in self.__dict__.items() if name != "text"}
        return Sites(text=self.text, **values)


@njit(cache=True, nogil=True)
def _find(text, offsets, alt_index, chrom, position, alt, info, cut):  # type: ignore[no-untyped-def]
    for i in range(alt_index.shape[0]):
        a, b = offsets[i], offsets[i + 1]
        column, first = 0, a
        alt_a, alt_b = b, b
        chrom[i, :], position[i, :], info[i, :] = b, b, b
        for at in range(a, b + 1):
            if at < b and text[at] != 9:
                continue
            if column == 0:
                chrom[i, 0], chrom[i, 1] = first, at
            elif column == 1:
                position[i, 0], position[i, 1] = first, at
            elif column == 4:
                alt_a, alt_b = first, at
            elif column == 7:
                info[i, 0], info[i, 1] = first, at
            column += 1
            first = at + 1
        number, first = 1, alt_a
        alt[i, :] = alt_b
        for at in range(alt_a, alt_b + 1):
            if at == alt_b or text[at] == 44:
                if number == alt_index[i]:
                    alt[i, 0], alt[i, 1] = first, at
                number += 1
                first = at + 1
        cut[i] = column < 8 or alt[i, 0] == alt[i, 1]


@njit(cache=True, nogil=True)
def _no_variant(text, alt, out):  # type: ignore[no-untyped-def]
    """True for `.`, `*` and the placeholders of "any other allele"."""
    for i in range(alt.shape[0]):
        a, b = np.int64(alt[i, 0]), np.int64(alt[i, 1])
        out[i] = placeholder(text, a, b) or (b - a == 1 and (text[a] == 46 or text[a] == 42))


def sites_of_faults(rows: pa.RecordBatch) -> Sites:
    """The structural ALTs among rows of FAULT_FIELDS."""
    wanted = pc.is_in(rows.column("reason").cast(pa.string()), pa.array([fault.reason for fault in REASONS]))
    chosen = np.flatnonzero(wanted.to_numpy(zero_copy_only=False))
    site = rows.column("site").take(pa.array(chosen))
    offsets, text = string_buffers(site)
    alt_index = rows.column("alt_index").to_numpy()[chosen].astype(np.int32)
    chrom, position, alt, info = (np.empty((len(chosen), 2), dtype=np.int32) for _ in range(4))
    cut = np.empty(len(chosen), dtype=np.bool_)
    _find(text, offsets, alt_index, chrom, position, alt, info, cut)
    return _structural(Sites(text, chosen, alt_index, chrom, position, alt, info, cut))


def sites_of_records(written: Written) -> Sites:
    """The structural ALTs of a block of a file."""
    chosen = np.flatnonzero(np.isin(written.fault, [int(fault) for fault in REASONS]))
    chrom, position, alt, info = (span[chosen] for span in (written.chrom, written.position, written.alt_text, written.info))
    cut = np.zeros(len(chosen), dtype=np.bool_)
    return _structural(Sites(written.text, chosen, written.alt[chosen] + 1, chrom, position, alt, info, cut))


def _structural(sites: Sites) -> Sites:
    nothing = np.empty(len(sites), dtype=np.bool_)
    _no_variant(read_only(sites.text), sites.alt, nothing)
    if not nothing.any():
        return sites
    values: dict[str, Any] = {name: value[~nothing] for name, value in sites.__dict__.items() if name != "text"}
    return Sites(text=sites.text, **values)


def texts(text: npt.NDArray[np.uint8], low: npt.NDArray[np.int32], high: npt.NDArray[np.int32]) -> pa.Array[Any]:
    """Spans as a string column; what is no ASCII is decoded, and replaced where it is no UTF-8 either."""
    offsets, data = gather(read_only(text), np.stack([low, high], axis=1))
    if bool((data >= 128).any()):
        return pa.array([data[a:b].tobytes().decode("utf-8", "replace") for a, b in pairwise(offsets.tolist())], pa.string())
    return pa.StringArray.from_buffers(len(low), pa.py_buffer(offsets), pa.py_buffer(data))
