from __future__ import annotations

import h5py
import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.values.arrays.stored import MAX_VALUE_BYTES, StoredArray, plain_value

TABLE = np.arange(24).reshape(4, 3, 2)


class Counted:
    """An array that remembers what was asked of it."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return self.values[index]


def huge(*shape):
    """Zeros of any size that take one byte."""
    return np.broadcast_to(np.zeros((), np.uint8), shape)


def rejected(do):
    with pytest.raises(Reject) as caught:
        do()
    assert (caught.value.stage, caught.value.path) == ("load", "a.h5::/x")
    return caught.value.reason, caught.value.message


def test_a_whole_array_and_its_steps():
    array = StoredArray("a.h5::/x", TABLE, (0, 1, 2))
    assert (len(array), array.describe(1)) == (4, "a.h5::/x[1]")
    np.testing.assert_array_equal(array.read(), TABLE)
    np.testing.assert_array_equal([array[step] for step in (3, 0, 1, 2)], TABLE[[3, 0, 1, 2]])


def test_a_single_value_is_pythons_and_has_no_steps():
    array = StoredArray("a.h5::/x", TABLE, (), {0: 1, 1: 2, 2: 0})
    assert (array.read(), type(array.read())) == (10, int)
    expected = ("wrong_shape", "a.h5::/x: got one value, expected steps")
    assert rejected(lambda: len(array)) == expected


def test_a_part_has_fixed_axes():
    array = StoredArray("a.h5::/x", TABLE, (0, 2), {1: 2})
    np.testing.assert_array_equal(array.read(), TABLE[:, 2])
    np.testing.assert_array_equal([array[step] for step in range(4)], TABLE[:, 2])
    np.testing.assert_array_equal(array.read_steps(range(1, 4)), TABLE[1:4, 2])
    array = StoredArray("a.h5::/x", TABLE, (1, 0, 2))
    assert len(array) == 3
    np.testing.assert_array_equal(array[1], TABLE[:, 1])


def test_rows_that_follow_one_another_are_a_slice():
    array = StoredArray("a.h5::/x", TABLE, (0, 1, 2), rows=range(1, 3))
    assert len(array) == 2
    np.testing.assert_array_equal(array.read(), TABLE[1:3])
    np.testing.assert_array_equal([array[0], array[1]], TABLE[1:3])


def test_one_row_of_a_key_is_the_value():
    array = StoredArray("a.h5::/x", TABLE, (0, 1, 2), rows=[2])
    np.testing.assert_array_equal(array.read(), TABLE[2])


def test_several_rows_of_a_key_are_taken_where_they_may():
    array = StoredArray("a.h5::/x", TABLE, (0, 1, 2), rows=[3, 1])
    read = array.read(several=True)
    assert isinstance(read, list)
    np.testing.assert_array_equal(read, TABLE[[3, 1]])
    said = "a.h5::/x: got 2 rows with this key, expected one"
    assert rejected(array.read) == ("ambiguous_key", said)
    assert rejected(lambda: array.read(advice="do")) == ("ambiguous_key", f"{said}; do")
    array = StoredArray("a.h5::/x", TABLE[0], (0, 1), rows=[0, 1], columns=True)
    said = "a.h5::/x: got 2 columns with this key, expected one"
    assert rejected(array.read) == ("ambiguous_key", said)
    read = StoredArray("a.h5::/x", TABLE[0, 0], (0,), rows=[0, 1]).read(several=True)
    assert [(type(row), row.shape, int(row)) for row in read] == [
        (np.ndarray, (), 0),
        (np.ndarray, (), 1),
    ]


@pytest.mark.parametrize(
    ("values", "blocks"),
    [
        (np.arange(130), [slice(0, 64), slice(64, 128), slice(128, 130)]),
        (np.arange(65), [slice(0, 64), (64,)]),  # a block of one is the row
        (np.array([b"a"] * 33, object), [slice(0, 16), slice(16, 32), (32,)]),
        (huge(5, 2 << 20), [slice(0, 2), slice(2, 4), (4, slice(None))]),
        (huge(2, (2 << 20) + 1), [(0, slice(None)), (1, slice(None))]),
        (huge(2, 8 << 20), [(0, slice(None)), (1, slice(None))]),
        (huge(3, 0), [slice(0, 3)]),
    ],
)
def test_rows_are_read_in_blocks(values, blocks):
    data = Counted(values)
    array = StoredArray("a.h5::/x", data, tuple(range(values.ndim)))
    for step in range(len(array)):
        np.testing.assert_array_equal(array[step], values[step])
    assert data.asked == blocks


def test_a_block_starts_with_the_row_that_is_asked_for():
    data = Counted(np.arange(100))
    array = StoredArray("a.h5::/x", data, (0,), rows=range(10, 80))
    assert [array[0], array[5], array[69], array[64], array[0]] == [10, 15, 79, 74, 10]
    # The last of the range is alone, and leaves the block as it is.
    assert data.asked == [slice(10, 74), (79,), slice(74, 80), slice(10, 74)]


def test_a_value_may_have_a_gibibyte():
    assert MAX_VALUE_BYTES == 1 << 30
    size = MAX_VALUE_BYTES // 2
    message = f"a.h5::/x: got {2 * size + 2} bytes, expected at most 1073741824"
    fault = ("array_too_large", message)
    good, bad = huge(2, size), huge(2, size + 1)
    assert StoredArray("a.h5::/x", good, (0, 1)).read().shape == (2, size)
    assert rejected(StoredArray("a.h5::/x", bad, (0, 1)).read) == fault
    assert len(StoredArray("a.h5::/x", good, (0, 1), rows=[0, 1]).read(several=True)) == 2
    array = StoredArray("a.h5::/x", bad, (0, 1), rows=[0, 1])
    assert rejected(lambda: array.read(several=True)) == fault
    assert StoredArray("a.h5::/x", huge(3, size), (0, 1), rows=range(1, 3)).read().shape == (
        2, size,
    )  # fmt: skip
    array = StoredArray("a.h5::/x", huge(3, size + 1), (0, 1), rows=range(1, 3))
    assert rejected(array.read) == fault
    array = StoredArray("a.h5::/x", huge(2, 2 * size + 2), (0, 1))
    assert rejected(lambda: array[1]) == fault


def test_what_matlab_wrote_is_turned():
    array = StoredArray("a.h5::/x", TABLE[0], (0, 1), transposed=True)
    np.testing.assert_array_equal(array.read(), TABLE[0].T)
    array = StoredArray("a.h5::/x", TABLE, (0, 1, 2), transposed=True)
    np.testing.assert_array_equal(array[1], TABLE[1].T)
    array = StoredArray("a.h5::/x", TABLE, (1, 0, 2), transposed=True, columns=True)
    whole = np.moveaxis(TABLE.T, 1, 0)
    np.testing.assert_array_equal(array.read(), whole)
    np.testing.assert_array_equal([array[step] for step in range(3)], whole)
    np.testing.assert_array_equal(array.read_steps(range(3)), whole)


@pytest.mark.parametrize("steps", [range(4), range(1, 4), range(0, 4, 2), [0, 3], [3, 1, 1], (2,)])
@pytest.mark.parametrize("rows", [None, range(2, 6), [7, 2, 3, 5]])
def test_several_steps_at_once_are_those_one_by_one(steps, rows):
    values = np.arange(48).reshape(8, 3, 2)
    array = StoredArray("a.h5::/x", values, (0, 1, 2), rows=rows)
    np.testing.assert_array_equal(array.read_steps(steps), [array[step] for step in steps])


def test_several_steps_have_no_dimensions_of_one():
    values = np.arange(6).reshape(3, 1, 2, 1)
    read = StoredArray("a.h5::/x", values, (0, 1, 2, 3)).read_steps(range(3))
    np.testing.assert_array_equal(read, values.reshape(3, 2))
    assert StoredArray("a", values, (0, 1, 2, 3)).read_steps(range(1)).shape == (1, 2)


@pytest.mark.parametrize(
    ("values", "steps", "at_once"),
    [
        (np.arange(9), [0, 7], True),
        (np.arange(9), [0, 8], False),  # nine would be read for two
        (np.zeros(3, bool), [0, 1], True),
        (np.zeros(3, np.float16), [0, 1], True),
        (np.zeros(3, np.uint8), [0, 1], True),
        (np.zeros(3, complex), [0, 1], False),
        (np.array([b"a", b"b"]), [0, 1], False),
        (huge(257, 1 << 20), range(256), True),
        (huge(257, 1 << 20), range(257), False),
        (huge(513, 1 << 20), range(0, 511, 2), True),
        (huge(513, 1 << 20), range(0, 513, 2), False),
    ],
)
def test_steps_are_read_at_once_where_that_is_cheap(values, steps, at_once):
    read = StoredArray("a.h5::/x", values, tuple(range(values.ndim))).read_steps(steps)
    assert (read is not None) == at_once


def test_damage_is_told_of_the_rows_that_have_it(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        written = file.create_dataset("x", data=TABLE, chunks=(1, 3, 2), fletcher32=True)
        offset = written.id.get_chunk_info(2).byte_offset
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[offset] ^= 1
    (tmp_path / "a.h5").write_bytes(content)
    with h5py.File(tmp_path / "a.h5") as file:
        array = StoredArray("a.h5::/x", file["x"], (0, 1, 2))
        np.testing.assert_array_equal([array[step] for step in (0, 1, 3)], TABLE[[0, 1, 3]])
        for read in (array.read, lambda: array[2]):
            reason, message = rejected(read)
            assert reason == "corrupt_file"
            assert message.startswith("a.h5::/x cannot be read: Can't")
            assert "\n" not in message
        assert array.read_steps(range(4)) is None


def test_zeros_at_the_end_belong_to_images_alone():
    values = np.array([b"ab\0\0", b"a\0c\0"])
    assert StoredArray("a", values, (0,), of_images=True)[0] == b"ab\0\0"
    assert StoredArray("a", values, (0,), of_images=True)[1] == b"a\0c\0"
    assert StoredArray("a", values, (0,))[0] == b"ab"
    assert StoredArray("a", np.array([b"ab"] * 2, object), (0,), of_images=True)[0] == b"ab"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.array(3), 3),
        (np.float32(0.5), 0.5),
        (np.void(b"\0a"), b"\0a"),
        (np.array(np.void(b"\0a")), b"\0a"),
        (np.array(b"ab"), b"ab"),
        (np.array("ab", object), "ab"),
        ("text", "text"),
    ],
)
def test_a_single_value_is_plain(value, plain):
    assert (plain_value(value), type(plain_value(value))) == (plain, type(plain))


def test_an_array_is_no_memory_map(tmp_path):
    np.save(tmp_path / "a.npy", TABLE)
    read = plain_value(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert type(read) is np.ndarray
    np.testing.assert_array_equal(read, TABLE)
