"""``HDF5Dataset``: HDF5 files, also those of others, for Keras's ``fit``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from .hdf5_records import HDF5Records
from .hdf5_sources import FilePath

__all__ = ["HDF5Dataset"]

_ROLES = ("input", "target")


class HDF5Dataset(keras.utils.PyDataset):
    """The records of HDF5 files in batches ``(inputs, targets)``.

    ::

        train = HDF5Dataset("faces.h5", features={"data": "input", "labels": "target"}, shuffle=True)
        train = HDF5Dataset("OUT", "train", shuffle=True)  # what pixelbeam wrote says what its targets are
        model.fit(train)

    A single input or target is an array, several are a dict by feature name. It may be used by several
    threads (``workers``) or processes (``use_multiprocessing``): each process opens the files for itself.

    Args:
        path: a published dataset's directory, with ``split``; an HDF5 file, also a virtual one like
            ``train.h5``; or several files with the same datasets.
        split: the split, with a directory.
        features: each feature's name, in files of others the path of a dataset, and whether it is an
            ``input`` or a ``target``. By default what the schema says; files of others have to be told.
        batch_size: records a batch.
        shuffle: ``True`` draws a new order of all records each epoch; ``"batch"`` puts records that lie
            together in a batch, and draws the order of the batches, which is faster where chunks hold
            several records; ``False`` keeps the stored order.
        seed: makes the orders the same in each run.
        drop_remainder: leaves out the last batch where it is smaller.
        transform: called with each batch's inputs (or inputs and targets), returns what takes their place;
            for scaling and augmentation in the workers.
        **workers: ``workers``, ``use_multiprocessing`` and ``max_queue_size`` of ``PyDataset``.

    Raises:
        DatasetError: a file is missing or not whole, or has no such dataset.
        ValueError: an argument has a value that it cannot have.
    """

    def __init__(
        self,
        path: FilePath | Sequence[FilePath],
        split: str | None = None,
        *,
        features: Mapping[str, str] | None = None,
        batch_size: int = 32,
        shuffle: bool | Literal["batch"] = False,
        seed: int | None = None,
        drop_remainder: bool = False,
        transform: Callable[..., Any] | None = None,
        **workers: Any,
    ) -> None:
        super().__init__(**workers)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size: got {batch_size!r}, expected an integer of at least 1")
        if shuffle not in (True, False, "batch"):
            raise ValueError(f"shuffle: got {shuffle!r}, expected True, False or 'batch'")
        self._records = HDF5Records(path, split, features=_names(features))
        self._targets = _find_targets(self._records, features)
        _check_shapes(self._records)
        self._batch_size, self._shuffle, self._transform = batch_size, shuffle, transform
        whole, rest = divmod(len(self._records), batch_size)
        self._batches = whole if drop_remainder or not rest else whole + 1
        # Drawn here, so that copies in other processes agree on the order.
        self._entropy = np.random.SeedSequence(seed).generate_state(4).tolist()
        self._epoch = 0
        self._order = self._draw_order()

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, index: int) -> Any:
        """Batch ``index`` of this epoch."""
        if not 0 <= index < self._batches:
            raise IndexError(f"got batch {index} of {self._batches}")
        batch = self._records.read(self._rows(index))
        elements = _arrange({name: _to_array(v) for name, v in batch.items()}, self._targets)
        if self._transform is None:
            return elements
        return (
            self._transform(*elements) if isinstance(elements, tuple) else self._transform(elements)
        )

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self._epoch += 1
        self._order = self._draw_order()

    def _draw_order(self) -> NDArray[np.int64] | None:
        """The order of the records, or of the batches; ``None`` for the stored one."""
        if not self._shuffle:
            return None
        generator = np.random.default_rng((*self._entropy, self._epoch))
        if self._shuffle is True:
            return generator.permutation(len(self._records))
        # A last batch that is smaller stays the last, so that all have their sizes.
        return generator.permutation(len(self._records) // self._batch_size)

    def _rows(self, index: int) -> NDArray[np.int64]:
        if self._shuffle == "batch" and self._order is not None and index < len(self._order):
            index = int(self._order[index])
        start, stop = index * self._batch_size, (index + 1) * self._batch_size
        if self._shuffle is True and self._order is not None:
            return self._order[start:stop]
        return np.arange(start, min(stop, len(self._records)))


def _names(features: Mapping[str, str] | None) -> list[str] | None:
    if features is None:
        return None
    if not isinstance(features, Mapping) or not features:
        raise ValueError(f"features: got {features!r}, expected a dict like {{'data': 'input'}}")
    for name, role in features.items():
        if role not in _ROLES:
            raise ValueError(f"features: got {role!r} for {name!r}, expected 'input' or 'target'")
    return list(features)


def _find_targets(records: HDF5Records, features: Mapping[str, str] | None) -> list[str]:
    if features is not None:
        targets, names = [n for n, role in features.items() if role == "target"], list(features)
    elif records.schema is not None:
        declared = records.schema.features
        targets, names = [n for n, f in declared.items() if f.is_target], list(declared)
    else:
        shown = ", ".join(f"{name!r}: …" for name in records.arrays())
        raise ValueError(f"features: missing, expected {{{shown}}} with 'input' or 'target' each")
    if len(targets) == len(names):
        raise ValueError(f"features: got only targets ({', '.join(names)}), expected an input")
    return targets


def _check_shapes(records: HDF5Records) -> None:
    """Keras takes rectangular batches only."""
    if not len(records):
        return
    for name, values in records.read([0]).items():
        if isinstance(values, list) and not isinstance(values[0], str | bytes):
            raise ValueError(
                f"features: {name!r} has another shape in each record, which a batch for Keras cannot "
                "hold; leave it out with features=, or use load or HDF5Records"
            )


def _to_array(values: Any) -> Any:
    return np.array(values, object) if isinstance(values, list) else values


def _arrange(batch: dict[str, Any], targets: Sequence[str]) -> Any:
    inputs = {name: values for name, values in batch.items() if name not in targets}
    if not targets:
        return _unwrap(inputs)
    return _unwrap(inputs), _unwrap({name: batch[name] for name in targets})


def _unwrap(features: dict[str, Any]) -> Any:
    return next(iter(features.values())) if len(features) == 1 else features
