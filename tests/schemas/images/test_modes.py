"""Every mode of Pillow's to grey, RGB and RGBA; whole files are in ``test_modes_of_files.py``."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images import modes
from pixelbeam.schemas.images.levels import Levels
from pixelbeam.schemas.images.modes import DEEP, final_mode, parse_colour, to_final, to_working

GREY = np.array([[0, 100], [200, 255]], np.uint8)
RGB = np.random.default_rng(0).integers(0, 256, (2, 2, 3), np.uint8)
ALPHA = np.array([[0, 255], [51, 255]], np.uint8)
RGBA = np.dstack([RGB, ALPHA])


def run(image, channels, deep=False, background="black", **settings):
    return to_final(to_working(image, channels, deep, background, **settings), channels)


def array(image):
    return np.asarray(image).tolist()


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_final_modes(channels, mode):
    assert final_mode(channels) == mode
    found = run(Image.fromarray(RGB), channels)
    assert found.mode == mode
    assert array(found) == array(Image.fromarray(RGB).convert(mode))


@pytest.mark.parametrize(
    ("text", "channels", "expected"),
    [
        ("#0a141e", 3, (10, 20, 30)),
        ("white", 3, (255, 255, 255)),
        ("white", 4, (255, 255, 255, 255)),
        ("#0a141e80", 4, (10, 20, 30, 128)),
        ("#0a141eff", 3, (10, 20, 30)),
        ("#0a141e", 1, (18,)),
        ("red", 1, (76,)),
    ],
)
def test_colours(text, channels, expected):
    assert parse_colour(text, channels) == expected


@pytest.mark.parametrize(
    ("text", "channels", "message"),
    [
        ("reddish", 3, "got 'reddish', expected a colour such as '#rrggbb' or 'white'"),
        ("#0a141e80", 3, "got '#0a141e80', expected a colour without alpha, or channels: 4"),
        ("#0a141efe", 1, "got '#0a141efe', expected a colour without alpha, or channels: 4"),
    ],
)
def test_what_is_no_colour(text, channels, message):
    with pytest.raises(ValueError, match=r"^got") as caught:
        parse_colour(text, channels)
    assert str(caught.value) == message


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"])
def test_opaque_modes_are_converted_by_pillow(mode, channels):
    source = Image.fromarray(RGB)
    image = Image.frombytes("LAB", (2, 2), RGB.tobytes()) if mode == "LAB" else source.convert(mode)
    direct = image.convert("L" if mode in ("L", "1") else "RGB")
    assert array(run(image, channels)) == array(direct.convert(final_mode(channels)))


def test_grey_stays_one_channel_until_the_end():
    for channels in (1, 3, 4):
        assert to_working(Image.fromarray(GREY), channels, False, "black").mode == "L"
    assert to_working(Image.fromarray(RGB), 1, False, "black").mode == "L"
    deep = Image.fromarray(np.array([[500, 65535]], np.uint16))
    deep.info["transparency"] = 500
    assert to_working(deep, 1, False, "black").mode == "L"


@pytest.mark.parametrize("mode", ["RGBA", "RGBa"])
def test_alpha_is_laid_on_the_background_or_kept(mode):
    image = Image.fromarray(RGBA).convert(mode)
    straight = np.asarray(image.convert("RGBA"))
    flat = Image.new("RGB", (2, 2), (10, 20, 30))
    flat.paste(Image.fromarray(straight), mask=Image.fromarray(ALPHA))
    assert array(run(image, 3, background="#0a141e")) == array(flat)
    assert array(flat)[0][0] == [10, 20, 30]
    assert array(run(image, 1, background="#0a141e")) == array(flat.convert("L"))
    assert array(run(image, 4, background="#0a141e")) == straight.tolist()


@pytest.mark.parametrize("mode", ["LA", "La", "PA"])
def test_grey_with_alpha(mode):
    grey = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    image = grey.convert("RGBA").convert("PA") if mode == "PA" else grey.convert(mode)
    straight = (image.convert("LA") if mode == "La" else image).convert("RGBA")
    assert array(run(image, 4)) == array(straight)
    assert array(run(image, 3))[0] == [[0, 0, 0], [100, 100, 100]]


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_one_transparent_colour(mode):
    if mode == "RGB":
        image, key = Image.fromarray(RGB), tuple(RGB[0, 0].tolist())
    else:
        image, key = Image.fromarray(GREY), 0
        if mode == "P":
            image = image.convert("P")
    image.info["transparency"] = key
    kept = np.asarray(run(image, 4))
    assert kept[..., 3].tolist() == [[0, 255], [255, 255]]
    flat = np.asarray(run(image, 3, background="#0a141e"))
    assert flat[0, 0].tolist() == [10, 20, 30]
    assert flat[1].tolist() == kept[1, :, :3].tolist()


def test_8_bits_to_16():
    found = run(Image.fromarray(GREY), 1, deep=True)
    assert (found.mode, array(found)) == ("I;16", [[0, 25700], [51400, 65535]])
    assert to_working(Image.fromarray(GREY), 1, True, "black").mode == DEEP


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_16_bits_are_kept_or_scaled(mode):
    stored = np.array(
        [[0, 255], [256, 65535]], {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
    )
    image = Image.fromarray(stored)
    assert image.mode == mode
    levels = Levels(65535)
    assert array(run(image, 1, deep=True, levels=levels)) == [[0, 255], [256, 65535]]
    shallow = run(image, 1, levels=levels)
    assert shallow.mode == "L"
    assert array(shallow)[1][1] == 255
    coloured = np.asarray(run(image, 3, levels=levels))
    assert coloured.shape == (2, 2, 3)
    assert coloured[..., 0].tolist() == coloured[..., 2].tolist() == array(shallow)


def test_a_transparent_level_of_16_bits():
    image = Image.fromarray(np.array([[500, 65535]], np.uint16))
    image.info["transparency"] = 500
    assert array(run(image, 1, deep=True, background="#ffffff")) == [[65535, 65535]]
    assert array(run(image, 1, deep=True, background="#0a0a0a")) == [[10 * 257, 65535]]
    assert array(run(image, 4)) == [[[1, 1, 1, 0], [255, 255, 255, 255]]]
    assert array(run(image, 3, background="#0a141e")) == [[[10, 20, 30], [255, 255, 255]]]
    assert array(run(image, 1, background="#0a0a0a")) == [[10, 255]]


def test_overshoot_is_cut_off_and_halves_go_to_even():
    image = Image.fromarray(np.array([[-5.0, 0.5, 1.5, 65534.6, 70000.0]], np.float32))
    assert array(to_final(image, 1)) == [[0, 0, 2, 65535, 65535]]


def test_other_modes_are_rejects():
    with pytest.raises(Reject) as caught:
        to_working(_odd(), 3, False, "black")
    assert (caught.value.stage, caught.value.reason) == ("decode", "unsupported_pixels")
    assert caught.value.message == (
        "got a file of mode odd, expected pixels of 1, 8 or 16 bits a channel"
    )


def _odd():
    image = Image.new("L", (1, 1))
    image._mode = "odd"
    return image


@pytest.mark.parametrize(
    ("mode", "handed_on"),
    [("CMYK", "CMYK"), ("LAB", "LAB"), ("RGB", "RGB"), ("P", "RGB"), ("LA", "RGBA"), ("L", "L")],
)
def test_profiles_meet_the_mode_that_they_are_of(mode, handed_on, monkeypatch):
    met = []

    def convert(image, profile):
        met.append((image.mode, profile))
        return Image.fromarray(RGB)

    monkeypatch.setattr(modes, "to_srgb", convert)
    image = Image.frombytes("LAB", (2, 2), RGB.tobytes()) if mode == "LAB" else None
    image = image or Image.fromarray(RGB).convert(mode)
    assert array(run(image, 3, profile=b"profile")) == RGB.tolist()
    assert met == [(handed_on, b"profile")]
    run(image, 3)
    assert len(met) == 1
