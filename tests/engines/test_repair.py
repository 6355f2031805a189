"""Repairs that are killed, on engines and object stores: the published bytes in the end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support import contents

LOST = [f"{split}-0000{number}-of-00012" for split in ("train", "val") for number in range(4)]


def count_made(output: Path) -> int:
    shards = output / ".pixelbeam" / "repair" / ".pixelbeam" / "shards"
    return len(list(shards.glob("*-of-00012.json")))


def kill_after(command, output: Path, shards: int) -> int:
    """Kills a repair that has made so many shards; how many there then are."""
    while command.runs() and count_made(output) < shards:
        time.sleep(0.02)
    if command.runs():
        command.kill()
    return count_made(output)


def write_all(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def damage(folder: Path) -> dict[str, bytes]:
    """Of eight shards a file is deleted, cut, or has a flipped bit; what there is then."""
    for number, shard in enumerate(LOST):
        path = folder / (f"{shard}.tfrecord" if number % 2 else f"index/{shard}.parquet")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data if number % 3 else data[:-9])
        if number % 3 == 1:
            path.unlink()
    return contents(folder)


def assert_each_damaged_or_right(found, damaged, expected) -> None:
    for name in found:
        assert found[name] in (damaged.get(name), expected[name]), name


def test_on_flink(flink, start_command, many_photos, local_many_photos, tmp_path):
    out = write_all(tmp_path / "out", local_many_photos)
    damaged = damage(out)
    command = ["repair", str(out), f"--manifest={many_photos}", "--threads=1", *flink.options]
    made = kill_after(start_command(out, *command), out, 3)
    assert_each_damaged_or_right(contents(out), damaged, local_many_photos)
    flink.processes.wait_until(lambda: flink.free_slots() == 2, "the job is gone")
    start_command(out, *command).succeed()
    assert contents(out) == local_many_photos
    assert not (out / ".pixelbeam" / "repair").exists()
    assert made >= 3


@pytest.mark.parametrize("engine", ["local", "flink"])
def test_on_s3(bucket, engine, request, start_command, many_photos, local_many_photos, tmp_path):
    boto3 = pytest.importorskip("boto3")
    client, name = boto3.client("s3"), f"repaired-{engine}"
    flink = request.getfixturevalue("flink") if engine == "flink" else None
    options = flink.options if flink else []
    for file, data in local_many_photos.items():
        client.put_object(Bucket="data", Key=f"{name}/{file}", Body=data)
    out, command = bucket / name, ["repair", f"s3://data/{name}", f"--manifest={many_photos}"]
    damaged = damage(write_all(tmp_path / "damaged", local_many_photos))
    for file in local_many_photos.keys() - damaged.keys():
        client.delete_object(Bucket="data", Key=f"{name}/{file}")
    for file, data in damaged.items():
        if data != local_many_photos[file]:
            client.put_object(Bucket="data", Key=f"{name}/{file}", Body=data)
    made = kill_after(start_command(out, *command, "--threads=1", *options), out, 3)
    if flink is not None:
        flink.processes.wait_until(lambda: flink.free_slots() == 2, "the job is gone")
    assert_each_damaged_or_right(contents(out), damaged, local_many_photos)
    start_command(out, *command, *options).succeed()
    assert contents(out) == local_many_photos
    assert made >= 3
