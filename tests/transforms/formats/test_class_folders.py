import os

import pytest
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.rows import ManifestRow, RejectedRow


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def test_rows_are_sorted_and_counted_in_each_class(tmp_path, read):
    names = ["b/2.PNG", "b/10.jpg", "b/sub/deep/x.tiff", "b/.DS_Store", "a c/é.mpo", "b/notes.txt"]
    for name in [*names, ".git/x.jpg", "b/.thumbs/x.jpg", "README.md"]:
        touch(tmp_path / name)
    assert read(tmp_path) == [
        ManifestRow("a c", 1, ("a c/é.mpo", "a c")),
        ManifestRow("b", 1, ("b/10.jpg", "b")),
        ManifestRow("b", 2, ("b/2.PNG", "b")),
        RejectedRow(
            file="b",
            row=3,
            key="b:3",
            stage="read",
            reason="not_an_image",
            message="got 'b/notes.txt', "
            "expected one of .jpg .jpeg .png .webp .gif .bmp .tif .tiff .mpo",
            path="b/notes.txt",
            values=(("path", "b/notes.txt"), ("label", "b")),
        ),
        ManifestRow("b", 4, ("b/sub/deep/x.tiff", "b")),
    ]


def test_an_empty_class(tmp_path, read):
    (tmp_path / "a").mkdir()
    touch(tmp_path / "b" / "x.jpg")
    assert read(tmp_path, columns=("label", "path")) == [ManifestRow("b", 1, ("b", "b/x.jpg"))]


def test_links_are_followed(tmp_path, read):
    touch(tmp_path / "elsewhere" / "in" / "x.jpg")
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    assert [row.values[0] for row in read(root)] == ["a/linked/in/x.jpg", "b/in/x.jpg"]


def test_links_in_a_circle_fail(tmp_path, read):
    touch(tmp_path / "a" / "x.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    with pytest.raises(BuildError, match="again: a link to a folder that it lies in"):
        read(tmp_path)


def test_names_that_are_no_utf8(tmp_path, read):
    touch(tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg"))
    (row,) = read(tmp_path)
    assert (row.reason, row.message) == (
        "not_utf8",
        "got the file name 'a/caf\\udce9.jpg', expected UTF-8 text",
    )
