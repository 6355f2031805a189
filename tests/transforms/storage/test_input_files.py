from __future__ import annotations

import io
import os

import pytest
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.localfilesystem import LocalFileSystem
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.storage import input_files as inputs
from pixelbeam.transforms.storage.input_files import InputFiles


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
        if "none" in path:
            raise OSError("404")
        if self.tries <= self.failures:
            raise OSError("connection reset by peer")
        return io.BytesIO(b"remote data")

    def exists(self, path):
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
        assert InputFiles(str(tmp_path)).read(written) == b"data"


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
        assert InputFiles(str(root), allow_outside=True).read(written) == b"secret"


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
    assert InputFiles(str(tmp_path)).read("link/a.jpg") == b"data"
    os.symlink(tmp_path, tmp_path.parent / f"{tmp_path.name}-link")
    assert InputFiles(f"{tmp_path}-link").read("link/a.jpg") == b"data"


@pytest.mark.parametrize(
    "written", ["../b.jpg", "flaky://other/b.jpg", "a/../../b.jpg", "/etc/passwd"]
)
def test_remote_paths_stay_inside_too(written, flaky):
    assert reject_of(InputFiles("flaky://bucket/images"), written)[1] == "outside_root"


def test_a_flaky_read_is_tried_again_with_growing_waits(flaky):
    waits = []
    flaky.failures = 3
    root = InputFiles("flaky://bucket", sleep=waits.append)
    assert root.read("a.jpg") == b"remote data"
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
