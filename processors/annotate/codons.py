"""Genetic codes, complement and translation, for kernels. Bases and residues are ASCII; a codon with an unknown base gives X.

Codes: NCBI translation tables 1 (standard) and 2 (vertebrate mitochondrial).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

STANDARD, MITOCHONDRIAL = 0, 1
STOP = 42
UNKNOWN = 88
MET = 77
SEC = 85

_ORDER = "TCAG"
_TABLES = (
    "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSS**VVVVAAAADDEEGGGG",
)

NUMBER: npt.NDArray[np.uint8] = np.full(256, 64, dtype=np.uint8)
"""Base → 0 to 3 in the order of the tables; 64 for anything else, so that a codon with one lies beyond 63."""
for _at, _base in enumerate(_ORDER):
    NUMBER[ord(_base)] = _at

CODES: npt.NDArray[np.uint8] = np.array([list(table.encode()) for table in _TABLES], dtype=np.uint8)
"""`uint8[codes, 64]`: residue of each codon, first base most significant."""

COMPLEMENT: npt.NDArray[np.uint8] = np.full(256, ord("N"), dtype=np.uint8)
for _base, _partner in zip("ACGTNacgtn", "TGCANTGCAN", strict=True):
    COMPLEMENT[ord(_base)] = ord(_partner)

THREE: npt.NDArray[np.uint8] = np.full((256, 3), ord("?"), dtype=np.uint8)
"""Residue → its three letters as ASCII (`*` → Ter, X → Xaa, U → Sec)."""
_NAMES = "AAla CCys DAsp EGlu FPhe GGly HHis IIle KLys LLeu MMet NAsn PPro QGln RArg SSer TThr VVal WTrp YTyr USec XXaa *Ter"
for _at in range(0, len(_NAMES), 5):
    THREE[ord(_NAMES[_at])] = np.frombuffer(_NAMES[_at + 1 : _at + 4].encode(), dtype=np.uint8)


@njit(cache=True, nogil=True)
def residue(code, first, second, third):  # type: ignore[no-untyped-def]
    """Residue of three bases under row `code` of CODES; UNKNOWN where one is not A, C, G or T."""
    number = (np.int64(NUMBER[first]) << 4) + (np.int64(NUMBER[second]) << 2) + np.int64(NUMBER[third])
    if NUMBER[first] > 3 or NUMBER[second] > 3 or NUMBER[third] > 3:
        return np.uint8(UNKNOWN)
    return CODES[code, number]
