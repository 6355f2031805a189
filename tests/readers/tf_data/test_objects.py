from __future__ import annotations

import pytest
import tensorflow as tf
from pixelbeam.readers.options import ReadOptions
from pixelbeam.readers.tf_data.objects import ObjectLists
from pixelbeam.schemas import Schema

BOXES = {"type": "boxes", "source": "bbox", "of": "image"}
LABEL = {"type": "class_label", "source": "c", "vocabulary": ["a", "b"], "of": "bbox"}
NAME = {"type": "string", "source": "n", "of": "bbox"}
IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
SCHEMA = Schema.from_dict(
    {"features": {"image": IMAGE, "bbox": BOXES, "label": LABEL, "name": NAME}}
)
TARGETS = ["bbox", "label", "name"]


def batch():
    boxes = tf.RaggedTensor.from_row_lengths(tf.reshape(tf.range(12.0), [3, 4]), [2, 0, 1])
    return {
        "image": tf.zeros([3, 8, 8, 3], tf.uint8),
        "bbox": boxes,
        "label": tf.ragged.constant([[1, 0], [], [1]], tf.int64),
        "name": tf.ragged.constant([["x", "y"], [], ["z"]], tf.string),
    }


def lists(**options):
    return ObjectLists(SCHEMA, TARGETS, ReadOptions(batch_size=3, **options))


def test_nothing_is_done_unless_asked_for():
    given = batch()
    assert lists().arrange(given) == given
    assert lists().targets == TARGETS


@pytest.mark.parametrize("count", [1, 2, 5])
def test_lists_have_one_length_and_a_mask(count):
    padded = lists(max_boxes=count, mask=True)
    assert padded.targets == ["bbox", "bbox/mask", "label", "name"]
    found = padded.arrange(batch())
    assert found["bbox"].shape == [3, count, 4]
    assert found["bbox"][2, 0].numpy().tolist() == [8, 9, 10, 11]
    assert found["label"].numpy().tolist() == [
        [*row[:count], *[-1] * (count - len(row))] for row in ([1, 0], [], [1])
    ]
    assert found["name"].numpy().tolist()[1] == [b""] * count
    assert tf.reduce_sum(tf.cast(found["bbox/mask"], tf.int32), 1).numpy().tolist() == [
        min(2, count), 0, 1,
    ]  # fmt: skip
    assert not found["bbox"][1].numpy().any()


@pytest.mark.parametrize("count", [1, 4])
def test_single_records_too(count):
    single = {name: value[0] for name, value in batch().items()}
    found = lists(max_boxes=count, mask=True).arrange(single)
    assert found["bbox"].shape == [count, 4]
    assert found["label"].numpy().tolist() == ([1, 0, -1, -1] if count == 4 else [1])
    assert found["name"].numpy().tolist() == ([b"x", b"y", b"", b""] if count == 4 else [b"x"])
    assert found["bbox/mask"].numpy().tolist() == (
        [True, True, False, False] if count == 4 else [True]
    )


def test_a_length_is_known_while_a_graph_is_made():
    padded = lists(max_boxes=3, mask=True)
    dataset = tf.data.Dataset.from_tensors(batch()).map(padded.arrange)
    shapes = {name: spec.shape.as_list() for name, spec in dataset.element_spec.items()}
    assert shapes["bbox"] == [None, 3, 4] or shapes["bbox"] == [3, 3, 4]
    assert shapes["label"][1:] == shapes["bbox/mask"][1:] == [3]


def test_keras_has_dicts():
    dense = lists(max_boxes=2, mask=True, keras_boxes=True)
    found = dense.arrange(batch())
    assert dense.targets == ["bbox"]
    assert list(found) == ["image", "bbox"]
    assert list(found["bbox"]) == ["boxes", "labels", "name", "real"]
    assert found["bbox"]["labels"].numpy().tolist() == [[1, 0], [-1, -1], [1, -1]]
    ragged = lists(keras_boxes=True).arrange(batch())["bbox"]
    assert ragged["boxes"].row_lengths().numpy().tolist() == [2, 0, 1]


def test_objects_of_each_step_are_left_as_they_are():
    steps = {"image": IMAGE, "bbox": BOXES, "label": LABEL}
    clips = Schema.from_dict({"record": "sequence_example", "clips": {"key": "k"}, "steps": steps})
    assert ObjectLists(clips, ["bbox"], ReadOptions()).targets == ["bbox"]
    for option in ({"max_boxes": 3}, {"keras_boxes": True}):
        with pytest.raises(ValueError, match="'bbox', which has objects for each step of a clip"):
            ObjectLists(clips, ["bbox"], ReadOptions(**option))
