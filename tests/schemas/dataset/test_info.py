import json
import time

import pytest
from pixelbeam.schemas import ClassLabel, DatasetInfo, Schema
from pixelbeam.schemas.dataset.info import (
    DatasetFile,
    DroppedInfo,
    FileInfo,
    FramesInfo,
    GapsInfo,
    RejectsInfo,
    ShardFile,
    ShardInfo,
    SplitInfo,
)
from pixelbeam.schemas.errors import DatasetError
from pydantic import ValidationError

SHA = "0" * 64
SCHEMA = Schema(features={"label": ClassLabel(source="label", vocabulary=["café", "tea"])})


def shard(records=3, path="train-00000-of-00001.tfrecord"):
    return ShardInfo(
        num_records=records, files={"tfrecord": ShardFile(path=path, bytes=90, sha256=SHA)}
    )


def dataset(**changes):
    declared = {
        "fingerprint": "f00",
        "declared": SCHEMA.to_dict(),
        "description": FileInfo(path="feature_description.py", sha256=SHA),
        "splits": {
            "train": SplitInfo(
                num_records=3, shards=[shard()], statistics={"label": {"classes": {"0": 3}}}
            )
        },
        "rows": 4,
        "rejects": RejectsInfo(count=1, by_reason={"truncated_image": 1}),
    }
    return DatasetInfo(**(declared | changes))


GOLDEN = """\
{
  "format": "pixelbeam/1",
  "fingerprint": "f00",
  "schema": {
    "features": [
      "café"
    ]
  },
  "description": {
    "path": "feature_description.py",
    "sha256": "0000000000000000000000000000000000000000000000000000000000000000"
  },
  "splits": {
    "train": {
      "num_records": 3,
      "shards": [
        {
          "num_records": 3,
          "files": {
            "tfrecord": {
              "path": "train-00000-of-00001.tfrecord",
              "bytes": 90,
              "sha256": "0000000000000000000000000000000000000000000000000000000000000000"
            }
          }
        }
      ],
      "files": {},
      "statistics": {
        "label": {
          "classes": {
            "0": 3
          }
        }
      }
    }
  },
  "rows": 4,
  "rejects": {
    "count": 1,
    "by_reason": {
      "truncated_image": 1
    }
  },
  "warnings": [],
  "files": {
    "feature_description.py": {
      "kind": "description",
      "sha256": "0000000000000000000000000000000000000000000000000000000000000000"
    },
    "train-00000-of-00001.tfrecord": {
      "kind": "shard",
      "bytes": 90,
      "sha256": "0000000000000000000000000000000000000000000000000000000000000000"
    }
  }
}
"""


def damaged(change):
    parsed = json.loads(dataset().dumps())
    change(parsed)
    with pytest.raises(DatasetError) as caught:
        DatasetInfo.loads(json.dumps(parsed), "OUT")
    return str(caught.value)


def test_golden_bytes():
    assert dataset(declared={"features": ["café"]}).dumps().decode() == GOLDEN


def test_reads_back_what_it_wrote():
    assert DatasetInfo.loads(dataset().dumps(), "OUT") == dataset()
    assert dataset().read_schema("OUT") == SCHEMA


FRAMES = FramesInfo(
    seen=9,
    repeated=0,
    in_records=6,
    in_rejects=1,
    skipped={"every": 1},
    dropped=DroppedInfo(count=1, by_reason={"unknown_format": 1}),
    gaps=GapsInfo(),
)


def test_what_is_not_there_is_left_out_and_the_checksum_comes_last():
    full = {"frames": FRAMES, "command": {"seed": 0}, "versions": {"Pillow": "12"}, "checksum": SHA}
    listed = RejectsInfo(
        count=1,
        by_reason={"truncated_image": 1},
        file=ShardFile(path="rejects.jsonl", bytes=7, sha256=SHA),
    )
    described = dataset(rejects=listed, **full)
    parsed = json.loads(described.dumps())
    assert list(parsed)[-6:] == ["warnings", "frames", "command", "versions", "files", "checksum"]
    assert parsed["rejects"]["file"] == {"path": "rejects.jsonl", "bytes": 7, "sha256": SHA}
    assert parsed["frames"] == {
        "seen": 9,
        "repeated": 0,
        "in_records": 6,
        "in_rejects": 1,
        "skipped": {"every": 1},
        "dropped": {"count": 1, "by_reason": {"unknown_format": 1}},
        "gaps": {"clips": 0, "missing": 0},
    }
    assert DatasetInfo.loads(described.dumps(), "OUT") == described
    assert described.dropped_frames == DroppedInfo(count=1, by_reason={"unknown_format": 1})
    assert dataset().dropped_frames == DroppedInfo()


def test_keys_of_later_versions_are_kept():
    parsed = json.loads(dataset().dumps())
    parsed["extra"] = {"a": [1]}
    parsed["splits"]["train"]["shards"][0]["extra"] = 1
    again = DatasetInfo.loads(json.dumps(parsed), "OUT").dumps()
    assert json.loads(again) == parsed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "OUT: dataset.json is not JSON: EOF while parsing a value at line 1 column 0"),
        (
            "[]",
            "OUT: dataset.json was not written by pixelbeam: got None as its format, "
            "expected 'pixelbeam/1'",
        ),
        (
            '{"format": "other/1"}',
            "OUT: dataset.json was not written by pixelbeam: got 'other/1' as its format, "
            "expected 'pixelbeam/1'",
        ),
        (
            '{"format": "pixelbeam/2"}',
            "OUT: dataset.json has the format 'pixelbeam/2', this version reads 'pixelbeam/1'; "
            "read it with another version of pixelbeam",
        ),
    ],
)
def test_refuses_what_is_not_a_dataset_of_this_version(data, message):
    with pytest.raises(DatasetError) as caught:
        DatasetInfo.loads(data, "OUT")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../a", "a/../b", "a/b", "..", ".", "", "C:a", "\\\\host\\a", "gs://a", "a\0"],
)
def test_refuses_paths_out_of_the_directory(path):
    def change(parsed):
        parsed["splits"]["train"]["shards"][0]["files"]["tfrecord"]["path"] = path

    assert damaged(change) == (
        "OUT: dataset.json is damaged: splits.train.shards.0.files.tfrecord.path: "
        f"got {path!r}, expected the name of a file beside dataset.json"
    )


def test_refuses_counts_that_do_not_add_up():
    def change(parsed):
        parsed["splits"]["train"]["num_records"] = 4

    assert damaged(change) == (
        "OUT: dataset.json is damaged: splits.train: got 4 in num_records, but 3 in its shards"
    )


def test_files_are_all_that_other_keys_name_and_what_is_listed_beside_them():
    def file(path):
        return ShardFile(path=path, bytes=7, sha256="1" * 64)

    listed = {"report.html": DatasetFile(kind="report", bytes=8, sha256="2" * 64)}
    frames = {"seen": 3, "repeated": 0, "in_records": 2, "in_rejects": 0, "skipped": {}}
    dropped = DroppedInfo(count=1, by_reason={"x": 1}, file=file("dropped_frames.jsonl"))
    info = dataset(
        splits={
            "train": SplitInfo(num_records=3, shards=[shard()], files={"hdf5": file("train.h5")})
        },
        rejects=RejectsInfo(count=1, by_reason={"x": 1}, file=file("rejects.jsonl")),
        frames=FramesInfo(**frames, dropped=dropped, gaps=GapsInfo()),
        description=FileInfo(path="feature_description.py", sha256=SHA, bytes=6),
        files=listed,
    )
    expected = {
        "dropped_frames.jsonl": DatasetFile(kind="dropped_frames", bytes=7, sha256="1" * 64),
        "feature_description.py": DatasetFile(kind="description", bytes=6, sha256=SHA),
        "rejects.jsonl": DatasetFile(kind="rejects", bytes=7, sha256="1" * 64),
        **listed,
        "train-00000-of-00001.tfrecord": DatasetFile(kind="shard", bytes=90, sha256=SHA),
        "train.h5": DatasetFile(kind="joined", bytes=7, sha256="1" * 64),
    }
    assert info.files == expected
    assert [*info.files] == sorted(expected)
    assert DatasetInfo.loads(info.dumps(), "OUT") == info
    parsed = json.loads(info.dumps())
    del parsed["files"]  # as older versions wrote it
    del expected["report.html"]
    assert DatasetInfo.loads(json.dumps(parsed), "OUT").files == expected


def test_refuses_what_is_missing():
    assert damaged(lambda parsed: parsed.pop("splits")) == (
        "OUT: dataset.json is damaged: splits: Field required"
    )


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            {"type": "hologram", "source": "x"},
            "OUT: feature kind 'hologram' is not installed here; install the package that offers it, or a "
            "newer pixelbeam",
        ),
        (
            {"type": "int64", "source": "x", "unit": "m"},
            "OUT: dataset.json has a schema that is not: features.x.unit: got 'm', expected nothing: there "
            "is no such setting",
        ),
    ],
)
def test_a_schema_of_another_version(feature, message):
    with pytest.raises(DatasetError) as caught:
        dataset(declared={"features": {"x": feature}}).read_schema("OUT")
    assert str(caught.value) == message


def test_ten_thousand_shards_are_read_in_a_moment():
    count = 10_000
    parsed = json.loads(dataset().dumps())
    one = parsed["splits"]["train"]["shards"][0]["files"]["tfrecord"]
    paths = [f"train-{n:05d}-of-{count}.tfrecord" for n in range(count)]
    shards = [{"num_records": 1, "files": {"tfrecord": one | {"path": path}}} for path in paths]
    parsed["splits"]["train"] |= {"num_records": count, "shards": shards}
    data = json.dumps(parsed)
    started = time.process_time()
    assert DatasetInfo.loads(data, "OUT").splits["train"].num_records == count
    assert time.process_time() - started < 2  # about 0.1 on an idle machine


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(rows=-1), "rows"),
        (lambda d: d["rejects"].update(count=-1), "rejects.count"),
        (lambda d: d["rejects"]["by_reason"].update(x=-1), "rejects.by_reason.x"),
        (
            lambda d: d["splits"]["train"]["shards"][0]["files"]["tfrecord"].update(bytes=-1),
            "splits.train.shards.0.files.tfrecord.bytes",
        ),
    ],
)
def test_counts_are_not_negative(change, place):
    expected = f"{place}: Input should be greater than or equal to 0"
    assert damaged(change) == f"OUT: dataset.json is damaged: {place}: {expected.split(': ')[1]}"


def test_what_is_not_said_is_none():
    assert (RejectsInfo().count, RejectsInfo().by_reason) == (0, {})
    assert (DroppedInfo().count, DroppedInfo().by_reason) == (0, {})
    assert (GapsInfo().clips, GapsInfo().missing) == (0, 0)


def test_parts_cannot_be_changed():
    for part in (dataset(), GapsInfo(), RejectsInfo(), shard()):
        name = next(iter(type(part).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, getattr(part, name))


def test_the_first_of_several_faults_is_told():
    def change(parsed):
        parsed["fingerprint"] = 1
        parsed["rows"] = parsed["rejects"]["count"] = -1

    expected = "fingerprint: Input should be a valid string"
    assert damaged(change) == f"OUT: dataset.json is damaged: {expected}"
    missing = {name: {"type": name, "source": "x"} for name in ("hologram", "odour", "taste")}
    with pytest.raises(DatasetError, match=r"^OUT: feature kind 'hologram' is not installed here"):
        dataset(declared={"features": missing}).read_schema("OUT")
