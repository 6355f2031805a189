"""What the cells of a row stand for: themselves, files, folders of frames, arrays in files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...schemas.clips import Clips
from ...schemas.errors import Reject
from ...schemas.features.base import Feature
from ...schemas.features.cell_text import is_missing, parse_list
from ...schemas.features.source import ARRAY_MARK, fill_source, is_column
from ...schemas.images.files import Opened
from ..storage.input_files import InputFiles
from .arrays.array_files import ArrayFiles
from .arrays.references import parse_reference, suggest_reference
from .arrays.stored import StoredArray
from .step_sources import Animation, ListedSteps, StepSource, list_frames

__all__ = ["Origin", "ValueResolver"]


class Origin(NamedTuple):
    """What a value was read from.

    Attributes:
        source: the file's path, or the array's, as the manifest has it; empty for bytes that lie in the manifest.
        bytes: how many they are.
        sha256: of them, in hex; of an array, of its elements in C order.
    """

    source: str
    bytes: int
    sha256: str


@dataclass(slots=True)
class ValueResolver:
    """Reads what one row names.

    Attributes:
        cells: the row's cells by column.
        inputs: reads files.
        arrays: opens array files.
    """

    cells: Mapping[str, Any]
    inputs: InputFiles
    arrays: ArrayFiles
    _files: dict[str, bytes] = field(default_factory=dict, init=False)
    _origins: dict[str, Origin] = field(default_factory=dict, init=False)

    def value(self, feature: Feature) -> Any:
        """What a feature that a record has once is encoded from.

        Raises:
            Reject: what the row names cannot be read.
        """
        return self._read(feature, fill_source(feature.source, self.cells))

    def describe(self, feature: Feature) -> str:
        """The path that a feature's value comes from; empty where it is a cell itself."""
        value = fill_source(feature.source, self.cells)
        named = feature.reads_files or not is_column(feature.source)
        return value if named and isinstance(value, str) else ""

    def origin(self, feature: Feature, written: str, value: Any) -> Origin | None:
        """What a value was read from; ``None`` where it stands in the manifest.

        Args:
            feature: what was encoded from it.
            written: from ``describe``, the resolver's or a step source's.
            value: the value, or one of its steps.
        """
        if value is None or not feature.reads_files:
            return None
        if written in self._origins:
            return self._origins[written]
        if isinstance(value, Opened):  # a frame of what lies in the manifest
            value = value.data
        # What a package's step source gives may be anything.
        data = value if isinstance(value, bytes) else np.asarray(value).tobytes()
        return Origin(written, len(data), hashlib.sha256(data).hexdigest())

    def steps(self, feature: Feature, clips: Clips) -> StepSource:
        """What a step feature is encoded from.

        Raises:
            Reject: ``missing_value``, or what the row names cannot be read.
        """
        lists = [self.cells[column] for column in feature.columns]
        if not is_column(feature.source) and any(isinstance(cell, list) for cell in lists):
            return ListedSteps(self._fill_each(feature), lambda cell: self._read(feature, cell))
        value = fill_source(feature.source, self.cells)
        if is_missing(value):
            raise Reject(
                "encode", "missing_value", "got an empty cell, expected the steps of a clip"
            )
        listed = _listed(feature, value, clips)
        if listed is None and isinstance(value, str):
            array = self._find_array(feature, value)
            if array is not None:
                return _Files(array) if feature.reads_files else array
            if feature.pixel_limit is not None:
                listed = list_frames(self.inputs, value)
        if listed is None and feature.pixel_limit is not None:
            written, data = (value, self._file(value)) if isinstance(value, str) else ("", value)
            return Animation(data, written, feature.pixel_limit)
        cells = clips.split(value, feature) if listed is None else listed
        return ListedSteps(cells, lambda cell: self._read(feature, cell))

    def listed(self, feature: Feature, clips: Clips) -> list[Any] | None:
        """The steps that the cell of a step feature lists; ``None`` where it names what holds them.

        What it names stays unopened, so this says nothing of whether it is there.
        """
        value = self.cells[feature.source]
        listed = _listed(feature, value, clips)
        may_hold_steps = feature.pixel_limit is not None  # an animation, or a folder
        if listed is not None or may_hold_steps or not isinstance(value, str):
            return listed
        names_array = feature.reads_arrays and parse_reference(value) is not None
        return None if names_array else clips.split(value, feature)

    def forget(self) -> None:
        """Lets go of the files that were read, which are kept for other features of the same row."""
        self._files.clear()

    def _fill_each(self, feature: Feature) -> list[Any]:
        columns = {column: self.cells[column] for column in feature.columns}
        count = max(len(cell) for cell in columns.values() if isinstance(cell, list))
        filled: list[Any] = []
        for step in range(count):
            cells = {name: c[step] if isinstance(c, list) else c for name, c in columns.items()}
            try:
                filled.append(fill_source(feature.source, cells))
            except Reject as reject:  # the step's own fault, told when the step is read
                filled.append(reject)
        return filled

    def _read(self, feature: Feature, value: Any) -> Any:
        if isinstance(value, Reject):
            raise value
        if isinstance(value, str) and value:
            array = self._find_array(feature, value)
            if array is not None:
                read = array.read(several=feature.takes_rows, advice=feature.rows_advice)
                return _as_file(read) if feature.reads_files else read
            if feature.reads_files:
                return self._file(value)
        return value if feature.reads_files else feature.read_named(value, self._file)

    def _find_array(self, feature: Feature, value: str) -> StoredArray | None:
        """The array that a value names, where the feature or its source may name one."""
        declared = ARRAY_MARK in feature.source and not is_column(feature.source)
        if not declared and not feature.reads_arrays:
            return None
        reference = parse_reference(value)
        if reference is None and declared:
            message = f"got {value!r}, expected an array like videos.h5::/clip/frames"
            raise Reject("load", "bad_path", message, path=value)
        if reference is None and not feature.reads_files and (hint := suggest_reference(value)):
            message = f"got {value!r}, expected numbers; {hint}"
            raise Reject("load", "bad_path", message, path=value)
        return None if reference is None else self.arrays.find(reference, feature.reads_files)

    def _file(self, path: str) -> bytes:
        if path not in self._files:
            data, sha256 = self.inputs.read(path)
            self._files[path], self._origins[path] = data, Origin(path, len(data), sha256)
        return self._files[path]


def _listed(feature: Feature, value: Any, clips: Clips) -> list[Any] | None:
    """The steps of a cell that lists them beyond doubt; ``None`` where it may be one path or text."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return None
    if (parsed := parse_list(value.strip())) is not None:
        return parsed
    paths = clips.split(value, feature) if feature.reads_files else []
    return paths if len(paths) > 1 else None


@dataclass(frozen=True, slots=True)
class _Files:
    """The rows of an array as images: pixels, or the bytes of files."""

    array: StoredArray

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, step: int) -> Any:
        return _as_file(self.array[step])

    def read_steps(self, steps: Sequence[int]) -> NDArray[Any] | None:
        return None  # a file or an image at a time

    def describe(self, step: int) -> str:
        return self.array.describe(step)


def _as_file(value: Any) -> Any:
    """An array of bytes in a row is the file that they make."""
    flat = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == np.uint8
    return value.tobytes() if flat else value
