"""Ways around the allow-list, each refused, and nothing read, written or fetched by trying."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

Role = Literal["admin", "writer", "reader"]

_SECRET = "the-content-of-a-file-outside"

# Every place of a statement where an expression can stand; {} is the expression.
POSITIONS = """
SELECT {}
SELECT 1 FROM system.one WHERE {}
SELECT 1 FROM system.one PREWHERE {}
SELECT 1 FROM system.one GROUP BY {}
SELECT 1 FROM system.one GROUP BY GROUPING SETS (({}), (dummy))
SELECT 1 FROM system.one HAVING {}
SELECT 1 FROM system.one QUALIFY {}
SELECT sum(dummy) OVER (PARTITION BY {}) FROM system.one
SELECT sum(dummy) OVER (ORDER BY {}) FROM system.one
SELECT sum(dummy) OVER (ORDER BY dummy ROWS BETWEEN {} PRECEDING AND CURRENT ROW) FROM system.one
SELECT sum(dummy) OVER w FROM system.one WINDOW w AS (PARTITION BY {})
SELECT dummy FROM system.one ORDER BY {}
SELECT dummy FROM system.one ORDER BY dummy WITH FILL FROM {} TO 5
SELECT dummy FROM system.one ORDER BY dummy WITH FILL FROM 1 TO 5 STEP {}
SELECT dummy, 1 AS b FROM system.one ORDER BY dummy WITH FILL INTERPOLATE (b AS {})
SELECT dummy FROM system.one LIMIT {}
SELECT dummy FROM system.one LIMIT 1 OFFSET {}
SELECT dummy FROM system.one LIMIT 1 BY {}
SELECT DISTINCT ON ({}) dummy FROM system.one
SELECT 1 FROM system.one AS a JOIN system.one AS b ON {}
SELECT 1 FROM system.one ARRAY JOIN [{}] AS z
SELECT * FROM (SELECT {})
WITH {} AS z SELECT z
WITH z AS (SELECT {}) SELECT * FROM z
WITH RECURSIVE z AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM z WHERE n < 2 AND {} != '') SELECT * FROM z
SELECT * FROM numbers(length({}))
SELECT * FROM view(SELECT {})
SELECT * FROM values('a String', ({}))
SELECT COLUMNS('dummy') APPLY(x -> {}) FROM system.one
SELECT * REPLACE ({} AS dummy) FROM system.one
SELECT CASE {} WHEN 'a' THEN 2 END
SELECT arrayMap(x -> {}, [1])
SELECT CAST({} AS String)
SELECT ({}, 1).1
SELECT dummy IN ({}) FROM system.one
SELECT 1 IN (SELECT {})
SELECT EXISTS (SELECT {})
SELECT quantile({})(dummy) FROM system.one
SELECT sum(dummy) FILTER (WHERE {} != '') FROM system.one
SELECT 1 UNION ALL SELECT {}
SELECT 1 INTERSECT SELECT {}
(SELECT {})
FROM system.one SELECT {}
EXPLAIN SELECT {}
EXPLAIN AST SELECT {}
EXPLAIN QUERY TREE SELECT {}
EXPLAIN PIPELINE SELECT {}
DESCRIBE (SELECT {})
SHOW TABLES WHERE name = {}
SHOW COLUMNS FROM nosuch WHERE field = {}
""".strip().splitlines()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "secret.csv"
    path.write_text(f"{_SECRET}\n")
    return path


def _refused(wire: Any, query: str, role: Role, **fields: Any) -> None:
    answer = wire.ask(query, role=role, **fields)
    assert answer.code in (497, 62, 452, 73, 164, 46, 48, 36, 81), f"{role}: {query}\n{answer.status} {answer.text[:400]}"
    assert answer.status != 200
    assert _SECRET not in answer.text


@pytest.mark.parametrize("position", POSITIONS)
def test_a_file_cannot_be_read_from_any_place_of_a_statement(wire: Any, outside: Path, position: str) -> None:
    for role in ("admin", "reader"):
        answer = wire.ask(position.format(f"file('{outside}')"), role=role)
        assert answer.code == 497, answer.text
        assert "may not call the function file" in answer.text


SOURCES = """
file('{path}', 'LineAsString')
`file`('{path}')
"file"('{path}')
FILE('{path}')
/* a */ file /* b */ ('{path}')
file($$ {path} $$)
fileCluster('default', '{path}')
url('http://127.0.0.1:1/')
urlCluster('c', 'http://127.0.0.1:1/')
s3('http://127.0.0.1:1/b/k')
gcs('http://127.0.0.1:1/b')
hdfs('hdfs://127.0.0.1:1/x')
azureBlobStorage('x')
remote('127.0.0.1:1', system.one)
remoteSecure('127.0.0.1', system.one)
cluster('default', system.one)
clusterAllReplicas('default', system, one)
mysql('127.0.0.1:1', 'd', 't', 'u', 'p')
postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')
mongodb('127.0.0.1:1', 'd', 'c', 'u', 'p', 'a String')
redis('127.0.0.1:1', 'k', 'k String')
sqlite('{path}', 't')
odbc('DSN=x', 'd', 't')
jdbc('x', 'y')
executable('cat', 'LineAsString', 'a String')
python('x')
Python(x)
eval('SELECT 1')
input('a String')
merge('system', '.*')
merge('.*')
dictionary('d')
loop(system.users)
mergeTreeIndex(system, parts)
mergeTreeProjection(riverseq, t, p)
deltaLake('http://127.0.0.1:1/')
deltaLakeLocal('{path}')
iceberg('http://127.0.0.1:1/')
icebergLocal('{path}')
hudi('http://127.0.0.1:1/')
paimonLocal('{path}')
filesystem('{path}')
viewExplain('EXPLAIN', '', (SELECT 1))
(EXPLAIN SELECT 1)
viewIfPermitted(SELECT 1 ELSE null('a String'))
format('CSV', '1')
generateRandom('a String')
prometheusQuery('t', 'q', now())
riverseq.file('{path}')
arrowstream('{path}')
system.file('{path}')
system.users
system.query_log
system.processes
system.parts
system.server_settings
system.disks
system.zookeeper
system.certificates
system.named_collections
`system`.`users`
SYSTEM.users
information_schema.tables
INFORMATION_SCHEMA.COLUMNS
default.`{path}`
`{path}`
'{path}'
default.x
system.`tables` , system.stack_trace
""".strip().splitlines()


@pytest.mark.parametrize("source", SOURCES)
def test_a_reader_cannot_select_from(wire: Any, outside: Path, source: str) -> None:
    where = source.format(path=outside)
    answer = wire.ask(f"SELECT * FROM {where}", role="reader")
    # a bare path is a table name of the product's database, where no such table is
    assert answer.code in (497, 60, 62, 46), answer.text
    assert _SECRET not in answer.text
    for wrapped in (
        f"SELECT 1 WHERE 1 IN (SELECT 1 FROM {where})",
        f"SELECT (SELECT count() FROM {where})",
        f"WITH z AS (SELECT * FROM {where}) SELECT * FROM z",
        f"SELECT * FROM system.one JOIN (SELECT * FROM {where}) AS b ON 1",
        f"SELECT * FROM (SELECT 1 UNION ALL SELECT 1 FROM {where})",
        f"DESCRIBE TABLE {where}",
        f"EXPLAIN QUERY TREE SELECT * FROM {where}",
    ):
        answer = wire.ask(wrapped, role="reader")
        assert answer.code in (497, 60, 62, 46), f"{wrapped}: {answer.text}"
        assert _SECRET not in answer.text


FUNCTIONS = """
file('/etc/hostname')
FILE('/etc/hostname')
dictGet('d', 'a', 1)
dictGetOrDefault('d', 'a', 1, 2)
dictHas('d', 1)
joinGet('riverseq.t', 'a', 1)
joinGetOrNull('system.one', 'a', 1)
getOSKernelVersion()
getServerPort('http_port')
getServerSetting('path')
getMacro('x')
serverUUID()
filesystemAvailable()
filesystemCapacity('default')
addressToLine(1)
addressToSymbol(1)
demangle('x')
logTrace('x')
sleep(3)
sleepEachRow(3)
showCertificate()
catboostEvaluate('/etc/passwd', 1)
evalMLMethod(1, 2)
regionToName(1)
aiGenerate('x')
aiEmbed('x')
hasColumnInTable('system', 'users', 'name')
getClientHTTPHeader('x')
authenticatedUser()
currentRequestURL()
generateSerialID('x')
formatRow('CSV', 1)
parseQueryToJSON('SELECT 1')
fuzzQuery('SELECT 1')
structureToProtobufSchema('a String')
chdb()
transactionID()
zookeeperSessionUptime()
flameGraph(1)
mergeTreePartInfo('x')
getMergeTreeSetting('x')
tcpPort()
buildId()
nosuchfunction()
arrayMap(file, ['/etc/hostname'])(1)
`file`('/etc/hostname')
fileIf('/etc/hostname', 1)
fileState('x')
""".strip().splitlines()


@pytest.mark.parametrize("call", FUNCTIONS)
@pytest.mark.parametrize("role", ["admin", "reader"])
def test_a_function_that_reaches_outside_is_refused(wire: Any, call: str, role: Role) -> None:
    # 47: the engine takes `file` in `arrayMap(file, ...)` for a column
    assert wire.ask(f"SELECT {call}", role=role).code in (497, 47)


STATEMENTS = """
INSERT INTO {t} (n) VALUES (1)
INSERT INTO {t} (n) SELECT 1
WITH z AS (SELECT 1) INSERT INTO {t} (n) SELECT * FROM z
DELETE FROM {t} WHERE 1
ALTER TABLE {t} DELETE WHERE 1
ALTER TABLE {t} UPDATE name = '' WHERE 1
UPDATE {t} SET name = '' WHERE 1
DROP TABLE {t}
TRUNCATE TABLE {t}
DETACH TABLE {t}
CREATE TABLE x (a Int8) ENGINE = Memory
CREATE VIEW x AS SELECT 1
CREATE TEMPORARY TABLE x (a Int8)
CREATE FUNCTION f AS x -> x
CREATE DATABASE x
CREATE MATERIALIZED VIEW x TO {t} AS SELECT 1 AS n
CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path 'x' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)
RENAME TABLE {t} TO y
EXCHANGE TABLES {t} AND y
OPTIMIZE TABLE {t} FINAL
CHECK TABLE {t}
KILL QUERY WHERE 1
SYSTEM FLUSH LOGS
SYSTEM SHUTDOWN
SET max_threads = 1
SET readonly = 0
USE system
SET ROLE admin
GRANT ALL ON *.* TO x
CREATE USER x
BACKUP TABLE {t} TO File('x')
RESTORE TABLE {t} FROM File('x')
ATTACH TABLE x FROM '/tmp/x' (a Int8) ENGINE = MergeTree ORDER BY a
UNDROP TABLE {t}
BEGIN TRANSACTION
EXECUTE AS admin SELECT 1
SELECT 1; DROP TABLE {t}
SELECT 1; SELECT 2
SELECT 1 PARALLEL WITH SELECT 2
SELECT 1 INTO OUTFILE '{out}'
SELECT 1 INTO OUTFILE '{out}' AND STDOUT FORMAT CSV
SELECT 1 INTO /* */ OUTFILE $${out}$$ FORMAT CSV
DESCRIBE TABLE {t} INTO OUTFILE '{out}'
SHOW TABLES INTO OUTFILE '{out}'
EXPLAIN SELECT 1 INTO OUTFILE '{out}'
INSERT INTO FUNCTION file('{out}', 'CSV', 'a Int8') SELECT 1
INSERT INTO {t} FROM INFILE '/etc/hostname' FORMAT CSV
SHOW PROCESSLIST
SHOW GRANTS
SHOW USERS
SHOW ACCESS
SHOW CREATE USER admin
SHOW CREATE TABLE system.users
SHOW CREATE DATABASE default
SHOW TABLES FROM default
SHOW DICTIONARIES
SHOW CLUSTERS
SHOW SETTINGS LIKE 'x'
EXISTS TABLE system.users
DESCRIBE system.users
DESC `system`.users
EXPLAIN CURRENT TRANSACTION
EXPLAIN TABLE OVERRIDE file('x') COLUMNS (a Int8)
EXPLAIN AST DROP TABLE {t}
EXPLAIN SYNTAX INSERT INTO {t} SELECT 1
1 + 1
ALTER TABLE {t} MOVE PARTITION tuple() TO DISK 'x'
MOVE USER a TO b
COPY {t} TO '{out}'
""".strip().splitlines()


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_reader_cannot_run(wire: Any, table: str, admin: Any, tmp_path: Path, statement: str) -> None:
    admin.insert(table, [[1, "kept"]], column_names=["n", "name"])
    out = tmp_path / "out"
    for text in (statement, statement.lower() if "{out}" not in statement else statement, f"/* c */ {statement} -- d"):
        _refused(wire, text.format(t=table, out=out), "reader")
    assert not out.exists()
    assert admin.query(f"SELECT n, name FROM {table}").result_rows == [(1, "kept")]


ADMIN_STATEMENTS = """
SELECT 1 INTO OUTFILE '{out}'
INSERT INTO FUNCTION file('{out}', 'CSV', 'a Int8') SELECT 1
INSERT INTO TABLE FUNCTION url('http://127.0.0.1:1', 'CSV', 'a Int8') SELECT 1
INSERT INTO {t} (name) SELECT * FROM file('/etc/hostname', 'LineAsString')
INSERT INTO {t} FROM INFILE '/etc/hostname' FORMAT CSV
CREATE TABLE x (a Int8) ENGINE = File(CSV)
CREATE TABLE x (a Int8) ENGINE = File(CSV, '{out}')
CREATE TABLE x (a Int8) ENGINE = URL('http://127.0.0.1:1', CSV)
CREATE TABLE x (a Int8) ENGINE = MySQL('h', 'd', 't', 'u', 'p')
CREATE TABLE x (a Int8) ENGINE = Distributed(c, d, t)
CREATE TABLE x (a Int8) ENGINE = Merge(system, '.*')
CREATE TABLE x (a Int8) ENGINE = Buffer(system, one, 1, 1, 1, 1, 1, 1, 1)
CREATE TABLE x (a Int8) ENGINE = Dictionary(d)
CREATE TABLE x (a Int8) ENGINE = Executable('x', CSV)
CREATE TABLE x (a Int8) ENGINE = Kafka
CREATE TABLE x (a Int8) ENGINE = S3('http://127.0.0.1:1', CSV)
CREATE TABLE x AS file('/etc/hostname')
CREATE TABLE x AS system.users
CREATE TABLE x CLONE AS {t}
CREATE TABLE x (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/tmp/')
CREATE TABLE x (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS storage_policy = 'x'
ALTER TABLE {t} MODIFY SETTING storage_policy = 'x'
CREATE TABLE x (a String DEFAULT file('/etc/hostname')) ENGINE = Memory
CREATE TABLE x (a String, b String TTL toDateTime(file('x'))) ENGINE = MergeTree ORDER BY a
CREATE TABLE x (a DateTime) ENGINE = MergeTree ORDER BY a TTL a GROUP BY a SET a = file('x')
CREATE TABLE x (a DateTime) ENGINE = MergeTree ORDER BY a TTL a TO DISK 'x'
CREATE TABLE x (a String, CONSTRAINT c CHECK file('x') = '') ENGINE = Memory
CREATE TABLE x (a String, PROJECTION p (SELECT file('x') ORDER BY a)) ENGINE = MergeTree ORDER BY a
CREATE VIEW x AS SELECT * FROM file('/etc/hostname')
CREATE VIEW x AS SELECT file('/etc/hostname')
CREATE VIEW x AS SELECT * FROM system.processes
CREATE VIEW x AS SELECT * FROM default.x
CREATE VIEW x DEFINER = default SQL SECURITY DEFINER AS SELECT 1
CREATE MATERIALIZED VIEW x TO default.y AS SELECT 1
CREATE MATERIALIZED VIEW x ENGINE = File(CSV) AS SELECT 1
CREATE TABLE default.x (a Int8) ENGINE = Memory
CREATE TABLE system.x (a Int8) ENGINE = Memory
CREATE DATABASE x
CREATE DATABASE x ENGINE = Filesystem('/')
CREATE DATABASE riverseq ENGINE = Memory
DROP DATABASE default
DROP DATABASE riverseq
RENAME TABLE {t} TO default.{t}
RENAME DATABASE riverseq TO y
ATTACH TABLE x FROM '/tmp/x' (a Int8) ENGINE = MergeTree ORDER BY a
ATTACH DATABASE x ENGINE = Filesystem('/')
ALTER TABLE {t} FETCH PARTITION tuple() FROM '/x'
ALTER TABLE {t} FREEZE WITH NAME 'x'
ALTER TABLE {t} ATTACH PARTITION tuple() FROM system.x
ALTER TABLE {t} MOVE PARTITION tuple() TO TABLE default.x
ALTER TABLE {t} ADD COLUMN z String DEFAULT file('x')
ALTER TABLE {t} UPDATE name = file('/etc/hostname') WHERE 1
ALTER TABLE {t} DELETE WHERE name = file('/etc/hostname')
DELETE FROM {t} WHERE file('/etc/hostname') = ''
ALTER TABLE system.x DELETE WHERE 1
DELETE FROM default.x WHERE 1
CREATE FUNCTION f AS () -> file('/etc/hostname')
CREATE NAMED COLLECTION c AS url = 'x'
CREATE USER x
GRANT ALL ON *.* TO x
SYSTEM SHUTDOWN
SYSTEM KILL
SYSTEM RELOAD CONFIG
SYSTEM LOAD PRIMARY KEY
BACKUP DATABASE riverseq TO File('{out}')
RESTORE DATABASE riverseq FROM File('{out}')
SELECT 1; SELECT 2
SELECT * FROM system.stack_trace
SELECT * FROM system.disks
SELECT * FROM system.zookeeper
SELECT 1 SETTINGS max_memory_usage = 0
SELECT 1 SETTINGS format_schema = 'x'
INSERT INTO {t} SETTINGS async_insert = 1 VALUES (1, 'a')
INSERT INTO {t} (name) VALUES (file('/etc/hostname'))
INSERT INTO {t} (name) VALUES ('a'), (concat('b', file('/etc/hostname')))
INSERT INTO {t} FORMAT Template
INSERT INTO {t} FORMAT MySQLDump
INSERT INTO {t} FORMAT CapnProto
""".strip().splitlines()


@pytest.mark.parametrize("statement", ADMIN_STATEMENTS)
def test_not_even_the_admin_can_run(wire: Any, table: str, admin: Any, tmp_path: Path, statement: str) -> None:
    out = tmp_path / "out"
    _refused(wire, statement.format(t=table, out=out), "admin")
    assert not out.exists()
    assert admin.command(f"SELECT count() FROM {table}") == 0
    assert admin.command("EXISTS TABLE x") == 0


SETTINGS = {
    "readonly": "0",
    "max_memory_usage": "0",
    "max_execution_time": "0",
    "max_threads": "10000",
    "allow_ddl": "1",
    "additional_table_filters": "{}",
    "dialect": "kusto",
    "implicit_select": "1",
    "allow_introspection_functions": "1",
    "input_format_values_interpret_expressions": "1",
    "format_schema": "x",
    "format_template_row": "/etc/hostname",
    "output_format_schema": "/tmp/x",
    "format_avro_schema_registry_url": "http://127.0.0.1:1",
    "default_table_engine": "Memory",
    "log_queries": "1",
    "async_insert": "1",
    "max_execution_time_leaf": "0",
    "allow_experimental_everything": "1",
    "max_memory_usage_for_user": "0",
    "custom_x": "1",
    "password": "x",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_lifts_a_limit_is_refused_in_the_url_and_in_the_statement(wire: Any, name: str) -> None:
    if name != "password":
        assert wire.ask("SELECT 1", role="reader", **{name: SETTINGS[name]}).code == 452
    assert wire.ask(f"SELECT 1 SETTINGS {name} = '{SETTINGS[name]}'", role="reader").code in (452, 115)
    assert wire.ask(f"SELECT 1 FROM (SELECT 1 SETTINGS {name} = '{SETTINGS[name]}')", role="reader").code in (452, 115)


def test_a_limit_may_be_lowered(wire: Any) -> None:
    assert wire.ask("SELECT getSetting('max_memory_usage')", role="reader", max_memory_usage=100_000_000).text == "100000000\n"
    assert wire.ask("SELECT 1 SETTINGS max_execution_time = 5, max_threads = 1", role="reader").text == "1\n"


def test_a_name_given_as_a_parameter_is_judged_by_its_value(wire: Any) -> None:
    def ask(query: str, **parameters: str) -> int:
        return int(wire.ask(query, role="reader", **{f"param_{name}": value for name, value in parameters.items()}).code)

    assert ask("SELECT * FROM {d:Identifier}.{t:Identifier}", d="system", t="one") == 0
    assert ask("SELECT * FROM {d:Identifier}.{t:Identifier}", d="system", t="users") == 497
    assert ask("SELECT * FROM {t:Identifier}", t="system.users") == 497
    assert ask("SELECT * FROM {t:Identifier}", t="`system`.`users`") in (497, 60)
    assert ask("SELECT * FROM system.{t:Identifier}", t="users") == 497
    assert ask("SELECT 1 IN {d:Identifier}.{t:Identifier}", d="system", t="users") in (497, 62)
    assert ask("SELECT {c:Identifier} FROM system.one", c="dummy") == 0
    assert ask("DESCRIBE TABLE system.{t:Identifier}", t="users") == 497
    assert ask("SELECT {q:String}", q="'; DROP TABLE x; --") == 0


@pytest.mark.parametrize("right", ["system.users", "(system.users)", "`system`.users", "system.`processes`", "SYSTEM.users", "default.x"])
@pytest.mark.parametrize("operator", ["IN", "NOT IN", "GLOBAL IN"])
def test_the_right_side_of_in_is_a_table_too(wire: Any, right: str, operator: str) -> None:
    answer = wire.ask(f"SELECT 1 {operator} {right}", role="reader")
    assert answer.code in (497, 47), answer.text  # 47: the engine reads a name in brackets as a column
    assert wire.ask(f"SELECT in(1, {right})", role="reader").code in (497, 47)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 AS `a\\n   Function file (children 1)`",
        'SELECT 1 AS "b\n SelectQuery"',
        "SELECT '\u2028', 1 AS `\U0001f9ec`",
        "SELECT 1 AS `x)`",
    ],
)
def test_a_strange_name_stays_a_name(wire: Any, text: str) -> None:
    assert wire.ask(text, role="reader").status == 200


def test_unicode_and_comments_do_not_hide_a_source(wire: Any, outside: Path) -> None:
    for text in (
        f"SELECT * FROM\u00a0file('{outside}')",
        f"SELECT * FROM\u3000file('{outside}')",
        f"SELECT * FROM -- c\n file('{outside}')",
        f"SELECT * FROM /* /* */ file('{outside}')",
        f"SELECT/**/*/**/FROM/**/file('{outside}')",
        f"SELECT * FROM \\x66ile('{outside}')",
        f"SELECT * FROM \u200bfile('{outside}')",
        f"SELECT * FROM file('{outside}') FORMAT Null",
        f"SELECT * FROM #! c\nfile('{outside}')",
    ):
        _refused(wire, text, "reader")


def test_a_nul_byte_does_not_cut_the_statement_in_two(wire: Any) -> None:
    assert wire.ask(b"SELECT 1\0; DROP TABLE x", role="reader").code in (62, 497)
    assert wire.ask(b"SELECT 1 \0 FROM system.users", role="reader").code in (62, 497)


def test_the_body_and_the_url_are_one_statement(wire: Any) -> None:
    assert wire.ask("SELECT * FROM", body=b"system.users", role="reader").code == 497
    assert wire.ask("SELECT 1;", body=b"SELECT * FROM system.users", role="reader").code in (62, 497)
    assert wire.ask("INSERT INTO t FORMAT CSV", body=b"1\n", role="reader").code == 497


def test_deep_nesting_is_an_error_and_not_a_crash(wire: Any) -> None:
    assert wire.ask("SELECT " + "(" * 3000 + "1" + ")" * 3000, role="reader").status != 200
    assert wire.ask("SELECT " + "[" * 500 + "]" * 500, role="reader").status in (200, 400, 500)
    assert wire.ask("SELECT " + "NOT " * 5000 + "1", role="reader").status in (200, 400, 500)
    assert wire.ask("SELECT 1", role="reader").text == "1\n"


def test_a_format_clause_cannot_name_what_is_not_offered(wire: Any) -> None:
    for name in ("Template", "CapnProto", "Protobuf", "MySQLWire", "ODBCDriver2", "CustomSeparated", "Nosuch"):
        assert wire.ask(f"SELECT 1 FORMAT {name}", role="reader").code == 73
        assert wire.ask("SELECT 1", role="reader", default_format=name).code == 73


def test_a_reader_sees_of_the_server_only_the_products_tables(wire: Any, table: str) -> None:
    assert wire.ask("SELECT DISTINCT database FROM system.tables", role="reader").text == "riverseq\n"
    assert wire.ask("SELECT DISTINCT database FROM system.columns", role="reader").text == "riverseq\n"
    assert wire.ask("SELECT name FROM system.databases", role="reader").text == "riverseq\n"
    assert "riverseq" in wire.ask("SHOW DATABASES", role="reader").text
    assert table in wire.ask("SHOW TABLES", role="reader").text
    assert wire.ask("SELECT * FROM tables", role="reader", database="default").code == 60
    assert wire.ask("SELECT * FROM users", role="reader", database="system").code == 497
    assert wire.ask("SELECT 1", role="reader", database="information_schema").code == 81


def test_a_view_reads_for_the_reader_what_the_admin_put_into_it(wire: Any, admin: Any, table: str) -> None:
    admin.insert(table, [[1, "a"], [2, "b"]], column_names=["n", "name"])
    admin.command(f"CREATE VIEW {table}_v AS SELECT name FROM {table} WHERE n = {{n:UInt64}}")
    admin.command(f"CREATE VIEW {table}_w AS SELECT max(n) AS m FROM {table}")
    assert wire.ask(f"SELECT * FROM riverseq.{table}_v(n = 2)", role="reader").text == "b\n"
    assert wire.ask(f"SELECT m FROM {table}_w", role="reader").text == "2\n"
    admin.command(f"DROP VIEW {table}_v")
    admin.command(f"DROP VIEW {table}_w")


NAMES_OF_PEOPLE = """
SELECT names FROM submission
SELECT 1 WHERE 'x' IN (SELECT uri FROM riverseq.`submission`)
SELECT 1 WHERE 'x' IN submission
WITH s AS (SELECT * FROM submission) SELECT * FROM s
SELECT * FROM {t:Identifier}
SELECT * FROM numbers(1) AS n JOIN riverseq.submission AS s ON 1 = 1
DESCRIBE (SELECT names FROM submission)
EXPLAIN SELECT names FROM submission
""".strip().splitlines()


@pytest.mark.parametrize("query", NAMES_OF_PEOPLE)
def test_a_reader_does_not_learn_names_of_people(wire: Any, query: str) -> None:
    answer = wire.ask(query, role="reader", param_t="submission")
    assert answer.code == 497, answer.text
    assert "names people" in answer.text
