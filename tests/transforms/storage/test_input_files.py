from __future__ import annotations

import errno
import hashlib
import io
import os
import time

import pytest
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.localfilesystem import LocalFileSystem
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.storage import input_files as inputs
from pixelbeam.transforms.storage.input_files import MAX_FILE_BYTES, InputFiles
from pixelbeam.transforms.storage.input_log import InputLog, InputState
from pixelbeam.transforms.storage.split_roots import SplitRoots


class FlakyFileSystem(LocalFileSystem):
    """``flaky://…``: remote files that cannot be read the first ``failures`` times."""

    failures = 0
    tries = 0

    @classmethod
    def scheme(cls):
        return "flaky"

    def open(
        self, path, mime_type="application/octet-stream", compression_type=CompressionTypes.AUTO
    ):
        type(self).tries += 1
        if "none" in path or "forbidden" in path:
            raise OSError("404")
        if self.tries <= self.failures:
            raise OSError("connection reset by peer")
        return io.BytesIO(b"remote data")

    def exists(self, path):
        if "forbidden" in path:
            raise OSError("403")
        return "none" not in path


@pytest.fixture
def flaky():
    FlakyFileSystem.failures = FlakyFileSystem.tries = 0
    return FlakyFileSystem


def reject_of(root: InputFiles, written: str) -> tuple[str, str, str, str]:
    with pytest.raises(Reject) as reject:
        root.read(written)
    found = reject.value
    return found.stage, found.reason, found.message, found.path


def test_reading_a_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b c.jpg").write_bytes(b"data")
    for written in (
        "a/b c.jpg",
        "a\\b c.jpg",
        "./a/b c.jpg",
        "a/../a/b c.jpg",
        f"{tmp_path}/a/b c.jpg",
    ):
        assert InputFiles(str(tmp_path)).read(written)[0] == b"data"


@pytest.mark.parametrize(
    ("path", "reason", "message"),
    [
        ("none.jpg", "file_not_found", "no such file: 'none.jpg'"),
        ("folder", "not_a_file", "not a file: 'folder'"),
        ("file/x.jpg", "not_a_file", "not a file: 'file/x.jpg'"),
        ("pipe", "not_a_file", "not a file: 'pipe'"),
        ("circle", "bad_path", "a circle of symbolic links: 'circle'"),
        ("x" * 300, "bad_path", f"a path that is too long: '{'x' * 300}'"),
        ("a\0b", "bad_path", "got 'a\\x00b', expected a path: it has a null character"),
        ("huge.jpg", "file_too_large", "more than 1 GiB: 'huge.jpg'"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, path, reason, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    os.symlink("circle", tmp_path / "circle")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(inputs.MAX_FILE_BYTES + 1)
    assert reject_of(InputFiles(str(tmp_path)), path) == ("load", reason, message, path)


@pytest.mark.parametrize(
    "written",
    [
        "../secret.jpg",
        "{tmp}/secret.jpg",
        "link.jpg",
        "folder/secret.jpg",
        "a/../../secret.jpg",
        "/dev/zero",
    ],
)
def test_paths_that_lead_out_of_the_root(tmp_path, written):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    os.symlink("../secret.jpg", root / "link.jpg")
    os.symlink("..", root / "folder")
    written = written.format(tmp=tmp_path)
    stage, reason, message, path = reject_of(InputFiles(str(root)), written)
    assert (stage, reason, path) == ("load", "outside_root", written)
    assert message == (
        f"{written!r} leads out of the image root; name the folder that holds all images with "
        "--image_root, or trust the manifest with --allow_outside"
    )
    if written != "/dev/zero":
        assert InputFiles(str(root), allow_outside=True).read(written)[0] == b"secret"


@pytest.mark.parametrize("allow_outside", [False, True])
@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("http://h/a.jpg", "download the files, and name them by their local paths"),
        ("HTTPS://h/a.jpg", "download the files, and name them by their local paths"),
        ("file:///data/a.jpg", "name files by their paths alone, without file://"),
    ],
)
def test_addresses_are_no_paths(tmp_path, written, advice, allow_outside):
    scheme = written.partition(":")[0]
    assert reject_of(InputFiles(str(tmp_path), allow_outside), written) == (
        "load",
        "no_filesystem",
        f"{written}: no filesystem for {scheme}:// is installed; {advice}",
        written,
    )


def test_links_that_stay_inside_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_bytes(b"data")
    os.symlink("real", tmp_path / "link")
    assert InputFiles(str(tmp_path)).read("link/a.jpg")[0] == b"data"
    os.symlink(tmp_path, tmp_path.parent / f"{tmp_path.name}-link")
    assert InputFiles(f"{tmp_path}-link").read("link/a.jpg")[0] == b"data"


@pytest.mark.parametrize(
    "written", ["../b.jpg", "flaky://other/b.jpg", "a/../../b.jpg", "/etc/passwd"]
)
def test_remote_paths_stay_inside_too(written, flaky):
    assert reject_of(InputFiles("flaky://bucket/images"), written)[1] == "outside_root"


def test_a_flaky_read_is_tried_again_with_growing_waits(flaky):
    waits = []
    flaky.failures = 3
    root = InputFiles("flaky://bucket", sleep=waits.append)
    assert root.read("a.jpg")[0] == b"remote data"
    assert waits == [0.5, 1.0, 2.0]


def test_what_stays_unreadable_is_a_reject_or_a_failure_as_the_schema_says(flaky):
    flaky.failures = 99
    root = InputFiles("flaky://bucket", sleep=lambda seconds: None)
    message = "'a.jpg' cannot be read: connection reset by peer"
    assert reject_of(root, "a.jpg") == ("load", "unreadable", message, "a.jpg")
    assert flaky.tries == 4
    with pytest.raises(OSError, match="connection reset by peer"):
        InputFiles("flaky://bucket", unreadable="fail", sleep=lambda seconds: None).read("a.jpg")


def test_a_remote_file_that_is_not_there_is_not_tried_again(flaky):
    assert reject_of(InputFiles("flaky://bucket"), "none.jpg")[1] == "file_not_found"
    assert flaky.tries == 1


def test_where_it_cannot_be_asked_whether_a_remote_file_is_there_reading_is_tried_again(flaky):
    root = InputFiles("flaky://bucket", sleep=lambda seconds: None)
    message = "'forbidden.jpg' cannot be read: 404"
    assert reject_of(root, "forbidden.jpg") == ("load", "unreadable", message, "forbidden.jpg")
    assert flaky.tries == 4


@pytest.mark.parametrize(
    ("root", "written", "inside"),
    [
        ("memory://b/images", "a.jpg", True),
        ("memory://b/images/", "a.jpg", True),
        ("memory://b/images", "c..d.jpg", True),
        ("memory://b/images", "memory://b/images/a.jpg", True),
        ("memory://b/images", "memory://b/images2/a.jpg", False),
        ("memory://b/images", "deep/../a.jpg", False),
        ("/", "/etc/passwd", True),
        ("/etc", "memory://b/images/a.jpg", False),
    ],
)
def test_what_lies_inside_a_root(memory_files, root, written, inside):
    if inside:
        assert InputFiles(root).locate(written).endswith(written)
    else:
        assert reject_of(InputFiles(root), written)[1] == "outside_root"
        assert InputFiles(root, allow_outside=True).locate(written).endswith(written)


@pytest.mark.parametrize("root", ["local", "memory://b"])
def test_a_file_that_is_too_large_is_not_held(tmp_path, memory_files, monkeypatch, root):
    assert MAX_FILE_BYTES == 1073741824
    monkeypatch.setattr(inputs, "MAX_FILE_BYTES", 10)
    monkeypatch.setattr(inputs._check, "__defaults__", (10,))
    monkeypatch.setattr(inputs, "_BLOCK_BYTES", 4)
    for size in (10, 11):
        (tmp_path / str(size)).write_bytes(bytes(range(size)))
        memory_files[f"memory://b/{size}"] = bytes(range(size))
    files = InputFiles(str(tmp_path) if root == "local" else root)
    assert files.read("10")[0] == bytes(range(10))
    assert reject_of(files, "11")[1] == "file_too_large"


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    monkeypatch.setattr(inputs.os, "access", lambda path, mode: mode != os.R_OK)
    assert InputFiles(str(tmp_path)).look("a") == InputState(fault="permission_denied")

    def refuse(path, mode):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(inputs, "open", refuse, raising=False)
    assert reject_of(InputFiles(str(tmp_path)), "a")[1:3] == (
        "permission_denied",
        "no permission to read: 'a'",
    )


def test_files_of_several_manifests(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.jpg").write_bytes(b"data")
    splits = SplitRoots((("train", str(tmp_path / "a")), ("val", str(tmp_path / "b"))))
    files = InputFiles("", splits=splits, log=InputLog())
    assert files.full_root == f"train={tmp_path}/a, val={tmp_path}/b"
    of_val = files.of("val/rows.csv")
    assert (of_val.root, of_val.splits, of_val.prefix) == (str(tmp_path / "b"), None, "val/")
    assert of_val.of("val/rows.csv") is of_val
    assert of_val.read("1.jpg")[0] == b"data"
    with pytest.raises(Reject):
        of_val.read("2.jpg")
    of_val.note(str(tmp_path / "b" / "1.jpg"))
    of_val.note_listing("frames", ["x"])
    noted = [f"val/{tmp_path}/b/1.jpg", "val/1.jpg", "val/2.jpg", "val/frames"]
    assert list(files.log.take()) == noted
    assert files.find("val/1.jpg") == (of_val, "1.jpg")
    assert of_val.find("val/1.jpg") == (of_val, "1.jpg")


def test_the_full_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert InputFiles("a").full_root == str(tmp_path / "a")
    assert InputFiles("memory://a").full_root == "memory://a"
    assert (InputFiles("a").waits_for_network, InputFiles("memory://a").waits_for_network) == (
        False,
        True,
    )


DIGEST = hashlib.sha256(b"data").hexdigest()


def write_old(path, data=b"data", mtime_ns=5):
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def test_what_was_read_is_noted(tmp_path, memory_files):
    write_old(tmp_path / "old")
    (tmp_path / "new").write_bytes(b"data")
    memory_files["memory://b/far"] = b"data"
    log = InputLog()
    files = InputFiles(str(tmp_path), allow_outside=True, log=log)
    for written in ("old", "new", "memory://b/far", "none"):
        try:
            files.read(written)
        except Reject:
            assert written == "none"
    assert log.take() == {
        "old": InputState(4, 5, "", DIGEST),
        "new": InputState(4, 0, "", DIGEST),  # so fresh that it may change unseen
        "memory://b/far": InputState(4, 0, "etag-4", DIGEST),
        "none": InputState(fault="file_not_found"),
    }


def test_array_files_and_listings_are_noted(tmp_path, monkeypatch):
    log = InputLog()
    files = InputFiles(str(tmp_path), log=log)
    write_old(tmp_path / "new", mtime_ns=time.time_ns())
    monkeypatch.chdir(tmp_path)
    mtime_ns = (tmp_path / "new").stat().st_mtime_ns
    files.note("new")
    files.note_listing("frames", ["b", "a\udce9"])
    digest = hashlib.sha256("b\0a\udce9".encode("utf-8", "surrogatepass")).hexdigest()
    assert log.take() == {
        str(tmp_path / "new"): InputState(4, mtime_ns, "", DIGEST, array=True),
        "frames": InputState(2, sha256=digest, listing=True),
    }
    unlogged = InputFiles(str(tmp_path))
    unlogged.note("new")
    unlogged.note_listing("frames", [])


def test_array_files_are_hashed_once_and_not_where_they_are_large(tmp_path, monkeypatch):
    hashed = []
    digest_file = inputs.digest_file
    monkeypatch.setattr(
        inputs, "digest_file", lambda path: hashed.append(path) or digest_file(path)
    )
    write_old(tmp_path / "a")
    (tmp_path / "large").write_bytes(b"large")
    monkeypatch.setattr(inputs, "MAX_FILE_BYTES", 4)
    for _ in range(2):
        log = InputLog()
        for name in ("a", "large", "none"):
            InputFiles(str(tmp_path), log=log).note(str(tmp_path / name))
        noted = [(state.sha256, state.in_parts, state.fault) for state in log.take().values()]
        assert noted == [(DIGEST, False, ""), ("", True, ""), ("", False, "file_not_found")]
    assert hashed == [str(tmp_path / "a")]


def test_an_array_file_that_changes_while_it_is_hashed_has_no_hash(tmp_path, monkeypatch):
    def change(path):
        os.utime(path, ns=(9, 9))
        return DIGEST

    monkeypatch.setattr(inputs, "digest_file", change)
    write_old(tmp_path / "a")
    log = InputLog()
    InputFiles(str(tmp_path), log=log).note(str(tmp_path / "a"))
    assert list(log.take().values()) == [InputState(4, 5, array=True)]


def test_a_look_at_a_local_file(tmp_path):
    write_old(tmp_path / "old")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    os.utime(tmp_path / "huge", ns=(5, 5))
    files = InputFiles(str(tmp_path))
    assert files.look("old") == InputState(4, 5)
    assert files.look("old", read=True) == InputState(4, 5, "", DIGEST)
    assert files.look("huge") == InputState(fault="file_too_large")
    assert files.look("huge", in_parts=True) == InputState(MAX_FILE_BYTES + 1, 5)
    assert files.look("old", read=True, in_parts=True) == InputState(4, 5, "", DIGEST)
    assert files.look("none") == InputState(fault="file_not_found")
    assert files.look("folder") == InputState(fault="not_a_file")
    assert files.look("../x") == InputState(fault="outside_root")


def test_a_file_is_settled_when_it_is_older_than_two_seconds(tmp_path, monkeypatch):
    write_old(tmp_path / "a", mtime_ns=7)
    files = InputFiles(str(tmp_path))
    for now, mtime_ns in ((7, 0), (2_000_000_007, 0), (2_000_000_008, 7)):
        monkeypatch.setattr(inputs.time, "time_ns", lambda now=now: now)
        assert files.look("a") == InputState(4, mtime_ns)
        assert files.look("a", in_parts=True) == InputState(4, 7)


def test_a_look_at_a_remote_file(memory_files, flaky):
    memory_files["memory://b/a"] = b"data"
    files = InputFiles("memory://b")
    assert files.look("a") == InputState(tag="etag-4")
    assert files.look("a", read=True) == InputState(4, 0, "etag-4", DIGEST)
    assert files.look("none") == InputState(fault="file_not_found")
    assert files.look("none", read=True) == InputState(fault="file_not_found")
    files = InputFiles("flaky://b")
    assert files.look("a") == InputState()  # neither etag nor time
    assert files.look("none") == InputState(fault="file_not_found")
    assert files.look("forbidden", read=True) == InputState(fault="unreadable")
