from __future__ import annotations

from pixelbeam.pipeline.progress import Progress, ProgressWatch, format_seconds
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.storage.output_folder import Folder
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
    progress = watch.look()
    assert progress == Progress(2, 4, 22, 40, 3, fresh_rows=12, seconds=6.0)
    assert str(progress) == "2 of 4 shards, 22 of 40 rows, 3 rejects, 2 images/s, 9.0 s left"


def test_durations():
    assert [format_seconds(s) for s in (4.25, 59.94, 61, 3600 * 2 + 300)] == [
        "4.2 s",
        "59.9 s",
        "1 min",
        "2 h 5 min",
    ]
