"""The line kernel: VCF text in, arrays of records, carried ALTs and calls out. Sparse: a sample that carries nothing leaves no row.

One pass over the bytes. The kernel stops where an output is full or the text ends, and says how far it came; what it gives for a line
depends on that line and the header only, never on where blocks were cut.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.ingest.columns import alt_fault, block_end, format_keys, placeholder, sample_column, split_alts
from processors.ingest.faults import MAX_PLOIDY, Fault
from processors.ingest.layout import HISTOGRAM_BINS, MALFORMED, MAX_MALFORMED_CELLS, REFERENCE_BLOCK, VARIANT
from processors.ingest.scan import carries, count_value, depth_of, float_value, intern, same_text

DONE, OUT_OF_ROOM, CONTIGS_FULL, FILTERS_FULL = 0, 1, 2, 3
"""Why `parse_lines` came back."""

_MAX_PLOIDY = MAX_PLOIDY
_PLOIDY_TOO_HIGH = int(Fault.PLOIDY_TOO_HIGH)
_MISSING_COLUMNS, _SAMPLE_COLUMNS, _BAD_POSITION = int(Fault.MISSING_COLUMNS), int(Fault.SAMPLE_COLUMNS), int(Fault.BAD_POSITION)
_EMPTY_ALLELE, _BAD_QUALITY, _NO_GENOTYPE = int(Fault.EMPTY_ALLELE), int(Fault.BAD_QUALITY), int(Fault.NO_GENOTYPE)


@njit(cache=True, nogil=True)
def _fixed_columns(buf, at, end, tabs, record, spans):  # type: ignore[no-untyped-def]
    """Read CHROM to QUAL into `record`; its Fault. `tabs` int64[10] gets the starts of the first ten columns, `spans` the ALTs."""
    found = 0
    tabs[0] = at
    i = at
    while i < end and found < 9:
        if buf[i] == 9:
            found += 1
            tabs[found] = i + 1
        i += 1
    record.line = at
    record.line_end = end
    record.info_end = tabs[8] - 1 if found >= 8 else end
    record.contig = -1
    record.position = -1
    record.ref = at
    record.ref_end = at
    record.qual = np.nan
    record.filter = 0
    record.alts = 0
    record.kind = VARIANT
    record.fault = 0
    if found < 9:
        return _MISSING_COLUMNS
    valid, position = count_value(buf, tabs[1], tabs[2] - 1)
    if not valid or position < 1:
        return _BAD_POSITION
    record.position = position - 1
    record.ref = tabs[3]
    record.ref_end = tabs[4] - 1
    if record.ref_end <= record.ref or buf[record.ref] == 46 or tabs[5] - 1 <= tabs[4] or tabs[1] - 1 <= at:
        return _EMPTY_ALLELE
    fault, alts = split_alts(buf, tabs[4], tabs[5] - 1, spans)
    if fault:
        return fault
    record.alts = alts
    valid, quality = float_value(buf, tabs[5], tabs[6] - 1)
    if not valid:
        return _BAD_QUALITY
    record.qual = quality
    return 0


@njit(cache=True, nogil=True)
def _sample_columns(buf, start, end, columns, keys, alts, samples, gts, carriers):  # type: ignore[no-untyped-def]
    """Read the chosen samples' columns into `samples` and `gts`; (Fault, number of samples that carry an ALT, in `carriers`)."""
    if keys[0] < 0:
        return _NO_GENOTYPE, 0
    n_carriers, column = 0, 0
    i = start
    while True:
        first = i
        while i < end and buf[i] != 9:
            i += 1
        if column >= columns.shape[0]:
            return _SAMPLE_COLUMNS, 0
        place = columns[column]
        if place >= 0:
            fault = sample_column(buf, first, i, keys, alts, samples[place], gts[place])
            if fault:
                return fault, 0
            if samples[place].highest > 0:
                carriers[n_carriers] = place
                n_carriers += 1
        column += 1
        if i >= end:
            break
        i += 1
    if column != columns.shape[0]:
        return _SAMPLE_COLUMNS, 0
    return 0, n_carriers


@njit(cache=True, nogil=True)
def _count_block(samples, bases, tally):  # type: ignore[no-untyped-def]
    """Count a reference block of `bases` bases as coverage of the samples that it calls."""
    for s in range(samples.shape[0]):
        if samples[s].missing == 0:
            depth = samples[s].depth
            tally[s].block_bases += bases
            if depth > 0:
                tally[s].block_depth += bases * depth
            if depth >= 20:
                tally[s].block_bases_20 += bases


@njit(cache=True, nogil=True)
def _count_genotypes(samples, tally, depth_bins, quality_bins):  # type: ignore[no-untyped-def]
    """Count the genotypes of one variant record."""
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


@njit(cache=True, nogil=True)
def _write_calls(buf, k, alts, high, samples, gts, carriers, n_carriers, calls, at, tally):  # type: ignore[no-untyped-def]
    """Write the calls of ALT `k`, of the samples whose ploidy is too high (`high`) or is not; the place behind the last call."""
    for c in range(n_carriers):
        s = carriers[c]
        sample = samples[s]
        if (sample.ploidy > _MAX_PLOIDY) != high or sample.highest < k:
            continue
        bits, others = 0, 0
        if high:
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
        call = calls[at]
        at += 1
        call.sample = s
        call.haplotypes = bits
        call.ploidy = sample.ploidy
        call.other_alts = others
        call.missing = sample.missing
        call.phased = sample.phased
        call.phase_set = sample.phase_set
        call.depth = sample.depth
        call.quality = sample.quality
        call.depth_ref = -1
        call.depth_alt = -1
        if sample.ad_end > sample.ad:
            call.depth_ref = depth_of(buf, np.int64(sample.ad), np.int64(sample.ad_end), alts, np.int64(0))
            call.depth_alt = depth_of(buf, np.int64(sample.ad), np.int64(sample.ad_end), alts, k)
        tally[s].units += 1
    return at


@njit(cache=True, nogil=True)
def _only_placeholders(buf, spans, alts):  # type: ignore[no-untyped-def]
    """True where every ALT only says "any other allele", or there is none."""
    for k in range(1, alts + 1):  # noqa: SIM110
        if not placeholder(buf, np.int64(spans[k, 0]), np.int64(spans[k, 1])):
            return False
    return True


@njit(cache=True, nogil=True)
def parse_lines(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915 -- one pass; its parts are the kernels above
    buf, start, stop, columns, records, alleles, calls, samples, gts, spans, keys, carriers,
    contig_slots, contig_offsets, contig_names, contig_count, filter_slots, filter_offsets, filter_names, filter_count,
    tally, depth_bins, quality_bins, uncarried,
):  # fmt: skip
    """Parse whole lines of `buf[start:stop]`; (bytes consumed up to, records, alleles, calls, status).

    `columns` int32 maps a sample column to its place among the chosen samples, -1 where it was not asked for.
    """
    n_records, n_alleles, n_calls, n_malformed = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    tabs = np.empty(10, dtype=np.int64)
    format_start, format_end = np.int64(0), np.int64(-1)
    contig, contig_start, contig_end = np.int32(-1), np.int64(0), np.int64(-1)
    filter_, filter_start, filter_end = np.int32(-1), np.int64(0), np.int64(-1)
    at = np.int64(start)
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
        fault = _fixed_columns(buf, at, end, tabs, record, spans)
        alts = record.alts
        n_carriers = 0
        if fault == 0:
            if not same_text(buf, tabs[8], tabs[9] - 1, buf, format_start, format_end):
                format_start, format_end = tabs[8], tabs[9] - 1
                format_keys(buf, format_start, format_end, keys)
            fault, n_carriers = _sample_columns(buf, tabs[9], end, columns, keys, alts, samples, gts, carriers)
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
        if n_calls + room > calls.shape[0] or n_alleles + 2 * alts > alleles.shape[0]:
            return at, n_records, n_alleles, n_calls, OUT_OF_ROOM
        if contig < 0 or not same_text(buf, at, tabs[1] - 1, buf, contig_start, contig_end):
            contig = intern(buf, at, tabs[1] - 1, contig_slots, contig_offsets, contig_names, contig_count)
            if contig < 0:
                return at, n_records, n_alleles, n_calls, CONTIGS_FULL
            contig_start, contig_end = at, tabs[1] - 1
        record.contig = contig
        if filter_ < 0 or not same_text(buf, tabs[6], tabs[7] - 1, buf, filter_start, filter_end):
            filter_ = intern(buf, tabs[6], tabs[7] - 1, filter_slots, filter_offsets, filter_names, filter_count)
            if filter_ < 0:
                return at, n_records, n_alleles, n_calls, FILTERS_FULL
            filter_start, filter_end = tabs[6], tabs[7] - 1
        record.filter = filter_

        if n_carriers == 0 and _only_placeholders(buf, spans, alts):
            record.kind = REFERENCE_BLOCK
            _count_block(samples, max(np.int64(1), block_end(buf, tabs[7], record.info_end) - record.position), tally)
        else:
            _count_genotypes(samples, tally, depth_bins, quality_bins)
            for k in range(1, alts + 1):
                before = n_alleles
                for high in (False, True):
                    first = n_calls
                    n_calls = _write_calls(buf, k, alts, high, samples, gts, carriers, n_carriers, calls, n_calls, tally)
                    if n_calls == first:
                        continue
                    row = alleles[n_alleles]
                    n_alleles += 1
                    row.record = n_records
                    row.alt_index = k
                    row.alt = spans[k, 0]
                    row.alt_end = spans[k, 1]
                    row.first_call = first
                    row.calls = n_calls - first
                    row.fault = _PLOIDY_TOO_HIGH if high else alt_fault(buf, record.ref, record.ref_end, spans[k, 0], spans[k, 1])
                if n_alleles == before:
                    uncarried[0] += 1
        n_records += 1
        at = following
    return at, n_records, n_alleles, n_calls, DONE
