"""The embedded ClickHouse: chDB, the real engine, in one process that answers ClickHouse's HTTP interface on loopback.

Run by `python -m deploy.local.clickhouse --state DIR --port P`. Reading order: `server` (process), `front` (HTTP), `request`
(what a request asks), `policy` (what a role may ask, over the engine's own parse), `execute` (how it is run), `engine` (chDB).
"""
