-- What readers read: complete, current, not deleted. Positions are 1-based here, as people write them; absent numbers are NULL.

-- The current revision of each sample: of what is published as live and not deleted, the greatest revision of the greatest submission.
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
    p.published_at AS published_at
FROM publication AS p FINAL
LEFT JOIN (SELECT sample_id, max(epoch) AS least FROM sample_epoch GROUP BY sample_id) AS e ON e.sample_id = p.sample_id
WHERE p.kind = 'live' AND p.epoch >= ifNull(e.least, 0)
ORDER BY ordinal DESC, number DESC, revision_id ASC
LIMIT 1 BY sample_id;

-- The revisions whose findings, together, are a sample's current ones: now its one full revision; a delta will stand beside its base.
CREATE OR REPLACE VIEW revision_current AS
SELECT sample_id, revision_id FROM sample_current;

CREATE OR REPLACE VIEW calls_current AS
SELECT *
FROM calls FINAL
WHERE (submission_id, sample_id, call_set) IN (SELECT submission_id, sample_id, call_set FROM sample_current);

CREATE OR REPLACE VIEW finding_current AS
SELECT *, start + 1 AS position
FROM finding FINAL
WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
    AND (revision_id, sample_id, allele_id, record, alt_index) NOT IN (
        SELECT revision_id, sample_id, allele_id, record, alt_index FROM superseded
        WHERE by_revision IN (SELECT revision_id FROM revision_current)
    );

CREATE OR REPLACE VIEW fault_current AS
SELECT *
FROM fault FINAL
WHERE (submission_id, sample_id, call_set) IN (SELECT submission_id, sample_id, call_set FROM sample_current);

-- Every current call with what is known of its allele under the plan of its sample's revision, named.
CREATE OR REPLACE VIEW variant AS
WITH
    (SELECT groupArray(name) FROM (SELECT name FROM vocabulary FINAL WHERE vocabulary = 'consequence' ORDER BY code)) AS terms_by_bit
SELECT
    c.sample_id AS sample_id,
    s.build AS build,
    c.contig AS contig,
    c.start + 1 AS position,
    c.ref AS ref,
    c.alt AS alt,
    c.allele_id AS allele_id,
    multiIf(c.ploidy = 1, 'hemizygous', bitCount(c.haplotypes) = c.ploidy, 'homozygous', 'heterozygous') AS zygosity,
    c.phased AS phased,
    nullIf(c.depth, -1) AS depth,
    nullIf(c.quality, -1) AS quality,
    nullIf(c.depth_ref, -1) AS depth_ref,
    nullIf(c.depth_alt, -1) AS depth_alt,
    if(isNaN(c.qual), NULL, c.qual) AS qual,
    c.filter AS filter,
    c.flags AS flags,
    g.symbol AS gene,
    g.gene_id AS gene_id,
    t.name AS transcript,
    t.biotype AS biotype,
    arrayStringConcat(arrayMap(bit -> terms_by_bit[bit + 1], bitPositionsToArray(a.terms)), ',') AS consequence,
    transform(a.region, [1, 2, 3, 4, 5, 6, 7, 8, 9],
        ['coding', 'splice', 'utr5', 'utr3', 'noncoding_exon', 'intron', 'upstream', 'downstream', 'intergenic'], '') AS region,
    v.name AS clinvar,
    transform(l.clinvar_answer, [1, 2, 3, 4], ['found', 'absent', 'unknown', 'not_loaded'], '') AS clinvar_answer,
    if(l.frequency_answer = 1, l.frequency, NULL) AS frequency,
    transform(l.frequency_answer, [1, 2, 3, 4], ['found', 'absent', 'unknown', 'not_loaded'], '') AS frequency_answer,
    if(x.scored = 1, x.score, NULL) AS score,
    x.model AS model,
    c.record AS record,
    c.alt_index AS alt_index,
    c.submission_id AS submission_id,
    s.revision_id AS revision_id,
    s.plan_id AS plan_id
FROM calls_current AS c
INNER JOIN sample_current AS s ON s.sample_id = c.sample_id
LEFT ANY JOIN (
    SELECT cityHash64(annotation_key) AS source, allele_id, spelling, pick, gene, region, terms FROM annotation
    WHERE annotation_key IN (SELECT annotation_key FROM sample_current)
) AS a ON a.allele_id = c.allele_id AND a.spelling = c.spelling AND a.source = cityHash64(s.annotation_key)
LEFT ANY JOIN (
    SELECT cityHash64(lookup_key) AS source, allele_id, spelling, clinvar_answer, clinvar_significance, frequency_answer, frequency FROM lookup
    WHERE lookup_key IN (SELECT lookup_key FROM sample_current)
) AS l ON l.allele_id = c.allele_id AND l.spelling = c.spelling AND l.source = cityHash64(s.lookup_key)
LEFT ANY JOIN (
    SELECT cityHash64(score_key) AS source, allele_id, spelling, model, scored, score FROM score FINAL
    WHERE score_key IN (SELECT score_key FROM sample_current)
) AS x ON x.allele_id = c.allele_id AND x.spelling = c.spelling AND x.source = cityHash64(s.score_key)
LEFT ANY JOIN (
    SELECT cityHash64(annotation_key) AS source, transcript, name, biotype FROM transcript
) AS t ON t.transcript = a.pick AND t.source = cityHash64(s.annotation_key)
LEFT ANY JOIN (
    SELECT cityHash64(annotation_key) AS source, gene, gene_id, symbol FROM gene
) AS g ON g.gene = a.gene AND g.source = cityHash64(s.annotation_key)
LEFT ANY JOIN (
    SELECT cityHash64(key) AS source, code, name FROM vocabulary WHERE vocabulary = 'clinvar'
) AS v ON v.code = l.clinvar_significance AND v.source = cityHash64(s.lookup_key);
