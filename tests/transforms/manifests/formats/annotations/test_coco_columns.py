import pytest
from pixelbeam.transforms.manifests.formats.annotations.coco_columns import (
    CocoCells,
    CocoKeys,
    id_key,
    is_panoptic,
    keys_of_columns,
    objects_of,
)
from pixelbeam.transforms.manifests.formats.base import Malformed

IMAGE = {"id": 3, "file_name": "a.jpg", "width": 8, "height": 6, "score": 0.5}
ANNOTATION = {"id": 1, "image_id": 3, "category_id": 9, "bbox": [1, 2, 3, 4], "score": 0.25}


def keys(images, annotations):
    found = CocoKeys()
    for image in images:
        found.add_image(image)
    for annotation in annotations:
        found.add_annotation(annotation)
    return found


def test_columns_are_the_images_then_the_objects():
    assert keys([IMAGE], [ANNOTATION, {"caption": "x"}]).columns() == (
        "image_id", "file_name", "width", "height", "score",
        "id", "category", "category_id", "bbox", "annotation_score", "caption",
    )  # fmt: skip


def test_columns_of_panoptic_annotations_are_those_of_segments():
    segments = [{"id": 5, "category_id": 1, "area": 2, "bbox": [0, 0, 1, 2], "iscrowd": 0}]
    annotation = {"image_id": 3, "file_name": "a.png", "segments_info": segments}
    assert keys([{"id": 3, "file_name": "a.jpg"}], [annotation]).columns() == (
        "image_id", "file_name", "panoptic",
        "segment_id", "category", "category_id", "area", "bbox", "iscrowd",
    )  # fmt: skip


def test_an_empty_list_of_annotations_is_one_of_boxes_and_none_is_none():
    assert keys([{"id": 3}], [[]]).columns() == (
        *("image_id", "segmentation", "area", "iscrowd", "bbox", "category", "category_id", "id"),
    )
    assert keys([{"id": 3}], []).columns() == ("image_id",)


def test_lvis_names_files_by_their_address():
    image = {"id": 3, "coco_url": "http://images.cocodataset.org/val2017/000000000139.jpg"}
    assert keys([image], []).columns() == ("image_id", "coco_url", "file_name")
    cells = CocoCells(("file_name",), frozenset(image), {})
    assert cells.row(image, []) == ("val2017/000000000139.jpg",)


def test_a_key_that_both_have_is_the_images():
    columns = ("image_id", "id", "score", "annotation_score", "width", "category_id")
    cells = CocoCells(columns, frozenset(IMAGE), {})
    assert cells.row(IMAGE, [ANNOTATION]) == (3, [1], 0.5, [0.25], 8, [9])
    assert {"score", "width", "id", "category_id"} <= keys_of_columns(columns)


def test_the_size_is_what_the_image_says():
    cells = CocoCells(("bbox", "segmentation", "keypoints"), frozenset(IMAGE), {})
    for image, size in ((IMAGE, [8, 6]), ({"id": 3, "width": 8}, None)):
        assert cells.row(image, [ANNOTATION]) == (
            {"boxes": [[1, 2, 3, 4]], "format": "xywh", "normalized": False, "size": size},
            {"masks": [None], "normalized": False, "size": size},
            {"keypoints": [None], "normalized": False, "size": size},
        )


def test_a_category_that_is_not_there_is_malformed_where_names_are_wanted():
    cells = CocoCells(("file_name", "category"), frozenset(IMAGE), {"1": "cat"})
    message = (
        "annotation with id 1: got category_id 9, expected the id of one of the file's 1 categories"
    )
    assert cells.row(IMAGE, [ANNOTATION]) == Malformed(
        "unknown_category", message, values=(("file_name", "a.jpg"),)
    )
    assert cells.row(IMAGE, [{"category_id": 1.0}, {"bbox": []}]) == ("a.jpg", ["cat", None])


@pytest.mark.parametrize(
    ("value", "key"),
    [(7, "7"), (7.0, "7"), ("7", "'7'"), ("ä\t\n", "'\\xe4\\t\\n'"), (7.5, None), (None, None),
     (True, None), ([], None), (float("nan"), None), (float("inf"), None)],
)  # fmt: skip
def test_id_key(value, key):
    assert id_key(value) == key


def test_objects_of_an_annotation_are_itself_or_its_segments():
    assert objects_of(ANNOTATION) == [ANNOTATION]
    panoptic = {"segments_info": [{"id": 1}, "x", {"id": 2}]}
    assert objects_of(panoptic) == [{"id": 1}, {"id": 2}]
    assert is_panoptic(panoptic)
    assert not is_panoptic(ANNOTATION)
