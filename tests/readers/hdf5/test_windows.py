from __future__ import annotations

import pickle
from collections import Counter

import h5py
import numpy as np
import pytest
from pixelbeam.readers import HDF5Dataset
from pixelbeam.readers.hdf5 import arrays
from pixelbeam.readers.hdf5.chunks import Chunks
from pixelbeam.readers.hdf5.table import Table
from pixelbeam.readers.hdf5.windows import WindowedTable, draw_windows

ROWS, BLOCK = 40, 8
FEATURES = {"image": "input", "label": "target"}
IMAGES = np.random.default_rng(0).integers(0, 256, (ROWS, 6, 4, 3), np.uint8)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file of five blocks, which is not so small that it is kept."""
    monkeypatch.setattr(arrays, "_SMALL_BYTES", 0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("image", data=IMAGES, chunks=(BLOCK, 3, 4, 1), compression="gzip")
        file["label"] = np.arange(ROWS)
    return str(tmp_path / "a.h5")


@pytest.fixture
def inflated(monkeypatch):
    """How often each chunk is read."""
    counted = Counter()
    read = Chunks.read

    def count(self, number, place, part):
        counted[number, place] += 1
        return read(self, number, place, part)

    monkeypatch.setattr(Chunks, "read", count)
    return counted


def epoch(dataset):
    """The labels of its batches, whose images are those of the labels."""
    labels = []
    for index in range(len(dataset)):
        images, numbers = dataset[index]
        np.testing.assert_array_equal(images, IMAGES[numbers], strict=True)
        labels.append(numbers.tolist())
    return labels


def flat(batches):
    return [label for batch in batches for label in batch]


def test_windows_are_of_whole_blocks_and_their_rows_are_shuffled():
    blocks = np.repeat(np.arange(7), [5, 5, 5, 5, 5, 5, 3])
    seen = set()
    for seed in range(30):
        order, windows = draw_windows(np.random.default_rng(seed), blocks, 12)
        assert sorted(order.tolist()) == list(range(33))
        of_blocks = [set(windows[blocks == block].tolist()) for block in range(7)]
        assert all(len(found) == 1 for found in of_blocks)
        assert windows[order].tolist() == sorted(windows.tolist())
        assert np.bincount(windows).max() <= 12
        first = blocks[order[: np.count_nonzero(windows == 0)]].tolist()
        seen.add(tuple(sorted(set(first))))
        assert first != sorted(first)
    assert len(seen) > 10  # of 21 pairs, other blocks meet in each epoch


def test_a_block_that_is_larger_than_a_window_makes_one_all_the_same():
    order, windows = draw_windows(np.random.default_rng(0), np.array([3, 3, 3, 9, 9, 9]), 2)
    assert sorted(windows.tolist()) == [0, 0, 0, 1, 1, 1]
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4, 5]


def test_blocks_of_a_table(path, tmp_path):
    (starts, row_bytes), others = Table([path, path], ["image", "label"]).blocks(), ["label"]
    assert (starts.tolist(), row_bytes) == ([*range(0, 80, BLOCK)], {"image": 72})
    assert Table([path], others).blocks() is None


@pytest.mark.parametrize("batch_size", [5, 7, 64])
def test_each_chunk_is_read_once_an_epoch(path, inflated, batch_size):
    dataset = HDF5Dataset(path, features=FEATURES, batch_size=batch_size, shuffle=16, seed=1)
    inflated.clear()  # of the record whose shapes were looked at
    for count in (1, 2):
        batches = epoch(dataset)
        assert sorted(flat(batches)) == list(range(ROWS)) != flat(batches)
        assert set(inflated.values()) == {count}
        assert len(inflated) == 5 * 2 * 3
        dataset.on_epoch_end()


def test_what_fits_one_window_is_read_once_and_shuffled_as_a_whole(path, inflated):
    dataset = HDF5Dataset(path, features=FEATURES, batch_size=10, shuffle=True, seed=1)
    inflated.clear()  # of the record whose shapes were looked at
    epochs = []
    for _ in range(3):
        epochs.append(epoch(dataset))
        dataset.on_epoch_end()
    assert set(inflated.values()) == {1}
    assert len({tuple(flat(batches)) for batches in epochs}) == 3
    assert all(len({label // BLOCK for label in epochs[0][index]}) > 2 for index in range(4))


def test_the_order_is_the_same_in_each_run_and_in_copies(path):
    options = {"features": FEATURES, "batch_size": 6, "shuffle": 16, "seed": 2}
    dataset = HDF5Dataset(path, **options)
    first = epoch(dataset)
    assert epoch(HDF5Dataset(path, **options)) == first
    assert epoch(pickle.loads(pickle.dumps(dataset))) == first
    dataset.on_epoch_end()
    assert epoch(dataset) != first


def test_a_part_of_the_rows(path, inflated):
    rows = [39, 3, 17, 18, 3, 0]
    dataset = HDF5Dataset(path, features=FEATURES, rows=rows, batch_size=2, shuffle=4, seed=0)
    inflated.clear()  # of the record whose shapes were looked at
    assert sorted(flat(epoch(dataset))) == sorted(rows)
    assert {number for number, _ in inflated} == {0, 2, 4}
    assert set(inflated.values()) == {1}


def test_blocks_that_do_not_fit_a_window_are_cut(path, inflated):
    """As those of a file whose chunks hold a part of every row: they would be all of it."""
    table = Table([path], ["image", "label"])
    windowed = WindowedTable(table, *table.blocks(), 3)
    order = windowed.draw(np.random.default_rng(0), 0, np.arange(ROWS))
    sizes = []
    read = table.read
    table.read = lambda rows, columns=None: sizes.append(len(rows)) or read(rows, columns)
    for start in range(0, ROWS, 4):
        rows = order[start : start + 4]
        np.testing.assert_array_equal(windowed.read(rows)["image"], IMAGES[rows])
    assert max(sizes) == 4  # the labels of a batch
    assert sorted(order.tolist()) == list(range(ROWS))
    assert set(inflated.values()) == {3}  # 3, 3 and 2 of its 8 rows


def test_an_order_of_all_records_reads_chunks_again_and_again(path, inflated):
    dataset = HDF5Dataset(path, features=FEATURES, batch_size=5, shuffle="all", seed=1)
    inflated.clear()  # of the record whose shapes were looked at
    assert sorted(flat(epoch(dataset))) == list(range(ROWS))
    assert sum(inflated.values()) > 3 * len(inflated)


def test_rows_by_window_are_those_of_the_table(path):
    table = Table([path], ["image", "label"])
    windowed = WindowedTable(table, *table.blocks(), 16)
    order = windowed.draw(np.random.default_rng(0), 0, np.arange(ROWS))
    for numbers in (order[:5], order[14:20], np.array([order[0], order[0], order[39]])):
        found, expected = windowed.read(numbers), table.read(numbers)
        assert list(found) == ["label", "image"]
        for column, values in expected.items():
            np.testing.assert_array_equal(found[column], values, strict=True)
    assert len(windowed) == ROWS
