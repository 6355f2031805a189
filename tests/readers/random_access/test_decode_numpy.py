"""What HDF5 files hold becomes what a model takes, as each feature's ``decode_value`` has it."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image as Pillow
from pixelbeam.readers.random_access.decode_numpy import Decoder
from pixelbeam.readers.record_table import Ragged
from pixelbeam.schemas import Schema

FEATURES = {
    "image": {"type": "image", "source": "a", "height": 2, "width": 3, "encoding": "png"},
    "raw": {"type": "image", "source": "a", "height": 2, "width": 3, "encoding": "raw"},
    "any": {
        "type": "image", "source": "a", "resize": "longest_side", "size": 3, "encoding": "raw",
    },
    "label": {"type": "class_label", "source": "b", "vocabulary": ["x", "y"]},
    "tags": {"type": "class_labels", "source": "c", "num_classes": 3},
    "box": {"type": "float32", "source": "d", "shape": [2]},
    "list": {"type": "int64", "source": "e", "shape": [None]},
    "text": {"type": "string", "source": "f"},
}  # fmt: skip
SCHEMA = Schema.from_dict({"features": FEATURES})
PIXELS = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3)


def png(pixels):
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def objects(*items):
    out = np.empty(len(items), object)
    out[:] = items
    return out


def assert_arrays(got, expected):
    np.testing.assert_array_equal(got, expected, strict=True)


def test_fixed_images_and_classes_are_arrays(pool):
    values = {
        "image": objects(png(PIXELS[1]), png(PIXELS[0])),
        "tags": Ragged(np.array([2, 0, 1]), np.array([1, 2])),
    }
    got = Decoder(SCHEMA).decode(values, pool)
    assert list(got) == ["image", "tags"]
    assert_arrays(got["image"], PIXELS[::-1])
    assert got["tags"].tolist() == [[0, 0, 1], [1, 1, 0]]


def test_values_that_are_stored_as_they_are_given_are_not_touched(pool):
    values = {
        "raw": PIXELS,
        "label": np.array([1, 0]),
        "box": np.array([[1, 2], [3, 4]], np.float32),
    }
    got = Decoder(SCHEMA).decode(values, pool)
    assert list(got) == list(values)
    for name, value in values.items():
        assert got[name] is value


def test_lists_and_text_are_lists(pool):
    values = {
        "list": Ragged(np.array([4, 5, 6]), np.array([0, 3])),
        "text": objects("bé".encode(), b""),
    }
    got = Decoder(SCHEMA).decode(values, pool)
    assert [item.tolist() for item in got["list"]] == [[], [4, 5, 6]]
    assert got["text"] == ["bé", ""]


def test_images_of_different_sizes_are_a_list(pool):
    values = {
        "any": Ragged(np.arange(15, dtype=np.uint8).reshape(5, 3), np.array([2, 3])),
        "any/shape": np.array([[1, 2, 3], [3, 1, 3]]),
    }
    got = Decoder(SCHEMA).decode(values, pool)
    assert list(got) == ["any"]
    assert_arrays(got["any"][0], np.arange(6, dtype=np.uint8).reshape(1, 2, 3))
    assert_arrays(got["any"][1], np.arange(6, 15, dtype=np.uint8).reshape(3, 1, 3))


def test_no_rows_have_the_shape_of_some(pool):
    values = {"image": objects(), "tags": Ragged(np.array([], int), np.array([], int))}
    got = Decoder(SCHEMA).decode(values, pool)
    assert_arrays(got["image"], np.empty((0, 2, 3, 3), np.uint8))
    assert got["tags"].shape == (0, 3)


CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "clips": {"key": "clip", "order": "frame"},
        "context": {"label": FEATURES["label"]},
        "steps": {"image": FEATURES["image"], "raw": FEATURES["raw"]},
    }
)


def test_steps_of_clips_are_an_item_a_clip(pool):
    lengths = np.array([0, 2, 1])
    frames = np.concatenate([PIXELS, PIXELS[:1]])
    values = {
        "image": Ragged(objects(*map(png, frames)), lengths),
        "raw": Ragged(frames, lengths),
        "label": np.array([1, 0, 1]),
    }
    got = Decoder(CLIPS).decode(values, pool)
    for name in ("image", "raw"):
        assert len(got[name]) == 3
        for item, expected in zip(got[name], (PIXELS[:0], PIXELS, PIXELS[:1]), strict=True):
            assert_arrays(item, expected)
    assert got["label"] is values["label"]
