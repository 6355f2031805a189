"""Opening and decoding, against straightforward Pillow and NumPy."""

import io
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import LIMIT, exif, load, picture, pixels_of, save
from PIL import Image, ImageOps
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images.encoding import encode
from pixelbeam.schemas.images.files import decode, open_frame, open_image, open_pixels
from pixelbeam.schemas.images.levels import FULL_RANGE, SCALED
from pixelbeam.schemas.images.modes import to_working
from pixelbeam.schemas.images.resizing import plan_resizing, resize

# pytest's own "error" comes after the filter that the module installs once for the process.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\..*")

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
    assert open_image(damaged, LIMIT).orientation == 1


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


@pytest.mark.parametrize("draft", [(100, 75), (100, 30), (30, 75)])
def test_no_side_becomes_less_than_twice_what_is_asked_for(draft):
    opened = open_image(save(picture(803, 601), "JPEG"), LIMIT)
    assert decode(opened, draft, grey=False).region == (0, 0, 803 / 4, 601 / 4)


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


# By the spare quarter of a column and three quarters of a row of 803x601 pixels at a fourth of the scale.
REGIONS = {
    1: (0, 0, 200.75, 150.25),
    2: (0.25, 0, 201, 150.25),
    3: (0.25, 0.75, 201, 151),
    4: (0, 0.75, 200.75, 151),
    5: (0, 0, 150.25, 200.75),
    6: (0.75, 0, 151, 200.75),
    7: (0.75, 0.25, 151, 201),
    8: (0, 0.25, 150.25, 201),
}


@pytest.mark.parametrize("orientation", REGIONS)
def test_the_spare_part_of_a_pixel_is_turned_along(orientation):
    opened = open_image(save(picture(803, 601), "JPEG", exif=exif(orientation)), LIMIT)
    draft = (100, 75) if opened.size == (803, 601) else (75, 100)
    decoded = decode(opened, draft, grey=False)
    assert decoded.region == REGIONS[orientation]
    assert (opened.orientation, opened.stored_orientation) == (orientation, orientation)


@pytest.mark.parametrize(
    ("tags", "turned"),
    [
        ({}, 1),
        ({274: 6}, 6),
        ({274: 9}, 1),
        ({700: b'<a tiff:Orientation="8"/>'}, 8),
        ({700: b"<tiff:Orientation>3</tiff:Orientation>"}, 3),
        ({700: b'<a tiff:Orientation="9"/>'}, 1),
        ({700: b"<a/>"}, 1),
        ({274: 2, 700: b'<a tiff:Orientation="8"/>'}, 2),
    ],
)
def test_how_pillow_turns_a_tiff_is_known(tags, turned):
    data = save(picture(), "TIFF", tiffinfo=tags)
    opened = open_image(data, LIMIT)
    assert (opened.orientation, opened.turned, opened.stored_orientation) == (1, turned, turned)
    assert opened.size == ((24, 31) if turned in (6, 8) else (31, 24))


def test_pages_have_sizes_and_orientations_of_their_own():
    pages = {"save_all": True, "append_images": [picture(40, 30)]}
    animation = open_image(save(picture(), "TIFF", tiffinfo={274: 6}, **pages), LIMIT)
    first = open_frame(animation, 0, LIMIT)
    assert (first.size, first.turned, first.orientation, first.data) == ((24, 31), 6, 1, b"")
    second = open_frame(animation, 1, 40 * 30)
    expected = {1: (40, 30), 6: (30, 40)}
    assert second.size == expected[second.turned]
    assert (second.orientation, second.stored_orientation) == (1, second.turned)
    with pytest.raises(Reject) as caught:
        open_frame(animation, 1, 40 * 30 - 1)
    assert caught.value.reason == "decompression_bomb"
    with pytest.raises(EOFError):
        open_frame(animation, 2, LIMIT)


def test_a_frame_is_a_copy_of_its_animation():
    frames = [picture(seed=seed).quantize(64) for seed in range(3)]
    animation = open_image(save(frames[0], "GIF", save_all=True, append_images=frames[1:]), LIMIT)
    assert not animation.plain
    for number in (2, 0, 1):
        found = open_frame(animation, number, LIMIT)
        expected = np.asarray(frames[number].convert("RGB"))
        np.testing.assert_array_equal(np.asarray(found.image.convert("RGB")), expected)
        assert (found.size, found.turned, found.warning, found.levels) == ((31, 24), 1, "", None)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_frames_are_turned_as_the_animation_says(kind):
    frames = [picture(seed=seed) for seed in range(2)]
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"save_all": True, "append_images": frames[1:], "lossless": True, "exif": exif}
    animation = open_image(save(frames[0], kind, **options), LIMIT)
    assert animation.has_more
    for number, frame in enumerate(frames):
        opened = open_frame(animation, number, LIMIT)
        assert (opened.size, opened.orientation) == (frame.size[::-1], 6)
        upright = decode(opened, None, grey=False).image.convert("RGB")
        expected = np.rot90(np.asarray(frame.convert("RGB")), -1)
        np.testing.assert_array_equal(np.asarray(upright), expected)


def test_further_frames_and_pages_are_seen():
    several = {"save_all": True, "append_images": [picture(seed=1).convert("P")]}
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        assert open_image(save(picture().convert("P"), kind, **several), LIMIT).has_more, kind
        assert not open_image(save(picture(), kind), LIMIT).has_more, kind
    mpo = save(picture(), "MPO", save_all=True, append_images=[picture(seed=1)])
    assert not open_image(mpo, LIMIT).has_more


def test_what_is_known_of_a_file():
    key = open_image(save(picture(), "PNG", transparency=(0, 0, 0), icc_profile=b"p"), LIMIT)
    assert (key.plain, key.profile, key.format, key.mode) == (False, b"p", "png", "RGB")
    jpeg = open_image(save(picture(channels=1), "JPEG"), LIMIT)
    assert (jpeg.plain, jpeg.profile, jpeg.format, jpeg.mode) == (True, b"", "jpeg", "L")
    others = Image.Exif()
    others[0x010E] = "a picture"
    for file_format in ("JPEG", "PNG"):
        for options in ({}, {"exif": others}):
            opened = open_image(save(picture(), file_format, **options), LIMIT)
            assert (opened.orientation, opened.turned, opened.warning) == (1, 1, "")


def test_arrays_are_images_without_a_file():
    opened = open_pixels(np.zeros((3, 4, 3), np.uint8), 12)
    assert (opened.size, opened.mode, opened.data, opened.levels) == ((4, 3), "RGB", b"", None)
    assert (opened.orientation, opened.turned, opened.stored_orientation) == (1, 1, 1)
    assert open_pixels(np.zeros((3, 4), np.uint16), 12).levels == FULL_RANGE
    assert open_pixels(np.zeros((3, 4), np.uint16), 12, 4095).levels == SCALED
    assert decode(opened, (1, 1), grey=True).region == (0, 0, 4, 3)
    for pixels in (np.zeros((3, 4), np.uint8), np.zeros((3, 4, 4), np.uint8)):
        with pytest.raises(Reject) as caught:
            open_pixels(pixels, 11)
        assert caught.value.message == (
            "got 4x3 (width x height) pixels in the header, expected at most 11 in all"
        )
    with pytest.raises(Reject) as caught:
        open_pixels(np.zeros(5, np.uint8), 4)
    assert caught.value.reason == "unsupported_pixels"


def test_a_whole_file_that_cannot_be_decoded_is_called_corrupt():
    """Of WebP its own size tells it, of others Pillow's words."""
    webp = bytearray(FILES["webp"])
    webp[webp.index(b"VP8 ") + 8 :] = bytes(len(webp) - webp.index(b"VP8 ") - 8)
    assert reject_of(bytes(webp)).reason == "corrupt_image"
    assert reject_of(bytes(webp[:-1])).reason == "truncated_image"
    png = bytearray(FILES["png"])
    png[20] ^= 1
    reject = reject_of(bytes(png))
    assert reject.reason == "corrupt_image"
    assert reject.message.startswith(
        f"got {len(png)} bytes that cannot be decoded, expected a valid"
    )
