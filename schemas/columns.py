"""Whether a manifest has a column that is asked for, and what is said where it has not."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import ManifestError

__all__ = ["check_column"]

_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'", ",": "commas"}


def check_column(column: str, columns: Sequence[str], where: str, purpose: str = "") -> None:
    """Checks that a manifest has a column.

    Args:
        column: the one that is asked for.
        columns: those of the manifest.
        where: the manifest, or the option, that the message begins with.
        purpose: what it is asked for: ``for features.label.source``.

    Raises:
        ManifestError: it has not; the message lists those that there are, and says which of them, or which
            separator, may be meant.
    """
    if column not in columns:
        missing = " ".join(filter(None, [f"no column {column!r}", purpose]))
        raise ManifestError(f"{where}: {missing}; {_list_columns(column, columns)}")


def _list_columns(column: str, columns: Sequence[str]) -> str:
    listed = f"its columns are: {', '.join(map(repr, columns))}"
    for name in columns:
        if name.strip().casefold() == column.strip().casefold():
            return f"{listed}; did you mean {name!r}?"
    for separator, named in _SEPARATORS.items():
        if len(columns) == 1 and separator in columns[0]:
            return f"{listed}; it seems to be separated by {named}, expected commas in .csv, tabs in .tsv"
    return listed
