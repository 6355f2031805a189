from __future__ import annotations

import pytest
from pixelbeam.schemas import Schema
from pixelbeam.transforms.row_order import order_of, pack_row
from pixelbeam.transforms.rows import ManifestRow, RowFormat
from pixelbeam.transforms.shards.encode_rows import RowEncoder
from pixelbeam.transforms.shards.nameless_rows import explain_nameless
from pixelbeam.transforms.storage.input_files import InputFiles

FORMAT = RowFormat(("label",), None)
LABEL = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
SCHEMA = Schema.from_dict({"features": {"label": LABEL}})
DEFAULT = Schema.from_dict({"features": {"label": {**LABEL, "default": "none"}}})
STEPS = Schema.from_dict({"record": "sequence_example", "steps": {"label": LABEL}})
UNKNOWN = "have unknown_class, such as {}: got {}, expected a class name"
MISSING = "have missing_value, such as {}: got an empty cell, expected a class"


@pytest.mark.parametrize(
    ("schema", "cells", "said"),
    [
        (SCHEMA, [None, ["a"], ["b"]], f"2 of the 3 rows looked at {UNKNOWN}".format("b.csv:1", "['a']")),
        (SCHEMA, ["", " ", ["a"]], f"2 of the 3 rows looked at {MISSING}".format("b.csv:0")),
        (SCHEMA, [None], f"1 of the 1 rows looked at {MISSING}".format("b.csv:0")),
        (SCHEMA, ["a"], ""),
        (DEFAULT, ["", None], "all 2 rows looked at are empty, and a default alone is no vocabulary; name the "
         "classes with vocabulary: […]"),
        (DEFAULT, [], ""),
        (SCHEMA, [], ""),
        (STEPS, [["a"], [["x"]]], f"1 of the 2 rows looked at {UNKNOWN}".format("b.csv:1", "['x']")),
        (STEPS, [[], None], f"2 of the 2 rows looked at {MISSING}".format("b.csv:0")),
    ],
)  # fmt: skip
def test_the_most_frequent_reason_is_said_with_its_first_row(schema, cells, said):
    encoder = RowEncoder(schema, FORMAT, InputFiles(""))
    rows = [ManifestRow("b.csv", number, (cell,)) for number, cell in enumerate(cells)]
    packed = [pack_row(order_of(0, "", row), row) for row in rows]
    assert explain_nameless(encoder, "label", reversed(packed)) == said


def test_rows_are_looked_at_by_file_and_number():
    encoder = RowEncoder(SCHEMA, FORMAT, InputFiles(""))
    rows = [ManifestRow("b.csv", 1, (None,)), ManifestRow("a.csv", 10, (None,)),
            ManifestRow("a.csv", 9, ("",))]  # fmt: skip
    packed = [pack_row(order_of(0, "", row), row) for row in rows]
    said = explain_nameless(encoder, "label", packed)
    assert said == f"3 of the 3 rows looked at {MISSING}".format("a.csv:9")
