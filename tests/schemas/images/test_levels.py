"""Levels of more than 8 bits, from files and arrays, through the whole of the kind ``image``."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.images.levels import (
    FULL_RANGE,
    SCALED,
    Levels,
    declared_levels,
    file_levels,
    read_array,
    scale_levels,
)


def tiff(pixels: np.ndarray, photometric: int | None = 1) -> bytes:
    """A TIFF, little-endian, of the array's own type: grey, or of as many channels as it has."""
    height, width, *channels = pixels.shape
    sample = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    bits = pixels.dtype.itemsize * 8
    tags = {
        256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8,
        277: channels[0] if channels else 1, 278: height, 279: len(data), 339: sample,
    }  # fmt: skip
    if photometric is None:
        del tags[262]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    start = 8 + len(data)
    head = b"II*\0" + struct.pack("<I", start)
    return head + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiff12(levels: list[int]) -> bytes:
    """Two pixels in three bytes."""
    packed = b"".join(
        bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255])
        for a, b in zip(levels[::2], levels[1::2], strict=True)
    )
    whole = bytearray(tiff(np.zeros((1, len(levels)), np.uint8)))
    made = whole[:8] + packed + whole[8 + len(levels) :]
    made[4:8] = struct.pack("<I", 8 + len(packed))
    at = made.index(struct.pack("<HHI", 258, 4, 1))
    made[at + 8 : at + 12] = struct.pack("<I", 12)
    at = made.index(struct.pack("<HHI", 279, 4, 1))
    made[at + 8 : at + 12] = struct.pack("<I", len(packed))
    return bytes(made)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def encoded(value, **settings):
    feature = Image(source="s", resize="none", encoding="raw", **{"channels": 1, **settings})
    return feature.encode("x", value)


def levels(value, **settings) -> list[int]:
    return encoded(value, **settings).values["x"].ravel().tolist()


def reject_of(value, **settings) -> str:
    with pytest.raises(Reject) as caught:
        encoded(value, **settings)
    return str(caught.value)


GREY = np.array([[0, 1000, 40000, 65535]], np.uint16)


def test_white_is_zero_of_16_bits():
    assert levels(tiff(GREY, 0), dtype="uint16") == [65535, 64535, 25535, 0]
    assert levels(tiff(GREY, 0)) == [255, 252, 99, 0]
    assert levels(tiff(GREY, 1), dtype="uint16") == GREY.ravel().tolist()


def test_white_is_zero_of_8_bits_is_as_ever():
    assert levels(tiff(np.array([[0, 100, 255]], np.uint8), 0)) == [255, 155, 0]


def test_12_bits_in_12_bits_reach_white():
    assert levels(tiff12([0, 2048, 4094, 4095]), dtype="uint16") == [0, 32776, 65519, 65535]
    assert levels(tiff12([0, 2048, 4094, 4095])) == [0, 128, 255, 255]


SMALL = np.array([[0, 100, 255]])


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (SMALL.astype(np.uint32), "32-bit unsigned integers"),
        (SMALL.astype(np.int32), "32-bit signed integers"),
        (SMALL.astype(np.float32), "32-bit floats"),
        (SMALL.astype(np.int16), "16-bit signed integers"),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_levels_without_a_range_need_max_value(pixels, kind, dtype):
    assert reject_of(tiff(pixels), dtype=dtype) == (
        f"decode: unsupported_pixels: got pixels of {kind}, whose white is not defined, "
        "expected max_value to say it, or pixels of 1, 8 or 16 bits"
    )
    white = 257 if dtype == "uint16" else 1
    expected = [0, 100 * white, 255 * white]
    assert levels(tiff(pixels), dtype=dtype, max_value=255) == expected


def test_floats_of_white_is_zero():
    pixels = np.array([[0, 0.25, 1]], np.float32)
    assert levels(tiff(pixels, 0), max_value=1.0, dtype="uint16") == [65535, 49151, 0]


def test_signed_bytes_are_rejected():
    assert reject_of(tiff(np.array([[-1, 5]], np.int8)), max_value=127) == (
        "decode: unsupported_pixels: got pixels of 8-bit signed integers, expected unsigned ones"
    )


@pytest.mark.parametrize("make", [png, tiff, lambda pixels: pixels], ids=["png", "tiff", "array"])
def test_max_value_is_white(make):
    pixels = np.array([[0, 1, 2048, 4095]], np.uint16)
    assert levels(make(pixels), max_value=4095, dtype="uint16") == [0, 16, 32776, 65535]
    assert levels(make(pixels), max_value=4095) == [0, 0, 128, 255]
    assert reject_of(make(pixels + 1), max_value=4095) == (
        "decode: unsupported_pixels: got levels from 1 to 4096, expected 0 to 4095, which is white"
    )


@pytest.mark.parametrize("make", [png, tiff, lambda pixels: pixels], ids=["png", "tiff", "array"])
@pytest.mark.parametrize("white", [1023, 4095, 16383, 65535])
def test_8_bits_of_max_value_are_the_nearest(make, white):
    pixels = np.arange(white + 1)
    # Of an odd white, no level lies halfway between two of 255.
    nearest = (pixels * 510 + white) // (2 * white)
    got = levels(make(pixels.astype(np.uint16)[np.newaxis]), max_value=white)
    assert got == nearest.tolist()


def test_8_bits_of_colours_with_max_value_are_the_nearest():
    colours = np.array([[[0.0, 0.00195, 0.00197], [0.5, 0.998, 0.999]]], np.float32)
    assert levels(colours, max_value=1.0, channels=3) == [0, 0, 1, 128, 254, 255]


def test_8_bits_without_max_value_are_the_upper_ones():
    pixels = np.arange(65536).astype(np.uint16).reshape(256, 256)
    for value in (png(pixels), tiff(pixels), pixels):
        assert levels(value) == (np.arange(65536) >> 8).tolist()


def test_max_value_leaves_8_bits_alone():
    assert levels(png(SMALL.astype(np.uint8)), max_value=4095) == [0, 100, 255]
    assert levels(SMALL.astype(np.uint8), max_value=4095) == [0, 100, 255]


def test_max_value_is_not_for_colours_that_have_lost_their_lower_bits():
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    pixel = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">HHH", 256, 512, 768)))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixel + chunk(b"IEND", b"")
    assert levels(data, channels=3) == [1, 2, 3]
    assert reject_of(data, channels=3, max_value=4095) == (
        "decode: unsupported_pixels: got several channels of 16 bits, "
        "expected grey with max_value 4095, or 8 bits"
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_of_floats(dtype):
    pixels = np.array([[0, 0.5, 1]], dtype)
    assert levels(pixels, max_value=1.0, dtype="uint16") == [0, 32768, 65535]
    colours = np.array([[[0, 0.5, 1]]], dtype)
    assert levels(colours, max_value=1.0, channels=3) == [0, 128, 255]
    assert reject_of(colours, channels=3) == (
        f"decode: unsupported_pixels: got an array of {np.dtype(dtype)} of shape [1, 1, 3], expected "
        "uint8 [height, width] or [height, width, 1, 3 or 4], or uint16 grey; "
        "max_value, the level that is white, allows other numbers"
    )


@pytest.mark.parametrize(("level", "said"), [(np.nan, "from nan to nan"), (-0.5, "from -0.5 to 1")])
def test_numbers_that_are_no_level(level, said):
    pixels = np.array([[level, 1]], np.float32)
    assert reject_of(pixels, max_value=1.0) == (
        f"decode: unsupported_pixels: got levels {said}, expected 0 to 1, which is white"
    )


def test_a_file_of_16_bits_that_is_scaled_does_not_pass_through():
    pixels = np.array([[0, 2048, 4095]], np.uint16)
    feature = Image(
        source="s", resize="none", encoding="png", dtype="uint16", channels=1, reencode=False,
        max_value=4095,
    )  # fmt: skip
    got = Pillow.open(io.BytesIO(feature.encode("x", png(pixels)).values["x"]))
    assert np.asarray(got).ravel().tolist() == [0, 32776, 65535]


@pytest.mark.parametrize(
    ("highest", "bits"), [(200, 8), (1000, 10), (4001, 12), (4096, 14), (16384, None)]
)
def test_a_dataset_without_any_bright_level_is_warned_of(highest, bits):
    feature = Image(source="s", resize="none", encoding="raw", channels=1)
    summary = feature.encode("x", png(np.array([[0, highest]], np.uint16))).summary
    assert summary["max_level"] == highest
    expected = [] if bits is None else [
        f"x: no 16-bit image has a level above {highest} of 65535, so all are dark; "
        f"if they hold {bits} bits, max_value: {2**bits - 1} makes that white"
    ]  # fmt: skip
    assert list(feature.warnings("x", summary)) == expected
    declared = feature.model_copy(update={"max_value": 65535.0})
    assert "max_level" not in declared.encode("x", png(np.array([[0, 9]], np.uint16))).summary


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_are_what_pillow_makes_of_them(shape, channels):
    pixels = RANDOM.integers(0, 256, shape, np.uint8)
    if shape[-1] == 4:
        pixels[..., 3] = 255
    image = Image(source="s", resize="none", encoding="raw", channels=channels)
    expected = Pillow.fromarray(pixels[..., 0] if shape[-1] == 1 else pixels)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    expected = np.asarray(
        expected.convert("RGB").convert(mode) if channels > 1 else expected.convert(mode)
    )
    np.testing.assert_array_equal(
        image.encode("x", pixels).values["x"], expected.reshape(5, 7, channels)
    )


def test_pixels_are_resized_like_those_of_a_file():
    pixels = RANDOM.integers(0, 256, (40, 30, 3), np.uint8)
    image = Image(source="s", height=8, width=9, encoding="raw")
    expected = image.encode("x", png(pixels))
    found = image.encode("x", pixels)
    np.testing.assert_array_equal(found.values["x"], expected.values["x"])
    assert found.summary == expected.summary


def test_deep_pixels_stay_deep():
    pixels = RANDOM.integers(0, 65536, (5, 7), np.uint16)
    image = Image(source="s", resize="none", encoding="raw", channels=1, dtype="uint16")
    np.testing.assert_array_equal(image.encode("x", pixels).values["x"][..., 0], pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((5, 7, 2), np.uint8),
        np.zeros((5, 7, 3), np.float32),
        np.zeros((5, 7, 3), np.uint16),
        np.zeros((2, 5, 7, 3), np.uint8),
        np.zeros((0, 7, 3), np.uint8),
        np.zeros(5, np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype}-{pixels.shape}",
)
def test_other_arrays_are_no_pixels(pixels):
    with pytest.raises(Reject) as caught:
        Image(source="s", height=4, width=4).encode("x", pixels)
    assert (caught.value.stage, caught.value.reason) == ("decode", "unsupported_pixels")
    assert caught.value.message.startswith(
        f"got an array of {pixels.dtype} of shape {list(pixels.shape)}"
    )


def test_pixels_beyond_the_limit():
    with pytest.raises(Reject) as caught:
        Image(source="s", height=4, width=4, max_pixels=99).encode(
            "x", np.zeros((10, 10), np.uint8)
        )
    assert caught.value.reason == "decompression_bomb"


def opened(data: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(data))


COLOURS = np.zeros((1, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Pillow.new("RGB", (1, 1)), None),
        (Pillow.new("L", (1, 1)), None),
        (Pillow.new("I;16", (1, 1)), Levels(65535)),
        (Pillow.new("F", (1, 1)), Levels(None, kind="floats")),
        (opened(png(GREY)), Levels(65535)),
        (opened(png(COLOURS)), None),
        (opened(tiff(COLOURS, 2)), None),
        (opened(tiff(COLOURS[..., 0], 1)), None),
        (opened(tiff(COLOURS.astype(np.uint16), 2)), Levels(65535, colour=True)),
        (opened(tiff(GREY)), Levels(65535)),
        (opened(tiff(GREY, 0)), Levels(65535, inverted=True)),
        (opened(tiff(GREY, None)), Levels(65535, inverted=True)),
        (opened(tiff12([0, 1])), Levels(4095, kind="12 bits")),
        (opened(tiff(GREY.astype(np.int16))), Levels(None, kind="16-bit signed integers")),
        (opened(tiff(GREY.astype(np.float32))), Levels(None, kind="32-bit floats")),
        (opened(tiff(GREY.astype(np.uint32))), Levels(None, kind="32-bit unsigned integers")),
    ],
)
def test_what_files_say_of_their_levels(image, expected):
    assert file_levels(image) == expected


def test_the_levels_of_16_bits_in_colour_are_said_by_their_file():
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    whole = header + struct.pack(">I", zlib.crc32(header[12:])) + b"\0\0\0\1IDAT0"
    assert file_levels(opened(whole)) == Levels(65535, colour=True)


@pytest.mark.parametrize(
    ("levels", "max_value", "expected"),
    [
        (None, None, FULL_RANGE),
        (None, 4095, FULL_RANGE),
        (SCALED, 4095, SCALED),
        (SCALED, None, SCALED),
        (FULL_RANGE, None, FULL_RANGE),
        (Levels(65535, colour=True), None, Levels(65535, colour=True)),
        (Levels(65535, True, "16 bits"), 4095, Levels(4095, True, "16 bits", declared=True)),
        (Levels(None, kind="floats"), 1.0, Levels(1.0, kind="floats", declared=True)),
    ],
)
def test_what_a_schema_says_of_levels(levels, max_value, expected):
    assert declared_levels(levels, max_value) == expected


@pytest.mark.parametrize("white", [65534, 65535, 65536])
def test_levels_about_those_of_16_bits_are_scaled(white):
    pixels = np.array([0, white // 2, white])
    expected = np.rint(pixels * 65535 / white).astype(np.uint16)
    np.testing.assert_array_equal(scale_levels(pixels, Levels(white)), expected, strict=True)
    inverted = scale_levels(pixels, Levels(white, inverted=True))
    np.testing.assert_array_equal(inverted, 65535 - expected, strict=True)


def test_floats_of_the_full_range_are_rounded():
    pixels = np.array([0.4, 0.6, 65534.6], np.float32)
    assert scale_levels(pixels, FULL_RANGE).tolist() == [0, 1, 65535]
    assert scale_levels(np.zeros((0, 3)), FULL_RANGE).shape == (0, 3)


@pytest.mark.parametrize(
    ("pixels", "max_value", "mode", "levels"),
    [
        (np.zeros((2, 3), np.uint8), None, "L", None),
        (np.zeros((2, 3, 1), np.uint8), 9, "L", None),
        (np.zeros((2, 3, 3), np.uint8), None, "RGB", None),
        (np.zeros((2, 3, 4), np.uint8), 9, "RGBA", None),
        (np.zeros((2, 3), np.uint16), None, "I;16", FULL_RANGE),
        (np.zeros((2, 3, 1), np.uint16), 9, "I;16", SCALED),
        (np.zeros((2, 3), np.int64), 9, "I;16", SCALED),
        (np.zeros((2, 3, 3), np.float16), 9, "RGB", None),
    ],
    ids=str,
)
def test_images_of_arrays(pixels, max_value, mode, levels):
    image, found = read_array(pixels, max_value)
    assert (image.mode, image.size, found) == (mode, (3, 2), levels)


@pytest.mark.parametrize("pixels", [np.zeros((2, 3, 2)), np.zeros((1, 2, 3, 1))])
def test_max_value_makes_no_image_of_any_array(pixels):
    with pytest.raises(Reject) as caught:
        read_array(pixels, 1.0)
    assert str(caught.value).endswith("or [height, width, 1, 3 or 4], or uint16 grey")
