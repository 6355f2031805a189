"""What names a row, and the rows of a build: read, joined and counted."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from number_datasets import make_root, open_build
from pixelbeam.pipeline.graph.read_rows import ReadRows, name_column, row_format_of
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema

IMAGE = {"type": "image", "source": "path", "height": 2, "width": 2}
OTHER = {**IMAGE, "source": "other"}
NUMBER = {"type": "int64", "source": "n"}
KEYED = {
    "record": "sequence_example",
    "clips": {"key": "clip", "order": "n"},
    "steps": {"image": IMAGE},
}


def options_of(declared, **options):
    return BuildOptions("m.csv", Schema.from_dict(declared), "out", **options)


@pytest.mark.parametrize(
    ("declared", "join_on", "expected"),
    [
        ({"features": {"n": NUMBER}}, None, None),
        ({"features": {"n": NUMBER, "b": OTHER, "a": IMAGE}}, None, "other"),
        ({"features": {"n": NUMBER, "a": IMAGE}}, "n", "n"),
        (KEYED, None, "clip"),
        (KEYED, "n", "clip"),
        ({**KEYED, "clips": {}}, None, "path"),
        ({**KEYED, "clips": {}}, "n", "n"),
    ],
)
def test_what_names_a_row(declared, join_on, expected):
    options = options_of(declared, labels=join_on and "labels.csv", join_on=join_on)
    assert name_column(options) == expected


@pytest.mark.parametrize(
    ("declared", "join_on", "key", "is_path"),
    [
        ({"features": {"n": NUMBER}}, None, None, False),
        ({"features": {"a": IMAGE}}, None, "path", True),
        ({"features": {"a": IMAGE, "n": NUMBER}}, "n", "n", False),
        ({"features": {"a": IMAGE, "n": NUMBER}}, "path", "path", True),
    ],
)
def test_the_format_of_rows(tmp_path, declared, join_on, key, is_path):
    make_root(tmp_path)
    options = options_of(declared, labels=join_on and "labels.csv", join_on=join_on)
    row_format = row_format_of(options, ("n", "path"), open_build(tmp_path).inputs)
    assert row_format.columns == ("n", "path")
    assert (row_format.key_column, row_format.key_is_path) == (key, is_path)
    assert list(row_format.roots) == [""]


def read(job):
    """The rows, rejects and counts of a build, as functions to check them with."""
    return ReadRows(job.options, job.manifests, job.labels, job.inputs)


def test_rows_of_one_manifest(tmp_path):
    make_root(tmp_path)
    with beam.Pipeline() as pipeline:
        found = pipeline | read(open_build(tmp_path))
        assert_that(
            found.rows | "values" >> beam.Map(lambda row: row.values),
            equal_to([("1",), ("2",), ("3",)]),
            "rows",
        )
        assert_that(found.rejects, equal_to([]), "rejects")
        total = found.counts | beam.CombineGlobally(sum)
        assert_that(total, equal_to([3]), "counts")


def test_rows_joined_with_labels(tmp_path):
    """Three images and three labels, of which two match: four rows in all."""
    root = make_root(tmp_path)
    (root / "labels.csv").write_text("path,m\na.bin,10\nb.bin,20\nd.bin,40\n")
    schema = Schema.from_dict({"features": {"n": NUMBER, "m": {"type": "int64", "source": "m"}}})
    job = open_build(tmp_path, schema=schema, labels=str(root / "labels.csv"), join_on="path")
    assert job.options.columns() == ("m", "n", "path")
    with beam.Pipeline() as pipeline:
        found = pipeline | read(job)
        assert_that(
            found.rows | "values" >> beam.Map(lambda row: row.values),
            equal_to([("10", "1", "a.bin"), ("20", "2", "b.bin")]),
            "rows",
        )
        reasons = found.rejects | "reasons" >> beam.Map(lambda reject: reject.reason)
        assert_that(reasons, equal_to(["no_label", "no_image"]), "rejects")
        total = found.counts | beam.CombineGlobally(sum)
        assert_that(total, equal_to([4]), "counts")
