"""Chunks are read from where they lie in the file, and damage to them is said."""

from __future__ import annotations

import itertools
import re
import zlib

import h5py
import numpy as np
import pytest
from pixelbeam.readers.hdf5.chunks import Chunks, has_chunks

VALUES = np.arange(5 * 7 * 3, dtype=np.int32).reshape(5, 7, 3)
CHUNKS = (2, 4, 3)


def open_dataset(tmp_path, values=VALUES, userblock=0, **settings):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file.create_dataset("data", data=values, **settings)
    return h5py.File(path)["data"], str(path)


def read_all(chunks, shape):
    """All rows, put together from the chunks; those beyond the last row are left out."""
    out = np.full(shape, -1, np.int32)
    numbers = range(-(-shape[0] // chunks.rows))
    for number, (place, part) in itertools.product(numbers, chunks.tiles()):
        rows = slice(number * chunks.rows, (number + 1) * chunks.rows)
        target = out[(rows, *part)]
        target[:] = chunks.read(number, place, part)[: len(target)]
    return out


@pytest.mark.parametrize(
    ("settings", "needs_hdf5"),
    [
        ({}, False),
        ({"compression": "gzip"}, False),
        ({"compression": "gzip", "shuffle": True}, False),
        ({"shuffle": True}, True),
        ({"compression": "lzf"}, True),
        ({"fletcher32": True}, True),
        ({"compression": "gzip", "fletcher32": True}, True),
    ],
)
def test_every_value_is_read(tmp_path, settings, needs_hdf5):
    dataset, path = open_dataset(tmp_path, chunks=CHUNKS, **settings)
    chunks = Chunks(dataset, path)
    assert (chunks.rows, chunks.needs_hdf5) == (2, needs_hdf5)
    np.testing.assert_array_equal(read_all(chunks, VALUES.shape), VALUES)


def test_tiles_end_where_a_row_does(tmp_path):
    dataset, path = open_dataset(tmp_path, chunks=(2, 4, 2))
    assert list(Chunks(dataset, path).tiles()) == [
        ((0, 0), (slice(0, 4), slice(0, 2))),
        ((0, 1), (slice(0, 4), slice(2, 3))),
        ((1, 0), (slice(4, 7), slice(0, 2))),
        ((1, 1), (slice(4, 7), slice(2, 3))),
    ]


@pytest.mark.parametrize("settings", [{}, {"compression": "gzip"}])
def test_rows_beyond_the_last_one_are_of_the_whole_chunk(tmp_path, settings):
    dataset, path = open_dataset(tmp_path, chunks=CHUNKS, **settings)
    chunk = Chunks(dataset, path).read(2, (1, 0), (slice(4, 7), slice(0, 3)))
    assert chunk.shape == (2, 3, 3)
    np.testing.assert_array_equal(chunk[0], VALUES[4, 4:7])


@pytest.mark.parametrize("settings", [{}, {"compression": "gzip"}])
def test_a_chunk_that_was_never_written_has_the_fill_value(tmp_path, settings):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("data", (6, 2), "i4", chunks=(2, 2), fillvalue=7, **settings)
        data[2:4] = [[1, 2], [3, 4]]
    chunks = Chunks(h5py.File(tmp_path / "f.h5")["data"], str(tmp_path / "f.h5"))
    expected = [[7, 7], [7, 7], [1, 2], [3, 4], [7, 7], [7, 7]]
    assert read_all(chunks, (6, 2)).tolist() == expected


def test_a_chunk_that_was_not_filtered_as_the_others_are(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("data", (4, 2), "<i4", chunks=(2, 2), compression="gzip")
        data[:2] = [[1, 2], [3, 4]]
        stored = np.array([[5, 6], [7, 8]], "<i4").tobytes()
        data.id.write_direct_chunk((2, 0), stored, filter_mask=1)
    chunks = Chunks(h5py.File(tmp_path / "f.h5")["data"], str(tmp_path / "f.h5"))
    assert read_all(chunks, (4, 2)).tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


def write_chunk(tmp_path, stored):
    """A dataset of one chunk of 16 bytes, of which these are stored."""
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("data", (2, 2), "<i4", chunks=(2, 2), compression="gzip")
        data.id.write_direct_chunk((0, 0), stored)
    return Chunks(h5py.File(tmp_path / "f.h5")["data"], str(tmp_path / "f.h5"))


WHOLE = zlib.compress(np.arange(4, dtype="<i4").tobytes())
CHECKSUM = "Error -3 while decompressing data: incorrect data check"


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (zlib.compress(bytes(15)), "got 15 bytes, expected 16"),
        (zlib.compress(bytes(17)), "got 17 bytes, expected 16"),
        (zlib.compress(bytes(10**6)), "got 17 bytes, expected 16"),  # not one byte more is inflated
        (WHOLE[:-1], "got 16 bytes, expected 16"),  # cut in the checksum
        (WHOLE[:-1] + b"\0", CHECKSUM),
    ],
)
def test_a_damaged_chunk(tmp_path, stored, said):
    chunks = write_chunk(tmp_path, stored)
    with pytest.raises(OSError, match=re.escape(f"a chunk of '/data' is damaged: {said}") + "$"):
        chunks.read(0, (0,), (slice(0, 2),))


def test_bytes_after_a_whole_chunk_do_no_harm(tmp_path):
    chunks = write_chunk(tmp_path, WHOLE + b"more")
    assert chunks.read(0, (0,), (slice(0, 2),)).tolist() == [[0, 1], [2, 3]]


def test_a_file_that_ends_before_its_last_chunk(tmp_path):
    dataset, _ = open_dataset(tmp_path, chunks=CHUNKS)
    short = tmp_path / "short"
    end = int(max(c.byte_offset + c.size for c in map(dataset.id.get_chunk_info, range(6))))
    data = (tmp_path / "f.h5").read_bytes()
    short.write_bytes(data[: end - 1])
    with pytest.raises(OSError, match=r"^a chunk of '/data' lies beyond the end of the file$"):
        Chunks(dataset, str(short))
    short.write_bytes(data[:end])
    np.testing.assert_array_equal(read_all(Chunks(dataset, str(short)), VALUES.shape), VALUES)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),  # contiguous
        ({"chunks": CHUNKS}, True),
        ({"chunks": CHUNKS, "compression": "gzip", "shuffle": True}, True),
        ({"chunks": CHUNKS, "compression": "lzf"}, True),  # a row lies in several chunks
        ({"chunks": (2, 7, 3), "compression": "gzip"}, True),
        ({"chunks": (2, 7, 3), "compression": "lzf"}, False),
    ],
)
def test_what_is_read_faster_than_hdf5_does(tmp_path, settings, expected):
    assert has_chunks(open_dataset(tmp_path, **settings)[0]) is expected


def test_a_file_with_a_user_block_is_left_to_hdf5(tmp_path):
    dataset, _ = open_dataset(tmp_path, userblock=512, chunks=CHUNKS)
    assert has_chunks(dataset) is False
