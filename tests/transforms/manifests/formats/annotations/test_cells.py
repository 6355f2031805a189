from pixelbeam.transforms.manifests.formats.annotations.cells import (
    boxes_cell,
    keypoints_cell,
    mask_of,
    masks_cell,
)


def test_a_cell_says_how_it_is_written():
    assert boxes_cell([(1, 2, 3, 4)], "xyxy", [640, 480]) == {
        "boxes": [(1, 2, 3, 4)],
        "format": "xyxy",
        "normalized": False,
        "size": [640, 480],
    }
    assert masks_cell([None], normalized=True) == {
        "masks": [None],
        "normalized": True,
        "size": None,
    }
    assert keypoints_cell([[1, 2, 2], None]) == {
        "keypoints": [[1, 2, 2], None],
        "normalized": False,
        "size": None,
    }


def test_a_mask_is_polygons_or_a_run_length_encoding():
    assert mask_of([[1, 2, 3, 4, 5, 6]]) == {"polygons": [[1, 2, 3, 4, 5, 6]]}
    as_list, as_text = {"counts": [3, 4], "size": [7, 1]}, {"counts": "PPY", "size": [7, 1]}
    assert mask_of(as_list) is as_list
    assert mask_of(as_text) is as_text
    assert mask_of(None) is None
    assert mask_of([]) is None
