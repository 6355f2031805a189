from __future__ import annotations

import pytest
from pixelbeam.readers.formats import choose_source
from pixelbeam.readers.published import open_dataset
from pixelbeam.schemas.errors import DatasetError


def test_the_first_format_that_is_there_is_read(all_kinds):
    dataset = open_dataset(all_kinds)
    assert choose_source(dataset, "train", None) == "tfrecord"
    assert choose_source(dataset, "train", "hdf5") == "hdf5"
    with pytest.raises(
        ValueError,
        match=r"^source: got 'zarr', expected 'tfrecord' or 'hdf5'; or install ",
    ):
        choose_source(dataset, "train", "zarr")
    with pytest.raises(DatasetError, match="no split 'val'; its splits are: train"):
        choose_source(dataset, "val", None)
