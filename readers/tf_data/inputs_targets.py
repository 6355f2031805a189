"""From decoded features to what a model takes: inputs and targets, scaled and laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from ...schemas import Schema
from ...schemas.features.base import Feature
from ..draws import check_drawn
from ..elements import Conversion, arrange, check_applicable, plan_conversions
from ..options import ReadOptions
from ..published import Published, read_moments
from .keys import KEY
from .objects import ObjectLists

__all__ = ["Elements"]


class Elements:
    """Turns batches of decoded features into ``(inputs, targets)``.

    Raises:
        ValueError: the options do not fit the features.
        DatasetError: the dataset lacks the statistics that it is to be scaled with.
    """

    def __init__(self, dataset: Published, split: str, options: ReadOptions) -> None:
        schema = dataset.schema
        options.check_clips(schema)
        check_applicable(schema, vars(options))
        check_drawn(schema, options.draw)
        self._options = options
        targets = _choose_targets(schema, options.targets)
        self._objects = ObjectLists(schema, targets, options)
        self._targets = self._objects.targets
        images = {name: f for name, f in schema.features.items() if f.is_image}
        for name, image in images.items():
            _check_image(name, image, options)
            _check_frames(name, schema, options)
        self._conversions = plan_conversions(
            schema,
            scaling=options.scaling,
            one_hot=options.one_hot,
            channels_first=options.channels_first,
            moments=lambda name: read_moments(dataset.info, split, name, dataset.directory),
        )
        # Without a scaling too, images are of the type that is asked for.
        self._dtypes = dict.fromkeys(images, options.dtype)

    @property
    def only_copies(self) -> bool:
        """Whether values are given as they were decoded, so that there is nothing to compute."""
        return self._options.dtype is None

    def convert(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Scales images and one-hot encodes classes of a batch; nothing moves."""
        return {
            name: value if name == KEY else self._convert(name, value)
            for name, value in features.items()
        }

    def arrange(self, features: Mapping[str, Any]) -> Any:
        """Lays out a batch, or one element, and splits it into inputs and targets; keys stand beside them."""
        size = self._options.batch_size
        if self._options.drop_remainder and size is not None:
            features = {name: _fix_size(value, size) for name, value in features.items()}
        features = {
            name: _move_channels(value) if self._moves_channels(name) else value
            for name, value in features.items()
        }
        key = features.pop(KEY, None)
        features = self._objects.arrange(features)
        one_dict = self._options.targets is not None and not self._targets
        arranged = features if one_dict else arrange(features, self._targets)
        return arranged if key is None else (arranged, key)

    def _moves_channels(self, name: str) -> bool:
        return name in self._conversions and self._conversions[name].channels_first

    def _convert(self, name: str, value: Any) -> Any:
        conversion = self._conversions[name]
        if conversion.classes is not None:
            return tf.one_hot(value, conversion.classes)
        dtype = self._dtypes.get(name)
        if dtype is None:
            return value
        # Images of different sizes are ragged; their pixels are a flat list [pixels, channels].
        return tf.ragged.map_flat_values(partial(_scale, conversion, dtype), value)


def _scale(conversion: Conversion, dtype: Any, pixels: Any) -> Any:
    if conversion.white is None:
        return tf.cast(pixels, dtype)
    scaled = tf.cast(pixels, tf.float32) / conversion.white
    if conversion.moments is not None:
        scale, offset = conversion.moments
        scaled = scaled * scale + offset
    return tf.cast(scaled, dtype)


def _choose_targets(schema: Schema, chosen: Sequence[str] | None) -> list[str]:
    names = list(schema.features)
    if chosen is None:
        targets = [name for name in names if schema.features[name].is_target]
    else:
        targets = list(dict.fromkeys(chosen))
    for name in targets:
        if name not in names:
            raise ValueError(f"targets: got {name!r}, expected some of {', '.join(names)}")
    if len(targets) == len(names):
        raise ValueError(
            f"targets: got all features ({', '.join(names)}), which leaves no input; "
            "targets=[] gives one dict of everything"
        )
    return targets


def _check_image(name: str, image: Feature, options: ReadOptions) -> None:
    dtype, stored = options.dtype, image.decoded.dtype
    if dtype is not None and not dtype.is_floating and dtype.name != stored:
        raise ValueError(
            f"image_dtype: got {dtype.name!r}, but feature {name!r} is stored as {stored}; "
            "expected that or a floating-point type"
        )
    if dtype == tf.float16 and stored == "uint16" and options.scaling is None:
        raise ValueError(
            f"image_dtype: got 'float16' without a scaling, but feature {name!r} has levels up to 65535, "
            "which float16 does not reach (65504, then infinity); expected scaling='[0,1]' or "
            "'standardize' beside it, or float32"
        )
    if options.channels_first and options.batch_size is not None and image.decoded.is_ragged:
        raise ValueError(
            f"channels_first: feature {name!r} has images of different sizes, which a batch cannot "
            "hold channels first; read them with batch_size=None"
        )


def _check_frames(name: str, schema: Schema, options: ReadOptions) -> None:
    ragged = name in schema.steps and options.batch_size is not None and not options.is_dense
    if options.channels_first and ragged:
        raise ValueError(
            f"channels_first: feature {name!r} has clips of different lengths, which a batch cannot hold "
            "channels first; give frames or pad_to, or read them with batch_size=None"
        )


def _fix_size(value: Any, size: int) -> Any:
    """A batch that is known to be full, with its size in its static shape."""
    if not isinstance(value, tf.RaggedTensor):
        return tf.ensure_shape(value, [size, *value.shape[1:]])
    if value.uniform_row_length is not None:
        return value
    splits = tf.ensure_shape(value.row_splits, [size + 1])
    return tf.RaggedTensor.from_row_splits(value.values, splits, validate=False)


def _move_channels(image: Any) -> Any:
    """[…, height, width, channels] to […, channels, height, width]."""
    first = image.shape.rank - 3
    return tf.transpose(image, [*range(first), first + 2, first, first + 1])
