"""``int64`` and ``float32``: numbers, alone, in a fixed shape, or as many as a row has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_serializer, field_validator, model_validator
from typing_extensions import Self

from ..dataset.moments import float_moments, int_moments, row_blocks
from ..dataset.statistics import Max, Min, Statistic, Sum
from ..errors import Reject
from .base import Domain, Encoded, Feature, FeatureValue, SettingError, ValueSpec, shorten
from .cell_text import is_missing, parse_float, parse_int, split_values
from .limits import check_order, check_range, limits_of, out_of_range
from .python_source import literal

__all__ = ["Float32", "Int64"]

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_FLOAT32_MAX = float(np.finfo(np.float32).max)
# The largest float64 that is rounded to it; "3.4028235e+38", as NumPy prints it, lies between the two.
_ROUNDED_TO_MAX = math.nextafter(2.0**128 - 2.0**103, 0)


class _Numeric(Feature):
    """What both kinds of numbers share.

    Attributes:
        shape: ``[]`` for one number, fixed sizes such as ``[3]`` or ``[2, 2]``, ``[null]`` for a list
            of any length, or ``[null, 4]`` for a list of items of one shape, which a batch holds as a
            ``tf.RaggedTensor``. Flat lists and text fill a shape of several dimensions row by row.
        separator: what stands between numbers in text; commas, semicolons or white space by default.
        default: the number, or nested lists of numbers, of a row whose cell is empty; without it
            the row is rejected.
    """

    kind: ClassVar[str]  # what one value is called in messages
    dtype: ClassVar[type[np.int64] | type[np.float32]]
    reads_arrays: ClassVar[bool] = True
    encodes_steps: ClassVar[bool] = True
    summary_types: ClassVar[Mapping[str, Statistic]] = {
        **dict.fromkeys(("count", "nan", "sum", "sumsq"), Sum()),
        "min": Min(),
        "max": Max(),
    }

    shape: tuple[int | None, ...] = ()
    separator: str | None = Field(default=None, min_length=1)
    default: Any = None

    @field_validator("shape", mode="before")
    @classmethod
    def _check_shape(cls, shape: Any) -> Any:
        sizes = list(shape) if isinstance(shape, list | tuple) else None
        fixed = sizes[1:] if sizes and sizes[0] is None else sizes
        if fixed is None or not all(type(n) is int and n > 0 for n in fixed):
            raise ValueError(
                f"got {shorten(shape)}, expected [] for one number, sizes like [3] or [2, 2], "
                "or a null before them for any number, as in [null] or [null, 4]"
            )
        return sizes

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        if self.default is not None:
            try:
                self._to_array(self.default)
            except Reject as reject:
                raise SettingError("default", reject.message) from None
        return self

    @field_serializer("default")
    def _spell_default(self, default: Any) -> Any:
        return _spell(default)

    @property
    def takes_rows(self) -> bool:
        """A shape that begins with null has a place for any number of rows."""
        return self.shape[:1] == (None,)

    @property
    def rows_advice(self) -> str:
        """The shape that has a place for them."""
        sizes = ", ".join(["null", *map(str, self.shape)])
        return "" if self.takes_rows else f"declare shape: [{sizes}] to take them all"

    @property
    def _item(self) -> tuple[int, ...]:
        """The shape without the null that it may begin with."""
        return tuple(size for size in self.shape if size is not None)

    def encode(self, name: str, value: Any) -> Encoded:
        """An array of the declared shape; see ``Feature.encode``.

        Raises:
            Reject: ``missing_value``, ``not_a_number``, ``nan``, ``out_of_range`` or ``wrong_length``.
        """
        if is_missing(value):
            if self.default is None:
                raise _reject("missing_value", f"got an empty cell, expected {self._expected()}")
            value = self.default
        array = self._to_array(value)
        return Encoded({name: array}, self._summarize(array[np.newaxis]))

    def encode_steps(self, name: str, steps: NDArray[Any]) -> Encoded | None:
        """All steps as one array ``[steps, *shape]``; see ``Feature.encode_steps``."""
        shape = self._shape_of_steps(steps)
        if steps.dtype.kind not in "biuf" or shape is None:
            return None
        array: NDArray[Any] = np.empty((len(steps), *shape), self.dtype)
        start = 0
        for block in row_blocks(steps):
            if self._find_bad(block).any():
                return None
            array[start : start + len(block)] = block.reshape(len(block), *shape)
            start += len(block)
        return Encoded({name: array}, self._summarize(array))

    def _shape_of_steps(self, steps: NDArray[Any]) -> tuple[int, ...] | None:
        """The shape of a step's value; ``None`` where ``encode`` has to say whether it fits.

        Lists and arrays differ in what else they may be, so only shapes that are right for both are taken.
        """
        found, shape = steps.shape[1:], self._item
        count = math.prod(shape)
        if self.takes_rows:
            if found and found[1:] == shape:
                return found
            if count == 1 and len(found) <= 1:
                return (math.prod(found), *shape)
            return (1, *shape) if found == (count,) else None
        flat = (bool(shape) and found == (count,)) or (count == 1 and found == ())
        return shape if flat or found == shape else None

    def check(self, value: FeatureValue) -> None:
        """See ``Feature.check``: every number is one that is taken."""
        try:
            for number in np.asarray(value).tolist():
                self._to_number(number)
        except Reject as reject:
            raise ValueError(reject.message) from None

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """Numbers of the declared shape, or a list of them."""
        dtype: Literal["int64", "float32"] = "int64" if self.dtype is np.int64 else "float32"
        return {name: ValueSpec(dtype, self.shape, domain=self._domain)}

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """``count``, ``nan`` where there are any, and ``min``, ``max``, ``mean``, ``std`` of the rest.

        ``std`` is the population's: the square root of E[x²] - E[x]².
        """
        counts: dict[str, Any] = {k: summary[k] for k in ("count", "nan") if k in summary}
        count = summary.get("count", 0)
        if not count:
            return counts
        total, squares = summary["sum"], summary["sumsq"]
        variance = max(0, count * squares - total * total) / count**2
        moments = {"mean": total / count, "std": math.sqrt(variance)}
        return counts | {"min": summary["min"], "max": summary["max"]} | moments

    def _to_array(self, value: Any) -> NDArray[Any]:
        if isinstance(value, np.ndarray):
            return self._check_array(value, self._shape_of_array(value.shape))
        if not self.shape:
            return np.array(self._to_number(value), self.dtype)
        cells = split_values(value, self.separator)
        if cells and isinstance(cells[0], np.ndarray):
            return self._stack_rows(cells)
        sizes = list(self._item)
        nested = any(isinstance(cell, list | tuple) for cell in cells)
        if not self.takes_rows:
            numbers = self._flatten(cells, sizes if nested else [math.prod(sizes)])
            return np.array(numbers, self.dtype).reshape(sizes)
        count = math.prod(sizes)
        if sizes and not nested and len(cells) % count:
            expected = f"a multiple of {count} values for shape {literal(self.shape)}"
            got = f"got {len(cells)} values: {shorten(cells)}"
            raise _reject("wrong_length", f"{got}, expected {expected}")
        if sizes and nested:
            cells = [number for cell in cells for number in self._flatten(cell, sizes)]
        numbers = [self._to_number(cell) for cell in cells]
        return np.array(numbers, self.dtype).reshape(-1, *sizes)

    def _stack_rows(self, rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Rows of an array that share a key; each is an item of the shape."""
        wanted = _without_ones(self._item)
        for row in rows:
            if _without_ones(row.shape) not in (wanted, _without_ones([math.prod(wanted)])):
                got = f"got {len(rows)} rows, one of shape {list(row.shape)}"
                raise _reject("wrong_length", f"{got}, expected {self._expected()}")
        stacked = np.stack([row.ravel() for row in rows])
        return self._check_array(stacked, (len(rows), *self._item))

    def _shape_of_array(self, found: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape of an array's value, in which dimensions of one don't count: MATLAB has no vectors."""
        sizes, item = _without_ones(found), self._item
        wanted, flat = _without_ones(item), _without_ones([math.prod(item)])
        if not self.takes_rows:
            return item if sizes in (wanted, flat) else None
        if not item:
            return (math.prod(found),) if len(sizes) <= 1 else None
        if (found and found[1:] == item) or sizes == [0]:
            return (found[0] if found[1:] == item else 0, *item)
        if sizes in (wanted, flat):
            return (1, *item)
        return (sizes[0], *item) if sizes[1:] in (wanted, flat) else None

    def _check_array(self, array: NDArray[Any], shape: tuple[int, ...] | None) -> NDArray[Any]:
        """An array from a file, as the shape that its value is to have; ``None`` where it fits none."""
        if array.dtype.kind not in "biuf":
            message = f"got an array of {array.dtype}, expected {self._expected()}"
            raise _reject("not_a_number", message)
        if shape is None:
            message = f"got an array of shape {list(array.shape)}, expected {self._expected()}"
            raise _reject("wrong_length", message)
        bad = self._find_bad(array)
        if bad.any():
            self._to_number(
                array.flat[int(bad.argmax())].item()
            )  # which says what is wrong with it
        return array.astype(self.dtype).reshape(shape)

    @property
    def _domain(self) -> Domain | None:
        """The declared limits."""
        raise NotImplementedError

    def _find_bad(self, array: NDArray[Any]) -> NDArray[np.bool_]:
        """Which elements ``_to_number`` would not take."""
        raise NotImplementedError

    def _flatten(self, cells: Any, sizes: Sequence[int]) -> list[Any]:
        if not sizes:
            return [self._to_number(cells)]
        if not isinstance(cells, list | tuple) or len(cells) != sizes[0]:
            got = f"{len(cells)} values: " if isinstance(cells, list | tuple) else ""
            expected = f"{sizes[0]} values for shape {literal(self.shape)}"
            raise _reject("wrong_length", f"got {got}{shorten(cells)}, expected {expected}")
        return [number for cell in cells for number in self._flatten(cell, sizes[1:])]

    def _expected(self) -> str:
        return self.kind if not self.shape else f"numbers of shape {literal(self.shape)}"

    def _to_number(self, value: Any) -> Any:
        raise NotImplementedError

    def _summarize(self, steps: NDArray[Any]) -> dict[str, Any]:
        raise NotImplementedError


class Int64(_Numeric):
    """``type: int64``: a whole number, or several.

    ``3.0`` is taken as 3, since tables write integers with gaps as floats; booleans as 0 and 1. Text
    is read exactly, ``9007199254740993.0`` too; a float from 2**53 on is a reject, since it may have
    been written as another integer.

    Attributes:
        min: the smallest value taken.
        max: the largest value taken.
    """

    kind = "an integer"
    dtype = np.int64

    type: Literal["int64"] = "int64"
    min: int | None = None
    max: int | None = None

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        check_order(self.min, self.max)
        return self

    @property
    def _domain(self) -> Domain | None:
        return limits_of(self.min, self.max)

    def _to_number(self, value: Any) -> int:
        try:
            number = parse_int(value)
        except (ValueError, OverflowError):
            expected = self.kind
            if isinstance(value, float) and value.is_integer():
                expected += " written without a point: floats from 2**53 on are not exact"
            raise _reject("not_a_number", f"got {shorten(value)}, expected {expected}") from None
        check_range(number, self.min, self.max)
        check_range(number, _INT64_MIN, _INT64_MAX)
        return number

    def _find_bad(self, array: NDArray[Any]) -> NDArray[np.bool_]:
        low = _INT64_MIN if self.min is None else self.min
        high = _INT64_MAX if self.max is None else self.max
        if array.dtype.kind != "f":
            return np.asarray((array < low) | (array > high))
        wide = array.astype(np.float64)
        # A list of integers and floats has become floats, and integers beyond lost their last digits.
        inexact = (wide != np.floor(wide)) | (np.abs(wide) >= 2**53)
        return np.asarray(inexact | (wide < low) | (wide > high))

    def _summarize(self, steps: NDArray[Any]) -> dict[str, Any]:
        return int_moments(steps)


class Float32(_Numeric):
    """``type: float32``: a number, or several; booleans are taken as 0 and 1.

    Attributes:
        min: the smallest value taken.
        max: the largest value taken.
        allow_nan: whether NaN and the infinities are values; otherwise their rows are rejected.
    """

    kind = "a number"
    dtype = np.float32

    type: Literal["float32"] = "float32"
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    allow_nan: bool = False

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        check_order(self.min, self.max)
        return self

    @property
    def _domain(self) -> Domain | None:
        return limits_of(self.min, self.max)

    def _to_number(self, value: Any) -> float:
        try:
            number = parse_float(value)
        except OverflowError:
            raise out_of_range(value, -_FLOAT32_MAX, _FLOAT32_MAX) from None
        except ValueError:
            raise _reject("not_a_number", f"got {shorten(value)}, expected {self.kind}") from None
        if not math.isfinite(number) and not self.allow_nan:
            raise _reject("nan", f"got {shorten(value)}, expected a finite number")
        if not math.isnan(number):
            check_range(number, self.min, self.max)
        if math.isfinite(number) and abs(number) > _ROUNDED_TO_MAX:
            raise out_of_range(number, -_FLOAT32_MAX, _FLOAT32_MAX)
        return number

    def _find_bad(self, array: NDArray[Any]) -> NDArray[np.bool_]:
        low = -math.inf if self.min is None else self.min
        high = math.inf if self.max is None else self.max
        wide = array.astype(np.float64)
        finite = np.isfinite(wide)
        bad = (wide < low) | (wide > high) | (finite & (np.abs(wide) > _ROUNDED_TO_MAX))
        return np.asarray(bad if self.allow_nan else bad | ~finite)

    def _summarize(self, steps: NDArray[Any]) -> dict[str, Any]:
        return float_moments(steps)


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _reject(reason: str, message: str) -> Reject:
    return Reject("encode", reason, message)


def _spell(default: Any) -> Any:
    """Spells NaN and infinities as text, which JSON can hold and ``parse_float`` reads back."""
    if isinstance(default, list | tuple):
        return [_spell(item) for item in default]
    if isinstance(default, float) and not math.isfinite(default):
        return str(default)
    return default
