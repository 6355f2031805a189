"""The kind ``image``: declaration, encoding, statistics, and decoding in TensorFlow."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps
from pixelbeam.schemas.dataset.statistics import merge_all
from pixelbeam.schemas.description.parsing import parsing_config
from pixelbeam.schemas.errors import Reject, SchemaError
from pixelbeam.schemas.features import image as image_kind
from pixelbeam.schemas.features.base import ValueSpec
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.images import modes
from pixelbeam.schemas.images.files import open_image
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import ResizingPlan
from pixelbeam.schemas.schema import Schema

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\..*")

NAME = "im'age\n"


def picture(width: int = 31, height: int = 24, channels: int = 3, seed: int = 0) -> Pillow.Image:
    y, x = np.mgrid[:height, :width]
    planes = [x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height), x * 8 % 256]
    noise = np.random.default_rng(seed).integers(-20, 20, (height, width, channels))
    pixels = np.stack(planes[:channels], -1) + noise
    return Pillow.fromarray(pixels.clip(0, 255).astype(np.uint8).squeeze())


def grey16(width: int = 31, height: int = 24) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return ((x * 2113 + y * 977) % 65536).astype(np.uint16)


def save(image: Pillow.Image, file_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def read(data: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(data)))


def declare(**settings) -> Image:
    return Image(source="path", **settings)


def error_of(**settings) -> str:
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"features": {"image": {"type": "image", "source": "path", **settings}}})
    return str(caught.value)


def reject_of(feature: Image, value) -> Reject:
    with pytest.raises(Reject) as caught:
        feature.encode("image", value)
    return caught.value


# Declaration


def test_defaults_are_spelt_out():
    assert declare(height=224, width=200).model_dump(exclude={"target", "storage"}) == {
        "type": "image", "source": "path",
        "height": 224, "width": 200, "size": None, "resize": "crop", "upscale": False,
        "filter": "bilinear", "channels": 3, "background": "black", "encoding": "jpeg",
        "dtype": "uint8", "lossless": False, "quality": 90, "subsampling": "4:2:0",
        "decode": "fast", "reencode": True, "max_pixels": 178956970, "default": None,
        "max_value": None, "colour": "as_is", "strict": False,
        "ragged": False,
    }  # fmt: skip


SETTINGS = [
    {"height": 8, "width": 8},
    {"resize": "none"},
    {"resize": "none", "height": 8, "width": 8, "encoding": "raw"},
    {"resize": "shortest_side", "size": 8},
    {"resize": "longest_side", "height": 8, "width": 8, "encoding": "webp"},
    {"resize": "none", "encoding": "webp", "lossless": True, "channels": 4},
    {"resize": "none", "encoding": "png", "dtype": "uint16", "channels": 1},
    {"resize": "none", "channels": 1, "reencode": False},
    {"resize": "pad", "height": 8, "width": 8, "background": "#fff", "default": "red"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_is_stored_is_read_back(settings):
    schema = Schema(features={"image": declare(**settings)})
    assert Schema.from_dict(schema.to_dict()) == schema


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {},
            "height: missing"
            ", expected pixels with resize crop (resize: none keeps each image's size)",
        ),
        (
            {"height": 8, "resize": "pad"},
            "width: missing"
            ", expected pixels with resize pad (resize: none keeps each image's size)",
        ),
        (
            {"height": 8, "width": 8, "size": 8},
            "size: got 8 with resize crop, expected height and width instead",
        ),
        ({"resize": "none", "size": 8}, "size: got 8 with resize none, expected none"),
        (
            {"resize": "none", "height": 8},
            "width: missing, expected both height and width, or neither",
        ),
        ({"resize": "none", "upscale": True}, "upscale: got true with resize none, expected false"),
        (
            {"resize": "shortest_side"},
            "size: missing, expected one number with resize shortest_side",
        ),
        (
            {"resize": "longest_side", "height": 8, "width": 9},
            "size: got 8, 9, expected one number with resize longest_side",
        ),
        (
            {"height": 8, "width": 16384, "encoding": "webp"},
            "width: got 16384, expected at most 16383 with encoding webp",
        ),
        (
            {"resize": "none", "channels": 4},
            "encoding: got 'jpeg' with channels 4, expected png, webp or raw",
        ),
        (
            {"resize": "none", "channels": 1, "encoding": "webp"},
            "encoding: got 'webp' with channels 1, expected jpeg, png or raw",
        ),
        (
            {"resize": "none", "encoding": "png", "quality": 80},
            "quality: got 80 with encoding png, which loses nothing, expected none",
        ),
        (
            {"resize": "none", "encoding": "webp", "lossless": True, "quality": 80},
            "quality: got 80 with encoding webp, which loses nothing, expected none",
        ),
        (
            {"resize": "none", "lossless": True},
            "lossless: got true with encoding jpeg, expected it with webp only",
        ),
        (
            {"resize": "none", "encoding": "png", "subsampling": "4:4:4"},
            "subsampling: got '4:4:4' with encoding png and channels 3"
            ", expected it with jpeg in colour only",
        ),
        (
            {"resize": "none", "dtype": "uint16", "channels": 1},
            "dtype: got 'uint16' with encoding jpeg and channels 1"
            ", expected encoding png or raw and channels 1",
        ),
        (
            {"resize": "none", "dtype": "uint16", "encoding": "png"},
            "dtype: got 'uint16' with encoding png and channels 3"
            ", expected encoding png or raw and channels 1",
        ),
        (
            {"height": 65535, "width": 65535, "resize": "pad", "encoding": "png"},
            "height: got 65535x65535 (width x height) pixels for every image"
            ", expected at most max_pixels, 178956970, in all",
        ),
        (
            {"height": 11, "width": 9, "resize": "none", "max_pixels": 98},
            "height: got 9x11 (width x height) pixels for every image"
            ", expected at most max_pixels, 98, in all",
        ),
        (
            {"size": 11, "resize": "shortest_side", "max_pixels": 120},
            "size: got 11x11 (width x height) pixels for every image"
            ", expected at most max_pixels, 120, in all",
        ),
        (
            {"size": 11, "resize": "longest_side", "max_pixels": 10},
            "size: got 11x1 (width x height) pixels for every image"
            ", expected at most max_pixels, 10, in all",
        ),
        (
            {
                "resize": "none",
                "dtype": "uint16",
                "encoding": "png",
                "channels": 1,
                "colour": "srgb",
            },
            "colour: got 'srgb' with dtype uint16, which is not converted, expected as_is",
        ),
        (
            {"resize": "none", "encoding": "raw", "reencode": False},
            "reencode: got false with encoding raw, expected an image format",
        ),
        (
            {"resize": "none", "background": "blau"},
            "background: got 'blau', expected a colour such as '#rrggbb' or 'white'",
        ),
        (
            {"resize": "none", "default": "red"},
            "default: got 'red' without a fixed size, expected height and width",
        ),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    assert error_of(**settings) == f"features.image.{message}"


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"resize": "crop2"}, "features.image.resize: got 'crop2', expected one of 'crop', "),
        ({"height": 0, "width": 8}, "features.image.height: got 0, expected"),
        ({"height": "8", "width": 8}, "features.image.height: got '8', expected"),
        (
            {"height": 8, "width": 8, "channels": 2},
            "features.image.channels: got 2, expected one of ",
        ),
        ({"height": 8, "width": 8, "quality": 101}, "features.image.quality: got 101, expected"),
        (
            {"height": 8, "width": 8, "colour": 1},
            "features.image.colour: got 1, expected one of 'as_is' or 'srgb'",
        ),
        ({"height": 8, "width": 8, "sharpen": 1}, "features.image.sharpen: got 1, expected "),
        ({"height": 8, "width": 8, "max_value": 0}, "features.image.max_value: got 0, expected"),
    ],
)
def test_settings_that_do_not_exist(settings, start):
    assert error_of(**settings).startswith(start)


@pytest.mark.parametrize(
    ("setting", "least", "most"),
    [
        ("height", 1, 65535),
        ("width", 1, 65535),
        ("size", 1, 65535),
        ("quality", 1, 100),
        ("max_pixels", 1, None),
    ],
)
def test_settings_have_limits(setting, least, most):
    sized = {"height": 1, "width": 1} if setting in ("height", "width") else {"resize": "none"}
    if setting == "size":
        sized = {"resize": "longest_side"}
    sized |= {} if setting == "quality" else {"encoding": "png"}
    for number in (least, most or 10**12):
        assert getattr(declare(**sized | {setting: number}), setting) == number
    for number in (least - 1, str(least), float(least), *([most + 1] if most else [])):
        with pytest.raises(ValueError, match=rf"\n{setting}\n"):
            declare(**sized | {setting: number})


@pytest.mark.parametrize("white", [0, 0.0, -1, math.nan, math.inf, "1", True])
def test_white_is_a_number_above_zero(white):
    with pytest.raises(ValueError, match="max_value"):
        declare(resize="none", max_value=white)
    assert declare(resize="none", max_value=0.001).max_value == 0.001


def test_what_kind_of_kind_it_is():
    assert (Image.reads_files, Image.reads_arrays, Image.is_image) == (True, True, True)
    assert declare(resize="none", max_pixels=77).pixel_limit == 77


@pytest.mark.parametrize(
    ("settings", "quality", "subsampling"),
    [
        ({"encoding": "jpeg"}, 90, "4:2:0"),
        ({"encoding": "jpeg", "quality": 7, "subsampling": "4:4:4"}, 7, "4:4:4"),
        ({"encoding": "jpeg", "channels": 1}, 90, None),
        ({"encoding": "webp"}, 90, None),
        ({"encoding": "webp", "quality": 7}, 7, None),
        ({"encoding": "webp", "lossless": True}, None, None),
        ({"encoding": "png"}, None, None),
        ({"encoding": "raw"}, None, None),
    ],
)
def test_what_loses_something_has_a_quality(settings, quality, subsampling):
    feature = declare(resize="none", **settings)
    assert (feature.quality, feature.subsampling) == (quality, subsampling)


def test_specs():
    axes = ("height", "width", "channel")
    raw = ValueSpec("uint16", (None, None, 1), axes, "raw")
    deep = {"encoding": "raw", "channels": 1, "dtype": "uint16"}
    assert declare(resize="none").specs("x") == {"x": ValueSpec("bytes", encoding="jpeg")}
    assert declare(resize="none", **deep).specs("x") == {
        "x": raw,
        "x/shape": ValueSpec("int64", (3,), ("size",)),
    }
    fixed = declare(height=8, width=9, encoding="raw")
    assert fixed.specs("x") == {"x": ValueSpec("uint8", (8, 9, 3), axes, "raw")}
    assert declare(resize="none", **deep).decoded == raw


def test_shapes():
    assert declare(resize="none", height=None, width=None).shape == (None, None, 3)
    assert declare(height=8, width=9).shape == (8, 9, 3)
    assert declare(resize="shortest_side", height=8, width=8, channels=1).shape == (None, None, 1)
    assert declare(resize="none").fixed_size is None
    assert declare(resize="none", height=8, width=9).fixed_size == (9, 8)


# Encoding


def test_a_jpeg_record_equals_the_bare_pillow_calls():
    source = save(picture(1201, 801), "JPEG", quality=95)
    got = declare(height=96, width=128).encode("image", source).values
    with Pillow.open(io.BytesIO(source)) as image:
        image.draft("RGB", (256, 192))
        assert image.size == (301, 201)
        # 4:3 of 1201x801 is 1068x801 in the middle, all of it a quarter of the size.
        box = ((1201 - 1068) / 2 / 4, 0, (1201 + 1068) / 2 / 4, 801 / 4)
        small = image.resize((128, 96), Pillow.Resampling.BILINEAR, box)
    assert got == {"image": save(small, "JPEG", quality=90, subsampling="4:2:0")}


OUTCOMES = {
    "crop": lambda image: ImageOps.fit(image, (20, 10), Pillow.Resampling.BILINEAR),
    "stretch": lambda image: image.resize((20, 10), Pillow.Resampling.BILINEAR),
    "pad": lambda image: ImageOps.pad(image, (20, 10), Pillow.Resampling.BILINEAR, "#102030"),
}


@pytest.mark.parametrize("resize", OUTCOMES)
@pytest.mark.parametrize("encoding", ["png", "raw"])
@pytest.mark.parametrize("size", [(31, 24), (24, 31), (8, 8)])
def test_pixels_of_each_mode(resize, encoding, size):
    image = picture(*size)
    feature = declare(
        height=10, width=20, resize=resize, encoding=encoding, upscale=True, background="#102030"
    )
    got = feature.encode("image", save(image)).values["image"]
    pixels = got if isinstance(got, np.ndarray) else read(got)
    np.testing.assert_array_equal(pixels, np.asarray(OUTCOMES[resize](image)))


def test_small_images_are_padded_as_they_are():
    feature = declare(height=12, width=13, resize="pad", encoding="raw", background="white")
    expected = np.full((12, 13, 3), 255, np.uint8)
    expected[2:10, 2:10] = np.asarray(picture(8, 8))
    np.testing.assert_array_equal(feature.encode("x", save(picture(8, 8))).values["x"], expected)


def test_16_bits_on_a_16_bit_background():
    feature = declare(
        height=26, width=33, resize="pad", encoding="png", dtype="uint16", channels=1,
        background="#808080",
    )  # fmt: skip
    expected = np.full((26, 33), 128 * 257, np.uint16)
    expected[1:25, 1:32] = grey16()
    got = feature.encode("x", save(Pillow.fromarray(grey16()))).values["x"]
    assert Pillow.open(io.BytesIO(got)).mode == "I;16"
    np.testing.assert_array_equal(read(got), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_raw_pixels_of_any_size_bring_their_shape(dtype):
    feature = declare(resize="none", encoding="raw", dtype=dtype, channels=1)
    values = feature.encode("x", save(Pillow.fromarray(grey16()))).values
    assert list(values) == ["x", "x/shape"]
    assert values["x/shape"].dtype == np.int64
    assert values["x/shape"].tolist() == [24, 31, 1]
    assert (values["x"].dtype, values["x"].shape) == (np.dtype(dtype), (24, 31, 1))
    expected = grey16() if dtype == "uint16" else grey16() >> 8
    np.testing.assert_array_equal(values["x"][..., 0], expected)


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp", "raw"])
def test_the_same_file_gives_the_same_record(encoding):
    feature = declare(height=10, width=20, encoding=encoding)
    one, two = (feature.encode("x", save(picture(), "JPEG")) for _ in range(2))
    assert one.summary == two.summary
    np.testing.assert_array_equal(one.values["x"], two.values["x"])


# Passing through


PASSING = [
    ({}, save(picture(), "JPEG", quality=30, comment="kept")),
    ({}, save(picture(), "JPEG", progressive=True)),
    ({}, save(picture(), "MPO", save_all=True, append_images=[picture(seed=1)])),
    ({"channels": 1}, save(picture(channels=1), "JPEG")),
    ({"encoding": "png"}, save(picture())),
    ({"encoding": "png", "channels": 4}, save(picture(channels=4))),
    ({"encoding": "png", "channels": 1, "dtype": "uint16"}, save(Pillow.fromarray(grey16()))),
    ({"encoding": "webp"}, save(picture(), "WEBP")),
    ({"encoding": "webp", "channels": 4}, save(picture(channels=4), "WEBP")),
]


@pytest.mark.parametrize(("settings", "data"), PASSING)
@pytest.mark.parametrize(
    "size",
    [{"resize": "none"}, {"height": 24, "width": 31}, {"resize": "longest_side", "size": 31}],
)
def test_files_that_fit_already_are_passed_through(settings, data, size):
    feature = declare(reencode=False, **size, **settings)
    encoded = feature.encode("x", data)
    assert encoded.values["x"] == data
    assert encoded.summary["bytes"] == len(data)
    assert declare(**size, **settings).encode("x", data).values["x"] != data


def turned(orientation: int) -> Pillow.Exif:
    block = Pillow.Exif()
    block[0x0112] = orientation
    return block


@pytest.mark.parametrize(
    ("settings", "data"),
    [
        ({}, save(picture())),
        ({}, save(picture(32, 24), "JPEG")),
        ({}, save(picture(), "JPEG", exif=turned(3))),
        ({}, save(picture(channels=1), "JPEG")),
        ({}, save(picture().convert("CMYK"), "JPEG")),
        ({"channels": 1}, save(picture(), "JPEG")),
        ({"encoding": "png"}, save(picture().quantize(8))),
        ({"encoding": "png"}, save(picture(), transparency=(0, 0, 0))),
        ({"encoding": "png", "channels": 1}, save(Pillow.fromarray(grey16()))),
        (
            {"encoding": "webp"},
            save(picture(), "WEBP", save_all=True, append_images=[picture(seed=1)]),
        ),
    ],
)
def test_files_that_do_not_fit_are_encoded_anew(settings, data):
    feature = declare(height=24, width=31, reencode=False, **settings)
    got = feature.encode("x", data).values["x"]
    assert got != data
    assert read(got).shape[:2] == (24, 31)
    assert got == declare(height=24, width=31, **settings).encode("x", data).values["x"]


@pytest.mark.parametrize(
    ("settings", "passes"),
    [({}, True), ({"max_value": 65535.0}, True), ({"max_value": 65534.0}, False)],
)
def test_16_bits_pass_where_white_is_their_highest_level(settings, passes):
    deep = {"encoding": "png", "channels": 1, "dtype": "uint16", "resize": "none"}
    data = save(Pillow.fromarray(grey16().clip(0, 65534).astype(np.uint16)), compress_level=1)
    encoded = declare(reencode=False, **deep, **settings).encode("x", data).values["x"]
    assert (encoded == data) == passes


def test_8_bits_pass_whatever_white_is_of_more():
    data = save(picture(), "JPEG")
    assert (
        declare(reencode=False, resize="none", max_value=9.0).encode("x", data).values["x"] == data
    )


@pytest.mark.parametrize(("name", "passes"), [("sRGB", True), ("LAB", False), (None, True)])
def test_files_pass_whose_profile_means_srgb(name, passes):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() if name else b""
    data = save(picture(), "JPEG", icc_profile=profile)
    as_is = declare(reencode=False, resize="none").encode("x", data)
    assert as_is.values["x"] == data
    assert as_is.summary.get("other_profiles") == (None if passes else 1)
    converting = declare(reencode=False, resize="none", colour="srgb")
    if passes:
        assert converting.encode("x", data).values["x"] == data
    else:
        assert reject_of(converting, data).reason == "bad_colour_profile"


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
def test_files_of_another_size_do_not_pass(resize):
    data = save(picture(), "JPEG")
    feature = declare(height=26, width=33, resize=resize, upscale=True, reencode=False)
    assert read(feature.encode("x", data).values["x"]).shape == (26, 33, 3)


@pytest.mark.parametrize("colour", ["as_is", "srgb"])
@pytest.mark.parametrize("profile", [b"", b"same", b"other"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("how", ["fast", "exact"])
def test_colours_are_converted_where_their_profile_is_another(
    colour, profile, channels, how, monkeypatch
):
    asked, decode_file = [], image_kind.decode

    def decode(opened, draft, grey):
        asked.append((draft, grey))
        return decode_file(opened, draft, grey)

    monkeypatch.setattr(image_kind, "decode", decode)
    monkeypatch.setattr(image_kind, "is_srgb", lambda found: found == b"same")
    monkeypatch.setattr(modes, "to_srgb", lambda image, found: ImageOps.invert(image))
    image = picture(channels=channels)
    feature = declare(resize="none", encoding="raw", channels=channels, colour=colour, decode=how)
    encoded = feature.encode("x", save(image, icc_profile=profile))
    converted = colour == "srgb" and profile == b"other"
    expected = np.asarray(ImageOps.invert(image) if converted else image)
    np.testing.assert_array_equal(encoded.values["x"].squeeze(), expected)
    assert encoded.summary.get("other_profiles", 0) == (profile == b"other")
    assert asked == [((31, 24) if how == "fast" else None, channels == 1 and not converted)]


def test_a_truncated_file_does_not_pass():
    data = save(picture(), "JPEG")
    feature = declare(resize="none", reencode=False)
    assert reject_of(feature, data[: len(data) // 2]).reason == "truncated_image"


# Rejects


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "encode: missing_value: got an empty cell, expected the path of an image file or its bytes"),
        (7, "encode: wrong_type: got 7, expected the path of an image file or its bytes"),
        (b"", "decode: empty_file: got 0 bytes, expected an image file"),
    ],
)  # fmt: skip
def test_values_that_are_no_image(value, expected):
    assert str(reject_of(declare(height=8, width=8), value)) == expected


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"height": 25, "width": 25}, "image_too_small"),
        ({"height": 25, "width": 8, "resize": "stretch"}, "image_too_small"),
        ({"height": 25, "width": 31, "resize": "none"}, "wrong_size"),
        ({"height": 8, "width": 8, "max_pixels": 700}, "decompression_bomb"),
        ({"resize": "shortest_side", "size": 800, "upscale": True, "max_pixels": 800_000}, "image_too_large"),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be(settings, reason):
    assert reject_of(declare(**settings), save(picture())).reason == reason


@pytest.mark.parametrize(
    ("settings", "pixel"),
    [
        ({}, [255, 0, 0]),
        ({"channels": 1}, [76]),
        ({"channels": 4}, [255, 0, 0, 255]),
        ({"channels": 1, "dtype": "uint16"}, [76 * 257]),
    ],
)
def test_a_missing_value_becomes_the_default(settings, pixel):
    feature = declare(height=3, width=2, encoding="raw", default="red", **settings)
    got = feature.encode("x", None).values["x"]
    np.testing.assert_array_equal(got, np.full((3, 2, len(pixel)), pixel, got.dtype))


def test_images_may_come_to_have_max_pixels_and_no_more():
    settings = {"resize": "shortest_side", "size": 48, "upscale": True, "encoding": "raw"}
    feature = declare(max_pixels=62 * 48, **settings)
    assert feature.encode("x", save(picture())).values["x"].shape == (48, 62, 3)
    reject = reject_of(declare(max_pixels=62 * 48 - 1, **settings), save(picture()))
    assert str(reject) == (
        "encode: image_too_large: got 62x48 (width x height) pixels after resizing, "
        "expected at most max_pixels, 2975"
    )
    assert (
        reject_of(declare(resize="none", max_pixels=743), grey16()).reason == "decompression_bomb"
    )


@pytest.mark.parametrize("side", [{"size": 12}, {"height": 12}, {"width": 12}])
def test_a_side_may_stand_in_any_of_its_settings(side):
    feature = declare(resize="shortest_side", encoding="raw", **side)
    assert feature.encode("x", save(picture(40, 24))).values["x"].shape == (12, 20, 3)


def test_points_are_told_where_they_lie():
    data = save(picture(40, 24), exif=turned(6))
    feature = declare(height=8, width=8, encoding="raw", default="red")
    plan = ResizingPlan((8, 8), (0, 8, 24, 32), (8, 8))
    assert feature.encode("x", data).became == ImageGeometry((24, 40), 6, plan)
    whole = ResizingPlan((8, 8), (0, 0, 8, 8), (8, 8))
    assert feature.encode("x", None).became == ImageGeometry((8, 8), 1, whole)


def test_bytes_of_all_but_nothing_are_read():
    feature = declare(height=8, width=8)
    assert reject_of(feature, "path.jpg").reason == "wrong_type"
    opened = open_image(save(picture()), 10**6)
    expected = feature.encode("x", save(picture())).values["x"]
    assert feature.encode("x", opened).values["x"] == expected


# Reading back


def test_an_encoded_image_is_checked():
    feature = declare(height=8, width=9)
    data = feature.encode("x", save(picture())).values["x"]
    for value in (data, [data], memoryview(data)):
        feature.check(value)
    declare(resize="none").check(data)
    declare(height=8, width=9, encoding="raw").check(np.zeros(3))
    for value, other, message in (
        (data[:-9], {}, r"got \d+ bytes that end too early, "),
        (data, {"encoding": "png"}, "got jpeg, expected png$"),
        (data, {"width": 8}, r"got 9x8 \(width x height\), expected 8x8 \(width x height\)$"),
        (data, {"height": 9}, r"got 9x8 \(width x height\), expected 9x9 \(width x height\)$"),
        (data, {"max_pixels": 71, "height": 7}, "got 9x8 .* expected at most 71 in all$"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            declare(**{"height": 8, "width": 9, **other}).check(value)


# Statistics


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_statistics_are_those_of_all_pixels_of_small_images(channels):
    feature = declare(height=24, width=31, encoding="raw", channels=channels)
    records = [feature.encode("x", save(picture(channels=channels, seed=n))) for n in range(3)]
    pixels = np.concatenate([r.values["x"].reshape(-1, channels) for r in records]) / 255
    assert records[0].summary == {
        "count": 744,
        "sum": records[0].values["x"].sum((0, 1), dtype=int).tolist(),
        "sum_squares": (records[0].values["x"].astype(int) ** 2).sum((0, 1)).tolist(),
        "bytes": 744 * channels,
    }
    assert feature.statistics(merge_all((r.summary for r in records), feature.summary_types)) == {
        "count": 3 * 744,
        "bytes": 3 * 744 * channels,
        "mean": pytest.approx(pixels.mean(0).tolist(), abs=1e-12),
        "std": pytest.approx(pixels.std(0).tolist(), abs=1e-12),
    }


def test_statistics_of_16_bits():
    feature = declare(height=24, width=31, encoding="raw", channels=1, dtype="uint16")
    statistics = feature.statistics(feature.encode("x", save(Pillow.fromarray(grey16()))).summary)
    assert statistics["mean"] == pytest.approx([(grey16() / 65535).mean()], abs=1e-12)
    assert statistics["std"] == pytest.approx([(grey16() / 65535).std()], abs=1e-12)


def test_statistics_of_large_images_are_sampled():
    feature = declare(resize="none", encoding="raw")
    encoded = feature.encode("x", save(picture(640, 480)))
    rows, columns = ((np.arange(64) + 0.5) * 7.5).astype(int), np.arange(64) * 10 + 5
    grid = encoded.values["x"][rows][:, columns].astype(int)
    assert encoded.summary["count"] == 64 * 64
    assert encoded.summary["sum"] == grid.sum((0, 1)).tolist()
    assert encoded.summary["sum_squares"] == (grid**2).sum((0, 1)).tolist()
    exact = (encoded.values["x"] / 255).reshape(-1, 3)
    statistics = feature.statistics(encoded.summary)
    assert statistics["mean"] == pytest.approx(exact.mean(0).tolist(), abs=0.01)
    assert statistics["std"] == pytest.approx(exact.std(0).tolist(), abs=0.01)


def test_statistics_of_sizes():
    feature = declare(resize="none", encoding="png")
    summaries = [feature.encode("x", save(picture(*size))).summary for size in ((9, 4), (3, 8))]
    statistics = feature.statistics(merge_all(summaries, feature.summary_types))
    sizes = {k: v for k, v in statistics.items() if k.startswith(("min", "max"))}
    assert sizes == {"min_height": 4, "max_height": 8, "min_width": 3, "max_width": 9}
    assert all(type(total) is int for total in summaries[0]["sum"])


def test_statistics_of_nothing():
    assert declare(resize="none").statistics({}) == {}


def test_statistics_of_one_colour_have_no_spread():
    feature = declare(height=3, width=2, default="#336699")
    statistics = feature.statistics(feature.encode("x", None).summary)
    assert statistics["std"] == [0, 0, 0]
    assert not any(math.isnan(mean) for mean in statistics["mean"])


# Reading


CODED = [
    ({"encoding": "jpeg"}, "uint8"),
    ({"encoding": "jpeg", "subsampling": "4:4:4"}, "uint8"),
    ({"encoding": "jpeg", "channels": 1}, "uint8"),
    ({"encoding": "png"}, "uint8"),
    ({"encoding": "png", "channels": 1}, "uint8"),
    ({"encoding": "png", "channels": 4}, "uint8"),
    ({"encoding": "png", "channels": 1, "dtype": "uint16"}, "uint16"),
    ({"encoding": "webp"}, "uint8"),
    ({"encoding": "webp", "channels": 4}, "uint8"),
    ({"encoding": "webp", "channels": 4, "lossless": True}, "uint8"),
    ({"encoding": "raw"}, "uint8"),
    ({"encoding": "raw", "channels": 4}, "uint8"),
    ({"encoding": "raw", "channels": 1, "dtype": "uint16"}, "uint16"),
]


def run_generated(feature: Image, records: list[dict]):
    """Parses and decodes one batch as the generated module does, inside of ``Dataset.map``."""
    tf = pytest.importorskip("tensorflow")
    source = feature.decode_source(NAME)
    module = "\n".join(source.functions.values())
    module += f"\ndef run(features):\n    return {source.expression}\n"
    scope = {"tf": tf}
    exec(module, scope)
    specs = feature.specs(NAME).items()
    parse = {key: eval(parsing_config(spec), {"tf": tf}) for key, spec in specs}
    examples = [to_example(tf, record) for record in records]
    data = tf.data.Dataset.from_tensor_slices(examples).batch(len(records))
    data = data.map(lambda batch: scope["run"](tf.io.parse_example(batch, parse)))
    return data.element_spec, next(iter(data))


def to_example(tf, record: dict) -> bytes:
    example = tf.train.Example()
    for key, value in record.items():
        if isinstance(value, bytes):
            example.features.feature[key].bytes_list.value.append(value)
        elif value.dtype == np.int64:
            example.features.feature[key].int64_list.value.extend(value.tolist())
        else:
            example.features.feature[key].bytes_list.value.append(value.tobytes())
    return example.SerializeToString()


def pixels_by_pillow(value, channels: int) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    image = Pillow.open(io.BytesIO(value))
    if channels == 4:
        image = image.convert("RGBA")  # WebP drops alpha that is opaque everywhere
    return np.asarray(image).reshape(image.height, image.width, channels)


@pytest.mark.parametrize(("settings", "dtype"), CODED)
def test_tensorflow_decodes_what_pillow_does(settings, dtype):
    feature = declare(height=21, width=30, **settings)
    sources = [picture(31 + n, 24 + n, settings.get("channels", 3), n) for n in range(4)]
    sources.append(picture())  # opaque
    records = [feature.encode(NAME, save(image)).values for image in sources]
    spec, batch = run_generated(feature, records)
    assert spec.shape.as_list() == [None, 21, 30, feature.channels]
    assert spec.dtype.name == dtype
    expected = np.stack([pixels_by_pillow(r[NAME], feature.channels) for r in records])
    np.testing.assert_array_equal(batch.numpy(), expected)
    in_numpy = np.stack([feature.decode_value(NAME, record) for record in records])
    assert in_numpy.dtype == dtype
    np.testing.assert_array_equal(in_numpy, expected)


@pytest.mark.parametrize(("settings", "dtype"), CODED)
def test_tensorflow_decodes_different_sizes_to_a_ragged_batch(settings, dtype):
    feature = declare(resize="longest_side", size=29, **settings)
    channels = feature.channels
    sources = [
        picture(width, height, channels) for width, height in ((40, 30), (9, 33), (30, 30), (7, 5))
    ]
    records = [feature.encode(NAME, save(image)).values for image in sources]
    spec, batch = run_generated(feature, records)
    assert spec.shape.as_list() == [None, None, None, channels]
    assert (spec.dtype.name, spec.ragged_rank) == (dtype, 2)
    for index, record in enumerate(records):
        expected = pixels_by_pillow(record[NAME], channels)
        np.testing.assert_array_equal(batch[index].to_tensor().numpy(), expected)
        np.testing.assert_array_equal(feature.decode_value(NAME, record), expected)


def test_raw_pixels_are_decoded_from_what_each_file_format_gives():
    feature = declare(resize="none", encoding="raw", channels=1, dtype="uint16")
    record = feature.encode(NAME, grey16(5, 4)).values
    pixels, shape = record[NAME], record[f"{NAME}/shape"]
    for stored in (pixels, pixels.reshape(-1, 1), pixels.astype("<u2").tobytes()):
        decoded = feature.decode_value(NAME, {NAME: stored, f"{NAME}/shape": shape})
        assert decoded.dtype == np.uint16
        np.testing.assert_array_equal(decoded, grey16(5, 4)[..., np.newaxis])


@pytest.mark.parametrize(("settings", "data"), PASSING)
def test_tensorflow_decodes_what_was_passed_through(settings, data):
    feature = declare(height=24, width=31, reencode=False, **settings)
    _, batch = run_generated(feature, [feature.encode(NAME, data).values])
    expected = pixels_by_pillow(data, feature.channels)
    np.testing.assert_array_equal(batch.numpy()[0], expected)


def test_whatever_passes_truncation_tensorflow_can_decode():
    tf = pytest.importorskip("tensorflow")
    feature = declare(resize="none", reencode=False)
    for data in (save(picture(), "JPEG"), save(picture(), "JPEG", progressive=True)):
        for end in range(len(data) - 40, len(data)):
            try:
                passed = feature.encode("x", data[:end]).values["x"]
            except Reject:
                continue
            tf.io.decode_jpeg(passed)


def test_the_name_enters_the_source_as_a_literal_only():
    hostile = '"]); import os #\n'
    source = declare(height=2, width=2).decode_source(hostile)
    assert source.expression == (
        "_decode_images(features['\"]); import os #\\n'], _decode_jpeg, [2, 2, 3], tf.uint8)"
    )


# Real photos


def test_photos_equal_the_bare_pillow_calls():
    folder = Path(__file__).parents[3].parent / "shared" / "data" / "photos"
    if not folder.is_dir():
        pytest.skip("the photos in ../shared/data/photos are not here")
    feature = declare(height=224, width=224, encoding="raw", decode="exact", upscale=True)
    for path in sorted(folder.glob("*.jpg"))[:10]:
        got = feature.encode("x", path.read_bytes()).values["x"]
        upright = ImageOps.exif_transpose(Pillow.open(path)).convert("RGB")
        expected = ImageOps.fit(upright, (224, 224), Pillow.Resampling.BILINEAR)
        np.testing.assert_array_equal(got, np.asarray(expected))


# Damage


def damaged_jpeg() -> bytes:
    whole = save(picture(300, 200), "JPEG", quality=95)
    half = len(whole) // 2
    return whole[:half] + bytes(len(whole) - half - 2) + b"\xff\xd9"


def test_damage_is_counted_or_rejected_on_request():
    feature, text = declare(resize="none"), "Corrupt JPEG data: N extraneous bytes before marker N"
    summary = merge_all([feature.encode("x", damaged_jpeg()).summary] * 2, feature.summary_types)
    assert summary["decoder_warnings"] == {text: 2}
    assert feature.statistics(summary)["decoder_warnings"] == {text: 2}
    assert list(feature.warnings("x", summary)) == [
        f"x: 2 images are damaged and were decoded all the same ({text}); strict: true rejects them"
    ]
    assert str(reject_of(declare(resize="none", strict=True), damaged_jpeg())) == (
        f"decode: corrupt_image: got an image that the decoder warns of ({text}), "
        "expected a sound one with strict: true"
    )


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_frames_is_taken_and_counted_or_rejected_on_request(kind):
    several = {"save_all": True, "append_images": [picture(seed=5).convert("P")]}
    data = save(picture().convert("P"), kind, lossless=True, **several)
    feature = declare(resize="none", encoding="raw")
    encoded = feature.encode("x", data)
    first = feature.encode("x", save(picture().convert("P"), "PNG"))
    np.testing.assert_array_equal(encoded.values["x"], first.values["x"])
    assert encoded.summary["first_of_several"] == 1
    assert "first_of_several" not in first.summary
    (said,) = feature.warnings("x", encoded.summary)
    assert said.startswith("x: 1 files have several frames or pages, of which the first was taken;")
    assert str(reject_of(declare(resize="none", strict=True), data)) == (
        "decode: several_frames: got a file of several frames or pages, expected one picture with strict: true"
    )


def test_a_sound_image_tells_nothing():
    feature = declare(resize="none", strict=True)
    summary = feature.encode("x", save(picture(), "JPEG")).summary
    assert not {"decoder_warnings", "other_profiles", "max_level"} & set(summary)
    assert list(feature.warnings("x", summary)) == list(feature.warnings("x", {})) == []
