"""Nothing but manifest rows crosses a shuffle."""

from __future__ import annotations

import io

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.coders.coder_impl import create_InputStream
from apache_beam.pipeline import PipelineVisitor
from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer
from PIL import Image
from pixelbeam.pipeline.graph.build_graph import wire
from pixelbeam.pipeline.graph.job import open_job
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.transforms.contradictions import LabelBlock
from pixelbeam.transforms.shards.plan_shards import RowSummary
from support import IMAGE_SCHEMA, dataset_json, rejects_of, write_csv


class _Graph(PipelineVisitor):
    def __init__(self):
        self.shuffles, self.consumers = [], {}

    def visit_transform(self, node):
        if isinstance(node.transform, beam.GroupByKey):
            self.shuffles.append(node.full_label)
        for value in node.inputs if node.transform else ():
            self.consumers.setdefault(
                (value.producer.full_label if value.producer else ""), []
            ).append(node.full_label)

    def enter_composite_transform(self, node):
        self.visit_transform(node)


def graph_of(images, tmp_path, **options) -> _Graph:
    pipeline = beam.Pipeline("apache_beam.runners.portability.fn_api_runner.FnApiRunner")
    job = open_job(
        BuildOptions(str(images / "images.csv"), IMAGE_SCHEMA, str(tmp_path / "out"), **options), 2
    )
    wire(pipeline, job)
    graph = _Graph()
    pipeline.visit(graph)
    return graph


@pytest.mark.parametrize("index", ["parquet", "none"])
def test_after_the_shard_task_only_the_index_is_looked_at(index, images, tmp_path):
    graph = graph_of(images, tmp_path, index=index)
    build = [
        label for label in graph.consumers["AssignShards/ShuffleRows"] if "BuildShard" in label
    ]
    assert build
    after = [label for name in build for label in graph.consumers.get(name, ())]
    assert {label for label in after if "ReadHashes" not in label} <= {"FindDuplicates"}
    assert bool(after) == (index == "parquet")
    assert "AssignShards/ShuffleRows" in graph.shuffles


@pytest.fixture
def shuffled(monkeypatch):
    """The sizes of what is grouped, where the local runner takes it in: rows, summaries, labels."""
    sizes: list[int] = []
    summaries: list[int] = []
    labels: list[int] = []
    append = GroupingBuffer.append

    def append_measured(self, elements_data):
        coder, stream = self._pre_grouped_coder.get_impl(), create_InputStream(elements_data)
        while left := stream.size():
            _, value = coder.decode_from_stream(stream, True).value
            kinds = {RowSummary: summaries, LabelBlock: labels}
            named = [k for k in kinds if isinstance(value, bytes) and k.__name__.encode() in value]
            of_rows = kinds[named[0]] if named else sizes
            of_rows.append(left - stream.size())
        append(self, elements_data)

    monkeypatch.setattr(GroupingBuffer, "append", append_measured)
    return sizes, summaries, labels


@pytest.mark.parametrize("side", [16, 2500])
def test_elements_that_cross_a_shuffle_stay_small(side, tmp_path, build_images, shuffled):
    """Images of 1 kB or of 19 MB."""
    rows = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png", compress_level=0)
        rows.append((f"{number}.png", "noise"))
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    rows += [("small.png", f"class {number % 7}") for number in range(400)]
    sizes, summaries, labels = shuffled
    out = build_images(manifest=str(write_csv(tmp_path / "rows.csv", rows)))
    assert dataset_json(out)["splits"]["train"]["num_records"] == 403
    assert len(sizes) >= 40
    assert max(sizes) < 1024
    # Besides rows, each bundle sends one summary of its rows, which holds a sample of them.
    assert len(summaries) <= 2
    assert max(summaries) < 64 << 10
    # And the labels, 24 bytes a row in blocks of 128: here 400 rows are of one image.
    assert len(labels) >= 4
    assert max(labels) < 4 << 10


LAYOUTS = {
    "views": pa.binary_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.binary()),
    "fixed sizes": pa.binary(3 * 64 * 64 + 54),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_in_parquet_stay_there(layout, tmp_path, build_images, shuffled):
    """Neither images nor other bytes cross a shuffle or get into the rejects."""
    values = []
    for number in range(4):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(buffer, "BMP")
        values.append(buffer.getvalue())
    values[3] = b"broken" + values[3][6:]
    images = pa.array(values, LAYOUTS[layout])
    table = pa.table({"path": images, "raw": images, "label": ["a", "b", "a", "b"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    schema = IMAGE_SCHEMA.to_dict()
    schema["features"]["raw"] = {"type": "bytes", "source": "raw"}
    out = build_images(manifest=str(tmp_path / "rows.parquet"), schema=Schema.from_dict(schema))
    sizes, summaries, labels = shuffled
    assert max(sizes + summaries + labels) < 2048
    (reject,) = rejects_of(out)
    assert reject["values"] == {"label": "b", "path": None, "raw": None}
    assert (reject["reason"], reject["left_out"]) == ("unknown_format", ["path", "raw"])
    shard = (out / "train-00000-of-00001.tfrecord").read_bytes()
    assert [value in shard for value in values] == [True, True, True, False]
