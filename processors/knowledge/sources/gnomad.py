"""gnomAD's sites files (v2.1, v3.1, v4; exomes, genomes, joint): import, query, meta.

The main value is AF. `details` gives AC, AN, the filtering allele frequency (FAF95, the greatest of all groups, with its group: Whiffin
2017), the greatest AF of a group (popmax, grpmax), homozygotes, hemizygotes, FILTER, flags, and AF and AN of each group. Hemizygotes are
the XY alleles on X and Y outside the pseudo-autosomal regions. A record that failed a filter is UNKNOWN, and so is every allele that is not
listed, unless a BED of covered regions is given. Of two records of one allele the one that passed is kept, then the greater AF. A word
that is not in the vocabulary of FILTER or of groups stops the build.

Options: `populations` (all, none), `covered` (BED of the regions called), `floor` (AF below which the file lists nothing).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.ingest.source import read_header
from processors.knowledge.allele_pack import AllelePack, Column, Recipe, Rows, open_allele_pack
from processors.knowledge.genome import Genome
from processors.knowledge.pack import Pack, PackError
from processors.knowledge.parallel import build_from_sites
from processors.knowledge.source import Request
from processors.knowledge.sources.gnomad_format import FILTERS, FLAGS, GROUPS, Data, Key, Keys, check_data, info_keys, keys_of
from processors.knowledge.sources.info import filter_bits, find_values, present, word_codes
from processors.knowledge.sources.options import file_of, options_of, share_of
from processors.knowledge.sources.refused import RecordRefused, SourceRefused
from processors.knowledge.sources.site_values import counts, frequencies, kept_rows, refuse
from processors.knowledge.sources.sites import Sites, Written
from schemas.assembly import PSEUDO_AUTOSOMAL
from schemas.chunks import Answer

OPTIONS = {"populations": "all", "covered": "", "floor": "0"}
_WORDS = (*GROUPS, *(group.upper() for group in GROUPS))

FIXED = (
    Column("AF", "f4", "allele frequency"),
    Column("AC", "u4", "allele count"),
    Column("AN", "u4", "allele number", "haplotypes"),
    Column("FAF95", "f4", "filtering allele frequency, 95 %, greatest of all groups"),
    Column("FAF95_group", "code", "group of the filtering allele frequency"),
    Column("AF_grpmax", "f4", "greatest allele frequency of a group"),
    Column("AN_grpmax", "u4", "allele number of that group", "haplotypes"),
    Column("grpmax", "code", "group of the greatest allele frequency"),
    Column("homozygotes", "u4", "homozygotes", "people"),
    Column("hemizygotes", "u4", "hemizygotes", "people"),
    Column("filter", "flags", "filters that the record failed", vocabulary=FILTERS),
    Column("flags", "flags", "what the file warns of", vocabulary=FLAGS),
)


@dataclass(frozen=True)
class _Parse:
    keys: Keys
    populations: bool
    sex: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    """Contig of X and Y, each with its pseudo-autosomal regions, 0-based half-open."""

    def __call__(self, block: Sites, tally: Counter[str], path: Path) -> Rows:
        written, keys = block.written, self.keys
        names = keys.names
        spans = dict(zip(names, find_values(written.text, written.info, names), strict=True))

        def share(key: Key | None) -> npt.NDArray[np.float32]:
            if key is None:
                return np.full(len(block.ids), np.nan, dtype=np.float32)
            return frequencies(written, spans[key.name], key.name, path, key.number)

        def count(key: Key | None) -> npt.NDArray[np.int64]:
            if key is None:
                return np.full(len(block.ids), -1, dtype=np.int64)
            return counts(written, spans[key.name], key.name, path, key.number)

        def group(key: Key | None) -> npt.NDArray[np.int32]:
            if key is None:
                return np.full(len(block.ids), -1, dtype=np.int32)
            return _groups(written, spans[key.name], key, path)

        af, ac, an = share(keys.af_all), count(keys.ac), count(keys.an_all)
        refuse(written, spans[keys.ac.name], keys.ac.name, path, (an >= 0) & (ac > an), f"is more than {keys.an_all.name}")
        faf, faf_group = share(keys.faf), group(keys.faf_group)
        if keys.faf is None and keys.faf_groups:
            faf, faf_group = _greatest([(GROUPS.index(name), share(key)) for name, key in keys.faf_groups])
        filters, unknown = filter_bits(written.text, written.filter, FILTERS)
        if unknown >= 0:
            a, b = written.filter[unknown].tolist()
            said = written.text[a:b].tobytes().decode(errors="replace")
            raise RecordRefused(
                path,
                int(written.record[unknown]),
                f": FILTER={said} is not in gnomAD's vocabulary as known here; the file is not used until the word has a meaning in "
                "processors/knowledge/sources/gnomad_format.py",
            )
        flags = np.zeros(len(block.ids), dtype=np.uint32)
        for name, key_name in keys.flags:
            flags |= present(spans[key_name]).astype(np.uint32) << np.uint32(FLAGS.index(name))
        keep = np.flatnonzero(~np.isnan(af))
        tally["no_frequency"] += len(af) - len(keep)
        columns: dict[str, Any] = {
            "AF": af,
            "AC": ac,
            "AN": an,
            "FAF95": faf,
            "AF_grpmax": share(keys.group_af),
            "AN_grpmax": count(keys.group_an),
            "homozygotes": count(keys.homozygotes),
            "hemizygotes": np.where(self._hemizygous(block), count(keys.xy), -1),
            "filter": filters,
            "flags": flags,
            "failed": filters != 0,
        }
        if self.populations:
            columns |= {f"AF_{name}": share(key) for name, key in keys.af} | {f"AN_{name}": count(key) for name, key in keys.an}
        rows = kept_rows(block, keep, columns)
        texts = {"FAF95_group": _texts(faf_group[keep]), "grpmax": _texts(group(keys.group_max)[keep])}
        return Rows(rows.ids, rows.spelled, {**rows.columns, **texts})

    def _hemizygous(self, block: Sites) -> npt.NDArray[np.bool_]:
        """On X or Y, outside the pseudo-autosomal regions."""
        contig, start = block.written.contig, block.alleles.starts
        out = np.zeros(len(start), dtype=np.bool_)
        for number, regions in self.sex:
            mine = contig == number
            for first, end in regions:
                mine &= ~((start >= first) & (start < end))
            out |= mine
        return out


def build(request: Request) -> Pack:
    """Compile gnomAD's sites files (one, or one a contig) into a pack. Raises SourceRefused."""
    data = Data(request.kind.removeprefix("gnomad_"))
    chosen = options_of(request, OPTIONS)
    if chosen["populations"] not in ("all", "none"):
        raise SourceRefused(f"{request.kind}: option populations={chosen['populations']!r} is none of all, none")
    if request.genome is None:
        raise PackError(f"{request.kind} is keyed by allele: a genome of {request.build} is needed")
    found = {_keys(path, data) for path in request.files}
    if len(found) != 1:
        raise SourceRefused(f"{', '.join(map(str, request.files))}: have different INFO keys; give the files of one release")
    keys = found.pop()
    groups = [
        *(Column(f"AF_{name}", "f4", f"allele frequency, {name}") for name, _ in keys.af),
        *(Column(f"AN_{name}", "u4", f"allele number, {name}", "haplotypes") for name, _ in keys.an),
    ]
    recipe = Recipe(
        (*FIXED, *(groups if chosen["populations"] == "all" else ())),
        main="AF",
        default=Answer.UNKNOWN,
        preference=("failed", "-AF"),
        duplicates="the record that passed, then the greater frequency",
        filtered="failed",
        covered=file_of(request, "covered", chosen["covered"]),
        floor=share_of(request, "floor", chosen["floor"]),
        maxima=("AN",),
        empty="no allele has a frequency",
        extra={"data": data.value, "release": keys.release},
    )
    return build_from_sites(request, _Parse(keys, chosen["populations"] == "all", _sex(request.genome)), recipe)


def open_pack(pack: Pack) -> AllelePack:
    """The pack as an AlleleSource."""
    return open_allele_pack(pack)


def _keys(path: Path, data: Data) -> Keys:
    held = info_keys(read_header(path).text)
    check_data(path, held, data)
    return keys_of(path, held, data)


def _sex(genome: Genome) -> tuple[tuple[int, tuple[tuple[int, int], ...]], ...]:
    regions = PSEUDO_AUTOSOMAL.get(genome.table.build, {})
    places = ((genome.table.resolve(name), tuple(regions.get(name, ()))) for name in ("X", "Y"))
    return tuple((number, found) for number, found in places if number is not None)


def _groups(written: Written, spans: npt.NDArray[np.int32], key: Key, path: Path) -> npt.NDArray[np.int32]:
    """Place in GROUPS, -1 where none is named. Raises RecordRefused for an unknown word."""
    codes = word_codes(written.text, spans, written.alt if key.number == "A" else None, _WORDS)
    refuse(written, spans, key.name, path, codes == -2, "names no group of gnomAD as known here")
    return np.where(codes >= 0, codes % len(GROUPS), -1).astype(np.int32)


def _greatest(values: list[tuple[int, npt.NDArray[np.float32]]]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """(greatest value of all groups, its group; NaN and -1 where none has one; 0 belongs to no group)."""
    table = np.stack([value for _, value in values])
    filled = np.where(np.isnan(table), -1, table)
    best = filled.argmax(axis=0)
    greatest = filled.max(axis=0)
    group = np.array([place for place, _ in values], dtype=np.int32)[best]
    return np.where(greatest < 0, np.nan, greatest).astype(np.float32), np.where(greatest > 0, group, -1).astype(np.int32)


def _texts(codes: npt.NDArray[np.int32]) -> pa.Array[Any]:
    held = pa.array(np.maximum(codes, 0), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(held, list(GROUPS)).cast(pa.string())
