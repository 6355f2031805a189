from __future__ import annotations

import hashlib
from collections import defaultdict
from itertools import pairwise

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Schema
from pixelbeam.transforms import contradictions
from pixelbeam.transforms.contradictions import (
    Contradictions,
    FindContradictions,
    LabelCollector,
    find_contradictions,
)
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RowFormat

LABEL = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
SCHEMA = Schema.from_dict({"features": {"image": IMAGE, "label": LABEL}})
FORMAT = RowFormat(("label", "path"), "path", True)


def collect(rows, schema=SCHEMA, row_format=FORMAT, bundles=1):
    blocks = []
    for start in range(bundles):
        collector = LabelCollector(schema, row_format)
        for row in rows[start::bundles]:
            collector.add(row_format.key(row), row)
        blocks += collector.take()
    return blocks


def find(rows, schema=SCHEMA, row_format=FORMAT, bundles=1):
    buckets = defaultdict(list)
    for bucket, block in collect(rows, schema, row_format, bundles):
        buckets[bucket].append(block)
    return Contradictions.merge(map(find_contradictions, buckets.values()))


def number(cells):
    return [ManifestRow("m.csv", n, values) for n, values in enumerate(cells, 2)]


def test_an_image_with_two_labels_is_found_by_any_spelling_of_its_path():
    rows = number([("cat", "x.jpg"), ("dog", "y.jpg"), ("dog", "./x.jpg"), ("dog", "a/../y.jpg")])
    found = Contradictions(1, (("m.csv", 2, "cat"), ("m.csv", 4, "dog")))
    assert find(rows) == found
    assert list(found.warnings()) == [
        "1 image has rows with different labels, such as m.csv:2 ('cat') and m.csv:4 ('dog')"
    ]
    assert list(Contradictions().warnings()) == []


def test_an_image_in_the_manifests_of_two_splits_is_found():
    places = [("val/b.csv", "x.jpg"), ("train/a.csv", "x.jpg"), ("train/c.csv", "x.jpg"),
              ("train/a.csv", "y.jpg"), ("train/c.csv", "y.jpg"), ("val/b.csv", "./z.jpg"),
              ("train/c.csv", "z.jpg")]  # fmt: skip
    rows = [ManifestRow(file, n, ("cat", path)) for n, (file, path) in enumerate(places, 2)]
    buckets = defaultdict(list)
    for bucket, block in collect(rows):
        buckets[bucket].append(block)
    found = Contradictions.merge(find_contradictions(b, by_split=True) for b in buckets.values())
    example = (("train/c.csv", 4, "cat"), ("val/b.csv", 2, "cat"))
    assert found == Contradictions(shared=2, shared_example=example)
    assert list(found.warnings()) == [
        "2 images are in the manifests of several splits, such as train/c.csv:4 and val/b.csv:2"
    ]
    assert find(rows) == Contradictions()


@pytest.mark.parametrize(
    "labels", [("2", "2.0"), (2, 2.0), (" cat", "cat"), ("cat", None), ("cat", ""), (True, "true")]
)
def test_labels_that_agree_or_are_missing(labels):
    assert find(number((label, "x.jpg") for label in labels)) == Contradictions()


def test_several_classes_agree_in_any_order():
    schema = Schema.from_dict(
        {"features": {"image": IMAGE, "label": {**LABEL, "type": "class_labels"}}}
    )
    rows = number([("a;b", "x.jpg"), (["b", "a"], "x.jpg"), ("a", "y.jpg"), ("b;a", "y.jpg")])
    expected = Contradictions(1, (("m.csv", 4, "a"), ("m.csv", 5, "a, b")))
    assert find(rows, schema) == expected


def test_labels_of_several_inputs_are_of_them_together():
    text = {"type": "string", "source": "question"}
    schema = Schema.from_dict({"features": {"image": IMAGE, "question": text, "label": LABEL}})
    row_format = RowFormat(("label", "path", "question"), "path", True)
    rows = number(
        [("yes", "x.jpg", "a cat?"), ("no", "x.jpg", "a dog?"), ("no", "x.jpg", "a cat?")]
    )
    expected = Contradictions(1, (("m.csv", 2, "yes"), ("m.csv", 4, "no")))
    assert find(rows, schema, row_format) == expected


def test_inline_images_are_not_known_by_their_paths():
    assert (
        find(number((label, InlineBytes(0, 0, 0, "x.jpg")) for label in "ab")) == Contradictions()
    )


def test_rows_without_a_path_or_a_label_need_no_collector():
    assert LabelCollector(SCHEMA, FORMAT).is_needed
    assert not LabelCollector(SCHEMA, RowFormat(("label", "path"), "label")).is_needed
    images = Schema.from_dict({"features": {"image": IMAGE}})
    assert not LabelCollector(images, RowFormat(("path",), "path", True)).is_needed


@pytest.mark.parametrize(
    ("feature", "is_needed"),
    [
        (LABEL, True),
        ({**LABEL, "target": False}, False),
        ({**LABEL, "source": "l.npy::[{label}]", "vocabulary": ["cat"]}, False),
        ({"type": "int64", "source": "label", "target": True}, False),
    ],
)
def test_labels_are_targets_that_are_classes(feature, is_needed):
    schema = Schema.from_dict({"features": {"image": {**IMAGE, "source": "a"}, "label": feature}})
    assert LabelCollector(schema, RowFormat(("a", "label"), "a", True)).is_needed == is_needed


def test_labels_of_clips_are_those_of_their_context():
    schema = Schema.from_dict(
        {
            "record": "sequence_example",
            "context": {"label": LABEL},
            "steps": {"image": IMAGE, "action": {**LABEL, "source": "action"}},
        }
    )
    row_format = RowFormat(("action", "label", "path"), "path", True)
    rows = number(
        [("run", "cat", "x"), ("sit", "cat", "x"), ("run", "dog", "y"), (["run"], "cat", "y")]
    )
    expected = Contradictions(1, (("m.csv", 4, "dog"), ("m.csv", 5, "cat")))
    assert find(rows, schema, row_format) == expected


def test_further_inputs_that_are_paths_are_known_by_any_spelling():
    other, text = {**IMAGE, "source": "other"}, {"type": "string", "source": "text"}
    features = {"image": IMAGE, "other": other, "text": text, "label": LABEL}
    schema = Schema.from_dict({"features": features})
    row_format = RowFormat(("label", "other", "path", "text"), "path", True)
    inline = InlineBytes(0, 0, 0, "x.jpg")
    rows = number(
        [("cat", "o.jpg", "x.jpg", "t"), ("dog", "./o.jpg", "x.jpg", "t"),
         ("cat", "o.jpg", "x.jpg", "./t"), ("cat", inline, "y.jpg", "t"), ("dog", inline, "y.jpg", "t")]
    )  # fmt: skip
    expected = Contradictions(2, (("m.csv", 2, "cat"), ("m.csv", 3, "dog")))
    assert find(rows, schema, row_format) == expected


@pytest.mark.parametrize(
    ("count", "images", "shared"),
    [(1, "1 image has", "1 image is"), (1200, "1,200 images have", "1,200 images are")],
)
def test_warnings_count_images(count, images, shared):
    rows = (("a/m.csv", 2, "cat"), ("b/m.csv", 3, "dog"))
    assert list(Contradictions(count, rows, count, rows).warnings()) == [
        f"{images} rows with different labels, such as a/m.csv:2 ('cat') and b/m.csv:3 ('dog')",
        f"{shared} in the manifests of several splits, such as a/m.csv:2 and b/m.csv:3",
    ]


@pytest.mark.parametrize("few", [0, 9])
def test_numbers_are_given_anew(few, monkeypatch):
    monkeypatch.setattr(contradictions, "_FEW", few)
    used, places = contradictions._number_anew(np.array([7, 2, 7, 0]), 9)
    assert (used.tolist(), places.tolist()) == ([0, 2, 7], [2, 1, 2, 0])


CELLS = st.tuples(st.sampled_from("abc"), st.sampled_from([f"{n}.jpg" for n in range(9)]))


@given(st.lists(CELLS, max_size=40), st.integers(1, 4))
def test_against_a_plain_search(cells, bundles):
    rows = number(cells)
    by_path = defaultdict(list)
    for row in rows:
        by_path[row.values[1]].append(row)
    torn = [rs for rs in by_path.values() if len({r.values[0] for r in rs}) > 1]
    found = find(rows, bundles=bundles)
    assert found.count == len(torn)
    if torn:
        changes = [
            next((a, b) for a, b in pairwise(rs) if a.values[0] != b.values[0]) for rs in torn
        ]
        pairs = [tuple(("m.csv", r.row, r.values[0]) for r in pair) for pair in changes]
        assert found.example == min(pairs)


def test_what_is_shuffled_of_a_row_is_24_bytes():
    rows = number(("cat", f"{'long' * 30}/{n}.jpg") for n in range(100))
    assert sum(len(block.entries) for _, block in collect(rows)) == 2400


def test_blocks_stay_small_where_all_rows_are_of_one_image():
    rows = number(("cat", "x.jpg") for _ in range(300))
    assert [len(block.entries) for _, block in collect(rows)] == [128 * 24, 128 * 24, 44 * 24]
    rows[299] = ManifestRow("m.csv", 301, ("dog", "x.jpg"))
    assert find(rows) == Contradictions(1, (("m.csv", 300, "cat"), ("m.csv", 301, "dog")))


def test_the_transform():
    cells = [("cat", "x.jpg"), ("dog", "x.jpg"), ("cat", "y.jpg"), ("dog", "y.jpg")]
    rows = [ManifestRow(f"{values[0]}/m.csv", n, values) for n, values in enumerate(cells)]
    example = (("cat/m.csv", 0, "cat"), ("dog/m.csv", 1, "dog"))
    with beam.Pipeline(FnApiRunner()) as pipeline:
        blocks = pipeline | beam.Create(collect(rows, bundles=2))
        assert_that(blocks | FindContradictions(), equal_to([Contradictions(2, example)]))
        by_split = blocks | "BySplit" >> FindContradictions(by_split=True)
        both = [Contradictions(2, example, 2, example)]
        assert_that(by_split, equal_to(both), "by_split")
        empty = pipeline | "None" >> beam.Create([]) | "OfNone" >> FindContradictions()
        assert_that(empty, equal_to([Contradictions()]), "empty")


def test_a_collector_is_full_at_its_number_of_rows(monkeypatch):
    monkeypatch.setattr(contradictions, "_MOST_ROWS", 3)
    collector = LabelCollector(SCHEMA, FORMAT)
    full = []
    for row in number([("cat", "x.jpg"), (None, "y.jpg"), ("dog", "z.jpg"), ("cat", "x.jpg")]):
        collector.add(FORMAT.key(row), row)
        full.append(collector.is_full)
    assert full == [False, False, False, True]
    assert sum(len(block.entries) for _, block in collector.take()) == 3 * 24
    assert not collector.is_full
    assert list(collector.take()) == []


def test_a_bucket_is_the_first_bits_of_the_images_hash():
    rows = number(("cat", f"{n}.jpg") for n in range(3000))
    found = collect(rows)
    hashes = [
        int.from_bytes(hashlib.blake2b(b"%d.jpg" % n, digest_size=8).digest(), "big")
        for n in range(3000)
    ]
    buckets = [bucket for bucket, _ in found]
    assert sorted(set(buckets)) == buckets == sorted({number >> 54 for number in hashes})
    for bucket, block in found:
        images = np.frombuffer(block.entries, contradictions._ENTRY)["image"].tolist()
        assert images == [number for number in hashes if number >> 54 == bucket]


def test_blocks_have_the_files_and_labels_of_their_own_rows():
    rows = [ManifestRow(f"{n % 3}.csv", n, (("cat", "dog")[n % 2], f"{n}.jpg")) for n in range(200)]
    for _, block in collect(rows):
        entries = np.frombuffer(block.entries, contradictions._ENTRY)
        assert set(entries["file"].tolist()) == set(range(len(block.files)))
        assert set(entries["label"].tolist()) == set(range(len(block.labels)))
        for entry in entries:
            n = int(entry["row"])
            assert (block.files[entry["file"]], block.labels[entry["label"]]) == (
                f"{n % 3}.csv",
                ("cat", "dog")[n % 2],
            )


def test_of_several_labels_all_have_to_agree():
    """And where one is missing, the others are compared; where all are, nothing is."""
    second = {**LABEL, "source": "colour"}
    schema = Schema.from_dict({"features": {"image": IMAGE, "label": LABEL, "second": second}})
    row_format = RowFormat(("colour", "label", "path"), "path", True)
    rows = number(
        [("red", "cat", "x.jpg"), ("red", "cat", "x.jpg"), ("blue", "cat", "x.jpg"),
         (None, "cat", "y.jpg"), (None, "cat", "y.jpg"), (None, None, "z.jpg"),
         (["red"], "cat", "z.jpg")]
    )  # fmt: skip
    expected = Contradictions(1, (("m.csv", 3, "cat; red"), ("m.csv", 4, "cat; blue")))
    assert find(rows, schema, row_format) == expected


def test_the_example_is_the_first_by_file_and_row():
    places = [("b.csv", 2, "x"), ("b.csv", 3, "x"), ("a.csv", 9, "y"), ("c.csv", 1, "y"),
              ("a.csv", 8, "z"), ("d.csv", 2, "z")]  # fmt: skip
    rows = [
        ManifestRow(file, n, (("cat", "dog")[at % 2], f"{path}.jpg"))
        for at, (file, n, path) in enumerate(places)
    ]
    together = find_contradictions([block for _, block in collect(rows)])
    assert together == Contradictions(3, (("a.csv", 8, "cat"), ("d.csv", 2, "dog")))
