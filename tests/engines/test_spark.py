from __future__ import annotations

from support import contents


def test_spark_writes_the_bytes_of_the_local_runner(spark, start_build, local_photos, tmp_path):
    start_build(tmp_path / "out", "--num_shards=2", *spark).succeed()
    assert contents(tmp_path / "out") == local_photos
