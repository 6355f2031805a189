from __future__ import annotations

import pickle
import re

import h5py
import keras
import numpy as np
import pytest
from hdf5_datasets import FIXED, RECORDS
from pixelbeam.readers import HDF5Dataset, HDF5Records, load

FEATURES = {"data": "input", "labels": "target"}


@pytest.fixture
def faces(tmp_path):
    path = tmp_path / "faces.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(100 * 12, dtype=np.float32).reshape(100, 4, 3)
        file["labels"] = np.arange(100)
    return path


def labels_of(dataset):
    return [dataset[index][1].tolist() for index in range(len(dataset))]


def flat(batches):
    return [label for batch in batches for label in batch]


def test_batches_in_stored_order(faces):
    dataset = HDF5Dataset(faces, features=FEATURES, batch_size=32)
    assert len(dataset) == 4
    assert flat(labels_of(dataset)) == list(range(100))
    inputs, labels = dataset[3]
    assert (inputs.shape, inputs.dtype, labels.dtype) == ((4, 4, 3), np.float32, np.int64)
    np.testing.assert_array_equal(inputs[:, 0, 0], labels * 12)
    assert len(HDF5Dataset(faces, features=FEATURES, batch_size=32, drop_remainder=True)) == 3


def test_shuffled_records(faces):
    dataset = HDF5Dataset(faces, features=FEATURES, batch_size=32, shuffle=True, seed=1)
    first = labels_of(dataset)
    assert first == labels_of(dataset)
    assert sorted(flat(first)) == list(range(100)) != flat(first)
    dataset.on_epoch_end()
    second = labels_of(dataset)
    assert sorted(flat(second)) == list(range(100))
    assert second != first
    again = HDF5Dataset(faces, features=FEATURES, batch_size=32, shuffle=True, seed=1)
    assert labels_of(again) == first
    other = HDF5Dataset(faces, features=FEATURES, batch_size=32, shuffle=True)
    assert labels_of(other) != first


def test_shuffled_batches(faces):
    dataset = HDF5Dataset(faces, features=FEATURES, batch_size=8, shuffle="batch", seed=1)
    batches = labels_of(dataset)
    assert [len(batch) for batch in batches] == [8] * 12 + [4]
    assert all(batch == list(range(batch[0], batch[0] + len(batch))) for batch in batches)
    assert sorted(flat(batches)) == list(range(100)) != flat(batches)


def test_a_batch_stays_when_the_next_ones_are_read(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:  # batches of a size whose memory is used again
        file["data"] = np.repeat(np.arange(64, dtype=np.int64), 64 * 1024).reshape(64, 256, 256)
    dataset = HDF5Dataset(tmp_path / "f.h5", features={"data": "input"}, batch_size=4)
    first = dataset[0]
    view = first[1, :2, :2]
    for index in range(1, len(dataset)):
        assert dataset[index][:, 0, 0].tolist() == list(range(index * 4, index * 4 + 4))
    assert first[:, 0, 0].tolist() == [0, 1, 2, 3]
    del first
    for index in range(1, len(dataset)):
        dataset[index]
    assert view.tolist() == [[1, 1], [1, 1]]


def test_batches_are_those_of_the_tfrecord_reader(all_kinds):
    roles = {name: "target" if name == "label" else "input" for name in FIXED}
    dataset = HDF5Dataset(all_kinds, "train", features=roles, batch_size=RECORDS)
    inputs, labels = dataset[0]
    batches = load(all_kinds, "train", batch_size=RECORDS, features=list(FIXED), targets=["label"])
    expected, expected_labels = next(iter(batches))
    for name in inputs:
        wanted = expected[name].numpy()
        if name == "text/name":
            wanted = np.array([text.decode() for text in wanted], object)
        np.testing.assert_array_equal(inputs[name], wanted)
    np.testing.assert_array_equal(labels, expected_labels)


def test_copies_in_other_processes_agree_on_the_order(faces):
    dataset = HDF5Dataset(faces, features=FEATURES, batch_size=32, shuffle=True)
    copy = pickle.loads(pickle.dumps(dataset))
    assert labels_of(copy) == labels_of(dataset)
    dataset.on_epoch_end()
    copy.on_epoch_end()
    assert labels_of(copy) == labels_of(dataset)


def test_a_transform_takes_the_place_of_the_batch(faces):
    dataset = HDF5Dataset(
        faces, features=FEATURES, transform=lambda inputs, labels: (inputs / 2, labels + 1)
    )
    inputs, labels = dataset[0]
    assert (inputs[1, 0, 0], labels[1]) == (6.0, 2)


@pytest.mark.parametrize(
    "workers", [{}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}]
)
def test_keras_trains_on_it(faces, workers):
    seen = []

    class Note(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["loss"])

    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(
        "sgd", loss=lambda true, predicted: keras.ops.mean(true) + 0 * keras.ops.mean(predicted)
    )
    dataset = HDF5Dataset(faces, features=FEATURES, batch_size=25, shuffle=True, **workers)
    model.fit(dataset, epochs=2, verbose=0, callbacks=[Note()])
    assert seen == pytest.approx([49.5, 49.5])  # each epoch has each label once


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size: got 0, expected an integer of at least 1"),
        (
            {"shuffle": "records"},
            "shuffle: got 'records', expected True, False, 'all', 'batch' or a number of records",
        ),
        (
            {"shuffle": 0},
            "shuffle: got 0, expected True, False, 'all', 'batch' or a number of records",
        ),
        ({"features": {"data": "x"}}, "features: got 'x' for 'data', expected 'input' or 'target'"),
        ({"features": ["data"]}, "features: got ['data'], expected a dict like {'data': 'input'}"),
        (
            {"features": {"data": "target"}},
            "features: got only targets (data), expected an input",
        ),
        (
            {"features": None},
            "features: missing, expected {'data': …, 'labels': …} with 'input' or 'target' each",
        ),
        ({"seed": "a"}, "seed: got 'a', expected an integer, or None for another order each run"),
        ({"seed": True}, "seed: got True, expected an integer, or None for another order each run"),
        ({"seed": -1}, "seed: got -1, expected an integer of at least 0"),
        (
            {"draw": {"data": 2}},
            "draw: got {'data': 2} for files of others, which have no lists of items; expected a dataset that "
            "pixelbeam built",
        ),
    ],
)
def test_bad_arguments(faces, options, message):
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        HDF5Dataset(faces, **{"features": FEATURES, **options})


def test_what_a_batch_for_keras_cannot_hold(all_kinds):
    with pytest.raises(ValueError, match="'ragged' has another shape in each record"):
        HDF5Dataset(all_kinds, "train")


def test_a_record_with_too_few_items_to_draw_is_named_by_its_number(all_kinds):
    lengths = [len(record["tokens"]) for record in HDF5Records(all_kinds, "train")]
    first = next(number for number in range(5, len(lengths)) if lengths[number] < 2)
    rows = [number for number in range(len(lengths)) if lengths[number] >= 2] + [first]
    dataset = HDF5Dataset(
        all_kinds,
        "train",
        rows=rows,
        batch_size=4,
        features={"raw": "input", "tokens": "input"},
        draw={"tokens": 2},
    )
    dataset[0]
    with pytest.raises(ValueError, match=rf"^draw: record {first} has fewer than 2 items of 'tok"):
        dataset[len(dataset) - 1]
