"""The input's records with their consequences in INFO, as VEP writes them: `CSQ=`, an entry an allele and transcript.

The header line of CSQ names the fields of an entry, which are parted by `|`, entries by `,`. Everything else of a record stays as it is,
byte for byte, also where it has several ALTs; a CSQ that the input brings is replaced. Within a value `,` becomes `&`, and what VCF forbids
in INFO is percent-encoded (VCF 4.3, section 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate.columns import I64, U8, Column, copy_exact
from processors.output.bgzf import BgzfWriter
from processors.output.cells import Arena, widths

FIELDS = {
    "allele": "Allele", "consequence": "Consequence", "impact": "IMPACT", "symbol": "SYMBOL", "gene": "Gene", "feature": "Feature_type",
    "transcript": "Feature", "biotype": "BIOTYPE", "exon": "EXON", "intron": "INTRON", "hgvsc": "HGVSc", "hgvsp": "HGVSp",
    "cdna_position": "cDNA_position", "cds_position": "CDS_position", "protein_position": "Protein_position", "amino_acids": "Amino_acids",
    "codons": "Codons", "distance": "DISTANCE", "flags": "FLAGS", "pick": "PICK", "allele_number": "ALLELE_NUM", "hgvsg": "HGVSg",
    "mane": "MANE", "effect": "EFFECT", "protein_lost": "PROTEIN_LOST", "clinvar": "CLINVAR", "frequency": "AF", "score": "SCORE",
}  # fmt: skip
"""Our columns under VEP's names, in VEP's order; what VEP does not have stands behind."""

_KEY = "CSQ"
_ESCAPES: npt.NDArray[np.uint8] = np.zeros(256, dtype=np.uint8)
for _letter in range(256):
    if _letter == ord(","):
        _ESCAPES[_letter] = 2
    elif _letter <= 32 or _letter == 127 or chr(_letter) in ";=%|":
        _ESCAPES[_letter] = 1
_JOINT = 31
"""What parts columns that were joined beforehand: a letter that no value holds, so that a `|` within a value is still told apart."""
_ESCAPES[_JOINT] = 3
_HEX: npt.NDArray[np.uint8] = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)
_PIECE = 4 * 1024 * 1024


class VcfWriter:
    """Writes blocks of records. `columns` are keys of FIELDS, or names of a source's own."""

    def __init__(self, path: Path, columns: tuple[str, ...], header: bytes) -> None:
        self._columns = columns
        self._arena = Arena()
        self._buffer = np.empty(_PIECE, dtype=np.uint8)
        self._out = BgzfWriter(path)
        self._out.write(_header(header, "|".join(FIELDS.get(name, name) for name in columns)))

    def write(self, block: Mapping[str, Column], text: U8, lines: I64, rows: I64) -> None:
        """Records with their rows.

        `lines` (int64[n, 4]) are the places of each record in `text`: of its line, its INFO, behind its INFO, behind its line; its rows are
        [rows[i], rows[i + 1]) of the block.
        """
        cells = self._arena.cells([block[name] for name in self._columns], bytes([_JOINT]))
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(3 * widths(cells))])
        record = 0
        while record < len(lines):
            record, used = _records(
                text, lines, rows, before, cells.index, len(cells.lasting), cells.lasting.starts, cells.lasting.ends, cells.lasting.data,
                cells.fresh.starts, cells.fresh.ends, cells.fresh.data, self._buffer, record,
            )  # fmt: skip
            if used:
                self._out.write(self._buffer[:used].data)
            elif record < len(lines):  # one record is longer than the buffer
                self._buffer = np.empty(2 * len(self._buffer), dtype=np.uint8)

    def close(self) -> None:
        self._out.close()


def _header(text: bytes, names: str) -> bytes:
    """The input's header with our line of CSQ before the last."""
    lines = [line for line in text.rstrip(b"\r\n").split(b"\n") if not line.startswith(f"##INFO=<ID={_KEY},".encode())]
    meaning = f"Consequences of each allele on each transcript, by riverseq. Format: {names}"
    own = f'##INFO=<ID={_KEY},Number=.,Type=String,Description="{meaning}">'
    return b"\n".join([*(line.rstrip(b"\r") for line in lines[:-1]), own.encode(), lines[-1].rstrip(b"\r"), b""])


@njit(cache=True, nogil=True)
def _put_value(data, a, b, out, at):  # type: ignore[no-untyped-def]
    for j in range(a, b):
        letter = data[j]
        kind = _ESCAPES[letter]
        if kind != 1:
            out[at] = letter if kind == 0 else 38 if kind == 2 else 124
            at += 1
        else:
            out[at] = 37
            out[at + 1] = _HEX[letter >> 4]
            out[at + 2] = _HEX[letter & 15]
            at += 3
    return at


@njit(cache=True, nogil=True)
def _put_info(text, a, b, out, at):  # type: ignore[no-untyped-def]
    """Copy INFO without `.` and without CSQ; a `;` behind it where something is left."""
    if b - a == 1 and text[a] == 46:
        return at
    i = a
    while i < b:
        end = i
        while end < b and text[end] != 59:
            end += 1
        own = end - i >= 3 and text[i] == 67 and text[i + 1] == 83 and text[i + 2] == 81 and (end == i + 3 or text[i + 3] == 61)
        if not own and end > i:
            for j in range(i, end):
                out[at] = text[j]
                at += 1
            out[at] = 59
            at += 1
        i = end + 1
    return at


@njit(cache=True, nogil=True)
def _records(  # type: ignore[no-untyped-def]
    text, lines, rows, before, index, fixed, starts, ends, data, own_starts, own_ends, own, out, first
):
    at, columns = 0, index.shape[0]
    for i in range(first, lines.shape[0]):
        low, high = rows[i], rows[i + 1]
        if at + (lines[i, 3] - lines[i, 0]) + (before[high] - before[low]) + 8 > out.shape[0]:
            return i, at
        at = copy_exact(out, at, text, lines[i, 0], lines[i, 1])
        info = at
        at = _put_info(text, lines[i, 1], lines[i, 2], out, at)
        if high > low:
            out[at], out[at + 1], out[at + 2], out[at + 3] = 67, 83, 81, 61
            at += 4
            for r in range(low, high):
                for c in range(columns):
                    k = index[c, r]
                    if k < fixed:
                        at = _put_value(data, starts[k], ends[k], out, at)
                    else:
                        at = _put_value(own, own_starts[k - fixed], own_ends[k - fixed], out, at)
                    out[at] = 124
                    at += 1
                out[at - 1] = 44
            at -= 1
        elif at > info:
            at -= 1  # the `;` behind the last entry
        else:
            out[at] = 46
            at += 1
        at = copy_exact(out, at, text, lines[i, 2], lines[i, 3])
        out[at] = 10
        at += 1
    return lines.shape[0], at
