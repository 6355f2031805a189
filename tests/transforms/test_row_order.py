from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.row_order import order_of, pack_row, shard_index, stable_hash, unpack_row
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, Window
from pixelbeam.transforms.values.arrays.array_files import ArrayBlock

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
    st.none() | st.builds(Window, st.text(max_size=5), st.integers(0, 99), st.integers(0, 99)),
)


@given(ROWS)
def test_unpacking_gives_the_row_back(row):
    assert unpack_row(pack_row(order_of(0, "key", row), row)) == row


@given(ROWS)
def test_packed_rows_sort_by_their_order(row):
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


def test_a_row_without_a_window_is_packed_as_it_always_was():
    # Golden: fingerprints hash packed rows, so that other bytes would build every shard anew.
    row = ManifestRow("m.csv", 2, ("a.jpg", InlineBytes(1, 2, 3, "b")))
    packed = pack_row(b"o" * 20, row)
    assert packed[20:].hex() == "060304056d2e637376010205020405612e6a70670604010101020103040162"
    assert unpack_row(packed) == row


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


def test_rows_of_a_row_group_share_a_shard_and_follow_batch_by_batch():
    cells = [InlineBytes(3, batch, index) for batch in range(3) for index in range(5)]
    rows = [ManifestRow("d.parquet", number, (cell,)) for number, cell in enumerate(cells, start=1)]
    orders = [order_of(0, f"d.parquet:{row.row}", row) for row in rows]
    assert len({shard_index(order, 1000) for order in orders}) == 1
    batches = [
        row.values[0].batch
        for _, row in sorted(zip(orders, rows, strict=True), key=lambda pair: pair[0])
    ]
    assert batches == sorted(batches)


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1), st.integers(1, 99_999))
def test_shards_are_equal_ranges_in_order(orders, count):
    indices = [shard_index(order, count) for order in sorted(orders)]
    assert indices == sorted(indices)
    assert 0 <= indices[0] <= indices[-1] < count
    assert shard_index(bytes(8), count) == 0
    assert shard_index(b"\xff" * 8, count) == count - 1


def test_an_order_is_20_bytes_with_the_batch_among_them():
    row = ManifestRow("m.csv", 2, ("x",))
    inline = ManifestRow("m.csv", 2, (InlineBytes(1, 258, 0),))
    block = ArrayBlock("a.h5", "x", 1, 258, 8)
    orders = [order_of(0, "k", row), order_of(0, "k", inline), order_of(0, "k", row, block)]
    assert [len(order) for order in orders] == [20, 20, 20]
    own, empty = stable_hash(0, "order", "k", 2), bytes(12)
    batch = (258).to_bytes(4, "big")
    assert orders[0] == own + empty
    assert orders[1] == stable_hash(0, "row group", "m.csv", 1) + batch + own
    assert orders[2] == stable_hash(0, "array chunk", "a.h5", "x", 1) + batch + own
