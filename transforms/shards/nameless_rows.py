"""Why no row names a class: what most rows of a sample would be rejected for."""

from __future__ import annotations

from collections.abc import Iterable

from ...schemas.errors import Reject
from ...schemas.features.cell_text import is_missing
from ...schemas.schema import Schema
from ..row_order import unpack_row
from ..rows import ManifestRow
from .encode_rows import RowEncoder

__all__ = ["explain_nameless"]


def explain_nameless(encoder: RowEncoder, name: str, sample: Iterable[bytes]) -> str:
    """The most frequent reason for which rows name no class, with the first row that has it.

    Args:
        encoder: its schema lacks the vocabulary.
        name: the feature.
        sample: packed rows.

    Returns:
        One line; empty where nothing is wrong with the rows, such as with empty lists of classes. Rows that
        are all empty are named too where the feature has a default for them.
    """
    rows = sorted(map(unpack_row, sample), key=lambda row: (row.file, row.row))
    column = encoder.schema.features[name].source
    found: dict[str, list[tuple[ManifestRow, Reject]]] = {}
    for row in rows:
        reject = _find_reject(encoder.schema, name, encoder.row_format.cell(row, column))
        if reject is not None:
            found.setdefault(reject.reason, []).append((row, reject))
    if not found:
        empty = [is_missing(encoder.row_format.cell(row, column)) for row in rows]
        if not rows or not all(empty):
            return ""
        return (
            f"all {len(rows)} rows looked at are empty, and a default alone is no vocabulary; name the classes "
            "with vocabulary: […]"
        )
    reason, rejects = max(found.items(), key=lambda item: len(item[1]))
    row, reject = rejects[0]
    looked = f"{len(rejects)} of the {len(rows)} rows looked at"
    return f"{looked} have {reason}, such as {row.file}:{row.row}: {reject.message}"


def _find_reject(schema: Schema, name: str, cell: object) -> Reject | None:
    feature = schema.features[name]
    cells = [cell]
    if schema.clips is not None and name in schema.steps:
        cells = schema.clips.split(cell, feature) or [None]
    try:
        for value in cells:
            feature.encode(name, value)
    except Reject as reject:
        return reject
    return None
