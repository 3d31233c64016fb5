"""The chunk: up to a few ten thousand consecutive alleles of one contig of one submission, as one Arrow record batch.

A chunk is cut once, at the source, and never again. Each stage appends columns. Coordinates are 0-based half-open.

Compounds of a gene need all its alleles, also where a cut lies inside. So a chunk says which coding spans are called with it (`window`),
and brings the rows of earlier chunks that lie in their exons (`context`): read, never counted and never landed.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

CHUNK_SCHEMA_VERSION = 2
_META = b"riverseq.chunk"
_CONTEXT = b"riverseq.context"
END_OF_CONTIG = 0x7FFF_FFFF
"""End of the window of a contig's last chunk."""


class Flag(enum.IntFlag):
    """What was noted about an allele on its way; bits of the column `flags`."""

    REPEAT = 1  # the same allele came before in this submission
    SPLIT = 2  # from a record with several ALTs
    TRIMMED = 4
    SHIFTED = 8  # left-aligned
    REF_UNKNOWN = 16  # the reference holds N, or no sequence, under REF
    SHIFT_STOPPED = 32  # left-alignment met unknown bases and went no further
    PLOIDY = 64  # a sample's ploidy contradicts its sex and place


class Region(enum.IntEnum):
    """Where an allele lies relative to the picked transcript; worst first."""

    CODING = 1
    SPLICE = 2
    UTR5 = 3
    UTR3 = 4
    NONCODING_EXON = 5
    INTRON = 6
    UPSTREAM = 7
    DOWNSTREAM = 8
    INTERGENIC = 9


class Answer(enum.IntEnum):
    """Why a looked-up value is there or not. An absent source is not an absent allele."""

    FOUND = 1
    ABSENT = 2  # the source covers the site and does not hold the allele
    UNKNOWN = 3  # the source cannot tell: below its floor, outside its regions, filtered
    NOT_LOADED = 4


class Scored(enum.IntEnum):
    """Why a score is there or not."""

    SCORED = 1
    NOT_APPLICABLE = 2  # outside the model card's `applies_to`
    NO_MODEL = 3
    FAILED = 4  # the model gave no finite number


class Effect(enum.IntFlag):
    """What a consequence leads to, for criteria that read more than its terms; bits of a transcript row's `effect`.

    A new stop has exactly one of NMD and NMD_ESCAPE. The PVS1 tree (Abou Tayoun 2018) knows the rules of the last junction only: it reads
    a stop as escaping by `JUNCTION_ESCAPE`, and takes the other two reasons for what they are, weaker. How each is judged:
    `annotate.predicted`.
    """

    NMD = 1  # a new stop that nonsense-mediated decay is expected to find
    NMD_ESCAPE = 2  # a new stop that it is expected to miss, for one or more of the five reasons below
    ESCAPE_LAST_EXON = 4
    ESCAPE_PENULTIMATE_50 = 8  # at most 50 bases before the last exon-exon junction of the altered transcript
    ESCAPE_SINGLE_EXON = 16
    ESCAPE_START_PROXIMAL = 32  # within the first 100 coding bases
    ESCAPE_LONG_EXON = 64  # in an exon of more than 407 bases that is not the last
    SPLICE_IN_FRAME = 128  # losing the exon beside the lost splice site keeps the frame
    SPLICE_OUT_OF_FRAME = 256
    SHIFT_SENSITIVE = 512  # other terms at the left-aligned than at the 3'-most place
    NEXT_START = 1024  # the start is lost, and an in-frame ATG follows
    SPLICE_UNCHANGED = 2048  # a splice site is touched, and reads the same afterwards
    MODEL_DOUBTFUL = 4096  # the transcript's own record says that its frame or sequence cannot be trusted here
    NONSTOP = 8192  # the altered frame meets no stop before the transcript ends
    SPLICE_UTR = 1 << 14  # every splice site touched belongs to an intron of a UTR
    SPLICE_START = 1 << 15  # the exon beside the lost site holds the start codon, or a part of it
    SPLICE_STOP = 1 << 16  # ... the stop codon
    SPLICE_GC = 1 << 17  # the intron touched is GC-AG
    SPLICE_U12 = 1 << 18  # ... AT-AC
    SPLICE_NONCANONICAL = 1 << 19  # ... none of GT-AG, GC-AG, AT-AC
    SPLICE_GT_TO_GC = 1 << 20  # +2T>C: about one in six such donors keeps some splicing (Lin 2019)
    EXON_LAST_BASE = 1 << 21  # the last base before a donor is replaced or deleted
    EXON_EDGE = 1 << 22  # one of the last three bases before a donor, or the first base behind an acceptor


JUNCTION_ESCAPE = Effect.ESCAPE_LAST_EXON | Effect.ESCAPE_PENULTIMATE_50 | Effect.ESCAPE_SINGLE_EXON


CALL = pa.struct(
    [
        ("sample", pa.uint32()),  # index into the chunk header's `samples`
        ("haplotypes", pa.uint8()),  # bit h: the h-th allele of GT is this ALT
        ("ploidy", pa.uint8()),
        ("other_alts", pa.uint8()),  # alleles of GT that are another ALT of the record
        ("missing", pa.uint8()),  # alleles of GT that are `.`
        ("phased", pa.bool_()),
        ("phase_set", pa.int32()),  # -1: none
        ("depth", pa.int32()),  # -1: not given; so for the four below
        ("quality", pa.int32()),
        ("depth_ref", pa.int32()),
        ("depth_alt", pa.int32()),
    ]
)

RAW_FIELDS: list[pa.Field[Any]] = [
    pa.field("record", pa.uint32(), nullable=False),  # 0-based number of the data record in the file
    pa.field("alt_index", pa.uint16(), nullable=False),  # 1-based index of the ALT in its record
    pa.field("allele_id", pa.uint64(), nullable=False),
    pa.field("start", pa.int32(), nullable=False),  # of REF after normalisation
    pa.field("ref", pa.string(), nullable=False),
    pa.field("alt", pa.string(), nullable=False),
    pa.field("flags", pa.uint32(), nullable=False),
    pa.field("qual", pa.float32(), nullable=False),  # NaN: not given
    pa.field("filter", pa.dictionary(pa.int16(), pa.string()), nullable=False),
    pa.field("calls", pa.list_(CALL), nullable=False),
]

TRANSCRIPT = pa.struct(
    [
        ("transcript", pa.uint32()),  # row in the transcript pack
        ("terms", pa.uint64()),  # bit set of consequence terms
        ("exon", pa.uint16()),  # 1-based in transcript order, 0: none
        ("intron", pa.uint16()),
        ("distance", pa.int32()),  # bases to the transcript for up- and downstream, else 0
        ("position", pa.int32()),  # 1-based cDNA position of the first affected base, or of the exonic base it is anchored to; 0: none
        ("offset", pa.int32()),  # of an intronic base from its anchor, as HGVS counts; 0 in exons
        ("residue", pa.int32()),  # 1-based protein position of the first affected residue, 0: none
        ("ref_aa", pa.uint8()),  # ASCII, where one residue is replaced by one (`*` stop), else 0
        ("alt_aa", pa.uint8()),
        ("effect", pa.uint32()),  # Effect
        ("lost", pa.uint16()),  # share of the protein that is lost, in 1/10,000; 0: none
    ]
)
"""One row an allele and transcript, all of it at the left-aligned place."""

ANNOTATION_FIELDS: list[pa.Field[Any]] = [
    pa.field("transcripts", pa.list_(TRANSCRIPT), nullable=False),
    pa.field("pick", pa.uint32(), nullable=False),  # row in the transcript pack, NONE where intergenic
    pa.field("gene", pa.uint32(), nullable=False),  # row in the pack's genes, NONE where intergenic
    pa.field("region", pa.uint8(), nullable=False),  # Region
    pa.field("terms", pa.uint64(), nullable=False),  # of the picked transcript
]
NONE = 0xFFFF_FFFF

LOOKED_UP = pa.struct(
    [
        ("source", pa.uint8()),  # index among the plan's allele sources without ClinVar, in the order of its components; see `sources_of`
        ("answer", pa.uint8()),  # Answer
        ("value", pa.float32()),  # the source's main value, NaN where not found
        ("row", pa.uint32()),  # row in its pack, NONE
    ]
)
NO_SOURCE = 0xFF

LOOKUP_FIELDS: list[pa.Field[Any]] = [
    pa.field("clinvar_answer", pa.uint8(), nullable=False),  # Answer
    pa.field("clinvar_significance", pa.uint8(), nullable=False),  # code of the pack's vocabulary, 0: none
    pa.field("clinvar_id", pa.uint32(), nullable=False),  # row in the pack, NONE
    pa.field("frequency_answer", pa.uint8(), nullable=False),  # of all frequency sources together, see `annotate.lookup`
    pa.field("frequency", pa.float32(), nullable=False),  # the greatest that a source has, NaN where not found
    pa.field("frequency_source", pa.uint8(), nullable=False),  # whose that is: index among the plan's frequency sources, NO_SOURCE
    pa.field("looked_up", pa.list_(LOOKED_UP), nullable=False),  # by source; those whose answer is not the source's default
]

_SOURCES = b"riverseq.sources"


def lookup_fields(digests: Sequence[str]) -> list[pa.Field[Any]]:
    """LOOKUP_FIELDS that say whose answers `looked_up` holds: digests of the sources' packs, by index."""
    *fields, last = LOOKUP_FIELDS
    return [*fields, last.with_metadata({_SOURCES: ",".join(digests).encode()})]


def sources_of(schema: pa.Schema) -> tuple[str, ...]:
    """Digests of the sources that `looked_up.source` counts, as `lookup_fields` wrote them."""
    written = (schema.field("looked_up").metadata or {}).get(_SOURCES, b"").decode()
    return tuple(written.split(",")) if written else ()


SCORE_FIELDS: list[pa.Field[Any]] = [
    pa.field("scored", pa.uint8(), nullable=False),  # Scored
    pa.field("score", pa.float32(), nullable=False),  # NaN where not scored
]

FAULT_FIELDS: list[pa.Field[Any]] = [
    pa.field("record", pa.uint32(), nullable=False),
    pa.field("alt_index", pa.uint16(), nullable=False),
    pa.field("reason", pa.dictionary(pa.int16(), pa.string()), nullable=False),
    pa.field("detail", pa.string(), nullable=False),
    pa.field("site", pa.string(), nullable=False),  # the record's CHROM to INFO, cut at 4 KiB
    pa.field("samples", pa.list_(pa.uint32()), nullable=False),  # the samples that carry it, by index
]


class ChunkKind(enum.StrEnum):
    ALLELES = "alleles"
    FAULTS = "faults"
    DELTA = "delta"  # alleles on file that a release touches: of no sample, so without calls; what a plan says of them is landed


@dataclass(frozen=True)
class ChunkHeader:
    """What travels with a chunk; free of times and workers, so that a re-emission has the same bytes.

    `ordinal` counts the chunks of a submission from 0, over both kinds; a fault chunk has the contig `""`. A delta chunk has no samples,
    and the delta's id in place of submission and revision.
    `window` (above, upto): compounds of the coding spans that end in (above, upto] are called with this chunk, every span of a contig with
    one of its chunks. `complete_from`: of rows before this place some are missing from the context, which has a bound; 0: none. `late`:
    rows in coding exons whose span was called with an earlier chunk, since the file is not sorted.
    """

    chunk_id: str
    submission_id: str
    revision_id: str
    plan_id: str
    build: str
    kind: ChunkKind
    contig: str
    ordinal: int
    lane: str
    epoch: int
    samples: tuple[str, ...]  # sample_id by index
    window: tuple[int, int] = (-1, END_OF_CONTIG)
    complete_from: int = 0
    late: int = 0

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> ChunkHeader:
        value: dict[str, Any] = json.loads(raw)
        above, upto = value["window"]
        return cls(**{**value, "kind": ChunkKind(value["kind"]), "samples": tuple(value["samples"]), "window": (int(above), int(upto))})


@dataclass(frozen=True)
class Chunk:
    """A header and its rows. `rows` has RAW_FIELDS (or FAULT_FIELDS), then what the stages so far have appended.

    `context` has RAW_FIELDS: rows of earlier chunks, in the order of the file; None where there are none.
    """

    header: ChunkHeader
    rows: pa.RecordBatch
    context: pa.RecordBatch | None = None

    def append(self, fields: list[pa.Field[Any]], arrays: list[pa.Array[Any]]) -> Chunk:
        """The chunk with columns added behind; `arrays` in the order of `fields`."""
        schema = pa.schema([*self.rows.schema, *fields])
        return replace(self, rows=pa.RecordBatch.from_arrays([*self.rows.columns, *arrays], schema=schema))


def encode(chunk: Chunk) -> bytes:
    """Arrow IPC stream with zstd buffers, and behind it another of the context, where there is one; equal chunks give equal bytes."""
    sink = pa.BufferOutputStream()
    metadata = {_META: chunk.header.to_json(), b"riverseq.schema": b"%d" % CHUNK_SCHEMA_VERSION}
    if chunk.context is not None:
        metadata[_CONTEXT] = b"%d" % chunk.context.num_rows
    _write(sink, chunk.rows, chunk.rows.schema.with_metadata(metadata))
    if chunk.context is not None:
        _write(sink, chunk.context, chunk.context.schema)
    return bytes(sink.getvalue())


def _write(sink: pa.BufferOutputStream, rows: pa.RecordBatch, schema: pa.Schema) -> None:
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(rows.columns, schema=schema))


class ChunkUnreadable(ValueError):
    """The bytes are no chunk of a known schema version; the message says what is wrong with them."""


def decode(raw: bytes) -> Chunk:
    """Chunk of an IPC stream (its buffers refer to `raw`'s memory). Raises ChunkUnreadable."""
    try:
        source = pa.BufferReader(raw)
        rows = _read(source)
        metadata = rows.schema.metadata or {}
        version = int(metadata.get(b"riverseq.schema", b"0"))
        if version != CHUNK_SCHEMA_VERSION:
            raise ChunkUnreadable(f"chunk schema version {version}, this worker reads {CHUNK_SCHEMA_VERSION}")
        header = ChunkHeader.from_json(metadata[_META])
        context = None
        if _CONTEXT in metadata:
            context = _read(source)
            if context.num_rows != int(metadata[_CONTEXT]) or not context.schema.equals(pa.schema(RAW_FIELDS)):
                raise ChunkUnreadable(f"its context is {context.num_rows} rows of {context.schema.names}, not what its header promises")
    except ChunkUnreadable:
        raise
    except (pa.ArrowException, KeyError, ValueError, TypeError, OSError) as error:
        raise ChunkUnreadable(f"not a chunk: {error}") from error
    return Chunk(header, pa.RecordBatch.from_arrays(rows.columns, schema=rows.schema.remove_metadata()), context)


def _read(source: pa.BufferReader) -> pa.RecordBatch:
    """The only record batch of the stream that begins here; the source stands behind it then."""
    with pa.ipc.open_stream(source) as reader:
        batches = list(reader)
    if len(batches) != 1:
        raise ChunkUnreadable(f"a chunk is one record batch, this one has {len(batches)}")
    return batches[0]
