"""Why shards that are built again are not what they were."""

from __future__ import annotations

import pytest
from pixelbeam.pipeline.repairing.reasons import Reasons, changed_versions, find_reasons
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.storage.input_log import InputState, ShardInputs
from pixelbeam.transforms.storage.output_folder import Folder

SHARD = "train-00000-of-00001"
INDEX = f"index/{SHARD}.parquet"


def note(folder: Folder, states: dict[str, InputState]) -> Folder:
    folder.write(ShardInputs.path(SHARD), ShardInputs("/root", states).to_bytes())
    return folder


def state(text: str, **others) -> InputState:
    return InputState(size=1, mtime_ns=2, sha256=text * 64, **others)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (state("a"), state("a"), None),
        (state("a"), InputState(size=9, mtime_ns=9, sha256="a" * 64), None),
        (state("a"), state("b"), "has other content"),
        (state("a"), InputState(fault="file_not_found"), "file_not_found"),
        (
            InputState(fault="unreadable"),
            InputState(fault="permission_denied"),
            "permission_denied",
        ),
        (InputState(fault="unreadable"), state("a"), "can be read, was unreadable"),
        (state("a"), None, "is not among them any more"),
        (None, state("a"), "was not among them before"),
        (state("a", listing=True), state("b", listing=True), "has other files"),
        (state("a", listing=True), state("a", listing=True), None),
        (InputState(1, 2), InputState(1, 3), "has another size or time"),
        (InputState(1, 2), InputState(1, 2), None),
    ],
)
def test_what_has_become_of_a_source(tmp_path, before, now, said):
    """By the notes of the shard task, then and now."""
    folders = [
        note(Folder(str(tmp_path / name)), {"a.jpg": found} if found else {})
        for name, found in (("out", before), ("anew", now))
    ]
    assert find_reasons(*folders, [SHARD], set()) == Reasons({"a.jpg": said} if said else {})


@pytest.fixture
def pair(build_images, images):
    """A dataset, and one of which an image is another: without notes, but with their indexes."""
    folders = []
    for name in ("out", "anew"):
        out = build_images(name, shard_size=ShardSize(num_shards=1))
        (out / ".pixelbeam" / "sources" / SHARD).unlink()
        folders.append(Folder(str(out)))
    return folders


def test_without_notes_the_index_says_what_sources_were(pair):
    out, anew = pair
    assert find_reasons(out, anew, [SHARD], {INDEX}) == Reasons()
    data = bytearray(anew.read(INDEX))
    assert find_reasons(out, anew, [SHARD], set()) == Reasons(unknown=[SHARD])
    for name, damage in (("anew", b""), ("anew", bytes(data[:-9]))):
        anew.write(INDEX, damage)
        assert find_reasons(out, anew, [SHARD], {INDEX}) == Reasons(unknown=[SHARD]), name
    anew.delete([INDEX])
    assert find_reasons(out, anew, [SHARD], {INDEX}) == Reasons(unknown=[SHARD])


def test_damaged_notes_are_none(tmp_path):
    out, anew = (note(Folder(str(tmp_path / name)), {"a": state("a")}) for name in ("out", "anew"))
    out.write(ShardInputs.path(SHARD), b"{")
    assert find_reasons(out, anew, [SHARD], set()) == Reasons(unknown=[SHARD])


def test_versions_that_changed():
    then = {"b": "1", "a": "1", "gone": "2"}
    assert changed_versions(then, {"a": "2", "b": "1", "new": "1"}) == [
        "a is 2, was 1",
        "gone is absent, was 2",
    ]
    assert changed_versions(None, {"a": "2"}) == []


@pytest.mark.parametrize(
    ("reasons", "lines"),
    [
        (Reasons(), ["no reason was found: manifest, sources and libraries are what they were"]),
        (
            Reasons(dict.fromkeys("cab", "has other content"), ["numpy is 2, was 1"]),
            [
                "source    a: has other content",
                "source    b: has other content",
                "source    c: has other content",
                "library   numpy is 2, was 1",
            ],
        ),
        (
            Reasons(dict.fromkeys("dcab", "file_not_found")),
            [
                "source    a: file_not_found",
                "source    b: file_not_found",
                "source    c: file_not_found",
                "source    and 1 more",
            ],
        ),
        (
            Reasons(unknown=["x", "y", "z"]),
            ["unknown   what the sources of x, y, z were is no longer known"],
        ),
        (
            Reasons(unknown=["w", "x", "y", "z"]),
            ["unknown   what the sources of 4 shards were is no longer known"],
        ),
    ],
)
def test_reasons_are_lines(reasons, lines):
    assert list(reasons.lines()) == lines
