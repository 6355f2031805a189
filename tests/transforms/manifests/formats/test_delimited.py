import csv
import gzip
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import BuildError, ManifestError, Reject
from pixelbeam.transforms.manifests.formats import text
from pixelbeam.transforms.manifests.formats.base import Projection
from pixelbeam.transforms.manifests.formats.delimited import CELL_CHARS, split_cells
from pixelbeam.transforms.manifests.formats.text import read_lines
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.manifests.read_manifest import split_file
from pixelbeam.transforms.rows import RejectedRow


@pytest.mark.parametrize(
    ("name", "start", "got", "wanted"),
    [
        ("a.csv", b"sep=;\r\npath;label\r\n", "sep=;", "commas"),
        ("a.csv", b"\xef\xbb\xbfsep=,\npath,label\n", "sep=,", "commas"),
        ("a.csv", b'"SEP=;"\npath;label\n', "SEP=;", "commas"),
        ("a.tsv", b"sep=;\npath;label\n", "sep=;", "tabs"),
    ],
)
def test_the_line_that_tells_excel_the_separator(tmp_path, name, start, got, wanted):
    (tmp_path / name).write_bytes(start)
    with pytest.raises(ManifestError) as error:
        open_manifest(str(tmp_path / name))
    assert str(error.value) == (
        f"{tmp_path / name}: line 1: got {got!r}, which only Excel knows, expected the header; "
        f"remove the line, and put {wanted} between the cells"
    )


CASES = {
    "plain": (b"a,b\n1,2\n3,4\n", [(2, ("1", "2")), (3, ("3", "4"))]),
    "no newline at the end": (b"a,b\n1,2", [(2, ("1", "2"))]),
    "byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n", [(2, ("1", "2"))]),
    "byte order mark before a quote": (b'\xef\xbb\xbf"a",b\n1,2\n', [(2, ("1", "2"))]),
    "CRLF": (b"a,b\r\n1,2\r\n", [(2, ("1", "2"))]),
    "CRLF and quotes": (b'"a","b"\r\n"1","2"\r\n', [(2, ("1", "2"))]),
    "quoted comma": (b'a,b\n"1,5",2\n', [(2, ("1,5", "2"))]),
    "quoted newlines": (b'a,b\n"x\ny\r\nz",2\n3,4\n', [(2, ("x\ny\r\nz", "2")), (5, ("3", "4"))]),
    "doubled quote": (b'a,b\n"say ""hi""",2\n', [(2, ('say "hi"', "2"))]),
    "quote inside a cell": (b'a,b\n5" nail,2\n', [(2, ('5" nail', "2"))]),
    "header with a newline": (b'a,"b\nc"\n1,2\n', [(3, ("1", "2"))]),
    "empty cells": (b'a,b\n,\n"",""\n', [(2, (None, None)), (3, (None, None))]),
    "blank lines": (b"\n \na,b\n\n1,2\n\r\n  \n3,4\n\n", [(5, ("1", "2")), (8, ("3", "4"))]),
    "spaces are kept": (b"a,b\n 1 , 2\n", [(2, (" 1 ", " 2"))]),
    "not ASCII": ("a,b\nmünchen,猫\n".encode(), [(2, ("münchen", "猫"))]),
    "header only": (b"a,b\n", []),
    "unicode line ends are text": ("a,b\n1\u2028x,2\x0c\n".encode(), [(2, ("1\u2028x", "2\x0c"))]),
    "too few": (b"a,b\n1\n3,4\n", [(2, "got 1 cells, expected 2"), (3, ("3", "4"))]),
    "too many": (b"a,b\n1,2,3\n", [(2, "got 3 cells, expected 2")]),
    "NUL": (b"a,b\n1,\x002\n3,4\n", [(2, "got a NUL byte at byte 3 of the line"), (3, ("3", "4"))]),
    "NUL in quotes": (
        b'a,b\n"1\n\x00",2\n3,4\n',
        [
            (2, "not readable as a row: got a NUL byte at byte 1 of the line (read up to line 3)"),
            (3, "not readable as a row: got a NUL byte at byte 1 of the line"),
            (4, ("3", "4")),
        ],
    ),
    "carriage return": (
        b"a,b\n1\r,2\n",
        [(2, "got a carriage return inside the line, expected a newline")],
    ),
    "text behind a quote": (
        b'a,b\n"1"x,2\n3,4\n',
        [(2, "not readable as a row: ',' expected after '\"'"), (3, ("3", "4"))],
    ),
    "quote never closed": (
        b'a,b\n"1,2\n3,4\n5,6\n',
        [
            (2, "not readable as a row: unexpected end of data (read up to line 4)"),
            (3, ("3", "4")),
            (4, ("5", "6")),
        ],
    ),
    "quote closed by another row's": (
        b'a,b\n"1,2\n3,4\n"5",6\n',
        [
            (2, "not readable as a row: ',' expected after '\"' (read up to line 4)"),
            (3, ("3", "4")),
            (4, ("5", "6")),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_csv_rows(case, tmp_path, read):
    content, expected = CASES[case]
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    found = []
    for row in read(path):
        if isinstance(row, RejectedRow):
            assert (row.reject.stage, row.reject.reason, row.key) == (
                "read",
                "malformed_row",
                f"rows.csv:{row.row}",
            )
        found.append((row.row, row.reject.message if isinstance(row, RejectedRow) else row.values))
    assert found == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"1,caf\xe9\n", "got byte 0xe9 at byte 6 of the line, expected UTF-8 text"),
        (b'"1\n",caf\xe9\n', "got byte 0xe9 in the row, expected UTF-8 text"),
    ],
)
def test_bytes_that_are_no_utf8(line, message, tmp_path, outcomes):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n" + line + b"3,4\n")
    after = 2 + line.count(b"\n")
    assert outcomes(path) == [(2, ("not_utf8", message)), (after, ("3", "4"))]


def test_a_reject_says_what_could_be_read(tmp_path, read):
    path = tmp_path / "rows.csv"
    path.write_text("path,label\na.jpg\n")
    assert read(path) == [
        RejectedRow(
            "rows.csv",
            2,
            "rows.csv:2",
            Reject("read", "malformed_row", "got 1 cells, expected 2"),
            values=(("path", "a.jpg"),),
        )
    ]


@pytest.mark.parametrize("quote", ["", '"'])
def test_cells_that_are_too_long(quote, tmp_path, outcomes):
    long = "x" * (CELL_CHARS + 1)
    path = tmp_path / "rows.csv"
    path.write_text(f"a,b\n{quote}{long}{quote},2\n3,4\n")
    (row, (reason, message)), after = outcomes(path)
    assert (row, reason, after) == (2, "malformed_row", (3, ("3", "4")))
    assert str(CELL_CHARS) in message


@pytest.mark.parametrize("quote", ["", '"'])
def test_cells_that_are_just_short_enough(quote, tmp_path, outcomes):
    assert CELL_CHARS == csv.field_size_limit() == 131072
    long = "é" * CELL_CHARS
    path = tmp_path / "rows.csv"
    path.write_text(
        f"a,b\n{quote}{long}{quote},{quote}x\n{quote}\n" if quote else f"a,b\n{long},2\n"
    )
    assert outcomes(path) == [(2, (long, "x\n" if quote else "2"))]


def test_a_line_that_is_too_long(tmp_path, outcomes, monkeypatch):
    monkeypatch.setattr(text, "LINE_BYTES", 1000)
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"x" * 3000 + b"\n3,4\n"))
    assert outcomes(path) == [
        (2, ("malformed_row", "got a line of more than 1000 bytes, expected fewer")),
        (3, ("3", "4")),
    ]


def test_tsv(tmp_path, outcomes):
    path = tmp_path / "rows.TSV"
    path.write_bytes(b'a\tb\n1,5\t"x\ty"\n\t\n')
    assert outcomes(path) == [(2, ("1,5", "x\ty")), (3, (None, None))]


def test_columns_in_another_order(tmp_path, outcomes):
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n1,2,3\n")
    assert outcomes(path, columns=("c", "a")) == [(2, ("3", "1"))]
    assert outcomes(path, columns=("b",)) == [(2, ("2",))]


def test_gzip(tmp_path, outcomes):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbfa,b\n1,2\n"3\n",4\n'))
    assert outcomes(path, range_bytes=1) == [(2, ("1", "2")), (3, ("3\n", "4"))]


def test_rows_before_the_end_of_a_truncated_gzip_are_read(tmp_path):
    numbers = b"".join(b"%d,%d\n" % (i, i * 7919 % 1000003) for i in range(100_000))
    path = tmp_path / "rows.csv.gz"
    packed = gzip.compress(b"a,b\n" + numbers)
    path.write_bytes(packed[: len(packed) * 9 // 10])
    manifest = open_manifest(str(path))
    (part,) = split_file(manifest.format, manifest.files[0])
    records = manifest.format.records(part, Projection(("a",)))
    found = []

    with pytest.raises(BuildError) as error:  # noqa: PT012
        for record in records:
            found.append(record)  # noqa: PERF402 - extend() would keep none of them
    assert str(error.value) == f"{path}: truncated: the gzip stream ends before its end mark"
    assert len(found) > 60_000
    assert found == [(i + 2, (str(i),)) for i in range(len(found))]


HEADERS = {
    "duplicate": (b"a,b,a\n", "{path}: the header has the column 'a' more than once"),
    "no name": (
        b",a\n",
        "{path}: column 1 of the header has no name, expected one "
        "(pandas writes such a column for the index: to_csv(…, index=False))",
    ),
    "blank": (b"\n\n", "{path}: nothing but blank lines, expected a header"),
    "empty": (b"", "{path}: an empty file, expected a manifest"),
    "not UTF-8": (
        b"\na,b\xff\n",
        "{path}: line 2: got byte 0xff at byte 4 of the line, expected UTF-8 text",
    ),
    "open quote": (b'a,"b\n', "{path}: line 1: not readable as a row: unexpected end of data"),
    "old Mac line ends": (
        b"a,b\r1,2\r",
        "{path}: line 1: got a carriage return inside the line, expected a newline",
    ),
    "long": (
        b"a" * 1000 + b",b" * 600_000,
        "{path}: a header of more than 1048576 bytes, expected fewer",
    ),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_cannot_be_used(case, tmp_path):
    content, message = HEADERS[case]
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(ManifestError) as error:
        open_manifest(str(path))
    assert str(error.value) == message.format(path=path)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.text(
    'a,"\n\r ', max_size=6
)


@given(st.lists(st.lists(CELL, min_size=2, max_size=3), max_size=8), st.sampled_from([",", "\t"]))
@example([["\r", "\n"], ['"', ""]], ",")
def test_splits_what_the_csv_module_wrote(rows, delimiter):
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows(rows)
    content = written.getvalue().encode()
    found = list(split_cells(read_lines([content]), delimiter))
    assert [cells for _, cells in found] == rows
    starts, line = [], 1
    for row in rows:
        one = io.StringIO(newline="")
        csv.writer(one, delimiter=delimiter).writerow(row)
        starts.append(line)
        line += one.getvalue().count("\n")
    assert [number for number, _ in found] == starts


@given(st.binary(max_size=60) | st.text('a,"\n', max_size=60).map(str.encode))
def test_no_line_is_lost_whatever_it_holds(content):
    """Every line that is not blank is a row, a reject, or inside the row that starts before it."""
    found = dict(split_cells(read_lines([content]), ","))
    lines = dict(read_lines([content]))
    covered = set()
    for number, cells in found.items():
        newlines = "".join(cells).count("\n") if isinstance(cells, list) else 0
        covered.update(range(number, number + newlines + 1))
    assert {n for n, line in lines.items() if line.strip(b" \r")} <= covered
