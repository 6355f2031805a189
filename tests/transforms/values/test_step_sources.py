from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.image import Image as ImageFeature
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.values.step_sources import (
    Animation,
    ListedSteps,
    SomeSteps,
    common_length,
    list_frames,
    natural_key,
)


def test_natural_order():
    names = ["f10.png", "f2.png", "F1.png", "f2a.png", "f02.png", "10", "9", "", "f-3"]
    assert sorted(names, key=natural_key) == [
        "", "9", "10", "F1.png", "f02.png", "f2.png", "f2a.png", "f10.png", "f-3",
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "a[1]").mkdir(parents=True)
    for name in ("10.jpg", "9.JPG", "x.txt", ".1.jpg"):
        (tmp_path / "in" / "a[1]" / name).touch()
    (tmp_path / "in" / "empty").mkdir()
    (tmp_path / "in" / "file.gif").touch()
    (tmp_path / "secret.jpg").touch()
    return tmp_path


def test_listing(folder):
    inputs = InputFiles(str(folder / "in"))
    assert list_frames(inputs, "a[1]") == ["a[1]/9.JPG", "a[1]/10.jpg"]  # a folder of this name
    assert list_frames(inputs, "*/*.jpg") == ["a[1]/10.jpg"]
    assert list_frames(inputs, "a[[]1]/*.txt") == ["a[1]/x.txt"]
    assert list_frames(inputs, "file.gif") is None
    assert list_frames(inputs, "none.gif") is None  # which reading it will tell
    absolute = str(folder / "in" / "a[1]")
    assert list_frames(inputs, absolute) == [f"{absolute}/9.JPG", f"{absolute}/10.jpg"]
    for written, reason in (
        ("empty", "no_frames"),
        ("*.tiff", "no_frames"),
        ("../*.jpg", "outside_root"),
        ("a\0", "bad_path"),
    ):
        with pytest.raises(Reject) as caught:
            list_frames(inputs, written)
        assert (caught.value.stage, caught.value.reason) == ("load", reason)


def animation(suffix, frames, **options):
    buffer = io.BytesIO()
    first, *more = frames
    first.save(buffer, suffix, save_all=True, append_images=more, **options)
    return buffer.getvalue()


def test_the_picture_for_other_viewers_is_no_frame():
    greys = [Image.new("L", (4, 4), 50 * n) for n in range(4)]
    data = animation("PNG", greys, default_image=True)
    frames = Animation(data, "a.png", 100)
    assert [int(np.asarray(frames[n].image.convert("L"))[0, 0]) for n in range(len(frames))] == [
        50,
        100,
        150,
    ]


def test_a_page_larger_than_the_first_is_a_bomb_too():
    data = animation("TIFF", [Image.new("L", (4, 4)), Image.new("L", (40, 40))])
    pages = Animation(data, "a.tif", 100)
    assert (len(pages), pages[0].size) == (2, (4, 4))
    with pytest.raises(Reject) as caught:
        pages[1]
    assert (caught.value.reason, caught.value.path) == ("decompression_bomb", "a.tif")
    assert (
        caught.value.message
        == "got 40x40 (width x height) pixels in the header, expected at most 100 in all"
    )


def test_each_page_is_read_by_its_own_interpretation():
    """PhotometricInterpretation 0 of 16 bits: 0 is white, as in a single image."""
    pixels = np.array([[0, 65535]], np.uint16)
    pages = [Image.fromarray(pixels) for _ in range(2)]
    data = animation("TIFF", pages, tiffinfo={262: 0})
    feature = ImageFeature(source="s", resize="none", encoding="raw", channels=1)
    for page in (Animation(data, "a.tif", 100)[n] for n in range(2)):
        assert feature.encode("x", page).values["x"].ravel().tolist() == [255, 0]


def test_frames_can_be_asked_for_again():
    colours = ["red", "lime", "blue"]
    frames = Animation(
        animation("GIF", [Image.new("RGB", (4, 4), colour) for colour in colours]), "", 100
    )
    order = [2, 0, 1, 1]
    found = [frames[n].image.convert("RGB").getpixel((0, 0)) for n in order]
    assert found == [Image.new("RGB", (1, 1), colours[n]).getpixel((0, 0)) for n in order]


def test_a_still_image_is_its_file():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG")
    still = Animation(buffer.getvalue(), "a.jpg", 100)
    assert (len(still), still[0]) == (1, buffer.getvalue())


def test_each_page_of_a_tiff_says_how_it_was_turned():
    orientations = (6, 1, 8)
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as pages:
        for orientation in orientations:
            Image.new("L", (30, 20)).save(pages, "TIFF", tiffinfo={274: orientation})
            pages.newFrame()
    frames = Animation(buffer.getvalue(), "a.tif", 1 << 20)
    for step in (0, 1, 2, 0):  # and again from the start
        frame = frames[step]
        assert (frame.stored_orientation, frame.orientation) == (orientations[step], 1)
        assert frame.size == ((30, 20) if orientations[step] == 1 else (20, 30))


def test_steps_that_are_listed():
    steps = ListedSteps(["a", 2, None], lambda cell: f"<{cell}>")
    assert (len(steps), steps[0], steps[1]) == (3, "<a>", "<2>")
    assert [steps.describe(step) for step in range(3)] == ["a", "", ""]


@pytest.mark.parametrize(
    ("cells", "steps", "expected"),
    [
        ([1, 2.5, 3], [0, 2], [1, 3]),
        ([[1, 2], [3, 4]], range(1, 2), [[3, 4]]),
        ([[1, 2], [3]], range(2), None),
        ([[1, 2], [3]], range(1), [[1, 2]]),
        ([1, "2"], range(2), None),
        (["1", 2], range(2), None),
        ([True, False], range(2), [True, False]),
        ([[1, None]], range(1), None),
    ],
)
def test_numbers_that_are_listed_are_taken_at_once(cells, steps, expected):
    found = ListedSteps(cells, lambda cell: cell).read_steps(steps)
    assert (found is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(found, expected)


def test_some_steps_of_a_source():
    steps = SomeSteps(ListedSteps([10, 11, 12, 13], lambda cell: cell), range(1, 4, 2))
    assert (len(steps), [steps[0], steps[1]]) == (2, [11, 13])
    assert steps.read_steps(range(1, 2)).tolist() == [13]
    named = SomeSteps(ListedSteps(["a", "b"], str), [1])
    assert named.describe(0) == "b"


def test_sources_have_equally_many_steps():
    two, three = (ListedSteps([0] * count, str) for count in (2, 3))
    assert common_length({}) == 0
    assert common_length({"a": two}) == common_length({"a": two, "b": two}) == 2
    with pytest.raises(Reject) as caught:
        common_length({"a": two, "b": three})
    assert str(caught.value) == (
        "clip: unequal_lengths: got 2 steps of 'a', 3 steps of 'b', expected as many of each; or declare "
        "some of them as ragged: true"
    )


def test_a_damaged_frame_costs_itself():
    noise = [Image.effect_noise((32, 32), 50 + n) for n in range(3)]
    data = bytearray(animation("TIFF", noise, compression="tiff_lzw"))
    whole = Animation(bytes(data), "a.tif", 10**6)
    assert (whole.describe(0), whole.read_steps(range(2)), len(whole)) == ("a.tif", None, 3)
    still = Animation(animation("PNG", [Image.new("L", (4, 4))], default_image=True), "", 100)
    assert (len(still), type(still[0])) == (1, bytes)
    cut = Animation(bytes(data[: len(data) // 2]), "a.tif", 10**6)
    with pytest.raises(Reject) as caught:
        [cut[step] for step in range(3)]
    assert (caught.value.stage, caught.value.reason, caught.value.path) == (
        "decode", "corrupt_image", "a.tif",
    )  # fmt: skip
