import os

import pytest
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.manifests.formats.annotations import small_files
from pixelbeam.transforms.manifests.formats.annotations.small_files import SmallFiles, split_path


def test_files_that_are_there_and_that_are_not(tmp_path, memory_files):
    (tmp_path / "a").mkdir()
    names = []
    for number in range(100):
        local, far = tmp_path / "a" / f"{number}.txt", f"memory://b/a/{number}.txt"
        names += [str(local), far]
        if number % 3:
            local.write_bytes(b"%d" % number)
            memory_files[far] = b"%d" % -number
    found = list(SmallFiles().read_all(names))
    expected = [[b"%d" % n, b"%d" % -n] if n % 3 else [None, None] for n in range(100)]
    assert found == [each for pair in expected for each in pair]


def test_a_folder_that_is_not_there_has_no_files(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in ("none", "file"):
        assert not SmallFiles().has(f"{tmp_path}/{folder}/a.txt")


def test_a_folder_is_listed_once(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    files = SmallFiles()
    assert files.has(f"{tmp_path}/a.txt")
    (tmp_path / "b.txt").write_text("b")
    assert files.read(f"{tmp_path}/b.txt") is None


def test_a_file_that_cannot_be_read_stops_the_build(tmp_path):
    os.symlink("gone", tmp_path / "a.txt")
    with pytest.raises(BuildError, match=r"a.txt: cannot be read: No such file"):
        SmallFiles().read(f"{tmp_path}/a.txt")


def test_of_a_large_file_the_start_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(small_files, "FILE_BYTES", 10)
    monkeypatch.setattr("pixelbeam.transforms.storage.streams.CHUNK_BYTES", 8)
    (tmp_path / "a.txt").write_bytes(bytes(100))
    assert SmallFiles().read(f"{tmp_path}/a.txt") == bytes(16)


def test_split_path():
    assert split_path("s3://b/a/x.txt") == ("s3://b/a", "x.txt")
