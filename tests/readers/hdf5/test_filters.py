from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest
from pixelbeam.readers.hdf5.filters import filters_of

READ = """
import sys
import numpy as np
if {without}:
    sys.modules["hdf5plugin"] = None
from pixelbeam.readers import HDF5Records
print(HDF5Records({path!r}).read([3, 1])["data"][:, 0].tolist())
"""


def read_in_a_new_process(path, *, without):
    """What a process prints that has not loaded the filters, and the last line of its errors."""
    code = READ.format(path=str(path), without=without)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    return done.stdout, done.stderr.strip().rpartition("\n")[2]


@pytest.fixture(params=["zstd", "blosc2"])
def compressed(request, tmp_path):
    plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed")
    options = plugin.Zstd() if request.param == "zstd" else plugin.Blosc2()
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = np.repeat(np.arange(5), 100).reshape(5, 100)
        file.create_dataset("data", data=data, chunks=(1, 100), **options)
    layout = h5py.VirtualLayout((5, 100), data.dtype)
    layout[:] = h5py.VirtualSource("f.h5", "data", (5, 100))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return tmp_path


@pytest.mark.parametrize("name", ["f.h5", "v.h5"])
def test_filters_of_the_plugin_are_loaded_where_data_need_them(compressed, name):
    assert read_in_a_new_process(compressed / name, without=False) == ("[3, 1]\n", "")


@pytest.mark.parametrize("name", ["f.h5", "v.h5"])
def test_a_filter_that_is_not_installed_is_named(compressed, name):
    with h5py.File(compressed / "f.h5") as file:
        ((number, filter_name),) = filters_of(file["data"]).items()
    assert read_in_a_new_process(compressed / name, without=True) == (
        "",
        f"pixelbeam.schemas.errors.DatasetError: {compressed / 'f.h5'}: '/data' needs the filter {number} "
        f"({filter_name}), which is not installed; most are in hdf5plugin: pip install 'pixelbeam[hdf5]'",
    )


def test_filters_of_a_dataset(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("data", (4, 4), "i4", compression="gzip", shuffle=True)
        assert filters_of(data) == {2: "shuffle", 1: "deflate"}
        assert filters_of(file.create_dataset("plain", (4,), "i4")) == {}
