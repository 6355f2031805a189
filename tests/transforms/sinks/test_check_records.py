"""What is wrong with records that were read back."""

import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.features.base import Steps, ValueSpec
from pixelbeam.transforms.sinks import check_records
from pixelbeam.transforms.sinks.check_records import check_record

SCHEMA = Schema.from_dict(
    {"features": {"boxes": {"type": "float32", "source": "b", "shape": [None, 2, 2]}}}
)


def test_lists_of_items_are_whole_items():
    assert list(check_record(SCHEMA, {"boxes": np.zeros(8, np.float32)})) == []
    assert list(check_record(SCHEMA, {"boxes": np.zeros(0, np.float32)})) == []
    assert list(check_record(SCHEMA, {"boxes": np.zeros(6, np.float32)})) == [
        "'boxes': got 6 values, expected a multiple of 4"
    ]


OBJECTS = Schema.from_dict(
    {
        "features": {
            "image": {"type": "image", "source": "i", "height": 2, "width": 2},
            "o": {
                "type": "objects",
                "of": "image",
                "boxes": {"source": "b", "layout": "columns"},
                "label": {"type": "class_label", "source": "l", "num_classes": 3},
                "text": {"type": "string", "source": "t"},
            },
        }
    }
)


def test_lists_of_objects_are_of_one_length():
    columns = {
        f"o/bbox/{side}": np.ones(2, np.float32) for side in ("xmin", "ymin", "xmax", "ymax")
    }
    whole = {**columns, "o/label": np.arange(2), "o/text": [b"a", b"b"]}

    def faults(**changed):
        record = whole | {key.replace("_", "/"): value for key, value in changed.items()}
        return [fault for fault in check_record(OBJECTS, record) if "'image'" not in fault]

    assert faults() == []
    assert faults(o_text=[b"a"]) == ["'o/text': got 1 items, expected 2, as 'o/bbox/xmin' has"]
    assert faults(o_label=np.arange(3)) == [
        "'o/label': got 3 items, expected 2, as 'o/bbox/xmin' has"
    ]
    assert faults(o_bbox_ymax=np.ones(1, np.float32)) == [
        "'o/bbox/ymax': got 1 items, expected 2, as 'o/bbox/xmin' has"
    ]


ALL_KINDS = Schema.from_dict(
    {
        "record": "sequence_example",
        "context": {
            "pair": {"type": "int64", "source": "p", "shape": [2]},
            "text": {"type": "string", "source": "t"},
            "texts": {"type": "class_labels", "source": "t", "num_classes": 3},
        },
        "steps": {
            "speed": {"type": "float32", "source": "s"},
            "image": {"type": "image", "source": "i", "resize": "none", "encoding": "png"},
        },
    }
)
WHOLE = {
    "pair": np.arange(2),
    "text": [b"a"],
    "texts": np.arange(3),
    "speed": Steps((np.ones(1, np.float32), np.ones(1, np.float32))),
    "image": Steps(()),
}


@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        ({}, []),
        ({"texts": np.zeros(0, np.int64)}, []),
        ({"pair": None, "text": None}, ["'pair': missing", "'text': missing"]),
        (
            {"z": [b"a"], "y": [b"a"]},
            [f"{key!r}: got a value that the schema does not declare" for key in "yz"],
        ),
        ({"pair": np.arange(3)}, ["'pair': got 3 values, expected 2"]),
        ({"pair": np.arange(2, dtype=np.float32)}, ["'pair': got float32, expected int64"]),
        ({"pair": [b"a", b"b"]}, ["'pair': got bytes, expected int64"]),
        ({"texts": [b"a"]}, ["'texts': got bytes, expected int64"]),
        ({"text": np.arange(1)}, ["'text': got int64, expected bytes"]),
        ({"text": [b"a", b"b"]}, ["'text': got 2 values, expected 1"]),
        ({"text": []}, ["'text': got 0 values, expected 1"]),
        (
            {"speed": Steps((np.ones(2, np.float32), np.ones(1), np.ones(1, np.float32)))},
            ["'speed': got 2 values, expected 1", "'speed': got float64, expected float32"],
        ),
        ({"image": Steps((np.ones(1),))}, ["'image': got float64, expected bytes"]),
    ],
)
def test_faults_of_a_record(changed, faults):
    values = {key: value for key, value in (WHOLE | changed).items() if value is not None}
    assert list(check_record(ALL_KINDS, values))[: len(faults) or None] == faults


def test_what_a_feature_finds_in_each_step_is_named_by_it():
    faults = list(check_record(ALL_KINDS, WHOLE | {"image": Steps(([b"no"], [b"nor this"]))}))
    assert [fault.partition(":")[0] for fault in faults] == ["'image'", "'image'"]


@pytest.mark.parametrize(
    ("spec", "value", "faults"),
    [
        (ValueSpec("uint8", (2, 3)), [b"123456"], []),
        (ValueSpec("uint8", (2, 3)), [b"12345"], ["got 5 values, expected 6"]),
        (ValueSpec("uint16", (2, 3)), [b"123456" * 2], []),
        (ValueSpec("uint16", (2, 3)), [b"123456"], ["got 3 values, expected 6"]),
        (ValueSpec("uint8", (2, 3), encoding="raw"), [b"12"], []),  # the feature's own check
        (ValueSpec("bytes", (None,)), [b"a", b"b", b"c"], []),
        (ValueSpec("float32", (None, 3)), np.zeros(7, np.float32), ["got 7 values, expected a multiple of 3"]),
        (ValueSpec("int64", (None, None)), np.zeros(7, np.int64), []),
        (ValueSpec("int64", (0,)), np.zeros(0, np.int64), []),
        (ValueSpec("int64", (0,)), np.zeros(1, np.int64), ["got 1 values, expected 0"]),
    ],
)  # fmt: skip
def test_values_are_as_they_are_declared(spec, value, faults):
    assert list(check_records._check_spec(spec, value)) == faults
