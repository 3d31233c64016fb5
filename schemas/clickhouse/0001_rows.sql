-- The rows of samples and of alleles, split by how often they change. Positions are 0-based half-open; -1 and NaN: not given.
-- A call belongs to a call set (submission, code of ingest, cutting rule), not to a revision: a second plan reads the same calls.
-- `spelling` is 0 for a short allele, else 32 more bits of hash beside those in the id (schemas/identity.py), so that two long
-- alleles that share an id stay two.

CREATE TABLE IF NOT EXISTS calls (
    submission_id LowCardinality(String),
    sample_id LowCardinality(String),
    call_set LowCardinality(String),
    allele_id UInt64 CODEC(Delta, LZ4),
    record UInt32 CODEC(Delta, LZ4),
    alt_index UInt16,
    spelling UInt32,
    chunk UInt32,
    epoch UInt32,
    contig LowCardinality(String),
    start Int32 CODEC(Delta, LZ4),
    ref String,
    alt String,
    flags UInt32,
    qual Float32,
    filter LowCardinality(String),
    haplotypes UInt8,
    ploidy UInt8,
    other_alts UInt8,
    missing UInt8,
    phased Bool,
    phase_set Int32,
    depth Int32,
    quality Int32,
    depth_ref Int32,
    depth_alt Int32
) ENGINE = ReplacingMergeTree
ORDER BY (submission_id, sample_id, call_set, allele_id, record, alt_index)
SETTINGS non_replicated_deduplication_window = 10000;

-- REF and ALT are here for long alleles only; a short one's are in its id.
CREATE TABLE IF NOT EXISTS annotation (
    annotation_key LowCardinality(String),
    allele_id UInt64 CODEC(Delta, LZ4),
    spelling UInt32,
    ref String,
    alt String,
    pick UInt32,
    gene UInt32,
    region UInt8,
    terms UInt64,
    transcripts Nested (
        transcript UInt32,
        terms UInt64,
        exon UInt16,
        intron UInt16,
        distance Int32
    )
) ENGINE = ReplacingMergeTree
ORDER BY (annotation_key, allele_id, spelling)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS lookup (
    lookup_key LowCardinality(String),
    allele_id UInt64 CODEC(Delta, LZ4),
    spelling UInt32,
    clinvar_answer UInt8,
    clinvar_significance UInt8,
    clinvar_id UInt32,
    frequency_answer UInt8,
    frequency Float32
) ENGINE = ReplacingMergeTree
ORDER BY (lookup_key, allele_id, spelling)
SETTINGS non_replicated_deduplication_window = 10000;

-- The first score that lands stays: `seniority` falls with time, and the greatest is kept.
CREATE TABLE IF NOT EXISTS score (
    score_key LowCardinality(String),
    allele_id UInt64 CODEC(Delta, LZ4),
    spelling UInt32,
    model LowCardinality(String),
    scored UInt8,
    score Float32,
    provider LowCardinality(String),
    worker LowCardinality(String),
    seniority UInt64 DEFAULT 4102444800000000 - toUInt64(toUnixTimestamp64Micro(now64(6)))
) ENGINE = ReplacingMergeTree(seniority)
ORDER BY (score_key, allele_id, spelling)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS finding (
    revision_id LowCardinality(String),
    sample_id LowCardinality(String),
    submission_id LowCardinality(String),
    allele_id UInt64,
    spelling UInt32,
    record UInt32,
    alt_index UInt16,
    chunk UInt32,
    epoch UInt32,
    contig LowCardinality(String),
    start Int32,
    ref String,
    alt String,
    gene LowCardinality(String),
    transcript LowCardinality(String),
    consequence LowCardinality(String),
    zygosity LowCardinality(String),
    clinvar LowCardinality(String),
    frequency Nullable(Float32),
    frequency_answer LowCardinality(String),
    score Nullable(Float32),
    score_answer LowCardinality(String),
    model LowCardinality(String),
    class LowCardinality(String),
    reasons Array(String)
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, sample_id, allele_id, record, alt_index)
SETTINGS non_replicated_deduplication_window = 10000;

-- Findings of a full revision that a later delta revision replaces or removes.
CREATE TABLE IF NOT EXISTS superseded (
    revision_id LowCardinality(String),
    sample_id LowCardinality(String),
    allele_id UInt64,
    record UInt32,
    alt_index UInt16,
    by_revision LowCardinality(String)
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, sample_id, allele_id, record, alt_index, by_revision)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row a sample and allele of a record that is kept but not interpreted.
CREATE TABLE IF NOT EXISTS fault (
    submission_id LowCardinality(String),
    sample_id LowCardinality(String),
    call_set LowCardinality(String),
    record UInt32,
    alt_index UInt16,
    reason LowCardinality(String),
    detail String,
    site String CODEC(ZSTD(1)),
    chunk UInt32,
    epoch UInt32
) ENGINE = ReplacingMergeTree
ORDER BY (submission_id, sample_id, call_set, record, alt_index)
SETTINGS non_replicated_deduplication_window = 10000;
