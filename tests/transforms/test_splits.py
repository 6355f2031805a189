from __future__ import annotations

from collections import Counter
from dataclasses import replace

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import OptionError, Reject
from pixelbeam.transforms import contradictions
from pixelbeam.transforms import splits as module
from pixelbeam.transforms.duplicates.known_twins import KnownTwins
from pixelbeam.transforms.row_order import order_of, pack_row
from pixelbeam.transforms.rows import ManifestRow, RejectedRow, RowFormat, Window
from pixelbeam.transforms.splits import AssignSplits, Splits, assign_split, split_point
from pixelbeam.transforms.values.arrays.array_files import ArrayBlock

FORMAT = RowFormat(("path", "person", "split"), "path")
THREE = (("train", 0.8), ("val", 0.15), ("test", 0.05))


def row(number, person="p", split="train"):
    return ManifestRow("m.csv", number, (f"{number}.jpg", person, split))


def test_shares_are_about_the_fractions():
    counts = Counter(assign_split(Splits(THREE), 0, FORMAT, row(n)) for n in range(20_000))
    assert {name: round(count / 20_000, 2) for name, count in counts.items()} == dict(THREE)


@given(st.integers(0, 9), st.lists(st.integers(1, 10**9), min_size=2, max_size=9))
def test_a_group_stays_together(seed, numbers):
    splits = Splits(THREE, group_by="person")
    assert (
        len({assign_split(splits, seed, FORMAT, row(number, person="anna")) for number in numbers})
        == 1
    )


def test_the_split_depends_on_the_key_and_the_seed_alone():
    moved = ManifestRow("other.csv", 99, row(1).values)
    splits = Splits((("a", 0.5), ("b", 0.5)))
    assert assign_split(splits, 3, FORMAT, row(1)) == assign_split(splits, 3, FORMAT, moved)
    assert {assign_split(splits, seed, FORMAT, row(1)) for seed in range(20)} == {"a", "b"}


def test_the_split_comes_from_its_column():
    assert assign_split(Splits(column="split"), 0, FORMAT, row(1, split="val")) == "val"


@pytest.mark.parametrize(
    ("splits", "given_row", "reason", "message"),
    [
        (
            Splits(column="split"),
            row(1, split=None),
            "missing_value",
            "column 'split' is empty, expected a value",
        ),
        (
            Splits(column="split"),
            row(1, split="../x"),
            "bad_split",
            "column 'split': got '../x', expected a letter and up to 99 letters, digits and underscores",
        ),
        (
            Splits(THREE, group_by="person"),
            row(1, person=""),
            "missing_value",
            "column 'person' is empty, expected a value",
        ),
    ],
)
def test_rejects(splits, given_row, reason, message):
    with pytest.raises(Reject) as reject:
        assign_split(splits, 0, FORMAT, given_row)
    assert (reject.value.stage, reject.value.reason, reject.value.message) == (
        "split",
        reason,
        message,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train=0.9,val=0.2", "--splits: got fractions that add up to 1.1, expected 1"),
        ("train=1,train=0", "--splits: got train=0, expected a fraction between 0 and 1"),
        ("train=1.5,val=-0.5", "--splits: got train=1.5, expected a fraction between 0 and 1"),
        ("train=-0.5,val=1.5", "--splits: got train=-0.5, expected a fraction between 0 and 1"),
        ("train=0.5,train=0.5", "--splits: got train, train, expected each split once"),
        (
            "a/b=1",
            "--splits: got the name 'a/b', expected a letter and up to 99 letters, digits and underscores",
        ),
        ("train", "--splits: got 'train', expected something like train=0.9,val=0.1"),
    ],
)
def test_bad_options(text, message):
    with pytest.raises(OptionError) as error:
        Splits(Splits.parse(text))
    assert str(error.value) == message


def test_the_transform_gives_rows_and_rejects():
    with beam.Pipeline(FnApiRunner()) as pipeline:
        rows = pipeline | beam.Create([row(1, split="val"), row(2, split="")])
        outputs = rows | AssignSplits(Splits(column="split"), 0, FORMAT)
        assert outputs.labels is None
        kept = row(1, split="val")
        packed = pack_row(order_of(0, FORMAT.key(kept), kept), kept)
        assert_that(outputs.rows, equal_to([("val", [packed])]))
        rejected = RejectedRow(
            "m.csv",
            2,
            "2.jpg",
            Reject("split", "missing_value", "column 'split' is empty, expected a value"),
            values=(("path", "2.jpg"), ("person", "p"), ("split", "")),
        )
        assert_that(outputs.rejects, equal_to([rejected]), label="rejects")


@pytest.mark.parametrize(
    ("point", "split"),
    [
        (0, "a"),
        (2**63 - 1, "a"),
        (2**63, "b"),
        (3 * 2**62 - 1, "b"),
        (3 * 2**62, "c"),
        (2**64 - 1, "c"),
    ],
)
def test_a_split_has_its_part_of_the_range_of_hashes(point, split, monkeypatch):
    monkeypatch.setattr(module, "stable_hash", lambda *_: point.to_bytes(8, "big"))
    splits = Splits((("a", 0.5), ("b", 0.25), ("c", 0.25)))
    assert assign_split(splits, 0, FORMAT, row(1)) == split


def test_what_rounding_leaves_over_is_the_last_splits(monkeypatch):
    monkeypatch.setattr(module, "stable_hash", lambda *_: b"\xff" * 8)
    splits = Splits((("a", 0.4), ("b", 0.3), ("c", 0.2999995)))
    assert assign_split(splits, 0, FORMAT, row(1)) == "c"


@pytest.mark.parametrize(("last", "fits"), [(0.5, True), (0.5000009, True), (0.500002, False)])
def test_fractions_add_up_to_1_but_for_rounding(last, fits):
    fractions = (("a", 0.5), ("b", last))
    if fits:
        assert Splits(fractions).fractions == fractions
    else:
        with pytest.raises(OptionError, match=r"expected 1$"):
            Splits(fractions)


def test_one_split_has_all_rows_and_looks_at_none(monkeypatch):
    monkeypatch.setattr(module, "stable_hash", None)
    assert assign_split(Splits((("all", 1.0),)), 0, FORMAT, row(1)) == "all"


def test_the_hash_is_of_the_group_where_there_is_one_and_of_the_key(monkeypatch):
    hashed = []
    monkeypatch.setattr(module, "stable_hash", lambda *parts: hashed.append(parts) or b"\0" * 8)
    assign_split(Splits(THREE, group_by="person"), 3, FORMAT, row(1, person="anna"), "known")
    assign_split(Splits(THREE), 4, FORMAT, row(2))
    assign_split(Splits(THREE), 5, FORMAT, row(2), "known")
    assert hashed == [(3, "split", "anna"), (4, "split", "2.jpg"), (5, "split", "known")]


def test_names_and_columns():
    assert (Splits().names, Splits().columns) == (("train",), ())
    by_group = Splits(THREE, group_by="person")
    assert (by_group.names, by_group.columns) == (("train", "val", "test"), ("person",))
    by_column = Splits(column="fold")
    assert (by_column.names, by_column.columns) == ((), ("fold",))
    with pytest.raises(OptionError) as error:
        Splits(column="fold", group_by="person")
    assert str(error.value) == ("--group_by: got it beside --split_column, expected one of the two")


def test_the_splits_of_class_folders():
    assert Splits().or_column("dir", "photos") == Splits(column="dir")
    assert Splits(column="fold").or_column("dir", "photos") == Splits(column="fold")
    for asked, option in ((Splits(THREE), "--splits"), (Splits(group_by="person"), "--group_by")):
        with pytest.raises(OptionError) as error:
            asked.or_column("dir", "photos")
        assert str(error.value) == (
            f"{option}: got it for photos, whose folders are the splits, expected one of the two; "
            "to split anew, name the images in a manifest file"
        )
    with pytest.raises(OptionError, match=r"^--splits: got it for photos"):
        Splits((("train", 1.0),)).or_column("dir", "photos")  # asked for, if all in train


def test_the_splits_of_several_manifests():
    assert Splits().of_manifests("file", "train=a") == Splits(column="file")
    for asked, option in (
        (Splits(THREE), "--splits"),
        (Splits(column="fold"), "--split_column"),
        (Splits(group_by="person"), "--group_by"),
    ):
        with pytest.raises(OptionError) as error:
            asked.of_manifests("file", "train=a")
        assert str(error.value) == (
            f"{option}: got it beside --manifest train=a, where each manifest is a split, "
            "expected one of the two"
        )


@pytest.mark.parametrize(("over", "filled_by"), [(0, 3), (1, 4)])
def test_rows_travel_in_blocks(over, filled_by, monkeypatch):
    """A block is closed by the row that fills it; what is left over goes with the bundle's end."""
    rows = [row(number, split="ab"[number % 2]) for number in range(6)]
    packed = [pack_row(order_of(0, FORMAT.key(r), r), r) for r in rows]
    assert len({*map(len, packed)}) == 1
    monkeypatch.setattr(module, "_BLOCK_BYTES", 4 * len(packed[0]) + over)
    assign = module._AssignSplitFn(Splits(column="split"), 0, FORMAT, None, None)
    assign.setup()
    assign.start_bundle()
    outputs = [list(assign.process(r)) for r in rows]
    expected = [[] for _ in rows]
    done = filled_by + 1
    expected[filled_by] = [("a", packed[0:done:2]), ("b", packed[1:done:2])]
    assert outputs == expected
    left = dict(element.value for element in assign.finish_bundle())
    rest = {"a": packed[done + done % 2 :: 2], "b": packed[done + 1 - done % 2 :: 2]}
    assert left == {split: rows for split, rows in rest.items() if rows}


def test_labels_are_an_output_where_there_is_a_collector():
    schema = Schema.from_dict({"features": {"person": {"type": "string", "source": "person"}}})
    collector = contradictions.LabelCollector(schema, FORMAT)
    rows = beam.Pipeline() | beam.Create([], reshuffle=False)
    outputs = rows | AssignSplits(Splits(), 0, FORMAT, collector)
    assert (type(outputs.labels), outputs.labels.tag) == (beam.PCollection, "labels")


def test_the_windows_of_a_clip_stay_together(monkeypatch):
    hashed = []
    monkeypatch.setattr(module, "stable_hash", lambda *parts: hashed.append(parts) or b"\0" * 8)
    assign_split(Splits(THREE), 0, FORMAT, replace(row(1), window=Window("clip", 4, 8)), "clip/4")
    assert hashed == [(0, "split", "clip")]


def test_rows_are_ordered_by_the_blocks_of_their_arrays():
    class Arrays:
        is_closed = False

        def open(self):
            return self

        def find(self, given):
            return ArrayBlock("a.h5", "x", given.row // 2, 0, 8)

        def close(self):
            self.is_closed = True

    arrays = Arrays()
    assign = module._AssignSplitFn(Splits(), 5, FORMAT, None, arrays)
    assign.setup()
    assign.start_bundle()
    rows = [row(n) for n in range(3)]
    assert [list(assign.process(r)) for r in rows] == [[], [], []]
    packed = [pack_row(order_of(5, f"{r.row}.jpg", r, arrays.find(r)), r) for r in rows]
    assert not arrays.is_closed
    assert [element.value for element in assign.finish_bundle()] == [("train", packed)]
    assert arrays.is_closed


def test_labels_are_collected_until_there_are_many(monkeypatch):
    monkeypatch.setattr(contradictions, "_MOST_ROWS", 2)
    label = {"type": "class_label", "source": "person", "vocabulary": "from_manifest"}
    image = {"type": "image", "source": "path", "height": 8, "width": 8}
    schema = Schema.from_dict({"features": {"image": image, "label": label}})
    by_path = RowFormat(FORMAT.columns, "path", key_is_path=True)
    collector = contradictions.LabelCollector(schema, by_path)
    assign = module._AssignSplitFn(Splits(column="split"), 0, by_path, collector, None)
    assign.setup()
    assign.start_bundle()
    taken = [[o for o in assign.process(row(n)) if o.tag == "labels"] for n in range(3)]
    assert [sum(len(o.value[1].entries) for o in outputs) for outputs in taken] == [0, 48, 0]
    rest = [o for o in assign.finish_bundle() if isinstance(o, beam.pvalue.TaggedOutput)]
    assert [(o.tag, len(o.value.value[1].entries)) for o in rest] == [("labels", 24)]


def test_a_long_name_is_cut():
    with pytest.raises(OptionError, match=f"got the name '{'a' * 120}', expected a letter"):
        Splits((("a" * 121, 1.0),))
    with pytest.raises(Reject, match=f"got '{'b' * 80}', expected a letter"):
        assign_split(Splits(column="split"), 0, FORMAT, row(1, split="b" * 101))


class _Known(KnownTwins):
    """Row 3 is left out; row 2 goes where row 1 does."""

    def reject_of(self, row):
        return Reject("duplicate", "duplicate", "like m.csv:1") if row.row == 3 else None

    def point(self, point):
        one, two = (split_point(HALVES, 0, FORMAT, row(n)) for n in (1, 2))
        return one if point == two else point


HALVES = Splits((("a", 0.5), ("b", 0.5)))


def test_a_key_goes_to_the_split_of_the_one_that_stands_for_it():
    alone = [assign_split(HALVES, 0, FORMAT, row(n)) for n in range(9)]
    together = [assign_split(HALVES, 0, FORMAT, row(n), known=_Known()) for n in range(9)]
    assert alone[1] != alone[2]
    assert together == [*alone[:2], alone[1], *alone[3:]]


def test_the_point_of_a_row_is_that_of_its_group_or_clip():
    grouped = Splits(HALVES.fractions, group_by="person")
    assert split_point(grouped, 0, FORMAT, row(1)) == split_point(grouped, 0, FORMAT, row(2))
    assert split_point(HALVES, 0, FORMAT, row(1)) == split_point(
        HALVES, 0, FORMAT, row(9), key="1.jpg"
    )
    assert split_point(HALVES, 0, FORMAT, row(1)) != split_point(HALVES, 1, FORMAT, row(1))


def test_rows_that_are_known_as_twins_are_rejects():
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        known = pipeline | "Known" >> beam.Create([_Known()])
        split = (
            pipeline
            | beam.Create([row(n) for n in range(5)])
            | AssignSplits(HALVES, 0, FORMAT, known=known)
        )
        expected = Reject("duplicate", "duplicate", "like m.csv:1")
        assert_that(
            split.rejects | beam.Map(lambda r: (r.row, r.reject)), equal_to([(3, expected)])
        )
        counts = (
            split.rows | beam.MapTuple(lambda name, block: len(block)) | beam.CombineGlobally(sum)
        )
        assert_that(counts, equal_to([4]), label="Rows")
