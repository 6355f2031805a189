from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.path_keys import PathRoot, path_key
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RowFormat

NORMAL = [
    "x.jpg",
    "a/b c.jpg",
    "dir./x.jpg",
    "../x.jpg",
    "/a/x.jpg",
    "é/ü.jpg",
    "s3://b/a//x.jpg",
    "..x",
]


@pytest.mark.parametrize("path", NORMAL)
def test_paths_that_are_normal_are_their_own_keys(path):
    # Golden: another key moves the rows of users who have always written their paths like this.
    assert path_key(path) == path


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("./x.jpg", "x.jpg"),
        ("a//x.jpg", "a/x.jpg"),
        ("a/./x.jpg", "a/x.jpg"),
        ("a/../x.jpg", "x.jpg"),
        (".\\a\\x.jpg", "a/x.jpg"),
        ("//a/x.jpg", "/a/x.jpg"),
        ("clip/", "clip"),
        ("clip/.", "clip"),
        ("./e\u0301.jpg", "é.jpg"),
        ("s3:\\\\b\\x.jpg", "s3://b/x.jpg"),
    ],
)
def test_one_file_has_one_key(path, key):
    assert path_key(path) == key
    row = ManifestRow("m.csv", 2, (path, InlineBytes(0, 0, 0, path)))
    columns = ("path", "inline")
    assert [RowFormat(columns, column, True).key(row) for column in columns] == [key, key]
    assert RowFormat(columns, "path").key(row) == path  # an id, where slashes are letters


@given(st.text("./\\ab", min_size=1, max_size=9))
def test_a_key_is_its_own_key(path):
    assert path_key(path_key(path)) == path_key(path)


@pytest.fixture
def root(tmp_path):
    """A folder that a link leads to as well."""
    (tmp_path / "real" / "deep" / "root").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep" / "root")
    return tmp_path / "link"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("img/x.jpg", "img/x.jpg"),
        ("{top}/link/img/x.jpg", "img/x.jpg"),
        ("{top}/link//img/./x.jpg", "img/x.jpg"),
        ("{top}/real/deep/root/img/x.jpg", "img/x.jpg"),
        ("{top}/real/deep/other/../root/img/x.jpg", "img/x.jpg"),
        ("../root/img/x.jpg", "img/x.jpg"),  # as the system reads it: from where the link leads
        ("..\\..\\deep\\root\\img\\x.jpg", "img/x.jpg"),
        ("img/../../root/img/e\u0301.jpg", "img/é.jpg"),
        ("{top}/link/img/", "img"),
        ("{top}/link", "."),
        ("../root", "."),
        ("{top}/real/deep/root/x.h5::/im[0]", "x.h5::/im[0]"),
        ("../x.jpg", "../x.jpg"),
        ("..", ".."),
        ("../link/x.jpg", "../link/x.jpg"),
        ("..x/y.jpg", "..x/y.jpg"),
        ("{top}/link/../x.jpg", "{top}/x.jpg"),
        ("{top}/linked/x.jpg", "{top}/linked/x.jpg"),
        ("s3://b/x.jpg", "s3://b/x.jpg"),
    ],
)
def test_a_path_into_the_root_is_relative_to_it(root, path, key):
    top = root.parent
    row_format = RowFormat(("path",), "path", True, roots={"": PathRoot.find(str(root))})
    row = ManifestRow("m.csv", 2, (path.format(top=top),))
    assert row_format.key(row) == key.format(top=top)
    assert path_key(row_format.key(row), row_format.roots[""]) == key.format(top=top)


def test_a_root_is_found_from_any_working_directory(root, monkeypatch):
    monkeypatch.chdir(root)
    assert PathRoot.find(".") == PathRoot.find("") == PathRoot.find(str(root.resolve()))
    assert path_key("/a/x.jpg", PathRoot.find("/")) == "a/x.jpg"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("s3://b/root/a/x.jpg", "a/x.jpg"),
        ("s3://b/root/a//x.jpg", "a/x.jpg"),  # as a//x.jpg
        ("s3://b/rooted/x.jpg", "s3://b/rooted/x.jpg"),
        ("s3://b/root/../x.jpg", "s3://b/root/../x.jpg"),
        ("s3://b/root//x.jpg", "s3://b/root//x.jpg"),
        ("../root/x.jpg", "../root/x.jpg"),
        ("/a/x.jpg", "/a/x.jpg"),
    ],
)
def test_a_url_into_the_root_is_relative_to_it(path, key):
    for name in ("s3://b/root", "s3://b/root/"):
        assert path_key(path, PathRoot.find(name)) == key


def test_each_of_several_manifests_has_its_own_root(tmp_path):
    roots = {name: PathRoot.find(str(tmp_path / name)) for name in ("train", "test")}
    row_format = RowFormat(("path",), "path", True, True, roots)
    keys = {
        split: row_format.key(ManifestRow(f"{split}/m.csv", 2, (f"{tmp_path}/train/x.jpg",)))
        for split in roots
    }
    assert keys == {"train": "train/x.jpg", "test": f"test/{tmp_path}/train/x.jpg"}
