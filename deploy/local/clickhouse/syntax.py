"""A statement as the engine's own parser reads it.

`EXPLAIN AST` hides parts (the lambda of APPLY, SETTINGS, the WHERE of SHOW, the source of CREATE TABLE AS) and prints names raw, so that
a name with a line end in it can pretend to be nodes. `parseQueryToJSON` shows every part, quotes names, refuses more than one
statement, and runs nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any

from deploy.local.clickhouse.engine import Lane
from deploy.local.clickhouse.errors import ClickHouseError, Code

Node = dict[str, Any]

_SCOPE = re.compile(r": In scope SELECT parseQueryToJSON\(.*\Z", re.DOTALL)
_UNSUPPORTED = re.compile(r"AST node of type '([^']*)' does not support JSON serialization")


class NotDescribed(Exception):
    """The parser knows the statement but does not describe it; `kind` is its name for it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


def parse(lane: Lane, sql: bytes) -> Node:
    """The syntax tree: nodes are objects with `type`. Raises ClickHouseError for what does not parse, NotDescribed."""
    quoted = sql.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
    try:
        held = lane.query(b"SELECT parseQueryToJSON('" + quoted + b"')", "TabSeparatedRaw")
    except ClickHouseError as error:
        unsupported = _UNSUPPORTED.search(error.text)
        if unsupported is not None:
            raise NotDescribed(unsupported.group(1)) from None
        raise ClickHouseError(error.code, error.name, _SCOPE.sub("", error.text) + ".") from None
    try:
        tree = json.loads(held.data.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        raise ClickHouseError.of(Code.SYNTAX_ERROR, "the statement is nested too deeply") from None
    if not isinstance(tree, dict):
        raise ClickHouseError.of(Code.SYNTAX_ERROR, "Empty query")
    return tree
