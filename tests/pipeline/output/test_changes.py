"""What has changed since a dataset was published, a phrase for each."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from number_datasets import SHARDS, make_root, open_build, publish_by_hand
from pixelbeam.pipeline.output.changes import Changes, find_changes
from pixelbeam.transforms.storage.input_log import InputState, ShardInputs

FIRST, SECOND = SHARDS
STAMP = 10**18
GONE = "what they were is no longer known (.pixelbeam/sources was {})"


@pytest.fixture
def root(tmp_path):
    return make_root(tmp_path)


@pytest.fixture
def out(tmp_path, root):
    """A published dataset that has noted ``a.bin`` and ``b.bin``, of a shard each."""
    publish_by_hand(open_build(tmp_path))
    note(tmp_path / "out", root, 0, {"a.bin": state("a")})
    note(tmp_path / "out", root, 1, {"b.bin": state("b")})
    return tmp_path / "out"


def state(content, **changes):
    digest = hashlib.sha256(content.encode()).hexdigest()
    return InputState(**{"size": len(content), "mtime_ns": STAMP, "sha256": digest, **changes})


def note(out, root, shard, states):
    path = out / ShardInputs.path(f"train-0000{shard}-of-00002")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ShardInputs(str(root), states).to_bytes())


def changes(out, by="stat", **options):
    job = open_build(out.parent, check_sources=by, **options)
    info = publish_by_hand(job, output=type(job.output)(str(out.parent / "again")))
    return find_changes(job, info)


@pytest.mark.parametrize("by", ["stat", "content"])
def test_nothing_has_changed(out, by):
    assert changes(out, by) == Changes()


def test_files_that_are_gone_or_of_another_size(out):
    (out / SECOND).write_bytes(b"longer than before")
    said = f"1 file missing or of another size: {SECOND}"
    assert changes(out) == Changes(missing=(said,))
    (out / FIRST).unlink()
    said = f"2 files missing or of another size: {FIRST}, {SECOND}"
    assert changes(out) == Changes(missing=(said,))
    (out / "feature_description.py").unlink()
    said = f"3 files missing or of another size: feature_description.py, {FIRST}, {SECOND}"
    assert changes(out) == Changes(missing=(said,))


def test_more_than_three_are_not_all_named(out):
    job = open_build(out.parent)
    shards = {f"train-0000{index}-of-00003.tfrecord": b"x" for index in range(3)}
    info = publish_by_hand(job, shards=shards)
    for name in (*shards, "feature_description.py"):
        (out / name).unlink()
    names = sorted(["feature_description.py", *shards])[:3]
    said = f"4 files missing or of another size: {', '.join(names)}, …"
    assert find_changes(job, info) == Changes(missing=(said,))


def test_content_at_the_same_size_is_looked_at_only_where_asked_for(out):
    (out / SECOND).write_bytes(SHARDS[SECOND].upper())
    assert changes(out) == Changes()
    said = f"1 file of other content: {SECOND}"
    assert changes(out, "content") == Changes(missing=(said,))
    (out / FIRST).write_bytes(SHARDS[FIRST].upper())
    said = f"2 files of other content: {FIRST}, {SECOND}"
    assert changes(out, "content") == Changes(missing=(said,))


def test_large_files_are_hashed_to_their_end(out):
    data = bytes(1 << 20) + b"end"
    job = open_build(out.parent, check_sources="content")
    info = publish_by_hand(job, shards={**SHARDS, FIRST: data})
    assert find_changes(job, info) == Changes()
    (out / FIRST).write_bytes(bytes(1 << 20) + b"END")
    assert find_changes(job, info).missing == (f"1 file of other content: {FIRST}",)


def test_sources_that_have_changed(out, root):
    (root / "b.bin").write_text("longer")
    assert changes(out) == Changes(("1 source that has changed: b.bin",))
    (root / "a.bin").unlink()
    assert changes(out) == Changes(("2 sources that have changed: a.bin, b.bin",))


def test_a_source_of_the_same_size_and_time(out, root):
    (root / "b.bin").write_text("B")
    os.utime(root / "b.bin", ns=(0, STAMP))
    assert changes(out) == Changes()
    assert changes(out, "content") == Changes(("1 source that has changed: b.bin",))


@pytest.mark.parametrize("damage", ["deleted", "damaged"])
def test_notes_that_are_gone_or_cannot_be_read(out, root, damage):
    path = out / ShardInputs.path("train-00000-of-00002")
    path.unlink() if damage == "deleted" else path.write_bytes(b"{}")
    assert changes(out) == Changes(unseen=GONE.format(damage))
    # Those of the other shard are looked at all the same, and a change counts more.
    (root / "a.bin").write_text("longer")
    assert changes(out) == Changes(unseen=GONE.format(damage))
    (root / "b.bin").write_text("longer")
    assert changes(out) == Changes(("1 source that has changed: b.bin",))


def test_array_files_are_counted_where_content_was_asked_for(out, root):
    in_parts = {str(root / name): state(name[0], sha256="") for name in ("a.bin", "b.bin")}
    note(out, root, 0, in_parts)
    note(out, root, 1, {str(root / "a.bin"): in_parts[str(root / "a.bin")], "c.bin": state("c")})
    assert changes(out) == Changes()
    assert changes(out, "content") == Changes(in_parts=2)


def reject(out, *rejects):
    lines = (json.dumps({"manifest": "rows.csv", **one}) + "\n" for one in rejects)
    (out / "rejects.jsonl").write_text("".join(lines))


@pytest.mark.parametrize(
    ("path", "reason", "changed"),
    [
        ("c.bin", "file_not_found", True),  # it is there now
        ("none.bin", "file_not_found", False),
        ("c.bin", "unreadable", True),
        ("c.bin", "time_limit", False),
        ("c.bin", "no_frames", False),
        ("c.bin", "not_a_number", False),
        (None, "file_not_found", False),
        ("", "file_not_found", False),
        ("f.h5::data", "file_not_found", False),
        ("a.bin", "file_not_found", True),  # noted of a shard, but not as one that cannot be read
    ],
)
def test_files_that_could_not_be_read_are_tried_again(out, path, reason, changed):
    reject(out, {"path": path, "reason": reason})
    said = (f"1 source that has changed: {path}",) if changed else ()
    assert changes(out) == Changes(said)


def test_rejects_of_another_manifest_are_none_of_these_files(out):
    reject(out, {"path": "c.bin", "reason": "file_not_found", "manifest": "labels.csv"})
    assert changes(out) == Changes()


def test_a_fault_that_a_shard_has_noted_is_known_better_there(out, root):
    note(out, root, 0, {"c.bin": InputState(fault="outside_root")})
    reject(out, {"path": "c.bin", "reason": "outside_root"})
    assert changes(out) == Changes(("1 source that has changed: c.bin",))
    (root / "c.bin").unlink()
    note(out, root, 0, {"c.bin": InputState(fault="file_not_found")})
    reject(out, {"path": "c.bin", "reason": "outside_root"})
    assert changes(out) == Changes()
