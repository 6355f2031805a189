from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pixelbeam.schemas.images.perceptual_hash import dhash


def picture(number: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    coarse = np.random.default_rng(number).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def differing(left: Image.Image, right: Image.Image) -> int:
    return (dhash(left) ^ dhash(right)).bit_count()


def test_each_bit_says_whether_it_gets_brighter():
    ramp = np.tile(np.arange(0, 252, 4, dtype=np.uint8), (64, 1))
    assert dhash(Image.fromarray(ramp)) == 2**64 - 1
    assert dhash(Image.fromarray(ramp[:, ::-1])) == 0
    assert dhash(Image.new("RGB", (50, 50), "red")) == 0
    upper = np.where(np.arange(64)[:, None] < 32, ramp, ramp[:, ::-1])
    # The rows in the middle see both halves.
    assert f"{dhash(Image.fromarray(upper)):016x}"[:6] == "ffffff"
    assert f"{dhash(Image.fromarray(upper)):016x}"[-6:] == "000000"


def test_the_first_bit_is_that_of_the_top_left_pair():
    cells = np.zeros((8, 9), np.uint8)
    cells[0, 1:] = 200
    assert dhash(Image.fromarray(cells)) == 1 << 63
    cells[:] = 0
    cells[7, 8] = 200
    assert dhash(Image.fromarray(cells)) == 1


@pytest.mark.parametrize("size", [(48, 32), (300, 200), (97, 63)])
def test_other_sizes_and_qualities_differ_in_few_bits_and_other_pictures_in_many(size):
    for number in range(5):
        buffer = io.BytesIO()
        picture(number, size).save(buffer, "JPEG", quality=50)
        assert differing(picture(number), Image.open(buffer)) <= 6
        assert differing(picture(number), picture(number + 5)) >= 16


def test_modes_do_not_matter():
    grey = picture(1).convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert dhash(deep) == dhash(grey) == dhash(grey.convert("RGB"))
    assert dhash(picture(1).convert("RGBA")) == dhash(picture(1))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (9, 8), (3, 2)])
def test_tiny_and_narrow_pictures_have_a_hash(size):
    assert 0 <= dhash(picture(2, size)) < 2**64
