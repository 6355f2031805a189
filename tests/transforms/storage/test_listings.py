from __future__ import annotations

import pytest
from pixelbeam.transforms.storage.listings import (
    find_files,
    find_inside,
    is_hidden,
    list_folder,
    walk_folder,
)


def test_links_in_a_circle_are_left_out(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "self.jpg").symlink_to("self.jpg")
    assert sorted(walk_folder(str(tmp_path))) == ["a/again", "a/self.jpg", "a/x.jpg"]


def test_the_files_below_a_folder(tmp_path):
    for name in ("a/1.jpg", "a/.hidden/2.jpg", ".dot", "out/3.jpg", "b/c/4.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = walk_folder(str(tmp_path), str(tmp_path / "out"))
    assert sorted(found) == [".dot", "a/1.jpg", "b/c/4.txt"]
    assert sorted(list_folder(str(tmp_path / "a"))) == ["1.jpg"]


def test_the_files_that_a_path_or_a_glob_names(tmp_path):
    for name in ("a.csv", "b.csv", "c[1].csv", "out/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "folder.csv").mkdir()
    assert sorted(find_files(f"{tmp_path}/*.csv")) == [
        (f"{tmp_path}/a.csv", 5),
        (f"{tmp_path}/b.csv", 5),
        (f"{tmp_path}/c[1].csv", 8),
    ]
    assert find_files(f"{tmp_path}/c[1].csv") == [(f"{tmp_path}/c[1].csv", 8)]
    assert find_files(f"{tmp_path}/out/*", f"{tmp_path}/out") == []
    assert find_files(f"{tmp_path}/none.csv") == []


def test_the_files_inside_a_folder_or_a_glob(tmp_path):
    for name in ("1.jpg", "2.txt", "deep/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def inside(path, leave_out=""):
        found = find_inside(path, leave_out, lambda name: name.endswith(".jpg"))
        return found if found is None else sorted(found)

    assert inside(str(tmp_path)) == [f"{tmp_path}/1.jpg"]
    assert inside(f"{tmp_path}/*.t?t") == [f"{tmp_path}/2.txt"]  # a glob names what it wants
    assert inside(f"{tmp_path}/1.jpg") is None
    assert inside(f"{tmp_path}/none") is None
    assert inside(str(tmp_path), str(tmp_path)) == []


def test_hidden_names():
    names = [".a", "a/.b", "a/.b/c", "a", "a.b/c", "a/b.c"]
    assert list(map(is_hidden, names)) == [True, True, True, False, False, False]


@pytest.fixture
def store(memory_files):
    names = ("a/1.jpg", "a/2.txt", "a/.hidden/3.jpg", "a/deep/4.jpg", "a/", "a/.5.jpg", "b.csv")
    memory_files.update({f"memory://b/{name}": name.encode() for name in names})


def test_the_files_below_a_remote_folder(store):
    found = ["1.jpg", "2.txt", "deep/4.jpg", ".5.jpg"]
    assert list(walk_folder("memory://b/a")) == found
    assert list(walk_folder("memory://b/a/", "memory://b/a/deep")) == ["1.jpg", "2.txt", ".5.jpg"]
    assert list_folder("memory://b/a") == ["1.jpg", "2.txt", ".5.jpg"]
    assert list(walk_folder("memory://b/none")) == []


def test_the_files_that_a_remote_path_or_glob_names(store):
    assert find_files("memory://b/b.csv") == [("memory://b/b.csv", 5)]
    assert find_files("memory://b/a/*.jpg") == [
        ("memory://b/a/1.jpg", 7),
        ("memory://b/a/.5.jpg", 8),
    ]
    assert find_files("memory://b/a/") == []
    assert find_files("memory://b/a/deep/*", "memory://b/a/deep") == []
    # What is named itself is found also where others are left out.
    assert find_files("memory://b/a/1.jpg", "memory://b/a") == [("memory://b/a/1.jpg", 7)]


@pytest.mark.parametrize(
    ("path", "leave_out", "found"),
    [
        ("memory://b/a", "", ["memory://b/a/1.jpg", "memory://b/a/.5.jpg"]),
        ("memory://b/a/", "", ["memory://b/a/1.jpg", "memory://b/a/.5.jpg"]),
        ("memory://b/a", "memory://b/a", None),
        ("memory://b/a/*.txt", "", ["memory://b/a/2.txt"]),
        ("memory://b/a/*.txt", "memory://b/a", []),
        ("memory://b/a/1.jpg", "", None),
        ("memory://b/none", "", None),
    ],
)
def test_the_files_inside_a_remote_folder_or_glob(store, path, leave_out, found):
    assert find_inside(path, leave_out, lambda name: name.endswith(".jpg")) == found


def test_what_lies_deeper_than_a_local_folder_is_only_found_by_a_glob(tmp_path):
    for name in ("out/1.jpg", "out.jpg", "[1]"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()

    def inside(path, leave_out=""):
        found = find_inside(path, leave_out, lambda name: True)
        return found if found is None else sorted(found)

    assert inside(f"{tmp_path}/**", f"{tmp_path}/out") == [f"{tmp_path}/[1]", f"{tmp_path}/out.jpg"]
    assert inside(f"{tmp_path}/**") == [f"{tmp_path}/{n}" for n in ("[1]", "out.jpg", "out/1.jpg")]
    assert inside(f"{tmp_path}/[1]") is None  # a file of that name
    assert inside(f"{tmp_path}/fol*") == []
    assert sorted(list_folder(str(tmp_path))) == ["[1]", "out.jpg"]
    sizes = {f"{tmp_path}/{name}": 0 for name in ("[1]", "out.jpg")}
    assert dict(find_files(f"{tmp_path}/**", f"{tmp_path}/out")) == sizes
