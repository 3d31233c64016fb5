"""Annotate once: rows out of the cache are the rows that computing gives, whatever comes, in whatever order, however small it is."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.annotate.cache import AnnotationCache
from processors.annotate.rows import Rows, empty_rows
from processors.annotate.stage import annotate
from schemas.chunks import ANNOTATION_FIELDS
from schemas.plan import CuttingRule
from tests.processors.test_chain import chunks_of

if TYPE_CHECKING:
    from tests.processors.conftest import World


def rows_of(key: str, ids: Any, spelt: Any) -> Rows:
    """Rows that depend on nothing but what they are asked for, as the stage's do."""
    seeds = [np.random.default_rng([len(key), int(allele), int(spelling)]) for allele, spelling in zip(ids, spelt, strict=True)]
    counts = [int(seed.integers(0, 9)) for seed in seeds]
    found = empty_rows(len(ids), sum(counts))
    found.offsets[1:] = np.cumsum(counts)
    for values in found[1:]:
        drawn = [seed.integers(0, 200, count) for seed, count in zip(seeds, counts, strict=True)]
        values[:] = np.concatenate([*drawn, np.empty(0, dtype=np.int64)])
    return found


def asked(cache: AnnotationCache, key: str, ids: Any, spelt: Any) -> Rows:
    return cache.rows(key, ids, spelt, lambda missing: rows_of(key, ids[missing], spelt[missing]))


def assert_same(found: Rows, wanted: Rows) -> None:
    pairs: list[tuple[str, Any, Any]] = list(zip(Rows._fields, found, wanted, strict=True))
    for name, one, other in pairs:
        assert one.dtype == other.dtype, name
        assert np.array_equal(one, other), name


CHUNK = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "bb"]), CHUNK), max_size=8), st.sampled_from([0, 3_000, 20_000, 1 << 20]))
def test_rows_are_the_same_to_the_bit_with_and_without_it(chunks: list[tuple[str, list[tuple[int, int]]]], size: int) -> None:
    cache = AnnotationCache(size)
    total = 0
    for key, alleles in chunks:
        ids = np.array([allele << 32 for allele, _ in alleles], dtype=np.uint64)
        spelt = np.array([spelling for _, spelling in alleles], dtype=np.uint32)
        assert_same(asked(cache, key, ids, spelt), rows_of(key, ids, spelt))
        total += len(alleles)
    assert cache.tally.hits + cache.tally.misses == total


def test_what_was_seen_is_not_computed_again_until_it_is_crowded_out() -> None:
    cache = AnnotationCache(1 << 16)
    ids, spelt = np.arange(50, dtype=np.uint64), np.zeros(50, dtype=np.uint32)
    asked(cache, "a", ids, spelt)
    asked(cache, "a", ids, spelt)
    assert (cache.tally.hits, cache.tally.misses, cache.tally.evictions) == (50, 50, 0)
    asked(cache, "b", ids, spelt)
    assert cache.tally.misses == 100  # another key
    held = cache.tally.bytes
    for first in range(1_000, 20_000, 500):
        asked(cache, "a", np.arange(first, first + 500, dtype=np.uint64), np.zeros(500, dtype=np.uint32))
    assert cache.tally.evictions > 0
    assert cache.tally.bytes <= held + (1 << 16)
    taken = cache.taken()
    asked(cache, "a", ids, spelt)
    assert (taken.hits, cache.taken().misses) == (50, 50)


def test_threads_share_it() -> None:
    cache, wrong = AnnotationCache(50_000), []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(20):
            ids, spelt = random.integers(0, 400, 100).astype(np.uint64), np.zeros(100, dtype=np.uint32)
            try:
                assert_same(asked(cache, "a", ids, spelt), rows_of("a", ids, spelt))
            except AssertionError as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("alleles", [65_536, 97])
def test_the_stage_says_the_same_with_a_cache_cold_warm_and_full(alleles: int, small_world: World) -> None:
    plain = small_world.resources()
    chunks = chunks_of(small_world, plain, CuttingRule(alleles=alleles))
    names = [field.name for field in ANNOTATION_FIELDS]
    wanted = [annotate(chunk, plain).rows.select(names) for chunk in chunks]
    for size in (1 << 22, 20_000):
        cached = replace(plain, cache=AnnotationCache(size))
        for _ in range(2):
            assert [annotate(chunk, cached).rows.select(names) for chunk in chunks] == wanted
    assert cached.cache is not None
    assert cached.cache.tally.evictions > 0
