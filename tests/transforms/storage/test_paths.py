from __future__ import annotations

import subprocess
import sys

import pytest
from pixelbeam.schemas.errors import OptionError
from pixelbeam.transforms.storage.paths import (
    beside,
    check_filesystem,
    common_folder,
    folder_names,
    has_folder,
    is_there,
    join_path,
    lies_in,
    real_parent,
    waits_for_network,
)


def test_joining_paths():
    assert join_path("/a", "b/c.jpg") == "/a/b/c.jpg"
    assert join_path("/a", "/b.jpg") == "/b.jpg"
    assert join_path("/a", "gs://b/c.jpg") == "gs://b/c.jpg"
    assert join_path("", "b.jpg") == "b.jpg"


def test_what_s3_needs_is_named(monkeypatch):
    check_filesystem("/data/out")
    monkeypatch.setitem(sys.modules, "boto3", None)  # as where it is not installed
    check_filesystem("/data/out")
    with pytest.raises(OptionError) as caught:
        check_filesystem("s3://data/out")
    assert str(caught.value) == (
        "s3://data/out: S3 needs boto3, which is not installed; on the launcher and the workers: "
        "pip install 'pixelbeam[s3]'"
    )


def test_what_is_known_without_asking_a_store(tmp_path):
    (tmp_path / "a.csv").touch()
    assert has_folder(str(tmp_path)) is True
    assert has_folder(str(tmp_path / "a.csv")) is False
    assert has_folder(str(tmp_path / "none")) is False
    assert has_folder("s3://bucket/a") is None
    assert is_there(str(tmp_path / "*.csv")) is True
    assert is_there(str(tmp_path / "*.tsv")) is False
    assert is_there("s3://bucket/*.csv") is None
    assert not waits_for_network(str(tmp_path))
    assert waits_for_network("gs://bucket/a")


def test_names_of_a_folder(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert folder_names("link") == (str(tmp_path / "link"), str(tmp_path / "real"))
    assert folder_names("s3://bucket/a") == ("s3://bucket/a", "")


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["/a/b/1.csv", "/a/b/2.csv"], "/a/b"),
        (["/a/b/1.csv", "/a/bc/2.csv"], "/a"),
        (["/a/1.csv"], "/a"),
        (["s3://b/a/1.csv", "s3://b/a/c/2.csv"], "s3://b/a"),
        (["s3://b/ab/1.csv", "s3://b/a/2.csv"], "s3://b"),
    ],
)
def test_the_folder_that_has_all_files(paths, folder):
    assert common_folder(paths) == folder


def test_what_lies_in_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert lies_in(str(tmp_path / "link" / "x"), str(tmp_path / "out"))
    assert lies_in(str(tmp_path / "out"), str(tmp_path / "out"))
    assert not lies_in(str(tmp_path / "outer"), str(tmp_path / "out"))
    assert not lies_in(str(tmp_path / "out"), "")
    assert lies_in("s3://b/out/x", "s3://b/out/")
    assert not lies_in("s3://b/outer", "s3://b/out")
    assert not lies_in(str(tmp_path), "s3://b")


def test_what_lies_beside_a_file(tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    file = str(folder / "a.h5")
    assert beside(file, "deep/b.h5") == str(folder / "deep" / "b.h5")
    assert beside(file, "../c.h5") is None
    assert beside(file, "/etc/passwd") is None
    assert beside(file, "s3://b/a.h5") is None
    assert beside("s3://b/a.h5", "b.h5") is None
    (folder / "out").symlink_to(tmp_path)
    assert beside(file, "out/c.h5") is None
    assert real_parent(str(folder / "out" / "c.h5")) == str(tmp_path)
    assert real_parent("s3://b/a.h5") is None


def test_beams_filesystems_are_made_ready_on_first_use_and_not_by_an_import():
    code = (
        "import pixelbeam.transforms.storage.output_folder\n"
        "from pixelbeam.transforms.storage.paths import filesystems\n"
        "from apache_beam.io.aws.clients.s3 import boto3_client\n"
        "from apache_beam.io.filesystems import FileSystems\n"
        "before = boto3_client.Client\n"
        "print(FileSystems._pipeline_options is None, end=' ')\n"
        "filesystems()\n"
        "print(boto3_client.Client is before, FileSystems._pipeline_options is None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "False"]
