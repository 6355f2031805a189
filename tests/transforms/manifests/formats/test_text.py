import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.manifests.formats.base import Part
from pixelbeam.transforms.manifests.formats.text import LINE_BYTES, read_lines, split_lines
from pixelbeam.transforms.storage.streams import read_chunks

CONTENT = st.text("ab\n\r", max_size=80).map(str.encode)


@given(CONTENT, st.integers(1, 9), st.integers(1, 5))
def test_lines_are_the_same_however_the_file_is_cut(content, size, first):
    chunks = [content[i : i + size] for i in range(0, len(content), size)]
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert list(read_lines(chunks, first)) == list(enumerate(expected, first))


def test_long_lines_are_cut_and_the_next_is_whole():
    chunk = b"x" * (1 << 20)
    chunks = [b"a\n", *[chunk] * 40, b"\nb"]
    assert list(read_lines(chunks)) == [(1, b"a"), (2, b"x" * (LINE_BYTES + 1)), (3, b"b")]


@given(CONTENT, st.integers(1, 90))
def test_ranges_have_each_line_once(tmp_path_factory, content, range_bytes):
    path = tmp_path_factory.mktemp("text") / "lines"
    path.write_bytes(content)
    parts = split_lines(Part("lines", str(path)), range_bytes)
    for part in parts[:-1]:
        text = content[part.start : part.stop]
        assert text.endswith(b"\n")
        assert len(text) >= range_bytes
    lines = [
        line
        for part in parts
        for line in read_lines(read_chunks(part.path, part.start, part.stop), part.row)
    ]
    assert lines == list(read_lines([content]))


def test_ranges_of_a_file_larger_than_what_is_read_at_once(tmp_path):
    path = tmp_path / "lines"
    content = b"".join(b"%d\n" % i for i in range(400_000))
    path.write_bytes(content)
    parts = split_lines(Part("lines", str(path)), 300_000)
    assert len(parts) == len(content) // 300_000 + 1
    for part in parts:
        assert content[part.start :].startswith(b"%d\n" % (part.row - 1))


def test_a_joining_byte_keeps_the_file_whole(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\nc\n'\n")
    part = Part("lines", str(path))
    assert split_lines(part, 1, b"'") == [part]


def test_a_file_that_shrinks_while_it_is_read_fails(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\n")
    with pytest.raises(BuildError) as error:
        list(read_chunks(str(path), 2, 9))
    assert str(error.value) == f"{path}: 5 bytes shorter than it was: it changed while being read"
