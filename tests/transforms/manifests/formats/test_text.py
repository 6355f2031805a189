import gzip
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import BuildError, ManifestError
from pixelbeam.transforms.manifests.formats import text
from pixelbeam.transforms.manifests.formats.base import Malformed, Part, Projection
from pixelbeam.transforms.manifests.formats.text import (
    LINE_BYTES,
    Body,
    Head,
    TextFormat,
    decode_line,
    read_lines,
    split_lines,
)
from pixelbeam.transforms.storage import streams
from pixelbeam.transforms.storage.streams import read_chunks

CONTENT = st.text("ab\n\r", max_size=40).map(str.encode)


@given(CONTENT, st.integers(1, 9), st.integers(1, 5))
def test_lines_are_the_same_however_the_file_is_cut(content, size, first):
    chunks = [content[i : i + size] for i in range(0, len(content), size)]
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert list(read_lines(chunks, first)) == list(enumerate(expected, first))


def test_long_lines_are_cut_and_the_next_is_whole(monkeypatch):
    assert LINE_BYTES == 16777216
    monkeypatch.setattr(text, "LINE_BYTES", 10)
    chunks = [b"a\n", *[b"xyz"] * 40, b"\n", b"b" * 10, b"\n", b"c" * 12]
    long = (b"xyz" * 4)[:11]
    expected = [(1, b"a"), (2, long), (3, b"b" * 10), (4, b"c" * 11)]
    assert list(read_lines(chunks)) == expected
    assert list(read_lines([b"b" * 10, b"c", b"d\n"])) == [(1, b"b" * 10 + b"c")]


@given(CONTENT, st.integers(1, 12), st.integers(1, 30))
@example(b"ab\ncd\n", 3, 2)  # a newline that starts a piece
def test_ranges_have_each_line_once(tmp_path_factory, content, range_bytes, chunk_bytes):
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK_BYTES", chunk_bytes)
        parts = split_lines(Part("lines", str(path)), range_bytes)
    for part in parts[:-1]:
        found = content[part.start : part.stop]
        assert found.endswith(b"\n")
        assert len(found) >= range_bytes
        assert b"\n" not in found[range_bytes - 1 : -1]  # the first line's end that makes it so
    lines = [
        line
        for part in parts
        for line in read_lines(read_chunks(part.path, part.start, part.stop), part.row)
    ]
    assert lines == list(read_lines([content]))


def test_ranges_of_a_part(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a,b\n12\n345\n6\n7")
    part = Part("lines", str(path), row=2, start=4)
    places = [(p.row, p.start, p.stop) for p in split_lines(part, 4)]
    assert places == [(2, 4, 11), (4, 11, 14)]
    places = [(p.row, p.start, p.stop) for p in split_lines(part, 3)]
    assert places == [(2, 4, 7), (3, 7, 11), (4, 11, 14)]


def test_a_joining_byte_keeps_the_file_whole(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\nc\n'\n")
    part = Part("lines", str(path))
    assert split_lines(part, 1, b"'") == [part]
    assert len(split_lines(part, 1, b'"')) == 4


def test_a_file_that_shrinks_while_it_is_read_fails(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\n")
    with pytest.raises(BuildError) as error:
        list(read_chunks(str(path), 2, 9))
    assert str(error.value) == f"{path}: 5 bytes shorter than it was: it changed while being read"


def test_a_line_as_text(monkeypatch):
    monkeypatch.setattr(text, "LINE_BYTES", 6)
    message = "got a line of more than 6 bytes, expected fewer"
    assert decode_line("aé123".encode()) == "aé123"
    assert decode_line(b"1234567") == Malformed("malformed_row", message)
    message = "got a NUL byte at byte 3 of the line"
    assert decode_line(b"ab\0c\xff") == Malformed("malformed_row", message)
    message = "got byte 0xff at byte 2 of the line, expected UTF-8 text"
    assert decode_line(b"a\xffb") == Malformed("not_utf8", message)


class Lines(TextFormat):
    """A header, and lines behind it; an array where the header is ``[``."""

    joins_lines = b"+"

    def body(self, head: Head, path: str) -> Body:
        header = head.text.partition(b"\n")[0]
        start = head.start + len(header) + 1
        return Body((header.decode(),), start, 2, is_array=header == b"[")

    def parse(self, lines, body, projection, path):
        for number, line in lines:
            yield number, (*body.columns, line.decode())


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("name", "content", "range_bytes", "starts"),
    [
        ("rows", b"a\nb\nc\n", 6, [(2, 2)]),  # no larger than a range
        ("rows", b"a\nb\nc\n", 2, [(2, 2), (3, 4)]),
        ("rows", b"a\nb+\nc\n", 2, [(2, 2)]),
        ("rows", b"[\nb\nc\n", 2, [(2, 2)]),
        ("rows.gz", b"a\nb\nc\n", 2, [(2, 2)]),
    ],
)
def test_a_text_file_is_cut_where_its_lines_allow_it(
    tmp_path, mark, name, content, range_bytes, starts
):
    path = tmp_path / name
    path.write_bytes(gzip.compress(mark + content) if name.endswith("gz") else mark + content)
    whole, lines = Part(name, str(path)), Lines()
    assert lines.compressible
    header, *rest = content.decode().split()
    assert lines.columns(str(path)) == (header,)
    parts = lines.parts(whole, len(content), range_bytes)
    assert [(p.row, p.start) for p in parts] == [(row, len(mark) + at) for row, at in starts]
    assert parts[-1] == replace(parts[-1], name=name, path=str(path))
    records = [r for part in parts for r in lines.records(part, Projection(()))]
    assert records == [(row, (header, line)) for row, line in enumerate(rest, 2)]


def test_a_text_file_in_another_encoding_has_no_columns(tmp_path):
    (tmp_path / "rows").write_bytes("a\n1\n".encode("utf-16"))
    with pytest.raises(ManifestError, match=r"seems to be UTF-16 text"):
        Lines().columns(str(tmp_path / "rows"))
