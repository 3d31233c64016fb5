"""The gate of every request: parse, judge, remember. Nothing reaches the engine that has not passed here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from deploy.local.clickhouse import catalogue, policy, syntax
from deploy.local.clickhouse.accounts import Role
from deploy.local.clickhouse.engine import Lane
from deploy.local.clickhouse.errors import ClickHouseError, Code
from deploy.local.clickhouse.lexer import Lexeme, Token, tokens
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.policy import Verdict
from deploy.local.clickhouse.syntax import NotDescribed

_NAMING = frozenset(("DescribeQuery", "ExistsTableQuery", "ExistsViewQuery", "ShowCreateTableQuery", "ShowCreateViewQuery"))
_REMEMBERED = 2048
_REMEMBERED_BYTES = 16 * 1024


class Gate:
    """Judges statements; a verdict depends on nothing but its arguments, so it is kept and given again."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._verdicts: OrderedDict[tuple[object, ...], Verdict] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, lane: Lane, role: Role, sql: bytes, data_format: str, database: str, parameters: Mapping[str, str]) -> Verdict:
        """The verdict on a statement; `data_format` is that of an insert whose data and FORMAT clause have been cut off.

        `lane` parses, with the server's settings that bear on parsing. Raises ClickHouseError for what is refused or does not parse.
        """
        key = (role, sql, data_format, database, tuple(sorted(parameters.items())))
        with self._lock:
            known = self._verdicts.get(key)
            if known is not None:
                self._verdicts.move_to_end(key)
                return known
        verdict = self._judge(lane, role, sql, data_format, database, parameters)
        if len(sql) + sum(map(len, parameters.values())) <= _REMEMBERED_BYTES:
            with self._lock:
                self._verdicts[key] = verdict
                while len(self._verdicts) > _REMEMBERED:
                    self._verdicts.popitem(last=False)
        return verdict

    def offer(self, output_format: str) -> None:
        """Refuse a format that is not offered, wherever it was named. Raises ClickHouseError 73."""
        if output_format.lower() not in catalogue.OUTPUT_FORMATS:
            raise ClickHouseError.of(Code.UNKNOWN_FORMAT, f"Unknown format {output_format[:80]}")

    def _judge(self, lane: Lane, role: Role, sql: bytes, data_format: str, database: str, parameters: Mapping[str, str]) -> Verdict:
        text = sql + b" FORMAT " + data_format.encode() if data_format else sql
        try:
            tree = syntax.parse(lane, text)
        except NotDescribed as unknown:
            return self._judge_name(lane, role, text, database, parameters, unknown.kind)
        if tree.get("type") in ("SetQuery", "UseQuery"):
            raise policy.denied(role, "SET and USE have no effect here, no session is kept; give settings and database with each request")
        return policy.judge(tree, role, database, parameters, self._limits)

    def _judge_name(self, lane: Lane, role: Role, text: bytes, database: str, parameters: Mapping[str, str], kind: str) -> Verdict:
        """DESCRIBE, EXISTS and SHOW CREATE, which the parser does not describe: what they name is judged as a source of SELECT."""
        words = list(tokens(text))
        source = _source(words, text)
        name = kind.split("_", maxsplit=1)[0].split(" ", maxsplit=1)[0]
        if source is None or name not in _NAMING:
            raise policy.denied(role, f"may not run {name}")
        try:
            tree = syntax.parse(lane, b"SELECT * FROM " + source)
        except (NotDescribed, ClickHouseError):
            raise policy.denied(role, f"may not run {name} of this") from None
        verdict = policy.judge(tree, role, database, parameters, self._limits)
        if not words[0].is_word(b"DESCRIBE", b"DESC") and not _is_plain_table(tree):
            raise policy.denied(role, f"may not run {name} of this")
        return Verdict(name, False, verdict.output_format)


def _source(words: list[Lexeme], text: bytes) -> bytes | None:
    """The text behind DESCRIBE [TABLE], EXISTS [TABLE|VIEW], SHOW CREATE [TABLE|VIEW]; None for another statement."""
    at = 0
    if words[0].is_word(b"SHOW") and len(words) > 1 and words[1].is_word(b"CREATE"):
        at = 2
    elif words[0].is_word(b"DESCRIBE", b"DESC", b"EXISTS"):
        at = 1
    if not at or at >= len(words):
        return None
    if at + 1 < len(words) and words[at].is_word(b"TABLE", b"VIEW") and words[at + 1].kind is not Token.MARK:
        at += 1
    return text[words[at].start :]


def _is_plain_table(tree: syntax.Node) -> bool:
    try:
        (select,) = tree["list_of_selects"]["children"]
        (element,) = select["tables"]["children"]
    except (KeyError, TypeError, ValueError):
        return False
    return (
        set(select) == {"type", "select", "tables"}
        and set(element) == {"type", "table_expression"}
        and set(element["table_expression"]) == {"type", "database_and_table_name"}
    )


def refuse_changes(verdict: Verdict) -> None:
    """For GET. Raises ClickHouseError 164."""
    if verdict.changes:
        raise ClickHouseError.of(
            Code.READONLY, f"Cannot execute {verdict.kind} in readonly mode: for GET, only statements that read; use POST"
        )
