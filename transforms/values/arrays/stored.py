"""An array in a file, of which one step is read at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....schemas.errors import Reject

__all__ = ["ARRAY_ERRORS", "MAX_VALUE_BYTES", "StoredArray", "plain_value"]

ARRAY_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError, EOFError)
"""What h5py and NumPy raise on damaged files; ``MemoryError`` is the machine's fault."""

MAX_VALUE_BYTES = 1 << 30
"""A value that is larger is rejected before it fills the memory."""

_WHOLE_BYTES = 256 << 20  # of steps that are read at once
_BLOCK_BYTES = 4 << 20
_BLOCK_STEPS = 64
_BLOCK_STRINGS = 16  # whose sizes are not known beforehand


@dataclass(slots=True)
class StoredArray:
    """An array, or the part of it that a reference names.

    Attributes:
        written: the reference, for messages.
        data: what NumPy's indexing works on: a dataset of h5py's or an array.
        axes: the axes of ``data`` that are left, the one that steps lie along first.
        fixed: the index along each of the others.
        rows: the positions along the first axis that are meant; ``None`` for all.
        transposed: whether what is read is to be transposed, as MATLAB's arrays are.
        columns: whether steps lie along the second axis of what is read: then it comes first.
        of_images: whether rows are images; then zeros at the end of a fixed-length string belong to the
            file that it holds, while they end a text.
        owner: keeps the file open as long as this array is used.
    """

    written: str
    data: Any
    axes: tuple[int, ...]
    fixed: dict[int, int] = field(default_factory=dict)
    rows: Sequence[int] | None = None
    transposed: bool = False
    columns: bool = False
    of_images: bool = False
    owner: Any = None
    _block: range = field(default=range(0), init=False)
    _values: Any = field(default=None, init=False)

    def __len__(self) -> int:
        """The number of steps.

        Raises:
            Reject: ``wrong_shape``: it is a single value.
        """
        if not self.axes:
            raise self._reject("wrong_shape", f"{self.written}: got one value, expected steps")
        return len(self._rows())

    def describe(self, step: int) -> str:
        """How a step is called in messages."""
        return f"{self.written}[{step}]"

    def read(self, *, several: bool = False, advice: str = "") -> Any:
        """The whole: an array, or a Python value where it is a single one.

        Args:
            several: whether several rows that share a key are taken, as a list of arrays.
            advice: what to do where they are not.

        Raises:
            Reject: stage ``load``: ``ambiguous_key``, ``array_too_large`` or ``corrupt_file``.
        """
        if self.rows is None:
            return self._read({}, [self.data.shape[axis] for axis in self.axes])
        if isinstance(self.rows, range):
            span = slice(self.rows.start, self.rows.stop)
            sizes = [len(self.rows), *(self.data.shape[axis] for axis in self.axes[1:])]
            return self._read({self.axes[0]: span}, sizes)
        if len(self.rows) == 1:
            return self[0]
        if not several:
            what = "columns" if self.columns else "rows"
            message = f"{self.written}: got {len(self.rows)} {what} with this key, expected one"
            message += f"; {advice}" if advice else ""
            raise self._reject("ambiguous_key", message)
        self._check_bytes([len(self.rows), *(self.data.shape[axis] for axis in self.axes[1:])])
        return [np.asarray(self[step]) for step in range(len(self.rows))]

    def __getitem__(self, step: int) -> Any:
        """One step.

        Raises:
            Reject: as ``read``.
        """
        rows = self._rows()
        if not isinstance(rows, range) or self.axes[0] != 0 or self.fixed:
            return self._read_row(rows[step])
        if rows[step] not in self._block and not self._read_block(rows[step], rows.stop):
            return self._read_row(rows[step])
        return self._plain(self._values[rows[step] - self._block.start])

    def read_steps(self, steps: Sequence[int]) -> NDArray[Any] | None:
        """Several steps at once, without dimensions of one; see ``StepSource.read_steps``."""
        rows = self._rows()
        wanted: Sequence[int] = [rows[step] for step in steps]
        if isinstance(rows, range) and isinstance(steps, range):
            wanted = rows[steps.start : steps.stop : steps.step]
        low, high = min(wanted), max(wanted) + 1
        span = slice(low, high, wanted.step if isinstance(wanted, range) else 1)
        count = len(range(low, high, span.step))
        size = self._bytes([count, *(self.data.shape[axis] for axis in self.axes[1:])])
        if self.data.dtype.kind not in "biuf" or size > _WHOLE_BYTES or count > 4 * len(wanted):
            return None
        index = {**self.fixed, self.axes[0]: span}
        whole = tuple(index.get(axis, slice(None)) for axis in range(len(self.data.shape)))
        try:
            read = np.asarray(self.data[whole])
        except ARRAY_ERRORS:  # reading step by step will tell which, and what is wrong with it
            return None
        read = self._turn(read)
        if not isinstance(wanted, range):
            read = read[np.array(wanted) - low]
        return read.reshape(len(read), *(size for size in read.shape[1:] if size != 1))

    def _rows(self) -> Sequence[int]:
        return range(self.data.shape[self.axes[0]]) if self.rows is None else self.rows

    def _read_row(self, row: int) -> Any:
        return self._read({self.axes[0]: row}, [self.data.shape[axis] for axis in self.axes[1:]])

    def _read_block(self, row: int, stop: int) -> bool:
        """Reads some rows at once, as a chunk of the file holds them; not where any is damaged."""
        row_bytes = self._bytes([self.data.shape[axis] for axis in self.axes[1:]])
        most = _BLOCK_STRINGS if self.data.dtype.hasobject else _BLOCK_STEPS
        block = range(row, min(stop, row + max(1, min(most, _BLOCK_BYTES // max(row_bytes, 1)))))
        if len(block) == 1:
            return False
        try:
            self._values = self.data[block.start : block.stop]
        except ARRAY_ERRORS:  # reading row by row will tell which, and what is wrong with it
            return False
        self._block = block
        return True

    def _read(self, where: dict[int, Any], sizes: list[int]) -> Any:
        self._check_bytes(sizes)
        index = {**self.fixed, **where}
        whole = tuple(index.get(axis, slice(None)) for axis in range(len(self.data.shape)))
        try:
            return self._plain(self.data[whole])
        except ARRAY_ERRORS as error:
            message = f"{self.written} cannot be read: {_first_line(error)}"
            raise self._reject("corrupt_file", message) from error

    def _check_bytes(self, sizes: list[int]) -> None:
        size = self._bytes(sizes)
        if size > MAX_VALUE_BYTES:
            message = f"{self.written}: got {size} bytes, expected at most {MAX_VALUE_BYTES}"
            raise self._reject("array_too_large", message)

    def _bytes(self, sizes: list[int]) -> int:
        return int(math.prod(sizes) * self.data.dtype.itemsize)

    def _turn(self, value: NDArray[Any]) -> NDArray[Any]:
        value = value.T if self.transposed else value
        several = value.ndim == len(self.axes)  # otherwise it is one step
        return np.moveaxis(value, 1, 0) if self.columns and several else value

    def _plain(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = self._turn(value)
        plain = plain_value(value)
        if self.of_images and isinstance(plain, bytes) and self.data.dtype.kind == "S":
            return plain.ljust(self.data.dtype.itemsize, b"\0")  # which NumPy has cut off
        return plain

    def _reject(self, reason: str, message: str) -> Reject:
        return Reject("load", reason, message, path=self.written)


def plain_value(value: Any) -> Any:
    """What was read as features take it: an array, or a Python value where it is a single one."""
    if isinstance(value, np.ndarray) and value.ndim:
        return np.asarray(value)  # no memory map, which would keep its file open
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, np.void):
        return value.tobytes()
    return value.item() if isinstance(value, np.generic) else value


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
