"""Whatever bytes a table or a mapping has, it becomes a pack whose rows can all be read, or is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.ingest.errors import SourceError
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.source import Request, build_source, open_source
from processors.knowledge.sources.refused import SourceRefused

WHOLE = {
    "cadd": "## CADD v1.3\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\nMT\t1\tA\tC\t0.5\t12.3\nMT\t2\tC\tG\t0.5\t1\n",
    "revel": "chr,hg19_pos,grch38_pos,ref,alt,aaref,aaalt,REVEL,Ensembl_transcriptid\nMT,5,1,A,C,K,N,0.2,E1;E2\nMT,.,.,A,C,K,N,0.2,E1\n",
    "constraint": "gene\tgene_id\ttranscript\tcanonical\tmane_select\tlof.pLI\tlof.oe_ci.upper\tmis.z_score\n"
    "A\tENSG1\tE\ttrue\ttrue\t1\t0.2\t3\n",
    "validity": '"X",""\n"FILE CREATED: 2025-02-03",""\n"+++","+++"\n"GENE SYMBOL","GENE ID (HGNC)","DISEASE LABEL","DISEASE ID (MONDO)",'
    '"MOI","SOP","CLASSIFICATION","ONLINE REPORT","CLASSIFICATION DATE","GCEP"\n"A","HGNC:5","d","M:1","AD","S","Strong","h","2020","P"\n',
    "hpo_genes": "ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id\n1\tA\tHP:0000815\tHypo\tHP:0040281\tOMIM:1\n",
    "dosage": "#c\n#03 Feb,2025\n#Gene Symbol\tGene ID\tHaploinsufficiency Score\tTriplosensitivity Score\nA\t1\t3\t0\n",
    "user.bed": "MT\t1\t5\t1\nMT\t3\t9\t2\n",
    "user.mapping": 'title = "x"\nkeyed = "region"\nlicence = "open"\n[columns.w]\nfrom = 4\ntype = "integer"\nlow = 1\n',
}
PIECES = [bytes([code]) for code in b"\t,\n\r\".;|-019eNAx\0\xff#=[]{}'"]


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "g.fa").write_text(f">MT\n{('ACGTACGTAC' * 1700)[:16569]}\n")
    return Genome(build_genome(folder / "g.fa", folder / "packs", "GRCh38", "1"))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), st.sampled_from([b"", *PIECES])), min_size=1, max_size=4),
)
def test_no_bytes_crash_a_source(
    tmp_path_factory: pytest.TempPathFactory, genome: Genome, kind: str, edits: list[tuple[float, int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    raw = WHOLE[kind].encode()
    for share, size, piece in edits:
        at = int(share * len(raw))
        raw = raw[:at] + piece + raw[at + size :]
    if kind == "user.mapping":
        (folder / "m.toml").write_bytes(raw)
        (folder / "t.tsv").write_text(WHOLE["user.bed"])
    else:
        (folder / "m.toml").write_text(WHOLE["user.mapping"])
        (folder / "t.tsv").write_bytes(raw + b"\n")
    files = (folder / "t.tsv", folder / "m.toml")[: 2 if kind.startswith("user.") else 1]
    try:
        found = open_source(build_source(Request(kind, files, folder, "GRCh38", "1", genome=genome)))
    except (SourceRefused, SourceError):
        return
    assert found.pack.rows > 0
    assert all(found.details(row) for row in range(found.pack.rows))
