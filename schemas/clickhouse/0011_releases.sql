-- Releases of knowledge, as asked and as they went, and whose cases take no part in re-interpretation. Times are ms since 1970 UTC.
-- `added`, `removed`, `changed` count keys against the pack before; -1: not counted.

CREATE TABLE IF NOT EXISTS release (
    release_id String,
    build LowCardinality(String),
    kind LowCardinality(String),
    from_digest String,
    to_digest String,
    name String,
    version String,
    date String,
    direction LowCardinality(String),
    lane LowCardinality(String),
    actor String,
    reason String,
    added Int64,
    removed Int64,
    changed Int64,
    requested_at Int64
) ENGINE = ReplacingMergeTree
ORDER BY release_id
SETTINGS non_replicated_deduplication_window = 10000;

-- History; the newest row of a release counts.
CREATE TABLE IF NOT EXISTS release_status (
    release_id String,
    state LowCardinality(String),
    detail String,
    samples UInt64,
    samples_done UInt64,
    samples_touched UInt64,
    alleles UInt64,
    reclassified Map(UInt8, UInt64),
    changed_at Int64,
    version UInt64 DEFAULT toUInt64(toUnixTimestamp64Micro(now64(6)))
) ENGINE = MergeTree
ORDER BY (release_id, version)
SETTINGS non_replicated_deduplication_window = 10000;

-- The newest row of a sample counts; none: re-interpretation is allowed.
CREATE TABLE IF NOT EXISTS reanalysis (
    sample_id String,
    allowed Bool,
    actor String,
    reason String,
    decided_at Int64,
    version UInt64 DEFAULT toUInt64(toUnixTimestamp64Micro(now64(6)))
) ENGINE = MergeTree
ORDER BY (sample_id, version)
SETTINGS non_replicated_deduplication_window = 10000;

-- The newest row of a build counts; none: its samples are re-interpreted.
CREATE TABLE IF NOT EXISTS reanalysis_pause (
    build LowCardinality(String),
    paused Bool,
    actor String,
    reason String,
    changed_at Int64,
    version UInt64 DEFAULT toUInt64(toUnixTimestamp64Micro(now64(6)))
) ENGINE = MergeTree
ORDER BY (build, version)
SETTINGS non_replicated_deduplication_window = 10000;
