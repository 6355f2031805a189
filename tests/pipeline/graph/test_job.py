"""A build's manifests are found, and have the columns that its options name."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import h5py
import pyarrow
import pyarrow.parquet
import pytest
from number_datasets import NUMBERS, make_root, open_build
from pixelbeam.pipeline.graph.job import open_job
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import ManifestError, OptionError
from pixelbeam.transforms.splits import Splits
from pixelbeam.transforms.storage.output_folder import Folder

ROWS = "path,n\na.bin,1\nb.bin,2\nc.bin,3\n"


@pytest.fixture(autouse=True)
def root(tmp_path):
    return make_root(tmp_path)


def test_a_job_of_one_manifest(tmp_path, root):
    job = open_build(tmp_path)
    content = {"bytes": len(ROWS), "sha256": hashlib.sha256(ROWS.encode()).hexdigest()}
    assert {name: file.content for name, file in job.manifest_files.items()} == {
        "rows.csv": content
    }
    assert (job.labels, job.label_files, job.threads) == (None, None, 1)
    assert job.command["manifest"] == {"rows.csv": content}
    assert job.command["seed"] == 0
    assert job.manifest_root == str(root)
    assert job.inputs.full_root == str(root)
    assert job.inline_hashes == {}
    assert job.encoder.schema == NUMBERS


def test_it_builds_into_the_output_or_where_it_is_told(tmp_path):
    job = open_build(tmp_path)
    assert job.output.root == str(tmp_path / "out")
    following = type(job)(
        job.options, job.manifests, None, 1, job.manifest_files, folder=Folder("elsewhere")
    )
    assert following.output.root == "elsewhere"


def test_another_root_of_the_images(tmp_path):
    (tmp_path / "images").mkdir()
    job = open_build(tmp_path, image_root=str(tmp_path / "images"))
    assert job.inputs.full_root == str(tmp_path / "images")
    assert job.manifest_root == str(tmp_path / "root")


def test_labels_of_a_second_manifest(tmp_path, root):
    (root / "labels.csv").write_text("path,label\na.bin,1\n")
    schema = Schema.from_dict({"features": {"label": {"type": "int64", "source": "label"}}})
    job = open_build(tmp_path, schema=schema, labels=str(root / "labels.csv"), join_on="path")
    assert list(job.label_files) == ["labels.csv"]
    assert list(job.command["labels"]) == ["labels.csv"]
    assert job.command["join_on"] == "path"
    assert job.row_format.key_column == "path"


def refused(tmp_path, **options):
    with pytest.raises(ManifestError) as caught:
        open_build(tmp_path, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "column", "option"),
    [
        ({"splits": Splits(column="part")}, "part", "for --split_column"),
        ({"splits": Splits(group_by="who")}, "who", "for --group_by"),
    ],
)
def test_columns_that_options_name(tmp_path, options, column, option):
    said = refused(tmp_path, **options)
    assert repr(column) in said
    assert option in said


def test_a_column_that_a_feature_names(tmp_path, root):
    schema = Schema.from_dict({"features": {"m": {"type": "int64", "source": "m"}}})
    said = refused(tmp_path, schema=schema)
    assert f"{root}/rows.csv" in said
    assert "'m'" in said
    (root / "labels.csv").write_text("path,label\na.bin,1\n")
    labels = str(root / "labels.csv")
    said = refused(tmp_path, schema=schema, labels=labels, join_on="path")
    assert f"{root}/rows.csv joined with {labels}" in said


def test_a_manifest_that_is_not_there(tmp_path):
    options = BuildOptions(str(tmp_path / "none.csv"), NUMBERS, str(tmp_path / "out"))
    with pytest.raises(ManifestError, match=r"none\.csv"):
        open_job(options, threads=1)


@pytest.mark.parametrize(
    ("clips", "expected"),
    [({}, True), ({"window": 2, "stride": 1}, False)],
)
def test_what_names_a_window_is_no_path(tmp_path, clips, expected):
    frames = {"type": "image", "source": "path", "height": 2, "width": 2}
    schema = Schema.from_dict(
        {"record": "sequence_example", "clips": clips, "steps": {"frame": frames}}
    )
    assert open_build(tmp_path, schema=schema).row_format.key_is_path is expected


IMAGE = {"type": "image", "source": "path", "height": 2, "width": 2}
FRAMES = {"record": "sequence_example", "steps": {"frame": IMAGE}}
IMAGES = Schema.from_dict({"features": {"image": IMAGE}})


def open_several(tmp_path, *manifests, schema=NUMBERS, **options):
    """The build of manifests, each a split: ``train=a/rows.csv``."""
    for manifest in manifests:
        path = tmp_path / manifest.partition("=")[2]
        path.parent.mkdir(exist_ok=True)
        path.write_text(ROWS)
    named = ",".join(m.replace("=", f"={tmp_path}/") for m in manifests)
    return open_job(BuildOptions(named, schema, str(tmp_path / "out"), **options), threads=1)


def test_several_manifests_have_their_own_folders_where_these_differ(tmp_path):
    job = open_several(tmp_path, "train=a/rows.csv", "val=b/rows.csv")
    assert job.options.splits == Splits(column="manifest/split")
    assert list(job.manifest_files) == ["train/rows.csv", "val/rows.csv"]
    folders = (("train", str(tmp_path / "a")), ("val", str(tmp_path / "b")))
    assert job.inputs.splits.folders == job.manifest_root.folders == folders
    assert job.inputs.full_root == f"train={tmp_path}/a, val={tmp_path}/b"
    together = open_several(tmp_path, "train=a/rows.csv", "val=a/more.csv")
    assert (together.inputs.splits, together.inputs.full_root) == (None, str(tmp_path / "a"))
    assert together.manifest_root.folders == (
        ("train", str(tmp_path / "a")),
        ("val", str(tmp_path / "a")),
    )
    asked = open_several(
        tmp_path, "train=a/rows.csv", "val=b/rows.csv", image_root=str(tmp_path / "b")
    )
    assert (asked.inputs.splits, asked.inputs.full_root) == (None, str(tmp_path / "b"))
    asked = open_build(tmp_path, image_root=str(tmp_path / "b"))
    assert (asked.inputs.splits, asked.inputs.full_root) == (None, str(tmp_path / "b"))


def test_every_one_of_several_manifests_is_checked(tmp_path):
    for name, columns in (("a", "path,n"), ("b", "path,m")):
        (tmp_path / f"{name}.csv").write_text(f"{columns}\nx,1\n")
    manifest = f"train={tmp_path}/a.csv,val={tmp_path}/b.csv"
    with pytest.raises(ManifestError, match=rf"^{tmp_path}/b\.csv"):
        open_job(BuildOptions(manifest, NUMBERS, str(tmp_path / "out")), threads=1)


def test_the_splits_of_folders_are_the_datasets(tmp_path):
    for split in ("train", "val"):
        (tmp_path / "photos" / split / "cat").mkdir(parents=True)
        (tmp_path / "photos" / split / "cat" / "x.png").write_bytes(b"")
    options = BuildOptions(str(tmp_path / "photos"), IMAGES, str(tmp_path / "out"))
    splits = open_job(options, threads=1).options.splits
    assert splits.column is not None
    with pytest.raises(OptionError, match=r"^--group_by: got it for"):
        open_job(replace(options, splits=Splits(group_by="label")), threads=1)
    assert open_build(tmp_path).options.splits == Splits()


def test_images_in_parquet_are_known_by_the_hashes_of_its_files(tmp_path):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"path": [b"GIF"], "clip": ["a"], "n": [1]}), path)

    def open_parquet(declared):
        options = BuildOptions(str(path), Schema.from_dict(declared), str(tmp_path / "out"))
        return open_job(options, threads=1)

    job = open_parquet({"features": {"image": IMAGE}})
    assert job.inline_hashes == {"rows.parquet": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert open_parquet({**FRAMES, "clips": {}}).inline_hashes
    for clips in ({"key": "clip"}, {"window": 2}):
        with pytest.raises(ManifestError) as caught:
            open_parquet({**FRAMES, "clips": clips})
        assert str(caught.value) == (
            f"{path}: got images in column 'path', expected their paths: rows that are grouped to clips or "
            "cut into windows cannot carry them"
        )
    context = {"context": {"image": IMAGE}, "steps": {"n": {"type": "int64", "source": "n"}}}
    assert open_parquet({**FRAMES, **context, "clips": {"key": "clip"}}).inline_hashes


def test_arrays_that_a_manifest_holds_itself_lie_where_its_images_do(tmp_path, root):
    for folder in (root, tmp_path):
        with h5py.File(folder / "m.h5", "w") as file:
            file["n"], file["path"] = [1, 2], ["a", "b"]
        with h5py.File(folder / "labels.h5", "w") as file:
            file["m"], file["path"] = [1, 2], ["a", "b"]
    own = BuildOptions(str(root / "m.h5"), NUMBERS, str(tmp_path / "out"))
    assert open_job(own, threads=1).manifest_root == str(root)
    with pytest.raises(OptionError) as caught:
        open_job(replace(own, image_root=str(tmp_path)), threads=1)
    assert str(caught.value) == (
        f"--image_root: got {str(tmp_path)!r}, expected none: {root}/m.h5 holds its own arrays, and paths in "
        "it are relative to its folder"
    )
    labels = {"labels": str(tmp_path / "labels.h5"), "join_on": "path"}
    with pytest.raises(OptionError) as caught:
        open_build(tmp_path, schema=IMAGES, **labels)
    assert str(caught.value) == (
        f"--labels: got {str(tmp_path / 'labels.h5')!r}, which holds its own arrays, expected a file in the "
        f"folder that paths are relative to, {root}"
    )
    assert open_build(tmp_path, schema=IMAGES, image_root=str(tmp_path), **labels).labels
    inside = {"labels": str(root / "labels.h5"), "join_on": "path"}
    assert open_build(tmp_path, schema=IMAGES, **inside).labels
    (tmp_path / "labels.csv").write_text("path,m\na.bin,1\n")
    far = {"labels": str(tmp_path / "labels.csv"), "join_on": "path"}
    assert open_build(tmp_path, schema=IMAGES, **far).labels
