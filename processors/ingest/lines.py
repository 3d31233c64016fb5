"""The line kernel: VCF text in, arrays of records, carried ALTs and calls out. Sparse: a sample that carries nothing leaves no row.

One pass over the bytes. The kernel stops where an output is full or the text ends, and says how far it came; what it gives for a line
depends on that line and the header only, never on where blocks were cut.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.ingest.faults import MAX_ALLELE_BASES, MAX_PLOIDY, Fault
from processors.ingest.scan import (
    carries,
    count_value,
    depth_of,
    depths_valid,
    float_value,
    genotype,
    intern,
    phase_set_value,
    same_text,
)

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

_MAX_ALLELE_BASES = MAX_ALLELE_BASES
_MAX_PLOIDY = MAX_PLOIDY
_STAR, _SYMBOLIC, _BREAKEND = int(Fault.STAR_ALLELE), int(Fault.SYMBOLIC), int(Fault.BREAKEND)
_OVERLONG, _UNKNOWN_BASE, _INVALID_BASE, _ALT_IS_REF = (
    int(Fault.OVERLONG),
    int(Fault.UNKNOWN_BASE),
    int(Fault.INVALID_BASE),
    int(Fault.ALT_IS_REF),
)
_PLOIDY_TOO_HIGH = int(Fault.PLOIDY_TOO_HIGH)
_MISSING_COLUMNS, _SAMPLE_COLUMNS, _BAD_POSITION = int(Fault.MISSING_COLUMNS), int(Fault.SAMPLE_COLUMNS), int(Fault.BAD_POSITION)
_EMPTY_ALLELE, _BAD_QUALITY, _NO_GENOTYPE = int(Fault.EMPTY_ALLELE), int(Fault.BAD_QUALITY), int(Fault.NO_GENOTYPE)
_BAD_GENOTYPE, _GENOTYPE_INDEX, _BAD_NUMBER = int(Fault.BAD_GENOTYPE), int(Fault.GENOTYPE_INDEX), int(Fault.BAD_NUMBER)
_TOO_MANY_ALTS = int(Fault.TOO_MANY_ALTS)


@njit(cache=True, nogil=True)
def _bases_fault(buf, a, b):  # type: ignore[no-untyped-def]
    """Fault of a run of letters as a sequence, 0 for A, C, G, T in either case."""
    if b - a > _MAX_ALLELE_BASES:
        return _OVERLONG
    fault = 0
    for i in range(a, b):
        c = buf[i] & 0xDF
        if c == 78:
            fault = max(fault, _UNKNOWN_BASE)
        elif not (c == 65 or c == 67 or c == 71 or c == 84):
            fault = _INVALID_BASE
    return fault


@njit(cache=True, nogil=True)
def _alt_fault(buf, r0, r1, a0, a1):  # type: ignore[no-untyped-def]
    """Fault of one ALT beside its REF."""
    if a1 - a0 == 1 and buf[a0] == 42:
        return _STAR
    if buf[a0] == 60:
        return _SYMBOLIC
    if buf[a0] == 46 or buf[a1 - 1] == 46:
        return _BREAKEND
    for i in range(a0, a1):
        if buf[i] == 91 or buf[i] == 93:
            return _BREAKEND
    fault = _bases_fault(buf, r0, r1)
    if fault == 0:
        fault = _bases_fault(buf, a0, a1)
    if fault == 0 and r1 - r0 == a1 - a0:
        same = True
        for i in range(r1 - r0):
            if (buf[r0 + i] ^ buf[a0 + i]) & 0xDF:
                same = False
                break
        if same:
            return _ALT_IS_REF
    return fault


@njit(cache=True, nogil=True)
def _placeholder(buf, a, b):  # type: ignore[no-untyped-def]
    """True for the ALTs that only say "any other allele": `<NON_REF>` (GATK), `<*>` (VCF 4.2), `<X>` (older bcftools)."""
    n = b - a
    if n < 3 or buf[a] != 60 or buf[b - 1] != 62:
        return False
    if n == 3:
        return buf[a + 1] == 42 or buf[a + 1] == 88
    return n == 9 and buf[a + 1] == 78 and buf[a + 2] == 79 and buf[a + 3] == 78 and buf[a + 4] == 95 and buf[a + 5] == 82


@njit(cache=True, nogil=True)
def _block_end(buf, a, b):  # type: ignore[no-untyped-def]
    """INFO's END (1-based, inclusive), -1 where there is none."""
    i = a
    while i + 4 < b:
        if (i == a or buf[i - 1] == 59) and buf[i] == 69 and buf[i + 1] == 78 and buf[i + 2] == 68 and buf[i + 3] == 61:
            stop = i + 4
            while stop < b and buf[stop] != 59:
                stop += 1
            valid, value = count_value(buf, i + 4, stop)
            return value if valid else np.int64(-1)
        i += 1
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _format_keys(buf, a, b, keys):  # type: ignore[no-untyped-def]
    """Column numbers of GT, DP, AD, GQ, PS within FORMAT in `keys` int32[5] (-1: absent), the highest of them in `keys[5]`."""
    keys[:] = -1
    number, first = 0, a
    for i in range(a, b + 1):
        if i == b or buf[i] == 58:
            if i - first == 2:
                x, y = buf[first], buf[first + 1]
                if x == 71 and y == 84:
                    keys[0] = number
                elif x == 68 and y == 80:
                    keys[1] = number
                elif x == 65 and y == 68:
                    keys[2] = number
                elif x == 71 and y == 81:
                    keys[3] = number
                elif x == 80 and y == 83:
                    keys[4] = number
            number += 1
            first = i + 1
    for k in range(5):
        keys[5] = max(keys[5], keys[k])


@njit(cache=True, nogil=True)
def _sample_column(buf, a, b, keys, alts, sample, gt):  # type: ignore[no-untyped-def]
    """Read one sample's column into its scratch row; the Fault of the record, 0 for none."""
    sample.depth = -1
    sample.quality = -1
    sample.phase_set = -1
    sample.ad = 0
    sample.ad_end = 0
    sample.gt_end = -1
    number, first = 0, a
    i = a
    while True:
        if i == b or buf[i] == 58:
            if number == keys[0]:
                sample.gt = first
                sample.gt_end = i
            elif number == keys[1]:
                valid, value = count_value(buf, first, i)
                if not valid:
                    return _BAD_NUMBER
                sample.depth = value
            elif number == keys[2]:
                sample.ad = first
                sample.ad_end = i
            elif number == keys[3]:
                valid, value = count_value(buf, first, i)
                if not valid:
                    return _BAD_NUMBER
                sample.quality = value
            elif number == keys[4]:
                sample.phase_set = phase_set_value(buf, first, i)
            if i == b or number == keys[5]:
                break
            number += 1
            first = i + 1
        i += 1
    if sample.gt_end < 0:
        return _BAD_GENOTYPE
    state, ploidy, missing, phased, highest = genotype(buf, sample.gt, sample.gt_end, alts, gt)
    if state == 1:
        return _BAD_GENOTYPE
    if state == 2:
        return _GENOTYPE_INDEX
    sample.ploidy = ploidy
    sample.missing = missing
    sample.phased = phased
    sample.highest = highest
    if highest > 0 and not depths_valid(buf, sample.ad, sample.ad_end):
        return _BAD_NUMBER
    return 0


@njit(cache=True, nogil=True)
def _split_alts(buf, a, b, spans):  # type: ignore[no-untyped-def]
    """(fault, number) of ALTs; `spans` int32[MAX_ALTS + 1, 2] gets their places from row 1 on."""
    if b == a + 1 and buf[a] == 46:
        return 0, 0
    number, first = 0, a
    for i in range(a, b + 1):
        if i == b or buf[i] == 44:
            if i == first or (i == first + 1 and buf[first] == 46):
                return _EMPTY_ALLELE, 0
            if number + 1 >= spans.shape[0]:
                return _TOO_MANY_ALTS, 0
            number += 1
            spans[number, 0] = first
            spans[number, 1] = i
            first = i + 1
    return 0, number


@njit(cache=True, nogil=True)
def parse_lines(  # type: ignore[no-untyped-def]
    buf, start, stop, columns, records, alleles, calls, samples, gts, spans, keys, carriers,
    contig_slots, contig_offsets, contig_names, contig_count, filter_slots, filter_offsets, filter_names, filter_count,
    tally, depth_bins, quality_bins, uncarried,
):  # fmt: skip
    """Parse whole lines of `buf[start:stop]`; (bytes consumed up to, records, alleles, calls, status).

    `columns` int32 maps a sample column to its place among the chosen samples, -1 where it was not asked for.
    """
    n_records, n_alleles, n_calls, n_malformed = 0, 0, 0, 0
    tabs = np.empty(10, dtype=np.int32)
    format_start, format_end = 0, -1
    last_contig, last_contig_start, last_contig_end = -1, 0, -1
    last_filter, last_filter_start, last_filter_end = -1, 0, -1
    at = start
    while at < stop:
        if n_records >= records.shape[0]:
            return at, n_records, n_alleles, n_calls, OUT_OF_ROOM
        end = at
        while end < stop and buf[end] != 10:
            end += 1
        following = end + 1
        if end > at and buf[end - 1] == 13:
            end -= 1
        if end == at:
            at = following
            continue
        record = records[n_records]
        record.line = at
        record.line_end = end
        record.contig = -1
        record.position = -1
        record.ref = at
        record.ref_end = at
        record.qual = np.nan
        record.filter = 0
        record.alts = 0
        record.kind = 0
        record.fault = 0

        found = 0
        tabs[0] = at
        i = at
        while i < end and found < 9:
            if buf[i] == 9:
                found += 1
                tabs[found] = i + 1
            i += 1
        record.info_end = tabs[8] - 1 if found >= 8 else end
        fault = 0
        if found < 9:
            fault = _MISSING_COLUMNS
        n_alts = 0
        if fault == 0:
            valid, position = count_value(buf, tabs[1], tabs[2] - 1)
            if not valid or position < 1:
                fault = _BAD_POSITION
            else:
                record.position = position - 1
        if fault == 0:
            record.ref = tabs[3]
            record.ref_end = tabs[4] - 1
            if record.ref_end <= record.ref or buf[record.ref] == 46 or tabs[5] - 1 <= tabs[4] or tabs[1] - 1 <= at:
                fault = _EMPTY_ALLELE
        if fault == 0:
            fault, n_alts = _split_alts(buf, tabs[4], tabs[5] - 1, spans)
            record.alts = n_alts
        if fault == 0:
            valid, quality = float_value(buf, tabs[5], tabs[6] - 1)
            if not valid:
                fault = _BAD_QUALITY
            else:
                record.qual = quality
        if fault == 0:
            if not same_text(buf, tabs[8], tabs[9] - 1, buf, format_start, format_end):
                format_start, format_end = tabs[8], tabs[9] - 1
                _format_keys(buf, format_start, format_end, keys)
            if keys[0] < 0:
                fault = _NO_GENOTYPE
        n_carriers, n_column = 0, 0
        if fault == 0:
            i = tabs[9]
            while True:
                first = i
                while i < end and buf[i] != 9:
                    i += 1
                if n_column >= columns.shape[0]:
                    fault = _SAMPLE_COLUMNS
                    break
                place = columns[n_column]
                if place >= 0:
                    fault = _sample_column(buf, first, i, keys, n_alts, samples[place], gts[place])
                    if fault:
                        break
                    if samples[place].highest > 0:
                        carriers[n_carriers] = place
                        n_carriers += 1
                n_column += 1
                if i >= end:
                    break
                i += 1
            if fault == 0 and n_column != columns.shape[0]:
                fault = _SAMPLE_COLUMNS
        if fault:
            record.kind = MALFORMED
            record.fault = fault
            n_records += 1
            n_malformed += 1
            at = following
            if n_malformed * samples.shape[0] > MAX_MALFORMED_CELLS:
                return at, n_records, n_alleles, n_calls, OUT_OF_ROOM
            continue

        room = 0
        for c in range(n_carriers):
            room += samples[carriers[c]].ploidy
        if n_calls + room > calls.shape[0] or n_alleles + 2 * n_alts > alleles.shape[0]:
            return at, n_records, n_alleles, n_calls, OUT_OF_ROOM

        if last_contig < 0 or not same_text(buf, at, tabs[1] - 1, buf, last_contig_start, last_contig_end):
            last_contig = intern(buf, at, tabs[1] - 1, contig_slots, contig_offsets, contig_names, contig_count)
            if last_contig < 0:
                return at, n_records, n_alleles, n_calls, CONTIGS_FULL
            last_contig_start, last_contig_end = at, tabs[1] - 1
        record.contig = last_contig
        if last_filter < 0 or not same_text(buf, tabs[6], tabs[7] - 1, buf, last_filter_start, last_filter_end):
            last_filter = intern(buf, tabs[6], tabs[7] - 1, filter_slots, filter_offsets, filter_names, filter_count)
            if last_filter < 0:
                return at, n_records, n_alleles, n_calls, FILTERS_FULL
            last_filter_start, last_filter_end = tabs[6], tabs[7] - 1
        record.filter = last_filter

        if n_carriers == 0:
            block = True
            for k in range(1, n_alts + 1):
                if not _placeholder(buf, spans[k, 0], spans[k, 1]):
                    block = False
                    break
            if block:
                record.kind = REFERENCE_BLOCK
                last = _block_end(buf, tabs[7], record.info_end)
                bases = max(np.int64(1), last - record.position)
                for s in range(samples.shape[0]):
                    if samples[s].missing == 0:
                        depth = samples[s].depth
                        tally[s].block_bases += bases
                        if depth > 0:
                            tally[s].block_depth += bases * depth
                        if depth >= 20:
                            tally[s].block_bases_20 += bases
                n_records += 1
                at = following
                continue

        for s in range(samples.shape[0]):
            tally[s].genotypes += 1
            if samples[s].missing == 0:
                tally[s].called += 1
                depth, quality = samples[s].depth, samples[s].quality
                if depth >= 0:
                    tally[s].depth_count += 1
                    tally[s].depth_sum += depth
                    depth_bins[s, min(depth, HISTOGRAM_BINS - 1)] += 1
                if quality >= 0:
                    tally[s].quality_count += 1
                    tally[s].quality_sum += quality
                    quality_bins[s, min(quality, HISTOGRAM_BINS - 1)] += 1

        for k in range(1, n_alts + 1):
            any_carrier = False
            alt_fault = -1
            for wide in range(2):
                first_call = n_calls
                for c in range(n_carriers):
                    s = carriers[c]
                    sample = samples[s]
                    if (sample.ploidy > _MAX_PLOIDY) != (wide == 1) or sample.highest < k:
                        continue
                    bits, others = 0, 0
                    if wide == 1:
                        if not carries(buf, sample.gt, sample.gt_end, k):
                            continue
                    else:
                        for h in range(sample.ploidy):
                            allele = gts[s, h]
                            if allele == k:
                                bits |= 1 << h
                            elif allele > 0:
                                others += 1
                        if bits == 0:
                            continue
                    call = calls[n_calls]
                    n_calls += 1
                    call.sample = s
                    call.haplotypes = bits
                    call.ploidy = sample.ploidy
                    call.other_alts = others
                    call.missing = sample.missing
                    call.phased = sample.phased
                    call.phase_set = sample.phase_set
                    call.depth = sample.depth
                    call.quality = sample.quality
                    if sample.ad_end > sample.ad:
                        call.depth_ref = depth_of(buf, sample.ad, sample.ad_end, n_alts, 0)
                        call.depth_alt = depth_of(buf, sample.ad, sample.ad_end, n_alts, k)
                    else:
                        call.depth_ref = -1
                        call.depth_alt = -1
                    tally[s].units += 1
                if n_calls == first_call:
                    continue
                any_carrier = True
                row = alleles[n_alleles]
                n_alleles += 1
                row.record = n_records
                row.alt_index = k
                row.alt = spans[k, 0]
                row.alt_end = spans[k, 1]
                row.first_call = first_call
                row.calls = n_calls - first_call
                if wide == 1:
                    row.fault = _PLOIDY_TOO_HIGH
                else:
                    if alt_fault < 0:
                        alt_fault = _alt_fault(buf, record.ref, record.ref_end, spans[k, 0], spans[k, 1])
                    row.fault = alt_fault
            if not any_carrier:
                uncarried[0] += 1
        n_records += 1
        at = following
    return at, n_records, n_alleles, n_calls, DONE
