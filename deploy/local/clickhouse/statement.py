"""A request's text cut into the statement and the data behind it, as ClickHouse's parser cuts it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploy.local.clickhouse.lexer import Lexeme, Token, tokens


@dataclass(frozen=True)
class Statement:
    """`sql` is what the engine parses, without inline data and, for an insert with data, without its FORMAT clause.

    `data_format` names the format of the data of an insert, empty for any other statement; `data` is what stood behind it in the text;
    `source_at` is where in `sql` an insert may say where its data comes from: before its SETTINGS, else at its end.
    """

    sql: bytes
    data_format: str = ""
    data: bytes = b""
    source_at: int = 0

    @property
    def inserts_data(self) -> bool:
        return bool(self.data_format)


def cut(text: bytes) -> Statement:
    """Cut a request's text. Never fails: what is no statement comes back whole, for the engine to refuse."""
    stream = tokens(text)
    first = next(stream, None)
    if first is not None and first.is_word(b"INSERT"):
        return _cut_insert(text)
    sql = text.rstrip()
    while sql.endswith(b";"):
        sql = sql[:-1].rstrip()
    return Statement(sql)


def _cut_insert(text: bytes) -> Statement:
    stream = tokens(text)
    next(stream)
    previous: Lexeme | None = None
    in_target = False
    settings_at: int | None = None
    for token in stream:
        if token.is_word(b"INTO") and previous is None:
            in_target = True
        elif in_target and token.is_word(b"TABLE", b"FUNCTION"):
            pass
        elif in_target:
            in_target = False  # the table's name, whatever word it is
        elif token.depth > 0 or (previous is not None and previous.text == b".") or token.kind is Token.OPEN:
            pass
        elif token.is_word(b"SELECT", b"WITH", b"FROM", b"WATCH"):
            return Statement(text.rstrip().rstrip(b";"))
        elif token.is_word(b"VALUES"):
            return Statement(text[: token.start], "Values", text[token.end :], settings_at or token.start)
        elif token.is_word(b"FORMAT"):
            name = next(stream, None)
            if name is None or name.kind is not Token.WORD:
                return Statement(text)
            # the parser takes blanks and one line end behind the format's name; what follows is data
            gap = re.compile(rb"[ \t\f]*;?\r?\n?").match(text, name.end)
            assert gap is not None
            return Statement(text[: token.start], name.text.decode(), text[gap.end() :], settings_at or token.start)
        elif token.is_word(b"SETTINGS"):
            settings_at = token.start
        previous = token
    if b"select" in text.lower():
        return Statement(text.rstrip().rstrip(b";"))
    return Statement(text, "Values", b"", settings_at or len(text))
