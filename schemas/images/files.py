"""Image files: opened, and decoded upright.

Bytes in, pixels out. With the modules beside this one, the steps are, in their order::

    opened = open_image(data, max_pixels)                     # header, EXIF orientation
    plan = plan_resizing(opened.size, "crop", 224, 224, ...)  # what is scaled to what
    decoded = decode(opened, plan.size, grey=False)           # pixels, upright, maybe DCT-scaled
    image = resize(to_working(decoded.image, ...), decoded.region, opened.size, plan, ...)
    data = encode(to_final(image, ...), "jpeg", ...)

JPEG, PNG, WebP, GIF (first frame), BMP, TIFF (first page) and MPO (first picture) are opened by
their own Pillow plug-in; no other plug-in ever sees a byte. Whatever is wrong with a file is a
``Reject`` of the stage ``decode``. Only the exceptions in ``PILLOW_ERRORS``, and only out of
Pillow's calls that parse the file, become one: a fault of our own fails the task.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ..errors import Reject
from .file_ends import missing_end
from .geometry import SIDEWAYS
from .jpeg_decoding import decode_jpeg
from .levels import Levels, file_levels, read_array
from .resizing import Box, Size, size_text
from .tiff_messages import collect_messages, join_messages

__all__ = [
    "PILLOW_ERRORS",
    "Decoded",
    "Opened",
    "decode",
    "open_frame",
    "open_image",
    "open_pixels",
]

PILLOW_ERRORS = (
    OSError,  # truncated data, a decoder's error code
    SyntaxError,  # a broken header or chunk
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's plug-ins raise on damaged files.

``MemoryError`` is not among them: that is the machine's fault, and another run may have the memory.
"""

JPEG_MARGIN = 2
"""Fast decoding stays at least this many times larger than what is asked for.

What is left is resampled; ``Image.thumbnail`` has the same margin.
"""

# Pillow warns of damaged metadata that nothing here uses. Its warnings are silenced once and for
# all, because ``warnings.catch_warnings`` around each image is not safe with threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

_PLUGINS: tuple[tuple[tuple[bytes, ...], Callable[[io.BytesIO], ImageFile.ImageFile]], ...] = (
    # An MPO file is a JPEG file with further pictures behind the first.
    ((b"\xff\xd8\xff",), JpegImagePlugin.JpegImageFile),
    ((b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    ((b"RIFF",), WebPImagePlugin.WebPImageFile),
    ((b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    ((b"BM",), BmpImagePlugin.BmpImageFile),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_ORIENTED_BY = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")


@dataclass(frozen=True, slots=True)
class Opened:
    """An image file whose header was read.

    Attributes:
        image: Pillow's image, its pixels loaded for all formats but JPEG.
        data: the file.
        mode: the file's own, before anything converts it.
        size: width and height of the upright image.
        orientation: by which the pixels are still to be turned, 1 to 8 as EXIF counts them.
        levels: what its numbers mean; ``None`` with at most 8 bits a channel.
        warning: what libtiff said of a file that it decoded all the same, or what is missing behind the pixels.
        turned: the orientation by which Pillow has turned the pixels already, as it does with TIFF.
    """

    image: Image.Image
    data: bytes
    mode: str
    size: Size
    orientation: int
    levels: Levels | None
    warning: str = ""
    turned: int = 1

    @property
    def stored_orientation(self) -> int:
        """By which the pixels of the file are turned in all, be it by Pillow or here."""
        return self.turned if self.orientation == 1 else self.orientation

    @property
    def profile(self) -> bytes:
        """The ICC colour profile that the file has; empty without one."""
        found = self.image.info.get("icc_profile")
        return found if isinstance(found, bytes) else b""

    @property
    def format(self) -> str:
        """``jpeg``, ``png``, ``webp``, ``gif``, ``bmp`` or ``tiff``."""
        return str(self.image.format).lower()

    @property
    def plain(self) -> bool:
        """Whether the file is one picture and its mode says all: no frames, no transparent colour."""
        return not self.has_more and "transparency" not in self.image.info

    @property
    def has_more(self) -> bool:
        """Whether the file has further frames, or pages, behind the first; not of what follows a JPEG."""
        if self.image.format in ("JPEG", "MPO"):
            return False
        try:
            return bool(getattr(self.image, "is_animated", False))
        except PILLOW_ERRORS:  # what follows the first one is damaged
            return True


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of an image, upright.

    Attributes:
        image: of the mode that the file has.
        region: where in it the whole original lies. A DCT-scaled JPEG is rounded up to whole
            pixels, so that the original may end inside of its last row and column.
        warning: what the decoder warned of, its numbers as ``N``; empty for a sound file.
    """

    image: Image.Image
    region: Box
    warning: str = ""


def open_image(data: bytes, max_pixels: int) -> Opened:
    """Reads the header of an image file, and the pixels where the format puts metadata after them.

    Args:
        data: the file.
        max_pixels: width times height that the header may declare, checked before decoding.

    Raises:
        Reject: ``empty_file``, ``unknown_format``, ``decompression_bomb``, ``truncated_image`` or
            ``corrupt_image``.
    """
    if not data:
        raise Reject("decode", "empty_file", "got 0 bytes, expected an image file")
    plugin = _plugin_for(data)
    said: list[str] = []
    try:
        image = plugin(io.BytesIO(data))
        _check_pixels(image.size, max_pixels)
        levels = file_levels(image)
        turned = _turned_by_pillow(image)
        if image.format == "TIFF":
            with collect_messages() as said:
                image.load()
        elif image.format != "JPEG":
            image.load()
    except Image.DecompressionBombError as error:
        raise Reject("decode", "decompression_bomb", str(error)) from error
    except PILLOW_ERRORS as error:
        raise _fault(data, error, said) from error
    orientation = _orientation(image)
    width, height = image.size
    size = (height, width) if orientation in SIDEWAYS else (width, height)
    messages = join_messages(said) or missing_end(image.format, data)
    return Opened(image, data, image.mode, size, orientation, levels, messages, turned)


def open_frame(animation: Opened, number: int, max_pixels: int) -> Opened:
    """A copy of one frame of an animation, or of one page of a TIFF.

    Args:
        animation: from ``open_image``; its orientation is that of all frames.
        number: which, from 0, as Pillow counts them; the next one is the quickest.
        max_pixels: as in ``open_image``.

    Raises:
        Reject: ``decompression_bomb`` for a page that is larger than the first, or ``unsupported_pixels``.
        OSError: or another of ``PILLOW_ERRORS``: there is no such frame, or it is damaged.
    """
    image, orientation = animation.image, animation.orientation
    assert isinstance(image, ImageFile.ImageFile)
    image.seek(number)
    _check_pixels(image.size, max_pixels)
    levels = file_levels(image)
    # Once a page is loaded, Pillow has forgotten how it was turned; the first one is when it is opened.
    turned = _turned_by_pillow(image) if number else animation.turned
    with collect_messages() as said:  # an animation may be a TIFF of several pages
        frame = image.copy()
    messages = join_messages(said)
    if not number and image.format != "TIFF":  # a TIFF's are those of the page, and just said again
        messages = animation.warning
    size = frame.size[::-1] if orientation in SIDEWAYS else frame.size
    return Opened(frame, b"", frame.mode, size, orientation, levels, messages, turned)


def open_pixels(pixels: NDArray[Any], max_pixels: int, max_value: float | None = None) -> Opened:
    """An image that is decoded already: an array from a file.

    Args:
        pixels: uint8 [height, width], [height, width, 1], RGB or RGBA; uint16 with one channel; with
            ``max_value``, numbers of any type in these shapes.
        max_pixels: width times height that it may have.
        max_value: the level that is white; of uint8 it is 255.

    Raises:
        Reject: ``unsupported_pixels`` or ``decompression_bomb``.
    """
    _check_pixels((pixels.shape[1] if pixels.ndim > 1 else 0, len(pixels)), max_pixels)
    image, levels = read_array(pixels, max_value)
    return Opened(image, b"", image.mode, image.size, 1, levels)


def decode(opened: Opened, draft: Size | None, grey: bool) -> Decoded:
    """Decodes the pixels and turns them upright.

    Args:
        opened: from ``open_image``; it can be decoded once.
        draft: for JPEG, the size (upright) that the image will be resized to, which lets the
            decoder scale by 1/2, 1/4 or 1/8 on the way; ``None`` decodes every pixel.
        grey: with ``draft``, decode only the luma of a JPEG in colour.

    Raises:
        Reject: ``truncated_image`` or ``corrupt_image``.
    """
    image, orientation = opened.image, opened.orientation
    extent: tuple[float, float] = image.size
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        # Loaded by open_image.
        return replace(_turn(image, extent, orientation), warning=opened.warning)
    try:
        if draft is not None:
            wanted = draft[::-1] if orientation in SIDEWAYS else draft
            at_least = (wanted[0] * JPEG_MARGIN, wanted[1] * JPEG_MARGIN)
            drafted = image.draft("L" if grey else None, at_least)
            if drafted is not None:
                extent = drafted[1][2:]
        pixels, warning = decode_jpeg(image, opened.data)
    except PILLOW_ERRORS as error:
        raise _fault(opened.data, error) from error
    return replace(_turn(pixels, extent, orientation), warning=warning)


def _plugin_for(data: bytes) -> Callable[[io.BytesIO], ImageFile.ImageFile]:
    for prefixes, plugin in _PLUGINS:
        if data.startswith(prefixes) and (prefixes != (b"RIFF",) or data[8:12] == b"WEBP"):
            return plugin
    got = f"got a file that starts with {data[:12]!r}"
    expected = "expected JPEG, PNG, WebP, GIF, BMP, TIFF or MPO"
    raise Reject("decode", "unknown_format", f"{got}, {expected}")


def _check_pixels(size: Size, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        message = (
            f"got {size_text(size)} pixels in the header, expected at most {max_pixels} in all"
        )
        raise Reject("decode", "decompression_bomb", message)


def _fault(data: bytes, error: Exception, messages: Sequence[str] = ()) -> Reject:
    """The reject of what Pillow raised; whether the end is missing is told by Pillow's words."""
    text = str(error)
    cut = isinstance(error, EOFError | struct.error | IndexError) or "truncated" in text.lower()
    if data.startswith(b"RIFF"):
        cut = int.from_bytes(data[4:8], "little") + 8 > len(data)
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    said = "; ".join([said, *messages])
    if cut:
        message = f"got {len(data)} bytes that end too early, expected a whole image ({said})"
        return Reject("decode", "truncated_image", message)
    message = f"got {len(data)} bytes that cannot be decoded, expected a valid image ({said})"
    return Reject("decode", "corrupt_image", message)


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF's orientation; 1 when there is none, or none that can be read.

    A damaged EXIF block says nothing about the pixels, which every viewer shows as they lie.
    """
    if image.format == "TIFF" or not any(key in image.info for key in _ORIENTED_BY):
        return 1
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except PILLOW_ERRORS:
        return 1
    return found if isinstance(found, int) and found in _UPRIGHT else 1


def _turned_by_pillow(image: ImageFile.ImageFile) -> int:
    """The orientation by which Pillow will turn a TIFF when it loads it, as ``Image.getexif`` finds it."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 1
    found = image.tag_v2.get(ExifTags.Base.Orientation)
    if found is None:
        xmp = image.info.get("xmp")
        said = _XMP_ORIENTATION.search(xmp) if isinstance(xmp, bytes) else None
        found = int(said[1]) if said else 1
    return found if isinstance(found, int) and found in _UPRIGHT else 1


def _turn(image: Image.Image, extent: tuple[float, float], orientation: int) -> Decoded:
    """Turns an image upright, and with it the part ``extent`` from its left top corner."""
    right, bottom = extent
    if orientation not in _UPRIGHT:
        return Decoded(image, (0, 0, right, bottom))
    spare_x, spare_y = image.width - right, image.height - bottom
    if orientation in (2, 3, 7, 8):
        left, right = spare_x, right + spare_x
    else:
        left = 0.0
    if orientation in (3, 4, 6, 7):
        top, bottom = spare_y, bottom + spare_y
    else:
        top = 0.0
    box = (top, left, bottom, right) if orientation in SIDEWAYS else (left, top, right, bottom)
    return Decoded(image.transpose(_UPRIGHT[orientation]), box)
