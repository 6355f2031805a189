"""Step features of numbers: whole arrays where all is well, step by step where something is wrong."""

from __future__ import annotations

import io
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from owned_kinds import PointIds, Points
from PIL import Image
from pixelbeam.schemas import Image as ImageFeature
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.statistics import merge_all
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.clips.encode_clips import ClipEncoder, _encode_array
from pixelbeam.transforms.rows import Window
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.values.arrays.array_files import ArrayFiles
from pixelbeam.transforms.values.resolve import ValueResolver
from pixelbeam.transforms.values.step_sources import ListedSteps

POSE = {"type": "float32", "source": "pose", "shape": [3]}
FRAME = {"type": "image", "source": "frame", "resize": "none", "encoding": "raw"}
NUMBERS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


def encoder(tmp_path, cells, steps=None, **clips):
    schema = {"record": "sequence_example", "steps": steps or {"pose": POSE}, "clips": clips}
    inputs = InputFiles(str(tmp_path))
    reader = ValueResolver(cells, inputs, ArrayFiles(inputs))
    return ClipEncoder(Schema.from_dict(schema), reader)


def summary(rows):
    one_by_one = encoder("", {}).schema.features["pose"]
    return merge_all(
        (one_by_one.encode("pose", row).summary for row in rows), one_by_one.summary_types
    )


@pytest.mark.parametrize(
    ("cell", "rows"),
    [
        (NUMBERS.tolist(), NUMBERS),
        ("a.h5::x", NUMBERS),
        ("a.h5::x[1:4]", NUMBERS[1:4]),
        ("a.h5::chunked", NUMBERS),
        ("a.h5::doubled[ids=b]", NUMBERS[[1, 2, 4]]),
        ("a.npy::", NUMBERS),
        ("a.mat::x", NUMBERS),
    ],
)
def test_arrays_are_taken_whole(tmp_path, cell, rows):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["doubled"] = NUMBERS, NUMBERS.astype(np.float64)
        file.create_dataset("chunked", data=NUMBERS, chunks=(2, 3), compression="gzip")
        file["ids"] = ["a", "b", "b", "a", "b", "c", "c"]
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["x"] = NUMBERS.T
        file["x"].attrs["MATLAB_class"] = np.bytes_("single")
    np.save(tmp_path / "a.npy", NUMBERS)
    values, summaries = encoder(tmp_path, {"pose": cell}).encode()
    assert isinstance(values["pose"].values, np.ndarray)
    np.testing.assert_array_equal(values["pose"].values, rows, strict=True)
    assert summaries == {"pose": summary(rows)}


def test_chosen_steps_are_taken_whole(tmp_path):
    np.save(tmp_path / "a.npy", NUMBERS)
    values, _ = encoder(tmp_path, {"pose": "a.npy::"}, every=3).encode()
    np.testing.assert_array_equal(values["pose"].values, NUMBERS[::3], strict=True)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([[1, 2, 3], [1, float("nan"), 3]], "frame 1: got nan, expected a finite number"),
        ([[1, 2, 3], [1, 2]], "frame 1: got 2 values: [1, 2], expected 3 values for shape [3]"),
        ([[1, 2, 3], [[1], [2], [3]]], "frame 1: got [1], expected a number"),
        ([[[1], [2], [3]]], "frame 0: got [1], expected a number"),
        ([[1, 2, 3], None], "frame 1: got an empty cell, expected numbers of shape [3]"),
        ([[1, 2, 3], [1, 2, "x"]], "frame 1: got 'x', expected a number"),
    ],
)
def test_a_bad_step_is_named(tmp_path, cell, message):
    with pytest.raises(Reject) as caught:
        encoder(tmp_path, {"pose": cell}).encode()
    assert (caught.value.feature, caught.value.message) == ("pose", message)


def test_text_among_numbers_is_read_as_ever(tmp_path):
    values, _ = encoder(tmp_path, {"pose": ["1 2 3", [4, 5, 6]]}).encode()
    np.testing.assert_array_equal(np.array(values["pose"].values), [[1, 2, 3], [4, 5, 6]])


def png(shade):
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), (shade,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_frame_that_is_dropped_is_left_out_of_the_arrays_beside_it(tmp_path):
    frames = [png(shade) if shade != 2 else b"no image" for shade in range(7)]
    cells = {"pose": NUMBERS.tolist(), "frame": frames}
    clip = encoder(tmp_path, cells, {"frames": FRAME, "pose": POSE}, on_bad_frame="drop")
    values, summaries = clip.encode()
    left = np.delete(NUMBERS, 2, axis=0)
    np.testing.assert_array_equal(values["pose"].values, left, strict=True)
    shades = [int(frame[0, 0, 0]) for frame in values["frames"].values]
    assert shades == [0, 1, 3, 4, 5, 6]
    assert summaries["pose"] == summary(left)
    assert [reject.message.partition(":")[0] for reject in clip.dropped] == ["frame 2"]
    assert clip.ledger.accounts == {"seen": 7, "in_records": 6, "dropped/unknown_format": 1}


def test_the_window_of_a_row_says_which_steps_are_its_own(tmp_path):
    np.save(tmp_path / "a.npy", NUMBERS)
    clip = encoder(tmp_path, {"pose": "a.npy::"}, every=2, window=2)
    clip.window = Window("a", 1, 3)
    np.testing.assert_array_equal(clip.encode()[0]["pose"].values, NUMBERS[[2, 4]], strict=True)
    assert clip.ledger.accounts == {"in_records": 2}  # the rest was counted where the clip was cut


def test_beside_steps_that_were_cut_already_lie_those_of_a_whole_clip(tmp_path):
    np.save(tmp_path / "a.npy", NUMBERS)
    steps = {"pose": POSE, "more": {**POSE, "source": "more"}}
    cells = {"pose": NUMBERS[[2, 4]].tolist(), "more": "a.npy::"}
    clip = encoder(tmp_path, cells, steps, every=2, window=2)
    clip.window = Window("a", 1, 3)
    values, _ = clip.encode()
    for name in steps:
        np.testing.assert_array_equal(values[name].values, NUMBERS[[2, 4]], strict=True)


@pytest.mark.parametrize(("fewest", "fits"), [(4, True), (5, False)])
def test_a_clip_has_enough_steps_once_some_are_left_out(tmp_path, fewest, fits):
    clip = encoder(tmp_path, {"pose": NUMBERS.tolist()}, every=2, min_frames=fewest)
    if fits:
        np.testing.assert_array_equal(clip.encode()[0]["pose"].values, NUMBERS[::2], strict=True)
        assert clip.ledger.accounts == {"seen": 7, "skipped/every": 3, "in_records": 4}
        return
    with pytest.raises(Reject, match=r"got 4 frames, expected at least 5$"):
        clip.encode()


@pytest.mark.parametrize(("fewest", "fits"), [(6, True), (7, False)])
def test_a_clip_has_enough_steps_once_bad_ones_are_dropped(tmp_path, fewest, fits):
    cells = {"frame": [png(shade) if shade != 2 else b"no image" for shade in range(7)]}
    clip = encoder(tmp_path, cells, {"frames": FRAME}, on_bad_frame="drop", min_frames=fewest)
    if fits:
        assert len(clip.encode()[0]["frames"].values) == 6
        return
    with pytest.raises(Reject, match=r"got 6 frames, expected at least 7; 1 were bad$"):
        clip.encode()


def test_all_frames_may_be_bad(tmp_path):
    cells = {"pose": NUMBERS.tolist(), "frame": [b"no image"] * 7}
    clip = encoder(tmp_path, cells, {"frames": FRAME, "pose": POSE}, on_bad_frame="drop")
    with pytest.raises(Reject, match=r"7 were bad"):
        clip.encode()


def test_steps_are_given_what_their_owner_became_in_the_same_step(tmp_path):
    for number, width in enumerate((40, 80)):
        Image.new("RGB", (width, 20)).save(tmp_path / f"{number}.png")
    schema = Schema(
        record="sequence_example",
        steps={
            "names": PointIds(source="names", of="points"),
            "points": Points(source="points", of="frames"),
            "frames": ImageFeature(source="path", height=20, width=20),
        },
        clips={"on_bad_frame": "drop"},
    )
    cells = {
        "path": ["0.png", "gone.png", "1.png"],
        "points": [[[0, 0], [20, 20]], [[1, 1]], [[0, 0], [20, 20], [40, 10]]],
        "names": [[1, 2], [3], [4, 5, 6]],
    }
    inputs = InputFiles(str(tmp_path))
    clip = ClipEncoder(schema, ValueResolver(cells, inputs, ArrayFiles(inputs)))
    values, summaries = clip.encode()
    # The middle of each frame is kept: of the first from 10 to 30, of the last from 30 to 50.
    assert [step.tolist() for step in values["points"].values] == [[[10, 20]], [[10, 10]]]
    assert [step.tolist() for step in values["names"].values] == [[2], [6]]
    assert list(summaries) == ["names", "points", "frames"]
    assert [(reject.feature, reject.path) for reject in clip.dropped] == [("frames", "gone.png")]


ADVICE = (
    "every, max_frames and window choose among the rows of a clip, not among the steps that 'pose' names as a "
    "whole; name one a row, or give a row a clip without clips.key"
)


@pytest.mark.parametrize(
    ("listed", "clips", "window", "message"),
    [
        (
            4,
            {"every": 2},
            None,
            "got 4 steps of 'n', 7 steps of 'pose', expected as many of each; ",
        ),
        (7, {"every": 2}, None, "got 7 steps of rows that were chosen, and as many others; "),
        (7, {"window": 7}, Window("c", 7, 14), "got 7 steps of rows that were chosen, and as many"),
        (7, {"window": 7}, Window("c", 0, 7), ""),
        (7, {"max_frames": 7}, None, ""),
        (7, {}, None, ""),
    ],
)
def test_steps_that_are_named_as_a_whole_beside_rows_that_were_chosen(
    tmp_path, listed, clips, window, message
):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["c"] = NUMBERS
    steps = {
        "n": {"type": "int64", "source": "n"},
        "pose": {**POSE, "source": "a.h5::/{clip}"},
    }
    cells = {"clip": "c", "n": list(range(listed))}
    encoding = encoder(tmp_path, cells, steps, key="clip", **clips)
    encoding.window = window
    if not message:
        values, _ = encoding.encode()
        np.testing.assert_array_equal(values["pose"].values, NUMBERS)
        return
    with pytest.raises(Reject) as caught:
        encoding.encode()
    assert caught.value.reason == "unequal_lengths"
    assert caught.value.message.startswith(message)
    assert caught.value.message.endswith(ADVICE)


@pytest.mark.parametrize(
    ("settings", "steps", "is_asked"),
    [
        ({}, [0, 1], True),
        ({}, [], False),
        ({"encodes_steps": False}, [0, 1], False),
        ({"owner": "frames"}, [0, 1], False),
        ({"becomes": object}, [0, 1], False),
        ({"index_columns": {"length": "int64"}}, [0, 1], False),
    ],
)
def test_arrays_are_for_kinds_that_take_them_and_need_no_owner(settings, steps, is_asked):
    asked = []

    def note(name, array):
        asked.append((name, array.tolist()))

    usual = {"encodes_steps": True, "owner": None, "becomes": None, "index_columns": {}}
    feature = SimpleNamespace(**{**usual, "encode_steps": note, **settings})
    source = ListedSteps([5, 6, 7], str)
    assert _encode_array("pose", feature, source, steps) is None
    assert asked == ([("pose", [5, 6])] if is_asked else [])
