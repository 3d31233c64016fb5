"""A query moved onto other definitions: common table expressions, made from the database's own views, stand before a person's SQL.

In ClickHouse a name of a WITH clause hides the table or view of that name, also in subqueries and in the branches of a UNION. So a view,
and every view above it, reads other rows where the texts of these views stand before the query under their own names. Texts come from
`system.tables`, written by ClickHouse's own formatter: nothing is copied here, and a view that a migration changes is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from processors.land.client import StoreError

_PATTERN = re.compile(
    r"""
    (?P<skip>    [\s\0\xa0]+ | --[^\n]* | \#[\ !][^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<string>  \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$ | ' (?: [^'\\] | \\. | '' )* ' )
  | (?P<quoted>  ` (?: [^`\\] | \\. | `` )* ` | " (?: [^"\\] | \\. | "" )* " )
  | (?P<number>  \d[\w.]* )
  | (?P<word>    [^\W\d][\w$]* )
  | (?P<mark>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
_HIDDEN = frozenset({"view", "viewexplain", "viewifpermitted", "merge", "remote", "remotesecure", "cluster", "clusterallreplicas", "loop"})
"""Table functions that look up names, or run a query, where a WITH clause outside does not reach."""


class NotShadowed(StoreError):
    """A statement that cannot be moved onto other definitions; the message says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of SQL: `kind` is `string`, `quoted`, `number`, `word` or `mark`; `name` is what an identifier names, else its text."""

    kind: str
    name: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.name.upper() in words

    def is_name(self, *names: str) -> bool:
        return self.kind in ("word", "quoted") and self.name in names


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a statement; blanks and comments are left out."""
    for found in _PATTERN.finditer(sql):
        kind, text = found.lastgroup, found.group()
        if found.group("string") is not None:
            kind = "string"
        if kind is None or kind == "skip":
            continue
        name = re.sub(r"\\(.)|([`\"])\2", lambda match: match[1] or match[2], text[1:-1]) if kind == "quoted" else text
        yield Token(kind, name, found.start(), found.end())


def views(texts: Mapping[str, str], database: str, root: str) -> list[str]:
    """`root` and every view whose text leads to it, each behind those that it reads. `texts` is view → its SELECT."""
    reads = {name: _tables(text, database) for name, text in texts.items()}
    above = {root}
    while more := {name for name, read in reads.items() if name not in above and read & above}:
        above |= more
    placed: list[str] = []
    while rest := sorted(above - set(placed)):
        ready = [name for name in rest if not (reads[name] & above - set(placed) - {name})]
        if not ready:
            raise NotShadowed(f"the views {', '.join(rest)} of {database} read each other; run the migrations again")
        placed += ready
    return placed


def renamed(text: str, database: str, names: Mapping[str, str]) -> str:
    """A view's SELECT with `database.table` replaced by a name of the WITH clause, and FINAL, which is for tables, left out behind it."""
    listed, cuts = list(tokens(text)), []
    for place, token in enumerate(listed):
        if not _qualified(listed, place, database, names):
            continue
        name = listed[place + 2]
        cuts.append((token.start, name.end, names[name.name]))
        behind = place + 3
        if behind + 1 < len(listed) and listed[behind].is_word("AS"):
            behind += 2
        if behind < len(listed) and listed[behind].is_word("FINAL"):
            cuts.append((listed[behind].start, listed[behind].end, ""))
    return _replaced(text, cuts)


def shadowed(sql: str, definitions: Sequence[tuple[str, str]], database: str) -> str:
    """A person's SELECT with definitions (name, SELECT) before it, as far as it needs them. Raises NotShadowed.

    It may begin with WITH, hold subqueries, and name a view with its database; what stands in strings and comments is left alone.
    """
    names = {name: name for name, _ in definitions}
    listed = list(tokens(sql))
    while listed and listed[-1].name == ";":
        sql = sql[: listed.pop().start]
    if not listed or not (listed[0].is_word("SELECT", "WITH", "FROM") or listed[0].name == "("):
        raise NotShadowed("only a SELECT can be asked as of a time; SHOW, DESCRIBE and EXPLAIN tell of now")
    for place, token in enumerate(listed[:-1]):
        if token.name.lower() in _HIDDEN and token.kind != "string" and listed[place + 1].name == "(":
            raise NotShadowed(f"{token.name}(…) reads tables as they are now; name the view or write a subquery")
        if token.is_name(*names) and _defines(listed, place):
            raise NotShadowed(f"the query calls a subquery of its own {token.name}, which is a view here; give it another name")
    wanted = _wanted(definitions, {token.name for token in listed if token.kind in ("word", "quoted")})
    if not wanted:
        return sql
    prefix = ",\n".join(f"{name} AS ({text})" for name, text in wanted)
    cuts = [
        (token.start, listed[place + 2].end, listed[place + 2].name)
        for place, token in enumerate(listed)
        if _qualified(listed, place, database, names)
    ]
    if listed[0].is_word("WITH"):
        recursive = len(listed) > 1 and listed[1].is_word("RECURSIVE")
        last = listed[1] if recursive else listed[0]
        return _replaced(sql, [(listed[0].start, last.end, f"WITH {'RECURSIVE ' if recursive else ''}{prefix},\n"), *cuts])
    body = _replaced(sql, cuts)
    return f"WITH {prefix}\nSELECT * FROM (\n{body}\n)" if listed[0].name == "(" else f"WITH {prefix}\n{body}"


def _wanted(definitions: Sequence[tuple[str, str]], named: set[str]) -> list[tuple[str, str]]:
    """The definitions that are named, and those that they need, in their order."""
    needed = set(named)
    for name, text in reversed(definitions):
        if name in needed:
            needed |= {token.name for token in tokens(text) if token.kind in ("word", "quoted")}
    return [(name, text) for name, text in definitions if name in needed]


def _tables(text: str, database: str) -> set[str]:
    """Tables and views that a view's text names."""
    listed = list(tokens(text))
    return {listed[place + 2].name for place in range(len(listed)) if _qualified(listed, place, database, None)}


def _qualified(listed: Sequence[Token], place: int, database: str, names: Mapping[str, str] | None) -> bool:
    """Whether `database.name` begins at a place; any name where `names` is None."""
    if place + 2 >= len(listed) or not listed[place].is_name(database) or listed[place + 1].name != ".":
        return False
    if place > 0 and listed[place - 1].name == ".":
        return False
    name = listed[place + 2]
    return name.kind in ("word", "quoted") and (names is None or name.name in names)


def _defines(listed: Sequence[Token], place: int) -> bool:
    """Whether the name at a place is one that a WITH clause gives: behind WITH or a comma, before `AS (`."""
    if place == 0 or place + 2 >= len(listed) or not listed[place + 1].is_word("AS") or listed[place + 2].name != "(":
        return False
    return listed[place - 1].is_word("WITH", "RECURSIVE") or listed[place - 1].name == ","


def _replaced(text: str, cuts: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return text
