from __future__ import annotations

from contextlib import ExitStack
from functools import cache

import h5py
import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.values.arrays.hdf5 import (
    FoundDataset,
    find_dataset,
    matlab_class,
    open_object,
    read_keys,
)

DATA = np.arange(6).reshape(2, 3)


@pytest.fixture
def files():
    """Opens files once each, and closes them after the test."""
    with ExitStack() as stack:
        yield cache(lambda path, written: stack.enter_context(h5py.File(path, "r")))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "a.h5"


def fault(files, path, name):
    with pytest.raises(Reject) as caught:
        find_dataset(files, str(path), name, "a.h5::/x")
    assert (caught.value.stage, caught.value.path) == ("load", "a.h5::/x")
    return caught.value.reason, caught.value.message


@pytest.mark.parametrize(
    "name", ["/g/x", "g/x", "//g//x/", "soft", "g/above", "g/beside", "into/x"]
)
def test_a_dataset_and_soft_links_to_it(files, path, name):
    with h5py.File(path, "w") as file:
        file["g/x"] = DATA
        file["soft"] = h5py.SoftLink("/g/x")
        file["g/above"] = h5py.SoftLink("/soft")
        file["g/beside"] = h5py.SoftLink("x")
        file["into"] = h5py.SoftLink("g")
    found = find_dataset(files, str(path), name, "a.h5::/x")
    np.testing.assert_array_equal(found.dataset[()], DATA)
    assert found.file.filename == str(path)


@pytest.mark.parametrize("dtype", ["f4", h5py.string_dtype()])
def test_a_dataset_without_a_value(files, path, dtype):
    with h5py.File(path, "w") as file:
        file["x"] = h5py.Empty(dtype)
    said = "a.h5::/x: holds no value (h5py.Empty)"
    assert fault(files, path, "x") == ("unsupported_array", said)


def test_external_links_lead_to_the_folder_and_below(files, path):
    (path.parent / "below").mkdir()
    for other in ("b.h5", "below/c.h5", "../out.h5"):
        with h5py.File(path.parent / other, "w") as file:
            file["g/x"] = DATA
    with h5py.File(path, "w") as file:
        file["b"] = h5py.ExternalLink("b.h5", "/g/x")
        file["c"] = h5py.ExternalLink("below/c.h5", "/g")
        file["out"] = h5py.ExternalLink("../out.h5", "/g/x")
    for name, other in (("b", "b.h5"), ("c/x", "below/c.h5")):
        found = find_dataset(files, str(path), name, "a.h5::/x")
        np.testing.assert_array_equal(found.dataset[()], DATA)
        assert found.file.filename == str(path.parent / other)
    said = "a.h5::/x: leads to '../out.h5', which is not in the file's folder"
    assert fault(files, path, "out") == ("outside_file", said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("y", "there is no 'y' in '/', which holds 'empty', 'five', 'six', 'x'"),
        ("empty/y", "there is no 'y' in '/empty', which holds nothing"),
        ("five/y", "there is no 'y' in '/five', which holds '0', '1', '2', '3', '4'"),
        ("six/y", "there is no 'y' in '/six', which holds '0', '1', '2', '3', '4', …"),
        ("five", "expected an array, got the group '/five', which holds '0', '1', '2', '3', '4'"),
        ("x/y", "leads into '/x', which is an array"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(files, path, name, said):
    with h5py.File(path, "w") as file:
        file["x"] = DATA
        file.create_group("empty")
        for number in range(6):
            file[f"six/{number}"] = 0
            if number < 5:
                file[f"five/{number}"] = 0
    assert fault(files, path, name) == ("no_such_array", f"a.h5::/x: {said}")


def test_sixteen_links_may_be_followed(files, path):
    with h5py.File(path, "w") as file:
        file["0"] = DATA
        for number in range(17):
            link = h5py.SoftLink(f"/{number}")
            file[str(number + 1)] = h5py.ExternalLink("a.h5", link.path) if number % 2 else link
        file["round"] = h5py.SoftLink("/round")
    np.testing.assert_array_equal(find_dataset(files, str(path), "16", "").dataset[()], DATA)
    expected = ("unsupported_array", "a.h5::/x: leads through too many links")
    assert fault(files, path, "17") == fault(files, path, "round") == expected


def virtual(file, name, *sources):
    layout = h5py.VirtualLayout((len(sources), *DATA.shape), DATA.dtype)
    for index, (other, dataset) in enumerate(sources):
        layout[index] = h5py.VirtualSource(other, dataset, DATA.shape)
    file.create_virtual_dataset(name, layout)


def numbered(file, name, other, dataset):
    """A virtual dataset whose sources are numbered; it grows with them."""
    every, space = h5py.h5s.UNLIMITED, h5py.h5s.create_simple((3,), (h5py.h5s.UNLIMITED,))
    space.select_hyperslab((0,), (every,), (3,), (3,))
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_virtual(space, other, dataset, h5py.h5s.create_simple((3,)))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_INT64, space, creation)


def test_the_sources_of_virtual_datasets_are_checked(files, path):
    for other in ("b.h5", "../out.h5"):
        with h5py.File(path.parent / other, "w") as file:
            file["x"] = DATA
    with h5py.File(path, "w") as file:
        file["x"] = DATA + 1
        virtual(file, "good", ("b.h5", "x"), (".", "x"))
        virtual(file, "out", ("b.h5", "x"), ("../out.h5", "x"))
        virtual(file, "lacks", (".", "x"), ("b.h5", "y"))
        numbered(file, "files", b"%b.h5", b"x")
        numbered(file, "names", b"b.h5", b"%b")
    found = find_dataset(files, str(path), "good", "a.h5::/x")
    np.testing.assert_array_equal(found.dataset[()], [DATA, DATA + 1])
    pattern = ("unsupported_array", "a.h5::/x: is virtual over files named by a pattern")
    assert fault(files, path, "files") == fault(files, path, "names") == pattern
    said = "a.h5::/x: leads to '../out.h5', which is not in the file's folder"
    assert fault(files, path, "out") == ("outside_file", said)
    said = "a.h5::/x: there is no 'y' in '/', which holds 'x'"
    assert fault(files, path, "lacks") == ("no_such_array", said)


def test_sixteen_virtual_datasets_may_be_nested(files, path):
    with h5py.File(path, "w") as file:
        file["0"] = np.int64(3)
        for number in range(17):
            layout = h5py.VirtualLayout((), np.int64)
            layout[...] = h5py.VirtualSource(".", str(number), ())
            file.create_virtual_dataset(str(number + 1), layout)
    assert find_dataset(files, str(path), "16", "").dataset[()] == 3
    said = "a.h5::/x: leads through too many virtual datasets"
    assert fault(files, path, "17") == ("unsupported_array", said)


def test_external_storage_lies_in_the_folder(files, path):
    (path.parent / "raw").write_bytes(DATA.astype("<i8").tobytes())
    with h5py.File(path, "w") as file:
        for name, other in (("good", "raw"), ("out", "../raw")):
            file.create_dataset(name, DATA.shape, "<i8", external=other)
    found = find_dataset(files, str(path), "good", "a.h5::/x")
    np.testing.assert_array_equal(found.dataset[()], DATA)
    said = "a.h5::/x: leads to '../raw', which is not in the file's folder"
    assert fault(files, path, "out") == ("outside_file", said)


def test_elements_that_are_no_values(files, path):
    with h5py.File(path, "w") as file:
        file["pairs"] = np.zeros(2, [("a", "i4"), ("b", "f4")])
        file.create_dataset("references", (2,), h5py.ref_dtype)
        cells = file.create_dataset("cells", (2,), h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
    said = "a.h5::/x: has elements of [('a', '<i4'), ('b', '<f4')]"
    assert fault(files, path, "pairs") == ("unsupported_array", said)
    assert fault(files, path, "references") == (
        "unsupported_array",
        "a.h5::/x: has elements of object",
    )
    assert find_dataset(files, str(path), "cells", "").dataset.shape == (2,)


def test_a_filter_that_is_not_there(files, path):
    with h5py.File(path, "w") as file:
        file.create_dataset("gzip", data=DATA, compression="gzip", shuffle=True)
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((2, 3))
        creation.set_shuffle()
        creation.set_filter(300, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((2, 3))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT64, space, creation)
    find_dataset(files, str(path), "gzip", "")
    assert fault(files, path, "x") == (
        "unknown_filter",
        "a.h5::/x: needs the HDF5 filter 300",
    )


def test_damage_is_one_line(files, path):
    path.write_bytes(b"no HDF5")
    reason, message = fault(files, path, "x")
    assert reason == "corrupt_file"
    assert message.startswith("a.h5::/x cannot be read: Unable to")
    assert "\n" not in message


def test_an_object_is_opened_again_the_same_way(path):
    with h5py.File(path, "w") as file:
        file["g/x"] = DATA
        file.create_dataset("out", DATA.shape, "<i8", external="raw")
    prefix = str(path.parent).encode()
    with h5py.File(path) as file:
        for group, name, external in ((file["g"], "x", b""), (file, "out", prefix)):
            first = open_object(group, name, str(path))
            second = open_object(group, name, str(path))
            assert first == second
            access = second.id.get_access_plist()
            assert access.get_virtual_prefix() == prefix
            assert access.get_efile_prefix() == external
        assert isinstance(open_object(file, "g", str(path)), h5py.Group)


@pytest.mark.parametrize("order", [("x", "one", "two"), ("two", "x", "one"), ("one", "two", "x")])
@pytest.mark.parametrize("source", [".", "b.h5"])
def test_virtual_datasets_and_what_they_share_are_read_side_by_side(files, path, order, source):
    with h5py.File(path.parent / "b.h5", "w") as file:
        file["x"] = DATA
    with h5py.File(path, "w") as file:
        file["x"] = DATA
        virtual(file, "one", (source, "x"))
        virtual(file, "two", (source, "x"), (source, "x"))
    values = {"x": DATA, "one": DATA[None], "two": np.array([DATA, DATA])}
    kept = []
    for name in order:
        kept.append(find_dataset(files, str(path), name, "a.h5::/x"))
        np.testing.assert_array_equal(kept[-1].dataset[()], values[name])


def test_matlab_classes_and_keys(path):
    with h5py.File(path, "w") as file:
        file["plain"] = np.array([[1, 2], [3, 4]])
        file["double"] = np.zeros(1)
        file["double"].attrs["MATLAB_class"] = np.bytes_("double")
        file["bad"] = np.zeros(1)
        file["bad"].attrs["MATLAB_class"] = np.bytes_(b"c\xff")
        file["text"] = np.zeros(1)
        file["text"].attrs["MATLAB_class"] = "char"
        for name, text in (("one", "añ"), ("two", "b")):
            file[name] = np.array([[ord(letter)] for letter in text], np.uint16)
        cells = np.array([[file["one"].ref], [file["two"].ref]], h5py.ref_dtype)
        file.create_dataset("cells", data=cells, dtype=h5py.ref_dtype)
        file["cells"].attrs["MATLAB_class"] = np.bytes_("cell")
        classes = {name: matlab_class(file[name]) for name in ("plain", "double", "bad", "text")}
        assert classes == {"plain": "", "double": "double", "bad": "c\ufffd", "text": "char"}
        assert read_keys(FoundDataset(file["cells"], file)) == ["añ", "b"]
        assert read_keys(FoundDataset(file["plain"], file)) == [1, 2, 3, 4]
