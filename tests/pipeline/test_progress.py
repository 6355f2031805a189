from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from clips import clip_schema
from pixelbeam.pipeline import progress
from pixelbeam.pipeline.progress import (
    Progress,
    ProgressWatch,
    _report_to_log,
    _report_to_terminal,
    format_seconds,
)
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.storage.output_folder import Folder
from rich.console import Console
from support import IMAGE_SCHEMA


def finish(folder: Folder, index: int, rows: int, records: int) -> None:
    name = f"train-0000{index}-of-00004"
    folder.write(ShardResult.path(name), ShardResult(name, "f", rows, records, {}).to_json())


def test_progress_is_read_from_the_finished_shards(tmp_path):
    folder, now = Folder(str(tmp_path)), [100.0]
    finish(folder, 0, 10, 10)  # by an earlier attempt
    watch = ProgressWatch(folder, lambda: now[0])
    assert watch.look() is None
    folder.write(PLAN_FILE, Plan(IMAGE_SCHEMA, {"train": SplitPlan(40, 4)}, 40).to_json())
    assert watch.look() == Progress(1, 4, 10, 40, 0, fresh_rows=0, seconds=0.0)
    finish(folder, 1, 12, 9)
    now[0] = 106.0
    found = watch.look()
    assert found == Progress(2, 4, 22, 40, 3, fresh_rows=12, seconds=6.0)
    assert str(found) == "2 of 4 shards, 22 of 40 rows, 3 rejects, 2 images/s, 9.0 s left"


def test_each_look_reads_only_results_that_are_new_and_whole(tmp_path):
    folder = Folder(str(tmp_path))
    clips = clip_schema()
    folder.write(PLAN_FILE, Plan(clips, {"train": SplitPlan(40, 4)}, 40).to_json())
    watch = ProgressWatch(folder, lambda: 0.0)
    finish(folder, 0, 10, 10)
    folder.write(ShardResult.path("train-00001-of-00004"), b"")
    folder.write(".pixelbeam/shards/train-00002-of-00004.part", b"{}")
    expected = Progress(1, 4, 10, 40, 0, fresh_rows=10, seconds=0.0, unit="clips")
    assert watch.look() == expected
    finish(folder, 0, 99, 9)
    assert watch.look() == expected
    finish(folder, 1, 5, 5)
    assert watch.look() == replace(expected, shards=2, rows=15, fresh_rows=15)


@pytest.mark.parametrize(
    ("fresh_rows", "seconds", "rate"),
    [(0, 5.0, ""), (10, 0.0, ""), (10, 0.5, ", 20 images/s, 1.5 s left")],
)
def test_a_rate_is_said_as_soon_as_there_is_one(fresh_rows, seconds, rate):
    progress = Progress(1, 4, 1_000, 1_030, 2, fresh_rows, seconds)
    assert str(progress) == f"1 of 4 shards, 1,000 of 1,030 rows, 2 rejects{rate}"


class Looks:
    """A watch that sees what it is told, and an event that is set once all is seen."""

    def __init__(self, *rows):
        self.left, self.waited = list(rows), []

    def look(self):
        rows = self.left.pop(0)
        return None if rows is None else Progress(0, 4, rows, 40 * (rows >= 0), 0, 0, 0.0)

    def wait(self, seconds):
        self.waited.append(seconds)
        return not self.left


def test_a_log_has_a_line_for_every_tenth():
    looks = Looks(None, -1, 0, 3, 4, 7, 8, 8, 23, 40)
    console = Console(file=StringIO(), width=20, force_terminal=True)
    _report_to_log(looks, console, looks)
    said = [f"  0 of 4 shards, {rows} of 40 rows, 0 rejects" for rows in (4, 8, 23, 40)]
    assert console.file.getvalue().splitlines() == said
    assert looks.waited == [10.0] * 11


def test_a_terminal_has_a_line_that_is_kept_up_to_date():
    looks = Looks(None, 7)
    console = Console(file=StringIO(), width=60, force_terminal=True)
    _report_to_terminal(looks, console, looks)
    assert "0 of 4 shards, 7 of 40 rows, 0 rejects" in console.file.getvalue()
    assert looks.waited == [1.0] * 3


@pytest.mark.parametrize(("is_terminal", "expected"), [(True, "terminal"), (False, "log")])
def test_progress_is_reported_while_something_is_done(is_terminal, expected, monkeypatch):
    said = []
    for name in ("terminal", "log"):

        def report(watch, console, stop, name=name):
            assert stop.wait(60)
            said.append((watch, name))

        monkeypatch.setattr(progress, f"_report_to_{name}", report)
    console = Console(file=StringIO(), force_terminal=is_terminal)
    with progress.report_progress("watch", console):
        assert said == []
    assert said == [("watch", expected)]


def test_durations():
    said = {4.25: "4.2 s", 59.94: "59.9 s", 60: "1 min", 89: "1 min", 91: "2 min", 3540: "59 min"}
    said |= {3599: "1 h 0 min", 3660: "1 h 1 min", 7500: "2 h 5 min", 86_400: "24 h 0 min"}
    assert {seconds: format_seconds(seconds) for seconds in said} == said
