"""``image``: a picture from a file or inline bytes, resized and encoded as declared."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
import PIL.Image
from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from ..errors import Reject
from ..feature import (
    ArrayLayout,
    Encoded,
    Feature,
    FeatureSource,
    FeatureValue,
    SettingError,
    literal,
    shorten,
)
from ..image_decoders import DECODE_IMAGES, DECODE_ONE, DECODE_RAW, DECODE_RAW_RAGGED
from ..image_modes import final_mode, parse_colour, to_final, to_working
from ..imaging import (
    LARGEST_SIDE,
    Filter,
    Opened,
    decode,
    encode,
    open_image,
    open_pixels,
    resize,
)
from ..pixel_sums import sum_pixels
from ..placement import Placement, Resize, Size, pad_offset, place, size_text

__all__ = ["Image"]

_JPEG_QUALITY = 90
_TO_16_BITS = 257  # 255 becomes 65535


class Image(Feature):
    """A picture, upright, of one size or of its own.

    Attributes:
        height: rows of pixels that every image comes to have; with ``width``. ``shortest_side`` and
            ``longest_side`` take the side from ``size`` (or from ``height`` or ``width``, equal when
            both are given). With ``none`` the two are what every file has to have already.
        width: columns of pixels.
        size: the side's pixels for ``shortest_side`` and ``longest_side``.
        resize: ``crop`` scales to cover height and width and cuts the centre out; ``pad`` scales to
            fit inside and lays the image centred on ``background``; ``stretch`` ignores the shape;
            ``shortest_side`` and ``longest_side`` keep the shape, so that sizes differ; ``none``.
        upscale: whether images may be enlarged. Where they may not, a smaller image is rejected by
            ``crop`` and ``stretch`` and keeps its pixels in the other modes.
        filter: of the resampler, which antialiases with all but ``nearest``.
        channels: 1 grey, 3 RGB, 4 RGB and alpha.
        background: a colour (``#rrggbb`` or a CSS name; with 4 channels also ``#rrggbbaa``) behind
            transparent pixels, where alpha is not kept, and around padded images.
        encoding: what a record holds. ``raw`` is pixels [height, width, channels].
        dtype: ``uint16`` keeps 16-bit grey, as ``png`` or ``raw`` with one channel; images of 8 bits
            are then scaled by 257. With ``uint8`` 16-bit grey keeps its upper 8 bits.
        quality: 1 to 100 for ``jpeg`` and ``webp``; 90 unless declared.
        subsampling: of the colours in ``jpeg``; ``4:2:0`` unless declared.
        lossless: for ``webp``.
        decode: ``fast`` lets the JPEG decoder scale by 1/2, 1/4 or 1/8, to no less than twice the
            size asked for, and read grey from the luma; ``exact`` decodes every pixel.
        reencode: ``false`` passes files through byte for byte, metadata included, that already have
            the declared format, size and mode, once they were decoded to prove them whole.
        max_pixels: width times height above which a file is a decompression bomb. A decoded pixel
            takes up to 4 bytes, in each thread.
        default: a colour that fills the image of a row whose cell is empty; needs a fixed size.
            Without it the row is rejected.

    EXIF's orientation is applied; colour profiles are not, and no metadata is written.
    """

    reads_files: ClassVar[bool] = True
    reads_arrays: ClassVar[bool] = True

    type: Literal["image"] = "image"
    height: int | None = Field(default=None, ge=1, le=65535, strict=True)
    width: int | None = Field(default=None, ge=1, le=65535, strict=True)
    size: int | None = Field(default=None, ge=1, le=65535, strict=True)
    resize: Resize = "crop"
    upscale: bool = False
    filter: Filter = "bilinear"
    channels: Literal[1, 3, 4] = 3
    background: str = "black"
    encoding: Literal["jpeg", "png", "webp", "raw"] = "jpeg"
    dtype: Literal["uint8", "uint16"] = "uint8"
    lossless: bool = False
    quality: int | None = Field(default=None, ge=1, le=100, strict=True, validate_default=True)
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] | None = Field(
        default=None, validate_default=True
    )
    decode: Literal["fast", "exact"] = "fast"
    reencode: bool = True
    # Pillow's own hard limit, twice ``Image.MAX_IMAGE_PIXELS``: 512 MiB of RGB.
    max_pixels: int = Field(default=178_956_970, ge=1, strict=True)
    default: str | None = None

    @field_validator("quality")
    @classmethod
    def _fill_quality(cls, quality: int | None, info: ValidationInfo) -> int | None:
        lossy = info.data.get("encoding") == "jpeg" or (
            info.data.get("encoding") == "webp" and not info.data.get("lossless")
        )
        return _JPEG_QUALITY if quality is None and lossy else quality

    @field_validator("subsampling")
    @classmethod
    def _fill_subsampling(cls, subsampling: str | None, info: ValidationInfo) -> str | None:
        colour_jpeg = info.data.get("encoding") == "jpeg" and info.data.get("channels") == 3
        return "4:2:0" if subsampling is None and colour_jpeg else subsampling

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.resize in ("crop", "pad", "stretch"):
            self._check_fixed_size()
        elif self.resize == "none":
            self._check_no_resize()
        else:
            self._check_side()
        return self

    @model_validator(mode="after")
    def _check_encoding(self) -> Self:
        with_encoding = f"with encoding {self.encoding}"
        if self.channels not in {"jpeg": (1, 3), "webp": (3, 4)}.get(self.encoding, (1, 3, 4)):
            expected = {1: "jpeg, png or raw", 4: "png, webp or raw"}[self.channels]
            raise SettingError(
                "encoding",
                f"got {self.encoding!r} with channels {self.channels}, expected {expected}",
            )
        if self.lossless and self.encoding != "webp":
            raise SettingError("lossless", f"got true {with_encoding}, expected it with webp only")
        if self.quality is not None and (self.encoding in ("png", "raw") or self.lossless):
            lossless = f"{with_encoding}, which loses nothing"
            raise SettingError("quality", f"got {self.quality} {lossless}, expected none")
        if self.subsampling and (self.encoding != "jpeg" or self.channels == 1):
            got = f"got {self.subsampling!r} {with_encoding} and channels {self.channels}"
            raise SettingError("subsampling", f"{got}, expected it with jpeg in colour only")
        if not self.reencode and self.encoding == "raw":
            raise SettingError("reencode", "got false with encoding raw, expected an image format")
        return self

    @model_validator(mode="after")
    def _check_dtype(self) -> Self:
        fits = self.encoding in ("png", "raw") and self.channels == 1
        if self.dtype == "uint16" and not fits:
            got = f"got 'uint16' with encoding {self.encoding} and channels {self.channels}"
            raise SettingError("dtype", f"{got}, expected encoding png or raw and channels 1")
        return self

    @model_validator(mode="after")
    def _check_colours(self) -> Self:
        for setting, colour in (("background", self.background), ("default", self.default)):
            if colour is not None:
                try:
                    parse_colour(colour, self.channels)
                except ValueError as error:
                    raise SettingError(setting, str(error)) from None
        if self.default is not None and self.fixed_size is None:
            got = f"got {self.default!r} without a fixed size"
            raise SettingError("default", f"{got}, expected height and width")
        return self

    @property
    def fixed_size(self) -> Size | None:
        """Width and height of every image, ``None`` when they differ from image to image."""
        if self.resize in ("shortest_side", "longest_side") or not (self.width and self.height):
            return None
        return (self.width, self.height)

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """Height, width and channels of a decoded image; ``None`` where they differ."""
        width, height = self.fixed_size or (None, None)
        return (height, width, self.channels)

    def encode(self, name: str, value: Any) -> Encoded:
        """The encoded image, or its pixels [height, width, channels] with ``raw``.

        Raises:
            Reject: of the stage ``decode``: ``empty_file``, ``unknown_format``, ``truncated_image``,
                ``corrupt_image``, ``decompression_bomb``, ``unsupported_pixels``,
                ``image_too_small``, ``wrong_size``; of the stage ``encode``: ``missing_value``,
                ``wrong_type``, ``image_too_large``.
        """
        if value is None:
            return self._finish(name, self._default_image())
        if isinstance(value, np.ndarray | PIL.Image.Image):  # decoded already
            opened = open_pixels(value, self.max_pixels)
        elif isinstance(value, bytes):
            opened = open_image(value, self.max_pixels)
        else:
            got = f"got {shorten(value)}, expected the path of an image file or its bytes"
            raise Reject("encode", "wrong_type", got)
        placement = self._place(opened)
        image = self._render(opened, placement)
        passes = not self.reencode and self._already_fits(opened, placement)
        return self._finish(name, image, value if passes else None)

    def source_code(self, name: str) -> FeatureSource:
        """A uint8 or uint16 batch [batch, height, width, channels].

        Dense when the size is fixed, else a ``tf.RaggedTensor`` with ragged height and width. WebP
        needs a TensorFlow that has ``tf.io.decode_webp``.
        """
        string = "tf.io.FixedLenFeature([], tf.string)"
        shape, dtype = literal(self.shape), f"tf.{self.dtype}"
        column = f"features[{literal(name)}]"
        if self.encoding != "raw":
            one = f"_decode_{self.encoding}"
            call = f"_decode_images({column}, {one}, {shape}, {dtype})"
            functions = {"_decode_images": DECODE_IMAGES, one: DECODE_ONE[self.encoding]}
            return FeatureSource({name: string}, call, functions)
        if self.fixed_size:
            call = f"_decode_raw({column}, {shape}, {dtype})"
            return FeatureSource({name: string}, call, {"_decode_raw": DECODE_RAW})
        shape_key = f"{name}/shape"
        call = f"_decode_raw_ragged({column}, features[{literal(shape_key)}], {self.channels}, {dtype})"
        parse = {name: string, shape_key: "tf.io.FixedLenFeature([3], tf.int64)"}
        return FeatureSource(parse, call, {"_decode_raw_ragged": DECODE_RAW_RAGGED})

    def check(self, value: FeatureValue) -> None:
        """See ``Feature.check``: an encoded image decodes, and has the declared size and channels."""
        if self.encoding == "raw":
            return
        data = value[0] if isinstance(value, list) else value
        try:
            opened = open_image(bytes(data), self.max_pixels)
            image = decode(opened, None, grey=False).image
        except Reject as reject:
            raise ValueError(reject.message) from None
        if opened.format != self.encoding:
            raise ValueError(f"got {opened.format}, expected {self.encoding}")
        if self.fixed_size and image.size != self.fixed_size:
            got = f"got {size_text(image.size)}"
            raise ValueError(f"{got}, expected {size_text(self.fixed_size)}")

    def arrays(self, name: str) -> dict[str, ArrayLayout]:
        """Encoded images as bytes, raw ones as pixels; where sizes differ, with their shapes."""
        if self.encoding != "raw":
            return {name: ArrayLayout("bytes", encoding=self.encoding)}
        pixels = ArrayLayout(self.dtype, self.shape, ("height", "width", "channel"), "raw")
        if self.fixed_size:
            return {name: pixels}
        return {name: pixels, f"{name}/shape": ArrayLayout("int64", (3,), ("size",))}

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Mean and standard deviation a channel, on the scale from 0 (black) to 1 (white).

        They are those of the pixels that the summaries hold, ``count`` a channel: all pixels of
        images up to 64 pixels a side, else a regular grid of 64 a side, so that each image has the
        same weight. ``bytes`` is the size of all encoded images; images of different sizes also have
        the smallest and largest height and width.
        """
        count = summary.get("count", 0)
        if not count:
            return {}
        white = 255 if self.dtype == "uint8" else 65535
        sums = list(zip(summary["sum"], summary["sum_squares"], strict=True))
        variances = [max(0, count * squares - total**2) / count**2 for total, squares in sums]
        return {
            **{key: summary[key] for key in summary if key not in ("sum", "sum_squares")},
            "mean": [total / count / white for total, _ in sums],
            "std": [math.sqrt(variance) / white for variance in variances],
        }

    def _check_fixed_size(self) -> None:
        if self.size is not None:
            got = f"got {self.size} with resize {self.resize}"
            raise SettingError("size", f"{got}, expected height and width instead")
        for setting, pixels in (("height", self.height), ("width", self.width)):
            if pixels is None:
                needed = f"missing, expected pixels with resize {self.resize}"
                raise SettingError(setting, f"{needed} (resize: none keeps each image's size)")
            self._check_side_fits(setting, pixels)

    def _check_no_resize(self) -> None:
        if self.size is not None:
            raise SettingError("size", f"got {self.size} with resize none, expected none")
        if self.upscale:
            raise SettingError("upscale", "got true with resize none, expected false")
        if (self.height is None) != (self.width is None):
            missing = "height" if self.height is None else "width"
            raise SettingError(missing, "missing, expected both height and width, or neither")

    def _check_side(self) -> None:
        sides = {pixels for pixels in (self.size, self.height, self.width) if pixels is not None}
        if len(sides) != 1:
            got = f"got {', '.join(map(str, sorted(sides)))}" if sides else "missing"
            raise SettingError("size", f"{got}, expected one number with resize {self.resize}")
        self._check_side_fits("size", sides.pop())

    def _check_side_fits(self, setting: str, pixels: int) -> None:
        largest = LARGEST_SIDE.get(self.encoding)
        if largest is not None and pixels > largest:
            expected = f"expected at most {largest} with encoding {self.encoding}"
            raise SettingError(setting, f"got {pixels}, {expected}")

    def _place(self, opened: Opened) -> Placement:
        side = self.size or self.width or self.height
        width, height = (self.width, self.height) if self.fixed_size else (side, side)
        placement = place(opened.size, self.resize, width, height, self.upscale)
        if not self.fixed_size and placement.canvas[0] * placement.canvas[1] > self.max_pixels:
            got = f"got {size_text(placement.canvas)} pixels after resizing"
            expected = f"expected at most max_pixels, {self.max_pixels}"
            raise Reject("encode", "image_too_large", f"{got}, {expected}")
        return placement

    def _render(self, opened: Opened, placement: Placement) -> PIL.Image.Image:
        """The finished image: upright, resized, of the declared mode, on its canvas."""
        draft = placement.size if self.decode == "fast" else None
        decoded = decode(opened, draft, grey=self.channels == 1)
        deep = self.dtype == "uint16"
        working = to_working(decoded.image, self.channels, deep, self.background)
        resized = resize(working, decoded.region, opened.size, placement, self.filter)
        image = to_final(resized, self.channels)
        if placement.canvas == placement.size:
            return image
        canvas = PIL.Image.new(image.mode, placement.canvas, self._fill(self.background))
        canvas.paste(image, pad_offset(placement))
        return canvas

    def _already_fits(self, opened: Opened, placement: Placement) -> bool:
        mode = "I;16" if self.dtype == "uint16" else final_mode(self.channels)
        return (
            opened.format == self.encoding
            and opened.mode == mode
            and opened.orientation == 1
            and opened.plain
            and placement.box == (0, 0, *opened.size)
            and placement.size == placement.canvas == opened.size
        )

    def _default_image(self) -> PIL.Image.Image:
        if self.default is None or self.fixed_size is None:
            message = "got an empty cell, expected the path of an image file or its bytes"
            raise Reject("encode", "missing_value", message)
        mode = "I;16" if self.dtype == "uint16" else final_mode(self.channels)
        return PIL.Image.new(mode, self.fixed_size, self._fill(self.default))

    def _fill(self, colour: str) -> int | tuple[int, ...]:
        """A colour in the final mode."""
        levels = parse_colour(colour, self.channels)
        if self.channels > 1:
            return levels
        return levels[0] * _TO_16_BITS if self.dtype == "uint16" else levels[0]

    def _finish(self, name: str, image: PIL.Image.Image, encoded: bytes | None = None) -> Encoded:
        """The record values and the summary; ``encoded`` when the bytes are there already."""
        summary = sum_pixels(image)
        if self.fixed_size is None:
            width, height = image.size
            summary |= {"min_height": height, "max_height": height}
            summary |= {"min_width": width, "max_width": width}
        if self.encoding == "raw":
            pixels = np.asarray(image).reshape(image.height, image.width, self.channels)
            values: dict[str, FeatureValue] = {name: pixels}
            if self.fixed_size is None:
                values[f"{name}/shape"] = np.array(pixels.shape, np.int64)
            return Encoded(values, summary | {"bytes": pixels.nbytes})
        if encoded is None:
            encoded = encode(
                image,
                self.encoding,
                quality=self.quality,
                subsampling=self.subsampling,
                lossless=self.lossless,
            )
        return Encoded({name: encoded}, summary | {"bytes": len(encoded)})
