from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.dataset.file_names import SPLIT_NAME, ShardName, split_file

LETTERS = string.ascii_letters


@given(
    st.tuples(st.sampled_from(LETTERS), st.text(LETTERS + string.digits + "_", max_size=99)).map(
        "".join
    ),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
)
def test_parsing_gives_the_name_back(split, index, count):
    assert ShardName.parse(str(ShardName(split, index, count))) == ShardName(split, index, count)


def test_names():
    name = ShardName("train", 3, 16)
    assert str(name) == "train-00003-of-00016"
    assert name.file("tfrecord") == "train-00003-of-00016.tfrecord"


@pytest.mark.parametrize(
    "text", ["", "train", "train-3-of-16", "train-00003-of-00016.h5", "../x-00003-of-00016"]
)
def test_other_names_are_refused(text):
    with pytest.raises(ValueError, match="expected a shard name like 'train-00003-of-00016'"):
        ShardName.parse(text)


def test_numbers_of_more_than_five_digits_and_files_of_splits():
    assert str(ShardName("val", 123456, 200000)) == "val-123456-of-200000"
    assert split_file("train", "h5") == "train.h5"


@pytest.mark.parametrize(("length", "is_name"), [(1, True), (100, True), (101, False)])
def test_a_split_has_at_most_100_characters(length, is_name):
    assert (SPLIT_NAME.fullmatch("a" * length) is not None) == is_name
