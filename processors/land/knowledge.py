"""Sources of knowledge as tables: what each is (`source`), and ClinVar whole, by version (`knowledge_clinvar`), when a plan first uses it.

Values of other sources land with the alleles that a chunk holds, see `rows.values`. Everything here may be repeated, by two processes at
once too: a batch has one token. A source's own row comes last, and without it the views claim nothing of the source: a ClinVar of which
half is there would say that the other half is not in ClinVar.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.knowledge.kinds import kind_of
from processors.knowledge.sources.clinvar import ClinVar
from processors.land.client import Client
from processors.land.keys import record_token, rows_token
from processors.land.rows import constant
from schemas.identity import spellings

if TYPE_CHECKING:
    from processors.knowledge.pack import Pack
    from processors.knowledge.source import Source

BATCH = 1_000_000
"""Rows of one insert of ClinVar, about 26 MiB: fewer parts are merged less."""
_COLUMNS = (
    "digest", "kind", "name", "version", "build", "date", "licence", "keyed", "moving", "frequency", "rows", "default_answer", "manifest",
)  # fmt: skip


def noted_sources(client: Client, digests: Iterable[str]) -> frozenset[str]:
    """Those of some packs that are on record, and whole where they stand whole."""
    sql = "SELECT DISTINCT digest FROM source WHERE digest IN {digests:Array(String)}"
    return frozenset(digest for (digest,) in client.rows(sql, {"digests": sorted(digests)}))


def note_sources(client: Client, sources: Iterable[Source]) -> None:
    """Write what is not on record of some sources. Raises StoreError."""
    every = {source.pack.digest: source for source in sources}
    noted = noted_sources(client, every)
    for digest, source in every.items():
        if digest in noted:
            continue
        if isinstance(source, ClinVar):
            for batch in clinvar_rows(source):
                client.insert("knowledge_clinvar", batch, rows_token(digest, digest, "knowledge_clinvar", 0, batch))
        client.insert_rows("source", _COLUMNS, [_row(source)], record_token("source", digest))


def _row(source: Source) -> tuple[Any, ...]:
    pack, meta = source.pack, source.meta()
    kind, default = kind_of(pack.kind), getattr(source, "default", None)
    return (
        pack.digest, pack.kind, pack.name, pack.version, pack.build, str(pack.extra.get("date", "")), str(pack.extra.get("licence", "")),
        str(pack.extra.get("keyed", kind.keyed if kind else "")), kind is not None and kind.moving, kind is not None and kind.frequency,
        pack.rows, "" if default is None else default.name.lower(), json.dumps(meta, sort_keys=True, default=str),
    )  # fmt: skip


def clinvar_rows(source: ClinVar, batch: int = BATCH) -> Iterator[pa.RecordBatch]:
    """The pack as rows of `knowledge_clinvar`, `batch` at a time, in the order of the table. Memory is a batch: the pack is mapped."""
    keys, spelling = source.index.keys, spellings_of_pack(source.pack)
    codes: dict[str, npt.NDArray[Any]] = {"significance": source.significance, "stars": source.stars, "terms": source.terms}
    for low in range(0, len(keys), batch):
        rows = np.arange(low, min(low + batch, len(keys)), dtype=np.uint32)
        columns: dict[str, pa.Array[Any]] = {
            "source": constant(source.pack.digest, len(rows)),
            "allele_id": pa.array(keys[rows]),
            "spelling": pa.array(spelling[rows]),
            "row": pa.array(rows),
            **{name: pa.array(values[rows]) for name, values in codes.items()},
        }
        yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def spellings_of_pack(pack: Pack) -> npt.NDArray[np.uint32]:
    """Spelling of each row of an allele-keyed pack (see `identity.spellings`), from the texts `REF>ALT` that it keeps of long alleles."""
    keys = np.asarray(pack.array("keys"))
    every = np.zeros(len(keys), dtype=np.uint32)
    rows, offsets, data = (np.asarray(pack.array(name)) for name in ("long_rows", "long_offsets", "long_data"))
    if len(rows) == 0:
        return every
    between = np.flatnonzero(data == ord(">"))
    owner = np.repeat(np.arange(len(rows)), np.diff(offsets))
    place = np.arange(len(data))
    parts = []
    for mine, lengths in ((place < between[owner], between - offsets[:-1]), (place > between[owner], offsets[1:] - between - 1)):
        ends = np.zeros(len(rows) + 1, dtype=np.int32)
        np.cumsum(lengths, out=ends[1:])
        parts += [ends, data[mine]]
    every[rows] = spellings(keys[rows], *parts)
    return every
