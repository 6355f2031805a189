from pathlib import Path

import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.manifests.formats import recognize_format
from pixelbeam.transforms.manifests.formats.annotations import voc
from pixelbeam.transforms.manifests.formats.annotations.voc import (
    Voc,
    VocFolder,
    VocList,
    is_annotation_name,
)
from pixelbeam.transforms.manifests.formats.path_list import PathList
from pixelbeam.transforms.manifests.open_manifest import ManifestFile, open_manifest

COLUMNS = ("image_id", "file_name", "category", "bbox")


def annotation(name: str, *objects: str) -> str:
    box = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
    listed = "".join(f"<object><name>{each}</name>{box}</object>" for each in objects)
    return f"<annotation><filename>{name}</filename>{listed}</annotation>"


def make(root: Path, folder: str = "Annotations") -> Path:
    """A development kit."""
    (root / folder).mkdir(parents=True)
    for name, objects in (("b", ["cat", "dog"]), ("a", []), ("c", ["cat"])):
        (root / folder / f"{name}.xml").write_text(annotation(f"{name}.jpg", *objects))
    (root / folder / "broken.xml").write_text("<annotation>")
    (root / folder / ".hidden.xml").write_text("")
    (root / "JPEGImages").mkdir()
    return root / folder


def boxes(count: int) -> dict:
    found = [[10, 20, 30, 40]] * count
    return {"boxes": found, "format": "xyxy", "normalized": False, "size": None}


ROWS = {
    "a": ("a", "a.jpg", [], boxes(0)),
    "b": ("b", "b.jpg", ["cat", "dog"], boxes(2)),
    "broken": (
        "malformed_row",
        "broken.xml: not readable as XML: no element found: line 1, column 12",
    ),
    "c": ("c", "c.jpg", ["cat"], boxes(1)),
}
NUMBERED = list(enumerate(ROWS.values(), 1))


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_a_folder(rows, tmp_path, outcomes, monkeypatch):
    monkeypatch.setattr(voc, "_PART_ROWS", rows)
    folder = make(tmp_path / "VOC2012")
    manifest = open_manifest(f"{folder}/")
    assert manifest.format == VocFolder()
    assert manifest.root == str(tmp_path / "VOC2012" / "JPEGImages")
    assert manifest.files == (ManifestFile(str(folder), "Annotations", 0),)
    assert outcomes(folder, columns=COLUMNS) == NUMBERED


def test_other_files_are_counted_and_images_make_a_folder_of_images(tmp_path):
    folder = make(tmp_path, "labels")
    (folder / "notes.txt").write_text("")
    manifest = open_manifest(str(folder))
    assert (manifest.left_out, manifest.left_out_example) == (1, "notes.txt")
    (folder / "a.jpg").write_text("")
    assert open_manifest(str(folder)).columns == ("path",)


def test_images_beside_the_annotations(tmp_path):
    folder = make(tmp_path)
    (tmp_path / "JPEGImages").rmdir()
    assert open_manifest(str(folder)).root == str(folder)
    assert open_manifest(str(folder / "*.xml")).root == str(folder)


def test_a_glob_and_a_file(tmp_path, outcomes):
    folder = make(tmp_path)
    manifest = open_manifest(str(folder / "*.xml"))
    assert [file.name for file in manifest.files] == ["a.xml", "b.xml", "broken.xml", "c.xml"]
    assert manifest.root == str(tmp_path / "JPEGImages")
    assert outcomes(folder / "*.xml", columns=COLUMNS) == [(1, row) for row in ROWS.values()]
    assert outcomes(folder / "b.xml", columns=COLUMNS) == [(1, ROWS["b"])]


def test_a_list_of_the_kit(tmp_path, outcomes):
    make(tmp_path)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("c\n\nnone \nb\r\n")
    manifest = open_manifest(str(lists / "train.txt"))
    assert manifest.format == VocList()
    assert manifest.root == str(tmp_path / "JPEGImages")
    missing = ("no_annotation", "none.xml: no such file, expected the image's annotation")
    found = outcomes(lists / "train.txt", columns=COLUMNS)
    assert found == [(1, ROWS["c"]), (3, missing), (4, ROWS["b"])]
    (lists / "cat_train.txt").write_text("a -1\nb  1\n")
    with pytest.raises(ManifestError) as caught:
        VocList().identity(str(lists / "cat_train.txt"))
    assert str(caught.value) == (
        f"{lists}/cat_train.txt line 1: got 'a -1', expected an image's id alone, as in train.txt and val.txt; "
        "lists of a class have its presence behind it"
    )


def test_other_lists_stay_lists_of_paths(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("a.jpg 1\n")
    assert recognize_format(str(path)) == PathList()


def test_far_away(memory_files, outcomes):
    for name in ("a", "b"):
        memory_files[f"memory://b/voc/Annotations/{name}.xml"] = annotation(f"{name}.jpg").encode()
    memory_files["memory://b/voc/ImageSets/Main/val.txt"] = b"b\n"
    for spec, names in (
        ("memory://b/voc/Annotations", ["a.jpg", "b.jpg"]),
        ("memory://b/voc/Annotations/*.xml", ["a.jpg", "b.jpg"]),
        ("memory://b/voc/ImageSets/Main/val.txt", ["b.jpg"]),
    ):
        assert open_manifest(spec).root == "memory://b/voc/JPEGImages"
        found = outcomes(spec, columns=("file_name",))
        assert [values for _, values in found] == [(name,) for name in names]


@pytest.mark.parametrize("kind", [VocFolder(), VocList()])
def test_the_identity_is_all_that_rows_follow_from(kind, tmp_path):
    seen = []
    for name in ("first", "second"):
        folder = make(tmp_path / name)
        lists = tmp_path / name / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("a\nb\n")
        path = str(folder if kind == VocFolder() else lists / "train.txt")
        seen.append(kind.identity(path))
    assert seen[0] == seen[1]
    assert seen[0]["files"] == (4 if kind == VocFolder() else 2)
    (folder / "a.xml").write_text(annotation("a.jpg", "cow"))
    assert kind.identity(path) != seen[0]
    (folder / "a.xml").unlink()
    assert kind.identity(path) not in seen


def test_a_single_file_is_known_by_its_content(tmp_path):
    path = make(tmp_path) / "a.xml"
    before = Voc().identity(str(path))
    path.write_text(annotation("a.jpg", "cow"))
    assert Voc().identity(str(path)) != before


def test_names_of_annotations():
    names = ["a.xml", "A.XML", ".a.xml", "a.xml.gz", "xml"]
    assert list(filter(is_annotation_name, names)) == ["a.xml", "A.XML"]


def test_an_empty_folder_stays_what_it_was(tmp_path):
    (tmp_path / "a.md").write_text("")
    with pytest.raises(ManifestError, match="a directory without images"):
        open_manifest(str(tmp_path))
