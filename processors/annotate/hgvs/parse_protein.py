"""A p. name as a structure, for search: what stands where, and what became of it. Nothing is checked against a protein."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from processors.annotate.codons import THREE
from processors.annotate.hgvs.parse import NotReadable


class ProteinKind(enum.StrEnum):
    UNKNOWN = "?"
    SAME = "="
    SUBSTITUTION = ">"
    DELETION = "del"
    DUPLICATION = "dup"
    INSERTION = "ins"
    DELINS = "delins"
    FRAMESHIFT = "fs"
    EXTENSION = "ext"
    NONE = "0"  # no protein


@dataclass(frozen=True)
class ProteinChange:
    """Residues are letters (`*` a stop); numbers 1-based, 0 where the name gives none. `distance`: to the new stop, 0 not given or none."""

    accession: str
    kind: ProteinKind
    first: str = ""
    start: int = 0
    last: str = ""
    end: int = 0
    new: str = ""
    distance: int = 0
    predicted: bool = False


_ONE = {THREE[code].tobytes().decode(): chr(code) for code in b"ACDEFGHIKLMNPQRSTVWYUX*"}
_RESIDUE = r"(?:[A-Z][a-z]{2}|[A-Z]|\*)"
_WHOLE = re.compile(r"(?:(?P<accession>[A-Za-z0-9_.-]+):)?p\.(?P<open>\()?(?P<rest>[^()\s]+)(?P<close>\))?")
_STOP = r"(?:Ter|\*|X)"
_CHANGE = re.compile(
    rf"(?P<first>{_RESIDUE}+)(?P<start>[0-9]+)(?:_(?P<last>{_RESIDUE}|\?)(?P<end>[0-9]+))?"
    rf"(?:(?P<unknown>\?)|(?P<same>=)|(?P<fs>{_RESIDUE}?)fs(?:{_STOP}(?P<distance>[0-9]+|\?))?"
    rf"|(?P<ext>{_RESIDUE}|del)?ext{_STOP}(?P<further>[0-9]+|\?)"
    rf"|(?P<kind>delins|ins)(?P<bases>{_RESIDUE}+)|(?P<short>del|dup)|(?P<new>{_RESIDUE}))?"
)


def parse_protein(name: str) -> ProteinChange:
    """Structure of a p. name, in three- or one-letter spelling. Raises NotReadable."""
    whole = _WHOLE.fullmatch(name.strip())
    if whole is None or (whole["open"] is None) != (whole["close"] is None):
        raise NotReadable(f"{name!r}: not `accession:p.…`")
    accession, predicted, rest = whole["accession"] or "", whole["open"] is not None, whole["rest"]
    if rest in ("?", "=", "0", "0?"):
        return ProteinChange(accession, ProteinKind(rest[0]), predicted=predicted or rest == "0?")
    found = _CHANGE.fullmatch(rest)
    if found is None:
        raise NotReadable(f"{name!r}: {rest!r} is no change of a protein that this version reads")
    kind, new, distance = _what(name, found)
    start = int(found["start"])
    first = _letters(found["first"])
    last = "" if found["last"] in (None, "?") else _letters(found["last"])
    end = int(found["end"]) if found["end"] else start
    return ProteinChange(accession, kind, first, start, last or (first if end == start else ""), end, new, distance, predicted)


def _what(name: str, found: re.Match[str]) -> tuple[ProteinKind, str, int]:  # noqa: PLR0911 -- one line a kind
    if found["unknown"] or found["last"] == "?":
        return ProteinKind.UNKNOWN, "", 0
    if found["same"]:
        return ProteinKind.SAME, "", 0
    if found["fs"] is not None:
        return ProteinKind.FRAMESHIFT, _letters(found["fs"]), _distance(found["distance"])
    if found["further"] is not None:
        new = found["ext"] or ""
        return ProteinKind.EXTENSION, "" if new == "del" else _letters(new), _distance(found["further"])
    if found["kind"]:
        return ProteinKind(found["kind"]), _letters(found["bases"]), 0
    if found["short"]:
        return ProteinKind(found["short"]), "", 0
    if found["new"]:
        return ProteinKind.SUBSTITUTION, _letters(found["new"]), 0
    raise NotReadable(f"{name!r}: says no change")


def _distance(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _letters(text: str) -> str:
    """One letter a residue; a name that is no residue's raises NotReadable."""
    letters = []
    for part in re.findall(_RESIDUE, text):
        if len(part) == 3 and part not in _ONE:
            raise NotReadable(f"{part} is no residue")
        letters.append(_ONE.get(part, part))
    return "".join(letters)
