from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.index import IndexLayout, read_index, source_columns

OWN = ["split", "shard", "index", "offset", "bytes", "key", "file", "row"]
OF_IMAGE = ["source", "source_bytes", "source_sha256"]
OF_IMAGE += [
    "source_width",
    "source_height",
    "orientation",
    "width",
    "height",
    "dhash",
    "statistics",
]
IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}


def layout(**features) -> IndexLayout:
    return IndexLayout(Schema.from_dict({"features": features}))


def test_columns_follow_from_the_schema():
    found = layout(
        image=IMAGE,
        label={"type": "class_label", "source": "label", "vocabulary": ["a", "b"]},
        number={"type": "class_label", "source": "n", "num_classes": 3},
        weight={"type": "float32", "source": "w"},
        box={"type": "float32", "source": "b", "shape": [4]},
        tags={"type": "class_labels", "source": "t", "vocabulary": ["x"]},
        caption={"type": "string", "source": "c"},
    )
    assert found.schema.names == [*OWN, *OF_IMAGE, "label", "number", "weight", "tags"]
    assert found.schema.field("tags").type == pa.list_(pa.string())
    assert found.schema.field("label").type == pa.string()
    assert found.schema.field("number").type == pa.int64()
    assert found.schema.field("weight").type == pa.float32()
    assert found.schema.field("dhash").type == pa.uint64()
    assert found.schema.field("width").type == pa.int32()
    assert found.schema.field("orientation").type == pa.int32()
    assert found.schema.field("statistics").type == pa.string()
    assert found.few_values == ["split", "shard", "file", "label"]


def test_a_further_image_has_columns_of_its_own():
    found = layout(n={"type": "int64", "source": "n"}, left=IMAGE, right={**IMAGE, "source": "r"})
    right = [f"right/{name}" for name in OF_IMAGE]
    assert found.schema.names == [*OWN, *OF_IMAGE, *right, "n"]


@pytest.mark.parametrize("name", ["row", "Row", "source", "dhash"])
def test_a_feature_with_a_columns_name_stands_beside_it(name):
    found = layout(image=IMAGE, **{name: {"type": "int64", "source": "n"}})
    assert found.schema.names == [*OWN, *OF_IMAGE, f"features/{name}"]


def test_names_that_are_taken_twice_are_told_apart():
    number = {"type": "int64", "source": "n"}
    found = layout(**{"features/row": number, "row": number})
    assert found.schema.names == [*OWN, "features/row", "features/features/row"]


def test_steps_are_lists():
    schema = Schema.from_dict(
        {
            "record": "sequence_example",
            "context": {"label": {"type": "class_label", "source": "l", "num_classes": 2}},
            "steps": {"frames": IMAGE, "n": {"type": "int64", "source": "n"}},
            "clips": {"key": "clip"},
        }
    )
    found = IndexLayout(schema).schema
    assert found.names == [*OWN, *OF_IMAGE, "label"]
    assert found.field("source").type == pa.list_(pa.string())
    assert found.field("dhash").type == pa.list_(pa.uint64())
    assert found.field("label").type == pa.int64()


def test_reading_takes_the_columns_asked_for_and_refuses_what_is_no_index(tmp_path):
    table = pa.table({"index": [0, 1], "offset": [0, 90]})
    pq.write_table(table, tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    assert read_index(data) == table
    assert read_index(data, ["offset"]).to_pydict() == {"offset": [0, 90]}
    with pytest.raises(pa.ArrowException):
        read_index(data[:-9])


def test_columns_of_sources_are_told_from_labels_of_that_name(tmp_path):
    names = ["source", "source_sha256", "right/source", "right/source_sha256", "open_source", "x"]
    pq.write_table(pa.table({name: ["a"] for name in names}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    assert source_columns(data) == ["source", "right/source"]
    names = ["data_source", "data_source_sha256"]
    pq.write_table(pa.table({name: ["a"] for name in names}), tmp_path / "b.parquet")
    assert source_columns((tmp_path / "b.parquet").read_bytes()) == []


def test_a_column_whose_name_is_no_text_any_more_is_damage():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"split": [1]}), sink)
    data = sink.getvalue().to_pybytes().replace(b"split", b"\xefplit")
    for read in (read_index, source_columns):
        with pytest.raises(pa.ArrowInvalid, match="not a whole Parquet file: "):
            read(data)


def test_an_image_has_the_plain_names_though_its_boxes_come_first():
    boxes = {"type": "boxes", "source": "b", "of": "image"}
    label = {"type": "class_label", "source": "c", "of": "boxes", "vocabulary": ["a", "b"]}
    for order in (("boxes", "label", "image"), ("image", "boxes", "label")):
        declared = {"image": IMAGE, "boxes": boxes, "label": label}
        found = layout(**{name: declared[name] for name in order})
        columns = {column.name for column in found.columns}
        assert columns == {*OF_IMAGE, "boxes/count", "label"}
        assert found.schema.field("label").type == pa.list_(pa.string())
