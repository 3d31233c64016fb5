"""`riverseq query`: results by SQL, by allele or by gene, as a table, JSON, CSV or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from streams.cli.asof import AsOfDate, KnownAt, asked_of, moved, remark, shadows_of, with_notes
from streams.cli.failures import CommandFailed, WrongUse
from streams.cli.session import Session, notes, out, print_json, session_of

if TYPE_CHECKING:
    import pyarrow as pa

    from processors.land.asof import Notes

SHOWN = 200
"""Rows of a table on the screen; the other formats give all."""
_CHOSEN = "WHERE CONDITIONS ORDER BY contig, position, sample_id"
_VARIANT = f"""SELECT sample_id AS sample, build, contig, position, ref, alt, zygosity, depth, quality, gene, transcript, consequence,
impact, residue_change, hgvsc, hgvsp, clinvar, clinvar_answer, frequency, frequency_answer, score
FROM variant {_CHOSEN}"""  # noqa: S608 (text of this module only; values travel as parameters)
_FINDING = f"""SELECT sample_id AS sample, contig, position, ref, alt, zygosity, gene, transcript, consequence, impact, hgvsc, hgvsp,
clinvar, frequency, frequency_answer, score, class, reasons FROM finding_current {_CHOSEN}"""  # noqa: S608 (as above)


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(query)


def query(
    context: typer.Context,
    sql: Annotated[str | None, typer.Argument(metavar="SQL", help="A SELECT over riverseq's tables and views.")] = None,
    variant: Annotated[
        str | None,
        typer.Option("--variant", metavar="CHROM-POS-REF-ALT", help="Who carries this allele, and what it does to each transcript."),
    ] = None,
    gene: Annotated[str | None, typer.Option("--gene", metavar="SYMBOL", help="Every call in a gene.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", metavar="NAME", help="Only this sample; alone: its findings.")] = None,
    as_of: AsOfDate = None,
    known_at: KnownAt = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write the rows.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to a file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> int:
    """Read results: by SQL, by allele, by gene; as they are, or as they were.

    Views: variant, knowledge, finding_current, reclassified_current, compound_current, structural_current, calls_current, fault_current,
    sample_current, sample_plan. They show published, current revisions only; with --as-of and --known-at those of then, while tables
    tell their whole history. JSON is a list of rows; with --as-of or --known-at an object with rows, as_of, known_at, samples_shown,
    samples_by_study, no_revision_fits, cannot_tell, hindsight.

    [bold]riverseq query --variant 21-45989090-G-A[/bold]
    [bold]riverseq query --gene APP --format csv[/bold]
    [bold]riverseq query "SELECT consequence, count() FROM finding_current GROUP BY 1 ORDER BY 2 DESC"[/bold]
    [bold]riverseq query --gene APP --as-of 2017-01-15[/bold]
    [bold]riverseq query "SHOW TABLES"[/bold]
    """
    session = session_of(context)
    if (sql is not None) == (variant is not None or gene is not None or sample is not None):
        raise WrongUse("give either SQL, or --variant, --gene, --sample")
    asked = asked_of(as_of, known_at)
    statement, parameters = (sql, {}) if sql is not None else _statement(session, variant, gene, sample)
    whole = variant is not None and gene is None
    if whole:
        statement = statement.replace("frequency_answer, score\n", "frequency_answer, score, plan_id\n")
    form = Format.JSON if json else format_
    if form is Format.PARQUET and output is None and sys.stdout.isatty():
        raise WrongUse("Parquet is binary: give -o FILE, or pipe it")
    with session.clickhouse() as client:
        shadows = shadows_of(client, asked)
        table = client.arrow(moved(shadows, statement), parameters)
        if variant is not None and whole:
            from streams.cli.variant import every_transcript

            table = every_transcript(client, session.packs(), table, *parse_variant(variant), parameters["alleles"], shadows)
        found = shadows.notes(client, [parameters["sample_id"]] if "sample_id" in parameters else []) if shadows else None
    if sql is None:
        from streams.cli.status_view import sample_names

        table = named(table, sample_names(session))
    write(table, form, output, found)
    if found is not None:
        remark(found)
    return 0


def named(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """The column `sample` with names in place of the pseudonyms that are known here."""
    import pyarrow as pa

    place = table.schema.get_field_index("sample")
    return table.set_column(place, "sample", pa.array([names.get(key, key) for key in table.column(place).to_pylist()], pa.string()))


def parse_variant(text: str) -> tuple[str, int, str, str]:
    """(contig, 0-based start, ref, alt) of CHROM-POS-REF-ALT, POS 1-based. Raises WrongUse."""
    parts = text.replace(":", "-").replace(">", "-").split("-")
    if len(parts) != 4 or not parts[1].isdigit() or int(parts[1]) < 1 or not parts[2].isalpha() or not parts[3].isalpha():
        raise WrongUse(f"--variant {text}: give CHROM-POS-REF-ALT, like 21-45989090-G-A")
    return parts[0], int(parts[1]) - 1, parts[2].upper(), parts[3].upper()


def allele_numbers(session: Session, contig: str, start: int, ref: str, alt: str) -> list[int]:
    """The allele's id in every build of this installation that knows the contig by this name (`21`, `chr21`, `NC_000021.9`)."""
    from processors.knowledge.genome import Genome
    from processors.knowledge.pack import active_builds, active_packs
    from schemas import identity

    root = session.packs()
    found = []
    for build in active_builds(root):
        table = Genome(active_packs(root, build)["genome"]).table
        number = table.resolve(contig)
        if number is not None and start < table.contigs[number].length:
            found.append(identity.allele_id(table.contigs[number].offset + start, ref, alt))
    return found


def _statement(session: Session, variant: str | None, gene: str | None, sample: str | None) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if variant is not None:
        contig, start, ref, alt = parse_variant(variant)
        numbers = allele_numbers(session, contig, start, ref, alt)
        if not numbers:
            raise CommandFailed(
                f"--variant {variant}: no build here has a contig {contig!r} with this position; see `riverseq reference list`"
            )
        conditions.append("allele_id IN {alleles:Array(UInt64)} AND ref = {ref:String} AND alt = {alt:String}")
        parameters |= {"alleles": numbers, "ref": ref, "alt": alt}
    if gene is not None:
        conditions.append("gene = {gene:String}")
        parameters["gene"] = gene
    if sample is not None:
        conditions.append("sample_id = {sample_id:String}")
        parameters["sample_id"] = session.sample_id(sample)
    form = _FINDING if variant is None and gene is None else _VARIANT
    return form.replace("CONDITIONS", " AND ".join(conditions)), parameters


def write(table: pa.Table, form: Format, output: Path | None, found: Notes | None) -> None:
    """Rows to standard output or a file; `found` goes along in JSON."""
    import pyarrow.csv
    import pyarrow.parquet

    def rows() -> Any:
        return with_notes(table.to_pylist(), found) if found is not None else table.to_pylist()

    if form is Format.TABLE and output is None:
        screen = out()
        screen.print(_shown(table, screen.width))
        if table.num_rows > SHOWN:
            notes().print(f"{table.num_rows - SHOWN:,} more rows; --format csv gives all", markup=False)
        return
    if form in {Format.JSON, Format.TABLE} and output is None:
        print_json(rows())
        return
    sink = output.open("wb") if output is not None else sys.stdout.buffer
    try:
        if form is Format.PARQUET:
            pyarrow.parquet.write_table(table, sink, compression="zstd")
        elif form is Format.JSON:
            import json as json_

            sink.write(json_.dumps(rows(), indent=1, default=str).encode() + b"\n")
        else:
            pyarrow.csv.write_csv(flat(table), sink)
    finally:
        if output is not None:
            sink.close()
    if output is not None:
        notes().print(f"{table.num_rows:,} rows in {output}", markup=False)


def flat(table: pa.Table) -> pa.Table:
    """The table as CSV can hold it: arrays, maps and tuples become JSON text; what is null stays null."""
    import json as json_

    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = [None if value is None else json_.dumps(_plain(value, field.type), default=str) for value in table[place].to_pylist()]
            table = table.set_column(place, field.name, pa.array(values, pa.string()))
    return table


def _plain(value: Any, type_: pa.DataType) -> Any:
    """A nested value as JSON has it: a map, which Arrow gives as pairs, as an object."""
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_map(type_):
        return {str(key): _plain(one, type_.item_type) for key, one in value}
    if pa.types.is_struct(type_):
        return {field.name: _plain(value[field.name], field.type) for field in type_}
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return [_plain(one, type_.value_type) for one in value]
    return value


def _shown(table: pa.Table, width: int) -> Table | Text:
    """A table where it fits into `width` letters; else a block a row, a line a column, so that no value is folded to a few letters."""
    import pyarrow as pa

    if table.num_rows == 0:
        return Text("no rows")
    rows = [[_cell(value) for value in row.values()] for row in table.slice(0, SHOWN).to_pylist()]
    needed = sum(max(len(name), *(row[k].cell_len for row in rows)) + 2 for k, name in enumerate(table.column_names))
    if needed - 2 > width:
        grid = Table(box=None, show_header=False, pad_edge=False)
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for row in rows:
            for name, value in zip(table.column_names, row, strict=True):
                grid.add_row(name, value)
            grid.add_row()
        return grid
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for field in table.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        shown.add_column(field.name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    return shown


def _cell(value: Any) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, list):
        return Text(", ".join(map(str, value)))
    return Text(str(value))
