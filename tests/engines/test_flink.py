from __future__ import annotations

import signal
import time
from pathlib import Path

from support import contents

_SHARDS = 24  # twelve a split


def _finished(output: Path) -> int:
    return len(list((output / ".pixelbeam" / "shards").glob("*-of-00012.json")))


def _wait_for_shards(build, count: int) -> int:
    """Waits until so many shards are finished; returns how many there then are."""
    while build.runs() and (finished := _finished(build.output)) < count:
        time.sleep(0.02)
    return finished


def _children(pid: int) -> list[str]:
    """The processes that a process's threads started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()]


def test_two_task_managers_write_the_bytes_of_the_local_runner(
    flink, start_build, local_photos, tmp_path
):
    start_build(tmp_path / "out", "--num_shards=2", *flink.options).succeed()
    assert contents(tmp_path / "out") == local_photos


def test_task_managers_read_from_s3_and_write_to_it(flink, bucket, start_build, local_photos):
    options = ["--num_shards=2", *flink.options]
    manifest = "s3://data/photos/photos.csv"
    start_build("s3://data/by-flink", *options, manifest=manifest).succeed()
    assert contents(bucket / "by-flink") == local_photos


def test_an_interrupted_build_ends_its_job(flink, start_build, many_photos, tmp_path):
    options = ["--num_shards=12", "--threads=1", *flink.options]
    interrupted = start_build(tmp_path / "out", *options, manifest=many_photos)
    assert _wait_for_shards(interrupted, 2) < _SHARDS
    assert interrupted.stop(signal.SIGINT) == 130
    flink.processes.wait_until(lambda: flink.free_slots() == 2, "the job is gone")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_a_build_outlives_a_killed_task_manager_and_a_killed_worker_pool(
    flink, start_build, many_photos, local_many_photos, tmp_path
):
    options = ["--num_shards=12", "--threads=1", *flink.options]
    build = start_build(tmp_path / "out", *options, manifest=many_photos)
    finished_at_kills = [_wait_for_shards(build, 3)]
    flink.processes.kill("taskmanager-1")
    flink.add_task_manager()  # as Kubernetes or YARN would

    finished_at_kills.append(_wait_for_shards(build, 10))
    pools = {number: f"workerpool-{number}" for number in (2, 3)}  # of TaskManagers that are there
    at_work = next(n for n, name in pools.items() if _children(flink.processes.pid(name)))
    flink.processes.kill(pools[at_work])
    flink.start_worker_pool(at_work)

    build.succeed()
    assert max(finished_at_kills) < _SHARDS
    assert contents(tmp_path / "out") == local_many_photos


def test_a_build_that_takes_over_goes_on_after_a_stop(
    flink, start_build, many_photos, local_many_photos, tmp_path
):
    start_build(tmp_path / "old", "--num_shards=3", "--seed=4").succeed()
    options = ["--num_shards=12", "--threads=1", f"--reuse={tmp_path / 'old'}", *flink.options]
    stopped = start_build(tmp_path / "out", *options, manifest=many_photos)
    assert _wait_for_shards(stopped, 3) < _SHARDS
    assert stopped.stop(signal.SIGINT) == 130
    flink.processes.wait_until(lambda: flink.free_slots() == 2, "the job is gone")
    said = start_build(tmp_path / "out", *options, manifest=many_photos).succeed()
    assert "reuse     3,000 of 3,000 records were taken over" in said
    assert contents(tmp_path / "out") == local_many_photos
