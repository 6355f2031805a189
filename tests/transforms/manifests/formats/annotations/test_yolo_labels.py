import pytest
from pixelbeam.transforms.manifests.formats.annotations import yolo_labels
from pixelbeam.transforms.manifests.formats.annotations.yolo_labels import (
    LabelError,
    YoloObjects,
    label_path,
    parse_labels,
)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("/d/images/train/a.jpg", "/d/labels/train/a.txt"),
        ("/images/images/a.b.jpg", "/images/labels/a.b.txt"),
        ("/d/images/x/images/a.jpg", "/d/images/x/labels/a.txt"),
        ("/d/my_images/a.jpg", "/d/my_images/a.txt"),
        ("/d.x/a", "/d.x/a.txt"),
        ("s3://b/images/a.jpeg", "s3://b/labels/a.txt"),
    ],
)
def test_the_last_images_is_swapped_for_labels(image, label):
    assert label_path(image) == label


@pytest.mark.parametrize("data", [None, b"", b" \n\n", b"\xef\xbb\xbf"])
def test_no_file_and_an_empty_one_are_background(data):
    assert parse_labels(data, {0}) == YoloObjects()


def test_boxes_scores_and_polygons():
    text = b"0 0.5 0.5 0.25 0.5\r\n\n2.0 0.1 0.2 0.3 0.4 0.9\n1 0.1 0.2 0.5 0.2 0.5 0.8\n"
    assert parse_labels(text, {0, 1, 2}) == YoloObjects(
        classes=[0, 2, 1],
        boxes=[[0.5, 0.5, 0.25, 0.5], [0.1, 0.2, 0.3, 0.4], pytest.approx([0.3, 0.5, 0.4, 0.6])],
        scores=[None, 0.9, None],
        masks=[None, None, {"polygons": [[0.1, 0.2, 0.5, 0.2, 0.5, 0.8]]}],
        keypoints=[None, None, None],
    )


def test_keypoints_have_cocos_visibility():
    box = "0 0.5 0.5 0.2 0.2"
    with_it = parse_labels(f"{box} 0.1 0.2 1 0 0 0".encode(), {0}, (2, 3))
    assert with_it.boxes == [[0.5, 0.5, 0.2, 0.2]]
    assert with_it.keypoints == [[0.1, 0.2, 1, 0, 0, 0]]
    without = parse_labels(f"{box} 0.1 0.2 -1 -1".encode(), {0}, (2, 2))
    assert without.keypoints == [[0.1, 0.2, 2, -1, -1, 0]]
    assert without.masks == [None]


EXPECTED = {
    "names": "one that the data set's names have",
    "counts": "5 (a box), 6 (with a score) or 7, 9, 11, … (a polygon)",
    "share": "a fraction of the image's width or height",
}


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        (b"0 1 1 1", "malformed_row", "line 1: got 4 numbers, expected {counts}"),
        (b"\n0 1 1 1 1 1 1 1", "malformed_row", "line 2: got 8 numbers, expected {counts}"),
        (b"0 x 1 1 1", "malformed_row", "line 1: got 'x', expected a number"),
        (b"0 nan 1 1 1", "malformed_row", "line 1: got 'nan', expected a number"),
        (b"9 .5 .5 .5 .5", "unknown_category", "line 1: got the class 9, expected {names}"),
        (b"-1 .5 .5 .5 .5", "unknown_category", "line 1: got the class -1, expected {names}"),
        (b"0.5 .5 .5 .5 .5", "unknown_category", "line 1: got the class 0.5, expected {names}"),
        (b"0 320 240 10 10", "not_normalized", "line 1: got 320, expected {share}"),
        (b"\xff", "not_utf8", "got byte 0xff, expected UTF-8 text"),
    ],
)  # fmt: skip
def test_lines_that_are_none(text, reason, message):
    with pytest.raises(LabelError) as caught:
        parse_labels(text, {0, 1})
    assert (caught.value.reason, str(caught.value)) == (reason, message.format_map(EXPECTED))


def test_lines_without_the_keypoints_that_are_declared():
    with pytest.raises(LabelError) as caught:
        parse_labels(b"0 .5 .5 .5 .5", {0}, (2, 3))
    assert str(caught.value) == "line 1: got 5 numbers, expected 11: a class, a box and 2 keypoints"
    with pytest.raises(LabelError, match="got 320, expected a fraction"):
        parse_labels(b"0 .5 .5 .5 .5 320 1 2", {0}, (1, 3))


def test_a_file_that_is_too_large(monkeypatch):
    monkeypatch.setattr(yolo_labels, "FILE_BYTES", 10)
    with pytest.raises(LabelError, match="got more than 10 bytes, expected fewer") as caught:
        parse_labels(bytes(11), {0})
    assert caught.value.reason == "cell_too_large"
