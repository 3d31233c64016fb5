"""Every identity of riverseq, computed, never random, in this one file (the loops over arrays lie in `kernels`).

Two kinds:

* *Names* (`event_id`, `submission_id`, `chunk_id`, `plan_id`, `revision_id`, `result_id`, `insert_token`, `person_id`) are 128-bit
  BLAKE2b digests as 32 lower-case hexadecimal characters, over length-prefixed parts, so no two different lists of parts read alike.
* *Numbers* (`allele_ids`, `call_hashes`) are 64-bit, computed over arrays, and `call_hash_sql` computes the same number in ClickHouse.

The module sits below `processors` and `streams` because both need it. Golden values in the tests freeze every function: a change of
any of them is a new `IDENTITY_VERSION` and a migration, never an edit.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

IDENTITY_VERSION = 1

U64 = npt.NDArray[np.uint64]


# --- names -----------------------------------------------------------------------------------------------------------


def digest(kind: str, *parts: str | int) -> str:
    """128-bit digest (32 hex characters) of a kind and its parts, each length-prefixed.

    A number reads as the text `#` and its digits, so each place of a kind always holds text or always a number.
    """
    state = hashlib.blake2b(digest_size=16, person=b"riverseq")
    for part in (f"{kind}/{IDENTITY_VERSION}", *parts):
        raw = part.encode() if isinstance(part, str) else b"#%d" % part
        state.update(b"%d:" % len(raw))
        state.update(raw)
    return state.hexdigest()


def person_id(installation_key: bytes, kind: str, name: str) -> str:
    """Pseudonym of a sample or family: keyed by the installation, so that names cannot be guessed from ids."""
    message = f"{kind}\x00{name}".encode()
    return hmac.new(installation_key, message, hashlib.blake2b).hexdigest()[:32]


def event_id(content: Mapping[str, Any]) -> str:
    """Id of an announcement: a hash of its content without times, so the same announcement twice is one event."""
    return digest("event", json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def submission_id(sample_ids: Iterable[str], source_digest: str, build: str, options: Mapping[str, str], ordinal: int) -> str:
    """One accepted content: sample set, source, build, the options that change calls, and its place among the sample's contents."""
    chosen = json.dumps(dict(options), sort_keys=True, separators=(",", ":"))
    return digest("submission", ",".join(sorted(sample_ids)), source_digest, build, chosen, ordinal)


def chunk_id(submission: str, normaliser_version: int, cutting_rule: str, contig: str, ordinal: int) -> str:
    """One chunk, the same after every crash: `ordinal` counts chunks of the whole submission from 0."""
    return digest("chunk", submission, normaliser_version, cutting_rule, contig, ordinal)


def plan_id(components: Iterable[tuple[str, str, str, str]], code: Mapping[str, int], cutting_rule: str) -> str:
    """Id of a pinned plan: (kind, name, version, digest) of every component, stage code versions, cutting rule."""
    rows = sorted(components)
    return digest("plan", json.dumps([rows, sorted(code.items()), cutting_rule], separators=(",", ":")))


def revision_id(submission: str, plan: str, base: str = "") -> str:
    """One interpretation of one submission under one plan, on the published revision `base` (empty: a full one)."""
    return digest("revision", submission, plan, base)


def delta_id(old_plan: str, new_plan: str, bases: Iterable[tuple[str, str]]) -> str:
    """The step of some samples, each on a base (sample_id, revision_id), from one plan to another."""
    return digest("delta", old_plan, new_plan, *[part for base in sorted(bases) for part in base])


def delta_revision_id(submission: str, old_plan: str, new_plan: str, base: str, sample_ids: Iterable[str]) -> str:
    """The revision that a step from one plan to another makes of those of a submission's samples, on one base, that it touches."""
    return digest("delta_revision", submission, old_plan, new_plan, base, *sorted(sample_ids))


def result_id(revision: str, sample_id: str, allele: int, kind: str) -> str:
    """Id of a message on `results`; the same when it is sent again. `allele` is 0 for sample-level results."""
    return digest("result", revision, sample_id, allele, kind)


def insert_token(unit: str, revision: str, table: str, schema_version: int, epoch: int, rows_digest: str) -> str:
    """ClickHouse deduplication token of one insert; a deleted sample's raised `epoch` makes its tokens new."""
    return digest("insert", unit, revision, table, schema_version, epoch, rows_digest)


def traceparent(revision: str) -> str:
    """W3C trace context of a revision: one trace from the event to the row, the same after a crash."""
    return f"00-{revision}-{revision[:16]}-01"


# --- alleles ---------------------------------------------------------------------------------------------------------
#
#  63          32 31  30      27 26      23 22                    0
#  linear start   L   len(REF)   len(ALT)   bases, 2 bits each          L = 0: short, reversible
#  linear start   L   31-bit hash of (REF, ALT)                         L = 1: long, its key is stored beside it

SHORT_BASES = 11
"""An allele is short when REF and ALT are plain ACGT and have this many bases together, at most."""

_LONG_BIT = np.uint64(1 << 31)
_CODE = np.full(256, 255, dtype=np.uint8)
for _index, _base in enumerate(b"ACGT"):
    _CODE[_base] = _index


def allele_ids(
    linear: npt.NDArray[np.int64],
    ref_offsets: npt.NDArray[np.int32],
    ref_bytes: npt.NDArray[np.uint8],
    alt_offsets: npt.NDArray[np.int32],
    alt_bytes: npt.NDArray[np.uint8],
) -> U64:
    """64-bit ids of n alleles, ordered by place.

    `linear` is the 0-based genome-wide position of REF's first base (`ContigTable.offset(contig) + start`), below 2^32. REF and ALT
    come as Arrow binary columns: n + 1 offsets and the upper-case ASCII bytes. Short alleles are reversible (`decode_allele`); a long
    one carries 31 bits of hash, and whoever stores it keeps its REF and ALT beside it and compares them.
    """
    from schemas import kernels

    out = np.empty(len(linear), dtype=np.uint64)
    kernels.allele_ids(linear, ref_offsets, ref_bytes, alt_offsets, alt_bytes, _CODE, out)
    return out


def allele_id(linear: int, ref: str, alt: str) -> int:
    """`allele_ids` of one allele."""
    r, a = ref.encode(), alt.encode()
    ids = allele_ids(
        np.array([linear], dtype=np.int64),
        np.array([0, len(r)], dtype=np.int32),
        np.frombuffer(r or b"\0", dtype=np.uint8),
        np.array([0, len(a)], dtype=np.int32),
        np.frombuffer(a or b"\0", dtype=np.uint8),
    )
    return int(ids[0])


def spellings(
    ids: U64,
    ref_offsets: npt.NDArray[np.int32],
    ref_bytes: npt.NDArray[np.uint8],
    alt_offsets: npt.NDArray[np.int32],
    alt_bytes: npt.NDArray[np.uint8],
) -> npt.NDArray[np.uint32]:
    """32 bits beside each id: 0 for a short allele, else a hash of REF and ALT independent of the one in the id.

    Stores of alleles are keyed by id and spelling, so that two long alleles at one place that share an id (1 pair in 2^31) stay two.
    """
    from schemas import kernels

    out = np.empty(len(ids), dtype=np.uint32)
    kernels.spellings(ids, ref_offsets, ref_bytes, alt_offsets, alt_bytes, out)
    return out


def is_long(ids: U64) -> npt.NDArray[np.bool_]:
    """True where an id is a hash, whose REF and ALT must be looked up rather than decoded."""
    return np.asarray((ids & _LONG_BIT) != 0, dtype=np.bool_)


def decode_allele(number: int) -> tuple[int, str, str] | None:
    """(linear 0-based start, REF, ALT) of a short allele's id; None for a long one."""
    if number & int(_LONG_BIT):
        return None
    r, a = (number >> 27) & 0xF, (number >> 23) & 0xF
    bases = (number & 0x3FFFFF) >> (22 - 2 * (r + a))
    letters = "".join("ACGT"[(bases >> (2 * k)) & 3] for k in range(r + a - 1, -1, -1))
    return number >> 32, letters[:r], letters[r:]


# --- row hashes ------------------------------------------------------------------------------------------------------

CALL_HASH_COLUMNS = (
    "allele_id", "record", "alt_index", "haplotypes", "ploidy", "other_alts", "missing", "phased",
    "phase_set", "depth", "quality", "depth_ref", "depth_alt",
)  # fmt: skip
"""Columns of a call that its hash covers, in the order in which `call_hashes` takes them."""


def call_hashes(columns: Mapping[str, npt.NDArray[Any]]) -> U64:
    """64-bit hash of each call row over `CALL_HASH_COLUMNS` (arrays of one length, integer or bool, -1 for a missing number).

    Sums of these, mod 2^64, are what a manifest promises and what `call_hash_sql` reads back. Never XOR: a pair of doubles would cancel.
    """
    from schemas import kernels

    arrays = [np.asarray(columns[name]) for name in CALL_HASH_COLUMNS]
    out = np.empty(len(arrays[0]), dtype=np.uint64)
    kernels.call_hashes(*[a.astype(np.int64) if a.dtype != np.uint64 else a for a in arrays], out)
    return out


def call_hash_sql() -> str:
    """`call_hashes` as a ClickHouse expression over the columns of `calls`."""
    genotype = (
        "bitOr(bitOr(bitOr(bitOr(toUInt64(haplotypes), bitShiftLeft(toUInt64(ploidy), 8)),"
        " bitShiftLeft(toUInt64(other_alts), 16)), bitShiftLeft(toUInt64(missing), 24)), bitShiftLeft(toUInt64(phased), 32))"
    )

    def pair(low: str, high: str) -> str:
        return f"bitOr(toUInt64(toUInt32({low})), bitShiftLeft(toUInt64(toUInt32({high})), 32))"

    expression = _mix_sql("allele_id")
    for part in (
        "bitOr(bitShiftLeft(toUInt64(record), 16), toUInt64(alt_index))",
        genotype,
        "toUInt64(toUInt32(phase_set))",
        pair("depth", "quality"),
        pair("depth_ref", "depth_alt"),
    ):
        expression = _mix_sql(f"bitXor({expression}, {part})")
    return expression


def _mix_sql(expression: str) -> str:
    """`kernels.mix` in ClickHouse, whose `intHash64` begins with an XOR of this constant (IntHash64Impl in its sources).

    A second one undoes it.
    """
    return f"intHash64(bitXor({expression}, 0x4CF2D2BAAE6DA887))"


def sum_mod64(hashes: U64) -> int:
    """Sum mod 2^64: independent of order, and of how rows were cut into chunks."""
    return int(np.sum(hashes, dtype=np.uint64))
