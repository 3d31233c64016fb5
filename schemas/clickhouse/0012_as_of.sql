-- The two times of a revision: what its plan could know, and when it was published.

-- The newest date of what moves in a plan. A source that `source` does not list moves by its kind (processors/knowledge/kinds.py); a date
-- of a year or a month counts as its last day; `knowledge_date` is NULL where a moving source has no date (`undated` names those), and
-- 1900-01-01 where nothing in the plan moves. `fixed`: the sources that do not move, with their dates ('' where not known).
CREATE OR REPLACE VIEW plan_dates AS
SELECT
    plan_id,
    build,
    if(notEmpty(undated), NULL, if(how_many = 0, toDate32('1900-01-01'), newest)) AS knowledge_date,
    undated,
    moving,
    fixed
FROM (
    SELECT
        plan_id,
        any(plan_build) AS build,
        countIf(moves) AS how_many,
        maxIf(day, moves) AS newest,
        arraySort(groupArrayIf(kind, moves AND isNull(day))) AS undated,
        arraySort(groupArrayIf((kind, name, version, digest, date), moves)) AS moving,
        arraySort(groupArrayIf((kind, name, version, digest, date), NOT moves AND kind NOT IN ('genome', 'transcripts', 'options', 'model'))) AS fixed
    FROM (
        SELECT
            c.plan_id AS plan_id, c.plan_build AS plan_build, c.kind AS kind, c.name AS name, c.version AS version, c.digest AS digest,
            s.date AS date,
            if(s.digest = '', kind IN ('clinvar', 'dosage', 'validity', 'hpo_genes') OR startsWith(kind, 'user.'), s.moving) AS moves,
            multiIf(
                match(s.date, '^[0-9]{4}$'), toDate32OrNull(concat(s.date, '-12-31')),
                match(s.date, '^[0-9]{4}-[0-9]{2}$'), toLastDayOfMonth(toDate32OrNull(concat(s.date, '-01'))),
                toDate32OrNull(s.date)
            ) AS day
        FROM (
            SELECT plan_id, build AS plan_build, one.kind AS kind, one.name AS name, one.version AS version, one.digest AS digest
            FROM plan FINAL ARRAY JOIN components AS one
        ) AS c
        LEFT ANY JOIN (SELECT digest, date, moving FROM source FINAL) AS s ON s.digest = c.digest
    ) AS dated
    GROUP BY plan_id
) AS grouped;

-- Every published revision of a sample with both times; `study`: a re-interpretation as of a date, which is never current.
CREATE OR REPLACE VIEW revision_dates AS
SELECT
    p.revision_id AS revision_id,
    p.sample_id AS sample_id,
    p.submission_id AS submission_id,
    p.ordinal AS ordinal,
    p.number AS number,
    p.kind AS kind,
    p.plan_id AS plan_id,
    d.knowledge_date AS knowledge_date,
    p.published_at AS published_at
FROM publication AS p FINAL
LEFT ANY JOIN plan_dates AS d ON d.plan_id = p.plan_id;
