"""Single changes of a known effect inside a gene's coding sequence: what the demo's stories and its ClinVar are made of."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from deploy.local.demo.genome import COMPLEMENT, STOPS, Bases, Gene

_CODE = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"  # codons in the order TCAG
_ORDER = {base: rank for rank, base in enumerate(b"TCAG")}


class Effect(StrEnum):
    """What a change does to the protein."""

    STOP = "stop_gained"
    FRAMESHIFT = "frameshift_variant"
    MISSENSE = "missense_variant"
    SYNONYMOUS = "synonymous_variant"


def residue(codon: bytes) -> str:
    """One-letter residue of a codon of the standard code, `*` for a stop."""
    first, second, third = (_ORDER[base] for base in codon)
    return _CODE[16 * first + 4 * second + third]


def coding_positions(gene: Gene) -> npt.NDArray[np.int64]:
    """Genomic places of the canonical coding sequence, in the order of reading; empty for a non-coding gene."""
    parts = [np.arange(a, b) for a, b in gene.coding()]
    places: npt.NDArray[np.int64] = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    return places if gene.strand == 1 else places[::-1]


def find_change(rng: np.random.Generator, gene: Gene, bases: Bases, effect: Effect) -> tuple[int, str, str] | None:
    """A random change of this effect: (0-based start, REF, ALT), None where the gene offers none.

    A frameshift is a deletion of one base, written with the base before; codons that an intron divides are left alone.
    """
    places = coding_positions(gene)
    codons = len(places) // 3
    if codons < 20:
        return None
    for number in rng.permutation(np.arange(3, codons - 5))[:60]:
        at = places[3 * number : 3 * number + 3]
        if abs(int(at[2] - at[0])) != 2:
            continue
        found = _in_codon(rng, at, bases, gene.strand, effect)
        if found is not None:
            return found
    return None


def _in_codon(
    rng: np.random.Generator, at: npt.NDArray[np.int64], bases: Bases, strand: int, effect: Effect
) -> tuple[int, str, str] | None:
    if effect is Effect.FRAMESHIFT:
        place = int(at.min())
        if bases[place] == bases[place + 1]:  # would be shifted to the left, and then have another name
            return None
        return place, bases[place : place + 2].tobytes().decode(), chr(bases[place])
    sense = bases[at] if strand == 1 else COMPLEMENT[bases[at]]
    before = residue(sense.tobytes())
    options = []
    for offset in range(3):
        for base in b"ACGT":
            if base == sense[offset]:
                continue
            changed = sense.copy()
            changed[offset] = base
            after = residue(changed.tobytes())
            kind = Effect.STOP if changed.tobytes() in STOPS else Effect.SYNONYMOUS if after == before else Effect.MISSENSE
            if kind is effect:
                options.append((offset, base))
    if not options:
        return None
    offset, base = options[int(rng.integers(0, len(options)))]
    place = int(at[offset])
    return place, chr(bases[place]), chr(base if strand == 1 else COMPLEMENT[base])
