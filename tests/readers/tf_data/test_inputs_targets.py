"""What a model takes of decoded features: which of them, of which type, and how they are laid out."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from datasets import write_dataset
from PIL import Image as Pillow
from pixelbeam.readers.options import ReadOptions
from pixelbeam.readers.published import open_dataset
from pixelbeam.readers.tf_data.inputs_targets import Elements
from pixelbeam.schemas import ClassLabel, Image, Int64, Schema

SIZED = {"source": "a", "height": 2, "width": 1, "encoding": "png"}
SCHEMA = Schema(
    features={
        "image": Image(**SIZED),
        "deep": Image(**SIZED, dtype="uint16", channels=1),
        "any": Image(source="a", resize="longest_side", size=4, encoding="png"),
        "n": Int64(source="n"),
        "label": ClassLabel(source="b", vocabulary=["x", "y", "z"]),
    }
)


def png(pixels):
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """One record: a black and a white pixel, so the mean of each channel is a half, and so is the deviation."""
    colours = png(np.array([[[0] * 3], [[255] * 3]], np.uint8))
    deep = png(np.array([[0], [65535]], np.uint16))
    row = {"image": colours, "deep": deep, "any": colours, "n": 1, "label": "y"}
    folder = write_dataset(tmp_path_factory.mktemp("one"), SCHEMA, {"train": [[row]]})
    return open_dataset(folder)


@pytest.fixture
def elements(dataset):
    return lambda **options: Elements(dataset, "train", ReadOptions(**options))


def said(make, **options):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
        make(**options)
    return str(caught.value)


PIXELS = np.array([[[[0, 0, 0]], [[255, 255, 255]]]], np.uint8)
SMALL = [[[0, 0, 0]], [[1, 1, 1]]]


@pytest.mark.parametrize(
    ("options", "dtype", "expected"),
    [
        ({}, "uint8", [[[0] * 3], [[255] * 3]]),
        ({"image_dtype": "float32"}, "float32", [[[0] * 3], [[255] * 3]]),
        ({"image_dtype": "bfloat16", "scaling": "[0,1]"}, "bfloat16", SMALL),
        ({"scaling": "[0,1]"}, "float32", SMALL),
        ({"scaling": "standardize"}, "float32", [[[-1] * 3], [[1] * 3]]),
    ],
)
def test_images(elements, options, dtype, expected):
    got = elements(**options).convert({"image": tf.constant(PIXELS)})["image"]
    assert got.dtype.name == dtype
    np.testing.assert_allclose(tf.cast(got[0], tf.float32), expected, atol=1e-6)


def test_16_bits_have_a_white_of_their_own(elements):
    levels = tf.constant([[[[0]], [[13107]]]], tf.uint16)
    got = elements(scaling="[0,1]").convert({"deep": levels})["deep"]
    np.testing.assert_allclose(got[0, :, 0, 0], [0, 0.2], atol=1e-6)


def test_images_of_different_sizes(elements):
    ragged = tf.ragged.constant([[[[0, 51, 255]]]], ragged_rank=2, dtype=tf.uint8)
    got = elements(scaling="[0,1]").convert({"any": ragged})["any"]
    np.testing.assert_allclose(got[0].to_tensor(), [[[0, 0.2, 1]]], atol=1e-6)


def test_classes_and_numbers(elements):
    features = {"label": tf.constant([2, 0], tf.int64), "n": tf.constant([7, 8], tf.int64)}
    plain = elements(scaling="[0,1]").convert(features)
    assert {name: value.numpy().tolist() for name, value in plain.items()} == {
        "label": [2, 0],
        "n": [7, 8],
    }
    one_hot = elements(one_hot=True).convert(features)
    assert one_hot["label"].numpy().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot["n"].numpy().tolist() == [7, 8]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, True), ({"image_dtype": "uint16"}, None), ({"scaling": "[0,1]"}, False)],
)
def test_whether_values_are_only_copied(elements, options, expected):
    if expected is None:
        assert said(elements, **options).startswith("image_dtype: ")
    else:
        assert elements(**options).only_copies is expected


FEATURES = {"n": 1, "label": 2}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (None, (1, 2)),  # classes are targets where nobody says which
        (["n"], (2, 1)),
        (["n", "n"], (2, 1)),
        ([], {"n": 1, "label": 2}),
    ],
)
def test_inputs_and_targets(elements, targets, expected):
    assert elements(targets=targets).arrange(FEATURES) == expected


def test_channels_first(elements):
    moved = elements(channels_first=True)
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    inputs, target = moved.arrange({"image": tf.constant(image), "label": tf.constant([1])})
    np.testing.assert_array_equal(inputs, image.transpose(0, 3, 1, 2))
    assert target.numpy().tolist() == [1]
    single = moved.arrange({"image": tf.constant(image[0]), "label": tf.constant(1)})[0]
    np.testing.assert_array_equal(single, image[0].transpose(2, 0, 1))


def test_full_batches_say_their_size(elements):
    full = elements(batch_size=2, drop_remainder=True, targets=[])
    ragged = tf.ragged.constant([[1], [2, 3]])
    uniform = tf.RaggedTensor.from_uniform_row_length(tf.range(4), 2)
    features = {"n": tf.constant([1, 2]), "image": tf.zeros((2, 3)), "any": ragged, "deep": uniform}

    @tf.function(
        input_signature=[
            {
                "n": tf.TensorSpec([None], tf.int32),
                "image": tf.TensorSpec([None, 3], tf.float32),
                "any": tf.RaggedTensorSpec([None, None], tf.int32),
                "deep": tf.type_spec_from_value(uniform),
            }
        ]
    )
    def arrange(given):
        got = full.arrange(given)
        shapes.update({name: value.shape.as_list() for name, value in got.items()})
        return got

    shapes = {}
    got = arrange(features)
    assert shapes == {"n": [2], "image": [2, 3], "any": [2, None], "deep": [2, 2]}
    assert got["any"].to_list() == [[1], [2, 3]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ["x"]}, "targets: got 'x', expected some of image, deep, any, n, label"),
        (
            {"targets": ["label", "n", "any", "deep", "image"]},
            "targets: got all features (image, deep, any, n, label), which leaves no input; "
            "targets=[] gives one dict of everything",
        ),
        (
            {"image_dtype": "uint8"},
            "image_dtype: got 'uint8', but feature 'deep' is stored as uint16; expected that or a "
            "floating-point type",
        ),
        (
            {"image_dtype": "float16"},
            "image_dtype: got 'float16' without a scaling, but feature 'deep' has levels up to 65535, "
            "which float16 does not reach (65504, then infinity); expected scaling='[0,1]' or "
            "'standardize' beside it, or float32",
        ),
        (
            {"channels_first": True, "batch_size": 2},
            "channels_first: feature 'any' has images of different sizes, which a batch cannot hold "
            "channels first; read them with batch_size=None",
        ),
    ],
)
def test_options_that_do_not_fit(elements, options, message):
    assert said(elements, **options) == message


def test_options_that_fit_beside_others(elements):
    for options in (
        {"image_dtype": "float16", "scaling": "[0,1]"},
        {"image_dtype": "bfloat16"},
        {"batch_size": 2},
        {"channels_first": True},
    ):
        elements(**options)
