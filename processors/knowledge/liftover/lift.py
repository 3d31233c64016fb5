"""A sites VCF of one build as one of another: every record is lifted, or left out with a reason that is counted and written down.

A record is lifted as a whole, so that values of its ALTs keep their order. On the minus strand alleles are reverse-complemented, and the
anchor base of an indel, which then stands on the wrong side, is exchanged. REF must be what the target's genome holds. Where the genome
holds the ALT instead (a base that the newer build corrected), what the record says is of the other allele: it is left out, unless
`swap` names the frequencies that the file is lifted for: then REF and ALT change places, and v becomes 1 - v.
"""

from __future__ import annotations

import enum
import heapq
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from processors.ingest.source import Source, take_header
from processors.knowledge.genome import Genome
from processors.knowledge.liftover.chain import Chains
from processors.output.bgzf import BgzfWriter
from schemas.assembly import ContigTable

_RUN = 200_000
"""Lifted records sorted at a time; longer files are merged from such runs on disk."""
_COMPLEMENT = bytes.maketrans(b"ACGTNacgtn", b"TGCANtgcan")
_INFO = b"""##INFO=<ID=LIFTED_FROM,Number=1,Type=String,Description="Place in %s before it was lifted: contig:position:REF:ALT">
##INFO=<ID=LIFTED_STRAND,Number=1,Type=String,Description="- where the alleles were reverse-complemented">
##INFO=<ID=LIFTED_SWAPPED,Number=0,Type=Flag,Description="REF and ALT changed places, and frequencies were taken from 1">
"""


class LiftRefused(ValueError):
    """A file that cannot be lifted; the message says why."""


class Unlifted(enum.StrEnum):
    """Why a record was left out."""

    MALFORMED = "malformed"  # fewer than 8 columns, a position that is no number
    OTHER_CONTIG = "other_contig"  # a contig that the source build does not have
    SYMBOLIC = "symbolic"  # `<DEL>`, `*`, a breakend: no bases to lift
    NO_CHAIN = "no_chain"  # the target build has nothing there
    SPANS_GAP = "spans_gap"  # REF reaches over a place where bases were added or removed
    TARGET_CONTIG = "target_contig"  # lands on a contig that the target's table does not have
    REF_MISMATCH = "ref_mismatch"  # the target's genome holds neither REF nor the ALT there
    REF_SWAPPED = "ref_swapped"  # the target's genome holds the ALT


@dataclass
class LiftReport:
    """What became of the records: `lifted` of `records`, of which `reversed_` on the minus strand, `swapped`, and `ref_unknown` (the
    target's genome is N there, so REF could not be checked); `left_out` by reason."""

    records: int = 0
    lifted: int = 0
    reversed_: int = 0
    swapped: int = 0
    ref_unknown: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def lift_file(
    path: Path,
    out: Path,
    rejects: Path,
    chains: Chains,
    genome: Genome,
    *,
    swap: Sequence[str] = (),
    progress: Callable[[float], None] | None = None,
) -> LiftReport:
    """Lift a VCF or BCF of sites to `out` (.vcf.gz, BGZF, sorted); what cannot be lifted goes to `rejects` (.vcf.gz), with the reason in
    FILTER. Both appear only when they are complete. `genome` is the target's.

    Raises LiftRefused for a file with samples, ingest.errors.SourceError for one that cannot be read to its end.
    """
    source = Source(path)
    try:
        header, begun = take_header(source)
        if header.samples:
            raise LiftRefused(f"{path}: has {len(header.samples)} samples; only sites are lifted, cut the samples off first")
        if header.build_hint and header.build_hint != chains.source.build:
            raise LiftRefused(f"{path}: its header names {header.build_hint}, asked for is {chains.source.build}")
        report = LiftReport()
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".lift-") as folder:
            lost = Path(folder) / "rejects"
            writer = BgzfWriter(lost)
            writer.write(_reject_header(header.text))
            runs = list(_runs(_batches(source, begun), chains, genome, tuple(swap), report, writer, Path(folder), source, progress))
            writer.close()
            done = Path(folder) / "lifted"
            _merge(runs, done, _header(header.text, chains.source.build, genome.table))
            lost.replace(rejects)
            done.replace(out)
        return report
    finally:
        source.close()


def _batches(source: Source, begun: bytes) -> Iterator[list[bytes]]:
    """Lines without their ends, some megabytes at a time."""
    rest = begun
    buffer = bytearray(4 * 1024 * 1024)
    while count := source.fill(memoryview(buffer)):
        lines = (rest + bytes(memoryview(buffer)[:count])).split(b"\n")
        rest = lines.pop()
        yield [line.rstrip(b"\r") for line in lines if line and not line.startswith(b"#")]
    yield [line.rstrip(b"\r") for line in rest.split(b"\n") if line and not line.startswith(b"#")]


def _runs(
    batches: Iterator[list[bytes]], chains: Chains, genome: Genome, swap: tuple[str, ...], report: LiftReport, lost: BgzfWriter,
    folder: Path, source: Source, progress: Callable[[float], None] | None,
) -> Iterator[Path]:  # fmt: skip
    """Files of sorted lifted records, each line behind its sort key."""
    held: list[tuple[int, int, bytes]] = []
    number = 0
    for lines in batches:
        held.extend(_lift_lines(lines, chains, genome, swap, report, lost))
        if progress is not None:
            progress(source.fraction)
        if len(held) >= _RUN:
            yield _write_run(held, folder / f"run{number}")
            held, number = [], number + 1
    yield _write_run(held, folder / f"run{number}")


def _write_run(held: list[tuple[int, int, bytes]], path: Path) -> Path:
    held.sort(key=lambda one: one[:2])
    with path.open("wb") as handle:
        handle.writelines(b"%d\t%d\t%b\n" % one for one in held)
    return path


def _merge(runs: Sequence[Path], out: Path, header: bytes) -> None:
    writer = BgzfWriter(out)
    writer.write(header)
    handles = [run.open("rb") for run in runs]
    try:
        streams = [(line.split(b"\t", 2) for line in handle) for handle in handles]
        for _, _, line in heapq.merge(*streams, key=lambda parts: (int(parts[0]), int(parts[1]))):
            writer.write(line)
    finally:
        for handle in handles:
            handle.close()
    writer.close()


def _lift_lines(
    lines: list[bytes], chains: Chains, genome: Genome, swap: tuple[str, ...], report: LiftReport, lost: BgzfWriter
) -> Iterator[tuple[int, int, bytes]]:
    """(target contig, target 0-based position, line) of each record that can be lifted."""
    report.records += len(lines)
    parsed = [_parse(line, chains.source) for line in lines]
    contigs = np.array([one.contig for one in parsed], dtype=np.int32)
    starts = np.array([one.start for one in parsed], dtype=np.int64)
    ends = starts + np.array([max(len(one.ref), 1) for one in parsed], dtype=np.int64)
    found = chains.lift(contigs, starts, ends)
    gap = chains.spans_gap(contigs, starts, ends)
    for row, one in enumerate(parsed):
        contig, start, reverse = int(found.contig[row]), int(found.start[row]), bool(found.reverse[row])
        reason = one.fault
        record: _Placed | Unlifted | None = None
        if reason is None:
            if found.block[row] < 0:
                reason = Unlifted.SPANS_GAP if gap[row] else Unlifted.NO_CHAIN
            elif contig < 0:
                reason = Unlifted.TARGET_CONTIG
            else:
                record = _place(one, genome, contig, start, reverse=reverse, swap=swap)
                if isinstance(record, Unlifted):
                    reason = record
        if reason is not None or record is None or isinstance(record, Unlifted):
            report.left_out[str(reason)] += 1
            lost.write(_rejected(one.columns, str(reason)))
            continue
        report.lifted += 1
        report.reversed_ += reverse
        report.swapped += record.swapped
        report.ref_unknown += record.ref_unknown
        yield contig, record.start, _line(one, record, genome.table.contigs[contig].name, reverse=reverse, swap=swap)


@dataclass(frozen=True)
class _Record:
    """A line as the file has it: 0-based start, alleles in upper case."""

    columns: list[bytes]
    contig: int
    start: int
    ref: bytes
    alts: list[bytes]
    fault: Unlifted | None


@dataclass(frozen=True)
class _Placed:
    """A record's alleles in the target build."""

    start: int
    ref: bytes
    alts: list[bytes]
    swapped: bool
    ref_unknown: bool


def _parse(line: bytes, table: ContigTable) -> _Record:
    columns = line.split(b"\t")
    if len(columns) < 8 or not columns[1].isdigit() or int(columns[1]) < 1 or not columns[3]:
        return _Record(columns, -1, 0, b"", [], Unlifted.MALFORMED)
    contig = table.resolve(columns[0].decode(errors="replace"))
    ref, alts = columns[3].upper(), columns[4].upper().split(b",")
    fault = None
    if contig is None:
        fault = Unlifted.OTHER_CONTIG
    elif ref.translate(None, b"ACGTN") or any((alt.translate(None, b"ACGTN") and alt != b".") or not alt for alt in alts):
        fault = Unlifted.SYMBOLIC
    return _Record(columns, -1 if contig is None else contig, int(columns[1]) - 1, ref, alts, fault)


def _place(one: _Record, genome: Genome, contig: int, start: int, *, reverse: bool, swap: tuple[str, ...]) -> _Placed | Unlifted:
    """The alleles of a record on the target's plus strand, checked against its genome."""
    ref, alts = one.ref, [alt for alt in one.alts if alt != b"."]
    bases = genome.bases(contig)
    held = b"N" * len(ref) if bases is None else bases[start : start + len(ref)].tobytes()
    if reverse:
        ref, alts = _reverse(ref), [_reverse(alt) for alt in alts]
    swapped = False
    if not _agrees(held, ref):
        if not (len(alts) == 1 and len(alts[0]) == len(ref) and held == alts[0]):
            return Unlifted.REF_MISMATCH
        if not swap:
            return Unlifted.REF_SWAPPED
        ref, alts, swapped = alts[0], [ref], True
    if reverse and any(len(alt) != len(ref) for alt in alts) and start > 0 and all(a[-1:] == ref[-1:] for a in alts):
        before = b"N" if bases is None else bases[start - 1 : start].tobytes()
        if before != b"N":
            ref, alts, start = before + ref[:-1], [before + alt[:-1] for alt in alts], start - 1
    return _Placed(start, ref, alts, swapped, b"N" in held)


def _agrees(held: bytes, ref: bytes) -> bool:
    """Whether REF can be what the genome holds: N on either side says nothing."""
    return len(held) == len(ref) and all(a in (b, 78) or b == 78 for a, b in zip(held, ref, strict=True))


def _reverse(allele: bytes) -> bytes:
    return allele.translate(_COMPLEMENT)[::-1]


def _line(one: _Record, placed: _Placed, contig: str, *, reverse: bool, swap: tuple[str, ...]) -> bytes:
    columns = list(one.columns)
    origin = b"LIFTED_FROM=%b:%b:%b:%b" % (columns[0], columns[1], columns[3], columns[4].replace(b",", b"/"))
    info = b"" if columns[7] in (b".", b"") else columns[7]
    if placed.swapped:
        info = b";".join(_from_one(entry, swap) for entry in info.split(b";"))
    extra = [origin] + ([b"LIFTED_STRAND=-"] if reverse else []) + ([b"LIFTED_SWAPPED"] if placed.swapped else [])
    columns[0], columns[1] = contig.encode(), b"%d" % (placed.start + 1)
    columns[3], columns[4] = placed.ref, b",".join(placed.alts) or b"."
    columns[7] = b";".join([info, *extra] if info else extra)
    return b"\t".join(columns[:8])


def _from_one(entry: bytes, swap: tuple[str, ...]) -> bytes:
    """`AF=0.25` as `AF=0.75` where AF is one of the frequencies; every other entry as it is."""
    key, _, value = entry.partition(b"=")
    if key.decode(errors="replace") not in swap:
        return entry
    try:
        return b"%b=%b" % (key, f"{1 - float(value):.9g}".encode())
    except ValueError:
        return b"%b=." % key


def _rejected(columns: list[bytes], reason: str) -> bytes:
    columns = [*columns, *[b"."] * 8][: max(8, len(columns))]
    columns[6] = reason.encode()
    return b"\t".join(columns[:8]) + b"\n"


def _header(text: bytes, source: str, table: ContigTable) -> bytes:
    lines = [line for line in text.split(b"\n") if not line.startswith((b"##contig", b"##reference", b"#CHROM"))]
    lines.append(f"##reference={table.build}".encode())
    lines += [f"##contig=<ID={contig.name},length={contig.length}>".encode() for contig in table.contigs]
    lines += (_INFO % source.encode()).splitlines()
    return b"\n".join([*lines, b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"])


def _reject_header(text: bytes) -> bytes:
    lines = [line for line in text.split(b"\n") if not line.startswith(b"#CHROM")]
    lines += [f'##FILTER=<ID={reason},Description="Could not be lifted: {reason.name.lower()}">'.encode() for reason in Unlifted]
    return b"\n".join([*lines, b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"])
