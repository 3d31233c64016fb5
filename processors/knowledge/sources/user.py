"""A laboratory's own source (`user.NAME`): a VCF, BCF, BED or table, and a mapping file that says what is what. Import, query, meta.

The mapping (see `user_mapping`) is given among the files as `*.toml`, or as the option `mapping`. Keyed by allele, it answers "absent" only
where it says so, and never for a record that failed its filter; keyed by region, it says which of its regions an allele lies in; keyed by
gene, it is a panel or any table of genes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from processors.ingest.source import Source
from processors.knowledge.allele_columns import Column
from processors.knowledge.allele_pack import AllelePack, open_allele_pack
from processors.knowledge.gene_pack import GenePack, GeneRecord, dated, key_of, write_gene_pack
from processors.knowledge.kinds import Keyed
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.gene_table import MISSING, GeneTable, read_gene_table, single_file
from processors.knowledge.sources.options import file_of, options_of
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.regions import RegionPack, Regions, regions_of, write_region_pack
from processors.knowledge.sources.table_build import Wanted, open_tables
from processors.knowledge.sources.table_cut import cut
from processors.knowledge.sources.table_head import Head, read_bed_head, read_head
from processors.knowledge.sources.user_mapping import PLACES, TYPES, Mapped, UserColumn, read_mapping
from processors.knowledge.sources.user_values import values_of
from processors.knowledge.sources.user_vcf import build_vcf
from schemas.chunks import Answer


def build(request: Request) -> Pack:
    """Compile a source by its mapping. Raises SourceRefused, naming file, key and line."""
    mapped, files = mapped_of(request)
    date = request.date or mapped.date or dated(request.version)
    request = dataclasses.replace(request, files=files, options={}, licence=request.licence or mapped.licence, date=date)
    if mapped.keyed is Keyed.GENE:
        return _genes(request, mapped)
    if mapped.keyed is Keyed.REGION:
        return _regions(request, mapped)
    return build_vcf(request, mapped) if _is_vcf(files[0]) else _alleles(request, mapped)


def mapped_of(request: Request) -> tuple[Mapped, tuple[Path, ...]]:
    """The mapping that a request gives, and its other files. Raises SourceRefused."""
    chosen = options_of(request, {"mapping": ""})
    given = [path for path in request.files if path.suffix == ".toml"]
    named = file_of(request, "mapping", chosen["mapping"])
    given += [named] if named is not None else []
    files = tuple(path for path in request.files if path.suffix != ".toml")
    if len(given) != 1 or not files:
        raise SourceRefused(f"{request.kind} is compiled from one mapping (*.toml) and its file; given are {len(given)} and {len(files)}")
    return read_mapping(given[0]), files


def open_pack(pack: Pack) -> AllelePack | RegionPack | GenePack:
    """The source of a pack, by what it is keyed by. Raises PackError."""
    keyed = pack.extra.get("keyed")
    if keyed == Keyed.REGION:
        return RegionPack(pack)
    return GenePack(pack) if keyed == Keyed.GENE else open_allele_pack(pack)


def columns_of(mapped: Mapped, *, region: bool = False) -> tuple[Column, ...]:
    """Columns of the pack; a region's words are kept as text."""
    return tuple(
        Column(column.name, "text" if region and column.type == "word" else TYPES[column.type], column.title, column.unit)
        for column in mapped.columns
    )


def _is_vcf(path: Path) -> bool:
    source = Source(path)
    try:
        begun = bytearray(16)
        source.fill(memoryview(begun))
    finally:
        source.close()
    return begun.startswith(b"##fileformat=VCF")


def _places(mapped: Mapped, wanted: tuple[str, ...]) -> dict[str, str]:
    missing = [name for name in wanted if name not in mapped.place]
    if missing:
        raise SourceRefused(f"{mapped.path}: [place] lacks {', '.join(missing)}, which a table keyed by {mapped.keyed} needs")
    return {name: mapped.place[name] for name in wanted}


def _roles(columns: tuple[UserColumn, ...]) -> dict[str, tuple[str, ...]]:
    return {column.name: (column.source,) for column in columns}


def _alleles(request: Request, mapped: Mapped) -> Pack:
    place = _places(mapped, PLACES[Keyed.ALLELE])
    own = {"chrom": place["contig"], "pos": place["position"], "ref": place["ref"], "alt": place["alt"]}
    roles = {**{f"column.{name}": names for name, names in _roles(mapped.columns).items()}, **{role: (name,) for role, name in own.items()}}
    tables = open_tables(request, Wanted(roles, f"the table that {mapped.path.name} describes"))
    return tables.write(
        columns_of(mapped), lambda block: values_of(block, mapped.columns), main=mapped.main,
        preference=(f"-{mapped.main}",) if mapped.main else (), duplicates="the greatest main value" if mapped.main else "the earlier row",
        default=Answer.ABSENT if mapped.absent else Answer.UNKNOWN, covered=mapped.covered, floor=mapped.floor, every=True,
        extra=mapped.provenance(),
    )  # fmt: skip


def _regions(request: Request, mapped: Mapped) -> Pack:
    if request.genome is None:
        raise SourceRefused(f"{request.kind} is keyed by region: add the genome of {request.build} first (`riverseq reference add`)")
    path, table = single_file(request), request.genome.table
    tally: Counter[str] = Counter()
    source = Source(path)
    try:
        head = _region_head(source, mapped)

        def blocks() -> Iterator[tuple[Regions, Mapping[str, Any]]]:
            for cells in cut(source, head):
                found = regions_of(cells, table, tally, one_based=bool(mapped.place) and mapped.one_based)
                tally["records"] += len(cells)
                yield found, values_of(cells.take(found.rows), mapped.columns)

        return write_region_pack(
            request, columns_of(mapped, region=True), blocks(), main=mapped.main, tally=tally, sha256=source.digest,
            extra=mapped.provenance(),
        )  # fmt: skip
    finally:
        source.close()


def _region_head(source: Source, mapped: Mapped) -> Head:
    columns = {f"column.{name}": names for name, names in _roles(mapped.columns).items()}
    if not mapped.place:
        return read_bed_head(source, columns)
    place = _places(mapped, PLACES[Keyed.REGION])
    roles = {**columns, **{role: (name,) for role, name in place.items()}}
    return read_head(source, roles, what=f"the table that {mapped.path.name} describes", needed=PLACES[Keyed.REGION])


def _genes(request: Request, mapped: Mapped) -> Pack:
    if not mapped.place:
        raise SourceRefused(f"{mapped.path}: [place] lacks id and symbol; a table of genes needs one of them")
    wanted = [*mapped.place.values(), *(column.source for column in mapped.columns)]
    table = read_gene_table(
        single_file(request), lambda names: set(mapped.place.values()) <= set(names), what=f"the table that {mapped.path.name} describes"
    )
    table.require(*wanted)
    tally: Counter[str] = Counter()
    records: list[GeneRecord] = []
    for line, row in table.rows():
        key = key_of(*(row[mapped.place[part]] if part in mapped.place else "" for part in PLACES[Keyed.GENE]))
        if not str(key):
            tally["no_gene"] += 1
            continue
        records.append(GeneRecord(key, {column.name: _gene_value(table, line, row, column) for column in mapped.columns}))
    if not records:
        raise SourceRefused(f"{table.path}: names no gene")
    numbers = tuple(column.name for column in mapped.columns if column.type in ("number", "integer"))
    titles = {one.name: {"title": one.title, "unit": one.unit} for one in mapped.columns}
    return write_gene_pack(
        request, records, columns=titles, numbers=numbers, identity=(), source=table.path.name, sha256=table.sha256, date="",
        tally=tally, extra=mapped.provenance(),
    )  # fmt: skip


def _gene_value(table: GeneTable, line: int, row: Mapping[str, str], column: UserColumn) -> Any:
    text = row[column.source]
    if column.type == "flag":
        return text not in MISSING and text.lower() not in ("0", "false", "no")
    if column.type in ("text", "word"):
        return text
    value = table.number(line, row, column.source, column.low, column.high)
    if value is not None and column.type == "integer" and not value.is_integer():
        raise table.refuse(line, column.source, text, "is no whole number")
    return int(value) if value is not None and column.type == "integer" else value
