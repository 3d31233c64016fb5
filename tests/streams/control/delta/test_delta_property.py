"""Whatever rows of knowledge are added, removed or changed: a delta ends where a run from scratch ends."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TERMS = ("Pathogenic", "Likely_pathogenic", "Uncertain_significance", "Benign", "Conflicting_classifications_of_pathogenicity", "other")
CLINVAR = st.dictionaries(st.integers(0, 29), st.sampled_from(TERMS), min_size=1, max_size=12)
FREQUENCY = st.dictionaries(st.integers(0, 29), st.sampled_from((0.0001, 0.009, 0.011, 0.4)), min_size=1, max_size=12)
EDIT = st.fixed_dictionaries({"clinvar": CLINVAR, "frequency": FREQUENCY})
CARRIED = st.lists(st.integers(0, 29), min_size=1, max_size=15, unique=True)
NUMBER = itertools.count()


def check(make_lab: Any, folder: Path, interpreted: Any, first: Any, edits: Any, carried: Any) -> None:
    lab = make_lab(folder, interpreted.packs, "toy", interpreted.calls)

    def release(version: int, said: Any) -> None:
        lab.clinvar(str(version), {lab.sites[n]: text for n, text in said["clinvar"].items()})
        lab.frequency(str(version), {lab.sites[n]: af for n, af in said["frequency"].items()})

    release(1, first)
    names = {f"s{number}": [lab.sites[n] for n in sorted(mine)] for number, mine in enumerate(carried)}
    for name, sites in names.items():
        lab.submit(name, sites)
    lab.run()
    said = first
    for version, edit in enumerate(edits, 2):
        # an edit keeps a part of what stood before, as releases do
        said = {kind: {n: v for n, v in said[kind].items() if n % 3} | edit[kind] for kind in said}
        release(version, said)
        lab.run()
    assert lab.behind() == 0
    seen = lab.seen(list(names))
    assert seen == lab.scratch(names)


@given(first=EDIT, edits=st.lists(EDIT, min_size=1, max_size=2), carried=st.lists(CARRIED, min_size=1, max_size=2))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_delta_ends_where_a_run_from_scratch_ends(
    make_lab: Any, empty: Any, tmp_path: Path, interpreted: Any, first: Any, edits: Any, carried: Any
) -> None:
    empty()
    folder = tmp_path.resolve() / str(next(NUMBER))
    folder.mkdir()
    check(make_lab, folder, interpreted, first, edits, carried)


@pytest.mark.soak
@given(first=EDIT, edits=st.lists(EDIT, min_size=1, max_size=4), carried=st.lists(CARRIED, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_many_deltas_end_where_a_run_from_scratch_ends(
    make_lab: Any, empty: Any, tmp_path: Path, interpreted: Any, first: Any, edits: Any, carried: Any
) -> None:
    empty()
    folder = tmp_path.resolve() / str(next(NUMBER))
    folder.mkdir()
    check(make_lab, folder, interpreted, first, edits, carried)
