"""The demo: a small synthetic genome, its genes, knowledge and a family of three, all from one seed, and the run that shows them.

Reading order: `genome` (sequence and genes), `sites` (variants of a population), `family` (who carries what), `knowledge` (what is known
of the sites), `vcf` (columns to files), `make` (all files of the demo), `run` (the whole story), `summary` (what it ends with).
"""
