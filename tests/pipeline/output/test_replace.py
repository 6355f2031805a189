"""A new dataset takes the place of the published one, whole, also after a crash at any step."""

from __future__ import annotations

import pytest
from number_datasets import SHARDS, files_of, make_root, open_build, publish_by_hand
from pixelbeam.pipeline.output.own_files import COMMAND_FILE
from pixelbeam.pipeline.output.replace import finish_replacing, is_replacing, next_folder
from pixelbeam.transforms.storage.output_folder import Folder

OLD = dict.fromkeys([*SHARDS, "train-00000-of-00001.tfrecord"], b"old")
KEPT = ".pixelbeam/published/dataset.json"
NOTES = [f".pixelbeam/sources/train-0000{index}-of-00002" for index in range(2)]


@pytest.fixture
def job(tmp_path):
    make_root(tmp_path)
    return open_build(tmp_path)


@pytest.fixture
def out(job, tmp_path):
    """An old dataset with notes on its sources and a file of the user's, and the new one inside it."""
    publish_by_hand(job, shards=OLD)
    for name in (
        "rejects.jsonl",
        "thesis.tex",
        ".pixelbeam/sources/train-00000-of-00001",
        NOTES[0],
        KEPT,
        ".pixelbeam/repair/train-00000-of-00001.tfrecord",
    ):
        job.output.write(name, b"old")
    following = next_folder(job.output)
    publish_by_hand(job, following)
    for name in (*NOTES, KEPT):
        following.write(name, b"new")
    following.write("stray", b"new")
    return tmp_path / "out"


def test_the_new_dataset_lies_in_the_state_of_the_old_one(job, tmp_path):
    assert next_folder(job.output).root == str(tmp_path / "out/.pixelbeam/next")


def check(out):
    whole = sorted([*SHARDS, *NOTES, KEPT, "dataset.json", "feature_description.py", "thesis.tex"])
    assert files_of(out) == whole
    assert {name: (out / name).read_bytes() for name in SHARDS} == SHARDS
    assert [(out / name).read_bytes() for name in (*NOTES, KEPT)] == [b"new", b"new", b"new"]
    assert not (out / ".pixelbeam/next").exists()


def test_the_new_one_takes_the_place(job, out):
    published = (out / ".pixelbeam/next/dataset.json").read_bytes()
    assert is_replacing(job.output)
    finish_replacing(job.output)
    check(out)
    assert (out / "dataset.json").read_bytes() == published
    assert not is_replacing(job.output)


def test_one_that_is_not_complete_stays_where_it_is(job, out):
    (out / ".pixelbeam/next/dataset.json").unlink()
    before = files_of(out)
    assert not is_replacing(job.output)
    finish_replacing(job.output)
    assert files_of(out) == before


@pytest.mark.parametrize("has_folder", [True, False])
def test_of_the_old_notes_those_of_other_shards_go_where_there_are_new_ones(job, out, has_folder):
    """An empty folder says that the new ones are in their place already, as a crash may leave it."""
    for name in NOTES:
        (out / ".pixelbeam/next" / name).unlink()
    if not has_folder:
        (out / ".pixelbeam/next/.pixelbeam/sources").rmdir()
    finish_replacing(job.output)
    noted = [name for name in files_of(out) if "sources" in name]
    other = [] if has_folder else [".pixelbeam/sources/train-00000-of-00001"]
    assert noted == [*other, NOTES[0]]


def die_at(monkeypatch, step, job):
    """Replaces the dataset, and dies before a step: files are deleted and moved one by one."""
    left = step

    def dying(method):
        def call(folder, *arguments):
            nonlocal left
            for names in zip(*arguments, strict=True):
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
                method(folder, *([name] for name in names))

        return call

    with monkeypatch.context() as patch:
        for name in ("delete", "delete_files", "move"):
            patch.setattr(Folder, name, dying(getattr(Folder, name)))
        with pytest.raises(KeyboardInterrupt):
            finish_replacing(job.output)


@pytest.mark.parametrize("step", range(1, 13))
def test_it_goes_on_after_a_crash_at_any_step(job, out, monkeypatch, step):
    """From the first step to the last but one there is no ``dataset.json``, for files are of both."""
    new = (out / ".pixelbeam/next/dataset.json").read_bytes()
    die_at(monkeypatch, step, job)
    assert not (out / "dataset.json").exists()
    finish_replacing(job.output)
    check(out)
    assert (out / "dataset.json").read_bytes() == new


def test_a_crash_before_the_last_step_leaves_a_whole_dataset(job, out, monkeypatch):
    new = (out / ".pixelbeam/next/dataset.json").read_bytes()
    next_folder(job.output).write(COMMAND_FILE, b"{}")
    die_at(monkeypatch, 13, job)
    assert (out / "dataset.json").read_bytes() == new
    assert not is_replacing(job.output)
    assert not next_folder(job.output).exists(COMMAND_FILE)  # by which it would seem unfinished
    (out / ".pixelbeam/next/stray").unlink()
    assert {name: (out / name).read_bytes() for name in SHARDS} == SHARDS
