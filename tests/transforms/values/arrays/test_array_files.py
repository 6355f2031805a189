"""Arrays in files, against h5py and NumPy themselves."""

from __future__ import annotations

import os
import threading
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.values.arrays import array_files
from pixelbeam.transforms.values.arrays.array_files import ArrayBlock, ArrayFiles
from pixelbeam.transforms.values.arrays.references import parse_reference

RANDOM = np.random.default_rng(0)
FRAMES = RANDOM.integers(0, 256, (70, 4, 5, 3), np.uint8)
VECTORS = RANDOM.normal(size=(6, 3))


@pytest.fixture
def find(tmp_path):
    """Finds an array by its reference in the test's folder."""
    files = ArrayFiles(InputFiles(str(tmp_path)))

    def find(text, of_images=False):
        return files.find(parse_reference(text), of_images)

    return find


def reason(function, *arguments):
    with pytest.raises(Reject) as caught:
        function(*arguments)
    assert caught.value.stage == "load", caught.value
    return caught.value.reason


def steps(array):
    return [array[step] for step in range(len(array))]


def write(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def test_numbers_and_frames_of_every_layout(tmp_path, find):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["g/plain"] = FRAMES
        file.create_dataset("chunked", data=FRAMES, chunks=(7, 4, 5, 3), compression="gzip")
        file["scalar"] = 2.5
        file["word"] = "naïve"
        file["vectors"] = VECTORS
    for name in ("/g/plain", "g/plain", "chunked"):
        array = find(f"a.h5::{name}", True)
        np.testing.assert_array_equal(np.array(steps(array)), FRAMES)
        np.testing.assert_array_equal(array.read(), FRAMES)
        np.testing.assert_array_equal(array[3], FRAMES[3])  # back again
    assert find("a.h5::scalar").read() == 2.5
    assert find("a.h5::word").read() == "naïve".encode()
    np.testing.assert_array_equal(find("a.h5::vectors[4]").read(), VECTORS[4])
    np.testing.assert_array_equal(find("a.h5::vectors[-1]").read(), VECTORS[-1])
    np.testing.assert_array_equal(find("a.h5::vectors[1:3]").read(), VECTORS[1:3])
    np.testing.assert_array_equal(np.array(steps(find("a.h5::vectors[2:]"))), VECTORS[2:])
    np.testing.assert_array_equal(np.array(steps(find("a.h5::g/plain[5]"))), FRAMES[5])


def test_bytes_of_every_type(tmp_path, find):
    strings = [b"\xff\xd8a", b"b\0\0", b"", b"\0c" * 20]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        vlen = file.create_dataset("vlen", 4, h5py.vlen_dtype(np.uint8))
        for index, value in enumerate(strings):
            vlen[index] = np.frombuffer(value, np.uint8)
        file["opaque"] = np.array([*strings[:2], b"123"], "V3")
        file["fixed"] = np.array([b"b\0\0", b"123"], "S3")
        file["object"] = np.array([b"abc", b"\xff\xd8x"], h5py.string_dtype("ascii"))
    assert [value.tobytes() for value in steps(find("a.h5::vlen"))] == strings
    assert steps(find("a.h5::opaque")) == [b"\xff\xd8a", b"b\0\0", b"123"]
    assert steps(find("a.h5::fixed", True)) == [b"b\0\0", b"123"]  # zeros at a file's end stay
    assert steps(find("a.h5::fixed")) == [b"b", b"123"]
    assert steps(find("a.h5::object")) == [b"abc", b"\xff\xd8x"]


def test_rows_by_key(tmp_path, find):
    np.savez(tmp_path / "a.npz", data=VECTORS, ids=np.array(["x", "y", "x", "z", "w", "v"]))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["words"] = VECTORS, ["a", "b", "a", "é", "d", "e"]
        file["numbers"], file["floats"] = np.arange(6) * 10, np.arange(6) * 1.0
    np.testing.assert_array_equal(find("a.h5::data[words=é]").read(), VECTORS[3])
    np.testing.assert_array_equal(find("a.h5::data[numbers=40]").read(), VECTORS[4])
    np.testing.assert_array_equal(find("a.h5::data[floats=5]").read(), VECTORS[5])
    np.testing.assert_array_equal(find("a.npz::data[ids=z]").read(), VECTORS[3])
    np.testing.assert_array_equal(np.array(steps(find("a.h5::data[words=a]"))), VECTORS[[0, 2]])
    assert reason(find("a.h5::data[words=a]").read) == "ambiguous_key"
    assert reason(find, "a.h5::data[words=q]") == "no_such_key"
    assert reason(find, "a.h5::data[other=q]") == "no_such_array"


def test_all_rows_with_a_key(tmp_path, find):
    keys = ["a", "b", "a", "c", "a", "b"]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=VECTORS, chunks=(2, 3), compression="gzip")
        file["numbers"], file["ids"] = np.arange(6) * 1.5, keys
        file["short"] = keys[:2] + ["z"] * 9
    several = find("a.h5::data[ids=a]").read(several=True)
    assert isinstance(several, list)
    np.testing.assert_array_equal(several, VECTORS[[0, 2, 4]])
    scalars = find("a.h5::numbers[ids=b]").read(several=True)
    assert [(n.shape, n.item()) for n in scalars] == [((), 1.5), ((), 7.5)]
    np.testing.assert_array_equal(find("a.h5::data[ids=c]").read(several=True), VECTORS[3])
    with pytest.raises(Reject) as caught:
        find("a.h5::data[ids=a]").read(advice="declare shape: [null, 3] to take them all")
    assert str(caught.value) == (
        "load: ambiguous_key: a.h5::data[ids=a]: got 3 rows with this key, expected one; declare "
        "shape: [null, 3] to take them all"
    )
    with pytest.raises(Reject) as caught:
        find("a.h5::data[short=z]")
    assert str(caught.value) == (
        "load: no_such_row: a.h5::data[short=z]: got 11 keys in 'short', expected one for each of 6 rows"
    )


def test_several_huge_rows_are_rejected_before_they_are_read(tmp_path, find):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (3, 1 << 26), np.float64, chunks=(1, 1 << 20))
        file["ids"] = [1, 1, 1]
    assert reason(lambda: find("a.h5::x[ids=1]").read(several=True)) == "array_too_large"


@pytest.mark.parametrize("name", ["a.h5", "gzip.h5", "a.mat", "a.npz", "a.npy"])
def test_columns(tmp_path, find, name):
    table = RANDOM.normal(size=(400, 600))  # chunked ones are too large to be kept whole
    keys = np.repeat(np.arange(300), 2)
    if name == "a.npy":
        np.save(tmp_path / name, table)
    elif name == "a.npz":
        np.savez(tmp_path / name, x=table, ids=keys)
    else:
        with h5py.File(tmp_path / name, "w") as file:
            if name == "a.mat":
                matlab(file, "x", table)
                matlab(file, "ids", keys[np.newaxis])
            elif name == "gzip.h5":
                file.create_dataset("x", data=table, chunks=(50, 70), compression="gzip")
                file["ids"] = keys
            else:
                file["x"], file["ids"] = table, keys
    x = f"{name}::" + ("" if name == "a.npy" else "x")
    np.testing.assert_array_equal(find(f"{x}[:,17]").read(), table[:, 17])
    np.testing.assert_array_equal(find(f"{x}[:,-1]").read(), table[:, -1])
    assert len(find(f"{x}[:,17]")) == 400
    assert find(f"{x}[:,17]")[3] == table[3, 17]
    for part in ("68:73", ":", "590:"):
        start, _, stop = part.partition(":")
        expected = table[:, int(start or 0) : int(stop or 600)].T
        found = find(f"{x}[:,{part}]")
        np.testing.assert_array_equal(found.read(), expected)
        np.testing.assert_array_equal(steps(found), expected)
        np.testing.assert_array_equal(found.read_steps(range(len(found))), expected)
    assert reason(find, f"{x}[:,600]") == "no_such_column"
    if name == "a.npy":
        return
    found = find(f"{x}[:,ids=33]")
    np.testing.assert_array_equal(steps(found), table[:, 66:68].T)
    np.testing.assert_array_equal(found.read(several=True), table[:, 66:68].T)
    with pytest.raises(Reject) as caught:
        found.read()
    assert caught.value.message == f"{x}[:,ids=33]: got 2 columns with this key, expected one"
    with pytest.raises(Reject) as caught:
        find(f"{x}[ids=33]")
    assert str(caught.value) == (
        f"load: wrong_shape: {x}[ids=33]: got 600 keys in 'ids', expected one for each of 400 rows; "
        "those of the 600 columns are named by [:,ids=33]"
    )


def test_columns_of_what_has_none(tmp_path, find):
    write(tmp_path / "a.h5", vector=VECTORS[0], frames=FRAMES)
    with pytest.raises(Reject) as caught:
        find("a.h5::vector[:,0]")
    assert str(caught.value) == (
        "load: wrong_shape: a.h5::vector[:,0]: got columns of an array of shape [3], expected two "
        "dimensions or more"
    )
    with pytest.raises(Reject) as caught:
        find("a.h5::frames[:,0]", True)
    assert str(caught.value) == (
        "load: wrong_shape: a.h5::frames[:,0]: got columns of an array of shape [70, 4, 5, 3], "
        "expected rows, since images have no columns"
    )
    np.testing.assert_array_equal(find("a.h5::frames[:,2]").read(), FRAMES[:, 2])
    whole = find("a.h5::frames[:,1:3]").read()
    np.testing.assert_array_equal(whole, np.swapaxes(FRAMES, 0, 1)[1:3])


def test_numpy_files(tmp_path, find):
    np.save(tmp_path / "a.npy", FRAMES)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(VECTORS))
    np.savez_compressed(tmp_path / "a.npz", frames=FRAMES, word=np.array("w"))
    np.testing.assert_array_equal(np.array(steps(find("a.npy::"))), FRAMES)
    np.testing.assert_array_equal(find("a.npy::[9]").read(), FRAMES[9])
    np.testing.assert_array_equal(find("fortran.npy::[2]").read(), VECTORS[2])
    np.testing.assert_array_equal(np.array(steps(find("a.npz::frames"))), FRAMES)
    assert find("a.npz::word").read() == "w"
    assert not isinstance(find("a.npy::[9]").read(), np.memmap)


def matlab(file, name, array, kind="double"):
    """Writes an array as MATLAB's ``save -v7.3`` does: its axes the other way round."""
    file[name] = np.asarray(array).T
    file[name].attrs["MATLAB_class"] = np.bytes_(kind)


def test_matlab_arrays_have_their_own_axes(tmp_path, find):
    films = np.moveaxis(FRAMES, 0, -1)  # height x width x 3 x frames, as MATLAB has them
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        matlab(file, "features", VECTORS)
        matlab(file, "films", films, "uint8")
        matlab(file, "one", VECTORS[:1])
        matlab(file, "number", [[7.0]])
        matlab(file, "ids", [[10.0], [20], [30], [40], [50], [60]])
        names = file.create_dataset("names", (1, 6), h5py.ref_dtype)
        names.attrs["MATLAB_class"] = np.bytes_("cell")
        for index, name in enumerate(["ann", "bob", "cé", "d", "e", "f"]):
            matlab(file, f"#refs#/{index}", [[ord(letter) for letter in name]], "char")
            names[0, index] = file[f"#refs#/{index}"].ref
        file["empty"] = np.array([0, 3], np.uint64)
        file["empty"].attrs["MATLAB_class"] = np.bytes_("double")
        file["empty"].attrs["MATLAB_empty"] = np.uint8(1)
    np.testing.assert_array_equal(find("a.mat::features").read(), VECTORS)
    np.testing.assert_array_equal(find("a.mat::features[2]").read(), VECTORS[2])
    np.testing.assert_array_equal(np.array(steps(find("a.mat::features"))), VECTORS)
    np.testing.assert_array_equal(find("a.mat::features[1:3]").read(), VECTORS[1:3])
    np.testing.assert_array_equal(find("a.mat::features[ids=40]").read(), VECTORS[3])
    np.testing.assert_array_equal(find("a.mat::features[names=cé]").read(), VECTORS[2])
    np.testing.assert_array_equal(find("a.mat::one").read(), VECTORS[:1])
    np.testing.assert_array_equal(find("a.mat::number").read(), [[7.0]])
    np.testing.assert_array_equal(np.array(steps(find("a.mat::films", True))), FRAMES)
    np.testing.assert_array_equal(find("a.mat::films[5]", True).read(), FRAMES[5])
    assert reason(find, "a.mat::empty") == "empty_array"


def test_what_is_not_there(tmp_path, find):
    write(tmp_path / "a.h5", **{"g/x": VECTORS})
    np.savez(tmp_path / "a.npz", x=VECTORS)
    assert reason(find, "b.h5::x") == "file_not_found"
    assert reason(find, "b.npy::") == "file_not_found"
    assert reason(find, "a.h5::y") == "no_such_array"
    assert reason(find, "a.h5::g") == "no_such_array"
    assert reason(find, "a.h5::") == "no_such_array"
    assert reason(find, "a.h5::g/x/y") == "no_such_array"
    assert reason(find, "a.npz::y") == "no_such_array"
    assert reason(find, "a.h5::g/x[6]") == "no_such_row"
    assert reason(find, "../a.h5::x") == "outside_root"
    with pytest.raises(Reject) as caught:
        find("a.h5::g/y")
    assert caught.value.message == "a.h5::g/y: there is no 'y' in '/g', which holds 'x'"
    assert caught.value.path == "a.h5::g/y"


def test_damaged_files(tmp_path, find):
    (tmp_path / "text.h5").write_text("no")
    (tmp_path / "text.npy").write_text("no")
    (tmp_path / "text.npz").write_bytes(b"PK\3\4no")
    (tmp_path / "folder.h5").mkdir()
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(tmp_path / "chunk.h5", "w") as file:
        data = file.create_dataset(
            "x", data=FRAMES, chunks=(10, 4, 5, 3), compression="gzip", fletcher32=True
        )
        offset = data.id.get_chunk_info(2).byte_offset
    with open(tmp_path / "chunk.h5", "r+b") as file:
        file.seek(offset + 20)
        file.write(b"\xff\xff\xff")
    for name in ("text.h5::x", "text.npy::", "text.npz::x", "folder.h5::x", "pipe.h5::x"):
        assert reason(find, name) == "corrupt_file"
    array = find("chunk.h5::x", True)
    np.testing.assert_array_equal(array[19], FRAMES[19])
    assert reason(array.__getitem__, 20) == "corrupt_file"
    np.testing.assert_array_equal(array[30], FRAMES[30])  # what is whole stays readable


def test_objects_are_never_unpickled(tmp_path, find):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([{}], object))
    assert reason(find, "a.npy::") == "corrupt_file"
    assert reason(find, "a.npz::x") == "corrupt_file"


def test_an_unknown_filter_is_named(tmp_path, find):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((4,))
        properties.set_filter(511, h5py.h5z.FLAG_OPTIONAL, ())  # nobody has it: it is for tests
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT32, space, properties)
    with pytest.raises(Reject) as caught:
        find("a.h5::x")
    assert (caught.value.reason, caught.value.message) == (
        "unknown_filter",
        "a.h5::x: needs the HDF5 filter 511",
    )


def test_links_stay_in_the_folder(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    write(outside / "secret.h5", x=VECTORS)
    write(inside / "sub" / "b.h5", x=VECTORS)
    (inside / "alias.h5").symlink_to(outside / "secret.h5")
    with h5py.File(inside / "a.h5", "w") as file:
        file["real/x"] = VECTORS
        file["soft"] = h5py.SoftLink("/real")
        file["relative"] = h5py.SoftLink("real/x")
        file["circle"] = h5py.SoftLink("/circle")
        file["good"] = h5py.ExternalLink("sub/b.h5", "/x")
        file["away"] = h5py.ExternalLink("../out/secret.h5", "/x")
        file["absolute"] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")
        file["alias"] = h5py.ExternalLink("alias.h5", "/x")
        file["gone"] = h5py.ExternalLink("gone.h5", "/x")
        file["group"] = h5py.SoftLink("/away")
    files = ArrayFiles(InputFiles(str(inside)))

    def find(name):
        return files.find(parse_reference(f"a.h5::{name}"), False)

    for name in ("soft/x", "relative", "good"):
        np.testing.assert_array_equal(find(name).read(), VECTORS)
    for name in ("away", "absolute", "alias", "group"):
        assert reason(find, name) == "outside_file"
    assert reason(find, "circle") == "unsupported_array"
    assert reason(find, "gone") == "file_not_found"


def test_virtual_sources_and_external_storage_stay_in_the_folder(tmp_path, monkeypatch):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    write(outside / "secret.h5", x=VECTORS)
    write(inside / "b.h5", x=VECTORS)
    (inside / "raw.bin").write_bytes(VECTORS.tobytes())
    (outside / "raw.bin").write_bytes(VECTORS.tobytes())
    with h5py.File(inside / "c.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")
    with h5py.File(inside / "a.h5", "w") as file:
        file["own"] = VECTORS
        sources = {
            "good": ("b.h5", "x"),
            "same": (".", "own"),
            "away": ("../out/secret.h5", "x"),
            "absolute": (str(outside / "secret.h5"), "x"),
            "through": ("c.h5", "x"),
            "gone": ("gone.h5", "x"),
        }
        for name, (path, dataset) in sources.items():
            layout = h5py.VirtualLayout(VECTORS.shape, VECTORS.dtype)
            layout[:] = h5py.VirtualSource(path, dataset, VECTORS.shape)
            file.create_virtual_dataset(name, layout)
        for name, path in (("stored", "raw.bin"), ("stored_away", str(outside / "raw.bin"))):
            file.create_dataset(name, VECTORS.shape, VECTORS.dtype, external=[(path, 0, 200)])
    files = ArrayFiles(InputFiles(str(inside)))

    def find(name):
        return files.find(parse_reference(f"a.h5::{name}"), False)

    monkeypatch.chdir(outside)  # where HDF5 would look for raw.bin if it were not told
    (outside / "raw.bin").write_bytes(bytes(VECTORS.nbytes))
    for name in ("good", "same", "stored"):
        np.testing.assert_array_equal(find(name).read(), VECTORS)
    for name in ("away", "absolute", "through", "stored_away"):
        assert reason(find, name) == "outside_file"
    assert reason(find, "gone") == "file_not_found"


def test_a_file_is_opened_once(tmp_path, find, monkeypatch):
    write(tmp_path / "a.h5", **{f"clip{n}": VECTORS for n in range(50)})
    opened = []
    real = array_files.open_hdf5
    monkeypatch.setattr(array_files, "open_hdf5", lambda *path: opened.append(path) or real(*path))
    for number in range(50):
        find(f"a.h5::clip{number}").read()
    assert len(opened) == 1


def test_few_files_stay_open_and_those_in_use_stay_readable(tmp_path, find):
    for number in range(40):
        write(tmp_path / f"{number}.h5", x=VECTORS + number)
    arrays = [find(f"{number}.h5::x") for number in range(40)]
    for number, array in enumerate(arrays):
        np.testing.assert_array_equal(array.read(), VECTORS + number)
    with h5py.File(tmp_path / "0.h5", "r"):
        pass


def test_threads_share_a_file(tmp_path, find):
    write(tmp_path / "a.h5", x=FRAMES)
    failures = []

    def read():
        for number in range(200):
            row = number % len(FRAMES)
            if not np.array_equal(find(f"a.h5::x[{row}]", True).read(), FRAMES[row]):
                failures.append(row)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_huge_value_is_rejected_before_it_is_read(tmp_path, find):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (1 << 20, 1 << 20), np.float64, chunks=(1024, 1024))
        file["row"] = np.zeros(3)
        file.create_dataset("table", 3, np.dtype([("a", int), ("b", int)]))
    assert reason(find("a.h5::x").read) == "array_too_large"
    assert reason(find, "a.h5::table") == "unsupported_array"
    assert reason(find("a.h5::row[1]").__len__) == "wrong_shape"


@pytest.mark.parametrize("name", ["a.h5", "a.npz"])
def test_keys_that_are_a_table_are_said_to_be_one(tmp_path, name):
    keys = np.array([[1, 2], [3, 4]])
    if name.endswith(".h5"):
        write(tmp_path / name, x=VECTORS, ids=keys)
    else:
        np.savez(tmp_path / name, x=VECTORS, ids=keys)
    with pytest.raises(Reject) as caught:
        ArrayFiles(InputFiles(str(tmp_path))).find(parse_reference(f"{name}::x[ids=3]"), False)
    assert str(caught.value) == (
        f"load: wrong_shape: {name}::x[ids=3]: got keys of shape [2, 2] in 'ids', expected a vector"
    )


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """The files of a folder with a table in compressed chunks of 50 rows and 70 columns, 4800 bytes a row."""
    folder = tmp_path_factory.mktemp("blocks")
    table = np.zeros((400, 600))
    ids = np.repeat("z", 402).astype(object)
    ids[[10, 401]], ids[400], ids[[60, 120]] = "a", "b", "c"
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", data=table, chunks=(50, 70), compression="gzip")
        file.create_dataset("small", data=table[:9], chunks=(3, 70), compression="gzip")
        file["plain"], file["ids"] = table, ids
    np.save(folder / "a.npy", table)
    return ArrayFiles(InputFiles(str(folder)))


@pytest.mark.parametrize(
    ("part", "chunk"),
    [
        ("[0]", 0), ("[50]", 1), ("[399]", 7), ("[-1]", 7), ("[-400]", 0), ("[400]", None),
        ("[-401]", None), ("[40:60]", 0), ("[50:]", 1), ("[500:]", None), ("[ids=a]", 0),
        ("[ids=b]", None), ("[ids=c]", 1), ("[:,69]", 0), ("[:,70]", 1), ("[:,-1]", 8), ("[:,200:]", 2),
        ("", None),
    ],
)  # fmt: skip
def test_the_block_of_rows_is_known_from_the_header(blocks, part, chunk):
    reference = parse_reference(f"a.h5::x{part}")
    bytes_of_chunk = 70 * 3200 if reference.columns else 50 * 4800
    expected = None if chunk is None else ArrayBlock("in/a.h5", "x", chunk, 0, bytes_of_chunk)
    assert blocks.find_block(reference, False, "./in\\a.h5") == expected


@pytest.mark.parametrize("text", ["a.h5::small[1]", "a.h5::plain[1]", "a.npy::[1]", "b.h5::x[1]"])
def test_what_others_cannot_share_has_no_block(blocks, text):
    assert blocks.find_block(parse_reference(text), False, "a.h5") is None


def test_rows_are_read_in_blocks_along_their_own_axis(blocks):
    rows = [
        blocks.find(parse_reference(f"a.h5::x{part}"), False).data.rows for part in ("", "[:,:]")
    ]
    assert [(r.axis, r.count, r.chunk) for r in rows] == [(0, 400, 50), (1, 600, 70)]


def test_the_values_used_longest_ago_are_forgotten():
    kept, made = OrderedDict(), []

    def value(key):
        return array_files._remember(kept, key, 2, lambda: made.append(key) or key.upper())

    assert [value(key) for key in "abacab"] == list("ABACAB")
    assert (made, list(kept)) == (list("abcb"), ["a", "b"])


def test_files_of_several_folders_share_what_is_open(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "x.h5", x=VECTORS if name == "a" else -VECTORS)
    inputs = [InputFiles(str(tmp_path / name)) for name in ("a", "b")]
    files = ArrayFiles(inputs[0])
    assert files.under(inputs[0]) is files
    other, reference = files.under(inputs[1]), parse_reference("x.h5::x[0]")
    np.testing.assert_array_equal(files.find(reference, False).read(), VECTORS[0])
    np.testing.assert_array_equal(other.find(reference, False).read(), -VECTORS[0])
    assert len(files._files) == 2
    files.close()
    assert [*files._files, *files._datasets, *other._files] == []


def test_rows_are_counted_from_either_end(tmp_path, find):
    write(tmp_path / "a.h5", x=VECTORS)
    np.testing.assert_array_equal(find("a.h5::x[-6]").read(), VECTORS[0])
    for index in (-7, 6):
        with pytest.raises(Reject) as caught:
            find(f"a.h5::x[{index}]")
        expected = f"load: no_such_row: a.h5::x[{index}]: got row {index}, expected one of 6 rows"
        assert str(caught.value) == expected


def test_keys_that_are_no_rows_are_told_from_those_that_are(tmp_path, find):
    keys = list("abcdefba")
    square = np.zeros((3, 3))
    write(tmp_path / "a.h5", x=VECTORS, ids=keys, frames=FRAMES[:2], square=square, three=[1, 2, 3])
    np.testing.assert_array_equal(find("a.h5::x[ids=f]").read(), VECTORS[5])
    for key in "ba":  # of whose two rows the first is there, and the second the first that is not
        with pytest.raises(Reject) as caught:
            find(f"a.h5::x[ids={key}]")
        assert str(caught.value) == (
            f"load: no_such_row: a.h5::x[ids={key}]: got 8 keys in 'ids', expected one for each of 6 rows"
        )
    assert reason(find, "a.h5::x[:,ids=d]") == "no_such_column"
    np.testing.assert_array_equal(find("a.h5::square[three=2]").read(), square[1])
    np.testing.assert_array_equal(find("a.h5::frames[three=2]").read(), FRAMES[1])
    assert reason(find, "a.h5::x[:,six=1]") == "no_such_array"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(), "load: file_not_found: no such file: 'a.h5::x'"),
        (PermissionError(), "load: permission_denied: no permission to read 'a.h5::x'"),
        (
            ValueError("bad\nworse"),
            "load: corrupt_file: a.h5::x cannot be opened, expected wax: bad",
        ),
    ],
)
def test_faults_of_files_are_told_apart(error, expected):
    fault = array_files._file_fault(error, "a.h5::x", "wax")
    assert (str(fault), fault.path) == (expected, "a.h5::x")


def test_arrays_of_archives_are_listed_and_may_have_a_gibibyte(tmp_path, find, monkeypatch):
    np.savez(tmp_path / "none.npz")
    np.savez(tmp_path / "a.npz", **{name: np.zeros(9, np.uint8) for name in "abcdef"})
    for name, holds in (("none", "nothing"), ("a", "'a', 'b', 'c', 'd', 'e'")):
        with pytest.raises(Reject) as caught:
            find(f"{name}.npz::y")
        assert caught.value.message == f"{name}.npz::y: there is no 'y'; the file holds {holds}"
    size = zipfile.ZipFile(tmp_path / "a.npz").getinfo("a.npy").file_size
    monkeypatch.setattr(array_files, "MAX_VALUE_BYTES", size)
    assert find("a.npz::a").read().shape == (9,)
    monkeypatch.setattr(array_files, "MAX_VALUE_BYTES", size - 1)
    with pytest.raises(Reject) as caught:
        find("a.npz::b")
    expected = f"load: array_too_large: a.npz::b: got {size} bytes, expected at most {size - 1}"
    assert str(caught.value) == expected


def test_local_files_are_mapped_and_streams_are_read(tmp_path, find, monkeypatch):
    np.save(tmp_path / "a.npy", VECTORS)
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    write(tmp_path / "a.h5", x=VECTORS)
    assert isinstance(find("a.npy::").data, np.memmap)
    monkeypatch.setattr(
        array_files, "open_for_library", lambda path: BytesIO(Path(path).read_bytes())
    )
    streams = ArrayFiles(InputFiles(str(tmp_path)))
    for name in ("a.npy::", "a.h5::x"):
        found = streams.find(parse_reference(name), False)
        assert not isinstance(found.data, np.memmap)
        np.testing.assert_array_equal(found.read(), VECTORS)
    assert reason(streams.find, parse_reference("objects.npy::"), False) == "corrupt_file"
