"""HGVS names of compounds: the whole as one change of the coding sequence, and of the protein.

A whole is named as VEP names one allele: what both ends share is trimmed first. `c.76_78delinsGAC` may skip bases that do not change;
HGVS asks for it where together they change one residue ("Deletion-insertion", two variants separated by one nucleotide).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from processors.annotate.codons import THREE

if TYPE_CHECKING:
    from processors.annotate.compound.clusters import Part


def change_name(text: bytes, pad: int, parts: Sequence[Part]) -> str:
    """What follows `c.`: parts as one change. `text` begins with `pad` unknown bases."""
    low, high = parts[0].start, max(part.end for part in parts)
    pieces, at = [], low
    for part in parts:
        pieces += [text[at : part.start], part.alt]
        at = part.end
    return sequence_change(text, pad, low, high, b"".join([*pieces, text[at:high]]))


def trimmed(text: bytes, low: int, high: int, alt: bytes) -> tuple[int, int, bytes]:
    """A change of [low, high) of a sequence without what both ends share, first in front, then behind."""
    while low < high and alt and text[low] == alt[0]:
        low, alt = low + 1, alt[1:]
    while low < high and alt and text[high - 1] == alt[-1]:
        high, alt = high - 1, alt[:-1]
    return low, high, alt


def sequence_change(text: bytes, pad: int, low: int, high: int, alt: bytes) -> str:
    """What follows `c.` where [low, high) of `text` becomes `alt`: at its 3'-most place, a duplication before an insertion."""
    low, high, alt = trimmed(text, low, high, alt)
    if low == high and not alt:
        return f"{low - pad + 1}="
    if not alt:
        while high < len(text) and text[low] == text[high]:
            low, high = low + 1, high + 1
    elif low == high:
        while high < len(text) and text[high] == alt[0]:
            low, high, alt = low + 1, high + 1, alt[1:] + alt[:1]
    first, last = low - pad + 1, high - pad
    place = f"{first}" if first == last else f"{first}_{last}"
    if not alt:
        return f"{place}del"
    if low == high:
        size = len(alt)
        if low >= size and text[low - size : low] == alt:
            return f"{last}dup" if size == 1 else f"{last - size + 1}_{last}dup"
        return f"{last}_{first}ins{alt.decode()}"
    if high - low == len(alt) == 1:
        return f"{first}{chr(text[low])}>{alt.decode()}"
    return f"{place}delins{alt.decode()}"


def protein_name(ref: str, alt: str, first: int, last: int, *, frameshift: bool, early: bool) -> str:  # noqa: PLR0911
    """What follows `p.` where the protein `ref` becomes `alt`; each ends with its first stop, where it has one. Residues count from 0.

    `first` and `last` bound the residues whose codons were touched: they name a change that leaves the protein as it was. `early`: an
    in-frame change that makes a stop before the protein's own.
    """
    if ref == alt:
        return f"{three(ref[first : last + 1])}{first + 1}="
    same = shared(ref, alt)
    if "X" in alt[same : same + 1] + ref[same : same + 1] or same == len(ref) or same == len(alt):
        return "?"
    if alt[same] == "*" and (frameshift or early):
        return f"{_at(ref, same)}Ter"
    ends = alt.find("*", same)
    if frameshift:
        return f"{_at(ref, same)}{three(alt[same])}fsTer{ends - same + 1 if ends >= 0 else '?'}"
    if ref[same] == "*":
        return f"{_at(ref, same)}{three(alt[same])}extTer{ends - same if ends >= 0 else '?'}"
    if early:
        return f"{_span(ref, same, last + 1)}delins{three(alt[same:])}"
    tail = shared(ref[same:][::-1], alt[same:][::-1])
    low, high, new = same, len(ref) - tail, alt[same : len(alt) - tail]
    if low == high:
        return _inserted(ref, low, new)
    if not new:
        return f"{_span(ref, low, high)}del"
    if high - low == len(new) == 1:
        return f"{_at(ref, low)}{three(new)}"
    return f"{_span(ref, low, high)}delins{three(new)}"


def shared(one: str, other: str) -> int:
    """Length of what two texts begin with, by halving: proteins have up to 36,000 residues, and a gene many compounds."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _inserted(ref: str, low: int, new: str) -> str:
    if low >= len(new) and ref[low - len(new) : low] == new:
        return f"{_span(ref, low - len(new), low)}dup"
    if low == 0 or low == len(ref):
        return "?"
    return f"{_at(ref, low - 1)}_{_at(ref, low)}ins{three(new)}"


def three(residues: str) -> str:
    """Three-letter names."""
    return "".join(THREE[ord(one)].tobytes().decode() for one in residues)


def _at(ref: str, place: int) -> str:
    return f"{three(ref[place])}{place + 1}"


def _span(ref: str, low: int, high: int) -> str:
    return _at(ref, low) if high - low == 1 else f"{_at(ref, low)}_{_at(ref, high - 1)}"
