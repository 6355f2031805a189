import gzip
import itertools
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.manifests.formats import recognize_format
from pixelbeam.transforms.manifests.formats.annotations import coco, spilled_groups
from pixelbeam.transforms.manifests.formats.annotations.coco import Coco
from pixelbeam.transforms.manifests.formats.base import Part, Projection
from pixelbeam.transforms.manifests.formats.json_lines import JsonLines
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.rows import ManifestRow
from pycocotools import mask as masks
from pycocotools.coco import COCO

IMAGES = [
    {"id": 9, "file_name": "a.jpg", "width": 8, "height": 6},
    {"id": 4, "file_name": "b/c.jpg", "width": 10, "height": 5},
    {"id": 7, "file_name": "empty.jpg", "width": 3, "height": 3},
]
# A crowd as the specification has it, column by column: 6 high, 8 wide, the second column set.
CROWD = {"counts": [6, 6, 36], "size": [6, 8]}
TEXT = {
    "counts": masks.encode(np.eye(5, 10, dtype=np.uint8, order="F"))["counts"].decode(),
    "size": [5, 10],
}
ANNOTATIONS = [
    {"id": 11, "image_id": 4, "category_id": 90, "bbox": [1, 1, 4.5, 3], "area": 13.5, "iscrowd": 0,
     "segmentation": [[1, 1, 5.5, 1, 5.5, 4, 1, 4]]},
    {"id": 12, "image_id": 9, "category_id": 1, "bbox": [1, 0, 1, 6], "area": 6, "iscrowd": 1,
     "segmentation": CROWD},
    {"id": 5, "image_id": 4, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 5, "iscrowd": 1,
     "segmentation": TEXT},
]  # fmt: skip
CATEGORIES = [
    {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 3, "name": "car", "supercategory": "vehicle"},
]
DOCUMENT = {
    "info": {"year": 2017},
    "licenses": [{"id": 1, "name": "CC"}],
    "images": IMAGES,
    "annotations": ANNOTATIONS,
    "categories": CATEGORIES,
}
COLUMNS = ("image_id", "file_name", "bbox", "category", "category_id", "iscrowd", "area", "id")


def write(path: Path, **parts: object) -> Path:
    document = {key: value for key, value in (DOCUMENT | parts).items() if value is not None}
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def rows(outcomes):
    """What each row becomes, by number."""

    def _rows(path, columns=COLUMNS):
        found = outcomes(path, columns=columns)
        assert len(dict(found)) == len(found)
        return dict(sorted(found))

    return _rows


def boxes(*values, size):
    return {"boxes": list(values), "format": "xywh", "normalized": False, "size": size}


ROWS = {
    1: (9, "a.jpg", boxes([1, 0, 1, 6], size=[8, 6]), ["person"], [1], [1], [6], [12]),
    2: (4, "b/c.jpg", boxes([1, 1, 4.5, 3], [0, 0, 5, 5], size=[10, 5]),
        ["toothbrush", "person"], [90, 1], [0, 1], [13.5, 5], [11, 5]),
    3: (7, "empty.jpg", boxes(size=[3, 3]), [], [], [], [], []),
}  # fmt: skip


@pytest.mark.parametrize("order", list(itertools.permutations(DOCUMENT))[::7])
@pytest.mark.parametrize("indent", [None, 2])
def test_keys_come_in_any_order(order, indent, tmp_path, rows):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({key: DOCUMENT[key] for key in order}, indent=indent))
    assert recognize_format(str(path)) == Coco()
    manifest = open_manifest(str(path))
    assert set(manifest.columns) == {*COLUMNS, "width", "height", "segmentation"}
    assert rows(path) == ROWS
    assert manifest.format.classes(str(path), "category") == {1: "person", 3: "car", 90: "toothbrush"}  # fmt: skip


@pytest.mark.parametrize("buckets", [1, 2, 50])
def test_rows_do_not_depend_on_the_buckets(buckets, tmp_path, rows, monkeypatch):
    monkeypatch.setattr(coco, "count_buckets", lambda _: buckets)
    assert rows(write(tmp_path / "a.json")) == ROWS


def test_a_zipped_file(tmp_path, rows):
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(json.dumps(DOCUMENT).encode()))
    assert rows(path) == ROWS
    assert list(open_manifest(str(path)).format.classes(str(path), "category")) == [1, 3, 90]


def test_what_pycocotools_reads(tmp_path, rows):
    """The masks and boxes of both forms of run-length encoding, and of polygons."""
    path = write(tmp_path / "a.json")
    known = COCO(str(path))
    for image_id, bbox, segmentation in rows(path, ("image_id", "bbox", "segmentation")).values():
        found = known.loadAnns(known.getAnnIds(imgIds=[image_id]))
        by_box = {tuple(a["bbox"]): known.annToMask(a) for a in found}
        assert set(map(tuple, bbox["boxes"])) == by_box.keys()
        width, height = segmentation["size"]
        for box, mask in zip(bbox["boxes"], segmentation["masks"], strict=True):
            if "polygons" in mask:
                rle = masks.merge(masks.frPyObjects(mask["polygons"], height, width))
            elif isinstance(mask["counts"], list):
                rle = masks.frPyObjects(mask, height, width)
            else:
                rle = mask
            np.testing.assert_array_equal(masks.decode(rle), by_box[tuple(box)])


def test_person_keypoints(tmp_path, rows):
    points = [4, 3, 2, 5, 3, 1, 0, 0, 0]
    person = {"id": 1, "image_id": 9, "category_id": 1, "bbox": [1, 1, 5, 5], "num_keypoints": 2}
    path = write(
        tmp_path / "a.json",
        annotations=[person | {"keypoints": points}, person | {"id": 2, "image_id": 4}],
        categories=[
            {
                "id": 1,
                "name": "person",
                "keypoints": ["nose", "left", "right"],
                "skeleton": [[1, 2]],
            }
        ],
    )
    columns = ("file_name", "keypoints", "num_keypoints")
    cells = {"normalized": False}
    assert rows(path, columns) == {
        1: ("a.jpg", cells | {"keypoints": [points], "size": [8, 6]}, [2]),
        2: ("b/c.jpg", cells | {"keypoints": [None], "size": [10, 5]}, [2]),
        3: ("empty.jpg", cells | {"keypoints": [], "size": [3, 3]}, []),
    }


def test_panoptic(tmp_path, rows):
    segments = [
        {"id": 3226956, "category_id": 90, "area": 4, "bbox": [0, 0, 2, 2], "iscrowd": 0},
        {"id": 6979964, "category_id": 1, "area": 9, "bbox": [1, 1, 3, 3], "iscrowd": 1},
    ]
    path = write(
        tmp_path / "panoptic_val.json",
        annotations=[
            {"image_id": 9, "file_name": "a.png", "segments_info": segments},
            {"image_id": 4, "file_name": "b.png", "segments_info": []},
            {"image_id": 4, "file_name": "c.png", "segments_info": []},
        ],
    )
    columns = ("file_name", "panoptic", "segment_id", "category", "iscrowd", "area", "bbox")
    assert set(columns) < set(open_manifest(str(path)).columns)
    box = boxes([0, 0, 2, 2], [1, 1, 3, 3], size=[8, 6])
    said = "annotations 2 and 3 are both of this image, expected one with all segments"
    assert rows(path, columns) == {
        1: ("a.jpg", "a.png", [3226956, 6979964], ["toothbrush", "person"], [0, 1], [4, 9], box),
        2: ("duplicate_annotation_id", said),
        3: ("empty.jpg", None, [], [], [], [], boxes(size=[3, 3])),
    }


def test_an_annotation_of_no_image_is_a_row_that_is_told(tmp_path, read):
    path = write(
        tmp_path / "a.json",
        annotations=[*ANNOTATIONS, ANNOTATIONS[0] | {"id": 99, "image_id": 5}, {"id": 3}, "x"],
    )
    found = {row.row: row for row in read(path, ("file_name", "category_id"))}
    assert sorted(found) == [1, 2, 3, 7, 8, 9]  # three images, then the fourth annotation
    assert found[2].values == ("b/c.jpg", [90, 1])
    said = {n: (found[n].reject.reason, found[n].reject.message) for n in (7, 8, 9)}
    assert said == {
        7: ("unknown_image", "annotation 4: got image_id 5, expected the id of one of the file's images"),
        8: ("malformed_row", "annotation 5: got one without an id, expected an object with an image_id"),
        9: ("malformed_row", "annotation 6: got 'x', expected an object with an image_id"),
    }  # fmt: skip
    assert dict(found[7].values) == {"id": 99, "category_id": 90, "image_id": 5}


def test_images_that_share_an_id(tmp_path, rows):
    other = {"id": 4, "file_name": "other.jpg", "width": 10, "height": 5}
    path = write(tmp_path / "a.json", images=[*IMAGES, other, IMAGES[0]])
    found = rows(path)
    told = "; it is not known which one the annotations are of"
    assert found == {
        1: ROWS[1],
        2: ("duplicate_image_id", f"got the id 4 of image 4 again, expected each once{told}"),
        3: ROWS[3],
        4: ("duplicate_image_id", f"got the id 4 of image 2 again, expected each once{told}"),
        5: ("duplicate_image_id", "got the id 9 of image 1 again, expected each once"),
    }


def test_an_annotation_with_the_id_of_an_earlier_one(tmp_path, rows):
    path = write(tmp_path / "a.json", annotations=[*ANNOTATIONS, ANNOTATIONS[0] | {"image_id": 7}])
    message = "annotation 4 has the id 11 of annotation 1, expected each once"
    assert rows(path) == ROWS | {3: ("duplicate_annotation_id", message)}


def test_annotations_need_no_ids(tmp_path, rows):
    bare = [{k: v for k, v in a.items() if k != "id"} for a in ANNOTATIONS]
    path = write(tmp_path / "a.json", annotations=bare)
    assert rows(path, COLUMNS[:-1]) == {n: row[:-1] for n, row in ROWS.items()}


def test_faults_of_images_cost_themselves(tmp_path, rows):
    path = write(tmp_path / "a.json", images=[*IMAGES, {"file_name": "d.jpg"}, 5])
    assert rows(path) == ROWS | {
        4: ("malformed_row", "got one without an id, expected an object with an id"),
        5: ("malformed_row", "got 5, expected an object with an id"),
    }


def test_half_of_a_surrogate_pair(tmp_path, rows):
    path = write(tmp_path / "a.json", images=[*IMAGES, {"id": 1, "file_name": "\ud800"}])
    said = "got half of a surrogate pair ('\\ud800'), expected an object with an id"
    assert rows(path) == ROWS | {4: ("malformed_row", said)}


def test_a_category_that_is_not_there(tmp_path, rows):
    path = write(tmp_path / "a.json", annotations=[ANNOTATIONS[0] | {"category_id": 2}])
    said = "annotation with id 11: got category_id 2, expected the id of one of the file's 3 categories"
    assert rows(path)[2] == ("unknown_category", said)
    assert rows(path, ("category_id",))[2] == ([2],)


def test_a_category_of_two_names_is_refused(tmp_path):
    categories = [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}, {"id": 3, "name": "lorry"}]
    path = write(tmp_path / "a.json", categories=categories)
    with pytest.raises(ManifestError, match=r"category 3 is 'car' and 'lorry', expected one name"):
        Coco().classes(str(path), "category")
    write(path, categories=[*categories[:2], categories[0]])
    assert Coco().classes(str(path), "category") == {1: "person", 3: "car"}


def test_ids_may_be_text(tmp_path, rows):
    path = write(
        tmp_path / "a.json",
        images=[IMAGES[0] | {"id": "9"}, IMAGES[1] | {"id": 9}],
        annotations=[{"image_id": "9", "category_id": 1}, {"image_id": 9.0, "category_id": 3}],
    )
    found = rows(path, ("file_name", "category"))
    assert found == {1: ("a.jpg", ["person"]), 2: ("b/c.jpg", ["car"])}


def test_columns_come_from_the_first_thousand(tmp_path):
    many = [{"id": n, "image_id": 9, "bbox": [0, 0, 1, 1]} for n in range(1000)]
    path = write(tmp_path / "a.json", annotations=[*many, {"id": 1000, "image_id": 9, "late": 1}])
    assert "late" not in open_manifest(str(path)).columns
    path = write(tmp_path / "a.json", annotations=[*many[1:], {"id": 1000, "image_id": 9, "late": 1}])  # fmt: skip
    assert "late" in open_manifest(str(path)).columns


def test_the_categories_are_found_wherever_they_stand(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    wanted = {1: "person", 3: "car", 90: "toothbrush"}
    write(path, trap='x "categories": []}')
    assert Coco().classes(str(path), "category") == wanted
    write(path, nested={"categories": [{"id": 1, "name": "no"}]})
    assert Coco().classes(str(path), "category") == wanted
    assert Coco().classes(str(path), "category_id") == {1: "1", 3: "3", 90: "90"}
    assert Coco().classes(str(path), "file_name") is None
    monkeypatch.setattr(coco, "_categories_at_the_end", lambda _: None)
    assert Coco().classes(str(path), "category") == wanted
    assert Coco().classes(str(write(path, categories=None)), "category") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"image": "a.jpg", "annotations": [{"bbox": [1]}]}\n{"image": "b.jpg"}\n',
        '{"images": [{"id": 1}], "annotations": []}\n{"images": []}\n',
        '{"images": ["a.jpg"], "label": 1}',
        '{"info": 1, "label": 2}',
        '[{"id": 1, "image_id": 2}]',
    ],
)
def test_json_lines_stay_json_lines(text, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert recognize_format(str(path)) == JsonLines()


@pytest.mark.parametrize(
    "head",
    [
        b'{"info": {"a": 1}, "licenses": [{"id": 1}], "ima',
        b'{"annotations": [{"image_id": 1}, {"im',
        b'\xef\xbb\xbf {"images": [{"id": 1',
        b'{"categories": [{"id": 1}, {"id"',
        b'{"images": [{"id": 1}], "annotations": []}',
    ],
)
def test_the_start_of_a_coco_file(head):
    assert Coco().recognizes(head) == (head[-4:] != b'": 1')


def test_a_file_without_images(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"annotations": [{"image_id": 1}], "images": []}')
    with pytest.raises(ManifestError) as caught:
        open_manifest(str(path))
    assert str(caught.value) == f"{path}: its list of images is empty, expected at least one"


def test_a_truncated_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENT)[:-200])
    with pytest.raises(ManifestError, match="not JSON, or the file is truncated"):
        open_manifest(str(path))
    with pytest.raises(BuildError, match="not JSON, or the file is truncated"):
        list(Coco().records(Part("a.json", str(path), stop=1), Projection(("file_name",))))


def test_the_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(coco, "count_buckets", lambda size: size // (1 << 16) + 1)
    monkeypatch.setattr("pixelbeam.transforms.storage.streams.CHUNK_BYTES", 1 << 16)
    monkeypatch.setattr(spilled_groups, "_BUFFER_BYTES", 512)
    peaks = []
    for count in (1_000, 8_000):
        images = [{"id": n, "file_name": f"{n:012}.jpg"} for n in range(count)]
        found = [{"image_id": (n * 7919) % count, "bbox": [1, 2, 3, n]} for n in range(4 * count)]
        path = write(tmp_path / "a.json", images=images, annotations=found)
        tracemalloc.start()
        read = Coco().parts(Part("a.json", str(path)), path.stat().st_size, 1)
        rows = sum(1 for _ in Coco().records(read[0], Projection(("file_name", "bbox"))))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == count
    assert peaks[1] < 2 * peaks[0]


def test_a_row_has_where_it_stands(tmp_path, read):
    path = write(tmp_path / "a.json")
    assert ManifestRow("a.json", 3, ("empty.jpg",)) in read(path, ("file_name",))
