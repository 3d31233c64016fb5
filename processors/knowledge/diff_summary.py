"""A release in numbers: what people and scripts read before and after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from processors.interpret.tiers import clinvar_classes, clinvar_tiers
from processors.knowledge.diff import Change, Changes
from processors.knowledge.kinds import Keyed
from processors.knowledge.pack import Pack
from processors.knowledge.sources.clinvar import ClinVar
from processors.knowledge.sources.clinvar_terms import LABELS, STARS_UNKNOWN, Significance

ABSENT = "absent"


def summary(changes: Changes, old: Pack | None, new: Pack | None) -> dict[str, Any]:
    """JSON. `fields` counts changed alleles (or genes) by field, those in both packs alone.

    For ClinVar also `transitions` of classification and of stars (old, new, alleles; the most frequent first), `tiers` as ClinVar alone
    would give them, and `vocabulary`: words that appeared or are gone, with the records that have them.
    """
    said: dict[str, Any] = {
        "kind": changes.kind,
        "keyed": changes.keyed,
        "old": _pack(old),
        "new": _pack(new),
        "everything": changes.everything,
    }
    if changes.keyed is Keyed.GENE:
        fields = Counter(name for _, names in changes.genes for name in names)
        return {**said, "changed": len(changes.genes), "fields": dict(sorted(fields.items()))}
    if changes.keyed is Keyed.REGION:
        return {**said, "changed": len(changes.regions), "bases": int((changes.regions[:, 1] - changes.regions[:, 0]).sum())}
    counts = np.bincount(changes.change, minlength=4)
    both = changes.bits[changes.change == Change.CHANGED]
    said |= {one.name.lower(): int(counts[one]) for one in Change}
    said["fields"] = {name: n for bit, name in enumerate(changes.fields) if (n := int(((both >> np.uint32(bit)) & 1).sum()))}
    if len(changes.regions):
        said["covered_differently"] = len(changes.regions)
    if changes.kind == "clinvar":
        said |= _clinvar(changes, old, new)
    return said


def _pack(pack: Pack | None) -> dict[str, Any] | None:
    if pack is None:
        return None
    return {"name": pack.name, "version": pack.version, "digest": pack.digest, "date": pack.extra.get("date", ""), "rows": pack.rows}


def _clinvar(changes: Changes, old: Pack | None, new: Pack | None) -> dict[str, Any]:
    sides = []
    for pack, rows in ((old, changes.old_row), (new, changes.new_row)):
        significance, stars = np.zeros(len(rows), dtype=np.uint8), np.full(len(rows), STARS_UNKNOWN, dtype=np.uint8)
        if pack is not None:
            here, source = rows >= 0, ClinVar(pack)
            significance[here], stars[here] = source.significance[rows[here]], source.stars[rows[here]]
        sides.append((significance, stars, clinvar_classes(significance, pack is not None)))
    (before, old_stars, old_class), (after, new_stars, new_class) = sides
    tiers = np.bincount(clinvar_tiers(old_class, new_class, old_stars, new_stars), minlength=4)
    return {
        "transitions": _pairs(before, after, lambda code: LABELS[Significance(code)] or ABSENT),
        "stars": _pairs(old_stars, new_stars, lambda stars: None if stars == STARS_UNKNOWN else stars),
        "tiers": {str(tier): int(count) for tier, count in enumerate(tiers)},
        "vocabulary": vocabulary(old, new),
    }


def vocabulary(old: Pack | None, new: Pack | None) -> dict[str, dict[str, int]]:
    """Words of ClinVar's fields that only one of two packs has, `field:word` → its records."""
    said = [_words(pack) for pack in (old, new)]
    return {
        "appeared": {word: count for word, count in said[1].items() if word not in said[0]},
        "gone": {word: count for word, count in said[0].items() if word not in said[1]},
    }


def _words(pack: Pack | None) -> dict[str, int]:
    found: Mapping[str, Mapping[str, int]] = pack.extra["words"] if pack is not None else {}
    return {f"{name}:{word}": count for name, words in found.items() for word, count in words.items()}


def _pairs(old: Any, new: Any, name: Any) -> list[dict[str, Any]]:
    """Pairs of unlike values, and how many alleles have each."""
    pairs, counts = np.unique(np.stack([old, new], axis=1), axis=0, return_counts=True)
    found = [
        {"old": name(int(a)), "new": name(int(b)), "alleles": int(count)}
        for (a, b), count in zip(pairs.tolist(), counts.tolist(), strict=True)
        if a != b
    ]
    return sorted(found, key=lambda pair: (-pair["alleles"], str(pair["old"]), str(pair["new"])))
