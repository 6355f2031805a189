import datetime
import decimal
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.manifests.formats import arrow_cells, parquet
from pixelbeam.transforms.manifests.formats.parquet import Parquet, read_batch, read_batches
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.rows import InlineBytes

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_typed_cells(tmp_path, outcomes):
    moment = datetime.datetime(2024, 2, 29, 12, 30, 1, 5)
    cells = {
        "text": (["é", None], ("é", None)),
        "dictionary": (pa.array(["x", "x"]).dictionary_encode(), ("x", "x")),
        "integer": ([1, 2**40], (1, 2**40)),
        "float": ([0.5, None], (0.5, None)),
        "flag": ([True, False], (True, False)),
        "list": ([[1, 2], []], ([1, 2], [])),
        "binary": ([b"\xff", None], (b"\xff", None)),
        "moment": (pa.array([moment, None]), ("2024-02-29 12:30:01.000005", None)),
        "nano": (pa.array([1, 2], pa.timestamp("ns")), ("1970-01-01 00:00:00.000000001",) * 1),
        "day": (pa.array([moment.date(), None]), ("2024-02-29", None)),
        "price": (pa.array([decimal.Decimal("1.20"), None]), ("1.20", None)),
        "days": ([[moment.date()], None], (["2024-02-29"], None)),
        "nested": ([{"a": {"b": [decimal.Decimal("1.5")]}}, None], ({"a": {"b": ["1.5"]}}, None)),
        "dot.ted": ([7, 8], (7, 8)),
    }
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({name: values for name, (values, _) in cells.items()}), path)
    (one, first), (two, second) = outcomes(path)
    assert (one, two) == (1, 2)
    assert dict(zip(cells, first, strict=True)) == {n: v[0] for n, (_, v) in cells.items()}
    del cells["nano"]
    assert second[:8] + second[9:] == tuple(v[1] for _, v in cells.values())


def test_rows_are_counted_through_row_groups(tmp_path, outcomes):
    path = tmp_path / "rows.parquet"
    table = pa.table({"a": list(range(2500)), "b": [str(i) for i in range(2500)]})
    pq.write_table(table, path, row_group_size=1100)
    assert outcomes(path, columns=("b", "a")) == [(i + 1, (str(i), i)) for i in range(2500)]


def test_no_rows(tmp_path, outcomes):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), path)
    assert outcomes(path) == []


def test_text_that_is_no_utf8(tmp_path, outcomes):
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 2, 3)))
    text = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xffb")])
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": text, "b": [1, 2, 3]}), path)
    assert outcomes(path) == [
        (1, ("a", 1)),
        (2, ("not_utf8", "column 'a': got byte 0xff, expected UTF-8 text")),
        (3, ("b", 3)),
    ]


@pytest.fixture
def images(tmp_path):
    values = [
        {"bytes": b"one", "path": "1.jpg"},
        None,
        {"bytes": None, "path": "3.jpg"},
        {"bytes": b"four", "path": None},
        {"bytes": None, "path": None},
    ]
    columns = {
        "image": pa.array(values, IMAGE),
        "mask": pa.array([b"m1", None, b"m3", b"m4", b""]),
        "bare": pa.array([{"bytes": b"b"}] * 5, pa.struct([("bytes", pa.large_binary())])),
        "path": ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],
        "images": pa.array([values[:1]] * 5, pa.list_(IMAGE)),
    }
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def test_inline_bytes_stay_where_they_are(images, outcomes):
    columns = ("image", "mask", "bare", "path")
    assert outcomes(images, columns=columns, file_columns=columns) == [
        (1, (InlineBytes(0, 0, 0, "1.jpg"), InlineBytes(0, 0, 0), InlineBytes(0, 0, 0), "a.jpg")),
        (2, (None, InlineBytes(0, 0, 1), InlineBytes(0, 0, 1), "b.jpg")),
        (3, (InlineBytes(0, 0, 2, "3.jpg"), InlineBytes(0, 0, 2), InlineBytes(0, 0, 2), "c.jpg")),
        (4, (InlineBytes(1, 0, 0), InlineBytes(1, 0, 0), InlineBytes(1, 0, 0), "d.jpg")),
        (5, (InlineBytes(1, 0, 1), InlineBytes(1, 0, 1), InlineBytes(1, 0, 1), "e.jpg")),
    ]


VALUES = [b"\xffone", None, b"\xfftwo"]
LAYOUTS = {
    "view": pa.array(VALUES, pa.binary_view()),
    "fixed": pa.array(VALUES, pa.binary(4)),
    "large": pa.array(VALUES, pa.large_binary()),
    "dictionary": pa.array(VALUES).dictionary_encode(),
    "opaque": pa.ExtensionArray.from_storage(
        pa.opaque(pa.binary(), "picture", "somebody"), pa.array(VALUES)
    ),
    "view in a struct": pa.array(
        [{"bytes": value} for value in VALUES], pa.struct([("bytes", pa.binary_view())])
    ),
    "dictionary in a struct": pa.StructArray.from_arrays(
        [pa.array(VALUES).dictionary_encode()], ["bytes"]
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_stay_where_they_are_in_any_layout(layout, tmp_path, outcomes):
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": LAYOUTS[layout]}), path)
    assert Parquet().inline_columns(str(path)) == ("image",)
    places = [(row, (InlineBytes(0, 0, row - 1),)) for row in (1, 2, 3)]
    assert outcomes(path, file_columns=("image",)) == places
    assert read_batch(str(path), 0, 0, "image") == VALUES


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())]
)
def test_large_bytes_of_late_columns_stay_where_they_are(kind, tmp_path, outcomes):
    values = [b"s" * 4096, b"l" * 4097, None, b"l" * 4097]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"blob": pa.array(values, kind)}), path)
    assert outcomes(path) == [(row, (value,)) for row, value in enumerate(values, 1)]
    assert outcomes(path, late_columns=("blob",)) == [
        (1, (values[0],)),
        (2, (InlineBytes(0, 0, 1),)),
        (3, (None,)),
        (4, (InlineBytes(0, 0, 3),)),
    ]
    assert read_batch(str(path), 0, 0, "blob") == values


@pytest.mark.parametrize("layout", ["plain", "view", "dictionary", "list", "struct", "binary"])
def test_values_of_megabytes_are_malformed(layout, tmp_path, outcomes, monkeypatch):
    monkeypatch.setattr(arrow_cells, "LINE_BYTES", 1000)
    cells = {
        "plain": pa.array(["a", "é" * 501, None]),
        "view": pa.array(["a", "é" * 501, None], pa.string_view()),
        "dictionary": pa.array(["a", "é" * 501, None]).dictionary_encode(),
        "list": pa.array([[1], [1] * 200, None]),
        "struct": pa.array([{"b": b"a"}, {"b": b"a" * 1001}, None]),
        "binary": pa.array([b"a", b"a" * 1001, None]),
    }[layout]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"c": cells}), path)
    message = (
        "column 'c': got a value of more than 1000 bytes, expected fewer; "
        "write it to a file, and its path into the manifest"
    )
    first, _, last = cells.to_pylist()
    expected = [(1, (first,)), (2, ("cell_too_large", message)), (3, (last,))]
    assert outcomes(path) == expected


def test_cells_of_uncommon_types_are_text(tmp_path, outcomes):
    day = datetime.date(2024, 2, 29)
    columns = {
        "uuid": pa.array([b"a" * 16], pa.uuid()),
        "days": pa.array([day]).dictionary_encode(),
        "price": pa.array([decimal.Decimal("9007199254740993.0")]).dictionary_encode(),
    }
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    text = ("61616161-6161-6161-6161-616161616161", "2024-02-29", "9007199254740993.0")
    assert outcomes(path) == [(1, text)]


def test_only_inline_bytes(images, outcomes):
    found = outcomes(images, columns=("mask",), file_columns=("mask",))
    assert [row for row, _ in found] == [1, 2, 3, 4, 5]
    assert found[4] == (5, (InlineBytes(1, 0, 1),))


def test_batches(images):
    assert parquet.BATCH_BYTES == 67108864
    assert Parquet().inline_columns(str(images)) == ("image", "mask", "bare")
    assert read_batch(str(images), 0, 0, "image") == [b"one", None, "3.jpg"]
    assert read_batch(str(images), 1, 0, "image") == [b"four", None]
    assert read_batch(str(images), 0, 0, "mask") == [b"m1", None, b"m3"]
    assert read_batch(str(images), 1, 0, "bare") == [b"b", b"b"]
    assert list(read_batches(str(images), 0, "image")) == [[b"one", None, "3.jpg"]]


def test_a_list_of_images_is_no_source(images, read):
    with pytest.raises(
        ManifestError, match=r"column 'images' is list<.*>, expected text, binary or"
    ):
        read(images, columns=("images",), file_columns=("images",))


def test_a_batch_has_at_least_one_row(images, outcomes, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_BYTES", 1)
    monkeypatch.setattr(parquet, "_READ_BYTES", 1)
    places = [cells[0] for _, cells in outcomes(images, columns=("mask",), file_columns=("mask",))]
    batches = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert places == [InlineBytes(group, batch, 0) for group, batch in batches]
    found = [read_batch(str(images), *batch, "mask") for batch in batches]
    assert found == [[b"m1"], [None], [b"m3"], [b"m4"], [b""]]


def test_the_path_may_stand_before_the_bytes(tmp_path, outcomes):
    kind = pa.struct([("path", pa.string()), ("bytes", pa.binary())])
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": pa.array([{"path": "1.jpg", "bytes": b"1"}], kind)}), path)
    assert outcomes(path, file_columns=("image",)) == [(1, (InlineBytes(0, 0, 0, "1.jpg"),))]


def test_of_two_cells_that_cannot_be_read_the_first_is_named(tmp_path, outcomes, monkeypatch):
    monkeypatch.setattr(arrow_cells, "LINE_BYTES", 10)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": ["x" * 11], "b": ["x" * 11]}), path)
    ((row, (reason, message)),) = outcomes(path, columns=("b", "a"))
    assert (row, reason, message[:10]) == (1, "cell_too_large", "column 'b'")


@pytest.mark.parametrize("dictionary", [True, False])
def test_each_row_finds_its_bytes_in_its_batch(dictionary, tmp_path, outcomes, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_BYTES", 2000)
    monkeypatch.setattr(parquet, "_READ_BYTES", 300)
    values = [b"%d-" % i * (10 + i % 7) for i in range(200)]
    path = tmp_path / "images.parquet"
    table = pa.table({"image": [{"bytes": value, "path": None} for value in values]})
    pq.write_table(table, path, row_group_size=120, use_dictionary=dictionary)
    places = [cells[0] for _, cells in outcomes(path, file_columns=("image",))]
    assert max(place.batch for place in places) > 1
    batches = {(p.row_group, p.batch) for p in places}
    read = {place: read_batch(str(path), *place, "image") for place in batches}
    assert [read[p.row_group, p.batch][p.index] for p in places] == values
    for group in (0, 1):
        held = [read[place] for place in sorted(batches) if place[0] == group]
        assert list(read_batches(str(path), group, "image")) == held


@pytest.fixture
def arrow_memory():
    """What Arrow allocates during a test."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    yield pool
    pa.set_memory_pool(before)


def test_one_batch_is_held_at_a_time(tmp_path, monkeypatch, request):
    """Of a row group of 40 MiB, Arrow holds a few pages and Python the last batch: 34 images."""
    monkeypatch.setattr(parquet, "BATCH_BYTES", 16 << 20)
    path = tmp_path / "images.parquet"
    schema = pa.schema([("image", pa.binary())])
    options = {"compression": "none", "use_dictionary": False, "write_batch_size": 4}
    with pq.ParquetWriter(path, schema, **options) as writer:
        rows = [i.to_bytes(2, "big") + bytes(1 << 18) for i in range(160)]
        writer.write_table(pa.table({"image": rows}, schema=schema))
    del rows
    arrow = request.getfixturevalue("arrow_memory")
    tracemalloc.start()
    batch = read_batch(str(path), 0, 2, "image")
    _, python = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [int.from_bytes(value[:2], "big") for value in batch] == list(range(126, 160))
    assert arrow.max_memory() < 20 << 20
    assert 34 << 18 <= python < 44 << 18


def test_equal_images_share_their_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_BYTES", 50_000)
    value = b"x" * 1000
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": [value] * 5000}), path)
    batch = read_batch(str(path), 0, 0, "image")
    assert batch == [value] * 5000
    assert len({id(value) for value in batch}) <= 51


@pytest.mark.parametrize("size", [3, 4, 5])
def test_images_share_their_memory_once_a_batch_is_full(size, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_BYTES", 8)
    values = [None, *(bytes(bytearray(size)) for _ in range(4))]
    found = parquet._share_equal(iter(values))
    assert found == values
    own = 8 // size  # of the four, those that come before it is
    assert [a is b for a, b in zip(found[1:], values[1:], strict=True)] == (
        [True] * own + [False] * (4 - own)
    )


def test_files_that_are_no_parquet(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"path,label\n")
    with pytest.raises(ManifestError) as error:
        open_manifest(str(path))
    assert str(error.value).startswith(f"{path}: not readable as Parquet: Parquet magic bytes")
    with pytest.raises(BuildError, match="not readable as Parquet"):
        read_batch(str(path), 0, 0, "image")


def test_columns_that_stand_there_twice(tmp_path):
    path = tmp_path / "rows.parquet"
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, path)
    with pytest.raises(ManifestError) as error:
        open_manifest(str(path))
    assert str(error.value) == f"{path}: the header has the column 'a' more than once"
