"""From decoded features to what a model takes: inputs and targets, scaled and laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ...schemas import ClassLabel, Image, Schema
from ..applicable import check_applicable
from ..clip_options import check_examples
from ..dataset_file import read_moments
from ..options import ReadOptions
from ..published import Published

__all__ = ["Elements"]


class Elements:
    """Turns batches of decoded features into ``(inputs, targets)``.

    Raises:
        ValueError: the options do not fit the features.
        DatasetError: the dataset lacks the statistics that it is to be scaled with.
    """

    def __init__(self, dataset: Published, split: str, options: ReadOptions) -> None:
        check_examples(dataset.schema, options)
        options.clips.check(dataset.schema, options.batch_size)
        check_applicable(dataset.schema, vars(options))
        self._schema = dataset.schema
        self._options = options
        self._targets = _choose_targets(dataset.schema, options.targets)
        images = {n: f for n, f in dataset.schema.features.items() if isinstance(f, Image)}
        for name, image in images.items():
            _check_image(name, image, options)
            _check_frames(name, dataset.schema, options)
        self._images = dict.fromkeys(images, (1.0, 0.0))
        if options.scaling == "standardize":
            self._images = {name: _read_scale(dataset, split, name) for name in images}

    @property
    def schema(self) -> Schema:
        """What the dataset's records hold."""
        return self._schema

    def convert(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Scales images and one-hot encodes classes of a batch; nothing moves."""
        return {name: self._convert(name, value) for name, value in features.items()}

    def arrange(self, features: Mapping[str, Any]) -> Any:
        """Lays out a batch, or one element, and splits it into inputs and targets."""
        size = self._options.batch_size
        if self._options.drop_remainder and size is not None:
            features = {name: _fix_size(value, size) for name, value in features.items()}
        if self._options.channels_first:
            moved = {name: _move_channels(features[name]) for name in self._images}
            features = {**features, **moved}
        if self._options.targets is not None and not self._targets:
            return dict(features)
        inputs = {name: value for name, value in features.items() if name not in self._targets}
        if not self._targets:
            return _unwrap(inputs)
        return _unwrap(inputs), _unwrap({name: features[name] for name in self._targets})

    def _convert(self, name: str, value: Any) -> Any:
        feature = self._schema.features[name]
        if isinstance(feature, ClassLabel) and self._options.one_hot:
            return tf.one_hot(value, feature.class_count)
        if name in self._images and self._options.dtype is not None:
            # Images of different sizes are ragged; their pixels are a flat list [pixels, channels].
            return tf.ragged.map_flat_values(lambda pixels: self._scale(name, pixels), value)
        return value

    def _scale(self, name: str, pixels: Any) -> Any:
        if self._options.scaling is None:
            return tf.cast(pixels, self._options.dtype)
        white = pixels.dtype.max
        scaled = tf.cast(pixels, tf.float32) / white
        if self._options.scaling == "standardize":
            scale, offset = self._images[name]
            scaled = scaled * scale + offset
        return tf.cast(scaled, self._options.dtype)


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


def _check_image(name: str, image: Image, options: ReadOptions) -> None:
    dtype = options.dtype
    if dtype is not None and not dtype.is_floating and dtype.name != image.dtype:
        raise ValueError(
            f"image_dtype: got {dtype.name!r}, but feature {name!r} is stored as {image.dtype}; "
            "expected that or a floating-point type"
        )
    if dtype == tf.float16 and image.dtype == "uint16" and options.scaling is None:
        raise ValueError(
            f"image_dtype: got 'float16' without a scaling, but feature {name!r} has levels up to 65535, "
            "which float16 does not reach (65504, then infinity); expected scaling='[0,1]' or "
            "'standardize' beside it, or float32"
        )
    if options.channels_first and options.batch_size is not None and image.fixed_size is None:
        raise ValueError(
            f"channels_first: feature {name!r} has images of different sizes, which a batch cannot "
            "hold channels first; read them with batch_size=None"
        )


def _check_frames(name: str, schema: Schema, options: ReadOptions) -> None:
    ragged = name in schema.steps and options.batch_size is not None and not options.clips.is_dense
    if options.channels_first and ragged:
        raise ValueError(
            f"channels_first: feature {name!r} has clips of different lengths, which a batch cannot hold "
            "channels first; give frames or pad_to, or read them with batch_size=None"
        )


def _read_scale(dataset: Published, split: str, name: str) -> tuple[Any, Any]:
    """Scale and offset [channels] that standardise an image of [0, 1]: (x - mean) / std."""
    mean, std = map(tf.constant, read_moments(dataset.info, split, name, dataset.directory))
    return 1.0 / std, -mean / std


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


def _unwrap(features: dict[str, Any]) -> Any:
    return next(iter(features.values())) if len(features) == 1 else features
