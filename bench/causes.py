"""Why a call differs from VEP's: a closed set of situations, told by rules from the truth row and the two values, and the kind of change.

The first rule that fits names the situation. A cause says where a difference arises, not who is right; that is written in
`tests/processors/annotate/DIFFERENCES.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

NONE = frozenset({"", ".", "-"})
Row = Mapping[str, str]

_NOTES = {
    "ref_N": "reference base unknown",
    "near_N": "near unknown bases",
    "cds_start_phase": "coding sequence begins inside a codon",
    "cds_start_incomplete": "start of coding sequence incomplete",
    "cds_end_incomplete": "end of coding sequence incomplete",
}
_INTRONIC = re.compile(r"\d[+-]\d")


def _has(*words: str) -> Callable[[Row, str, str], bool]:
    return lambda row, vep, ours: any(word in text for word in words for text in (vep, ours, row["consequence"]))


def _edge(*starts: str) -> Callable[[Row, str, str], bool]:
    return lambda row, _vep, _ours: any(item.startswith(starts) for item in row["edge"].split(","))


_SITUATIONS: tuple[tuple[str, Callable[[Row, str, str], bool]], ...] = (
    ("tiny intron", _edge("tiny_intron")),
    ("inversion", lambda _row, vep, ours: vep.endswith("inv") or ours.endswith("inv")),
    ("start region", _has("start_lost", "start_retained", "Met1")),
    ("stop region", _has("stop_lost", "stop_retained", "ext")),
    ("border of coding sequence and UTR", lambda row, _vep, _ours: "UTR" in row["consequence"] and "coding" in row["consequence"]),
    ("transcript end", lambda row, _vep, _ours: "?" in row["cdna_position"] or _edge("tx_", "noncoding_tx_")(row, "", "")),
    ("splice site", _has("splice_donor_variant", "splice_acceptor_variant")),
    ("splice region", _has("splice_")),
    ("repeat", lambda row, vep, ours: _edge("repeat")(row, vep, ours) or "dup" in vep or "dup" in ours),
    ("intron", lambda row, vep, _ours: bool(_INTRONIC.search(vep)) or "intron" in row["consequence"]),
    ("new stop", _has("stop_gained", "Ter")),
    ("frameshift", _has("frameshift")),
    ("inframe", _has("inframe", "protein_altering")),
)


def situation(row: Row, vep: str, ours: str) -> str:
    """Where a difference arises."""
    for note, name in _NOTES.items():
        if note in row["note"]:
            return name
    return next((name for name, fits in _SITUATIONS if fits(row, vep, ours)), "elsewhere")


def change(column: str, vep: str, ours: str) -> str:
    """How two values differ: terms that only one has, or the kinds of two HGVS descriptions."""
    if ours in NONE:
        return "ours has none"
    if vep in NONE:
        return "VEP has none"
    if column == "consequence":
        left, right = set(vep.split(",")), set(ours.split(","))
        return f"VEP also {'+'.join(sorted(left - right)) or '-'} | ours also {'+'.join(sorted(right - left)) or '-'}"
    if column.startswith("hgvs"):
        left_kind, right_kind = hgvs_kind(vep), hgvs_kind(ours)
        return f"VEP {left_kind}, ours {right_kind}" if left_kind != right_kind else f"both {left_kind}, other place or text"
    return "other value"


def hgvs_kind(text: str) -> str:
    """The kind of change that an HGVS description names."""
    description = text.rpartition(":")[2]
    for word in ("delins", "inv", "dup", "ins", "del", "fs", "ext", "="):
        if word in description:
            return word
    if description.startswith("p."):
        return "Met1?" if "?" in description else "Ter" if description.endswith(("Ter", "*")) else "substitution"
    return "substitution" if ">" in description else "other"
