from __future__ import annotations

import json

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images.hash_bands import HashBands
from pixelbeam.transforms.duplicates import known_twins
from pixelbeam.transforms.duplicates.fingerprints import Buckets, Fingerprints
from pixelbeam.transforms.duplicates.known_twins import (
    JOINED_FILE,
    FindRepeated,
    JoinedTwins,
    JoinTwins,
    KnownTwins,
    RepeatedRows,
    RowNumbers,
    join,
)
from pixelbeam.transforms.duplicates.search import PAIR, Kind
from pixelbeam.transforms.rows import ManifestRow
from pixelbeam.transforms.storage.output_folder import Folder

NUMBERS = RowNumbers(("a.csv", "b.csv"))
PICTURE = 0x0F1E2D3C4B5A6978
BUCKETS = Buckets(HashBands(2), 100)


def row(file, number):
    return ManifestRow(file, number, ())


def u64(*values):
    return np.array(values, np.uint64)


def components(links):
    """The smallest node of each component, by a search from each node."""
    nodes = sorted({node for link in links for node in link})
    smallest = {}
    for node in nodes:
        reached, todo = {node}, [node]
        while todo:
            one = todo.pop()
            near = {b for a, b in links if a == one} | {a for a, b in links if b == one}
            todo += near - reached
            reached |= near
        smallest[node] = min(reached)
    return {node: low for node, low in smallest.items() if node != low}


def test_rows_are_numbered_in_the_manifests_order():
    rows = [row("a.csv", 2), row("a.csv", 1 << 39), row("b.csv", 1)]
    numbers = [NUMBERS(each) for each in rows]
    assert numbers == sorted(numbers)
    assert [NUMBERS.location(number) for number in numbers] == [each.location for each in rows]


def test_where_nothing_is_known_rows_stay_as_they_are():
    assert KnownTwins().reject_of(row("a.csv", 2)) is None
    assert KnownTwins().point(7) == 7


def test_a_row_with_a_twin_before_it_is_a_reject_that_names_that_one():
    first, second, third = (NUMBERS(row("a.csv", n)) for n in (2, 3, 4))
    last = NUMBERS(row("b.csv", 1))
    pairs = [(second, first, Kind.EXACT, 0), (third, first, Kind.NEAR, 3)]
    known = RepeatedRows(NUMBERS, np.array([*pairs, (last, third, Kind.MIRRORED, 0)], PAIR))
    said = {
        ("a.csv", 3): "the same file as a.csv:2, which comes first",
        ("a.csv", 4): "like a.csv:2, which comes first (3 of 64 bits differ)",
        ("b.csv", 1): "mirrored, like a.csv:4, which comes first (0 of 64 bits differ)",
    }
    for place, message in said.items():
        assert known.reject_of(row(*place)) == Reject("duplicate", "duplicate", message)
    for place in (("a.csv", 2), ("a.csv", 5), ("b.csv", 2)):
        assert known.reject_of(row(*place)) is None
    assert known.point(7) == 7


def test_joined_points_stand_for_the_smallest():
    known = JoinedTwins(u64(5, 9), u64(1, 2))
    assert [known.point(point) for point in (0, 1, 5, 6, 9, 10)] == [0, 1, 1, 6, 2, 10]
    assert known.reject_of(row("a.csv", 3)) is None


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20))
def test_what_is_linked_by_any_way_gets_the_smallest(links):
    joined, apart = join(np.array(links, np.uint64).reshape(-1, 2))
    assert dict(joined.tolist()) == components(links)
    assert len(apart) == 0


@pytest.mark.parametrize("order", ["rising", "shuffled"])
def test_chains_of_a_hundred_thousand_are_joined_in_twenty_rounds(order):
    nodes = np.arange(100_000, dtype=np.uint64)
    if order == "shuffled":
        nodes = np.random.default_rng(0).permutation(nodes)
    chain = np.stack([nodes[:-1], nodes[1:]], axis=1)
    joined, apart = join(chain, 20)
    assert (len(joined), len(apart)) == (99_999, 0)
    assert set(joined[:, 1].tolist()) == {0}


def test_what_is_too_far_apart_for_the_rounds_is_said():
    chain = np.stack([u64(*range(9)), u64(*range(1, 10))], axis=1)
    _, apart = join(chain, 1)
    assert len(apart) > 0
    assert set(map(tuple, apart.tolist())) < set(map(tuple, chain.tolist()))
    none, all_of_it = join(chain, 0)
    assert (len(none), all_of_it.tolist()) == (0, chain.tolist())


def entries(*rows):
    """Blocks of rows of number, content and hash."""
    numbers, contents, hashes = zip(*rows, strict=True)
    found = Fingerprints(
        np.array([(c, c) for c in contents], np.uint64), u64(*numbers), u64(*hashes), u64(*numbers), 0
    )  # fmt: skip
    return list(BUCKETS.divide(0, found))


def run(blocks, transform, check):
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = pipeline | beam.Create(blocks) | transform
        assert_that(found, lambda tables: check(*tables))


def test_repeated_rows_are_found_by_content_and_by_hash():
    first, second, third, fourth = (NUMBERS(row("a.csv", n)) for n in (2, 3, 4, 5))
    other = 0x123456789ABCDEF1
    blocks = entries((first, 1, PICTURE), (third, 1, 0), (second, 2, PICTURE ^ 1), (fourth, 3, other))  # fmt: skip

    def check(known):
        assert known.numbers == NUMBERS
        assert known.pairs.tolist() == [(second, first, 1, 1), (third, first, 0, 0)]

    run(blocks, FindRepeated(NUMBERS, BUCKETS), check)


def test_twins_of_twins_are_joined(tmp_path):
    # 5 is near 9, which is a copy of 7: over two features or bands alike.
    blocks = entries((9, 1, PICTURE), (7, 1, 0), (5, 2, PICTURE ^ 1), (3, 3, 0x123456789ABCDEF1))

    def check(known):
        assert dict(zip(known.points.tolist(), known.smallest.tolist(), strict=True)) == {9: 5, 7: 5}  # fmt: skip

    run(blocks, JoinTwins(BUCKETS, Folder(str(tmp_path))), check)
    assert json.loads((tmp_path / JOINED_FILE).read_text()) == {"joined": 2, "not_joined": 0}


def test_links_that_the_rounds_could_not_follow_are_counted(tmp_path):
    # A chain over contents and hashes in turn: each row is linked with the next one in another bucket.
    rows = [
        (n, n // 2, PICTURE ^ (0b111 << (9 * ((n + 1) // 2)) if (n + 1) // 2 else 0))
        for n in range(10)
    ]
    blocks = entries(*rows)
    run(blocks, JoinTwins(BUCKETS, Folder(str(tmp_path)), 1), lambda known: None)
    assert json.loads((tmp_path / JOINED_FILE).read_text())["not_joined"] > 0
    run(blocks, JoinTwins(BUCKETS, Folder(str(tmp_path))), lambda known: None)
    assert json.loads((tmp_path / JOINED_FILE).read_text()) == {"joined": 9, "not_joined": 0}


def test_many_links_of_a_bucket_are_joined_in_between(monkeypatch, tmp_path):
    monkeypatch.setattr(known_twins, "_LINKS_HELD", 2)
    rows = [(n, n, PICTURE ^ (1 << n)) for n in range(8)]

    def check(known):
        assert known.points.tolist() == list(range(1, 8))
        assert set(known.smallest.tolist()) == {0}

    run(entries(*rows), JoinTwins(BUCKETS, Folder(str(tmp_path))), check)
