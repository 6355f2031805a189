from __future__ import annotations

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import (
    BuildOptions,
    add_build_options,
    new_parser,
    parse_build_options,
)
from pixelbeam.pipeline.vocabularies import with_vocabularies_of
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import OptionError, OutputError, SchemaError
from support import IMAGE_SCHEMA, dataset_json, rejects_of, write_csv


def labelled(**settings) -> Schema:
    declared = IMAGE_SCHEMA.to_dict()
    declared["features"]["label"].update(settings)
    return Schema.from_dict(declared)


@pytest.fixture(scope="module")
def published(images, tmp_path_factory):
    """A dataset whose classes are not in their sorted order."""
    out = tmp_path_factory.mktemp("published") / "first"
    schema = labelled(vocabulary=["newt", "dog", "cat"])
    build(BuildOptions(str(images / "images.csv"), schema, str(out)))
    return out


def test_class_names_and_numbers_are_those_of_the_dataset(
    published, images, tmp_path, build_images
):
    rows = [("00.png", "dog"), ("01.jpg", "newt"), ("02.jpg", "cow")]
    manifest = str(write_csv(images / "more.csv", rows))
    schema = with_vocabularies_of(IMAGE_SCHEMA, str(published))
    assert schema == labelled(vocabulary=["newt", "dog", "cat"])
    out = build_images("second", manifest=manifest, schema=schema)
    statistics = dataset_json(out)["splits"]["train"]["statistics"]["label"]
    assert statistics["classes"] == {"0": 1, "1": 1}
    (reject,) = rejects_of(out)
    assert (reject["row"], reject["reason"], reject["message"]) == (
        4,
        "unknown_class",
        "got 'cow', expected one of 'newt', 'dog', 'cat'",
    )


def test_the_option_fills_the_schema_in(published, tmp_path):
    schema = tmp_path / "schema.yaml"
    schema.write_text(
        "features: {label: {type: class_label, source: l, vocabulary: from_manifest}}"
    )
    parser = new_parser(prog="pixelbeam build")
    add_build_options(parser)
    flags = ["--manifest", "m.csv", "--schema", str(schema), "--output", "out"]
    options = parse_build_options(parser.parse_args([*flags, "--vocabulary_from", str(published)]))
    assert options.schema.to_dict()["features"]["label"]["vocabulary"] == ["newt", "dog", "cat"]


def test_names_of_another_dataset_are_another_command(published, build_images):
    other = build_images("other", schema=labelled(vocabulary=["dog", "cat", "newt"]))
    first, second = (with_vocabularies_of(IMAGE_SCHEMA, str(dir)) for dir in (published, other))
    out = build_images("out", schema=first)
    before = dataset_json(out)
    with pytest.raises(OutputError) as error:
        build_images("out", schema=second)
    assert str(error.value) == (
        f"--output: {str(out)!r} holds a dataset of another command: "
        'schema.features.label.vocabulary is ["dog", "cat", "newt"], was ["newt", "dog", "cat"]\n'
        "name another directory, or replace it with --overwrite"
    )
    with pytest.raises(OutputError, match='vocabulary is "from_manifest", was'):
        build_images("out")
    assert dataset_json(out) == before


def test_what_is_no_dataset(tmp_path):
    with pytest.raises(OptionError) as error:
        with_vocabularies_of(IMAGE_SCHEMA, str(tmp_path))
    message = f"{str(tmp_path)!r} is not a published dataset: it has no dataset.json"
    assert str(error.value) == f"--vocabulary_from: {message}"
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(OptionError, match=r"^--vocabulary_from: .* was not written by pixelbeam"):
        with_vocabularies_of(IMAGE_SCHEMA, str(tmp_path))


def test_names_that_are_not_there_or_not_asked_for(published):
    declared = IMAGE_SCHEMA.to_dict()
    declared["features"]["breed"] = declared["features"].pop("label")
    with pytest.raises(OptionError) as error:
        with_vocabularies_of(Schema.from_dict(declared), str(published))
    assert str(error.value) == (
        f"--vocabulary_from: {str(published)!r} has no class names for the feature 'breed'; "
        "those that have some: 'label'"
    )
    with pytest.raises(OptionError) as error:
        with_vocabularies_of(labelled(vocabulary=["a"]), str(published))
    assert str(error.value) == (
        f"--vocabulary_from: got {str(published)!r}, expected it only where the schema has a "
        "'vocabulary: from_manifest'"
    )


def test_names_that_do_not_fit(published):
    with pytest.raises(SchemaError) as error:
        with_vocabularies_of(labelled(num_classes=2), str(published))
    assert str(error.value) == (
        f"--vocabulary_from {published}: features.label.num_classes: got 2, expected 3, the length of "
        "the vocabulary"
    )
