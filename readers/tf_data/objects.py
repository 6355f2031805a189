"""Lists of objects in TensorFlow: padded to one length, and put together as Keras has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ...schemas import Schema
from ..objects import fill_value, keras_groups, mask_name, object_lists
from ..options import ReadOptions

__all__ = ["ObjectLists"]


class ObjectLists:
    """What ``max_boxes``, ``mask`` and ``keras_boxes`` ask for.

    Args:
        schema: what is read.
        targets: those of its features that are targets.
        options: what is asked for.

    Attributes:
        targets: the same when it is done: masks go with their boxes, and where lists are put together, the
            dicts take their place.

    Raises:
        ValueError: it cannot be done with the features that there are.
    """

    def __init__(self, schema: Schema, targets: Sequence[str], options: ReadOptions) -> None:
        self._lists = object_lists(schema)
        self._count = options.max_boxes
        self._fills = {name: fill_value(schema.features[name]) for name in self._lists}
        self._mask = options.mask and self._count is not None
        self._check(schema, options)
        masks = {boxes: mask_name(boxes) for boxes in self._lists.values()} if self._mask else {}
        self.targets = [t for name in targets for t in (name, masks.get(name)) if t is not None]
        self._groups = []
        if options.keras_boxes:
            self._groups = keras_groups(schema, targets, mask=self._mask)
        for group in self._groups:
            inside = [name for name in self.targets if name in group.keys]
            # In the place of the first; the dict may have the name of the boxes.
            named = {name: name for name in self.targets} | dict.fromkeys(inside[1:])
            named |= dict.fromkeys(inside[:1], group.name)
            self.targets = [name for name in named.values() if name is not None]

    def arrange(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """A batch, or one element, with its lists as they are asked for."""
        arranged = dict(features)
        if self._count is not None:
            for name, boxes in self._lists.items():
                arranged[name] = _pad(features[name], self._count, self._fills[name])
                if self._mask and mask_name(boxes) not in arranged:
                    arranged[mask_name(boxes)] = _real(features[name], self._count)
        for group in self._groups:
            arranged[group.name] = {key: arranged.pop(name) for name, key in group.keys.items()}
        return arranged

    def _check(self, schema: Schema, options: ReadOptions) -> None:
        asked = [
            n for n in ("max_boxes", "keras_boxes") if getattr(options, n) not in (None, False)
        ]
        steps = [name for name in self._lists if name in schema.steps]
        if asked and steps:
            raise ValueError(
                f"{asked[0]}: got it for {steps[0]!r}, which has objects for each step of a clip"
            )


def _pad(value: Any, count: int, fill: Any) -> Any:
    """``[batch, (objects), …]`` or ``[objects, …]`` with so many objects."""
    filled = tf.constant(fill, value.dtype)
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor(filled, shape=[None, count, *value.shape[2:]])
    cut = value[:count]
    item = tf.shape(cut)[1:]
    missing = tf.fill(tf.concat([[count - tf.shape(cut)[0]], item], 0), filled)
    return tf.ensure_shape(tf.concat([cut, missing], 0), [count, *value.shape[1:]])


def _real(value: Any, count: int) -> Any:
    """Which of so many objects there are: bool ``[batch, count]`` or ``[count]``."""
    lengths = value.row_lengths() if isinstance(value, tf.RaggedTensor) else tf.shape(value)[0]
    return tf.sequence_mask(tf.minimum(lengths, count), count)
