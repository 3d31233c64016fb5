"""Regions that a source says it covers, from a BED: where it may claim that an allele is absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from processors.knowledge.sources.refused import SourceRefused
from schemas.assembly import ContigTable


def covered_arrays(bed: Path, table: ContigTable) -> dict[str, npt.NDArray[np.int64]]:
    """`covered_starts`, `covered_ends`: merged, sorted, half-open intervals in linear coordinates. Raises SourceRefused."""
    rows: list[tuple[int, int]] = []
    for number, line in enumerate(bed.read_text().splitlines(), 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        columns = line.split("\t")
        if len(columns) < 3 or not (columns[1].isdigit() and columns[2].isdigit()):
            raise SourceRefused(f"{bed}:{number}: is no BED line (contig, start, end by tabs)")
        contig = table.resolve(columns[0])
        if contig is not None:
            offset, length = table.contigs[contig].offset, table.contigs[contig].length
            if int(columns[2]) > length:
                raise SourceRefused(f"{bed}:{number}: ends behind {columns[0]} of {table.build}, which has {length:,} bases")
            rows.append((offset + int(columns[1]), offset + int(columns[2])))
    if not rows:
        raise SourceRefused(f"{bed}: none of its regions lies on {table.build}")
    merged: list[list[int]] = []
    for start, end in sorted(rows):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    both = np.array(merged, dtype=np.int64)
    return {"covered_starts": both[:, 0].copy(), "covered_ends": both[:, 1].copy()}
