"""Which transcript speaks for an allele: VEP's pick order, as one number a transcript that a kernel can compare.

Order (VEP's default): MANE Select, MANE Plus Clinical, canonical, APPRIS, transcript support level, protein_coding, CCDS, severity of the
terms, length (CDS, or transcript where there is none), then the transcript's name. The lowest key wins. What a file does not give
counts as worst, so that a transcript with the information is preferred.

    62          50 49       44 43           20 19         0
    tags, biotype  severity    2^24-1 - length  rank of name
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.annotate import terms
from processors.knowledge.transcripts import Tag, Transcripts

SEVERITY_SHIFT = 44
SEVERITY_OF_CODING = terms.TERMS["missense_variant"][0]
"""In the order of severity `coding_sequence_variant`, whose effect this version does not compute, stands where missense does."""

_NAME_BITS = 20
_LENGTH_MAX = (1 << 24) - 1


def pick_keys(transcripts: Transcripts) -> npt.NDArray[np.uint64]:
    """Key of each transcript with its severity bits left zero."""
    if len(transcripts) >= 1 << _NAME_BITS:
        raise ValueError(f"{len(transcripts):,} transcripts; the pick order holds {1 << _NAME_BITS:,}")
    tags = transcripts.tags.astype(np.uint64)

    def lacks(tag: Tag) -> npt.NDArray[np.uint64]:
        return np.asarray((tags & np.uint64(int(tag))) == 0, dtype=np.uint64)

    coding_biotype = np.array([name != "protein_coding" for name in transcripts.biotypes], dtype=np.uint64)
    appris = np.where(transcripts.appris == 0, 15, transcripts.appris).astype(np.uint64)
    support = np.where(transcripts.support == 0, 7, transcripts.support).astype(np.uint64)
    order = np.zeros(len(transcripts), dtype=np.uint64)
    for values, bits in (
        (lacks(Tag.MANE_SELECT), 1),
        (lacks(Tag.MANE_PLUS_CLINICAL), 1),
        (lacks(Tag.CANONICAL), 1),
        (appris, 4),
        (support, 3),
        (coding_biotype[transcripts.biotype], 1),
        (lacks(Tag.CCDS), 1),
    ):
        order = (order << np.uint64(bits)) | values
    length = np.where(transcripts.cds_length > 0, transcripts.cds_length, transcripts.length)
    inverse = (_LENGTH_MAX - np.minimum(length, _LENGTH_MAX)).astype(np.uint64)
    names = [transcripts.name[row] for row in range(len(transcripts))]
    rank = np.empty(len(names), dtype=np.uint64)
    rank[np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)] = np.arange(len(names), dtype=np.uint64)
    keys: npt.NDArray[np.uint64] = (order << np.uint64(SEVERITY_SHIFT + 6)) | (inverse << np.uint64(_NAME_BITS)) | rank
    return keys
