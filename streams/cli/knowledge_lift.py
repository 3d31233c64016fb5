"""`riverseq knowledge lift`: a knowledge file of one build as one of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from streams.cli.failures import WrongUse
from streams.cli.session import notes, out, print_json, session_of


def lift(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="VCF or BCF of sites: ClinVar, frequencies.")],
    source: Annotated[str, typer.Option("--from", metavar="B", help="Build of the file.", show_default=False)],
    target: Annotated[str, typer.Option("--to", metavar="B", help="Build wanted; its genome must be here.", show_default=False)],
    chain: Annotated[Path, typer.Option("--chain", metavar="F", help="UCSC chain file of that direction.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.vcf.gz", help="What was lifted.", show_default=False)],
    swap: Annotated[str, typer.Option("--swap", metavar="KEYS", help="INFO frequencies to take from 1 where REF and ALT swap.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> int:
    """Lift a knowledge file to another build, checking every REF against its genome.

    [bold]riverseq knowledge lift clinvar.GRCh37.vcf.gz --from GRCh37 --to GRCh38 --chain hg19ToHg38.over.chain.gz -o clinvar.vcf.gz[/bold]

    What does not lift is written beside, to OUT.unlifted.vcf.gz, with the reason in FILTER. Where the new genome holds the ALT, the record
    is left out; with [bold]--swap AF,AF_afr[/bold] REF and ALT change places and these frequencies become 1 - AF.
    Build the lifted file as any other: [bold]riverseq knowledge build clinvar clinvar.vcf.gz --build GRCh38 --version ...[/bold]
    """
    from processors.knowledge.genome import Genome
    from processors.knowledge.liftover.chain import read_chains
    from processors.knowledge.liftover.lift import lift_file
    from processors.knowledge.pack import active_packs
    from schemas.assembly import canonical_build, contig_table

    old, new = canonical_build(source), canonical_build(target)
    for path, option in ((file, "FILE"), (chain, "--chain")):
        if not path.is_file():
            raise WrongUse(f"{option} {path}: {'is no file' if path.exists() else 'does not exist'}")
    if not output.name.endswith(".vcf.gz"):
        raise WrongUse(f"-o {output}: is written as BGZF; name it .vcf.gz")
    packs = active_packs(session_of(context).packs(), new)
    if "genome" not in packs:
        raise WrongUse(f"build {target!r} has no genome here; add it first with `riverseq reference add {new}`")
    genome = Genome(packs["genome"])
    rejects = output.with_name(output.name.removesuffix(".vcf.gz") + ".unlifted.vcf.gz")
    keys = tuple(key for key in swap.split(",") if key)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    chains = read_chains(chain, contig_table(old), genome.table)
    with Progress(*columns, console=notes(), transient=True) as bar:
        task = bar.add_task(f"lifting {file.name}", total=1.0)
        report = lift_file(file, output, rejects, chains, genome, swap=keys, progress=lambda share: bar.update(task, completed=share))
    lost = dict(sorted(report.left_out.items()))
    if json:
        print_json(
            {
                "records": report.records, "lifted": report.lifted, "reverse_strand": report.reversed_, "swapped": report.swapped,
                "ref_unknown": report.ref_unknown, "left_out": lost, "output": str(output), "unlifted": str(rejects),
            }
        )  # fmt: skip
    else:
        out().print(f"{report.lifted:,} of {report.records:,} records lifted to {output}", markup=False)
        out().print(
            f"  {report.reversed_:,} on the other strand, {report.swapped:,} with REF and ALT swapped, "
            f"{report.ref_unknown:,} where the genome is unknown",
            markup=False,
        )
        for reason, count in lost.items():
            out().print(f"  not lifted, {reason}: {count:,}", markup=False, style="yellow")
    return 0 if report.lifted else 1
