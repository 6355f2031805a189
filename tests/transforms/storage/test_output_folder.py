from __future__ import annotations

import hashlib
import os
import sys

import pytest
from pixelbeam.schemas.errors import OptionError
from pixelbeam.transforms.storage.output_folder import (
    Folder,
    PublishedFile,
    check_filesystem,
    join_path,
)


def test_joining_paths():
    assert join_path("/a", "b/c.jpg") == "/a/b/c.jpg"
    assert join_path("/a", "/b.jpg") == "/b.jpg"
    assert join_path("/a", "gs://b/c.jpg") == "gs://b/c.jpg"
    assert join_path("", "b.jpg") == "b.jpg"


def test_a_file_is_published_whole_under_its_name(tmp_path):
    folder = Folder(str(tmp_path))
    with folder.scratch() as scratch:
        (scratch / "x").write_bytes(b"pixels")
        assert folder.sizes() == {}
        published = folder.publish(scratch / "x", "sub/name.bin")
    assert published == PublishedFile("sub/name.bin", 6, hashlib.sha256(b"pixels").hexdigest())
    assert folder.read("sub/name.bin") == b"pixels"
    assert folder.sizes("sub") == {"name.bin": 6}
    assert os.listdir(tmp_path / ".pixelbeam" / "tmp") == []


def test_writing_replaces_and_deleting_is_thorough(tmp_path):
    folder = Folder(str(tmp_path))
    folder.write("a", b"1")
    folder.write("a", b"22")
    assert folder.read("a") == b"22"
    folder.delete(["a", "absent", ".pixelbeam"])
    assert folder.is_empty()


def test_what_is_not_there(tmp_path):
    folder = Folder(str(tmp_path / "none"))
    assert (folder.read("x"), folder.exists("x"), folder.sizes(), folder.is_empty()) == (
        None,
        False,
        {},
        True,
    )


def test_many_files_are_read_in_order_and_deleted_at_once(tmp_path):
    folder = Folder(str(tmp_path))
    names = [f"{number:03d}" for number in range(150)]
    for name in names:
        folder.write(name, name.encode())
    assert list(folder.read_all(["absent", *names])) == [None, *(name.encode() for name in names)]
    folder.delete_files([*names[1:], "absent"])
    assert folder.sizes() == {"000": 3}


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
