-- What codes mean, written when a plan is first used, so that SQL can show names. Rows of one key never change.

CREATE TABLE IF NOT EXISTS transcript (
    annotation_key LowCardinality(String),
    transcript UInt32,
    name String,
    gene UInt32,
    gene_id String,
    symbol LowCardinality(String),
    biotype LowCardinality(String)
) ENGINE = ReplacingMergeTree
ORDER BY (annotation_key, transcript)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS gene (
    annotation_key LowCardinality(String),
    gene UInt32,
    gene_id String,
    symbol String,
    contig LowCardinality(String),
    start Int32,
    end Int32
) ENGINE = ReplacingMergeTree
ORDER BY (annotation_key, gene)
SETTINGS non_replicated_deduplication_window = 10000;

-- `code` is a bit of `terms` (vocabulary `consequence`, key: an annotation_key), or a value (`clinvar`, key: a lookup_key).
CREATE TABLE IF NOT EXISTS vocabulary (
    vocabulary LowCardinality(String),
    key LowCardinality(String),
    code UInt16,
    name String
) ENGINE = ReplacingMergeTree
ORDER BY (vocabulary, key, code)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS contig_name (
    build LowCardinality(String),
    contig String,
    number UInt32,
    offset UInt64,
    length UInt64
) ENGINE = ReplacingMergeTree
ORDER BY (build, contig)
SETTINGS non_replicated_deduplication_window = 10000;
