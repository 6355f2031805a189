"""JPEG: the pixels are Pillow's, and damage is told."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from pixelbeam.schemas.errors import Reject
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
