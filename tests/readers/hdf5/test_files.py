"""Which files hold a dataset's records; what is missing or was changed is said, with the file."""

from __future__ import annotations

import re
import shutil

import h5py
import numpy as np
import pytest
from pixelbeam.readers.hdf5.files import check_virtual, find_files, open_file
from pixelbeam.schemas.errors import DatasetError

SHARDS = [f"train-0000{index}-of-00003.h5" for index in range(3)]


def exactly(message):
    return "^" + re.escape(message) + "$"


def write(path, rows=4, name="data"):
    with h5py.File(path, "w") as file:
        file[name] = np.arange(rows)
    return str(path)


def write_virtual(path, source, shape=(4,), part=slice(None), name="data"):
    """A virtual dataset over four values of another one."""
    layout = h5py.VirtualLayout((4,), int)
    layout[:] = h5py.VirtualSource(source, name, shape)[part]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("all", layout)
    return str(path)


def write_whole(path, source, space=None):
    """The same as HDF5's own C interface makes it, which says "all of it" of the source."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    own = space or h5py.h5s.create_simple((4,))
    taken = h5py.h5s.create_simple((4,))
    settings.set_virtual(own, source.encode(), b"data", taken)
    with h5py.File(path, "w") as file:
        h5py.h5d.create(file.id, b"all", h5py.h5t.NATIVE_INT64, own, settings)
    return str(path)


def check(path):
    with h5py.File(path) as file:
        check_virtual(file["all"], path)


def test_the_shards_of_a_split(all_kinds):
    found = find_files(all_kinds, "train")
    assert found.files == [str(all_kinds / name) for name in SHARDS]
    assert (list(found.info.splits), found.split) == (["train"], "train")


def test_the_shards_behind_a_file_over_them(all_kinds):
    found = find_files(str(all_kinds / "train.h5"))
    assert found.files == [str(all_kinds / name) for name in SHARDS]
    assert (list(found.info.splits), found.split) == (["train"], "train")


def test_the_shards_behind_a_file_that_was_copied_with_them(all_kinds, tmp_path):
    for name in ("train.h5", *SHARDS):
        shutil.copy(all_kinds / name, tmp_path / name)
    found = find_files(tmp_path / "train.h5")
    assert (found.files, found.info, found.split) == (
        [str(tmp_path / name) for name in SHARDS],
        None,
        None,
    )
    (tmp_path / SHARDS[1]).unlink()
    message = (
        f"{tmp_path}/train.h5: {SHARDS[1]} is missing, which holds a part of it; HDF5 would give "
        "fill values"
    )
    with pytest.raises(DatasetError, match=exactly(message)):
        find_files(tmp_path / "train.h5")


@pytest.mark.parametrize("attributes", [{}, {"shards": ["a.h5"]}, {"split": "train"}])
def test_any_other_file_is_itself(tmp_path, attributes):
    path = write(tmp_path / "f.h5")
    with h5py.File(path, "a") as file:
        file.attrs.update(attributes)
    found = find_files(path)
    assert (found.files, found.info, found.split) == ([path], None, None)


def test_several_files_are_taken_in_their_order(all_kinds, tmp_path):
    other = write(tmp_path / "f.h5")
    shards = [str(all_kinds / name) for name in SHARDS]
    found = find_files([other, all_kinds / "train.h5", other])
    assert (found.files, found.info, found.split) == ([other, *shards, other], None, None)


def test_a_split_goes_with_a_directory(tmp_path):
    path = write(tmp_path / "f.h5")
    message = f"split: missing, expected the name of a split of {str(tmp_path)!r}"
    with pytest.raises(ValueError, match=exactly(message)):
        find_files(tmp_path)
    message = f"split: got 'train' with {path!r}, expected it with a directory"
    with pytest.raises(ValueError, match=exactly(message)):
        find_files(path, "train")
    message = f"{tmp_path}/none: no such directory, expected one that `pixelbeam build` has written"
    with pytest.raises(DatasetError, match=exactly(message)):
        find_files(tmp_path / "none", "train")


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(DatasetError, match=exactly(f"{tmp_path}/none: no such file")):
        open_file(f"{tmp_path}/none")
    path = write(tmp_path / "f.h5")
    (tmp_path / "f.h5").write_bytes((tmp_path / "f.h5").read_bytes()[:-1])
    with pytest.raises(DatasetError, match="^" + re.escape(f"{path}: not a whole HDF5 file: ")):
        find_files(path)


@pytest.mark.parametrize("find", [open_file, find_files, lambda path: find_files(path, "train")])
def test_files_that_are_not_local(find):
    with pytest.raises(DatasetError, match=r"^gs://bucket/f.h5: .*HDF5"):
        find("gs://bucket/f.h5")


@pytest.mark.parametrize(
    ("shape", "part"),
    [((4,), slice(None)), ((9,), slice(5, 9)), ((7,), slice(0, 7, 2))],
)
def test_all_that_a_virtual_dataset_takes_is_there(tmp_path, shape, part):
    write(tmp_path / "f.h5", shape[0])
    check(write_virtual(tmp_path / "v.h5", "f.h5", shape, part))


def test_a_source_that_is_taken_as_a_whole(tmp_path):
    path = write_whole(tmp_path / "v.h5", "f.h5")
    for rows in (4, 5):
        write(tmp_path / "f.h5", rows)
        check(path)
    message = f"{path}: f.h5 was changed: expected 'data' of at least 4 values"
    write(tmp_path / "f.h5", 3)
    with pytest.raises(DatasetError, match=exactly(message)):
        check(path)
    write(tmp_path / "f.h5", 4, name="other")
    with pytest.raises(DatasetError, match=exactly(message)):
        check(path)


@pytest.mark.parametrize(
    ("rows", "shape", "part", "expected"),
    [
        (3, (4,), slice(None), "at least (4,)"),
        (8, (9,), slice(5, 9), "at least (9,)"),
        (6, (7,), slice(0, 7, 2), "at least (7,)"),
    ],
)
def test_a_file_behind_that_has_become_shorter(tmp_path, rows, shape, part, expected):
    write(tmp_path / "f.h5", rows)
    path = write_virtual(tmp_path / "v.h5", "f.h5", shape, part)
    message = f"{path}: f.h5 was changed: expected 'data' of {expected}"
    with pytest.raises(DatasetError, match=exactly(message)):
        check(path)


def test_a_file_behind_that_holds_something_else(tmp_path):
    write(tmp_path / "f.h5", 9, name="other")
    path = write_virtual(tmp_path / "v.h5", "f.h5", (9,), slice(1, 5))
    message = f"{path}: f.h5 was changed: expected 'data' of at least (5,)"
    with pytest.raises(DatasetError, match=exactly(message)):
        check(path)


def test_a_file_behind_of_another_rank(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["data"] = np.zeros((9, 9))
    path = write_virtual(tmp_path / "v.h5", "f.h5", (9,), slice(1, 5))
    with pytest.raises(DatasetError, match="was changed: expected 'data' of at least"):
        check(path)


def test_a_file_behind_that_is_missing(tmp_path):
    path = write_virtual(tmp_path / "v.h5", "f.h5")
    message = (
        f"{path}: f.h5 is missing, which holds a part of '/all'; HDF5 would give fill values for it"
    )
    with pytest.raises(DatasetError, match=exactly(message)):
        check(path)


def test_a_virtual_dataset_over_another_one(tmp_path):
    write_virtual(tmp_path / "inner.h5", "f.h5")
    path = write_virtual(tmp_path / "outer.h5", "inner.h5", name="all")
    message = f"{tmp_path}/inner.h5: f.h5 is missing, which holds a part of '/all'; "
    with pytest.raises(DatasetError, match="^" + re.escape(message)):
        check(path)
    write(tmp_path / "f.h5")
    check(path)


def test_a_virtual_dataset_over_one_of_its_own_file(tmp_path):
    path = write_virtual(tmp_path / "v.h5", ".")
    message = f"{path}: . was changed: expected 'data' of at least (4,)"
    with pytest.raises(DatasetError, match=exactly(message)):
        check(path)
    with h5py.File(path, "a") as file:
        file["data"] = np.arange(4)
    check(path)


def test_patterns_are_followed_as_far_as_there_are_files(tmp_path):
    blocks = h5py.h5s.create_simple((4,), (h5py.h5s.UNLIMITED,))
    blocks.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (4,), (4,))
    check(write_whole(tmp_path / "v.h5", "part-%b.h5", blocks))


def test_a_dataset_that_is_not_virtual(tmp_path):
    check(write(tmp_path / "f.h5", name="all"))
