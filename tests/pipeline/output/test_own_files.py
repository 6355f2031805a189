"""What builds may delete, and in which order: never a file of the user's."""

from __future__ import annotations

import pytest
from number_datasets import make_root, open_build, publish_by_hand
from pixelbeam.pipeline.output.own_files import (
    clear_state,
    drop_lock,
    has_state,
    is_ours,
    remove_build,
    unlisted_files,
)
from pixelbeam.transforms.storage.output_folder import Folder

SHARDS = ["train-00000-of-00002.tfrecord", "train-00000-of-00002.h5"]
STATE = [
    ".pixelbeam/command.json",
    ".pixelbeam/plan.json",
    ".pixelbeam/rejects-0.jsonl",
    ".pixelbeam/shards/train-00000-of-00002.json",
]
SOURCES = ".pixelbeam/sources/train-00000-of-00002.json"
KEPT = [".pixelbeam/published/call.json", ".pixelbeam/published/dataset.json"]
REPAIR = ".pixelbeam/repair/train-00000-of-00002.h5"


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("dataset.json", True),
        ("feature_description.py", True),
        ("rejects.jsonl", True),
        ("dropped_frames.jsonl", True),
        ("train-00000-of-00002.tfrecord", True),
        ("val-00001-of-00003.h5", True),
        ("train.h5", True),
        ("val.h5", False),
        ("train.tfrecord", False),
        ("train-00000-of-00002.txt", False),
        ("train-0-of-2.h5", False),
        ("notes.json", False),
        ("rejects.json", False),
        ("thesis.tex", False),
        ("h5", False),
    ],
)
def test_which_files_are_ours(name, ours):
    """``train.h5`` is ours where it stands over shards, ``train.tfrecord`` where those were of its format."""
    assert is_ours(name, [name, "train-00000-of-00002.h5"]) == ours


def test_a_file_over_shards_alone_may_be_anybodys():
    assert not is_ours("train.h5", ["train.h5", "train-00000-of-00002.tfrecord"])
    assert not is_ours("train.h5", ["train.h5"])


def fill(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return Folder(str(root))


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_the_state_is_cleared_but_for_what_is_of_the_published_dataset(tmp_path):
    kept = [*KEPT, SOURCES, REPAIR]
    output = fill(tmp_path, [*STATE, *kept, ".pixelbeam/lock", "dataset.json", *SHARDS])
    assert has_state(output)
    clear_state(output)
    assert files(tmp_path) == sorted([*kept, "dataset.json", *SHARDS])
    assert not has_state(output)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], False),
        ([SOURCES], False),
        ([".pixelbeam/lock"], False),
        ([*KEPT, REPAIR], False),
        *(([name], True) for name in STATE),
    ],
)
def test_what_is_state(tmp_path, names, expected):
    assert has_state(fill(tmp_path, names)) == expected


def test_the_command_is_the_last_of_the_state_to_go(tmp_path, monkeypatch):
    """Until then the next build knows that there is something to clear."""
    output = fill(tmp_path, STATE)
    deleted = []
    monkeypatch.setattr(Folder, "delete_files", lambda folder, names: deleted.extend(names))
    clear_state(output)
    assert deleted[-2:] == [".pixelbeam/command.json", ".pixelbeam/lock"]
    assert set(deleted[:-2]) == {".pixelbeam/plan.json", ".pixelbeam/rejects-0.jsonl"}


def test_a_build_is_removed_and_nothing_else(tmp_path):
    own = ["dataset.json", "feature_description.py", "rejects.jsonl", "train.h5", *SHARDS]
    others = ["thesis.tex", "val.h5", "folder/train-00000-of-00002.h5"]
    output = fill(tmp_path, [*own, *others, *STATE, SOURCES, *KEPT, REPAIR])
    remove_build(output)
    assert files(tmp_path) == sorted(others)


def test_the_commit_point_goes_first_and_files_over_shards_before_those(tmp_path, monkeypatch):
    output = fill(tmp_path, ["dataset.json", "train.h5", *SHARDS])
    deleted = []
    for method in ("delete", "delete_files"):
        monkeypatch.setattr(Folder, method, lambda folder, names: deleted.extend(names))
    remove_build(output)
    assert deleted[0] == "dataset.json"
    named = [name for name in deleted[1:] if name in ("train.h5", *SHARDS)]
    assert named[0] == "train.h5"
    assert sorted(named) == sorted(["train.h5", *SHARDS])


@pytest.mark.parametrize("others", [[], [".pixelbeam/command.json"]])
def test_a_lock_goes_with_the_folder_that_it_alone_lies_in(tmp_path, others):
    drop_lock(fill(tmp_path, [".pixelbeam/lock", *others]))
    assert files(tmp_path) == others
    assert (tmp_path / ".pixelbeam").exists() == bool(others)


def test_files_that_a_dataset_does_not_list(tmp_path):
    make_root(tmp_path)
    job = open_build(tmp_path)
    assert unlisted_files(job.output) == []
    publish_by_hand(job)
    assert unlisted_files(job.output) == []
    strangers = ["index/mine-00000-of-00001.idx", "mine-00000-of-00001.tfrecord", "rejects.jsonl"]
    fill(tmp_path / "out", [*strangers, "thesis.tex"])
    assert unlisted_files(job.output) == strangers
    (tmp_path / "out/dataset.json").write_bytes(b"{")
    assert unlisted_files(job.output) == []
