from __future__ import annotations

from importlib.metadata import version

import h5py
import pytest
from PIL import features
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.shards.library_versions import (
    BYTES_VERSION,
    check_versions,
    codec_versions,
)
from pixelbeam.transforms.sinks.registry import sink_versions


def test_all_that_makes_bytes_is_named():
    """Each as its distribution has it; Pillow's own codecs as Pillow does."""
    versions = codec_versions()
    distributions = ("apache-beam", "numpy", "pillow", "pyarrow", "simplejpeg")
    assert {name: versions[name] for name in distributions} == {
        name: version(name) for name in distributions
    }
    # Pinned: another one is another dataset of everybody's.
    assert versions["pixelbeam bytes"] == str(BYTES_VERSION) == "3"
    assert versions["libjpeg_turbo"] == features.version_feature("libjpeg_turbo")
    assert versions["littlecms2"] == features.version("littlecms2")
    assert list(versions) == sorted(versions)


def test_a_codec_that_pillow_lacks_is_absent(monkeypatch):
    monkeypatch.setattr(features, "version_feature", lambda name: None)
    assert codec_versions()["libjpeg_turbo"] == "absent"


def test_sinks_name_what_serializes():
    schema = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
    assert sink_versions(("tfrecord",), schema) == {"protobuf": version("protobuf")}
    assert sink_versions(("tfrecord", "hdf5"), schema) == {
        "protobuf": version("protobuf"),
        "h5py": version("h5py"),
        "hdf5": h5py.version.hdf5_version,
    }


def test_the_same_versions_pass():
    check_versions(codec_versions(), codec_versions())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"pillow": "11.3.0"},
            "this worker has pillow 11.3.0, expected 12.3.0 as the launcher has; ",
        ),
        (
            {"apache-beam": "2.1"},
            "this worker has apache-beam 2.1, expected none as the launcher has; ",
        ),
        ({"zlib": "none"}, "this worker has zlib none, expected 1.3 as the launcher has; "),
    ],
)
def test_a_worker_with_other_versions_is_refused(changed, message):
    launcher = {"pillow": "12.3.0", "zlib": "1.3"}
    with pytest.raises(BuildError) as caught:
        check_versions({**launcher, **changed}, launcher)
    assert str(caught.value) == (
        message + "other versions may write other bytes, so install the launcher's on the workers"
    )
