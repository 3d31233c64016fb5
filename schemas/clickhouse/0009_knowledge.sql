-- What is known of alleles, a source at a time, so that the release of one never rewrites the values of another. A source is named by the
-- digest of its pack. ClinVar stands here whole, by version; of the others a row lands with an allele, where the answer is not the
-- source's default (`source.default_answer`). The table `lookup` of before is not written any more.

CREATE TABLE IF NOT EXISTS source (
    digest String,
    kind LowCardinality(String),
    name String,
    version String,
    build LowCardinality(String),
    date String,
    licence LowCardinality(String),
    keyed LowCardinality(String),
    moving Bool,
    rows UInt64,
    default_answer LowCardinality(String),
    manifest String
) ENGINE = ReplacingMergeTree
ORDER BY digest
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS knowledge_clinvar (
    source LowCardinality(String),
    allele_id UInt64 CODEC(Delta, LZ4),
    spelling UInt32,
    row UInt32,
    significance UInt8,
    stars UInt8,
    terms UInt32,
    record String,
    conditions String
) ENGINE = ReplacingMergeTree
PARTITION BY source
ORDER BY (source, allele_id, spelling)
SETTINGS non_replicated_deduplication_window = 10000;

-- `answer`: 1 found, 2 absent, 3 unknown; `value`: the source's main number, NaN where not found; `row`: of the pack, 4294967295 none.
CREATE TABLE IF NOT EXISTS knowledge_value (
    source LowCardinality(String),
    allele_id UInt64 CODEC(Delta, LZ4),
    spelling UInt32,
    answer UInt8,
    value Float32,
    row UInt32
) ENGINE = ReplacingMergeTree
ORDER BY (source, allele_id, spelling)
SETTINGS non_replicated_deduplication_window = 10000;
