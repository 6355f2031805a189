"""``image``: a picture from a file or inline bytes, resized and encoded as declared."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from ..dataset.statistics import Counts, Max, Min, Statistic, Sum
from ..errors import Reject
from ..images.colour_profiles import is_srgb
from ..images.encoding import encode
from ..images.files import Opened, decode, open_image, open_pixels
from ..images.geometry import ImageGeometry
from ..images.levels import declared_levels
from ..images.modes import final_mode, parse_colour, to_final, to_working
from ..images.pixel_sums import sample, sum_pixels
from ..images.resizing import (
    Filter,
    Resize,
    ResizingPlan,
    Size,
    pad_offset,
    plan_resizing,
    resize,
    size_text,
)
from ..images.tensorflow_source import DECODE_IMAGES, DECODE_ONE, DECODE_RAW, DECODE_RAW_RAGGED
from .base import Encoded, Feature, FeatureValue, ValueSpec, shorten
from .image_checks import already_fits, check_colours, check_depth, check_encoding, check_size
from .image_index import INDEX_COLUMNS, index_image
from .image_warnings import tell_image, warn_of_images
from .python_source import DecodeSource, literal

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
            are then scaled by 257. With ``uint8`` 16-bit grey keeps its upper 8 bits (``level >> 8``, cut, not
            rounded); with ``max_value`` it is rounded to the nearest of 255.
        quality: 1 to 100 for ``jpeg`` and ``webp``; 90 unless declared.
        subsampling: of the colours in ``jpeg``; ``4:2:0`` unless declared.
        lossless: for ``webp``.
        decode: ``fast`` lets the JPEG decoder scale by 1/2, 1/4 or 1/8, to no less than twice the
            size asked for, and read grey from the luma; ``exact`` decodes every pixel. Where JPEG files
            are made smaller, the two differ by up to some 19 of 255 levels in single pixels: take
            ``exact`` where pixels are compared with another pipeline's.
        reencode: ``false`` passes files through byte for byte, metadata included, that already have
            the declared format, size and mode, once they were decoded to prove them whole.
        max_pixels: width times height above which a file is a decompression bomb. A decoded pixel
            takes up to 7 bytes, in each thread. A fixed size may not be larger either.
        max_value: the level that is white in images of more than 8 bits a channel, such as 4095 for 12
            bits in files of 16, or 1.0 for floats; theirs are scaled to it and rounded to the nearest level
            of the ``dtype``, and an image with a level above it is rejected. Without it 16 bits reach to
            65535, and what has no such range (TIFF of 32 bits, floats) is rejected. Of images of 8 bits
            white is 255.
        colour: ``srgb`` converts images that have an ICC profile of another colour space to sRGB, relative
            to white; one whose profile cannot be read is rejected. ``as_is`` takes the numbers as they
            are, as most code that serves models does.
        strict: whether an image that the decoder warns of, such as a JPEG with bytes that make no sense,
            is rejected, and a file of several frames or pages (GIF, WebP, PNG, TIFF), of which the first
            is taken otherwise; both are counted. Files that end before their last pixel are always rejected.
        default: a colour that fills the image of a row whose cell is empty; needs a fixed size.
            Without it the row is rejected.

    EXIF's orientation is applied, and no metadata is written.
    """

    reads_files: ClassVar[bool] = True
    reads_arrays: ClassVar[bool] = True
    is_image: ClassVar[bool] = True
    becomes = ImageGeometry
    index_columns = INDEX_COLUMNS
    recalls: ClassVar[bool] = True
    summary_types: ClassVar[Mapping[str, Statistic]] = {
        **dict.fromkeys(
            ("count", "sum", "sum_squares", "bytes", "other_profiles", "first_of_several"), Sum()
        ),
        **dict.fromkeys(("min_height", "min_width"), Min()),
        **dict.fromkeys(("max_height", "max_width", "max_level"), Max()),
        "decoder_warnings": Counts(),
    }

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
    max_value: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)
    colour: Literal["as_is", "srgb"] = "as_is"
    strict: bool = False
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
    def _check_settings(self) -> Self:
        check_size(self)
        check_encoding(self)
        check_depth(self)
        check_colours(self)
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
                ``corrupt_image``, ``several_frames``, ``decompression_bomb``, ``unsupported_pixels``,
                ``bad_colour_profile``,
                ``image_too_small``, ``wrong_size``; of the stage ``encode``: ``missing_value``,
                ``wrong_type``, ``image_too_large``.
        """
        if value is None:
            image = self._default_image()
            encoded = self._finish(name, image, sample(image))
            # It has no source, so points are those of the record.
            whole = ResizingPlan(image.size, (0, 0, *image.size), image.size)
            became = ImageGeometry(image.size, 1, whole)
            size = {"width": image.width, "height": image.height}
            return replace(encoded, became=became, indexed=lambda: size)
        if isinstance(value, Opened):  # the frame of an animation
            opened = value
        elif isinstance(value, np.ndarray):
            opened = open_pixels(value, self.max_pixels, self.max_value)
        elif isinstance(value, bytes):
            opened = open_image(value, self.max_pixels)
        else:
            got = f"got {shorten(value)}, expected the path of an image file or its bytes"
            raise Reject("encode", "wrong_type", got)
        plan = self._plan_resizing(opened.size)
        image, found = self._render(opened, plan)
        passes = not self.reencode and already_fits(self, opened, plan)
        encoded = self._finish(name, image, sampled := sample(image), value if passes else None)
        became = ImageGeometry(opened.size, opened.stored_orientation, plan)
        summary = encoded.summary | found
        indexed = partial(index_image, image, sampled, became, summary)
        return Encoded(encoded.values, summary, became, indexed)

    def recall(self, name: str, values: Mapping[str, Any], said: Mapping[str, Any]) -> Encoded:
        """See ``Feature.recall``; the geometry follows from the file's size and orientation."""
        displayed = said["source_width"], said["source_height"]
        became = ImageGeometry(displayed, said["orientation"], self._plan_resizing(displayed))
        stored: dict[str, FeatureValue] = {name: values[name][0]}
        if self.encoding == "raw":
            stored = self._store_raw(name, self.decode_value(name, {**values, **stored}))
        return Encoded(stored, json.loads(said["statistics"]), became, lambda: said)

    @property
    def pixel_limit(self) -> int:
        """See ``Feature.pixel_limit``."""
        return self.max_pixels

    def decode_source(self, name: str) -> DecodeSource:
        """A uint8 or uint16 batch [batch, height, width, channels].

        Dense when the size is fixed, else a ``tf.RaggedTensor`` with ragged height and width. WebP
        needs a TensorFlow that has ``tf.io.decode_webp``.
        """
        shape, dtype = literal(self.shape), f"tf.{self.dtype}"
        column = f"features[{literal(name)}]"
        if self.encoding != "raw":
            one = f"_decode_{self.encoding}"
            call = f"_decode_images({column}, {one}, {shape}, {dtype})"
            functions = {"_decode_images": DECODE_IMAGES, one: DECODE_ONE[self.encoding]}
            return DecodeSource(call, functions)
        if self.fixed_size:
            call = f"_decode_raw({column}, {shape}, {dtype})"
            return DecodeSource(call, {"_decode_raw": DECODE_RAW})
        shapes = f"features[{literal(f'{name}/shape')}]"
        call = f"_decode_raw_ragged({column}, {shapes}, {self.channels}, {dtype})"
        return DecodeSource(call, {"_decode_raw_ragged": DECODE_RAW_RAGGED})

    def decode_value(self, name: str, values: Mapping[str, Any]) -> NDArray[Any]:
        """The pixels [height, width, channels], as Pillow decodes them."""
        if self.encoding == "raw":
            pixels, shape = values[name], values.get(f"{name}/shape", self.shape)
            if isinstance(pixels, bytes):
                pixels = np.frombuffer(pixels, np.dtype(self.dtype).newbyteorder("<"))
            raw: NDArray[Any] = np.asarray(pixels, self.dtype).reshape(shape)
            return raw
        with PIL.Image.open(io.BytesIO(values[name])) as image:
            mode = self.record_mode
            decoded = np.asarray(image if image.mode == mode else image.convert(mode), self.dtype)
        return decoded.reshape(*decoded.shape[:2], self.channels)

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

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """Encoded images as bytes, raw ones as pixels; where sizes differ, with their shapes."""
        if self.encoding != "raw":
            return {name: ValueSpec("bytes", encoding=self.encoding)}
        if self.fixed_size:
            return {name: self.decoded}
        return {name: self.decoded, f"{name}/shape": ValueSpec("int64", (3,), ("size",))}

    @property
    def decoded(self) -> ValueSpec:
        """The pixels."""
        return ValueSpec(self.dtype, self.shape, ("height", "width", "channel"), "raw")

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Mean and standard deviation a channel, on the scale from 0 (black) to 1 (white).

        They are those of the pixels that the summaries hold, ``count`` a channel: all pixels of
        images up to 64 pixels a side, else a regular grid of 64 a side, so that each image has the
        same weight. ``bytes`` is the size of all encoded images; images of different sizes also have
        the smallest and largest height and width. ``image_warnings`` says what else there may be.
        """
        count = summary.get("count", 0)
        if not count:
            return {}
        white = 255 if self.dtype == "uint8" else 65535
        sums = list(zip(summary["sum"], summary["sum_squares"], strict=True))
        variances = [(count * squares - total**2) / count**2 for total, squares in sums]
        return {
            **{key: summary[key] for key in summary if key not in ("sum", "sum_squares")},
            "mean": [total / count / white for total, _ in sums],
            "std": [math.sqrt(variance) / white for variance in variances],
        }

    def warnings(self, name: str, summary: Mapping[str, Any]) -> Iterable[str]:
        """Other colour profiles, damage that was decoded, further frames, levels that are all dark."""
        return warn_of_images(name, summary, converted=self.colour == "srgb")

    def _plan_resizing(self, displayed: Size) -> ResizingPlan:
        side = self.size or self.width or self.height
        width, height = (self.width, self.height) if self.fixed_size else (side, side)
        plan = plan_resizing(displayed, self.resize, width, height, self.upscale)
        if not self.fixed_size and plan.canvas[0] * plan.canvas[1] > self.max_pixels:
            got = f"got {size_text(plan.canvas)} pixels after resizing"
            expected = f"expected at most max_pixels, {self.max_pixels}"
            raise Reject("encode", "image_too_large", f"{got}, {expected}")
        return plan

    def _render(self, opened: Opened, plan: ResizingPlan) -> tuple[PIL.Image.Image, dict[str, Any]]:
        """The finished image (upright, resized, of the declared mode, on its canvas) and what to tell."""
        foreign = bool(opened.profile) and not is_srgb(opened.profile)
        profile = opened.profile if foreign and self.colour == "srgb" else b""
        draft = plan.size if self.decode == "fast" else None
        # The luma of other colour spaces is not that of sRGB.
        decoded = decode(opened, draft, grey=self.channels == 1 and not profile)
        if decoded.warning and self.strict:
            got = f"got an image that the decoder warns of ({decoded.warning})"
            raise Reject(
                "decode", "corrupt_image", f"{got}, expected a sound one with strict: true"
            )
        if opened.has_more and self.strict:
            raise Reject(
                "decode",
                "several_frames",
                "got a file of several frames or pages, expected one picture with strict: true",
            )
        deep = self.dtype == "uint16"
        levels = declared_levels(opened.levels, self.max_value)
        working = to_working(decoded.image, self.channels, deep, self.background, levels, profile)
        resized = resize(working, decoded.region, opened.size, plan, self.filter)
        image = to_final(resized, self.channels)
        found = tell_image(
            decoded, opened.levels if self.max_value is None else None, foreign, opened.has_more
        )
        if plan.canvas == plan.size:
            return image, found
        canvas = PIL.Image.new(image.mode, plan.canvas, self._fill(self.background))
        canvas.paste(image, pad_offset(plan))
        return canvas, found

    @property
    def record_mode(self) -> str:
        """Pillow's mode of the finished image."""
        return "I;16" if self.dtype == "uint16" else final_mode(self.channels)

    def _default_image(self) -> PIL.Image.Image:
        if self.default is None or self.fixed_size is None:
            message = "got an empty cell, expected the path of an image file or its bytes"
            raise Reject("encode", "missing_value", message)
        return PIL.Image.new(self.record_mode, self.fixed_size, self._fill(self.default))

    def _fill(self, colour: str) -> int | tuple[int, ...]:
        """A colour in the final mode."""
        levels = parse_colour(colour, self.channels)
        if self.channels > 1:
            return levels
        return levels[0] * _TO_16_BITS if self.dtype == "uint16" else levels[0]

    def _finish(
        self,
        name: str,
        image: PIL.Image.Image,
        sampled: PIL.Image.Image,
        encoded: bytes | None = None,
    ) -> Encoded:
        """The record values and the summary; ``encoded`` when the bytes are there already."""
        summary = sum_pixels(sampled)
        if self.fixed_size is None:
            width, height = image.size
            summary |= {"min_height": height, "max_height": height}
            summary |= {"min_width": width, "max_width": width}
        if self.encoding == "raw":
            pixels = np.asarray(image).reshape(image.height, image.width, self.channels)
            return Encoded(self._store_raw(name, pixels), summary | {"bytes": pixels.nbytes})
        if encoded is None:
            encoded = encode(
                image,
                self.encoding,
                quality=self.quality,
                subsampling=self.subsampling,
                lossless=self.lossless,
            )
        return Encoded({name: encoded}, summary | {"bytes": len(encoded)})

    def _store_raw(self, name: str, pixels: NDArray[Any]) -> dict[str, FeatureValue]:
        shape = {} if self.fixed_size else {f"{name}/shape": np.array(pixels.shape, np.int64)}
        return {name: pixels, **shape}
