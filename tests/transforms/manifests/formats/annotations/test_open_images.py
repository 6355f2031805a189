import gzip
from pathlib import Path

import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.manifests.formats import recognize_format
from pixelbeam.transforms.manifests.formats.annotations import open_images
from pixelbeam.transforms.manifests.formats.annotations.open_images import (
    OpenImages,
    find_descriptions,
    read_descriptions,
)
from pixelbeam.transforms.manifests.formats.delimited import Delimited
from pixelbeam.transforms.manifests.open_manifest import open_manifest

# As validation-annotations-bbox.csv, with the lines of an image apart.
TABLE = """\
ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside
0001eeaf4aed83f9,xclick,/m/0cmf2,1,0.022673031,0.9642005,0.07103825,0.80054647,0,0,0,0,0
000595fe6fee6369,xclick,/m/02wbm,1,0.0,1.0,0.0,1.0,0,0,1,0,0
0001eeaf4aed83f9,activemil,/m/01226z,0.5,0.25,0.5,0.125,1,-1,-1,-1,-1,-1
"""
CLASSES = "/m/011k07,Tortoise\n/m/0cmf2,Airplane\n/m/01226z,Football\n/m/02wbm,Food\n"
COLUMNS = (
    "image_id",
    "file_name",
    "bbox",
    "category",
    "category_id",
    "score",
    "occluded",
    "Source",
)


def make(folder: Path, table: str = TABLE, classes: str | None = CLASSES) -> Path:
    folder.mkdir(exist_ok=True)
    if classes is not None:
        (folder / "class-descriptions-boxable.csv").write_text(classes)
    path = folder / "validation-annotations-bbox.csv"
    path.write_text(table)
    return path


def boxes(*values):
    return {"boxes": list(values), "format": "xyxy", "normalized": True, "size": None}


ROWS = {
    2: ("0001eeaf4aed83f9", "0001eeaf4aed83f9.jpg",
        boxes([0.022673031, 0.07103825, 0.9642005, 0.80054647], [0.25, 0.125, 0.5, 1]),
        ["Airplane", "Football"], ["/m/0cmf2", "/m/01226z"], [1, 0.5], [0, -1], ["xclick", "activemil"]),
    3: ("000595fe6fee6369", "000595fe6fee6369.jpg", boxes([0.0, 0.0, 1.0, 1.0]),
        ["Food"], ["/m/02wbm"], [1], [0], ["xclick"]),
}  # fmt: skip


@pytest.mark.parametrize("buckets", [1, 7])
def test_boxes_are_grouped_by_their_images(buckets, tmp_path, outcomes, monkeypatch):
    monkeypatch.setattr(open_images, "count_buckets", lambda _: buckets)
    path = make(tmp_path / "a")
    manifest = open_manifest(str(path))
    assert manifest.format == OpenImages()
    assert manifest.columns == (
        *("image_id", "file_name", "bbox", "category", "category_id", "Source", "score"),
        *("occluded", "truncated", "group_of", "depiction", "inside"),
    )
    assert dict(outcomes(path, columns=COLUMNS)) == ROWS
    whole = ["Tortoise", "Airplane", "Football", "Food"]
    assert list(manifest.format.classes(str(path), "category").values()) == whole
    assert manifest.format.classes(str(path), "category_id")["/m/02wbm"] == "/m/02wbm"
    assert manifest.format.classes(str(path), "Source") is None


def test_other_ways_to_write_it(tmp_path, outcomes):
    path = make(tmp_path)
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode()))
    assert dict(outcomes(packed, columns=COLUMNS)) == ROWS


def test_a_table_with_what_is_needed_alone(tmp_path, outcomes):
    table = "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/0cmf2,0,1,0,1\n"
    path = make(tmp_path, table, classes=None)
    assert open_manifest(str(path)).columns == COLUMNS[:5]
    assert outcomes(path) == [(2, ("a", "a.jpg", boxes([0, 0, 1, 1]), ["/m/0cmf2"], ["/m/0cmf2"]))]
    assert OpenImages().classes(str(path), "category") is None


def test_lines_that_cannot_be_read_are_told(tmp_path, outcomes):
    lines = [
        "b,xclick,/m/0cmf2,1,x,1,0,1,0,0,0,0,0",
        "c,xclick,/m/none,1,0,1,0,1,0,0,0,0,0",
        "",
        "d,xclick",
        ",xclick,/m/0cmf2,1,0,1,0,1,0,0,0,0,0",
        "e,xclick,/m/0cmf2,1,0,nan,0,1,0,0,0,0,0",
        '"000595fe6fee6369",xclick,/m/0cmf2,1,0,1,0,1,0,0,0,0,0',
    ]
    path = make(tmp_path, TABLE + "\n".join(lines))
    found = dict(outcomes(path, columns=COLUMNS[:5]))
    assert found[2] == ROWS[2][:5]
    assert found[3][3] == ["Food", "Airplane"]
    malformed, named = "malformed_row", "one of the 4 that the class descriptions have"
    assert {n: row for n, row in found.items() if n > 3} == {
        5: (malformed, "line 5: column 'XMin': got 'x', expected a number"),
        6: ("unknown_category", f"line 6: got the label '/m/none', expected {named}"),
        8: (malformed, "got 2 cells, expected 13 cells"),
        9: (malformed, "got no id in the first cell, expected 13 cells"),
        10: (malformed, "line 10: column 'XMax': got 'nan', expected a number"),
    }  # fmt: skip
    # What nobody asks for costs nothing.
    assert dict(outcomes(path, columns=("category_id",)))[6] == (["/m/none"],)


def test_a_line_that_is_no_text(tmp_path, outcomes):
    path = make(tmp_path)
    path.write_bytes(TABLE.encode() + b"\xff,\n")
    assert dict(outcomes(path, columns=("image_id",)))[5][0] == "not_utf8"


def test_the_identity_covers_the_descriptions(tmp_path):
    first, second = make(tmp_path / "a"), make(tmp_path / "b", classes=CLASSES.lower())
    bare = make(tmp_path / "c", classes=None)
    found = [OpenImages().identity(str(path)) for path in (first, second, bare)]
    assert found[0]["sha256"] == found[1]["sha256"] == found[2]["sha256"]
    assert found[0]["classes"] != found[1]["classes"]
    assert "classes" not in found[2]


def test_descriptions(tmp_path):
    assert find_descriptions(str(make(tmp_path, classes=None))) is None
    path = tmp_path / "oidv7-class-descriptions.csv"
    path.write_text('LabelName,DisplayName\n/m/1,"Cat, black"\n/m/0,Dog \n')
    assert find_descriptions(str(tmp_path / "x.csv")) == str(path)
    assert read_descriptions(str(path)) == {"/m/1": "Cat, black", "/m/0": "Dog"}
    path.write_text("/m/1,Cat\n/m/2\n")
    with pytest.raises(ManifestError) as caught:
        read_descriptions(str(path))
    message = "line 2: got 1 cells, expected 2 cells, expected a label and a name"
    assert str(caught.value) == f"{path} {message}"


@pytest.mark.parametrize("header", ["path,label", "ImageID,LabelName,Confidence", "a", ""])
def test_other_tables_stay_tables(header, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n1,2,3\n")
    assert recognize_format(str(path)) == Delimited(",")
