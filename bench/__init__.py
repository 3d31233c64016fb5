"""How fast, how much CPU, how much memory: `python -m bench [PART]`, or `make bench PART=...`.

`spine` is the whole way of a sample of a million variants, submit to published, with CPU by process and by step; `lookup` asks six sources,
beside bcftools annotate and vcfanno; `memory` is ten samples in a row. All input is made from a seed.
"""
