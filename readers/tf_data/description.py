"""The generated module at work: what parses TFRecords, and decodes what any source has parsed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import tensorflow as tf

from ...schemas import Schema, write_description

__all__ = ["describe_single", "make_description"]


def make_description(schema: Schema) -> ModuleType:
    """The ``feature_description`` module of a schema, as this version writes it.

    The file in a dataset is only checked, never run: datasets come from strangers, and reading one must not run
    their code.
    """
    module = ModuleType("feature_description")
    code = write_description(schema)
    exec(compile(code, "feature_description.py", "exec"), vars(module))  # noqa: S102 - just generated
    return module


def describe_single(schema: Schema) -> ModuleType:
    """The same for batches of one example, decoded as fast as by hand: images come dense, ``[1, height, …]``.

    The module's own function goes through ``tf.map_fn`` and, where sizes differ, a ragged tensor, which takes
    longer than to decode an image of usual size.
    """
    module = make_description(schema)
    if "_decode_images" in vars(module):
        vars(module)["_decode_images"] = _decode_one_image
    return module


def _decode_one_image(encoded: Any, decode_one: Any, shape: Any, dtype: Any) -> Any:
    """Takes the place of ``DECODE_IMAGES`` (``schemas/images/tensorflow_source.py``)."""
    pixels = decode_one(tf.squeeze(encoded, 0), shape[-1], dtype)
    return tf.expand_dims(tf.ensure_shape(pixels, shape), 0)
