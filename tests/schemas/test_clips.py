"""The schema of clips: what it says, and what is wrong with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Image, Int64, Schema, write_description
from pixelbeam.schemas.clips import Clips
from pixelbeam.schemas.errors import Reject, SchemaError
from pixelbeam.schemas.features.base import ValueSpec
from pydantic import ValidationError

LABEL = {"type": "class_label", "source": "label", "vocabulary": ["a", "b"]}
FRAME = {"type": "image", "source": "path", "height": 8, "width": 8}
NUMBER = {"type": "int64", "source": "frame"}
CLIP = {"record": "sequence_example", "context": {"label": LABEL}, "steps": {"frames": FRAME}}


def faults(declared):
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict(declared)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({**CLIP, "clips": {"every": 0}}, ["clips.every: got 0, expected at least 1"]),
        (
            {**CLIP, "clips": {"order": "frame"}},
            ["clips.order: got 'frame' without key, expected both"],
        ),
        (
            {**CLIP, "clips": {"key": "a", "order": "a"}},
            ["clips.order: got 'a', which is the key, expected another"],
        ),
        ({**CLIP, "clips": {"stride": 2}}, ["clips.stride: got 2 without window, expected both"]),
        (
            {**CLIP, "clips": {"window": 4, "min_frames": 5}},
            ["clips.min_frames: got 5, expected at most window, which is 4"],
        ),
        (
            {**CLIP, "clips": {"window": 4, "max_frames": 3}},
            ["clips.min_frames: got 4, expected at most max_frames, which is 3"],
        ),
        (
            {**CLIP, "clips": {"on_bad_frame": "skip"}},
            ["clips.on_bad_frame: got 'skip', expected one of 'reject' or 'drop'"],
        ),
    ],
)
def test_settings_that_do_not_go_together(declared, expected):
    assert faults(declared) == expected


@pytest.mark.parametrize(
    ("clips", "kept", "windows"),
    [
        ({"window": 3}, 9, [(0, 3), (3, 6), (6, 9)]),
        ({"window": 3}, 8, [(0, 3), (3, 6)]),
        ({"window": 3, "min_frames": 1}, 8, [(0, 3), (3, 6), (6, 8)]),
        ({"window": 4, "stride": 2}, 9, [(0, 4), (2, 6), (4, 8)]),
        ({"window": 4, "stride": 2, "min_frames": 3}, 9, [(0, 4), (2, 6), (4, 8), (6, 9)]),
        ({"window": 4, "stride": 2, "min_frames": 1}, 8, [(0, 4), (2, 6), (4, 8)]),
        ({"window": 2, "stride": 5}, 11, [(0, 2), (5, 7)]),
        ({"window": 9, "min_frames": 2}, 4, [(0, 4)]),
        ({"window": 4, "stride": 1, "min_frames": 1}, 3, [(0, 3)]),
        ({}, 4, [(0, 4)]),
    ],
)
def test_windows(clips, kept, windows):
    found = [(window.start, window.stop) for window in Clips(**clips).windows(kept)]
    assert found == windows


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 60), st.integers(1, 5)
)
def test_windows_hold_what_they_can(window, stride, fewest, kept, every):
    clips = Clips(window=window, stride=stride, min_frames=min(fewest, window), every=every)
    assert list(clips.keep(kept)) == [frame for frame in range(kept) if frame % every == 0]
    if kept < clips.fewest:
        with pytest.raises(Reject):
            clips.windows(kept)
        return
    windows = clips.windows(kept)
    whole = [range(s, s + window) for s in range(0, max(kept - window + 1, 0), stride)]
    assert windows[: len(whole)] == whole
    assert len(windows) <= len(whole) + 1
    if clips.fewest == 1 and stride <= window:  # then nothing is left out
        assert {frame for part in windows for frame in part} == set(range(kept))


def test_a_kind_that_steps_cannot_have_is_refused(monkeypatch):
    monkeypatch.setattr(Int64, "specs", lambda _, name: {f"{name}/n": ValueSpec("int64")})
    schema = Schema.from_dict({**CLIP, "steps": {"n": NUMBER}})
    with pytest.raises(ValueError, match=r"^steps\.n: got n/n, expected 'n' among them$"):
        write_description(schema)


@pytest.mark.parametrize("setting", ["every", "max_frames", "window", "stride", "min_frames"])
def test_numbers_of_frames_are_whole_and_at_least_one(setting):
    window = {"window": 1} if setting == "stride" else {}
    assert getattr(Clips(**window | {setting: 1}), setting) == 1
    for number in (0, -1, "1", 1.0, True):
        with pytest.raises(ValidationError, match=rf"\n{setting}\n"):
            Clips(**window | {setting: number})


@pytest.mark.parametrize("settings", [{"key": ""}, {"key": "a", "order": ""}, {"separator": ""}])
def test_names_of_columns_and_separators_are_not_empty(settings):
    with pytest.raises(ValidationError, match="at least 1 character"):
        Clips(**settings)
    assert Clips(key="a", order="b", separator=" ").separator == " "
    with pytest.raises(ValidationError, match="frozen"):
        Clips().key = "a"


@pytest.mark.parametrize(
    ("settings", "fewest", "kept"),
    [
        ({}, 1, [0, 1, 2, 3, 4]),
        ({"every": 2}, 1, [0, 2, 4]),
        ({"every": 2, "max_frames": 2}, 1, [0, 2]),
        ({"max_frames": 9, "min_frames": 3}, 3, [0, 1, 2, 3, 4]),
        ({"window": 3}, 3, [0, 1, 2, 3, 4]),
        ({"window": 3, "max_frames": 3}, 3, [0, 1, 2]),
        ({"window": 3, "min_frames": 2}, 2, [0, 1, 2, 3, 4]),
        ({"window": 3, "min_frames": 3}, 3, [0, 1, 2, 3, 4]),
    ],
)
def test_which_frames_are_kept_and_how_many_there_have_to_be(settings, fewest, kept):
    clips = Clips(**settings)
    assert (clips.fewest, list(clips.keep(5))) == (fewest, kept)
    reject = clips.too_few(fewest - 1)
    assert str(reject) == (
        f"clip: too_few_frames: got {fewest - 1} frames, expected at least {fewest}"
    )
    assert clips.windows(fewest)
    with pytest.raises(Reject) as caught:
        clips.windows(fewest - 1)
    assert str(caught.value) == str(reject)


@pytest.mark.parametrize(
    ("separator", "value", "paths", "numbers"),
    [
        (None, "a b;c,d", ["a b", "c,d"], ["a", "b", "c", "d"]),
        ("|", "a b|c;d", ["a b", "c;d"], ["a b", "c;d"]),
        (None, " ", [], []),
        (None, None, [], []),
        (None, ["a;b"], ["a;b"], ["a;b"]),
    ],
)
def test_steps_in_a_cell(separator, value, paths, numbers):
    clips = Clips(separator=separator)
    assert clips.split(value, Image(source="path", resize="none")) == paths
    assert clips.split(value, Int64(source="n")) == numbers
