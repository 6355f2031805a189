"""HDF5 files as manifests, and the order of rows that are read from compressed chunks."""

from __future__ import annotations

from itertools import pairwise

import h5py
import numpy as np
import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import OptionError
from pixelbeam.transforms.shards.plan_shards import ShardSize
from support import contents, write_csv

COUNT, CHUNK = 120, 20
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 64, 64, 3), np.uint8)
RAW = {"type": "image", "source": "images", "resize": "none", "encoding": "raw"}
LABEL = {"type": "int64", "source": "labels"}


@pytest.fixture
def arrays(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        chunks = (CHUNK, 64, 64, 3)
        file.create_dataset("images", data=IMAGES, chunks=chunks, compression="gzip")
        file["labels"] = np.arange(COUNT)
    return path


def options(manifest, output, features=None, **more):
    schema = Schema.from_dict({"features": features or {"image": RAW, "label": LABEL}})
    size = more.pop("shard_size", ShardSize(num_shards=2))
    sinks = ("hdf5",)
    return BuildOptions(str(manifest), schema, str(output), sinks=sinks, shard_size=size, **more)


def shards(output):
    for path in sorted(output.glob("train-*.h5")):
        with h5py.File(path) as file:
            sides, offsets = file["image/shape"][()], file["image/offsets"][()]
            values = file["image/values"][()]
            yield [
                (int(label), values[start:stop].reshape(shape))
                for label, start, stop, shape in zip(
                    file["label"][()], offsets, offsets[1:], sides, strict=False
                )
            ]


def test_an_index_is_a_row_and_a_chunk_lies_together(arrays, tmp_path):
    build(options(arrays, tmp_path / "out"))
    seen = []
    for records in shards(tmp_path / "out"):
        chunks = [label // CHUNK for label, _ in records]
        runs = [c for i, c in enumerate(chunks) if i == 0 or chunks[i - 1] != c]
        assert len(runs) == len(set(chunks))
        for label, image in records:
            np.testing.assert_array_equal(image.reshape(64, 64, 3), IMAGES[label])
            seen.append(label)
    assert sorted(seen) == list(range(COUNT))
    assert seen[:CHUNK] != sorted(seen[:CHUNK])


def test_the_bytes_do_not_depend_on_threads(arrays, tmp_path):
    build(options(arrays, tmp_path / "one", threads=1))
    build(options(arrays, tmp_path / "four", threads=4))
    assert contents(tmp_path / "one") == contents(tmp_path / "four")


def test_references_in_a_manifest_of_text_give_the_same_order(arrays, tmp_path):
    rows = [(f"a.h5::images[{row}]", row) for row in range(COUNT)]
    manifest = write_csv(tmp_path / "m.csv", rows)
    features = {"image": {**RAW, "source": "path"}, "label": {**LABEL, "source": "label"}}
    build(options(manifest, tmp_path / "out", features))
    for records in shards(tmp_path / "out"):
        chunks = [label // CHUNK for label, _ in records]
        assert sum(a != b for a, b in pairwise(chunks)) < 6


def test_a_group_is_a_row(tmp_path):
    with h5py.File(tmp_path / "g.h5", "w") as file:
        for number in range(6):
            file[f"s{number}/images"] = IMAGES[number]
            file[f"s{number}/labels"] = number
    build(options(tmp_path / "g.h5", tmp_path / "out"))
    found = {label: image for records in shards(tmp_path / "out") for label, image in records}
    assert sorted(found) == list(range(6))
    for number, image in found.items():
        np.testing.assert_array_equal(image.reshape(64, 64, 3), IMAGES[number])


def test_an_image_root_would_lead_elsewhere(arrays, tmp_path):
    with pytest.raises(OptionError) as caught:
        build(options(arrays, tmp_path / "out", image_root=str(tmp_path)))
    assert str(caught.value) == (
        f"--image_root: got {str(tmp_path)!r}, expected none: {arrays} holds its own arrays, "
        "and paths in it are relative to its folder"
    )
