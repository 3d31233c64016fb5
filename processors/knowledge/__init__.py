"""Knowledge packs: columnar, memory-mapped, allele-keyed; one source a module, and what is active for a build."""
