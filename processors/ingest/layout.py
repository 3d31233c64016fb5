"""Layouts of what the line kernel writes: numpy structured rows for records, carried ALTs, calls, and counters."""

from __future__ import annotations

import numpy as np

RECORD = np.dtype(
    [
        ("line", np.int32),  # spans are offsets in the block
        ("line_end", np.int32),
        ("info_end", np.int32),  # end of the eighth column
        ("contig", np.int32),  # number of the CHROM text, see Names
        ("position", np.int32),  # 0-based
        ("ref", np.int32),
        ("ref_end", np.int32),
        ("qual", np.float32),  # NaN: not given
        ("filter", np.int32),  # number of the FILTER text
        ("alts", np.int32),
        ("kind", np.uint8),
        ("fault", np.uint8),  # Fault of a malformed record
    ]
)
VARIANT, REFERENCE_BLOCK, MALFORMED = 0, 1, 2

ALLELE = np.dtype(
    [
        ("record", np.int32),  # row of RECORD
        ("alt_index", np.uint16),  # 1-based
        ("alt", np.int32),
        ("alt_end", np.int32),
        ("first_call", np.int32),
        ("calls", np.int32),
        ("fault", np.uint8),
    ]
)
"""One row for each ALT that a sample carries (two, where samples of readable and of too high ploidy carry it)."""

CALL = np.dtype(
    [
        ("sample", np.uint32),
        ("haplotypes", np.uint8),
        ("ploidy", np.uint8),
        ("other_alts", np.uint8),
        ("missing", np.uint8),
        ("phased", np.bool_),
        ("phase_set", np.int32),
        ("depth", np.int32),
        ("quality", np.int32),
        ("depth_ref", np.int32),
        ("depth_alt", np.int32),
    ]
)

SAMPLE = np.dtype(
    [
        ("ploidy", np.int32),
        ("missing", np.int32),
        ("phased", np.bool_),
        ("highest", np.int32),
        ("phase_set", np.int64),
        ("depth", np.int64),
        ("quality", np.int64),
        ("gt", np.int32),
        ("gt_end", np.int32),
        ("ad", np.int32),
        ("ad_end", np.int32),
    ]
)
"""Scratch: one sample's column of the line at hand."""

TALLY = np.dtype(
    [
        ("genotypes", np.int64),  # of well-formed variant records
        ("called", np.int64),  # no allele missing
        ("depth_count", np.int64),
        ("depth_sum", np.int64),
        ("quality_count", np.int64),
        ("quality_sum", np.int64),
        ("units", np.int64),  # (record, ALT) carried
        ("block_bases", np.int64),  # of reference blocks with a called genotype
        ("block_depth", np.int64),  # sum of bases times depth
        ("block_bases_20", np.int64),  # bases at depth 20 or more
    ]
)
"""Counters of a sample over the whole source."""

HISTOGRAM_BINS = 512
"""Depths and qualities beyond the last bin count in it."""

MAX_ALTS = 4096

MAX_MALFORMED_CELLS = 4_000_000
"""Malformed records times samples in one batch: each such record becomes a fault of every sample."""

DONE, OUT_OF_ROOM, CONTIGS_FULL, FILTERS_FULL = 0, 1, 2, 3
