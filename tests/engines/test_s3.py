from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pixelbeam.readers import HDF5Records, load
from pixelbeam.readers.published import explain_remote
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.transforms.storage.output_folder import Folder
from support import contents

SHARD = "train-00001-of-00002.tfrecord"


@pytest.fixture(scope="module")
def published(bucket, photos):
    """A dataset in ``s3://data/out``, made from what lies in ``s3://data/photos``."""
    command = ["build", "--manifest=s3://data/photos/photos.csv", "--output=s3://data/out"]
    options = ["--splits=train=0.8,val=0.2", "--num_shards=2", f"--schema={photos / 'schema.yaml'}"]
    code, said = _pixelbeam(*command, *options)
    assert code == 0, said
    return "s3://data/out"


def _pixelbeam(*arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "pixelbeam.pipeline.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def _wait_for_shards(folder: Path, build, count: int) -> int:
    while build.runs() and (finished := _finished(folder)) < count:
        time.sleep(0.02)
    return finished


def _finished(folder: Path) -> int:
    return len(list((folder / ".pixelbeam" / "shards").glob("*-of-00012.json")))


def _copy(bucket: Path, name: str) -> str:
    """Copies the published dataset, object by object, as any S3 client does."""
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("s3")
    for file in contents(bucket / "out"):
        source = {"Bucket": "data", "Key": f"out/{file}"}
        client.copy_object(Bucket="data", Key=f"{name}/{file}", CopySource=source)
    return f"s3://data/{name}"


def test_a_folder_of_many_files(bucket):
    folder = Folder("s3://data/folder")
    names = [f"{number:03d}" for number in range(80)]
    for name in names:
        folder.write(name, name.encode())
    assert list(folder.read_all(["absent", *names])) == [None, *(name.encode() for name in names)]
    assert folder.sizes() == dict.fromkeys(names, 3)
    folder.delete_files([*names[1:], "absent"])
    assert folder.sizes() == {"000": 3}
    folder.delete(["000", ".pixelbeam"])
    assert folder.is_empty()


def test_a_build_from_s3_to_s3_writes_the_bytes_of_a_local_one(published, bucket, local_photos):
    assert contents(bucket / "out") == local_photos


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_stopped_build_to_s3_goes_on_where_it_was(
    bucket, start_build, many_photos, local_many_photos, number, code
):
    name = f"stopped-{number.name.lower()}"
    output, options = f"s3://data/{name}", ["--num_shards=12", "--threads=1"]
    stopped = start_build(output, *options, manifest=many_photos)
    finished = _wait_for_shards(bucket / name, stopped, 5)
    assert stopped.stop(number) == code
    before = {p: p.stat().st_mtime_ns for p in (bucket / name).glob("*.tfrecord")}
    assert finished < 24
    assert not (bucket / name / "dataset.json").exists()

    start_build(output, *options, manifest=many_photos).succeed()
    assert contents(bucket / name) == local_many_photos
    kept = [path for path, changed in before.items() if path.stat().st_mtime_ns == changed]
    assert len(kept) >= finished


def test_a_build_takes_over_from_s3_by_etag(published, bucket, photos, local_photos):
    command = ["build", "--manifest=s3://data/photos/photos.csv", f"--reuse={published}"]
    options = ["--splits=train=0.8,val=0.2", "--num_shards=2", f"--schema={photos / 'schema.yaml'}"]
    code, said = _pixelbeam(*command, "--output=s3://data/again", *options)
    assert code == 0, said
    assert "  reuse     100 of 100 records were taken over" in said
    assert contents(bucket / "again") == local_photos


def test_a_killed_build_that_takes_over_from_s3_goes_on_where_it_was(
    published, bucket, start_build, many_photos, local_many_photos
):
    options = ["--num_shards=12", "--threads=1", f"--reuse={published}"]
    killed = start_build("s3://data/killed-reuse", *options, manifest=many_photos)
    assert _wait_for_shards(bucket / "killed-reuse", killed, 5) < 24
    killed.kill()
    said = start_build("s3://data/killed-reuse", *options, manifest=many_photos).succeed()
    assert "reuse     3,000 of 3,000 records were taken over" in said
    assert contents(bucket / "killed-reuse") == local_many_photos


def test_a_published_dataset_is_left_alone_and_replaced_when_asked(bucket, published, photos):
    output = _copy(bucket, "replaced")
    command = ["build", "--manifest=s3://data/photos/photos.csv", f"--output={output}"]
    command += ["--splits=train=0.8,val=0.2", f"--schema={photos / 'schema.yaml'}"]
    code, said = _pixelbeam(*command, "--num_shards=2")
    assert (code, said[0]) == (
        0,
        f"{output} is already built: 100 records; whether its sources have changed was not looked at, what "
        "they were is no longer known (.pixelbeam/sources was deleted) (--overwrite builds it anew)",
    )
    code, said = _pixelbeam(*command, "--num_shards=1", "--overwrite")
    assert code == 0, said
    assert sorted(contents(bucket / "replaced")) == [
        "dataset.json",
        "feature_description.py",
        "index/train-00000-of-00001.idx",
        "index/train-00000-of-00001.parquet",
        "index/val-00000-of-00001.idx",
        "index/val-00000-of-00001.parquet",
        "statistics.jsonl",
        "train-00000-of-00001.tfrecord",
        "val-00000-of-00001.tfrecord",
    ]


def test_a_source_that_was_replaced_is_seen(bucket, photos):
    """By its etag: an object that was written anew with the same bytes is the same."""
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("s3")
    for file in contents(bucket / "photos"):
        place = {"Bucket": "data", "Key": f"photos/{file}"}
        client.copy_object(Bucket="data", Key=f"changing/{file}", CopySource=place)
    command = ["build", "--manifest=s3://data/changing/photos.csv", "--output=s3://data/changed"]
    command += [f"--schema={photos / 'schema.yaml'}", "--num_shards=2"]
    assert _pixelbeam(*command)[0] == 0
    code, said = _pixelbeam(*command)
    assert (code, said[0]) == (
        0,
        "s3://data/changed is already built: 100 records; nothing to do, as far as sizes and times tell "
        "(--overwrite builds it anew)",
    )
    first, second = sorted(path.name for path in (bucket / "changing").glob("*.jpg"))[:2]
    client.copy_object(
        Bucket="data",
        Key=f"changing/{first}",
        CopySource={"Bucket": "data", "Key": f"photos/{second}"},
    )
    code, said = _pixelbeam(*command)
    assert (code, said) == (
        2,
        [
            "pixelbeam: --output: 's3://data/changed' holds a dataset whose inputs have changed: "
            f"1 source that has changed: {first}",
            "replace it with --overwrite, or name another directory",
        ],
    )
    assert _pixelbeam(*command, "--overwrite")[0] == 0
    assert _pixelbeam(*command)[0] == 0


def test_a_whole_dataset_is_verified(published):
    assert _pixelbeam("verify", published) == (
        0,
        [f"{published}: whole: 15 files and 100 records, every byte and record checked"],
    )


def test_a_record_is_found(bucket, published):
    table = pq.read_table(bucket / "out" / "index" / "val-00000-of-00002.parquet")
    row = table.slice(1, 1).to_pylist()[0]
    code, said = _pixelbeam("show", published, "--key", row["key"], "--json")
    expected = {**row, "dhash": f"{row['dhash']:016x}"}
    assert (code, [json.loads(line) for line in said]) == (0, [expected])


def test_an_object_that_was_changed_or_lost_is_found(bucket, published):
    boto3 = pytest.importorskip("boto3")
    place, client = _copy(bucket, "damaged"), boto3.client("s3")
    data = bytearray((bucket / "damaged" / SHARD).read_bytes())
    data[len(data) // 2] ^= 1
    client.put_object(Bucket="data", Key=f"damaged/{SHARD}", Body=bytes(data))
    client.delete_object(Bucket="data", Key="damaged/val-00000-of-00002.tfrecord")
    code, said = _pixelbeam("verify", place)
    assert code == 1
    assert said[-2].startswith(f"{place}: 3 faults: ")
    assert said[-1] == f"`pixelbeam repair {place}` makes damaged files again"
    assert said[0].startswith(f"{SHARD}: record ")
    assert said[1] == f"{SHARD}: the SHA-256 is wrong: the file is not as it was published"
    assert said[2] == "val-00000-of-00002.tfrecord: missing"


def test_readers_say_how_to_get_a_copy_and_read_that(bucket, published, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    boto3 = pytest.importorskip("boto3")
    with pytest.raises(DatasetError) as caught:
        load(published, "train")
    assert str(caught.value) == explain_remote(published, f"TensorFlow {tensorflow.__version__}")
    with pytest.raises(DatasetError) as caught:
        HDF5Records(published, "train")
    assert str(caught.value) == explain_remote(published, "HDF5")

    client = boto3.client("s3")
    (tmp_path / "index").mkdir()
    for name in contents(bucket / "out"):
        client.download_file("data", f"out/{name}", str(tmp_path / name))
    records = sum(1 for split in ("train", "val") for _ in load(tmp_path, split))
    assert records == 100
