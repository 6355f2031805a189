from __future__ import annotations

import json
import math
from dataclasses import replace

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.rejects import (
    EARLY_REJECT_FILES,
    WriteRejects,
    count_reasons,
    early_rejects_path,
    reject_line,
)
from pixelbeam.transforms.rows import (
    InlineBytes,
    ManifestRow,
    RejectedRow,
    RowFormat,
    Window,
    reject_row,
)
from pixelbeam.transforms.storage.output_folder import Folder

FORMAT = RowFormat(("path", "score", "image", "blob"), "path")


def rejected(number: int, reason: str = "file_not_found"):
    cells = (f"{number}.jpg", float("nan"), InlineBytes(0, 0, 0, "in.jpg"), b"\xff")
    reject = Reject("load", reason, "no such file", feature="image", path=f"{number}.jpg")
    return reject_row(FORMAT, ManifestRow("m.csv", number, cells), reject)


def test_the_line_of_a_reject_is_json_that_says_all():
    assert json.loads(reject_line(rejected(7))) == {
        "manifest": "m.csv",
        "row": 7,
        "key": "7.jpg",
        "stage": "load",
        "reason": "file_not_found",
        "message": "no such file",
        "feature": "image",
        "path": "7.jpg",
        "values": {"path": "7.jpg", "score": "nan", "image": "in.jpg", "blob": None},
        "left_out": ["blob"],
    }


def test_windows_and_counts_stand_in_the_line():
    row = ManifestRow("m.csv", 2, ("a.jpg", None, None, None), Window("v1", 16, 32))
    lost = reject_row(FORMAT, row, Reject("load", "file_not_found", "no such file"))
    line = json.loads(reject_line(replace(lost, counts=(("frames", 16),))))
    assert list(line["values"].items())[-2:] == [("clip/key", "v1"), ("clip/window", "v1[16:32]")]
    assert (line["key"], line["frames"]) == ("v1[16:32]", 16)


CELLS = {
    "text": ("x" * 131072, "x" * 131072),
    "long text": ("x" * 131073, ...),
    "text as bytes": ("é".encode(), "é"),
    "long bytes": (b"x" * 131073, ...),
    "bytes in a list": ([b"a", [b"\xff"]], ...),
    "bytes in a struct": ({"bytes": b"\xff", "path": "a.jpg"}, ...),
    "a list": ([1, math.nan, {"a": b"b"}], [1, "nan", {"a": "b"}]),
    "a long list": ([1] * 50_000, ...),
}


@pytest.mark.parametrize("case", CELLS)
def test_cells_that_are_large_or_binary_are_left_out(case):
    cell, expected = CELLS[case]
    row = RejectedRow(
        "m.csv", 1, "k", Reject("load", "r", "m"), values=(("path", "a"), ("cell", cell))
    )
    line = json.loads(reject_line(row))
    left_out = expected is ...
    assert line["values"] == {"path": "a", "cell": None if left_out else expected}
    assert line.get("left_out") == (["cell"] if left_out else None)


def test_what_a_large_cell_got_into_is_cut():
    long = "x" * 5000
    line = json.loads(
        reject_line(RejectedRow("m.csv", 1, long, Reject("load", "r", long, path=long)))
    )
    cut = "x" * 4096 + "…"
    assert (line["key"], line["message"], line["path"]) == (cut, cut, cut)


def test_counting_reasons():
    rejects = [rejected(1, "b"), rejected(2, "a"), rejected(3, "b")]
    assert list(count_reasons(rejects).items()) == [("a", 1), ("b", 2)]


def test_early_rejects_are_written_once_each_in_files_and_counted(tmp_path):
    folder = Folder(str(tmp_path))
    pipeline = beam.Pipeline(FnApiRunner())
    rejects = [rejected(number, ("bad", "worse")[number % 3 == 0]) for number in range(1, 31)]
    _ = pipeline | beam.Create(rejects) | WriteRejects(folder)
    result = pipeline.run()
    result.wait_until_finish()
    files = [folder.read(early_rejects_path(index)) for index in range(EARLY_REJECT_FILES)]
    lines = [line for data in files for line in data.decode().splitlines(keepends=True)]
    assert sorted(lines) == sorted(map(reject_line, rejects))
    for data in files:
        rows = [json.loads(line)["row"] for line in data.splitlines()]
        assert rows == sorted(rows)
    counters = {
        counter.key.metric.name: counter.committed
        for counter in result.metrics().query()["counters"]
        if counter.key.metric.namespace == "pixelbeam"
    }
    assert counters == {"rejects/bad": 20, "rejects/worse": 10}
