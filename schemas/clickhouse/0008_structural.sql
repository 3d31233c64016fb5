-- Structural alleles. Each stays a fault of its sample too (table `fault`), where it is counted; here is what it overlaps.
-- `structural` is what a sample carries, `structural_overlap` what an allele overlaps under one annotation key: once, however many carry
-- it. Positions are 0-based half-open, -1: none; shares are in 1/10,000. `reason`: why a record has no place, or what is odd about it.

CREATE TABLE IF NOT EXISTS structural (
    submission_id LowCardinality(String),
    sample_id LowCardinality(String),
    call_set LowCardinality(String),
    annotation_key LowCardinality(String),
    record UInt32,
    alt_index UInt16,
    structural_id String,
    kind LowCardinality(String),
    direction LowCardinality(String),
    contig LowCardinality(String),
    start Int32,
    end Int32,
    side LowCardinality(String),
    mate_contig LowCardinality(String),
    mate_start Int32,
    mate_side LowCardinality(String),
    mate_id String,
    copies Int32,
    copies_of LowCardinality(String),
    exact Bool,
    reason LowCardinality(String),
    class LowCardinality(String),
    chunk UInt32,
    epoch UInt32
) ENGINE = ReplacingMergeTree
ORDER BY (submission_id, sample_id, call_set, annotation_key, record, alt_index)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS structural_overlap (
    annotation_key LowCardinality(String),
    structural_id String,
    pick UInt32,
    gene UInt32,
    terms UInt64,
    genes Array(UInt32),
    broken Array(UInt32),
    fusions Nested (
        five_prime UInt32,
        three_prime UInt32
    ),
    transcripts Nested (
        transcript UInt32,
        terms UInt64,
        distance Int32,
        overlap Int32,
        exon_first UInt16,
        exon_last UInt16,
        exons UInt16,
        intron_first UInt16,
        intron_last UInt16,
        span_share UInt16,
        exonic_share UInt16,
        coding_share UInt16,
        place UInt8,
        breaks UInt8
    )
) ENGINE = ReplacingMergeTree
ORDER BY (annotation_key, structural_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- Every current structural allele, named, under the plan of its sample's revision. Positions are 1-based: `position` is the first base of
-- a span, `end` its last; of a breakend or an insertion the base before the break, both. `fusions` are 5' gene::3' gene, possible ones.
CREATE OR REPLACE VIEW structural_current AS
WITH
    (SELECT groupArray(name) FROM (SELECT name FROM vocabulary FINAL WHERE vocabulary = 'consequence' ORDER BY code)) AS terms_by_bit
SELECT
    c.sample_id AS sample_id,
    s.build AS build,
    c.structural_id AS structural_id,
    c.kind AS kind,
    c.direction AS direction,
    c.contig AS contig,
    if(c.start < 0, NULL, if(c.start = c.end, c.start, c.start + 1)) AS position,
    if(c.start < 0, NULL, c.end) AS end,
    c.side AS side,
    c.mate_contig AS mate_contig,
    if(c.mate_start < 0, NULL, c.mate_start) AS mate_position,
    c.mate_side AS mate_side,
    c.mate_id AS mate_id,
    nullIf(c.copies, -1) AS copies,
    c.copies_of AS copies_of,
    c.exact AS exact,
    c.reason AS reason,
    arrayStringConcat(arrayMap(bit -> terms_by_bit[bit + 1], bitPositionsToArray(o.terms)), ',') AS consequence,
    t.name AS transcript,
    arrayMap(gene -> n.names[gene], o.genes) AS genes,
    arrayMap(gene -> n.names[gene], o.broken) AS genes_broken,
    arrayMap((five, three) -> concat(n.names[five], '::', n.names[three]), o.`fusions.five_prime`, o.`fusions.three_prime`) AS fusions,
    o.`transcripts.transcript` AS `transcripts.transcript`,
    o.`transcripts.terms` AS `transcripts.terms`,
    o.`transcripts.exon_first` AS `transcripts.exon_first`,
    o.`transcripts.exon_last` AS `transcripts.exon_last`,
    o.`transcripts.exons` AS `transcripts.exons`,
    o.`transcripts.span_share` AS `transcripts.span_share`,
    o.`transcripts.exonic_share` AS `transcripts.exonic_share`,
    o.`transcripts.coding_share` AS `transcripts.coding_share`,
    o.`transcripts.place` AS `transcripts.place`,
    o.`transcripts.breaks` AS `transcripts.breaks`,
    c.class AS class,
    c.record AS record,
    c.alt_index AS alt_index,
    c.submission_id AS submission_id,
    s.revision_id AS revision_id,
    s.plan_id AS plan_id
FROM structural AS c FINAL
INNER JOIN sample_current AS s ON s.sample_id = c.sample_id AND s.submission_id = c.submission_id AND s.call_set = c.call_set
    AND s.annotation_key = c.annotation_key
LEFT ANY JOIN (
    SELECT * FROM structural_overlap WHERE annotation_key IN (SELECT annotation_key FROM sample_current)
) AS o ON o.annotation_key = c.annotation_key AND o.structural_id = c.structural_id
LEFT ANY JOIN (
    SELECT annotation_key, structural_id, mapFromArrays(groupArray(gene), groupArray(if(symbol = '', gene_id, symbol))) AS names
    FROM (
        SELECT annotation_key, structural_id, arrayJoin(genes) AS gene FROM structural_overlap FINAL
        WHERE annotation_key IN (SELECT annotation_key FROM sample_current)
    ) AS touched
    INNER JOIN (SELECT annotation_key, gene, gene_id, symbol FROM gene FINAL) AS named USING (annotation_key, gene)
    GROUP BY annotation_key, structural_id
) AS n ON n.annotation_key = c.annotation_key AND n.structural_id = c.structural_id
LEFT ANY JOIN (
    SELECT annotation_key, transcript, name FROM transcript
) AS t ON t.annotation_key = c.annotation_key AND t.transcript = o.pick;
