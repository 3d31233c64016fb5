"""Reading back: are the rows in the tables the rows that the manifest promised, no more, no fewer, no other?

Counts and sums of row hashes (mod 2^64) are compared for every chunk and every sample. A row that stands twice, until a merge, is one row:
where the plain sums differ, the same is asked again of the rows by their identity (FINAL), which costs more and is rarely needed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from processors.land import store
from processors.land.client import Client, StoreError
from processors.land.keys import call_set
from processors.land.ledger import LedgerRow, landed_chunks
from processors.land.manifests import manifest as read_manifest
from schemas.chunks import ChunkKind
from schemas.events import SampleManifest
from schemas.identity import call_hash_sql
from schemas.plan import Plan

_WRAP = 2**64
NOTHING = (0, 0)
_ALLELE = "bitXor(allele_id, toUInt64(spelling))"
"""One number for id and spelling: a set of numbers takes a third of the time of a set of pairs."""


class UnknownRevision(StoreError):
    """The revision, its plan or its manifest is not in the database."""


@dataclass(frozen=True)
class Difference:
    """One number that is not as promised. `chunk` is -1 where the difference is not of one chunk."""

    what: str  # calls, call hash, faults, structural, annotation, knowledge, score, findings, compounds, ledger
    chunk: int
    sample_id: str
    expected: int
    found: int

    def __str__(self) -> str:
        place = f"chunk {self.chunk}" if self.chunk >= 0 else f"sample {self.sample_id}" if self.sample_id else "submission"
        return f"{place}: {self.what}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class SampleFound:
    """What stands in the tables for a sample; `variants_in` is what the manifest says came in."""

    variants_in: int = 0
    landed: int = 0
    hash_sum: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    findings: int = 0


@dataclass(frozen=True)
class Verification:
    """Answer of `verify`. `ok`: no differences. `samples` holds what was found, for every sample that is not deleted."""

    submission_id: str
    revision_id: str
    differences: tuple[Difference, ...]
    samples: Mapping[str, SampleFound]

    @property
    def ok(self) -> bool:
        return not self.differences

    def ok_without(self, chunks: frozenset[int]) -> bool:
        """Whether every difference comes from these chunks, as when a person acknowledges that they are missing.

        Differences of a sample or the submission follow from theirs; every other chunk must be as promised.
        """
        if not chunks:
            return self.ok
        return all(d.chunk < 0 or d.chunk in chunks for d in self.differences)


def verify(client: Client, submission_id: str, revision_id: str) -> Verification:
    """Read back a revision of a submission against its manifest. Raises UnknownRevision, Unavailable."""
    revision = store.revision(client, revision_id)
    plan = store.plan(client, revision.plan_id) if revision else None
    manifest = read_manifest(client, revision_id)
    if revision is None or plan is None or manifest is None or revision.submission_id != submission_id:
        raise UnknownRevision(
            f"revision {revision_id} of submission {submission_id}: revision, plan or manifest is not in {client.database}"
        )
    epochs = store.epochs(client, [s.sample_id for s in manifest.samples])
    deleted = {sample for sample, epoch in epochs.items() if epoch > revision.epoch}
    return _Reading(client, manifest, plan, deleted).verification()


@dataclass(frozen=True)
class _Reading:
    client: Client
    manifest: SampleManifest
    plan: Plan
    deleted: set[str]

    def verification(self) -> Verification:
        ledger = {row.chunk: row for row in landed_chunks(self.client, self.manifest.revision_id)}
        calls = self._calls(final=False)
        differences = list(self._compare_calls(calls))
        if differences:
            calls = self._calls(final=True)
            differences = list(self._compare_calls(calls))
        faults, findings = self._faults(), self._by_chunk("finding")
        differences += [
            *self._compare_faults(faults),
            *self._compare_rows("findings", findings, {chunk: row.findings for chunk, row in ledger.items()}),
            *self._compare_rows("compounds", self._by_chunk("compound"), {chunk: row.compounds for chunk, row in ledger.items()}),
            *self._compare_ledger(ledger),
            *self._compare_alleles(ledger),
            *self._compare_structural(),
        ]
        return Verification(
            self.manifest.submission_id, self.manifest.revision_id, tuple(differences), self._samples(calls, faults, findings)
        )

    @property
    def _call_set(self) -> dict[str, Any]:
        return {"submission": self.manifest.submission_id, "set": call_set(self.manifest.submission_id, self.plan)}

    def _calls(self, *, final: bool) -> dict[tuple[str, int], tuple[int, int]]:
        """(sample, chunk) → (rows, sum of hashes)."""
        sql = f"""SELECT sample_id, chunk, count(), sum({call_hash_sql()}) FROM calls {"FINAL" if final else ""}
            WHERE submission_id = {{submission:String}} AND call_set = {{set:String}} GROUP BY sample_id, chunk"""
        return {(sample, chunk): (count, total) for sample, chunk, count, total in self.client.rows(sql, self._call_set)}

    def _faults(self) -> dict[tuple[str, int, str], int]:
        """(sample, chunk, reason) → rows."""
        sql = """SELECT sample_id, chunk, reason, count() FROM fault FINAL
            WHERE submission_id = {submission:String} AND call_set = {set:String} GROUP BY sample_id, chunk, reason"""
        return {(sample, chunk, reason): count for sample, chunk, reason, count in self.client.rows(sql, self._call_set)}

    def _by_chunk(self, table: str) -> dict[tuple[str, int], int]:
        """(sample, chunk) → rows of a table whose rows belong to a revision."""
        sql = f"SELECT sample_id, chunk, count() FROM {table} FINAL WHERE revision_id = {{id:String}} GROUP BY sample_id, chunk"
        return {(sample, chunk): count for sample, chunk, count in self.client.rows(sql, {"id": self.manifest.revision_id})}

    def _compare_calls(self, found: Mapping[tuple[str, int], tuple[int, int]]) -> Iterator[Difference]:
        by_chunk, by_sample = _sums(found, 1), _sums(found, 0)
        promised = {c.ordinal: (c.calls, c.hash_sum % _WRAP) for c in self.manifest.chunks if c.kind == ChunkKind.ALLELES}
        # with a deleted sample gone, a chunk's promise no longer stands; those of the other samples do
        if not self.deleted:
            for chunk in sorted(promised.keys() | by_chunk.keys()):
                yield from _pairs("calls", chunk, "", promised.get(chunk, NOTHING), by_chunk.get(chunk, NOTHING))
        expected = {s.sample_id: (s.landed, s.hash_sum % _WRAP) for s in self.manifest.samples if s.sample_id not in self.deleted}
        for sample in sorted(expected.keys() | by_sample.keys()):
            yield from _pairs("calls", -1, sample, expected.get(sample, NOTHING), by_sample.get(sample, NOTHING))

    def _compare_faults(self, found: Mapping[tuple[str, int, str], int]) -> Iterator[Difference]:
        if not self.deleted:
            by_chunk: Counter[int] = Counter()
            for (_, chunk, _), count in found.items():
                by_chunk[chunk] += count
            promised = {c.ordinal: c.calls for c in self.manifest.chunks if c.kind == ChunkKind.FAULTS}
            yield from _numbers("faults", promised, by_chunk)
        for sample in self.manifest.samples:
            if sample.sample_id not in self.deleted:
                reasons: Counter[str] = Counter()
                for (who, _, reason), count in found.items():
                    if who == sample.sample_id:
                        reasons[reason] += count
                for reason in sorted(sample.quarantined.keys() | reasons.keys()):
                    expected, there = sample.quarantined.get(reason, 0), reasons[reason]
                    if expected != there:
                        yield Difference(f"faults ({reason})", -1, sample.sample_id, expected, there)

    def _compare_rows(self, what: str, found: Mapping[tuple[str, int], int], expected: Mapping[int, int]) -> Iterator[Difference]:
        if self.deleted:
            return
        by_chunk: Counter[int] = Counter()
        for (_, chunk), count in found.items():
            by_chunk[chunk] += count
        yield from _numbers(what, expected, by_chunk)

    def _compare_ledger(self, ledger: Mapping[int, LedgerRow]) -> Iterator[Difference]:
        ids = {chunk: row.chunk_id for chunk, row in ledger.items()}
        for chunk in self.manifest.chunks:
            if ids.pop(chunk.ordinal, None) != chunk.chunk_id:
                yield Difference("ledger", chunk.ordinal, "", 1, 0)
        for ordinal in sorted(ids):
            yield Difference("ledger", ordinal, "", 0, 1)

    def _compare_alleles(self, ledger: Mapping[int, LedgerRow]) -> Iterator[Difference]:
        """Every distinct allele of the calls has its annotation; scores and values of sources are as many as the ledger says."""
        mine = f"SELECT {_ALLELE} AS allele FROM calls WHERE submission_id = {{submission:String}} AND call_set = {{set:String}}"
        of_sources = "source IN {sources:Array(String)}"
        sql = f"""SELECT (SELECT uniqExact(allele) FROM ({mine})), {", ".join(_held(table, mine) for table in ("annotation", "score"))},
            (SELECT uniqExact(source, {_ALLELE}) FROM knowledge_value WHERE {of_sources} AND {_ALLELE} IN ({mine}))"""
        keys = {"annotation": self.plan.annotation_key, "score": self.plan.score_key}
        sources = [component.digest for component in self.plan.components]
        [(alleles, annotated, scored, known)] = self.client.rows(sql, {**self._call_set, **keys, "sources": sources})
        if annotated != alleles:
            yield Difference("annotation", -1, "", alleles, annotated)
        if self.deleted:
            return
        asked = sum(row.scores for row in ledger.values())
        if scored != asked:
            yield Difference("score", -1, "", asked, scored)
        promised = sum(row.known for row in ledger.values())
        if known != promised:
            yield Difference("knowledge", -1, "", promised, known)

    def _compare_structural(self) -> Iterator[Difference]:
        """Every fault behind which a structural allele stands has its call, of the plan's packs."""
        where = "submission_id = {submission:String} AND call_set = {set:String}"
        alt = "splitByChar(',', splitByChar('\t', site)[5])[alt_index]"
        sql = f"""SELECT sample_id, sum(fault), sum(call) FROM (
                SELECT sample_id, 1 AS fault, 0 AS call FROM fault FINAL
                WHERE {where} AND reason IN ('symbolic', 'breakend') AND {alt} NOT IN ('<NON_REF>', '<*>', '<X>', '*', '.')
                UNION ALL SELECT sample_id, 0, 1 FROM structural FINAL WHERE {where} AND annotation_key = {{annotation:String}}
            ) GROUP BY sample_id HAVING sum(fault) != sum(call) ORDER BY sample_id"""
        for sample, expected, found in self.client.rows(sql, {**self._call_set, "annotation": self.plan.annotation_key}):
            if sample not in self.deleted:
                yield Difference("structural", -1, sample, expected, found)

    def _samples(
        self,
        calls: Mapping[tuple[str, int], tuple[int, int]],
        faults: Mapping[tuple[str, int, str], int],
        findings: Mapping[tuple[str, int], int],
    ) -> dict[str, SampleFound]:
        landed = _sums(calls, 0)
        reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (sample, _, reason), count in faults.items():
            reasons[sample][reason] += count
        found: Counter[str] = Counter()
        for (sample, _), count in findings.items():
            found[sample] += count
        return {
            s.sample_id: SampleFound(s.variants_in, *landed.get(s.sample_id, NOTHING), dict(reasons[s.sample_id]), found[s.sample_id])
            for s in self.manifest.samples
            if s.sample_id not in self.deleted
        }


def _held(table: str, alleles: str) -> str:
    """SQL: how many of some alleles a once-only store holds. The set is the submission's, however large the store has grown."""
    return f"(SELECT uniqExact({_ALLELE}) FROM {table} WHERE {table}_key = {{{table}:String}} AND {_ALLELE} IN ({alleles}))"


def _sums(found: Mapping[tuple[str, int], tuple[int, int]], part: int) -> dict[Any, tuple[int, int]]:
    """Counts and sums over one part of the key."""
    answer: dict[Any, tuple[int, int]] = {}
    for key, (count, total) in found.items():
        before = answer.get(key[part], NOTHING)
        answer[key[part]] = (before[0] + count, (before[1] + total) % _WRAP)
    return answer


def _pairs(what: str, chunk: int, sample: str, expected: tuple[int, int], found: tuple[int, int]) -> Iterator[Difference]:
    if expected[0] != found[0]:
        yield Difference(what, chunk, sample, expected[0], found[0])
    elif expected[1] != found[1]:
        yield Difference(f"{what} hash", chunk, sample, expected[1], found[1])


def _numbers(what: str, expected: Mapping[int, int], found: Mapping[int, int]) -> Iterator[Difference]:
    for chunk in sorted(expected.keys() | found.keys()):
        if expected.get(chunk, 0) != found.get(chunk, 0):
            yield Difference(what, chunk, "", expected.get(chunk, 0), found.get(chunk, 0))
