from __future__ import annotations

import hashlib
from dataclasses import replace

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images.hash_bands import HashBands
from pixelbeam.transforms.duplicates import hash_rows
from pixelbeam.transforms.duplicates.fingerprints import (
    CONTENT,
    CONTENT_ENTRY,
    HASH_ENTRY,
    Buckets,
)
from pixelbeam.transforms.duplicates.hash_rows import HashRows, RowHasher
from pixelbeam.transforms.rows import ManifestRow, RowFormat
from pixelbeam.transforms.shards.encode_rows import RowEncoder
from pixelbeam.transforms.shards.thread_pool import RowPool
from pixelbeam.transforms.storage.input_files import InputFiles
from support import make_image

IMAGE = {"type": "image", "source": "path", "height": 24, "width": 24, "upscale": True}
LABEL = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
SCHEMA = Schema.from_dict({"features": {"label": LABEL, "image": IMAGE}})
FORMAT = RowFormat(("label", "path"), "path", True)


def number(row):
    return row.row


def rows(count):
    return [ManifestRow("m.csv", n, ("a", f"{n}.png")) for n in range(count)]


@pytest.fixture
def hasher(tmp_path):
    for n in range(4):
        make_image(tmp_path / f"{n}.png", n)
    encoder = RowEncoder(SCHEMA, FORMAT, InputFiles(str(tmp_path)))
    return RowHasher(encoder, str(tmp_path), number, Buckets(HashBands(0), 10))


def index_of(tmp_path, n):
    """Hash of the file, and what the index has as perceptual hash."""
    data = (tmp_path / f"{n}.png").read_bytes()
    found = SCHEMA.features["image"].encode("image", data).indexed()["dhash"]
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big"), found


def collect(blocks):
    """By record, the first half of the content's hash, and the perceptual hash."""
    contents, hashes = {}, {}
    for (feature, band, _), block in blocks:
        assert feature == 0  # the label is none of those that are hashed
        if band == CONTENT:
            entries = np.frombuffer(block, CONTENT_ENTRY)
            contents |= {int(e["record"]): int(e["content"][0]) for e in entries}
        else:
            hashes |= {int(e["record"]): int(e["hash"]) for e in np.frombuffer(block, HASH_ENTRY)}
    return contents, hashes


def test_rows_are_hashed_as_the_index_has_them(hasher, tmp_path):
    pool = RowPool(2, 60)
    # The fourth is not there; the build rejects it.
    found = collect(hasher.hash([*rows(3), ManifestRow("m.csv", 9, ("a", "gone.png"))], pool))
    pool.close()
    expected = {n: index_of(tmp_path, n) for n in range(3)}
    assert found == (
        {n: content for n, (content, _) in expected.items()},
        {n: dhash for n, (_, dhash) in expected.items()},
    )


def test_rows_without_a_number_are_left_to_where_rows_are_split(hasher, tmp_path):
    def number_or_reject(row):
        if row.row == 1:
            raise Reject("split", "missing_value", "column 'who' is empty, expected a value")
        return 10 * row.row

    pool = RowPool(1, 60)
    contents, _ = collect(replace(hasher, number=number_or_reject).hash(rows(3), pool))
    pool.close()
    assert contents == {0: index_of(tmp_path, 0)[0], 20: index_of(tmp_path, 2)[0]}


@pytest.mark.parametrize("block_bytes", [1, 1 << 16])
def test_many_rows_are_hashed_at_a_time(hasher, tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(hash_rows, "_BLOCK_BYTES", block_bytes)
    expected = {n: index_of(tmp_path, n) for n in range(4)}

    def check(blocks):
        contents, hashes = collect(blocks)
        assert contents == {n: content for n, (content, _) in expected.items()}
        assert hashes == {n: dhash for n, (_, dhash) in expected.items()}

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = pipeline | beam.Create(rows(4)) | HashRows(hasher, 2, 60)
        assert_that(found, check)
