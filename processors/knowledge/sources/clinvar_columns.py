"""Columns of ClinVar's records on their way into a pack: what repeats is a code into a table of distinct texts, parsed once each.

ClinVar has millions of records and few thousand ways to say anything about one of them. So a column is dictionary-encoded block by block,
and only a text that was never seen before is looked at: that is where a word outside the vocabulary is found, before anything is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.knowledge.sources.clinvar_terms import (
    FLAGGED,
    STARS_UNKNOWN,
    Conflict,
    Significance,
    UnknownTermError,
    parse_codes,
    parse_review,
    parse_tally,
    parse_text,
    words_of,
)
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.strings import arrays_of

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]

CODED = ("classification", "codes", "review", "submissions", "conditions", "condition_ids", "gene", "consequence", "origin",
         "last_evaluated", "submitters")  # fmt: skip
"""Columns that repeat. `classification` is CLNSIG's text; `codes` the numbers of VCF 1.x, one a condition; a row has one of the two."""
PLAIN = ("record", "allele", "accessions", "scvs")
"""Columns that hardly repeat: the record's ID, AlleleID, RCV accessions by condition, SCV accessions."""

Parser = Callable[[str], tuple[int, ...]]


class WordRefused(Exception):
    """A text with a word outside the vocabulary: `word`, and the first row of the batch that holds it."""

    def __init__(self, word: str, row: int) -> None:
        super().__init__(word)
        self.word = word
        self.row = row


class Distinct:
    """A growing table of distinct texts; `parsed` are the numbers that `parser` makes of each."""

    def __init__(self, parser: Parser | None = None) -> None:
        self.values: list[str] = []
        self.parsed: list[tuple[int, ...]] = []
        self._codes: dict[bytes, int] = {}
        self._parser = parser

    def codes(self, texts: pa.Array[Any]) -> U32:
        """Code of each of n binary texts. Raises WordRefused."""
        encoded = texts.dictionary_encode()
        places = encoded.indices.to_numpy()
        table = np.empty(max(len(encoded.dictionary), 1), dtype=np.uint32)
        for place, raw in enumerate(encoded.dictionary.to_pylist()):
            code = self._codes.get(raw)
            if code is None:
                code = self._add(raw, places, place)
            table[place] = code
        found: U32 = table[places]
        return found

    def _add(self, raw: bytes, places: npt.NDArray[Any], place: int) -> int:
        text = raw.decode(errors="replace")
        if self._parser is not None:
            try:
                self.parsed.append(self._parser(text))
            except UnknownTermError as error:
                raise WordRefused(str(error), int(np.flatnonzero(places == place)[0])) from error
        self.values.append(text)
        self._codes[raw] = len(self.values) - 1
        return len(self.values) - 1


@dataclass
class Columns:
    """The records of a file, collected batch by batch. Every batch gives each of CODED and PLAIN as a binary array of its n rows."""

    texts: dict[str, Distinct] = field(default_factory=lambda: {name: Distinct(_PARSERS.get(name)) for name in CODED})
    coded: dict[str, list[U32]] = field(default_factory=lambda: {name: [] for name in CODED})
    plain: dict[str, list[pa.Array[Any]]] = field(default_factory=lambda: {name: [] for name in PLAIN})

    def add(self, batch: Mapping[str, pa.Array[Any]]) -> None:
        """Raises WordRefused, with the row of the batch."""
        for name in CODED:
            self.coded[name].append(self.texts[name].codes(batch[name]))
        for name in PLAIN:
            self.plain[name].append(batch[name])

    def codes(self, name: str) -> U32:
        return np.concatenate(self.coded[name])

    def stars(self) -> U8:
        """Of every row so far, STARS_UNKNOWN where the file gives no review status."""
        return np.asarray(self._numbers("review")[self.codes("review"), 0], dtype=np.uint8)

    def _numbers(self, name: str) -> I64:
        """int64[distinct, m]: the numbers of each distinct text."""
        return np.array(self.texts[name].parsed, dtype=np.int64).reshape(len(self.texts[name].parsed), -1)

    def arrays(self, chosen: I64) -> dict[str, npt.NDArray[Any]]:
        """Arrays of the pack for the chosen rows, in their order."""
        codes = {name: self.codes(name)[chosen] for name in CODED}
        numbered = codes["codes"] != _code_of(self.texts["codes"], "")
        said = np.where(
            numbered[:, None], self._numbers("codes")[codes["codes"]], self._numbers("classification")[codes["classification"]]
        )  # fmt: skip
        significance, terms = said[:, 0].astype(np.uint8), said[:, 1].astype(np.uint32)
        told = (significance == Significance.CONFLICTING) | ((terms >> np.uint32(Significance.CONFLICTING)) & 1 == 1)
        hidden = numbered & ((terms >> np.uint32(Significance.OTHER)) & 1 == 1)
        arrays: dict[str, npt.NDArray[Any]] = {
            "significance": significance,
            "terms": terms,
            "stars": self.stars()[chosen],
            "conflict": np.where(told, Conflict.YES, np.where(hidden, Conflict.CANNOT_TELL, Conflict.NO)).astype(np.uint8),
            "flagged": said[:, 2].astype(np.bool_) | self._numbers("review")[codes["review"], 1].astype(np.bool_),
        }
        for name in CODED:
            used, fresh = np.unique(codes[name], return_inverse=True)
            arrays[f"{name}_code"] = fresh.astype(np.uint32)
            arrays |= arrays_of(name, [self.texts[name].values[code] for code in used])
        take = pa.array(chosen)
        for name in PLAIN:
            values = pa.chunked_array(self.plain[name], type=pa.binary()).cast(pa.large_binary()).combine_chunks().take(take)
            _, offsets, data = values.buffers()
            arrays[f"{name}_offsets"] = np.frombuffer(offsets, dtype=np.int64)[values.offset : values.offset + len(values) + 1]
            arrays[f"{name}_data"] = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(0, dtype=np.uint8)
        return arrays

    def words(self, chosen: I64) -> dict[str, dict[str, int]]:
        """Rows by word of the file's own vocabulary, for classification, code and review status: what later releases are compared with."""
        found: dict[str, dict[str, int]] = {}
        for name in ("classification", "codes", "review"):
            texts = self.texts[name]
            counts = np.bincount(self.codes(name)[chosen], minlength=len(texts.values)).tolist()
            tally: dict[str, int] = {}
            for text, count in zip(texts.values, counts, strict=True):
                for word in set(text.split("|") if name == "codes" else words_of(text) if name == "classification" else [text]):
                    if word and count:
                        tally[word] = tally.get(word, 0) + count
            found[name] = dict(sorted(tally.items()))
        return found


def refuse(path: object, word: str, where: str) -> SourceRefused:
    """The alarm for a word outside the vocabulary."""
    return SourceRefused(
        f"{path}: {where}: `{word}` is not in ClinVar's vocabulary as known here; "
        "the release is not used until the word has a meaning in processors/knowledge/sources/clinvar_terms.py"
    )


def empty(count: int) -> pa.Array[Any]:
    """A column that the file does not have."""
    return pa.array([b""], type=pa.binary()).take(pa.array(np.zeros(count, dtype=np.int64)))


def _code_of(texts: Distinct, text: str) -> int:
    return texts.values.index(text) if text in texts.values else -1


def _classification(text: str) -> tuple[int, ...]:
    if not text:
        return Significance.NONE, 0, 0
    significance, terms = parse_text(text)
    return int(significance), terms, int(text == FLAGGED)


def _codes(text: str) -> tuple[int, ...]:
    if not text:
        return Significance.NONE, 0, 0
    significance, terms = parse_codes(text)
    return int(significance), terms, 0


def _review(text: str) -> tuple[int, ...]:
    return (parse_review(text) if text else STARS_UNKNOWN), int(text == FLAGGED)


def _submissions(text: str) -> tuple[int, ...]:
    return (sum(parse_tally(text).values()) if text else 0,)


_PARSERS: dict[str, Parser] = {"classification": _classification, "codes": _codes, "review": _review, "submissions": _submissions}
