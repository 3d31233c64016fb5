"""Codons, amino acids and what separates two of them.

Amino acids are numbered 0 to 19 in the order of `LETTERS`, 20 is a stop. Tables: BLOSUM62 (Henikoff and Henikoff 1992, PNAS 89:10915),
Grantham's chemical properties and distance (Grantham 1974, Science 185:862), hydropathy (Kyte and Doolittle 1982, J Mol Biol 157:105).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LETTERS = "ARNDCQEGHILKMFPSTWYV"
STOP = 20

_CODONS = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF"
"""Residue of each codon, first base slowest, bases in the order A, C, G, T (NCBI translation table 1)."""

CODON_TABLE: npt.NDArray[np.int8] = np.array([STOP if letter == "*" else LETTERS.index(letter) for letter in _CODONS], dtype=np.int8)
"""int8[64]: residue by 16·b1 + 4·b2 + b3."""

_BLOSUM62 = """
 4 -1 -2 -2  0 -1 -1  0 -2 -1 -1 -1 -1 -2 -1  1  0 -3 -2  0
-1  5  0 -2 -3  1  0 -2  0 -3 -2  2 -1 -3 -2 -1 -1 -3 -2 -3
-2  0  6  1 -3  0  0  0  1 -3 -3  0 -2 -3 -2  1  0 -4 -2 -3
-2 -2  1  6 -3  0  2 -1 -1 -3 -4 -1 -3 -3 -1  0 -1 -4 -3 -3
 0 -3 -3 -3  9 -3 -4 -3 -3 -1 -1 -3 -1 -2 -3 -1 -1 -2 -2 -1
-1  1  0  0 -3  5  2 -2  0 -3 -2  1  0 -3 -1  0 -1 -2 -1 -2
-1  0  0  2 -4  2  5 -2  0 -3 -3  1 -2 -3 -1  0 -1 -3 -2 -2
 0 -2  0 -1 -3 -2 -2  6 -2 -4 -4 -2 -3 -3 -2  0 -2 -2 -3 -3
-2  0  1 -1 -3  0  0 -2  8 -3 -3 -1 -2 -1 -2 -1 -2 -2  2 -3
-1 -3 -3 -3 -1 -3 -3 -4 -3  4  2 -3  1  0 -3 -2 -1 -3 -1  3
-1 -2 -3 -4 -1 -2 -3 -4 -3  2  4 -2  2  0 -3 -2 -1 -2 -1  1
-1  2  0 -1 -3  1  1 -2 -1 -3 -2  5 -1 -3 -1  0 -1 -3 -2 -2
-1 -1 -2 -3 -1  0 -2 -3 -2  1  2 -1  5  0 -2 -1 -1 -1 -1  1
-2 -3 -3 -3 -2 -3 -3 -3 -1  0  0 -3  0  6 -4 -2 -2  1  3 -1
-1 -2 -2 -1 -3 -1 -1 -2 -2 -3 -3 -1 -2 -4  7 -1 -1 -4 -3 -2
 1 -1  1  0 -1  0  0  0 -1 -2 -2  0 -1 -2 -1  4  1 -3 -2 -2
 0 -1  0 -1 -1 -1 -1 -2 -2 -1 -1 -1 -1 -2 -1  1  5 -2 -2  0
-3 -3 -4 -4 -2 -2 -3 -2 -2 -3 -2 -3 -1  1 -4 -3 -2 11  2 -3
-2 -2 -2 -3 -2 -1 -2 -3  2 -1 -1 -2 -1  3 -3 -2 -2  2  7 -1
 0 -3 -3 -3 -1 -2 -2 -3 -3  3  1 -2  1 -1 -2 -2  0 -3 -1  4
"""
BLOSUM62: npt.NDArray[np.float32] = np.array([row.split() for row in _BLOSUM62.strip().splitlines()], dtype=np.float32)
"""float32[20, 20]."""

COMPOSITION: npt.NDArray[np.float32] = np.array(
    [0, 0.65, 1.33, 1.38, 2.75, 0.89, 0.92, 0.74, 0.58, 0, 0, 0.33, 0, 0, 0.39, 1.42, 0.71, 0.13, 0.20, 0], dtype=np.float32
)
POLARITY: npt.NDArray[np.float32] = np.array(
    [8.1, 10.5, 11.6, 13.0, 5.5, 10.5, 12.3, 9.0, 10.4, 5.2, 4.9, 11.3, 5.7, 5.2, 8.0, 9.2, 8.6, 5.4, 6.2, 5.9], dtype=np.float32
)
VOLUME: npt.NDArray[np.float32] = np.array(
    [31, 124, 56, 54, 55, 85, 83, 3, 96, 111, 111, 119, 105, 132, 32.5, 32, 61, 170, 136, 84], dtype=np.float32
)
HYDROPATHY: npt.NDArray[np.float32] = np.array(
    [1.8, -4.5, -3.5, -3.5, 2.5, -3.5, -3.5, -0.4, -3.2, 4.5, 3.8, -3.9, 1.9, 2.8, -1.6, -0.8, -0.7, -0.9, -1.3, 4.2], dtype=np.float32
)


def grantham() -> npt.NDArray[np.float32]:
    """Grantham's distance, float32[20, 20], 5 (Leu–Ile) to 215 (Cys–Trp)."""

    def squared(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray((values[:, None] - values[None, :]) ** 2, dtype=np.float32)

    distance = 50.723 * np.sqrt(1.833 * squared(COMPOSITION) + 0.1018 * squared(POLARITY) + 0.000399 * squared(VOLUME))
    return np.asarray(distance, dtype=np.float32)
