"""What statements may name: functions, table functions, engines, codecs, formats, system tables."""

from __future__ import annotations

from functools import cache
from importlib import resources

from deploy.local.clickhouse.accounts import Role

TABLE_FUNCTIONS = frozenset(
    ["numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "values", "sqlstandardvalues", "view"]
)
"""Functions in FROM, lower case: they make rows of their arguments or of a query that is checked itself."""

ENGINES = frozenset(
    [
        "MergeTree",
        "ReplacingMergeTree",
        "SummingMergeTree",
        "AggregatingMergeTree",
        "CollapsingMergeTree",
        "VersionedCollapsingMergeTree",
        "CoalescingMergeTree",
        "Memory",
        "Null",
    ]
)
"""Engines of tables: rows in the engine's own folder or nowhere."""

CODECS = frozenset(["codec", "none", "lz4", "lz4hc", "zstd", "delta", "doubledelta", "gorilla", "t64", "fpc", "gcd", "alp", "default"])
INDEX_TYPES = frozenset(
    ["minmax", "set", "bloom_filter", "ngrambf_v1", "tokenbf_v1", "sparse_grams", "text", "inverted", "full_text", "vector_similarity"]
)

_TEXT_FORMATS = """
TabSeparated TSV TabSeparatedRaw TSVRaw TabSeparatedWithNames TSVWithNames TabSeparatedWithNamesAndTypes TSVWithNamesAndTypes
TabSeparatedRawWithNames TSVRawWithNames TabSeparatedRawWithNamesAndTypes TSVRawWithNamesAndTypes CSV CSVWithNames CSVWithNamesAndTypes
Values JSON JSONStrings JSONColumns JSONColumnsWithMetadata JSONCompact JSONCompactStrings JSONCompactColumns JSONEachRow JSONLines
NDJSON JSONStringsEachRow JSONCompactEachRow JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes JSONCompactStringsEachRow
JSONCompactStringsEachRowWithNames JSONCompactStringsEachRowWithNamesAndTypes JSONObjectEachRow TSKV LineAsString Native RowBinary
RowBinaryWithNames RowBinaryWithNamesAndTypes Arrow ArrowStream Parquet ORC Avro MsgPack RawBLOB
"""
INPUT_FORMATS = frozenset(name.lower() for name in (_TEXT_FORMATS + " JSONAsString JSONAsObject RowBinaryWithDefaults").split())
OUTPUT_FORMATS = frozenset(
    name.lower()
    for name in (
        _TEXT_FORMATS
        + """
        JSONEachRowWithProgress JSONStringsEachRowWithProgress JSONCompactEachRowWithProgress
        JSONCompactStringsEachRowWithProgress Pretty PrettyNoEscapes PrettyMonoBlock PrettyNoEscapesMonoBlock PrettyCompact
        PrettyCompactNoEscapes PrettyCompactMonoBlock PrettyCompactNoEscapesMonoBlock PrettySpace PrettySpaceNoEscapes
        PrettySpaceMonoBlock PrettySpaceNoEscapesMonoBlock PrettyJSONEachRow PrettyJSONLines PrettyNDJSON Vertical XML Markdown
        Null SQLInsert Prometheus Hash
        """
    ).split()
)

_SYSTEM_READER = frozenset(
    [
        "one",
        "numbers",
        "zeros",
        "settings",
        "functions",
        "formats",
        "data_type_families",
        "time_zones",
        "databases",
        "tables",
        "columns",
        "data_skipping_indices",
    ]
)
_SYSTEM_WRITER = _SYSTEM_READER | frozenset(["parts", "mutations", "merges", "merge_tree_settings", "table_engines"])
_SYSTEM_ADMIN = _SYSTEM_WRITER | frozenset(
    [
        "numbers_mt",
        "zeros_mt",
        "parts_columns",
        "projections",
        "projection_parts",
        "projection_parts_columns",
        "detached_parts",
        "processes",
        "metrics",
        "events",
        "asynchronous_metrics",
        "errors",
        "server_settings",
        "build_options",
        "query_cache",
        "query_condition_cache",
        "aggregate_function_combinators",
        "collations",
        "table_functions",
        "keywords",
        "codecs",
        "data_skipping_index_types",
        "view_refreshes",
        "dictionaries",
        "warnings",
        "background_schedule_pool",
        "constraints",
        "replicated_merge_tree_settings",
        "settings_changes",
        "dropped_tables",
        "moves",
        "histogram_metrics",
        "jemalloc_stats",
    ]
)
_SYSTEM = {Role.READER: _SYSTEM_READER, Role.WRITER: _SYSTEM_WRITER, Role.ADMIN: _SYSTEM_ADMIN}

COMBINATORS = (
    "simplestate",
    "ordefault",
    "distinct",
    "resample",
    "foreach",
    "argmax",
    "argmin",
    "ornull",
    "tuple",
    "merge",
    "state",
    "array",
    "null",
    "map",
    "if",
)
"""Endings that make one aggregate function of another, lower case."""


PRIVATE = frozenset({"submission"})
"""Tables of the product that name people and files: not for a reader, who knows samples by pseudonym."""


def system_tables(role: Role) -> frozenset[str]:
    """Tables of the database `system` that a role may read (some rows of them: `settings._ROWS`)."""
    return _SYSTEM[role]


@cache
def functions() -> frozenset[str]:
    """Names of the functions that a statement may call, lower case."""
    text = resources.files(__package__).joinpath("functions.txt").read_text()
    return frozenset(name.lower() for line in text.splitlines() if not line.startswith("#") for name in line.split())


def may_call(name: str) -> bool:
    """True for a function on the list, or an aggregate function on the list with combinators behind its name."""
    known = functions()
    name = name.lower()
    while name not in known:
        shorter = next((name[: -len(ending)] for ending in COMBINATORS if name.endswith(ending)), "")
        if not shorter:
            return False
        name = shorter
    return True
