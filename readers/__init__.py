"""The training side: tf.data, Keras, random access."""

try:
    import tensorflow  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "tensorflow":
        raise
    raise ModuleNotFoundError(
        "pixelbeam.readers needs TensorFlow: pip install 'pixelbeam[train]'", name="tensorflow"
    ) from error

from .loading import dataset_info, input_fn, load, steps_per_epoch

__all__ = ["dataset_info", "input_fn", "load", "steps_per_epoch"]
