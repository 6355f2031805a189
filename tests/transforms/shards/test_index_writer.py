from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.file_names import ShardName
from pixelbeam.transforms.shards import index_writer
from pixelbeam.transforms.shards.encode_rows import EncodedRow
from pixelbeam.transforms.shards.index_writer import IndexWriter

SCHEMA = Schema.from_dict(
    {
        "features": {
            "image": {"type": "image", "source": "path", "height": 8, "width": 8},
            "label": {"type": "class_label", "source": "l", "vocabulary": ["cat", "dog"]},
            "score": {"type": "float32", "source": "s"},
            "tags": {"type": "class_labels", "source": "t", "vocabulary": ["x", "y"]},
        }
    }
)

SHARD = ShardName("val", 3, 16)


def record(number: int) -> EncodedRow:
    values = {"label": np.array(number % 2), "score": np.array(number / 2, np.float32)}
    values["tags"] = np.array([1, 0])
    indexed = {"image": {"source": f"{number}.jpg", "dhash": 2**64 - 1 - number}}
    return EncodedRow(values, {}, name=(f"k{number}", "m.csv", number + 2), indexed=indexed)


def write(folder, count=3, addresses=True):
    text = folder / "a.idx" if addresses else None
    writer = IndexWriter(folder / "a.parquet", text, SCHEMA, SHARD)
    for number in range(count):
        writer.add(record(number), (100 * number, 90) if addresses else None)
    writer.close()
    return pq.read_table(folder / "a.parquet")


def test_a_row_for_each_record(tmp_path):
    rows = write(tmp_path).to_pylist()
    assert [row["index"] for row in rows] == [0, 1, 2]
    expected = {"offset": 200, "bytes": 90, "key": "k2", "file": "m.csv", "row": 4}
    expected |= {"source": "2.jpg", "dhash": 2**64 - 3, "width": None}
    expected |= {"label": "cat", "score": 1.0, "tags": ["y", "x"]}
    expected |= {"split": "val", "shard": "val-00003-of-00016"}
    assert rows[2].items() >= expected.items()
    assert (tmp_path / "a.idx").read_text() == "0 90\n100 90\n200 90\n"


def test_where_there_are_no_addresses(tmp_path):
    assert write(tmp_path, addresses=False)["offset"].null_count == 3
    assert not (tmp_path / "a.idx").exists()


def test_a_shard_without_records(tmp_path):
    table = write(tmp_path, count=0)
    assert table.num_rows == 0
    assert "label" in table.column_names
    assert (tmp_path / "a.idx").read_bytes() == b""


def test_many_records_are_written_a_part_at_a_time_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(index_writer, "_ROWS_AT_ONCE", 4)
    table = write(tmp_path, count=10)
    assert table["index"].to_pylist() == list(range(10))
    assert table["key"].to_pylist() == [f"k{n}" for n in range(10)]
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3


def test_the_same_records_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, count=50)
    first, second = ((tmp_path / name / "a.parquet").read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_record_takes_less_than_200_bytes(tmp_path):
    import hashlib
    import json
    import random

    chooser = random.Random(0)
    writer = IndexWriter(tmp_path / "a.parquet", tmp_path / "a.idx", SCHEMA, SHARD)
    for number in range(1000):
        path = f"n0{chooser.randrange(10**7)}/ILSVRC2012_val_{chooser.randrange(10**8):08d}.JPEG"
        sums = [chooser.randrange(10**5, 10**6) for _ in range(3)]
        squares = [chooser.randrange(10**7, 10**8) for _ in range(3)]
        summary = {"count": 4096, "sum": sums, "sum_squares": squares}
        summary["bytes"] = chooser.randrange(10_000, 20_000)
        said = {
            "source": path,
            "source_bytes": chooser.randrange(50_000, 500_000),
            "source_sha256": hashlib.sha256(path.encode()).hexdigest(),
            **dict.fromkeys(("source_width", "source_height"), chooser.randrange(200, 1000)),
            **dict.fromkeys(("width", "height"), 256),
            "dhash": chooser.getrandbits(64),
            "orientation": 1,
            "statistics": json.dumps(summary, separators=(",", ":")),
        }
        values = {"label": np.array(number % 2), "score": np.array(number / 2, np.float32)}
        values["tags"] = np.array([number % 2])
        row = EncodedRow(values, {}, name=(path, "m.csv", number), indexed={"image": said})
        writer.add(row, (number * 12_345, chooser.randrange(10_000, 20_000)))
    writer.close()
    written = sum((tmp_path / name).stat().st_size for name in ("a.parquet", "a.idx"))
    print(written / 1000)
    assert written / 1000 < 200
