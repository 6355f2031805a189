"""What a cell stands for, by what the kind of the feature says of its files."""

from __future__ import annotations

from typing import Any, Literal

import h5py
import numpy as np
import pytest
from PIL import Image
from pixelbeam.schemas import Image as ImageFeature
from pixelbeam.schemas import Int64, String
from pixelbeam.schemas.clips import Clips
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.base import Encoded, Feature, ValueSpec
from pixelbeam.schemas.images.files import Opened
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.values.arrays.array_files import ArrayFiles
from pixelbeam.transforms.values.resolve import ValueResolver


class Recording(Feature):
    """Files that are no pictures."""

    reads_files = True

    type: Literal["recording"] = "recording"

    def encode(self, name: str, value: Any) -> Encoded:
        return Encoded({name: value})

    def specs(self, name: str) -> dict[str, ValueSpec]:
        return {name: ValueSpec("bytes")}


class Drawing(Recording):
    """Files that are pictures, though their values are none."""

    @property
    def pixel_limit(self) -> int:
        return 100

    type: Literal["drawing"] = "drawing"  # type: ignore[assignment]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound a")
    (tmp_path / "b.wav").write_bytes(b"sound b")
    (tmp_path / "frames").mkdir()
    frames = [Image.new("L", (4, 3), 50 * n) for n in range(3)]
    for number, frame in enumerate(frames):
        frame.save(tmp_path / "frames" / f"{number}.png")
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (10, 11)).save(tmp_path / "large.gif")
    return tmp_path


def resolve(folder, cell):
    inputs = InputFiles(str(folder))
    return ValueResolver({"path": cell}, inputs, ArrayFiles(inputs))


def steps(folder, feature, cell):
    source = resolve(folder, cell).steps(feature, Clips())
    return [source[step] for step in range(len(source))]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a.wav", [b"sound a"]),
        ("a.wav;b.wav", [b"sound a", b"sound b"]),
        (["b.wav", "a.wav"], [b"sound b", b"sound a"]),
    ],
)
def test_a_file_that_is_no_picture_is_one_step(folder, cell, expected):
    assert steps(folder, Recording(source="path"), cell) == expected
    listed = resolve(folder, cell).listed(Recording(source="path"), Clips())
    assert listed is not None
    assert len(listed) == len(expected)


def test_a_folder_is_no_file_of_a_kind_without_pictures(folder):
    with pytest.raises(Reject) as caught:
        steps(folder, Recording(source="path"), "frames")
    assert (caught.value.stage, caught.value.reason) == ("load", "not_a_file")


def test_pictures_of_any_kind_may_be_in_a_folder_or_an_animation(folder):
    drawing = Drawing(source="path")
    files = [(folder / "frames" / f"{number}.png").read_bytes() for number in range(3)]
    assert steps(folder, drawing, "frames") == files
    found = steps(folder, drawing, "a.gif")
    assert all(isinstance(frame, Opened) for frame in found)
    assert [frame.size for frame in found] == [(4, 3)] * 3
    assert resolve(folder, "frames").listed(drawing, Clips()) is None  # it may hold any number


def test_a_kind_limits_the_pixels_of_its_pictures(folder):
    with pytest.raises(Reject) as caught:
        steps(folder, Drawing(source="path"), "large.gif")
    assert caught.value.reason == "decompression_bomb"
    assert "expected at most 100 in all" in caught.value.message


def test_a_record_has_the_file_itself(folder):
    resolver = resolve(folder, "a.wav")
    assert resolver.value(Recording(source="path")) == b"sound a"
    assert resolver.describe(Recording(source="path")) == "a.wav"


def resolver(folder, **cells):
    inputs = InputFiles(str(folder))
    return ValueResolver(cells, inputs, ArrayFiles(inputs))


@pytest.fixture
def arrays(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["numbers"], file["ids"] = np.arange(6).reshape(3, 2), ["u", "v", "u"]
        file["jpeg"] = np.frombuffer(b"first image", np.uint8)
        file["pixels"] = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        file["flat"] = np.arange(6, dtype=np.int32)
    return folder


PAIR = Int64(source="n", shape=(2,))
IMAGE = ImageFeature(source="n", height=3, width=4)


def test_numbers_come_from_cells_and_arrays(arrays):
    assert resolver(arrays, n="1 2").value(PAIR) == "1 2"
    assert resolver(arrays, n="").value(PAIR) == ""
    assert resolver(arrays, n=[1, 2]).value(PAIR) == [1, 2]
    np.testing.assert_array_equal(resolver(arrays, n="a.h5::numbers[1]").value(PAIR), [2, 3])
    text = String(source="n")
    assert resolver(arrays, n="a.h5::numbers[1]").value(text) == "a.h5::numbers[1]"
    filled = Int64(source="a.h5::numbers[{n}]", shape=(2,))
    np.testing.assert_array_equal(resolver(arrays, n="2").value(filled), [4, 5])
    named = String(source="a.h5::ids[{n}]")
    assert resolver(arrays, n="1").value(named) == b"v"


def test_rows_that_share_a_key_are_taken_by_who_has_a_place_for_them(arrays):
    several = Int64(source="n", shape=(None, 2))
    found = resolver(arrays, n="a.h5::numbers[ids=u]").value(several)
    np.testing.assert_array_equal(found, [[0, 1], [4, 5]])
    with pytest.raises(Reject) as caught:
        resolver(arrays, n="a.h5::numbers[ids=u]").value(PAIR)
    assert caught.value.reason == "ambiguous_key"
    assert caught.value.message.endswith("; declare shape: [null, 2] to take them all")


def test_a_path_that_is_no_array_is_explained(arrays):
    declared = Int64(source="{n}::numbers", shape=(2,))
    with pytest.raises(Reject) as caught:
        resolver(arrays, n="a.bin").value(declared)
    expected = "got 'a.bin::numbers', expected an array like videos.h5::/clip/frames"
    assert str(caught.value) == f"load: bad_path: {expected}"
    with pytest.raises(Reject) as caught:
        resolver(arrays, n="a.h5").value(PAIR)
    hint = "to read an array write 'a.h5::NAME', with its name in the file"
    assert str(caught.value) == f"load: bad_path: got 'a.h5', expected numbers; {hint}"


def test_images_come_from_arrays_of_bytes_or_pixels(arrays):
    assert resolver(arrays, n="a.h5::jpeg").value(IMAGE) == b"first image"
    pixels = resolver(arrays, n="a.h5::pixels[1]").value(IMAGE)
    np.testing.assert_array_equal(pixels, np.arange(12, 24).reshape(3, 4))
    np.testing.assert_array_equal(resolver(arrays, n="a.h5::flat").value(IMAGE), range(6))
    np.testing.assert_array_equal(
        resolver(arrays, n="a.h5::jpeg").value(PAIR), list(b"first image")
    )
    found = resolver(arrays, n="a.h5::pixels").steps(IMAGE, Clips())
    assert (len(found), found.describe(1)) == (2, "a.h5::pixels[1]")
    np.testing.assert_array_equal(found[1], pixels)
    assert found.read_steps(range(2)) is None
    files = resolver(arrays, n=["a.h5::jpeg", "a.wav"]).steps(IMAGE, Clips())
    assert [files[step] for step in range(2)] == [b"first image", b"sound a"]


def test_steps_of_numbers_come_from_cells_and_arrays(arrays):
    one = Int64(source="n")
    found = resolver(arrays, n="1 2,3").steps(one, Clips())
    assert [found[step] for step in range(len(found))] == ["1", "2", "3"]
    found = resolver(arrays, n="a.h5::numbers").steps(PAIR, Clips())
    np.testing.assert_array_equal([found[step] for step in range(3)], [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(found.read_steps(range(1, 3)), [[2, 3], [4, 5]])
    pattern = Int64(source="a.h5::{which}[{n}]", shape=(2,))
    found = resolver(arrays, n=[2, 0, None], which="numbers").steps(pattern, Clips())
    assert len(found) == 3
    np.testing.assert_array_equal([found[0], found[1]], [[4, 5], [0, 1]])
    with pytest.raises(Reject) as caught:
        found[2]
    assert caught.value.reason == "missing_value"
    pattern = Int64(source="a.h5::{which}", shape=(2,))
    assert len(resolver(arrays, which="numbers").steps(pattern, Clips())) == 3
    with pytest.raises(Reject) as caught:
        resolver(arrays, n=" ").steps(one, Clips())
    expected = "encode: missing_value: got an empty cell, expected the steps of a clip"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ([1, 2], [1, 2]),
        ("[1, 2]", [1, 2]),
        ("1 2", ["1", "2"]),
        ("1", ["1"]),
        (5, None),
        ("a.h5::numbers", None),
    ],
)
def test_what_a_cell_of_numbers_lists(arrays, cell, expected):
    assert resolver(arrays, n=cell).listed(Int64(source="n"), Clips()) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a.png", None),
        ("a.png;b.png", ["a.png", "b.png"]),
        ('["a.png"]', ["a.png"]),
        (b"GIF", None),
    ],
)
def test_what_a_cell_of_images_lists(arrays, cell, expected):
    assert resolver(arrays, n=cell).listed(IMAGE, Clips()) == expected


def test_an_animation_may_stand_in_the_cell_itself(folder):
    data = (folder / "a.gif").read_bytes()
    found = resolver(folder, n=data).steps(IMAGE, Clips())
    assert [found[step].size for step in range(len(found))] == [(4, 3)] * 3


@pytest.mark.parametrize(
    ("feature", "cell", "path"),
    [
        (IMAGE, "a.png", "a.png"),
        (IMAGE, b"GIF", ""),
        (PAIR, "1 2", ""),
        (Int64(source="a.h5::numbers[{n}]"), "3", "a.h5::numbers[3]"),
    ],
)
def test_how_a_value_is_called(folder, feature, cell, path):
    assert resolver(folder, n=cell).describe(feature) == path


def test_a_file_is_read_once_for_all_features_of_a_row(folder):
    found = resolver(folder, n="a.wav")
    assert found.value(Recording(source="n")) == b"sound a"
    (folder / "a.wav").write_bytes(b"changed")
    assert found.value(Drawing(source="n")) == b"sound a"
    found.forget()
    assert found.value(Recording(source="n")) == b"changed"
