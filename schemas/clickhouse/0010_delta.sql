-- Re-interpretation of only what changed. A delta revision stands on its root (the last full revision) and holds only the rows that differ;
-- what it replaces or removes is in `superseded`. The findings of a sample are those of every published revision on its root.

ALTER TABLE publication ADD COLUMN IF NOT EXISTS root String DEFAULT revision_id;

-- A sample that a new plan does not change keeps its revision, which holds under that plan too. `step` counts the plans of a revision from
-- 1; the greatest is the one in force.
CREATE TABLE IF NOT EXISTS carried (
    sample_id String,
    revision_id String,
    step UInt32,
    plan_id String,
    delta_id String,
    carried_at Int64
) ENGINE = ReplacingMergeTree
ORDER BY (sample_id, revision_id, step)
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

-- Scratch of deltas under way: the keys that changed, and the alleles on file that hold one. `what`: allele, residue, region, gene, partner,
-- affected. `a` and `b` by what: allele_id and spelling; gene and residue; linear start and end; gene. Rows of an ended delta are
-- removed by age.
CREATE TABLE IF NOT EXISTS delta_key (
    delta_id String,
    what LowCardinality(String),
    a UInt64,
    b UInt64,
    noted Bool,
    added DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree
ORDER BY (delta_id, what, a, b)
TTL added + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 10000;

-- The current revision of each sample: of what is published as live and not deleted, the greatest revision of the greatest submission.
-- `root` is the full revision on which it stands.
CREATE OR REPLACE VIEW sample_current AS
SELECT
    p.sample_id AS sample_id,
    p.submission_id AS submission_id,
    p.revision_id AS revision_id,
    p.call_set AS call_set,
    p.plan_id AS plan_id,
    p.build AS build,
    p.annotation_key AS annotation_key,
    p.lookup_key AS lookup_key,
    p.score_key AS score_key,
    p.ordinal AS ordinal,
    p.number AS number,
    p.epoch AS epoch,
    p.complete AS complete,
    p.variants_in AS variants_in,
    p.landed AS landed,
    p.quarantined AS quarantined,
    p.findings AS findings,
    p.published_at AS published_at,
    p.root AS root
FROM publication AS p FINAL
LEFT JOIN (SELECT sample_id, max(epoch) AS least FROM sample_epoch GROUP BY sample_id) AS e ON e.sample_id = p.sample_id
WHERE p.kind = 'live' AND p.epoch >= ifNull(e.least, 0)
ORDER BY ordinal DESC, number DESC, revision_id ASC
LIMIT 1 BY sample_id;

-- The revisions whose findings, together and without the superseded ones, are a sample's current ones: its full revision and the deltas on it.
CREATE OR REPLACE VIEW revision_current AS
SELECT p.sample_id AS sample_id, p.revision_id AS revision_id, p.number AS number, p.published_at AS published_at
FROM publication AS p FINAL
INNER JOIN sample_current AS s ON s.sample_id = p.sample_id AND s.submission_id = p.submission_id AND s.root = p.root
WHERE p.kind = 'live' AND p.number <= s.number;

-- The plan under which each sample's current revision holds: its own, or a later one that changes nothing of it.
CREATE OR REPLACE VIEW sample_plan AS
SELECT
    s.sample_id AS sample_id,
    s.revision_id AS revision_id,
    s.build AS build,
    if(c.steps = 0, s.plan_id, c.newest_plan) AS plan_id,
    s.plan_id AS published_plan_id,
    c.steps AS step,
    if(c.steps = 0, s.published_at, c.newest_at) AS since
FROM sample_current AS s
LEFT ANY JOIN (
    SELECT
        sample_id,
        revision_id,
        argMax(plan_id, step) AS newest_plan,
        argMax(carried_at, step) AS newest_at,
        max(step) AS steps
    FROM carried GROUP BY sample_id, revision_id
) AS c ON c.sample_id = s.sample_id AND c.revision_id = s.revision_id;

-- What the compounds of current revisions say of their parts, one row a sample, part and transcript. Compounds belong to the root.
CREATE OR REPLACE VIEW compound_reason_current AS
SELECT
    sample_id, allele_id, record, alt_index, transcript,
    arraySort(groupUniqArray(concat(multiIf(has(flags, 'worse'), 'compound:', has(flags, 'milder'), 'compound_milder:', 'compound_same:'), hgvsp)))
        AS reasons
FROM compound_current
ARRAY JOIN parts.allele_id AS allele_id, parts.record AS record, parts.alt_index AS alt_index
WHERE terms != 0
GROUP BY sample_id, allele_id, record, alt_index, transcript;

-- A finding's row is of the revision that last changed it. `first_seen` and `evidence_changed` are ms since 1970 UTC: when the allele
-- became a finding of this sample, and when what is said of it last changed. Reasons name the compounds of which the allele is a part, on
-- the finding's own transcript.
CREATE OR REPLACE VIEW finding_current AS
SELECT
    f.* EXCEPT (published_at) REPLACE (
        arrayConcat(f.reasons, c.reasons) AS reasons,
        if(f.first_seen = 0, f.published_at, f.first_seen) AS first_seen,
        if(f.evidence_changed = 0, f.published_at, f.evidence_changed) AS evidence_changed
    ),
    f.start + 1 AS position
FROM (
    SELECT o.*, r.published_at AS published_at
    FROM (
        SELECT * FROM finding FINAL
        WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
            AND (revision_id, sample_id, allele_id, record, alt_index) NOT IN (
                SELECT revision_id, sample_id, allele_id, record, alt_index FROM superseded
                WHERE (by_revision, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
            )
    ) AS o
    INNER JOIN revision_current AS r ON r.revision_id = o.revision_id AND r.sample_id = o.sample_id
) AS f
LEFT ANY JOIN compound_reason_current AS c
    ON c.sample_id = f.sample_id AND c.allele_id = f.allele_id
    AND c.record = f.record AND c.alt_index = f.alt_index AND c.transcript = f.transcript;

-- What releases changed in the classification of the alleles of current samples, newest first; `tier` 0 is no event. With names of plans
-- left to `plan`. Deltas of earlier submissions and full revisions are in `reclassified` itself.
CREATE OR REPLACE VIEW reclassified_current AS
SELECT c.*, c.start + 1 AS position, r.number AS revision, r.published_at AS published_at
FROM reclassified AS c FINAL
INNER JOIN revision_current AS r ON r.revision_id = c.revision_id AND r.sample_id = c.sample_id
ORDER BY published_at DESC, tier = 0, tier, sample_id, allele_id;
