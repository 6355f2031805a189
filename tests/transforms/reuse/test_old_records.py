from __future__ import annotations

import json
import os

import numpy as np
import pyarrow as pa
import pytest
from pixelbeam.schemas import Image, Schema
from pixelbeam.schemas.dataset.tfrecord import frame_record
from pixelbeam.transforms.reuse.candidates import Candidates, dump_table
from pixelbeam.transforms.reuse.old_dataset import OldDataset
from pixelbeam.transforms.reuse.old_records import OldRecords
from pixelbeam.transforms.sinks.examples import serialize_record
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.storage.input_log import InputLog
from pixelbeam.transforms.storage.output_folder import Folder

IMAGE = Image(source="path", height=8, width=8, upscale=True)
SUMMARY = {"count": 64, "sum": [1, 2, 3], "sum_squares": [4, 5, 6], "bytes": 7}
SAID = {
    "source_width": 40, "source_height": 20, "orientation": 6, "width": 8, "height": 8, "dhash": 2**64 - 1,
    "statistics": json.dumps(SUMMARY),
}  # fmt: skip
STAMP = 1_600_000_000_000_000_000


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"source")
    os.utime(tmp_path / "images" / "a.jpg", ns=(STAMP, STAMP))
    return tmp_path


def entry(folder, **others):
    """A record that holds ``stored`` in the old dataset, and where it lies."""
    data = b"".join(frame_record(serialize_record({"image": b"stored"}, "example")))
    (folder / "old.tfrecord").write_bytes(b"before" + data + b"after")
    lies = {"sink": "tfrecord", "file": "old.tfrecord", "offset": 6, "bytes": len(data)}
    named = {"source": "a.jpg", "source_bytes": 6, "source_sha256": "5e"}
    noted = {"root": str(folder / "images"), "mtime_ns": STAMP, "tag": ""}
    return {**lies, **named, **SAID, **noted, **others}


def records(folder, *entries, check_sources="stat") -> OldRecords:
    old = OldDataset(Folder(str(folder)), Schema(features={"image": IMAGE}), ("image",), (), 1)
    types = {"dhash": pa.uint64()}
    tables = [pa.table({k: pa.array([v], types.get(k)) for k, v in e.items()}) for e in entries]
    candidates = [Candidates("image", dump_table(table)) for table in tables]
    return OldRecords(old, candidates, check_sources)


def look(found: OldRecords, folder, written="a.jpg", log=None):
    inputs = InputFiles(str(folder / "images"), log=log)
    return found.take_unchanged("image", IMAGE, "a.jpg", written, inputs)


def test_what_was_encoded_comes_back_whole(folder):
    log = InputLog()
    taken = look(records(folder, entry(folder)), folder, log=log)
    assert (taken.bytes, taken.sha256) == (6, "5e")
    assert taken.encoded.values == {"image": b"stored"}
    assert taken.encoded.summary == SUMMARY
    assert taken.encoded.indexed() == SAID
    became = taken.encoded.became
    assert (became.displayed_size, became.orientation, became.record_size) == ((40, 20), 6, (8, 8))
    (noted,) = log.take().items()
    assert (noted[0], noted[1].stamp, noted[1].sha256) == ("a.jpg", (6, STAMP, ""), "5e")


@pytest.mark.parametrize(
    "others",
    [
        {"source_bytes": 5},
        {"mtime_ns": STAMP - 1},
        {"mtime_ns": 0},
        {"root": "/elsewhere"},
        {"source": "b.jpg"},
        {"tag": "etag"},
    ],
    ids=lambda others: next(iter(others)),
)
def test_a_file_that_may_have_changed_is_not_taken_unread(folder, others):
    log = InputLog()
    assert look(records(folder, entry(folder, **others)), folder, log=log) is None
    assert log.take() == {}


def test_a_file_that_is_gone_or_lies_in_the_manifest_is_not_looked_up(folder):
    found = records(folder, entry(folder))
    assert look(found, folder, written="") is None
    (folder / "images" / "a.jpg").unlink()
    assert look(found, folder) is None


def test_content_decides_where_that_is_asked_for(folder):
    found = records(folder, entry(folder), check_sources="content")
    assert look(found, folder) is None
    assert found.take_same("image", IMAGE, "a.jpg", "5e").encoded.values == {"image": b"stored"}


def test_the_same_content_under_the_same_path_is_taken(folder):
    found = records(folder, entry(folder, mtime_ns=0))
    assert found.take_same("image", IMAGE, "a.jpg", "5e").bytes == 6
    for key, sha256 in (("a.jpg", "5f"), ("b.jpg", "5e")):
        assert found.take_same("image", IMAGE, key, sha256) is None
    assert found.take_same("other", IMAGE, "a.jpg", "5e") is None


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_record_that_is_damaged_is_not_taken_and_the_next_one_is(folder, damage):
    first, second = entry(folder, offset=0), entry(folder)
    path = folder / "old.tfrecord"
    assert look(records(folder, first), folder) is None  # no record begins there
    assert look(records(folder, first, second), folder).encoded.values == {"image": b"stored"}
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data if damage == "flipped" else data[:20])
    if damage == "gone":
        path.unlink()
    found = records(folder, first, second)
    assert look(found, folder) is None
    assert found.take_same("image", IMAGE, "a.jpg", "5e") is None


def test_files_are_closed(folder):
    found = records(folder, entry(folder))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert look(found, folder) is not None
    assert len(os.listdir("/proc/self/fd")) == before + 1
    found.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_raw_pixels_come_back_in_their_shape(folder):
    pixels = np.arange(2 * 3, dtype=np.uint16).reshape(2, 3, 1)
    image = Image(
        source="path", size=2, resize="shortest_side", encoding="raw", channels=1, dtype="uint16"
    )
    values = {"image": [pixels.astype("<u2").tobytes()], "image/shape": np.array([2, 3, 1])}
    encoded = image.recall("image", values, SAID | {"orientation": 1})
    assert encoded.values["image"].dtype == np.uint16
    assert (encoded.values["image"] == pixels).all()
    assert encoded.values["image/shape"].tolist() == [2, 3, 1]
