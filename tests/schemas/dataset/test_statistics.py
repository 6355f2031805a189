from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.dataset.statistics import add, merge, merge_all

SUMMARIES = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(),
        "sum": st.lists(st.integers(), min_size=3, max_size=3),
        "min": st.integers(),
        "max": st.integers(),
        "classes": st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
    },
)


def test_each_kind_of_number():
    left = {"n": 2, "sum": [1, 2], "min": -1.5, "max": 4, "classes": {"0": 1}}
    right = {"n": 3, "sum": [10, 20], "min": 0, "max": 9, "classes": {"0": 2, "7": 1}}
    merged = {"n": 5, "sum": [11, 22], "min": -1.5, "max": 9, "classes": {"0": 3, "7": 1}}
    assert merge(left, right) == merged
    assert merge_all([]) == {}


@given(SUMMARIES, SUMMARIES, SUMMARIES)
def test_merging_is_associative_and_leaves_its_arguments_alone(a, b, c):
    before = repr((a, b, c))
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge_all([a, b, c])
    assert repr((a, b, c)) == before


def test_a_total_is_changed_in_place_and_shares_nothing_with_what_was_added():
    first = {"classes": {"0": 1}}
    total = {}
    add(total, first)
    classes = total["classes"]
    add(total, {"classes": {"0": 1, "5": 2}})
    assert total["classes"] is classes == {"0": 2, "5": 2}
    assert first == {"classes": {"0": 1}}
