"""Values that come from arrays in files rather than from cells."""

import numpy as np
import pytest
from PIL import Image as Pillow
from pixelbeam.schemas import Float32, Image, Int64
from pixelbeam.schemas.errors import Reject


def encoded(feature, value):
    return feature.encode("x", value).values["x"]


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [
        (Int64(source="s", shape=[3]), np.array([1, 2, 3], np.uint8), [1, 2, 3]),
        (Int64(source="s", shape=[3]), np.array([[1.0], [2], [3]]), [1, 2, 3]),
        (Int64(source="s", shape=[2, 2]), np.arange(4, dtype=">i2"), [[0, 1], [2, 3]]),
        (Int64(source="s", shape=[None]), np.array([[True, False]]), [1, 0]),
        (Int64(source="s", shape=[None]), np.zeros(0, np.int32), []),
        (Int64(source="s"), np.array([[7]]), 7),
        (Float32(source="s", shape=[2, 1]), np.array([1, 2], np.float16), [[1], [2]]),
        (Float32(source="s", shape=[None], allow_nan=True), np.array([np.inf, -1]), [np.inf, -1]),
        (Float32(source="s", shape=[1]), np.array([5]), [5]),
        (Int64(source="s", shape=[None, 3]), np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (Int64(source="s", shape=[None, 3]), np.arange(3).reshape(3, 1), [[0, 1, 2]]),
        (Int64(source="s", shape=[None, 3]), np.arange(3), [[0, 1, 2]]),
        (Int64(source="s", shape=[None, 2, 2]), np.arange(4).reshape(1, 4), [[[0, 1], [2, 3]]]),
        (Int64(source="s", shape=[None, 1]), np.arange(2), [[0], [1]]),
        (Float32(source="s", shape=[None]), [np.array(1.5), np.array(2)], [1.5, 2]),
        (Float32(source="s", shape=[None]), [np.array([1.5]), np.array([2])], [1.5, 2]),
        (Int64(source="s", shape=[None, 3]), [np.arange(3), np.arange(3)], [[0, 1, 2], [0, 1, 2]]),
        (Int64(source="s", shape=[None, 2]), [np.array([[1], [2]])] * 2, [[1, 2], [1, 2]]),
        (Int64(source="s", shape=[None, 2, 1]), [np.arange(2)] * 2, [[[0], [1]], [[0], [1]]]),
    ],
)
def test_numbers(feature, value, expected):
    array = encoded(feature, value)
    assert array.shape == np.shape(expected)
    np.testing.assert_array_equal(array, expected)
    assert (array.dtype, array.shape) == (feature.dtype, np.shape(expected))


@pytest.mark.parametrize(
    ("feature", "value", "reason", "message"),
    [
        (
            Int64(source="s", shape=[3]),
            np.zeros((2, 3)),
            "wrong_length",
            "got an array of shape [2, 3], expected numbers of shape [3]",
        ),
        (
            Int64(source="s", shape=[None]),
            np.zeros((2, 3)),
            "wrong_length",
            "got an array of shape [2, 3], expected numbers of shape [None]",
        ),
        (
            Int64(source="s", shape=[None, 3]),
            np.zeros(6),
            "wrong_length",
            "got an array of shape [6], expected numbers of shape [None, 3]",
        ),
        (
            Int64(source="s", shape=[None, 4]),
            [np.array(1)] * 4,
            "wrong_length",
            "got 4 rows, one of shape [], expected numbers of shape [None, 4]",
        ),
        (
            Int64(source="s", shape=[None]),
            [np.zeros(3), np.zeros(2)],
            "wrong_length",
            "got 2 rows, one of shape [3], expected numbers of shape [None]",
        ),
        (
            Int64(source="s", shape=[None]),
            [np.array(b"1"), np.array(b"2")],
            "not_a_number",
            "got an array of |S1, expected numbers of shape [None]",
        ),
        (
            Int64(source="s", shape=[None, 2], max=3),
            [np.array([1, 2]), np.array([3, 4])],
            "out_of_range",
            "got 4, expected at most 3",
        ),
        (
            Int64(source="s"),
            np.zeros(2),
            "wrong_length",
            "got an array of shape [2], expected an integer",
        ),
        (
            Float32(source="s", shape=[2]),
            np.array(["a", "b"]),
            "not_a_number",
            "got an array of <U1, expected numbers of shape [2]",
        ),
        (
            Int64(source="s", shape=[2]),
            np.array([1, 1.5]),
            "not_a_number",
            "got 1.5, expected an integer",
        ),
        (
            Int64(source="s", shape=[2]),
            np.array([1, np.nan]),
            "not_a_number",
            "got nan, expected an integer",
        ),
        (
            Int64(source="s", shape=[1]),
            np.array([2**63], np.uint64),
            "out_of_range",
            "got 9223372036854775808, expected at least -9223372036854775808 and at most "
            "9223372036854775807",
        ),
        (
            Int64(source="s", shape=[2], max=3),
            np.array([1, 4]),
            "out_of_range",
            "got 4, expected at most 3",
        ),
        (
            Float32(source="s", shape=[2]),
            np.array([1, np.inf]),
            "nan",
            "got inf, expected a finite number",
        ),
        (
            Float32(source="s", shape=[2], min=0),
            np.array([1, -0.5]),
            "out_of_range",
            "got -0.5, expected at least 0.0",
        ),
    ],
)
def test_numbers_that_cannot_be(feature, value, reason, message):
    with pytest.raises(Reject) as caught:
        feature.encode("x", value)
    assert (caught.value.reason, caught.value.message) == (reason, message)


def test_a_number_beyond_float32():
    with pytest.raises(Reject) as caught:
        Float32(source="s", shape=[1]).encode("x", np.array([1e39]))
    assert caught.value.reason == "out_of_range"


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
    np.testing.assert_array_equal(encoded(image, pixels), expected.reshape(5, 7, channels))


def test_pixels_are_resized_like_those_of_a_file():
    pixels = RANDOM.integers(0, 256, (40, 30, 3), np.uint8)
    image = Image(source="s", height=8, width=9, encoding="raw")
    expected = image.encode("x", _png(pixels))
    found = image.encode("x", pixels)
    np.testing.assert_array_equal(found.values["x"], expected.values["x"])
    assert found.summary == expected.summary


def test_deep_pixels_stay_deep():
    pixels = RANDOM.integers(0, 65536, (5, 7), np.uint16)
    image = Image(source="s", resize="none", encoding="raw", channels=1, dtype="uint16")
    np.testing.assert_array_equal(encoded(image, pixels)[..., 0], pixels)


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


def _png(pixels):
    import io

    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
