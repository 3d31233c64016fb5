"""The parts of ClickHouse's grammar that statements may be made of: node types and, for each, the fields it may have.

A type or a field that is not listed here refuses the statement, so a new engine brings no new way in by itself. Names are those of
`parseQueryToJSON` of 26.9.
"""

from __future__ import annotations

_OUTPUT = "is_outfile_append is_outfile_truncate is_into_outfile_with_stdout format_ast settings_ast"

QUERY: dict[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "SelectWithUnionQuery": f"union_mode list_of_modes list_of_selects {_OUTPUT}",
        "SelectQuery": "with select distinct tables prewhere where group_by group_by_all group_by_with_grouping_sets "
        "group_by_with_rollup group_by_with_cube "
        " group_by_with_totals group_by_with_constant_keys having qualify window order_by order_by_all interpolate "
        "limit_by limit_by_length limit_by_offset limit_by_all"
        " limit_length limit_offset limit_with_ties recursive_with settings distinct_on cte_aliases",
        "SelectIntersectExceptQuery": "final_operator children",
        "ExpressionList": "children separator",
        "Identifier": "name name_parts alias children prefer_alias_to_column_name",
        "TableIdentifier": "name name_parts alias children",
        "QueryParameter": "name param_type alias",
        "Literal": "value alias unique_column_name prefer_alias_to_column_name custom_type",
        "Function": "name arguments parameters alias is_operator is_lambda_function is_window_function is_compound_name kind "
        "no_empty_args nulls_action"
        " window_definition window_name prefer_alias_to_column_name",
        "Asterisk": "transformers expression",
        "QualifiedAsterisk": "qualifier transformers",
        "ColumnsRegexpMatcher": "pattern expression transformers",
        "ColumnsListMatcher": "column_list expression transformers",
        "QualifiedColumnsRegexpMatcher": "pattern qualifier transformers",
        "QualifiedColumnsListMatcher": "column_list qualifier transformers",
        "ColumnsTransformerList": "children",
        "ColumnsApplyTransformer": "func_name lambda lambda_arg parameters column_name_prefix",
        "ColumnsExceptTransformer": "children is_strict",
        "ColumnsReplaceTransformer": "children is_strict",
        "ColumnsReplaceTransformerReplacement": "children name",
        "Subquery": "children alias cte_name",
        "WithElement": "name subquery aliases is_materialized",
        "TablesInSelectQuery": "children",
        "TablesInSelectQueryElement": "table_expression table_join array_join",
        "TableExpression": "database_and_table_name table_function subquery column_aliases final sample_size sample_offset",
        "TableJoin": "kind strictness locality on_expression using_expression_list",
        "ArrayJoin": "kind expression_list",
        "SampleRatio": "numerator denominator",
        "OrderByElement": "expression direction nulls_direction nulls_direction_was_explicitly_specified collation with_fill fill_from "
        "fill_to fill_step fill_staleness",
        "InterpolateElement": "column expr",
        "WindowDefinition": "parent_window_name partition_by order_by frame_is_default frame_type frame_begin_type frame_begin_offset "
        "frame_begin_preceding"
        " frame_end_type frame_end_offset frame_end_preceding",
        "WindowListElement": "name definition",
        "SetQuery": "changes is_standalone",
    }.items()
}
"""SELECT and all that can stand in it."""

READING: dict[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "ExplainQuery": f"kind query settings {_OUTPUT}",
        "ShowTablesQuery": f"from like not_like case_insensitive_like where_expression limit_length databases full {_OUTPUT}",
        "ShowColumnsQuery": f"table database like not_like case_insensitive_like where_expression limit_length extended full {_OUTPUT}",
        "ShowIndexesQuery": f"table database extended where_expression {_OUTPUT}",
    }.items()
}
"""Statements that read, besides SELECT."""

EXPLAIN_KINDS = frozenset(
    ("EXPLAIN", "EXPLAIN AST", "EXPLAIN SYNTAX", "EXPLAIN QUERY TREE", "EXPLAIN PLAN", "EXPLAIN PIPELINE", "EXPLAIN ESTIMATE")
)

EXPLAIN_OPTIONS = frozenset(
    [
        "header",
        "description",
        "indexes",
        "projections",
        "actions",
        "json",
        "graph",
        "compact",
        "optimize",
        "run_passes",
        "dump_passes",
        "passes",
        "dump_tree",
        "dump_ast",
        "sorting",
        "distributed",
        "oneline",
        "keep_logical_steps",
        "pretty",
        "input_headers",
        "run_query_tree_passes",
        "column_structure",
    ]
)
"""Options of EXPLAIN, which are written like settings."""

WRITING: dict[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "InsertQuery": "table database columns format select settings_ast",
        "DeleteQuery": "table database predicate partition settings_ast",
        "AlterQuery": f"alter_object database database_ast table table_ast command_list {_OUTPUT}",
        "AlterCommand": "command_type predicate partition if_exists if_not_exists first replace part detach clear_column clear_index "
        "clear_statistics "
        " clear_projection column col_decl comment constraint constraint_decl index index_decl order_by projection "
        "projection_decl remove_property rename_to sample_by"
        " select settings_changes settings_resets ttl update_assignments",
        "Partition": "value all fields_count id",
        "Assignment": "column_name children",
    }.items()
}
"""Statements that add and remove rows."""

SCHEMA: dict[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "CreateQuery": "database database_ast table table_ast as_database as_table columns_list storage select targets comment "
        "if_not_exists create_or_replace "
        "replace_table replace_view is_ordinary_view is_materialized_view is_populate is_create_empty is_clone_as "
        "attach is_time_series_table has_uuid has_uuid_clause"
        f" has_inner_uuid_clause is_dictionary has_attach_from_path is_temporary aliases_list {_OUTPUT}",
        "Columns definition": "columns constraints indices projections primary_key",
        "ColumnDeclaration": "name data_type null_modifier default_specifier default_expression ephemeral_default comment codec ttl "
        "collation primary_key_specifier settings"
        " statistics_desc",
        "DataType": "name arguments",
        "EnumDataType": "name values",
        "TupleDataType": "name arguments element_names",
        "NameTypePair": "name name_type",
        "ObjectTypeArgument": "path_with_type skip_path skip_path_regexp parameter children",
        "IndexDeclaration": "name expression index_type granularity part_of_create_index_query",
        "ConstraintDeclaration": "name constraint_type expr",
        "ProjectionDeclaration": "name query",
        "ProjectionSelectQuery": "with select group_by order_by where",
        "Storage": "engine partition_by primary_key order_by sample_by ttl_table settings",
        "StorageOrderByElement": "children direction",
        "TTLElement": "mode destination_type destination_name if_exists ttl_expr where_expr group_by_key group_by_assignments "
        "recompression_codec",
        "ViewTargets": "targets",
        "DropQuery": "kind database database_ast table table_ast database_and_tables if_exists if_empty is_view is_dictionary "
        "has_all has_tables like not_like"
        f" case_insensitive_like permanently sync no_delay {_OUTPUT}",
        "RenameQuery": f"database dictionary elements exchange rename_if_cannot_exchange {_OUTPUT}",
        "OptimizeQuery": f"table database partition final deduplicate deduplicate_by_columns cleanup {_OUTPUT}",
        "UpdateQuery": "table database predicate assignments partition settings_ast",
        "SystemQuery": "query_type database table children",
        "KillQueryQuery": f"kill_type sync test where_expression {_OUTPUT}",
        "CheckTableQuery": f"table database partition part_name {_OUTPUT}",
    }.items()
}
"""Statements of the admin."""

ALTER_OF_WRITER = frozenset(("DELETE", "UPDATE"))  # UPDATE: a deleted sample's name is blanked where it was submitted with others
ALTER_OF_ADMIN = ALTER_OF_WRITER | frozenset(
    [
        "ADD_COLUMN",
        "DROP_COLUMN",
        "MODIFY_COLUMN",
        "RENAME_COLUMN",
        "COMMENT_COLUMN",
        "MATERIALIZE_COLUMN",
        "MODIFY_ORDER_BY",
        "MODIFY_SAMPLE_BY",
        "REMOVE_SAMPLE_BY",
        "MODIFY_TTL",
        "REMOVE_TTL",
        "MATERIALIZE_TTL",
        "MODIFY_SETTING",
        "RESET_SETTING",
        "MODIFY_QUERY",
        "MODIFY_COMMENT",
        "ADD_INDEX",
        "DROP_INDEX",
        "MATERIALIZE_INDEX",
        "ADD_CONSTRAINT",
        "DROP_CONSTRAINT",
        "ADD_PROJECTION",
        "DROP_PROJECTION",
        "MATERIALIZE_PROJECTION",
        "DROP_PARTITION",
        "APPLY_DELETED_MASK",
        "APPLY_PATCHES",
    ]
)
SYSTEM_QUERIES = frozenset(
    [
        "FLUSH_LOGS",
        "START_MERGES",
        "STOP_MERGES",
        "START_TTL_MERGES",
        "STOP_TTL_MERGES",
        "WAIT_LOADING_PARTS",
        "SYNC_MERGES",
        "DROP_MARK_CACHE",
        "CLEAR_MARK_CACHE",
        "DROP_UNCOMPRESSED_CACHE",
        "CLEAR_UNCOMPRESSED_CACHE",
        "DROP_QUERY_CACHE",
        "CLEAR_QUERY_CACHE",
        "DROP_QUERY_CONDITION_CACHE",
        "CLEAR_QUERY_CONDITION_CACHE",
        "START_CLEANUP",
        "STOP_CLEANUP",
        "START_MOVES",
        "STOP_MOVES",
    ]
)

STATEMENTS_OF_READER = frozenset(("SelectWithUnionQuery", *READING))
STATEMENTS_OF_WRITER = STATEMENTS_OF_READER | frozenset(("InsertQuery", "DeleteQuery", "AlterQuery"))
STATEMENTS_OF_ADMIN = STATEMENTS_OF_WRITER | frozenset(
    ("CreateQuery", "DropQuery", "RenameQuery", "OptimizeQuery", "UpdateQuery", "SystemQuery", "KillQueryQuery", "CheckTableQuery")
)
CHANGING = STATEMENTS_OF_ADMIN - STATEMENTS_OF_READER
"""Statements that change something: not over GET."""
