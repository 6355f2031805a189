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
from pixelbeam.schemas.errors import ManifestError, SchemaError
from pixelbeam.schemas.features.base import Domain, ValueSpec

IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
LABEL = {"type": "class_label", "source": "label", "vocabulary": ["cat", "dog"]}
KINDS = "bytes, class_label, class_labels, float32, image, int64, string"


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
