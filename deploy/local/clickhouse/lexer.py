"""ClickHouse's tokens, as far as the front needs them: to tell a statement from the data behind it, and to find clauses by keyword.

What a role may run is never decided from these tokens alone: the engine parses the very bytes that it will run (`policy`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Token(Enum):
    """Kinds of tokens; whitespace and comments are skipped."""

    WORD = auto()
    QUOTED = auto()
    STRING = auto()
    NUMBER = auto()
    OPEN = auto()
    CLOSE = auto()
    MARK = auto()


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One token: its kind, bytes, place, and how many brackets are open around it."""

    kind: Token
    text: bytes
    start: int
    end: int
    depth: int

    def is_word(self, *words: bytes) -> bool:
        """True for a bare word that equals one of the upper-case `words`, case apart."""
        return self.kind is Token.WORD and self.text.upper() in words


_PATTERN = re.compile(
    rb"""
    (?P<skip>    [\s\0\xa0]+ | --[^\n]* | \#[\ !][^\n]* | /\*.*?(?:\*/|\Z) | \xe2\x80[\x80-\x8b\xa8\xa9\xaf] | \xef\xbb\xbf )
  | (?P<heredoc> \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$ )
  | (?P<string>  ' (?: [^'\\] | \\. | '' )* ' | \xe2\x80\x98 .*? \xe2\x80\x99 )
  | (?P<quoted>  ` (?: [^`\\] | \\. | `` )* ` | " (?: [^"\\] | \\. | "" )* " | \xe2\x80\x9c .*? \xe2\x80\x9d )
  | (?P<number>  \d[\w.]* )
  | (?P<word>    [A-Za-z_][\w$]* )
  | (?P<open>    [(\[{] )
  | (?P<close>   [)\]}] )
  | (?P<mark>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "heredoc": Token.STRING,
    "string": Token.STRING,
    "quoted": Token.QUOTED,
    "number": Token.NUMBER,
    "word": Token.WORD,
    "open": Token.OPEN,
    "close": Token.CLOSE,
    "mark": Token.MARK,
}


def tokens(sql: bytes) -> Iterator[Lexeme]:
    """The tokens of `sql`, read lazily, so that binary data behind a statement is never looked at."""
    at, depth = 0, 0
    while at < len(sql):
        found = _PATTERN.match(sql, at)
        assert found is not None, "the last alternative takes any byte"
        at = found.end()
        name = found.lastgroup
        if name == "tag":
            name = "heredoc"
        if name is None or name == "skip":
            continue
        kind = _KINDS[name]
        if kind is Token.CLOSE:
            depth -= 1
        yield Lexeme(kind, found.group(), found.start(), found.end(), depth)
        if kind is Token.OPEN:
            depth += 1
