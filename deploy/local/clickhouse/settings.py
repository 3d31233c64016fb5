"""Settings that a client may choose, in the URL or in a statement, by role; everything else keeps the server's value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from deploy.local.clickhouse.accounts import Role
from deploy.local.clickhouse.engine import DATABASE
from deploy.local.clickhouse.errors import ClickHouseError, Code
from deploy.local.clickhouse.limits import Limits

# Shapes of names that every role may choose: how values are read and written, how a query is planned.
_EVERYONE = [
    "output_format_*",
    "input_format_*",
    "format_csv_*",
    "format_tsv_*",
    "format_custom_*",
    "format_binary_*",
    "date_time_input_format",
    "date_time_output_format",
    "date_time_overflow_behavior",
    "bool_*_representation",
    "cast_*",
    "extremes",
    "final",
    "log_comment",
    "session_timezone",
    "max_block_size",
    "preferred_block_size_bytes",
    "max_result_rows",
    "max_result_bytes",
    "result_overflow_mode",
    "max_rows_to_read",
    "max_bytes_to_read",
    "read_overflow_mode",
    "max_rows_to_group_by",
    "group_by_overflow_mode",
    "max_rows_in_join",
    "max_bytes_in_join",
    "join_overflow_mode",
    "max_rows_in_set",
    "max_bytes_in_set",
    "set_overflow_mode",
    "max_rows_in_distinct",
    "max_bytes_in_distinct",
    "distinct_overflow_mode",
    "max_rows_to_sort",
    "max_bytes_to_sort",
    "sort_overflow_mode",
    "timeout_overflow_mode",
    "max_columns_to_read",
    "max_rows_to_transfer",
    "max_temporary_columns",
    "max_estimated_execution_time",
    "min_execution_speed",
    "limit",
    "offset",
    "join_*",
    "any_join_distinct_right_table_keys",
    "transform_null_in",
    "aggregate_functions_null_for_empty",
    "union_default_mode",
    "intersect_default_mode",
    "except_default_mode",
    "prefer_column_name_to_alias",
    "count_distinct_implementation",
    "optimize_*",
    "query_plan_*",
    "use_skip_indexes*",
    "force_primary_key",
    "force_index_by_date",
    "use_index_*",
    "enable_optimize_predicate_expression*",
    "short_circuit_function_evaluation",
    "max_bytes_before_external_*",
    "max_bytes_ratio_before_external_*",
    "group_by_use_nulls",
    "group_by_two_level_threshold*",
    "distributed_aggregation_memory_efficient",
    "allow_simdjson",
    "allow_suspicious_*",
    "allow_experimental_analyzer",
    "enable_analyzer",
    "allow_fuzzy_search*",
    "describe_*",
    "show_table_uuid_in_table_create_query_if_not_nil",
    "enable_named_columns_in_function_tuple",
    "read_in_order_*",
    "merge_tree_*",
    "use_uncompressed_cache",
    "use_query_cache",
    "query_cache_ttl",
    "select_sequential_consistency",
    "enable_global_with_statement",
    "enable_early_constant_folding",
    "enable_unaligned_array_join",
    "enable_positional_arguments",
    "legacy_column_name_of_tuple_literal",
    "asterisk_include_*",
    "low_cardinality_allow_in_native_format",
    "flatten_nested",
    "allow_hyperscan",
    "regexp_*",
    "apply_*",
    "least_greatest_*",
    "type_json_*",
    "json_*",
    "geo_*",
    "decimal_*",
    "check_query_single_value_result",
    "parallel_replicas_local_plan",
    "use_variant_*",
    "allow_dynamic_*",
    "enable_extended_results_for_datetime_functions",
    "validate_*",
    "make_distributed_plan",
    "low_cardinality_*",
    "max_insert_threads",
]

# Besides: how rows go in and out. A client sends these with every request, so a reader may too, who cannot insert.
_INSERTING = [
    "insert_*",
    "deduplicate_*",
    "async_insert",
    "wait_for_async_insert",
    "max_insert_block_size*",
    "min_insert_block_size_*",
    "max_partitions_per_insert_block",
    "throw_on_max_partitions_per_insert_block",
    "mutations_sync",
    "alter_sync",
    "lightweight_delete*",
    "lightweight_update*",
    "materialized_views_*",
    "parallel_view_processing",
    "ignore_materialized_views_with_dropped_target_table",
    "allow_nondeterministic_mutations",
    "use_async_block_ids_cache",
    "update_*",
    "enable_lightweight_*",
    "allow_experimental_lightweight_*",
    "max_parser_depth",
    "input_format_parallel_parsing",
    "max_bytes_to_merge_*",
    "mutations_execute_*",
]

# Shapes that the admin may choose besides: how tables are made, and a table's own settings.
_ADMIN = [
    "allow_experimental_*",
    "allow_suspicious_*",
    "data_type_default_nullable",
    "default_table_engine",
    "database_atomic_wait_for_drop_and_detach_synchronously",
    "optimize_throw_if_noop",
    "optimize_skip_merged_partitions",
    "max_table_size_to_drop",
    "max_partition_size_to_drop",
    "allow_statistics_optimize",
    "allow_materialized_view_with_bad_select",
    "non_replicated_deduplication_window",
    "merge_selector_base",
    "auto_statistics_types",
    "index_granularity",
    "index_granularity_bytes",
    "min_bytes_for_*",
    "min_rows_for_*",
    "max_bytes_to_merge_*",
    "merge_max_*",
    "merge_with_*",
    "parts_to_*",
    "max_parts_*",
    "inactive_parts_to_*",
    "old_parts_lifetime",
    "number_of_free_entries_in_pool_to_*",
    "max_number_of_*",
    "min_age_to_force_merge_*",
    "ttl_only_drop_parts",
    "allow_nullable_key",
    "enable_mixed_granularity_parts",
    "enable_block_number_column",
    "enable_block_offset_column",
    "deduplicate_merge_projection_mode",
    "lightweight_mutation_projection_mode",
    "fsync_*",
    "compress_*",
    "marks_*",
    "primary_key_*",
    "ratio_of_defaults_for_sparse_serialization",
    "assign_part_uuids",
    "exclude_deleted_*",
    "allow_summing_columns_in_partition_or_order_key",
    "add_minmax_index_for_*",
    "materialize_*",
    "max_file_name_length",
    "replace_long_file_name_to_hash",
    "vertical_merge_*",
    "enable_vertical_merge_algorithm",
    "always_use_copy_instead_of_hardlinks",
    "min_compress_block_size",
    "max_compress_block_size",
    "default_compression_codec",
    "clean_deleted_rows",
    "merge_selecting_*",
    "use_minimalistic_*",
    "concurrent_part_removal_threshold*",
    "min_delay_to_*",
    "max_delay_to_*",
    "simultaneous_parts_removal_limit",
    "max_suspicious_broken_*",
]

# What a shape above would take in, and must not: it names a file, a schema, an address, or evaluates expressions in data.
_NEVER = [
    "*schema*",
    "*template*",
    "*path*",
    "*_url*",
    "*_uri*",
    "*disk*",
    "*storage_polic*",
    "*python*",
    "*secret*",
    "input_format_values_interpret_expressions",
]


def base(limits: Limits, role: Role) -> dict[str, str]:
    """What every lane starts with, before the client's choice."""
    settings = {
        "max_memory_usage": str(limits.query_memory),
        "max_execution_time": str(limits.query_seconds),
        "max_threads": str(limits.threads),
        "max_query_size": str(4 * limits.query_bytes),
        "implicit_select": "0",
        "async_insert": "0",
        "deduplicate_blocks_in_dependent_materialized_views": "1",
        "insert_deduplicate": "1",
        "input_format_values_interpret_expressions": "0",
    }
    if role is not Role.ADMIN:
        settings["additional_table_filters"] = (
            "{" + ", ".join(f"'system.{table}': '{condition}'" for table, condition in _ROWS.items()) + "}"
        )
    return settings


_ROWS = {
    "databases": rf"name = \'{DATABASE}\'",
    "tables": rf"database = \'{DATABASE}\'",
    "columns": rf"database = \'{DATABASE}\'",
    "parts": rf"database = \'{DATABASE}\'",
    "mutations": rf"database = \'{DATABASE}\'",
    "merges": rf"database = \'{DATABASE}\'",
    "data_skipping_indices": rf"database = \'{DATABASE}\'",
}
"""Rows of system tables that others than the admin see."""


def ceilings(limits: Limits) -> dict[str, int]:
    """Settings that a client may lower and not raise; 0, which means unbounded, is raising."""
    return {
        "max_memory_usage": limits.query_memory,
        "max_execution_time": limits.query_seconds,
        "max_threads": max(limits.threads, os.cpu_count() or 1),
        "max_insert_threads": max(limits.threads, os.cpu_count() or 1),
        "max_block_size": 1_048_576,
        "max_insert_block_size": 16_777_216,
    }


def may_choose(role: Role, name: str) -> bool:
    """True where `role` may choose a value for `name`, within `ceilings`."""
    if name in ("max_memory_usage", "max_execution_time", "max_threads"):
        return True
    if any(fnmatchcase(name, shape) for shape in _NEVER):
        return False
    shapes = _EVERYONE + _INSERTING
    if role is Role.ADMIN:
        shapes += _ADMIN
    return any(fnmatchcase(name, shape) for shape in shapes)


def check(role: Role, chosen: Mapping[str, str], limits: Limits) -> None:
    """Refuse a setting that the role may not choose, or a value beyond the server's bounds. Raises ClickHouseError 452."""
    most = ceilings(limits)
    for name, value in chosen.items():
        if not may_choose(role, name):
            raise ClickHouseError.of(Code.SETTING_CONSTRAINT_VIOLATION, f"Setting {name[:80]} should not be changed by {role.value}")
        if name == "async_insert" and value not in ("0", "false"):
            raise ClickHouseError.of(
                Code.SETTING_CONSTRAINT_VIOLATION, "Setting async_insert should be 0: an insert is acknowledged when its rows are on disk"
            )
        if name in most:
            number = float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else -1.0
            if not 0 < number <= most[name]:
                raise ClickHouseError.of(
                    Code.SETTING_CONSTRAINT_VIOLATION,
                    f"Setting {name} should be above 0 and not greater than {most[name]}, got {value[:32]}",
                )
