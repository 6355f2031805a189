from __future__ import annotations

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


def test_a_build_outlives_a_killed_task_manager_and_a_killed_worker_pool(
    flink, start_build, many_photos, local_many_photos, tmp_path
):
    options = ["--num_shards=12", "--threads=1", *flink.options]
    build = start_build(tmp_path / "out", *options, manifest=many_photos)
    finished_at_kills = [_wait_for_shards(build, 3)]
    flink.processes.kill(next(n for n in flink.processes.names if n.startswith("taskmanager")))
    flink.add_task_manager()  # as Kubernetes or YARN would

    finished_at_kills.append(_wait_for_shards(build, 10))
    pools = [name for name in flink.processes.names if name.startswith("workerpool")]
    at_work = next(name for name in pools if _children(flink.processes.pid(name)))
    flink.processes.kill(at_work)
    flink.add_worker_pool()

    build.succeed()
    assert max(finished_at_kills) < _SHARDS
    assert contents(tmp_path / "out") == local_many_photos
