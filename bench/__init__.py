"""How fast, how much CPU, how much memory: `python -m bench [spine|lookup|memory|all]`, or `make bench PART=...`.

`spine` is the whole way of a sample of a million variants, submit to published, with CPU by process and by step; `lookup` is what
bcftools and vcfanno need for the lookup alone, on the same file; `memory` is ten samples in a row. All input is made from a seed.
"""
