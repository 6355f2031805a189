"""``image_fact``: what is known of an image in a record, such as its height, as a value of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import Self

from ..images.geometry import ImageGeometry
from .base import Encoded, Feature, FeatureValue, OwnedFeature, ValueSpec

__all__ = ["ImageFact"]


class ImageFact(OwnedFeature):
    """``type: image_fact``: the height, width or format of an image, as a value of the record.

    Attributes:
        fact: ``height`` and ``width`` of the image in the record, ``source_height`` and ``source_width`` of
            the file as viewers show it, int64; or ``format``, the text ``jpeg``, ``png``, ``webp`` or ``raw``.
        source: is not asked for: what is known is the image's.
        format: the image's encoding, which fills it in.
    """

    takes: ClassVar[type | None] = ImageGeometry
    describes: ClassVar[bool] = True

    type: Literal["image_fact"] = "image_fact"
    fact: Literal["height", "width", "source_height", "source_width", "format"]
    source: str = Field(default="", max_length=0)
    format: str = ""

    def settle(self, root: Feature) -> Self:
        """See ``Feature.settle``: the image's encoding."""
        encoding = next(iter(root.specs("").values())).encoding
        return self.model_copy(update={"format": encoding if self.fact == "format" else ""})

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """The fact; see ``OwnedFeature.encode``."""
        geometry: ImageGeometry = owner
        if self.fact == "format":
            return Encoded({name: self.format.encode()})
        size = geometry.displayed_size if self.fact.startswith("source_") else geometry.record_size
        number: FeatureValue = np.array(size[self.fact.endswith("height")], np.int64)
        return Encoded({name: number})

    def decode_value(self, name: str, values: Mapping[str, Any]) -> Any:
        """A number, or text."""
        return bytes(values[name]).decode() if self.fact == "format" else values[name]

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """A number, or text."""
        return {name: ValueSpec("text" if self.fact == "format" else "int64")}
