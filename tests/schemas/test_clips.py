"""The schema of clips: what it says, and what is wrong with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import ClassLabel, Image, Int64, Schema, write_description
from pixelbeam.schemas.clips import Clips
from pixelbeam.schemas.errors import ManifestError, Reject, SchemaError
from pixelbeam.schemas.features.base import ValueSpec

LABEL = {"type": "class_label", "source": "label", "vocabulary": ["a", "b"]}
FRAME = {"type": "image", "source": "path", "height": 8, "width": 8}
NUMBER = {"type": "int64", "source": "frame"}
CLIP = {"record": "sequence_example", "context": {"label": LABEL}, "steps": {"frames": FRAME}}


def faults(declared):
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict(declared)
    return str(caught.value).split("\n")


def test_the_same_in_python_and_in_dicts():
    built = Schema(
        record="sequence_example",
        context={"label": ClassLabel(source="label", vocabulary=["a", "b"])},
        steps={"frames": Image(source="path", height=8, width=8)},
    )
    schema = Schema.from_dict(CLIP)
    assert schema == built
    assert list(schema.features) == ["label", "frames"]
    assert schema.place("label") == "context.label"
    assert schema.place("frames") == "steps.frames"
    assert schema.clips == Clips()
    stored = json.loads(json.dumps(schema.to_dict()))
    assert list(stored) == ["record", "on_unreadable", "context", "steps", "clips"]
    assert Schema.from_dict(stored) == schema


def test_an_example_says_nothing_of_clips():
    schema = Schema.from_dict({"features": {"label": LABEL}})
    assert list(schema.to_dict()) == ["record", "on_unreadable", "features"]
    assert (schema.clips, schema.steps, schema.place("label")) == (None, {}, "features.label")


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (
            {"features": {"x": NUMBER}, "steps": {"y": NUMBER}},
            ["steps: got it with record example, expected record: sequence_example"],
        ),
        (
            {"features": {"x": NUMBER}, "clips": {}},
            ["clips: got it with record example, expected record: sequence_example"],
        ),
        (
            {**CLIP, "features": {"x": NUMBER}},
            ["features: got it with record sequence_example, expected context and steps"],
        ),
        (
            {"record": "sequence_example", "context": {"label": LABEL}},
            ["steps: missing, expected at least one feature"],
        ),
        (
            {**CLIP, "context": {"frames": LABEL}},
            ["steps.frames: got a name that is in context too, expected another"],
        ),
        (
            {**CLIP, "steps": {"frames": {**FRAME, "resize": "crop2"}}, "context": {"x": {}}},
            [
                "context.x.type: missing, expected one of bytes, class_label, class_labels, float32, "
                "image, int64, string",
                "steps.frames.resize: got 'crop2', expected one of 'crop', 'pad', 'stretch', "
                "'shortest_side', 'longest_side' or 'none'",
            ],
        ),
        (
            {**CLIP, "context": {"label": {**LABEL, "ragged": True}}},
            ["context.label.ragged: got true, expected it in steps only"],
        ),
        (
            {
                **CLIP,
                "context": {
                    "label": {**LABEL, "source": "a.h5::/{clip}", "vocabulary": "from_manifest"}
                },
            },
            [
                "context.label.vocabulary: got from_manifest with the source 'a.h5::/{clip}', "
                "expected the names"
            ],
        ),
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
            {**CLIP, "clips": {"key": "path"}},
            [
                "steps.frames.source: got 'path', which has one value a clip, expected a column with "
                "one a frame",
                "clips.key: got it where no step feature has a column with a cell a frame",
            ],
        ),
        (
            {
                **CLIP,
                "steps": {"frames": FRAME, "n": {**NUMBER, "ragged": True}},
                "clips": {"window": 2},
            },
            ["clips.window: got it with a ragged feature, whose steps windows cannot cut"],
        ),
        (
            {**CLIP, "clips": {"on_bad_frame": "skip"}},
            ["clips.on_bad_frame: got 'skip', expected one of 'reject' or 'drop'"],
        ),
    ],
)
def test_faults_are_told_with_their_place(declared, expected):
    assert faults(declared) == expected


def test_columns_of_clips_and_frames():
    schema = Schema.from_dict(
        {
            **CLIP,
            "steps": {
                "frames": {**FRAME, "source": "{video}/{frame}.jpg"},
                "sound": {"type": "float32", "source": "a.h5::/{video}"},
            },
            "clips": {"key": "video", "order": "time"},
        }
    )
    assert schema.columns() == ("frame", "label", "time", "video")
    assert schema.clip_columns() == {"video", "label"}
    assert schema.frame_columns() == {"frame", "time"}
    assert schema.file_columns() == ()
    schema.check_columns(["video", "label", "frame", "time"], "m.csv")
    with pytest.raises(ManifestError, match=r"^m\.csv: no column 'time' for clips\.order; "):
        schema.check_columns(["video", "label", "frame"], "m.csv")
    with pytest.raises(
        ManifestError, match=r"^m\.csv: no column 'frame' for steps\.frames\.source; "
    ):
        schema.check_columns(["video", "label", "time"], "m.csv")


def test_vocabularies_are_filled_in_in_their_place():
    label = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
    schema = Schema.from_dict({**CLIP, "steps": {"frames": FRAME, "tag": {**label, "source": "t"}}})
    assert list(schema.observe("tag", ["x", "y"])) == ["x", "y"]
    assert list(schema.observe("tag", "x y;z")) == ["x", "y", "z"]
    filled = schema.with_vocabularies({"tag": ("y", "x")})
    assert filled.features["tag"].class_names == ("x", "y")
    assert filled.steps["tag"] is filled.features["tag"]
    with pytest.raises(ManifestError, match=r"^steps\.tag: got no class name from column 't'"):
        schema.with_vocabularies({"tag": ()})


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
