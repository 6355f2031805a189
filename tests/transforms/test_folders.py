from __future__ import annotations

import hashlib
import os

import pytest

from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.folders import Folder, PublishedFile, join_path, read_input


def test_joining_paths():
    assert join_path("/a", "b/c.jpg") == "/a/b/c.jpg"
    assert join_path("/a", "/b.jpg") == "/b.jpg"
    assert join_path("/a", "gs://b/c.jpg") == "gs://b/c.jpg"
    assert join_path("", "b.jpg") == "b.jpg"


def test_reading_an_input(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b c.jpg").write_bytes(b"data")
    assert read_input(str(tmp_path), "a/b c.jpg") == b"data"
    assert read_input(str(tmp_path), "a\\b c.jpg") == b"data"


@pytest.mark.parametrize(
    ("path", "reason", "message"),
    [
        ("none.jpg", "file_not_found", "no such file: 'none.jpg'"),
        ("folder", "not_a_file", "not a file: 'folder'"),
        ("file/x.jpg", "not_a_file", "not a file: 'file/x.jpg'"),
        ("a\0b", "bad_path", "got 'a\\x00b', expected a path: embedded null byte"),
    ],
)
def test_inputs_that_cannot_be_read(tmp_path, path, reason, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(Reject) as reject:
        read_input(str(tmp_path), path)
    assert vars(reject.value) == {
        "stage": "load", "reason": reason, "message": message, "feature": "", "path": path,
    }  # fmt: skip


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
