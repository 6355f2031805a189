from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.schemas.images.hash_bands import MOST_DISTANCE, HashBands, count_bits, mirror
from pixelbeam.transforms.duplicates import search
from pixelbeam.transforms.duplicates.fingerprints import (
    CONTENT,
    CONTENT_ENTRY,
    HASH_ENTRY,
    Buckets,
    Fingerprints,
)
from pixelbeam.transforms.duplicates.record_numbers import RecordNumbers
from pixelbeam.transforms.duplicates.search import (
    PAIR,
    Classes,
    Kind,
    Nearest,
    find_equal,
    find_near,
)

NUMBERS = RecordNumbers({"train": 2, "val": 1})
PICTURE = 0x0F1E2D3C4B5A6978


def record(shard, index):
    return shard << 32 | index


def pairs(*rows):
    return np.array(list(rows), PAIR)


def u64(*values):
    return np.array(values, np.uint64)


def entries(dtype, *rows):
    return np.array(list(rows), dtype).tobytes()


def search_all(hashes, records, distance, numbers=NUMBERS, num_rows=20_000):
    """The twins over all buckets, and how many pairs were not compared."""
    bands = HashBands(distance)
    none = np.empty((0, 2), np.uint64)
    found = Fingerprints(none, records[:0], hashes, records, 0)
    buckets = defaultdict(list)
    for (_, band, part), block in Buckets(bands, num_rows).divide(0, found):
        buckets[band, part].append(block)
    nearest, left = Nearest(numbers), 0
    for (band, _), blocks in buckets.items():
        if band != CONTENT:
            of_bucket, skipped = find_near(blocks, bands, band, numbers)
            nearest.add(of_bucket)
            left += skipped
    return nearest.take(), left


def compare_all(hashes, records, distance, numbers=NUMBERS):
    """The same by comparing each two."""
    nearest = Nearest(numbers)
    for kind, others in ((Kind.NEAR, hashes), (Kind.MIRRORED, mirror(hashes))):
        distances = count_bits((hashes[:, None] ^ others[None, :]).ravel())
        near = np.flatnonzero(distances <= distance)
        found = np.empty(len(near), PAIR)
        found["record"], found["twin"] = (
            records[near // len(hashes)],
            records[near % len(hashes)],
        )
        found["kind"], found["distance"] = kind, distances[near]
        nearest.add(found)
    return nearest.take()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, MOST_DISTANCE), st.integers(0, 1 << 32), st.integers(1, 60), st.integers(0, 9)
)
def test_bands_find_what_comparing_each_two_finds(distance, seed, count, changes):
    random = np.random.default_rng(seed)
    bases = random.integers(0, 1 << 64, 5, np.uint64)
    # One that is its own mirror image: in each band it can meet others both ways.
    left = bases[0] & np.uint64(0x0F0F0F0F0F0F0F0F)
    bases[0] = left | (mirror(np.array([left])) & np.uint64(0xF0F0F0F0F0F0F0F0))[0]
    hashes = random.choice(bases, count)
    for _ in range(changes):
        flipped = np.uint64(1) << random.integers(0, 64, count, np.uint64)
        hashes = hashes ^ np.where(random.random(count) < 0.5, flipped, np.uint64(0))
    hashes = np.where(random.random(count) < 0.3, mirror(hashes), hashes)
    places = [record(shard, index) for shard in range(3) for index in range(count)]
    records = random.choice(u64(*places), count, replace=False)
    found, left_out = search_all(hashes, records, distance)
    assert found.tolist() == compare_all(hashes, records, distance).tolist()
    assert left_out == 0


def test_equal_contents_are_twins_within_and_across_splits():
    train, other, val, last = record(0, 5), record(1, 2), record(2, 1), record(2, 7)
    blocks = [
        entries(CONTENT_ENTRY, ((1, 2), last), ((9, 9), record(0, 1)), ((1, 3), record(0, 2))),
        entries(CONTENT_ENTRY, ((1, 2), other), ((1, 2), val), ((1, 2), train)),
    ]
    assert find_equal(blocks, NUMBERS).tolist() == [
        (train, val, Kind.EXACT, 0),
        (other, train, Kind.EXACT, 0),
        (other, val, Kind.EXACT, 0),
        (val, train, Kind.EXACT, 0),
        (last, train, Kind.EXACT, 0),
        (last, val, Kind.EXACT, 0),
    ]
    assert find_equal(blocks[:1], NUMBERS).tolist() == []
    assert find_equal([], NUMBERS).tolist() == []


def test_of_twins_the_nearest_in_each_split_counts():
    one, two, three, val = record(0, 0), record(0, 1), record(0, 2), record(2, 0)
    nearest = Nearest(NUMBERS)
    nearest.add(pairs((three, one, Kind.NEAR, 3), (three, two, Kind.NEAR, 2)))
    nearest.add(pairs((three, val, Kind.MIRRORED, 0), (three, val, Kind.NEAR, 4)))
    nearest.add(pairs((val, two, Kind.NEAR, 1), (val, one, Kind.NEAR, 1), (val, val, Kind.NEAR, 0)))
    nearest.add(pairs((one, two, Kind.EXACT, 0)))  # not before it
    assert nearest.take().tolist() == [
        (three, two, Kind.NEAR, 2),
        (three, val, Kind.NEAR, 4),
        (val, one, Kind.NEAR, 1),
    ]


def test_many_pairs_are_not_held_at_once(monkeypatch):
    monkeypatch.setattr(search, "_PAIRS_HELD", 3)
    nearest = Nearest(NUMBERS)
    held = []
    for twin in range(20):
        nearest.add(pairs((record(2, 0), twin, Kind.NEAR, 2), (record(2, 0), twin, Kind.NEAR, 3)))
        held.append(nearest._count)
    assert max(held) <= 3
    assert nearest.take().tolist() == [(record(2, 0), 0, Kind.NEAR, 2)]


def test_classes_are_sorted_and_know_the_first_of_each_split():
    records = u64(record(2, 4), record(0, 3), record(2, 1), record(1, 0), record(0, 9))
    classes, first = Classes.sorted(records, u64(2, 2, 2, 2, 1), u64(0, 0, 0, 0, 5))
    assert classes.records.tolist() == [
        record(0, 9), record(0, 3), record(1, 0), record(2, 1), record(2, 4),
    ]  # fmt: skip
    assert (classes.starts.tolist(), classes.sizes.tolist()) == ([0, 1, 5], [1, 4])
    assert (first.tolist(), len(classes)) == ([4, 1], 2)
    firsts = classes.firsts(NUMBERS)
    assert firsts.records.tolist() == [record(0, 9), record(0, 3), record(2, 1)]
    assert firsts.starts.tolist() == [0, 1, 3]
    empty, none = Classes.sorted(u64(), u64())
    assert (len(empty), len(none), len(empty.firsts(NUMBERS))) == (0, 0, 0)


def test_of_too_many_that_are_alike_not_all_are_compared(monkeypatch):
    monkeypatch.setattr(search, "_WINDOW", 3)
    # Six hashes that agree in all bands but the last, in each but two bits of it.
    bands = HashBands(2)
    bits = [bit for bit in range(64) if int(bands.masks[2]) >> bit & 1]
    hashes = [PICTURE ^ (1 << bit) for bit in bits[:6]]
    block = entries(HASH_ENTRY, *((value, number) for number, value in enumerate(hashes)))
    found, left = find_near([block], bands, 0, NUMBERS)
    # Of a run of n, as many pairs are further apart than three places as there are pairs of n - 3.
    turned, _ = bands.orient(u64(*hashes), 0)
    runs = [
        Counter(value & int(bands.masks[0] | mask) for value in turned.tolist())
        for mask in bands.within(0)
    ]
    assert left == sum(math.comb(max(0, n - 3), 2) for run in runs for n in run.values()) > 0
    monkeypatch.setattr(search, "_WINDOW", 5)
    whole, nothing = find_near([block], bands, 0, NUMBERS)
    assert nothing == 0
    assert len(whole) == len(found) == 5


@pytest.mark.parametrize(("distance", "expected"), [(1, []), (2, [(1, 0, Kind.MIRRORED, 2)])])
def test_a_mirrored_image_is_found_by_its_hash(distance, expected):
    turned = int(mirror(u64(PICTURE))[0]) ^ 0b11
    found, _ = search_all(u64(PICTURE, turned), u64(0, 1), distance)
    assert found.tolist() == expected
