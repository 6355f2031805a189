import gzip
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.manifests.formats.class_folders import ClassFolders
from pixelbeam.transforms.manifests.formats.delimited import Delimited
from pixelbeam.transforms.manifests.open_manifest import (
    Manifest,
    ManifestFile,
    open_manifest,
)


def test_a_file(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text("path,label\na.jpg,1\n")
    monkeypatch.chdir(tmp_path)
    for spec in ("rows.csv", "./rows.csv", str(path)):
        assert open_manifest(spec) == Manifest(
            spec=spec,
            root=str(tmp_path),
            files=(ManifestFile(str(path), "rows.csv", 19),),
            format=Delimited(","),
            columns=("path", "label"),
        )


def test_a_glob(tmp_path):
    for name, text in [("b/2.csv", "a,b\n"), ("b/c/1.csv", "b,a\n"), ("b/x.txt", "")]:
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_text(text)
    (tmp_path / "m" / "b" / "0.csv.gz").write_bytes(packed := gzip.compress(b"a,b\n"))
    root = tmp_path / "m" / "b"
    manifest = open_manifest(str(tmp_path / "**" / "*.csv*"))
    assert manifest.root == str(root)
    assert manifest.files == (
        ManifestFile(str(root / "0.csv.gz"), "0.csv.gz", len(packed)),
        ManifestFile(str(root / "2.csv"), "2.csv", 4),
        ManifestFile(str(root / "c" / "1.csv"), "c/1.csv", 4),
    )
    assert manifest.columns == ("a", "b")


def test_brackets_in_a_name(tmp_path):
    path = tmp_path / "rows[1].csv"
    path.write_text("a\n")
    assert open_manifest(str(path)).files == (ManifestFile(str(path), "rows[1].csv", 2),)


def test_json_lines_of_a_glob_may_leave_columns_out(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"b": 1, "a": 1}')
    (tmp_path / "2.jsonl").write_text('{"c": 1, "a": 1}')
    assert open_manifest(str(tmp_path / "*.jsonl")).columns == ("b", "a", "c")


def test_class_folders(tmp_path):
    for name in ("b/1.jpg", "a c/1.jpg", ".hidden/1.jpg", "README.md", "b/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert open_manifest(f"{tmp_path}/") == Manifest(
        spec=f"{tmp_path}/",
        root=str(tmp_path),
        files=(ManifestFile(f"{tmp_path}/a c", "a c", 0), ManifestFile(f"{tmp_path}/b", "b", 0)),
        format=ClassFolders(),
        columns=("path", "label"),
        left_out=2,
        left_out_example="README.md",
    )


def test_split_folders(tmp_path):
    for name in ("train/a/1.jpg", "val/a/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    assert open_manifest(str(tmp_path)) == Manifest(
        spec=str(tmp_path),
        root=str(tmp_path),
        files=(
            ManifestFile(f"{tmp_path}/train/a", "train/a", 0),
            ManifestFile(f"{tmp_path}/val/a", "val/a", 0),
        ),
        format=ClassFolders(("split", "label")),
        columns=("path", "split", "label"),
        split_column="split",
    )


def test_a_flat_folder(tmp_path):
    for name in ("1.jpg", "labels.csv"):
        (tmp_path / name).write_text("")
    assert open_manifest(str(tmp_path)) == Manifest(
        spec=str(tmp_path),
        root=str(tmp_path),
        files=(ManifestFile(str(tmp_path), ".", 0),),
        format=ClassFolders(()),
        columns=("path",),
        left_out=1,
        left_out_example="labels.csv",
        hint=f"for the manifest in it: --manifest {tmp_path}/labels.csv",
    )


def test_inline_columns(tmp_path):
    table = pa.table({"path": ["a"], "image": [{"bytes": b"x", "path": "y"}], "raw": [b"z"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text("path\n")
    assert open_manifest(str(tmp_path / "rows.parquet")).inline_columns == ("image", "raw")
    assert open_manifest(str(tmp_path / "rows.csv")).inline_columns == ()


ERRORS = {
    "missing": ({}, "x.csv", "{spec}: no such file or directory"),
    "no match": ({"a.tsv": "a\n"}, "*.csv", "{spec}: no file matches"),
    "mixed": (
        {"a.csv": "a\n", "b.jsonl": "{}"},
        "*",
        "{root}/b.jsonl: another kind of manifest than {root}/a.csv, expected one kind in a glob",
    ),
    "column lacking": (
        {"a.csv": "path\n", "b.csv": "path,label\n"},
        "*.csv",
        "{root}/a.csv: no column 'label', which {root}/b.csv has",
    ),
    "one empty": (
        {"a.csv": "path\n", "b.csv": ""},
        "*.csv",
        "{root}/b.csv: an empty file, expected a manifest",
    ),
    "empty list": ({"a.txt": ""}, "a.txt", "{spec}: an empty file, expected a manifest"),
    "no images": (
        {"data/labels.csv": "", "data/a.doc": ""},
        "data",
        "{spec}: a directory without images; for the manifest in it: --manifest {spec}/labels.csv",
    ),
    "no images and no manifest": (
        {"data/b/b.doc": "", "data/a.doc": ""},
        "data",
        "{spec}: a directory without images; it has 'a.doc'",
    ),
    "nothing in it": (
        {"data/.hidden/x.jpg": ""},
        "data",
        "{spec}: a directory without images; it is empty",
    ),
    "images beside classes": (
        {"data/cat/a.jpg": "", "data/y.jpg": "", "data/x.PNG": ""},
        "data",
        "{spec}: 'x.PNG' lies beside the folders of 'cat/a.jpg', "
        "expected every image at the same level",
    ),
    "class that is no text": (
        {"data/c\udce9/a.jpg": ""},
        "data",
        "{spec}: got the folder 'c\\udce9', expected a printable name",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_manifests_that_cannot_be_opened(case, tmp_path):
    files, name, message = ERRORS[case]
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    spec = str(tmp_path / name)
    with pytest.raises(ManifestError) as error:
        open_manifest(spec)
    assert str(error.value) == message.format(spec=spec, root=tmp_path)


def test_a_manifest_of_files_has_no_split_of_its_own_and_leaves_nothing_out(tmp_path):
    (tmp_path / "a.csv").write_text("a\n")
    manifest = open_manifest(str(tmp_path / "a.csv"))
    found = (manifest.split_column, manifest.left_out, manifest.left_out_example, manifest.split)
    assert found == (None, 0, "", "")
    assert manifest.name_of("a.csv") == "a.csv"
    assert replace(manifest, split="val").name_of("a.csv") == "val/a.csv"


def test_inline_columns_are_those_of_the_first_file(tmp_path):
    for name, value in (("a", b"x"), ("b", "x"), ("c", "x")):
        pq.write_table(pa.table({"image": [value]}), tmp_path / f"{name}.parquet")
    assert open_manifest(str(tmp_path / "*.parquet")).inline_columns == ("image",)


def test_the_folder_that_is_written_to_is_left_out(tmp_path):
    for name in ("a/1.jpg", "out/1.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    manifest = open_manifest(str(tmp_path), f"{tmp_path}/out")
    assert [file.name for file in manifest.files] == ["a"]
    for name in ("a/1.csv", "out/1.csv"):
        (tmp_path / name).write_text("a\n")
    manifest = open_manifest(f"{tmp_path}/*/*.csv", f"{tmp_path}/out")
    assert [file.path for file in manifest.files] == [f"{tmp_path}/a/1.csv"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "no access", "/data/x"), "/data/x: cannot be read: no access"),
        (PermissionError(13, "no access"), "{spec}: cannot be read: no access"),
        (OSError("lost"), "{spec}: cannot be read: lost"),
        (ValueError("lost"), "{spec}: cannot be read: lost"),
    ],
)
def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch, error, message):
    def refuse(*_):
        raise error

    monkeypatch.setattr("pixelbeam.transforms.manifests.open_manifest.walk_folder", refuse)
    with pytest.raises(ManifestError) as caught:
        open_manifest(str(tmp_path))
    assert str(caught.value) == message.format(spec=tmp_path)


REMOTE_ERRORS = {
    "memory://b/none": "no such file or directory",
    "memory://b/*.csv": "no file matches",
    "memory://b/docs": "a directory without images; it has 'a.doc'",
    "memory://b/lists": "a directory without images; for the manifest in it: "
    "--manifest memory://b/lists/a.csv",
}


@pytest.mark.parametrize("spec", REMOTE_ERRORS)
def test_remote_manifests_that_cannot_be_opened(spec, memory_files):
    memory_files.update({"memory://b/docs/a.doc": b"", "memory://b/lists/a.csv": b"a\n"})
    with pytest.raises(ManifestError) as caught:
        open_manifest(spec)
    assert str(caught.value) == f"{spec}: {REMOTE_ERRORS[spec]}"
