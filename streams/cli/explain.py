"""`riverseq explain`: everything that is known of an allele that a sample carries, and where each value comes from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.asof import AsOfDate, KnownAt, asked_of, moved, remark, shadows_of
from streams.cli.failures import CommandFailed, ExitCode, WrongUse
from streams.cli.session import print_json, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.knowledge.genome import Genome
    from processors.land.asof import Shadows
    from processors.land.client import Client
    from schemas.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    context: typer.Context,
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Name or pseudonym.")],
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="CHROM-POS-REF-ALT, or a name: g., m., c., n., p.")],
    as_of: AsOfDate = None,
    known_at: KnownAt = None,
    json: Annotated[bool, typer.Option("--json", help="One object, see below.")] = False,
) -> int:
    """Tell everything known of an allele of a sample, each value with its source, version, digest, date and licence.

    The allele is normalised (trimmed, left-aligned) before it is looked for. A p. name is looked for among the sample's findings.
    An allele that the sample does not carry is never called reference: a file of variants does not say what was sequenced and found
    to be as the reference. What is known is told: kept and not interpreted, in a chunk in quarantine, another allele called there, or
    nothing called.

    JSON: sample, sample_id, variant, build, contig, position (1-based), ref, alt, carried (true or false), revision (of the answer),
    calls (genotype: 1 is this ALT, 2 another; record, alt_index, filter, qual, depths, flags), file_digest (SHA-256),
    transcripts (pick first), summary (the row of `variant`), sources (kind, source, version, digest, date, licence, keyed, answer: found,
    absent, unknown, not_loaded; words, value, said, details), score (answer, score, model, digest, provider), finding (class, reasons,
    first_seen, evidence_changed in ms since 1970 UTC), history (revisions with knowledge_date and what changed in the plan), reclassified.
    Where carried is false: absence (words, faults, held, called_here, before, behind, contig_calls, reference_blocks). With --as-of or
    --known-at also as_of, known_at, no_revision_fits, cannot_tell, hindsight, samples_by_study. Exit code 1 where no revision fits.

    [bold]riverseq explain NA12878 21-45989090-G-A[/bold]
    [bold]riverseq explain NA12878 ENST00000346798.8:c.2149G>A --json[/bold]
    [bold]riverseq explain NA12878 21-45989090-G-A --as-of 2017-01-15[/bold]
    """
    session = session_of(context)
    asked = asked_of(as_of, known_at)
    sample_id, packs = session.sample_id(sample), session.packs()
    with session.clickhouse() as client:
        shadows = shadows_of(client, asked)
        move = partial(moved, shadows)
        notes = shadows.notes(client, [sample_id]) if shadows else None
        told = _told(client, move, sample, sample_id, packs, variant, shadows)
        if told is None:
            if notes is not None and notes.none:
                remark(notes)
                raise CommandFailed(f"explain {sample}: no revision of it with {asked.words()}")
            raise CommandFailed(f"no published sample {sample!r} here; `riverseq status` lists all")
    if notes is not None:
        told |= {name: value for name, value in notes.record().items() if name != "samples_shown"}
    if json:
        print_json(told)
    else:
        from streams.cli.explain_view import show

        show(told)
    if notes is not None:
        remark(notes)
    return ExitCode.DONE


def _told(
    client: Client, move: Callable[[str], str], sample: str, sample_id: str, packs: Path, variant: str, shadows: Shadows | None
) -> dict[str, Any] | None:
    """The answer as JSON values; None for a sample of which nothing is shown."""
    from processors.land import explained, store

    standing = explained.standing(client, move, sample_id)
    if standing is None:
        return None
    plan = store.plan(client, standing["plan_id"])
    genome = _genome(packs, plan)
    candidates = _candidates(client, partial(explained.by_protein_name, client, move, sample_id), packs, plan, genome, variant)
    contig, start, ref, alt = _one(variant, candidates)
    number = genome.table.resolve(contig)
    assert number is not None, "a candidate lies on a contig of the genome"
    start, ref, alt, contradiction = normalised(genome, number, start, ref, alt, variant)
    allele = _allele_id(genome, number, start, ref, alt)
    one = explained.Asked(client, move, sample_id, contig, start, ref, alt, allele)
    told: dict[str, Any] = {
        "sample": sample, "sample_id": sample_id, "variant": variant, "build": standing["build"], "contig": contig,
        "position": start + 1, "ref": ref, "alt": alt, "revision": standing, "calls": explained.calls(one),
    }  # fmt: skip
    told["carried"] = bool(told["calls"])
    told["file_digest"] = explained.source_digest(client, standing["root"])
    if told["carried"]:
        from streams.cli.explain_sources import sources_of
        from streams.cli.variant import transcripts_of

        summary = explained.variant(one)
        linear = genome.table.contigs[number].offset + start
        span = (linear, linear + len(ref))
        told["transcripts"] = transcripts_of(client, packs, standing["plan_id"], contig, start, ref, alt, allele, shadows)
        told["summary"] = summary
        told["sources"] = sources_of(packs, explained.knowledge(one), explained.other_sources(client, standing["plan_id"]), summary, span)
        told["score"] = explained.score(one, standing, plan)
        told["finding"] = explained.finding(one)
        told["reclassified"] = explained.reclassified(one)
    else:
        told["absence"] = explained.absence(one, standing, lambda name: genome.table.resolve(name) == number)
        if contradiction and not told["absence"]["faults"]:
            raise WrongUse(contradiction)
        told["absence"]["words"] = absence_in_words(told)
    told["history"] = explained.history(client, sample_id, standing["revision_id"])
    return told


def absence_in_words(told: dict[str, Any]) -> str:
    """Why the sample has no call of an allele, as far as is known; never that it is reference."""
    found, place = told["absence"], f"{told['contig']}:{told['position']}"
    if exact := [row for row in found["faults"] if told["alt"] in row["site"].split("\t")[4:5] or _has_alt(row["site"], told)]:
        return (
            f"not interpreted: the file has it as record {exact[0]['record']}, which was kept as {exact[0]['reason']}: {exact[0]['detail']}"
        )
    if found["faults"]:
        row = found["faults"][0]
        return f"not known: the file has another record at {place}, which was kept and not interpreted ({row['reason']}: {row['detail']})"
    if found["held"]:
        chunk = found["held"][0]
        return f"not known: {len(found['held'])} chunks that may hold it are in quarantine ({chunk['stage']}: {chunk['reason']})"
    if found["called_here"]:
        others = ", ".join(f"{row['position']} {row['ref']}>{row['alt']}" for row in found["called_here"][:3])
        return f"not called: the file was called there and has other alleles ({others})"
    if not found["contig_calls"]:
        return f"not known: the file has no call on {told['contig']} at all, so it may not cover it"
    return (
        f"not called: no record of the file has this allele at {place}; whether the place was sequenced, a file of variants does not say "
        f"(nearest calls: {found['before'] or 'none before'}, {found['behind'] or 'none behind'})"
    )


def _has_alt(site: str, told: dict[str, Any]) -> bool:
    fields = site.split("\t")
    return len(fields) > 4 and fields[3].upper() == told["ref"] and told["alt"] in fields[4].upper().split(",")


def _genome(packs: Path, plan: Plan | None) -> Genome:
    from processors.knowledge.genome import Genome
    from processors.knowledge.pack import find_pack

    component = plan.component("genome") if plan else None
    if component is None:
        raise CommandFailed("the plan of the sample is not on record; replay the sample to plan it anew")
    return Genome(find_pack(packs, component.digest))


def _candidates(
    client: Client, by_protein_name: Any, packs: Path, plan: Plan | None, genome: Genome, text: str
) -> list[tuple[str, int, str, str]]:
    """Normalised alleles that a text may mean. Raises WrongUse for a text that is no allele."""
    from processors.annotate.hgvs.parse import Names, NameUnusable
    from processors.knowledge.pack import find_pack
    from processors.knowledge.transcripts import Transcripts
    from streams.cli.query import parse_variant

    if ":p." in text or text.startswith("p."):
        rows = by_protein_name(text.removeprefix(":"))
        if not rows:
            raise CommandFailed(f"{text}: no finding of the sample has this name; give CHROM-POS-REF-ALT, or a c. or g. name")
        return [(row["contig"], row["start"], row["ref"], row["alt"]) for row in rows]
    if any(f":{kind}." in text for kind in "cngm"):
        component = plan.component("transcripts") if plan else None
        if component is None:
            raise CommandFailed("the plan of the sample has no gene models")
        try:
            named = Names(Transcripts(find_pack(packs, component.digest)), genome, vep=False).parse(text)
        except NameUnusable as error:
            raise WrongUse(str(error)) from None
        return [(genome.table.contigs[named.contig].name, named.start, named.ref, named.alt)]
    contig, start, ref, alt = parse_variant(text)
    number = genome.table.resolve(contig)
    if number is None or start >= genome.table.contigs[number].length:
        raise WrongUse(f"{text}: {genome.table.build} has no contig {contig!r} with this position")
    return [(genome.table.contigs[number].name, start, ref, alt)]


def normalised(genome: Genome, contig: int, start: int, ref: str, alt: str, text: str) -> tuple[int, str, str, str]:
    """An allele as ingest writes it, trimmed and left-aligned: start, REF, ALT, and what contradicts the genome, empty for nothing.

    One that contradicts is left as it is: a file may have it, and ingest kept it with a reason. Raises WrongUse for what is no allele.
    """
    import numpy as np

    from processors.ingest.faults import Fault
    from processors.ingest.normalise import normalise

    if ref == alt or set(ref + alt) - set("ACGT"):
        raise WrongUse(f"{text}: REF and ALT are two different alleles of A, C, G, T")
    letters = np.frombuffer((ref + alt).encode(), dtype=np.uint8)
    spans = [np.array([span], dtype=np.int32) for span in ((0, len(ref)), (len(ref), len(ref) + len(alt)))]
    place = [np.array([value], dtype=np.int32) for value in (contig, start)]
    found = normalise(genome, letters, place[0], place[1], spans[0], spans[1])
    if found.faults[0]:
        return start, ref, alt, f"{text}: {Fault(int(found.faults[0])).reason}: {genome.table.build} does not have {ref} there"
    return int(found.starts[0]), found.ref_bytes.tobytes().decode(), found.alt_bytes.tobytes().decode(), ""


def _one(text: str, candidates: list[tuple[str, int, str, str]]) -> tuple[str, int, str, str]:
    if len(candidates) > 1:
        listed = ", ".join(f"{contig}-{start + 1}-{ref}-{alt}" for contig, start, ref, alt in sorted(candidates)[:10])
        raise WrongUse(f"{text} may be any of {len(candidates)} alleles of the sample: {listed}; name one of them")
    return candidates[0]


def _allele_id(genome: Genome, contig: int, start: int, ref: str, alt: str) -> int:
    from schemas import identity

    return identity.allele_id(genome.table.contigs[contig].offset + start, ref, alt)
