"""How TensorFlow parses values from records: ``tf.io`` configurations, from nothing but their specs."""

from __future__ import annotations

from ..features.base import ValueSpec
from ..features.python_source import literal

__all__ = ["parsing_config"]


def parsing_config(spec: ValueSpec, *, in_steps: bool = False) -> str:
    """The source of the ``tf.io`` configuration of the values under one key.

    Args:
        spec: what one value is. Pixels are one string in a record, as text and bytes are.
        in_steps: whether records hold one value a step, for ``tf.io.parse_sequence_example``.

    Raises:
        ValueError: sizes differ along another axis than the first, which records do not hold.
    """
    is_number = spec.dtype in ("int64", "float32")
    dtype = f"tf.{spec.dtype}" if is_number else "tf.string"
    # Pixels of any shape are one string; text and bytes are one each, of which there may be a list.
    shape = () if spec.is_numeric and not is_number else spec.shape
    if shape[:1] == (None,):
        inner = ", ".join(f"tf.io.RaggedFeature.UniformRowLength({size})" for size in shape[1:])
        partitions = f", partitions=[{inner}]" if inner else ""
        config = f"tf.io.RaggedFeature({dtype}{partitions})"
    else:
        # Steps of one shape are parsed dense, and padded; how many there are is told beside them.
        kind = "FixedLenSequenceFeature" if in_steps else "FixedLenFeature"
        config = f"tf.io.{kind}({literal(shape)}, {dtype})"
    if None in shape[1:]:
        expected = "expected sizes that differ along the first axis alone"
        raise ValueError(f"got values of shape {literal(shape)}, {expected}")
    return config
