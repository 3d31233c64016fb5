-- `key` of the vocabulary `clinvar` is now the digest of the pack.

-- What is known of alleles, a source at a time, so that the release of one never rewrites the values of another. A source is named by the
-- digest of its pack. ClinVar stands here whole, by version; its texts stay in the pack, whose `row` is here. Of the others a row lands
-- with an allele, where the answer is not the source's default (`source.default_answer`). The table `lookup` is not written any more.

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
    frequency Bool,
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
    terms UInt32
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

-- optional: half the time of merges
ALTER TABLE knowledge_value MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE knowledge_value MODIFY SETTING auto_statistics_types = '';

-- Rows of `knowledge_value` of alleles that are new in the submission.
ALTER TABLE ledger ADD COLUMN IF NOT EXISTS known UInt32;

-- The plan under which each sample's current revision holds; 0010 knows of later ones that change nothing of it.
CREATE OR REPLACE VIEW sample_plan AS
SELECT
    sample_id,
    revision_id,
    build,
    plan_id,
    plan_id AS published_plan_id,
    toUInt32(0) AS step,
    published_at AS since
FROM sample_current;

-- The knowledge of each plan, by `place` among its components. `noted`: its row in `source` is there, which is written last, after all that
-- stands whole; of a source that is not noted nothing is claimed.
CREATE OR REPLACE VIEW plan_source AS
SELECT
    c.plan_id AS plan_id,
    c.place AS place,
    c.kind AS kind,
    c.digest AS digest,
    c.name AS name,
    c.version AS version,
    s.digest != '' AS noted,
    s.date AS date,
    s.licence AS licence,
    s.keyed AS keyed,
    s.moving AS moving,
    s.frequency AS frequency,
    s.default_answer AS default_answer
FROM (
    SELECT plan_id, place, tupleElement(one, 'kind') AS kind, tupleElement(one, 'name') AS name,
        tupleElement(one, 'version') AS version, tupleElement(one, 'digest') AS digest
    FROM (SELECT plan_id, components FROM plan FINAL) AS p
    ARRAY JOIN components AS one, arrayEnumerate(components) AS place
    WHERE tupleElement(one, 'kind') NOT IN ('genome', 'transcripts', 'options', 'model')
) AS c
LEFT ANY JOIN (SELECT digest, date, licence, keyed, moving, frequency, default_answer FROM source FINAL) AS s ON s.digest = c.digest;

-- The same, one row a plan. `clinvar`: digest, empty where the plan has none or it is not noted; `clinvar_default`: the answer for an allele
-- that it does not hold. `frequencies`: (place, digest, kind) in the plan's order, `frequency_set` their number for joins, `frequency_absent`
-- bit i: the i-th (from 0) answers "absent" where no row says other. `whole`: every source of the plan is noted.
CREATE OR REPLACE VIEW plan_knowledge AS
SELECT
    p.plan_id AS plan_id,
    anyIf(digest, kind = 'clinvar' AND noted) AS clinvar,
    multiIf(countIf(kind = 'clinvar') = 0, 'not_loaded', clinvar = '', '', anyIf(default_answer, kind = 'clinvar')) AS clinvar_default,
    arraySort(groupArrayIf((place, digest, kind, default_answer), frequency)) AS sorted,
    arrayMap(one -> (one.1, one.2, one.3), sorted) AS frequencies,
    cityHash64(arrayMap(one -> one.2, sorted)) AS frequency_set,
    arraySum(arrayMap((one, i) -> if(one.4 = 'absent', bitShiftLeft(toUInt64(1), i - 1), 0), sorted, arrayEnumerate(sorted))) AS frequency_absent,
    countIf(kind != '' AND NOT noted) = 0 AS whole
FROM (SELECT DISTINCT plan_id FROM plan) AS p
LEFT JOIN plan_source AS k ON k.plan_id = p.plan_id
GROUP BY p.plan_id;

-- Every current call with what is known of its allele under the plan in force for its sample, named. `clinvar` is the significance,
-- `frequency` the greatest of the plan's frequency sources, that of `frequency_source`. An answer is empty where a source is not on record.
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
    if(l.hit = 0 OR l.stars = 255, NULL, l.stars) AS clinvar_stars,
    if(l.hit = 1, 'found', s.clinvar_default) AS clinvar_answer,
    if(q.found = 1, q.greatest, NULL) AS frequency,
    multiIf(
        q.found = 1, 'found',
        NOT s.whole, '',
        empty(s.frequencies), 'not_loaded',
        q.absent = 1 OR bitAnd(s.frequency_absent, bitNot(q.said)) != 0, 'absent',
        'unknown') AS frequency_answer,
    if(q.found = 1, q.whose, '') AS frequency_source,
    if(x.scored = 1, x.score, NULL) AS score,
    x.model AS model,
    c.record AS record,
    c.alt_index AS alt_index,
    c.submission_id AS submission_id,
    s.revision_id AS revision_id,
    s.plan_id AS plan_id
FROM calls_current AS c
INNER JOIN (
    SELECT
        r.sample_id AS sample_id, r.build AS build, r.revision_id AS revision_id, p.plan_id AS plan_id,
        cityHash64(r.annotation_key) AS annotation_key, cityHash64(r.score_key) AS score_key,
        cityHash64(k.clinvar) AS clinvar, k.clinvar_default AS clinvar_default, k.frequencies AS frequencies,
        k.frequency_set AS frequency_set, k.frequency_absent AS frequency_absent, k.whole AS whole
    FROM sample_current AS r
    INNER JOIN sample_plan AS p ON p.sample_id = r.sample_id
    LEFT ANY JOIN plan_knowledge AS k ON k.plan_id = p.plan_id
) AS s ON s.sample_id = c.sample_id
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
) AS a ON a.allele_id = c.allele_id AND a.spelling = c.spelling AND a.source = s.annotation_key
LEFT ANY JOIN (
    SELECT cityHash64(source) AS pack, allele_id, spelling, significance, stars, 1 AS hit FROM knowledge_clinvar
    WHERE source IN (SELECT clinvar FROM plan_knowledge WHERE plan_id IN (SELECT plan_id FROM sample_plan))
        AND allele_id IN (SELECT allele_id FROM annotation WHERE annotation_key IN (SELECT annotation_key FROM sample_current))
) AS l ON l.allele_id = c.allele_id AND l.spelling = c.spelling AND l.pack = s.clinvar
LEFT ANY JOIN (
    SELECT
        m.frequency_set AS frequency_set, w.allele_id AS allele_id, w.spelling AS spelling,
        toUInt8(countIf(w.answer = 1) > 0) AS found,
        toUInt8(countIf(w.answer = 2) > 0) AS absent,
        maxIf(w.value, w.answer = 1) AS greatest,
        argMaxIf(m.kind, (w.value, -toInt64(m.number)), w.answer = 1) AS whose,
        groupBitOr(bitShiftLeft(toUInt64(1), m.number - 1)) AS said
    FROM knowledge_value AS w
    INNER JOIN (
        SELECT DISTINCT frequency_set, number, one.2 AS digest, one.3 AS kind
        FROM plan_knowledge
        ARRAY JOIN frequencies AS one, arrayEnumerate(frequencies) AS number
        WHERE plan_id IN (SELECT plan_id FROM sample_plan)
    ) AS m ON m.digest = w.source
    WHERE w.source IN (SELECT digest FROM plan_source WHERE frequency AND plan_id IN (SELECT plan_id FROM sample_plan))
    GROUP BY frequency_set, allele_id, spelling
) AS q ON q.allele_id = c.allele_id AND q.spelling = c.spelling AND q.frequency_set = s.frequency_set
LEFT ANY JOIN (
    SELECT cityHash64(score_key) AS source, allele_id, spelling, model, scored, score FROM score FINAL
    WHERE score_key IN (SELECT score_key FROM sample_current)
) AS x ON x.allele_id = c.allele_id AND x.spelling = c.spelling AND x.source = s.score_key
LEFT ANY JOIN (
    SELECT cityHash64(annotation_key) AS source, transcript, name, biotype FROM transcript
) AS t ON t.transcript = a.pick AND t.source = s.annotation_key
LEFT ANY JOIN (
    SELECT cityHash64(annotation_key) AS source, gene, gene_id, symbol FROM gene
) AS g ON g.gene = a.gene AND g.source = s.annotation_key
LEFT ANY JOIN (
    SELECT cityHash64(key) AS source, code, name FROM vocabulary WHERE vocabulary = 'clinvar'
) AS v ON v.code = l.significance AND v.source = s.clinvar
LEFT ANY JOIN (
    SELECT sample_id, allele_id, spelling, hgvsc, hgvsp FROM finding
    WHERE (revision_id, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
        AND (revision_id, sample_id, allele_id, record, alt_index) NOT IN (
            SELECT revision_id, sample_id, allele_id, record, alt_index FROM superseded
            WHERE (by_revision, sample_id) IN (SELECT revision_id, sample_id FROM revision_current)
        )
) AS f ON f.allele_id = c.allele_id AND f.spelling = c.spelling AND f.sample_id = c.sample_id;

-- What each allele-keyed source of the plan in force says of each current call, one row a call and source, with where that comes from.
-- `answer`: found, absent, unknown; empty where the source is not on record. `said` is ClinVar's significance, `value` the source's main
-- number (ClinVar's stars), `row` that of its pack.
CREATE OR REPLACE VIEW knowledge AS
SELECT
    c.sample_id AS sample_id,
    c.contig AS contig,
    c.start + 1 AS position,
    c.ref AS ref,
    c.alt AS alt,
    c.allele_id AS allele_id,
    p.kind AS kind,
    p.name AS source,
    p.version AS version,
    p.digest AS digest,
    p.date AS date,
    p.licence AS licence,
    multiIf(NOT p.noted, '', k.hit = 1, transform(k.answer, [1, 2, 3, 4], ['found', 'absent', 'unknown', 'not_loaded'], ''), p.default_answer) AS answer,
    if(p.noted AND k.hit = 1 AND NOT isNaN(k.value), k.value, NULL) AS value,
    if(p.noted, v.name, '') AS said,
    if(p.noted AND k.hit = 1 AND k.row != 4294967295, k.row, NULL) AS row,
    c.record AS record,
    c.alt_index AS alt_index,
    e.revision_id AS revision_id,
    e.plan_id AS plan_id
FROM calls_current AS c
INNER JOIN sample_plan AS e ON e.sample_id = c.sample_id
INNER JOIN (
    SELECT plan_id, kind, name, version, digest, cityHash64(digest) AS pack, date, licence, noted, default_answer FROM plan_source
    WHERE keyed = 'allele' OR NOT noted
) AS p ON p.plan_id = e.plan_id
LEFT ANY JOIN (
    SELECT cityHash64(source) AS pack, allele_id, spelling, answer, value, row, 0 AS significance, 1 AS hit FROM knowledge_value
    WHERE source IN (SELECT digest FROM plan_source WHERE plan_id IN (SELECT plan_id FROM sample_plan))
    UNION ALL
    SELECT cityHash64(source), allele_id, spelling, 1, if(stars = 255, nan, stars), row, significance, 1 FROM knowledge_clinvar
    WHERE source IN (SELECT clinvar FROM plan_knowledge WHERE plan_id IN (SELECT plan_id FROM sample_plan))
        AND allele_id IN (SELECT allele_id FROM annotation WHERE annotation_key IN (SELECT annotation_key FROM sample_current))
) AS k ON k.allele_id = c.allele_id AND k.spelling = c.spelling AND k.pack = p.pack
LEFT ANY JOIN (
    SELECT cityHash64(key) AS source, code, name FROM vocabulary WHERE vocabulary = 'clinvar'
) AS v ON v.code = k.significance AND v.source = p.pack;
