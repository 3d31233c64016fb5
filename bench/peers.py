"""SnpEff and `bcftools csq` as second opinions: run on the same GFF3 and FASTA, their calls in VEP's words.

Both are Debian packages (`snpeff`, `bcftools`); what is not installed is left out. Neither says anything about the protein's name as VEP
does: SnpEff writes HGVS of its own habits, csq none at all, and csq names transcripts only where it calls a coding or splice effect.
"""

from __future__ import annotations

import gzip
import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from processors.annotate.codons import CODES, MITOCHONDRIAL

SNPEFF_MEMORY = "-Xmx6g"
_MT_STARTS = ("ATT", "ATC", "ATA", "ATG", "GTG")
FINER = frozenset(
    {
        "splice_donor_5th_base_variant", "splice_donor_region_variant", "splice_polypyrimidine_tract_variant", "NMD_transcript_variant",
        "non_coding_transcript_variant", "coding_transcript_variant",
    }
)  # fmt: skip
"""Terms that only VEP has; left out of a comparison with a peer."""

_SNPEFF_TERMS = {
    "conservative_inframe_deletion": "inframe_deletion",
    "disruptive_inframe_deletion": "inframe_deletion",
    "conservative_inframe_insertion": "inframe_insertion",
    "disruptive_inframe_insertion": "inframe_insertion",
    "5_prime_UTR_premature_start_codon_gain_variant": "5_prime_UTR_variant",
    "5_prime_UTR_truncation": "5_prime_UTR_variant",
    "3_prime_UTR_truncation": "3_prime_UTR_variant",
    "initiator_codon_variant": "start_retained_variant",
    "intergenic_region": "intergenic_variant",
    "exon_loss_variant": "",
    "conserved_intron_variant": "intron_variant",
    "non_canonical_start_codon": "start_retained_variant",
}
_CSQ_TERMS = {
    "missense": "missense_variant",
    "synonymous": "synonymous_variant",
    "frameshift": "frameshift_variant",
    "5_prime_utr": "5_prime_UTR_variant",
    "3_prime_utr": "3_prime_UTR_variant",
    "splice_acceptor": "splice_acceptor_variant",
    "splice_donor": "splice_donor_variant",
    "splice_region": "splice_region_variant",
    "intron": "intron_variant",
    "non_coding": "non_coding_transcript_exon_variant",
    "stop_retained": "stop_retained_variant",
    "start_retained": "start_retained_variant",
    "inframe_altering": "protein_altering_variant",
    "coding_sequence": "coding_sequence_variant",
    "intergenic": "intergenic_variant",
}


@dataclass(frozen=True)
class PeerCall:
    """One peer's word on an allele and a transcript; `hgvsc` and `hgvsp` as it writes them, empty where it writes none."""

    terms: frozenset[str]
    hgvsc: str = ""
    hgvsp: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (",".join(sorted(self.terms)), self.hgvsc, self.hgvsp) if part)


Calls = dict[tuple[str, str], PeerCall]
"""(variant id, transcript without version) → call."""


def accession(name: str) -> str:
    """A transcript's name without its version."""
    stem, dot, version = name.rpartition(".")
    return stem if dot and version.isdigit() else name


def snpeff_database(folder: Path, name: str, gff: Path, fasta: Path) -> Path:
    """SnpEff's settings file below `folder`, its database built from the files (always anew: it takes seconds for a chromosome)."""
    data = folder / "data" / name
    data.mkdir(parents=True, exist_ok=True)
    (data / "genes.gff").write_text("".join(_plain_gff3(gff)))
    target = data / "sequences.fa"
    target.unlink(missing_ok=True)
    target.symlink_to(fasta.resolve())
    settings = folder / f"{name}.config"
    settings.write_text(
        f"data.dir = ./data\ncodon.Vertebrate_Mitochondrial : {_mitochondrial()}\n"
        f"{name}.genome : {name}\n{name}.MT.codonTable : Vertebrate_Mitochondrial\n"
    )
    command = ["snpEff", SNPEFF_MEMORY, "build", "-gff3", "-noCheckCds", "-noCheckProtein", *_settings(settings), name]
    with (folder / f"{name}.build.log").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log)
    return settings


def snpeff_command(settings: Path, vcf: Path) -> list[str]:
    """Annotate a VCF to standard output, HGVS on, no statistics. `settings` is `snpeff_database`'s."""
    return ["snpEff", SNPEFF_MEMORY, "-noStats", "-nodownload", "-noLog", *_settings(settings), settings.stem, str(vcf)]


def csq_command(gff: Path, fasta: Path, vcf: Path) -> list[str]:
    """Annotate a VCF to standard output, each record by itself (`-l`)."""
    return ["bcftools", "csq", "-l", "-f", str(fasta), "-g", str(gff), "-Ov", str(vcf)]


def run_peers(folder: Path, name: str, gff: Path, fasta: Path, vcf: Path) -> dict[str, Calls]:
    """Calls of each peer that is installed. `fasta` is plain text; records that have no ID are left out.

    Raises CalledProcessError where a peer fails; its words are in a log beside its output, below `folder`.
    """
    found: dict[str, Calls] = {}
    if shutil.which("snpEff"):
        settings = snpeff_database(folder, name, gff, fasta)
        found["SnpEff"] = read_snpeff(_run(snpeff_command(settings, vcf), folder / f"{name}.snpeff.vcf"))
    if shutil.which("bcftools"):
        # csq stops at a REF that contradicts the sequence, N included
        kept = folder / f"{name}.known.vcf"
        checked = ["bcftools", "norm", "-c", "x", "-f", str(fasta), "-Ov", str(vcf)]
        found["bcftools csq"] = read_csq(_run(csq_command(gff, fasta, _run(checked, kept)), folder / f"{name}.csq.vcf"))
    return found


def read_snpeff(vcf: Path) -> Calls:
    """Calls of a VCF that SnpEff wrote (INFO/ANN)."""
    calls: Calls = {}
    for name, entries in _info(vcf, "ANN"):
        for entry in entries:
            field = entry.split("|")
            if field[5] == "transcript":
                terms = frozenset(filter(None, (_SNPEFF_TERMS.get(term, term) for term in field[1].split("&"))))
                calls.setdefault((name, accession(field[6])), PeerCall(terms, field[9], field[10]))
    return calls


def read_csq(vcf: Path) -> Calls:
    """Calls of a VCF that `bcftools csq` wrote (INFO/BCSQ); its `*` (behind a stop) is taken off."""
    calls: Calls = {}
    for name, entries in _info(vcf, "BCSQ"):
        for entry in entries:
            field = entry.split("|")
            if len(field) > 2 and field[2]:
                words = field[0].lstrip("*").split("&")
                change = field[5] if len(field) > 5 else ""
                calls.setdefault((name, field[2]), PeerCall(frozenset(_CSQ_TERMS.get(word, word) for word in words), "", change))
    return calls


def mapped(terms: frozenset[str]) -> frozenset[str]:
    """Terms as all three tools can say them: without VEP's finer ones, and `intron_variant` beside a splice term left out."""
    kept = terms - FINER
    if kept & {"splice_donor_variant", "splice_acceptor_variant", "splice_region_variant"}:
        kept -= {"intron_variant"}
    return kept or frozenset({"intron_variant"} if terms & FINER else ())


def _mitochondrial() -> str:
    """The vertebrate mitochondrial code as SnpEff's settings spell it; `+` marks a start (NCBI translation table 2)."""
    codons = ["".join(bases) for bases in itertools.product("TCAG", repeat=3)]
    residues = CODES[MITOCHONDRIAL].tobytes().decode()
    return ", ".join(f"{codon}/{one}{'+' if codon in _MT_STARTS else ''}" for codon, one in zip(codons, residues, strict=True))


def vep_style(text: str) -> str:
    """SnpEff's HGVS with VEP's spelling: no deleted or doubled bases, `delins`, `Ter`, `=`; what it says stays."""
    text = re.sub(r"del[ACGTN]+ins", "delins", text)
    text = (
        re.sub(r"(del|dup)[ACGTN]+$", r"\1", text).replace("*", "Ter")
        if text.startswith("p.")
        else re.sub(r"(del|dup)[ACGTN]+$", r"\1", text)
    )
    return re.sub(r"^p\.([A-Z][a-z]{2})(\d+)\1$", r"p.\1\2=", text)


def _settings(path: Path) -> list[str]:
    return ["-c", str(path), "-dataDir", str(path.parent.resolve() / "data")]


def _run(command: Sequence[str], out: Path) -> Path:
    with out.open("w") as handle, out.with_suffix(".log").open("w") as log:
        subprocess.run(command, check=True, stdout=handle, stderr=log)
    return out


def _info(vcf: Path, key: str) -> Iterator[tuple[str, list[str]]]:
    with vcf.open() as handle:
        for line in handle:
            field = line.rstrip("\n").split("\t")
            if not line.startswith("#") and len(field) >= 8:  # Debian's wrapper of SnpEff says its arguments first
                value = next((item[len(key) + 1 :] for item in field[7].split(";") if item.startswith(f"{key}=")), "")
                if value and field[2] != ".":
                    yield field[2], value.split(",")


def _plain_gff3(path: Path) -> Iterator[str]:
    """The gene models in the plainest GFF3: SnpEff 5.1 loses transcripts whose lines have prefixed ids, versions or a type of their own."""
    parts: list[str] = []
    yield "##gff-version 3\n"
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as handle:
        for line in handle:
            column = line.rstrip("\n").split("\t")
            if line.startswith("#") or len(column) != 9:
                continue
            pairs = dict(pair.split("=", 1) for pair in column[8].split(";") if "=" in pair)
            parent = re.sub(r"\b(gene|transcript):", "", pairs.get("Parent", ""))
            if column[2] in ("exon", "CDS"):
                parts.append("\t".join([*column[:8], f"Parent={parent}"]) + "\n")
            elif pairs.get("ID", "").startswith(("gene:", "transcript:")):
                column[2] = "transcript" if parent else "gene"
                name = pairs["ID"].partition(":")[2]
                kept = {"ID": name, "Parent": parent, "Name": pairs.get("Name", name), "biotype": pairs.get("biotype", "")}
                yield "\t".join([*column[:8], ";".join(f"{key}={value}" for key, value in kept.items() if value)]) + "\n"
    yield from parts
