from __future__ import annotations

import os

import numpy as np
from pixelbeam.readers.record_table import Ragged, identify


def lists(values):
    """Ragged values as lists in lists."""
    if not isinstance(values, Ragged):
        return values.tolist()
    return [lists(one) for one in values.split()]


def test_values_record_by_record():
    ragged = Ragged(np.array([1, 2, 3, 4, 5, 6]), np.array([2, 0, 3, 1]))
    assert lists(ragged) == [[1, 2], [], [3, 4, 5], [6]]
    rows = Ragged(np.arange(6).reshape(3, 2), np.array([1, 2]))
    assert lists(rows) == [[[0, 1]], [[2, 3], [4, 5]]]
    assert Ragged(np.array([]), np.array([], np.int64)).split() == []


def test_values_of_steps_of_records():
    steps = Ragged(np.array([1, 2, 3, 4, 5, 6, 7]), np.array([2, 0, 1, 3, 1]))
    clips = Ragged(steps, np.array([0, 2, 1, 0, 2]))
    assert lists(clips) == [[], [[1, 2], []], [[3]], [], [[4, 5, 6], [7]]]
    assert clips.split()[4].lengths.tolist() == [3, 1]
    batches = Ragged(clips, np.array([1, 4]))
    assert lists(batches) == [[[]], [[[1, 2], []], [[3]], [], [[4, 5, 6], [7]]]]


def test_a_file_is_known_by_its_inode_size_and_time(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1_234_567_891))
    assert identify(str(path)) == (path.stat().st_ino, 3, 1_234_567_891)
    assert identify(str(tmp_path / "none")) is None
    assert identify(str(path / "below a file")) is None
