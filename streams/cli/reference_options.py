"""`riverseq reference options`: how far beside a transcript counts, and which transcript speaks, for the samples of a build."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.failures import WrongUse
from streams.cli.session import out, print_json, session_of


def options(
    context: typer.Context,
    build: Annotated[str, typer.Argument(metavar="BUILD", help="A build with a reference.")],
    distance: Annotated[str, typer.Option("--distance", metavar="N[,M]", help="Bases up- and downstream that still count.")] = "",
    pick_order: Annotated[str, typer.Option("--pick-order", metavar="A,B,…", help="What decides, the most important first.")] = "",
    default: Annotated[bool, typer.Option("--default", help="Go back to VEP's choices.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The choices as JSON.")] = False,
) -> int:
    """Show or change how the samples of a build are annotated, from the next sample on.

    [bold]riverseq reference options GRCh38[/bold]
    [bold]riverseq reference options GRCh38 --distance 2000,500[/bold]
    [bold]riverseq reference options GRCh38 --pick-order mane_select,rank,length[/bold]

    The choices are part of a sample's plan: what was published before stays as it was. `riverseq annotate` has options of its own.
    """
    from dataclasses import replace

    from processors.annotate.options import OptionRefused, Options, parse_distance, read_options, write_options
    from processors.annotate.pick import PickOrderRefused, parse_order
    from processors.knowledge.pack import activate, active_packs
    from schemas.assembly import canonical_build

    root, name = session_of(context).packs(), canonical_build(build)
    active = active_packs(root, name)
    if "transcripts" not in active:
        raise WrongUse(f"{name} has no reference; register one with `riverseq reference add {name} --fasta F --transcripts GFF3`")
    if default and (distance or pick_order):
        raise WrongUse("--default takes neither --distance nor --pick-order")
    chosen = read_options(active["options"]) if "options" in active and not default else Options()
    try:
        if distance:
            upstream, downstream = parse_distance(distance)
            chosen = replace(chosen, upstream=upstream, downstream=downstream)
        if pick_order:
            chosen = replace(chosen, order=parse_order(pick_order))
    except OptionRefused as error:
        raise WrongUse(f"--distance: {error}") from error
    except PickOrderRefused as error:
        raise WrongUse(f"--pick-order: {error}") from error
    if distance or pick_order or (default and "options" in active):
        activate(root, write_options(root, name, chosen))
    order = [criterion.value for criterion in chosen.order]
    if json:
        print_json({"build": name, "upstream": chosen.upstream, "downstream": chosen.downstream, "pick_order": order})
    else:
        out().print(
            f"{name}: {chosen.upstream:,} bases upstream, {chosen.downstream:,} downstream; pick by {', '.join(order)}", markup=False
        )
    return 0
