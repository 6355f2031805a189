from __future__ import annotations

import importlib.util
import os
import sys

import pytest
from apache_beam.io.aws.clients.s3 import boto3_client
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, S3Options
from pixelbeam.schemas.errors import OptionError
from pixelbeam.transforms.storage import paths
from pixelbeam.transforms.storage.paths import (
    absolute,
    beside,
    check_filesystem,
    common_folder,
    filesystems,
    folder_names,
    has_folder,
    is_local,
    is_there,
    join_path,
    lies_in,
    real_folder,
    real_parent,
    real_path,
    use_options,
    waits_for_network,
)


def test_joining_paths():
    assert join_path("/a", "b/c.jpg") == "/a/b/c.jpg"
    assert join_path("/a", "/b.jpg") == "/b.jpg"
    assert join_path("/a", "gs://b/c.jpg") == "gs://b/c.jpg"
    assert join_path("", "b.jpg") == "b.jpg"


def test_what_s3_needs_is_named(memory_files, monkeypatch):
    check_filesystem("/data/out")
    monkeypatch.setitem(sys.modules, "boto3", None)  # as where it is not installed
    check_filesystem("/data/out")
    check_filesystem("memory://data/out")
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
    assert is_there(str(tmp_path / "a.csv")) is True
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "[1]").touch()
    assert is_there(str(tmp_path / "deep" / "er" / "[1]")) is True  # no glob finds it
    assert is_there(str(tmp_path / "**" / "?1]")) is True
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
    ("files", "folder"),
    [
        (["/a/b/1.csv", "/a/b/2.csv"], "/a/b"),
        (["/a/b/1.csv", "/a/bc/2.csv"], "/a"),
        (["/a/1.csv"], "/a"),
        (["s3://b/a/1.csv", "s3://b/a/c/2.csv"], "s3://b/a"),
        (["s3://b/ab/1.csv", "s3://b/a/2.csv"], "s3://b"),
        (["s3://b/a/x/1.csv", "s3://b/c/x/2.csv"], "s3://b"),
        (["s3://b/a/1.csv"], "s3://b/a"),
    ],
)
def test_the_folder_that_has_all_files(files, folder):
    assert common_folder(files) == folder


def test_what_lies_in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert lies_in(str(tmp_path / "link" / "x"), str(tmp_path / "out"))
    assert lies_in(str(tmp_path / "out"), str(tmp_path / "out"))
    assert not lies_in(str(tmp_path / "outer"), str(tmp_path / "out"))
    assert not lies_in(str(tmp_path / "out"), "")
    assert lies_in(str(tmp_path), "/")
    assert lies_in("s3://b/out/x", "s3://b/out/")
    assert lies_in("s3://b/out", "s3://b/out/")
    assert lies_in("s3://b/out/", "s3://b/out")
    assert not lies_in("s3://b", str(tmp_path))
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


@pytest.fixture
def unready(monkeypatch):
    """Beam's filesystems as they are before their first use."""
    monkeypatch.setattr(boto3_client, "Client", object)
    monkeypatch.setattr(FileSystems, "_pipeline_options", None)
    filesystems.cache_clear()
    yield
    filesystems.cache_clear()


def test_beams_filesystems_are_made_ready_on_first_use_and_not_by_an_import(unready):
    name = "pixelbeam.transforms.storage.paths_again"
    spec = importlib.util.spec_from_file_location(name, paths.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert (FileSystems._pipeline_options, boto3_client.Client) == (None, object)
    assert again.filesystems() is FileSystems
    assert FileSystems._pipeline_options is not None
    assert boto3_client.Client is not object


def test_joining_remote_paths(memory_files):
    assert join_path("memory://b", "c/d.jpg") == "memory://b/c/d.jpg"
    assert join_path("memory://b//", "c") == "memory://b/c"  # as the filesystem joins
    assert (is_local("memory://b"), is_local("/b"), is_local("b")) == (False, True, True)


def test_full_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("a") == str(tmp_path / "a")
    assert absolute("s3://b/../a") == "s3://b/../a"
    real_folder.cache_clear()
    assert real_folder("") == str(tmp_path)
    real_folder.cache_clear()


def test_real_paths_are_those_of_the_system(tmp_path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "a").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "b").symlink_to("a")
    for name in (
        "real/a",
        "link/a",
        "link/b",
        "link",
        "link/none",
        "link/deep/..",
        "link/.",
        "link/",
    ):
        path = f"{tmp_path}/{name}"
        assert real_path(path) == os.path.realpath(path)


@pytest.mark.parametrize("scheme", ["nowhere", "abc"])
def test_a_scheme_that_nobody_knows(scheme):
    with pytest.raises(OptionError) as caught:
        check_filesystem(f"{scheme}://x")
    start = f"{scheme}://x: no filesystem for {scheme}:// is installed; expected a local path or one of "
    assert str(caught.value).startswith(start)
    known = str(caught.value).removeprefix(start).split(", ")
    assert known == sorted(known)
    assert {"hdfs://", "s3://"} <= set(known)


@pytest.mark.parametrize("path", ["hdfs://", "hdfs://host/a"])
def test_a_filesystem_whose_package_is_not_installed(path):
    with pytest.raises(OptionError) as caught:
        check_filesystem(path)
    assert str(caught.value) == (
        f"{path}: no filesystem for hdfs:// is installed; on the launcher and the workers: "
        "pip install 'apache-beam[hadoop]'"
    )


def test_a_filesystem_that_lacks_its_options(memory_files, monkeypatch):
    def refuse(self, pipeline_options):
        raise ValueError("pipeline_options is not set")

    check_filesystem("memory://x/a")
    monkeypatch.setattr("object_store.MemoryFileSystem.__init__", refuse)
    with pytest.raises(OptionError) as caught:
        check_filesystem("memory://x/a")
    assert str(caught.value) == "memory://x/a: pipeline_options is not set"


def test_options_are_those_that_were_given_else_none(unready):
    assert filesystems() is FileSystems
    assert FileSystems._pipeline_options.get_all_options(drop_default=True) == {}
    use_options(PipelineOptions(["--s3_region_name=here"]))
    filesystems.cache_clear()
    filesystems()
    assert FileSystems._pipeline_options.view_as(S3Options).s3_region_name == "here"
