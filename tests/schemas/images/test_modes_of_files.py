"""Pixel modes, from files. Each case: an image, and what it is in RGB by hand."""

import numpy as np
import pytest
from pictures import grey16, load, picture, save
from PIL import Image, ImageCms
from pixelbeam.schemas.images.modes import parse_colour, to_final, to_working
from pixelbeam.schemas.images.resizing import plan_resizing, resize

# pytest's own "error" comes after the filter that the module installs once for the process.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\..*")


def flat(rgba: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    colour, alpha = rgba[..., :3].astype(float), rgba[..., 3:] / 255
    return colour * alpha + np.array(background) * (1 - alpha)


def through(
    data: bytes, channels: int, deep: bool = False, background: str = "black"
) -> np.ndarray:
    return np.asarray(to_final(to_working(load(data), channels, deep, background), channels))


def test_one_bit():
    image = picture(channels=1).convert("1")
    data = save(image, "PNG")
    assert load(data).mode == "1"
    expected = np.asarray(image).astype(np.uint8) * 255
    np.testing.assert_array_equal(through(data, 1), expected)
    np.testing.assert_array_equal(through(data, 3), np.dstack([expected] * 3))


def test_grey_to_each_number_of_channels():
    image = picture(channels=1)
    data, grey = save(image, "PNG"), np.asarray(image)
    np.testing.assert_array_equal(through(data, 1), grey)
    np.testing.assert_array_equal(through(data, 3), np.dstack([grey] * 3))
    np.testing.assert_array_equal(through(data, 4), np.dstack([grey] * 3 + [grey * 0 + 255]))


def test_palette():
    image = picture().quantize(16)
    np.testing.assert_array_equal(through(save(image, "PNG"), 3), np.asarray(image.convert("RGB")))


def test_palette_with_transparency():
    image = picture().quantize(16)
    alphas = np.array(range(0, 256, 16), np.uint8)
    data = save(image, "PNG", transparency=alphas.tobytes())
    rgba = np.dstack([np.asarray(image.convert("RGB")), alphas[np.asarray(image)]])
    np.testing.assert_array_equal(through(data, 4), rgba)
    expected = flat(rgba, (255, 0, 0))
    assert np.abs(through(data, 3, background="#ff0000") - expected).max() <= 1


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_laid_on_the_background_or_kept(channels):
    rgba = np.asarray(picture(channels=4)).copy()
    rgba[..., 3] = np.arange(rgba[..., 3].size).reshape(rgba.shape[:2]) % 256
    image = Image.fromarray(rgba)
    if channels == 2:
        image = image.convert("LA")
        rgba = np.asarray(image.convert("RGBA"))
    data = save(image, "PNG")
    np.testing.assert_array_equal(through(data, 4), rgba)
    expected = flat(rgba, (0, 128, 255))
    assert np.abs(through(data, 3, background="#0080ff") - expected).max() <= 1
    luma = expected @ [0.299, 0.587, 0.114]
    assert np.abs(through(data, 1, background="#0080ff") - luma).max() <= 1.5


@pytest.mark.parametrize(("mode", "key"), [("L", 200), ("RGB", (255, 0, 0))])
def test_a_transparent_colour_is_transparent(mode, key):
    image = picture().convert(mode)
    image.paste(key, (0, 0, 10, 10))
    data = save(image, "PNG", transparency=key)
    alpha = through(data, 4)[..., 3]
    hit = np.asarray(image) == key
    np.testing.assert_array_equal(alpha, np.where(hit if mode == "L" else hit.all(-1), 0, 255))


def test_resampling_lets_no_colour_out_of_transparent_pixels():
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :4] = (0, 255, 0, 255)
    rgba[:, 4:] = (255, 0, 0, 0)
    plan = plan_resizing((8, 8), "stretch", 3, 3, upscale=False)
    got = np.asarray(resize(Image.fromarray(rgba), (0, 0, 8, 8), (8, 8), plan, "bilinear"))
    assert got[..., 0].max() == 0
    assert got[:, 1, 1].min() > 250


def test_cmyk_jpeg():
    """Pillow writes CMYK inverted, with Adobe's marker, as Photoshop does."""
    cmyk = picture().convert("CMYK")
    data = save(cmyk, "JPEG", quality=100, subsampling=0)
    assert load(data).mode == "CMYK"
    assert np.abs(through(data, 3).astype(int) - np.asarray(picture())).mean() < 3


def test_ycck_jpeg():
    """YCCK holds the YCbCr of the ink, as Adobe stores it: C, M and Y are 255 - (255 - RGB)."""
    ink = Image.fromarray(255 - np.asarray(picture()))
    ycc = np.asarray(ink.convert("YCbCr"))
    key = np.full((*ycc.shape[:2], 1), 255, np.uint8)
    # Pillow inverts four channels on writing; undone here, so that the file holds these numbers.
    stored = Image.frombytes("CMYK", ink.size, (255 - np.dstack([ycc, key])).tobytes())
    data = bytearray(save(stored, "JPEG", quality=100, subsampling=0))
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0  # CMYK
    data[transform] = 2  # YCCK
    assert load(bytes(data)).mode == "CMYK"
    assert np.abs(through(bytes(data), 3).astype(int) - np.asarray(picture())).mean() < 3


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_print_modes_in_tiff(mode):
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(picture(), *profiles, outputMode="LAB")
        expected = image.convert("RGB")
    else:
        image, expected = picture().convert("CMYK"), picture()
    data = save(image, "TIFF")
    assert load(data).mode == mode
    assert np.abs(through(data, 3).astype(int) - np.asarray(expected)).max() <= 1
    assert through(data, 1).shape == (24, 31)
    np.testing.assert_array_equal(through(data, 4)[..., 3], 255)


def test_ycbcr_tiff():
    data = save(picture(), "TIFF", compression="jpeg", quality=95)
    assert np.abs(through(data, 3).astype(int) - np.asarray(picture())).mean() < 5


def deep_files() -> dict[str, bytes]:
    pixels = grey16()
    big = Image.frombytes("I;16B", (31, 24), pixels.astype(">u2").tobytes())
    return {
        "png": save(Image.fromarray(pixels), "PNG"),
        "tiff": save(Image.fromarray(pixels), "TIFF"),
        "tiff big-endian": save(big, "TIFF"),
    }


@pytest.mark.parametrize("name", deep_files())
def test_16_bits_are_scaled_not_clipped(name):
    np.testing.assert_array_equal(through(deep_files()[name], 1), grey16() >> 8)
    np.testing.assert_array_equal(through(deep_files()[name], 3)[..., 1], grey16() >> 8)


@pytest.mark.parametrize("name", deep_files())
def test_16_bits_are_kept_where_declared(name):
    got = through(deep_files()[name], 1, deep=True)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, grey16())


def test_8_bits_become_16_by_257():
    got = through(save(picture(channels=1), "PNG"), 1, deep=True)
    np.testing.assert_array_equal(got, np.asarray(picture(channels=1)).astype(np.uint16) * 257)


@pytest.mark.parametrize("name", ["bilinear", "lanczos"])
def test_16_bits_are_resampled_as_16_bits(name):
    pixels = grey16()
    plan = plan_resizing((31, 24), "stretch", 13, 7, upscale=False)
    working = to_working(load(save(Image.fromarray(pixels), "PNG")), 1, True, "black")
    got = np.asarray(to_final(resize(working, (0, 0, 31, 24), (31, 24), plan, name), 1))
    exact = Image.fromarray(pixels.astype(np.float32)).resize(
        (13, 7), Image.Resampling[name.upper()]
    )
    np.testing.assert_array_equal(got, np.asarray(exact).clip(0, 65535).round().astype(np.uint16))


def test_a_transparent_16_bit_level():
    pixels = grey16()
    key = int(pixels[3, 4])
    data = save(Image.fromarray(pixels), "PNG", transparency=key)
    hit = pixels == key
    np.testing.assert_array_equal(through(data, 4)[..., 3], np.where(hit, 0, 255))
    np.testing.assert_array_equal(
        through(data, 1, background="white"), np.where(hit, 255, pixels >> 8)
    )
    np.testing.assert_array_equal(
        through(data, 1, deep=True, background="white"), np.where(hit, 65535, pixels)
    )


@pytest.mark.parametrize(
    "mode",
    [
        "1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV",
        "I;16", "I;16L", "I;16B", "I;16N", "I",
    ],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_mode_has_an_outcome(mode, channels):
    final = to_final(to_working(Image.new(mode, (3, 2)), channels, False, "black"), channels)
    assert (final.mode, final.size) == ({1: "L", 3: "RGB", 4: "RGBA"}[channels], (3, 2))


@pytest.mark.parametrize(
    ("text", "channels", "colour"),
    [
        ("white", 3, (255, 255, 255)),
        ("#102030", 3, (16, 32, 48)),
        ("#102030", 4, (16, 32, 48, 255)),
        ("#10203040", 4, (16, 32, 48, 64)),
        ("red", 1, (76,)),
    ],
)
def test_colours(text, channels, colour):
    assert parse_colour(text, channels) == colour


@pytest.mark.parametrize(
    ("text", "channels", "message"),
    [
        ("blau", 3, "got 'blau', expected a colour such as '#rrggbb' or 'white'"),
        ("#10203040", 3, "got '#10203040', expected a colour without alpha, or channels: 4"),
    ],
)
def test_colours_that_are_none(text, channels, message):
    with pytest.raises(ValueError, match="got") as caught:
        parse_colour(text, channels)
    assert str(caught.value) == message
