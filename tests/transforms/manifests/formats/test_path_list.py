import gzip

import pytest
from pixelbeam.transforms.manifests.formats.base import Malformed
from pixelbeam.transforms.manifests.formats.path_list import split_line

LINES = {
    "a.jpg 3": ("a.jpg", "3"),
    "a.jpg    3  ": ("a.jpg", "3"),
    "  my holiday photo.jpg cat": ("my holiday photo.jpg", "cat"),
    "train\\a\\b.jpg 3": ("train\\a\\b.jpg", "3"),
    "C:\\my photos\\n.jpg 3": ("C:\\my photos\\n.jpg", "3"),
    "a.jpg": ("a.jpg", None),
    "a b.jpg\ttabby cat": ("a b.jpg", "tabby cat"),
    "a b.jpg\t": ("a b.jpg", None),
    "\t3": (None, "3"),
    '"a,b".jpg 3': ('"a,b".jpg', "3"),
    "a\u3000b.jpg 3": ("a\u3000b.jpg", "3"),
    "0\t3\ta.jpg": Malformed("malformed_row", "got 3 cells between tabs, expected 2"),
}


@pytest.mark.parametrize("line", LINES)
def test_split_line(line):
    assert split_line(line) == LINES[line]


@pytest.mark.parametrize("name", ["list.txt", "list.lst", "list.txt.gz"])
@pytest.mark.parametrize("range_bytes", [1, 1000])
def test_rows(name, range_bytes, tmp_path, outcomes):
    content = b"\xef\xbb\xbfa b.jpg 1\r\n\n \t\nb.jpg\t2\nc\xff.jpg 3\nd\0.jpg 4\ne.jpg 5"
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert outcomes(path, range_bytes=range_bytes) == [
        (1, ("a b.jpg", "1")),
        (4, ("b.jpg", "2")),
        (5, ("not_utf8", "got byte 0xff at byte 2 of the line, expected UTF-8 text")),
        (6, ("malformed_row", "got a NUL byte at byte 2 of the line")),
        (7, ("e.jpg", "5")),
    ]


def test_one_column(tmp_path, outcomes):
    path = tmp_path / "list.txt"
    path.write_text("a.jpg 1\n")
    assert outcomes(path, columns=("label",)) == [(1, ("1",))]
