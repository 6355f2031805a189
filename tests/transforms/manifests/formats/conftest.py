from collections.abc import Callable
from pathlib import Path

import pytest
from pixelbeam.transforms.manifests.formats.base import RANGE_BYTES, Projection
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.manifests.read_manifest import row_of, split_file
from pixelbeam.transforms.rows import ManifestRow, RejectedRow

Read = Callable[..., list[ManifestRow | RejectedRow]]


@pytest.fixture
def read() -> Read:
    """Reads a whole manifest in this process, part after part."""

    def _read(
        path: Path,
        columns: tuple[str, ...] | None = None,
        file_columns: tuple[str, ...] = (),
        range_bytes: int = RANGE_BYTES,
        late_columns: tuple[str, ...] = (),
    ) -> list[ManifestRow | RejectedRow]:
        manifest = open_manifest(str(path))
        projection = Projection(
            columns or manifest.columns, frozenset(file_columns), frozenset(late_columns)
        )
        return [
            row_of(part.name, record)
            for file in manifest.files
            for part in split_file(manifest.format, file, range_bytes)
            for record in manifest.format.records(part, projection)
        ]

    return _read


@pytest.fixture
def outcomes(read: Read) -> Callable[[Path], list[tuple[int, object]]]:
    """What each row becomes: its values, or its reason and message."""

    def _outcomes(path: Path, **options: object) -> list[tuple[int, object]]:
        return [
            (
                row.row,
                row.values
                if isinstance(row, ManifestRow)
                else (row.reject.reason, row.reject.message),
            )
            for row in read(path, **options)
        ]

    return _outcomes
