from __future__ import annotations

import pytest
from pixelbeam.pipeline.options import add_build_options, new_parser, parse_build_options
from pixelbeam.pipeline.twins import TwinOptions, describe_twins
from pixelbeam.schemas.dataset.info import DuplicatesInfo
from pixelbeam.schemas.errors import OptionError


def parse(*arguments):
    parser = new_parser()
    add_build_options(parser)
    given = ["--manifest", "m.csv", "--schema", "image_classification", "--output", "o"]
    return parse_build_options(parser.parse_args([*given, *arguments])).twins


def test_the_distance_is_a_number_of_bits_or_none():
    assert parse() == TwinOptions(4) == TwinOptions()
    assert parse("--duplicate_distance", "0") == TwinOptions(0)
    assert parse("--duplicate_distance=none") == TwinOptions(None)


@pytest.mark.parametrize("text", ["7", "-1", "few", ""])
def test_other_distances_are_refused(text):
    expected = f"--duplicate_distance: got '?{text}'?, expected 0 to 6, or none"
    with pytest.raises(OptionError, match=expected):
        parse(f"--duplicate_distance={text}")


def test_only_what_is_not_so_by_default_is_part_of_the_command():
    assert TwinOptions().describe() == {}
    assert TwinOptions(2).describe() == {"duplicate_distance": 2}
    assert TwinOptions(None).describe() == {"duplicate_distance": "none"}
    assert TwinOptions(handling="group").describe() == {"on_duplicates": "group"}


@pytest.mark.parametrize("options", [TwinOptions(), TwinOptions(None, "reject"), TwinOptions(0)])
def test_options_come_back_from_a_command(options):
    assert TwinOptions.recall(options.describe()) == options


def test_what_is_done_about_twins_is_one_of_three():
    assert parse("--on_duplicates=reject") == TwinOptions(4, "reject")
    assert parse("--on_duplicates=reject", "--duplicate_distance=none") == TwinOptions(
        None, "reject"
    )
    with pytest.raises(
        OptionError, match="--on_duplicates: got 'drop', expected one of report, reject, group"
    ):
        parse("--on_duplicates=drop")


def test_that_no_twin_is_in_two_splits_is_told_where_it_was_asked_for():
    records = {"val": {"val": {"exact": 2}}}
    grouped = DuplicatesInfo(distance=4, records=records, joined=1200, not_joined=0)
    assert list(describe_twins(grouped, "out")) == [
        "  grouped   1,200 keys went to the split of a twin; no record has a twin in another split",
        "  twins     2 records have one before them in their split (2 exact)",
        "            out/duplicates.jsonl",
    ]
    leaking = {"train": {"val": {"near": 1}}, "val": {"train": {"near": 1}}}
    failed = DuplicatesInfo(distance=4, records=leaking, joined=1, not_joined=3)
    assert list(describe_twins(failed, "out"))[:2] == [
        "  grouped   1 key went to the split of a twin",
        "            3 links of twins of twins were too long to follow",
    ]
    assert len(list(describe_twins(DuplicatesInfo(joined=0, not_joined=0), "out"))) == 1


def test_twins_are_told_within_splits_and_between_them():
    found = DuplicatesInfo(
        distance=4,
        records={
            "train": {"train": {"exact": 1200, "near": 2}, "val": {"near": 3}},
            "val": {"train": {"near": 1, "mirrored": 1}},
        },
        same_source=7,
        other_labels=4,
    )
    assert list(describe_twins(found, "out")) == [
        "  twins     1,202 records have one before them in their split (1,200 exact, 2 near)",
        "  leaks     3 of train have a twin in val (3 near), 2 of val in train (1 near, 1 mirrored)",
        "  labels    4 records have other labels than the twin on the list",
        "            out/duplicates.jsonl; 7 are the same file, listed again",
    ]
    assert found.across == 5


def test_one_twin_is_told_in_the_singular_and_none_not_at_all():
    one = DuplicatesInfo(distance=4, records={"train": {"train": {"exact": 1}}})
    assert list(describe_twins(one, "out")) == [
        "  twins     1 record has one before it in its split (1 exact)",
        "            out/duplicates.jsonl",
    ]
    assert list(describe_twins(DuplicatesInfo(distance=4), "out")) == []
    assert list(describe_twins(None, "out")) == []
    assert one.across == 0
