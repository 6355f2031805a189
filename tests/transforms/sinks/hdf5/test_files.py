from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.hdf5_layout import columns
from pixelbeam.schemas.errors import OptionError
from pixelbeam.transforms.sinks.hdf5.files import (
    ARRAY_TYPES,
    create_file,
    describe,
    filters,
    label_axes,
    load_plugins,
    needs_plugins,
    require_group,
    text_array,
)

INT64, UINT16, UINT8 = np.dtype("<i8"), np.dtype("<u2"), np.dtype("u1")


def test_the_types_of_datasets():
    assert sorted(ARRAY_TYPES) == ["bytes", "float32", "int64", "text", "uint16", "uint8"]
    numbers = ("int64", "float32", "uint8", "uint16")
    assert [ARRAY_TYPES[name].str for name in numbers] == ["<i8", "<f4", "|u1", "<u2"]
    assert h5py.check_string_dtype(ARRAY_TYPES["text"]) == ("utf-8", None)
    assert h5py.check_vlen_dtype(ARRAY_TYPES["bytes"]) == np.uint8


def test_a_file_has_no_time_and_room_for_large_attributes(tmp_path):
    with create_file(tmp_path / "a.h5") as file:
        assert file.libver == ("v108", "v110")
        assert not file.id.get_create_plist().get_obj_track_times()
        file.attrs["large"] = "x" * (1 << 17)
        left_open = file.create_group("g")
    assert not left_open  # closing the file closes what is in it
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file.attrs["large"]) == 1 << 17
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "a.h5")


def test_groups_are_made_once_and_have_no_time(tmp_path):
    with create_file(tmp_path / "a.h5") as file:
        made = require_group(file, "a/b")
        assert require_group(file["a"], "b") == made
        assert require_group(file, "a/c").name == "/a/c"
        assert sorted(file["a"]) == ["b", "c"]
        for group in (file["a"], made):
            assert not group.id.get_create_plist().get_obj_track_times()


def test_what_a_dataset_says_of_its_feature(tmp_path):
    declared = {
        "i": {"type": "image", "source": "p", "resize": "none", "encoding": "png"},
        "l": {"type": "class_label", "source": "l", "vocabulary": ["a\0", "bé"]},
        "m": {"type": "class_label", "source": "l", "num_classes": 2},
        "n": {"type": "int64", "source": "l"},
    }
    with create_file(tmp_path / "a.h5") as file:
        for column in columns(Schema.from_dict({"features": declared})):
            describe(require_group(file, column.key), column)
        attributes = {key: dict(file[key].attrs) for key in declared}
    assert list(attributes["l"].pop("class_names")) == ["a\u2400", "bé"]
    assert attributes == {
        "i": {"feature": "i", "type": "image", "encoding": "png"},
        "l": {"feature": "l", "type": "class_label"},
        "m": {"feature": "m", "type": "class_label"},
        "n": {"feature": "n", "type": "int64"},
    }


def test_texts_of_an_attribute():
    found = text_array(["a\0b\0", "é"])
    assert found.tolist() == ["a\u2400b\u2400", "é"]
    assert h5py.check_string_dtype(found.dtype) == ("utf-8", None)


def test_axes_are_named_as_far_as_there_are_labels(tmp_path):
    with create_file(tmp_path / "a.h5") as file:
        data = file.create_dataset("x", (1, 2, 3))
        label_axes(data, ["record", "height"])
        assert [axis.label for axis in data.dims] == ["record", "height", ""]


@pytest.mark.parametrize(
    ("dtype", "shape", "chunks"),
    [
        (UINT8, (10, 100, 100, 3), (8, 100, 100, 3)),  # 240,000 of 262,144 bytes
        (UINT8, (10, 1 << 18), (1, 1 << 18)),
        (UINT8, (10, 1 << 17), (2, 1 << 17)),
        (UINT8, (10, 1 << 20), (1, 1 << 20)),
        (UINT8, (1 << 19,), (1 << 18,)),
        (INT64, (1 << 20,), (1 << 15,)),
        (UINT16, (1 << 18,), (1 << 17,)),
        (INT64, (7,), (7,)),
        (INT64, (1, 3), (1, 3)),
    ],
)
def test_a_chunk_has_as_many_whole_records_as_fit(dtype, shape, chunks):
    shuffle = dtype != UINT8
    lzf = {"chunks": chunks, "compression": "lzf", "shuffle": shuffle}
    assert filters("lzf", dtype, shape) == lzf
    gzip = {**lzf, "compression": "gzip", "compression_opts": 4}
    assert filters("gzip", dtype, shape) == gzip


def test_nothing_is_not_compressed():
    assert filters("contiguous", INT64, (3,)) == filters("gzip", INT64, (0, 3)) == {}


def test_filters_of_the_plugin():
    plugins = load_plugins("zstd")
    assert plugins.__name__ == "hdf5plugin"
    assert filters("zstd", INT64, (9,)) == {"chunks": (9,), **plugins.Zstd(clevel=3)}
    blosc2 = plugins.Blosc2(cname="zstd", clevel=5)
    assert filters("blosc2", INT64, (9,)) == {"chunks": (9,), **blosc2}


@pytest.mark.parametrize("storage", ["zstd", "blosc2"])
def test_a_plugin_that_is_not_there(storage, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(OptionError) as caught:
        filters(storage, INT64, (9,))
    advice = "which needs hdf5plugin: pip install 'pixelbeam[hdf5]'"
    assert str(caught.value) == f"storage: got '{storage}', {advice}"


@pytest.mark.parametrize(
    ("storages", "needed"),
    [
        (["contiguous", "lzf", "gzip"], False),
        (["lzf", "zstd"], True),
        (["blosc2"], True),
        ([], False),
    ],
)
def test_which_features_need_the_plugin(storages, needed):
    declared = {
        f"n{number}": {"type": "int64", "source": "n", "storage": storage}
        for number, storage in enumerate([*storages, "gzip"])
    }
    assert needs_plugins(Schema.from_dict({"features": declared}).features) is needed
