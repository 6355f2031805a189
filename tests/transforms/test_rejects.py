from __future__ import annotations

import json

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.folders import Folder
from pixelbeam.transforms.keys import RowFormat
from pixelbeam.transforms.rejects import (
    EARLY_REJECT_FILES,
    WriteRejects,
    count_reasons,
    early_rejects_path,
    reject_line,
    reject_row,
)
from pixelbeam.transforms.rows import InlineBytes, ManifestRow

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
        "values": {"path": "7.jpg", "score": "nan", "image": "in.jpg", "blob": "\\xff"},
    }


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
