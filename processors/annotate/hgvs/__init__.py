"""HGVS names of alleles: g. and m. on the contig, c. and n. on a transcript, p. on its protein; and the way back from a name.

`names.names` writes whole columns, `parse.parse` reads one name, `shift.shifted` is the 3' rule by itself.
"""
