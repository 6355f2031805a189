from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace

import pytest
from pixelbeam.schemas import Schema
from pixelbeam.transforms.row_order import order_of, pack_row
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RowFormat
from pixelbeam.transforms.shards import shard_task
from pixelbeam.transforms.shards.encode_rows import RowEncoder
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.shards.shard_task import ShardTask
from pixelbeam.transforms.shards.thread_pool import RowPool
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.storage.input_log import ShardInputs
from pixelbeam.transforms.storage.output_folder import Folder
from support import contents, make_image

SCHEMA = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n", "max": 89}}})
FORMAT = RowFormat(("n",), None)
NAME = "train-00000-of-00001"


def packed(count):
    rows = [ManifestRow("m.csv", n, (str(n),)) for n in range(count)]
    return [pack_row(order_of(0, str(row.row), row), row) for row in rows]


def run(folder, rows, schema=SCHEMA, check_sources="stat"):
    encoder = RowEncoder(schema, FORMAT, InputFiles(""), ("tfrecord",))
    task = ShardTask(Folder(str(folder)), encoder, "", check_sources)
    return task.run(NAME, rows, RowPool(2, 60.0))


def test_a_shard_and_its_result(tmp_path):
    result = run(tmp_path, packed(100))
    assert (result.name, result.num_rows, result.num_records) == (NAME, 100, 90)
    assert result.rejects == {"out_of_range": 10}
    assert result.files["tfrecord"].path == f"{NAME}.tfrecord"
    assert ShardResult.from_json((tmp_path / ShardResult.path(NAME)).read_bytes()) == result
    assert len((tmp_path / ShardResult.rejects_path(NAME)).read_text().splitlines()) == 10


def test_the_order_in_which_rows_arrive_does_not_matter(tmp_path):
    run(tmp_path / "a", packed(50))
    run(tmp_path / "b", packed(50)[::-1])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_finished_shard_is_not_built_again(tmp_path):
    first = run(tmp_path, packed(20))
    before = (tmp_path / f"{NAME}.tfrecord").stat()
    assert run(tmp_path, packed(20)) == first
    assert (tmp_path / f"{NAME}.tfrecord").stat() == before


@pytest.mark.parametrize(
    ("rows", "schema"),
    [
        (packed(21), SCHEMA),
        (
            packed(20),
            Schema.from_dict({"features": {"n": {"type": "int64", "source": "n", "max": 8}}}),
        ),
    ],
)
def test_other_rows_or_another_schema_build_the_shard_anew(tmp_path, rows, schema):
    first = run(tmp_path, packed(20))
    assert run(tmp_path, rows, schema).files != first.files


@pytest.mark.parametrize("library", ["apache-beam", "pyarrow", "pillow"])
def test_another_version_of_a_library_builds_the_shard_anew(tmp_path, monkeypatch, library):
    first = run(tmp_path, packed(20))
    before = (tmp_path / f"{NAME}.tfrecord").stat().st_mtime_ns
    changed = {**shard_task.codec_versions(), library: "0.1"}
    monkeypatch.setattr(shard_task, "codec_versions", lambda: changed)
    again = run(tmp_path, packed(20))
    assert (tmp_path / f"{NAME}.tfrecord").stat().st_mtime_ns > before
    assert again.files == first.files
    assert again.fingerprint != first.fingerprint


def test_a_lost_file_is_built_again(tmp_path):
    first = run(tmp_path, packed(20))
    (tmp_path / f"{NAME}.tfrecord").unlink()
    assert run(tmp_path, packed(20)) == first
    assert (tmp_path / f"{NAME}.tfrecord").exists()


def test_a_file_of_another_size_is_built_again(tmp_path):
    first = run(tmp_path, packed(20))
    (tmp_path / f"{NAME}.tfrecord").write_bytes(b"half")
    assert run(tmp_path, packed(20)) == first
    assert (tmp_path / f"{NAME}.tfrecord").stat().st_size == first.files["tfrecord"].bytes


def test_a_file_of_another_content_is_built_again_where_content_is_compared(tmp_path):
    first = run(tmp_path, packed(20))
    path = tmp_path / f"{NAME}.tfrecord"
    good = path.read_bytes()
    path.write_bytes(bytes(len(good)))
    assert run(tmp_path, packed(20)) == first
    assert path.read_bytes() == bytes(len(good))
    assert run(tmp_path, packed(20), check_sources="content") == first
    assert path.read_bytes() == good
    at = path.stat().st_ino
    assert run(tmp_path, packed(20), check_sources="content") == first
    assert path.stat().st_ino == at


def test_a_bug_is_not_a_reject_and_names_the_row(tmp_path, monkeypatch):
    kind = type(SCHEMA.features["n"])
    monkeypatch.setattr(kind, "encode", lambda self, name, value: 1 // 0)
    with pytest.raises(
        RuntimeError,
        match=r"^failed to build the record of m\.csv:\d: feature 'n' \(int64\): ZeroDivisionError: ",
    ):
        run(tmp_path, packed(3))
    assert list(tmp_path.glob("*.tfrecord")) == []


def task_of(folder, schema=SCHEMA, row_format=FORMAT, **settings):
    encoder = RowEncoder(schema, row_format, InputFiles(""), ("tfrecord",))
    return ShardTask(Folder(str(folder)), encoder, "", **settings)


def test_what_a_shard_is_known_by(monkeypatch):
    """Golden: another fingerprint builds the shards of unfinished builds anew."""
    monkeypatch.setattr(ShardTask, "versions", lambda self: {"pillow": "1"})
    rows = [b"row", b"longer row"]
    decisive = {"schema": SCHEMA.to_dict(), "sinks": ["tfrecord"], "versions": {"pillow": "1"}}
    text = json.dumps(decisive, sort_keys=True).encode() + b"\0" + NAME.encode() + b"\0"
    text += b"".join(len(row).to_bytes(8, "big") + row for row in rows)
    expected = hashlib.sha256(text).hexdigest()
    task = task_of("")
    assert task._fingerprint(NAME, rows) == expected
    indexed = replace(task, encoder=replace(task.encoder, index=True))
    assert indexed._fingerprint(NAME, rows) != expected
    assert task_of("", inline={"m.csv": "a"})._fingerprint(NAME, packed(2)) == task_of(
        ""
    )._fingerprint(NAME, packed(2))


def test_images_in_a_manifest_are_known_by_the_hash_of_its_file():
    rows = [ManifestRow(f"{n}.parquet", 7, (InlineBytes(0, 0, 0),)) for n in range(2)]
    rows = [pack_row(order_of(0, "", row), row) for row in rows]
    hashes = [
        {"0.parquet": "a", "1.parquet": "b"},
        {"0.parquet": "a", "1.parquet": "c"},
        {"0.parquet": "a", "1.parquet": "b", "2.parquet": "c"},
        {},
    ]
    found = [task_of("", inline=inline)._fingerprint(NAME, rows) for inline in hashes]
    assert found[0] == found[2]
    assert len(set(found)) == 3


def test_versions_are_of_the_codecs_and_of_the_sinks(tmp_path):
    encoder = RowEncoder(SCHEMA, FORMAT, InputFiles(""), ("tfrecord", "hdf5"))
    versions = ShardTask(Folder(str(tmp_path)), encoder, "").versions()
    assert {"apache-beam", "pyarrow", "hdf5"} <= versions.keys()
    assert "hdf5" not in task_of(tmp_path).versions()


def test_a_result_is_gone_before_its_files_are_replaced(tmp_path, monkeypatch):
    run(tmp_path, packed(20))

    def crash(*_):
        assert not (tmp_path / ShardResult.path(NAME)).exists()
        raise MemoryError

    monkeypatch.setattr(ShardTask, "_build", crash)
    with pytest.raises(MemoryError):
        run(tmp_path, packed(21))


@pytest.mark.parametrize("data", [b"", b"{}", b'{"name": "x"'])
def test_a_result_that_is_not_whole_is_none(tmp_path, data):
    first = run(tmp_path, packed(20))
    (tmp_path / ShardResult.path(NAME)).write_bytes(data)
    assert run(tmp_path, packed(20)) == first


def test_lists_of_what_is_lost_are_written_where_there_is_something(tmp_path):
    number = {"type": "int64", "source": "n", "max": 9}
    clips = {"on_bad_frame": "drop", "min_frames": 2}
    declared = {"record": "sequence_example", "clips": clips, "steps": {"n": number}}
    schema = Schema.from_dict(declared)
    cells = {"good": [1, 2, 3], "torn": [1, 99, 2], "bad": [99, 98, 1]}
    for names, lost in (
        (["good"], [0, 0]),
        (["good", "torn"], [0, 1]),
        (["bad"], [1, 0]),
        (["torn", "bad", "good"], [1, 1]),
    ):
        rows = [ManifestRow("m.csv", n, (cells[name],)) for n, name in enumerate(names)]
        folder = tmp_path / "-".join(names)
        task = task_of(folder, schema)
        result = task.run(NAME, [pack_row(b"0" * 20, row) for row in rows], RowPool(2, 60.0))
        paths = [
            folder / path(NAME) for path in (ShardResult.rejects_path, ShardResult.dropped_path)
        ]
        found = [len(p.read_text().splitlines()) if p.exists() else 0 for p in paths]
        assert (names, found) == (names, lost)
        frames = {"good": 3, "torn": 2, "bad": 0}
        assert result.ledger["in_records"] == sum(frames[name] for name in names)
        assert result.ledger["seen"] == 3 * len(names)
        assert result.num_records == len([name for name in names if name != "bad"])
        assert result.num_rows == len(names)


IMAGES = RowFormat(("path",), "path", key_is_path=True)
ANY_SIZE = Schema.from_dict(
    {"features": {"image": {"type": "image", "source": "path", "resize": "none"}}}
)


def run_images(folder, images, names):
    rows = [ManifestRow("m.csv", number, (name,)) for number, name in enumerate(names)]
    packed_rows = [pack_row(order_of(0, IMAGES.key(row), row), row) for row in rows]
    inputs = InputFiles(str(images))
    encoder = RowEncoder(ANY_SIZE, IMAGES, inputs, ("tfrecord",))
    return ShardTask(Folder(str(folder)), encoder, "").run(NAME, packed_rows, RowPool(2, 60.0))


def built_at(folder):
    return (folder / f"{NAME}.tfrecord").stat().st_ino


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(3):
        make_image(tmp_path / "images" / f"{number}.png", number)
        os.utime(tmp_path / "images" / f"{number}.png", ns=(10**18, 10**18))
    return tmp_path / "images"


def test_a_reject_that_may_have_passed_is_tried_again(tmp_path, images):
    out, names = tmp_path / "out", ["0.png", "1.png", "later.png"]
    first = run_images(out, images, names)
    assert first.rejects == {"file_not_found": 1}
    at = built_at(out)
    assert (run_images(out, images, names), built_at(out)) == (first, at)
    make_image(images / "later.png", 7)
    second = run_images(out, images, names)
    assert (second.num_records, second.rejects) == (3, {})


def test_a_source_that_has_changed_builds_the_shard_anew(tmp_path, images):
    out, names = tmp_path / "out", ["0.png", "1.png", "2.png"]
    first = run_images(out, images, names)
    at, notes = built_at(out), (out / ".pixelbeam" / "sources" / NAME).read_bytes()
    assert (run_images(out, images, names), built_at(out)) == (first, at)
    assert (out / ".pixelbeam" / "sources" / NAME).read_bytes() == notes
    os.utime(images / "1.png", ns=(15 * 10**17, 15 * 10**17))  # touched: its content tells
    assert (run_images(out, images, names), built_at(out)) == (first, at)
    renewed = ShardInputs.from_bytes((out / ".pixelbeam" / "sources" / NAME).read_bytes())
    assert renewed.states["1.png"].mtime_ns == 15 * 10**17
    make_image(images / "1.png", 9)
    assert run_images(out, images, names).files != first.files


def test_without_notes_on_sources_the_shard_is_built_anew(tmp_path, images):
    out, names = tmp_path / "out", ["0.png"]
    first = run_images(out, images, names)
    for damage in (lambda note: note.unlink(), lambda note: note.write_bytes(b"{")):
        damage(out / ".pixelbeam" / "sources" / NAME)
        (out / f"{NAME}.tfrecord").write_bytes(b"\0" * first.files["tfrecord"].bytes)
        assert run_images(out, images, names) == first
        assert (out / f"{NAME}.tfrecord").read_bytes()[:8] != bytes(8)
