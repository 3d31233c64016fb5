-- What an allele does to each transcript, as codes (schemas/chunks.py, TRANSCRIPT), and the names of the pick on findings.

ALTER TABLE annotation ADD COLUMN IF NOT EXISTS `transcripts.position` Array(Int32);

ALTER TABLE annotation ADD COLUMN IF NOT EXISTS `transcripts.offset` Array(Int32);

ALTER TABLE annotation ADD COLUMN IF NOT EXISTS `transcripts.residue` Array(Int32);

ALTER TABLE annotation ADD COLUMN IF NOT EXISTS `transcripts.ref_aa` Array(UInt8);

ALTER TABLE annotation ADD COLUMN IF NOT EXISTS `transcripts.alt_aa` Array(UInt8);

ALTER TABLE annotation ADD COLUMN IF NOT EXISTS `transcripts.effect` Array(UInt32);

ALTER TABLE annotation ADD COLUMN IF NOT EXISTS `transcripts.lost` Array(UInt16);

ALTER TABLE finding ADD COLUMN IF NOT EXISTS impact LowCardinality(String) AFTER consequence;

ALTER TABLE finding ADD COLUMN IF NOT EXISTS hgvsc String AFTER impact;

ALTER TABLE finding ADD COLUMN IF NOT EXISTS hgvsp String AFTER hgvsc;

CREATE OR REPLACE VIEW finding_current AS
SELECT *, start + 1 AS position
FROM finding FINAL
WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
    AND (revision_id, sample_id, allele_id, record, alt_index) NOT IN (
        SELECT revision_id, sample_id, allele_id, record, alt_index FROM superseded
        WHERE by_revision IN (SELECT revision_id FROM revision_current)
    );

-- `cdna_position` is the 1-based base of the transcript that the allele first touches, `intron_offset` what HGVS adds to it in an intron;
-- `residue_change` is a replaced residue such as R12C; names (HGVS) stand on findings, and are rendered for all else on export.
CREATE OR REPLACE VIEW variant AS
WITH
    (SELECT groupArray(name) FROM (SELECT name FROM vocabulary FINAL WHERE vocabulary = 'consequence' ORDER BY code)) AS terms_by_bit,
    (SELECT groupArray(name) FROM (SELECT name FROM vocabulary FINAL WHERE vocabulary = 'effect' ORDER BY code)) AS effects_by_bit
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
    multiIf(bitAnd(a.terms, 1023) != 0, 'HIGH', bitAnd(a.terms, 15360) != 0, 'MODERATE', bitAnd(a.terms, 4177920) != 0, 'LOW', 'MODIFIER') AS impact,
    nullIf(a.cdna, 0) AS cdna_position,
    a.intronic AS intron_offset,
    nullIf(a.residue, 0) AS protein_position,
    if(a.ref_aa = 0, '', concat(char(a.ref_aa), toString(a.residue), char(a.alt_aa))) AS residue_change,
    arrayStringConcat(arrayMap(bit -> effects_by_bit[bit + 1], bitPositionsToArray(a.effect)), ',') AS effect,
    a.lost / 10000 AS protein_lost,
    f.hgvsc AS hgvsc,
    f.hgvsp AS hgvsp,
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
    SELECT
        cityHash64(annotation_key) AS source, allele_id, spelling, pick, gene, region, terms,
        indexOf(`transcripts.transcript`, pick) AS place,
        `transcripts.position`[place] AS cdna,
        `transcripts.offset`[place] AS intronic,
        `transcripts.residue`[place] AS residue,
        `transcripts.ref_aa`[place] AS ref_aa,
        `transcripts.alt_aa`[place] AS alt_aa,
        `transcripts.effect`[place] AS effect,
        `transcripts.lost`[place] AS lost
    FROM annotation
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
) AS v ON v.code = l.clinvar_significance AND v.source = cityHash64(s.lookup_key)
LEFT ANY JOIN (
    SELECT sample_id, revision_id, allele_id, spelling, hgvsc, hgvsp FROM finding
    WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
) AS f ON f.allele_id = c.allele_id AND f.spelling = c.spelling AND f.sample_id = c.sample_id AND f.revision_id = s.revision_id;
