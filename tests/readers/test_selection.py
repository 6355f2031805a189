import re

import numpy as np
import pytest
from pixelbeam.readers.selection import check_features, choose_features, choose_rows, warn_of_text
from pixelbeam.schemas import Bytes, ClassLabel, Image, Int64, Schema, String

SCHEMA = Schema(
    features={
        "image": Image(source="path", height=4, width=6),
        "name": String(source="name"),
        "key": Bytes(source="key"),
        "n": Int64(source="n"),
        "label": ClassLabel(source="label", vocabulary=["a", "b"]),
    }
)
LEFT_OUT = (
    "left 'name', 'key' out, for a model takes no text and no facts of an image beside its inputs; "
    "features=[…] says which features to read, with these or without this warning"
)


def test_text_is_left_out_of_the_inputs_and_said():
    chosen = choose_features(SCHEMA, None, None)
    assert list(chosen.features) == ["image", "n", "label"]
    with pytest.warns(UserWarning, match="^" + re.escape(LEFT_OUT) + "$"):
        warn_of_text(SCHEMA, chosen, None)
    assert list(choose_features(SCHEMA, None, ["name"]).features) == ["image", "name", "n", "label"]


@pytest.mark.parametrize(
    ("features", "targets", "expected"),
    [
        (["label", "image"], None, ["image", "label"]),
        (["image", "name"], None, ["image", "name"]),
        (None, [], list(SCHEMA.features)),
        (None, ["image", "n", "label"], list(SCHEMA.features)),  # text is all that is left
    ],
)
def test_what_is_read_without_a_warning(features, targets, expected):
    chosen = choose_features(SCHEMA, features, targets)
    assert list(chosen.features) == expected
    warn_of_text(SCHEMA, chosen, features)


def test_text_of_objects_is_left_out_of_the_targets_unless_it_is_asked_for():
    features = {
        "image": {"type": "image", "source": "path", "height": 4, "width": 6},
        "height": {"type": "image_fact", "of": "image", "fact": "height"},
        "bbox": {"type": "boxes", "of": "image", "source": "bbox"},
        "text": {"type": "string", "of": "bbox", "source": "c"},
        "other": {"type": "string", "of": "bbox", "source": "c", "target": True},
    }
    schema = Schema.from_dict({"features": features})
    assert list(choose_features(schema, None, None).features) == ["image", "bbox", "other"]
    assert list(choose_features(schema, None, []).features) == list(features)
    assert list(choose_features(schema, None, ["bbox", "text"]).features) == [
        "image",
        "bbox",
        "text",
    ]


def test_features_that_cannot_be():
    message = "features: got 'x', expected some of image, name, key, n, label"
    with pytest.raises(ValueError, match=f"^{message}$"):
        choose_features(SCHEMA, ["x"], None)
    with pytest.raises(ValueError, match=re.escape("features: got 'n', expected a list: ['n']")):
        check_features("n")
    with pytest.raises(ValueError, match="features: got an empty list, expected at least one name"):
        check_features([])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (slice(1, None, 2), [1, 3]),
        (slice(None, None, -1), [4, 3, 2, 1, 0]),
        ([3, 0, 3, -1], [3, 0, 3, 4]),
        (np.array([1, 2], np.uint8), [1, 2]),
        ([True, False, False, True, False], [0, 3]),
    ],
)
def test_rows(rows, expected):
    chosen = choose_rows(rows, 5)
    assert (chosen.tolist(), chosen.dtype) == (expected, np.int64)
    assert choose_rows(None, 5) is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([5], "rows: got 5, expected numbers of 5 records"),
        ([0, -6], "rows: got -6, expected numbers of 5 records"),
        ([True], "rows: got 1 booleans, expected one for each of 5 records"),
        ([], "rows: got none of 5 records, expected at least one"),
        ([False] * 5, "rows: got none of 5 records, expected at least one"),
        (
            [0.5],
            "rows: got float64 (1,), expected a slice, a list of whole numbers, or a boolean for each record",
        ),
        (
            3,
            "rows: got int64 (), expected a slice, a list of whole numbers, or a boolean for each record",
        ),
    ],
)
def test_rows_that_cannot_be(rows, message):
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        choose_rows(rows, 5)
