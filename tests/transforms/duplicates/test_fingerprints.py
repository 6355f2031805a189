from __future__ import annotations

import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.images.hash_bands import HashBands, mirror
from pixelbeam.transforms.duplicates.fingerprints import (
    CONTENT,
    CONTENT_ENTRY,
    HASH_ENTRY,
    Buckets,
    FileColumns,
    Fingerprints,
    file_columns,
    read_fingerprints,
)

IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
LABEL = {"type": "int64", "source": "label"}
ONE, TWO = "0" * 15 + "1" + "f" * 48, "ab" * 32
PICTURE = 0x0F0F0F0F0F0F0F33


def parquet(**columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def records(count):
    return np.arange(10, 10 + count, dtype=np.uint64)


def test_the_columns_of_each_feature_that_is_read_from_files():
    schema = Schema.from_dict(
        {"features": {"image": IMAGE, "label": LABEL, "mask": {**IMAGE, "source": "mask"}}}
    )
    assert file_columns(schema) == [
        FileColumns("image", "source", "source_sha256", "dhash"),
        FileColumns("mask", "mask/source", "mask/source_sha256", "mask/dhash"),
    ]
    assert file_columns(schema)[1].names == ["mask/source_sha256", "mask/dhash"]


def test_of_clips_contents_alone():
    frames = {**IMAGE, "source": "frames"}
    schema = Schema.from_dict({"record": "sequence_example", "steps": {"frame": frames}})
    assert file_columns(schema) == [FileColumns("frame", None, "source_sha256", None)]
    assert file_columns(schema)[0].names == ["source_sha256"]


def test_hashes_are_read_from_the_index():
    data = parquet(
        source_sha256=[ONE, None, TWO, TWO],
        dhash=pa.array([PICTURE, None, 0b111, (1 << 64) - 9], pa.uint64()),
    )
    columns = FileColumns("image", "source", "source_sha256", "dhash")
    found = read_fingerprints(data, columns, records(4))
    twice = [0xABABABABABABABAB] * 2
    assert found.contents.tolist() == [[1, (1 << 64) - 1], twice, twice]
    assert found.content_records.tolist() == [10, 12, 13]
    assert found.hashes.tolist() == [PICTURE]
    assert found.hash_records.tolist() == [10]
    assert found.num_plain == 2


def test_a_clip_is_the_list_of_its_steps():
    steps = [[ONE, TWO], [TWO, ONE], [], None, [ONE, None], [ONE, TWO]]
    data = parquet(sha=pa.array(steps, pa.list_(pa.string())))
    found = read_fingerprints(data, FileColumns("frame", None, "sha", None), records(6))
    digests = [hashlib.sha256(f"{a}\n{b}".encode()).digest() for a, b in ((ONE, TWO), (TWO, ONE))]
    first, second = (np.frombuffer(digest[:16], ">u8").tolist() for digest in digests)
    assert found.contents.tolist() == [first, second, first]
    assert found.content_records.tolist() == [10, 11, 15]
    assert (len(found.hashes), found.num_plain) == (0, 0)


def test_a_damaged_index_is_an_error():
    with pytest.raises(pa.ArrowException):
        read_fingerprints(b"none", FileColumns("image", "source", "sha", None), records(1))


def fingerprints(hashes, contents=()):
    hashes = np.array(hashes, np.uint64)
    return Fingerprints(
        np.array(contents, np.uint64).reshape(-1, 2),
        records(len(contents)),
        hashes,
        records(len(hashes)),
        0,
    )


def test_entries_go_to_a_bucket_for_content_and_one_a_band():
    found = fingerprints([PICTURE, 5], [(1, 2)])
    blocks = list(Buckets(HashBands(2), 100).divide(7, found))
    assert [bucket for bucket, _ in blocks] == [(7, CONTENT, 0), (7, 0, 0), (7, 1, 0), (7, 2, 0)]
    (entry,) = np.frombuffer(blocks[0][1], CONTENT_ENTRY)
    assert (entry["content"].tolist(), entry["record"]) == ([1, 2], 10)
    for _, block in blocks[1:]:
        assert np.frombuffer(block, HASH_ENTRY).tolist() == [(PICTURE, 10), (5, 11)]
    (only,) = Buckets(None, 100).divide(7, found)
    assert only == blocks[0]
    assert list(Buckets(HashBands(2), 100).divide(7, fingerprints([]))) == []


def test_blocks_are_small_and_hold_every_entry_once():
    hashes = np.random.default_rng(1).integers(0, 1 << 63, 1000, np.uint64)
    contents = np.stack([hashes, hashes], axis=1)
    found = fingerprints(hashes, contents)
    blocks = list(Buckets(HashBands(1), 40_000).divide(0, found))
    assert max(len(block) for _, block in blocks) == 896
    for band, dtype in ((CONTENT, CONTENT_ENTRY), (0, HASH_ENTRY), (1, HASH_ENTRY)):
        entries = [np.frombuffer(block, dtype) for (_, b, _), block in blocks if b == band]
        assert sorted(np.concatenate(entries)["record"]) == records(1000).tolist()
        assert {part for (_, b, part), _ in blocks if b == band} == set(range(8))


def test_what_may_be_twins_meets_in_a_bucket():
    bands = HashBands(3)
    one = 0x0123456789ABCDEF
    first = int(bands.masks[0])
    near = one ^ (first & -first)
    turned = int(mirror(np.array([one], np.uint64))[0])
    for other in (near, turned):
        buckets = {}
        for bucket, block in Buckets(bands, 10**9).divide(0, fingerprints([one, other])):
            buckets[bucket] = len(block)
        shared = {band for (_, band, _), size in buckets.items() if size == 32}
        assert shared >= {1, 2, 3}
