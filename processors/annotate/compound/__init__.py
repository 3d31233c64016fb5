"""Phased compound effects: variants of one haplotype that touch one codon, or shift the frame together, called as one change.

`parts` finds the alleles that lie in coding sequence and may meet; `haplotypes` says which of them one sample carries on one haplotype;
`clusters` says which of those are called together; `effect` calls them; `stage` is the whole, a function of a chunk and its plan's packs.

Rules, after the idea of bcftools csq (Danecek and McCarthy, Bioinformatics 2017):

* *One haplotype* are alleles phased in one phase set (or phased without PS, on one contig), and every homozygous or hemizygous allele,
  which stands on each haplotype. Two heterozygotes that are not phased with each other are never combined. A homozygous allele and an
  unphased heterozygote are: whichever haplotype carries the second carries the first (`Phase.CARRIED`). Where another heterozygote of
  the same codons might lie on the same haplotype or not, the row says so (`CompoundFlag.NEIGHBOUR_UNPHASED`).
* *Together* are alleles whose codons meet (a codon may be split by an intron), and everything from an allele that shifts the frame to the
  one that brings it back. An unrescued shift is called with what follows it up to the stop codon of its new frame; nothing behind that
  stop is read, so nothing there is combined.
* Alleles that overlap on one haplotype, or of which one reaches beyond the coding bases of an exon, are linked and flagged, not called.

Terms speak of the protein alone: splice terms of the parts stay with the parts.
"""
