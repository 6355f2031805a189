"""Several rows of an array that share a key, and columns, from files through both sinks to every reader."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tensorflow as tf
from clips import build_clips, write_rows
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.readers import HDF5Dataset, HDF5Records, load
from pixelbeam.schemas import Schema
from support import rejects_of

RANDOM = np.random.default_rng(0)
IDS = np.array([3, 1, 3, 2, 3, 1, 5, 5])
POSES = RANDOM.random((8, 75), np.float32)
SCORES = RANDOM.random(8, np.float32)
SOUNDS = RANDOM.random((13, 6), np.float32)
KEYS = (1, 2, 3, 5)
POSE = {"type": "float32", "source": "a.h5::poses[ids={id}]", "shape": [None, 75]}
BOTH = ("tfrecord", "hdf5")


def write_arrays(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["poses"], file["ids"], file["scores"] = POSES, IDS, SCORES
    with h5py.File(folder / "a.mat", "w", userblock_size=512) as file:
        file["sounds"] = SOUNDS.T  # MATLAB's axes are the other way round in its files
        file["sounds"].attrs["MATLAB_class"] = np.bytes_("single")
    return write_rows(folder / "m.csv", [{"id": key, "column": key} for key in KEYS])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    schema = Schema.from_dict(
        {
            "features": {
                "id": {"type": "int64", "source": "id"},
                "poses": POSE,
                "grid": {**POSE, "shape": [None, 25, 3]},
                "scores": {**POSE, "source": "a.h5::scores[ids={id}]", "shape": [None]},
                "sound": {"type": "float32", "source": "a.mat::sounds[:,{column}]", "shape": [13]},
            }
        }
    )
    build_clips(write_arrays(folder), schema, folder / "out", sinks=BOTH)
    assert not (folder / "out" / "rejects.jsonl").exists()
    return folder / "out"


def check(record):
    key = int(record["id"])
    np.testing.assert_array_equal(record["poses"], POSES[key == IDS], strict=True)
    np.testing.assert_array_equal(record["grid"], POSES[key == IDS].reshape(-1, 25, 3), strict=True)
    np.testing.assert_array_equal(record["scores"], SCORES[key == IDS], strict=True)
    np.testing.assert_array_equal(record["sound"], SOUNDS[:, key], strict=True)
    return key


@pytest.mark.parametrize("source", BOTH)
def test_load_gives_them_ragged(dataset, source):
    (batch,) = load(dataset, "train", batch_size=4, targets=[], source=source)
    assert (batch["poses"].shape.as_list(), batch["poses"].ragged_rank) == ([4, None, 75], 1)
    assert batch["grid"].shape.as_list() == [4, None, 25, 3]
    keys = [check({name: v[row].numpy() for name, v in batch.items()}) for row in range(4)]
    assert sorted(keys) == list(KEYS)
    single = load(dataset, "train", targets=[], source=source).as_numpy_iterator()
    assert sorted(map(check, single)) == list(KEYS)


def test_the_generated_module_gives_them_alone(dataset):
    module = {}
    exec((dataset / "feature_description.py").read_text(), module)
    files = [str(path) for path in dataset.glob("*.tfrecord")]
    parsed = module["parse_example"](next(iter(tf.data.TFRecordDataset(files).batch(4))))
    batch = module["decode"](parsed)
    keys = [check({name: v[row].numpy() for name, v in batch.items()}) for row in range(4)]
    assert sorted(keys) == list(KEYS)


def test_hdf5_records_and_h5py_give_them(dataset):
    for path in ((dataset, "train"), (dataset / "train.h5",)):
        assert sorted(map(check, HDF5Records(*path))) == list(KEYS)
    with h5py.File(dataset / "train.h5") as file:
        assert (file["poses/values"].shape, file["grid/values"].shape) == ((8, 75), (8, 25, 3))
        ends = file["poses/offsets"][:]
        for row, key in enumerate(file["id"]):
            rows = file["poses/values"][ends[row] : ends[row + 1]]
            np.testing.assert_array_equal(rows, POSES[key == IDS])


def test_keras_is_told_that_it_cannot_take_them(dataset):
    roles = {"poses": "input", "id": "target"}
    with pytest.raises(ValueError, match="'poses' has another shape in each record"):
        HDF5Dataset(dataset, "train", features=roles)
    batch = HDF5Dataset(
        dataset, "train", features={"sound": "input", "id": "target"}, batch_size=4
    )[0]
    np.testing.assert_array_equal(batch[0], SOUNDS[:, batch[1]].T)


def check_drawn(batch):
    """That each record has two of its poses and grids, at the same places, which it returns."""
    found = []
    for key, poses, grid in zip(batch["id"], batch["poses"], batch["grid"], strict=True):
        own = POSES[int(key) == IDS].tolist()
        drawn = poses[: min(2, len(own))]
        places = [own.index(pose) for pose in np.asarray(drawn).tolist()]
        assert len(set(places)) == len(places)
        assert not np.any(poses[len(own) :])
        np.testing.assert_array_equal(np.reshape(grid, (2, 75)), poses)
        found.append((int(key), *places))
    return tuple(sorted(found))


DRAW = {"draw": {"poses": 2, "grid": 2}, "fewer": "zeros"}


@pytest.mark.parametrize("source", BOTH)
def test_load_draws_some_of_them_anew_each_epoch(dataset, source):
    options = {"targets": [], "source": source, "seed": 3, **DRAW}
    batches = load(dataset, "train", batch_size=4, drop_remainder=True, **options)
    shapes = {name: spec.shape.as_list() for name, spec in batches.element_spec.items()}
    assert (shapes["poses"], shapes["grid"]) == ([4, 2, 75], [4, 2, 25, 3])
    epochs = [check_drawn(batch) for _ in range(12) for batch in batches.as_numpy_iterator()]
    assert len(set(epochs)) > 6  # of 2 * 6 * 2 that there are
    again = load(dataset, "train", batch_size=4, repeat=12, shuffle=True, **options)
    drawn = [check_drawn(batch) for batch in again.as_numpy_iterator()]
    assert len(set(drawn)) > 6
    once_more = load(dataset, "train", batch_size=4, repeat=12, shuffle=True, **options)
    assert [check_drawn(batch) for batch in once_more.as_numpy_iterator()] == drawn
    single = list(load(dataset, "train", **options).as_numpy_iterator())
    assert single[0]["poses"].shape == (2, 75)
    check_drawn({name: [record[name] for record in single] for name in single[0]})


@pytest.mark.parametrize("source", BOTH)
def test_a_record_of_fewer_is_an_error_unless_said_otherwise(dataset, source):
    options = {"targets": [], "source": source, "draw": {"scores": 3}}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"fewer than 3 items of .*scores"):
        list(load(dataset, "train", batch_size=4, **options))
    (batch,) = load(dataset, "train", batch_size=4, fewer="repeat", **options).as_numpy_iterator()
    for key, scores in zip(batch["id"], batch["scores"], strict=True):
        assert set(scores) == set(SCORES[key == IDS])


def test_keras_draws_some_of_them(dataset):
    roles = {"poses": "input", "grid": "input", "id": "target"}
    options = {"features": roles, "batch_size": 4, "seed": 1, **DRAW}
    drawing = HDF5Dataset(dataset, "train", **options)
    epochs = []
    for _ in range(12):
        inputs, keys = drawing[0]
        epochs.append(check_drawn({**inputs, "id": keys}))
        drawing.on_epoch_end()
    assert len(set(epochs)) > 6
    inputs, keys = HDF5Dataset(dataset, "train", **options)[0]
    assert check_drawn({**inputs, "id": keys}) == epochs[0]
    with pytest.raises(ValueError, match="fewer than 2 items of 'poses'"):
        HDF5Dataset(dataset, "train", **{**options, "fewer": None})[0]


def test_verify_finds_it_whole(dataset):
    assert verify(str(dataset)).faults == []


def test_a_feature_that_has_one_says_how_to_declare_several(tmp_path):
    manifest = write_arrays(tmp_path)
    schema = Schema.from_dict({"features": {"pose": {**POSE, "shape": [75]}}})
    build_clips(manifest, schema, tmp_path / "out")
    assert sorted((r["reason"], r["message"]) for r in rejects_of(tmp_path / "out")) == [
        (
            "ambiguous_key",
            f"a.h5::poses[ids={key}]: got {count} rows with this key, expected one; declare shape: "
            "[null, 75] to take them all",
        )
        for key, count in ((1, 2), (3, 3), (5, 2))
    ]


@pytest.mark.parametrize("source", BOTH)
def test_each_step_may_have_several(tmp_path, source):
    """A clip of frames, each with the poses of all who are seen in it; its context has those of a key."""
    write_arrays(tmp_path)
    frames = {"one": (3, 1, 2), "two": (5, 3)}
    rows = [
        {"clip": clip, "frame": frame, "id": key, "of_clip": keys[0]}
        for clip, keys in frames.items()
        for frame, key in enumerate(keys)
    ]
    schema = Schema.from_dict(
        {
            "record": "sequence_example",
            "clips": {"key": "clip", "order": "frame"},
            "context": {"first": {**POSE, "source": "a.h5::poses[ids={of_clip}]"}},
            "steps": {"poses": POSE, "id": {"type": "int64", "source": "id"}},
        }
    )
    out = tmp_path / "out"
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, out, sinks=BOTH)
    assert verify(str(out)).faults == []
    (batch,) = load(out, "train", batch_size=2, targets=[], source=source)
    assert batch["poses"].shape.as_list() == [2, None, None, 75]
    found = []
    for row in range(2):
        keys = batch["id"][row].numpy().tolist()
        np.testing.assert_array_equal(batch["first"][row], POSES[keys[0] == IDS])
        for step, key in enumerate(keys):
            np.testing.assert_array_equal(batch["poses"][row][step], POSES[key == IDS])
        found.append(tuple(keys))
    assert sorted(found) == sorted(frames.values())
    padded = load(out, "train", batch_size=2, targets=[], source=source, pad_to="longest")
    assert padded.element_spec["poses"].shape.as_list()[2:] == [None, 75]
    (batch,) = padded
    assert batch["poses"].shape == (2, 3, 3, 75)
    options = {"draw": {"poses": 2, "first": 1}, "fewer": "repeat", "targets": []}
    drawing = load(out, "train", batch_size=2, source=source, frames=2, sampling="head", **options)
    assert drawing.element_spec["poses"].shape.as_list() == [None, 2, 2, 75]
    assert drawing.element_spec["first"].shape.as_list() == [None, 1, 75]
    (batch,) = drawing.as_numpy_iterator()
    for row, keys in enumerate(batch["id"].tolist()):
        assert batch["first"][row].tolist()[0] in POSES[keys[0] == IDS].tolist()
        for step, key in enumerate(keys):
            own = POSES[key == IDS].tolist()
            assert len({own.index(pose) for pose in batch["poses"][row][step].tolist()}) == min(
                2, len(own)
            )
    for record in HDF5Records(out, "train"):
        for step, key in zip(record["poses"], record["id"], strict=True):
            np.testing.assert_array_equal(step, POSES[key == IDS], strict=True)
