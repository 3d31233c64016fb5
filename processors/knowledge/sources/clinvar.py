"""ClinVar's germline classifications: import, query, meta.

Read are three generations of its VCF: numbers a condition with CLNALLE (VCF 1.x, to 2017), derived files with CLNSIGCODE, and the text of
CLNSIG and CLNREVSTAT (2017 to today). ONC and SCI fields are left alone: somatic is never read as germline. An unknown word stops the
build. Of several records of one allele the one with more stars is kept, then the later one in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.kinds import Licence
from processors.knowledge.lookup import AlleleIndex, Spelled, index_arrays
from processors.knowledge.pack import Pack, PackError, write_pack
from processors.knowledge.source import Looked, Request
from processors.knowledge.sources.alleles import Collector
from processors.knowledge.sources.clinvar_terms import LABELS, STARS, STARS_UNKNOWN, UnknownTermError, parse_codes, parse_text
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.sites import Written, open_sites
from processors.knowledge.strings import StringTable, arrays_of
from schemas.chunks import NONE, Answer

KIND = "clinvar"
_CONDITION_KEYS = ("CLNDN", "CLNDBN")


@dataclass(frozen=True)
class _Record:
    significance: int
    terms: int  # bit set of Significance
    stars: int
    name: str
    conditions: str


def build(request: Request) -> Pack:
    """Compile a ClinVar VCF into a pack. Raises SourceRefused, also for a word outside the vocabulary (named)."""
    if request.genome is None or len(request.files) != 1:
        raise SourceRefused("ClinVar is compiled from one file, with the genome of its build")
    source, genome = request.files[0], request.genome
    sites = open_sites(source, genome)
    collected = Collector()
    records: list[_Record] = []
    order: list[npt.NDArray[np.int64]] = []
    for block in sites.blocks():
        keep: list[int] = []
        for row in range(len(block.ids)):
            try:
                found = _read(block.written, row)
            except UnknownTermError as error:
                raise SourceRefused(
                    f"{source}: data record {block.written.record[row] + 1}: `{error}` is not in ClinVar's vocabulary as known here; "
                    "the release is not used until the word has a meaning in processors/knowledge/sources/clinvar_terms.py"
                ) from error
            if isinstance(found, str):
                sites.tally[found] += 1
                continue
            keep.append(row)
            records.append(found)
        rows = np.array(keep, dtype=np.int64)
        collected.add(block, rows)
        order.append(block.written.record[rows])
    sites.require_alleles()
    if not records:
        raise SourceRefused(f"{source}: no record has CLNSIG or CLNSIGCODE; is this a ClinVar VCF?")
    ids, spelled = collected.joined()
    stars = np.array([record.stars for record in records], dtype=np.uint8)
    rated = np.where(stars == STARS_UNKNOWN, 0, stars).astype(np.int64)
    chosen, arrays = index_arrays(ids, spelled, (-rated, -np.concatenate(order)), sites.tally)
    picked = [records[row] for row in chosen]
    arrays |= {
        "significance": np.array([record.significance for record in picked], dtype=np.uint8),
        "terms": np.array([record.terms for record in picked], dtype=np.uint32),
        "stars": stars[chosen],
        **arrays_of("record", [record.name for record in picked]),
        **arrays_of("conditions", [record.conditions for record in picked]),
    }
    extra = {
        "source": source.name,
        "sha256": sites.sha256,
        "vocabulary": {str(int(code)): label for code, label in LABELS.items()},
        "licence": request.licence or Licence.OPEN,
        "date": request.date or request.version,
        "counts": {reason: count for reason, count in sorted(sites.tally.items()) if count},
        "duplicates": "more stars, then the later record",
    }
    return write_pack(
        request.root, kind=KIND, name=request.name or KIND, version=request.version, build=genome.table.build, arrays=arrays,
        rows=len(chosen), extra=extra,
    )  # fmt: skip


def open_pack(pack: Pack) -> ClinVar:
    """The source of a pack. Raises PackError."""
    return ClinVar(pack)


@dataclass(frozen=True)
class ClinVar:
    """A loaded pack."""

    pack: Pack

    def __post_init__(self) -> None:
        known = {str(int(code)): label for code, label in LABELS.items()}
        if any(known.get(code) != label for code, label in self.pack.extra["vocabulary"].items()):
            raise PackError(f"{self.pack.path}: its significance codes are not this version's; build it again")

    @cached_property
    def index(self) -> AlleleIndex:
        return AlleleIndex(self.pack)

    def _array(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self.pack.array(name))

    @cached_property
    def significance(self) -> npt.NDArray[np.uint8]:
        """`Significance` of each row."""
        return self._array("significance")

    @cached_property
    def terms(self) -> npt.NDArray[np.uint32]:
        """Bit set of every `Significance` that the record names."""
        return self._array("terms")

    @cached_property
    def stars(self) -> npt.NDArray[np.uint8]:
        """Review stars 0 to 4, 255 where the file gives none."""
        return self._array("stars")

    @cached_property
    def record(self) -> StringTable:
        """The record's ID: a variation ID, in old files an rs number."""
        return StringTable(self._array("record_offsets"), self._array("record_data"))

    @cached_property
    def conditions(self) -> StringTable:
        """Names of the conditions, as the file writes them."""
        return StringTable(self._array("conditions_offsets"), self._array("conditions_data"))

    @property
    def default(self) -> Answer:
        return Answer.ABSENT

    def query(self, ids: npt.NDArray[np.uint64], spelled: Spelled) -> Looked:
        """ClinVar not holding an allele is ABSENT. The value is its stars, NaN where not found or not given."""
        found = self.index.find(ids, spelled)
        hit = found >= 0
        value = np.full(len(ids), np.nan, dtype=np.float32)
        stars = self.stars[found[hit]]
        value[hit] = np.where(stars == STARS_UNKNOWN, np.float32(np.nan), stars)
        answer = np.where(hit, np.uint8(Answer.FOUND), np.uint8(Answer.ABSENT))
        return Looked(answer, value, np.where(hit, found, NONE).astype(np.uint32))

    def significance_of(self, rows: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        """`Significance` at each of `Looked.row`, 0 for NONE."""
        out = np.zeros(len(rows), dtype=np.uint8)
        hit = rows != NONE
        out[hit] = self.significance[rows[hit]]
        return out

    def meta(self) -> dict[str, Any]:
        """Name, version, digest and origin, as `explain` shows them beside a value."""
        extra = self.pack.extra
        return {
            "source": self.pack.name,
            "version": self.pack.version,
            "digest": self.pack.digest,
            "rows": self.pack.rows,
            **{key: extra[key] for key in ("licence", "date", "counts", "sha256")},
        }


def _read(written: Written, row: int) -> _Record | str:
    """What a record says of one of its ALTs, or the reason why it says nothing."""
    info = _info(_text_of(written, written.info[row]))
    conditions = next((info[key] for key in _CONDITION_KEYS if key in info), "")
    if "CLNALLE" in info:
        numbers, texts, named = info["CLNALLE"].split(","), info.get("CLNSIG", "").split(","), conditions.split(",")
        wanted = str(int(written.alt[row]) + 1)
        if wanted not in numbers or len(texts) != len(numbers):
            return "alt_without_classification" if wanted not in numbers else "clnsig_unaligned"
        place = numbers.index(wanted)
        significance, terms = _codes(texts[place])
        conditions = named[place] if len(named) == len(numbers) else conditions
    elif "CLNSIGCODE" in info:
        significance, terms = _codes(info["CLNSIGCODE"])
    elif "CLNSIG" not in info:
        return "no_classification"
    elif int(written.alts[row]) > 1:
        return "several_alts_one_classification"
    else:
        significance, terms = _text(info["CLNSIG"])
    return _Record(significance, terms, _stars(info), _text_of(written, written.name[row]), conditions)


def _text_of(written: Written, span: npt.NDArray[np.int32]) -> str:
    return written.text[span[0] : span[1]].tobytes().decode(errors="replace")


def _info(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (item.partition("=") for item in text.split(";"))}


@lru_cache(maxsize=65_536)
def _codes(text: str) -> tuple[int, int]:
    return parse_codes(text)


@lru_cache(maxsize=65_536)
def _text(text: str) -> tuple[int, int]:
    return parse_text(text)


def _stars(info: dict[str, str]) -> int:
    text = info.get("CLNREVSTAT")
    if text is None:
        return STARS_UNKNOWN
    if text not in STARS:
        raise UnknownTermError(text)
    return STARS[text]
