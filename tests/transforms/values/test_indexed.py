from __future__ import annotations

from pixelbeam.schemas import Image, Int64
from pixelbeam.schemas.features.base import Encoded
from pixelbeam.transforms.values.indexed import index_value
from pixelbeam.transforms.values.resolve import Origin

IMAGE = Image(source="path", height=8, width=8)
OF_KIND = {"source_width": 20, "source_height": 10, "orientation": 1, "width": 8, "height": 8}
OF_KIND |= {"dhash": 5, "statistics": "{}"}


def test_a_file_and_what_the_kind_has_found():
    said = index_value(IMAGE, Encoded({}, indexed=lambda: OF_KIND), Origin("a.jpg", 3, "ab"))
    assert said == {"source": "a.jpg", "source_bytes": 3, "source_sha256": "ab", **OF_KIND}


def test_what_is_not_known_is_none_and_there():
    said = index_value(IMAGE, Encoded({}), None)
    assert said == dict.fromkeys(["source", "source_bytes", "source_sha256", *OF_KIND])
    said = index_value(IMAGE, Encoded({}, indexed=lambda: {"width": 8}), Origin("", 3, "ab"))
    assert (said["source"], said["source_bytes"], said["width"]) == (None, 3, 8)


def test_numbers_say_nothing_of_files():
    assert index_value(Int64(source="n"), Encoded({}), None) == {}
