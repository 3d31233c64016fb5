"""dbNSFP, many predictors of missense variants in one table: import, query, meta.

Read is the native table, 3.x to 5.x, one file or one a contig; on GRCh38 by `#chr`, `pos(1-based)`, on GRCh37 by `hg19_chr`,
`hg19_pos(1-based)` (a `.` there: the allele has no place on it, counted). Source: Liu 2020, Genome Med 12:103, and the release notes
(dbNSFP*.readme.txt), from which the ranges are; many parts are free for non-commercial use alone. A predictor that depends on the
transcript comes as a `;`-list: kept are its most damaging value, as dbNSFP's own rank scores do (the least for SIFT, PROVEAN, FATHMM and
ESM1b, else the greatest), and how many values there are (`NAME_count`). A release has the predictors that it has: the pack has those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from processors.knowledge.allele_pack import AllelePack, Column, open_allele_pack
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.options import options_of
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.table import TableBlock
from processors.knowledge.sources.table_build import Wanted, open_tables


class Predictor(NamedTuple):
    """A column of dbNSFP: its names through the releases, the range that its values keep, how it counts."""

    title: str
    names: tuple[str, ...]
    low: float = 0.0
    high: float = 1.0
    least: bool = False  # the least value is the most damaging
    listed: bool = True  # a value a transcript


PREDICTORS = {
    "revel": Predictor("REVEL", ("REVEL_score",)),
    "alphamissense": Predictor("AlphaMissense", ("AlphaMissense_score",)),
    "metarnn": Predictor("MetaRNN", ("MetaRNN_score",)),
    "bayesdel": Predictor("BayesDel without allele frequencies", ("BayesDel_noAF_score",), -2, 2, listed=False),
    "cadd_phred": Predictor("CADD, scaled", ("CADD_phred",), 0, 100, listed=False),
    "cadd_raw": Predictor("CADD, raw", ("CADD_raw",), -100, 100, listed=False),
    "vest": Predictor("VEST", ("VEST4_score", "VEST3_score")),
    "mutpred": Predictor("MutPred", ("MutPred2_score", "MutPred_score")),
    "primateai": Predictor("PrimateAI", ("PrimateAI_score",)),
    "esm1b": Predictor("ESM1b", ("ESM1b_score",), -50, 50, least=True),
    "varity": Predictor("VARITY R", ("VARITY_R_score",)),
    "eve": Predictor("EVE", ("EVE_score",)),
    "gmvp": Predictor("gMVP", ("gMVP_score",)),
    "mpc": Predictor("MPC", ("MPC_score",), 0, 20),
    "clinpred": Predictor("ClinPred", ("ClinPred_score",)),
    "mcap": Predictor("M-CAP", ("M-CAP_score",)),
    "metasvm": Predictor("MetaSVM", ("MetaSVM_score",), -5, 5, listed=False),
    "metalr": Predictor("MetaLR", ("MetaLR_score",), listed=False),
    "sift": Predictor("SIFT", ("SIFT_score",), least=True),
    "sift4g": Predictor("SIFT 4G", ("SIFT4G_score",), least=True),
    "polyphen_hdiv": Predictor("PolyPhen-2, HumDiv", ("Polyphen2_HDIV_score",)),
    "polyphen_hvar": Predictor("PolyPhen-2, HumVar", ("Polyphen2_HVAR_score",)),
    "provean": Predictor("PROVEAN", ("PROVEAN_score",), -50, 50, least=True),
    "fathmm": Predictor("FATHMM", ("FATHMM_score",), -50, 50, least=True),
    "mutation_assessor": Predictor("MutationAssessor", ("MutationAssessor_score",), -20, 20),
    "dann": Predictor("DANN", ("DANN_score",), listed=False),
    "gerp": Predictor("GERP++ RS", ("GERP++_RS",), -20, 20, listed=False),
    "phylop": Predictor("phyloP, 100 vertebrates", ("phyloP100way_vertebrate",), -50, 50, listed=False),
    "phastcons": Predictor("phastCons, 100 vertebrates", ("phastCons100way_vertebrate",), listed=False),
}
"""Column → predictor; the first one that a file has is the pack's main value, unless the option `main` names another."""
_PLACES = {"GRCh38": (("chr",), ("pos(1-based)",)), "GRCh37": (("hg19_chr",), ("hg19_pos(1-based)",))}
_ON_HG19 = {"cadd_phred": ("CADD_phred_hg19", "CADD_phred"), "cadd_raw": ("CADD_raw_hg19", "CADD_raw")}
_WORDS = {"gene": ("genename",), "aa_ref": ("aaref",), "aa_alt": ("aaalt",)}
_TITLES = {"gene": "gene", "aa_ref": "amino acid", "aa_alt": "new amino acid"}


def build(request: Request) -> Pack:
    """Compile dbNSFP's table. Option `main`: the column that is shown first. Raises SourceRefused."""
    chosen = options_of(request, {"main": ""})
    if request.build not in _PLACES:
        raise SourceRefused(f"dbNSFP has places on GRCh37 and GRCh38, none on {request.build}")
    chrom, position = _PLACES[request.build]
    measured = {name: predictor.names for name, predictor in PREDICTORS.items()}
    if request.build == "GRCh37":
        measured |= _ON_HG19
    roles = {"chrom": chrom, "pos": position, "ref": ("ref",), "alt": ("alt",), **_WORDS, **measured}
    tables = open_tables(request, Wanted(roles, "dbNSFP's variant table", optional=tuple(measured)))
    held = [name for name in PREDICTORS if name in tables.head.places]
    main = chosen["main"] or (held[0] if held else "")
    if main not in held:
        tables.close()
        raise SourceRefused(f"{request.files[0]}: has no predictor {main or 'that is known'}; it has {', '.join(held) or 'none of them'}")

    def values(block: TableBlock) -> Mapping[str, Any]:
        found: dict[str, Any] = {name: block.words(name, listed=True) for name in _WORDS}
        for name in held:
            predictor = PREDICTORS[name]
            most, count = block.lists(name, predictor.low, predictor.high, least=predictor.least)
            found[name] = most
            if predictor.listed:
                found[f"{name}_count"] = count
        return found

    sign = "" if PREDICTORS[main].least else "-"
    return tables.write(
        _columns(held), values, main=main, preference=(sign + main,), duplicates="the most damaging value of the main column"
    )


def open_pack(pack: Pack) -> AllelePack:
    """The source of a pack; an allele that it does not hold is UNKNOWN: no score is not a low score."""
    return open_allele_pack(pack)


def _columns(held: list[str]) -> tuple[Column, ...]:
    columns: list[Column] = []
    for name in held:
        columns.append(Column(name, "f4", PREDICTORS[name].title))
        if PREDICTORS[name].listed:
            columns.append(Column(f"{name}_count", "u1", f"{PREDICTORS[name].title}: values over transcripts"))
    return (*columns, *(Column(name, "code", title) for name, title in _TITLES.items()))
