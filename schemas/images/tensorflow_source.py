"""Source of the functions by which the generated module decodes images in TensorFlow.

The generated module repeats them word for word. They work on whole batches, inside of
``Dataset.map`` as well as eagerly, and give the pixels that Pillow decodes from the same bytes.
"""

from __future__ import annotations

__all__ = ["DECODE_IMAGES", "DECODE_ONE", "DECODE_RAW", "DECODE_RAW_RAGGED"]

DECODE_IMAGES = '''\
def _decode_images(encoded, decode_one, shape, dtype):
    """Decodes a batch of images: dense, or ragged where their heights and widths differ."""

    def decode_ragged(one):
        return tf.RaggedTensor.from_tensor(decode_one(one, shape[-1], dtype))

    def decode_fixed(one):
        return tf.ensure_shape(decode_one(one, shape[-1], dtype), shape)

    if None in shape:
        spec = tf.RaggedTensorSpec(shape, dtype, ragged_rank=1)
        return tf.map_fn(decode_ragged, encoded, fn_output_signature=spec)
    return tf.map_fn(decode_fixed, encoded, fn_output_signature=tf.TensorSpec(shape, dtype))
'''
"""``_decode_images(encoded, decode_one, shape, dtype)``; shape is [height, width, channels]."""

DECODE_ONE = {
    "jpeg": """\
def _decode_jpeg(encoded, channels, dtype):
    # The accurate method is what other JPEG libraries use, so pixels are the same everywhere.
    return tf.io.decode_jpeg(encoded, channels=channels, dct_method="INTEGER_ACCURATE")
""",
    "png": """\
def _decode_png(encoded, channels, dtype):
    return tf.io.decode_png(encoded, channels=channels, dtype=dtype)
""",
    "webp": """\
def _decode_webp(encoded, channels, dtype):
    pixels = tf.io.decode_webp(encoded)[0]  # of the frames, the only one
    # WebP leaves out an alpha channel that is opaque everywhere.
    opaque = tf.fill(tf.concat([tf.shape(pixels)[:-1], [1]], 0), tf.constant(255, dtype))
    return tf.concat([pixels, opaque], -1)[..., :channels]
""",
}
"""``_decode_<encoding>(encoded, channels, dtype)`` of one image, by encoding."""

DECODE_RAW = '''\
def _decode_raw(encoded, shape, dtype):
    """Pixels from the bytes of a batch of raw images of one size."""
    return tf.reshape(tf.io.decode_raw(encoded, dtype), [-1, *shape])
'''
"""``_decode_raw(encoded, shape, dtype)``; the bytes are little-endian."""

DECODE_RAW_RAGGED = '''\
def _decode_raw_ragged(encoded, shapes, channels, dtype):
    """Pixels from the bytes of a batch of raw images, each of its own size."""
    values = tf.io.decode_raw(tf.strings.reduce_join(encoded), dtype)
    pixels = tf.reshape(values, [-1, channels])
    heights, widths = shapes[:, 0], shapes[:, 1]
    return tf.RaggedTensor.from_nested_row_lengths(pixels, [heights, tf.repeat(widths, heights)])
'''
"""``_decode_raw_ragged(encoded, shapes, channels, dtype)``; shapes are [batch, 3]."""
