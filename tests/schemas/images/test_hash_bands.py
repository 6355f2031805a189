from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pixelbeam.schemas.images.hash_bands import (
    MOST_DISTANCE,
    HashBands,
    count_bits,
    differ_in_all,
    has_structure,
    mirror,
)
from pixelbeam.schemas.images.perceptual_hash import dhash

ALL = (1 << 64) - 1
HASHES = st.integers(0, ALL)


def u64(*values):
    return np.array(values, np.uint64)


@given(st.lists(HASHES))
def test_bits_are_counted(values):
    assert count_bits(u64(*values)).tolist() == [value.bit_count() for value in values]


def test_plain_images_have_too_few_ones_or_zeros():
    seven, eight = (1 << 7) - 1, (1 << 8) - 1
    hashes = u64(0, seven, eight, ALL ^ eight, ALL ^ seven, ALL)
    assert has_structure(hashes).tolist() == [False, False, True, True, False, False]


def test_the_hash_of_a_mirrored_image_follows_from_the_images():
    # Cells of which no two neighbours are equal: 9 by 8 is the grid that is hashed.
    cells = np.random.default_rng(3).permutation(72).reshape(8, 9).astype(np.uint8)
    image = Image.fromarray(cells)
    turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert mirror(u64(dhash(image))).tolist() == [dhash(turned)]
    assert dhash(image) != dhash(turned)


def test_a_row_is_turned_round_and_its_bits_inverted():
    assert mirror(u64(0b00010111)).tolist() == [(ALL ^ 0xFF) | 0b00010111]
    assert mirror(u64(1 << 63)).tolist() == [ALL ^ (1 << 56)]


@given(HASHES)
def test_mirroring_twice_gives_the_hash(value):
    assert mirror(mirror(u64(value))).tolist() == [value]


@pytest.mark.parametrize("distance", range(MOST_DISTANCE + 1))
def test_bands_cut_all_bits_and_keep_mirrored_ones_together(distance):
    bands = HashBands(distance)
    assert len(bands) == distance + 1 == len(bands.masks)
    assert int(np.bitwise_or.reduce(bands.masks)) == ALL
    assert count_bits(bands.masks).sum() == 64
    # Turned round alone, without inverting: a mask is its own mirror image.
    assert (mirror(bands.masks) ^ np.uint64(ALL)).tolist() == bands.masks.tolist()
    sizes = count_bits(bands.masks)
    assert sizes.max() - sizes.min() <= 2
    for band in range(len(bands)):
        within = bands.within(band)
        assert len(within) == len(bands)
        assert int(np.bitwise_or.reduce(within)) == ALL ^ int(bands.masks[band])
        assert count_bits(within).sum() == 64 - sizes[band]


@given(st.integers(0, MOST_DISTANCE), HASHES, st.data())
def test_near_hashes_share_a_band_and_a_band_within(distance, value, data):
    changed = data.draw(st.sets(st.integers(0, 63), max_size=distance))
    other = value ^ sum(1 << bit for bit in changed)
    bands, differing = HashBands(distance), u64(value ^ other)
    assert differ_in_all(differing, bands.masks).tolist() == [False]
    for band in range(len(bands)):
        if not int(differing[0]) & int(bands.masks[band]):
            assert differ_in_all(differing, bands.within(band)).tolist() == [False]


@given(st.integers(0, MOST_DISTANCE), HASHES, st.data())
def test_a_hash_and_its_mirror_image_are_turned_alike_in_every_band(distance, value, data):
    bands = HashBands(distance)
    band = data.draw(st.integers(0, distance))
    both = u64(value, int(mirror(u64(value))[0]))
    oriented, is_turned = bands.orient(both, band)
    ours = oriented & bands.masks[band]
    assert ours[0] == ours[1] == min(both & bands.masks[band])
    assert np.where(is_turned, mirror(oriented), oriented).tolist() == both.tolist()


def test_differences_in_no_band_at_all_are_in_all_of_them():
    assert differ_in_all(u64(0, 5), u64()).tolist() == [True, True]
    assert differ_in_all(u64(0b0101, 0b0001), u64(0b11, 0b1100)).tolist() == [True, False]


@pytest.mark.parametrize("distance", [-1, MOST_DISTANCE + 1])
def test_other_distances_are_refused(distance):
    with pytest.raises(ValueError, match=f"got a distance of {distance}, expected 0 to 6"):
        HashBands(distance)
