"""Clips and other values from lists, folders, animated images and arrays, through the whole build."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from clips import FRAME, LABEL, build_clips, clip_schema, pixels, png, read_clips, write_rows
from PIL import Image
from pixelbeam.schemas import Schema
from pixelbeam.transforms.splits import Splits
from support import rejects_of

HALVES = Splits((("train", 0.5), ("val", 0.5)))


def clip_of(clip, frames):
    return np.stack([pixels(clip, frame) for frame in frames])


def assert_clips(out, expected, **reading):
    """The records' frames are those expected, in any order of the records."""
    found = sorted(record["frames"].tobytes() for record in read_clips(out, **reading))
    assert found == sorted(clip.tobytes() for clip in expected)


@pytest.fixture
def folders(tmp_path):
    """Three folders of 12, 2 and 5 frames; the natural order is not that of the text."""
    for clip, length in enumerate((12, 2, 5)):
        (tmp_path / f"clip {clip}").mkdir()
        for frame in range(length):
            (tmp_path / f"clip {clip}" / f"f{frame}.png").write_bytes(png(clip, frame))
        (tmp_path / f"clip {clip}" / "notes.txt").write_text("no frame")
        (tmp_path / f"clip {clip}" / ".hidden.png").write_text("no frame")
    return tmp_path


SPELLINGS = (
    lambda clip, names: f"clip {clip}",
    lambda clip, names: f"clip {clip}/",
    lambda clip, names: f"clip {clip}/*.png",
    lambda clip, names: json.dumps(names),
    lambda clip, names: ";".join(names),
    lambda clip, names: " ; ".join(names),
)


def test_folders_globs_and_lists(folders):
    """Each of three clips is named in six ways, a row each; ``number`` tells the rows apart."""
    rows = []
    for number, write in enumerate(SPELLINGS):
        for clip, length in enumerate((12, 2, 5)):
            names = [f"clip {clip}/f{frame}.png" for frame in range(length)]
            rows.append({"path": write(clip, names), "number": 10 * number + clip})
    manifest = write_rows(folders / "m.csv", rows)
    context = {"number": {"type": "int64", "source": "number"}}

    def found(out):
        return sorted(
            (int(record["number"]), record["frames"].tobytes())
            for split in ("train", "val")
            for record in read_clips(out, split)
        )

    dataset = build_clips(manifest, clip_schema(context), folders / "out", splits=HALVES)
    clips = [clip_of(0, range(12)), clip_of(1, range(2)), clip_of(2, range(5))]
    assert found(folders / "out") == [
        (10 * number + clip, frames.tobytes())
        for number in range(len(SPELLINGS))
        for clip, frames in enumerate(clips)
    ]
    assert dataset["frames"]["seen"] == dataset["frames"]["in_records"] == 19 * len(SPELLINGS)
    schema = clip_schema(context, window=4, stride=3, min_frames=2, every=2)
    dataset = build_clips(manifest, schema, folders / "windows", splits=HALVES)
    windows = [(0, (0, 2, 4, 6)), (0, (6, 8, 10)), (2, (0, 2, 4))]
    assert found(folders / "windows") == sorted(
        (10 * number + clip, clip_of(clip, window).tobytes())
        for number in range(len(SPELLINGS))
        for clip, window in windows
    )
    counts = {"seen": 19, "repeated": 1, "in_records": 10, "in_rejects": 2}
    assert dataset["frames"] == {
        **{name: count * len(SPELLINGS) for name, count in counts.items()},
        "skipped": {"every": 8 * len(SPELLINGS)},
        "dropped": {"count": 0, "by_reason": {}},
        "gaps": {"clips": 0, "missing": 0},
    }
    rejected = [r["reason"] for r in rejects_of(folders / "windows")]
    assert rejected == ["too_few_frames"] * len(SPELLINGS)


def test_typed_lists_in_json_lines(folders):
    rows = [{"path": [f"clip 2/f{n}.png" for n in (3, 1)], "label": "x"}]
    rows += [{"path": [], "label": "x"}, {"path": None, "label": "x"}]
    (folders / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    build_clips(str(folders / "m.jsonl"), clip_schema(), folders / "out")
    assert_clips(folders / "out", [clip_of(2, (3, 1))])
    assert [r["reason"] for r in rejects_of(folders / "out")] == ["too_few_frames", "missing_value"]


def test_frames_of_animated_images(tmp_path):
    rows, expected = [], []
    for number, suffix in enumerate(("gif", "webp", "png", "tif")):
        grey = [np.full((6, 8, 3), 50 * number + 5 * n, np.uint8) for n in range(9)]
        first, *more = map(Image.fromarray, grey)
        lossless = {"lossless": True} if suffix == "webp" else {}
        animated = {"save_all": True, "append_images": more, "duration": 40, **lossless}
        first.save(tmp_path / f"a.{suffix}", **animated)
        first.save(tmp_path / f"still.{suffix}", **lossless)
        data = (tmp_path / f"a.{suffix}").read_bytes()
        (tmp_path / f"cut.{suffix}").write_bytes(data[: len(data) // 3])
        rows += [{"path": f"{name}.{suffix}", "label": "x"} for name in ("a", "still", "cut")]
        expected += [np.stack(grey[::2]), np.stack(grey[:1])]
    build_clips(write_rows(tmp_path / "m.csv", rows), clip_schema(every=2), tmp_path / "out")
    assert_clips(tmp_path / "out", expected)
    rejected = {(r["key"], r["stage"]) for r in rejects_of(tmp_path / "out")}
    assert rejected == {(f"cut.{suffix}", "decode") for suffix in ("gif", "webp", "png", "tif")}


def test_clips_in_hdf5_files(tmp_path):
    lengths = {"a": 40, "b": 3, "c": 17, "d": 5}
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        for clip, (name, length) in enumerate(lengths.items()):
            files = [np.frombuffer(png(clip, frame), np.uint8) for frame in range(length)]
            if name == "b":  # as they lie in memory
                file[f"{name}/frames"] = clip_of(clip, range(length))
            elif name == "d":
                widest = max(map(len, files))
                file[f"{name}/frames"] = np.array(
                    [one.tobytes().ljust(widest, b"\0") for one in files], f"V{widest}"
                )
            else:
                data = file.create_dataset(f"{name}/frames", length, h5py.vlen_dtype(np.uint8))
                for frame, one in enumerate(files):
                    data[frame] = one
            file[f"{name}/sound"] = np.arange(length * 2, dtype=np.float64).reshape(length, 2)
            file[f"{name}/label"] = ["cat", "dog"][clip % 2]
    steps = {
        "frames": {**FRAME, "source": "videos.h5::/{clip}/frames"},
        "sound": {"type": "float32", "source": "videos.h5::/{clip}/sound", "shape": [2]},
    }
    label = {**LABEL, "source": "videos.h5::/{clip}/label", "vocabulary": ["cat", "dog"]}
    rows = [{"clip": name} for name in [*lengths, "nobody"]]
    manifest = write_rows(tmp_path / "m.csv", rows)
    dataset = build_clips(manifest, clip_schema({"label": label}, steps), tmp_path / "out")
    expected = [clip_of(clip, range(length)) for clip, length in enumerate(lengths.values())]
    assert_clips(tmp_path / "out", expected)
    for record in read_clips(tmp_path / "out"):
        length = len(record["frames"])
        np.testing.assert_array_equal(record["sound"], np.arange(length * 2).reshape(length, 2))
        assert record["label"] == list(lengths.values()).index(length) % 2
    reject = rejects_of(tmp_path / "out")[0]
    assert (reject["key"], reject["reason"]) == ("nobody", "no_such_array")
    assert reject["path"] == "videos.h5::/nobody/label"
    assert dataset["frames"]["seen"] == 65


def test_references_in_the_manifest(tmp_path):
    with h5py.File(tmp_path / "faces.h5", "w") as file:
        file["data"] = clip_of(0, range(10))
        file["clips"] = np.stack([clip_of(clip, range(4)) for clip in range(3)])
    rows = [
        {"path": "faces.h5::/data[2:6]", "label": "x"},
        {"path": "faces.h5::/clips[1]", "label": "x"},
        {"path": json.dumps(["faces.h5::/data[9]", "faces.h5::/data[0]"]), "label": "x"},
        {"path": "faces.h5::/data[10]", "label": "x"},
    ]
    build_clips(write_rows(tmp_path / "m.csv", rows), clip_schema(), tmp_path / "out")
    assert_clips(
        tmp_path / "out", [clip_of(0, range(2, 6)), clip_of(1, range(4)), clip_of(0, (9, 0))]
    )
    assert [r["reason"] for r in rejects_of(tmp_path / "out")] == ["no_such_row"]


STEPS = np.arange(12 * 3, dtype=np.float32).reshape(12, 3)
MOCAP = {"type": "float32", "source": "mocap", "shape": [3]}
TOKEN = {"type": "int64", "source": "tokens"}


@pytest.fixture
def mocap(tmp_path):
    """One clip of 12 steps in three files."""
    with h5py.File(tmp_path / "mocap.h5", "w") as file:
        file["c0/steps"] = STEPS
        file["more"] = np.stack([STEPS + 100, STEPS + 200])
    np.save(tmp_path / "w.npy", STEPS)
    return tmp_path


def windows_of(out, *names):
    """The steps of each record, in the order of the clip."""
    found = [[record[name].tolist() for name in names] for record in read_clips(out)]
    return sorted(found)


CELLS = (
    "mocap.h5::/c0/steps",
    "w.npy::",
    "w.npy::[0:12]",
    [f"w.npy::[{row}]" for row in range(12)],
    json.dumps([f"w.npy::[{row}]" for row in range(12)]),
    STEPS.tolist(),
    json.dumps(STEPS.tolist()),
)


@pytest.mark.parametrize(
    ("clips", "windows", "frames"),
    [
        ({"window": 4}, [range(4), range(4, 8), range(8, 12)], (0, 12, {})),
        (
            {"window": 3, "every": 2, "max_frames": 5, "stride": 2, "min_frames": 1},
            [range(0, 6, 2), range(4, 10, 2)],
            (1, 6, {"every": 6, "max_frames": 1}),
        ),
    ],
    ids=["window", "all"],
)
def test_windows_of_steps_that_a_cell_names(mocap, clips, windows, frames):
    """The same steps are named in seven ways, a row each."""
    rows = [json.dumps({"mocap": cell, "row": row}) + "\n" for row, cell in enumerate(CELLS)]
    (mocap / "m.jsonl").write_text("".join(rows))
    context = {"row": {"type": "int64", "source": "row"}}
    dataset = build_clips(
        str(mocap / "m.jsonl"), clip_schema(context, {"mocap": MOCAP}, **clips), mocap / "out"
    )
    assert windows_of(mocap / "out", "row", "mocap") == [
        [row, STEPS[window].tolist()] for row in range(len(CELLS)) for window in windows
    ]
    repeated, in_records, skipped = frames
    assert dataset["frames"] == {
        "seen": 12 * len(CELLS),
        "repeated": repeated * len(CELLS),
        "in_records": in_records * len(CELLS),
        "in_rejects": 0,
        "skipped": {name: count * len(CELLS) for name, count in skipped.items()},
        "dropped": {"count": 0, "by_reason": {}},
        "gaps": {"clips": 0, "missing": 0},
    }


def test_windows_of_an_hdf5_manifest(tmp_path):
    clips = np.random.default_rng(0).normal(size=(4, 12, 75)).astype(np.float32)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["m"], file["y"] = clips, np.arange(4)
    label = {"type": "class_label", "source": "y", "num_classes": 4}
    steps = {"m": {"type": "float32", "source": "m", "shape": [75]}}
    schema = clip_schema({"label": label}, steps, window=4)
    build_clips(str(tmp_path / "w.h5"), schema, tmp_path / "out")
    found = {(int(r["label"]), r["m"].tobytes()) for r in read_clips(tmp_path / "out")}
    assert found == {
        (y, clips[y, start : start + 4].tobytes()) for y in range(4) for start in (0, 4, 8)
    }


@pytest.mark.parametrize("source", ["mocap", "mocap.h5::/{clip}/steps"])
def test_windows_of_steps_that_are_listed_beside_steps_that_are_named(mocap, source):
    row = {"mocap": "w.npy::", "clip": "c0", "tokens": " ".join(map(str, range(12)))}
    (mocap / "m.jsonl").write_text(json.dumps(row))
    steps = {"mocap": {**MOCAP, "source": source}, "tokens": TOKEN}
    schema = clip_schema({}, steps, window=4, every=2, min_frames=2)
    dataset = build_clips(str(mocap / "m.jsonl"), schema, mocap / "out")
    expected = [list(range(0, 8, 2)), list(range(8, 12, 2))]
    assert windows_of(mocap / "out", "tokens", "mocap") == [
        [rows, STEPS[rows].tolist()] for rows in expected
    ]
    assert dataset["rejects"]["count"] == 0


@pytest.mark.parametrize("clips", [{}, {"window": 4}], ids=["whole", "window"])
def test_a_file_of_arrays_alone_is_no_number(mocap, clips):
    cells = ["w.npy", "mocap.h5", ["w.npy::[0]", "w.npy"], "w.npy::"]
    (mocap / "m.jsonl").write_text("".join(json.dumps({"mocap": cell}) + "\n" for cell in cells))
    schema = clip_schema({}, {"mocap": MOCAP}, **{"min_frames": 2, **clips})
    build_clips(str(mocap / "m.jsonl"), schema, mocap / "out")
    npy = "got 'w.npy', expected numbers; to read an array write 'w.npy::'"
    found = {(r["stage"], r["reason"], r["message"].removeprefix("frame 1: "))
             for r in rejects_of(mocap / "out")}  # fmt: skip
    assert found >= {
        ("load", "bad_path", npy),
        (
            "load",
            "bad_path",
            "got 'mocap.h5', expected numbers; to read an array write 'mocap.h5::NAME', with its "
            "name in the file",
        ),
    }
    assert len(read_clips(mocap / "out")) == (3 if clips else 1)


def test_lists_of_different_lengths_are_no_windows(mocap):
    rows = [{"tokens": "1 2 3", "tags": [1, 2, 3, 4]}, {"tokens": "5 6", "tags": [7, 8]}]
    (mocap / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps = {"tokens": TOKEN, "tags": {**TOKEN, "source": "tags"}}
    build_clips(str(mocap / "m.jsonl"), clip_schema({}, steps, window=2), mocap / "out")
    assert windows_of(mocap / "out", "tokens", "tags") == [[[5, 6], [7, 8]]]
    assert [(r["stage"], r["reason"], r["message"]) for r in rejects_of(mocap / "out")] == [
        (
            "clip",
            "unequal_lengths",
            "got 3 steps of 'tokens', 4 steps of 'tags', expected as many of each; or declare some "
            "of them as ragged: true",
        )
    ]


def test_step_features_have_as_many_steps_unless_ragged(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, length in (("even", 3), ("odd", 5)):
            file[f"{name}/frames"] = clip_of(0, range(3))
            file[f"{name}/sound"] = np.arange(length, dtype=np.float32)
    steps = {
        "frames": {**FRAME, "source": "a.h5::/{clip}/frames"},
        "sound": {"type": "float32", "source": "a.h5::/{clip}/sound"},
    }
    manifest = write_rows(tmp_path / "m.csv", [{"clip": "even"}, {"clip": "odd"}])
    build_clips(manifest, clip_schema({}, steps), tmp_path / "strict")
    assert [(r["key"], r["stage"], r["message"]) for r in rejects_of(tmp_path / "strict")] == [
        (
            "odd",
            "clip",
            "got 3 steps of 'frames', 5 steps of 'sound', expected as many of each; or declare "
            "some of them as ragged: true",
        )
    ]
    steps["sound"]["ragged"] = True
    build_clips(manifest, clip_schema({}, steps, every=2), tmp_path / "ragged")
    found = sorted((len(r["frames"]), len(r["sound"])) for r in read_clips(tmp_path / "ragged"))
    assert found == [(2, 3), (2, 5)]


def test_token_sequences(tmp_path):
    rows = [
        {"tokens": "5 3 9", "tags": "N V N", "label": "x"},
        {"tokens": "[7]", "tags": '["N"]', "label": "y"},
        {"tokens": "1 2", "tags": "N", "label": "y"},
        {"tokens": "1 two", "tags": "N N", "label": "y"},
    ]
    tags = {"type": "class_label", "source": "tags", "vocabulary": "from_manifest"}
    steps = {"tokens": {"type": "int64", "source": "tokens"}, "tags": tags}
    dataset = build_clips(
        write_rows(tmp_path / "m.csv", rows), clip_schema(steps=steps), tmp_path / "out"
    )
    assert dataset["schema"]["steps"]["tags"]["vocabulary"] == ["N", "V"]
    found = sorted((r["tokens"].tolist(), r["tags"].tolist()) for r in read_clips(tmp_path / "out"))
    assert found == [([5, 3, 9], [0, 1, 0]), ([7], [0])]
    assert [r["message"] for r in rejects_of(tmp_path / "out")] == [
        "got 2 steps of 'tokens', 1 steps of 'tags', expected as many of each; or declare some of "
        "them as ragged: true",
        "frame 1: got 'two', expected an integer",
    ]


def test_an_image_a_vector_and_a_label_in_one_record(tmp_path):
    """Faces by path, sound by label or by id from MATLAB, and a label from a second manifest."""
    sounds = np.random.default_rng(0).normal(size=(3, 4))
    with h5py.File(tmp_path / "sound.mat", "w", userblock_size=512) as file:
        file["features"] = sounds.T
        file["features"].attrs["MATLAB_class"] = np.bytes_("double")
        file["ids"] = np.array([[30.0], [10.0], [20.0]]).T
        file["ids"].attrs["MATLAB_class"] = np.bytes_("double")
    np.savez(tmp_path / "words.npz", cat=np.arange(2.0), dog=np.arange(2.0) + 5)
    for face in range(4):
        (tmp_path / f"{face}.png").write_bytes(png(face, 0))
    rows = [{"path": f"{face}.png", "id": 10 * face} for face in range(1, 4)]
    labels = [{"path": f"{face}.png", "label": ("cat", "dog")[face % 2]} for face in range(1, 4)]
    schema = Schema.from_dict(
        {
            "features": {
                "face": FRAME,
                "sound": {
                    "type": "float32",
                    "source": "sound.mat::features[ids={id}]",
                    "shape": [4],
                },
                "word": {"type": "float32", "source": "words.npz::{label}", "shape": [None]},
                "label": LABEL,
            }
        }
    )
    out = tmp_path / "out"
    dataset = build_clips(
        write_rows(tmp_path / "m.csv", rows), schema, out,
        labels=write_rows(tmp_path / "l.csv", labels), join_on="path",
    )  # fmt: skip
    assert dataset["rejects"]["count"] == 0
    assert "frames" not in dataset
    module = {}
    exec((out / "feature_description.py").read_text(), module)
    import tensorflow as tf

    files = [str(path) for path in sorted(out.glob("*.tfrecord"))]
    parsed = module["parse_example"](next(iter(tf.data.TFRecordDataset(files).batch(4))))
    batch = module["decode"](parsed)
    for index in range(3):
        face = next(f for f in range(4) if np.array_equal(batch["face"][index], pixels(f, 0)))
        expected = sounds[[30, 10, 20].index(10 * face)].astype(np.float32)
        np.testing.assert_array_equal(batch["sound"][index], expected)
        name = ("cat", "dog")[face % 2]
        np.testing.assert_array_equal(batch["word"][index], {"cat": [0, 1], "dog": [5, 6]}[name])
        assert batch["label"][index] == ["cat", "dog"].index(name)
