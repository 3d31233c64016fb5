"""What the lines of a coding sequence say: stop codon, phases, open ends, selenocysteines. Spans are 0-based half-open on the contig."""

from __future__ import annotations

import re
from collections import Counter

from processors.knowledge.gff_lines import Parts
from processors.knowledge.transcripts import Status

_FRAMES = {"0": 0, "1": 1, "2": 2}
_SWAPPED = {"0": 0, "1": 2, "2": 1}  # bases of the codon that lie before, as Ensembl's databases have it, in place of those to skip
_TRANSL_EXCEPT = re.compile(r"\(\s*pos:(.*?),\s*aa:(\w+)\s*\)")


def with_stop(cds: list[tuple[int, int]], stop: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """CDS parts with the bases of a stop codon that stands beside them (which may be cut by an intron)."""
    parts = list(cds)
    for start, end in stop if cds else ():
        near = next((at for at, (low, high) in enumerate(parts) if start <= high and low <= end), None)
        if near is None:
            parts.append((start, end))
        else:
            parts[near] = (min(start, parts[near][0]), max(end, parts[near][1]))
    return sorted(parts)


def lies_inside(cds: list[tuple[int, int]], exons: list[tuple[int, int]]) -> bool:
    """Whether every CDS part lies within one exon."""
    at = 0
    for start, end in cds:
        while at > 0 and exons[at][0] > start:  # parts may overlap (ribosomal slippage)
            at -= 1
        while at < len(exons) and exons[at][1] <= start:
            at += 1
        if at == len(exons) or start < exons[at][0] or end > exons[at][1] or end <= start:
            return False
    return True


def first_phase(coded: list[tuple[int, int, str]], strand: int, warnings: Counter[str]) -> tuple[int, Status]:
    """Phase of the first coding part, and PHASE_BROKEN where that of a later part contradicts the lengths before it."""
    parts = coded if strand > 0 else coded[::-1]
    phase = _FRAMES.get(parts[0][2], 0)
    if parts[0][2] not in _FRAMES:
        warnings["cds_phase_missing"] += 1
    if phase:
        warnings["cds_begins_inside_codon"] += 1
    if _follow([(end - start, said) for start, end, said in parts], _FRAMES):
        return phase, Status(0)
    warnings["cds_phases_swapped"] += _follow([(end - start, said) for start, end, said in parts], _SWAPPED)
    return phase, Status.PHASE_BROKEN


def _follow(parts: list[tuple[int, str]], read: dict[str, int]) -> bool:
    """Whether each phase that is given, read in one way, is what the lengths of the parts before it leave."""
    coming = read.get(parts[0][1], 0)
    for length, said in parts:
        if read.get(said, coming) != coming:
            return False
        coming = (coming - length) % 3
    return True


def incomplete(tags: frozenset[str], part: Parts, strand: int, cds: list[tuple[int, int]], exons: list[tuple[int, int]]) -> Status:
    """What the file says of a CDS that goes on outside: GENCODE's tags, RefSeq's `partial` with the open side of the contig."""
    left, right = "start_range" in part.open, "end_range" in part.open
    if part.coding.get("partial") == "true" and not part.open:  # NCBI's GTF leaves out the side: an end that is also the transcript's
        left, right = cds[0][0] == exons[0][0], cds[-1][1] == exons[-1][1]
    begins, ends = (left, right) if strand > 0 else (right, left)
    status = Status(0)
    if begins or "cds_start_NF" in tags:
        status |= Status.START_INCOMPLETE
    if ends or "cds_end_NF" in tags:
        status |= Status.END_INCOMPLETE
    return status


def selenocysteines(part: Parts, strand: int, warnings: Counter[str]) -> list[int]:
    """First base of each codon that the file calls selenocysteine; what else it says of single residues is counted."""
    found = {start if strand > 0 else end - 1 for start, end in part.sec}
    for place, residue in _TRANSL_EXCEPT.findall(part.coding.get("transl_except", "")):
        numbers = [int(number) - 1 for number in re.findall(r"\d+", place)]
        if residue == "Sec" and numbers:
            found.add(min(numbers) if strand > 0 else max(numbers))
        elif residue == "TERM":
            warnings["stop_made_by_polyadenylation"] += 1
        elif residue != "Sec":
            warnings["residue_read_otherwise"] += 1
    return sorted(found)
