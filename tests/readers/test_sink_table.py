"""A format of another package, of which nothing is known but its sink, is read as ours are."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from datasets import edit_info
from hdf5_datasets import RECORDS
from installed import install, plugin_caches
from pixelbeam.readers import HDF5Records, load
from pixelbeam.readers.hdf5.table import Table
from pixelbeam.readers.published import open_dataset
from pixelbeam.readers.random_access.table_records import TableRecords
from pixelbeam.readers.record_table import Ragged
from pixelbeam.readers.sink_table import SinkTable
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.transforms.sinks.tfrecord import TFRecordSink

ROWS = [7, 29, 0, 0, 12]


@pytest.fixture(scope="module")
def table(all_kinds):
    files = sorted(map(str, all_kinds.glob("train-*.tfrecord")))
    return SinkTable(TFRecordSink(), files, open_dataset(all_kinds).schema)


def as_plain(values):
    if isinstance(values, Ragged):
        return [as_plain(values.values), values.lengths.tolist()]
    if values.dtype == object:
        return [bytes(value) for value in values]
    return [values.dtype.name, values.tolist()]


@pytest.mark.parametrize("rows", [ROWS, []])
def test_values_are_those_that_hdf5_files_hold(all_kinds, table, rows):
    schema = open_dataset(all_kinds).schema
    files = sorted(map(str, all_kinds.glob("train-*.h5")))
    got, expected = table.read(rows), Table(files, list(schema.specs_by_key)).read(rows)
    assert len(table) == RECORDS
    assert list(got) == list(expected)
    for key, values in got.items():
        if rows or not isinstance(values, Ragged):
            assert as_plain(values) == as_plain(expected[key])


def test_records_at_random(all_kinds, table):
    got = TableRecords(table, open_dataset(all_kinds).schema)
    expected = HDF5Records(all_kinds, "train")
    pairs = zip(got.__getitems__(ROWS), expected.__getitems__(ROWS), strict=True)
    for left, right in [*pairs, (got[-1], expected[-1])]:
        assert left.keys() == right.keys()
        for name, value in left.items():
            np.testing.assert_array_equal(value, right[name], strict=True)


@pytest.mark.parametrize("rows", [[-1], [30]])
def test_numbers_of_no_record(table, rows):
    with pytest.raises(IndexError, match=f"got rows {rows[0]} to {rows[0]} of 30"):
        table.read(rows)


def test_a_damaged_file(all_kinds, tmp_path):
    path = tmp_path / "damaged.tfrecord"
    data = bytearray((all_kinds / "train-00000-of-00003.tfrecord").read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError) as caught:
        SinkTable(TFRecordSink(), [str(path)], open_dataset(all_kinds).schema).read([0])
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_are_not_local(all_kinds):
    with pytest.raises(DatasetError, match=r"s3://a/b: sink 'tfrecord' cannot read s3://; copy"):
        SinkTable(TFRecordSink(), ["s3://a/b"], open_dataset(all_kinds).schema)


@pytest.fixture
def foreign(all_kinds, tmp_path):
    """The dataset, whose TFRecords are files of a sink ``other``; it has no others."""
    out = shutil.copytree(all_kinds, tmp_path / "out")

    def rename(content):
        for shard in content["splits"]["train"]["shards"]:
            shard["files"] = {"other": shard["files"]["tfrecord"]}

    edit_info(out, rename)
    return out


CODE = """
from pixelbeam.transforms.sinks.tfrecord import TFRecordSink

class Other(TFRecordSink):
    name, suffix = "other", "oth"
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    points = {"pixelbeam.sinks": {"other": "other_sink:Other"}}
    with plugin_caches():
        install(site, "pixelbeam-other", "1", {"other_sink.py": CODE}, points)
        monkeypatch.syspath_prepend(site)
        yield


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 7, "targets": []},
        {"batch_size": 7, "drop_remainder": True, "scaling": "[0,1]", "one_hot": True},
        {"features": ["jpeg", "ragged", "boxes", "label"]},
    ],
)
def test_elements_are_those_of_the_tfrecord_reader(all_kinds, foreign, package, options):
    options = {"features": list(open_dataset(all_kinds).schema.features), **options}
    expected, got = load(all_kinds, "train", **options), load(foreign, "train", **options)
    assert got.element_spec == expected.element_spec
    for left, right in zip(got, expected, strict=True):
        pairs = (tf.nest.flatten(side, expand_composites=True) for side in (left, right))
        for a, b in zip(*pairs, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


def test_a_format_that_may_be_asked_for(foreign, package):
    assert load(foreign, "train", features=["label", "raw"], source="other").cardinality() == 30
    with pytest.raises(
        ValueError,
        match=r"^source: got 'zarr', expected 'tfrecord' or 'hdf5' or 'other'; or install ",
    ):
        load(foreign, "train", source="zarr")


def test_a_format_that_is_not_installed(foreign):
    with pytest.raises(DatasetError) as caught:
        load(foreign, "train")
    assert str(caught.value) == (
        f"{foreign}: split 'train' has other files alone, for which no sink is installed here; install the "
        "package that offers it"
    )
