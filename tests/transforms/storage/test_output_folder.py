from __future__ import annotations

import hashlib
import os
import stat

import pytest
from object_store import MemoryFileSystem
from pixelbeam.transforms.storage import output_folder
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


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_lock_on_a_file_that_is_gone_is_none(tmp_path, monkeypatch, made_anew):
    def finish(file, _):
        path = tmp_path / "lock"
        path.rename(tmp_path / "old")  # keeps its number from being given to the next
        if made_anew:
            path.touch()

    monkeypatch.setattr(output_folder.fcntl, "flock", finish)
    with Folder(str(tmp_path)).lock("lock") as held:
        assert held is False


def test_object_stores_have_no_locks(memory_files):
    folder = Folder("s3://bucket/out")
    assert not folder.has_locks
    with folder.lock("lock") as held, folder.lock("lock") as again:
        assert held
        assert again


def test_scratch_of_the_dead_is_cleared(tmp_path, memory_files):
    folder = Folder(str(tmp_path))
    folder.write("kept", b"1")
    (tmp_path / ".pixelbeam" / "tmp" / "task-1").mkdir(parents=True)
    folder.clear_scratch()
    assert not (tmp_path / ".pixelbeam" / "tmp").exists()
    assert folder.read("kept") == b"1"
    Folder("s3://bucket/out").clear_scratch()  # asks nobody


@pytest.fixture(params=["local", "remote"])
def folder(request, tmp_path, memory_files):
    return Folder(str(tmp_path / "out") if request.param == "local" else "memory://bucket/out")


def names(folder):
    return sorted(folder.sizes()), sorted(folder.folders() - {".pixelbeam"})


def test_a_folder_is_the_same_wherever_it_lies(folder):
    assert (folder.is_empty(), folder.sizes(), folder.folders()) == (True, {}, set())
    assert folder.write("a", b"one") == PublishedFile("a", 3, hashlib.sha256(b"one").hexdigest())
    folder.write("deep/er/b", b"three")
    folder.write("deep/c", b"")
    assert not folder.is_empty()
    assert (folder.size("a"), folder.size("deep/c"), folder.size("none")) == (3, 0, None)
    assert (folder.exists("a"), folder.exists("none")) == (True, False)
    assert (folder.sizes(), folder.sizes("deep"), folder.sizes("none")) == ({"a": 3}, {"c": 0}, {})
    assert names(folder) == (["a"], ["deep"])
    assert list(folder.read_all(["deep/c", "none", "a"])) == [b"", None, b"one"]
    with folder.open("a") as file, folder.local("a") as path:
        assert file.read() == path.read_bytes() == b"one"


def test_files_are_moved_and_deleted_wherever_they_lie(folder):
    for name in ("a", "b", "deep/c", "deep/d", "deeper/e", "f", "g"):
        folder.write(name, name.encode())
    folder.move(["a", "b"], ["moved/a", "f"])
    folder.move([], [])
    assert (folder.read("moved/a"), folder.read("f")) == (b"a", b"b")
    assert names(folder) == (["f", "g"], ["deep", "deeper", "moved"])
    folder.delete(["deep", "g", "none"])
    folder.delete([])
    assert (folder.read("deep/c"), folder.read("deeper/e")) == (None, b"deeper/e")
    folder.delete_files(["deeper/e", "f"])
    folder.delete_files([])
    assert (folder.read("deeper/e"), folder.sizes()) == (None, {})
    with pytest.raises(ValueError, match="zip"):
        Folder(".").move(["a"], [])


@pytest.mark.parametrize("name", ["a", "deep/a"])
def test_a_folder_with_a_file_anywhere_is_not_empty(folder, memory_files, name):
    folder.write(name, b"")
    folder.delete([".pixelbeam"])
    assert not folder.is_empty()


def test_a_local_folder_with_a_folder_alone_is_not_empty(tmp_path):
    (tmp_path / "out" / "x").mkdir(parents=True)
    folder = Folder(str(tmp_path / "out"))
    assert not folder.is_empty()
    assert (folder.sizes(), folder.folders(), folder.size("x")) == ({}, {"x"}, None)
    (tmp_path / "out" / "link").symlink_to("x")
    folder.delete(["link"])
    assert folder.folders() == {"x"}


def test_what_is_published_is_on_the_disk_before_and_after_it_gets_its_name(
    tmp_path, memory_files, monkeypatch
):
    synced = []
    monkeypatch.setattr(
        output_folder.os, "fsync", lambda file: synced.append(stat.S_ISDIR(os.fstat(file).st_mode))
    )
    Folder(str(tmp_path)).write("a", b"1")
    assert synced == [False, True]
    Folder("memory://b").write("a", b"1")
    Folder(str(tmp_path)).move(["a"], ["b"])
    assert synced == [False, True, True]


def test_what_is_uploaded_gets_its_name_when_it_is_whole(memory_files, tmp_path, monkeypatch):
    renamed = []
    monkeypatch.setattr(
        MemoryFileSystem,
        "rename",
        lambda self, sources, targets: renamed.append((dict(memory_files), targets)),
    )
    folder = Folder("memory://bucket/out")
    (tmp_path / "x").write_bytes(b"pixels" * 999)
    monkeypatch.setattr(output_folder, "_COPY_BYTES", 1000)
    published = folder.publish(tmp_path / "x", "deep/x")
    assert published == PublishedFile("deep/x", 5994, hashlib.sha256(b"pixels" * 999).hexdigest())
    ((files, targets),) = renamed
    ((temporary, content),) = files.items()
    assert temporary.startswith("memory://bucket/out/.pixelbeam/tmp/")
    assert (content, targets) == (b"pixels" * 999, ["memory://bucket/out/deep/x"])
    made = ["memory://bucket/out/.pixelbeam/tmp", "memory://bucket/out/deep"]
    assert MemoryFileSystem.folders == made


def test_folders_that_deleting_leaves_on_other_filesystems_are_deleted(memory_files):
    memory_files.update(
        {"memory://b/out/a": b"", "memory://b/out/a/b": b"", "memory://b/out/c": b""}
    )
    deleted = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryFileSystem, "delete", lambda self, paths: deleted.append(paths))
        Folder("memory://b/out").delete(["a"])
    assert deleted == [["memory://b/out/a", "memory://b/out/a/b"], ["memory://b/out/a"]]


def test_scratch_lies_in_a_local_folder_alone(folder, tmp_path):
    with folder.scratch() as scratch:
        (scratch / "x").touch()
        inside = tmp_path / "out" in scratch.parents
        assert inside is (str(tmp_path) in folder.root)
    assert not scratch.exists()


def test_many_remote_files_are_read_in_order(memory_files, monkeypatch):
    monkeypatch.setattr(output_folder, "_READS_AT_ONCE", 2)
    for number in range(20):
        memory_files[f"memory://b/{number}"] = b"%d" % number
    folder = Folder("memory://b")
    asked = []

    def ask():
        for number in range(20):
            asked.append(number)
            yield str(number)

    found = folder.read_all(ask())
    assert next(found) == b"0"
    assert len(asked) == 8  # a part at a time
    assert list(found) == [b"%d" % number for number in range(1, 20)]
