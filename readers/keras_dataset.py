"""``HDF5Dataset``: HDF5 files, also those of others, for Keras's ``fit``."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from ..schemas import Schema
from .draws import check_draw, check_drawn, draw_arrays
from .elements import (
    Conversion,
    arrange,
    check_applicable,
    check_scaling,
    convert_array,
    plan_conversions,
)
from .hdf5.files import FilePath
from .hdf5.windows import WindowedTable
from .published import read_moments
from .random_access.hdf5_records import HDF5Records
from .selection import check_seed, choose_features, choose_rows, warn_of_text

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
            ``input`` or a ``target``. By default what the schema says, but of the inputs no text and bytes,
            which make ``fit`` fail, where there are other inputs; a warning then says which were left
            out. Files of others have to be told.
        batch_size: records a batch.
        shuffle: ``True`` draws a new order of all records each epoch; where chunks hold several records, in
            windows: chunks in random order, as many as fit 256 MiB, and of all records in them a random
            order. So each chunk is read once an epoch, and up to two windows are kept in memory. A number is
            the most records that such a window has. ``"all"`` draws from all records whatever that takes;
            ``"batch"`` puts records that lie together in a batch, and draws the order of the batches;
            ``False`` keeps the stored order.
        seed: makes the orders the same in each run.
        rows: the records to take, in this order: a slice, numbers (negative ones count from the end; one
            that is there twice is read twice), or a boolean for each record. Records of several files are
            numbered one file after the other.
        scaling: as in ``load``: ``[0,1]`` or ``standardize`` gives images as float32. In files of others,
            images are the inputs of type uint8 or uint16 whose rows have two or three axes, and only
            ``[0,1]`` is known.
        one_hot: as in ``load``: class labels as float32 [num_classes]; not in files of others.
        channels_first: as in ``load``: [channels, height, width] instead of [height, width, channels].
        drop_remainder: leaves out the last batch where it is smaller.
        draw: as in ``load``: so many items at random of features whose shape begins with null, which are
            otherwise left to ``load``; not in files of others.
        fewer: as in ``load``: what becomes of records that have fewer.
        transform: called with each batch's inputs (or inputs and targets), returns what takes their place;
            for augmentation in the workers, after ``scaling`` and the others.
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
        rows: slice | Sequence[int] | Sequence[bool] | NDArray[Any] | None = None,
        batch_size: int = 32,
        shuffle: bool | int | Literal["all", "batch"] = False,
        seed: int | None = None,
        drop_remainder: bool = False,
        draw: Mapping[str, int] | None = None,
        fewer: str | None = None,
        scaling: str | None = None,
        one_hot: bool = False,
        channels_first: bool = False,
        transform: Callable[..., Any] | None = None,
        **workers: Any,
    ) -> None:
        super().__init__(**workers)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size: got {batch_size!r}, expected an integer of at least 1")
        whole_number = isinstance(shuffle, int) and (isinstance(shuffle, bool) or shuffle > 0)
        if not whole_number and shuffle not in ("all", "batch"):
            raise ValueError(
                f"shuffle: got {shuffle!r}, expected True, False, 'all', 'batch' or a number of records"
            )
        check_seed(seed)
        if seed is not None and seed < 0:
            raise ValueError(f"seed: got {seed!r}, expected an integer of at least 0")
        check_scaling(scaling)
        check_draw(draw, fewer)
        self._records = HDF5Records(path, split, features=_names(features))
        schema = self._records.schema if features is None else None
        if schema is not None:
            chosen = choose_features(schema, None, None)
            if chosen is not schema:
                self._records = self._records.select(chosen)
        self._targets = _find_targets(self._records, features)
        if self._records.schema is not None:
            check_drawn(self._records.schema, draw, of_steps=False)
        elif draw is not None:
            raise ValueError(
                f"draw: got {draw!r} for files of others, which have no lists of items; expected a dataset "
                "that pixelbeam built"
            )
        self._draw, self._fewer = dict(draw or {}), fewer
        _check_shapes(self._records, self._draw)
        options = {"scaling": scaling, "one_hot": one_hot, "channels_first": channels_first}
        if self._records.schema is not None:
            self._conversions = _plan(self._records, self._records.schema, options)
        else:
            self._conversions = _plan_for_others(self._records, self._targets, options)
        self._chosen = choose_rows(rows, len(self._records))
        self._count = len(self._records) if self._chosen is None else len(self._chosen)
        self._batch_size, self._shuffle, self._transform = batch_size, shuffle, transform
        whole, rest = divmod(self._count, batch_size)
        self._batches = whole if drop_remainder or not rest else whole + 1
        # Drawn here, so that copies in other processes agree on the order.
        self._entropy = np.random.SeedSequence(seed).generate_state(4).tolist()
        self._epoch = 0
        self._windows: WindowedTable | None = None
        if self._shuffle not in (False, "all", "batch"):
            most = None if self._shuffle is True else int(self._shuffle)
            if windowed := self._records.windowed(most):
                self._records, self._windows = windowed
        self._order = self._draw_order()
        if schema is not None:
            warn_of_text(schema, chosen, None)

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, index: int) -> Any:
        """Batch ``index`` of this epoch."""
        if not 0 <= index < self._batches:
            raise IndexError(f"got batch {index} of {self._batches}")
        rows = self._rows(index)
        numbers = rows if self._chosen is None else self._chosen[rows]
        batch = self._records.read(numbers)
        converted = {
            name: convert_array(
                self._conversions[name], self._to_array(name, values, index, numbers)
            )
            for name, values in batch.items()
        }
        elements = arrange(converted, self._targets)
        if self._transform is None:
            return elements
        return (
            self._transform(*elements) if isinstance(elements, tuple) else self._transform(elements)
        )

    def _to_array(self, name: str, values: Any, index: int, numbers: NDArray[np.int64]) -> Any:
        if name not in self._draw:
            return np.array(values, object) if isinstance(values, list) else values
        # The same for all features, so that those with equally many items are drawn alike.
        generator = np.random.default_rng((*self._entropy, self._epoch, index))
        return draw_arrays(name, values, self._draw[name], self._fewer, generator, numbers)

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self._epoch += 1
        self._order = self._draw_order()

    def _draw_order(self) -> NDArray[np.int64] | None:
        """The order of the records, or of the batches; ``None`` for the stored one."""
        if self._shuffle is False:
            return None
        generator = np.random.default_rng((*self._entropy, self._epoch))
        if self._windows is not None:
            rows = np.arange(self._count) if self._chosen is None else self._chosen
            return self._windows.draw(generator, self._epoch, rows)
        if self._shuffle != "batch":
            return generator.permutation(self._count)
        # A last batch that is smaller stays the last, so that all have their sizes.
        return generator.permutation(self._count // self._batch_size)

    def _rows(self, index: int) -> NDArray[np.int64]:
        """The numbers of a batch's records, among those that are taken."""
        if self._shuffle == "batch" and self._order is not None and index < len(self._order):
            index = int(self._order[index])
        start, stop = index * self._batch_size, (index + 1) * self._batch_size
        if self._shuffle != "batch" and self._order is not None:
            return self._order[start:stop]
        return np.arange(start, min(stop, self._count))


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


def _check_shapes(records: HDF5Records, drawn: Container[str]) -> None:
    """Keras takes rectangular batches only."""
    if not len(records):
        return
    for name, values in records.read([0]).items():
        if name in drawn:
            continue
        if isinstance(values, list) and not isinstance(values[0], str | bytes):
            raise ValueError(
                f"features: {name!r} has another shape in each record, which a batch for Keras cannot "
                "hold; leave it out with features=, or use load or HDF5Records, or draw= for items of a list"
            )


def _plan(
    records: HDF5Records, schema: Schema, options: Mapping[str, Any]
) -> dict[str, Conversion]:
    check_applicable(schema, options)

    def moments(name: str) -> tuple[Any, Any]:
        if records.info is None or records.split is None:
            raise ValueError(
                "scaling: got 'standardize' for files without a dataset.json, which has mean and std; "
                "expected '[0,1]', or transform="
            )
        return read_moments(records.info, records.split, name, records.folder)

    return plan_conversions(schema, moments=moments, **options)


def _plan_for_others(
    records: HDF5Records, targets: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Conversion]:
    """What is done to the datasets of files of others, of which only types and shapes are known."""
    arrays = records.arrays()
    ranks = {
        name: len(array.row_shape or ())
        for name, array in arrays.items()
        if name not in targets and array.dtype in (np.uint8, np.uint16)
    }
    images = [name for name, rank in ranks.items() if rank in (2, 3)]
    if options["one_hot"]:
        raise ValueError(
            "one_hot: got True for files that do not say how many classes there are, expected those of "
            "a dataset that pixelbeam built; transform= can do it for others"
        )
    scaling = options["scaling"]
    if scaling is not None and not images:
        raise ValueError(
            f"scaling: got {scaling!r}, but no input is an image, expected one of type uint8 "
            "or uint16 with [height, width] or [height, width, channels]"
        )
    if scaling == "standardize":
        raise ValueError(
            "scaling: got 'standardize' for files without a dataset.json, which has mean and std; "
            "expected '[0,1]', or transform="
        )
    plan = dict.fromkeys(arrays, Conversion())
    for name in images:
        white = int(np.iinfo(arrays[name].dtype).max) if scaling is not None else None
        plan[name] = Conversion(
            white=white, channels_first=options["channels_first"] and ranks[name] == 3
        )
    return plan
