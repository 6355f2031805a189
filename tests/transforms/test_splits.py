from __future__ import annotations

from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import OptionError, Reject
from pixelbeam.transforms.row_order import order_of, pack_row
from pixelbeam.transforms.rows import ManifestRow, RejectedRow, RowFormat
from pixelbeam.transforms.splits import AssignSplits, Splits, assign_split

FORMAT = RowFormat(("path", "person", "split"), "path")
THREE = (("train", 0.8), ("val", 0.15), ("test", 0.05))


def row(number, person="p", split="train"):
    return ManifestRow("m.csv", number, (f"{number}.jpg", person, split))


def test_shares_are_about_the_fractions():
    counts = Counter(assign_split(Splits(THREE), 0, FORMAT, row(n)) for n in range(20_000))
    assert {name: round(count / 20_000, 2) for name, count in counts.items()} == dict(THREE)


@given(st.integers(0, 9), st.lists(st.integers(1, 10**9), min_size=2, max_size=9))
def test_a_group_stays_together(seed, numbers):
    splits = Splits(THREE, group_by="person")
    assert (
        len({assign_split(splits, seed, FORMAT, row(number, person="anna")) for number in numbers})
        == 1
    )


def test_the_split_depends_on_the_key_and_the_seed_alone():
    moved = ManifestRow("other.csv", 99, row(1).values)
    splits = Splits((("a", 0.5), ("b", 0.5)))
    assert assign_split(splits, 3, FORMAT, row(1)) == assign_split(splits, 3, FORMAT, moved)
    assert {assign_split(splits, seed, FORMAT, row(1)) for seed in range(20)} == {"a", "b"}


def test_the_split_comes_from_its_column():
    assert assign_split(Splits(column="split"), 0, FORMAT, row(1, split="val")) == "val"


@pytest.mark.parametrize(
    ("splits", "given_row", "reason", "message"),
    [
        (
            Splits(column="split"),
            row(1, split=None),
            "missing_value",
            "column 'split' is empty, expected a value",
        ),
        (
            Splits(column="split"),
            row(1, split="../x"),
            "bad_split",
            "column 'split': got '../x', expected a letter and up to 99 letters, digits and underscores",
        ),
        (
            Splits(THREE, group_by="person"),
            row(1, person=""),
            "missing_value",
            "column 'person' is empty, expected a value",
        ),
    ],
)
def test_rejects(splits, given_row, reason, message):
    with pytest.raises(Reject) as reject:
        assign_split(splits, 0, FORMAT, given_row)
    assert (reject.value.stage, reject.value.reason, reject.value.message) == (
        "split",
        reason,
        message,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train=0.9,val=0.2", "--splits: got fractions that add up to 1.1, expected 1"),
        ("train=1,train=0", "--splits: got train=0, expected a fraction between 0 and 1"),
        ("train=0.5,train=0.5", "--splits: got train, train, expected each split once"),
        (
            "a/b=1",
            "--splits: got the name 'a/b', expected a letter and up to 99 letters, digits and underscores",
        ),
        ("train", "--splits: got 'train', expected something like train=0.9,val=0.1"),
    ],
)
def test_bad_options(text, message):
    with pytest.raises(OptionError) as error:
        Splits(Splits.parse(text))
    assert str(error.value) == message


def test_the_transform_gives_rows_and_rejects():
    with beam.Pipeline(FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create([row(1, split="val"), row(2, split="")])
        outputs = rows | AssignSplits(Splits(column="split"), 0, FORMAT)
        kept = row(1, split="val")
        packed = pack_row(order_of(0, FORMAT.key(kept), kept), kept)
        assert_that(outputs.rows, equal_to([("val", [packed])]))
        rejected = RejectedRow(
            "m.csv", 2, "2.jpg", "split", "missing_value", "column 'split' is empty, expected a value",
            values=(("path", "2.jpg"), ("person", "p"), ("split", "")),
        )  # fmt: skip
        assert_that(outputs.rejects, equal_to([rejected]), label="rejects")
