"""What a role may run: an allow-list over the statement as the engine's own parser reads it.

Every node and every field of the syntax tree must be known (`grammar`), every function, table, engine, format and setting that it names
must be allowed (`catalogue`, `settings`). Nothing is decided by looking for bad words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.clickhouse import catalogue, grammar, settings
from deploy.local.clickhouse.accounts import Role
from deploy.local.clickhouse.engine import DATABASE
from deploy.local.clickhouse.errors import ClickHouseError, Code
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.syntax import Node

_IN = frozenset(
    [
        "in",
        "notin",
        "globalin",
        "globalnotin",
        "nullin",
        "notnullin",
        "globalnullin",
        "globalnotnullin",
        "inignoreset",
        "notinignoreset",
        "globalinignoreset",
        "globalnotinignoreset",
        "nullinignoreset",
        "notnullinignoreset",
        "globalnullinignoreset",
        "globalnotnullinignoreset",
    ]
)
_NEVER_TRUE = frozenset(
    (
        "is_outfile_append",
        "is_outfile_truncate",
        "is_into_outfile_with_stdout",
        "attach",
        "has_attach_from_path",
        "is_dictionary",
        "is_temporary",
        "has_uuid",
        "has_uuid_clause",
        "has_inner_uuid_clause",
        "is_time_series_table",
        "permanently",
        "has_all",
        "dictionary",
        "detach",
        "is_clone_as",
    )
)
_OBJECTS_WITHOUT_TYPE = frozenset(("value", "changes", "values", "targets", "elements"))


@dataclass(frozen=True)
class Verdict:
    """What an allowed statement is: its kind (node type), whether it changes anything, and its FORMAT clause (empty for none)."""

    kind: str
    changes: bool
    output_format: str = ""


def judge(tree: Node, role: Role, database: str, parameters: Mapping[str, str], limits: Limits) -> Verdict:
    """Allow a statement or raise ClickHouseError (497 ACCESS_DENIED, 452 for a setting, 73 for a format).

    `database` is the current one, `parameters` the values of {name:Type}: a name given as a parameter is judged by its value.
    """
    statements = {
        Role.READER: grammar.STATEMENTS_OF_READER,
        Role.WRITER: grammar.STATEMENTS_OF_WRITER,
        Role.ADMIN: grammar.STATEMENTS_OF_ADMIN,
    }[role]
    kind = str(tree.get("type"))
    if kind not in statements:
        raise denied(role, f"may not run {kind}")
    known = {**grammar.QUERY, **grammar.READING, **grammar.WRITING, **(grammar.SCHEMA if role is Role.ADMIN else {})}
    changes = kind in grammar.CHANGING
    if changes and database != DATABASE:
        raise denied(role, f"changes only tables of the database {DATABASE}, not of {database}")
    walk = _Walk(role, database, parameters, limits, known)
    walk.node(tree)
    chosen = tree.get("format_ast")
    return Verdict(kind, changes, str(chosen["name"]) if isinstance(chosen, dict) else "")


def denied(role: Role, what: str) -> ClickHouseError:
    """Code 497 for a role."""
    return ClickHouseError.of(Code.ACCESS_DENIED, f"{role.value}: Not enough privileges: {what}")


class _Walk:
    def __init__(
        self, role: Role, database: str, parameters: Mapping[str, str], limits: Limits, known: Mapping[str, frozenset[str]]
    ) -> None:
        self._role = role
        self._database = database
        self._parameters = parameters
        self._limits = limits
        self._known = known
        self._defining = False
        self._rules: dict[str, Callable[[Node], None]] = {
            "Function": self._function,
            "TableIdentifier": self._table_identifier,
            "TableExpression": self._table_expression,
            "SetQuery": self._set,
            "ColumnsApplyTransformer": self._apply,
            "ExplainQuery": self._explain,
            "ShowTablesQuery": self._show_tables,
            "ShowColumnsQuery": self._own_names,
            "ShowIndexesQuery": self._own_names,
            "InsertQuery": self._insert,
            "DeleteQuery": self._own_target,
            "AlterQuery": self._alter,
            "AlterCommand": self._alter_command,
            "CreateQuery": self._create,
            "Storage": self._storage,
            "ColumnDeclaration": self._column,
            "IndexDeclaration": self._index,
            "TTLElement": self._ttl,
            "ViewTargets": self._targets,
            "DropQuery": self._own_names,
            "RenameQuery": self._rename,
            "OptimizeQuery": self._own_target,
            "UpdateQuery": self._own_target,
            "SystemQuery": self._system,
            "CheckTableQuery": self._own_target,
        }

    def node(self, node: Node, skip: frozenset[str] = frozenset()) -> None:
        """Judge a node and, by its rule or by default, all below it except the fields in `skip`, which the caller has judged."""
        kind = str(node.get("type"))
        fields = self._known.get(kind)
        if fields is None:
            raise denied(self._role, f"may not use {kind} in a statement")
        for name, value in node.items():
            if name != "type" and name not in fields:
                raise denied(self._role, f"may not use {kind} with {name}")
            if name in _NEVER_TRUE and value is True:
                raise denied(self._role, f"may not use {kind} with {name}")
        if skip:
            self._below(node, skip)
            return
        rule = self._rules.get(kind)
        if rule is not None:
            rule(node)
        else:
            self._below(node)

    def _below(self, node: Node, skip: frozenset[str] = frozenset()) -> None:
        for name, value in node.items():
            if name in skip:
                continue
            if name == "format_ast":
                self._format(str(value.get("name", "")))
            elif isinstance(value, dict):
                if "type" in value:
                    self.node(value)
                elif name not in _OBJECTS_WITHOUT_TYPE:
                    raise denied(self._role, f"may not use {node.get('type')} with {name}")
            elif isinstance(value, list):
                self._list(node, name, value)

    def _list(self, node: Node, name: str, values: list[Any]) -> None:
        for value in values:
            if isinstance(value, dict) and "type" in value:
                self.node(value)
            elif isinstance(value, (dict, list)) and name not in _OBJECTS_WITHOUT_TYPE:
                raise denied(self._role, f"may not use {node.get('type')} with {name}")

    # --- what every query is made of ---

    def _function(self, node: Node) -> None:
        name = str(node.get("name"))
        if not catalogue.may_call(name):
            raise denied(self._role, f"may not call the function {name[:80]}")
        if name.lower() in _IN:
            arguments = (node.get("arguments") or {}).get("children", [])
            for argument in arguments[1:]:
                if isinstance(argument, dict) and argument.get("type") == "Identifier":
                    self._table_or_column(argument)
        self._below(node)

    def _table_or_column(self, node: Node) -> None:
        """The right side of IN may be a table; a name that is none is a column, which is free."""
        parts = self._parts(node)
        if len(parts) == 1:
            parts = [self._database, *parts]
        if len(parts) == 2 and parts[0].lower() in ("system", "default", "information_schema", DATABASE):
            self._table(*parts)

    def _table_expression(self, node: Node) -> None:
        function = node.get("table_function")
        if function is not None:
            name = str(function.get("name"))
            own_view = name.split(".") if function.get("is_compound_name") else []
            if name.lower() not in catalogue.TABLE_FUNCTIONS and not (len(own_view) == 2 and own_view[0] == DATABASE):
                raise denied(self._role, f"may not use the table function {name[:80]}")
            if function.get("type") != "Function":
                raise denied(self._role, "may not use this source of rows")
            self._expect_fields(function)
            self._below(function)
        self._below(node, frozenset(("table_function",)))

    def _table_identifier(self, node: Node) -> None:
        parts = self._parts(node)
        if len(parts) == 1:
            parts = [self._database, *parts]
        if len(parts) != 2:
            raise denied(self._role, f"may not read {'.'.join(parts)[:120]}")
        self._table(*parts)

    def _table(self, database: str, table: str) -> None:
        if database == DATABASE and not table.startswith("."):
            if self._role is Role.READER and table in catalogue.PRIVATE:
                raise denied(self._role, f"may not read {table}, which names people; the views show samples by pseudonym")
            return
        if database == "system" and table in (("one", "numbers", "zeros") if self._defining else catalogue.system_tables(self._role)):
            return
        raise denied(self._role, f"may not read {database[:60]}.{table[:60]}")

    def _parts(self, node: Node) -> list[str]:
        """Parts of a name, parameters replaced by their values as the engine replaces them."""
        children = [child for child in node.get("children", []) if isinstance(child, dict)]
        parts = [str(part) for part in node.get("name_parts") or [node.get("name", "")]]
        if not children:
            return parts
        values = iter([self._parameters.get(str(child.get("name")), "") for child in children])
        filled = [part if part else next(values, "") for part in parts]
        rest = list(values)
        if rest or any("." in part for part in filled):
            raise denied(self._role, "may not use this name with parameters; write each part of the name as one parameter")
        return filled

    def _set(self, node: Node) -> None:
        chosen = {}
        for change in node.get("changes", []):
            value = change.get("value", {})
            chosen[str(change.get("name"))] = str(value.get("value"))
            if value.get("field_type") not in ("UInt64", "Int64", "Float64", "String", "Bool"):
                raise ClickHouseError.of(Code.SETTING_CONSTRAINT_VIOLATION, f"Setting {change.get('name')} should be a number or a string")
        if set(node) - {"type", "changes", "is_standalone"}:
            raise denied(self._role, "may not set parameters in a statement")
        settings.check(self._role, chosen, self._limits)

    def _apply(self, node: Node) -> None:
        name = node.get("func_name")
        if name is not None and not catalogue.may_call(str(name)):
            raise denied(self._role, f"may not call the function {str(name)[:80]}")
        self._below(node)

    def _format(self, name: str) -> None:
        if name.lower() not in catalogue.OUTPUT_FORMATS:
            raise ClickHouseError.of(Code.UNKNOWN_FORMAT, f"Format {name[:80]} is not offered")

    def _expect_fields(self, node: Node) -> None:
        for name, value in node.items():
            if name != "type" and name not in self._known[str(node.get("type"))]:
                raise denied(self._role, f"may not use {node.get('type')} with {name}")
            if name in _NEVER_TRUE and value is True:
                raise denied(self._role, f"may not use {node.get('type')} with {name}")

    # --- statements that read ---

    def _explain(self, node: Node) -> None:
        if node.get("kind") not in grammar.EXPLAIN_KINDS or (node.get("query") or {}).get("type") != "SelectWithUnionQuery":
            raise denied(self._role, f"may not run {node.get('kind')} of this")
        options = node.get("settings") or {}
        for change in options.get("changes", []):
            if change.get("name") not in grammar.EXPLAIN_OPTIONS:
                raise denied(self._role, f"may not use the option {change.get('name')} of EXPLAIN")
        self._below(node, frozenset(("settings",)))

    def _show_tables(self, node: Node) -> None:
        source = node.get("from")
        if source is not None and (source.get("children") or source.get("name") not in (DATABASE, "system")):
            raise denied(self._role, f"may not list {str(source.get('name'))[:60]}")
        self._below(node)

    # --- statements that change ---

    def _own_names(self, node: Node) -> None:
        """`database` and `table` are strings or identifiers, of the product's database or of the current one."""
        for field in ("database", "database_ast", "as_database"):
            self._own_database(node.get(field))
        for field in ("table", "table_ast"):
            value = node.get(field)
            if isinstance(value, dict) and value.get("children"):
                raise denied(self._role, "may not use a parameter as the name of a table here")
        listed = node.get("database_and_tables")
        if isinstance(listed, dict):
            for child in listed.get("children", []):
                parts = self._parts(child)
                if len(parts) == 2:
                    self._own_database(parts[0])
        if node.get("type") == "DropQuery" and node.get("kind") not in ("Drop", "Truncate"):
            raise denied(self._role, f"may not {node.get('kind')}")
        if node.get("type") == "DropQuery" and not node.get("table") and listed is None:
            raise denied(self._role, f"may not drop the database {DATABASE}; drop its tables, or remove the state folder")
        self._below(node, frozenset(("database", "database_ast", "table", "table_ast", "database_and_tables")))

    def _own_database(self, value: Any) -> None:
        if isinstance(value, dict):
            value = str(value.get("name", "")) if not value.get("children") else "?"
        if value not in (None, "", DATABASE):
            raise denied(self._role, f"changes only tables of the database {DATABASE}, not of {str(value)[:60]}")

    def _own_target(self, node: Node) -> None:
        self._own_database(node.get("database"))
        table = node.get("table")
        if not isinstance(table, dict) or table.get("type") not in ("Identifier", "TableIdentifier") or table.get("children"):
            raise denied(self._role, "may not use this as the name of a table")
        parts = self._parts(table)
        if len(parts) == 2:
            self._own_database(parts[0])
        self._below(node, frozenset(("database", "table")))

    def _insert(self, node: Node) -> None:
        chosen = str(node.get("format") or "Values")
        if node.get("select") is None and chosen.lower() not in catalogue.INPUT_FORMATS:
            raise ClickHouseError.of(Code.UNKNOWN_FORMAT, f"Format {chosen[:80]} is not taken")
        self._own_target(node)

    def _alter(self, node: Node) -> None:
        if node.get("alter_object") != "TABLE":
            raise denied(self._role, "may alter tables only")
        self._own_names(node)

    def _alter_command(self, node: Node) -> None:
        allowed = grammar.ALTER_OF_ADMIN if self._role is Role.ADMIN else grammar.ALTER_OF_WRITER
        if node.get("command_type") not in allowed:
            raise denied(self._role, f"may not ALTER ... {node.get('command_type')}")
        self._defining = node.get("command_type") == "MODIFY_QUERY"
        self._below(node)

    def _create(self, node: Node) -> None:
        if not node.get("table") and (node.get("database") != DATABASE or node.get("storage")):
            raise denied(self._role, f"may create no database but {DATABASE}")
        self._defining = True
        self._own_names(node)

    def _storage(self, node: Node) -> None:
        engine = node.get("engine")
        if isinstance(engine, dict):
            if engine.get("name") not in catalogue.ENGINES:
                raise denied(self._role, f"may not use the table engine {str(engine.get('name'))[:80]}")
            self._expect_fields(engine)
            self._below(engine)
        self._below(node, frozenset(("engine",)))

    def _column(self, node: Node) -> None:
        if isinstance(node.get("codec"), dict):
            self._codec(node["codec"])
        self._below(node, frozenset(("codec",)))

    def _codec(self, node: Node) -> None:
        self._expect_fields(node)
        if str(node.get("name")).lower() not in catalogue.CODECS:
            raise denied(self._role, f"may not use the codec {str(node.get('name'))[:80]}")
        for argument in (node.get("arguments") or {}).get("children", []):
            if argument.get("type") == "Function":
                self._codec(argument)
            else:
                self.node(argument)

    def _index(self, node: Node) -> None:
        kind = node.get("index_type")
        if isinstance(kind, dict):
            self._expect_fields(kind)
            if str(kind.get("name")).lower() not in catalogue.INDEX_TYPES:
                raise denied(self._role, f"may not use the index type {str(kind.get('name'))[:80]}")
            self._below(kind)
        self._below(node, frozenset(("index_type",)))

    def _ttl(self, node: Node) -> None:
        if node.get("mode") not in ("DELETE", "GROUP_BY", "RECOMPRESS") or node.get("destination_name"):
            raise denied(self._role, "may not move rows to another disk or volume")
        if isinstance(node.get("recompression_codec"), dict):
            self._codec(node["recompression_codec"])
        self._below(node, frozenset(("recompression_codec",)))

    def _targets(self, node: Node) -> None:
        for target in node.get("targets", []):
            if set(target) - {"kind", "table_database", "table_name", "inner_engine"} or target.get("kind") not in ("To", "Inner"):
                raise denied(self._role, "may not use this target of a view")
            self._own_database(target.get("table_database"))
            if isinstance(target.get("inner_engine"), dict):
                self.node(target["inner_engine"])

    def _rename(self, node: Node) -> None:
        if node.get("database"):
            raise denied(self._role, "may not rename a database")
        for element in node.get("elements", []):
            if set(element) - {
                "from_database",
                "from_table",
                "to_database",
                "to_table",
                "if_exists",
                "from_database_ast",
                "from_table_ast",
                "to_database_ast",
                "to_table_ast",
            }:
                raise denied(self._role, "may not rename this")
            for field, value in element.items():
                if "database" in field:
                    self._own_database(value)
                elif isinstance(value, dict) and value.get("children"):
                    raise denied(self._role, "may not use a parameter as the name of a table here")

    def _system(self, node: Node) -> None:
        if node.get("query_type") not in grammar.SYSTEM_QUERIES:
            raise denied(self._role, f"may not run SYSTEM {str(node.get('query_type')).replace('_', ' ')}")
        self._own_database(node.get("database"))
