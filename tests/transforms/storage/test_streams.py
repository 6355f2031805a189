import gzip
import hashlib
import io
import os
from pathlib import Path

import pytest
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.storage import streams
from pixelbeam.transforms.storage.streams import (
    CHUNK_BYTES,
    HEAD_BYTES,
    hash_file,
    is_gzipped,
    local_stamp,
    open_file,
    open_for_library,
    read_chunks,
    read_head,
    read_tail,
)


def test_the_head_of_a_file(tmp_path):
    assert HEAD_BYTES == 1048576
    path = tmp_path / "rows"
    for size, whole in ((5, True), (HEAD_BYTES, True), (HEAD_BYTES + 1, False)):
        path.write_bytes(b"x" * size)
        assert read_head(str(path)) == (b"x" * min(size, HEAD_BYTES), whole)


def test_a_gzip_bomb_is_unzipped_in_pieces(tmp_path):
    path = tmp_path / "rows.gz"
    path.write_bytes(gzip.compress(bytes(4 << 20), 9))
    assert path.stat().st_size < 10_000
    sizes = [len(chunk) for chunk in read_chunks(str(path))]
    assert (sum(sizes), max(sizes)) == (4 << 20, CHUNK_BYTES) == (4194304, 1048576)


FAULTS = {
    "no gzip": (b"path,label\n", "not a whole gzip file: Not a gzipped file (b'pa')"),
    "truncated": (
        gzip.compress(b"path,label\n")[:-9],
        "truncated: the gzip stream ends before its end mark",
    ),
    "damaged": (
        gzip.compress(b"path,label\n")[:-8] + bytes(8),
        "not a whole gzip file: CRC check failed 0x0 != 0x20169c44",
    ),
    "no deflate": (
        gzip.compress(b"path")[:10] + b"\xff" * 20,
        "not a whole gzip file: Error -3 while decompressing data: invalid block type",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faulty_gzip(case, tmp_path):
    content, message = FAULTS[case]
    path = tmp_path / "rows.gz"
    path.write_bytes(content)
    with pytest.raises(ManifestError) as error:
        read_head(str(path))
    assert str(error.value) == f"{path}: {message}"
    with pytest.raises(BuildError) as failed:
        list(read_chunks(str(path)))
    assert str(failed.value) == f"{path}: {message}"


def test_a_missing_file(tmp_path):
    path = tmp_path / "rows"
    with pytest.raises(BuildError) as error:
        list(read_chunks(str(path)))
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"
    with pytest.raises(ManifestError) as error:
        hash_file(str(path))
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"
    path.touch()
    with pytest.raises(ManifestError) as error:
        read_head(str(path))
    assert str(error.value) == f"{path}: an empty file, expected a manifest"


@pytest.fixture(params=["local", "gzipped", "remote"])
def letters(request, tmp_path, memory_files, monkeypatch):
    """A file of the bytes ``abcdefghij``, which is read three bytes at a time."""
    monkeypatch.setattr(streams, "CHUNK_BYTES", 3)
    if request.param == "remote":
        memory_files["memory://b/letters"] = b"abcdefghij"
        return "memory://b/letters"
    path = tmp_path / ("letters" if request.param == "local" else "letters.GZ")
    path.write_bytes(gzip.compress(b"abcdefghij") if is_gzipped(str(path)) else b"abcdefghij")
    return str(path)


def test_a_range_of_a_file(letters, monkeypatch):
    assert list(read_chunks(letters)) == [b"abc", b"def", b"ghi", b"j"]
    assert list(read_chunks(letters, 8)) == [b"ij"]
    assert list(read_chunks(letters, 1, 6)) == [b"bcd", b"ef"]
    assert list(read_chunks(letters, 0, 3)) == [b"abc"]
    assert list(read_chunks(letters, 4, 4)) == []
    assert list(read_chunks(letters, 0, 0)) == []
    assert list(read_chunks(letters, 9, 10)) == [b"j"]
    with pytest.raises(BuildError, match=r": 1 bytes shorter than it was"):
        list(read_chunks(letters, 8, 11))
    for size, whole in ((9, False), (10, True), (11, True)):
        monkeypatch.setattr(streams, "HEAD_BYTES", size)
        assert read_head(letters) == (b"abcdefghij"[:size], whole)


def test_the_tail_of_a_file(tmp_path, memory_files, monkeypatch):
    memory_files["memory://b/letters"] = b"abcdefghij"
    (tmp_path / "letters").write_bytes(b"abcdefghij")
    for path in ("memory://b/letters", str(tmp_path / "letters")):
        for size in (3, 10, 11):
            monkeypatch.setattr(streams, "HEAD_BYTES", size)
            assert read_tail(path) == b"abcdefghij"[-size:]
    with pytest.raises(ManifestError, match="none: cannot be read"):
        read_tail("none")


def test_the_hash_of_a_file_is_that_of_its_bytes_as_they_lie_there(letters):
    with open_file(letters) as file:
        data = file.read()
    digest = hashlib.sha256(data).hexdigest()
    assert hash_file(letters) == {"bytes": len(data), "sha256": digest}


def test_what_libraries_open(tmp_path, memory_files):
    memory_files["memory://b/a"] = b"far"
    (tmp_path / "a").write_bytes(b"near")
    os.mkfifo(tmp_path / "pipe")
    assert open_for_library(str(tmp_path / "a")) == str(tmp_path / "a")
    with open_for_library("memory://b/a") as file:
        assert file.read() == b"far"
    with pytest.raises(OSError, match="not a regular file"):
        open_for_library(str(tmp_path / "pipe"))
    with pytest.raises(FileNotFoundError):
        open_for_library(str(tmp_path / "none"))


def test_the_stamp_of_a_local_file(tmp_path):
    (tmp_path / "a").write_bytes(b"near")
    os.utime(tmp_path / "a", ns=(5, 7))
    assert local_stamp(str(tmp_path / "a")) == (4, 7)
    assert local_stamp(str(tmp_path)) is None
    assert local_stamp("memory://b/a") is None


def test_ranges_of_local_files_are_read_and_few_files_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_KEPT_OPEN", 2)
    names = [str(tmp_path / f"{n}") for n in range(4)]
    for number, name in enumerate(names):
        Path(name).write_bytes(b"%d23456789" % number)
    reader = streams.RangeReader()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        assert [reader.read(name, 0, 3) for name in names] == [b"023", b"123", b"223", b"323"]
    assert reader.read(names[3], 7, 100) == b"89"
    assert len(os.listdir("/proc/self/fd")) == before + 2
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert reader.read(names[0], 1, 2) == b"23"
    reader.close()
    with pytest.raises(FileNotFoundError):
        reader.read(str(tmp_path / "none"), 0, 1)


def test_ranges_elsewhere_are_read_past_the_buffer(monkeypatch):
    asked = []

    class Raw(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(min(size, 3))

    class Buffered(io.BytesIO):
        raw = Raw(b"0123456789")

    monkeypatch.setattr(streams, "open_file", lambda path: Buffered())
    assert streams.RangeReader().read("s3://b/x", 2, 5) == b"23456"
    assert asked == [5, 2]
    assert streams.RangeReader().read("s3://b/x", 8, 5) == b"89"
    monkeypatch.setattr(streams, "open_file", lambda path: io.BytesIO(b"0123456789"))
    assert streams.RangeReader().read("s3://b/x", 2, 5) == b"23456"
