"""Clips from the rows of their frames, through the whole build."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from clips import (
    FRAME,
    LABEL,
    NUMBER,
    build_clips,
    clip_schema,
    pixels,
    png,
    read_clips,
    write_rows,
)
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.shards.encode_rows import RowEncoder
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import contents, rejects_of

LENGTHS = (12, 3, 7, 1, 25)
HALVES = Splits((("train", 0.5), ("val", 0.5)))


@pytest.fixture
def frames(tmp_path) -> list[dict]:
    """Rows of five clips in random order, and their files; frame 10 sorts before frame 2 as text."""
    rows = []
    for clip, length in enumerate(LENGTHS):
        for frame in range(length):
            name = f"{clip}_{frame}.png"
            (tmp_path / name).write_bytes(png(clip, frame))
            label = ("cat", "dog")[clip % 2]
            rows.append({"path": name, "video": f"v{clip}", "frame": frame, "label": label})
    random.Random(0).shuffle(rows)
    return rows


def lines(output: Path, name: str) -> list[tuple]:
    import json

    found = map(json.loads, (output / name).read_text().splitlines())
    return sorted((line["key"], line["stage"], line["reason"], line["path"]) for line in found)


def test_records_hold_the_frames_in_order(tmp_path, frames):
    schema = clip_schema(steps={"frames": FRAME, "number": NUMBER}, key="video", order="frame")
    out = tmp_path / "out"
    dataset = build_clips(write_rows(tmp_path / "m.csv", frames), schema, out)
    records = sorted(read_clips(out), key=lambda record: len(record["number"]))
    assert [len(record["number"]) for record in records] == sorted(LENGTHS)
    for record in records:
        clip = LENGTHS.index(len(record["number"]))
        expected = np.stack([pixels(clip, frame) for frame in range(LENGTHS[clip])])
        np.testing.assert_array_equal(record["frames"], expected)
        np.testing.assert_array_equal(record["number"], np.arange(LENGTHS[clip]))
        assert record["label"] == clip % 2
    assert dataset["rows"] == 5
    assert dataset["frames"] == {
        "seen": 48,
        "repeated": 0,
        "in_records": 48,
        "in_rejects": 0,
        "skipped": {},
        "dropped": {"count": 0, "by_reason": {}},
        "gaps": {"clips": 0, "missing": 0},
    }
    assert set(dataset["schema"]) == {"record", "on_unreadable", "context", "steps", "clips"}


def test_tensorflow_parses_the_records_by_itself(tmp_path, frames):
    out = tmp_path / "out"
    schema = clip_schema(key="video", order="frame")
    build_clips(write_rows(tmp_path / "m.csv", frames), schema, out)
    files = [str(path) for path in sorted(out.glob("*.tfrecord"))]
    batch = next(iter(tf.data.TFRecordDataset(files).batch(8)))
    context, steps, lengths = tf.io.parse_sequence_example(
        batch,
        {"label": tf.io.FixedLenFeature([], tf.int64)},
        {"frames": tf.io.FixedLenSequenceFeature([], tf.string)},
    )
    assert sorted(lengths["frames"].numpy()) == sorted(LENGTHS)
    clip = int(np.argmax(lengths["frames"]))
    image = tf.io.decode_png(steps["frames"][clip][11])
    np.testing.assert_array_equal(image, pixels(4, 11))
    assert context["label"][clip] == 0


def test_bytes_do_not_depend_on_threads_or_running_mode(tmp_path, frames):
    schema = clip_schema(key="video", order="frame", window=4, stride=2, every=2, min_frames=1)
    manifest = write_rows(tmp_path / "m.csv", frames)
    settings = {"splits": HALVES, "shard_size": ShardSize(num_shards=2)}
    processes = PipelineOptions(
        ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    )
    build_clips(manifest, schema, tmp_path / "one", threads=1, **settings)
    build_clips(manifest, schema, tmp_path / "four", threads=4, **settings)
    build_clips(manifest, schema, tmp_path / "two", threads=2, beam_options=processes, **settings)
    one = contents(tmp_path / "one")
    assert contents(tmp_path / "four") == one
    assert contents(tmp_path / "two") == one


def test_a_build_goes_on_at_the_missing_shards(tmp_path, frames, monkeypatch):
    schema = clip_schema(key="video", order="frame", on_bad_frame="drop")
    (tmp_path / "4_7.png").write_bytes(b"no")
    manifest = write_rows(tmp_path / "m.csv", frames)
    settings = {"threads": 1, "shard_size": ShardSize(num_shards=5)}
    build_clips(manifest, schema, tmp_path / "whole", **settings)
    encode, seen = RowEncoder.encode, []

    def fail_late(self, row, inline, arrays=None):
        seen.append(row)
        if len(seen) == 4:
            raise MemoryError("the machine gave up")
        return encode(self, row, inline, arrays)

    monkeypatch.setattr(RowEncoder, "encode", fail_late)
    with pytest.raises(Exception, match="the machine gave up"):
        build_clips(manifest, schema, tmp_path / "broken", **settings)
    monkeypatch.setattr(RowEncoder, "encode", encode)
    build_clips(manifest, schema, tmp_path / "broken", **settings)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_every_fault_of_a_clip_is_accounted_for(tmp_path, frames):
    def clip(key, numbers, **cells):
        return [
            {"path": f"0_{n}.png", "video": key, "frame": n, "label": "cat", **cells}
            for n in numbers
        ]

    (tmp_path / "bad.png").write_bytes(b"no image")
    rows = [
        *clip("good", [2, 0, 1]),
        *clip("corrupt", [0, 1]),
        *clip("corrupt", [2], path="bad.png"),
        *clip("missing", [0, 1], path="none.png"),
        *clip("twice", [0, 1, 1, 2]),
        *clip("torn", [0, 1, 2]),
        *clip("torn", [3], label="dog"),
        *clip("short", [0]),
        *clip("", [0, 1]),
        *clip("nowhere", [0, 1]),
        *clip("nowhere", [""], path="0_2.png"),
        *clip("unknown", [0, 1], label="cow"),
        *clip("gap", [0, 1, 4, 5, 8]),
    ]
    label = {**LABEL, "vocabulary": ["cat", "dog"]}
    schema = clip_schema({"label": label}, key="video", order="frame", min_frames=2)
    out = tmp_path / "out"
    manifest = Path(write_rows(tmp_path / "m.csv", rows))
    with manifest.open("a") as file:
        file.write("too,few\n")
    dataset = build_clips(str(manifest), schema, out)
    found = {(r["key"], r["stage"], r["reason"], r.get("frames", 0)) for r in rejects_of(out)}
    assert found == {
        ("corrupt", "decode", "unknown_format", 3),
        ("missing", "load", "file_not_found", 2),
        ("twice", "clip", "duplicate_frame", 4),
        ("torn", "clip", "ambiguous_value", 4),
        ("short", "clip", "too_few_frames", 1),
        ("m.csv:19", "clip", "missing_value", 1),
        ("m.csv:20", "clip", "missing_value", 1),
        ("nowhere", "clip", "missing_value", 3),
        ("unknown", "encode", "unknown_class", 2),
        ("m.csv:31", "read", "malformed_row", 0),
    }
    assert sorted(len(record["frames"]) for record in read_clips(out)) == [3, 5]
    # Two records, seven clips that cannot be, two rows without a clip and one that is no row.
    assert dataset["rows"] == 2 + 7 + 2 + 1 == 2 + dataset["rejects"]["count"]
    assert dataset["frames"] == {
        "seen": 29,
        "repeated": 0,
        "in_records": 8,
        "in_rejects": 21,
        "skipped": {},
        "dropped": {"count": 0, "by_reason": {}},
        "gaps": {"clips": 1, "missing": 4},
    }
    messages = {reject["key"]: reject["message"] for reject in rejects_of(out)}
    assert messages["corrupt"].startswith("frame 2: got a file that starts with b'no image'")
    assert messages["twice"] == ("got frame '1' at m.csv:11 and m.csv:12, expected it once")
    assert messages["torn"] == (
        "column 'label': got 'cat' at m.csv:14 and 'dog' at m.csv:17, expected one value in a clip"
    )
    assert messages["short"] == "got 1 frames, expected at least 2"


def test_bad_frames_and_duplicates_can_be_dropped_but_are_still_reported(tmp_path, frames):
    (tmp_path / "0_5.png").write_bytes(png(0, 5)[:60])
    (tmp_path / "4_3.png").unlink()
    again = {"path": "0_6.png", "video": "v0", "frame": "6.0", "label": "cat"}
    (tmp_path / "3_0.png").write_bytes(b"")
    schema = clip_schema(
        steps={"frames": FRAME, "number": NUMBER},
        key="video", order="frame", on_bad_frame="drop", on_duplicate="drop",
    )  # fmt: skip
    out = tmp_path / "out"
    dataset = build_clips(write_rows(tmp_path / "m.csv", [*frames, again]), schema, out)
    numbers = {len(r["number"]): r["number"].tolist() for r in read_clips(out)}
    assert numbers[11] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert numbers[24] == [n for n in range(25) if n != 3]
    assert lines(out, "dropped_frames.jsonl") == [
        ("v0", "clip", "duplicate_frame", ""),
        ("v0", "decode", "truncated_image", "0_5.png"),
        ("v4", "load", "file_not_found", "4_3.png"),
    ]
    assert lines(out, "rejects.jsonl") == [("v3", "clip", "too_few_frames", "")]
    assert rejects_of(out)[0]["message"] == "got 0 frames, expected at least 1; 1 were bad"
    assert (dataset["rows"], dataset["rejects"]["count"]) == (5, 1)
    assert verify(str(out)).faults == []
    frames = dataset["frames"]
    assert frames["dropped"].pop("file")["path"] == "dropped_frames.jsonl"
    assert frames == {
        "seen": 49,
        "repeated": 0,
        "in_records": 11 + 3 + 7 + 24,
        "in_rejects": 1,
        "skipped": {},
        "dropped": {
            "count": 3,
            "by_reason": {"duplicate_frame": 1, "file_not_found": 1, "truncated_image": 1},
        },
        "gaps": {"clips": 0, "missing": 0},
    }


def test_windows_of_a_clip_stay_in_one_split(tmp_path, frames):
    schema = clip_schema(
        steps={"number": NUMBER, "frames": FRAME}, key="video", order="frame", window=3, stride=2
    )
    out = tmp_path / "out"
    dataset = build_clips(write_rows(tmp_path / "m.csv", frames), schema, out, splits=HALVES)
    of_split = {
        split: [
            (record["frames"][0].tobytes(), record["number"].tolist())
            for record in read_clips(out, split)
        ]
        for split in ("train", "val")
    }
    where = {}
    for clip, length in enumerate(LENGTHS):
        for start in range(0, length - 2, 2):
            window = (pixels(clip, start).tobytes(), [start, start + 1, start + 2])
            where.setdefault(clip, set()).update(s for s in of_split if window in of_split[s])
    assert [len(where.get(clip, [])) for clip in range(5)] == [1, 1, 1, 0, 1]
    assert all(of_split.values())
    assert sum(map(len, of_split.values())) == 5 + 1 + 3 + 12
    assert [r["reason"] for r in rejects_of(out)] == ["too_few_frames"]
    assert dataset["rows"] == 22
    assert dataset["frames"]["repeated"] == 4 + 0 + 2 + 11
    assert dataset["frames"]["skipped"] == {"window": 1}


def test_frames_are_left_out_as_declared(tmp_path, frames):
    schema = clip_schema(
        steps={"number": NUMBER}, key="video", order="frame", every=3, max_frames=4
    )
    out = tmp_path / "out"
    dataset = build_clips(write_rows(tmp_path / "m.csv", frames), schema, out)
    numbers = sorted(record["number"].tolist() for record in read_clips(out))
    assert numbers == [[0], [0], [0, 3, 6], [0, 3, 6, 9], [0, 3, 6, 9]]
    assert dataset["frames"]["skipped"] == {"every": 30, "max_frames": 5}
    assert dataset["frames"]["in_records"] == 13


def test_gaps_can_cost_the_clip(tmp_path, frames):
    rows = [row for row in frames if (row["video"], row["frame"]) != ("v0", 5)]
    schema = clip_schema(key="video", order="frame", on_gap="reject")
    out = tmp_path / "out"
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, out)
    assert [(r["key"], r["message"]) for r in rejects_of(out)] == [
        ("v0", "got 11 frames with 1 missing between them, expected no gap")
    ]


@pytest.mark.parametrize("windows", [{}, {"window": 2, "min_frames": 1}])
def test_labels_are_joined_by_clip_or_by_frame(tmp_path, frames, windows):
    labels = [{"video": f"v{clip}", "label": "cat"} for clip in range(4)]
    labels += [{"video": "v9", "label": "dog"}]
    images = [{k: v for k, v in row.items() if k != "label"} for row in frames]
    schema = clip_schema(steps={"number": NUMBER}, key="video", order="frame", **windows)
    out = tmp_path / "by_clip"
    dataset = build_clips(
        write_rows(tmp_path / "m.csv", images), schema, out,
        labels=write_rows(tmp_path / "l.csv", labels), join_on="video",
    )  # fmt: skip
    assert {(r["key"], r["reason"], r.get("frames", 0)) for r in rejects_of(out)} == {
        ("v4", "no_label", 25),
        ("v9", "no_image", 0),
    }
    assert sum(len(record["number"]) for record in read_clips(out)) == 12 + 3 + 7 + 1
    records = dataset["splits"]["train"]["num_records"]
    assert records == (4 if not windows else 6 + 2 + 4 + 1)
    assert dataset["rows"] == records + 2
    assert dataset["frames"]["in_rejects"] == 25
    by_frame = [{"path": row["path"], "label": row["label"]} for row in frames]
    out = tmp_path / "by_frame"
    dataset = build_clips(
        str(tmp_path / "m.csv"), schema, out,
        labels=write_rows(tmp_path / "f.csv", by_frame), join_on="path",
    )  # fmt: skip
    assert dataset["frames"]["in_records"] == 48
    assert dataset["rejects"]["count"] == 0


def test_vocabularies_are_collected_from_steps(tmp_path, frames):
    actions = [{**row, "action": ("run", "jump")[row["frame"] % 2]} for row in frames]
    action = {"type": "class_label", "source": "action", "vocabulary": "from_manifest"}
    schema = clip_schema({}, {"action": action}, key="video", order="frame")
    out = tmp_path / "out"
    dataset = build_clips(write_rows(tmp_path / "m.csv", actions), schema, out)
    assert dataset["schema"]["steps"]["action"]["vocabulary"] == ["jump", "run"]
    assert sorted(r["action"].tolist() for r in read_clips(out))[0] == [1]
    statistics = dataset["splits"]["train"]["statistics"]["action"]
    assert statistics == {"classes": {"0": 22, "1": 26}}


def test_paths_may_be_made_of_cells(tmp_path):
    for clip in range(2):
        (tmp_path / f"v{clip}").mkdir()
        for frame in range(3):
            (tmp_path / f"v{clip}" / f"{frame}.png").write_bytes(png(clip, frame))
    rows = [{"video": f"v{c}", "frame": f, "label": "x"} for c in range(2) for f in range(3)]
    schema = clip_schema(
        steps={"frames": {**FRAME, "source": "{video}/{frame}.png"}}, key="video", order="frame"
    )
    out = tmp_path / "out"
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, out)
    found = sorted(record["frames"].tobytes() for record in read_clips(out))
    clips = [np.stack([pixels(clip, frame) for frame in range(3)]) for clip in range(2)]
    assert found == sorted(clip.tobytes() for clip in clips)


def test_a_missing_column_is_said_before_the_build(tmp_path, frames):
    manifest = write_rows(tmp_path / "m.csv", frames)
    schema = clip_schema(key="clip", order="frame")
    with pytest.raises(
        ManifestError, match=r"m\.csv: no column 'clip' for clips\.key; its columns"
    ):
        build_clips(manifest, schema, tmp_path / "out")


def test_a_long_clip_is_never_decoded_as_a_whole(tmp_path):
    """2,000 frames of 192 kB are 384 MB decoded; one at a time, they are not felt."""
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import numpy as np
from PIL import Image
from pathlib import Path
from pixelbeam.transforms.values.resolve import ValueResolver
from pixelbeam.transforms.clips.encode_clips import ClipEncoder
from pixelbeam.transforms.values.arrays.array_files import ArrayFiles
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.schemas import Schema
root = Path({str(tmp_path)!r})
Image.fromarray(np.full((256, 256, 3), 7, np.uint8)).save(root / "f.jpg")
frames = {{"type": "image", "source": "path", "height": 256, "width": 256}}
schema = Schema.from_dict({{"record": "sequence_example", "steps": {{"frames": frames}}}})
def encode(count):
    inputs = InputFiles(str(root))
    reader = ValueResolver({{"path": ["f.jpg"] * count}}, inputs, ArrayFiles(inputs))
    return ClipEncoder(schema, reader).encode()
encode(10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
values, _ = encode(2_000)
assert len(values["frames"].values) == 2_000
encoded = sum(map(len, values["frames"].values)) / 1024
print(int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before - encoded))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 40_000  # kB, beyond the encoded frames themselves
