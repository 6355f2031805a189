"""The index beside the shards, through the whole build."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from clips import FRAME, build_clips, clip_schema, png, write_rows
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.tfrecord import read_frames
from pixelbeam.schemas.errors import OptionError, OutputError
from pixelbeam.schemas.images.perceptual_hash import dhash
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, contents, dataset_json, make_image, write_csv

HALVES = Splits((("train", 0.5), ("val", 0.5)))
TWO = ShardSize(num_shards=2)


def index_of(out: Path, split: str = "*") -> list[dict]:
    files = sorted((out / "index").glob(f"{split}-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def build_rows(tmp_path: Path, schema: dict, name: str = "out", **options) -> Path:
    settings = {"manifest": str(tmp_path / "m.csv"), "max_rejects": MaxRejects(fraction=1.0)}
    built = Schema.from_dict(schema)
    build(BuildOptions(schema=built, output=str(tmp_path / name), **settings | options))
    return tmp_path / name


def test_each_record_is_found_by_its_address_and_leads_to_its_source(images, build_images):
    out = build_images(splits=HALVES, shard_size=TWO)
    shards = sorted(out.glob("*.tfrecord"))
    assert len(shards) == 4
    lines = (images / "images.csv").read_text().splitlines()
    seen = set()
    for shard in shards:
        rows = pq.read_table(out / "index" / f"{shard.stem}.parquet").to_pylist()
        with shard.open("rb") as file:
            frames = list(read_frames(file))
        assert [row["index"] for row in rows] == list(range(len(frames)))
        for row, (offset, record) in zip(rows, frames, strict=True):
            assert (row["offset"], row["bytes"]) == (offset, len(record) + 16)
            assert (row["key"], row["file"]) == (row["source"], "images.csv")
            assert lines[row["row"] - 1] == f"{row['source']},{row['label']}"
            data = (images / row["source"]).read_bytes()
            assert row["source_bytes"] == len(data)
            assert row["source_sha256"] == hashlib.sha256(data).hexdigest()
            with Image.open(io.BytesIO(data)) as source:
                assert (row["source_width"], row["source_height"]) == source.size
            assert (row["width"], row["height"]) == (24, 32)
            seen.add(row["source"])
        text = (out / "index" / f"{shard.stem}.idx").read_text()
        assert text == "".join(f"{row['offset']} {row['bytes']}\n" for row in rows)
    assert len(seen) == 40


def test_the_files_are_the_datasets_own(build_images):
    out = build_images(sinks=("tfrecord", "hdf5"))
    files = dataset_json(out)["files"]
    for name, kind in (("parquet", "index"), ("idx", "addresses")):
        file = f"index/train-00000-of-00001.{name}"
        data = (out / file).read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        assert files[file] == {"kind": kind, "bytes": len(data), "sha256": sha256}
    assert verify(str(out)).faults == []
    assert verify(str(out)).files == len(contents(out))


def test_hdf5_alone_has_no_addresses(build_images):
    out = build_images(sinks=("hdf5",))
    assert [path.suffix for path in (out / "index").iterdir()] == [".parquet"]
    rows = index_of(out)
    assert {row["offset"] for row in rows} == {row["bytes"] for row in rows} == {None}
    assert len(rows) == 40
    assert verify(str(out)).faults == []


def test_it_can_be_left_out(build_images):
    out = build_images(index="none")
    assert not (out / "index").exists()
    assert [name for name in dataset_json(out)["files"] if "index" in name] == []
    with pytest.raises(OutputError, match='index is "parquet", was "none"'):
        build_images(index="parquet")
    build_images(overwrite=True)
    assert len(index_of(out)) == 40
    build_images(index="none", overwrite=True)
    assert not (out / "index").exists()
    with pytest.raises(OptionError, match="--index: got 'yes', expected parquet or none"):
        build_images("other", index="yes")


def test_records_do_not_depend_on_it(build_images):
    with_index, without = build_images("a"), build_images("b", index="none")
    shard = "train-00000-of-00001.tfrecord"
    assert (with_index / shard).read_bytes() == (without / shard).read_bytes()


def test_bytes_do_not_depend_on_threads_or_running_mode(build_images):
    expected = contents(build_images("a", shard_size=TWO, threads=1))
    mode = PipelineOptions(["--direct_running_mode=multi_processing", "--direct_num_workers=2"])
    assert contents(build_images("b", mode, shard_size=TWO, threads=4)) == expected


def test_a_lost_index_is_made_again_before_publishing_and_missed_after(
    build_images, tmp_path, monkeypatch
):
    expected = contents(build_images("whole", shard_size=TWO))

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pixelbeam.pipeline.commands.build.publish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build_images("out", shard_size=TWO)
    index = tmp_path / "out" / "index"
    (index / "train-00000-of-00002.parquet").unlink()
    (index / "train-00001-of-00002.idx").write_text("0 1\n")
    assert contents(build_images("out", shard_size=TWO)) == expected
    (index / "train-00001-of-00002.idx").unlink()
    faults = verify(str(tmp_path / "out")).faults
    assert list(map(str, faults)) == ["index/train-00001-of-00002.idx: missing"]
    with pytest.raises(OutputError, match="not whole: 1 file missing"):
        build_images("out", shard_size=TWO)


def tamper(out: Path, change) -> list[str]:
    """Changes the index of the first shard, makes ``dataset.json`` agree, and verifies."""
    name = "index/train-00000-of-00001.parquet"
    pq.write_table(change(pq.read_table(out / name)), out / name)
    data = (out / name).read_bytes()
    info = json.loads((out / "dataset.json").read_bytes())
    info["files"][name] |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (out / "dataset.json").write_text(json.dumps(info))
    return [str(fault) for fault in verify(str(out)).faults if "index/" in str(fault)]


def test_verify_compares_the_index_with_the_records(build_images):
    out = build_images()
    name = "index/train-00000-of-00001.parquet"
    (said,) = tamper(out, lambda table: table.slice(0, 39))
    assert said == f"{name}: got rows for 39 records, expected one for each of 40"
    shutil.rmtree(out)
    build_images()
    moved = pa.array([*range(40)], pa.int64())
    (said,) = tamper(out, lambda table: table.set_column(3, "offset", moved))
    assert said == f"{name}: the offsets are not those of train-00000-of-00001.tfrecord"
    (out / name).write_bytes(b"PAR1")
    assert any("cannot be read" in str(fault) for fault in verify(str(out)).faults)
    assert any("SHA-256" in str(fault) for fault in verify(str(out)).faults)


def test_a_folder_of_the_users_own_is_left_alone(build_images, tmp_path):
    (tmp_path / "out" / "index").mkdir(parents=True)
    (tmp_path / "out" / "index" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds files that are not a dataset's"):
        build_images()
    shutil.rmtree(tmp_path / "out")
    build_images()
    (tmp_path / "out" / "index" / "notes.txt").write_text("mine")
    build_images(overwrite=True, index="none")
    assert [path.name for path in (tmp_path / "out" / "index").iterdir()] == ["notes.txt"]
    assert verify(str(tmp_path / "out")).faults == []


def test_duckdb_reads_it(build_images):
    out = build_images(splits=HALVES)
    query = f"select label, count(*) from '{out}/index/*.parquet' group by 1 order by 1"
    assert duckdb.sql(query).fetchall() == [("cat", 14), ("dog", 13), ("newt", 13)]
    pairs = f"""select count(*) from '{out}/index/*.parquet' a, '{out}/index/*.parquet' b
        where a.key < b.key and bit_count(xor(a.dhash, b.dhash)) < 4"""
    assert duckdb.sql(pairs).fetchall() == [(0,)]


def test_two_images_and_one_that_is_filled_in(tmp_path):
    for number in range(3):
        make_image(tmp_path / f"{number}.png", number)
    write_csv(
        tmp_path / "m.csv",
        [("0.png", "1.png"), ("1.png", ""), ("gone.png", "1.png"), ("2.png", "2.png")],
        ("left", "right"),
    )
    image = {"type": "image", "height": 16, "width": 32, "upscale": True, "resize": "pad"}
    schema = {
        "features": {
            "left": {**image, "source": "left"},
            "right": {**image, "source": "right", "default": "black"},
        }
    }
    rows = sorted(index_of(build_rows(tmp_path, schema)), key=lambda row: row["row"])
    assert [(row["source"], row["right/source"]) for row in rows] == [
        ("0.png", "1.png"),
        ("1.png", None),
        ("2.png", "2.png"),
    ]
    assert [row["row"] for row in rows] == [2, 3, 5]
    assert (rows[1]["right/source_sha256"], rows[1]["right/dhash"]) == (None, None)
    assert (rows[1]["right/width"], rows[1]["right/source_width"]) == (32, None)
    assert rows[2]["source_sha256"] == rows[2]["right/source_sha256"]
    # Padding is no part of what is hashed.
    with Image.open(tmp_path / "2.png") as source:
        seen = source.resize((22, 16), Image.Resampling.BILINEAR)
    assert (rows[2]["dhash"] ^ dhash(seen)).bit_count() <= 3


def test_sizes_are_those_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (50, 30)).save(tmp_path / "a.jpg", exif=exif)
    write_csv(tmp_path / "m.csv", [("a.jpg",)], ("path",))
    image = {"type": "image", "source": "path", "resize": "longest_side", "size": 25}
    (row,) = index_of(build_rows(tmp_path, {"features": {"image": image}}))
    assert (row["source_width"], row["source_height"], row["width"], row["height"]) == (
        30,
        50,
        15,
        25,
    )


def test_images_in_parquet_have_the_path_beside_them(tmp_path):
    for number in range(2):
        make_image(tmp_path / f"{number}.png", number)
    data = [(tmp_path / f"{number}.png").read_bytes() for number in range(2)]
    images = pa.array(
        [{"bytes": data[0], "path": "a/0.png"}, {"bytes": data[1], "path": None}],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"img": images}), tmp_path / "m.parquet")
    schema = {
        "features": {"image": {**IMAGE_SCHEMA.features["image"].model_dump(), "source": "img"}}
    }
    out = build_rows(tmp_path, schema, manifest=str(tmp_path / "m.parquet"))
    rows = sorted(index_of(out), key=lambda row: row["row"])
    assert [row["source"] for row in rows] == ["a/0.png", None]
    assert [row["source_bytes"] for row in rows] == list(map(len, data))
    assert [row["source_sha256"] for row in rows] == [hashlib.sha256(d).hexdigest() for d in data]


def test_paths_of_this_machine_stay_out_of_it(images, build_images, tmp_path):
    rows = [line.split(",") for line in (images / "images.csv").read_text().splitlines()[1:]]
    relative = [(path, label) for path, label in rows]
    absolute = [(str(images / path), label) for path, label in relative]
    found = []
    for name, listed in (("relative", relative), ("absolute", absolute)):
        (tmp_path / name).mkdir()
        manifest = write_csv(tmp_path / name / "m.csv", listed)
        out = build_images(f"out-{name}", manifest=str(manifest), image_root=str(images))
        found.append((out / "index" / "train-00000-of-00001.parquet").read_bytes())
    assert found[0] == found[1]
    assert str(tmp_path).encode() not in found[0]


def test_steps_of_clips_are_lists(tmp_path):
    rows = []
    for clip in range(2):
        for frame in range(3):
            (tmp_path / f"{clip}_{frame}.png").write_bytes(png(clip, frame))
            rows.append(
                {"path": f"{clip}_{frame}.png", "video": clip, "frame": frame, "label": clip}
            )
    schema = clip_schema(key="video", order="frame")
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, tmp_path / "out")
    found = sorted(index_of(tmp_path / "out"), key=lambda row: row["key"])
    assert [row["key"] for row in found] == ["0", "1"]
    for clip, row in enumerate(found):
        data = [png(clip, frame) for frame in range(3)]
        assert row["source"] == [f"{clip}_{frame}.png" for frame in range(3)]
        assert row["source_sha256"] == [hashlib.sha256(d).hexdigest() for d in data]
        assert row["source_bytes"] == list(map(len, data))
        assert (row["width"], row["source_height"]) == ([8] * 3, [6] * 3)
        assert len(set(row["dhash"])) == 3
        assert row["label"] == str(clip)
    assert verify(str(tmp_path / "out")).faults == []


def test_dropped_frames_are_not_in_it(tmp_path):
    for frame in range(3):
        (tmp_path / f"{frame}.png").write_bytes(png(0, frame) if frame != 1 else b"no image")
    rows = [
        {"path": f"{frame}.png", "video": 0, "frame": frame, "label": "a"} for frame in range(3)
    ]
    schema = clip_schema(key="video", order="frame", on_bad_frame="drop")
    build_clips(write_rows(tmp_path / "m.csv", rows), schema, tmp_path / "out")
    (row,) = index_of(tmp_path / "out")
    assert row["source"] == ["0.png", "2.png"]
    assert len(row["dhash"]) == 2


def test_frames_of_an_animation_are_of_one_file(tmp_path):
    frames = [Image.fromarray(np.full((6, 8, 3), 40 * n, np.uint8)) for n in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    schema = clip_schema(context={}, steps={"frames": {**FRAME, "source": "path"}})
    build_clips(write_rows(tmp_path / "m.csv", [{"path": "a.png"}]), schema, tmp_path / "out")
    (row,) = index_of(tmp_path / "out")
    sha256 = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert row["source"] == ["a.png"] * 3
    assert row["source_sha256"] == [sha256] * 3


def test_pixels_in_array_files_are_hashed_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 3), np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    write_csv(tmp_path / "m.csv", [("x.npy::[0]",), ("x.npy::[1]",)], ("path",))
    image = IMAGE_SCHEMA.features["image"].model_dump()
    rows = sorted(
        index_of(build_rows(tmp_path, {"features": {"image": image}})), key=lambda r: r["row"]
    )
    for row, array in zip(rows, pixels, strict=True):
        assert row["source_sha256"] == hashlib.sha256(array.tobytes()).hexdigest()
        assert row["source_bytes"] == array.nbytes
        assert row["source"] == f"x.npy::[{row['row'] - 2}]"


def test_reading_a_dataset_needs_neither_the_index_nor_pyarrow(build_images):
    out = build_images()
    shutil.rmtree(out / "index")
    code = f"""
import sys
sys.modules["pyarrow"] = None
import pixelbeam as pb
assert len(list(pb.load({str(out)!r}, "train", batch_size=8))) == 5
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
