"""What names a row, and the rows of a build: read, joined and counted."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from number_datasets import make_root, open_build
from pixelbeam.pipeline.graph.job import open_job
from pixelbeam.pipeline.graph.read_rows import ReadRows, name_column, row_format_of
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.rows import ManifestRow, RowsRead
from pixelbeam.transforms.splits import Splits

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
        ({"features": {"b": {**IMAGE, "source": "{n}/{m}.png"}, "a": IMAGE}}, None, "path"),
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


def check_read(job, **expected):
    """Reads the rows of a build, and compares all that comes of it, counts and ledgers added up."""

    def check(found):
        by_field = {
            field: [value for f, value in found if f == field] for field in RowsRead._fields
        }
        by_field["rows"].sort(key=lambda values: tuple(map(str, values)))
        by_field["rejects"].sort()
        by_field["counts"] = sum(by_field["counts"])
        by_field["ledger"] = Ledger.total(by_field["ledger"]).to_json()
        assert {field: value for field, value in by_field.items() if value} == expected

    show = {
        "rows": lambda row: (*([row.window.name] if row.window else []), *row.values),
        "rejects": lambda r: (r.key, r.reject.reason, dict(r.counts).get("frames", 0)),
        "counts": lambda count: count,
        "ledger": lambda ledger: ledger,
        "dropped": lambda r: (r.file, r.row, r.reject.reason),
    }
    with beam.Pipeline(FnApiRunner()) as pipeline:
        read = pipeline | ReadRows(job.options, job.manifests, job.labels, job.inputs)
        shown = tuple(
            each | field >> beam.Map(lambda value, field: (field, show[field](value)), field)
            for field, each in read._asdict().items()
            if each is not None
        )
        assert_that(shown | beam.Flatten(), check)


def test_rows_of_one_manifest(tmp_path):
    make_root(tmp_path)
    check_read(open_build(tmp_path), rows=[("1",), ("2",), ("3",)], counts=3)


def test_rows_joined_with_labels(tmp_path):
    """Three images and three labels, of which two match: four rows in all."""
    root = make_root(tmp_path)
    (root / "labels.csv").write_text("path,m\na.bin,10\nb.bin,20\nd.bin,40\n")
    schema = Schema.from_dict({"features": {"n": NUMBER, "m": {"type": "int64", "source": "m"}}})
    job = open_build(tmp_path, schema=schema, labels=str(root / "labels.csv"), join_on="path")
    assert job.options.columns() == ("m", "n", "path")
    check_read(
        job,
        rows=[("10", "1", "a.bin"), ("20", "2", "b.bin")],
        rejects=[("c.bin", "no_label", 0), ("d.bin", "no_image", 0)],
        counts=4,
    )


def open_clips(folder, manifests, labels=None, join_on=None, **clips):
    """A build of clips of numbers ``n``, each of which has an ``m``, from the texts of manifests by split."""
    for split, text in manifests.items():
        (folder / f"{split}.csv").write_text(text)
    if labels:
        (folder / "labels.csv").write_text(labels)
    declared = {
        "record": "sequence_example",
        "clips": {"key": "clip", "order": "n", **clips},
        "context": {"m": {"type": "int64", "source": "m"}},
        "steps": {"n": NUMBER},
    }
    paths = [f"{split}={folder / split}.csv" for split in manifests]
    manifest = ",".join(paths) if len(paths) > 1 else paths[0].partition("=")[2]
    options = BuildOptions(
        manifest,
        Schema.from_dict(declared),
        str(folder / "out"),
        labels=labels and str(folder / "labels.csv"),
        join_on=join_on,
    )
    return open_job(options, threads=1)


def test_clips_of_several_manifests_are_grouped_and_cut(tmp_path):
    train = "clip,n,m\na,1,5\na,2,5\na,2,5\na,3,5\nx\n"
    val = "clip,n,m\nb,1,6\nb,2,7\nc,1,8\nc,2,8\nd,1,9\n"
    clips = {"window": 2, "stride": 1, "on_duplicate": "drop"}
    job = open_clips(tmp_path, {"train": train, "val": val}, **clips)
    check_read(
        job,
        rows=[
            ("a[0:2]", "a", "5", "train", ["1", "2"]),
            ("a[1:3]", "a", "5", "train", ["2", "3"]),
            ("c[0:2]", "c", "8", "val", ["1", "2"]),
        ],
        rejects=[
            ("b", "ambiguous_value", 2),
            ("d", "too_few_frames", 1),
            ("train/train.csv:6", "malformed_row", 0),
        ],
        counts=6,
        ledger={"repeated": 1, "seen": 9},
        dropped=[("train/train.csv", 4, "duplicate_frame")],
    )


def test_labels_of_clips_are_joined_by_their_key(tmp_path):
    train = "clip,n\na,1\na,2\na,2\nb,1\nx\n,7\n"
    labels = "clip,m\na,5\nc,6\ny\n"
    job = open_clips(tmp_path, {"train": train}, labels, "clip", on_duplicate="drop")
    check_read(
        job,
        rows=[("a", "5", ["1", "2"])],
        rejects=[
            ("b", "no_label", 1),
            ("c", "no_image", 0),
            ("labels.csv:4", "malformed_row", 0),
            ("train.csv:6", "malformed_row", 0),
            ("train.csv:7", "missing_value", 1),
        ],
        counts=6,
        ledger={"seen": 5},
        dropped=[("train.csv", 4, "duplicate_frame")],
    )


def test_labels_of_frames_are_joined_before_they_are_grouped(tmp_path):
    train = "clip,n\na,1\na,2\na,3\nx\nb,4\n"
    labels = "n,m\n1,5\n2,5\n4,6\n9,9\n"
    job = open_clips(tmp_path, {"train": train}, labels, "n")
    check_read(
        job,
        rows=[("a", "5", ["1", "2"]), ("b", "6", ["4"])],
        rejects=[
            ("3", "no_label", 0),
            ("9", "no_image", 0),
            ("train.csv:5", "malformed_row", 0),
        ],
        counts=5,
        ledger={"seen": 3},
    )


def test_each_of_several_manifests_has_its_own_root(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.csv").write_text("path\nx.png\n")
    manifest = ",".join(f"{split}={tmp_path / split}/a.csv" for split in ("train", "val"))
    schema = Schema.from_dict({"features": {"image": IMAGE}})
    job = open_job(BuildOptions(manifest, schema, str(tmp_path / "out")), threads=1)
    row_format = row_format_of(job.options, ("path",), job.inputs)
    assert list(row_format.roots) == ["train", "val"]
    keys = [
        row_format.key(ManifestRow(f"{split}/a.csv", 2, ("./x.png",))) for split in row_format.roots
    ]
    assert keys == ["train/x.png", "val/x.png"]


@pytest.mark.parametrize(
    ("clips", "late"),
    [
        (None, {"path", "text"}),
        ({}, {"path", "text"}),
        ({"key": "clip"}, set()),
        ({"window": 2}, set()),
    ],
)
def test_columns_come_late_that_nothing_looks_at_before(clips, late):
    """Not those that name a row, or decide its split, or that class names are taken from."""
    text = {"type": "string", "source": "text"}
    label = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
    if clips is None:
        declared = {"features": {"image": IMAGE, "text": text, "label": label}}
    else:
        sequence = {"record": "sequence_example", "clips": clips, "context": {"label": label}}
        declared = {**sequence, "steps": {"image": IMAGE, "text": text}}
    options = options_of(declared, labels="l.csv", join_on="id", splits=Splits(group_by="who"))
    assert ReadRows(options, (), None, None)._late_columns() == late
