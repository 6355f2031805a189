from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pixelbeam.schemas.features.image_warnings import tell_image, warn_of_images
from pixelbeam.schemas.images.files import Decoded
from pixelbeam.schemas.images.levels import FULL_RANGE, Levels

DARK = Image.fromarray(np.array([[0, 1023], [7, 1]], np.uint16))


def decoded(image: Image.Image = DARK, warning: str = "") -> Decoded:
    return Decoded(image, (0.0, 0.0, *image.size), warning)


@pytest.mark.parametrize(
    ("image", "levels", "foreign", "told"),
    [
        (decoded(), None, False, {}),
        (decoded(), Levels(4095), False, {}),
        (decoded(), FULL_RANGE, False, {"max_level": 1023}),
        (decoded(Image.new("I;16", (0, 2))), FULL_RANGE, False, {}),
        (decoded(Image.new("I;16", (2, 0))), FULL_RANGE, False, {}),
        (decoded(), None, True, {"other_profiles": 1}),
        (decoded(warning="cut off"), None, False, {"decoder_warnings": {"cut off": 1}}),
        (
            decoded(warning="w"),
            FULL_RANGE,
            True,
            {"other_profiles": 1, "decoder_warnings": {"w": 1}, "max_level": 1023},
        ),
    ],
)
def test_what_is_told_of_an_image(image, levels, foreign, told):
    assert tell_image(image, levels, foreign, has_more=False) == told
    assert tell_image(image, levels, foreign, has_more=True) == {"first_of_several": 1, **told}
    highest = tell_image(decoded(), FULL_RANGE, False, False)["max_level"]
    assert type(highest) is int  # goes into JSON


def warnings(summary, converted=False):
    return list(warn_of_images("i", summary, converted))


def test_nothing_is_warned_of_without_a_reason():
    assert warnings({}) == warnings({"other_profiles": 0, "decoder_warnings": {}}) == []


def test_profiles_that_are_not_applied():
    said = (
        "i: 3 images have a colour profile other than sRGB, which was not applied; "
        "colour: srgb converts them"
    )
    assert warnings({"other_profiles": 3}) == [said]
    assert warnings({"other_profiles": 3}, converted=True) == []


def test_files_of_which_the_first_frame_was_taken():
    said = (
        "i: 4 files have several frames or pages, of which the first was taken; a step feature of clips takes "
        "all of them, and strict: true rejects such files"
    )
    assert warnings({"first_of_several": 4}) == [said]


def test_images_that_were_decoded_in_spite_of_damage():
    assert warnings({"decoder_warnings": {"z": 1, "a": 22}}) == [
        f"i: {count} images are damaged and were decoded all the same ({text}); "
        "strict: true rejects them"
        for text, count in (("a", 22), ("z", 1))
    ]


@pytest.mark.parametrize(
    ("highest", "bits", "white"),
    [
        (0, 8, 255), (255, 8, 255), (256, 10, 1023), (1023, 10, 1023), (1024, 12, 4095),
        (4095, 12, 4095), (4096, 14, 16383), (16383, 14, 16383),
    ],
)  # fmt: skip
def test_images_of_fewer_bits_than_16(highest, bits, white):
    said = (
        f"i: no 16-bit image has a level above {highest} of 65535, so all are dark; "
        f"if they hold {bits} bits, max_value: {white} makes that white"
    )
    assert warnings({"max_level": highest}) == [said]


@pytest.mark.parametrize("highest", [16384, 65535])
def test_images_that_use_their_bits(highest):
    assert warnings({"max_level": highest}) == []
