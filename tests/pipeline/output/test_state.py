"""Whether a build may write to its output folder, and what it finds there."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from number_datasets import (
    SHARDS,
    files_of,
    make_root,
    open_build,
    publish_by_hand,
)
from pixelbeam.pipeline.output.replace import next_folder
from pixelbeam.pipeline.output.state import Found, OutputState, look_at_output, take_output
from pixelbeam.schemas import Int64, Schema
from pixelbeam.schemas.errors import OutputError
from pixelbeam.transforms.storage.input_log import ShardInputs

ELSEWHERE = "name another directory, or replace it with --overwrite"
COMMAND = ".pixelbeam/command.json"
LOCK = ".pixelbeam/lock"


@pytest.fixture
def build(tmp_path):
    """Opens the build of a folder, with other options where they are given."""
    make_root(tmp_path)
    return lambda **options: open_build(tmp_path, **options)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def publish(job):
    """A dataset with notes on its sources, which are none."""
    info = publish_by_hand(job)
    for name in SHARDS:
        note = ShardInputs(job.inputs.full_root, {}).to_bytes()
        job.output.write(ShardInputs.path(name.partition(".")[0]), note)
    job.output.clear_scratch()
    return info


def start(job):
    """An unfinished build: it has written one shard."""
    with suppress(KeyboardInterrupt), take_output(job) as found:
        found.job.output.write(next(iter(SHARDS)), b"first")
        raise KeyboardInterrupt


def refused(job):
    """What both say; nothing is changed by it, and no lock left."""
    folder = Path(job.output.root)
    said, before = [], {*files_of(folder)} - {LOCK}
    for take in (lambda: look_at_output(job), lambda: take_output(job).__enter__()):
        with pytest.raises(OutputError) as caught:
            take()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert {*files_of(folder)} == before
    return said[0]


def test_a_new_folder(build, out):
    job = build()
    assert look_at_output(job) == Found(OutputState.NEW, job)
    assert not out.exists()
    with take_output(job) as found:
        assert found == Found(OutputState.NEW, job)
        assert files_of(out) == [COMMAND, ".pixelbeam/lock"]
        noted = json.loads((out / COMMAND).read_bytes())
        (out / ".pixelbeam/shards").mkdir()
    versions = noted.pop("versions")
    assert noted == {**job.command, "image_root": job.inputs.full_root}
    assert {"pillow", "protobuf"} <= {name.lower() for name in versions}
    assert files_of(out) == []
    assert not (out / ".pixelbeam/shards").exists()


def test_a_build_that_fails_is_continued(build, out):
    job = build()
    start(job)
    assert files_of(out) == [COMMAND, ".pixelbeam/lock", next(iter(SHARDS))]
    assert look_at_output(job) == Found(OutputState.RESUMED, job)
    with take_output(job) as found:
        assert found == Found(OutputState.RESUMED, job)
    assert files_of(out) == [next(iter(SHARDS))]


def test_a_build_that_fails_is_continued_in_spite_of_what_each_shard_checks(build, out, tmp_path):
    start(build())
    (tmp_path / "root/rows.csv").write_text("path,n\na.bin,1\nb.bin,2\n")
    job = build(row_timeout=5.0)
    found = look_at_output(job)
    assert found.changes == (
        "row_timeout is 5.0, was 60.0",
        "manifest rows.csv has 23 bytes, had 31",
    )
    assert replace(found, changes=()) == Found(OutputState.RESUMED, job)


def test_an_unfinished_build_of_another_command(build, out, tmp_path):
    start(build())
    (tmp_path / "root/rows.csv").write_text("path,n\na.bin,1\nb.bin,2\n")
    assert refused(build(seed=1, row_timeout=5.0)) == (
        f"--output: {str(out)!r} holds an unfinished build of another command: seed is 1, was 0; "
        f"row_timeout is 5.0, was 60.0; manifest rows.csv has 23 bytes, had 31\n{ELSEWHERE}"
    )


def test_an_unfinished_build_is_overwritten(build, out):
    start(build())
    job = build(seed=1, overwrite=True)
    assert look_at_output(job) == Found(OutputState.NEW, job)
    with take_output(job) as found:
        assert found == Found(OutputState.NEW, job)
        assert files_of(out) == [COMMAND, ".pixelbeam/lock"]
        assert json.loads((out / COMMAND).read_bytes())["seed"] == 1


def test_a_published_dataset_is_left_alone(build, out):
    job = build()
    publish(job)
    expected = Found(OutputState.PUBLISHED, job, needs_work=False)
    assert look_at_output(job) == expected
    before = files_of(out)
    with take_output(job) as found:
        assert replace(found, needs_work=False) == expected
        assert COMMAND not in files_of(out)
    assert files_of(out) == before


def test_what_is_left_beside_a_published_dataset_is_cleared(build, out):
    job = build()
    publish(job)
    before = files_of(out)
    job.output.write(COMMAND, b"{}")
    assert look_at_output(job) == Found(OutputState.PUBLISHED, job)
    with take_output(job) as found:
        assert found == Found(OutputState.PUBLISHED, job)
        assert files_of(out) == before


def test_a_published_dataset_whose_notes_are_gone(build):
    job = build()
    publish_by_hand(job)
    unseen = "what they were is no longer known (.pixelbeam/sources was deleted)"
    expected = Found(OutputState.PUBLISHED, job, unseen=unseen, needs_work=False)
    assert look_at_output(job) == expected


@pytest.mark.parametrize("damage", ["deleted", "damaged"])
def test_sources_that_cannot_be_compared_by_content(build, out, damage):
    job = build(check_sources="content")
    publish_by_hand(job)
    if damage == "damaged":
        for name in SHARDS:
            job.output.write(ShardInputs.path(name.partition(".")[0]), b"{")
    assert refused(job) == (
        f"--check_sources: the sources of {str(out)!r} cannot be compared: what they were is no longer known "
        f"(.pixelbeam/sources was {damage})\n"
        "build it anew with --overwrite, or leave out --check_sources content"
    )


def test_a_dataset_of_another_command(build, out):
    publish(build())
    other = Schema(features={"n": Int64(source="n"), "m": Int64(source="n")})
    job = build(schema=other, seed=1, row_timeout=5.0, allow_outside=True)
    said = refused(job)
    assert said.startswith(f"--output: {str(out)!r} holds a dataset of another command: ")
    assert said.endswith(f"; …\n{ELSEWHERE}")
    assert said.count(";") == 3
    # What decides rejects alone makes another dataset too, once it is published.
    assert refused(build(row_timeout=5.0)) == (
        f"--output: {str(out)!r} holds a dataset of another command: row_timeout is 5.0, was 60.0\n"
        f"{ELSEWHERE}"
    )
    three = refused(build(seed=1, row_timeout=5.0, allow_outside=True))
    assert "…" not in three
    assert three.count(";") == 2


def test_a_dataset_whose_inputs_have_changed(build, out, tmp_path):
    publish(build())
    (tmp_path / "root/rows.csv").write_text("path,n\na.bin,1\nb.bin,2\n")
    (out / "train-00000-of-00002.tfrecord").unlink()  # not looked at any more
    assert refused(build()) == (
        f"--output: {str(out)!r} holds a dataset whose inputs have changed: manifest rows.csv has "
        "23 bytes, had 31\nreplace it with --overwrite, or name another directory"
    )


def test_a_dataset_that_is_not_whole(build, out):
    publish(build())
    (out / "train-00000-of-00002.tfrecord").unlink()
    assert refused(build()) == (
        f"--output: {str(out)!r} holds a dataset that is not whole: 1 file missing or of another "
        "size: train-00000-of-00002.tfrecord\n`pixelbeam repair` makes the same files again; --overwrite builds "
        "it anew"
    )


@pytest.mark.parametrize("content", ["{", "{}", "[]", '"x"', '{"command": null}'])
def test_a_dataset_json_that_is_not_ours(build, out, content):
    out.mkdir()
    (out / "dataset.json").write_text(content)
    said = f"--output: {str(out)!r} holds a dataset.json that is not pixelbeam's"
    assert refused(build()) == said
    assert refused(build(overwrite=True)) == said
    assert (out / "dataset.json").read_text() == content


def test_a_dataset_is_replaced_once_the_other_one_is_complete(build, out):
    publish(build())
    before = files_of(out)
    job = build(seed=1, overwrite=True)
    assert look_at_output(job) == Found(OutputState.NEW, job)
    nested = replace(job, folder=next_folder(job.output))
    with take_output(job) as found:
        assert (found.state, found.changes) == (OutputState.NEW, ())
        assert found.job.output.root == nested.output.root
        assert set(before) < set(files_of(out))
        publish(found.job)
    assert files_of(out) == before
    assert json.loads((out / "dataset.json").read_bytes())["command"]["seed"] == 1


def test_a_replacement_that_was_cut_off_is_continued(build, out):
    publish(build())
    job = build(seed=1, overwrite=True)
    start(job)
    assert (out / ".pixelbeam/next" / next(iter(SHARDS))).exists()
    with take_output(replace(job, options=replace(job.options, row_timeout=5.0))) as found:
        assert found.state is OutputState.RESUMED
        assert found.changes == ("row_timeout is 5.0, was 60.0",)
        assert (out / ".pixelbeam/next" / next(iter(SHARDS))).exists()
        assert found.job.output.root == str(out / ".pixelbeam/next")
        publish(found.job)


def test_a_replacement_of_another_command_starts_anew(build, out):
    publish(build())
    start(build(seed=1, overwrite=True))
    with take_output(build(seed=2, overwrite=True)) as found:
        assert (found.state, found.changes) == (OutputState.NEW, ())
        below = out / ".pixelbeam/next"
        assert files_of(below) == [COMMAND]
        assert json.loads((below / COMMAND).read_bytes())["seed"] == 2


@pytest.mark.parametrize("seed", [1, 2])
def test_a_dataset_that_was_complete_takes_its_place_first(build, out, seed):
    """It is what was asked for, or it is replaced in its turn."""
    publish(build())
    job = build(seed=1)
    before = files_of(out)
    complete = replace(job, folder=next_folder(job.output))
    publish(complete)
    # Nothing is changed by looking, so it is not known yet.
    asked = build(seed=seed, overwrite=True)
    assert look_at_output(asked) == Found(OutputState.NEW, asked)
    with take_output(asked) as found:
        assert json.loads((out / "dataset.json").read_bytes())["command"]["seed"] == 1
        if seed == 1:
            assert found.state is OutputState.PUBLISHED
            assert found.replaced is True
            assert files_of(out) == before
        else:
            assert (found.state, found.replaced) == (OutputState.NEW, False)
            assert found.job.output.root == str(out / ".pixelbeam/next")


def test_who_is_refused_is_told_of_a_dataset_that_took_its_place_first(build, out):
    publish(build())
    publish(replace(build(seed=1), folder=next_folder(build().output)))
    job = build(seed=2)
    assert look_at_output(job) == Found(OutputState.NEW, job)
    with pytest.raises(OutputError) as caught:
        take_output(job).__enter__()
    assert str(caught.value) == (
        f"--output: {str(out)!r} holds a dataset of another command: seed is 2, was 1\n{ELSEWHERE}\n"
        "an earlier build with --overwrite was killed when its dataset was complete: it has now taken the old "
        "one's place"
    )
    assert json.loads((out / "dataset.json").read_bytes())["command"]["seed"] == 1
    assert not (out / ".pixelbeam/lock").exists()
    assert not (out / ".pixelbeam/next").exists()


def test_files_that_go_with_the_dataset_though_it_does_not_list_them(build, out):
    publish(build())
    (out / "mine-00000-of-00001.tfrecord").write_bytes(b"mine")
    (out / "thesis.tex").write_bytes(b"mine")
    job = build(seed=1, overwrite=True)
    with take_output(job) as found:
        assert found.unlisted == ("mine-00000-of-00001.tfrecord",)
        publish(found.job)
    assert not (out / "mine-00000-of-00001.tfrecord").exists()
    assert (out / "thesis.tex").exists()


def test_a_published_dataset_that_replaced_nothing(build):
    job = build()
    publish(job)
    with take_output(job) as found:
        assert found.replaced is False


@pytest.mark.parametrize(
    ("names", "empty"),
    [
        ([], True),
        ([".pixelbeam/plan.json", "train-00000-of-00002.tfrecord"], True),
        (["train-00000-of-00002.tfrecord"], False),
        ([".pixelbeam/plan.json", "thesis.tex"], False),
        ([".pixelbeam/plan.json", "folder/file"], False),
        (["thesis.tex"], False),
    ],
)
def test_files_that_are_the_users(build, out, names, empty):
    job = build()
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"")
    if empty:
        assert look_at_output(job) == Found(OutputState.NEW, job)
        return
    for overwrite in (False, True):
        with pytest.raises(OutputError) as caught:
            look_at_output(build(overwrite=overwrite))
        assert str(caught.value) == (
            f"--output: {str(out)!r} holds files that are not a dataset's; name an empty or a new "
            "directory"
        )
    assert files_of(out) == sorted(names)


def test_names_from_strangers_are_printable(build, out):
    publish(build())
    path = out / "dataset.json"
    content = json.loads(path.read_bytes())
    content["command"]["a\nb"] = 1
    path.write_text(json.dumps(content))
    assert "command: a\\nb is null, was 1\n" in refused(build())


def test_two_builds_at_once(build, out):
    job = build()
    with take_output(job):
        message = (
            f"--output: another build or repair of {str(out)!r} is running; wait for it, or stop it"
        )
        with pytest.raises(OutputError, match="^" + re.escape(message) + "$"):
            take_output(build()).__enter__()
    with take_output(job) as found:
        assert found.state is OutputState.NEW


@pytest.mark.parametrize("take", [look_at_output, lambda job: take_output(job).__enter__()])
def test_a_folder_that_cannot_be_one(build, out, take):
    out.write_text("a file")
    with pytest.raises(OutputError) as caught:
        take(build())
    assert str(caught.value) in [
        f"--output: cannot use {str(out)!r}: {why}" for why in ("Not a directory", "File exists")
    ]
