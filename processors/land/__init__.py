"""Landing: rows into ClickHouse exactly once, read back, published by a pointer, queried, deleted.

`client` connects, `migrations` makes the tables, `insert` lands chunks, `ledger`, `manifests` and `store` keep what the control plane is
rebuilt from, `readback` and `publication` make a revision visible, `query` reads, `delete` removes a sample, `names` says what codes mean.
"""
