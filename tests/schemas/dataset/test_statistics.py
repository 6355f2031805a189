from __future__ import annotations

import json
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.statistics import (
    Counts,
    Histogram,
    Max,
    Min,
    Sample,
    Sum,
    add,
    add_summaries,
    merge_all,
)

BOUNDS = Histogram((0.0, 10.0))
VALUES = {
    Sum(): st.integers() | st.just(0),
    Min(): st.integers(),
    Max(): st.floats(allow_nan=False),
    Counts(): st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
    BOUNDS: st.lists(st.floats(-20, 20), max_size=5).map(BOUNDS.of),
    Sample(3): st.text(max_size=2).map(Sample(3).of),
}


def merged(statistic, values):
    return reduce(statistic.merge, json.loads(json.dumps(values)), None)


@pytest.mark.parametrize(
    ("statistic", "values", "expected"),
    [
        (Sum(), [2, 3, -1], 4),
        (Sum(), [[1, 2], [10, 20]], [11, 22]),
        (Min(), [2, -1.5, 3], -1.5),
        (Max(), [2, 9, -3], 9),
        (Counts(), [{"b": 1}, {"a": 2, "b": 3}], {"b": 4, "a": 2}),
        (BOUNDS, [BOUNDS.of([-1, 0, 9.5]), BOUNDS.of([10, 11])], [1, 2, 2]),
        # BLAKE2b of 8 bytes: a 40f8…, b 8472…, c 373f…
        (
            Sample(2),
            [Sample(2).of(text) for text in "abcab"],
            [["373f6364cd072c1b", "c"], ["40f89e395b66422f", "a"]],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_each_statistic_merges_to(statistic, values, expected):
    assert merged(statistic, values) == expected


@pytest.mark.parametrize("statistic", VALUES, ids=lambda value: type(value).__name__)
def test_merging_is_associative_and_leaves_what_it_is_given_alone(statistic):
    @given(*[VALUES[statistic]] * 3)
    def check(a, b, c):
        before = json.dumps([a, b, c])
        left = statistic.merge(merged(statistic, [a, b]), c)
        right = statistic.merge(merged(statistic, [a]), merged(statistic, [b, c]))
        assert left == right
        assert json.dumps([a, b, c]) == before

    check()


@given(st.lists(st.sampled_from("abcdefgh"), max_size=12), st.randoms())
def test_a_sample_is_the_same_in_whatever_order_texts_come(texts, chooser):
    shuffled = [*texts]
    chooser.shuffle(shuffled)
    sample = Sample(3)
    found = merged(sample, [sample.of(text) for text in texts])
    assert found == merged(sample, [sample.of(text) for text in shuffled])
    assert texts == [] or len(found) == min(3, len(set(texts)))


def test_a_histogram_of_other_bounds_is_refused():
    with pytest.raises(ValueError, match="got 2 counts, expected 3"):
        BOUNDS.merge([0, 0, 0], [1, 1])


def test_lists_of_another_length_are_no_sums():
    for total, value in (([1, 2], [1]), ([1], [1, 2])):
        with pytest.raises(ValueError, match=r"zip\(\) argument 2"):
            Sum().merge(total, value)


def test_a_total_of_counts_is_changed_in_place_and_shares_nothing_with_what_was_added():
    first = {"classes": {"0": 1}}
    total = {}
    add(total, first, {"classes": Counts()})
    classes = total["classes"]
    add(total, {"classes": {"0": 1, "5": 2}}, {"classes": Counts()})
    assert total["classes"] is classes == {"0": 2, "5": 2}
    assert first == {"classes": {"0": 1}}


def test_a_key_that_is_not_declared_is_no_sum():
    with pytest.raises(TypeError) as caught:
        add({}, {"min": 3}, {"max": Max()})
    assert str(caught.value) == "got the summary key 'min', which summary_types does not declare"


def test_how_a_key_is_merged_does_not_hang_on_its_name():
    types = {"min": Sum(), "count": Max()}
    assert merge_all([], types) == {}
    assert merge_all([{"min": 1}, {"min": 2, "count": 5}], types) == {"min": 3, "count": 5}


def test_summaries_are_added_as_their_features_say():
    declared = {"n": {"type": "int64", "source": "n"}, "text": {"type": "string", "source": "t"}}
    features = Schema.from_dict({"features": declared}).features
    total = {}
    for n, text in ((3, "ab"), (-2, "abcd")):
        encoded = {"n": features["n"].encode("n", n), "text": features["text"].encode("text", text)}
        add_summaries(total, {name: e.summary for name, e in encoded.items()}, features)
    assert total == {
        "n": {"count": 2, "min": -2, "max": 3, "sum": 1, "sumsq": 13},
        "text": {"count": 2, "bytes": 6, "max_bytes": 4},
    }
