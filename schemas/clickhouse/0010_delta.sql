-- Re-interpretation of only what changed. A delta revision stands on its root (the last full revision) and holds only the rows that differ;
-- what it replaces or removes is in `superseded`. The findings of a sample are those of every published revision on its root.

ALTER TABLE publication ADD COLUMN IF NOT EXISTS root String DEFAULT revision_id;

-- A sample that a new plan does not change keeps its revision, which holds under that plan too.
CREATE TABLE IF NOT EXISTS carried (
    sample_id String,
    revision_id String,
    plan_id String,
    delta_id String,
    carried_at Int64
) ENGINE = ReplacingMergeTree
ORDER BY (sample_id, revision_id, plan_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- What the plan says of an allele, whoever carries it: the columns of a finding without the sample. Lands with delta chunks.
CREATE TABLE IF NOT EXISTS evidence (
    evidence_key LowCardinality(String),
    allele_id UInt64,
    spelling UInt32,
    kept Bool,
    gene LowCardinality(String),
    transcript LowCardinality(String),
    consequence LowCardinality(String),
    impact LowCardinality(String),
    hgvsc String,
    hgvsp String,
    clinvar LowCardinality(String),
    frequency Nullable(Float32),
    frequency_answer LowCardinality(String),
    score Nullable(Float32),
    score_answer LowCardinality(String),
    model LowCardinality(String),
    class LowCardinality(String),
    reasons Array(String)
) ENGINE = ReplacingMergeTree
ORDER BY (evidence_key, allele_id, spelling)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row a carried allele whose classification changed in a delta revision. Positions are 0-based.
CREATE TABLE IF NOT EXISTS reclassified (
    revision_id LowCardinality(String),
    sample_id LowCardinality(String),
    submission_id LowCardinality(String),
    allele_id UInt64,
    spelling UInt32,
    contig LowCardinality(String),
    start Int32,
    ref String,
    alt String,
    zygosity LowCardinality(String),
    gene LowCardinality(String),
    transcript LowCardinality(String),
    hgvsc String,
    hgvsp String,
    tier UInt8,
    basis LowCardinality(String),
    old_class LowCardinality(String),
    new_class LowCardinality(String),
    old_clinvar LowCardinality(String),
    new_clinvar LowCardinality(String),
    changes Array(String),
    finding LowCardinality(String),
    first_seen Int64,
    evidence_changed Int64,
    base String,
    base_plan_id String,
    plan_id String
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, sample_id, allele_id, spelling)
SETTINGS non_replicated_deduplication_window = 10000;

ALTER TABLE finding ADD COLUMN IF NOT EXISTS first_seen Int64;

ALTER TABLE finding ADD COLUMN IF NOT EXISTS evidence_changed Int64;
