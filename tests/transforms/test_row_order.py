from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.row_order import (
    PathRoot,
    RowFormat,
    order_of,
    pack_row,
    path_key,
    shard_index,
    stable_hash,
    unpack_row,
)
from pixelbeam.transforms.rows import InlineBytes, ManifestRow

CELLS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
INLINE = st.builds(
    InlineBytes, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.text(max_size=5)
)
ROWS = st.builds(
    ManifestRow,
    st.text(max_size=9),
    st.integers(1, 10**12),
    st.lists(CELLS | INLINE, max_size=4).map(tuple),
)


@given(ROWS)
def test_unpacking_gives_the_row_back(row):
    assert unpack_row(pack_row(order_of(0, "key", row), row)) == row


@given(ROWS)
def test_packed_rows_sort_by_their_place(row):
    order = order_of(7, "key", row)
    assert len(order) == 20
    assert pack_row(order, row).startswith(order)


def test_hashes_never_change():
    # Golden: another value here moves every row of every user to another split and shard.
    assert stable_hash(0, "split", "a/b.jpg").hex() == "1eed508dc9d5f1b4"
    assert (
        order_of(0, "a/b.jpg", ManifestRow("m.csv", 2, ("a/b.jpg",))).hex()
        == "e63a1d9abbaae9c9000000000000000000000000"
    )


def test_seed_and_purpose_change_the_hash():
    assert (
        len(
            {
                stable_hash(0, "split", "x"),
                stable_hash(1, "split", "x"),
                stable_hash(0, "order", "x"),
            }
        )
        == 3
    )


def test_rows_of_a_row_group_share_a_shard_and_follow_window_by_window():
    cells = [InlineBytes(3, window, index) for window in range(3) for index in range(5)]
    rows = [ManifestRow("d.parquet", number, (cell,)) for number, cell in enumerate(cells, start=1)]
    orders = [order_of(0, f"d.parquet:{row.row}", row) for row in rows]
    assert len({shard_index(order, 1000) for order in orders}) == 1
    windows = [
        row.values[0].window
        for _, row in sorted(zip(orders, rows, strict=True), key=lambda pair: pair[0])
    ]
    assert windows == sorted(windows)


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1), st.integers(1, 99_999))
def test_shards_are_equal_ranges_in_order(orders, count):
    indices = [shard_index(order, count) for order in sorted(orders)]
    assert indices == sorted(indices)
    assert 0 <= indices[0] <= indices[-1] < count
    assert shard_index(bytes(8), count) == 0
    assert shard_index(b"\xff" * 8, count) == count - 1


def test_key_of_a_row():
    row = ManifestRow(
        "m.csv", 5, ("a.jpg", 7, None, InlineBytes(0, 0, 0, "in.jpg"), InlineBytes(0, 0, 0))
    )
    keys = {
        c: RowFormat(("path", "id", "none", "inline", "bare"), c).key(row)
        for c in ("path", "id", "none", "inline", "bare")
    }
    assert keys == {
        "path": "a.jpg",
        "id": "7",
        "none": "m.csv:5",
        "inline": "in.jpg",
        "bare": "m.csv:5",
    }
    assert RowFormat(("path",), None).key(row) == "m.csv:5"


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
