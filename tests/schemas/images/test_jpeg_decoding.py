"""JPEG: the pixels are Pillow's, and damage is told."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images import jpeg_decoding
from pixelbeam.schemas.images.jpeg_decoding import decode_jpeg


def picture(mode: str = "RGB", width: int = 203, height: int = 155) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def save(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 95, **options})
    return buffer.getvalue()


def opened(data: bytes, scale: int = 1, mode: str | None = None) -> JpegImagePlugin.JpegImageFile:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    if scale > 1 or mode:
        image.draft(mode, (image.width // scale, image.height // scale))
    return image


def decode(data: bytes) -> tuple[Image.Image, str]:
    return decode_jpeg(opened(data), data)


def reject_of(data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        decode(data)
    return str(caught.value)


def ycck() -> bytes:
    data = bytearray(save(picture("CMYK")))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


FILES = {
    "colour": save(picture()),
    "full colours": save(picture(), subsampling=0),
    "progressive": save(picture(), progressive=True),
    "restarts": save(picture(), restart_marker_rows=1),
    "grey": save(picture("L")),
    "grey progressive": save(picture("L"), progressive=True),
    "rgb": save(picture(), keep_rgb=True),
    "cmyk": save(picture("CMYK")),
    "ycck": ycck(),
    "bytes behind the end": save(picture()) + b"\xff\xda junk",
}
WHOLE = FILES["colour"]
HALF = len(WHOLE) // 2


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("mode", [None, "L"])
def test_pixels_are_those_of_pillow(name, scale, mode):
    data = FILES[name]
    expected = opened(data, scale, mode)
    expected.load()
    got, warning = decode_jpeg(opened(data, scale, mode), data)
    assert (got.mode, got.size, warning) == (expected.mode, expected.size, "")
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


@pytest.mark.parametrize("size", [(n, m) for n in (1, 3, 4, 6, 8, 17) for m in (1, 4, 6, 16)])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_pixels_of_small_images_are_those_of_pillow(size, scale):
    """Where several scales round up to one size."""
    data = save(picture(width=64, height=64).resize(size))
    expected = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    expected.draft(None, (max(1, size[0] // scale), max(1, size[1] // scale)))
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    image.draft(None, (max(1, size[0] // scale), max(1, size[1] // scale)))
    expected.load()
    got, _ = decode_jpeg(image, data)
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (WHOLE[:HALF] + bytes(len(WHOLE) - HALF), "Premature end of JPEG file"),
        (WHOLE[:HALF] + b"\xff\xd9", "Corrupt JPEG data: premature end of data segment"),
        (WHOLE[:-2], "Premature end of JPEG file"),
        (FILES["progressive"][:-1500], "Premature end of JPEG file"),
        (FILES["cmyk"][:HALF] + bytes(HALF), "Premature end of JPEG file"),
    ],
    ids=["half of it zero", "ended early", "no end", "progressive", "cmyk"],
)
def test_data_that_end_too_early_are_a_reject(data, said):
    assert reject_of(data) == (
        f"decode: truncated_image: got {len(data)} bytes that end too early, "
        f"expected a whole image ({said})"
    )


def test_pillow_alone_takes_what_ends_too_early():
    """Why simplejpeg decodes: without it half an image of grey passes."""
    image = opened(WHOLE[:HALF] + bytes(len(WHOLE) - HALF))
    image.load()
    assert image.size == (203, 155)


@pytest.mark.parametrize("kept", range(1, 10))
def test_a_progressive_file_that_lacks_scans_is_a_reject(kept):
    whole = FILES["progressive"]
    scans = [found.start() for found in re.finditer(b"\xff\xda", whole)]
    assert len(scans) == 10
    tables = whole.rindex(b"\xff\xc4", 0, scans[kept])  # what stands before the next scan
    cut = whole[: tables if tables > scans[kept - 1] else scans[kept]] + b"\xff\xd9"
    assert re.fullmatch(
        rf"decode: truncated_image: got {len(cut)} bytes that lack scans of [123] of 3 components, "
        "expected all scans of a JPEG file",
        reject_of(cut),
    )


def test_other_warnings_are_told_and_the_pixels_are_pillows():
    damaged = WHOLE[:HALF] + bytes(len(WHOLE) - HALF - 2) + b"\xff\xd9"
    expected = opened(damaged)
    expected.load()
    got, warning = decode(damaged)
    assert warning == "Corrupt JPEG data: N extraneous bytes before marker N"
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


def test_photos_are_decoded_as_pillow_does():
    folder = Path(__file__).parents[3].parent / "shared" / "data" / "photos"
    if not folder.is_dir():
        pytest.skip("the photos in ../shared/data/photos are not here")
    for path in sorted(folder.glob("*.jpg"))[:20]:
        data = path.read_bytes()
        expected = opened(data, 2)
        expected.load()
        got, warning = decode_jpeg(opened(data, 2), data)
        assert warning == ""
        np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


@pytest.mark.parametrize(
    ("data", "scale", "by_simplejpeg"),
    [
        (FILES["colour"], 1, True),
        (FILES["grey"], 4, True),
        (FILES["cmyk"], 1, True),
        (save(picture(width=8, height=8)), 1, True),
        (save(picture(width=4, height=4)), 1, True),
        (save(picture(width=64, height=32)), 8, True),
        (save(picture(width=32, height=64)), 8, True),
        (save(picture(width=56, height=56)), 8, False),
    ],
)
def test_simplejpeg_decodes_all_but_the_smallest_at_a_scale(data, scale, by_simplejpeg):
    """Else damage would not be told."""
    image = opened(data, scale)
    got, warning = decode_jpeg(image, data)
    assert (got is not image, warning) == (by_simplejpeg, "")


def test_simplejpeg_decodes_small_images_that_are_not_scaled_after_all():
    data = save(picture(width=4, height=4))
    image = opened(data)
    image.draft(None, (4, 4))
    assert image.decoderconfig[0] == 1
    got, _ = decode_jpeg(image, data)
    assert got is not image


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def frame(marker: int, *components: int) -> bytes:
    parts = b"".join(bytes([number, 0x11, 0]) for number in components)
    return segment(marker, bytes([8, 0, 8, 0, 8, len(components)]) + parts)


def scan(components: list[int], first: int, last: int, bits: int) -> bytes:
    parts = b"".join(bytes([number, 0]) for number in components)
    head = segment(0xDA, bytes([len(components)]) + parts + bytes([first, last, bits]))
    return head + b"data\xff\x00\xff\xd0data\xff\xff"


WHOLE_SCAN = scan([1, 2], 0, 63, 0)
END = b"\xff\xd9"


def missing(*parts: bytes) -> str:
    return jpeg_decoding._missing_scans(b"\xff\xd8" + b"".join(parts))


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC9])
def test_a_scan_of_a_sequential_file_has_all_of_its_components(marker):
    both, one = frame(marker, 1, 2), frame(marker, 2)
    odd = scan([2], 0, 0, 1)  # what stands there means nothing here
    assert missing(both, WHOLE_SCAN, END) == missing(one, odd, END) == ""
    assert missing(both, scan([1], 0, 63, 0), odd, END) == ""
    assert missing(both, odd, END) == "lack scans of 1 of 2 components"
    assert missing(both, END) == "lack scans of 2 of 2 components"


@pytest.mark.parametrize("marker", [0xC2, 0xCA])
@pytest.mark.parametrize(
    ("scans", "lacking"),
    [
        ([(0, 63, 0)], False),
        ([(0, 0, 0), (1, 63, 0)], False),
        ([(1, 63, 0), (0, 0, 0)], False),
        ([(0, 0, 0), (1, 5, 0), (6, 63, 0)], False),
        ([(0, 0, 0), (6, 63, 0), (1, 5, 0)], False),
        ([(0, 0, 1), (1, 63, 2), (1, 63, 0x21), (0, 0, 0x10), (1, 63, 0x10)], False),
        ([(0, 63, 0x10)], False),
        ([(0, 63, 1)], True),
        ([(0, 63, 2)], True),
        ([(0, 63, 8)], True),
        ([(0, 0, 0)], True),
        ([(1, 63, 0)], True),
        ([(0, 0, 0), (1, 62, 0)], True),
        ([(0, 0, 0), (2, 63, 0)], True),
        ([(0, 0, 0), (1, 5, 0), (7, 63, 0)], True),
        ([(0, 0, 0), (7, 63, 0), (1, 5, 0)], True),
        ([(5, 3, 1), (0, 63, 0)], False),
        ([(0, 0, 0), (5, 3, 1), (1, 63, 0)], False),
        ([(0, 0, 1), (1, 63, 0x10)], True),
    ],
)
def test_every_coefficient_of_a_progressive_file_has_all_of_its_bits(marker, scans, lacking):
    rest = [scan([1], *of) for of in scans]
    said = missing(frame(marker, 1, 2), scan([2], 0, 63, 0), *rest, END)
    assert said == ("lack scans of 1 of 2 components" if lacking else "")


def test_scans_that_say_little_are_passed_over():
    start = frame(0xC2, 1)
    complete = scan([1], 0, 63, 0)
    for odd in (b"", b"\1", b"\1\1", b"\1\1\0", b"\1\1\0\0"):
        assert missing(start, segment(0xDA, odd), complete, END) == ""
    assert missing(start, scan([9], 0, 63, 0), END) == "lack scans of 1 of 1 components"
    assert missing(start) == missing(start, scan([1], 0, 0, 0)) == ""  # no end


def test_markers_inside_of_segments_are_none():
    thumbnail = segment(0xE1, frame(0xC2, 1) + END + b"\xff\xda\0")
    assert missing(thumbnail, frame(0xC0, 1), thumbnail, scan([1], 0, 63, 0), END) == ""
    assert missing(frame(0xC0, 1), END, scan([1], 0, 63, 0), END) == (
        "lack scans of 1 of 1 components"
    )
