-- What many small parts cost. Each chunk is a part of each table; ClickHouse's defaults merge them five at a time and sketch the
-- distinct values of every column at each merge, which together took longer than the inserts.

-- optional: half the time of merges
ALTER TABLE calls MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE calls MODIFY SETTING auto_statistics_types = '';

-- optional: half the time of merges
ALTER TABLE annotation MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE annotation MODIFY SETTING auto_statistics_types = '';

-- optional: half the time of merges
ALTER TABLE lookup MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE lookup MODIFY SETTING auto_statistics_types = '';

-- optional: half the time of merges
ALTER TABLE score MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE score MODIFY SETTING auto_statistics_types = '';

-- optional: half the time of merges
ALTER TABLE finding MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE finding MODIFY SETTING auto_statistics_types = '';

-- optional: half the time of merges
ALTER TABLE ledger MODIFY SETTING merge_selector_base = 10;

-- optional: a quarter of what is left
ALTER TABLE ledger MODIFY SETTING auto_statistics_types = '';
