"""A gene of two exons written by hand, on the plus strand and, mirrored, on the minus strand; and alleles to name on it.

contig   10                  37                     58            75          86
         GACTC ATG…TTA C     gtaagtctgattttttttcag  CT GGA…TAA    GCATAGCCTAA
         5' UTR c.1    c.22  intron                 c.23   c.39   3' UTR *1 to *11

M K K A Q Q L P G C R S *
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from processors.annotate import terms as vocabulary
from processors.annotate.hgvs.names import Alleles, Kind, names
from processors.annotate.hgvs.parse import Names
from processors.annotate.hgvs.style import Style
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Transcripts
from tests.processors.knowledge.toy import BUILD, gff3, turned

SEQUENCE = "CGCGTCCGAT" + "GACTC" + "ATGAAAAAAGCTCAGCAGTTAC" + "GTAAGTCTGATTTTTTTTCAG" + "CTGGATGCCGTTCTTAA" + "GCATAGCCTAA" + "TTGCCGCATG"
EXONS = ((11, 37), (59, 86))
STRICT = Style(vep=False)


@dataclass(frozen=True)
class Lab:
    genome: Genome
    transcripts: Transcripts
    contig: int

    def name(
        self, kind: Kind, start: int, ref: str, alt: str, transcript: str = "T1.1", terms: str = "", style: Style = STRICT
    ) -> str | None:
        """Name of one allele as VCF writes it (`start` 0-based), without its accession."""
        text = self.whole_name(kind, start, ref, alt, transcript, terms, style)
        return None if text is None else text.partition(":")[2]

    def whole_name(self, kind: Kind, start: int, ref: str, alt: str, transcript: str, terms: str, style: Style) -> str | None:
        table = self.transcripts.name
        row = next(row for row in range(len(table)) if table[row] == transcript)
        alleles = Alleles.of(self.contig, pa.array([start], pa.int32()), pa.array([ref]), pa.array([alt]))
        bits = np.array([vocabulary.mask(*terms.split())], dtype=np.uint64)
        found = names(
            kind, alleles, self.genome, self.transcripts, np.zeros(1, dtype=np.int64), np.array([row], dtype=np.uint32), bits, style
        )
        answer: str | None = found[0].as_py()
        return answer

    @property
    def parser(self) -> Names:
        return Names(self.transcripts, self.genome, vep=False)


def models(size: int, strand: str, contig: str, cut: bool = False) -> str:
    """T1: the gene. T2 ends with its stop. CDS of T3: within exon 2 (c.- with an intron); of T4: within exon 1; of T5: to its end.

    N1 has none. `cut`: T1 begins with the second base of its first codon.
    """

    def lines(transcript: str, exons: tuple[tuple[int, int], ...], cds: tuple[tuple[int, int, str], ...]) -> str:
        parts = [("exon", a, b, ".") for a, b in exons] + [("CDS", a, b, phase) for a, b, phase in cds]
        if strand == "-":
            parts = [(kind, size + 1 - b, size + 1 - a, phase) for kind, a, b, phase in parts]
        return gff3(transcript, *parts, strand=strand, contig=contig, attributes="version=1", cds=f"protein_id=P{transcript[1:]};version=1")

    return "".join(
        (
            lines("T1", ((17, 37), EXONS[1]), ((17, 37, "2"), (59, 75, "2")))
            if cut
            else lines("T1", EXONS, ((16, 37, "0"), (59, 75, "2"))),
            lines("T2", (EXONS[0], (59, 75)), ((16, 37, "0"), (59, 75, "2"))),
            lines("T3", EXONS, ((63, 86, "0"),)),
            lines("T4", EXONS, ((16, 36, "0"),)),
            lines("T5", EXONS, ((16, 37, "0"),)),
            lines("N1", EXONS, ()),
        )
    )


def laboratory(folder: Path, strand: str = "+", contig: str = "A", sequence: str = SEQUENCE, cut: bool = False) -> Lab:
    """The gene on a strand: on the minus strand the contig is the reverse complement, so that all names on transcripts are the same."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "g.fa").write_text(f">{contig}\n{sequence if strand == '+' else turned(sequence)}\n")
    (folder / "m.gff3").write_text(models(len(sequence), strand, contig, cut))
    genome = Genome(build_genome(folder / "g.fa", folder / "packs", BUILD, "1"))
    pack = build_transcripts(folder / "m.gff3", folder / "packs", genome.table, name="m", version="1", genome=genome)
    number = genome.table.resolve(contig)
    assert number is not None
    return Lab(genome, Transcripts(pack), number)
