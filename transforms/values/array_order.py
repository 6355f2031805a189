"""Which rows are read from the same chunk of an array file, so that they can be kept together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...schemas.errors import Reject
from ...schemas.features.base import Feature
from ...schemas.features.source import ARRAY_MARK, fill_source, is_column
from ..rows import ManifestRow, RowFormat
from ..storage.input_files import InputFiles
from .arrays.array_files import ArrayBlock, ArrayFiles
from .arrays.references import parse_reference

__all__ = ["ArrayOrder", "BlockFinder"]


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

    def open(self) -> BlockFinder:
        """What finds the blocks of rows; it has array files open until it is closed."""
        return BlockFinder(self)


class BlockFinder:
    """Finds the block of a row; it opens each array file once, as long as it is kept.

    Args:
        order: what the rows and their paths are.
    """

    def __init__(self, order: ArrayOrder):
        self._row_format, self._inputs = order.row_format, order.inputs
        self._features = [feature for feature in order.features if _may_name_arrays(feature)]
        self._files = ArrayFiles(self._inputs)
        # Nearly every row has a plain path here, so a look at these cells is all that it costs.
        plain = [feature for feature in self._features if is_column(feature.source)]
        self._plain = [self._row_format.columns.index(feature.source) for feature in plain]
        self._all_plain = len(plain) == len(self._features)

    def find(self, row: ManifestRow) -> ArrayBlock | None:
        """The block of a row.

        A row with several has the one that costs most to read; ``None`` where there is none, also because
        it cannot be read: why, the shard task will say.
        """
        if self._all_plain:
            for index in self._plain:
                cell = row.values[index]
                if type(cell) is not str or ARRAY_MARK in cell:
                    break
            else:
                return None
        cells = dict(zip(self._row_format.columns, row.values, strict=True))
        near = self._files.under(self._inputs.of(row.file))
        found = (self._find_block(feature, cells, near, row) for feature in self._features)
        return max((b for b in found if b is not None), key=lambda block: block.bytes, default=None)

    def close(self) -> None:
        """Closes the files; what their headers said is kept, and a row may open one again."""
        self._files.close()

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
            name = self._row_format.relative(row, reference.file)
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
