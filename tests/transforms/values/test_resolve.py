"""What a cell stands for, by what the kind of the feature says of its files."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from PIL import Image
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
