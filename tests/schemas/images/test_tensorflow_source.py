"""What the generated module repeats word for word decodes what Pillow decodes."""

import io
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from pixelbeam.schemas.images.tensorflow_source import (
    DECODE_IMAGES,
    DECODE_ONE,
    DECODE_RAW,
    DECODE_RAW_RAGGED,
)

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def define(*sources: str) -> dict[str, Any]:
    """The functions of some sources, as a module has them that imports TensorFlow alone."""
    module: dict[str, Any] = {"tf": tf}
    for source in sources:
        exec(source, module)
    return module


def picture(height: int, width: int, channels: int, number: int = 0) -> Image.Image:
    """Smooth colours, which no encoding changes much."""
    coarse = np.random.default_rng(number).integers(0, 256, (3, 4, channels), np.uint8)
    small = Image.fromarray(coarse.squeeze(), MODES[channels])
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, encoding: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, encoding, **settings)
    return file.getvalue()


def pixels(encoded: bytes, mode: str) -> np.ndarray:
    array = np.asarray(Image.open(io.BytesIO(encoded)).convert(mode))
    return array[:, :, np.newaxis] if array.ndim == 2 else array


@pytest.mark.parametrize(
    ("encoding", "channels", "settings"),
    [
        ("jpeg", 1, {}),
        ("jpeg", 3, {"quality": 90, "subsampling": "4:2:0"}),
        ("jpeg", 3, {"quality": 90, "subsampling": "4:4:4"}),
        ("png", 1, {}),
        ("png", 3, {}),
        ("png", 4, {}),
        ("webp", 3, {"quality": 80}),
        ("webp", 4, {"lossless": True}),
    ],
)
def test_one_image_is_what_pillow_makes_of_it(encoding, channels, settings):
    encoded = encode(picture(19, 26, channels), encoding, **settings)
    decoded = define(DECODE_ONE[encoding])[f"_decode_{encoding}"](encoded, channels, tf.uint8)
    assert decoded.dtype == tf.uint8
    np.testing.assert_array_equal(decoded.numpy(), pixels(encoded, MODES[channels]))


def test_an_alpha_that_webp_left_out_is_opaque():
    image = picture(5, 7, 3).convert("RGBA")
    encoded = encode(image, "webp", lossless=True)
    assert Image.open(io.BytesIO(encoded)).mode == "RGB"
    decoded = define(DECODE_ONE["webp"])["_decode_webp"](encoded, 4, tf.uint8)
    np.testing.assert_array_equal(decoded.numpy(), np.asarray(image))


def test_png_of_sixteen_bits():
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    encoded = encode(Image.fromarray(values), "png")
    decoded = define(DECODE_ONE["png"])["_decode_png"](encoded, 1, tf.uint16)
    np.testing.assert_array_equal(decoded.numpy(), values[:, :, np.newaxis])


def test_a_batch_of_one_size_is_dense_and_its_shape_known_in_a_graph():
    module = define(DECODE_IMAGES, DECODE_ONE["png"])
    encoded = [encode(picture(6, 8, 3, number), "png") for number in range(3)]

    def decode(batch: Any) -> Any:
        return module["_decode_images"](batch, module["_decode_png"], [6, 8, 3], tf.uint8)

    batches = tf.data.Dataset.from_tensors(encoded).map(decode)
    assert batches.element_spec == tf.TensorSpec([3, 6, 8, 3], tf.uint8)
    expected = np.stack([pixels(one, "RGB") for one in encoded])
    (found,) = batches
    np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(decode(tf.constant(encoded)).numpy(), expected)


def test_an_image_of_another_size_than_declared_is_an_error():
    module = define(DECODE_IMAGES, DECODE_ONE["png"])
    encoded = tf.constant([encode(picture(6, 8, 3), "png")])
    said = r"tensor input \[6,8,3\] is not compatible with expected shape \[6,9,3\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        module["_decode_images"](encoded, module["_decode_png"], [6, 9, 3], tf.uint8)


def test_a_batch_of_several_sizes_is_ragged():
    shape = [None, None, 3]
    module = define(DECODE_IMAGES, DECODE_ONE["png"])
    encoded = [encode(picture(height, 8, 3, height), "png") for height in (6, 2, 9)]
    batches = tf.data.Dataset.from_tensors(encoded).map(
        lambda batch: module["_decode_images"](batch, module["_decode_png"], shape, tf.uint8)
    )
    (found,) = batches
    assert found.shape.as_list() == [3, None, None, 3]
    for row, one in zip(found, encoded, strict=True):
        np.testing.assert_array_equal(row.to_tensor().numpy(), pixels(one, "RGB"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_raw_images_of_one_size(dtype):
    values = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3).astype(dtype)
    stored = [one.astype(np.dtype(dtype).newbyteorder("<")).tobytes() for one in values]
    decoded = define(DECODE_RAW)["_decode_raw"](tf.constant(stored), [3, 4, 3], tf.as_dtype(dtype))
    np.testing.assert_array_equal(decoded.numpy(), values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_raw_images_of_several_sizes(dtype):
    shapes = [(2, 3, 3), (1, 5, 3), (4, 1, 3)]
    images = [
        (np.arange(np.prod(shape)) + 300 * number).reshape(shape).astype(dtype)
        for number, shape in enumerate(shapes)
    ]
    decode = define(DECODE_RAW_RAGGED)["_decode_raw_ragged"]
    stored = tf.constant([image.tobytes() for image in images])
    found = decode(stored, tf.constant(shapes, tf.int64), 3, tf.as_dtype(dtype))
    assert found.ragged_rank == 2
    for row, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(row.to_tensor().numpy(), image)
