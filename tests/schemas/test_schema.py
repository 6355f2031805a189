import json
import math
import pickle

import pytest
from pixelbeam.readers.selection import select
from pixelbeam.schemas import (
    ClassLabel,
    ClassLabels,
    Float32,
    Image,
    Int64,
    Schema,
    String,
)
from pixelbeam.schemas.clips import Clips
from pixelbeam.schemas.errors import ManifestError, PluginError, SchemaError
from pixelbeam.schemas.features import feature_kinds
from pixelbeam.schemas.features.base import Domain, ValueSpec
from pydantic import ValidationError

IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
LABEL = {"type": "class_label", "source": "label", "vocabulary": ["cat", "dog"]}
KINDS = ", ".join(sorted([*feature_kinds(), "objects"]))


def feature(**declared):
    return {"features": {"x": {"source": "x", **declared}}}


def fault(declared):
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict(declared)
    return str(caught.value)


def test_the_same_in_python_and_in_dicts():
    declared = {"features": {"image": IMAGE, "label": LABEL}}
    built = Schema(
        features={
            "image": Image(source="path", height=8, width=8),
            "label": ClassLabel(source="label", vocabulary=["cat", "dog"]),
        }
    )
    assert Schema.from_dict(declared) == built


@pytest.mark.parametrize(
    "built",
    [
        Int64(source="x", shape=[2], min=0, default=[1, 2]),
        Float32(source="x", shape=[None], allow_nan=True, default=[math.inf, 1]),
        Float32(source="x", allow_nan=True, default=math.nan),
        ClassLabel(source="x", vocabulary=["a", "b"], default="b"),
        ClassLabels(source="x", num_classes=3, separator="|", default=[0]),
        String(source="x", default="né", target=True),
    ],
    ids=lambda feature: feature.type,
)
def test_to_dict_is_json_that_from_dict_reads_back(built):
    schema = Schema(features={"x": built})
    text = json.dumps(schema.to_dict(), allow_nan=False)
    assert Schema.from_dict(json.loads(text)).to_dict() == schema.to_dict()


def test_a_name_and_a_version_are_kept_where_they_are_declared():
    declared = {"name": "pets", "version": "1.0.0", "features": {"image": IMAGE}}
    kept = Schema.from_dict(declared).to_dict()
    assert (kept.pop("name"), kept.pop("version")) == ("pets", "1.0.0")
    assert kept == Schema.from_dict({"features": {"image": IMAGE}}).to_dict()


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (None, "got None, expected a mapping with 'features'"),
        ({}, "features: missing, expected a value"),
        ({"features": {}}, "features: got {}, expected at least one feature"),
        ({"features": []}, "features: got [], expected a mapping"),
        (
            {"features": {"image": IMAGE}, "recrod": "example"},
            "recrod: got 'example', expected nothing: there is no such setting",
        ),
        (
            {"features": {"image": IMAGE}, "record": "clip"},
            "record: got 'clip', expected one of 'example' or 'sequence_example'",
        ),
        (
            {"name": "", "features": {"image": IMAGE}},
            "name: got '', expected text on one line, without control characters",
        ),
        (
            {"version": "1\0", "features": {"image": IMAGE}},
            "version: got '1\\x00', expected text on one line, without control characters",
        ),
        ({"version": 1.0, "features": {"image": IMAGE}}, "version: got 1.0, expected text"),
        ({"features": {1: IMAGE}}, "features: got 1, expected a name; put it in quotes"),
        ({"features": {"": IMAGE}}, "features: got '', expected a name; put it in quotes"),
        (
            {"features": {"\ud800": IMAGE}},
            "features: got '\\ud800', expected a name; put it in quotes",
        ),
        (
            {"features": {"x": "image"}},
            "features.x: got 'image', expected a mapping with a 'type'",
        ),
        ({"features": {"x": {}}}, f"features.x.type: missing, expected one of {KINDS}"),
        (
            feature(type="img"),
            f"features.x.type: got 'img', expected one of {KINDS}; or install the package that offers it",
        ),
        ({"features": {"x": {"type": "int64"}}}, "features.x.source: missing, expected a value"),
        (
            {"features": {"x": {"type": "int64", "source": ""}}},
            "features.x.source: got '', expected at least one character",
        ),
        (
            {"features": {"x": {"type": "int64", "source": 3}}},
            "features.x.source: got 3, expected text",
        ),
        (
            feature(type="int64", target="maybe"),
            "features.x.target: got 'maybe', expected true or false",
        ),
        (feature(type="int64", min="a"), "features.x.min: got 'a', expected an integer"),
        (
            feature(type="int64", min=3, max=2),
            "features.x.min: got 3, expected at most max, which is 2",
        ),
        (
            feature(type="float32", max=math.nan),
            "features.x.max: got nan, expected a finite number",
        ),
        (
            feature(type="int64", shape=[2, None]),
            "features.x.shape: got [2, None], expected [] for one number, sizes like [3] or [2, 2], "
            "or a null before them for any number, as in [null] or [null, 4]",
        ),
        (
            feature(type="int64", shape=3),
            "features.x.shape: got 3, expected [] for one number, sizes like [3] or [2, 2], "
            "or a null before them for any number, as in [null] or [null, 4]",
        ),
        (
            feature(type="int64", default="many"),
            "features.x.default: got 'many', expected an integer",
        ),
        (
            feature(type="int64", shape=[2], default=[1]),
            "features.x.default: got 1 values: [1], expected 2 values for shape [2]",
        ),
        (
            feature(type="class_label"),
            "features.x.vocabulary: missing, expected a list of names, a file, or from_manifest; "
            "or num_classes where the classes are numbers",
        ),
        (
            feature(type="class_label", vocabulary=["a", " a"]),
            "features.x.vocabulary: got 'a' twice, expected each name once",
        ),
        (
            feature(type="class_label", vocabulary=[True, False]),
            "features.x.vocabulary: got True, expected a class name; put it in quotes",
        ),
        (
            feature(type="class_label", vocabulary=[""]),
            "features.x.vocabulary: got '', expected a class name",
        ),
        (
            feature(type="class_label", vocabulary=[]),
            "features.x.vocabulary: got no names, expected at least one",
        ),
        (
            feature(type="class_label", vocabulary=3),
            "features.x.vocabulary: got 3, expected a list of names, a file, or from_manifest",
        ),
        (
            feature(type="class_label", vocabulary="no/such.txt"),
            "features.x.vocabulary: cannot read 'no/such.txt': No such file or directory",
        ),
        (
            feature(type="class_label", vocabulary=["a"], num_classes=2),
            "features.x.num_classes: got 2, expected 1, the length of the vocabulary",
        ),
        (
            feature(type="class_label", num_classes=0),
            "features.x.num_classes: got 0, expected at least 1",
        ),
        (
            feature(type="class_label", vocabulary=["a"], default="b"),
            "features.x.default: got 'b', expected one of 'a'",
        ),
        (
            feature(type="class_label", vocabulary=["a"], default=True),
            "features.x.default: got True, expected a class name; put it in quotes",
        ),
        (
            feature(type="class_labels", vocabulary=["a"], default="a"),
            "features.x.default: got 'a', expected a list of class names",
        ),
        (
            feature(type="class_labels", num_classes=2, default=[2]),
            "features.x.default: got 2, expected a class number from 0 to 1",
        ),
        (
            feature(type="bytes", encoding="hex", default="g"),
            "features.x.default: got 'g', expected hex",
        ),
        (
            feature(type="bytes", encoding="rot13"),
            "features.x.encoding: got 'rot13', expected one of 'utf8', 'base64' or 'hex'",
        ),
        (
            feature(type="string", default="\ud800"),
            "features.x.default: got '\\ud800', expected text that UTF-8 can hold",
        ),
        (
            {
                "features": {
                    "image": {"type": "image", "source": "p", "encoding": "raw", "resize": "none"},
                    "image/shape": {"type": "int64", "source": "n"},
                }
            },
            "features.image/shape: got a name that feature 'image' stores a part under, "
            "expected another",
        ),
        (
            {
                "features": {
                    "image/shape": {"type": "int64", "source": "n"},
                    "image": {"type": "image", "source": "p", "encoding": "raw", "resize": "none"},
                }
            },
            "features.image: stores a part under 'image/shape' as feature 'image/shape' does; "
            "rename one of them",
        ),
    ],
)
def test_faults_are_told_with_their_place(declared, message):
    assert fault(declared) == message


def test_all_faults_are_told_at_once():
    declared = {
        "features": {
            "image": {**IMAGE, "resize": "crop2"},
            "label": {"type": "class_label", "source": "label", "nmae": 1},
        },
        "recrod": 1,
    }
    assert fault(declared).split("\n") == [
        "features.image.resize: got 'crop2', expected one of 'crop', 'pad', 'stretch', "
        "'shortest_side', 'longest_side' or 'none'",
        "features.label.nmae: got 1, expected nothing: there is no such setting",
        "recrod: got 1, expected nothing: there is no such setting",
    ]


def test_columns():
    schema = Schema.from_dict(
        {"features": {"label": LABEL, "image": IMAGE, "again": {**IMAGE, "width": 4}}}
    )
    assert schema.columns() == ("label", "path")
    assert schema.file_columns() == ("path",)


def test_a_missing_column_is_named_with_those_there_are():
    schema = Schema.from_dict({"features": {"label": LABEL}})
    schema.check_columns(["path", "label"], "my.csv")
    with pytest.raises(ManifestError) as caught:
        schema.check_columns(["path", "class"], "my.csv")
    assert str(caught.value) == (
        "my.csv: no column 'label' for features.label.source; its columns are: 'path', 'class'"
    )


def test_with_vocabularies_fills_in_and_stores_names():
    schema = Schema(features={"label": ClassLabel(source="x", vocabulary="from_manifest")})
    filled = schema.with_vocabularies({"label": ["b", "a"]})
    assert filled.to_dict()["features"]["label"]["vocabulary"] == ["a", "b"]
    assert schema.features["label"].needs_vocabulary


def test_with_vocabularies_without_a_name():
    schema = Schema(features={"label": ClassLabel(source="x", vocabulary="from_manifest")})
    with pytest.raises(ManifestError) as caught:
        schema.with_vocabularies({"label": []})
    assert str(caught.value) == (
        "features.label: got no class name from column 'x' of the manifest, expected at least one"
    )


def test_with_vocabularies_of_another_length_than_declared():
    label = ClassLabel(source="x", vocabulary="from_manifest", num_classes=3)
    with pytest.raises(SchemaError) as caught:
        Schema(features={"label": label}).with_vocabularies({"label": ["a", "b"]})
    assert str(caught.value) == (
        "features.label.num_classes: got 3, expected 2, the length of the vocabulary"
    )


def test_a_vocabulary_file_with_a_gap(tmp_path):
    (tmp_path / "names.txt").write_text("cat\n\ndog\n")
    names = str(tmp_path / "names.txt")
    assert fault(feature(type="class_label", vocabulary=names)) == (
        f"features.x.vocabulary: {names!r} line 2: got an empty line, expected a class name"
    )


def test_specs_say_what_records_hold_and_what_values_may_be():
    schema = Schema(
        record="sequence_example",
        context={"label": ClassLabel(source="label", vocabulary=["a", "b"])},
        steps={
            "depth": Image(source="path", resize="none", encoding="raw", channels=1),
            "n": Int64(source="n", shape=[None, 2], min=0),
            "tags": ClassLabels(source="tags", num_classes=3),
            "x": Float32(source="x"),
        },
    )
    pixels = ValueSpec("uint8", (None, None, 1), ("height", "width", "channel"), "raw")
    tags = ValueSpec("int64", (None,), ("class",), domain=Domain(num_classes=3))
    assert schema.specs == {
        "label": {"label": ValueSpec("int64", domain=Domain(None, None, 2, ("a", "b")))},
        "depth": {"depth": pixels, "depth/shape": ValueSpec("int64", (3,), ("size",))},
        "n": {"n": ValueSpec("int64", (None, 2), domain=Domain(min=0))},
        "tags": {"tags": tags},
        "x": {"x": ValueSpec("float32")},
    }
    assert list(schema.specs_by_key) == ["label", "depth", "depth/shape", "n", "tags", "x"]
    assert schema.specs_by_key["tags"] == tags


def test_specs_follow_a_vocabulary_that_is_filled_in():
    schema = Schema(features={"x": ClassLabel(source="x", vocabulary="from_manifest")})
    assert schema.specs_by_key == {"x": ValueSpec("int64")}
    filled = schema.with_vocabularies({"x": ["b", "a"]})
    domain = Domain(num_classes=2, class_names=("a", "b"))
    assert filled.specs_by_key == {"x": ValueSpec("int64", domain=domain)}
    assert schema.specs_by_key == {"x": ValueSpec("int64")}


def test_features_are_those_of_the_parts_and_follow_them():
    label, n = ClassLabel(source="label", num_classes=2), Int64(source="n")
    clip = Schema(record="sequence_example", context={"label": label}, steps={"n": n})
    assert clip.features == {"label": label, "n": n}
    assert clip.model_copy(update={"context": {}}).features == {"n": n}
    row = Schema(features={"label": label, "n": n})
    assert row.features == clip.features
    copied = row.model_copy(update={"features": {"n": n}})
    assert (copied.features, list(copied.specs)) == ({"n": n}, ["n"])
    assert copied == Schema(features={"n": n})
    assert "declared" not in row.to_dict()


def test_a_part_of_a_schema_can_be_pickled():
    clip = Schema(
        record="sequence_example",
        context={"label": ClassLabel(source="label", num_classes=2)},
        steps={"n": Int64(source="n")},
    )
    for names in (["label"], ["n"], ["label", "n"]):
        part = select(clip, names)
        again = pickle.loads(pickle.dumps(part))
        assert again == part
        assert (list(again.features), again.clips) == (names, clip.clips)


FRAME = {"type": "image", "source": "path", "height": 8, "width": 8}
NUMBER = {"type": "int64", "source": "frame"}
CLIP = {"record": "sequence_example", "context": {"label": LABEL}, "steps": {"frames": FRAME}}


def test_a_sequence_is_the_same_in_python_and_in_dicts():
    built = Schema(
        record="sequence_example",
        context={"label": ClassLabel(source="label", vocabulary=["cat", "dog"])},
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
                f"context.x.type: missing, expected one of {KINDS}",
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
            {
                **CLIP,
                "clips": {"key": "video", "window": 2},
                "steps": {"n": {**NUMBER, "ragged": True}},
            },
            ["clips.window: got it with a ragged feature, whose steps windows cannot cut"],
        ),
        (
            {"features": {"x": {**NUMBER, "ragged": True}}},
            ["features.x.ragged: got true, expected it in steps only"],
        ),
        (
            {
                **CLIP,
                "clips": {"key": "video"},
                "steps": {"n": {**NUMBER, "source": "a.h5::/{video}"}},
            },
            ["clips.key: got it where no step feature has a column with a cell a frame"],
        ),
    ],
)
def test_faults_of_parts_are_told_with_their_place(declared, expected):
    assert fault(declared).split("\n") == expected


def test_ragged_steps_without_windows_and_columns_of_files_go_together():
    ragged = {**CLIP, "steps": {"n": {**NUMBER, "ragged": True}, "frames": FRAME}}
    for clips in ({}, {"every": 2}, {"key": "video"}, {"key": "video", "order": "frame"}):
        assert Schema.from_dict({**ragged, "clips": clips}).clips == Clips(**clips)


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


def test_columns_without_clips():
    schema = Schema.from_dict(CLIP)
    assert (schema.clip_columns(), schema.frame_columns()) == ({"label"}, {"path"})
    keyed = Schema.from_dict({**CLIP, "context": {}, "clips": {"key": "video"}})
    assert (keyed.clip_columns(), keyed.frame_columns()) == ({"video"}, {"path"})
    assert keyed.columns() == ("path", "video")
    row = Schema.from_dict({"features": {"label": LABEL}})
    assert (row.clip_columns(), row.frame_columns()) == (set(), set())
    shared = {"frames": FRAME, "n": {**NUMBER, "source": "a.h5::/{label}"}}
    assert Schema.from_dict({**CLIP, "steps": shared}).frame_columns() == {"path"}


def test_cells_are_observed_whole_but_in_steps():
    label = {**LABEL, "vocabulary": "from_manifest"}
    schema = Schema.from_dict({**CLIP, "context": {"label": label}, "steps": {"tag": label}})
    assert list(schema.observe("label", "x y")) == ["x y"]
    assert list(schema.observe("tag", "x y")) == ["x", "y"]
    assert list(Schema.from_dict({"features": {"x": label}}).observe("x", "x y")) == ["x y"]


def test_a_schema_cannot_be_changed():
    schema = Schema.from_dict({"features": {"label": LABEL}})
    with pytest.raises(ValidationError, match="frozen"):
        schema.name = "pets"


def test_the_first_kind_that_is_missing_is_named():
    unpickle, (declared,) = Schema.from_dict({"features": {"label": LABEL}}).__reduce__()
    assert unpickle(declared).features["label"].vocabulary == ("cat", "dog")
    others = {name: {"type": name, "source": "x"} for name in ("hologram", "odour", "taste")}
    with pytest.raises(PluginError, match=r"^feature kind 'hologram' is not installed here"):
        unpickle(declared | {"features": others})


def test_a_copy_may_be_deep():
    schema = Schema.from_dict({"features": {"label": LABEL}})
    label = schema.features["label"]
    assert schema.model_copy().declared["label"] is label
    assert schema.model_copy(deep=True).declared["label"] is not label


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
