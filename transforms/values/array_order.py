"""Which rows are read from the same chunk of an array file, so that they can be kept together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...schemas.errors import Reject
from ...schemas.features.base import Feature
from ...schemas.features.source import ARRAY_MARK, fill_source, is_column
from ..rows import ManifestRow, RowFormat
from ..storage.input_files import InputFiles
from .arrays.array_files import ArrayBlock, ArrayFiles
from .arrays.references import parse_reference

__all__ = ["ArrayOrder"]


@dataclass(frozen=True, slots=True)
class ArrayOrder:
    """Finds the chunks that rows are read from, from the headers of array files.

    Attributes:
        features: of the schema.
        row_format: what the rows' cells are.
        inputs: where paths are relative to.
    """

    features: tuple[Feature, ...]
    row_format: RowFormat
    inputs: InputFiles

    def open(self) -> Callable[[ManifestRow], ArrayBlock | None]:
        """What finds the block of a row; it opens each array file once, as long as it is kept.

        A row with several has the one that costs most to read; ``None`` where there is none, also because
        it cannot be read: why, the shard task will say.
        """
        candidates = [feature for feature in self.features if _may_name_arrays(feature)]
        if not candidates:
            return lambda row: None
        files = ArrayFiles(self.inputs)
        # Nearly every row has a plain path here, so a look at these cells is all that it costs.
        plain = [
            self.row_format.columns.index(feature.source)
            for feature in candidates
            if is_column(feature.source)
        ]
        all_plain = len(plain) == len(candidates)

        def find(row: ManifestRow) -> ArrayBlock | None:
            values = row.values
            for index in plain if all_plain else ():
                cell = values[index]
                if type(cell) is not str or ARRAY_MARK in cell:
                    break
            else:
                if all_plain:
                    return None
            found: ArrayBlock | None = None
            cells: dict[str, Any] = {}
            for feature in candidates:
                cells = cells or dict(zip(self.row_format.columns, row.values, strict=True))
                near = files.under(self.inputs.of(row.file))
                block = self._find_block(feature, cells, near, row)
                if block is not None and (found is None or block.bytes > found.bytes):
                    found = block
            return found

        return find

    def _find_block(
        self, feature: Feature, cells: dict[str, Any], files: ArrayFiles, row: ManifestRow
    ) -> ArrayBlock | None:
        # A clip lies where its first step does.
        first = {c: _first(cells[c]) for c in feature.columns}
        if is_column(feature.source) and not _names_array(first[feature.source]):
            return None
        try:
            written = fill_source(feature.source, first)
            reference = parse_reference(written) if isinstance(written, str) else None
            if reference is None:
                return None
            # The place of a row must not depend on where the files lie.
            name = self.row_format.relative(row, reference.file)
            return files.find_block(reference, feature.reads_files, name)
        except Reject:
            return None


def _may_name_arrays(feature: Feature) -> bool:
    return feature.reads_arrays or ARRAY_MARK in feature.source


def _names_array(cell: Any) -> bool:
    first = _first(cell)
    return isinstance(first, str) and ARRAY_MARK in first


def _first(cell: Any) -> Any:
    return cell[0] if isinstance(cell, list) and cell else cell
