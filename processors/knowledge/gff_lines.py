"""Lines of gene model files: GFF3 (Ensembl, GENCODE, RefSeq, miRBase) and GTF, in any order, plain or gzipped.

A file becomes one `Sheet` a contig: the features that have a name, and under each name the exons and CDS parts that belong to it.
What they mean is `gff`'s business. Coordinates are 0-based half-open.
"""

from __future__ import annotations

import gzip
import io
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip
from isal.igzip_lib import IsalError

Attributes = dict[str, str]
Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes of the file)."""

EXON_TYPES = frozenset({"exon", "pseudogenic_exon"})
SELENOCYSTEINE_TYPES = frozenset({"Selenocysteine", "selenocysteine", "stop_codon_redefined_as_selenocysteine"})
_SKIPPED_TYPES = frozenset(
    {
        "five_prime_UTR", "three_prime_UTR", "five_prime_utr", "three_prime_utr", "5UTR", "3UTR", "UTR", "start_codon", "biological_region",
        "chromosome", "region", "match", "supercontig", "scaffold", "contig", "sequence_feature", "intron", "enhancer", "silencer",
        "centromere", "protein_binding_site", "transcriptional_cis_regulatory_region", "promoter", "D_loop", "origin_of_replication",
    }
)  # fmt: skip
_PARENT = re.compile(r"(?:^|;)\s*Parent=([^;\r\n]*)")
_DERIVES_FROM = re.compile(r"(?:^|;)\s*Derives_from=([^;]*)")
_ID = re.compile(r"(?:^|;)\s*ID=([^;]*)")
_TRANSCRIPT_ID = re.compile(r'(?:^|;)\s*transcript_id\s+(?:"([^"]*)"|([^\s;"]+))')
_GENE_ID = re.compile(r'(?:^|;)\s*gene_id\s+(?:"([^"]*)"|([^\s;"]+))')
_GTF_PAIR = re.compile(r'\s*([^\s;"]+)(?:\s+(?:"([^"]*)"|([^;]*)))?\s*(?:;|$)')
_GTF_LISTS = frozenset({"tag", "transl_except", "db_xref"})
_TARGET = re.compile(r"(?:^|;)Target=(\S+)")
_UNLIKE = re.compile(r"(?:^|;)(?:Gap=[^;]*[IDFR]\d|(?:gap_count|num_mismatch)=[1-9])")
_PROGRESS_LINES = 1 << 14


class GeneModelError(ValueError):
    """The file is no usable gene model file; the message names file and line and what to do."""


@dataclass(slots=True)
class Feature:
    """A feature with a name (gene or transcript) as its line has it; `attributes` is read when it is asked for."""

    type: str
    contig: str
    start: int
    end: int
    strand: str
    text: str
    gtf: bool
    parent: str
    stated: bool = True  # False: GTF without a line of its own, known from a part
    ambiguous: bool = False  # the name stands at two places of the contig
    _attributes: Attributes | None = None

    @property
    def attributes(self) -> Attributes:
        if self._attributes is None:
            self._attributes = gtf_attributes(self.text) if self.gtf else gff3_attributes(self.text)
        return self._attributes


@dataclass(slots=True)
class Parts:
    """What belongs to one name: spans, and the attributes of its first CDS line."""

    exons: list[tuple[int, int]] = field(default_factory=list)
    cds: list[tuple[int, int, str]] = field(default_factory=list)  # with the phase column
    stop: list[tuple[int, int]] = field(default_factory=list)  # stop codon, which GTF keeps out of the CDS
    sec: list[tuple[int, int]] = field(default_factory=list)
    strands: set[str] = field(default_factory=set)
    coding: Attributes = field(default_factory=dict)
    open: set[str] = field(default_factory=set)  # `start_range`, `end_range`: sides at which the CDS goes on outside


@dataclass(slots=True)
class Sheet:
    """One contig of a file, by name of the feature."""

    features: dict[str, Feature] = field(default_factory=dict)
    parts: dict[str, Parts] = field(default_factory=dict)


@dataclass(slots=True)
class Lines:
    """A file, read. `unlike` names transcripts whose alignment (`cDNA_match`) has gaps or mismatches; `lengths` are the header's."""

    sheets: dict[str, Sheet] = field(default_factory=dict)
    unlike: set[str] = field(default_factory=set)
    lengths: dict[str, int] = field(default_factory=dict)
    assembly: str = ""  # that the header names
    warnings: Counter[str] = field(default_factory=Counter)


def read_lines(path: Path, progress: Progress | None = None) -> Lines:
    """Sheets of a file. Raises GeneModelError where the file cannot be read or a line is malformed."""
    found = Lines()
    gtf: bool | None = None
    number = 0
    try:
        for number, line in enumerate(text_lines(path, progress), 1):
            if line[0] in "#\n\r":
                if line.startswith("##FASTA"):
                    break
                _header(line, found)
                continue
            columns = line.split("\t")
            if len(columns) != 9:
                if not line.strip() or line.startswith(("track ", "browser ")):
                    continue
                raise GeneModelError(f"{path}:{number}: {len(columns)} columns instead of 9; is this a GFF3 or GTF file?")
            kind = columns[2]
            if kind in _SKIPPED_TYPES:
                continue
            if gtf is None:
                gtf = "=" not in columns[8].split('"', 1)[0]
            span = (int(columns[3]) - 1, int(columns[4]))
            sheet = found.sheets.get(columns[0])
            if sheet is None:
                sheet = found.sheets[columns[0]] = Sheet()
            (_add_gtf if gtf else _add_gff3)(found, sheet, columns, span)
    except GeneModelError:
        raise
    except ValueError as error:
        raise GeneModelError(f"{path}:{number}: start or end is no number ({error})") from error
    except (OSError, EOFError) as error:
        raise GeneModelError(f"{path}: cannot be read ({error})") from error
    return found


def text_lines(path: Path, progress: Progress | None = None) -> Iterator[str]:
    """Lines of a text file, plain or gzip, with their ends; a byte order mark is taken off, bytes that are no UTF-8 become U+FFFD.

    Raises OSError or EOFError, also where gzip is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        unpacked = cast(BinaryIO, igzip.IGzipFile(fileobj=raw, mode="rb")) if packed else raw  # type: ignore[no-untyped-call]
        try:
            for number, line in enumerate(io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="replace", newline="\n")):
                if progress is not None and not number % _PROGRESS_LINES:
                    progress(raw.tell(), size)
                yield line
        except (IsalError, gzip.BadGzipFile) as error:  # type: ignore[misc]
            raise OSError(str(error)) from error
    if progress is not None:
        progress(size, size)


def _header(line: str, found: Lines) -> None:
    words = line.split()
    if line.startswith("##sequence-region") and len(words) >= 4 and words[2] == "1" and words[3].isdigit():
        found.lengths[words[1]] = int(words[3])
    elif line.startswith("#!genome-build ") and len(words) >= 2:
        found.assembly = words[1]


def _add_gff3(found: Lines, sheet: Sheet, columns: list[str], span: tuple[int, int]) -> None:
    kind, strand, text = columns[2], columns[6], columns[8]
    if kind in EXON_TYPES and (match := _PARENT.search(text)) is not None and (part := sheet.parts.get(match[1])) is not None:
        part.exons.append(span)  # most lines of a file
        part.strands.add(strand)
        return
    text = text.rstrip("\r\n")
    match = _PARENT.search(text) or _DERIVES_FROM.search(text)
    parents = match[1].split(",") if match is not None else []
    if match is not None and "%" in match[1]:
        parents = [urllib.parse.unquote(name) for name in parents]
    if kind in EXON_TYPES or kind == "CDS" or kind in SELENOCYSTEINE_TYPES:
        if not parents:
            found.warnings["part_without_parent"] += 1
        for name in parents:
            part = sheet.parts.get(name)
            if part is None:
                part = sheet.parts[name] = Parts()
            _add_part(part, kind, span, strand, columns[7])
            if kind == "CDS":
                _add_coding(part, text, gtf=False)
        return
    if kind == "cDNA_match":
        target = _TARGET.search(text)
        if target is not None and _UNLIKE.search(text):
            found.unlike.add(target[1])
        return
    identity = _ID.search(text)
    if identity is not None:
        name = urllib.parse.unquote(identity[1]) if "%" in identity[1] else identity[1]
        _add_feature(sheet, name, Feature(kind, columns[0], *span, strand, text, False, parents[0] if parents else ""), found.warnings)


def _add_gtf(found: Lines, sheet: Sheet, columns: list[str], span: tuple[int, int]) -> None:
    kind, strand, text = columns[2], columns[6], columns[8].rstrip("\r\n")
    match = _GENE_ID.search(text)
    if match is None:
        found.warnings["no_gene_id"] += 1
    gene = "gene:" + ((match[1] or match[2] or "") if match is not None else "")
    if kind == "gene":
        _add_feature(sheet, gene, Feature(kind, columns[0], *span, strand, text, True, ""), found.warnings)
        return
    match = _TRANSCRIPT_ID.search(text)
    if match is None or not (match[1] or match[2]):
        found.warnings["part_without_parent"] += 1
        return
    name = match[1] or match[2]
    if kind == "transcript":
        _add_feature(sheet, name, Feature("transcript", columns[0], *span, strand, text, True, gene), found.warnings)
    elif name not in sheet.features:
        sheet.features[name] = Feature("transcript", columns[0], *span, strand, text, True, gene, stated=False)
    if gene not in sheet.features:
        sheet.features[gene] = Feature("gene", columns[0], *span, strand, text, True, "", stated=False)
    if kind in EXON_TYPES or kind in ("CDS", "stop_codon") or kind in SELENOCYSTEINE_TYPES:
        part = sheet.parts.get(name)
        if part is None:
            part = sheet.parts[name] = Parts()
        _add_part(part, kind, span, strand, columns[7])
        if kind == "CDS":
            _add_coding(part, text, gtf=True)


def _add_feature(sheet: Sheet, name: str, feature: Feature, warnings: Counter[str]) -> None:
    known = sheet.features.get(name)
    if known is None or not known.stated:
        sheet.features[name] = feature
    elif (known.start, known.end, known.strand) == (feature.start, feature.end, feature.strand):
        warnings["feature_repeated"] += 1
    else:
        known.ambiguous = True


def _add_part(part: Parts, kind: str, span: tuple[int, int], strand: str, phase: str) -> None:
    if kind in EXON_TYPES:
        part.exons.append(span)
    elif kind == "CDS":
        part.cds.append((*span, phase))
    elif kind == "stop_codon":
        part.stop.append(span)
    else:
        part.sec.append(span)
    part.strands.add(strand)


def _add_coding(part: Parts, text: str, *, gtf: bool) -> None:
    if not part.coding:
        part.coding = gtf_attributes(text) if gtf else gff3_attributes(text)
    if "_range" in text:
        part.open.update(key for key in ("start_range", "end_range") if key in text)


def gff3_attributes(text: str) -> Attributes:
    """Attributes of a GFF3 line; percent-encoding is undone."""
    pairs = (item.partition("=") for item in text.strip().split(";") if item)
    return {key.strip(): urllib.parse.unquote(value) if "%" in value else value for key, _, value in pairs}


def gtf_attributes(text: str) -> Attributes:
    """Attributes of a GTF line, whose quoted values may hold semicolons; values of a key that comes repeatedly are joined by commas."""
    found: Attributes = {}
    for key, quoted, plain in _GTF_PAIR.findall(text):
        value = quoted or plain.strip()
        found[key] = f"{found[key]},{value}" if key in found and key in _GTF_LISTS else value
    return found
