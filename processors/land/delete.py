"""Deleting a sample: first its epoch is raised, from which moment nobody sees it, then its rows are removed.

What was emitted under the old epoch may still arrive: landing refuses it, a late insert that slipped through belongs to a publication of
the old epoch, which no view follows, and the next `delete_sample` with the same epoch removes it. What is admitted under the new epoch has
new tokens: an insert whose token was seen before the deletion would be dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable

from processors.land import store
from processors.land.client import Client
from processors.land.keys import record_token

_BY_SAMPLE = ("calls", "fault", "finding", "compound", "structural")
"""Tables of rows that carry their sample's epoch."""
_BY_REVISION = (("superseded", "by_revision"), ("reclassified", "revision_id"))
"""Tables of rows whose revision does, and the column that names it."""


def next_epoch(client: Client, sample_id: str) -> int:
    """The epoch that deletes all there is of a sample: above its own and above that of every revision that holds it.

    A file of many samples has one epoch, the greatest of theirs, so a sample's own may be smaller than its rows'.
    """
    mine = "SELECT submission_id FROM submission WHERE has(sample_ids, {id:String})"
    sql = f"SELECT max(epoch) FROM revision WHERE submission_id IN ({mine})"
    return max(store.epochs(client, [sample_id])[sample_id], int(client.value(sql, {"id": sample_id}))) + 1


def delete_sample(client: Client, sample_id: str, epoch: int, raised: Callable[[], None] = lambda: None) -> None:
    """Raise a sample's epoch to `epoch` (see `next_epoch`) and remove its rows of smaller epochs and what tells who it was.

    `raised` is called between the two. Again harmless; it then removes what arrived in between. Counts and ids, which are pseudonyms,
    stay as a record.
    """
    client.insert_rows("sample_epoch", ("sample_id", "epoch"), [(sample_id, epoch)], record_token("sample_epoch", sample_id, epoch))
    raised()
    parameters = {"id": sample_id, "epoch": epoch}
    for table in _BY_SAMPLE:
        gone = "sample_id = {id:String} AND epoch < {epoch:UInt32}"
        # a mutation looks at every part: ask first, the question reads one sorted column
        if client.value(f"SELECT count() FROM {table} WHERE {gone}", parameters):
            client.command(f"ALTER TABLE {table} DELETE WHERE {gone}", parameters)
    for table, revision in _BY_REVISION:
        gone = f"sample_id = {{id:String}} AND {revision} IN (SELECT revision_id FROM revision WHERE epoch < {{epoch:UInt32}})"
        if client.value(f"SELECT count() FROM {table} WHERE {gone}", parameters):
            client.command(f"ALTER TABLE {table} DELETE WHERE {gone}", parameters)
    _forget(client, sample_id, epoch)


def _forget(client: Client, sample_id: str, epoch: int) -> None:
    """Blank the sample's name in its submissions, and of a submission of which nobody is left the file, pedigree and phenotype."""
    for row in store.submissions(client, sample_id):
        revisions = store.revisions(client, row.submission_id)
        if not revisions or any(revision.epoch >= epoch for revision in revisions):
            continue
        newest = max(revision.epoch for revision in revisions)
        epochs = store.epochs(client, [s.sample_id for s in row.samples])
        gone = sorted(sample for sample, own in epochs.items() if own > newest)
        changes = ["names = arrayMap((name, id) -> if(has({gone:Array(String)}, id), '', name), names, sample_ids)"]
        if len(gone) == len(row.samples):
            changes += ["uri = ''", "source = ''", "run_id = ''", "family = ''", "hpo = []", "panel = ''"]
        where = "submission_id = {id:String}"
        client.command(f"ALTER TABLE submission UPDATE {', '.join(changes)} WHERE {where}", {"gone": gone, "id": row.submission_id})
