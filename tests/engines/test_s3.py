from __future__ import annotations

import time
from pathlib import Path

from support import contents


def _wait_for_shards(folder: Path, build, count: int) -> int:
    while build.runs() and (finished := _finished(folder)) < count:
        time.sleep(0.02)
    return finished


def _finished(folder: Path) -> int:
    return len(list((folder / ".pixelbeam" / "shards").glob("*-of-00012.json")))


def test_a_build_from_s3_to_s3_writes_the_bytes_of_a_local_one(bucket, start_build, local_photos):
    output = "s3://data/out"
    start_build(output, "--num_shards=2", manifest="s3://data/photos/photos.csv").succeed()
    assert contents(bucket / "out") == local_photos


def test_a_killed_build_to_s3_goes_on_where_it_was(
    bucket, start_build, many_photos, local_many_photos
):
    output, options = "s3://data/resumed", ["--num_shards=12", "--threads=1"]
    killed = start_build(output, *options, manifest=many_photos)
    finished = _wait_for_shards(bucket / "resumed", killed, 5)
    killed.kill()
    before = {p: p.stat().st_mtime_ns for p in (bucket / "resumed").glob("*.tfrecord")}
    assert finished < 24
    assert not (bucket / "resumed" / "dataset.json").exists()

    start_build(output, *options, manifest=many_photos).succeed()
    assert contents(bucket / "resumed") == local_many_photos
    kept = [path for path, changed in before.items() if path.stat().st_mtime_ns == changed]
    assert len(kept) >= finished
