"""Re-interpretation of only what a release changed: SQL over sets and arrays, no Kafka.

`batch` is what is to be done, `changed` and `keys` find the alleles on file that hold a changed key, `chunks` sends them through the
stages once, `outcome` tells what that changes for each sample, `landing` writes and publishes it.
"""
