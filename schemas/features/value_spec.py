"""``ValueSpec``: what one value is. Kinds import it from ``base``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Domain", "ValueSpec"]


@dataclass(frozen=True, slots=True)
class Domain:
    """What numbers may be.

    Attributes:
        min: the smallest; ``None`` without a limit.
        max: the largest; ``None`` without a limit.
        num_classes: how many classes there are, where the numbers are those of classes, from 0.
        class_names: the classes' names in the order of their numbers; ``None`` where they have none.
    """

    min: float | None = None
    max: float | None = None
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None


_DTYPES = ("int64", "float32", "uint8", "uint16", "text", "bytes")


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """What one value is: in a record, under one key, or decoded.

    It is the one description of a value. What TensorFlow parses it by, how HDF5 holds it, what is checked
    when it is read back, and the classes' names are derived from it. The keys, dtypes and shapes of a
    feature's values depend on its settings alone, never on its class names.

    Attributes:
        dtype: of the numbers; ``text`` is UTF-8 text and ``bytes`` binary, both of any length.
        shape: sizes of one record's value, ``None`` where they differ from record to record: first
            those that differ, then those that do not. Text and bytes have ``()``, a list of them ``(None,)``.
        axes: what the axes of the shape are called.
        encoding: the image format that bytes are in, ``raw`` for pixels; empty where they are in none.
        domain: what the numbers may be; ``None`` for anything that the dtype holds.
    """

    dtype: Literal["int64", "float32", "uint8", "uint16", "text", "bytes"]
    shape: tuple[int | None, ...] = ()
    axes: tuple[str, ...] = ()
    encoding: str = ""
    domain: Domain | None = None

    def __post_init__(self) -> None:
        # Kinds come from packages that no type checker has seen, and what derives from a spec trusts it.
        if self.dtype not in _DTYPES:
            raise ValueError(f"dtype: got {self.dtype!r}, expected one of {', '.join(_DTYPES)}")
        if not self.is_numeric and self.shape not in ((), (None,)):
            got = f"got {list(self.shape)} for {self.dtype}"
            raise ValueError(
                f"shape: {got}, expected [] for one value or [None] for a list of them"
            )

    @property
    def is_ragged(self) -> bool:
        """Whether a record's value is an array with a size of its own."""
        return None in self.shape

    @property
    def is_string(self) -> bool:
        """Whether a record holds strings: text, bytes, and raw pixels, which are one string each."""
        return not self.is_numeric or self.encoding == "raw"

    @property
    def is_numeric(self) -> bool:
        """Whether a record's value is an array of numbers."""
        return self.dtype not in ("text", "bytes")
