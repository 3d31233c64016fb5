"""What `riverseq query` asks: a variant, a gene, a sample, or SQL of one's own. Every answer is an Arrow table of the view `variant`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from processors.land.client import Client, StoreError
from schemas import identity

_VARIANT = re.compile(r"^(?:chr)?([A-Za-z0-9_.]+)[-:](\d+)[-:]([ACGTNacgtn]+)[-:>]([ACGTNacgtn]+)$")
PART = 100_000
"""Rows of one table of a sample's variants: about 30 MB in the client."""
_END = 2**64 - 1
REACH = 5_000
"""Bases beside a gene within which an allele may be named after it (Ensembl VEP's distance for up- and downstream)."""


class NotAVariant(StoreError):
    """A text that is not CONTIG-POSITION-REF-ALT."""


class UnknownGene(StoreError):
    """No gene of this symbol or id in any annotation on file."""


@dataclass(frozen=True)
class VariantText:
    """A variant as people write it; `position` is 1-based."""

    contig: str
    position: int
    ref: str
    alt: str


def parse_variant(text: str) -> VariantText:
    """`21-45989090-G-A` or `chr21:45989090:G>A`. Raises NotAVariant."""
    match = _VARIANT.match(text.strip())
    if match is None:
        raise NotAVariant(f"{text!r} is not a variant: write CONTIG-POSITION-REF-ALT, for example 21-45989090-G-A")
    return VariantText("MT" if match[1] == "M" else match[1], int(match[2]), match[3].upper(), match[4].upper())


def variant(client: Client, text: str) -> pa.Table:
    """Everyone who carries a variant, in every build that has its contig. REF and ALT as normalised (trimmed, left-aligned)."""
    asked = parse_variant(text)
    sql = "SELECT DISTINCT offset FROM contig_name WHERE contig IN ({contig:String}, concat('chr', {contig:String}))"
    offsets = [int(row[0]) for row in client.rows(sql, {"contig": asked.contig})]
    ids = [identity.allele_id(offset + asked.position - 1, asked.ref, asked.alt) for offset in offsets]
    sql = """SELECT * FROM variant WHERE allele_id IN {ids:Array(UInt64)} AND position = {position:Int64}
        AND ref = {ref:String} AND alt = {alt:String} ORDER BY build, sample_id, record"""
    return client.arrow(sql, {"ids": ids, "position": asked.position, "ref": asked.ref, "alt": asked.alt})


def gene(client: Client, name: str, samples: Sequence[str] = ()) -> pa.Table:
    """Variants whose picked transcript is of a gene (symbol or id), by place. Raises UnknownGene."""
    sql = """SELECT g.annotation_key, g.gene, c.offset + g.start, c.offset + g.end
        FROM (SELECT * FROM gene FINAL WHERE upper(symbol) = upper({name:String}) OR gene_id = {name:String}) AS g
        INNER JOIN (SELECT DISTINCT annotation_key, build FROM plan) AS p ON p.annotation_key = g.annotation_key
        INNER JOIN (SELECT * FROM contig_name FINAL) AS c ON c.build = p.build AND c.contig = g.contig
        ORDER BY 1, 2"""
    places = client.rows(sql, {"name": name})
    if not places:
        raise UnknownGene(f"no gene {name!r} in the annotation of any sample on file: give a symbol like APP, or the id of the gene models")
    # an id begins with the linear place, so a gene is a range of ids, which the sort key answers
    ranges = " OR ".join(f"allele_id BETWEEN {max(0, start - REACH) << 32} AND {(end + REACH) << 32}" for _, _, start, end in places)
    chosen = "AND sample_id IN {samples:Array(String)}" if samples else ""
    sql = f"""SELECT * FROM variant WHERE ({ranges}) AND (upper(gene) = upper({{name:String}}) OR gene_id = {{name:String}}) {chosen}
        ORDER BY build, allele_id, sample_id, record"""
    return client.arrow(sql, {"name": name, "samples": list(samples)})


def sample(client: Client, sample_id: str) -> Iterator[pa.Table]:
    """All variants of a sample by place, in tables of about PART rows, so that neither side holds a whole genome."""
    count, some = client.rows(
        "SELECT count(), arraySort(groupArraySample(10000, 1)(allele_id)) FROM calls_current WHERE sample_id = {id:String}",
        {"id": sample_id},
    )[0]
    parts = max(1, -(-count // PART))
    # any cut is a right one, these are about even
    cuts = sorted({int(some[len(some) * number // parts]) for number in range(1, parts)})
    sql = """SELECT * FROM variant WHERE sample_id = {id:String} AND allele_id >= {low:UInt64} AND allele_id < {high:UInt64}
        ORDER BY allele_id, record, alt_index"""
    for low, high in pairwise([0, *cuts, _END]):
        yield client.arrow(sql, {"id": sample_id, "low": low, "high": high})


def free(client: Client, sql: str) -> pa.Table:
    """The result of a person's own SQL; connect as `reader` for it."""
    return client.arrow(sql)
