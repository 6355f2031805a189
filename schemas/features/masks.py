"""``mask`` and ``masks``: a map of ids for an image, or a mask for each of its objects, moved with it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from pydantic import Field, model_validator
from typing_extensions import Self

from ..dataset.statistics import Counts, Max, Statistic, Sum
from ..errors import Reject
from ..images.annotation_space import AnnotationSpace
from ..images.geometry import ImageGeometry
from ..images.masks import (
    place_mask,
    read_ids,
)
from ..images.resizing import size_text
from ..images.tensorflow_source import DECODE_RAW
from .base import Encoded, Feature, FeatureValue, OwnedFeature, SettingError, ValueSpec, shorten
from .object_masks import MaskReader
from .objects import AnnotationCell, Kept, parse_annotations
from .python_source import DecodeSource, literal

__all__ = ["Mask", "Masks"]

_DECODE_MASKS = '''
def _decode_masks(encoded, shape, dtype, splits):
    """Decodes PNG files of one channel: dense, or ragged where their heights and widths differ."""

    def decode(one):
        return tf.squeeze(tf.io.decode_png(one, channels=1, dtype=dtype), -1)

    def decode_ragged(one):
        return tf.RaggedTensor.from_tensor(decode(one), row_splits_dtype=splits)

    def decode_fixed(one):
        return tf.ensure_shape(decode(one), shape)

    if None in shape:
        spec = tf.RaggedTensorSpec(shape, dtype, ragged_rank=1, row_splits_dtype=splits)
        return tf.map_fn(decode_ragged, encoded, fn_output_signature=spec)
    return tf.map_fn(decode_fixed, encoded, fn_output_signature=tf.TensorSpec(shape, dtype))
'''


class _Masks(OwnedFeature):
    """What one map and a mask an object share.

    Attributes:
        height: of the image in the record, which fills it in; nothing where images differ in size.
        width: likewise.
        dtype: of ids. An image with a larger one is a reject.
        encoding: what a record holds: a PNG file, or ``raw`` ids ``[height, width]``, of images of one size.
    """

    target_by_default: ClassVar[bool] = True

    height: int | None = Field(default=None, ge=1, le=65535, strict=True)
    width: int | None = Field(default=None, ge=1, le=65535, strict=True)
    dtype: Literal["uint8", "uint16"] = "uint8"
    encoding: Literal["png", "raw"] = "png"

    def settle(self, root: Feature) -> Self:
        """See ``Feature.settle``: the image's size."""
        width, height = root.fixed_size or (None, None)
        for side, found in (("height", height), ("width", width)):
            declared = getattr(self, side)
            if declared not in (None, found):
                expected = "nothing, for its images differ in size" if found is None else f"{found}"
                raise SettingError(side, f"got {declared}, expected {expected}, as the image has")
        if self.encoding == "raw" and width is None:
            raise SettingError("encoding", "got 'raw' of images of different sizes, expected 'png'")
        return self.model_copy(update={"height": height, "width": width})

    def warnings(self, name: str, summary: Mapping[str, Any]) -> Iterator[str]:
        """Masks of another size than their image, and objects without one."""
        if scaled := summary.get("size_mismatch", 0):
            images = "image is" if scaled == 1 else "images are"
            yield f"{name}: {scaled:,} {images} of another size than the masks, which were scaled"
        if without := summary.get("without_mask", 0):
            objects = "object has" if without == 1 else "objects have"
            yield f"{name}: {without:,} {objects} no mask"

    def _store(self, ids: NDArray[Any]) -> bytes | NDArray[Any]:
        """One map as a record holds it.

        Raises:
            Reject: ``id_out_of_range``.
        """
        most = int(ids.max(initial=0))
        if most > np.iinfo(self.dtype).max:
            wider = "; dtype: uint16 has more" if most < 1 << 16 else ""
            message = f"got the id {most}, expected at most {np.iinfo(self.dtype).max}{wider}"
            raise Reject("encode", "id_out_of_range", message)
        stored = np.ascontiguousarray(ids.astype(self.dtype))
        return stored if self.encoding == "raw" else _to_png(stored)

    def _decode(self, data: Any) -> NDArray[Any]:
        """One map, read back."""
        if self.encoding == "png":
            return _from_png(bytes(data)).astype(self.dtype)
        if isinstance(data, bytes):
            data = np.frombuffer(data, np.dtype(self.dtype).newbyteorder("<"))
        raw: NDArray[Any] = np.asarray(data, self.dtype).reshape(self.height or 0, self.width or 0)
        return raw

    def _source_of_map(self, name: str) -> DecodeSource:
        column, shape, dtype = f"features[{literal(name)}]", self._shape, f"tf.{self.dtype}"
        if self.encoding == "raw":
            call = f"_decode_raw({column}, {literal(shape)}, {dtype})"
            return DecodeSource(call, {"_decode_raw": DECODE_RAW})
        call = f"_decode_masks({column}, {literal(shape)}, {dtype}, tf.int64)"
        return DecodeSource(call, {"_decode_masks": _DECODE_MASKS})

    @property
    def _shape(self) -> tuple[int | None, int | None]:
        return self.height, self.width

    def _spec_of_map(self) -> ValueSpec:
        return self._map if self.encoding == "raw" else ValueSpec("bytes", encoding="png")

    @property
    def _map(self) -> ValueSpec:
        return ValueSpec(self.dtype, self._shape, ("height", "width"), "raw")

    def check(self, value: FeatureValue) -> None:
        """See ``Feature.check``: PNG files of the declared size, in grey."""
        if self.encoding == "raw" or not isinstance(value, list):
            return
        for data in value:
            try:
                ids = _from_png(bytes(data))
            except (OSError, SyntaxError, ValueError) as error:
                raise ValueError(f"not a PNG file: {error}") from None
            if self.height is not None and ids.shape != self._shape:
                got = f"got {size_text((ids.shape[1], ids.shape[0]))}"
                raise ValueError(f"{got}, expected {size_text((self.width or 0, self.height))}")


class Mask(_Masks):
    """``type: mask``: a class, or an object's number, for each pixel of an image, moved with the image.

    A cell is the path of a PNG file, or its bytes. Palettes are read as the numbers of their colours, grey as
    its levels, of 1 to 16 bits, and RGB as COCO's panoptic ids, R + 256 G + 65536 B. The file is of the image
    as viewers show it, unless its size is that of the image as it is stored, without EXIF's turn; a file of
    the same shape is scaled, and counted. Ids are never mixed: each pixel has the one that lies nearest.

    Attributes:
        background: the id of what is padded.
    """

    takes: ClassVar[type | None] = ImageGeometry
    summary_types: ClassVar[Mapping[str, Statistic]] = {
        **dict.fromkeys(("count", "bytes", "size_mismatch"), Sum()),
        "max_id": Max(),
        "pixels": Counts(),
    }

    type: Literal["mask"] = "mask"
    background: int = Field(default=0, ge=0, le=65535, strict=True)

    @model_validator(mode="after")
    def _check_background(self) -> Self:
        most = np.iinfo(self.dtype).max
        if self.background > most:
            raise SettingError("background", f"got {self.background}, expected at most {most}")
        return self

    def read_named(self, value: Any, read: Callable[[str], bytes]) -> Any:
        """See ``Feature.read_named``."""
        return read(value) if isinstance(value, str) and value else value

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """The ids; see ``OwnedFeature.encode``.

        Raises:
            Reject: ``missing_value``, ``wrong_type``, ``annotation_size``, ``id_out_of_range``, or what is
                wrong with the file.
        """
        if value is None or value == "":
            raise Reject(
                "encode", "missing_value", "got an empty cell, expected the path of a mask"
            )
        if not isinstance(value, bytes):
            message = f"got {shorten(value)}, expected the path of a PNG file or its bytes"
            raise Reject("encode", "wrong_type", message)
        ids = read_ids(value)
        space = AnnotationSpace.find(owner, (ids.shape[1], ids.shape[0]))
        placed = place_mask(ids, space, self.background)
        stored = self._store(placed)
        summary: dict[str, Any] = {
            "count": 1,
            "bytes": len(stored) if isinstance(stored, bytes) else stored.nbytes,
            "size_mismatch": int(space.is_scaled),
            "max_id": int(placed.max(initial=0)),
        }
        # Of many ids, which are numbers of objects, nobody asks how large each is.
        if self.dtype == "uint8":
            counts = np.bincount(placed.ravel().astype(np.int64))
            summary["pixels"] = {str(n): int(counts[n]) for n in np.flatnonzero(counts)}
        return Encoded({name: stored}, summary)

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """``pixels``: by id, in the order of the ids; and masks of another size than their image, if any."""
        said = {key: summary[key] for key in summary if key != "size_mismatch" or summary[key]}
        if "pixels" in said:
            said["pixels"] = dict(sorted(said["pixels"].items(), key=lambda item: int(item[0])))
        return said

    def decode_source(self, name: str) -> DecodeSource:
        """Ids ``[batch, height, width]``, ragged where images differ in size."""
        return self._source_of_map(name)

    def decode_value(self, name: str, values: Mapping[str, Any]) -> NDArray[Any]:
        """Ids ``[height, width]``."""
        return self._decode(values[name])

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """A PNG file, or ids."""
        return {name: self._spec_of_map()}

    @property
    def decoded(self) -> ValueSpec:
        """Ids."""
        return self._map


class Masks(_Masks):
    """``type: masks``: the mask of each object, moved with the image; ``of`` its boxes.

    A cell is a dict, ``{"masks": […], "normalized": false, "size": [640, 480]}``, or a plain list. A mask is
    ``{"polygons": [[x, y, x, y, …], …]}``, drawn as COCO's own tools do; COCO's run lengths, ``{"counts": …,
    "size": [height, width]}``, as numbers or text; ``{"path": "a.png", "id": 3}``, what has this id in a PNG
    file (see ``type: mask``; without ``id``, whatever is not 0); or null, for an object without a mask. A
    pixel of the record is an object's where the nearest one of the source is.

    Attributes:
        layout: ``list`` is a mask for each object, of zeros and ones; ``ids`` is one map with the number of
            the object that each pixel is of, from 1 in the order of the boxes, and 0 for none. Where objects
            overlap, the smaller one is seen.
    """

    takes: ClassVar[type | None] = Kept
    summary_types: ClassVar[Mapping[str, Statistic]] = dict.fromkeys(
        ("count", "bytes", "without_mask", "empty", "size_mismatch"), Sum()
    )

    type: Literal["masks"] = "masks"
    layout: Literal["list", "ids"] = "list"

    @model_validator(mode="after")
    def _check_layout(self) -> Self:
        if self.layout == "list" and self.encoding == "raw":
            raise SettingError("encoding", "got 'raw' with layout: list, expected 'png'")
        if self.layout == "list" and self.dtype != "uint8":
            raise SettingError("dtype", f"got {self.dtype!r} with layout: list, expected 'uint8'")
        return self

    def read_named(self, value: Any, read: Callable[[str], bytes]) -> Any:
        """See ``Feature.read_named``; of several masks in one file, each has it."""
        try:
            cell = parse_annotations(value, "masks")
        except Reject:  # which encoding says
            return value
        items = [
            {**item, "data": read(item["path"])}
            if isinstance(item, Mapping) and isinstance(item.get("path"), str)
            else item
            for item in cell.items
        ]
        return AnnotationCell(items, cell.format, cell.normalized, cell.size)

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """The masks of the objects that are kept; see ``OwnedFeature.encode``.

        Raises:
            Reject: ``missing_value``, ``bad_annotation``, ``misaligned``, ``bad_mask``, ``bad_polygon``,
                ``annotation_size``, ``id_out_of_range``, or what is wrong with a file.
        """
        kept: Kept = owner
        cell = value if isinstance(value, AnnotationCell) else parse_annotations(value, "masks")
        reader = MaskReader(kept.geometry, cell)
        masks = [reader.read(item) for item in kept.choose(cell.items, "masks")]
        counts = [int(mask.sum()) for mask in masks]
        stored: bytes | list[bytes] | NDArray[Any]
        if self.layout == "list":
            stored = [_to_png(mask) for mask in masks]
            size = sum(map(len, stored))
        else:
            width, height = kept.geometry.record_size
            ids = np.zeros((height, width), np.int64)
            for index in sorted(range(len(masks)), key=lambda i: (-counts[i], i)):
                ids[masks[index] != 0] = index + 1
            stored = one = self._store(ids)
            size = len(one) if isinstance(one, bytes) else one.nbytes
        summary = {
            "count": len(masks),
            "bytes": size,
            "without_mask": reader.missing,
            "empty": sum(not count for count in counts),
            "size_mismatch": int(reader.is_scaled),
        }
        return Encoded({name: stored}, summary)

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """How many masks there are, and what else there was to count, where it was."""
        return {k: summary[k] for k in summary if k in ("count", "bytes") or summary[k]}

    def decode_source(self, name: str) -> DecodeSource:
        """Zeros and ones ``[batch, (objects), height, width]``, or ids ``[batch, height, width]``."""
        if self.layout == "ids":
            return self._source_of_map(name)
        column = f"features[{literal(name)}]"
        # The splits of lists are of 32 bits, as parsing gives them.
        call = f"_decode_masks({column}.values, {literal(self._shape)}, tf.uint8, tf.int32)"
        functions = {"_decode_masks": _DECODE_MASKS}
        return DecodeSource(f"{column}.with_values({call})", functions)

    def decode_value(self, name: str, values: Mapping[str, Any]) -> NDArray[Any]:
        """Zeros and ones ``[objects, height, width]``, or ids ``[height, width]``."""
        if self.layout == "ids":
            return self._decode(values[name])
        masks = [self._decode(data) for data in values[name]]
        height, width = self._shape
        return np.stack(masks) if masks else np.zeros((0, height or 0, width or 0), np.uint8)

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """A list of PNG files, or one map."""
        if self.layout == "ids":
            return {name: self._spec_of_map()}
        return {name: ValueSpec("bytes", (None,), ("object",), encoding="png")}

    @property
    def decoded(self) -> ValueSpec:
        """Zeros and ones for each object, or ids."""
        if self.layout == "ids":
            return self._map
        return ValueSpec("uint8", (None, *self._shape), ("object", "height", "width"))


def _to_png(ids: Any) -> bytes:
    buffer = io.BytesIO()
    # Ids lie in patches: as run lengths they are smaller than what deflate looks for, and take half of its time.
    PIL.Image.fromarray(ids).save(buffer, "PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def _from_png(data: bytes) -> NDArray[Any]:
    with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if image.mode not in ("L", "I;16"):
            raise ValueError(f"got the mode {image.mode}, expected grey")
        return np.asarray(image)
