"""Points move as pixels do: a mark that is painted into a file is found where the geometry says."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import TiffImagePlugin
from PIL.PngImagePlugin import PngInfo
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.images.files import open_frame, open_image
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import ResizingPlan

MODES = {
    "crop": {"height": 48, "width": 64},
    "pad": {"height": 80, "width": 64},
    "stretch": {"height": 72, "width": 40},
    "shortest_side": {"size": 60},
    "longest_side": {"size": 70},
    "none": {},
}
FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "TIFF packed"]
# Much larger than what they become, so that JPEG is scaled as it is decoded; odd; and smaller, to be enlarged.
SIZES = [(640, 450), (333, 401), (45, 37)]
SIDE = 9  # of the mark, as a part of the image


def paint(size: tuple[int, int], centre: tuple[float, float]) -> tuple[Pillow.Image, np.ndarray]:
    """A grey image with a white mark, and where the mark's centre is."""
    width, height = size
    pixels = np.full((height, width), 30, np.uint8)
    w, h = max(3, width // SIDE), max(3, height // SIDE)
    left, top = round(centre[0] * width - w / 2), round(centre[1] * height - h / 2)
    pixels[top : top + h, left : left + w] = 255
    return Pillow.fromarray(pixels).convert("RGB"), np.array([[left + w / 2, top + h / 2]])


def save(image: Pillow.Image, file_format: str, orientation: int, by_xmp: bool = False) -> bytes:
    buffer = io.BytesIO()
    if by_xmp:
        xmp = f'<x:xmpmeta tiff:Orientation="{orientation}"/>'
        options = {"xmp": xmp.encode()} if file_format == "WEBP" else {}
        if file_format == "PNG":
            options = {"pnginfo": PngInfo()}
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
        if file_format == "TIFF":
            options = {"tiffinfo": {700: xmp.encode()}}
    elif file_format.startswith("TIFF"):
        options = {"tiffinfo": {274: orientation}} if orientation > 1 else {}
        if file_format == "TIFF packed":  # libtiff decodes it, by another way than plain pixels
            options["compression"] = "tiff_lzw"
    else:
        exif = Pillow.Exif()
        exif[274] = orientation
        options = {"exif": exif} if orientation > 1 else {}
    if file_format in ("JPEG", "WEBP"):
        options["quality"] = 95
    image.save(buffer, file_format.split()[0], **options)
    return buffer.getvalue()


def find_mark(pixels: np.ndarray) -> np.ndarray:
    """The centre of what is brighter than grey, weighed by how much."""
    light = np.clip(pixels[..., 0].astype(float) - 60, 0, None)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    return np.array([[(light * x).sum(), (light * y).sum()]]) / light.sum()


def check(value, size, mark, mode, orientation=1):
    """Encodes a file and compares where its mark has gone with where the geometry says."""
    feature = Image(source="x", resize=mode, encoding="raw", upscale=mode != "none", **MODES[mode])
    encoded = feature.encode("x", value)
    geometry, pixels = encoded.became, encoded.values["x"]
    assert isinstance(geometry, ImageGeometry)
    assert (geometry.orientation, geometry.stored_size) == (orientation, size)
    assert geometry.record_size == pixels.shape[1::-1]
    mapped = geometry.map_stored(mark)
    assert np.abs(mapped - find_mark(pixels)).max() < 0.5, (mapped, find_mark(pixels))
    return geometry


# The mark is off both axes, so that no two orientations put it in one place, and inside of every crop.
CENTRE = (0.4, 0.57)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file_format", FORMATS)
def test_points_move_with_the_pixels(file_format, mode, orientation):
    for size in SIZES:
        image, mark = paint(size, CENTRE)
        check(save(image, file_format, orientation), size, mark, mode, orientation)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_xmp_may_say_the_orientation(file_format, orientation):
    size = (120, 70)
    image, mark = paint(size, CENTRE)
    check(save(image, file_format, orientation, by_xmp=True), size, mark, "pad", orientation)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_displayed_lies_as_pillow_turns_it(mode):
    size = (120, 70)
    for orientation, turned in itertools.product((1, 6), ("JPEG", "TIFF")):
        image, stored = paint(size, CENTRE)
        geometry = check(save(image, turned, orientation), size, stored, mode, orientation)
        displayed = stored if orientation == 1 else np.array([[70 - stored[0, 1], stored[0, 0]]])
        assert geometry.displayed_size == (size if orientation == 1 else size[::-1])
        np.testing.assert_allclose(geometry.map_displayed(displayed), geometry.map_stored(stored))


def test_pixels_from_arrays_have_no_orientation():
    image, mark = paint((90, 60), CENTRE)
    for mode in MODES:
        check(np.asarray(image), (90, 60), mark, mode)


def test_of_a_default_image_points_are_those_of_the_record():
    feature = Image(source="x", height=4, width=6, resize="pad", default="white")
    geometry = feature.encode("x", None).became
    points = np.array([[0, 0], [6, 4], [1.5, 2]])
    assert (geometry.displayed_size, geometry.record_size) == ((6, 4), (6, 4))
    np.testing.assert_array_equal(geometry.map_displayed(points), points)
    np.testing.assert_array_equal(geometry.map_stored(points), points)


def test_files_that_pass_as_they_are_hand_on_that_nothing_moved():
    image, mark = paint((64, 48), CENTRE)
    feature = Image(source="x", reencode=False, **MODES["crop"])
    data = save(image, "JPEG", 1)
    encoded = feature.encode("x", data)
    assert encoded.values["x"] == data
    np.testing.assert_array_equal(encoded.became.map_stored(mark), mark)


def test_points_that_are_cut_off_lie_outside():
    # 100 x 60 is cropped to the square from 20 to 80, and scaled by a half.
    plan = ResizingPlan((30, 30), (20.0, 0.0, 80.0, 60.0), (30, 30))
    geometry = ImageGeometry((100, 60), 1, plan)
    corners = np.array([[0, 0], [20, 0], [80, 60], [100, 60]])
    expected = [[-10, 0], [0, 0], [30, 30], [40, 30]]
    np.testing.assert_array_equal(geometry.map_displayed(corners), expected)
    assert geometry.map_displayed(np.empty((0, 2))).shape == (0, 2)
    assert geometry.map_stored(np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("mode", MODES)
def test_pages_and_frames_have_a_geometry_each(mode):
    size = (120, 70)
    image, mark = paint(size, CENTRE)
    tiff, gif = io.BytesIO(), io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(tiff, True) as pages:
        for orientation in (3, 6):
            image.save(pages, "TIFF", tiffinfo={274: orientation})
            pages.newFrame()
    other, mark_of_other = paint(size, (0.6, 0.4))
    image.save(gif, "GIF", save_all=True, append_images=[other])
    opened = open_image(tiff.getvalue(), 1 << 20)
    for number, orientation in enumerate((3, 6)):
        check(open_frame(opened, number, 1 << 20), size, mark, mode, orientation)
    opened = open_image(gif.getvalue(), 1 << 20)
    for number, painted in enumerate((mark, mark_of_other)):
        check(open_frame(opened, number, 1 << 20), size, painted, mode)
