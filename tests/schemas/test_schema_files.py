"""Schemas from YAML files, and the presets."""

import pytest
from pixelbeam.schemas import ClassLabel, ClassLabels, Float32, Image, Int64, Schema
from pixelbeam.schemas.clips import Clips
from pixelbeam.schemas.errors import SchemaError
from pixelbeam.schemas.schema_files import load_schema, preset_names


def test_a_vocabulary_file_lies_beside_the_schema(tmp_path):
    (tmp_path / "names.txt").write_bytes("\ufeffcat\r\n café \r\n\r\n".encode())
    (tmp_path / "schema.yaml").write_text(
        "features: {x: {type: class_label, source: x, vocabulary: names.txt}}"
    )
    label = load_schema(str(tmp_path / "schema.yaml")).features["x"]
    assert label.vocabulary == ("cat", "café")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "features: [",
            "{file}: line 1: not a YAML file: expected the node content, but found '<stream end>'",
        ),
        ("a: 1\na: 2", "{file}: line 2: not a YAML file: got 'a' twice, expected each key once"),
        ("", "{file}: got None, expected a mapping with 'features'"),
        ("features: {}", "{file}: features: got {{}}, expected at least one feature"),
    ],
)
def test_faults_of_a_file_name_the_file(tmp_path, text, message):
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    with pytest.raises(SchemaError) as caught:
        load_schema(str(path))
    assert str(caught.value) == message.format(file=path)


def test_a_file_that_is_not_there(tmp_path):
    path = str(tmp_path / "schema.yaml")
    with pytest.raises(SchemaError) as caught:
        load_schema(path)
    assert str(caught.value) == f"--schema: cannot read {path!r}: No such file or directory"


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(SchemaError) as caught:
        load_schema(str(path))
    assert str(caught.value) == f"--schema: {str(path)!r} is not UTF-8 text: invalid start byte"


def test_an_unknown_preset_is_told_with_those_there_are():
    with pytest.raises(SchemaError) as caught:
        load_schema("image_clasification")
    assert str(caught.value) == (
        "--schema: got 'image_clasification', expected a .yaml file or one of the presets "
        "audio_visual, image_classification, image_regression, instance_segmentation, multi_label, "
        "object_detection, pose, semantic_segmentation, token_sequence, video_classification"
    )


def test_presets():
    others = ["audio_visual", "token_sequence", "video_classification"]
    of_objects = ["instance_segmentation", "object_detection", "pose", "semantic_segmentation"]
    assert preset_names() == sorted(
        ["image_classification", "image_regression", "multi_label", *others, *of_objects]
    )
    image = Image(source="path", height=224, width=224, upscale=True, quality=90)
    expected = {
        "image_classification": {"label": ClassLabel(source="label", vocabulary="from_manifest")},
        "image_regression": {"target": Float32(source="target", target=True)},
        "multi_label": {"labels": ClassLabels(source="labels", vocabulary="from_manifest")},
    }
    for name, others in expected.items():
        assert load_schema(name) == Schema(features={"image": image, **others})


def test_presets_of_clips_and_several_modalities():
    label = ClassLabel(source="label", vocabulary="from_manifest")
    frames = Image(source="path", height=112, width=112, upscale=True, quality=90)
    assert load_schema("video_classification") == Schema(
        record="sequence_example",
        context={"label": label},
        steps={"frames": frames},
        clips=Clips(key="clip", order="frame"),
    )
    assert load_schema("token_sequence") == Schema(
        record="sequence_example",
        context={"label": label},
        steps={"tokens": Int64(source="tokens", min=0)},
    )
    image = Image(source="path", height=224, width=224, upscale=True, quality=90)
    audio = Float32(source="audio", shape=[None])
    assert load_schema("audio_visual") == Schema(
        features={"image": image, "audio": audio, "label": label}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: \x01",
            ": not a YAML file: unacceptable character #x0001: special characters are not ",
        ),
        (
            "a: !!python/name:os.system",
            ": line 1: not a YAML file: could not determine a constructor ",
        ),
        (
            "x:\n  b: 1\n  a: 2\n  b: 3",
            ": line 4: not a YAML file: got 'b' twice, expected each key once",
        ),
    ],
)
def test_where_a_file_is_no_yaml(tmp_path, text, said):
    path = tmp_path / "schema.yml"
    path.write_text(text)
    with pytest.raises(SchemaError) as caught:
        load_schema(str(path))
    assert str(caught.value).startswith(f"{path}{said}")
    assert "\n" not in str(caught.value)


def test_keys_are_compared_one_by_one(tmp_path):
    path = tmp_path / "schema.yaml"
    path.write_text("[1, 2]: x\n[1, 3]: y\n'1': z\n1: w")
    with pytest.raises(SchemaError, match=r"line \d: not a YAML file: "):
        load_schema(str(path))


def test_every_part_may_name_a_file_or_collect(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    (tmp_path / "schema.yaml").write_text(
        "record: sequence_example\n"
        "context:\n"
        "  a: {type: class_label, source: a, vocabulary: names.txt}\n"
        "  b: {type: class_label, source: b, vocabulary: from_manifest}\n"
        "steps:\n"
        "  c: {type: class_labels, source: c, vocabulary: names.txt}\n"
        "  d: {type: class_label, source: d, vocabulary: [x, y]}\n"
        "  e: {type: int64, source: e}\n"
    )
    features = load_schema(str(tmp_path / "schema.yaml")).features
    found = {name: getattr(feature, "vocabulary", None) for name, feature in features.items()}
    names = ("cat", "dog")
    assert found == {"a": names, "b": "from_manifest", "c": names, "d": ("x", "y"), "e": None}


@pytest.mark.parametrize("text", ["features: 3", "features: {x: 3}", "- 1"])
def test_what_is_no_mapping_is_left_to_the_schema(tmp_path, text):
    (tmp_path / "schema.yaml").write_text(text)
    with pytest.raises(SchemaError, match=r"schema\.yaml: .*expected a mapping"):
        load_schema(str(tmp_path / "schema.yaml"))
