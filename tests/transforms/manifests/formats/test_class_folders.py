import os

import pytest
from pixelbeam.schemas.errors import BuildError, ManifestError, Reject
from pixelbeam.transforms.manifests.formats import class_folders
from pixelbeam.transforms.manifests.formats.class_folders import (
    FolderLayout,
    find_layout,
    list_images,
)
from pixelbeam.transforms.rows import ManifestRow, RejectedRow


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def test_rows_are_sorted_and_counted_in_each_class(tmp_path, read):
    names = ["b/2.PNG", "b/10.jpg", "b/x.tiff", "b/.DS_Store", "a c/é.mpo", "b/photo.heic"]
    strays = ["b/Thumbs.db", ".git/x.jpg", "b/.thumbs/x.jpg", "README.md", "b/.x.jpg"]
    for name in [*names, *strays]:
        touch(tmp_path / name)
    assert read(tmp_path) == [
        ManifestRow("a c", 1, ("a c/é.mpo", "a c")),
        ManifestRow("b", 1, ("b/10.jpg", "b")),
        ManifestRow("b", 2, ("b/2.PNG", "b")),
        RejectedRow(
            "b",
            3,
            "b:3",
            Reject(
                "read",
                "not_an_image",
                "got 'b/photo.heic', "
                "expected one of .jpg .jpeg .png .webp .gif .bmp .tif .tiff .mpo",
                path="b/photo.heic",
            ),
            values=(("path", "b/photo.heic"), ("label", "b")),
        ),
        ManifestRow("b", 4, ("b/x.tiff", "b")),
    ]


def test_a_folder_per_split_and_class(tmp_path, read):
    for name in ("train/cat/2.jpg", "train/cat/1.jpg", "val/cat/3.jpg", "val/dog/4.jpg"):
        touch(tmp_path / name)
    assert read(tmp_path) == [
        ManifestRow("train/cat", 1, ("train/cat/1.jpg", "train", "cat")),
        ManifestRow("train/cat", 2, ("train/cat/2.jpg", "train", "cat")),
        ManifestRow("val/cat", 1, ("val/cat/3.jpg", "val", "cat")),
        ManifestRow("val/dog", 1, ("val/dog/4.jpg", "val", "dog")),
    ]
    assert read(tmp_path, columns=("label", "path"))[3].values == ("dog", "val/dog/4.jpg")


def test_a_folder_per_split(tmp_path, read):
    for name in ("train/1.jpg", "test/2.jpg"):
        touch(tmp_path / name)
    assert read(tmp_path) == [
        ManifestRow("test", 1, ("test/2.jpg", "test")),
        ManifestRow("train", 1, ("train/1.jpg", "train")),
    ]


def test_a_flat_folder(tmp_path, read):
    for name in ("2.jpg", "1.jpg", "Thumbs.db"):
        touch(tmp_path / name)
    assert read(tmp_path) == [ManifestRow(".", 1, ("1.jpg",)), ManifestRow(".", 2, ("2.jpg",))]


LAYOUTS = {
    "classes": (["b/1.jpg", "a/2.jpg"], ("label",), ("a", "b")),
    "splits and classes": (
        ["train/a/1.jpg", "Valid/a/1.jpg", "test/b/1.jpg"],
        ("split", "label"),
        ("Valid/a", "test/b", "train/a"),
    ),
    "splits": (["training/1.jpg", "validation/1.jpg"], ("split",), ("training", "validation")),
    "one flat folder": (["1.jpg"], (), (".",)),
    "a class that is called like a split": (
        ["train/1.jpg", "car/1.jpg"],
        ("label",),
        ("car", "train"),
    ),
    "no images": ([], (), ()),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts(case):
    names, levels, folders = LAYOUTS[case]
    strays = ["notes.txt", ".DS_Store", "train/a/deep/er/x.txt", "a.csv"]
    assert find_layout("data", [*names, *strays]) == FolderLayout(
        levels, folders, 4, ".DS_Store", ("a.csv", "notes.txt")
    )


DEEP = (
    "lies too deep, expected images in a folder per class (cat/1.jpg), or per split and class "
    "(train/cat/1.jpg); name the folder above the classes, or list the images in a manifest file"
)
REFUSED = {
    "deeper than classes": (["a/1.jpg", "a/x/2.jpg"], f"data: 'a/x/2.jpg' {DEEP}"),
    "folds": (["fold1/cat/1.jpg", "fold2/cat/1.jpg"], f"data: 'fold1/cat/1.jpg' {DEEP}"),
    "deeper than splits": (["val/a/b/1.jpg", "train/a/1.jpg"], f"data: 'val/a/b/1.jpg' {DEEP}"),
    "a folder above": (["data/train/a/1.jpg"], f"data: 'data/train/a/1.jpg' {DEEP}"),
    "a class beside splits": (
        ["train/a/1.jpg", "val/a/1.jpg", "dog/1.jpg"],
        "data: got the folder 'dog' beside 'train', a split's with classes in it "
        "('train/a/1.jpg'), expected folders of splits alone",
    ),
    "images beside classes": (
        ["a/1.jpg", "y.jpg", "x.PNG"],
        "data: 'x.PNG' lies beside the folders of 'a/1.jpg', expected every image at the same level",
    ),
    "images beside classes in a split": (
        ["train/a/1.jpg", "val/2.jpg"],
        "data: 'val/2.jpg' lies beside the folders of 'train/a/1.jpg', "
        "expected every image at the same level",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layouts_that_are_refused(case):
    names, message = REFUSED[case]
    for order in (names, names[::-1]):
        with pytest.raises(ManifestError) as error:
            find_layout("data", order)
        assert str(error.value) == message


def test_links_are_followed(tmp_path, read):
    touch(tmp_path / "elsewhere" / "x.jpg")
    root = tmp_path / "root"
    touch(root / "a" / "y.jpg")
    (root / "a" / "x.jpg").symlink_to(tmp_path / "elsewhere" / "x.jpg")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    assert [row.values[0] for row in read(root)] == ["a/x.jpg", "a/y.jpg", "b/x.jpg"]


def test_links_in_a_circle_are_no_rows_but_what_ends_like_an_image_is(tmp_path, read):
    touch(tmp_path / "a" / "x.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "self.jpg").symlink_to("self.jpg")  # a row: whoever reads it says what it is
    assert [row.values[0] for row in read(tmp_path)] == ["a/self.jpg", "a/x.jpg"]


def test_names_that_are_no_utf8(tmp_path, read):
    touch(tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg"))
    (row,) = read(tmp_path)
    assert (row.reject.reason, row.reject.message) == (
        "not_utf8",
        "got the file name 'a/caf\\udce9.jpg', expected UTF-8 text",
    )


def test_a_folder_that_cannot_be_read(monkeypatch):
    monkeypatch.setattr(class_folders, "list_folder", lambda folder: refuse())
    for error, said in ((PermissionError(13, "no access"), "no access"), (OSError("lost"), "lost")):

        def refuse(error=error):
            raise error

        with pytest.raises(BuildError) as caught:
            list_images("data")
        assert str(caught.value) == f"data: cannot be read: {said}"
