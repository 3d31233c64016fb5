-- What the control plane is rebuilt from, and what says which rows readers may see. Times are milliseconds since 1970 UTC.

CREATE TABLE IF NOT EXISTS submission (
    submission_id String,
    event_id String,
    ordinal UInt32,
    cluster String,
    partition Int32,
    offset Int64,
    build LowCardinality(String),
    lane LowCardinality(String),
    uri String,
    source_digest String,
    source_size Int64,
    sample_ids Array(String),
    names Array(String),
    options Map(String, String),
    run_id String,
    source String,
    family String,
    hpo Array(String),
    panel String,
    event_time Int64,
    accepted_at Int64
) ENGINE = ReplacingMergeTree
ORDER BY submission_id
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS plan (
    plan_id String,
    build LowCardinality(String),
    components Array(Tuple(kind String, name String, version String, digest String)),
    code Map(String, UInt32),
    cut_alleles UInt32,
    cut_cells UInt32,
    cut_size UInt32,
    annotation_key String,
    lookup_key String,
    score_key String,
    model String
) ENGINE = ReplacingMergeTree
ORDER BY plan_id
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS revision (
    revision_id String,
    submission_id String,
    plan_id String,
    base String,
    number UInt32,
    kind LowCardinality(String),
    epoch UInt32
) ENGINE = ReplacingMergeTree
ORDER BY (submission_id, revision_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- History; the newest row of a revision counts. `version` is the server's clock in microseconds.
CREATE TABLE IF NOT EXISTS revision_status (
    revision_id String,
    status LowCardinality(String),
    reason String,
    changed_at Int64,
    version UInt64 DEFAULT toUInt64(toUnixTimestamp64Micro(now64(6)))
) ENGINE = MergeTree
ORDER BY (revision_id, version)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS manifest_chunk (
    revision_id LowCardinality(String),
    ordinal UInt32,
    chunk_id String,
    kind LowCardinality(String),
    contig LowCardinality(String),
    alleles UInt32,
    calls UInt64,
    hash_sum UInt64
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, ordinal)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS manifest_sample (
    revision_id LowCardinality(String),
    sample_id String,
    variants_in UInt64,
    landed UInt64,
    quarantined Map(String, UInt64),
    hash_sum UInt64,
    quality Map(String, Float64)
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, sample_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- Written after its chunks and samples: a manifest without this row is not there yet.
CREATE TABLE IF NOT EXISTS manifest (
    revision_id String,
    submission_id String,
    plan_id String,
    source_digest String,
    records UInt64,
    reference_blocks UInt64,
    uncarried UInt64,
    chunks UInt32,
    samples UInt32
) ENGINE = ReplacingMergeTree
ORDER BY revision_id
SETTINGS non_replicated_deduplication_window = 10000;

-- One row a chunk whose rows all landed, written last. Counts are of rows inserted; `scores` counts distinct alleles of the submission.
CREATE TABLE IF NOT EXISTS ledger (
    revision_id LowCardinality(String),
    chunk UInt32,
    submission_id LowCardinality(String),
    chunk_id String,
    kind LowCardinality(String),
    contig LowCardinality(String),
    epoch UInt32,
    alleles UInt32,
    calls UInt64,
    hash_sum UInt64,
    scores UInt32,
    findings UInt32,
    faults UInt64,
    worker LowCardinality(String),
    provider LowCardinality(String),
    landed_at DateTime64(3) DEFAULT now64(3)
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, chunk)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row a chunk that a stage could not process; its original bytes stand at (topic, partition, offset).
CREATE TABLE IF NOT EXISTS quarantine (
    revision_id LowCardinality(String),
    chunk_id String,
    submission_id LowCardinality(String),
    ordinal UInt32,
    stage LowCardinality(String),
    reason String,
    error LowCardinality(String),
    attempt UInt32,
    topic LowCardinality(String),
    partition Int32,
    offset Int64,
    quarantined_at Int64
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, chunk_id, stage)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row a sample of a published revision, all samples of a revision in one insert. Readers see what this table points at.
CREATE TABLE IF NOT EXISTS publication (
    revision_id String,
    sample_id String,
    submission_id String,
    call_set String,
    plan_id String,
    build LowCardinality(String),
    annotation_key String,
    lookup_key String,
    score_key String,
    ordinal UInt32,
    number UInt32,
    base String,
    kind LowCardinality(String),
    epoch UInt32,
    complete Bool,
    variants_in UInt64,
    landed UInt64,
    quarantined Map(String, UInt64),
    findings UInt64,
    actor String,
    reason String,
    published_at Int64
) ENGINE = ReplacingMergeTree
ORDER BY (sample_id, revision_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS announced (
    revision_id String,
    announced_at Int64
) ENGINE = ReplacingMergeTree
ORDER BY revision_id
SETTINGS non_replicated_deduplication_window = 10000;

-- The greatest epoch of a sample counts: rows and publications of a smaller one are gone, also those that arrive later.
CREATE TABLE IF NOT EXISTS sample_epoch (
    sample_id String,
    epoch UInt32,
    deleted_at DateTime64(3) DEFAULT now64(3)
) ENGINE = ReplacingMergeTree
ORDER BY (sample_id, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS decision (
    cluster String,
    partition Int32,
    offset Int64,
    event_id String,
    kind LowCardinality(String),
    sample_id String,
    revision_id String,
    actor String,
    reason String,
    outcome String,
    time Int64
) ENGINE = ReplacingMergeTree
ORDER BY (cluster, partition, offset, event_id, kind, sample_id, revision_id)
SETTINGS non_replicated_deduplication_window = 10000;
