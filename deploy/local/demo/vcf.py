"""Columns to VCF files: lines are joined by Arrow, blocks are compressed by igzip, so a million records take seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib

BLOCK = 65_280
"""Bytes of one BGZF block before compression, as htslib cuts them (SAM specification, section 4.1)."""
_EMPTY_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def join_lines(columns: Sequence[pa.Array | Sequence[str]]) -> bytes:
    """Tab-separated lines of string columns (equal lengths), each ended by a newline."""
    arrays = [(c if isinstance(c, pa.Array) else pa.array(c, type=pa.string())).cast(pa.large_string()) for c in columns]
    tab, newline, nothing = (pa.scalar(text, type=pa.large_string()) for text in ("\t", "\n", ""))
    arrays[-1] = pc.binary_join_element_wise(arrays[-1], nothing, newline)
    lines = pc.binary_join_element_wise(*arrays, tab)
    return bytes(lines.buffers()[2] or b"")


def numbers(values: npt.NDArray[Any]) -> pa.Array:
    """Integers as text."""
    return pa.array(values).cast(pa.string())


def header(build: str, contigs: Iterable[tuple[str, int]], lines: Sequence[str], columns: Sequence[str]) -> bytes:
    """Header of a VCF 4.3 file; `lines` are its INFO, FORMAT and FILTER lines, `columns` what follows INFO."""
    text = ["##fileformat=VCFv4.3", "##source=riverseq demo (synthetic)", f"##reference={build}"]
    text += [f"##contig=<ID={name},length={length}>" for name, length in contigs]
    text += [*lines, "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", *columns])]
    return ("\n".join(text) + "\n").encode()


def write_bgzf(path: Path, parts: Iterable[bytes]) -> int:
    """Write BGZF (what bgzip writes) and return the bytes before compression."""
    total = 0
    with path.open("wb") as out:
        for part in parts:
            total += len(part)
            view = memoryview(part)
            for place in range(0, len(part), BLOCK):
                piece = view[place : place + BLOCK]
                body = isal_zlib.compress(piece, 1, wbits=-15)
                size = len(body) + 26
                out.write(b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x06\x00BC\x02\x00" + (size - 1).to_bytes(2, "little"))
                out.write(body + isal_zlib.crc32(piece).to_bytes(4, "little") + len(piece).to_bytes(4, "little"))
        out.write(_EMPTY_BLOCK)
    return total
