"""The training side: tf.data, Keras, random access.

``load``, ``input_fn`` and ``steps_per_epoch`` need TensorFlow, ``HDF5Dataset`` Keras; ``Records``, ``HDF5Records``
and ``dataset_info`` need neither, and h5py is for HDF5 files alone. So each is imported when it is first touched.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .keras_dataset import HDF5Dataset
    from .loading import input_fn, load, steps_per_epoch
    from .published import dataset_info
    from .random_access.hdf5_records import HDF5Records
    from .random_access.records import Records

__all__ = [
    "HDF5Dataset",
    "HDF5Records",
    "Records",
    "dataset_info",
    "input_fn",
    "load",
    "steps_per_epoch",
]

_MODULES = {
    "HDF5Dataset": ".keras_dataset",
    "HDF5Records": ".random_access.hdf5_records",
    "Records": ".random_access.records",
    "dataset_info": ".published",
    "input_fn": ".loading",
    "load": ".loading",
    "steps_per_epoch": ".loading",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(_MODULES[name], __name__)
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "keras"):
            raise
        raise ModuleNotFoundError(
            "pixelbeam.readers needs TensorFlow: pip install 'pixelbeam[train]'",
            name=error.name,
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
