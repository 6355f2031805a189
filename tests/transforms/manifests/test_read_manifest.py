import gzip
import io
import json

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import ManifestError, Reject
from pixelbeam.transforms.manifests import read_manifest
from pixelbeam.transforms.manifests.formats.base import Malformed, Projection
from pixelbeam.transforms.manifests.open_manifest import ManifestFile, open_manifest
from pixelbeam.transforms.manifests.read_manifest import ReadManifest, row_of, split_file
from pixelbeam.transforms.manifests.split_manifests import open_manifests
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RejectedRow


def read_plainly(manifest, projection, range_bytes=1 << 30):
    """Every row and reject of a manifest, file after file, without Beam."""
    return [
        row_of(part.name, record)
        for file in manifest.files
        for part in split_file(manifest.format, file, range_bytes)
        for record in manifest.format.records(part, projection)
    ]


def read_whole(spec):
    manifest = open_manifest(spec)
    return read_plainly(manifest, Projection(manifest.columns))


def check_reading(spec, range_bytes=1 << 30, file_columns=()):
    """Reads with Beam and compares with plain reading; returns what was read."""
    manifest = open_manifest(str(spec))
    projection = Projection(manifest.columns, frozenset(file_columns))
    expected = read_plainly(manifest, projection)
    rows = [row for row in expected if isinstance(row, ManifestRow)]
    rejects = [row for row in expected if isinstance(row, RejectedRow)]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | ReadManifest(manifest, manifest.columns, file_columns, range_bytes)
        counts = read.counts | beam.CombineGlobally(sum)
        assert_that(read.rows, equal_to(rows), label="Rows")
        assert_that(read.rejects, equal_to(rejects), label="Rejects")
        assert_that(counts, equal_to([len(expected)]), label="Counts")
    return expected


def test_row_of():
    assert row_of("a.csv", (3, ("x", None))) == ManifestRow("a.csv", 3, ("x", None))
    fault = Malformed("malformed_row", "got this", "x.jpg", (("path", "x.jpg"),))
    assert row_of("a.csv", (3, fault)) == RejectedRow(
        "a.csv",
        3,
        "a.csv:3",
        Reject("read", "malformed_row", "got this", path="x.jpg"),
        values=(("path", "x.jpg"),),
    )


def test_text_files_of_all_kinds_in_a_glob(tmp_path):
    body = "".join(f"{i}.jpg,{i % 3}\n" for i in range(30))
    (tmp_path / "a.csv").write_text("path,label\n" + body + "one cell\n")
    (tmp_path / "b.csv").write_text('label,path\n1,"x\ny.jpg"\n2,z.jpg\n')
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"path,label\nz.jpg,3\n\xff,4\n"))
    found = check_reading(tmp_path / "*.csv*", 40)
    manifest = open_manifest(f"{tmp_path}/*.csv*")
    projection = Projection(manifest.columns)
    assert read_plainly(manifest, projection, 1) == found
    assert read_plainly(manifest, projection, 1 << 20) == found
    assert found == [
        *[ManifestRow("a.csv", i + 2, (f"{i}.jpg", str(i % 3))) for i in range(30)],
        RejectedRow(
            "a.csv",
            32,
            "a.csv:32",
            Reject("read", "malformed_row", "got 1 cells, expected 2"),
            values=(("path", "one cell"),),
        ),
        ManifestRow("b.csv", 2, ("x\ny.jpg", "1")),
        ManifestRow("b.csv", 4, ("z.jpg", "2")),
        ManifestRow("c.csv.gz", 2, ("z.jpg", "3")),
        RejectedRow(
            "c.csv.gz",
            3,
            "c.csv.gz:3",
            Reject("read", "not_utf8", "got byte 0xff at byte 1 of the line, expected UTF-8 text"),
        ),
    ]


def test_json_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"path": f"{i}.jpg", "box": [i, 0.5]}) + "\n" for i in range(20))
    )
    manifest = open_manifest(str(path))
    found = read_plainly(manifest, Projection(manifest.columns), 50)
    assert found[19] == ManifestRow("rows.jsonl", 20, ("19.jpg", [19, 0.5]))


def test_parquet(tmp_path):
    images = [{"bytes": b"x" * i, "path": f"{i}.jpg"} for i in range(25)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image": images, "label": list(range(25))}), path, row_group_size=10)
    found = check_reading(path, file_columns=("image",))
    assert found[24] == ManifestRow("rows.parquet", 25, (InlineBytes(2, 0, 4, "24.jpg"), 24))


def test_class_folders(tmp_path):
    for name in ("a/1.jpg", "a/2.avif", "b/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = check_reading(tmp_path)
    assert [(row.file, row.row) for row in found] == [("a", 1), ("a", 2), ("b", 1)]


def test_a_gzip_that_ends_early_fails_the_build(tmp_path):
    path = tmp_path / "rows.csv.gz"
    rows = b"".join(b"%d,%d\n" % (i, i * 7919 % 1000003) for i in range(120_000))
    path.write_bytes(gzip.compress(b"a,b\n" + rows)[:-1000])
    manifest = open_manifest(str(path))
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | ReadManifest(manifest, ("a",))
    with pytest.raises(Exception, match=r"rows\.csv\.gz: truncated: the gzip stream ends before"):
        pipeline.run()


def test_a_column_that_the_manifest_lacks(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n")
    with pytest.raises(ManifestError) as error:
        ReadManifest(open_manifest(str(path)), ("a", "c"))
    assert str(error.value) == f"{path}: no column 'c'; its columns are: 'a', 'b'"


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (("b", "a", "manifest/split"), ("2", "1", "val")),
        (("manifest/split", "b"), ("val", "2")),
        (("a", "manifest/split", "b"), ("1", "val", "2")),
        (("a",), ("1",)),
    ],
)
def test_rows_of_a_manifest_that_is_a_split(tmp_path, columns, values):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n3\n")
    (manifest,) = open_manifests(f"val={path}")
    index = ReadManifest(manifest, columns)._split_index
    projection = Projection(tuple(c for c in columns if c != "manifest/split"))
    reads = read_manifest._ReadPartFn(manifest.format, projection, "val", index)
    (part,) = split_file(manifest.format, manifest.files[0])
    first, second, counted = reads.process(part)
    assert first == ManifestRow("val/rows.csv", 2, values)
    assert (second.tag, second.value.file, second.value.row) == ("rejects", "val/rows.csv", 3)
    assert (counted.tag, counted.value) == ("counts", 2)


def test_a_column_of_the_splits_name_is_one_like_any_other(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,manifest/split\n1,2\n")
    assert ReadManifest(open_manifest(str(path)), ("manifest/split",))._split_index == -1


CELLS = st.text('ab,\t "\n\r\u00e9', max_size=5)
LINES = st.lists(CELLS.map(lambda cell: f"{cell},1"), max_size=12) | st.lists(
    st.sampled_from(["a,1", "", " ", "é,2", "a", "a,1,2", '"x\ny",3', '{"a": 1}', "a b\t3"]),
    max_size=12,
)


@given(
    LINES,
    st.sampled_from(["rows.csv", "rows.tsv", "rows.jsonl", "rows.txt"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 60),
)
def test_any_range_size_gives_the_same_rows(
    tmp_path_factory, lines, name, newline, mark, range_bytes
):
    path = tmp_path_factory.mktemp("rows") / name
    heads = {"rows.csv": "a,b", "rows.tsv": "\na\tb", "rows.jsonl": '{"a": 0}', "rows.txt": "x 1"}
    text = newline.join([heads[name], *lines])
    path.write_bytes(text.encode("utf-8-sig" if mark else "utf-8"))
    manifest = open_manifest(str(path))
    projection = Projection(manifest.columns)
    assert read_plainly(manifest, projection, range_bytes) == read_plainly(manifest, projection)


@pytest.fixture
def remote(memory_files):
    table = io.BytesIO()
    pq.write_table(pa.table({"image": [b"x", None], "label": [1, 2]}), table)
    files = {
        "memory://bucket/m/a.csv": b"path,label\na.jpg,1\nb.jpg,2\n",
        "memory://bucket/m/deep/b.csv": b"path,label\nc.jpg,3\n",
        "memory://bucket/m/z.csv.gz": gzip.compress(b"path,label\nd.jpg,4\n"),
        "memory://bucket/t.parquet": table.getvalue(),
        "memory://bucket/photos/cat/1.jpg": b"",
        "memory://bucket/photos/cat/2.jpg": b"",
        "memory://bucket/photos/cat/.hidden.jpg": b"",
        "memory://bucket/photos/dog/1.jpg": b"",
        "memory://bucket/photos/cat/Thumbs.db": b"",
        "memory://bucket/split/train/cat/1.jpg": b"",
        "memory://bucket/split/val/cat/2.jpg": b"",
        "memory://bucket/flat/labels.csv": b"",
    }
    memory_files.update(files)


def test_remote_files(remote):
    found = check_reading("memory://bucket/m/**.csv*", range_bytes=5)
    assert [(row.file, row.row, row.values) for row in found] == [
        ("a.csv", 2, ("a.jpg", "1")),
        ("a.csv", 3, ("b.jpg", "2")),
        ("deep/b.csv", 2, ("c.jpg", "3")),
        ("z.csv.gz", 2, ("d.jpg", "4")),
    ]
    manifest = open_manifest("memory://bucket/m/a.csv")
    assert (manifest.root, manifest.files) == (
        "memory://bucket/m",
        (ManifestFile("memory://bucket/m/a.csv", "a.csv", 27),),
    )


def test_remote_parquet(remote):
    found = check_reading("memory://bucket/t.parquet", file_columns=("image",))
    assert [row.values for row in found] == [(InlineBytes(0, 0, 0), 1), (InlineBytes(0, 0, 1), 2)]
    assert open_manifest("memory://bucket/t.parquet").inline_columns == ("image",)


@pytest.mark.parametrize("spec", ["memory://bucket/photos", "memory://bucket/photos/"])
def test_remote_class_folders(spec, remote):
    manifest = open_manifest(spec)
    assert manifest.root == "memory://bucket/photos"
    assert (manifest.left_out, manifest.left_out_example) == (2, "cat/.hidden.jpg")
    read = check_reading if spec.endswith("/") else read_whole
    assert read(spec) == [
        ManifestRow("cat", 1, ("cat/1.jpg", "cat")),
        ManifestRow("cat", 2, ("cat/2.jpg", "cat")),
        ManifestRow("dog", 1, ("dog/1.jpg", "dog")),
    ]


def test_remote_split_folders(remote):
    assert open_manifest("memory://bucket/split").split_column == "split"
    assert read_whole("memory://bucket/split") == [
        ManifestRow("train/cat", 1, ("train/cat/1.jpg", "train", "cat")),
        ManifestRow("val/cat", 1, ("val/cat/2.jpg", "val", "cat")),
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("memory://bucket/x.csv", "{spec}: no such file or directory"),
        ("memory://bucket/*.csv", "{spec}: no file matches"),
        (
            "memory://bucket/flat",
            "{spec}: a directory without images; "
            "for the manifest in it: --manifest {spec}/labels.csv",
        ),
    ],
)
def test_remote_manifests_that_cannot_be_opened(spec, message, remote):
    with pytest.raises(ManifestError) as error:
        open_manifest(spec)
    assert str(error.value) == message.format(spec=spec)


def test_a_scheme_that_is_not_installed():
    with pytest.raises(ManifestError, match=r"^nowhere://x/a\.csv: cannot be read: "):
        open_manifest("nowhere://x/a.csv")
