from __future__ import annotations

import hashlib
import os
import shutil

import h5py
import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.shards.check_inputs import InputCheck
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.storage.input_log import InputLog, InputState, ShardInputs
from pixelbeam.transforms.values.arrays.array_files import ArrayFiles
from pixelbeam.transforms.values.arrays.references import parse_reference
from pixelbeam.transforms.values.step_sources import list_frames

OLD = 10**18


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "clip").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "clip/1.png", "clip/2.png"):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, ns=(OLD, OLD))
    with h5py.File(folder / "x.h5", "w") as file:
        file["n"] = np.arange(5)
    return folder


def note(root) -> ShardInputs:
    """What a task would note that reads everything there is, and two files that there are not."""
    log = InputLog()
    inputs = InputFiles(str(root), log=log)
    inputs.read("a.txt")
    inputs.read("b.txt")
    for path in ("none.txt", "clip", "../outside.txt"):
        with pytest.raises(Reject):
            inputs.read(path)
    list_frames(inputs, "clip/*.png")
    reference = parse_reference("x.h5::/n")
    assert reference is not None
    ArrayFiles(inputs).find(reference, of_images=False)
    sources = ShardInputs(inputs.full_root, log.take())
    assert ShardInputs.from_bytes(sources.to_bytes()) == sources
    return sources


def changed(root, noted, by="stat") -> list[str]:
    return InputCheck(InputFiles(str(root)), by).changed(noted)


def test_what_is_noted(root):
    noted = note(root).states
    status = (root / "x.h5").stat()
    assert {name: state.fault for name, state in noted.items() if state.fault} == {
        "../outside.txt": "outside_root",
        "clip": "not_a_file",
        "none.txt": "file_not_found",
    }
    digest = hashlib.sha256(b"a.txt").hexdigest()
    assert noted["a.txt"] == InputState(5, OLD, sha256=digest)
    digest = hashlib.sha256((root / "x.h5").read_bytes()).hexdigest()
    expected = InputState(status.st_size, status.st_mtime_ns, sha256=digest, array=True)
    assert noted[str(root / "x.h5")] == expected
    assert (noted["clip/*.png"].size, noted["clip/*.png"].listing) == (2, True)


def test_nothing_has_changed(root, tmp_path):
    noted = note(root)
    assert changed(root, noted) == changed(root, noted, "content") == []
    assert InputCheck(InputFiles(str(root))).renew(noted) == noted


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "a.txt").write_bytes(b"A.txt"), ["a.txt"]),
        (lambda root: (root / "a.txt").write_bytes(b"longer"), ["a.txt"]),
        (lambda root: (root / "a.txt").unlink(), ["a.txt"]),
        (lambda root: (root / "a.txt").touch(), []),
        (lambda root: (root / "none.txt").touch(), ["none.txt"]),
        (lambda root: (root / "clip/3.png").touch(), ["clip/*.png"]),
        (lambda root: (root / "clip/2.png").unlink(), ["clip/*.png"]),
        (lambda root: os.utime(root / "x.h5", ns=(OLD, OLD)), []),
        (lambda root: change_byte(root / "x.h5"), ["{root}/x.h5"]),
    ],
)
def test_each_change_is_found(root, change, expected):
    noted = note(root)
    change(root)
    assert changed(root, noted) == [name.format(root=root) for name in expected]


def change_byte(path, ns=(OLD, OLD)):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=ns)


def test_an_array_file_whose_change_hides_its_time_is_found_by_content_alone(root):
    noted = note(root)
    status = (root / "x.h5").stat()
    change_byte(root / "x.h5", (status.st_atime_ns, status.st_mtime_ns))
    assert changed(root, noted) == []
    assert changed(root, noted, "content") == [str(root / "x.h5")]


def test_a_change_that_hides_its_time_is_found_by_content_alone(root):
    noted = note(root)
    (root / "a.txt").write_bytes(b"A.txt")
    os.utime(root / "a.txt", ns=(OLD, OLD))
    assert changed(root, noted) == []
    assert changed(root, noted, "content") == ["a.txt"]


def test_in_another_folder_content_decides_and_arrays_count_as_changed(root, tmp_path):
    noted = note(root)
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy" / "b.txt").write_bytes(b"B.txt")
    assert changed(tmp_path / "copy", noted) == [str(root / "x.h5"), "b.txt"]


def test_a_renewed_note_has_the_new_times_and_place(root, tmp_path):
    noted = note(root)
    files = {name: state for name, state in noted.states.items() if name.endswith(".txt")}
    shutil.copytree(root, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "a.txt", ns=(OLD, OLD + 1))
    check = InputCheck(InputFiles(str(tmp_path / "copy")))
    renewed = check.renew(ShardInputs(noted.root, files))
    assert renewed is not None
    assert renewed.root == str(tmp_path / "copy")
    assert renewed.states["a.txt"] == InputState(5, OLD + 1, sha256=files["a.txt"].sha256)


@pytest.mark.parametrize(("processors", "is_slow"), [(None, False), (2, False), (2, True)])
def test_many_files_are_compared_in_their_order(root, monkeypatch, processors, is_slow):
    monkeypatch.setattr("pixelbeam.transforms.shards.check_inputs._BLOCK", 3)
    monkeypatch.setattr("pixelbeam.transforms.shards.check_inputs._LOOKS_AT_ONCE", 2)
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    monkeypatch.setattr(InputFiles, "waits_for_network", is_slow)
    log = InputLog()
    names = [f"{number:02d}.txt" for number in range(40)]
    for name in names:
        (root / name).write_text(name)
        InputFiles(str(root), log=log).read(name)
    noted = ShardInputs(str(root), log.take())
    assert changed(root, noted) == []
    assert InputCheck(InputFiles(str(root))).renew(noted) == noted
    for name in names[::7]:
        (root / name).unlink()
    assert changed(root, noted) == names[::7]
    assert InputCheck(InputFiles(str(root))).renew(noted) is None


@pytest.mark.parametrize("now", [None, b"12345", b"1234"])
def test_a_file_without_a_stamp_is_compared_by_content(root, now, monkeypatch):
    digest = hashlib.sha256(b"12345").hexdigest()
    noted = ShardInputs(str(root), {"n.txt": InputState(5, None, sha256=digest)})
    if now is not None:
        (root / "n.txt").write_bytes(now)
    assert changed(root, noted) == ([] if now == b"12345" else ["n.txt"])


def test_a_file_of_another_size_is_not_read(root, monkeypatch):
    noted = note(root)
    (root / "a.txt").write_bytes(b"longer")
    read, look = [], InputFiles.look

    def note_reading(self, path, **settings):
        read.append(path) if settings.get("read") else None
        return look(self, path, **settings)

    monkeypatch.setattr(InputFiles, "look", note_reading)
    assert changed(root, noted) == ["a.txt"]
    assert read == []
    assert changed(root, noted, "content") == ["a.txt"]
    assert read == [str(root / "x.h5"), "b.txt"]


def test_a_large_array_file_that_changes_is_no_file_that_is_too_large(root, monkeypatch):
    monkeypatch.setattr("pixelbeam.transforms.storage.input_files.MAX_FILE_BYTES", 10)
    noted = ShardInputs(str(root), note_arrays(root))
    assert changed(root, noted) == []
    os.utime(root / "x.h5", ns=(OLD, OLD))
    assert changed(root, noted) == [str(root / "x.h5")]


def note_arrays(root) -> dict[str, InputState]:
    log = InputLog()
    reference = parse_reference("x.h5::/n")
    assert reference is not None
    ArrayFiles(InputFiles(str(root), log=log)).find(reference, of_images=False)
    return log.take()


def test_notes_that_are_not_whole(root):
    data = note(root).to_bytes()
    for broken in (b"", data[:50], b"{}", b"[]"):
        with pytest.raises(ValueError, match=r"."):
            ShardInputs.from_bytes(broken)
