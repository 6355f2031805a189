"""However many files a dataset has, few are open at a time."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from pixelbeam.readers import load

SHARDS = 300


def count_descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("options", [{"shuffle": True}, {"batch_size": None}])
def test_loading_again_takes_no_more_descriptors(all_kinds, options):
    counts = []
    for _ in range(4):
        for _ in load(
            all_kinds, "train", source="hdf5", **{"batch_size": 7, "targets": [], **options}
        ):
            pass
        counts.append(count_descriptors())
    assert counts[1:] == [counts[1]] * 3


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Files of three rows, with contiguous and with deflated data."""
    folder = tmp_path_factory.mktemp("many")
    paths = [folder / f"{number:03d}.h5" for number in range(SHARDS)]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            file["number"] = np.arange(number * 3, number * 3 + 3)
            file.create_dataset(
                "square", data=file["number"][:] ** 2, chunks=(2,), compression="gzip"
            )
    return paths


def test_more_files_than_descriptors(many):
    code = f"""
import os, resource
import numpy as np
from pixelbeam.readers import HDF5Records
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
records = HDF5Records({list(map(str, many))!r}, features=["number", "square"])
order = np.random.default_rng(0).permutation(len(records))
batch = records.read(order)
print(np.array_equal(batch["number"], order), np.array_equal(batch["square"], order ** 2))
print(len(records), len(os.listdir("/proc/self/fd")) < 128)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert (done.stdout, done.returncode) == ("True True\n900 True\n", 0), done.stderr[-2000:]


def test_a_file_that_was_replaced_is_not_read_with_what_was_known_of_the_old_one(many, tmp_path):
    code = f"""
import os, resource, shutil
from pixelbeam.readers import HDF5Records
from pixelbeam.schemas.errors import DatasetError
paths = {list(map(str, many))!r}
shutil.copy(paths[0], {str(tmp_path / "first.h5")!r})
paths[0] = {str(tmp_path / "first.h5")!r}
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
records = HDF5Records(paths, features=["number"])
shutil.copy(paths[1], {str(tmp_path / "new.h5")!r})
os.replace({str(tmp_path / "new.h5")!r}, paths[0])
try:
    records[0]
except DatasetError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout == (
        f"{tmp_path / 'first.h5'}: was replaced after it was opened; open the dataset again to read what "
        "is there now\n"
    ), done.stderr[-2000:]
