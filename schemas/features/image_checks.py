"""What is wrong with the settings of an image feature, as far as they contradict each other; what fits them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..images.colour_profiles import is_srgb
from ..images.encoding import LARGEST_SIDE
from ..images.files import Opened
from ..images.modes import parse_colour
from ..images.resizing import ResizingPlan, size_text
from .base import SettingError

if TYPE_CHECKING:
    from .image import Image

__all__ = ["already_fits", "check_colours", "check_depth", "check_encoding", "check_size"]


def check_size(image: Image) -> None:
    """Checks height, width and size against each other, the encoding and ``max_pixels``.

    Raises:
        SettingError: as all checks here do.
    """
    if image.resize in ("crop", "pad", "stretch"):
        _check_fixed_size(image)
    elif image.resize == "none":
        _check_no_resize(image)
    else:
        _check_side(image)


def check_encoding(image: Image) -> None:
    """Checks what goes with the encoding."""
    with_encoding = f"with encoding {image.encoding}"
    if image.channels not in {"jpeg": (1, 3), "webp": (3, 4)}.get(image.encoding, (1, 3, 4)):
        expected = {1: "jpeg, png or raw", 4: "png, webp or raw"}[image.channels]
        raise SettingError(
            "encoding",
            f"got {image.encoding!r} with channels {image.channels}, expected {expected}",
        )
    if image.lossless and image.encoding != "webp":
        raise SettingError("lossless", f"got true {with_encoding}, expected it with webp only")
    if image.quality is not None and (image.encoding in ("png", "raw") or image.lossless):
        lossless = f"{with_encoding}, which loses nothing"
        raise SettingError("quality", f"got {image.quality} {lossless}, expected none")
    if image.subsampling and (image.encoding != "jpeg" or image.channels == 1):
        got = f"got {image.subsampling!r} {with_encoding} and channels {image.channels}"
        raise SettingError("subsampling", f"{got}, expected it with jpeg in colour only")
    if not image.reencode and image.encoding == "raw":
        raise SettingError("reencode", "got false with encoding raw, expected an image format")


def check_depth(image: Image) -> None:
    """Checks what goes with 16 bits."""
    if image.dtype == "uint8":
        return
    if image.encoding not in ("png", "raw") or image.channels != 1:
        got = f"got 'uint16' with encoding {image.encoding} and channels {image.channels}"
        raise SettingError("dtype", f"{got}, expected encoding png or raw and channels 1")
    if image.colour == "srgb":
        got = "got 'srgb' with dtype uint16, which is not converted"
        raise SettingError("colour", f"{got}, expected as_is")


def check_colours(image: Image) -> None:
    """Checks the colours that images are filled with."""
    for setting, colour in (("background", image.background), ("default", image.default)):
        if colour is not None:
            try:
                parse_colour(colour, image.channels)
            except ValueError as error:
                raise SettingError(setting, str(error)) from None
    if image.default is not None and image.fixed_size is None:
        got = f"got {image.default!r} without a fixed size"
        raise SettingError("default", f"{got}, expected height and width")


def _check_fixed_size(image: Image) -> None:
    if image.size is not None:
        got = f"got {image.size} with resize {image.resize}"
        raise SettingError("size", f"{got}, expected height and width instead")
    for setting, pixels in (("height", image.height), ("width", image.width)):
        if pixels is None:
            needed = f"missing, expected pixels with resize {image.resize}"
            raise SettingError(setting, f"{needed} (resize: none keeps each image's size)")
        _check_side_fits(image, setting, pixels)
    _check_pixels_fit(image)


def _check_no_resize(image: Image) -> None:
    if image.size is not None:
        raise SettingError("size", f"got {image.size} with resize none, expected none")
    if image.upscale:
        raise SettingError("upscale", "got true with resize none, expected false")
    if (image.height is None) != (image.width is None):
        missing = "height" if image.height is None else "width"
        raise SettingError(missing, "missing, expected both height and width, or neither")
    _check_pixels_fit(image)


def _check_side(image: Image) -> None:
    sides = {pixels for pixels in (image.size, image.height, image.width) if pixels is not None}
    if len(sides) != 1:
        got = f"got {', '.join(map(str, sorted(sides)))}" if sides else "missing"
        raise SettingError("size", f"{got}, expected one number with resize {image.resize}")
    side = sides.pop()
    _check_side_fits(image, "size", side)
    # The other side is at least as long with the shortest, and 1 pixel at least with the longest.
    least = (side, side) if image.resize == "shortest_side" else (side, 1)
    _check_pixels_fit(image, "size", least)


def _check_side_fits(image: Image, setting: str, pixels: int) -> None:
    largest = LARGEST_SIDE.get(image.encoding)
    if largest is not None and pixels > largest:
        expected = f"expected at most {largest} with encoding {image.encoding}"
        raise SettingError(setting, f"got {pixels}, {expected}")


def _check_pixels_fit(
    image: Image, setting: str = "height", size: tuple[int, int] | None = None
) -> None:
    size = size or image.fixed_size
    if size is not None and size[0] * size[1] > image.max_pixels:
        got = f"got {size_text(size)} pixels for every image"
        raise SettingError(
            setting, f"{got}, expected at most max_pixels, {image.max_pixels}, in all"
        )


def already_fits(image: Image, opened: Opened, plan: ResizingPlan) -> bool:
    """Whether a file is already what the record is to hold, so that its bytes may be passed through."""
    return (
        opened.format == image.encoding
        and opened.mode == image.record_mode
        and opened.orientation == 1
        and opened.plain
        and (image.dtype == "uint8" or image.max_value in (None, 65535))
        and (image.colour == "as_is" or not opened.profile or is_srgb(opened.profile))
        and plan.box == (0, 0, *opened.size)
        and plan.size == plan.canvas == opened.size
    )
