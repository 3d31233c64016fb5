-- Variants of one haplotype of a sample that were called together on a transcript (schemas/compounds.py). Not of the allele store: a row
-- belongs to a revision. It comes with the chunk with which its gene's last alleles came, so `chunk` is not where its parts are.

CREATE TABLE IF NOT EXISTS compound (
    revision_id LowCardinality(String),
    sample_id LowCardinality(String),
    submission_id LowCardinality(String),
    chunk UInt32,
    epoch UInt32,
    contig LowCardinality(String),
    start Int32,
    end Int32,
    gene LowCardinality(String),
    transcript LowCardinality(String),
    kind LowCardinality(String),
    haplotypes UInt8,
    phase LowCardinality(String),
    phase_set Int32,
    flags Array(LowCardinality(String)),
    terms UInt64,
    consequence LowCardinality(String),
    impact LowCardinality(String),
    hgvsc String,
    hgvsp String,
    cds_start Int32,
    cds_end Int32,
    residue Int32,
    ref_codons String,
    alt_codons String,
    ref_aa String,
    alt_aa String,
    parts Nested (
        record UInt32,
        alt_index UInt16,
        allele_id UInt64,
        spelling UInt32,
        start Int32,
        ref String,
        alt String,
        terms UInt64
    )
) ENGINE = ReplacingMergeTree
ORDER BY (revision_id, sample_id, transcript, haplotypes, phase_set, parts.record, parts.alt_index)
SETTINGS non_replicated_deduplication_window = 10000;

-- optional: half the time of merges
ALTER TABLE compound MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE compound MODIFY SETTING auto_statistics_types = '';

ALTER TABLE ledger ADD COLUMN IF NOT EXISTS compounds UInt32;

CREATE OR REPLACE VIEW compound_current AS
SELECT *, start + 1 AS position
FROM compound FINAL
WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM revision_current);

-- What the compounds of current revisions say of their parts, one row a sample, part and transcript.
CREATE OR REPLACE VIEW compound_reason_current AS
SELECT
    revision_id, sample_id, allele_id, record, alt_index, transcript,
    arraySort(groupUniqArray(concat(multiIf(has(flags, 'worse'), 'compound:', has(flags, 'milder'), 'compound_milder:', 'compound_same:'), hgvsp)))
        AS reasons
FROM compound_current
ARRAY JOIN parts.allele_id AS allele_id, parts.record AS record, parts.alt_index AS alt_index
WHERE terms != 0
GROUP BY revision_id, sample_id, allele_id, record, alt_index, transcript;

-- The reasons of a finding name the compounds of which its allele is a part, on the finding's own transcript.
CREATE OR REPLACE VIEW finding_current AS
SELECT f.* REPLACE (arrayConcat(f.reasons, c.reasons) AS reasons), f.start + 1 AS position
FROM (
    SELECT * FROM finding FINAL
    WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
        AND (revision_id, sample_id, allele_id, record, alt_index) NOT IN (
            SELECT revision_id, sample_id, allele_id, record, alt_index FROM superseded
            WHERE by_revision IN (SELECT revision_id FROM revision_current)
        )
) AS f
LEFT ANY JOIN compound_reason_current AS c
    ON c.revision_id = f.revision_id AND c.sample_id = f.sample_id AND c.allele_id = f.allele_id
    AND c.record = f.record AND c.alt_index = f.alt_index AND c.transcript = f.transcript;
