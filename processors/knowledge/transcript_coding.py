"""Spliced coordinates, sequence, genetic code, selenocysteines and status of all transcripts of a pack, as its arrays."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.annotate.codons import MITOCHONDRIAL, STANDARD
from processors.knowledge.genome import Genome
from processors.knowledge.gff import Model
from processors.knowledge.mrna import OwnSequences, own_bases
from processors.knowledge.spliced import cdna_at, judge, lay_coding, lay_exons, splice
from processors.knowledge.transcripts import Status, Tag
from schemas.assembly import ContigTable

_STATUS_WARNINGS = {
    Status.START_INCOMPLETE: "cds_start_incomplete",
    Status.END_INCOMPLETE: "cds_end_incomplete",
    Status.START_NOT_ATG: "cds_start_not_atg",
    Status.STOP_INSIDE: "stop_inside_cds",
    Status.UNKNOWN_BASES: "unknown_bases",
    Status.CODING_GAPPED: "cds_gapped",
    Status.DIFFERS_FROM_GENOME: "differs_from_genome",
    Status.PHASE_BROKEN: "cds_phases_contradict",
}
_MITOCHONDRIA = frozenset({"MT", "chrMT", "chrM", "M"})
_GENETIC_CODES = {1: STANDARD, 2: MITOCHONDRIAL}


def coding_arrays(
    models: list[Model],
    arrays: dict[str, npt.NDArray[Any]],
    table: ContigTable,
    genome: Genome | None,
    own: OwnSequences | None,
    warnings: Counter[str],
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of Layout that speak of spliced coordinates, sequence and what is unusual."""
    count = len(models)
    exons = (arrays["exon_offsets"], arrays["exon_starts"], arrays["exon_ends"])
    strand = arrays["strand"]
    exon_cdna = np.zeros(len(arrays["exon_starts"]), dtype=np.int32)
    length, coding_start, coding_end = (np.zeros(count, dtype=np.int32) for _ in range(3))
    lay_exons(*exons, strand, exon_cdna, length)
    lay_coding(*exons, exon_cdna, strand, arrays["cds_start"], arrays["cds_end"], coding_start, coding_end)

    base = np.full(count, -1, dtype=np.int64) if genome is None else genome.sequence_offsets[arrays["contig"]]
    sequence = np.empty(0, dtype=np.uint8) if genome is None else genome.sequence

    def spliced(chosen: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        offsets = np.zeros(count + 1, dtype=np.int64)
        np.cumsum(np.where(chosen, length, 0), out=offsets[1:])
        bases = np.empty(int(offsets[-1]), dtype=np.uint8)
        splice(*exons, strand, base, sequence, offsets, bases)
        return offsets, bases

    base_offsets, bases = spliced(coding_start >= 0)
    status = np.array([int(model.status) for model in models], dtype=np.uint16)
    if own is not None:
        given = np.array([model.name in own.bases for model in models])
        offsets, from_genome = spliced(given)
        for row in np.flatnonzero(given).tolist():
            told_bases, status[row] = own_bases(
                from_genome[offsets[row] : offsets[row + 1]], own.bases[models[row].name], int(status[row]), warnings
            )
            if coding_start[row] >= 0:
                bases[base_offsets[row] : base_offsets[row + 1]] = told_bases
    warnings["contig_without_sequence"] += 0 if genome is None else int((base < 0).sum())

    code = np.array([_GENETIC_CODES.get(model.code, STANDARD) for model in models], dtype=np.uint8)
    mitochondria = [number for number, contig in enumerate(table.contigs) if contig.name in _MITOCHONDRIA]
    code[np.isin(arrays["contig"], mitochondria)] = MITOCHONDRIAL
    warnings["genetic_code_not_known"] += sum(model.code not in (0, *_GENETIC_CODES) for model in models)
    pad = ((3 - arrays["phase"]) % 3).astype(np.uint8)
    told_offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum([len(model.sec) for model in models], out=told_offsets[1:])
    told = np.array(
        [cdna_at(*exons, exon_cdna, strand, row, place) for row, model in enumerate(models) for place in model.sec], dtype=np.int32
    )
    marked = (arrays["tags"] & int(Tag.SELENO)) != 0
    sec_offsets = np.zeros(count + 1, dtype=np.int64)
    sec, refused = judge(
        coding_start, coding_end, arrays["cds_length"], pad, code, base_offsets, bases, told_offsets, told, marked, status, sec_offsets
    )
    warnings["selenocysteine_not_at_tga"] += refused
    for bit, words in _STATUS_WARNINGS.items():
        warnings[words] += int(np.count_nonzero(status & int(bit)))
    return {
        "exon_cdna": exon_cdna,
        "length": length,
        "coding_start": coding_start,
        "coding_end": coding_end,
        "pad": pad,
        "code": code,
        "status": status,
        "base_offsets": base_offsets,
        "bases": bases,
        "sec_offsets": sec_offsets,
        "sec": sec,
    }
