"""ClinVar's records in each generation of its VCF, block by block, as columns.

* VCF 1.x (to 2017): CLNALLE says which ALT each comma-separated item of CLNSIG (numbers), CLNDBN, CLNREVSTAT, CLNACC is of; behind `|`
  stand conditions.
* Derived from it: CLNSIGCODE, numbers by condition.
* 2017 to today: CLNSIG and CLNREVSTAT as text, aggregated by ClinVar; CLNDN and CLNDISDB by condition; CLNSIGCONF the tally of a conflict.

Only germline classifications are read. ONC and SCI fields never are; a record that has nothing else, or that an older file (one without
these fields) gives a somatic origin alone, is counted as `somatic_only` and left out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from processors.knowledge.sites_text import gather
from processors.knowledge.sources.clinvar_columns import CODED, PLAIN, empty
from processors.knowledge.sources.sites import Written

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Batch = dict[str, "pa.Array[Any]"]

_KEYS = ("CLNSIG", "CLNSIGCODE", "CLNALLE", "CLNREVSTAT", "CLNSIGCONF", "CLNDN", "CLNDISDB", "CLNDBN", "CLNDSDB", "CLNDSDBID", "CLNACC",
         "GENEINFO", "GENE", "MC", "ORIGIN", "CLNORIGIN", "ALLELEID", "CLNSIGSCV", "ONC", "SCI")  # fmt: skip
_AT = {key: number for number, key in enumerate(_KEYS)}
_SOMATIC = b"2"
"""ORIGIN and CLNORIGIN are bit sets: 1 germline, 2 somatic."""


def read_block(written: Written, somatic_apart: bool, tally: Counter[str]) -> list[tuple[I64, Batch]]:
    """(rows of the block, their columns) for each generation found in it; what says nothing of the germline is counted.

    `somatic_apart`: the file has fields of their own for somatic classifications, so that CLNSIG is germline whatever the origin.
    """
    spans = np.empty((len(written.info), len(_KEYS), 2), dtype=np.int32)
    _info_spans(written.text, written.info, _KEY_BYTES, _KEY_OFFSETS, spans)
    has = spans[:, :, 0] >= 0
    numbered = has[:, _AT["CLNALLE"]]
    coded = ~numbered & has[:, _AT["CLNSIGCODE"]]
    said = ~numbered & ~coded & has[:, _AT["CLNSIG"]]
    nothing = ~(numbered | coded | said)
    somatic = nothing & (has[:, _AT["ONC"]] | has[:, _AT["SCI"]])
    tally["somatic_only"] += int(somatic.sum())
    tally["no_classification"] += int((nothing & ~somatic).sum())
    several = said & (written.alts > 1)
    tally["several_alts_one_classification"] += int(several.sum())
    result: list[tuple[I64, Batch]] = []
    for rows, columns in (
        (np.flatnonzero(coded | (said & ~several)), _columns),
        (np.flatnonzero(numbered), _numbered_columns),
    ):
        if len(rows):
            found = columns(written, spans, rows, tally)
            result.append(found if somatic_apart else _without_somatic(*found, tally))
    return [part for part in result if len(part[0])]


def _without_somatic(rows: I64, batch: Batch, tally: Counter[str]) -> tuple[I64, Batch]:
    origin = batch["origin"].dictionary_encode()
    only = np.array([value == _SOMATIC for value in origin.dictionary.to_pylist()], dtype=np.bool_)[origin.indices.to_numpy()]
    if not bool(only.any()):
        return rows, batch
    tally["somatic_only"] += int(only.sum())
    keep = pa.array(np.flatnonzero(~only))
    return rows[~only], {name: values.take(keep) for name, values in batch.items()}


def _columns(written: Written, spans: I32, rows: I64, tally: Counter[str]) -> tuple[I64, Batch]:
    """Records with one classification for the whole record."""
    del tally
    batch = {name: empty(len(rows)) for name in (*CODED, *PLAIN)}

    def text(*keys: str) -> pa.Array[Any]:
        chosen = np.zeros((len(rows), 2), dtype=np.int32)
        for key in reversed(keys):
            here = spans[rows, _AT[key]]
            chosen = np.where(here[:, :1] >= 0, here, chosen).astype(np.int32)
        return _binary(written.text, chosen)

    coded = spans[rows, _AT["CLNSIGCODE"], 0] >= 0
    classification = np.where(coded[:, None], 0, spans[rows, _AT["CLNSIG"]]).astype(np.int32)
    batch["classification"] = _binary(written.text, classification)
    batch["codes"] = text("CLNSIGCODE")
    for name, keys in _FIELDS.items():
        batch[name] = text(*keys)
    batch["record"] = _binary(written.text, np.ascontiguousarray(written.name[rows]))
    return rows, batch


_FIELDS: dict[str, tuple[str, ...]] = {
    "review": ("CLNREVSTAT",),
    "submissions": ("CLNSIGCONF",),
    "conditions": ("CLNDN", "CLNDBN"),
    "condition_ids": ("CLNDISDB",),
    "gene": ("GENEINFO", "GENE"),
    "consequence": ("MC",),
    "origin": ("ORIGIN", "CLNORIGIN"),
    "allele": ("ALLELEID",),
    "accessions": ("CLNACC",),
    "scvs": ("CLNSIGSCV",),
}


def _numbered_columns(written: Written, spans: I32, rows: I64, tally: Counter[str]) -> tuple[I64, Batch]:
    """Records of VCF 1.x: one by one, since such files have at most some hundred thousand."""
    kept: list[int] = []
    texts: dict[str, list[bytes]] = {name: [] for name in (*CODED, *PLAIN)}

    def cut(row: int, key: str) -> bytes:
        a, b = spans[row, _AT[key]]
        return written.text[a:b].tobytes() if a >= 0 else b""

    for row in rows.tolist():
        numbers, codes = cut(row, "CLNALLE").split(b","), cut(row, "CLNSIG").split(b",")
        wanted = b"%d" % (int(written.alt[row]) + 1)
        if wanted not in numbers:
            tally["alt_without_classification"] += 1
            continue
        if len(codes) != len(numbers):
            tally["clnsig_unaligned"] += 1
            continue
        place = numbers.index(wanted)

        def own(key: str, row: int = row, place: int = place, count: int = len(numbers)) -> bytes:
            whole = cut(row, key)
            parts = whole.split(b",")
            return parts[place] if len(parts) == count else whole

        kept.append(row)
        a, b = written.name[row]
        found = {
            "codes": codes[place],
            "review": own("CLNREVSTAT"),
            "conditions": own("CLNDBN"),
            "condition_ids": _paired(own("CLNDSDB"), own("CLNDSDBID")),
            "gene": cut(row, "GENEINFO"),
            "origin": own("CLNORIGIN"),
            "accessions": own("CLNACC"),
            "record": written.text[a:b].tobytes(),
        }
        for name, values in texts.items():
            values.append(found.get(name, b""))
    return np.array(kept, dtype=np.int64), {name: pa.array(values, type=pa.binary()) for name, values in texts.items()}


def _paired(databases: bytes, ids: bytes) -> bytes:
    """`MedGen:OMIM|MedGen` and `C1:600|C2` as today's CLNDISDB writes it: `MedGen:C1,OMIM:600|MedGen:C2`."""
    parts = []
    for names, numbers in zip(databases.split(b"|"), ids.split(b"|"), strict=False):
        pairs = zip(names.split(b":"), numbers.split(b":"), strict=False)
        parts.append(b",".join(b"%s:%s" % pair for pair in pairs if pair != (b".", b".")) or b".")
    return b"|".join(parts) if databases else b""


def _binary(text: npt.NDArray[np.uint8], spans: I32) -> pa.Array[Any]:
    offsets, data = gather(text, spans)
    return pa.Array.from_buffers(pa.binary(), len(spans), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


_KEY_BYTES = np.frombuffer("".join(_KEYS).encode(), dtype=np.uint8)
_KEY_OFFSETS = np.cumsum([0, *[len(key) for key in _KEYS]]).astype(np.int64)


@njit(cache=True, nogil=True)
def _info_spans(text, info, key_bytes, key_offsets, spans):  # type: ignore[no-untyped-def]
    """Span of the value of each key in each INFO, -1 where it has none; of a key that stands twice, the last."""
    count = key_offsets.shape[0] - 1
    for i in range(info.shape[0]):
        spans[i] = -1
        at, end = info[i, 0], info[i, 1]
        while at < end:
            equal = -1
            stop = at
            while stop < end and text[stop] != 59:
                if equal < 0 and text[stop] == 61:
                    equal = stop
                stop += 1
            if equal > at:
                for k in range(count):
                    if key_offsets[k + 1] - key_offsets[k] != equal - at:
                        continue
                    same = True
                    for j in range(equal - at):
                        if text[at + j] != key_bytes[key_offsets[k] + j]:
                            same = False
                            break
                    if same:
                        spans[i, k, 0] = equal + 1
                        spans[i, k, 1] = stop
                        break
            at = stop + 1
