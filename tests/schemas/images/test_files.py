"""Opening, decoding, resizing and encoding, against straightforward Pillow and NumPy."""

import io
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images.files import decode, encode, open_image, resize
from pixelbeam.schemas.images.modes import parse_colour, to_final, to_working
from pixelbeam.schemas.images.resizing import plan_resizing

# pytest's own "error" comes after the filter that the module installs once for the process.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\..*")

LIMIT = 1_000_000
ORIENTATION = 0x0112


def picture(width: int = 31, height: int = 24, channels: int = 3, seed: int = 0) -> Image.Image:
    """A smooth picture with some noise, not symmetric in any way."""
    y, x = np.mgrid[:height, :width]
    planes = [x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height), x * 0 + 200]
    noise = np.random.default_rng(seed).integers(-20, 20, (height, width, channels))
    pixels = np.stack(planes[:channels], -1) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8).squeeze())


def grey16(width: int = 31, height: int = 24) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return ((x * 2113 + y * 977) % 65536).astype(np.uint16)


def save(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(load(data))


def load(data: bytes) -> Image.Image:
    return decode(open_image(data, LIMIT), None, grey=False).image


OUTCOMES = {
    "image", "unknown_format", "truncated_image", "corrupt_image", "decompression_bomb",
    "unsupported_pixels",
}  # fmt: skip


def outcome(data: bytes) -> str:
    """``image``, or the reason of the reject; anything else that is raised fails the test."""
    try:
        to_working(load(data), 3, False, "black")
    except Reject as reject:
        return f"{reject.stage}: {reject.reason}".removeprefix("decode: ")
    return "image"


def reject_of(data: bytes, max_pixels: int = LIMIT) -> Reject:
    with pytest.raises(Reject) as caught:
        decode(open_image(data, max_pixels), None, grey=False)
    assert caught.value.stage == "decode"
    return caught.value


FILES = {
    "jpeg": save(picture(), "JPEG"),
    "jpeg progressive": save(picture(), "JPEG", progressive=True, exif=exif(6)),
    "png": save(picture(), "PNG", exif=exif(3)),
    "png palette": save(picture().quantize(16), "PNG", transparency=bytes(range(16))),
    "webp": save(picture(), "WEBP", exif=exif(8)),
    "gif": save(picture().quantize(16), "GIF", transparency=3),
    "bmp": save(picture(), "BMP"),
    "tiff": save(picture(), "TIFF"),
    "tiff lzw": save(picture(), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", FILES)
def test_formats_are_decoded_as_pillow_does(name):
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(FILES[name])))
    assert load(FILES[name]).mode == expected.mode
    np.testing.assert_array_equal(pixels_of(FILES[name]), np.asarray(expected))


def test_the_first_frame_of_an_animation_is_taken():
    frames = [picture(seed=seed).quantize(64) for seed in range(3)]
    data = save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(
        np.asarray(load(data).convert("RGB")), np.asarray(frames[0].convert("RGB"))
    )


def test_the_first_picture_of_an_mpo_is_taken():
    data = save(picture(), "MPO", save_all=True, append_images=[picture(seed=1)])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    np.testing.assert_array_equal(pixels_of(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(
    "file_format", ["PPM", "ICO", "EPS", "TGA", "PCX", "SGI", "PDF", "JPEG2000"]
)
def test_other_formats_are_never_tried(file_format):
    reject = reject_of(save(picture(), file_format))
    assert reject.reason == "unknown_format"
    assert reject.message.endswith("expected JPEG, PNG, WebP, GIF, BMP, TIFF or MPO")


def test_text_is_no_image():
    reject = reject_of(b"<html><body>404</body></html>")
    assert reject.reason == "unknown_format"
    assert reject.message.startswith("got a file that starts with b'<html><body>',")


def test_a_riff_file_that_is_not_webp_is_no_image():
    assert reject_of(b"RIFF\0\0\0\0WAVEfmt ").reason == "unknown_format"


def test_an_empty_file():
    assert str(reject_of(b"")) == "decode: empty_file: got 0 bytes, expected an image file"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(file_format, orientation):
    options = {"lossless": True} if file_format == "WEBP" else {}
    stored = picture()
    data = save(stored, file_format, exif=exif(orientation), **options)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    opened = open_image(data, LIMIT)
    assert opened.size == expected.size
    np.testing.assert_array_equal(
        np.asarray(decode(opened, None, grey=False).image), np.asarray(expected)
    )
    if file_format != "JPEG":  # no loss: undo by hand what a camera held sideways does
        turns = {1: 0, 3: 2, 6: 3, 8: 1}
        if orientation in turns:
            np.testing.assert_array_equal(
                np.asarray(expected), np.rot90(np.asarray(stored), turns[orientation])
            )


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0" + b"\xff" * 40,
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
        b"Exif\0\0",
    ],
    ids=["not TIFF", "cut off", "orientation 99", "empty"],
)
def test_a_damaged_exif_block_leaves_the_pixels_as_they_lie(block):
    plain = save(picture(), "JPEG")
    damaged = plain[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + plain[2:]
    np.testing.assert_array_equal(pixels_of(damaged), pixels_of(plain))


def test_pillows_warnings_never_surface():
    """In an interpreter of its own, where warnings are errors and pytest's filters are absent."""
    plain = save(picture(), "JPEG")
    block = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x12\x01\x02\0\xff\0\0\0\xff\xff\0\0"
    damaged = plain[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + plain[2:]
    program = (
        "from pixelbeam.schemas.images.files import *\n"
        f"image = decode(open_image({damaged!r}, 10**6), None, grey=False).image\n"
        "print(image.size)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr) == ("(31, 24)\n", "")


def test_a_bomb_is_refused_by_its_header():
    data = bytearray(save(picture(), "PNG"))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    chunk = bytes(data[12:29])
    data[29:33] = zlib.crc32(chunk).to_bytes(4, "big")
    reject = reject_of(bytes(data), 178_956_970)
    assert reject.reason == "decompression_bomb"
    assert reject.message == (
        "got 60000x60000 (width x height) pixels in the header, expected at most 178956970 in all"
    )


@pytest.mark.parametrize("name", FILES)
def test_the_limit_of_pixels_is_exact(name):
    assert decode(open_image(FILES[name], 31 * 24), None, grey=False).image.width in (31, 24)
    assert reject_of(FILES[name], 31 * 24 - 1).reason == "decompression_bomb"


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_an_image_or_a_reject(name):
    whole = FILES[name]
    reasons = {outcome(whole[:end]) for end in range(1, len(whole), 3)}
    assert reasons <= OUTCOMES
    assert reject_of(whole[: len(whole) // 2]).reason in ("truncated_image", "corrupt_image")


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif", "bmp"])
def test_half_a_file_is_called_truncated(name):
    reject = reject_of(FILES[name][: len(FILES[name]) // 2])
    assert reject.reason == "truncated_image"
    assert reject.message.startswith(f"got {len(FILES[name]) // 2} bytes that end too early, ")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_bytes_are_an_image_or_a_reject(data):
    damaged = bytearray(FILES[data.draw(st.sampled_from(sorted(FILES)))])
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(damaged)) in OUTCOMES


def test_a_fault_of_our_own_is_not_a_reject(monkeypatch):
    monkeypatch.setattr("pixelbeam.schemas.images.files._orientation", lambda image: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_image(FILES["png"], LIMIT)


def test_large_jpegs_are_scaled_by_the_decoder_with_a_margin_of_two():
    data = save(picture(803, 601), "JPEG")
    decoded = decode(open_image(data, LIMIT), (100, 75), grey=False)
    expected = Image.open(io.BytesIO(data))
    _, box = expected.draft(None, (200, 150))
    assert (decoded.image.size, decoded.region) == ((201, 151), (0, 0, 803 / 4, 601 / 4))
    assert decoded.region == box
    np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(expected))


def test_exact_decoding_takes_every_pixel():
    data = save(picture(803, 601), "JPEG")
    decoded = decode(open_image(data, LIMIT), None, grey=False)
    assert (decoded.image.size, decoded.region) == ((803, 601), (0, 0, 803, 601))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_scaled_jpeg_lies_where_the_whole_one_does(orientation):
    """The drafted image is rounded up; turning it must turn the spare part of a pixel along."""
    data = save(picture(803, 601), "JPEG", quality=95, exif=exif(orientation))
    opened = open_image(data, LIMIT)
    wide = opened.size == (803, 601)
    plan = plan_resizing(opened.size, "crop", 60, 40, upscale=False)
    decoded = decode(opened, plan.size, grey=False)
    assert max(decoded.image.size) < 803 / 3
    left, top, right, bottom = decoded.region
    extent = (right - left, bottom - top)
    scale = 803 / (extent[0] if wide else extent[1])
    assert extent == pytest.approx((opened.size[0] / scale, opened.size[1] / scale))
    got = resize(decoded.image, decoded.region, opened.size, plan, "bilinear")
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    expected = ImageOps.fit(upright, (60, 40), Image.Resampling.BILINEAR)
    difference = np.abs(np.asarray(got).astype(int) - np.asarray(expected))
    assert difference.mean() < 1.5


def test_grey_is_read_from_the_luma():
    data = save(picture(803, 601), "JPEG")
    decoded = decode(open_image(data, LIMIT), (100, 75), grey=True)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("L").reduce(4)).astype(int)
    assert decoded.image.mode == "L"
    assert np.abs(np.asarray(decoded.image) - expected).mean() < 1.5


RESIZED = {
    "crop": lambda image: ImageOps.fit(image, (20, 10), Image.Resampling.BILINEAR),
    "stretch": lambda image: image.resize((20, 10), Image.Resampling.BILINEAR),
    "pad": lambda image: ImageOps.contain(image, (20, 10), Image.Resampling.BILINEAR),
}


@pytest.mark.parametrize("mode", RESIZED)
@pytest.mark.parametrize("size", [(31, 24), (24, 31), (20, 10), (97, 13)])
def test_resizing_equals_imageops(mode, size):
    image = picture(*size)
    plan = plan_resizing(size, mode, 20, 10, upscale=True)
    got = resize(image, (0, 0, *size), size, plan, "bilinear")
    np.testing.assert_array_equal(np.asarray(got), np.asarray(RESIZED[mode](image)))


@pytest.mark.parametrize("name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_every_filter_is_pillows(name):
    plan = plan_resizing((31, 24), "stretch", 11, 9, upscale=False)
    got = resize(picture(), (0, 0, 31, 24), (31, 24), plan, name)
    expected = picture().resize((11, 9), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


def test_nothing_is_copied_when_nothing_changes():
    image = picture()
    assert (
        resize(
            image, (0, 0, 31, 24), (31, 24), plan_resizing((31, 24), "none", 31, 24, False), "box"
        )
        is image
    )


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp"])
def test_no_metadata_is_written(encoding):
    image = picture()
    image.info = {
        "comment": b"a secret", "exif": exif(6).tobytes(), "icc_profile": b"a secret",
        "transparency": (0, 0, 0), "xmp": b"a secret", "dpi": (300, 300),
    }  # fmt: skip
    data = encode(image, encoding, quality=None if encoding == "png" else 90)
    assert b"secret" not in data
    info = set(Image.open(io.BytesIO(data)).info)
    assert info <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background"}


def test_jpeg_settings_are_obeyed():
    got = encode(picture(), "jpeg", quality=71, subsampling="4:4:4")
    assert got == save(picture(), "JPEG", quality=71, subsampling=0)
    assert got != encode(picture(), "jpeg", quality=71, subsampling="4:2:0")


def test_webp_without_loss_keeps_the_colours_under_full_transparency():
    image = picture(channels=4)
    image.putalpha(picture(channels=1).point(lambda level: 0 if level < 100 else 255))
    data = encode(image, "webp", lossless=True)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(image))


def test_a_side_that_the_format_cannot_hold_is_a_reject():
    with pytest.raises(Reject) as caught:
        encode(Image.new("RGB", (16384, 1)), "webp", quality=90)
    assert str(caught.value) == (
        "encode: image_too_large: got 16384x1 (width x height) pixels, "
        "expected at most 16383 a side with encoding webp"
    )


def test_the_largest_sides_can_be_encoded():
    assert encode(Image.new("L", (65500, 1)), "jpeg", quality=90)
    assert encode(Image.new("RGB", (16383, 1)), "webp", quality=90)


def test_threads_encode_the_same_bytes():
    files = [save(picture(200 + n, 150, seed=n), "JPEG") for n in range(8)]

    def build(data: bytes) -> bytes:
        opened = open_image(data, LIMIT)
        plan = plan_resizing(opened.size, "crop", 50, 50, upscale=False)
        decoded = decode(opened, plan.size, grey=False)
        small = resize(decoded.image, decoded.region, opened.size, plan, "bilinear")
        return encode(small, "jpeg", quality=90, subsampling="4:2:0")

    alone = [build(data) for data in files]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(build, files * 4)) == alone * 4


# Modes. Each case: an image, and what it is in RGB by hand.


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
