from __future__ import annotations

import json

import pytest
from pixelbeam.pipeline.publishing.duplicates import publish_duplicates
from pixelbeam.pipeline.twins import TwinOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.info import DuplicatesInfo
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.shards.plan import Plan, SplitPlan
from pixelbeam.transforms.storage.output_folder import Folder

SCHEMA = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
PLAN = Plan(SCHEMA, {"train": SplitPlan(5, 1), "val": SplitPlan(5, 1)}, 10)


def line(kind, split, other, source="a", twin="b", key="k"):
    record = {"split": split, "key": key} | ({"source": source} if source else {})
    return {"kind": kind, "record": record, "twin": {"split": other, "key": "l", "source": twin}}


def write(folder, number, plain, *lines):
    counts = {"plain": plain, "not_compared": 10 * plain}
    text = "".join(json.dumps(line) + "\n" for line in (counts, *lines))
    folder.write(f".pixelbeam/duplicates-{number:02d}.jsonl", text.encode())


def test_the_lists_become_one_and_are_counted(tmp_path):
    folder = Folder(str(tmp_path))
    first = [line("mirrored", "val", "train"), line("exact", "val", "train", "a", "a")]
    second = [line("near", "val", "val", "a", "a"), line("exact", "val", "val", None, None)]
    second += [line("exact", "val", "val", "a", "./a", key="l")]
    write(folder, 0, 2, *first)
    write(folder, 1, 1, *second)
    found = publish_duplicates(folder, PLAN, TwinOptions(3))
    text = (tmp_path / "duplicates.jsonl").read_text()
    assert [json.loads(line) for line in text.splitlines()] == [*first, *second]
    assert found.file is not None
    assert found.file.bytes == len(text)
    assert found.model_copy(update={"file": None}) == DuplicatesInfo(
        distance=3,
        records={"val": {"train": {"exact": 1, "mirrored": 1}, "val": {"exact": 2, "near": 1}}},
        same_source=2,
        plain=3,
        not_compared=30,
    )
    kinds = [*found.records["val"]["train"]], [*found.records["val"]["val"]]
    assert kinds == (["exact", "mirrored"], ["exact", "near"])


def test_twins_with_other_labels_are_counted_whatever_their_kind(tmp_path):
    folder = Folder(str(tmp_path))
    lines = [line(kind, "val", "train") for kind in ("exact", "near", "mirrored")]
    labels = [("cat", "dog"), ("cat", "cat"), (["a"], ["a", "b"])]
    for twin, (own, other) in zip(lines, labels, strict=True):
        twin["record"]["labels"], twin["twin"]["labels"] = {"label": own}, {"label": other}
    write(folder, 0, 0, *lines)
    write(folder, 1, 0, line("exact", "val", "val"))
    assert publish_duplicates(folder, PLAN, TwinOptions(3)).other_labels == 2


def test_where_there_are_no_twins_there_is_no_list(tmp_path):
    folder = Folder(str(tmp_path))
    write(folder, 0, 0)
    write(folder, 1, 0)
    assert publish_duplicates(folder, PLAN, TwinOptions(None)) == DuplicatesInfo()
    assert not (tmp_path / "duplicates.jsonl").exists()


def test_what_was_joined_is_told_where_twins_share_a_split(tmp_path):
    folder = Folder(str(tmp_path))
    write(folder, 0, 0)
    write(folder, 1, 0)
    folder.write(".pixelbeam/joined.json", b'{"joined": 3, "not_joined": 1}')
    found = publish_duplicates(folder, PLAN, TwinOptions(handling="group"))
    assert (found.joined, found.not_joined) == (3, 1)
    # One of an earlier attempt says nothing.
    assert publish_duplicates(folder, PLAN, TwinOptions()).joined is None


def test_a_file_that_is_missing_is_an_error(tmp_path):
    folder = Folder(str(tmp_path))
    write(folder, 0, 0)
    expected = ".pixelbeam/duplicates-01.jsonl is missing; run the same command again"
    with pytest.raises(BuildError, match=expected):
        publish_duplicates(folder, PLAN, TwinOptions())
