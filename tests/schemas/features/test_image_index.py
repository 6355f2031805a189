from __future__ import annotations

import numpy as np
from PIL import Image
from pixelbeam.schemas.features.image_index import INDEX_COLUMNS, index_image
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.perceptual_hash import dhash
from pixelbeam.schemas.images.pixel_sums import sample
from pixelbeam.schemas.images.resizing import ResizingPlan

RAMP = Image.fromarray(np.tile(np.arange(0, 240, 6, dtype=np.uint8), (20, 1)))


def test_sizes_are_those_of_the_upright_image_and_of_the_record():
    became = ImageGeometry((80, 40), 6, ResizingPlan((40, 20), (0, 0, 80, 40), (40, 20)))
    said = index_image(RAMP, sample(RAMP), became, {"count": 3, "sum": [1, 2]})
    assert said.keys() == INDEX_COLUMNS.keys()
    assert said == {
        "source_width": 80,
        "source_height": 40,
        "orientation": 6,
        "width": 40,
        "height": 20,
        "dhash": dhash(RAMP),
        "statistics": '{"count":3,"sum":[1,2]}',
    }


def test_padding_is_not_hashed():
    canvas = Image.new("L", (40, 40), 255)
    canvas.paste(RAMP, (0, 10))
    became = ImageGeometry((80, 40), 1, ResizingPlan((40, 20), (0, 0, 80, 40), (40, 40)))
    said = index_image(canvas, sample(canvas), became, {})
    assert (said["width"], said["height"]) == (40, 40)
    assert said["dhash"] == dhash(RAMP) == 2**64 - 1 != dhash(canvas)


def test_the_whole_picture_without_padding_is_hashed():
    canvas = Image.new("L", (60, 60), 255)
    became = ImageGeometry((20, 40), 1, ResizingPlan((20, 40), (0, 0, 20, 40), (60, 60)))
    noise = np.random.default_rng(0).integers(0, 256, (40, 20), np.uint8)
    canvas.paste(Image.fromarray(noise), (20, 10))
    assert index_image(canvas, sample(canvas), became, {})["dhash"] == dhash(Image.fromarray(noise))
