"""Colour profiles, against Little CMS called by hand and against published numbers."""

import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.images import colour_profiles
from pixelbeam.schemas.images.colour_profiles import is_srgb, to_srgb


def fixed(number: float) -> bytes:
    return round(number * 65536).to_bytes(4, "big", signed=True)


def profile(space: bytes, primaries: dict[bytes, tuple[float, ...]], gamma: float) -> bytes:
    """A small ICC profile of version 2: D50 primaries, or grey, and one gamma (ICC.1:2001-04)."""
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big")
    xyz = {name: b"XYZ " + bytes(4) + b"".join(map(fixed, at)) for name, at in primaries.items()}
    curves = dict.fromkeys([b"kTRC"] if space == b"GRAY" else [b"rTRC", b"gTRC", b"bTRC"], curve)
    return assemble(b"mntr" + space + b"XYZ ", xyz | curves)


def assemble(kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of version 2 with a white point: class, colours and those that they are told by, and tags."""
    white = b"XYZ " + bytes(4) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    tags = {b"wtpt": white, **tags}
    table, body, at = len(tags).to_bytes(4, "big"), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + (at + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    head = bytearray(128)
    head[0:4] = (at + len(body)).to_bytes(4, "big")
    head[8:12] = bytes([2, 0x40, 0, 0])
    head[12:24] = kind
    head[36:40] = b"acsp"
    head[68:80] = b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return bytes(head) + table + body


INKS = {  # L*, a*, b* of each of the four inks alone, and of paper
    (0, 0, 0, 0): (100, 0, 0),
    (1, 0, 0, 0): (60, -20, -30),
    (0, 1, 0, 0): (50, 50, 0),
    (0, 0, 1, 0): (90, 0, 60),
    (0, 0, 0, 1): (0, 0, 0),
}


def press() -> bytes:
    """A profile of four inks: a table of Lab for each mixture of all or none of them (``lut8Type``)."""
    table = b""
    for mixture in itertools.product((0, 1), repeat=4):
        light, a, b = INKS.get(mixture, (20, 0, 0))
        table += bytes([round(light * 2.55), a + 128, b + 128])
    identity = b"".join(fixed(float(place % 4 == 0)) for place in range(9))
    straight = bytes(range(256))
    sizes = bytes([4, 3, 2, 0])  # inks, coordinates of a colour, places along each axis
    lut = b"mft1" + bytes(4) + sizes + identity + straight * 4 + table + straight * 3
    return assemble(b"prtrCMYKLab ", {b"A2B0": lut})


PRESS = press()
ADOBE = profile(
    b"RGB ",
    {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    },
    2.19921875,
)
"""Adobe RGB (1998), its primaries as Adobe's own profile has them."""
LINEAR_GREY = profile(b"GRAY", {}, 1.0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def save(image: Pillow.Image, file_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB") -> Pillow.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 4), np.uint8)
    return Pillow.fromarray(pixels).convert(mode) if mode != "RGBA" else Pillow.fromarray(pixels)


def declare(**settings) -> Image:
    settings = {"resize": "none", "encoding": "raw", "colour": "srgb", **settings}
    return Image(source="s", **settings)


def pixels(data: bytes, **settings) -> np.ndarray:
    return declare(**settings).encode("x", data).values["x"]


def srgb_of(xyz: np.ndarray) -> np.ndarray:
    """sRGB from 0 to 255 of colours relative to D50, by Bruce Lindbloom's matrix."""
    srgb = np.array(
        [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    )  # fmt: skip
    linear = (xyz @ np.linalg.inv(srgb).T).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curved * 255


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_four_inks_by_the_formula_of_lab(kind):
    """Also from JPEG files, whose inks Photoshop and Pillow write inverted."""
    ink = np.array([mixture for mixture in INKS for _ in range(8)], np.uint8).repeat(8, 1)
    ink = (ink.reshape(40, 4, 8).transpose(0, 2, 1) * 255).copy()
    data = save(Pillow.fromarray(ink, "CMYK"), kind, icc_profile=PRESS)
    light, a, b = np.array(list(INKS.values()), float).T
    middle = (light + 16) / 116
    roots = np.stack([middle + a / 500, middle, middle - b / 200], 1)
    low = 3 * (6 / 29) ** 2 * (roots - 4 / 29)
    xyz = np.where(roots > 6 / 29, roots**3, low) * (0.9642, 1.0, 0.8249)
    got = pixels(data)[4::8, 4].astype(int)
    assert np.abs(got - srgb_of(xyz)).max() <= 3
    assert np.abs(got - pixels(data, colour="as_is")[4::8, 4]).max() > 50


def test_adobe_rgb_by_the_formula():
    """Each step by hand: gamma, primaries, D50 sRGB's inverse, sRGB's curve; in gamut."""
    levels = np.array([[[128, 128, 128], [150, 120, 100], [90, 130, 140]]], np.uint8)
    to_xyz = np.array(
        [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
    )
    expected = srgb_of((levels / 255.0) ** 2.19921875 @ to_xyz.T)
    data = save(Pillow.fromarray(levels), icc_profile=ADOBE)
    assert np.abs(pixels(data) - expected).max() <= 1.5
    np.testing.assert_array_equal(pixels(data, colour="as_is"), levels)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_every_format_brings_its_profile(file_format):
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = save(picture(), file_format, icc_profile=ADOBE, **options)
    expected = np.asarray(to_srgb(picture(), ADOBE))
    np.testing.assert_array_equal(pixels(data), expected)
    assert np.abs(expected.astype(int) - np.asarray(picture())).max() > 20


def test_jpeg_in_grey_is_converted_in_colour():
    big = picture().resize((700, 500))
    data = save(big, "JPEG", quality=100, subsampling=0, icc_profile=ADOBE)
    got = pixels(data, resize="stretch", height=50, width=70, channels=1)[..., 0].astype(int)
    whole = to_srgb(Pillow.open(io.BytesIO(data)), ADOBE).convert("L")
    expected = np.asarray(whole.resize((70, 50), Pillow.Resampling.BILINEAR)).astype(int)
    assert np.abs(got - expected).mean() < 2


def test_alpha_stays_and_is_laid_on_an_srgb_background():
    image = picture("RGBA")
    got = pixels(save(image, icc_profile=ADOBE), channels=4)
    np.testing.assert_array_equal(got[..., 3], np.asarray(image)[..., 3])
    np.testing.assert_array_equal(got[..., :3], np.asarray(to_srgb(image.convert("RGB"), ADOBE)))
    clear = Pillow.new("RGBA", (1, 1), (9, 9, 9, 0))
    flat = pixels(save(clear, icc_profile=ADOBE), background="#102030")
    assert flat.ravel().tolist() == [16, 32, 48]


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_profiles(mode):
    """Linear grey of one half is 188 in sRGB."""
    image = {
        "L": Pillow.new("L", (1, 1), 128),
        "LA": Pillow.new("LA", (1, 1), (128, 255)),
        "I;16": Pillow.fromarray(np.full((1, 1), 128 * 257, np.uint16)),
    }[mode]
    data = save(image, icc_profile=LINEAR_GREY)
    assert pixels(data, channels=1).item() == pytest.approx(188, abs=1)
    assert pixels(data, channels=1, colour="as_is").item() == 128


def test_grey_pixels_with_a_profile_of_colour():
    data = save(Pillow.new("L", (1, 1), 100), icc_profile=ADOBE)
    expected = to_srgb(Pillow.new("RGB", (1, 1), (100,) * 3), ADOBE).getpixel((0, 0))
    assert tuple(pixels(data).ravel().tolist()) == expected


def test_palettes_are_converted():
    image = picture().quantize(8)
    np.testing.assert_array_equal(
        pixels(save(image, icc_profile=ADOBE)), np.asarray(to_srgb(image.convert("RGB"), ADOBE))
    )


def test_srgb_by_any_name_changes_nothing():
    assert is_srgb(SRGB)
    data = save(picture(), icc_profile=SRGB)
    encoded = declare(encoding="png", reencode=False).encode("x", data)
    assert encoded.values["x"] == data
    assert "other_profiles" not in encoded.summary
    assert not is_srgb(ADOBE)
    assert not is_srgb(LINEAR_GREY)
    assert not is_srgb(LAB)


def test_a_file_with_another_profile_does_not_pass_through():
    data = save(picture(), icc_profile=ADOBE)
    got = declare(encoding="png", reencode=False).encode("x", data).values["x"]
    np.testing.assert_array_equal(
        np.asarray(Pillow.open(io.BytesIO(got))), np.asarray(to_srgb(picture(), ADOBE))
    )
    assert (
        declare(encoding="png", reencode=False, colour="as_is").encode("x", data).values["x"]
        == data
    )


@pytest.mark.parametrize(
    ("image", "found", "said"),
    [
        (picture(), b"junk", "got 4 bytes that are no profile (cannot open profile from string)"),
        (picture(), LINEAR_GREY, "got a profile of grey in a file in colour"),
        *(
            (
                Pillow.new("RGB", (1, 1), colour),
                LINEAR_GREY,
                "got a profile of grey in a file in colour",
            )
            for colour in ((9, 9, 8), (9, 8, 9), (8, 9, 9))
        ),
        (picture("CMYK"), ADOBE, "got a profile of RGB in a file of CMYK"),
        (picture(), LAB, "got a profile of LAB in a file of RGB"),
    ],
)
def test_profiles_that_cannot_be_used(image, found, said):
    with pytest.raises(Reject) as caught:
        to_srgb(image, found)
    assert str(caught.value) == (
        f"decode: bad_colour_profile: {said}, "
        "expected one that fits the file; colour: as_is does not look at profiles"
    )


def test_a_broken_profile_is_a_reject_only_where_it_is_asked_for():
    data = save(picture(), icc_profile=b"junk")
    with pytest.raises(Reject) as caught:
        pixels(data)
    assert caught.value.reason == "bad_colour_profile"
    encoded = declare(colour="as_is").encode("x", data)
    np.testing.assert_array_equal(encoded.values["x"], np.asarray(picture()))
    assert encoded.summary["other_profiles"] == 1


def test_threads_convert_the_same_pixels():
    data = save(picture().resize((300, 200)), icc_profile=ADOBE)
    alone = pixels(data)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(pixels, [data] * 16):
            np.testing.assert_array_equal(found, alone)


def test_other_profiles_are_counted_and_said_once():
    feature = declare(colour="as_is")
    assert feature.encode("x", save(picture(), icc_profile=ADOBE)).summary["other_profiles"] == 1
    assert list(feature.warnings("x", {"count": 1, "other_profiles": 7})) == [
        "x: 7 images have a colour profile other than sRGB, which was not applied; "
        "colour: srgb converts them"
    ]
    assert list(declare().warnings("x", {"count": 1, "other_profiles": 7})) == []


@pytest.mark.parametrize(
    ("moved", "same"), [(0, True), (2, True), (-2, True), (3, False), (-3, False)]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_grid_of_colours_may_differ_by_two_levels(mode, moved, same, monkeypatch):
    met = []

    def apply(colours):
        met.append(colours)
        pixels = np.asarray(colours.convert("RGB")).astype(int)
        pixels[-1, -1] += moved if moved < 0 else 0
        pixels[0, 0] += max(0, moved)
        return Pillow.fromarray(pixels.astype(np.uint8))

    monkeypatch.setattr(colour_profiles, "_space", lambda profile: mode)
    monkeypatch.setattr(
        colour_profiles, "_transform", lambda profile, mode: SimpleNamespace(apply=apply)
    )
    assert is_srgb.__wrapped__(b"profile") is same
    levels = [0, 32, 64, 96, 128, 159, 191, 223, 255]
    (colours,) = met
    assert colours.mode == mode
    found = np.asarray(colours).reshape(729, -1).tolist()
    if mode == "RGB":
        assert sorted(found) == [list(colour) for colour in product(levels, repeat=3)]
    else:
        assert sorted(found) == [[level] for level in levels for _ in range(81)]
