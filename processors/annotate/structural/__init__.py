"""Structural variants and copy-number variants: what they overlap, at the level of transcripts and genes, never of bases.

`alleles` reads what a record says, `places` decides where it lies and what is wrong with it, `overlap` is the kernel that calls
transcripts, `genes` gathers genes and possible fusions, `stage` does all of it for a chunk or a block, `names` renders rows.
"""
