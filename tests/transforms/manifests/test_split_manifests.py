from __future__ import annotations

import pytest
from pixelbeam.schemas.errors import ManifestError, OptionError
from pixelbeam.transforms.manifests.split_manifests import (
    find_roots,
    name_manifests,
    open_manifests,
)
from pixelbeam.transforms.storage.split_roots import SplitRoots
from support import make_image, write_csv


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("a.csv", [("", "a.csv")]),
        ("train=a.csv", [("train", "a.csv")]),
        ("train=a.csv,test=b/*.csv", [("train", "a.csv"), ("test", "b/*.csv")]),
        ("train=a.csv, test=b.csv", [("train", "a.csv"), ("test", "b.csv")]),
        ("train=s3://b/a,b.csv,test=x=1/b.csv", [("train", "s3://b/a,b.csv"), ("test", "x=1/b.csv")]),
        ("data/year=2024/a.csv", [("", "data/year=2024/a.csv")]),
        ("s3://b/year=2024/a.csv", [("", "s3://b/year=2024/a.csv")]),
        ("a.csv,b.csv", [("", "a.csv,b.csv")]),
    ],
)  # fmt: skip
def test_what_is_named(spec, expected):
    assert name_manifests(spec) == expected


@pytest.mark.parametrize(
    "name", ["train=a.csv", "train=a.csv,test=b.csv", "a,b.csv", "train=1/a.csv"]
)
def test_a_file_that_is_there_is_meant(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write_csv(tmp_path / name, [])
    assert name_manifests(name) == [("", name)]
    assert name_manifests(name.replace("a", "?")) == [("", name.replace("a", "?"))]
    assert name_manifests(f"val={tmp_path}/{name}") == [("val", f"{tmp_path}/{name}")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "train=,test=b.csv",
            "--manifest: got no manifest for 'train', expected something like train=a.csv,test=b.csv; "
            "is a variable of the shell not set?",
        ),
        (
            "train=a.csv,b.csv",
            "--manifest: got 'b.csv' behind train=a.csv, expected something like train=a.csv,test=b.csv",
        ),
        (
            "train=a.csv,train=b.csv",
            "--manifest: got train, train, expected each split once; a glob names several files",
        ),
    ],
)
def test_what_cannot_be_meant(spec, message):
    with pytest.raises(OptionError) as error:
        name_manifests(spec)
    assert str(error.value) == message


def test_manifests_keep_their_own_folders(tmp_path):
    write_csv(tmp_path / "a.csv", [])
    (tmp_path / "b" / "cat").mkdir(parents=True)
    make_image(tmp_path / "b" / "cat" / "1.png", 1)
    manifests = open_manifests(f"train={tmp_path}/a.csv,test={tmp_path}/b")
    assert [(m.split, m.root, m.columns, m.split_column) for m in manifests] == [
        ("train", str(tmp_path), ("path", "label", "manifest/split"), "manifest/split"),
        ("test", f"{tmp_path}/b", ("path", "label", "manifest/split"), "manifest/split"),
    ]
    assert [m.name_of(file.name) for m in manifests for file in m.files] == [
        "train/a.csv",
        "test/cat",
    ]
    roots = find_roots(manifests)
    assert roots == SplitRoots((("train", str(tmp_path)), ("test", f"{tmp_path}/b")))
    assert find_roots(open_manifests(f"{tmp_path}/a.csv")) is None


def test_a_directory_that_has_splits_itself(tmp_path):
    (tmp_path / "val" / "cat").mkdir(parents=True)
    make_image(tmp_path / "val" / "cat" / "1.png", 1)
    with pytest.raises(ManifestError) as error:
        open_manifests(f"train={tmp_path}")
    assert str(error.value) == (
        f"--manifest: got train={tmp_path}, which has splits itself; name it alone, or for each split "
        "a manifest of its own"
    )
