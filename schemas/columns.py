"""What is said of a manifest without a column that is asked for."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["list_columns"]

_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'", ",": "commas"}


def list_columns(column: str, columns: Sequence[str]) -> str:
    """The columns that there are, and which of them, or which separator, may be meant.

    Args:
        column: the one that there is not.
        columns: those of the manifest.
    """
    listed = f"its columns are: {', '.join(map(repr, columns))}"
    for name in columns:
        if name.strip().casefold() == column.strip().casefold():
            return f"{listed}; did you mean {name!r}?"
    for separator, named in _SEPARATORS.items():
        if len(columns) == 1 and separator in columns[0]:
            return f"{listed}; it seems to be separated by {named}, expected commas in .csv, tabs in .tsv"
    return listed
