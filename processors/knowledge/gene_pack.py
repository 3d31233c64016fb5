"""Gene-keyed packs: one row a gene, found by HGNC, Ensembl or NCBI id, then by symbol, then by an alias; several records a gene are kept.

A symbol or alias that two genes of the file claim answers nothing (counted as `ambiguous_name`): a wrong gene is worse than none.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from processors.knowledge.kinds import Keyed, kind_of
from processors.knowledge.pack import Pack, write_pack
from processors.knowledge.source import Request
from processors.knowledge.strings import StringTable, arrays_of

BUILD = "any"
"""Genes are no places: a gene-keyed pack serves every build."""
_VERSION = re.compile(r"(ENS[A-Z]*G\d+)\.\d+(?:_PAR_Y)?")


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class GeneKey(NamedTuple):
    """A gene by every name that a file gives it; empty where it gives none. `hgnc` is `HGNC:n`, `entrez` NCBI's number."""

    hgnc: str = ""
    ensembl: str = ""
    entrez: str = ""
    symbol: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(name for name in self[:3] if name)

    def __str__(self) -> str:
        return next((name for name in self if name), "")


class GeneRecord(NamedTuple):
    """One record of a source: its gene, what it says (JSON values by column), other symbols of the gene."""

    key: GeneKey
    values: Mapping[str, Any]
    aliases: tuple[str, ...] = ()


class _Gene(NamedTuple):
    key: GeneKey
    records: list[Mapping[str, Any]]
    aliases: tuple[str, ...]


def gene_id(text: str) -> str:
    """An id as packs hold it: without version and `GeneID:` / `NCBIGene:`."""
    if (found := _VERSION.fullmatch(text)) is not None:
        return found[1]
    return text.removeprefix("NCBIGene:").removeprefix("GeneID:")


def key_of(identity: str, symbol: str) -> GeneKey:
    """Key of a gene whose id may be of any of the three kinds; an id of no kind is left out."""
    identity = gene_id(identity.strip())
    return GeneKey(
        hgnc=identity if identity.startswith("HGNC:") else "",
        ensembl=identity if identity.startswith("ENS") else "",
        entrez=identity if identity.isdigit() else "",
        symbol=symbol.strip(),
    )


def dated(version: str) -> str:
    """The date that a version is, empty where it is none: sources whose files state no date are named by it."""
    return version if _DATE.fullmatch(version) else ""


def write_gene_pack(
    request: Request,
    records: Iterable[GeneRecord],
    *,
    columns: Mapping[str, Mapping[str, str]],
    numbers: Sequence[str],
    identity: Sequence[str],
    source: str,
    sha256: str,
    date: str,
    tally: Counter[str],
    extra: Mapping[str, Any] | None = None,
) -> Pack:
    """Write the pack of some records, the preferred record of a gene first.

    `columns`: column → {"title", "unit"}. `numbers`: columns whose value in a gene's first record becomes a float32 array. `identity`:
    columns that name a record among its gene's, so that a release can be compared with the next.
    """
    genes = _grouped(records)
    tally["genes"] += len(genes)
    tally["records"] += sum(len(gene.records) for gene in genes)
    tally["ambiguous_name"] += len(_names(genes)[1])
    arrays: dict[str, npt.NDArray[Any]] = {}
    for part in GeneKey._fields:
        arrays |= arrays_of(part, [getattr(gene.key, part) for gene in genes])
    arrays |= arrays_of("aliases", ["|".join(gene.aliases) for gene in genes])
    arrays |= arrays_of("records", [json.dumps(gene.records, sort_keys=True, separators=(",", ":")) for gene in genes])
    for name in numbers:
        firsts = (gene.records[0].get(name) for gene in genes)
        arrays[f"value_{name}"] = np.array([np.nan if value is None else value for value in firsts], dtype=np.float32)
    kind = kind_of(request.kind)
    said = {
        "keyed": Keyed.GENE,
        "source": source,
        "sha256": sha256,
        "licence": request.licence or (kind.licence if kind is not None else "unknown"),
        "date": request.date or date or dated(request.version),
        "counts": {reason: count for reason, count in sorted(tally.items()) if count},
        "columns": {name: dict(column) for name, column in columns.items()},
        "numbers": list(numbers),
        "identity": list(identity),
        **(extra or {}),
    }
    name = request.name or request.kind.removeprefix("user.")
    return write_pack(
        request.root, kind=request.kind, name=name, version=request.version, build=BUILD, arrays=arrays, rows=len(genes), extra=said
    )


@dataclass(frozen=True)
class GenePack:
    """A loaded pack, the GeneSource of every gene-keyed kind."""

    pack: Pack

    def __len__(self) -> int:
        return self.pack.rows

    def key(self, row: int) -> GeneKey:
        return GeneKey(*(self._table(part)[row] for part in GeneKey._fields))

    @cached_property
    def keys(self) -> list[GeneKey]:
        """Keys of all genes, in order of rows."""
        return [GeneKey(*parts) for parts in zip(*(self._table(part).arrow().to_pylist() for part in GeneKey._fields), strict=True)]

    def number(self, name: str) -> npt.NDArray[np.float32]:
        """A numeric column of the preferred records, float32 a gene, NaN where it has none."""
        return np.asarray(self.pack.array(f"value_{name}"))

    def records(self, row: int) -> list[dict[str, Any]]:
        """All records of a gene, the preferred one first."""
        found: list[dict[str, Any]] = json.loads(self._table("records")[row])
        return found

    def raw(self, row: int) -> str:
        """The records as the pack holds them: equal text, equal records."""
        return self._table("records")[row]

    def query(self, gene_ids: Sequence[str], symbols: Sequence[str]) -> npt.NDArray[np.int64]:
        """Row of each gene, int64[n], -1: none. Ids go first (HGNC, Ensembl, NCBI; versions are ignored), then symbols, then aliases.

        A gene that has another id of the same kind is another gene, whatever its symbol.
        """
        return np.array([self.row(key_of(one, symbol)) for one, symbol in zip(gene_ids, symbols, strict=True)], dtype=np.int64)

    def row(self, key: GeneKey) -> int:
        """Row of a gene by whatever names are known of it; -1: none."""
        ids, names = self._index
        for identity in key.ids:
            if identity in ids:
                return ids[identity]
        row = names.get(key.symbol, -1)
        if row >= 0 and any(mine and theirs and mine != theirs for mine, theirs in zip(key[:3], self.keys[row][:3], strict=True)):
            return -1
        return row

    def details(self, row: int) -> dict[str, Any]:
        """Names of the gene and all its records."""
        aliases = self._table("aliases")[row]
        return {**self.key(row)._asdict(), "aliases": aliases.split("|") if aliases else [], "records": self.records(row)}

    def meta(self) -> dict[str, Any]:
        """Source, version, digest, date, licence, rows and counts."""
        return {
            "source": self.pack.name,
            "version": self.pack.version,
            "digest": self.pack.digest,
            "rows": self.pack.rows,
            **{key: self.pack.extra[key] for key in ("licence", "date", "counts", "sha256", "columns")},
        }

    def _table(self, name: str) -> StringTable:
        return self._tables[name]

    @cached_property
    def _tables(self) -> dict[str, StringTable]:
        names = (*GeneKey._fields, "aliases", "records")
        return {
            name: StringTable(np.asarray(self.pack.array(f"{name}_offsets")), np.asarray(self.pack.array(f"{name}_data"))) for name in names
        }

    @cached_property
    def _index(self) -> tuple[dict[str, int], dict[str, int]]:
        aliases = self._table("aliases").arrow().to_pylist()
        genes = [_Gene(key, [], tuple(text.split("|")) if text else ()) for key, text in zip(self.keys, aliases, strict=True)]
        names, _ = _names(genes)
        return {one: row for row, key in enumerate(self.keys) for one in key.ids}, names


def changed_genes(old: Pack, new: Pack) -> list[tuple[GeneKey, tuple[str, ...]]]:
    """Genes of which two packs of a kind say different things, and the columns that differ; in order of the genes' names.

    The key joins what both packs call the gene. A gene or a record that only one of them has differs in every column that it fills.
    """
    before, after = GenePack(old), GenePack(new)
    identity = tuple(new.extra["identity"])
    changes: list[tuple[GeneKey, tuple[str, ...]]] = []
    matched: set[int] = set()
    for row, key in enumerate(after.keys):
        other = before.row(key)
        if other < 0 or other in matched:
            changes.append((key, _differing([], after.records(row), identity)))
            continue
        matched.add(other)
        if before.raw(other) != after.raw(row) and (fields := _differing(before.records(other), after.records(row), identity)):
            changes.append((GeneKey(*(mine or theirs for mine, theirs in zip(key, before.keys[other], strict=True))), fields))
    changes += [(key, _differing(before.records(row), [], identity)) for row, key in enumerate(before.keys) if row not in matched]
    return sorted(changes, key=lambda change: (change[0].symbol, change[0]))


def _differing(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], identity: Sequence[str]) -> tuple[str, ...]:
    fields: set[str] = set()
    by_identity: dict[str, tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]] = defaultdict(lambda: ([], []))
    for side, records in enumerate((old, new)):
        for record in records:
            by_identity[json.dumps([record.get(name) for name in identity])][side].append(record)
    for before, after in by_identity.values():
        for name in set().union(*before, *after):
            values = [sorted(json.dumps(record.get(name)) for record in side) for side in (before, after)]
            one_sided = bool(before) != bool(after) and any(record.get(name) not in (None, "") for record in (*before, *after))
            if one_sided or (before and after and values[0] != values[1]):
                fields.add(name)
    if old and new and old[0] != new[0] and not fields:
        fields.add("order")  # the same records, another one preferred
    return tuple(sorted(fields))


def _grouped(records: Iterable[GeneRecord]) -> list[_Gene]:
    """Records by gene, genes in order of names: those of one symbol are one gene unless two ids of a kind tell them apart."""
    by_symbol: dict[str, list[GeneRecord]] = defaultdict(list)
    for record in records:
        by_symbol[record.key.symbol or str(record.key)].append(record)
    genes: list[_Gene] = []
    for _, same in sorted(by_symbol.items()):
        distinct = [{record.key[kind] for record in same} - {""} for kind in range(3)]
        if max(map(len, distinct)) <= 1:
            groups = [same]
        else:
            apart = next(kind for kind in (1, 0, 2) if len(distinct[kind]) > 1)
            split: dict[str, list[GeneRecord]] = defaultdict(list)
            for record in same:
                split[record.key[apart]].append(record)
            groups = [split[name] for name in sorted(split)]
        for group in groups:
            key = GeneKey(*(max(record.key[part] for record in group) for part in range(4)))
            aliases = dict.fromkeys(chain.from_iterable(record.aliases for record in group))
            genes.append(_Gene(key, [record.values for record in group], tuple(aliases)))
    return genes


def _names(genes: Sequence[_Gene]) -> tuple[dict[str, int], set[str]]:
    """(symbol or alias → row, names that more than one gene claims). A symbol goes before an alias."""
    names: dict[str, int] = {}
    ambiguous: set[str] = set()
    for level in (lambda gene: (gene.key.symbol,), lambda gene: gene.aliases):
        claimed: dict[str, set[int]] = defaultdict(set)
        for row, gene in enumerate(genes):
            for name in level(gene):
                if name and name not in names and name not in ambiguous:
                    claimed[name].add(row)
        ambiguous |= {name for name, rows in claimed.items() if len(rows) > 1}
        names |= {name: next(iter(rows)) for name, rows in claimed.items() if len(rows) == 1}
    return names, ambiguous
