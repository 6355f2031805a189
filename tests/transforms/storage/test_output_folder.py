from __future__ import annotations

import hashlib
import os

from pixelbeam.transforms.storage.output_folder import Folder, PublishedFile


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


def test_a_lock_keeps_another_out_until_it_is_let_go(tmp_path):
    folder = Folder(str(tmp_path / "out"))
    assert folder.has_locks
    with folder.lock("state/lock") as held, folder.lock("state/lock") as again:
        assert (held, again) == (True, False)
    with folder.lock("state/lock") as held:
        assert held
        (tmp_path / "out" / "state" / "lock").unlink()
        with folder.lock("state/lock") as other:  # a new file, which nobody has
            assert other


def test_object_stores_have_no_locks():
    folder = Folder("s3://bucket/out")
    assert not folder.has_locks
    with folder.lock("lock") as held, folder.lock("lock") as again:
        assert held
        assert again


def test_scratch_of_the_dead_is_cleared(tmp_path):
    folder = Folder(str(tmp_path))
    folder.write("kept", b"1")
    (tmp_path / ".pixelbeam" / "tmp" / "task-1").mkdir(parents=True)
    folder.clear_scratch()
    assert not (tmp_path / ".pixelbeam" / "tmp").exists()
    assert folder.read("kept") == b"1"
    Folder("s3://bucket/out").clear_scratch()  # asks nobody
