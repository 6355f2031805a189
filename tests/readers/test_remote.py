from __future__ import annotations

import pytest
from pixelbeam.readers.remote import explain_remote, is_remote


@pytest.mark.parametrize(
    ("place", "remote"), [("s3://data/out", True), ("/data/out", False), ("out", False)]
)
def test_only_urls_are_remote(place, remote):
    assert is_remote(place) is remote


def test_what_to_do_is_said_in_a_line():
    assert explain_remote("s3://data/out", "HDF5") == (
        "s3://data/out: HDF5 cannot read s3://; copy the dataset to a local directory, for instance with "
        "`aws s3 sync s3://data/out DIR` (pip install awscli), and read that"
    )
    assert explain_remote("hdfs://host/out", "TensorFlow 2.21.0") == (
        "hdfs://host/out: TensorFlow 2.21.0 cannot read hdfs://; copy the dataset to a local directory, "
        "and read that"
    )
