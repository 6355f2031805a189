"""What is wrong with records that were read back."""

import numpy as np
from pixelbeam.schemas import Schema
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
