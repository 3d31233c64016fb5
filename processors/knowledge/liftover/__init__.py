"""Lifting knowledge files from one build to another along a UCSC chain file."""
