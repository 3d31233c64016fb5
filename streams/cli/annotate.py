"""`riverseq annotate`: the same stages on a file, without Kafka or a database."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.cli.failures import WrongUse
from streams.cli.reference import print_warnings
from streams.cli.session import Session, notes, session_of

if TYPE_CHECKING:
    from processors.pipeline import Choices
    from processors.resources import Resources

ENDINGS = (".tsv", ".parquet", ".vcf.gz")
_PICK = "Which transcript speaks"
_NAMES = "HGVS names"
_ROWS = "What is written"
_ORDER = "mane_select,mane_plus_clinical,canonical,appris,tsl,biotype,ccds,rank,length"


class Stop(StrEnum):
    """A stop codon in the name of a protein."""

    TER = "Ter"
    STAR = "*"


class Spelling(StrEnum):
    """Whose spelling names follow where VEP departs from the nomenclature."""

    VEP = "vep"
    NOMENCLATURE = "nomenclature"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(annotate)


def annotate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="VCF, VCF.gz or BCF, with samples or without.")],
    build: Annotated[
        str, typer.Option("--build", metavar="B", help="Assembly of the file: GRCh38, GRCh37, or a name of your own.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            show_default=False,
            help="OUT.tsv or OUT.parquet: a row for each allele and transcript. OUT.vcf.gz: the file's records with INFO/CSQ as VEP's.",
        ),
    ],
    fasta: Annotated[
        Path | None, typer.Option("--fasta", metavar="F", help="Genome, instead of the one registered; with --transcripts.")
    ] = None,
    transcripts: Annotated[
        Path | None, typer.Option("--transcripts", metavar="GFF3", help="Gene models (GFF3 or GTF), with --fasta.")
    ] = None,
    compounds: Annotated[
        Path | None,
        typer.Option(
            "--compounds",
            metavar="FILE.tsv",
            rich_help_panel=_ROWS,
            help="Also write what variants of one haplotype do together, of every sample: one codon, or a shifted frame brought back.",
        ),
    ] = None,
    distance: Annotated[
        str,
        typer.Option(
            "--distance",
            metavar="N[,M]",
            rich_help_panel=_ROWS,
            help="Bases beside a transcript that still count: upstream and downstream, or N,M each.",
        ),
    ] = "5000",
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            metavar="A,B,…",
            rich_help_panel=_ROWS,
            help="Only these, in this order; a wrong name lists all. Sources of the build by kind: clinvar_stars, gnomad_exomes, cadd, "
            "user.NAME, ...",
            show_default="all",
        ),
    ] = "",
    pick: Annotated[
        bool, typer.Option("--pick", rich_help_panel=_PICK, help="Keep one row for each record, over all of its ALTs.")
    ] = False,
    pick_allele: Annotated[bool, typer.Option("--pick-allele", rich_help_panel=_PICK, help="Keep one row for each ALT.")] = False,
    per_gene: Annotated[bool, typer.Option("--per-gene", rich_help_panel=_PICK, help="Keep one row for each ALT and gene.")] = False,
    flag_pick: Annotated[
        bool,
        typer.Option(
            "--flag-pick",
            rich_help_panel=_PICK,
            help="Keep every row and mark the chosen ones in the column `pick`; without one of the three above, one row for each ALT is "
            "marked. This is the default.",
        ),
    ] = False,
    pick_order: Annotated[
        str,
        typer.Option(
            "--pick-order",
            metavar="A,B,…",
            rich_help_panel=_PICK,
            help="What decides, the most important first. What is left out does not count; ties go to the transcript's name.",
        ),
    ] = _ORDER,
    hgvs_style: Annotated[
        Spelling,
        typer.Option(
            "--hgvs-style",
            rich_help_panel=_NAMES,
            help="As VEP names, or strictly by the nomenclature where VEP departs from it (c.* in introns, partial coding sequences).",
        ),
    ] = Spelling.VEP,
    parentheses: Annotated[
        bool, typer.Option("--parentheses", rich_help_panel=_NAMES, help="p.(Arg12Cys): the protein was predicted, not seen.")
    ] = False,
    stop_symbol: Annotated[Stop, typer.Option("--stop-symbol", rich_help_panel=_NAMES, help="A stop in p. names.")] = Stop.TER,
    one_letter: Annotated[bool, typer.Option("--one-letter", rich_help_panel=_NAMES, help="p.R12C instead of p.Arg12Cys.")] = False,
    genomic_accession: Annotated[
        bool, typer.Option("--genomic-accession", rich_help_panel=_NAMES, help="NC_000021.9:g. instead of the contig's plain name.")
    ] = False,
    intronic_accession: Annotated[
        bool, typer.Option("--intronic-accession", rich_help_panel=_NAMES, help="NC_000021.9(NM_000484.4):c. for intronic positions.")
    ] = False,
) -> int:
    """Annotate a file with the same code as the stream: one row for each allele and transcript.

    Terms, impact, exon, positions, codons and HGVS names are as Ensembl VEP's.
    Every ALT has a row: what leaves a doubt, or why it is not called, stands in `flags`.

    Genome and gene models are those of `riverseq reference add`:
    [bold]riverseq annotate sites.vcf.gz --build GRCh38 -o sites.tsv[/bold]

    or files, compiled the first time:
    [bold]riverseq annotate sites.vcf --build GRCh38 -o sites.tsv[/bold] \\
    [bold]    --fasta genome.fa --transcripts genes.gff3[/bold]

    The picked transcript of each ALT in the file itself; a short table:
    [bold]riverseq annotate s.vcf.gz --build GRCh38 -o s.csq.vcf.gz --pick-allele[/bold]
    [bold]riverseq annotate s.vcf.gz --build GRCh38 -o s.tsv --per-gene --parentheses[/bold] \\
    [bold]    --columns chrom,pos,ref,alt,symbol,hgvsc,hgvsp,flags[/bold]
    """
    session = session_of(context)
    if not file.is_file():
        raise WrongUse(f"{file}: {'is no file' if file.exists() else 'does not exist'}")
    if (fasta is None) != (transcripts is None):
        raise WrongUse("give --fasta and --transcripts together, or neither")
    if not output.name.endswith(ENDINGS):
        raise WrongUse(f"-o {output}: give a name that ends in {', '.join(ENDINGS)}")
    if not output.absolute().parent.is_dir():
        raise WrongUse(f"-o {output}: {output.absolute().parent} is no folder")
    if output.exists() and output.samefile(file):
        raise WrongUse(f"-o {output}: is the file that is read; give another name")
    if compounds is not None:
        _check_compounds(file, output, compounds)
    choices = _choices(
        distance=distance, columns=columns, pick=pick, pick_allele=pick_allele, per_gene=per_gene, flag_pick=flag_pick,
        pick_order=pick_order, vep=hgvs_style is Spelling.VEP, parentheses=parentheses, star=stop_symbol is Stop.STAR,
        one_letter=one_letter, genomic_accession=genomic_accession, intronic_accession=intronic_accession,
    )  # fmt: skip
    with notes().status("loading genome and gene models"):
        resources = _resources(session, build, fasta, transcripts)
    _check_columns(choices, resources)
    if transcripts is not None:
        print_warnings(resources.transcripts.pack, notes())
    from processors.pipeline import annotate_file

    told = (TextColumn(f"annotating {file.name}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[alleles]:,} alleles"))
    with Progress(*told, TimeRemainingColumn(), console=notes(), transient=True) as bar:
        task = bar.add_task("annotate", total=1.0, alleles=0)
        done = annotate_file(
            file, output, resources, choices=choices,
            progress=lambda so_far: bar.update(task, completed=so_far.fraction, alleles=so_far.alleles),
        )  # fmt: skip
    console = notes()
    console.print(f"{done.rows:,} rows for {done.alleles:,} alleles of {done.records:,} records in {output}", markup=False)
    for reason, count in sorted(done.faults.items()):
        console.print(f"  {count:,} x {reason}: {_told(reason)}", markup=False, style="yellow")
    if compounds is not None:
        from processors.output.compounds import write_compounds

        count = write_compounds(file, compounds, resources, parentheses=parentheses)
        console.print(f"{count:,} compounds in {compounds}", markup=False)
    return 0


def _check_columns(choices: Choices, resources: Resources) -> None:
    """Raises WrongUse for a column of a source that the build does not have."""
    from processors.output.sources import SourceColumns
    from processors.pipeline import OutputRefused, columns_of

    try:
        columns_of(choices.columns, SourceColumns(resources).names)
    except OutputRefused as error:
        raise WrongUse(f"--columns: {error}") from error


def _check_compounds(file: Path, output: Path, compounds: Path) -> None:
    """Raises WrongUse where compounds cannot be written, before anything else is; ingest.errors.SourceError where `file` is damaged."""
    from processors.ingest import read_header

    if not compounds.absolute().parent.is_dir():
        raise WrongUse(f"--compounds {compounds}: {compounds.absolute().parent} is no folder")
    if compounds.resolve() in (file.resolve(), output.resolve()):
        raise WrongUse(f"--compounds {compounds}: is {'the file that is read' if compounds.resolve() == file.resolve() else 'also -o'}")
    if not read_header(file).samples:
        raise WrongUse(f"--compounds: {file} has no samples, so nothing says what stands on one haplotype")


def _told(reason: str) -> str:
    """What a fault means here: structural alleles are called all the same, by what they overlap."""
    from processors.ingest.faults import DETAIL, Fault

    fault = Fault[reason.upper()]
    if fault in (Fault.SYMBOLIC, Fault.BREAKEND):
        return "called by what it overlaps, not base by base"
    return f"not called; {DETAIL[fault]}"


def _choices(
    *,
    distance: str,
    columns: str,
    pick: bool,
    pick_allele: bool,
    per_gene: bool,
    flag_pick: bool,
    pick_order: str,
    vep: bool,
    parentheses: bool,
    star: bool,
    one_letter: bool,
    genomic_accession: bool,
    intronic_accession: bool,
) -> Choices:
    """What the options say, as the pipeline takes it. Raises WrongUse."""
    from processors.annotate.hgvs.style import Style
    from processors.annotate.options import OptionRefused, Options, parse_distance
    from processors.annotate.pick import PickOrderRefused, parse_order
    from processors.knowledge.kinds import kind_of
    from processors.output.sources import STARS
    from processors.output.table import Group, Picking
    from processors.pipeline import Choices, OutputRefused, columns_of

    groups = {Group.RECORD: pick, Group.ALLELE: pick_allele, Group.GENE: per_gene}
    asked = [group for group, wanted in groups.items() if wanted]
    if len(asked) > 1:
        raise WrongUse("give one of --pick, --pick-allele, --per-gene")
    picking = Picking(asked[0], reduce=not flag_pick) if asked else Picking()
    wanted = tuple(name.strip() for name in columns.split(",") if name.strip())
    style = Style(
        parentheses=parentheses, star=star, one_letter=one_letter, genomic_accession=genomic_accession,
        intronic_accession=intronic_accession, vep=vep,
    )  # fmt: skip
    try:
        columns_of(wanted, tuple(name for name in wanted if name == STARS or kind_of(name) is not None))  # the build's own: once it is read
        options = Options(*parse_distance(distance), order=parse_order(pick_order))
    except OutputRefused as error:
        raise WrongUse(f"--columns: {error}") from error
    except OptionRefused as error:
        raise WrongUse(f"--distance: {error}") from error
    except PickOrderRefused as error:
        raise WrongUse(f"--pick-order: {error}") from error
    return Choices(options, style, picking, wanted)


def _resources(session: Session, build: str, fasta: Path | None, transcripts: Path | None) -> Resources:
    """What is active for the build, or the two files compiled into the state folder's packs."""
    from processors.pipeline import resources_from_files
    from processors.resources import Resources, plan_for

    provider = session.settings().provider
    if fasta is None or transcripts is None:
        return Resources.load(plan_for(session.packs(), build), session.packs(), provider)
    for path, option in ((fasta, "--fasta"), (transcripts, "--transcripts")):
        if not path.is_file():
            raise WrongUse(f"{option} {path}: {'is no file' if path.exists() else 'does not exist'}")
    return resources_from_files(fasta, transcripts, build, session.packs(), provider=provider)
