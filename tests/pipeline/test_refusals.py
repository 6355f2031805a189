"""Builds that can come to nothing: refused or one reject, with what to do."""

from __future__ import annotations

import json

import pytest
from pixelbeam.pipeline.main import main
from support import IMAGE_SCHEMA, dataset_json, rejects_of, write_csv


@pytest.fixture
def run(images, tmp_path, capsys):
    (tmp_path / "schema.yaml").write_text(json.dumps(IMAGE_SCHEMA.to_dict()))

    def build(rows, *options, header=("path", "label", "fold")):
        manifest = write_csv(tmp_path / "rows.csv", rows, header)
        arguments = ["build", "--manifest", manifest, "--schema", tmp_path / "schema.yaml"]
        arguments += ["--image_root", images, "--output", tmp_path / "out", *options]
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().err.splitlines()

    return build


def test_paths_without_a_filesystem_and_names_that_are_too_long_are_rejects(run, tmp_path):
    rows = [
        ("01.jpg", "a", "train"),
        ("http://h/a.jpg", "a", "train"),
        ("gs://b/a.jpg", "a", "train"),
    ]
    rows.append(("02.jpg", "a", "x" * 300))
    options = ("--allow_outside", "--split_column", "fold", "--max_rejects", 3)
    options += ("--row_timeout", "inf")
    assert run(rows, *options)[0] == 0
    reasons = [(r["row"], r["stage"], r["reason"]) for r in rejects_of(tmp_path / "out")]
    assert reasons == [
        (3, "load", "no_filesystem"),
        (4, "load", "no_filesystem"),
        (5, "split", "bad_split"),
    ]
    assert rejects_of(tmp_path / "out")[0]["message"] == (
        "http://h/a.jpg: no filesystem for http:// is installed; "
        "download the files, and name them by their local paths"
    )


def test_a_dataset_without_records_is_refused_with_the_reasons(run, tmp_path):
    code, said = run([("01.jpg", "a", "1")], "--split_column", "fold", "--max_rejects", "1.0")
    assert code == 3
    assert said[-3:] == [
        "pixelbeam: all 1 rows were rejected; nothing was published",
        "  1 bad_split, such as rows.csv:2: column 'fold': got '1', "
        "expected a letter and up to 99 letters, digits and underscores",
        f"  all of them, a line each: {tmp_path / 'out' / 'rejects.jsonl'}",
    ]
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_a_manifest_without_rows_is_refused(run):
    code, said = run([])
    assert code == 2
    assert said[-1] == (
        "pixelbeam: the manifest has no rows, expected at least one; nothing was published"
    )


def test_empty_splits_and_shards_are_warned_of(run, tmp_path):
    assert run([("01.jpg", "a", "x")], "--num_shards", 3, "--splits", "a=0.5,b=0.5")[0] == 0
    (filled,) = (n for n, s in dataset_json(tmp_path / "out")["splits"].items() if s["num_records"])
    shards = "2 of its 3 shards are empty, since it has 1 records; --num_shards makes fewer"
    said = {filled: f"split {filled!r}: {shards}"}
    expected = [said.get(name, f"split {name!r} is empty") for name in "ab"]
    assert dataset_json(tmp_path / "out")["warnings"] == expected


def test_no_shard_is_smaller_than_a_record(run, tmp_path):
    rows = [(f"{number:02d}.jpg", "a", "x") for number in (1, 2, 3)]
    assert run(rows, "--shard_size", "1")[0] == 0
    assert len(dataset_json(tmp_path / "out")["splits"]["train"]["shards"]) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--image_root", "/none"),
            "--image_root: got '/none', expected a directory: there is none",
        ),
        (
            ("--runner", "Foo"),
            "--runner: got 'Foo', expected one of Beam's: Unexpected pipeline runner",
        ),
        (("--row_timeout", "nan"), "--row_timeout: got nan, expected more than 0 seconds"),
    ],
)
def test_what_only_a_change_mends_is_bad_usage(run, options, expected):
    code, said = run([("01.jpg", "a", "x")], *options)
    assert (code, len(said)) == (2, 1)
    assert said[0].startswith(f"pixelbeam: {expected}")


def test_an_error_of_ours_in_a_task_is_said_as_ours(run):
    """Without what Beam puts after it; with the reason that no row names a class."""
    code, said = run([("01.jpg", "", "x")])
    assert code == 2
    assert said[-1] == (
        "pixelbeam: features.label: got no class name from column 'label' of the manifest, "
        "expected at least one; 1 of the 1 rows looked at have missing_value, such as rows.csv:2: "
        "got an empty cell, expected a class"
    )


def test_rows_that_cannot_be_read_are_counted_where_no_other_names_a_class(run):
    code, said = run([("01.jpg", "", "x"), ("02.jpg", "a"), ("03.jpg", "", "x")])
    assert code == 2
    assert said[-1].endswith(
        "; 2 of the 2 rows looked at have missing_value, such as rows.csv:2: "
        "got an empty cell, expected a class; 1 of all 3 rows were rejected before that"
    )
